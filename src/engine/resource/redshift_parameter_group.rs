//! `redshift_parameter_group`: settings of clusters.

use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "Settings of clusters.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(3, 3, 2),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name, lower case.")
            .replaces()
            .compared(Compare::CaseFold),
        default(
            "family",
            Type::OneOf(&["redshift-1.0", "redshift-2.0"]),
            Need::Text("redshift-2.0"),
            "The family.",
        )
        .replaces(),
        default(
            "description",
            Type::Text,
            Need::Text("Managed by lakeform"),
            "What it is for.",
        )
        .replaces(),
        default(
            "parameters",
            Type::Map(&Type::Text),
            Need::Empty,
            "Values that differ from the defaults. Clusters are rebooted to put them in force.",
        ),
    ],
    outputs: &[echo("name", "The name."), output("arn", "The ARN.")],
};
