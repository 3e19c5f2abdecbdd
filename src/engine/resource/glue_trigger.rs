//! `glue_trigger`: starts crawlers on a schedule, on request, or after others.

use crate::kind::Kind;
use crate::schema::*;

const CRAWLER: Type = Type::RefOr {
    kinds: &[Kind::GlueCrawler],
    output: "name",
};
const AFTER: &[Field] = &[
    required("crawler", CRAWLER, "The crawler that must have run."),
    default(
        "state",
        Type::OneOf(&["SUCCEEDED", "FAILED", "CANCELLED"]),
        Need::Text("SUCCEEDED"),
        "How it must have ended.",
    ),
];

pub const SCHEMA: Schema = Schema {
    doc: "Starts crawlers on a schedule, on request, or after others.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(3, 3, 5),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name.").replaces(),
        default(
            "type",
            Type::OneOf(&["ON_DEMAND", "SCHEDULED", "CONDITIONAL"]),
            Need::Text("ON_DEMAND"),
            "What starts it.",
        )
        .replaces(),
        required("crawlers", Type::List(&CRAWLER), "What it starts."),
        optional("schedule", Type::Text, "For SCHEDULED: `cron(0 2 * * ? *)`."),
        default(
            "after",
            Type::List(&Type::Table(AFTER)),
            Need::Empty,
            "For CONDITIONAL: what it waits for.",
        )
        .compared(Compare::Set),
        default(
            "match",
            Type::OneOf(&["all", "any"]),
            Need::Text("all"),
            "For CONDITIONAL: how many of them.",
        ),
        default("description", Type::Text, Need::Text(""), "What it is for."),
        optional(
            "enabled",
            Type::Bool,
            "For SCHEDULED and CONDITIONAL: whether it is armed; true when absent.",
        ),
    ],
    outputs: &[echo("name", "The name.")],
};
