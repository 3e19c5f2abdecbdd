//! `nat_gateway`: lets private subnets call out. Its public address is part of it.

use super::refs;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "Lets private subnets call out, at a price per hour.",
    taggable: true,
    identity: Identity::Assigned,
    takes: takes_s(100, 5, 45),
    fields: &[required("subnet", refs::SUBNET, "The public subnet it stands in.").replaces()],
    outputs: &[
        output("id", "`nat-…`"),
        output("public_ip", "Its address."),
        output("allocation", "`eipalloc-…`"),
    ],
};
