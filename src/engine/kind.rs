//! The closed list of kinds. Adding one here makes the compiler list every place that must know it.

use crate::resource;
use crate::schema::Schema;

macro_rules! kinds {
    ($($variant:ident $name:ident),+ $(,)?) => {
        /// What a resource is: one AWS object type, or one step of the data work on top.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($variant),+ }

        impl Kind {
            /// Every kind, in the order in which a stack is usually read.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),+];

            /// Returns the name used in stack files, addresses, messages and docs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => stringify!($name)),+ }
            }

            /// Returns what the kind's table in a stack file may hold and what it offers to others.
            pub const fn schema(self) -> &'static Schema {
                match self { $(Kind::$variant => &resource::$name::SCHEMA),+ }
            }
        }
    };
}

kinds! {
    Vpc vpc,
    Subnet subnet,
    InternetGateway internet_gateway,
    NatGateway nat_gateway,
    RouteTable route_table,
    VpcEndpoint vpc_endpoint,
    SecurityGroup security_group,
    Bucket bucket,
    Role role,
    GlueDatabase glue_database,
    GlueClassifier glue_classifier,
    GlueCrawler glue_crawler,
    GlueTrigger glue_trigger,
    RedshiftSubnetGroup redshift_subnet_group,
    RedshiftParameterGroup redshift_parameter_group,
    RedshiftCluster redshift_cluster,
    RedshiftNamespace redshift_namespace,
    RedshiftWorkgroup redshift_workgroup,
    Secret secret,
    LogGroup log_group,
    Dataset dataset,
    Crawl crawl,
    ExternalSchema external_schema,
    Sql sql,
    Copy copy,
    Dbt dbt,
}

impl Kind {
    /// Returns the kind of that name, if there is one.
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Whether the kind is a step of the data work rather than an AWS object.
    pub const fn is_data(self) -> bool {
        matches!(
            self,
            Kind::Dataset | Kind::Crawl | Kind::ExternalSchema | Kind::Sql | Kind::Copy | Kind::Dbt
        )
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
