//! The policy evaluator: does this set of documents allow this action on this resource, given what is known about
//! the request? A condition on a key that is not known decides as AWS does for an absent key, and the key is
//! reported, so that nobody mistakes "not known" for "allowed".

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::policy::{Condition, Policy, Principals, Scope, Statement};

/// What is asked, and what is known about the request.
#[derive(Clone, Debug, Default)]
pub struct Question<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    /// Who asks, for policies that name principals: (type, value) pairs, any of which may match.
    pub principals: Vec<(&'a str, String)>,
    pub context: Context,
}

/// Known condition keys; keys are lower-case.
#[derive(Clone, Debug, Default)]
pub struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
    }

    pub fn set_all(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(key.to_ascii_lowercase(), values);
    }

    /// Adds what another context knows.
    pub fn extend(&mut self, other: Context) {
        self.0.extend(other.0);
    }

    fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(key).map(Vec::as_slice)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Allowed,
    ExplicitDeny,
    ImplicitDeny,
}

impl Decision {
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Allowed => "allowed",
            Decision::ExplicitDeny => "explicitDeny",
            Decision::ImplicitDeny => "implicitDeny",
        }
    }

    /// Returns the stricter of the two.
    pub fn and(self, other: Decision) -> Decision {
        match (self, other) {
            (Decision::ExplicitDeny, _) | (_, Decision::ExplicitDeny) => Decision::ExplicitDeny,
            (Decision::Allowed, Decision::Allowed) => Decision::Allowed,
            _ => Decision::ImplicitDeny,
        }
    }
}

/// A decision and what led to it.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub decision: Decision,
    /// (policy, statement) positions of the statements that decided.
    pub matched: Vec<(usize, usize)>,
    /// Condition keys that a statement asked for and the request does not carry.
    pub missing: BTreeSet<String>,
}

impl Verdict {
    /// Returns this verdict within a permissions boundary: an allow counts only where the boundary allows too.
    pub fn limited_by(mut self, boundary: Verdict) -> Verdict {
        self.missing.extend(boundary.missing);
        self.decision = self.decision.and(boundary.decision);
        self
    }
}

/// Returns what the policies together say: an explicit deny wins, then any allow, else an implicit deny.
pub fn evaluate(policies: &[&Policy], question: &Question) -> Verdict {
    let mut missing = BTreeSet::new();
    let (mut allows, mut denies) = (Vec::new(), Vec::new());
    for (at, policy) in policies.iter().enumerate() {
        for (number, statement) in policy.statements.iter().enumerate() {
            if !applies(statement, policy.variables, question, &mut missing) {
                continue;
            }
            if statement.allow {
                allows.push((at, number))
            } else {
                denies.push((at, number))
            }
        }
    }
    let (decision, matched) = if !denies.is_empty() {
        (Decision::ExplicitDeny, denies)
    } else if !allows.is_empty() {
        (Decision::Allowed, allows)
    } else {
        (Decision::ImplicitDeny, Vec::new())
    };
    Verdict {
        decision,
        matched,
        missing,
    }
}

fn applies(statement: &Statement, variables: bool, question: &Question, missing: &mut BTreeSet<String>) -> bool {
    if let Some(principals) = &statement.principals
        && !principal_matches(principals, question)
    {
        return false;
    }
    let action = question.action.to_ascii_lowercase();
    let action_in = |list: &[String]| list.iter().any(|pattern| glob(&pattern.to_ascii_lowercase(), &action));
    let action_matches = match &statement.actions {
        Scope::Only(list) => action_in(list),
        Scope::Not(list) => !action_in(list),
        Scope::Everything => true,
    };
    if !action_matches {
        return false;
    }
    let context = &question.context;
    let resource_in = |list: &[String]| {
        list.iter()
            .any(|pattern| match Pattern::new(pattern, variables, context) {
                Some(pattern) => pattern.matches(question.resource),
                None => false,
            })
    };
    let resource_matches = match &statement.resources {
        Scope::Only(list) => resource_in(list),
        Scope::Not(list) => !resource_in(list),
        Scope::Everything => true,
    };
    // Conditions last: only then is a missing key worth reporting. All of them, so that all are reported.
    if !resource_matches {
        return false;
    }
    let mut met = true;
    for condition in &statement.conditions {
        met &= condition_holds(condition, variables, context, missing);
    }
    met
}

fn principal_matches(principals: &Principals, question: &Question) -> bool {
    let listed = principals.members.iter().any(|(kind, value)| {
        kind == "*"
            || question.principals.iter().any(|(asked_kind, asked)| {
                kind == asked_kind && (value == asked || kind == "AWS" && same_account_root(value, asked))
            })
    });
    listed != principals.not
}

/// An account id or its root ARN stands for every principal of that account that its own policies allow.
fn same_account_root(listed: &str, asked: &str) -> bool {
    let account = listed
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.strip_suffix(":root"))
        .unwrap_or(listed);
    account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && (asked == account || asked.split(':').nth(4) == Some(account))
}

/// One condition operator with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    test: Test,
    negated: bool,
    if_exists: bool,
    set: Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    One,
    AllValues,
    AnyValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    NumericEquals,
    NumericLess,
    NumericLessOrEqual,
    NumericGreater,
    NumericGreaterOrEqual,
    DateEquals,
    DateLess,
    DateLessOrEqual,
    DateGreater,
    DateGreaterOrEqual,
    Bool,
    BinaryEquals,
    IpAddress,
    ArnLike,
    Null,
}

impl Operator {
    /// Returns the operator of this name, or `None` when IAM has none.
    pub fn parse(name: &str) -> Option<Operator> {
        let lower = name.to_ascii_lowercase();
        let (set, rest) = match lower.split_once(':') {
            Some(("forallvalues", rest)) => (Set::AllValues, rest),
            Some(("foranyvalue", rest)) => (Set::AnyValue, rest),
            Some(_) => return None,
            None => (Set::One, lower.as_str()),
        };
        let (base, if_exists) = match rest.strip_suffix("ifexists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let (test, negated) = match base {
            "stringequals" => (Test::StringEquals, false),
            "stringnotequals" => (Test::StringEquals, true),
            "stringequalsignorecase" => (Test::StringEqualsIgnoreCase, false),
            "stringnotequalsignorecase" => (Test::StringEqualsIgnoreCase, true),
            "stringlike" => (Test::StringLike, false),
            "stringnotlike" => (Test::StringLike, true),
            "numericequals" => (Test::NumericEquals, false),
            "numericnotequals" => (Test::NumericEquals, true),
            "numericlessthan" => (Test::NumericLess, false),
            "numericlessthanequals" => (Test::NumericLessOrEqual, false),
            "numericgreaterthan" => (Test::NumericGreater, false),
            "numericgreaterthanequals" => (Test::NumericGreaterOrEqual, false),
            "dateequals" => (Test::DateEquals, false),
            "datenotequals" => (Test::DateEquals, true),
            "datelessthan" => (Test::DateLess, false),
            "datelessthanequals" => (Test::DateLessOrEqual, false),
            "dategreaterthan" => (Test::DateGreater, false),
            "dategreaterthanequals" => (Test::DateGreaterOrEqual, false),
            "bool" => (Test::Bool, false),
            "binaryequals" => (Test::BinaryEquals, false),
            "ipaddress" => (Test::IpAddress, false),
            "notipaddress" => (Test::IpAddress, true),
            // ArnEquals compares as ArnLike does.
            "arnlike" | "arnequals" => (Test::ArnLike, false),
            "arnnotlike" | "arnnotequals" => (Test::ArnLike, true),
            "null" if !if_exists => (Test::Null, false),
            _ => return None,
        };
        Some(Operator {
            test,
            negated,
            if_exists,
            set,
        })
    }
}

fn condition_holds(condition: &Condition, variables: bool, context: &Context, missing: &mut BTreeSet<String>) -> bool {
    let operator = condition.operator;
    let asked = context.get(&condition.key);
    if operator.test == Test::Null {
        return condition
            .values
            .iter()
            .any(|wanted| wanted.eq_ignore_ascii_case("true") == asked.is_none());
    }
    let Some(asked) = asked else {
        if !operator.if_exists {
            missing.insert(condition.key.clone());
        }
        return match operator.set {
            Set::AllValues => true,
            Set::AnyValue => operator.if_exists,
            Set::One => operator.if_exists || operator.negated,
        };
    };
    // One value against the listed ones: any may match; negated: none may.
    let holds = |value: &String| {
        let any = condition
            .values
            .iter()
            .any(|wanted| test(operator.test, wanted, value, variables, context));
        any != operator.negated
    };
    match operator.set {
        Set::AnyValue => asked.iter().any(holds),
        Set::AllValues | Set::One => asked.iter().all(holds),
    }
}

fn test(test: Test, wanted: &str, value: &str, variables: bool, context: &Context) -> bool {
    let number = |compare: fn(f64, f64) -> bool| match (value.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(value), Ok(wanted)) => compare(value, wanted),
        _ => false,
    };
    let date = |compare: fn(f64, f64) -> bool| match (instant(value), instant(wanted)) {
        (Some(value), Some(wanted)) => compare(value, wanted),
        _ => false,
    };
    match test {
        Test::StringEquals => literal(wanted, variables, context).is_some_and(|wanted| wanted == value),
        Test::StringEqualsIgnoreCase => {
            literal(wanted, variables, context).is_some_and(|wanted| wanted.to_lowercase() == value.to_lowercase())
        }
        Test::StringLike => Pattern::new(wanted, variables, context).is_some_and(|pattern| pattern.matches(value)),
        Test::ArnLike => Pattern::new(wanted, variables, context).is_some_and(|pattern| pattern.matches_arn(value)),
        Test::NumericEquals => number(|a, b| a == b),
        Test::NumericLess => number(|a, b| a < b),
        Test::NumericLessOrEqual => number(|a, b| a <= b),
        Test::NumericGreater => number(|a, b| a > b),
        Test::NumericGreaterOrEqual => number(|a, b| a >= b),
        Test::DateEquals => date(|a, b| a == b),
        Test::DateLess => date(|a, b| a < b),
        Test::DateLessOrEqual => date(|a, b| a <= b),
        Test::DateGreater => date(|a, b| a > b),
        Test::DateGreaterOrEqual => date(|a, b| a >= b),
        Test::Bool => value.eq_ignore_ascii_case(wanted),
        Test::BinaryEquals => value == wanted,
        Test::IpAddress => in_network(value, wanted),
        Test::Null => false,
    }
}

/// Returns seconds since the epoch of an ISO 8601 instant or of a plain number.
fn instant(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds);
    }
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis() as f64 / 1000.0);
    }
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp() as f64)
}

fn in_network(address: &str, network: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let (base, length) = network.split_once('/').unwrap_or((network, ""));
    let Ok(base) = base.parse::<IpAddr>() else { return false };
    let (address, base, width) = match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return false,
    };
    let length: u32 = if length.is_empty() {
        width
    } else {
        length.parse().unwrap_or(u32::MAX)
    };
    length <= width && (length == 0 || address >> (width - length) == base >> (width - length))
}

/// A pattern with `*` and `?`, in which a replaced variable stands only for itself.
struct Pattern(Vec<Token>);

#[derive(Clone, Copy, PartialEq)]
enum Token {
    Char(char),
    One,
    Many,
}

impl Pattern {
    /// Returns the pattern with its variables replaced, or `None` when one of them is not known: a statement with
    /// such a variable matches nothing.
    fn new(text: &str, variables: bool, context: &Context) -> Option<Pattern> {
        let mut tokens = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if variables && rest.starts_with("${") {
                let end = rest.find('}')?;
                tokens.extend(variable(&rest[2..end], context)?.chars().map(Token::Char));
                rest = &rest[end + 1..];
                continue;
            }
            tokens.push(match c {
                '*' => Token::Many,
                '?' => Token::One,
                c => Token::Char(c),
            });
            rest = &rest[c.len_utf8()..];
        }
        Some(Pattern(tokens))
    }

    fn matches(&self, text: &str) -> bool {
        match_tokens(&self.0, &text.chars().collect::<Vec<_>>())
    }

    /// Compares part by part of an ARN: a `*` does not reach over a colon of the first five parts.
    fn matches_arn(&self, arn: &str) -> bool {
        let mut parts: Vec<Vec<Token>> = vec![Vec::new()];
        for token in &self.0 {
            match token {
                Token::Char(':') if parts.len() < 6 => parts.push(Vec::new()),
                token => parts.last_mut().expect("starts with one part").push(*token),
            }
        }
        let values: Vec<Vec<char>> = arn.splitn(6, ':').map(|part| part.chars().collect()).collect();
        parts.len() == values.len() && parts.iter().zip(&values).all(|(part, value)| match_tokens(part, value))
    }
}

/// Returns the text with its variables replaced and without wildcards, or `None` when a variable is not known.
fn literal(text: &str, variables: bool, context: &Context) -> Option<String> {
    if !variables || !text.contains("${") {
        return Some(text.to_string());
    }
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let end = start + rest[start..].find('}')?;
        replaced.push_str(&rest[..start]);
        replaced.push_str(&variable(&rest[start + 2..end], context)?);
        rest = &rest[end + 1..];
    }
    replaced.push_str(rest);
    Some(replaced)
}

/// `${key}`, `${key, 'default'}`, or one of the three that only escape a character.
fn variable(inside: &str, context: &Context) -> Option<String> {
    if let "*" | "?" | "$" = inside {
        return Some(inside.to_string());
    }
    let (key, default) = match inside.split_once(',') {
        Some((key, default)) => (key, Some(default.trim().trim_matches('\'').to_string())),
        None => (inside, None),
    };
    match context.get(&key.trim().to_ascii_lowercase()) {
        Some([value]) => Some(value.clone()),
        _ => default,
    }
}

/// Returns whether `text` matches a pattern of `*` and `?`, without variables.
pub fn glob(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern, false, &Context::default()).is_some_and(|pattern| pattern.matches(text))
}

/// Greedy with one step of memory: linear in practice, and never exponential.
fn match_tokens(pattern: &[Token], text: &[char]) -> bool {
    let (mut at, mut token) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(token) {
            Some(Token::Many) => {
                retry = Some((token + 1, at));
                token += 1;
            }
            Some(Token::One) => (at, token) = (at + 1, token + 1),
            Some(Token::Char(c)) if *c == text[at] => (at, token) = (at + 1, token + 1),
            _ => match retry {
                Some((after, from)) => {
                    retry = Some((after, from + 1));
                    (token, at) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[token..].iter().all(|token| *token == Token::Many)
}

#[cfg(test)]
mod tests {
    use super::super::policy::Use;
    use super::*;

    fn decide(statements: &str, action: &str, resource: &str, context: &[(&str, &str)]) -> Verdict {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
        let policy = Policy::parse(&text, Use::Identity).expect("valid policy");
        let mut known = Context::default();
        for (key, value) in context {
            known.set(key, *value);
        }
        evaluate(
            &[&policy],
            &Question {
                action,
                resource,
                principals: Vec::new(),
                context: known,
            },
        )
    }

    #[test]
    fn a_deny_wins_over_an_allow() {
        let statements = r#"[{"Effect":"Allow","Action":"s3:*","Resource":"*"},
            {"Effect":"Deny","Action":"s3:Delete*","Resource":"arn:aws:s3:::keep/*"}]"#;
        let decision = |action, resource| decide(statements, action, resource, &[]).decision;
        assert_eq!(decision("s3:GetObject", "arn:aws:s3:::keep/a"), Decision::Allowed);
        assert_eq!(
            decision("S3:deleteobject", "arn:aws:s3:::keep/a"),
            Decision::ExplicitDeny
        );
        assert_eq!(decision("s3:DeleteObject", "arn:aws:s3:::other/a"), Decision::Allowed);
        assert_eq!(decision("glue:GetTable", "arn:aws:s3:::keep/a"), Decision::ImplicitDeny);
    }

    #[test]
    fn not_action_and_not_resource_are_complements() {
        let statements = r#"{"Effect":"Allow","NotAction":["iam:*"],"NotResource":["arn:aws:s3:::secret/*"]}"#;
        let decision = |action, resource| decide(statements, action, resource, &[]).decision;
        assert_eq!(decision("s3:GetObject", "arn:aws:s3:::open/a"), Decision::Allowed);
        assert_eq!(
            decision("s3:GetObject", "arn:aws:s3:::secret/a"),
            Decision::ImplicitDeny
        );
        assert_eq!(decision("iam:GetRole", "arn:aws:s3:::open/a"), Decision::ImplicitDeny);
    }

    #[test]
    fn a_bucket_arn_does_not_cover_its_objects() {
        let statements = r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::raw"}"#;
        assert_eq!(
            decide(statements, "s3:ListBucket", "arn:aws:s3:::raw", &[]).decision,
            Decision::Allowed
        );
        assert_eq!(
            decide(statements, "s3:GetObject", "arn:aws:s3:::raw/a", &[]).decision,
            Decision::ImplicitDeny
        );
    }

    #[test]
    fn conditions_compare_by_their_type() {
        let holds = |condition: &str, context: &[(&str, &str)]| {
            let statement = format!(r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{{condition}}}}}"#);
            decide(&statement, "s3:ListBucket", "arn:aws:s3:::raw", context).decision == Decision::Allowed
        };
        let prefix = |value| [("s3:prefix", value)];
        assert!(holds(r#""StringLike":{"s3:prefix":["raw/*","tmp"]}"#, &prefix("raw/a")));
        assert!(!holds(r#""StringEquals":{"s3:prefix":"raw/*"}"#, &prefix("raw/a")));
        assert!(holds(r#""StringEqualsIgnoreCase":{"S3:Prefix":"RAW"}"#, &prefix("raw")));
        assert!(!holds(
            r#""StringNotLike":{"s3:prefix":["raw/*","tmp/*"]}"#,
            &prefix("tmp/x")
        ));
        assert!(holds(
            r#""NumericLessThanEquals":{"s3:max-keys":10}"#,
            &[("s3:max-keys", "10")]
        ));
        assert!(holds(
            r#""Bool":{"aws:SecureTransport":true}"#,
            &[("aws:SecureTransport", "true")]
        ));
        assert!(holds(
            r#""IpAddress":{"aws:SourceIp":"10.1.0.0/16"}"#,
            &[("aws:SourceIp", "10.1.200.3")]
        ));
        assert!(!holds(
            r#""NotIpAddress":{"aws:SourceIp":"10.1.0.0/16"}"#,
            &[("aws:SourceIp", "10.1.200.3")]
        ));
        assert!(holds(
            r#""DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}"#,
            &[("aws:CurrentTime", "2026-01-01T00:00:00Z")]
        ));
        assert!(holds(
            r#""ArnLike":{"aws:SourceArn":"arn:aws:glue:*:1:crawler/*"}"#,
            &[("aws:SourceArn", "arn:aws:glue:us-east-1:1:crawler/a")]
        ));
        assert!(!holds(
            r#""ArnLike":{"aws:SourceArn":"arn:aws:glue:*:crawler/*"}"#,
            &[("aws:SourceArn", "arn:aws:glue:us-east-1:1:crawler/a")]
        ));
        assert!(holds(r#""Null":{"aws:SourceArn":"true"}"#, &[]));
    }

    #[test]
    fn an_absent_key_decides_as_on_aws_and_is_reported() {
        let verdict = |operator: &str| {
            let statement = format!(
                r#"{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"{operator}":{{"aws:SourceVpc":"vpc-1"}}}}}}"#
            );
            decide(&statement, "s3:GetObject", "arn:aws:s3:::raw/a", &[])
        };
        assert_eq!(verdict("StringEquals").decision, Decision::ImplicitDeny);
        assert!(verdict("StringEquals").missing.contains("aws:sourcevpc"));
        assert_eq!(verdict("StringNotEquals").decision, Decision::Allowed);
        assert_eq!(verdict("StringEqualsIfExists").decision, Decision::Allowed);
        assert_eq!(verdict("ForAllValues:StringEquals").decision, Decision::Allowed);
        assert_eq!(verdict("ForAnyValue:StringEquals").decision, Decision::ImplicitDeny);
    }

    #[test]
    fn variables_stand_for_the_value_of_a_key() {
        let statement =
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:PrincipalTag/team}/*"}"#;
        let decision =
            |context: &[(&str, &str)]| decide(statement, "s3:GetObject", "arn:aws:s3:::home/red/a", context).decision;
        assert_eq!(decision(&[("aws:PrincipalTag/team", "red")]), Decision::Allowed);
        assert_eq!(decision(&[("aws:PrincipalTag/team", "*")]), Decision::ImplicitDeny);
        assert_eq!(decision(&[]), Decision::ImplicitDeny);
    }

    #[test]
    fn wildcards_match_like_a_shell_without_its_slashes() {
        assert!(glob("a*c*e", "abcde"));
        assert!(glob("*", ""));
        assert!(glob("a?c", "abc"));
        assert!(!glob("a?c", "ac"));
        assert!(glob("arn:aws:s3:::*/*x*", "arn:aws:s3:::b/k/x/y"));
        assert!(!glob("a*b", "abc"));
        assert!(glob(&format!("{}b", "a*".repeat(40)), &format!("{}b", "a".repeat(400))));
    }
}
