//! `glue_classifier`: how a crawler reads files it cannot tell by itself. Exactly one of the four blocks.

use crate::schema::*;

const CSV: &[Field] = &[
    default("delimiter", Type::Text, Need::Text(","), "One character."),
    default("quote", Type::Text, Need::Text("\""), "One character."),
    default(
        "header",
        Type::OneOf(&["PRESENT", "ABSENT", "UNKNOWN"]),
        Need::Text("UNKNOWN"),
        "Whether the first line names the columns.",
    ),
    default("columns", TEXT_LIST, Need::Empty, "The column names."),
    default(
        "keep_whitespace",
        Type::Bool,
        Need::Bool(false),
        "Whether values keep the space around them.",
    ),
    default(
        "single_column",
        Type::Bool,
        Need::Bool(false),
        "Whether a file of one column counts.",
    ),
    default(
        "datatypes",
        TEXT_LIST,
        Need::Empty,
        "The column types, instead of guessing.",
    ),
    free(
        "serde",
        Type::OneOf(&["OpenCSVSerDe", "LazySimpleSerDe", "None"]),
        "How readers are told to parse.",
    ),
];
const JSON: &[Field] = &[required("path", Type::Text, "The JSON path of the rows.")];
const GROK: &[Field] = &[
    required("classification", Type::Text, "What the data is called."),
    required("pattern", Type::Text, "The grok pattern of a line."),
    optional("custom", Type::Text, "More named patterns."),
];
const XML: &[Field] = &[
    required("classification", Type::Text, "What the data is called."),
    required("row_tag", Type::Text, "The element of a row."),
];

pub const SCHEMA: Schema = Schema {
    doc: "How a crawler reads files it cannot tell by itself.",
    taggable: false,
    identity: Identity::Named("name"),
    takes: takes_s(1, 1, 1),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name.").replaces(),
        optional("csv", Type::Table(CSV), "For delimited text."),
        optional("json", Type::Table(JSON), "For JSON."),
        optional("grok", Type::Table(GROK), "For lines with a pattern."),
        optional("xml", Type::Table(XML), "For XML."),
    ],
    outputs: &[echo("name", "The name.")],
};
