//! `security_group`: who may talk to whom.

use super::refs;
use crate::kind::Kind;
use crate::schema::*;

const PEER: Type = Type::RefOr {
    kinds: &[Kind::SecurityGroup],
    output: "id",
};

const RULE: &[Field] = &[
    default(
        "protocol",
        Type::OneOf(&["tcp", "udp", "icmp", "all"]),
        Need::Text("tcp"),
        "The protocol.",
    ),
    optional("port", Type::Int { min: 0, max: 65535 }, "One port."),
    optional("ports", Type::Text, "A range of ports, `from-to`."),
    optional("cidr", Type::Cidr, "The other side: a block of addresses."),
    optional("cidr_ipv6", Type::CidrV6, "The other side: a block of IPv6 addresses."),
    optional(
        "prefix_list",
        Type::Text,
        "The other side: a list of blocks that AWS or you keep, `pl-…`.",
    ),
    optional("group", PEER, "The other side: a security group."),
    optional("itself", Type::Bool, "The other side: this group."),
    default("description", Type::Text, Need::Text(""), "What the rule is for."),
];

pub const SCHEMA: Schema = Schema {
    doc: "Who may talk to whom.",
    taggable: true,
    identity: Identity::Assigned,
    takes: takes_s(2, 2, 2),
    fields: &[
        required("vpc", refs::VPC, "The VPC.").replaces(),
        default("name", Type::Text, Need::StackName, "The name, unique in the VPC.").replaces(),
        default(
            "description",
            Type::Text,
            Need::Text("Managed by lakeform"),
            "Cannot change without a new group.",
        )
        .replaces(),
        default(
            "ingress",
            Type::List(&Type::Table(RULE)),
            Need::Empty,
            "What may come in.",
        )
        .compared(Compare::Set),
        optional(
            "egress",
            Type::List(&Type::Table(RULE)),
            "What may go out; everything when absent.",
        )
        .compared(Compare::Set),
        default(
            "allow_public",
            Type::Bool,
            Need::Bool(false),
            "Accept a Redshift port open to the world.",
        )
        .compared(Compare::Ledger),
    ],
    outputs: &[
        output("id", "`sg-…`"),
        output("arn", "The ARN."),
        echo("name", "The name."),
    ],
};
