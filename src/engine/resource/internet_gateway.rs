//! `internet_gateway`: a VPC's door to the internet. The attachment is part of it.

use super::refs;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A VPC's door to the internet.",
    taggable: true,
    identity: Identity::Assigned,
    takes: takes_s(2, 1, 3),
    fields: &[required("vpc", refs::VPC, "The VPC it is attached to.").replaces()],
    outputs: &[output("id", "`igw-…`")],
};
