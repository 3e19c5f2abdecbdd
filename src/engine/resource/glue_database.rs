//! `glue_database`: a database of the Glue catalog.

use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A database of the Glue catalog.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(1, 1, 2),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name, lower case.").replaces(),
        default("description", Type::Text, Need::Text(""), "What it holds."),
        optional("location", Type::Text, "Where new tables go: `s3://bucket/prefix`."),
    ],
    outputs: &[echo("name", "The name."), output("arn", "The ARN.")],
};
