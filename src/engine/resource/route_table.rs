//! `route_table`: routes and the subnets that use them; the one owner of both.

use super::refs;
use crate::kind::Kind;
use crate::schema::*;

const ROUTE: &[Field] = &[
    required("to", Type::Cidr, "The destination."),
    required(
        "via",
        Type::RefOr {
            kinds: &[Kind::InternetGateway, Kind::NatGateway],
            output: "id",
        },
        "Where the traffic goes.",
    ),
];

pub const SCHEMA: Schema = Schema {
    doc: "Routes, and the subnets that use them.",
    taggable: true,
    identity: Identity::Assigned,
    takes: takes_s(2, 2, 2),
    fields: &[
        required("vpc", refs::VPC, "The VPC.").replaces(),
        default(
            "subnets",
            refs::SUBNETS,
            Need::Empty,
            "The subnets that use this table.",
        )
        .compared(Compare::Set),
        default(
            "routes",
            Type::List(&Type::Table(ROUTE)),
            Need::Empty,
            "Routes besides the local one.",
        )
        .compared(Compare::Set),
    ],
    outputs: &[output("id", "`rtb-…`")],
};
