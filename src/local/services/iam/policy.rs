//! IAM policy documents: parsing, the rules a document must keep to be stored, and where each statement stands in
//! the text. Deciding whether a document allows something is `evaluate.rs`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::evaluate::Operator;

/// A parsed policy document.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Policy variables are only replaced in documents of version 2012-10-17.
    pub variables: bool,
    pub statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
pub struct Statement {
    pub allow: bool,
    pub principals: Option<Principals>,
    pub actions: Scope,
    pub resources: Scope,
    pub conditions: Vec<Condition>,
    /// Where the statement starts and ends in the text, as (line, column).
    pub span: ((usize, usize), (usize, usize)),
}

/// A list of patterns, or its complement (`NotAction`, `NotResource`).
#[derive(Clone, Debug)]
pub enum Scope {
    Only(Vec<String>),
    Not(Vec<String>),
    /// The statement has neither form: trust policies have no resource.
    Everything,
}

/// Who a statement of a resource or trust policy is about, as (type, value); type `*` means anyone.
#[derive(Clone, Debug)]
pub struct Principals {
    pub not: bool,
    pub members: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Condition {
    pub operator: Operator,
    /// Lower-cased: condition keys are compared without regard to case.
    pub key: String,
    pub values: Vec<String>,
}

/// What a document is for; each use has rules of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Attached to a role: has resources, has no principal.
    Identity,
    /// A role's trust policy: has principals, has no resources.
    Trust,
    /// Attached to a bucket or a secret: has both.
    Resource,
}

impl Policy {
    /// Returns the document, or the message AWS answers with when it is malformed.
    pub fn parse(text: &str, use_: Use) -> Result<Policy, String> {
        let invalid_json = match use_ {
            Use::Trust => "This policy contains invalid Json",
            Use::Identity | Use::Resource => "Syntax errors in policy.",
        };
        let document: Value = serde_json::from_str(text).map_err(|_| invalid_json.to_string())?;
        let members = document.as_object().ok_or(invalid_json)?;
        let mut variables = false;
        for (key, value) in members {
            match key.as_str() {
                "Version" => match value.as_str() {
                    Some("2012-10-17") => variables = true,
                    Some("2008-10-17") => {}
                    _ => return Err("The policy must contain a valid version string".into()),
                },
                "Id" if value.is_string() => {}
                "Statement" => {}
                _ => return Err("Syntax errors in policy.".into()),
            }
        }
        let listed: Vec<&Value> = match members.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return Err("Syntax errors in policy.".into()),
        };
        if listed.is_empty() {
            return Err("Syntax errors in policy.".into());
        }
        let spans = statement_spans(text);
        let mut sids = BTreeSet::new();
        let mut statements = Vec::with_capacity(listed.len());
        for (at, value) in listed.into_iter().enumerate() {
            let span = spans.get(at).copied().unwrap_or(((1, 1), (1, 1)));
            let statement = statement(value, use_, span)?;
            if let Some(sid) = value.get("Sid").and_then(Value::as_str)
                && !sid.is_empty()
                && !sids.insert(sid.to_string())
            {
                return Err("Statement IDs (SID) in a single policy must be unique.".into());
            }
            statements.push(statement);
        }
        Ok(Policy { variables, statements })
    }
}

fn statement(value: &Value, use_: Use, span: ((usize, usize), (usize, usize))) -> Result<Statement, String> {
    let members = value.as_object().ok_or("Syntax errors in policy.")?;
    for key in members.keys() {
        let known = [
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
        ];
        if !known.contains(&key.as_str()) && key != "Condition" {
            return Err("Syntax errors in policy.".into());
        }
    }
    if let Some(sid) = members.get("Sid") {
        let sid = sid.as_str().ok_or("Syntax errors in policy.")?;
        // Resource policies take any text here; identity policies do not.
        if use_ != Use::Resource && !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*".into());
        }
    }
    let allow = match members.get("Effect").and_then(Value::as_str) {
        Some("Allow") => true,
        Some("Deny") => false,
        _ => return Err("Syntax errors in policy.".into()),
    };
    let principals = principals(members, use_)?;
    let actions = scope(members.get("Action"), members.get("NotAction"))?;
    match &actions {
        Scope::Everything => return Err("Policy statement must contain actions.".into()),
        Scope::Only(list) | Scope::Not(list) => {
            if list.is_empty() {
                return Err("Policy statement must contain actions.".into());
            }
            for action in list {
                check_action(action, use_)?;
            }
        }
    }
    let resources = scope(members.get("Resource"), members.get("NotResource"))?;
    match (&resources, use_) {
        (Scope::Everything, Use::Identity | Use::Resource) => {
            return Err("Policy statement must contain resources.".into());
        }
        (Scope::Everything, Use::Trust) => {}
        (_, Use::Trust) => return Err("Has prohibited field Resource".into()),
        (Scope::Only(list) | Scope::Not(list), _) => {
            if list.is_empty() {
                return Err("Policy statement must contain resources.".into());
            }
            for resource in list {
                check_resource(resource)?;
            }
        }
    }
    let conditions = match members.get("Condition") {
        None => Vec::new(),
        Some(value) => conditions(value)?,
    };
    Ok(Statement {
        allow,
        principals,
        actions,
        resources,
        conditions,
        span,
    })
}

fn scope(only: Option<&Value>, not: Option<&Value>) -> Result<Scope, String> {
    match (only, not) {
        (Some(_), Some(_)) => Err("Syntax errors in policy.".into()),
        (Some(value), None) => Ok(Scope::Only(texts(value)?)),
        (None, Some(value)) => Ok(Scope::Not(texts(value)?)),
        (None, None) => Ok(Scope::Everything),
    }
}

/// Returns one text or a list of texts as a list; condition values may also be numbers and booleans.
fn texts(value: &Value) -> Result<Vec<String>, String> {
    let one = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("Syntax errors in policy.".to_string()),
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn check_action(action: &str, use_: Use) -> Result<(), String> {
    if action == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = action.split_once(':') else {
        return Err("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".into());
    };
    if vendor.is_empty() || !vendor.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(format!("Vendor {vendor} is not valid"));
    }
    if name.is_empty() || name.contains(':') {
        return Err("Actions/Condition can contain only one colon.".into());
    }
    if use_ == Use::Trust && !vendor.eq_ignore_ascii_case("sts") {
        return Err("AssumeRole policy may only specify STS AssumeRole actions.".into());
    }
    Ok(())
}

fn check_resource(resource: &str) -> Result<(), String> {
    // A pattern that could still become an ARN, such as `*` or `arn:*`, is accepted.
    let head = resource.split('*').next().unwrap_or_default();
    if resource.contains('*') && "arn:".starts_with(head) {
        return Ok(());
    }
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    if parts.first() != Some(&"arn") {
        return Err(format!("Resource {resource} must be in ARN format or \"*\"."));
    }
    if parts.len() < 6 && !resource.contains('*') {
        return Err("The policy failed legacy parsing".into());
    }
    if let Some(partition) = parts.get(1)
        && !partition.contains('*')
        && !["aws", "aws-cn", "aws-us-gov"].contains(partition)
    {
        return Err(format!(
            "Partition \"{partition}\" is not valid for resource \"{resource}\"."
        ));
    }
    if parts.get(2).is_some_and(|vendor| vendor.is_empty()) {
        return Err(format!(
            "Resource vendor must be fully qualified and cannot contain regexes. Resource {resource}"
        ));
    }
    Ok(())
}

fn principals(members: &serde_json::Map<String, Value>, use_: Use) -> Result<Option<Principals>, String> {
    let (not, value) = match (members.get("Principal"), members.get("NotPrincipal")) {
        (Some(_), Some(_)) => return Err("Syntax errors in policy.".into()),
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        (None, None) if use_ == Use::Identity => return Ok(None),
        (None, None) => return Err("Missing required field Principal".into()),
    };
    if use_ == Use::Identity {
        return Err("Policy document should not specify a principal.".into());
    }
    if not && use_ == Use::Trust {
        return Err("Has prohibited field NotPrincipal".into());
    }
    let mut found = Vec::new();
    match value {
        Value::String(text) if text == "*" => found.push(("*".to_string(), "*".to_string())),
        Value::Object(kinds) if !kinds.is_empty() => {
            for (kind, values) in kinds {
                if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str()) {
                    return Err("Syntax errors in policy.".into());
                }
                for value in texts(values)? {
                    check_principal(kind, &value)?;
                    if kind == "AWS" && value == "*" {
                        found.push(("*".into(), "*".into()));
                    } else {
                        found.push((kind.clone(), value));
                    }
                }
            }
        }
        _ => return Err("Syntax errors in policy.".into()),
    }
    Ok(Some(Principals { not, members: found }))
}

fn check_principal(kind: &str, value: &str) -> Result<(), String> {
    let account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let valid = match kind {
        // `service.amazonaws.com` and its regional forms.
        "Service" => {
            let host = value
                .strip_suffix(".amazonaws.com")
                .or_else(|| value.strip_suffix(".amazonaws.com.cn"));
            host.is_some_and(|host| {
                !host.is_empty()
                    && host
                        .chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c))
            })
        }
        "AWS" => {
            value == "*"
                || account(value)
                || value.strip_prefix("arn:aws:iam::").or_else(|| value.strip_prefix("arn:aws:sts::")).is_some_and(
                    |rest| rest.split_once(':').is_some_and(|(id, name)| account(id) && !name.is_empty() && name != "*"),
                )
                // A deleted role or user reads back as its unique id.
                || value.starts_with("AROA")
                || value.starts_with("AIDA")
        }
        _ => !value.is_empty(),
    };
    if valid {
        return Ok(());
    }
    let shown = if kind == "Service" { "SERVICE" } else { kind };
    Err(format!("Invalid principal in policy: \"{shown}\":\"{value}\""))
}

fn conditions(value: &Value) -> Result<Vec<Condition>, String> {
    let operators = value.as_object().ok_or("Syntax errors in policy.")?;
    let mut found = Vec::new();
    for (name, keys) in operators {
        let operator = Operator::parse(name).ok_or_else(|| format!("Invalid Condition type : {name}."))?;
        let keys = keys.as_object().ok_or("Syntax errors in policy.")?;
        for (key, values) in keys {
            if !key.contains(':') {
                return Err("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".into());
            }
            found.push(Condition {
                operator,
                key: key.to_ascii_lowercase(),
                values: texts(values)?,
            });
        }
    }
    Ok(found)
}

/// Returns the (line, column) where each statement starts and ends. The text is valid JSON when this is called.
fn statement_spans(text: &str) -> Vec<((usize, usize), (usize, usize))> {
    let mut spans = Vec::new();
    let (mut line, mut column) = (1, 0);
    let (mut in_string, mut escaped) = (false, false);
    let mut word = String::new();
    let mut member = String::new();
    let mut stack: Vec<char> = Vec::new();
    let mut start = (1, 1);
    for c in text.chars() {
        column += 1;
        if in_string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                c => word.push(c),
            }
        } else {
            let inside_statements = member == "Statement" && matches!(stack.as_slice(), ['{'] | ['{', '[']);
            match c {
                '"' => {
                    in_string = true;
                    word.clear();
                }
                ':' if stack.len() == 1 => member = word.clone(),
                '{' | '[' => {
                    if c == '{' && inside_statements {
                        start = (line, column);
                    }
                    stack.push(c);
                }
                '}' | ']' => {
                    stack.pop();
                    if c == '}' && member == "Statement" && matches!(stack.as_slice(), ['{'] | ['{', '[']) {
                        spans.push((start, (line, column + 1)));
                    }
                }
                _ => {}
            }
        }
        if c == '\n' {
            line += 1;
            column = 0;
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, use_: Use) -> String {
        Policy::parse(text, use_).expect_err("the document is malformed")
    }

    #[test]
    fn each_malformed_document_gets_the_message_aws_gives() {
        let identity = |statement: &str| {
            message(
                &format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#),
                Use::Identity,
            )
        };
        assert_eq!(message("{", Use::Identity), "Syntax errors in policy.");
        assert_eq!(message("{", Use::Trust), "This policy contains invalid Json");
        assert_eq!(
            identity(r#"{"Effect":"Allow","Resource":"*"}"#),
            "Policy statement must contain actions."
        );
        assert_eq!(
            identity(r#"{"Effect":"Allow","Action":"s3:Get*"}"#),
            "Policy statement must contain resources."
        );
        assert_eq!(
            identity(r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"bucket/*"}"#),
            "Resource bucket/* must be in ARN format or \"*\"."
        );
        assert_eq!(
            identity(r#"{"Effect":"Allow","Action":"GetObject","Resource":"*"}"#),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
        );
        assert_eq!(
            identity(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":"*"}"#),
            "Policy document should not specify a principal."
        );
        assert_eq!(
            identity(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Like":{"s3:prefix":"a"}}}"#),
            "Invalid Condition type : Like."
        );
        assert_eq!(
            message(
                r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"glue"}}}"#,
                Use::Trust
            ),
            "Invalid principal in policy: \"SERVICE\":\"glue\""
        );
        assert_eq!(
            message(
                r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Principal":"*"}}"#,
                Use::Trust
            ),
            "Has prohibited field Resource"
        );
        assert_eq!(
            message(
                r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Principal":"*"}}"#,
                Use::Trust
            ),
            "AssumeRole policy may only specify STS AssumeRole actions."
        );
    }

    #[test]
    fn one_statement_object_is_a_list_of_one() {
        let policy = Policy::parse(
            r#"{"Statement":{"Effect":"Deny","NotAction":["s3:*"],"NotResource":"*"}}"#,
            Use::Identity,
        )
        .expect("valid");
        assert_eq!(policy.statements.len(), 1);
        assert!(!policy.statements[0].allow);
        assert!(matches!(&policy.statements[0].actions, Scope::Not(list) if list == &["s3:*"]));
    }

    #[test]
    fn statements_know_their_lines() {
        let text = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"},\n    {\n      \"Effect\": \"Deny\", \"Action\": \"s3:*\", \"Resource\": \"*\"\n    }\n  ]\n}";
        let policy = Policy::parse(text, Use::Identity).expect("valid");
        assert_eq!(policy.statements[0].span.0, (4, 5));
        assert_eq!(policy.statements[1].span, ((5, 5), (7, 6)));
    }
}
