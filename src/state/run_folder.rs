//! A run's folder, `<state>/runs/<run-id>/`: its report and its rejects, for
//! the owner only. The newest 30 of each store are kept.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::error::StateError;
use super::location::{StateKey, StateLocation, is_lower_hex, make_folder};
use super::runs::KEPT_RUNS;

const OWNER_CHARS: usize = 8;
const SALT_CHARS: usize = 8;
const TIME: &str = "%Y%m%dT%H%M%SZ";
const TIME_CHARS: usize = 16;
/// All that runs write into their folders: a folder with anything else is not removed.
const FILES: [&str; 2] = ["report.json", "rejects.ndjson"];

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
        Self(format!("{}-{owner}-{salt:08x}", when.strftime(TIME)))
    }

    /// Reads an id; `None` for whatever else a folder may be called.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (time, owner, salt) = (parts.next()?, parts.next()?, parts.next()?);
        let is_time =
            time.len() == TIME_CHARS && jiff::civil::DateTime::strptime(TIME, time).is_ok();
        let is_id = is_time
            && is_lower_hex(owner, OWNER_CHARS)
            && is_lower_hex(salt, SALT_CHARS)
            && parts.next().is_none();
        is_id.then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn owner(&self) -> &str {
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

/// The runs that have a folder, in order. Whatever else is there is not ours, and
/// nothing is looked for behind a link.
pub(super) fn run_folders(runs: &Path) -> io::Result<Vec<RunId>> {
    let is_folder = match runs.symlink_metadata() {
        Ok(metadata) => metadata.is_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if !is_folder {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in runs.read_dir()? {
        let entry = entry?;
        // That of a link is the link's.
        if entry.file_type()?.is_dir() {
            found.extend(entry.file_name().to_str().and_then(RunId::parse));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// What became of a run's folder that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Removal {
    /// It is gone; its files had so many bytes.
    Gone(u64),
    /// It holds this, which no run writes; nothing of it was removed.
    Foreign(String),
}

/// Removes a run's folder with the files that runs write, and nothing else.
pub(super) fn remove_run_folder(folder: &Path, dry_run: bool) -> io::Result<Removal> {
    let mut files = Vec::new();
    let mut bytes = 0_u64;
    for entry in folder.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let metadata = entry.metadata()?;
        if !metadata.is_file() || !FILES.iter().any(|file| name == *file) {
            return Ok(Removal::Foreign(name.to_string_lossy().into_owned()));
        }
        bytes = bytes.saturating_add(metadata.len());
        files.push(entry.path());
    }
    if !dry_run {
        for file in files {
            std::fs::remove_file(file)?;
        }
        // Fails for what was put there meanwhile.
        std::fs::remove_dir(folder)?;
    }
    Ok(Removal::Gone(bytes))
}

/// Removes all but the newest folders of one store. What cannot be removed is
/// left for the next time.
fn prune(runs: &Path, owner: &str) {
    let mut own = run_folders(runs).unwrap_or_default();
    own.retain(|id| id.owner() == owner);
    let old = own.len().saturating_sub(KEPT_RUNS);
    for id in own.iter().take(old) {
        match remove_run_folder(&runs.join(id.as_str()), false) {
            Ok(Removal::Gone(_)) => {}
            Ok(Removal::Foreign(name)) => {
                tracing::debug!(%id, name, "an old run's folder holds what no run wrote");
            }
            Err(error) => tracing::debug!(%error, %id, "cannot remove an old run's folder"),
        }
    }
}
