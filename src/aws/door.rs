//! The door of a warehouse for clients of the PostgreSQL protocol: where it is, and temporary credentials for it.

use crate::Aws;
use crate::error::{Doing, Result, incomplete};
use crate::statements::{Login, Warehouse};
use lakeform_engine::CloudError;
use lakeform_engine::cloud::Meaning;

/// Seconds for which a login is good; a connection that is open stays open. The longest that both services allow.
const LIFETIME: i32 = 3600;

/// A database user with a password that soon ends.
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl Aws {
    /// Returns host and port.
    pub async fn sql_address(&self, warehouse: &Warehouse) -> Result<(String, u16)> {
        let doing = "look up the warehouse's endpoint";
        let (host, port) = match server(warehouse, doing)? {
            Server::Cluster(id) => {
                let request = self.redshift.describe_clusters().cluster_identifier(id);
                let clusters = request.send().await.doing(doing)?.clusters.unwrap_or_default();
                let endpoint = clusters.into_iter().next().and_then(|cluster| cluster.endpoint);
                let endpoint = endpoint.ok_or_else(|| incomplete(doing, "Endpoint"))?;
                (endpoint.address, endpoint.port)
            }
            Server::Workgroup(name) => {
                let request = self.serverless.get_workgroup().workgroup_name(name);
                let workgroup = request.send().await.doing(doing)?.workgroup;
                let endpoint = workgroup.and_then(|workgroup| workgroup.endpoint);
                let endpoint = endpoint.ok_or_else(|| incomplete(doing, "endpoint"))?;
                (endpoint.address, endpoint.port)
            }
        };
        let host = host.ok_or_else(|| incomplete(doing, "Address"))?;
        let port = port.and_then(|port| u16::try_from(port).ok());
        Ok((host, port.ok_or_else(|| incomplete(doing, "Port"))?))
    }

    /// Returns credentials for the user that SQL of this stack runs as.
    pub async fn sql_credentials(&self, warehouse: &Warehouse) -> Result<Credentials> {
        let doing = "get temporary database credentials";
        let (user, password) = match (server(warehouse, doing)?, &warehouse.login) {
            (Server::Cluster(id), Login::User(user)) => {
                let request = self
                    .redshift
                    .get_cluster_credentials()
                    .cluster_identifier(id)
                    .db_user(user)
                    .db_name(&warehouse.database)
                    .duration_seconds(LIFETIME);
                let answer = request.send().await.doing(doing)?;
                (answer.db_user, answer.db_password)
            }
            (Server::Cluster(id), _) => {
                let request = self
                    .redshift
                    .get_cluster_credentials_with_iam()
                    .cluster_identifier(id)
                    .db_name(&warehouse.database)
                    .duration_seconds(LIFETIME);
                let answer = request.send().await.doing(doing)?;
                (answer.db_user, answer.db_password)
            }
            (Server::Workgroup(name), _) => {
                let request = self
                    .serverless
                    .get_credentials()
                    .workgroup_name(name)
                    .db_name(&warehouse.database)
                    .duration_seconds(LIFETIME);
                let answer = request.send().await.doing(doing)?;
                (answer.db_user, answer.db_password)
            }
        };
        Ok(Credentials {
            user: user.ok_or_else(|| incomplete(doing, "DbUser"))?,
            password: password.ok_or_else(|| incomplete(doing, "DbPassword"))?,
        })
    }
}

enum Server<'a> {
    Cluster(&'a str),
    Workgroup(&'a str),
}

fn server<'a>(warehouse: &'a Warehouse, doing: &str) -> Result<Server<'a>> {
    match warehouse.target.split_once(':') {
        Some(("cluster", id)) => Ok(Server::Cluster(id)),
        Some(("workgroup", name)) => Ok(Server::Workgroup(name)),
        _ => {
            let message = format!("`{}` is neither `cluster:…` nor `workgroup:…`", warehouse.target);
            Err(CloudError::new(Meaning::Invalid, doing, message))
        }
    }
}
