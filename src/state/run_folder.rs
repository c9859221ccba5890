//! A run's folder, `<state>/runs/<run-id>/`: its report and its rejects, for
//! the owner only. The newest 30 of each store are kept.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::StateError;
use super::location::{StateKey, StateLocation, make_folder};
use super::runs::KEPT_RUNS;

const OWNER_CHARS: usize = 8;

/// A run's id: `20260804T101530Z-<8 hex of the store>-<8 hex>`, so that names
/// sort by time and each store finds its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    /// For a run that begins at `now_ms`; `salt` tells apart those that begin in
    /// one second.
    pub fn new(now_ms: i64, key: &StateKey, salt: u32) -> Self {
        let when = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let owner = owner_of(&key.digest());
        Self(format!(
            "{}-{owner}-{salt:08x}",
            when.strftime("%Y%m%dT%H%M%SZ")
        ))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn owner(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The owner in the ids of a store's runs, by what ends in the store's digest.
pub(super) fn owner_of(stem: &str) -> String {
    let digest = stem.rsplit('-').next().unwrap_or_default();
    digest.chars().take(OWNER_CHARS).collect()
}

/// A run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes the folder of a run and removes those of runs long past; `None`
    /// when state is in memory.
    pub fn create(location: &StateLocation, run: &RunId) -> Result<Option<Self>, StateError> {
        let Some(runs) = location.runs_folder() else {
            return Ok(None);
        };
        let path = runs.join(run.as_str());
        make_folder(&path)?;
        prune(&runs, run.owner());
        Ok(Some(Self { path }))
    }

    /// The folder of a run that has been.
    pub fn find(location: &StateLocation, run_id: &str) -> Option<Self> {
        let path = location.runs_folder()?.join(plain(run_id).ok()?);
        path.is_dir().then_some(Self { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new file in it, mode 0600; one of the same name is emptied.
    pub fn create_file(&self, name: &str) -> Result<File, StateError> {
        let path = self.path.join(plain(name)?);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| StateError::File {
                doing: "create",
                path,
                source,
            })
    }
}

fn plain(name: &str) -> Result<&str, StateError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(good) {
        return Err(StateError::BadName(name.to_owned()));
    }
    Ok(name)
}

/// Removes all but the newest folders of one store. What cannot be removed is
/// left for the next time.
fn prune(runs: &Path, owner: &str) {
    let Ok(entries) = runs.read_dir() else {
        return;
    };
    let mut own: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.split('-').nth(1) == Some(owner))
        .collect();
    own.sort_unstable();
    let old = own.len().saturating_sub(KEPT_RUNS);
    for name in own.iter().take(old) {
        if let Err(error) = std::fs::remove_dir_all(runs.join(name)) {
            tracing::debug!(%error, name, "cannot remove an old run's folder");
        }
    }
}
