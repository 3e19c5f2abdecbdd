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
    "aes_*",
    "ai_*",
    "array_*",
    "checksum",
    "collate",
    "current_aws_account",
    "difference",
    "explain_model",
    "farmfingerprint64",
    "fnv_hash",
    "from_hex",
    "from_varbyte",
    "func_sha1",
    "geometrytype",
    "getbit",
    "h3_*",
    "has_assumerole_privilege",
    "hll*",
    "json_serialize_to_varbyte",
    "object_transform",
    "size",
    "soundex",
    "st_*",
    "to_varbyte",
    "user_is_member_of",
];

pub fn check(name: &str) -> Result<()> {
    if name.starts_with('$')
        || OTHERS.contains(&name)
        || functions::is_function(name)
        || system::functions::is_function(name)
    {
        return Ok(());
    }
    let is_missing = |known: &&str| match known.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => *known == name,
    };
    match MISSING.iter().any(is_missing) {
        true => Err(SqlError::unsupported(format!("function {name}"))),
        false => Err(SqlError::no_function(name)),
    }
}
