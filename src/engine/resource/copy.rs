//! `copy`: loads objects from S3 into a table.

use super::refs;
use crate::kind::Kind;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "Loads objects from S3 into a table when the data changed.",
    taggable: false,
    identity: Identity::Address,
    takes: takes_s(10, 10, 1),
    fields: &[
        required("warehouse", refs::WAREHOUSE, "The cluster or workgroup.").replaces(),
        required("table", Type::Text, "The table, `schema.name`.").replaces(),
        required("from", Type::Text, "`s3://bucket/prefix`."),
        required("role", refs::ROLE, "The role that reads the bucket."),
        default("options", Type::Text, Need::Text(""), "More of the COPY statement."),
        optional(
            "dataset",
            Type::Ref {
                kinds: &[Kind::Dataset],
                output: "fingerprint",
            },
            "Load again when this data changes.",
        ),
    ],
    outputs: &[output("rows", "How many rows were loaded.")],
};
