//! `redshift_namespace`: the databases and users of Redshift Serverless.

use super::refs;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "The databases and users of Redshift Serverless.",
    taggable: true,
    identity: Identity::Named("name"),
    takes: takes_s(20, 30, 30),
    fields: &[
        default("name", Type::Text, Need::StackName, "The name, lower case.").replaces(),
        default("database", Type::Text, Need::Text("dev"), "The first database.").replaces(),
        default("user", Type::Text, Need::Text("admin"), "The admin user.").replaces(),
        default("roles", refs::ROLES, Need::Empty, "The roles its SQL may use.").compared(Compare::Set),
        optional("default_role", refs::ROLE, "The role that `iam_role default` means."),
        default(
            "log_exports",
            Type::List(&Type::OneOf(&["useractivitylog", "userlog", "connectionlog"])),
            Need::Empty,
            "Logs sent to CloudWatch.",
        )
        .compared(Compare::Set),
    ],
    outputs: &[
        echo("name", "The name."),
        output("arn", "The ARN."),
        output("id", "The id."),
        echo("database", "The first database."),
        output("secret", "The ARN of the managed password."),
    ],
};
