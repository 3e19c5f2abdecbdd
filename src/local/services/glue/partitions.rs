//! Partitions of catalog tables.

use serde_json::{Value, json};

use super::catalog;
use super::expression::Expression;
use super::{Answer, Call, Fault, exists, invalid, missing, own_catalog, paged, text, texts};

struct Of<'i> {
    database: &'i str,
    table: &'i str,
    keys: Vec<Value>,
}

fn table<'i>(cx: &Call, input: &'i Value) -> Result<Of<'i>, Fault> {
    own_catalog(cx, input)?;
    let (database, table) = (text(input, "DatabaseName"), text(input, "TableName"));
    let found = catalog::table(cx, database, table)?;
    let keys = found["PartitionKeys"].as_array().cloned().unwrap_or_default();
    Ok(Of { database, table, keys })
}

fn add(cx: &Call, of: &Of, partition: &Value) -> Result<(), Fault> {
    let values = texts(&partition["Values"]);
    if values.len() != of.keys.len() {
        return Err(invalid(
            "The number of partition keys do not match the number of partition values",
        ));
    }
    if catalog::get_partition(cx, of.database, of.table, &values)?.is_some() {
        return Err(exists("Partition already exists."));
    }
    catalog::put_partition(cx, of.database, of.table, partition, cx.now)
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    add(cx, &of, &input["PartitionInput"])?;
    Ok(json!({}))
}

fn failures(errors: Vec<Value>) -> Answer {
    Ok(if errors.is_empty() {
        json!({})
    } else {
        json!({"Errors": errors})
    })
}

fn detail(fault: &Fault) -> Value {
    json!({"ErrorCode": fault.code, "ErrorMessage": fault.message})
}

pub fn create_many(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    let mut errors = Vec::new();
    for partition in input["PartitionInputList"].as_array().into_iter().flatten() {
        if let Err(fault) = add(cx, &of, partition) {
            errors.push(json!({"PartitionValues": partition["Values"].clone(), "ErrorDetail": detail(&fault)}));
        }
    }
    failures(errors)
}

fn find(cx: &Call, of: &Of, values: &[String]) -> Result<Value, Fault> {
    catalog::get_partition(cx, of.database, of.table, values)?.ok_or_else(|| missing("Cannot find partition."))
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    Ok(json!({"Partition": find(cx, &of, &texts(&input["PartitionValues"]))?}))
}

pub fn get_many(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    let mut found = Vec::new();
    for wanted in input["PartitionsToGet"].as_array().into_iter().flatten() {
        found.extend(catalog::get_partition(
            cx,
            of.database,
            of.table,
            &texts(&wanted["Values"]),
        )?);
    }
    Ok(json!({"Partitions": found, "UnprocessedKeys": []}))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    let mut partitions = catalog::partitions(cx, of.database, of.table)?;
    if let Some(text) = input["Expression"].as_str().filter(|text| !text.trim().is_empty()) {
        let expression = Expression::parse(text, &of.keys).map_err(invalid)?;
        partitions.retain(|partition| expression.holds(&texts(&partition["Values"])));
    }
    let segment = &input["Segment"];
    if let (Some(number), Some(total)) = (segment["SegmentNumber"].as_u64(), segment["TotalSegments"].as_u64()) {
        if number >= total {
            return Err(invalid("Segment number must be less than total segments"));
        }
        let mine = |(at, _): &(usize, Value)| *at as u64 % total == number;
        partitions = partitions
            .into_iter()
            .enumerate()
            .filter(mine)
            .map(|(_, partition)| partition)
            .collect();
    }
    if input["ExcludeColumnSchema"] == true {
        for partition in &mut partitions {
            if let Some(descriptor) = partition["StorageDescriptor"].as_object_mut() {
                descriptor.remove("Columns");
            }
        }
    }
    paged(cx, input, "Partitions", partitions, 1000)
}

fn replace(cx: &Call, of: &Of, values: &[String], partition: &Value) -> Result<(), Fault> {
    let old = find(cx, of, values)?;
    let new_values = texts(&partition["Values"]);
    let mut partition = partition.clone();
    if new_values.is_empty() {
        partition["Values"] = json!(values);
    } else if new_values != values {
        if catalog::get_partition(cx, of.database, of.table, &new_values)?.is_some() {
            return Err(exists("Partition already exists."));
        }
        catalog::delete_partition(cx, of.database, of.table, values)?;
    }
    catalog::put_partition(
        cx,
        of.database,
        of.table,
        &partition,
        old["CreationTime"].as_f64().unwrap_or(cx.now),
    )
}

pub fn update(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    replace(cx, &of, &texts(&input["PartitionValueList"]), &input["PartitionInput"])?;
    Ok(json!({}))
}

pub fn update_many(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    let mut errors = Vec::new();
    for entry in input["Entries"].as_array().into_iter().flatten() {
        let values = texts(&entry["PartitionValueList"]);
        if let Err(fault) = replace(cx, &of, &values, &entry["PartitionInput"]) {
            errors.push(json!({"PartitionValueList": values, "ErrorDetail": detail(&fault)}));
        }
    }
    failures(errors)
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    let values = texts(&input["PartitionValues"]);
    find(cx, &of, &values)?;
    catalog::delete_partition(cx, of.database, of.table, &values)?;
    Ok(json!({}))
}

pub fn delete_many(cx: &Call, input: &Value) -> Answer {
    let of = table(cx, input)?;
    let mut errors = Vec::new();
    for wanted in input["PartitionsToDelete"].as_array().into_iter().flatten() {
        let values = texts(&wanted["Values"]);
        if !catalog::delete_partition(cx, of.database, of.table, &values)? {
            let fault = missing("Partition not found.");
            errors.push(json!({"PartitionValues": values, "ErrorDetail": detail(&fault)}));
        }
    }
    failures(errors)
}
