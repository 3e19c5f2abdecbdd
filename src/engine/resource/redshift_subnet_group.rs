//! `redshift_subnet_group`: the subnets a cluster may stand in.

use super::refs;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "The subnets a cluster may stand in.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(3, 2, 2),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name, lower case.")
            .replaces()
            .compared(Compare::CaseFold),
        required("subnets", refs::SUBNETS, "1 to 20 subnets of one VPC.").compared(Compare::Set),
        default(
            "description",
            Type::Text,
            Need::Text("Managed by lakeform"),
            "What it is for.",
        ),
    ],
    outputs: &[echo("name", "The name."), output("arn", "The ARN.")],
};
