//! `dbt`: a dbt project run against the warehouse.

use super::refs;
use crate::kind::Kind;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A dbt project run against the warehouse.",
    taggable: false,
    identity: Identity::Address,
    takes: takes_s(30, 30, 1),
    fields: &[
        required(
            "project",
            Type::Text,
            "The folder of the dbt project, beside the stack file.",
        ),
        required("warehouse", refs::WAREHOUSE, "The cluster or workgroup.").replaces(),
        default("schema", Type::Text, Need::Text("public"), "The target schema."),
        default(
            "commands",
            TEXT_LIST,
            Need::Empty,
            "The dbt commands; `build` when empty.",
        ),
        default(
            "data",
            Type::List(&Type::RefOr {
                kinds: &[Kind::Dataset],
                output: "fingerprint",
            }),
            Need::Empty,
            "Run again when this data changes; filled in with the datasets it needs.",
        )
        .compared(Compare::Set),
        optional(
            "files",
            Type::Text,
            "Run again when a file of the project changes; filled in with their fingerprint.",
        ),
        default(
            "vars",
            Type::Map(&Type::Text),
            Need::Empty,
            "Variables for the project.",
        ),
    ],
    outputs: &[],
};
