//! `sql`: statements run when their text, or what they depend on, changed.

use super::refs;
use crate::kind::Kind;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "SQL run on the warehouse when its text changed.",
    taggable: false,
    identity: Identity::Address,
    takes: takes_s(5, 5, 2),
    fields: &[
        required("warehouse", refs::WAREHOUSE, "The cluster or workgroup.").replaces(),
        optional("run", Type::Text, "The statements."),
        optional("file", Type::Text, "A file with the statements, beside the stack file."),
        optional(
            "content",
            Type::Text,
            "Run again when the file changes; filled in with its fingerprint.",
        ),
        optional("undo", Type::Text, "The statements that destroy runs."),
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
        default(
            "once",
            Type::Bool,
            Need::Bool(false),
            "Whether a changed text leaves what ran before alone.",
        ),
    ],
    outputs: &[],
};
