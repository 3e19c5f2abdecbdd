//! Namespaces: database, administrator, roles, keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::redshift::engines::Engines;
use super::super::redshift::{check_database, check_password, check_role_arn, check_user};
use super::super::{Answer, Call, Fault, secrets};
use super::{check_name, conflict, not_found, paged, tags, text, texts, validation, workgroups};

const NAMESPACES: &str = "serverless_namespace";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Namespace {
    pub name: String,
    pub id: String,
    pub created: f64,
    pub admin: String,
    pub password: Option<String>,
    pub secret_arn: Option<String>,
    pub secret_kms_key: Option<String>,
    /// Absent until asked for; a workgroup then calls it `dev`.
    pub database: Option<String>,
    pub roles: Vec<String>,
    pub default_role: Option<String>,
    pub kms_key: Option<String>,
    pub log_exports: Vec<String>,
    pub tags: BTreeMap<String, String>,
    /// Until then an update is under way.
    pub modifying_until: f64,
}

impl Namespace {
    pub fn arn(&self, cx: &Call) -> String {
        cx.arn("redshift-serverless", &format!("namespace/{}", self.id))
    }

    pub fn database_name(&self) -> String {
        self.database.clone().unwrap_or_else(|| "dev".to_string())
    }

    fn status(&self, now: f64) -> &'static str {
        if now < self.modifying_until {
            "MODIFYING"
        } else {
            "AVAILABLE"
        }
    }

    fn shown(&self, cx: &Call) -> Result<Value, Fault> {
        let mut shown = Map::new();
        let mut set = |key: &str, value: Option<Value>| value.and_then(|value| shown.insert(key.into(), value));
        set("namespaceName", Some(json!(self.name)));
        set("namespaceId", Some(json!(self.id)));
        set("namespaceArn", Some(json!(self.arn(cx))));
        set("status", Some(json!(self.status(cx.now))));
        set("creationDate", Some(json!(self.created)));
        set("adminUsername", Some(json!(self.admin)));
        let used = workgroups::of_namespace(cx, &self.name)?.is_some();
        let database = if used {
            Some(self.database_name())
        } else {
            self.database.clone()
        };
        set("dbName", database.map(|name| json!(name)));
        set(
            "kmsKeyId",
            Some(json!(self.kms_key.as_deref().unwrap_or("AWS_OWNED_KMS_KEY"))),
        );
        // Roles come back as the text of an object, not as they were given.
        let roles = self
            .roles
            .iter()
            .map(|arn| json!(format!("IamRole(applyStatus=in-sync, iamRoleArn={arn})")));
        set("iamRoles", Some(roles.collect()));
        set("defaultIamRoleArn", self.default_role.as_ref().map(|arn| json!(arn)));
        set("logExports", Some(json!(self.log_exports)));
        set("adminPasswordSecretArn", self.secret_arn.as_ref().map(|arn| json!(arn)));
        set(
            "adminPasswordSecretKmsKeyId",
            self.secret_kms_key.as_ref().map(|key| json!(key)),
        );
        Ok(shown.into())
    }
}

pub fn find(cx: &Call, name: &str) -> Result<Option<Namespace>, Fault> {
    cx.get(NAMESPACES, name)
}

pub fn all(cx: &Call) -> Result<Vec<Namespace>, Fault> {
    Ok(cx
        .list::<Namespace>(NAMESPACES, "")?
        .into_iter()
        .map(|(_, namespace)| namespace)
        .collect())
}

pub fn save(cx: &Call, namespace: &Namespace) -> Result<(), Fault> {
    cx.put(NAMESPACES, &namespace.name, namespace)
}

fn named(cx: &Call, input: &Value) -> Result<Namespace, Fault> {
    let name = text(input, "namespaceName");
    find(cx, name)?.ok_or_else(|| not_found("namespace", name))
}

/// The rules of provisioned Redshift, in the wording of this service.
fn checked(result: Result<(), Fault>) -> Result<(), Fault> {
    result.map_err(|fault| validation(fault.message))
}

pub fn create(cx: &Call, input: &Value) -> Answer {
    cx.only(
        input,
        &[
            "namespaceName",
            "adminUsername",
            "adminUserPassword",
            "manageAdminPassword",
            "adminPasswordSecretKmsKeyId",
            "dbName",
            "defaultIamRoleArn",
            "iamRoles",
            "kmsKeyId",
            "logExports",
            "tags",
        ],
    )?;
    let name = text(input, "namespaceName");
    check_name("namespace", name)?;
    let admin = input["adminUsername"].as_str().unwrap_or("admin");
    checked(check_user(admin))?;
    if let Some(database) = input["dbName"].as_str() {
        checked(check_database(database))?;
    }
    let managed = input["manageAdminPassword"].as_bool().unwrap_or(false);
    let password = input["adminUserPassword"].as_str();
    match password {
        Some(_) if managed => {
            return Err(validation(
                "adminUserPassword can't be specified when manageAdminPassword is true.",
            ));
        }
        Some(password) => checked(check_password("adminUserPassword", password))?,
        None => {}
    }
    let roles = texts(input, "iamRoles").unwrap_or_default();
    let default_role = input["defaultIamRoleArn"]
        .as_str()
        .filter(|arn| !arn.is_empty())
        .map(str::to_string);
    check_roles(&roles, default_role.as_deref())?;
    let log_exports = texts(input, "logExports").unwrap_or_default();
    let tags = tags::read(input)?;
    if find(cx, name)?.is_some() {
        return Err(conflict(format!("A namespace with the name {name} already exists.")));
    }
    let secret_kms_key = input["adminPasswordSecretKmsKeyId"].as_str().map(str::to_string);
    let secret_arn = match managed {
        true => Some(managed_secret(cx, name, admin, secret_kms_key.as_deref())?),
        false => None,
    };
    let namespace = Namespace {
        name: name.to_string(),
        id: uuid::Uuid::new_v4().to_string(),
        created: cx.now,
        admin: admin.to_string(),
        password: password.map(str::to_string),
        secret_arn,
        secret_kms_key,
        database: input["dbName"].as_str().map(str::to_string),
        roles,
        default_role,
        kms_key: input["kmsKeyId"].as_str().map(str::to_string),
        log_exports,
        tags,
        modifying_until: 0.0,
    };
    save(cx, &namespace)?;
    cx.tag_index(&namespace.arn(cx), &namespace.tags)?;
    Ok(json!({ "namespace": namespace.shown(cx)? }))
}

fn managed_secret(cx: &Call, name: &str, admin: &str, key: Option<&str>) -> Result<String, Fault> {
    secrets::create_managed(
        cx,
        &format!("redshift!{name}-{admin}"),
        "redshift-serverless",
        admin,
        key,
    )
}

fn check_roles(roles: &[String], default_role: Option<&str>) -> Result<(), Fault> {
    for arn in roles {
        checked(check_role_arn(arn))?;
    }
    match default_role {
        Some(arn) if !roles.iter().any(|role| role == arn) => Err(validation(format!(
            "The default IAM role {arn} must be one of the namespace's IAM roles."
        ))),
        _ => Ok(()),
    }
}

pub fn get(cx: &Call, input: &Value) -> Answer {
    Ok(json!({ "namespace": named(cx, input)?.shown(cx)? }))
}

pub fn list(cx: &Call, input: &Value) -> Answer {
    let shown = all(cx)?
        .iter()
        .map(|namespace| namespace.shown(cx))
        .collect::<Result<Vec<_>, _>>()?;
    paged(cx, "namespaces", shown, input)
}

/// What one update may change together.
const CONCERNS: &[&[&str]] = &[
    &[
        "adminUsername",
        "adminUserPassword",
        "manageAdminPassword",
        "adminPasswordSecretKmsKeyId",
    ],
    &["iamRoles", "defaultIamRoleArn"],
    &["kmsKeyId"],
    &["logExports"],
];

pub fn update(cx: &Call, input: &Value) -> Answer {
    let mut known = vec!["namespaceName"];
    known.extend(CONCERNS.iter().copied().flatten());
    cx.only(input, &known)?;
    let mut namespace = named(cx, input)?;
    let touched = CONCERNS
        .iter()
        .filter(|keys| keys.iter().any(|key| input.get(*key).is_some()))
        .count();
    if touched == 0 {
        return Err(validation("The request changes nothing."));
    }
    if touched > 1 {
        return Err(validation(
            "Only one of credentials, IAM roles, KMS key and log exports can be changed in one request.",
        ));
    }
    if cx.now < namespace.modifying_until {
        return Err(conflict(format!(
            "There is an operation running on the namespace {}.",
            namespace.name
        )));
    }
    if workgroups::of_namespace(cx, &namespace.name)?.is_some_and(|workgroup| workgroup.is_busy(cx.now)) {
        return Err(conflict(format!(
            "There is an operation running on the workgroup of {}.",
            namespace.name
        )));
    }
    update_credentials(cx, &mut namespace, input)?;
    if let Some(roles) = texts(input, "iamRoles") {
        namespace.roles = roles;
    }
    match input["defaultIamRoleArn"].as_str() {
        // An empty text clears; leaving it out keeps.
        Some("") => namespace.default_role = None,
        Some(arn) => namespace.default_role = Some(arn.to_string()),
        None => {}
    }
    check_roles(&namespace.roles, namespace.default_role.as_deref())?;
    if let Some(key) = input["kmsKeyId"].as_str() {
        namespace.kms_key = (key != "AWS_OWNED_KMS_KEY").then(|| key.to_string());
    }
    if let Some(exports) = texts(input, "logExports") {
        namespace.log_exports = exports;
    }
    namespace.modifying_until = cx.now + cx.cloud.pace.seconds(0.2, 20.0);
    save(cx, &namespace)?;
    Ok(json!({ "namespace": namespace.shown(cx)? }))
}

fn update_credentials(cx: &Call, namespace: &mut Namespace, input: &Value) -> Result<(), Fault> {
    if input["adminUsername"]
        .as_str()
        .is_some_and(|admin| admin != namespace.admin)
    {
        return Err(validation("The admin user name can't be changed."));
    }
    if let Some(key) = input["adminPasswordSecretKmsKeyId"].as_str() {
        namespace.secret_kms_key = Some(key.to_string());
    }
    let password = input["adminUserPassword"].as_str();
    let managed = input["manageAdminPassword"].as_bool();
    if password.is_some() && (managed == Some(true) || managed.is_none() && namespace.secret_arn.is_some()) {
        return Err(validation(
            "adminUserPassword can't be specified when the password is managed.",
        ));
    }
    match (managed, namespace.secret_arn.clone()) {
        (Some(true), None) => {
            let key = namespace.secret_kms_key.clone();
            namespace.secret_arn = Some(managed_secret(cx, &namespace.name, &namespace.admin, key.as_deref())?);
            namespace.password = None;
        }
        (Some(false), Some(arn)) => {
            if password.is_none() {
                return Err(validation(
                    "adminUserPassword must be specified when manageAdminPassword is false.",
                ));
            }
            secrets::delete_managed(cx, &arn)?;
            (namespace.secret_arn, namespace.secret_kms_key) = (None, None);
        }
        _ => {}
    }
    if let Some(password) = password {
        checked(check_password("adminUserPassword", password))?;
        namespace.password = Some(password.to_string());
    }
    Ok(())
}

pub fn delete(cx: &Call, input: &Value) -> Answer {
    // A final snapshot that could never be restored is refused rather than pretended.
    cx.only(input, &["namespaceName"])?;
    let namespace = named(cx, input)?;
    if let Some(workgroup) = workgroups::of_namespace(cx, &namespace.name)? {
        return Err(conflict(format!(
            "Namespace {} can't be deleted because it is in use by workgroup {}.",
            namespace.name, workgroup.name
        )));
    }
    if let Some(arn) = &namespace.secret_arn {
        secrets::delete_managed(cx, arn)?;
    }
    cx.delete(NAMESPACES, &namespace.name)?;
    cx.tag_forget(&namespace.arn(cx))?;
    let mut shown = namespace.shown(cx)?;
    shown["status"] = json!("DELETING");
    Engines::remove(cx, &namespace.id);
    Ok(json!({ "namespace": shown }))
}
