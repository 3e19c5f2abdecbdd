//! Where and as whom a call runs: the cluster or workgroup, the database, and the login that the request names.

use serde_json::Value;

use super::super::redshift::engines::Warehouse;
use super::super::redshift::ports::Known;
use super::super::redshift::{self, credentials};
use super::super::{Call, Fault, secrets, serverless};
use super::validation;

/// A checked request: where it goes. The login itself is tried when the statement runs, as on AWS.
#[derive(Clone, Debug)]
pub struct Target {
    pub warehouse: Warehouse,
    pub cluster: Option<String>,
    pub workgroup: Option<String>,
    pub database: String,
    /// As the request names it.
    pub db_user: Option<String>,
    pub secret_arn: Option<String>,
    pub login: Login,
    /// Until when a session kept for the next statement waits for it.
    pub session_expires: f64,
}

/// How a statement logs in.
#[derive(Clone, Debug)]
pub enum Login {
    /// A user that needs no proof, and is made when it is not there.
    User { name: String, superuser: bool },
    /// A user that must be there.
    Existing { name: String },
    /// A user of the database with its password.
    Password { name: String, password: String },
    /// The text of the refusal that the database gives.
    Refused(String),
}

/// Returns the target of a request that names a cluster or a workgroup.
pub fn read(cx: &Call, input: &Value) -> Result<Target, Fault> {
    let text = |key: &str| input[key].as_str().filter(|text| !text.is_empty());
    let (cluster, workgroup) = (text("ClusterIdentifier"), text("WorkgroupName"));
    let (user, secret) = (text("DbUser"), text("SecretArn"));
    if user.is_some() && secret.is_some() {
        return Err(validation("Only one of SecretArn and DbUser may be specified."));
    }
    let (warehouse, admin_password, admin_secret) = match (cluster, workgroup) {
        (Some(_), Some(_)) => {
            return Err(validation(
                "ClusterIdentifier and WorkgroupName can't be specified together.",
            ));
        }
        (None, None) => {
            return Err(validation(
                "Either ClusterIdentifier, WorkgroupName or SessionId must be specified to run a statement.",
            ));
        }
        (Some(id), None) => of_cluster(cx, id)?,
        (None, Some(name)) => {
            if user.is_some() {
                return Err(validation("DbUser can't be specified with WorkgroupName."));
            }
            serverless::warehouse(&serverless::as_serverless(cx), name)?
                .ok_or_else(|| validation("Redshift endpoint doesn't exist in this region."))?
        }
    };
    let database = match text("Database") {
        Some(database) => database.to_string(),
        None => return Err(validation("Database must be specified.")),
    };
    let admin = warehouse.admin.clone();
    let login = match (user, secret) {
        (Some(name), _) if name == admin => Login::User {
            name: admin,
            superuser: true,
        },
        (Some(name), _) => Login::Existing { name: name.to_string() },
        (None, Some(id)) => by_secret(cx, id, &warehouse, admin_password.as_deref(), admin_secret.as_deref())?,
        // The caller's own identity, which on a namespace of this account administers it.
        (None, None) => Login::User {
            name: credentials::caller_user(cx),
            superuser: true,
        },
    };
    Ok(Target {
        warehouse,
        cluster: cluster.map(str::to_string),
        workgroup: workgroup.map(str::to_string),
        database,
        db_user: user.map(str::to_string),
        secret_arn: secret.map(str::to_string),
        login,
        session_expires: cx.now,
    })
}

fn of_cluster(cx: &Call, id: &str) -> Result<Known, Fault> {
    let cx = redshift::as_redshift(cx);
    let cluster = redshift::find_cluster(&cx, id)?
        .ok_or_else(|| validation("Redshift endpoint doesn't exist in this region."))?;
    if !cluster.answers_queries(cx.now) {
        let status = cluster.status(cx.now);
        return Err(validation(format!(
            "Redshift cluster {id} is {status}; it must be available to run statements."
        )));
    }
    Ok((cluster.warehouse(&cx), cluster.password, cluster.secret_arn))
}

fn by_secret(
    cx: &Call,
    id: &str,
    warehouse: &Warehouse,
    admin_password: Option<&str>,
    admin_secret: Option<&str>,
) -> Result<Login, Fault> {
    let Some((user, password)) = secrets::credentials_of(cx, id)? else {
        return Ok(Login::Refused(format!(
            "Secret {id} does not exist, or is not a JSON object with the members username and password"
        )));
    };
    if user != warehouse.admin {
        return Ok(Login::Password { name: user, password });
    }
    let login = credentials::login(
        cx,
        &warehouse.namespace_id,
        &user,
        &warehouse.admin,
        admin_password,
        admin_secret,
    )?;
    if !login.passwords.contains(&password) {
        return Ok(Login::Refused(format!(
            "FATAL: password authentication failed for user \"{user}\""
        )));
    }
    Ok(Login::User {
        name: user,
        superuser: true,
    })
}
