//! What is inside a cloud, counted: by account, region and kind of thing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::Local;
use crate::services::Fault;

/// The tables whose documents are things that people made, in the order in which they are told.
const KINDS: [(&str, &str); 33] = [
    ("ec2-vpcs", "vpc"),
    ("ec2-subnets", "subnet"),
    ("ec2-rtbs", "route table"),
    ("ec2-igws", "internet gateway"),
    ("ec2-nats", "NAT gateway"),
    ("ec2-eips", "elastic address"),
    ("ec2-vpces", "VPC endpoint"),
    ("ec2-sgs", "security group"),
    ("ec2-enis", "network interface"),
    ("s3.buckets", "bucket"),
    ("s3.objects", "object"),
    ("s3.versions", "older version"),
    ("s3.uploads", "unfinished upload"),
    ("iam_role", "role"),
    ("iam_policy", "policy"),
    ("iam_instance_profile", "instance profile"),
    ("glue.databases", "Glue database"),
    ("glue.tables", "Glue table"),
    ("glue.partitions", "Glue partition"),
    ("glue.classifiers", "classifier"),
    ("glue.crawlers", "crawler"),
    ("glue.crawls", "crawl"),
    ("glue.triggers", "trigger"),
    ("redshift_cluster", "Redshift cluster"),
    ("redshift_subnet_group", "subnet group"),
    ("redshift_parameter_group", "parameter group"),
    ("redshift_snapshot", "snapshot"),
    ("serverless_namespace", "serverless namespace"),
    ("serverless_workgroup", "serverless workgroup"),
    ("redshift_statement", "Data API statement"),
    ("secret", "secret"),
    ("log_group", "log group"),
    ("log_stream", "log stream"),
];

/// Returns what `lakeform local status` shows.
pub(crate) fn status(local: &Local) -> Result<Value, Fault> {
    let cloud = local.cloud();
    let mut counts: BTreeMap<(String, usize), u64> = BTreeMap::new();
    let mut bytes = 0;
    let mut documents = 0u64;
    let counted = cloud.store.read(|tx| {
        tx.every(|key, value| {
            documents += 1;
            let mut parts = key.splitn(3, '\0');
            let (table, scope) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            if let Some(kind) = KINDS.iter().position(|(known, _)| *known == table) {
                *counts.entry((scope.to_owned(), kind)).or_default() += 1;
            }
            if table.starts_with("s3.") && table != "s3.buckets" {
                #[derive(serde::Deserialize)]
                struct Size {
                    #[serde(default)]
                    size: u64,
                }
                bytes += serde_json::from_slice::<Size>(value)?.size;
            }
            Ok(())
        })
    })?;
    counted
        .unwrap_or(Ok(()))
        .map_err(|cause| Fault::new(500, "InternalFailure", cause.to_string()))?;
    let mut inside: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for ((scope, kind), count) in counts {
        let counted = json!({"kind": KINDS[kind].1, "count": count});
        inside.entry(place(&scope)).or_default().push(counted);
    }
    let inside: Vec<Value> = inside
        .into_iter()
        .map(|(place, kinds)| json!({"place": place, "kinds": kinds}))
        .collect();
    let ports: Vec<Value> = local
        .sql_ports()
        .into_iter()
        .map(|port| json!({"arn": port.arn, "name": port.name, "address": port.address, "database": port.database, "user": port.admin}))
        .collect();
    Ok(json!({
        "process": std::process::id(),
        "dir": cloud.dir,
        "pace": cloud.pace,
        "now": cloud.clock.now(),
        "faults": local.faults().plan(),
        "sql": ports,
        "inside": inside,
        "documents": documents,
        "object_bytes": bytes,
    }))
}

/// `123456789012/us-east-1`; what has no account or region belongs to all.
fn place(scope: &str) -> String {
    match scope.trim_matches('/') {
        "" | "global" => "all accounts".to_owned(),
        scope => scope.replace('/', ", "),
    }
}
