//! The way of other people's programs to a stack's warehouse: an address that speaks the PostgreSQL protocol, and
//! credentials that soon end.

use crate::connect::Ports;
use crate::data::warehouse;
use lakeform_aws::Aws;
use lakeform_engine::CloudError;

/// Where a client connects, and as whom.
pub struct Door {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: String,
    /// `disable` on this machine, where nobody listens in.
    pub sslmode: &'static str,
}

/// Opens doors.
pub struct Doors {
    aws: Aws,
    /// Where the local cloud's warehouses are; AWS tells by itself.
    local: Option<Ports>,
}

impl Doors {
    pub fn new(aws: Aws, local: Option<Ports>) -> Self {
        Self { aws, local }
    }

    /// Opens the door of a warehouse, named as its `target` output does.
    pub async fn open(&self, target: &str) -> Result<Door, CloudError> {
        let warehouse = warehouse::parse(target, None)?;
        let credentials = self.aws.sql_credentials(&warehouse).await?;
        let ((host, port), sslmode) = match &self.local {
            None => (self.aws.sql_address(&warehouse).await?, "verify-ca"),
            Some(ports) => (ports.of(&warehouse.target).await?, "disable"),
        };
        Ok(Door {
            host,
            port,
            database: warehouse.database,
            user: credentials.user,
            password: credentials.password,
            sslmode,
        })
    }
}
