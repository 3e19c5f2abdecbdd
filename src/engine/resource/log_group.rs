//! `log_group`: a CloudWatch log group.

use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A CloudWatch log group.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(1, 1, 1),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name.").replaces(),
        optional(
            "retention_days",
            ANY_INT,
            "How long events are kept; for ever when absent.",
        ),
        default(
            "class",
            Type::OneOf(&["STANDARD", "INFREQUENT_ACCESS"]),
            Need::Text("STANDARD"),
            "The storage class.",
        )
        .replaces(),
    ],
    outputs: &[echo("name", "The name."), output("arn", "The ARN.")],
};
