//! The emulator's state: a catalog and a staging area in memory, a log of
//! effects and a folder of bodies on disk. Every change is appended to the log
//! while the lock of what it changes is held, then applied. Locks are taken in
//! this order: catalog, staging, log.

mod catalog;
mod columns;
mod compact;
mod entries;
mod staging;

use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) use catalog::Catalog;
pub(super) use columns::wider;
pub(super) use compact::rows_file;
pub(super) use entries::{DatasetEntry, Status, TableEntry, UploadEntry, VersionEntry};
pub(super) use staging::{Live, Staging, session_file};

use super::SandboxError;
use super::behaviour::Behaviour;
use super::bodies::{Bodies, private};
use super::journal::{self, Journal};
use super::records::{Effect, TempRecord};
use crate::base::Sha256Digest;

const LOG: &str = "sandbox.log";
/// All that an emulator's folder holds.
const FOLDER_NAMES: [&str; 6] = [
    "bodies",
    "lock",
    "rows",
    LOG,
    "settings.json",
    "settings.new",
];

#[derive(Debug)]
pub(super) struct Store {
    catalog: Mutex<Catalog>,
    staging: Mutex<Staging>,
    journal: Journal,
    pub(super) bodies: Bodies,
    pub(super) rows: Bodies,
    pub(super) behaviour: Behaviour,
    salt: u64,
    counter: AtomicU64,
    /// Held as long as the folder is in use.
    lock: File,
}

impl Store {
    /// Opens a folder, or makes it, and brings back what it holds.
    pub(super) fn open(folder: &Path, behaviour: Behaviour) -> Result<Self, SandboxError> {
        let failed = |source| SandboxError::Folder {
            path: folder.to_owned(),
            source,
        };
        make_folder(folder).map_err(failed)?;
        let lock = lock_folder(folder)?;
        let bodies_folder = folder.join("bodies");
        let rows_folder = folder.join("rows");
        make_folder(&bodies_folder).map_err(failed)?;
        make_folder(&rows_folder).map_err(failed)?;

        // Lags are for live requests only.
        let calm = Behaviour::friendly();
        let (mut catalog, mut staging) = (Catalog::default(), Staging::default());
        let path = folder.join(LOG);
        let (mut journal, lines) = Journal::open(&path, |effect| match effect {
            Effect::Files { ref spent, .. } => {
                staging.drop_temps(spent);
                catalog.apply(effect, &calm);
            }
            Effect::Temps(_)
            | Effect::DropTemps(_)
            | Effect::Session(_)
            | Effect::DropSession(_) => staging.apply(effect),
            Effect::Dataset(_)
            | Effect::DropDataset(_)
            | Effect::Version(_)
            | Effect::DropVersion(..)
            | Effect::Table(_)
            | Effect::InheritFiles(_)
            | Effect::DropTable(_)
            | Effect::Upload(_)
            | Effect::DropUpload(..) => catalog.apply(effect, &calm),
        })?;
        let bodies = Bodies::open(&bodies_folder).map_err(failed)?;
        let rows = Bodies::open(&rows_folder).map_err(failed)?;
        if lines > 0 {
            compact::sweep(&catalog, &staging, &bodies, &rows).map_err(failed)?;
            journal = compact::rewrite(&path, &catalog, &staging).map_err(failed)?;
        }
        let salt = std::hash::RandomState::new().build_hasher().finish();
        Ok(Self {
            catalog: Mutex::new(catalog),
            staging: Mutex::new(staging),
            journal,
            bodies,
            rows,
            behaviour,
            salt,
            counter: AtomicU64::new(0),
            lock,
        })
    }

    /// Lets another emulator have the folder. Nothing is written after this.
    pub(super) fn release(&self) {
        // The lock ends with the process if it does not end now.
        drop(self.lock.unlock());
    }

    pub(super) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn staging(&self) -> MutexGuard<'_, Staging> {
        self.staging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs and applies an effect on the catalog.
    pub(super) fn commit(&self, catalog: &mut Catalog, effect: Effect) -> io::Result<()> {
        self.journal.append(&effect)?;
        catalog.apply(effect, &self.behaviour);
        Ok(())
    }

    /// Logs and applies an effect on the staging area.
    pub(super) fn commit_staging(&self, staging: &mut Staging, effect: Effect) -> io::Result<()> {
        self.journal.append(&effect)?;
        staging.apply(effect);
        Ok(())
    }

    /// Notes the bytes of a temp upload; `false`: it is not known any more. This
    /// is what happens most, so the text is made before any lock is taken and
    /// written after the staging area's was let go.
    pub(super) fn commit_stored(&self, record: TempRecord) -> io::Result<bool> {
        let id = record.id.clone();
        let effect = Effect::Temps(vec![record]);
        let line = journal::line(&effect)?;
        let mut staging = self.staging();
        let Some(before) = staging.temps.get(&id) else {
            return Ok(false);
        };
        if let Some(replaced) = &before.stored {
            self.bodies.remove(&replaced.body);
        }
        staging.apply(effect);
        let mut file = self.journal.lock();
        drop(staging);
        file.write_all(&line)?;
        Ok(true)
    }

    /// Logs and applies an attachment of files, which touches both.
    pub(super) fn commit_files(
        &self,
        catalog: &mut Catalog,
        staging: &mut Staging,
        effect: Effect,
    ) -> io::Result<()> {
        self.journal.append(&effect)?;
        if let Effect::Files { spent, .. } = &effect {
            staging.drop_temps(spent);
        }
        catalog.apply(effect, &self.behaviour);
        Ok(())
    }

    /// An id that nobody has had and nobody can guess: 26 of `[a-z2-7]`.
    pub(super) fn new_id(&self) -> String {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut seed = [0; 16];
        seed[..8].copy_from_slice(&self.salt.to_le_bytes());
        seed[8..].copy_from_slice(&number.to_le_bytes());
        Sha256Digest::of(&seed).short_base32()
    }

    /// A reference id: four characters.
    pub(super) fn new_reference(&self, taken: impl Fn(&str) -> bool) -> String {
        loop {
            let mut id = self.new_id();
            id.truncate(4);
            if id != "next" && !taken(&id) {
                return id;
            }
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Removes a folder that no emulator uses and in which nothing was written after
/// `before_ms` (milliseconds since 1970). Answers its bytes, or why it stays.
pub(super) fn remove_stale(
    folder: &Path,
    before_ms: i64,
    dry_run: bool,
) -> Result<Option<u64>, SandboxError> {
    let failed = |source| SandboxError::Folder {
        path: folder.to_owned(),
        source,
    };
    // A link leads to somebody else's, and what we did not write is not ours.
    let is_ours = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        FOLDER_NAMES.iter().any(|ours| name == *ours)
    };
    let is_real = folder.symlink_metadata().is_ok_and(|found| found.is_dir());
    if !is_real || !folder.read_dir().map_err(failed)?.flatten().all(is_ours) {
        return Ok(None);
    }
    // One without a log has never been used.
    let Ok(log) = folder.join(LOG).metadata() else {
        return Ok(None);
    };
    let modified = log.modified().map_err(failed)?;
    let written = modified.duration_since(std::time::UNIX_EPOCH);
    let written_ms = written.map_or(0, |since| since.as_millis());
    if i128::from(before_ms) < i128::try_from(written_ms).unwrap_or(i128::MAX) {
        return Ok(None);
    }
    let lock = lock_folder(folder)?;
    let entries = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok);
    let sizes = entries.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    let bytes = sizes.sum();
    if !dry_run {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    drop(lock);
    Ok(Some(bytes))
}

fn lock_folder(folder: &Path) -> Result<File, SandboxError> {
    let path: PathBuf = folder.join("lock");
    let failed = |source| SandboxError::Folder {
        path: folder.to_owned(),
        source,
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = private(&mut options).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(SandboxError::InUse {
            path: folder.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}
