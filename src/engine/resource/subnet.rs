//! `subnet`: a block of a VPC in one availability zone.

use super::refs;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A block of a VPC in one availability zone.",
    taggable: true,
    identity: Identity::Assigned,
    takes: takes_s(2, 1, 2),
    fields: &[
        required("vpc", refs::VPC, "The VPC.").replaces(),
        required("cidr", Type::Cidr, "The IPv4 block, inside the VPC's.").replaces(),
        required("zone", Type::Text, "The availability zone: `a` or `us-east-1a`.").replaces(),
        default(
            "public_ips",
            Type::Bool,
            Need::Bool(false),
            "Whether what starts here gets a public address.",
        ),
    ],
    outputs: &[
        output("id", "`subnet-…`"),
        output("arn", "The ARN."),
        echo("zone", "The zone."),
        echo("cidr", "The IPv4 block."),
    ],
};
