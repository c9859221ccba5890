//! Cleaning a state folder: what has expired in each store, and the files of what
//! nobody uses any more. Whatever a run holds, or could still continue, stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::error::StateError;
use super::location::StateKey;
use super::open::{is_set_aside, open_sound};
use super::record::Cleaned;
use super::run_folder::{Removal, RunId, owner_of, remove_run_folder, run_folders};
use super::runs::KEPT_RUNS;

/// What a cleaning may take.
#[derive(Debug, Clone, Copy)]
pub struct CleanOptions {
    /// Now: milliseconds since 1970.
    pub now_ms: i64,
    /// What was last used before this is removed: milliseconds since 1970.
    pub before_ms: i64,
    /// Nothing is removed, only told.
    pub dry_run: bool,
}

/// What became of one thing in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CleanStep {
    /// It was removed, or would be.
    Removed {
        /// `store`, `set_aside` or `run`.
        what: &'static str,
        /// Its name in the folder.
        name: String,
        /// Bytes of its files.
        bytes: u64,
    },
    /// Entries of a store were removed, or would be.
    Cleaned {
        /// Its name in the folder.
        name: String,
        /// Which.
        entries: Cleaned,
        /// Bytes that its file is smaller now; 0 for a dry run.
        bytes: u64,
    },
    /// It is left alone.
    Kept {
        /// `store`, `run` or `sandbox`.
        what: &'static str,
        /// Its name in the folder.
        name: String,
        /// Why.
        why: String,
    },
}

/// Cleans a folder of stores; `each` is told what became of each thing.
pub fn clean_folder(
    folder: &Path,
    options: CleanOptions,
    each: &mut dyn FnMut(CleanStep),
) -> Result<(), StateError> {
    let names = match names_in(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(|source| file_error("read", folder, source))?,
    };
    let mut sweep = Sweep {
        folder,
        options,
        each,
        kept: BTreeSet::new(),
        busy: BTreeSet::new(),
    };
    for name in &names {
        let Some((stem, ending)) = name.split_once(".sqlite") else {
            continue;
        };
        // Files of others are none of our business.
        if !StateKey::is_stem(stem) {
            continue;
        }
        let metadata = folder.join(name).symlink_metadata();
        let is_file = metadata.is_ok_and(|metadata| metadata.is_file());
        match ending {
            "" if is_file => sweep.store(name, stem)?,
            // What a link leads to is not touched; its runs are not those of no store.
            "" => drop(sweep.kept.insert(owner_of(stem))),
            ending if is_file && is_set_aside(ending) => sweep.set_aside(name)?,
            _ => {}
        }
    }
    sweep.runs()
}

struct Sweep<'a> {
    folder: &'a Path,
    options: CleanOptions,
    each: &'a mut dyn FnMut(CleanStep),
    /// Owners of runs whose stores stay.
    kept: BTreeSet<String>,
    /// Owners that are at work.
    busy: BTreeSet<String>,
}

impl Sweep<'_> {
    fn store(&mut self, name: &str, stem: &str) -> Result<(), StateError> {
        let owner = owner_of(stem);
        let lock = self.folder.join(format!("{stem}.lock"));
        let keep = |why: String| CleanStep::Kept {
            what: "store",
            name: name.to_owned(),
            why,
        };
        // Held until the store is done with, so that no run begins meanwhile.
        let held = match try_lock(&lock, self.options.dry_run) {
            Ok(Lock::Ours(held)) => held,
            Ok(Lock::Theirs) => {
                self.busy.insert(owner.clone());
                self.kept.insert(owner);
                (self.each)(keep("a run holds its lock".to_owned()));
                return Ok(());
            }
            Err(source) => return Err(StateError::Lock { path: lock, source }),
        };
        let path = self.folder.join(name);
        let step = match self.look_into(&path, name) {
            Ok(step) => step,
            // Somebody plans with it just now, or it is damaged.
            Err(error @ (StateError::Statement { .. } | StateError::Open { .. })) => {
                Some(keep(error.to_string()))
            }
            Err(error) => return Err(error),
        };
        if !matches!(&step, Some(CleanStep::Removed { .. })) {
            self.kept.insert(owner);
        }
        if let Some(step) = step {
            (self.each)(step);
        }
        drop(held);
        Ok(())
    }

    /// What becomes of a store whose lock we hold; `None`: there is nothing to do.
    fn look_into(&self, path: &Path, name: &str) -> Result<Option<CleanStep>, StateError> {
        let now_ms = self.options.now_ms;
        let Some(store) = open_sound(path)? else {
            return Ok(Some(CleanStep::Kept {
                what: "store",
                name: name.to_owned(),
                why: "this program cannot read it".to_owned(),
            }));
        };
        let last_used = match store.last_used()? {
            Some(at) => at,
            None => modified_ms(path).unwrap_or(now_ms),
        };
        if last_used <= self.options.before_ms && !store.can_be_continued(now_ms)? {
            drop(store);
            let companions = ["", "-wal", "-shm", "-journal"];
            let bytes = self.remove_files(name, &companions)?;
            return Ok(Some(CleanStep::Removed {
                what: "store",
                name: name.to_owned(),
                bytes,
            }));
        }
        let before = size_of(path);
        let entries = if self.options.dry_run {
            store.would_clean(now_ms)?
        } else {
            store.clean(now_ms)?
        };
        drop(store);
        Ok((entries != Cleaned::default()).then(|| CleanStep::Cleaned {
            name: name.to_owned(),
            entries,
            bytes: before.saturating_sub(size_of(path)),
        }))
    }

    /// A store that was damaged, or of a newer program.
    fn set_aside(&mut self, name: &str) -> Result<(), StateError> {
        let path = self.folder.join(name);
        if modified_ms(&path).is_none_or(|at| at > self.options.before_ms) {
            return Ok(());
        }
        let bytes = self.remove_files(name, &[""])?;
        (self.each)(CleanStep::Removed {
            what: "set_aside",
            name: name.to_owned(),
            bytes,
        });
        Ok(())
    }

    /// Folders of runs: all but the newest of a store, and those of stores that are
    /// gone once they are old enough.
    fn runs(&mut self) -> Result<(), StateError> {
        let runs = self.folder.join("runs");
        let ids = run_folders(&runs).map_err(|source| file_error("read", &runs, source))?;
        let mut by_owner: BTreeMap<&str, Vec<&RunId>> = BTreeMap::new();
        for id in &ids {
            by_owner.entry(id.owner()).or_default().push(id);
        }
        for (owner, own) in by_owner {
            if self.busy.contains(owner) {
                continue;
            }
            let is_kept = self.kept.contains(owner);
            let surplus = own.len().saturating_sub(KEPT_RUNS);
            for (at, id) in own.iter().enumerate() {
                let path = runs.join(id.as_str());
                let is_old = || modified_ms(&path).is_some_and(|at| at <= self.options.before_ms);
                if at < surplus || !is_kept && is_old() {
                    self.remove_run(&path, id)?;
                }
            }
        }
        Ok(())
    }

    fn remove_run(&mut self, path: &Path, id: &RunId) -> Result<(), StateError> {
        let removal = remove_run_folder(path, self.options.dry_run)
            .map_err(|source| file_error("remove", path, source))?;
        let (what, name) = ("run", format!("runs/{id}"));
        (self.each)(match removal {
            Removal::Gone(bytes) => CleanStep::Removed { what, name, bytes },
            Removal::Foreign(file) => CleanStep::Kept {
                what,
                name,
                why: format!("no run wrote its `{file}`"),
            },
        });
        Ok(())
    }

    /// Removes a file and its companions, those that exist. Answers their bytes.
    fn remove_files(&self, name: &str, endings: &[&str]) -> Result<u64, StateError> {
        let mut bytes = 0;
        for ending in endings {
            let path = self.folder.join(format!("{name}{ending}"));
            let size = size_of(&path);
            if !self.options.dry_run {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed.map_err(|source| file_error("remove", &path, source))?,
                }
            }
            bytes += size;
        }
        Ok(bytes)
    }
}

/// Whose a store's lock is.
enum Lock {
    /// Ours until this is dropped; a dry run makes no file for it.
    Ours(Option<File>),
    /// A run's.
    Theirs,
}

/// Tries the lock of a store; nothing is written into it. The file itself always
/// stays: removing it would race with a run that just opened it.
fn try_lock(path: &Path, dry_run: bool) -> io::Result<Lock> {
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(!dry_run)
        .truncate(false)
        .mode(0o600);
    let file = match options.open(path) {
        // Nobody can hold what is not there.
        Err(error) if dry_run && error.kind() == io::ErrorKind::NotFound => {
            return Ok(Lock::Ours(None));
        }
        file => file?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Lock::Ours(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(Lock::Theirs),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Names that are text, in order.
fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

fn modified_ms(path: &Path) -> Option<i64> {
    let modified = std::fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    let since = modified.ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

fn size_of(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |metadata| metadata.len())
}

fn file_error(doing: &'static str, path: &Path, source: io::Error) -> StateError {
    StateError::File {
        doing,
        path: PathBuf::from(path),
        source,
    }
}
