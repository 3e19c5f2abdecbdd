//! `redshift_workgroup`: the compute of Redshift Serverless.

use super::refs;
use crate::kind::Kind;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "The compute of Redshift Serverless.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(200, 120, 120),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name, lower case.").replaces(),
        required(
            "namespace",
            Type::RefOr {
                kinds: &[Kind::RedshiftNamespace],
                output: "name",
            },
            "Whose databases it serves.",
        )
        .replaces(),
        required("subnets", refs::SUBNETS, "At least three, in three zones.").compared(Compare::Set),
        default(
            "security_groups",
            refs::SECURITY_GROUPS,
            Need::Empty,
            "Who may reach it.",
        )
        .compared(Compare::Set),
        default(
            "base_capacity",
            Type::Int { min: 4, max: 1024 },
            Need::Int(8),
            "RPUs to start with.",
        ),
        optional("max_capacity", Type::Int { min: 4, max: 5632 }, "RPUs at most."),
        default("port", Type::Int { min: 5431, max: 8215 }, Need::Int(5439), "The port."),
        default(
            "public",
            Type::Bool,
            Need::Bool(false),
            "Whether it has a public address.",
        ),
        default(
            "enhanced_vpc_routing",
            Type::Bool,
            Need::Bool(true),
            "Whether COPY and Spectrum stay inside the VPC.",
        ),
        default(
            "parameters",
            Type::Map(&Type::Text),
            Need::Empty,
            "Settings that differ from the defaults.",
        ),
    ],
    outputs: &[
        echo("name", "The name."),
        output("arn", "The ARN."),
        output("endpoint", "`host:port`"),
        output("host", "The host name."),
        echo("port", "The port."),
        output("target", "What SQL is sent to: `workgroup:<name>/<database>`."),
    ],
};
