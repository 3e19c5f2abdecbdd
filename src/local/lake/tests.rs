//! The lake as a cluster sees it.

use std::sync::Arc;

use lakeform_sql::{ExternalPartition, ExternalTable, Lake, LakeErrorKind};
use serde_json::{Value, json};

use super::{Roles, account_lake};
use crate::services::iam::testing::World;
use crate::services::s3::Bytestore;
use crate::services::{ACCOUNT, Service};

const REGION: &str = "eu-west-1";
const CLUSTER: &str = "arn:aws:redshift:eu-west-1:123456789012:cluster:c";

fn role() -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/spectrum")
}

fn world(actions: &str) -> World {
    let world = World::open();
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"redshift.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    world.ok(
        Service::Iam,
        "CreateRole",
        json!({"RoleName": "spectrum", "AssumeRolePolicyDocument": trust}),
    );
    allow(&world, actions);
    world.ok(
        Service::Glue,
        "CreateDatabase",
        json!({"DatabaseInput": {"Name": "bronze"}}),
    );
    world
}

fn allow(world: &World, actions: &str) {
    let policy =
        format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{actions},"Resource":"*"}}]}}"#);
    let input: Value = json!({"RoleName": "spectrum", "PolicyName": "p", "PolicyDocument": policy});
    world.ok(Service::Iam, "PutRolePolicy", input);
}

fn lake(world: &World) -> Arc<dyn Lake> {
    account_lake(&world.cloud, ACCOUNT, REGION, CLUSTER, |_| {
        Ok(Roles {
            attached: vec![role()],
            default: None,
        })
    })
}

fn table() -> ExternalTable {
    ExternalTable {
        name: "sales".into(),
        columns: vec![("id".into(), "bigint".into())],
        partition_keys: vec![("day".into(), "string".into())],
        location: "s3://lake/sales/".into(),
        ..ExternalTable::default()
    }
}

#[test]
fn a_table_and_its_partitions_come_back_as_they_were_written() {
    let world = world(r#"["glue:*"]"#);
    let lake = lake(&world);
    world.runtime.block_on(async {
        assert!(lake.database_exists(&role(), "Bronze").await.unwrap());
        assert!(!lake.database_exists(&role(), "gold").await.unwrap());
        lake.create_table(&role(), "bronze", &table()).await.unwrap();
        let again = lake.create_table(&role(), "bronze", &table()).await.unwrap_err();
        assert_eq!(again.kind, LakeErrorKind::AlreadyExists);
        let found = lake.table(&role(), "bronze", "SALES").await.unwrap().unwrap();
        assert_eq!(
            (found.columns, found.partition_keys),
            (table().columns, table().partition_keys)
        );
        let day = ExternalPartition {
            values: vec!["1".into()],
            location: "s3://lake/sales/day=1/".into(),
        };
        lake.add_partitions(&role(), "bronze", "sales", std::slice::from_ref(&day))
            .await
            .unwrap();
        assert_eq!(lake.partitions(&role(), "bronze", "sales").await.unwrap(), [day]);
        lake.drop_partition(&role(), "bronze", "sales", &["1".into()])
            .await
            .unwrap();
        assert_eq!(lake.tables(&role(), "bronze").await.unwrap().len(), 1);
        lake.drop_table(&role(), "bronze", "sales").await.unwrap();
        assert_eq!(lake.table(&role(), "bronze", "sales").await.unwrap(), None);
        let missing = lake.tables(&role(), "gold").await.unwrap_err();
        assert_eq!(missing.kind, LakeErrorKind::NoDatabase);
    });
}

#[test]
fn what_the_role_may_not_do_is_refused_by_name() {
    let world = world(r#"["glue:GetTable"]"#);
    let lake = lake(&world);
    world.runtime.block_on(async {
        let denied = lake.database_exists(&role(), "bronze").await.unwrap_err();
        assert_eq!(denied.kind, LakeErrorKind::Denied);
        assert!(denied.message.contains("glue:GetDatabase"), "{}", denied.message);
        let denied = lake.list(&role(), "lake", "sales/").await.unwrap_err();
        assert!(denied.message.contains("s3:ListBucket"), "{}", denied.message);
        let other = lake
            .database_exists("arn:aws:iam::123456789012:role/other", "bronze")
            .await
            .unwrap_err();
        assert_eq!(other.kind, LakeErrorKind::NoRole);
        let default = lake.database_exists("default", "bronze").await.unwrap_err();
        assert_eq!(default.kind, LakeErrorKind::NoRole);
    });
}

#[test]
fn absent_buckets_and_objects_are_told_apart() {
    let world = world(r#"["s3:*"]"#);
    let lake = lake(&world);
    let _ = world.cloud.part::<Bytestore>();
    world.runtime.block_on(async {
        assert_eq!(
            lake.list(&role(), "lake", "").await.unwrap_err().kind,
            LakeErrorKind::NoBucket
        );
        assert_eq!(
            lake.read(&role(), "lake", "k", 0..1).await.unwrap_err().kind,
            LakeErrorKind::NoBucket
        );
    });
}
