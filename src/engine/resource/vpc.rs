//! `vpc`: the private network everything else lives in.

use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A private network.",
    taggable: true,
    identity: Identity::Assigned,
    takes: takes_s(3, 2, 1),
    fields: &[
        required("cidr", Type::Cidr, "The IPv4 block, /16 to /28.").replaces(),
        default(
            "dns_support",
            Type::Bool,
            Need::Bool(true),
            "Whether the AWS resolver answers.",
        ),
        default(
            "dns_hostnames",
            Type::Bool,
            Need::Bool(true),
            "Whether instances get DNS names.",
        ),
    ],
    outputs: &[
        output("id", "`vpc-…`"),
        output("arn", "The ARN."),
        echo("cidr", "The IPv4 block."),
        output("default_security_group", "The group that AWS makes with the VPC."),
        output(
            "main_route_table",
            "The route table of subnets without one of their own.",
        ),
    ],
};
