//! The SQL ports: each cluster or workgroup that answers queries listens on a port of its own, the same one for as
//! long as it lives. A paused or deleted one closes its port, and with it its connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use lakeform_sql::{Credential, Login, Password};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::AbortHandle;

use super::super::{Call, Cloud, Fault, Part, Service, serverless};
use super::engines::{Engines, Warehouse};
use super::{cluster, credentials};
use crate::authority;

/// One entry for each namespace that may have a port, under one name for all accounts and regions.
const PLACES: &str = "redshift_port";
/// How soon a port follows its cluster's state.
const LOOK: Duration = Duration::from_millis(300);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    account: String,
    region: String,
    namespace_id: String,
    /// Added to the first port.
    number: u16,
}

/// A warehouse with its administrator's password or the ARN of the secret that holds it.
pub type Known = (Warehouse, Option<String>, Option<String>);

/// A port that is open.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlPort {
    /// Of the cluster or the workgroup.
    pub arn: String,
    pub name: String,
    pub database: String,
    pub admin: String,
    pub address: SocketAddr,
}

/// The open ports of the cloud, by namespace.
#[derive(Default)]
pub struct Ports {
    open: Mutex<BTreeMap<String, (SqlPort, AbortHandle)>>,
    /// While the state is replaced, no port opens.
    paused: AtomicBool,
}

impl Part for Ports {
    fn open(_cloud: &Arc<Cloud>) -> Self {
        Ports::default()
    }
}

impl Ports {
    /// Returns the ports that are open now.
    pub fn list(&self) -> Vec<SqlPort> {
        self.lock().values().map(|(port, _)| port.clone()).collect()
    }

    /// Closes the port of a namespace with its connections.
    pub fn close(&self, namespace_id: &str) {
        if let Some((_, serving)) = self.lock().remove(namespace_id) {
            serving.abort();
        }
    }

    /// Closes all ports and opens none until `resume`.
    pub fn pause(&self) {
        self.paused.store(true, Ordering::SeqCst);
        for (_, serving) in std::mem::take(&mut *self.lock()).into_values() {
            serving.abort();
        }
    }

    pub fn resume(&self) {
        self.paused.store(false, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, (SqlPort, AbortHandle)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where SQL is answered: the first warehouse's address is taken before there is a warehouse, so that it can be told and
/// nobody else gets it; until then connections are refused.
pub struct Reserved {
    first: SocketAddr,
    /// The other warehouses get whatever port is free.
    any: bool,
    /// Bound, and not listening yet.
    socket: Mutex<Option<TcpSocket>>,
}

impl Reserved {
    /// Takes the address; port 0 picks a free one.
    pub fn bind(wanted: SocketAddr) -> std::io::Result<Reserved> {
        let socket = bound(wanted)?;
        Ok(Reserved {
            first: socket.local_addr()?,
            any: wanted.port() == 0,
            socket: Mutex::new(Some(socket)),
        })
    }

    /// Returns where the first warehouse listens, now or later.
    pub fn first(&self) -> SocketAddr {
        self.first
    }

    fn listen(&self, number: u16) -> std::io::Result<TcpListener> {
        let mut reserved = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match (number, reserved.take()) {
            (0, Some(socket)) => socket,
            (0, None) => bound(self.first)?,
            (_, kept) => {
                *reserved = kept;
                let port = match self.any {
                    true => 0,
                    false => self.first.port().saturating_add(number),
                };
                bound(SocketAddr::new(self.first.ip(), port))?
            }
        };
        socket.listen(BACKLOG)
    }
}

fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of an earlier run may linger on a port of its own; a port that is picked must be nobody's.
    socket.set_reuseaddr(address.port() != 0)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Gives a new namespace the lowest number that is free.
pub fn register(cx: &Call, namespace_id: &str) -> Result<(), Fault> {
    let taken: Vec<u16> = cx
        .shared()
        .list::<Place>(PLACES, "")?
        .into_iter()
        .map(|(_, place)| place.number)
        .collect();
    let number = (0..u16::MAX).find(|number| !taken.contains(number)).unwrap_or_default();
    let place = Place {
        account: cx.account.clone(),
        region: cx.region.clone(),
        namespace_id: namespace_id.to_string(),
        number,
    };
    cx.shared().put(PLACES, namespace_id, &place)
}

pub fn forget(cx: &Call, namespace_id: &str) -> Result<(), Fault> {
    cx.shared().delete(PLACES, namespace_id).map(|_| ())
}

/// Opens and closes ports as clusters come and go, until the future is dropped.
pub async fn serve(cloud: Arc<Cloud>, reserved: Reserved) {
    let ports = cloud.part::<Ports>();
    let _closing = Closing(Arc::clone(&ports));
    loop {
        if ports.paused.load(Ordering::SeqCst) {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let places = cloud.read(Service::Redshift, "", "", |cx| cx.shared().list::<Place>(PLACES, ""));
        let places: Vec<Place> = places.unwrap_or_default().into_iter().map(|(_, place)| place).collect();
        let gone: Vec<String> = {
            let open = ports.lock();
            open.keys()
                .filter(|id| !places.iter().any(|place| place.namespace_id == **id))
                .cloned()
                .collect()
        };
        gone.iter().for_each(|id| ports.close(id));
        for place in places {
            let found = look_up(&cloud, &place.account, &place.region, &place.namespace_id);
            let is_open = ports.lock().contains_key(&place.namespace_id);
            match found {
                Some(_) if is_open => {}
                Some((warehouse, _, _)) => {
                    // A port that is taken, or a warehouse that does not open, is tried again at the next look.
                    let _ = open(&cloud, &ports, &place, warehouse, &reserved).await;
                }
                None => ports.close(&place.namespace_id),
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Closes all ports when the serving ends.
struct Closing(Arc<Ports>);

impl Drop for Closing {
    fn drop(&mut self) {
        for (_, serving) in std::mem::take(&mut *self.0.lock()).into_values() {
            serving.abort();
        }
    }
}

async fn open(
    cloud: &Arc<Cloud>,
    ports: &Ports,
    place: &Place,
    warehouse: Warehouse,
    reserved: &Reserved,
) -> std::io::Result<()> {
    let engine = cloud
        .part::<Engines>()
        .engine(&warehouse)
        .await
        .map_err(|failure| std::io::Error::other(failure.to_string()))?;
    let listener = reserved.listen(place.number)?;
    let address = listener.local_addr()?;
    let login = Arc::new(DoorKeeper {
        cloud: Arc::downgrade(cloud),
        place: place.clone(),
    });
    let tls = authority::server(&cloud.dir, address.ip())?;
    let serving = tokio::spawn(async move {
        // It ends when it is aborted, or with a listener that is broken.
        let _ = Arc::clone(engine.inner()).serve(listener, login, Some(tls)).await;
    });
    let port = SqlPort {
        arn: warehouse.arn,
        name: warehouse.name,
        database: warehouse.database,
        admin: warehouse.admin,
        address,
    };
    ports
        .lock()
        .insert(place.namespace_id.clone(), (port, serving.abort_handle()));
    Ok(())
}

/// Returns the warehouse of a namespace when it answers queries.
fn look_up(cloud: &Arc<Cloud>, account: &str, region: &str, namespace_id: &str) -> Option<Known> {
    let read = |cx: &Call| -> Result<Option<Known>, Fault> {
        let clusters = cluster::all(cx)?;
        if let Some(found) = clusters
            .into_iter()
            .find(|cluster| cluster.namespace_id == namespace_id)
        {
            let answers = found.answers_queries(cx.now);
            return Ok(answers.then(|| (found.warehouse(cx), found.password, found.secret_arn)));
        }
        serverless::warehouse_of_namespace(cx, namespace_id)
    };
    cloud.read(Service::Redshift, account, region, read).ok().flatten()
}

/// Who may log in: the administrator, and whoever holds temporary credentials.
struct DoorKeeper {
    cloud: Weak<Cloud>,
    place: Place,
}

#[async_trait]
impl Login for DoorKeeper {
    async fn credential(&self, user: &str) -> Option<Credential> {
        let cloud = self.cloud.upgrade()?;
        let Place {
            account,
            region,
            namespace_id,
            ..
        } = &self.place;
        let (warehouse, password, secret) = look_up(&cloud, account, region, namespace_id)?;
        let read = |cx: &Call| {
            credentials::login(
                cx,
                namespace_id,
                user,
                &warehouse.admin,
                password.as_deref(),
                secret.as_deref(),
            )
        };
        let login = cloud.read(Service::Redshift, account, region, read).ok()?;
        // Temporary credentials carry the way they were issued in front of the database user's name.
        let name = user
            .strip_prefix("IAMA:")
            .or_else(|| user.strip_prefix("IAM:"))
            .unwrap_or(user);
        let password = login.passwords.last()?.clone();
        let superuser = login.superuser || name == warehouse.admin;
        Some(Credential {
            password: Password::Plain(password),
            user: name.to_string(),
            superuser,
        })
    }
}
