//! The SQL engines behind clusters and workgroups: one per namespace, opened when the first statement comes, closed
//! when the cluster pauses, removed with its data when the namespace goes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::super::{Call, Cloud, Part, redshift_data};
use super::ports::Ports;
use super::sql::{Engine, SqlFailure};

/// A namespace that SQL can be run in.
#[derive(Clone, Debug)]
pub struct Warehouse {
    pub account: String,
    pub region: String,
    pub namespace_id: String,
    /// ARN of the cluster or workgroup, as trust policies see it.
    pub arn: String,
    /// Name of the cluster or workgroup.
    pub name: String,
    /// The database made with the namespace.
    pub database: String,
    /// The administrator's name.
    pub admin: String,
}

type Slot = Arc<tokio::sync::OnceCell<Arc<Engine>>>;

/// The open engines of the cloud.
pub struct Engines {
    cloud: Weak<Cloud>,
    slots: Mutex<HashMap<String, Slot>>,
    /// Bytes that the queries of one warehouse may use together; zero when nobody said.
    memory: AtomicUsize,
}

impl Part for Engines {
    fn open(cloud: &Arc<Cloud>) -> Self {
        Engines {
            cloud: Arc::downgrade(cloud),
            slots: Mutex::default(),
            memory: AtomicUsize::new(0),
        }
    }
}

impl Engines {
    /// Limits what the queries of one warehouse may use together, from the next opening of its engine on.
    pub fn limit_memory(&self, bytes: usize) {
        self.memory.store(bytes, Ordering::Relaxed);
    }

    pub fn memory(&self) -> Option<usize> {
        Some(self.memory.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Returns the engine of a namespace, opening it when needed.
    pub async fn engine(&self, warehouse: &Warehouse) -> Result<Arc<Engine>, SqlFailure> {
        let slot = Arc::clone(self.slots().entry(warehouse.namespace_id.clone()).or_default());
        let cloud = self
            .cloud
            .upgrade()
            .ok_or_else(|| SqlFailure::new("57P01", "the local cloud is closing"))?;
        let engine = slot
            .get_or_try_init(|| Engine::open(&cloud, warehouse, folder(&cloud, warehouse)))
            .await?;
        Ok(Arc::clone(engine))
    }

    /// Closes the engine of a namespace; what is committed stays.
    pub fn close(cloud: &Arc<Cloud>, namespace_id: &str) {
        // Sessions hold the engine; with them gone its files are free to be opened again.
        cloud.part::<Ports>().close(namespace_id);
        redshift_data::close_namespace(cloud, namespace_id);
        cloud.part::<Engines>().slots().remove(namespace_id);
    }

    /// Closes all engines and keeps ports closed until `Ports::resume`.
    pub fn close_all(cloud: &Arc<Cloud>) {
        cloud.part::<Ports>().pause();
        let open: Vec<String> = cloud.part::<Engines>().slots().keys().cloned().collect();
        for namespace_id in open {
            Engines::close(cloud, &namespace_id);
        }
    }

    /// Closes the engine of a namespace and removes its data.
    pub fn remove(cx: &Call, namespace_id: &str) {
        Engines::close(cx.cloud, namespace_id);
        let folder = warehouses(cx.cloud)
            .join(&cx.account)
            .join(&cx.region)
            .join(namespace_id);
        // What cannot be removed now is only unused space: no namespace refers to it any more.
        let _ = std::fs::remove_dir_all(folder);
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warehouses(cloud: &Cloud) -> PathBuf {
    cloud.dir.join("warehouse")
}

fn folder(cloud: &Cloud, warehouse: &Warehouse) -> PathBuf {
    warehouses(cloud)
        .join(&warehouse.account)
        .join(&warehouse.region)
        .join(&warehouse.namespace_id)
}
