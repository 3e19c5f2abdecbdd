//! `crawl`: one run of a crawler over a dataset, compared with what the dataset says.

use crate::kind::Kind;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A run of a crawler, started when the data changed and watched to its end.",
    taggable: false,
    identity: Identity::Address,
    takes: takes_s(60, 60, 1),
    fields: &[
        required(
            "crawler",
            Type::Ref {
                kinds: &[Kind::GlueCrawler],
                output: "name",
            },
            "The crawler.",
        ),
        required(
            "dataset",
            Type::Ref {
                kinds: &[Kind::Dataset],
                output: "fingerprint",
            },
            "The data it must find.",
        ),
    ],
    outputs: &[
        output("tables", "The catalog tables, by dataset table."),
        output("database", "The catalog database."),
    ],
};
