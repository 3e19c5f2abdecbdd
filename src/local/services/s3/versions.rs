//! What a write or a delete does to the versions of a key, and the conditions under which it may.

use s3s::dto::ETagCondition;

use super::model::{self, Bucket, EVERYWHERE, OBJECTS, Object, VERSIONS, Versioning, fault, no_such_key, object_id};
use super::objects::Segment;
use crate::services::{Call, Fault};

type Answer<T> = Result<T, Fault>;

/// The conditions of a write.
#[derive(Clone, Default)]
pub struct Conditions {
    pub if_match: Option<ETagCondition>,
    pub if_none_match: Option<ETagCondition>,
}

fn matches(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag,
    }
}

impl Conditions {
    pub fn check(&self, current: Option<&Object>) -> Answer<()> {
        let failed = |which: &str| {
            let message = "At least one of the pre-conditions you specified did not hold";
            Err(fault(412, "PreconditionFailed", message).with("Condition", which))
        };
        if let Some(condition) = &self.if_none_match
            && current.is_some_and(|object| matches(condition, &object.etag))
        {
            return failed("If-None-Match");
        }
        match (&self.if_match, current) {
            (Some(_), None) => Err(no_such_key()),
            (Some(condition), Some(object)) if !matches(condition, &object.etag) => failed("If-Match"),
            _ => Ok(()),
        }
    }
}

/// Orders versions: the clock in microseconds, or one more than the newest version of the key.
fn sequence(now: f64, newest: Option<u64>) -> u64 {
    ((now * 1e6) as u64).max(newest.map_or(0, |newest| newest + 1))
}

fn newest(cx: &Call, bucket: &str, key: &str, current: Option<&Object>) -> Answer<Option<u64>> {
    let rows: Vec<(String, Object)> = cx
        .tx
        .scan(VERSIONS, EVERYWHERE, &format!("{bucket}/{key}\0"), None, 1)?;
    let older = rows.first().map(|(_, object)| object.sequence);
    Ok(current.map(|object| object.sequence).max(older))
}

/// Makes `object` the current version of its key. Returns it as stored, and the bytes that nothing names any more.
pub fn install(
    cx: &Call,
    bucket: &Bucket,
    mut object: Object,
    conditions: &Conditions,
) -> Answer<(Object, Vec<Segment>)> {
    let name = &bucket.name;
    let current = model::current(cx.tx, name, &object.key)?;
    conditions.check(current.as_ref())?;
    object.sequence = sequence(cx.now, newest(cx, name, &object.key, current.as_ref())?);
    object.modified = cx.now;
    let mut freed = Vec::new();
    match bucket.versioning {
        Versioning::Never => freed.extend(current.into_iter().flat_map(|old| old.data)),
        Versioning::Enabled => {
            object.version = Some(uuid::Uuid::new_v4().simple().to_string());
            if let Some(old) = current {
                model::put_version(cx.tx, name, &old)?;
            }
        }
        Versioning::Suspended => freed.extend(displace_null(cx, name, &object.key, current)?),
    }
    model::put_current(cx.tx, name, &object)?;
    Ok((object, freed))
}

/// In a suspended bucket a write replaces the version `null` and keeps the others.
fn displace_null(cx: &Call, bucket: &str, key: &str, current: Option<Object>) -> Answer<Vec<Segment>> {
    let mut freed = Vec::new();
    match current {
        Some(old) if old.version.is_some() => model::put_version(cx.tx, bucket, &old)?,
        Some(old) => freed.extend(old.data),
        None => {}
    }
    for (row, old) in model::older(cx.tx, bucket, key)? {
        if old.version.is_none() {
            cx.tx.delete(VERSIONS, EVERYWHERE, &row)?;
            freed.extend(old.data);
        }
    }
    Ok(freed)
}

/// What a delete did.
#[derive(Debug, Default)]
pub struct Deleted {
    pub marker: bool,
    pub version: Option<String>,
    pub freed: Vec<Segment>,
}

/// Deletes a key, or one of its versions.
pub fn remove(cx: &Call, bucket: &Bucket, key: &str, version: Option<&str>) -> Answer<Deleted> {
    let name = &bucket.name;
    let current = model::current(cx.tx, name, key)?;
    let Some(version) = version else {
        return remove_current(cx, bucket, key, current);
    };
    let is = |object: &Object| object.version_id() == version;
    let told = Some(version.to_owned());
    if let Some(object) = current {
        if is(&object) {
            cx.tx.delete(OBJECTS, EVERYWHERE, &object_id(name, key))?;
            promote(cx, name, key)?;
            return Ok(Deleted {
                marker: false,
                version: told,
                freed: object.data,
            });
        }
        let found = model::older(cx.tx, name, key)?
            .into_iter()
            .find(|(_, object)| is(object));
        let Some((row, object)) = found else {
            return Ok(Deleted {
                version: told,
                ..Deleted::default()
            });
        };
        cx.tx.delete(VERSIONS, EVERYWHERE, &row)?;
        return Ok(Deleted {
            marker: object.marker,
            version: told,
            freed: object.data,
        });
    }
    let found = model::older(cx.tx, name, key)?
        .into_iter()
        .find(|(_, object)| is(object));
    let Some((row, object)) = found else {
        return Ok(Deleted {
            version: told,
            ..Deleted::default()
        });
    };
    cx.tx.delete(VERSIONS, EVERYWHERE, &row)?;
    promote(cx, name, key)?;
    Ok(Deleted {
        marker: object.marker,
        version: told,
        freed: object.data,
    })
}

fn remove_current(cx: &Call, bucket: &Bucket, key: &str, current: Option<Object>) -> Answer<Deleted> {
    let name = &bucket.name;
    if bucket.versioning == Versioning::Never {
        let Some(object) = current else {
            return Ok(Deleted::default());
        };
        cx.tx.delete(OBJECTS, EVERYWHERE, &object_id(name, key))?;
        return Ok(Deleted {
            freed: object.data,
            ..Deleted::default()
        });
    }
    let sequence = sequence(cx.now, newest(cx, name, key, current.as_ref())?);
    let mut marker = Object {
        key: key.to_owned(),
        sequence,
        modified: cx.now,
        marker: true,
        ..Object::default()
    };
    let had_current = current.is_some();
    let mut freed = Vec::new();
    if bucket.versioning == Versioning::Enabled {
        marker.version = Some(uuid::Uuid::new_v4().simple().to_string());
        if let Some(old) = current {
            model::put_version(cx.tx, name, &old)?;
        }
    } else {
        freed = displace_null(cx, name, key, current)?;
    }
    if had_current {
        cx.tx.delete(OBJECTS, EVERYWHERE, &object_id(name, key))?;
    }
    model::put_version(cx.tx, name, &marker)?;
    Ok(Deleted {
        marker: true,
        version: Some(marker.version_id().to_owned()),
        freed,
    })
}

/// After the newest version went, the one below it is current again, unless it is a delete marker.
fn promote(cx: &Call, bucket: &str, key: &str) -> Answer<()> {
    let rows: Vec<(String, Object)> = cx
        .tx
        .scan(VERSIONS, EVERYWHERE, &format!("{bucket}/{key}\0"), None, 1)?;
    if let Some((row, object)) = rows.into_iter().next()
        && !object.marker
    {
        cx.tx.delete(VERSIONS, EVERYWHERE, &row)?;
        model::put_current(cx.tx, bucket, &object)?;
    }
    Ok(())
}
