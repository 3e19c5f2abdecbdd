//! `external_schema`: a Redshift schema over a Glue database, read through Spectrum.

use super::refs;
use crate::schema::*;

pub const SCHEMA: Schema = Schema {
    doc: "A Redshift schema over a Glue database.",
    taggable: false,
    identity: Identity::Address,
    takes: takes_s(3, 3, 2),
    fields: &[
        default("name", Type::Text, Need::StackName, "The schema's name.").replaces(),
        required("warehouse", refs::WAREHOUSE, "The cluster or workgroup.").replaces(),
        required("database", refs::GLUE_DATABASE, "The Glue database.").replaces(),
        required("role", refs::ROLE, "The role that reads catalog and bucket.").replaces(),
    ],
    outputs: &[echo("name", "The schema's name.")],
};
