//! In place of the local cloud in a build without it: every way there is refused, by the name of the feature.

use crate::cli::Global;
use crate::error::CommandError;
use crate::ui::Ui;
use lakeform_aws::Connection;
use lakeform_engine::CloudError;
use std::path::Path;

/// Says what to do instead.
pub fn refusal() -> CommandError {
    CommandError::new("this lakeform was built without the feature `local`, and so without the local cloud")
        .hint("a stack with `cloud = \"aws\"` and its `account` runs on AWS; a build with default features has the local cloud")
}

/// How the local cloud would behave.
#[derive(Clone, Debug, Default)]
pub struct Weather;

impl Weather {
    pub fn read(global: &Global) -> Result<Self, CommandError> {
        match global.realistic || global.chaos.is_some() {
            true => Err(refusal()),
            false => Ok(Self),
        }
    }

    pub fn is_fair(&self) -> bool {
        true
    }
}

/// Faults, of which there are none.
pub struct Chaos;

/// Ports of warehouses, of which there are none.
pub enum Ports {}

impl Ports {
    pub async fn of(&self, _server: &str) -> Result<(String, u16), CloudError> {
        match *self {}
    }
}

/// The local cloud, never within reach.
pub struct Reached {
    pub connection: Connection,
    pub place: String,
    pub ports: Ports,
    pub chaos: Option<Chaos>,
}

pub async fn connect(_region: &str, _dir: &Path, _weather: &Weather, _ui: &Ui) -> Result<Reached, CommandError> {
    Err(refusal())
}
