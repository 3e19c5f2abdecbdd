//! `bucket`: an S3 bucket with its settings. Private and encrypted unless told otherwise.

use crate::schema::*;

const EXPIRE: &[Field] = &[
    default("prefix", Type::Text, Need::Text(""), "The keys it applies to."),
    optional(
        "days",
        Type::Int { min: 1, max: 36500 },
        "Objects are deleted after so many days.",
    ),
    optional(
        "noncurrent_days",
        Type::Int { min: 1, max: 36500 },
        "Old versions are deleted after so many days.",
    ),
    optional(
        "abort_uploads_days",
        Type::Int { min: 1, max: 365 },
        "Unfinished uploads are dropped after so many days.",
    ),
];

pub const SCHEMA: Schema = Schema {
    doc: "An S3 bucket: private, encrypted and TLS-only unless told otherwise.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(3, 2, 5),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name, unique in the world.").replaces(),
        default(
            "versioning",
            Type::Bool,
            Need::Bool(false),
            "Whether old versions are kept.",
        ),
        default(
            "encryption",
            Type::OneOf(&["AES256", "aws:kms"]),
            Need::Text("AES256"),
            "How objects are encrypted.",
        ),
        default(
            "block_public",
            Type::Bool,
            Need::Bool(true),
            "Whether all public access is refused.",
        ),
        default(
            "tls_only",
            Type::Bool,
            Need::Bool(true),
            "Whether the policy refuses plain HTTP.",
        ),
        optional("policy", Type::Policy, "More statements for the bucket policy.").compared(Compare::Policy),
        default(
            "expire",
            Type::List(&Type::Table(EXPIRE)),
            Need::Empty,
            "Lifecycle rules.",
        )
        .compared(Compare::Set),
        default("prefixes", TEXT_LIST, Need::Empty, "Folders made with a marker object.").compared(Compare::Set),
        default(
            "force_destroy",
            Type::Bool,
            Need::Bool(false),
            "Whether destroy may delete the objects in it.",
        )
        .compared(Compare::Ledger),
    ],
    outputs: &[
        echo("name", "The name."),
        output("arn", "The ARN."),
        output("url", "`s3://…`"),
    ],
};
