//! Manual snapshots as descriptions of a cluster at an instant: what a final snapshot leaves, and what is billed on.
//! They hold no data, so restoring one is refused.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::cluster::{self, Cluster};
use super::tags::{Tags, matches_filter, read_tags, shown_tags};
use super::{combination, invalid, paged, rules, text};

const SNAPSHOTS: &str = "redshift_snapshot";
const DAY: f64 = 86_400.0;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: String,
    pub tags: Tags,
    created: f64,
    ready: f64,
    retention_days: i64,
    cluster: Cluster,
}

impl Snapshot {
    pub fn arn(&self, cx: &Call) -> String {
        cx.arn("redshift", &format!("snapshot:{}/{}", self.cluster.id, self.id))
    }

    fn is_expired(&self, now: f64) -> bool {
        self.retention_days >= 0 && now >= self.created + self.retention_days as f64 * DAY
    }

    fn shown(&self, cx: &Call) -> Value {
        let cluster = &self.cluster;
        let ready = cx.now >= self.ready;
        let mut shown = json!({
            "SnapshotIdentifier": self.id,
            "ClusterIdentifier": cluster.id,
            "SnapshotCreateTime": self.created,
            "Status": if ready { "available" } else { "creating" },
            "Port": cluster.port,
            "AvailabilityZone": cluster.availability_zone,
            "ClusterCreateTime": cluster.created,
            "MasterUsername": cluster.user,
            "ClusterVersion": "1.0",
            "SnapshotType": "manual",
            "NodeType": cluster.node_type,
            "NumberOfNodes": cluster.nodes,
            "DBName": cluster.database,
            "VpcId": cluster.vpc_id,
            "Encrypted": true,
            "KmsKeyId": cluster.kms_key.as_deref().unwrap_or("AWS_OWNED_KMS_KEY"),
            "EncryptedWithHSM": false,
            "AccountsWithRestoreAccess": [],
            "OwnerAccount": cx.account,
            "ElapsedTimeInSeconds": (cx.now.min(self.ready) - self.created).max(0.0) as i64,
            "EstimatedSecondsToCompletion": (self.ready - cx.now).ceil().max(0.0) as i64,
            "Tags": shown_tags(&self.tags),
            "RestorableNodeTypes": [cluster.node_type],
            "EnhancedVpcRouting": cluster.enhanced_routing,
            "MaintenanceTrackName": cluster.track,
            "ManualSnapshotRetentionPeriod": self.retention_days,
            "SnapshotRetentionStartTime": self.created,
            "SnapshotArn": self.arn(cx),
        });
        if self.retention_days >= 0 {
            let left = self.created + self.retention_days as f64 * DAY - cx.now;
            shown["ManualSnapshotRemainingDays"] = json!((left / DAY).ceil().max(0.0) as i64);
        }
        shown
    }
}

pub fn find(cx: &Call, id: &str) -> Result<Option<Snapshot>, Fault> {
    let found: Option<Snapshot> = cx.get(SNAPSHOTS, &id.to_lowercase())?;
    Ok(found.filter(|snapshot| !snapshot.is_expired(cx.now)))
}

pub fn all(cx: &Call) -> Result<Vec<Snapshot>, Fault> {
    let stored = cx.list::<Snapshot>(SNAPSHOTS, "")?;
    Ok(stored
        .into_iter()
        .map(|(_, snapshot)| snapshot)
        .filter(|snapshot| !snapshot.is_expired(cx.now))
        .collect())
}

pub fn save(cx: &Call, snapshot: &Snapshot) -> Result<(), Fault> {
    cx.put(SNAPSHOTS, &snapshot.id, snapshot)
}

/// Takes a snapshot of a cluster under a new name.
pub fn take(
    cx: &Call,
    cluster: &Cluster,
    id: &str,
    retention_days: Option<i64>,
    tags: Tags,
) -> Result<Snapshot, Fault> {
    let id = rules::identifier("SnapshotIdentifier", id, 255, true)?;
    let retention_days = retention_days.unwrap_or(cluster.manual_retention_days);
    rules::check_manual_retention(retention_days)?;
    if find(cx, &id)?.is_some() {
        return Err(Fault::bad(
            "ClusterSnapshotAlreadyExists",
            format!("Cannot create the snapshot because a snapshot with the identifier {id} already exists."),
        ));
    }
    let ready = cx.now + cx.cloud.pace.seconds(0.2, 60.0);
    // A copy of a password has no place in a snapshot that nobody logs in to.
    let cluster = Cluster {
        password: None,
        activity: None,
        interfaces: Vec::new(),
        ..cluster.clone()
    };
    let snapshot = Snapshot {
        id,
        tags,
        created: cx.now,
        ready,
        retention_days,
        cluster,
    };
    save(cx, &snapshot)?;
    cx.tag_index(&snapshot.arn(cx), &snapshot.tags)?;
    Ok(snapshot)
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let cluster = cluster::named(cx, input)?;
    if cluster.status(cx.now) != "available" {
        return Err(Fault::bad(
            "InvalidClusterState",
            format!(
                "Cannot create a snapshot because the cluster {} is not available.",
                cluster.id
            ),
        ));
    }
    let mut tags = Tags::new();
    read_tags(input, &mut tags)?;
    let retention = input["ManualSnapshotRetentionPeriod"].as_i64();
    let snapshot = take(cx, &cluster, text(input, "SnapshotIdentifier"), retention, tags)?;
    Ok(json!({ "Snapshot": snapshot.shown(cx) }))
}

fn not_found(id: &str) -> Fault {
    Fault::new(
        404,
        "ClusterSnapshotNotFound",
        format!("Snapshot {} not found.", id.to_lowercase()),
    )
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let mut found = all(cx)?;
    if let Some(id) = input["SnapshotIdentifier"].as_str() {
        found.retain(|snapshot| snapshot.id == id.to_lowercase());
        if found.is_empty() {
            return Err(not_found(id));
        }
    }
    if let Some(arn) = input["SnapshotArn"].as_str() {
        found.retain(|snapshot| snapshot.arn(cx) == arn);
        if found.is_empty() {
            return Err(not_found(arn));
        }
    }
    if let Some(id) = input["ClusterIdentifier"].as_str() {
        let id = id.to_lowercase();
        found.retain(|snapshot| snapshot.cluster.id == id);
        if input["ClusterExists"].as_bool() == Some(true) && cluster::find(cx, &id)?.is_none() {
            return Err(cluster::not_found(&id));
        }
    } else if input.get("ClusterExists").is_some() {
        return Err(combination("ClusterExists needs ClusterIdentifier."));
    }
    match input["SnapshotType"].as_str() {
        None | Some("manual") => {}
        // Automated snapshots are not taken here.
        Some("automated") => found.clear(),
        Some(other) => return Err(invalid(format!("Invalid snapshot type: {other}"))),
    }
    if let Some(start) = input["StartTime"].as_f64() {
        found.retain(|snapshot| snapshot.created >= start);
    }
    if let Some(end) = input["EndTime"].as_f64() {
        found.retain(|snapshot| snapshot.created <= end);
    }
    let shown = found
        .iter()
        .filter(|snapshot| matches_filter(input, &snapshot.tags))
        .map(|snapshot| snapshot.shown(cx));
    paged(cx, "Snapshots", shown.collect(), input)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let id = text(input, "SnapshotIdentifier");
    let snapshot = find(cx, id)?.ok_or_else(|| not_found(id))?;
    if cx.now < snapshot.ready {
        return Err(Fault::bad(
            "InvalidClusterSnapshotState",
            format!("The snapshot {} is still being made.", snapshot.id),
        ));
    }
    cx.delete(SNAPSHOTS, &snapshot.id)?;
    cx.tag_forget(&snapshot.arn(cx))?;
    let mut shown = snapshot.shown(cx);
    shown["Status"] = json!("deleted");
    Ok(json!({ "Snapshot": shown }))
}
