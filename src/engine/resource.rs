//! One file per kind: what its table may hold, what it offers, how each field changes.

pub mod bucket;
pub mod copy;
pub mod crawl;
pub mod dataset;
pub mod dbt;
pub mod external_schema;
pub mod glue_classifier;
pub mod glue_crawler;
pub mod glue_database;
pub mod glue_trigger;
pub mod internet_gateway;
pub mod log_group;
pub mod nat_gateway;
pub mod redshift_cluster;
pub mod redshift_namespace;
pub mod redshift_parameter_group;
pub mod redshift_subnet_group;
pub mod redshift_workgroup;
pub mod role;
pub mod route_table;
pub mod secret;
pub mod security_group;
pub mod sql;
pub mod subnet;
pub mod vpc;
pub mod vpc_endpoint;

/// References shared by many kinds.
pub(crate) mod refs {
    use crate::kind::Kind;
    use crate::schema::Type;

    pub const VPC: Type = Type::RefOr {
        kinds: &[Kind::Vpc],
        output: "id",
    };
    pub const SUBNET: Type = Type::RefOr {
        kinds: &[Kind::Subnet],
        output: "id",
    };
    pub const SUBNETS: Type = Type::List(&SUBNET);
    pub const SECURITY_GROUP: Type = Type::RefOr {
        kinds: &[Kind::SecurityGroup],
        output: "id",
    };
    pub const SECURITY_GROUPS: Type = Type::List(&SECURITY_GROUP);
    pub const ROLE: Type = Type::RefOr {
        kinds: &[Kind::Role],
        output: "arn",
    };
    pub const ROLES: Type = Type::List(&ROLE);
    pub const ROUTE_TABLES: Type = Type::List(&Type::RefOr {
        kinds: &[Kind::RouteTable],
        output: "id",
    });
    pub const GLUE_DATABASE: Type = Type::RefOr {
        kinds: &[Kind::GlueDatabase],
        output: "name",
    };
    /// What runs SQL: a cluster or a workgroup.
    pub const WAREHOUSE: Type = Type::Ref {
        kinds: &[Kind::RedshiftCluster, Kind::RedshiftWorkgroup],
        output: "target",
    };
}
