//! Opening a store: its folder and file, the journal mode, the format. A file
//! that cannot be used is set aside with a warning, since a run without memory
//! is only slower.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{StateError, StateWarning};
use super::location::{StateKey, StateLocation, make_folder};
use super::mounts::is_on_network;
use super::schema::{self, APPLICATION_ID, FORMAT};
use super::store::StateStore;

/// How long a statement waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(10);

/// Up to this size a file is checked as a whole when it is opened; damage in a
/// larger one shows when it is met.
const WHOLE_CHECK_BYTES: u64 = 32 << 20;

/// Pages in memory, in KiB (negative: `SQLite`'s way to say so). Digests are
/// keyed by inode, so that writes fall all over the file.
const CACHE_KIB: i64 = -16_384;

/// How long the log grows, in pages of 4 KiB, before it is folded into the file.
const CHECKPOINT_PAGES: i64 = 4_000;

/// How many set-aside files are kept apart; the last one is overwritten.
const LAST_SET_ASIDE: u32 = 99;

/// An open store and what the user should know about it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: StateStore,
    /// Why earlier state is not used, if so.
    pub warnings: Vec<StateWarning>,
}

enum Fault {
    Newer(i64),
    Damaged(String),
    Fatal(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) {
            Self::Damaged(error.to_string())
        } else {
            Self::Fatal(error)
        }
    }
}

/// Whether an error says that the file's content is not a sound database.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Opens the store of `key`.
pub(super) fn open(location: &StateLocation, key: &StateKey) -> Result<Opened, StateError> {
    let Some(path) = location.store_path(key) else {
        return open_in_memory();
    };
    if let StateLocation::Folder(folder) = location {
        make_folder(folder)?;
    }
    let mut warnings = Vec::new();
    // Twice, since what was set aside leaves room for a fresh file.
    for _ in 0..2 {
        match open_file(&path)? {
            Ok(connection) => {
                let store = StateStore::new(connection, Some(path));
                return Ok(Opened { store, warnings });
            }
            Err(Fault::Newer(version)) => warnings.push(StateWarning::Newer {
                version,
                set_aside: set_aside(&path)?,
            }),
            Err(Fault::Damaged(reason)) => warnings.push(StateWarning::Damaged {
                reason,
                set_aside: set_aside(&path)?,
            }),
            Err(Fault::Fatal(source)) => return Err(StateError::Open { path, source }),
        }
    }
    Err(StateError::Open {
        path,
        source: rusqlite::Error::InvalidQuery,
    })
}

/// Opens a store's file as it is; `None`: it is none that this program can use, and
/// it is left as it is.
pub(super) fn open_sound(path: &Path) -> Result<Option<StateStore>, StateError> {
    match open_file(path)? {
        Ok(connection) => Ok(Some(StateStore::new(connection, Some(path.to_path_buf())))),
        Err(Fault::Newer(_) | Fault::Damaged(_)) => Ok(None),
        Err(Fault::Fatal(source)) => Err(StateError::Open {
            path: path.to_path_buf(),
            source,
        }),
    }
}

fn open_in_memory() -> Result<Opened, StateError> {
    let made = Connection::open_in_memory().and_then(|mut connection| {
        schema::migrate(&mut connection)?;
        Ok(connection)
    });
    let connection = made.map_err(|source| StateError::Open {
        path: PathBuf::from(":memory:"),
        source,
    })?;
    Ok(Opened {
        store: StateStore::new(connection, None),
        warnings: Vec::new(),
    })
}

fn open_file(path: &Path) -> Result<Result<Connection, Fault>, StateError> {
    let bytes = make_private(path).map_err(|source| StateError::File {
        doing: "create",
        path: path.to_path_buf(),
        source,
    })?;
    Ok(connect(path, bytes))
}

/// Makes sure the file exists with mode 0600, which `SQLite` then gives to its
/// log as well. Answers its size.
fn make_private(path: &Path) -> std::io::Result<u64> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    let metadata = file.metadata()?;
    if metadata.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(metadata.len())
}

fn connect(path: &Path, bytes: u64) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    check(&connection, bytes)?;
    set_journal(&connection, path)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    schema::migrate(&mut connection)?;
    Ok(connection)
}

/// Whether the file is a sound store of a format we know, or an empty one.
fn check(connection: &Connection, bytes: u64) -> Result<(), Fault> {
    // One view of the file: another process may be making it just now.
    let view = connection.unchecked_transaction()?;
    let version = schema::format_of(&view)?;
    let application: i64 = view.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let objects: i64 =
        view.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // A process that was killed before its first commit leaves an empty one.
    if application == 0 && version == 0 && objects == 0 {
        return Ok(());
    }
    if application != APPLICATION_ID {
        return Err(Fault::Damaged(
            "it is another program's database".to_owned(),
        ));
    }
    if version > FORMAT {
        return Err(Fault::Newer(version));
    }
    if bytes <= WHOLE_CHECK_BYTES {
        let verdict: String = view.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if verdict != "ok" {
            return Err(Fault::Damaged(verdict));
        }
    }
    Ok(())
}

/// A write-ahead log where all who open the file share memory, else a rollback
/// journal.
fn set_journal(connection: &Connection, path: &Path) -> rusqlite::Result<()> {
    let on_network = path.parent().is_some_and(is_on_network);
    let mode = |word: &str| {
        connection
            .pragma_update_and_check(None, "journal_mode", word, |row| row.get::<_, String>(0))
    };
    let set = if on_network {
        mode("TRUNCATE")
    } else {
        mode("WAL").and_then(|set| match set.as_str() {
            "wal" => Ok(set),
            _ => mode("TRUNCATE"),
        })
    };
    match set {
        // Another process is setting the same mode just now: it does not wait
        // for us, nor need we wait for it.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
        other => other.map(drop),
    }
}

/// Whether this is what [`set_aside`] puts behind a store's name.
pub(super) fn is_set_aside(ending: &str) -> bool {
    let Some(number) = ending.strip_prefix(".set-aside-") else {
        return false;
    };
    let parts = ["-wal", "-shm", "-journal"];
    let number = parts
        .iter()
        .find_map(|part| number.strip_suffix(part))
        .unwrap_or(number);
    number
        .parse::<u32>()
        .is_ok_and(|read| read.to_string() == number)
}

/// Renames a store's files to `<name>.set-aside-<n>`; answers the new name.
pub(super) fn set_aside(path: &Path) -> Result<PathBuf, StateError> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let number = (1..LAST_SET_ASIDE)
        .find(|number| !with(&format!(".set-aside-{number}")).exists())
        .unwrap_or(LAST_SET_ASIDE);
    let target = with(&format!(".set-aside-{number}"));
    std::fs::rename(path, &target).map_err(|source| StateError::File {
        doing: "set aside",
        path: path.to_path_buf(),
        source,
    })?;
    for part in ["-wal", "-shm", "-journal"] {
        let from = with(part);
        let to = with(&format!(".set-aside-{number}{part}"));
        if from.exists()
            && let Err(source) = std::fs::rename(&from, to)
        {
            return Err(StateError::File {
                doing: "set aside",
                path: from,
                source,
            });
        }
    }
    Ok(target)
}
