//! What exists at the start, and what a folder's emulator keeps for itself: its
//! ports (session URLs must survive a restart) and its signing key.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SandboxError;
use super::bodies::private;
use super::routes::datasets;
use super::store::Store;

/// Datasets that are created when they are missing, each with a `next` version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// `owner.name`.
    pub datasets: Vec<String>,
}

pub(super) fn plant(
    store: &Store,
    seed: &Seed,
    now: i64,
    failed: impl Fn(io::Error) -> SandboxError,
) -> Result<(), SandboxError> {
    for text in &seed.datasets {
        let (owner, name) = text
            .split_once('.')
            .filter(|(owner, name)| !owner.is_empty() && !name.is_empty())
            .ok_or_else(|| SandboxError::Seed(text.clone()))?;
        let name = name.split(':').next().unwrap_or(name);
        let mut catalog = store.catalog();
        if catalog.dataset_named(owner, name).is_none() {
            datasets::make(store, &mut catalog, owner, name, now).map_err(&failed)?;
        }
    }
    Ok(())
}

/// What outlives a process beside the log.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) api_port: u16,
    pub(super) storage_port: u16,
    pub(super) signing_key: String,
}

const FILE: &str = "settings.json";

impl Settings {
    /// Those of a folder; defaults when there are none.
    pub(super) fn load(folder: &Path) -> Self {
        std::fs::read(folder.join(FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let fresh = folder.join("settings.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = private(&mut options).open(&fresh)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        std::fs::rename(fresh, folder.join(FILE))
    }
}
