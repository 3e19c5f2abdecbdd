//! STS: who a credential is, and roles assumed for an hour. A session's key leads back to the account it was made in.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Call, Fault, Service, iam, random_u64};

const SESSIONS: &str = "sts-sessions";
const DEFAULT_SECONDS: i64 = 3600;

/// What a temporary access key stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub account: String,
    /// `arn:aws:sts::…:assumed-role/role/session`.
    pub arn: String,
    /// ARN of the role itself.
    #[serde(default)]
    pub role: String,
    pub id: String,
    pub secret: String,
    /// Has to come with every request that the key signs.
    #[serde(default)]
    pub token: String,
    pub expires: f64,
}

/// Says whether an access key is one of an assumed role, so far as it can tell by itself.
pub fn is_temporary(access_key: &str) -> bool {
    access_key.starts_with("ASIA")
}

/// Returns the session of a temporary access key that has not ended.
pub fn session(cx: &Call, access_key: &str) -> Result<Option<Session>, Fault> {
    if !is_temporary(access_key) {
        return Ok(None);
    }
    let session: Option<Session> = cx.shared().get(SESSIONS, access_key)?;
    match session {
        Some(session) if session.expires <= cx.now => Err(Fault::new(
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
        )),
        session => Ok(session),
    }
}

/// Refuses a temporary access key without the token that it was handed out with.
pub fn check_token(cx: &Call, access_key: &str, token: Option<&str>) -> Result<(), Fault> {
    match session(cx, access_key)? {
        Some(session) if token != Some(session.token.as_str()) => Err(Fault::new(
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        )),
        _ => Ok(()),
    }
}

/// Returns who a session is to a policy that names principals: the role first, then the session.
pub fn principals(session: &Session) -> Vec<(&'static str, String)> {
    vec![("AWS", session.role.clone()), ("AWS", session.arn.clone())]
}

pub fn call(cx: &Call, input: &Value) -> Answer {
    match cx.operation {
        "GetCallerIdentity" => caller(cx),
        "AssumeRole" => assume_role(cx, input),
        "GetAccessKeyInfo" => Ok(json!({"Account": cx.account})),
        _ => Err(Fault::not_implemented(cx)),
    }
}

fn caller(cx: &Call) -> Answer {
    Ok(match session(cx, &cx.access_key)? {
        Some(session) => json!({"Account": session.account, "Arn": session.arn, "UserId": session.id}),
        None => json!({"Account": cx.account, "Arn": cx.arn("iam", "root"), "UserId": cx.account}),
    })
}

fn assume_role(cx: &Call, input: &Value) -> Answer {
    cx.only(input, &["RoleArn", "RoleSessionName", "DurationSeconds", "Tags"])?;
    let arn = input["RoleArn"].as_str().unwrap_or_default();
    let name = input["RoleSessionName"].as_str().unwrap_or_default();
    let denied = || {
        let message = format!(
            "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
            cx.arn("iam", "root")
        );
        Fault::new(403, "AccessDenied", message)
    };
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, _, "iam", _, account, resource] = fields[..] else {
        return Err(Fault::bad("ValidationError", format!("{arn} is invalid")));
    };
    let role = resource.strip_prefix("role/").ok_or_else(denied)?;
    let role_name = role.rsplit('/').next().unwrap_or(role);
    let there = Call {
        account: account.to_owned(),
        ..cx.clone()
    };
    let get = Call {
        operation: "GetRole",
        service: Service::Iam,
        ..there
    };
    let role = iam::call(&get, &json!({"RoleName": role_name})).map_err(|_| denied())?;
    let role_id = role["Role"]["RoleId"].as_str().unwrap_or_default();
    if !trusts(
        role["Role"]["AssumeRolePolicyDocument"].as_str().unwrap_or_default(),
        &cx.account,
    ) {
        return Err(denied());
    }
    let access_key = format!("ASIA{:016X}", random_u64());
    let expires = cx.now + input["DurationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS) as f64;
    let session = Session {
        token: format!("{:016x}{:016x}", random_u64(), random_u64()),
        account: account.to_owned(),
        arn: format!("arn:aws:sts::{account}:assumed-role/{role_name}/{name}"),
        role: arn.to_owned(),
        id: format!("{role_id}:{name}"),
        secret: format!("{:016x}{:016x}{:08x}", random_u64(), random_u64(), random_u64() as u32),
        expires,
    };
    cx.shared().put(SESSIONS, &access_key, &session)?;
    Ok(json!({
        "Credentials": {
            "AccessKeyId": access_key,
            "SecretAccessKey": session.secret,
            "SessionToken": session.token,
            "Expiration": expires,
        },
        "AssumedRoleUser": {"AssumedRoleId": session.id, "Arn": session.arn},
    }))
}

/// Says whether a trust policy lets the account's own principals assume the role; conditions count as unmet.
fn trusts(encoded: &str, account: &str) -> bool {
    let text = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    let many = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    many(&document["Statement"]).iter().any(|statement| {
        let principal = if statement["Principal"] == "*" {
            &statement["Principal"]
        } else {
            &statement["Principal"]["AWS"]
        };
        let trusted = many(principal).iter().filter_map(Value::as_str).any(|principal| {
            principal == "*" || principal == account || principal == format!("arn:aws:iam::{account}:root")
        });
        let assumed = many(&statement["Action"])
            .iter()
            .filter_map(Value::as_str)
            .any(|action| matches!(action.to_ascii_lowercase().as_str(), "sts:assumerole" | "sts:*" | "*"));
        statement["Effect"] == "Allow" && statement["Condition"].is_null() && trusted && assumed
    })
}
