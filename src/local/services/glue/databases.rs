//! Catalog databases.

use serde_json::{Value, json};

use super::catalog::{self, fold};
use super::{Answer, Call, invalid, own_catalog, paged, tags, text};

pub fn arn(cx: &Call, name: &str) -> String {
    cx.arn("glue", &format!("database/{}", fold(name)))
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let database = &input["DatabaseInput"];
    check(database)?;
    catalog::create_database(cx, database)?;
    tags::create(cx, &arn(cx, text(database, "Name")), &input["Tags"])?;
    Ok(json!({}))
}

fn check(database: &Value) -> Result<(), super::Fault> {
    if let Some(location) = database["LocationUri"].as_str()
        && !location.is_empty()
        && !location.contains(":/")
    {
        return Err(invalid(format!("Invalid location URI: {location}")));
    }
    Ok(())
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    Ok(json!({"Database": catalog::database(cx, text(input, "Name"))?}))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    paged(cx, input, "DatabaseList", catalog::databases(cx)?, 100)
}

pub fn update(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let name = fold(text(input, "Name"));
    let old = catalog::database(cx, &name)?;
    let database = &input["DatabaseInput"];
    if fold(text(database, "Name")) != name {
        return Err(invalid("Database name cannot be changed"));
    }
    check(database)?;
    catalog::put_database(cx, &name, database, old["CreateTime"].as_f64().unwrap_or(cx.now))?;
    Ok(json!({}))
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    own_catalog(cx, input)?;
    let name = text(input, "Name");
    catalog::database(cx, name)?;
    catalog::delete_database(cx, name)?;
    tags::forget(cx, &arn(cx, name))?;
    Ok(json!({}))
}
