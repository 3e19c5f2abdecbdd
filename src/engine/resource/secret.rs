//! `secret`: a value that only Secrets Manager knows. It is generated in the process and stored nowhere else.

use crate::schema::*;

const GENERATE: &[Field] = &[
    default(
        "length",
        Type::Int { min: 16, max: 64 },
        Need::Int(32),
        "How many characters.",
    ),
    optional(
        "user",
        Type::Text,
        "Stores `{\"username\":…,\"password\":…}` instead of the bare value.",
    ),
];

pub const SCHEMA: Schema = Schema {
    doc: "A value that only Secrets Manager knows.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(2, 2, 2),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name.").replaces(),
        default("description", Type::Text, Need::Text(""), "What it is for."),
        default("generate", Type::Table(GENERATE), Need::Empty, "How the value is made.").compared(Compare::Ledger),
        default(
            "recovery_days",
            Type::Int { min: 0, max: 30 },
            Need::Int(7),
            "How long a destroyed secret can be restored; 0 deletes at once.",
        )
        .compared(Compare::Ledger),
    ],
    outputs: &[echo("name", "The name."), output("arn", "The ARN.")],
};
