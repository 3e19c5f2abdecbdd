//! The functions that may be called by name. The planner knows others, which no Redshift has; and Redshift has some
//! that are not here, which are refused as such.

use crate::error::{Result, SqlError};
use crate::{functions, system};

/// Those of neither the function library nor the system catalog: aggregates, windows, what the planner does itself and
/// what is rewritten.
const OTHERS: &[&str] = &[
    "_pg_expandarray",
    "abs",
    "acos",
    "any_value",
    "array_concat",
    "array_to_string",
    "array_upper",
    "asin",
    "atan",
    "atan2",
    "avg",
    "bit_and",
    "bit_length",
    "bit_or",
    "bool_and",
    "bool_or",
    "coalesce",
    "convert",
    "cos",
    "cot",
    "count",
    "cume_dist",
    "date",
    "date_add",
    "date_diff",
    "date_part_year",
    "datepart",
    "decode",
    "dense_rank",
    "every",
    "first_value",
    "generate_series",
    "greatest",
    "grouping",
    "lag",
    "last_value",
    "lead",
    "least",
    "listagg",
    "max",
    "median",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "nvl",
    "nvl2",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "pgdate_part",
    "random",
    "rank",
    "ratio_to_report",
    "row_number",
    "sin",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "tan",
    "text",
    "timestamp",
    "unnest",
    "var_pop",
    "var_samp",
    "variance",
];

/// What Redshift has besides. Families end with `*`.
const MISSING: &[&str] = &[
    "addbbox",
    "aes_*",
    "age",
    "ai_*",
    "array_*",
    "arrays_overlap",
    "change_query_priority",
    "change_session_priority",
    "change_user_priority",
    "checksum",
    "collate",
    "current_aws_account",
    "current_session_arn",
    "default_iam_role",
    "dropbbox",
    "explain_model",
    "farmfingerprint64",
    "from_hex",
    "from_varbyte",
    "geometrytype",
    "get_bit",
    "get_byte",
    "get_number_attributes",
    "get_most_recent_principal",
    "getbit",
    "h3_*",
    "has_assumerole_privilege",
    "hll*",
    "isfinite",
    "json_serialize_to_varbyte",
    "last_user_query_id",
    "murmur3_32_hash",
    "object_transform",
    "pg_get_cols",
    "pg_get_grantee_by_iam_role",
    "pg_get_iam_role_by_user",
    "pg_get_session_roles",
    "pg_last_unload_count",
    "pg_last_unload_id",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "reboot_cluster",
    "role_is_member_of",
    "set_bit",
    "set_byte",
    "size",
    "slice_num",
    "st_*",
    "supportsbbox",
    "text_to_int_alt",
    "text_to_numeric_alt",
    "to_ascii",
    "to_varbyte",
    "user_is_member_of",
];

/// Those of the missing ones that are called without brackets, as columns are named.
pub const WITHOUT_BRACKETS: [&str; 1] = ["current_aws_account"];

pub fn check(name: &str) -> Result<()> {
    if name.starts_with('$')
        || OTHERS.contains(&name)
        || functions::is_function(name)
        || system::functions::is_function(name)
    {
        return Ok(());
    }
    refuse_missing(name)?;
    Err(SqlError::no_function(name))
}

pub fn refuse_missing(name: &str) -> Result<()> {
    let is_missing = |known: &&str| match known.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => *known == name,
    };
    match MISSING.iter().any(is_missing) {
        true => Err(SqlError::unsupported(format!("function {name}"))),
        false => Ok(()),
    }
}
