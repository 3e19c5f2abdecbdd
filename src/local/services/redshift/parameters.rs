//! Cluster parameter groups and the parameters of their two families.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::{Answer, Call, Fault};
use super::cluster::{self, Cluster};
use super::tags::{Tags, matches_filter, read_tags, shown_tags};
use super::{invalid, paged, rules, text};

const GROUPS: &str = "redshift_parameter_group";
const PARAMETERS_PER_CALL: usize = 20;
const WLM_CHARACTERS: usize = 8000;
pub const DEFAULT_FAMILY: &str = "redshift-2.0";

/// One parameter as every group of its family has it.
struct Parameter {
    name: &'static str,
    /// Default in family 1.0 and in family 2.0.
    defaults: [&'static str; 2],
    data_type: &'static str,
    allowed: &'static str,
    dynamic: bool,
    description: &'static str,
}

const BOOLEAN: &str = "true,false";

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "auto_analyze",
        defaults: ["true", "true"],
        data_type: "boolean",
        allowed: BOOLEAN,
        dynamic: false,
        description: "Use auto analyze",
    },
    Parameter {
        name: "auto_mv",
        defaults: ["true", "true"],
        data_type: "boolean",
        allowed: BOOLEAN,
        dynamic: false,
        description: "Use auto mv capability",
    },
    Parameter {
        name: "datestyle",
        defaults: ["ISO, MDY", "ISO, MDY"],
        data_type: "string",
        allowed: "",
        dynamic: false,
        description: "Sets the display format for date and time values.",
    },
    Parameter {
        name: "enable_case_sensitive_identifier",
        defaults: ["false", "false"],
        data_type: "boolean",
        allowed: BOOLEAN,
        dynamic: false,
        description: "Preserve case sensitivity for database identifiers such as table or column names",
    },
    Parameter {
        name: "enable_user_activity_logging",
        defaults: ["false", "true"],
        data_type: "boolean",
        allowed: BOOLEAN,
        dynamic: false,
        description: "parameter for audit logging purpose",
    },
    Parameter {
        name: "extra_float_digits",
        defaults: ["0", "0"],
        data_type: "integer",
        allowed: "-15-2",
        dynamic: false,
        description: "Sets the number of digits displayed for floating-point values",
    },
    Parameter {
        name: "max_concurrency_scaling_clusters",
        defaults: ["1", "1"],
        data_type: "integer",
        allowed: "0-10",
        dynamic: true,
        description: "The maximum concurrency scaling clusters can be used.",
    },
    Parameter {
        name: "max_cursor_result_set_size",
        defaults: ["default", "default"],
        data_type: "integer",
        allowed: "0-14400000",
        dynamic: false,
        description: "Sets the max cursor result set size",
    },
    Parameter {
        name: "query_group",
        defaults: ["default", "default"],
        data_type: "string",
        allowed: "",
        dynamic: false,
        description: "This parameter applies a user-defined label to a group of queries that are run during the same session.",
    },
    Parameter {
        name: "require_ssl",
        defaults: ["false", "true"],
        data_type: "boolean",
        allowed: BOOLEAN,
        dynamic: false,
        description: "require ssl for all databaseconnections",
    },
    Parameter {
        name: "search_path",
        defaults: ["$user, public", "$user, public"],
        data_type: "string",
        allowed: "",
        dynamic: false,
        description: "Sets the schema search order for names that are not schema-qualified.",
    },
    Parameter {
        name: "statement_timeout",
        defaults: ["0", "0"],
        data_type: "integer",
        allowed: "0,100-2147483647",
        dynamic: false,
        description: "Aborts any statement that takes over the specified number of milliseconds.",
    },
    Parameter {
        name: "use_fips_ssl",
        defaults: ["false", "false"],
        data_type: "boolean",
        allowed: BOOLEAN,
        dynamic: false,
        description: "Use fips ssl library",
    },
    Parameter {
        name: "wlm_json_configuration",
        defaults: ["[{\"auto_wlm\":true}]", "[{\"auto_wlm\":true}]"],
        data_type: "string",
        allowed: "",
        dynamic: true,
        description: "wlm json configuration",
    },
];

/// A group of the customer. The two default groups exist without being stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParameterGroup {
    pub name: String,
    pub family: String,
    pub description: String,
    pub tags: Tags,
    /// Values that differ from the family's defaults by the user's wish.
    pub values: BTreeMap<String, String>,
    /// When a static parameter was last changed.
    pub static_changed: f64,
}

impl ParameterGroup {
    pub fn arn(&self, cx: &Call) -> String {
        cx.arn("redshift", &format!("parametergroup:{}", self.name))
    }

    fn is_default(&self) -> bool {
        self.name.starts_with("default.")
    }

    fn shown(&self) -> Value {
        json!({
            "ParameterGroupName": self.name,
            "ParameterGroupFamily": self.family,
            "Description": self.description,
            "Tags": shown_tags(&self.tags),
        })
    }

    /// Returns a parameter's value in this group, by name.
    pub fn value(&self, name: &str) -> Option<String> {
        let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name)?;
        Some(
            self.values
                .get(name)
                .cloned()
                .unwrap_or_else(|| default_of(parameter, &self.family).to_string()),
        )
    }
}

fn default_of(parameter: &Parameter, family: &str) -> &'static str {
    parameter.defaults[usize::from(family == "redshift-2.0")]
}

fn default_group(family: &str) -> ParameterGroup {
    ParameterGroup {
        name: format!("default.{family}"),
        family: family.to_string(),
        description: format!("Default parameter group for {family}"),
        tags: Tags::new(),
        values: BTreeMap::new(),
        static_changed: 0.0,
    }
}

pub fn find(cx: &Call, name: &str) -> Result<Option<ParameterGroup>, Fault> {
    let name = name.to_lowercase();
    match name.strip_prefix("default.") {
        Some(family @ ("redshift-1.0" | "redshift-2.0")) => Ok(Some(default_group(family))),
        Some(_) => Ok(None),
        None => cx.get(GROUPS, &name),
    }
}

pub fn not_found(name: &str) -> Fault {
    Fault::new(
        404,
        "ClusterParameterGroupNotFound",
        format!("ParameterGroup not found: {}", name.to_lowercase()),
    )
}

fn named(cx: &Call, input: &Value) -> Result<ParameterGroup, Fault> {
    let name = text(input, "ParameterGroupName");
    find(cx, name)?.ok_or_else(|| not_found(name))
}

/// Returns the customer's own groups.
pub fn all(cx: &Call) -> Result<Vec<ParameterGroup>, Fault> {
    Ok(cx
        .list::<ParameterGroup>(GROUPS, "")?
        .into_iter()
        .map(|(_, group)| group)
        .collect())
}

pub fn save(cx: &Call, group: &ParameterGroup) -> Result<(), Fault> {
    cx.put(GROUPS, &group.name, group)
}

/// The group as `DescribeClusters` shows it: whether its parameters are in force.
pub fn shown_for_cluster(cx: &Call, cluster: &Cluster) -> Result<Value, Fault> {
    let changed = find(cx, &cluster.parameter_group)?.map_or(0.0, |group| group.static_changed);
    let status = if changed > cluster.parameters_read {
        "pending-reboot"
    } else {
        "in-sync"
    };
    Ok(json!({ "ParameterGroupName": cluster.parameter_group, "ParameterApplyStatus": status }))
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    let given = text(input, "ParameterGroupName");
    let family = text(input, "ParameterGroupFamily");
    if !["redshift-1.0", "redshift-2.0"].contains(&family) {
        return Err(invalid(format!(
            "ParameterGroupFamily {family} is not a valid parameter group family"
        )));
    }
    let name = rules::identifier("ParameterGroupName", given, 255, true)?;
    let mut tags = Tags::new();
    read_tags(input, &mut tags)?;
    if find(cx, &name)?.is_some() {
        return Err(Fault::bad(
            "ClusterParameterGroupAlreadyExists",
            format!("Cluster parameter group {name} already exists"),
        ));
    }
    let group = ParameterGroup {
        name,
        family: family.to_string(),
        description: text(input, "Description").to_string(),
        tags,
        values: BTreeMap::new(),
        static_changed: 0.0,
    };
    save(cx, &group)?;
    cx.tag_index(&group.arn(cx), &group.tags)?;
    Ok(json!({ "ClusterParameterGroup": group.shown() }))
}

pub fn describe(cx: &Call, input: &Value) -> Answer {
    let groups = match input["ParameterGroupName"].as_str() {
        Some(_) => vec![named(cx, input)?],
        None => {
            let mut groups = vec![default_group("redshift-1.0"), default_group("redshift-2.0")];
            groups.extend(all(cx)?);
            groups
        }
    };
    let shown = groups
        .iter()
        .filter(|group| matches_filter(input, &group.tags))
        .map(ParameterGroup::shown)
        .collect();
    paged(cx, "ParameterGroups", shown, input)
}

fn shown_parameter(parameter: &Parameter, value: &str, source: &str) -> Value {
    let mut shown = json!({
        "ParameterName": parameter.name,
        "ParameterValue": value,
        "Description": parameter.description,
        "Source": source,
        "DataType": parameter.data_type,
        "ApplyType": if parameter.dynamic { "dynamic" } else { "static" },
        "IsModifiable": true,
    });
    if !parameter.allowed.is_empty() {
        shown["AllowedValues"] = json!(parameter.allowed);
    }
    shown
}

pub fn describe_parameters(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    let source = input["Source"].as_str();
    if source.is_some_and(|source| !["user", "engine-default"].contains(&source)) {
        return Err(invalid("Source must be one of user, engine-default"));
    }
    let shown = PARAMETERS.iter().filter_map(|parameter| {
        let (value, from) = match group.values.get(parameter.name) {
            Some(value) => (value.as_str(), "user"),
            None => (default_of(parameter, &group.family), "engine-default"),
        };
        source
            .is_none_or(|source| source == from)
            .then(|| shown_parameter(parameter, value, from))
    });
    paged(cx, "Parameters", shown.collect(), input)
}

pub fn describe_defaults(cx: &Call, input: &Value) -> Answer {
    let family = text(input, "ParameterGroupFamily");
    if !["redshift-1.0", "redshift-2.0"].contains(&family) {
        return Err(invalid(format!(
            "ParameterGroupFamily {family} is not a valid parameter group family"
        )));
    }
    let shown = PARAMETERS
        .iter()
        .map(|parameter| shown_parameter(parameter, default_of(parameter, family), "engine-default"))
        .collect();
    let mut defaults = paged(cx, "Parameters", shown, input)?;
    defaults["ParameterGroupFamily"] = json!(family);
    Ok(json!({ "DefaultClusterParameters": defaults }))
}

/// Returns the group and the listed parameters, of which one call may change no more than 20.
fn changed<'v>(cx: &Call, input: &'v Value) -> Result<(ParameterGroup, &'v [Value]), Fault> {
    let group = named(cx, input)?;
    if group.is_default() {
        return Err(invalid(format!(
            "{} is a default parameter group and cannot be modified.",
            group.name
        )));
    }
    let parameters = input["Parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    if parameters.len() > PARAMETERS_PER_CALL {
        return Err(invalid(format!(
            "No more than {PARAMETERS_PER_CALL} parameters can be changed in one request."
        )));
    }
    Ok((group, parameters))
}

fn known(name: &str) -> Result<&'static Parameter, Fault> {
    let found = PARAMETERS.iter().find(|parameter| parameter.name == name);
    found.ok_or_else(|| invalid(format!("Could not find parameter with name: {name}")))
}

pub fn modify(cx: &Call, input: &Value) -> Answer {
    let (mut group, parameters) = changed(cx, input)?;
    if parameters.is_empty() {
        return Err(invalid("The parameter Parameters must contain at least one parameter."));
    }
    let mut static_change = false;
    for given in parameters {
        let parameter = known(text(given, "ParameterName"))?;
        let value = checked_value(parameter, text(given, "ParameterValue"))?;
        let before = group.value(parameter.name);
        static_change |= !parameter.dynamic && before.as_deref() != Some(&value);
        group.values.insert(parameter.name.to_string(), value);
    }
    finish(cx, group, static_change)
}

pub fn reset(cx: &Call, input: &Value) -> Answer {
    let (mut group, parameters) = changed(cx, input)?;
    let all = input["ResetAllParameters"].as_bool().unwrap_or(false);
    if all != parameters.is_empty() {
        return Err(super::combination(
            "Specify either ResetAllParameters or a list of parameters to reset.",
        ));
    }
    let mut names = Vec::new();
    for given in parameters {
        names.push(known(text(given, "ParameterName"))?.name.to_string());
    }
    if all {
        names = group.values.keys().cloned().collect();
    }
    let mut static_change = false;
    for name in names {
        static_change |= group.values.remove(&name).is_some() && !known(&name)?.dynamic;
    }
    finish(cx, group, static_change)
}

fn finish(cx: &Call, mut group: ParameterGroup, static_change: bool) -> Answer {
    if static_change {
        group.static_changed = cx.now;
    }
    save(cx, &group)?;
    let status = if static_change {
        "Your parameter group has been updated but changes won't get applied until you reboot the associated Clusters."
    } else {
        "Your parameter group has been updated."
    };
    Ok(json!({ "ParameterGroupName": group.name, "ParameterGroupStatus": status }))
}

/// Checks a value against its parameter and returns it as Redshift stores it.
fn checked_value(parameter: &Parameter, value: &str) -> Result<String, Fault> {
    let refuse = || {
        let allowed = if parameter.allowed.is_empty() {
            parameter.data_type
        } else {
            parameter.allowed
        };
        invalid(format!(
            "Invalid value {value} for parameter {}. Allowed values: {allowed}",
            parameter.name
        ))
    };
    match parameter.data_type {
        "boolean" => match value.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" => Ok("true".into()),
            "false" | "off" | "0" => Ok("false".into()),
            _ => Err(refuse()),
        },
        "integer" => {
            let number: i64 = value.trim().parse().map_err(|_| refuse())?;
            let inside = parameter.allowed.split(',').any(|range| {
                // The first hyphen after the first character separates; the one before is a sign.
                match range.char_indices().skip(1).find(|(_, c)| *c == '-') {
                    Some((at, _)) => {
                        let (low, high) = (range[..at].parse::<i64>(), range[at + 1..].parse::<i64>());
                        low.is_ok_and(|low| low <= number) && high.is_ok_and(|high| number <= high)
                    }
                    None => range.parse() == Ok(number),
                }
            });
            if inside { Ok(number.to_string()) } else { Err(refuse()) }
        }
        _ if parameter.name == "wlm_json_configuration" => {
            if value.chars().count() > WLM_CHARACTERS {
                return Err(invalid(format!(
                    "The WLM configuration is longer than {WLM_CHARACTERS} characters."
                )));
            }
            match serde_json::from_str::<Value>(value) {
                Ok(Value::Array(queues)) if queues.iter().all(Value::is_object) => Ok(value.to_string()),
                _ => Err(invalid("The WLM configuration is not a JSON array of objects.")),
            }
        }
        _ => Ok(value.to_string()),
    }
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    let group = named(cx, input)?;
    if group.is_default() {
        return Err(Fault::bad(
            "InvalidClusterParameterGroupState",
            format!("Default parameter group {} cannot be deleted.", group.name),
        ));
    }
    if let Some(cluster) = cluster::all(cx)?
        .iter()
        .find(|cluster| cluster.parameter_group == group.name)
    {
        return Err(Fault::bad(
            "InvalidClusterParameterGroupState",
            format!("Parameter group {} is in use by cluster {}.", group.name, cluster.id),
        ));
    }
    cx.delete(GROUPS, &group.name)?;
    cx.tag_forget(&group.arn(cx))?;
    Ok(json!({}))
}
