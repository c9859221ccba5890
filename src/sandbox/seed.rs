//! What exists at the start, and what a folder's emulator keeps for itself: its
//! ports (session URLs must survive a restart) and its signing key.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SandboxError;
use super::bodies::private;
use super::reference;
use super::routes::datasets;
use super::routes::tables::{self, NewTable};
use super::store::Store;
use crate::base::MergeStrategy;

/// Datasets that are created when they are missing, each with a `next` version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// `owner.name`.
    pub datasets: Vec<String>,
}

/// An empty table of a draft, created when it is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedTable {
    /// `owner.name` of a dataset that exists or is seeded.
    pub dataset: String,
    /// The table's name.
    pub table: String,
    /// Whether its records are files.
    pub is_file_index: bool,
}

pub(super) fn plant(
    store: &Store,
    (seed, seed_tables): (&Seed, &[SeedTable]),
    now: i64,
    failed: impl Fn(io::Error) -> SandboxError,
) -> Result<(), SandboxError> {
    for text in &seed.datasets {
        let (owner, name) = dataset_name(text)?;
        let mut catalog = store.catalog();
        if catalog.dataset_named(owner, name).is_none() {
            datasets::make(store, &mut catalog, owner, name, now).map_err(&failed)?;
        }
    }
    for seeded in seed_tables {
        let (owner, name) = dataset_name(&seeded.dataset)?;
        let unknown = || SandboxError::Seed(seeded.dataset.clone());
        let mut catalog = store.catalog();
        let dataset = catalog.dataset_named(owner, name).ok_or_else(unknown)?;
        let mut drafts = dataset.versions.values();
        let draft = drafts.rfind(|version| !version.record.released);
        let draft = draft.ok_or_else(unknown)?;
        let key = reference::key(&seeded.table);
        if draft.table_by_key(&key).is_none() {
            let spec = NewTable {
                name: seeded.table.clone(),
                description: None,
                is_file_index: seeded.is_file_index,
                merge: MergeStrategy::Append,
            };
            let place = (dataset.record.id, draft.record.index);
            tables::make(store, &mut catalog, place, spec, now).map_err(&failed)?;
        }
    }
    Ok(())
}

/// Owner and name of `owner.name`, an id behind it left out.
fn dataset_name(text: &str) -> Result<(&str, &str), SandboxError> {
    let (owner, name) = text
        .split_once('.')
        .filter(|(owner, name)| !owner.is_empty() && !name.is_empty())
        .ok_or_else(|| SandboxError::Seed(text.to_owned()))?;
    Ok((owner, name.split(':').next().unwrap_or(name)))
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
