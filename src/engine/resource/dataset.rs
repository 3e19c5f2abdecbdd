//! `dataset`: fake dimension and fact data, generated straight into a bucket.

use crate::kind::Kind;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "Fake data of a dataset definition, generated straight into a bucket.",
    taggable: false,
    identity: Identity::Address,
    takes: takes_s(5, 5, 3),
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
            "tables",
            TEXT_LIST,
            Need::Empty,
            "Only these tables of the definition; all when empty.",
        ),
        free(
            "days",
            TEXT_LIST,
            "Only the rows of these days: `2024-05-01` or `2024-05-01..2024-05-31`, each with files of its own; the \
             whole calendar when nothing is there yet.",
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
        default(
            "target_size",
            Type::Text,
            Need::Text("256MiB"),
            "Bytes of a file, after compression.",
        ),
        default(
            "row_group_size",
            Type::Text,
            Need::Text("64MiB"),
            "Bytes of a row group of a Parquet file, after compression.",
        ),
        default(
            "slices",
            Type::Int { min: 1, max: 100_000 },
            Need::Int(1),
            "The number of a table's files is a multiple of this: the slices of the cluster that copies them.",
        ),
        default(
            "dirty",
            Type::Text,
            Need::Text("none"),
            "The share of rows that get a mistake on purpose, such as `0.5%`; a truth file tells them.",
        ),
    ],
    outputs: &[
        output("targets", "The folder of every table, as `s3://bucket/prefix/table/`."),
        output("manifest", "What was written, by table."),
        output(
            "copy_manifests",
            "The folder of what `COPY … MANIFEST` reads, `<table>.manifest` for each table.",
        ),
        output("fingerprint", "Changes when the bytes change."),
    ],
};
