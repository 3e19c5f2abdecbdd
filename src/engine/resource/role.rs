//! `role`: an IAM role with its trust, inline policies and attachments.

use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "An IAM role: who may take it and what it may do.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(10, 5, 2),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name, unique in the account.").replaces(),
        required(
            "service",
            Type::Text,
            "The AWS service that takes the role, such as `glue` or `redshift`.",
        ),
        default("description", Type::Text, Need::Text(""), "What it is for."),
        default(
            "max_session_s",
            Type::Int { min: 3600, max: 43200 },
            Need::Int(3600),
            "Longest session, in seconds.",
        ),
        default(
            "policies",
            Type::Map(&Type::Policy),
            Need::Empty,
            "Inline policies by name.",
        )
        .compared(Compare::Policy),
        default(
            "managed",
            TEXT_LIST,
            Need::Empty,
            "Managed policies: a name such as `service-role/AWSGlueServiceRole`, or an ARN.",
        )
        .compared(Compare::Set),
    ],
    outputs: &[
        output("arn", "The ARN."),
        echo("name", "The name."),
        output("id", "`AROA…`"),
    ],
};
