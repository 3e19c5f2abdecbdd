//! `vpc_endpoint`: the free gateway that takes S3 traffic off the internet.

use super::refs;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A gateway endpoint: traffic to S3 stays inside AWS, free of charge.",
    taggable: true,
    identity: Identity::Assigned,
    takes: takes_s(6, 3, 10),
    fields: &[
        required("vpc", refs::VPC, "The VPC.").replaces(),
        default(
            "service",
            Type::OneOf(&["s3", "dynamodb"]),
            Need::Text("s3"),
            "The AWS service.",
        )
        .replaces(),
        default(
            "route_tables",
            refs::ROUTE_TABLES,
            Need::Empty,
            "The route tables that get the route.",
        )
        .compared(Compare::Set),
        optional(
            "policy",
            Type::Policy,
            "Who may do what through it; everything when absent.",
        )
        .compared(Compare::Policy),
    ],
    outputs: &[output("id", "`vpce-…`")],
};
