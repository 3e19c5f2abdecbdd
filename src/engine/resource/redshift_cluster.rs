//! `redshift_cluster`: a provisioned cluster. Private, encrypted, with a password that only Secrets Manager knows.

use super::refs;
use crate::kind::Kind;
use crate::schema::*;

pub const NODE_TYPES: &[&str] = &[
    "ra3.large",
    "ra3.xlplus",
    "ra3.4xlarge",
    "ra3.16xlarge",
    "rg.large",
    "rg.xlarge",
    "rg.4xlarge",
    "rg.12xlarge",
    "dc2.large",
    "dc2.8xlarge",
];

pub const SCHEMA: Schema = Schema {
    doc: "A Redshift cluster: private, encrypted, its password kept by AWS.",
    taggable: true,
    identity: Identity::Named("identifier"),
    takes: takes_s(240, 120, 180),
    fields: &[
        default("identifier", Type::Text, Need::StackName, "The identifier, lower case.")
            .replaces()
            .compared(Compare::CaseFold),
        default("database", Type::Text, Need::Text("dev"), "The first database.").replaces(),
        default("user", Type::Text, Need::Text("admin"), "The master user.").replaces(),
        default(
            "node_type",
            Type::OneOf(NODE_TYPES),
            Need::Text("ra3.large"),
            "The node type.",
        )
        .disrupts(Disruption::Resize),
        default("nodes", Type::Int { min: 1, max: 128 }, Need::Int(1), "How many nodes.").disrupts(Disruption::Resize),
        default(
            "port",
            Type::Int { min: 1150, max: 65535 },
            Need::Int(5439),
            "The port.",
        )
        .disrupts(Disruption::Brief),
        required(
            "subnet_group",
            Type::RefOr {
                kinds: &[Kind::RedshiftSubnetGroup],
                output: "name",
            },
            "Where it stands.",
        )
        .replaces(),
        default(
            "security_groups",
            refs::SECURITY_GROUPS,
            Need::Empty,
            "Who may reach it.",
        )
        .compared(Compare::Set),
        default("roles", refs::ROLES, Need::Empty, "The roles its SQL may use.").compared(Compare::Set),
        optional("default_role", refs::ROLE, "The role that `iam_role default` means."),
        optional(
            "parameter_group",
            Type::RefOr {
                kinds: &[Kind::RedshiftParameterGroup],
                output: "name",
            },
            "Its settings.",
        )
        .disrupts(Disruption::Reboot),
        default(
            "public",
            Type::Bool,
            Need::Bool(false),
            "Whether it has a public address.",
        )
        .disrupts(Disruption::Brief),
        default(
            "enhanced_vpc_routing",
            Type::Bool,
            Need::Bool(true),
            "Whether COPY and Spectrum stay inside the VPC.",
        )
        .disrupts(Disruption::Brief),
        default(
            "encrypted",
            Type::Bool,
            Need::Bool(true),
            "Whether data are encrypted at rest; AWS accepts nothing else for new clusters.",
        ),
        default(
            "snapshot_days",
            Type::Int { min: 0, max: 35 },
            Need::Int(1),
            "How long automated snapshots are kept.",
        ),
        free(
            "maintenance_window",
            Type::Text,
            "`ddd:hh:mm-ddd:hh:mm`, at least 30 minutes.",
        )
        .compared(Compare::CaseFold),
        default(
            "version_upgrade",
            Type::Bool,
            Need::Bool(true),
            "Whether AWS may upgrade it in the window.",
        ),
        default(
            "final_snapshot",
            Type::Bool,
            Need::Bool(false),
            "Whether destroy keeps a last snapshot.",
        )
        .compared(Compare::Ledger),
    ],
    outputs: &[
        echo("identifier", "The identifier."),
        output("arn", "The namespace ARN."),
        output("endpoint", "`host:port`"),
        output("host", "The host name."),
        echo("port", "The port."),
        echo("database", "The first database."),
        echo("user", "The master user."),
        output("secret", "The ARN of the managed password."),
        output(
            "target",
            "What SQL is sent to: `cluster:<identifier>/<database>/<user>`.",
        ),
    ],
};
