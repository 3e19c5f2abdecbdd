//! In place of the local cloud in a build without it: every way there is refused, by the name of the feature.

use crate::cli::Global;
use crate::error::CommandError;
use crate::ui::Ui;
use lakeform_aws::Connection;
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

pub async fn connect(
    _region: &str,
    _dir: &Path,
    _weather: &Weather,
    _ui: &Ui,
) -> Result<(Connection, String, Option<Chaos>), CommandError> {
    Err(refusal())
}
