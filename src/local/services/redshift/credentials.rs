//! Temporary database credentials, and the check of a login against them, the master password and managed secrets.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::{Answer, Call, Fault, secrets};
use super::{cluster, combination, invalid, text, texts};

const CREDENTIALS: &str = "redshift_credential";

/// One issued password. Stored under namespace, user and a running number.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Credential {
    user: String,
    password: String,
    expires: f64,
    database: Option<String>,
    create_user: bool,
    groups: Vec<String>,
}

/// What a login may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// Passwords that are right now, the newest last.
    pub passwords: Vec<String>,
    /// The user is the warehouse's administrator.
    pub superuser: bool,
    /// The user may be made at login when it does not exist.
    pub create_user: bool,
}

fn read_duration(input: &Value, key: &str) -> Result<f64, Fault> {
    let seconds = input[key].as_i64().unwrap_or(900);
    if !(900..=3600).contains(&seconds) {
        return Err(invalid(format!("{key} must be between 900 and 3600 seconds.")));
    }
    Ok(seconds as f64)
}

/// Makes a password for a user of a namespace, and forgets those that are no longer valid.
pub fn issue(
    cx: &Call,
    namespace_id: &str,
    user: &str,
    seconds: f64,
    create_user: bool,
    input: &Value,
) -> Result<(String, f64), Fault> {
    let expires = cx.now + seconds;
    for (key, old) in cx.list::<Credential>(CREDENTIALS, &format!("{namespace_id}/"))? {
        if old.expires <= cx.now {
            cx.delete(CREDENTIALS, &key)?;
        }
    }
    let credential = Credential {
        user: user.to_string(),
        password: secrets::random_password(64),
        expires,
        database: input["DbName"].as_str().map(str::to_string),
        create_user,
        groups: texts(input, "DbGroups"),
    };
    cx.put(
        CREDENTIALS,
        &format!("{namespace_id}/{}", uuid::Uuid::new_v4()),
        &credential,
    )?;
    Ok((credential.password, expires))
}

/// Returns what a login of this user to this namespace may use; an empty list of passwords refuses it. `admin` is
/// the administrator's name with its password or the ARN of the secret that holds it.
pub fn login(
    cx: &Call,
    namespace_id: &str,
    user: &str,
    admin: &str,
    admin_password: Option<&str>,
    admin_secret: Option<&str>,
) -> Result<Login, Fault> {
    let mut login = Login {
        passwords: Vec::new(),
        superuser: user == admin,
        create_user: false,
    };
    if user == admin {
        login.passwords.extend(admin_password.map(str::to_string));
        if let Some(arn) = admin_secret
            && let Some((_, password)) = secrets::credentials_of(cx, arn)?
        {
            login.passwords.push(password);
        }
    }
    let issued = cx.list::<Credential>(CREDENTIALS, &format!("{namespace_id}/"))?;
    let mut issued: Vec<Credential> = issued.into_iter().map(|(_, credential)| credential).collect();
    issued.sort_by(|a, b| a.expires.total_cmp(&b.expires));
    for credential in issued {
        if credential.expires > cx.now && credential.user == user {
            login.create_user |= credential.create_user;
            login.passwords.push(credential.password);
        }
    }
    Ok(login)
}

/// Returns the database user that stands for the caller.
pub fn caller_user(cx: &Call) -> String {
    // Role sessions and users are told apart by the kind of access key.
    let kind = if cx.access_key.starts_with("ASIA") {
        "IAMR"
    } else {
        "IAM"
    };
    let name = if cx.access_key.is_empty() {
        "root"
    } else {
        &cx.access_key
    };
    format!("{kind}:{name}")
}

fn available(cx: &Call, input: &Value) -> Result<cluster::Cluster, Fault> {
    if input.get("CustomDomainName").is_some() {
        return Err(Fault::bad(
            "UnsupportedOperation",
            "Custom domain names are not available in the local cloud.",
        ));
    }
    if text(input, "ClusterIdentifier").is_empty() {
        return Err(combination("ClusterIdentifier or CustomDomainName must be specified."));
    }
    cluster::named(cx, input)
}

pub fn for_user(cx: &Call, input: &Value) -> Answer {
    let cluster = available(cx, input)?;
    let seconds = read_duration(input, "DurationSeconds")?;
    let create = input["AutoCreate"].as_bool().unwrap_or(false);
    let name = text(input, "DbUser");
    let valid = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic())
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+.@-".contains(c))
        && !name.eq_ignore_ascii_case("public");
    if !valid {
        return Err(invalid(format!("The database user name {name} is not valid.")));
    }
    let user = format!("{}:{}", if create { "IAMA" } else { "IAM" }, name.to_lowercase());
    let (password, expires) = issue(cx, &cluster.namespace_id, &user, seconds, create, input)?;
    Ok(json!({ "DbUser": user, "DbPassword": password, "Expiration": expires }))
}

pub fn for_caller(cx: &Call, input: &Value) -> Answer {
    let cluster = available(cx, input)?;
    let seconds = read_duration(input, "DurationSeconds")?;
    let user = caller_user(cx);
    let (password, expires) = issue(cx, &cluster.namespace_id, &user, seconds, true, input)?;
    let mut answer = Map::new();
    answer.insert("DbUser".into(), json!(user));
    answer.insert("DbPassword".into(), json!(password));
    answer.insert("Expiration".into(), json!(expires));
    answer.insert("NextRefreshTime".into(), json!(cx.now + seconds * 0.75));
    Ok(answer.into())
}
