//! Every kind's struct against the engine's schema: what a stack file may say, the struct must hold, and nothing else.

use crate::error::Result;
use crate::provider::typed;
use lakeform_engine::schema::{Compare, Field, Type};
use lakeform_engine::{Fields, Kind, Value, value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// A value of the type, with everything in it that may be.
fn sample(ty: &Type) -> Value {
    match ty {
        Type::Bool => Value::Bool(true),
        Type::Int { min, .. } => Value::Int((*min).max(1)),
        Type::Text | Type::Ref { .. } | Type::RefOr { .. } => Value::text("text"),
        Type::OneOf(words) => Value::text(words[0]),
        Type::Cidr => Value::text("10.0.0.0/16"),
        Type::CidrV6 => Value::text("2001:db8::/32"),
        Type::Policy | Type::Json => Value::Map(BTreeMap::from([("Version".to_owned(), Value::text("2012-10-17"))])),
        Type::List(item) => Value::List(vec![sample(item)]),
        Type::Map(item) => Value::Map(BTreeMap::from([("key".to_owned(), sample(item))])),
        Type::Table(fields) => Value::Map(whole(fields)),
    }
}

fn whole(fields: &[Field]) -> Fields {
    fields
        .iter()
        .map(|field| (field.name.to_owned(), sample(&field.ty)))
        .collect()
}

/// Fills the struct from a full table and writes it back.
fn through<T: DeserializeOwned + Serialize>(fields: &Fields) -> Result<Fields> {
    typed::<T>(fields).map(|typed| value::write(&typed))
}

fn there_and_back(kind: Kind, fields: &Fields) -> Option<Result<Fields>> {
    use crate::*;
    Some(match kind {
        Kind::Vpc => through::<vpc::Wanted>(fields),
        Kind::Subnet => through::<subnet::Wanted>(fields),
        Kind::InternetGateway => through::<internet_gateway::Wanted>(fields),
        Kind::NatGateway => through::<nat_gateway::Wanted>(fields),
        Kind::RouteTable => through::<route_table::Wanted>(fields),
        Kind::VpcEndpoint => through::<vpc_endpoint::Wanted>(fields),
        Kind::SecurityGroup => through::<security_group::Wanted>(fields),
        Kind::Bucket => through::<bucket::Wanted>(fields),
        Kind::Role => through::<role::Wanted>(fields),
        Kind::GlueDatabase => through::<glue_database::Wanted>(fields),
        Kind::GlueClassifier => through::<glue_classifier::Wanted>(fields),
        Kind::GlueCrawler => through::<glue_crawler::Wanted>(fields),
        Kind::GlueTrigger => through::<glue_trigger::Wanted>(fields),
        Kind::RedshiftSubnetGroup => through::<redshift_subnet_group::Wanted>(fields),
        Kind::RedshiftParameterGroup => through::<redshift_parameter_group::Wanted>(fields),
        Kind::RedshiftCluster => through::<redshift_cluster::Wanted>(fields),
        Kind::RedshiftNamespace => through::<redshift_namespace::Wanted>(fields),
        Kind::RedshiftWorkgroup => through::<redshift_workgroup::Wanted>(fields),
        Kind::Secret => through::<secret::Wanted>(fields),
        Kind::LogGroup => through::<log_group::Wanted>(fields),
        Kind::Dataset | Kind::Crawl | Kind::ExternalSchema | Kind::Sql | Kind::Copy | Kind::Dbt => return None,
    })
}

#[test]
fn every_field_of_every_schema_goes_through_its_struct_unchanged() {
    for kind in Kind::ALL {
        let schema = kind.schema();
        let mut fields = whole(schema.fields);
        if schema.taggable {
            fields.insert(
                "tags".to_owned(),
                Value::Map(BTreeMap::from([("team".to_owned(), Value::text("data"))])),
            );
        }
        let Some(written) = there_and_back(*kind, &fields) else {
            continue;
        };
        let written = written.unwrap_or_else(|error| panic!("{kind}: {error}"));
        // What AWS is never told, the ledger keeps.
        let told: Fields = fields
            .into_iter()
            .filter(|(name, _)| {
                written.contains_key(name) || schema.field(name).is_none_or(|field| field.compare != Compare::Ledger)
            })
            .collect();
        assert_eq!(written, told, "{kind}");
    }
}

#[test]
fn a_table_with_only_what_is_required_is_enough() {
    use lakeform_engine::schema::Need;
    for kind in Kind::ALL {
        let needed = |field: &&Field| matches!(field.need, Need::Required | Need::StackName);
        let fields: Fields = kind
            .schema()
            .fields
            .iter()
            .filter(needed)
            .map(|field| (field.name.to_owned(), sample(&field.ty)))
            .collect();
        let Some(written) = there_and_back(*kind, &fields) else {
            continue;
        };
        let written = written.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let known: BTreeSet<&str> = kind
            .schema()
            .fields
            .iter()
            .map(|field| field.name)
            .chain(["tags"])
            .collect();
        assert!(
            written.keys().all(|name| known.contains(name.as_str())),
            "{kind}: {written:?}"
        );
        for field in kind.schema().fields {
            let default = match field.need {
                Need::Bool(bool) => Value::Bool(bool),
                Need::Int(int) => Value::Int(int),
                Need::Text(text) => Value::text(text),
                Need::Required | Need::Optional | Need::Free | Need::Empty | Need::StackName => continue,
            };
            if field.compare != Compare::Ledger {
                assert_eq!(written.get(field.name), Some(&default), "{kind}.{}", field.name);
            }
        }
    }
}
