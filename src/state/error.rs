//! What can go wrong with the store, and what is only worth a warning.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::lock::LockOwner;

/// The store, a lock or a run's folder could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A folder could not be made.
    #[error("cannot make the state folder `{}`", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be made, read, written or renamed.
    #[error("cannot {doing} the state file `{}`", path.display())]
    File {
        /// A verb: `create`, `set aside`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store did not open.
    #[error("cannot open the state file `{}`", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Something could not be looked up or stored.
    #[error("cannot {doing} in the state file")]
    Statement {
        /// A verb and its object: `store digests`.
        doing: &'static str,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file turned out to be damaged while it was in use. It has been set
    /// aside: the next run starts with an empty one.
    #[error("the state file is damaged and was set aside as `{}`; run again", set_aside.display())]
    Damaged {
        /// Where it is now.
        set_aside: PathBuf,
        /// What showed it.
        source: rusqlite::Error,
    },
    /// Another run holds the lock.
    #[error("locked by {owner}")]
    Locked {
        /// Who, as the lock's file says.
        owner: String,
        /// Since when (RFC 3339), if the file says so.
        since: Option<String>,
    },
    /// The lock could not be tried.
    #[error("cannot lock `{}`", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why; on a network filesystem it may be that locks are not served.
        source: io::Error,
    },
    /// The run was cancelled while it waited for the lock.
    #[error("cancelled while waiting for the lock held by {owner}")]
    Cancelled {
        /// Who held it.
        owner: String,
    },
    /// A name that cannot be used for a file in a run's folder.
    #[error("`{0}` is not a name for a run's file")]
    BadName(String),
}

impl StateError {
    /// For a lock that `owner` holds; `None`: its file says nothing readable.
    pub(super) fn locked(owner: Option<&LockOwner>) -> Self {
        Self::Locked {
            owner: describe(owner),
            since: owner.map(|owner| owner.started.clone()),
        }
    }
}

/// A lock's owner for a message.
pub(super) fn describe(owner: Option<&LockOwner>) -> String {
    owner.map_or_else(|| "another run".to_owned(), LockOwner::to_string)
}

/// Something a user should know, although the run goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateWarning {
    /// A newer program wrote the file; this run starts with an empty one.
    Newer {
        /// The file's format version.
        version: i64,
        /// Where it is now.
        set_aside: PathBuf,
    },
    /// The file was damaged, or no store at all; this run starts with an empty
    /// one.
    Damaged {
        /// What showed it.
        reason: String,
        /// Where it is now.
        set_aside: PathBuf,
    },
}

impl fmt::Display for StateWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { version, set_aside } => write!(
                f,
                "the state file has the newer format {version}; it was set aside as `{}` and this run starts without it",
                set_aside.display()
            ),
            Self::Damaged { reason, set_aside } => write!(
                f,
                "the state file is damaged ({reason}); it was set aside as `{}` and this run starts without it",
                set_aside.display()
            ),
        }
    }
}
