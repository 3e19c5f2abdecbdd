//! Redshift's rules on names, passwords, ports, node types and windows, with the wording of its refusals.

use super::super::Fault;
use super::invalid;

/// What a node type allows.
pub struct NodeType {
    pub name: &'static str,
    /// Fewest and most nodes of a new cluster.
    pub nodes: (u64, u64),
    /// Managed storage apart from compute: different rules on ports, snapshots, relocation.
    pub managed_storage: bool,
}

pub const NODE_TYPES: &[NodeType] = &[
    NodeType {
        name: "dc2.large",
        nodes: (1, 32),
        managed_storage: false,
    },
    NodeType {
        name: "dc2.8xlarge",
        nodes: (2, 128),
        managed_storage: false,
    },
    NodeType {
        name: "ra3.large",
        nodes: (1, 16),
        managed_storage: true,
    },
    NodeType {
        name: "ra3.xlplus",
        nodes: (1, 32),
        managed_storage: true,
    },
    NodeType {
        name: "ra3.4xlarge",
        nodes: (2, 64),
        managed_storage: true,
    },
    NodeType {
        name: "ra3.16xlarge",
        nodes: (2, 128),
        managed_storage: true,
    },
    NodeType {
        name: "rg.large",
        nodes: (1, 16),
        managed_storage: true,
    },
    NodeType {
        name: "rg.xlarge",
        nodes: (1, 32),
        managed_storage: true,
    },
    NodeType {
        name: "rg.4xlarge",
        nodes: (2, 64),
        managed_storage: true,
    },
    NodeType {
        name: "rg.12xlarge",
        nodes: (2, 128),
        managed_storage: true,
    },
];

pub fn node_type(name: &str) -> Result<&'static NodeType, Fault> {
    let found = NODE_TYPES.iter().find(|known| known.name == name);
    found.ok_or_else(|| invalid(format!("Invalid node type: {name}")))
}

/// Node counts that an elastic resize may choose: half, double, and what lies between in even steps.
pub fn elastic_counts(node: &str, nodes: u64) -> Vec<u64> {
    let Ok(node) = node_type(node) else { return Vec::new() };
    let (low, high) = if node.managed_storage {
        (nodes.div_ceil(4), nodes * 4)
    } else {
        (nodes.div_ceil(2), nodes * 2)
    };
    let low = low.max(node.nodes.0).max(2);
    (low..=high.min(node.nodes.1)).filter(|count| *count != nodes).collect()
}

/// Checks the number of nodes against the type of node and of cluster, and returns it.
pub fn node_count(node: &NodeType, cluster_type: Option<&str>, nodes: Option<i64>) -> Result<u64, Fault> {
    let count = match (cluster_type, nodes) {
        (Some("single-node"), None | Some(1)) => 1,
        (Some("single-node"), Some(_)) => {
            return Err(super::combination(
                "Number of nodes parameter must be 1 for a single-node cluster",
            ));
        }
        (Some("multi-node"), None) => {
            return Err(super::combination(
                "Number of nodes for cluster type multi-node must be greater than or equal to 2",
            ));
        }
        (Some("multi-node"), Some(count)) if count < 2 => {
            return Err(super::combination(
                "Number of nodes for cluster type multi-node must be greater than or equal to 2",
            ));
        }
        (Some("multi-node"), Some(count)) => count,
        (Some(other), _) => return Err(invalid(format!("Invalid cluster type: {other}"))),
        (None, count) => count.unwrap_or(1),
    };
    if !(1..=100).contains(&count) {
        return Err(invalid(format!(
            "Invalid number of nodes: {count}. Value must be at least 1 and no more than 100."
        )));
    }
    let count = count as u64;
    if count < node.nodes.0 {
        return Err(super::combination(format!(
            "Clusters of node type {} need at least {} nodes",
            node.name, node.nodes.0
        )));
    }
    if count > node.nodes.1 {
        return Err(Fault::bad(
            "NumberOfNodesPerClusterLimitExceeded",
            format!(
                "The requested number of nodes {count} exceeds the limit of {} for {}",
                node.nodes.1, node.name
            ),
        ));
    }
    Ok(count)
}

/// Checks an identifier of a cluster, a group or a snapshot, and returns it as Redshift stores it.
pub fn identifier(member: &str, given: &str, longest: usize, first_letter: bool) -> Result<String, Fault> {
    let folded = given.to_lowercase();
    let starts_well = folded
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_lowercase() || !first_letter && c.is_ascii_digit());
    let valid = starts_well
        && folded.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !folded.ends_with('-')
        && !folded.contains("--")
        && folded.len() <= longest;
    if valid {
        return Ok(folded);
    }
    Err(invalid(format!(
        "The parameter {member} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
    )))
}

/// Words that are neither users nor databases, the shorter part of the documented list that people meet.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "authorization",
    "backup",
    "between",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "deflate",
    "delta",
    "desc",
    "disable",
    "distinct",
    "do",
    "else",
    "enable",
    "encode",
    "encrypt",
    "encryption",
    "end",
    "except",
    "explicit",
    "false",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "identity",
    "ignore",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "minus",
    "natural",
    "new",
    "not",
    "notnull",
    "null",
    "off",
    "offline",
    "offset",
    "oid",
    "old",
    "on",
    "only",
    "open",
    "or",
    "order",
    "outer",
    "overlaps",
    "parallel",
    "partition",
    "percent",
    "pivot",
    "placing",
    "primary",
    "raw",
    "recover",
    "references",
    "respect",
    "rejectlog",
    "resort",
    "restore",
    "right",
    "select",
    "session_user",
    "similar",
    "snapshot",
    "some",
    "sysdate",
    "system",
    "table",
    "tag",
    "then",
    "timestamp",
    "to",
    "top",
    "trailing",
    "true",
    "truncatecolumns",
    "union",
    "unique",
    "unnest",
    "unpivot",
    "user",
    "using",
    "verbose",
    "wallet",
    "when",
    "where",
    "with",
    "without",
];

pub fn check_user(name: &str) -> Result<(), Fault> {
    let valid = name.chars().next().is_some_and(|c| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_+.@-".contains(c))
        && name.len() <= 128;
    if !valid {
        return Err(invalid(
            "The parameter MasterUsername is not valid. It must begin with a letter and contain only lowercase letters, digits, underscore, plus sign, period, at symbol or hyphen.",
        ));
    }
    if name == "public" || RESERVED.contains(&name) {
        return Err(invalid(format!(
            "MasterUsername {name} cannot be used as it is a reserved word"
        )));
    }
    Ok(())
}

pub fn check_database(name: &str) -> Result<(), Fault> {
    let valid = (1..=64).contains(&name.len())
        && name.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$');
    if !valid {
        return Err(invalid(
            "The parameter DBName is not valid. It must contain 1 to 64 alphanumeric characters and only lowercase letters.",
        ));
    }
    if RESERVED.contains(&name) {
        return Err(invalid(format!(
            "DBName {name} cannot be used as it is a reserved word"
        )));
    }
    Ok(())
}

/// Checks a master password. The refusal never repeats it.
pub fn check_password(member: &str, password: &str) -> Result<(), Fault> {
    let problem = if password.len() < 8 {
        "it is shorter than 8 characters"
    } else if password.len() > 64 {
        "it is longer than 64 characters"
    } else if !password.chars().any(|c| c.is_ascii_uppercase()) {
        "it must contain at least one upper case letter"
    } else if !password.chars().any(|c| c.is_ascii_lowercase()) {
        "it must contain at least one lower case letter"
    } else if !password.chars().any(|c| c.is_ascii_digit()) {
        "it must contain at least one decimal digit"
    } else if !password
        .chars()
        .all(|c| ('!'..='~').contains(&c) && !"'\"\\/@".contains(c))
    {
        "only printable ASCII characters besides '/', '@', '\"', ' ', '\\', '\\'' may be used"
    } else {
        return Ok(());
    };
    Err(invalid(format!(
        "The parameter {member} is not a valid password because {problem}."
    )))
}

pub fn check_port(node: &NodeType, port: i64) -> Result<u64, Fault> {
    let valid = if node.managed_storage {
        (5431..=5455).contains(&port) || (8191..=8215).contains(&port)
    } else {
        (1150..=65535).contains(&port)
    };
    if valid {
        return Ok(port as u64);
    }
    let ranges = if node.managed_storage {
        "5431-5455 or 8191-8215"
    } else {
        "1150-65535"
    };
    Err(invalid(format!(
        "Invalid port: {port}. The port must be in the range {ranges}."
    )))
}

pub fn check_automated_retention(node: &NodeType, days: i64) -> Result<(), Fault> {
    if !(0..=35).contains(&days) {
        return Err(invalid(format!(
            "Invalid retention period: {days}. The value must be between 0 and 35."
        )));
    }
    if node.managed_storage && days == 0 {
        return Err(invalid(
            "Automated snapshots can't be disabled for RA3 node types. Set the automated retention period from 1-35 days.",
        ));
    }
    Ok(())
}

pub fn check_manual_retention(days: i64) -> Result<(), Fault> {
    if days == -1 || (1..=3653).contains(&days) {
        return Ok(());
    }
    Err(Fault::bad(
        "InvalidRetentionPeriodFault",
        "The value must be either -1 or an integer between 1 and 3,653.",
    ))
}

/// Checks `ddd:hh24:mi-ddd:hh24:mi` and returns it as Redshift stores it.
pub fn maintenance_window(given: &str) -> Result<String, Fault> {
    let folded = given.to_lowercase();
    let minute = |text: &str| {
        let mut parts = text.split(':');
        let name = parts.next()?;
        let day = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
            .iter()
            .position(|day| *day == name)?;
        let (hour, minute) = (parts.next()?, parts.next()?);
        let (hour, minute): (usize, usize) = (
            hour.parse().ok().filter(|hour| *hour < 24)?,
            minute.parse().ok().filter(|minute| *minute < 60)?,
        );
        parts.next().is_none().then_some((day * 24 + hour) * 60 + minute)
    };
    const WEEK: usize = 7 * 24 * 60;
    match folded.split_once('-').map(|(from, to)| (minute(from), minute(to))) {
        Some((Some(from), Some(to))) => {
            let length = (to + WEEK - from) % WEEK;
            if length < 30 {
                return Err(invalid(format!(
                    "The maintenance window {given} is shorter than 30 minutes."
                )));
            }
            Ok(folded)
        }
        _ => Err(invalid(format!(
            "Invalid maintenance window {given}. The format is ddd:hh24:mi-ddd:hh24:mi."
        ))),
    }
}

/// Returns the window of a cluster that asked for none: half an hour, spread over nights by the name.
pub fn default_window(id: &str) -> String {
    let sum: usize = id
        .bytes()
        .fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let day = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][sum % 7];
    let hour = 3 + sum / 7 % 8;
    format!("{day}:{hour:02}:00-{day}:{hour:02}:30")
}

/// Checks the form of a role's ARN.
pub fn check_role_arn(arn: &str) -> Result<(), Fault> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", account, resource]
            if account.len() == 12 && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
        {
            Ok(())
        }
        _ => Err(invalid(format!("The IAM role {arn} is not a valid ARN of a role."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_refused_for_each_missing_kind_of_character() {
        let refused = |password: &str| check_password("MasterUserPassword", password).is_err();
        assert!(!refused("Abcdef12"));
        for bad in [
            "Abc1",
            "abcdef12",
            "ABCDEF12",
            "Abcdefgh",
            "Abcdef1 2",
            "Abcdef1@",
            "Abcdef1\\",
            "Abcdéf12",
        ] {
            assert!(refused(bad), "{bad}");
        }
    }

    #[test]
    fn windows_fold_and_last_half_an_hour() {
        assert_eq!(
            maintenance_window("Sat:23:45-Sun:00:15").as_deref(),
            Ok("sat:23:45-sun:00:15")
        );
        assert!(maintenance_window("mon:03:00-mon:03:20").is_err());
        assert!(maintenance_window("mon:25:00-mon:26:00").is_err());
        assert!(maintenance_window(&default_window("wh")).is_ok());
    }

    #[test]
    fn node_counts_follow_node_and_cluster_type() {
        let count = |node: &str, kind: Option<&str>, nodes: Option<i64>| {
            node_count(node_type(node).expect("known"), kind, nodes).map_err(|fault| fault.code)
        };
        assert_eq!(count("ra3.large", None, None), Ok(1));
        assert_eq!(count("ra3.xlplus", Some("multi-node"), Some(2)), Ok(2));
        assert_eq!(
            count("ra3.xlplus", Some("multi-node"), None),
            Err("InvalidParameterCombination".into())
        );
        assert_eq!(
            count("ra3.xlplus", Some("single-node"), Some(2)),
            Err("InvalidParameterCombination".into())
        );
        assert_eq!(
            count("ra3.16xlarge", None, None),
            Err("InvalidParameterCombination".into())
        );
        assert_eq!(
            count("dc2.large", None, Some(33)),
            Err("NumberOfNodesPerClusterLimitExceeded".into())
        );
    }
}
