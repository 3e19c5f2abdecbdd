//! `glue_crawler`: reads files in S3 and writes tables into the catalog.

use super::refs;
use crate::kind::Kind;
use crate::schema::*;

const POLICY: &[Field] = &[
    default(
        "update",
        Type::OneOf(&["UPDATE_IN_DATABASE", "LOG"]),
        Need::Text("UPDATE_IN_DATABASE"),
        "When a schema changed.",
    ),
    default(
        "delete",
        Type::OneOf(&["DEPRECATE_IN_DATABASE", "DELETE_FROM_DATABASE", "LOG"]),
        Need::Text("DEPRECATE_IN_DATABASE"),
        "When the data is gone.",
    ),
];

pub const SCHEMA: Schema = Schema {
    doc: "Reads files in S3 and writes tables into the catalog.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(5, 3, 30),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name.").replaces(),
        required("database", refs::GLUE_DATABASE, "The database the tables go to."),
        required("role", refs::ROLE, "The role it reads with."),
        required(
            "targets",
            Type::List(&Type::RefOr {
                kinds: &[Kind::Dataset],
                output: "targets",
            }),
            "What it reads: `s3://bucket/prefix/`, or a dataset for all its tables.",
        )
        .compared(Compare::Set),
        default("exclude", TEXT_LIST, Need::Empty, "Glob patterns of keys to leave out."),
        default(
            "classifiers",
            Type::List(&Type::RefOr {
                kinds: &[Kind::GlueClassifier],
                output: "name",
            }),
            Need::Empty,
            "Custom classifiers, first match wins.",
        ),
        default(
            "table_prefix",
            Type::Text,
            Need::Text(""),
            "Put before every table name.",
        ),
        default("description", Type::Text, Need::Text(""), "What it is for."),
        default(
            "recrawl",
            Type::OneOf(&["CRAWL_EVERYTHING", "CRAWL_NEW_FOLDERS_ONLY", "CRAWL_EVENT_MODE"]),
            Need::Text("CRAWL_EVERYTHING"),
            "What later runs read.",
        ),
        default(
            "schema_change",
            Type::Table(POLICY),
            Need::Empty,
            "What happens when the data changed shape.",
        ),
        default(
            "combine_schemas",
            Type::Bool,
            Need::Bool(true),
            "Whether compatible files under one target are one table.",
        ),
        optional(
            "table_level",
            Type::Int { min: 1, max: 20 },
            "The folder depth that makes a table; the bucket is 1.",
        ),
        optional(
            "sample_size",
            Type::Int { min: 1, max: 249 },
            "How many files of a folder are read.",
        ),
        optional("schedule", Type::Text, "When it runs by itself: `cron(0 2 * * ? *)`."),
    ],
    outputs: &[echo("name", "The name."), output("arn", "The ARN.")],
};
