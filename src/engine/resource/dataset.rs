//! `dataset`: fake dimension and fact data, generated straight into a bucket.

use crate::kind::Kind;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "Fake data of a dataset definition, generated straight into a bucket.",
    taggable: false,
    identity: Identity::Address,
    create_s: 5,
    fields: &[
        required(
            "definition",
            Type::Text,
            "A shipped dataset such as `banking`, or the path of a definition file.",
        )
        .replaces(),
        required(
            "bucket",
            Type::RefOr {
                kinds: &[Kind::Bucket],
                output: "name",
            },
            "Where it goes.",
        )
        .replaces(),
        default(
            "prefix",
            Type::Text,
            Need::Text(""),
            "Put before every key, such as `landing/`.",
        )
        .replaces(),
        free(
            "rows",
            Type::Int { min: 0, max: i64::MAX },
            "Rows of a fact table; 10,000 when nothing is there yet.",
        ),
        default(
            "seed",
            Type::Int { min: 0, max: i64::MAX },
            Need::Int(1),
            "Same seed, same bytes.",
        ),
        default(
            "format",
            Type::OneOf(&["as-defined", "csv", "json", "parquet"]),
            Need::Text("as-defined"),
            "The file format.",
        ),
        default(
            "compression",
            Type::OneOf(&["none", "gzip", "zstd"]),
            Need::Text("none"),
            "How files are compressed.",
        ),
    ],
    outputs: &[
        output("targets", "The folder of every table, as `s3://bucket/prefix/table/`."),
        output("manifest", "What was written, by table."),
        output("fingerprint", "Changes when the bytes change."),
    ],
};
