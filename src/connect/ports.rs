//! Where the local cloud's warehouses answer SQL: on ports that this process opens when somebody needs one, or on those
//! of the process that serves the cloud.

use lakeform_engine::CloudError;
use lakeform_engine::cloud::Meaning;
use lakeform_local::remote::Remote;
use lakeform_local::{Local, SqlPorts};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

pub enum Ports {
    /// Of this process's local cloud; open from the first that was asked for until this is dropped.
    Here {
        local: Arc<Local>,
        serving: Mutex<Option<JoinHandle<()>>>,
    },
    /// Of the local cloud that another process serves.
    Served(Remote),
}

impl Ports {
    pub fn here(local: Arc<Local>) -> Self {
        Self::Here {
            local,
            serving: Mutex::default(),
        }
    }

    /// Returns host and port of a warehouse.
    pub async fn of(&self, server: &str) -> Result<(String, u16), CloudError> {
        match self {
            Self::Here { local, serving } => here(local, serving, server).await,
            Self::Served(remote) => there(remote, server).await,
        }
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        if let Self::Here { serving, .. } = self {
            let serving = serving.get_mut().unwrap_or_else(PoisonError::into_inner);
            if let Some(serving) = serving.take() {
                serving.abort();
            }
        }
    }
}

/// Serves the local cloud's warehouses on free ports and returns where one of them is.
async fn here(
    local: &Arc<Local>,
    serving: &Mutex<Option<JoinHandle<()>>>,
    server: &str,
) -> Result<(String, u16), CloudError> {
    serving
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_with(|| {
            let local = Arc::clone(local);
            tokio::spawn(async move {
                // Nothing else of this process listens, so a free port is always there.
                if let Ok(ports) = usual_port(local.folder()) {
                    local.serve_sql(ports).await;
                }
            })
        });
    let name = name_of(server);
    // It opens as soon as the warehouse answers; a paused one never does.
    for _ in 0..600 {
        if let Some(port) = local.sql_ports().into_iter().find(|port| port.name == name) {
            let address = port.address;
            return Ok((address.ip().to_string(), address.port()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(silent(server))
}

/// A port of this machine: the same one for a folder whenever it is free, for tools that keep what they know of a server.
fn usual_port(folder: &Path) -> std::io::Result<SqlPorts> {
    let sum = folder.as_os_str().as_encoded_bytes().iter();
    let sum = sum.fold(0u32, |sum, byte| sum.wrapping_mul(31).wrapping_add((*byte).into()));
    let usual = SocketAddr::from(([127, 0, 0, 1], 20_000 + (sum % 10_000) as u16));
    SqlPorts::bind(usual).or_else(|_| SqlPorts::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
}

/// Asks the process that serves the cloud where a warehouse is.
async fn there(remote: &Remote, server: &str) -> Result<(String, u16), CloudError> {
    let status = remote.get("status").await.map_err(|error| {
        CloudError::new(
            Meaning::Unavailable,
            "ask the served cloud for its SQL ports",
            error.to_string(),
        )
    })?;
    let ports = status["sql"].as_array().into_iter().flatten();
    let port = ports.filter(|port| port["name"] == name_of(server)).find_map(|port| {
        let address: SocketAddr = port["address"].as_str()?.parse().ok()?;
        Some((address.ip().to_string(), address.port()))
    });
    port.ok_or_else(|| silent(server))
}

fn name_of(server: &str) -> &str {
    server.split_once(':').map_or(server, |(_, name)| name)
}

fn silent(server: &str) -> CloudError {
    CloudError::new(
        Meaning::Unavailable,
        "open the warehouse's SQL port",
        format!("`{server}` does not answer; is it paused?"),
    )
}
