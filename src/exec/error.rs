//! Why a step failed, and what kind of failure that is for a script.

use std::path::PathBuf;

use crate::base::{ByteCount, Md5Digest, TableRef};
use crate::event::{FailKind, Failed};
use crate::plan::PlanError;
use crate::redivis::{ApiError, ApiErrorKind, TransferError};
use crate::source::{SourceError, SourceFault};
use crate::state::StateError;

/// A step that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The platform did not do what was asked.
    #[error("cannot {doing}")]
    Api {
        /// What was to be done, to what.
        doing: String,
        /// Why not.
        source: Box<ApiError>,
    },
    /// The remote could not be looked at.
    #[error("cannot look at the platform again")]
    Observe(#[source] Box<PlanError>),
    /// A file's bytes could not be sent.
    #[error("cannot send `{name}`")]
    Transfer {
        /// The file.
        name: String,
        /// Why not.
        source: Box<TransferError>,
    },
    /// A local source could not be read.
    #[error("cannot read the source")]
    Source(#[from] Box<SourceError>),
    /// The state could not be written.
    #[error("cannot write the state")]
    State(#[from] Box<StateError>),
    /// A local file could not be opened.
    #[error("cannot open `{path}`")]
    Local {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file changed after it was planned, or while it was sent.
    #[error("`{0}` changed since it was planned; nothing of it was registered")]
    SourceChanged(PathBuf),
    /// The platform holds other bytes than were sent.
    #[error(
        "the platform holds {found_size} ({}) under `{name}`, sent were {sent_size} ({sent_md5})",
        found_md5.map_or_else(|| "no MD5".to_owned(), |md5| md5.to_string())
    )]
    Mismatch {
        /// The item.
        name: String,
        /// Bytes sent.
        sent_size: ByteCount,
        /// Their MD5.
        sent_md5: Md5Digest,
        /// Bytes found.
        found_size: ByteCount,
        /// Their MD5, where told.
        found_md5: Option<Md5Digest>,
    },
    /// The platform counted other rows than were sent, three times.
    #[error("the platform added {found} of {sent} rows of `{name}`")]
    RowsMismatch {
        /// The part.
        name: String,
        /// Rows sent.
        sent: u64,
        /// Rows counted.
        found: u64,
    },
    /// A new upload came back under another name: somebody else uses it.
    #[error("another writer uses the name `{asked}`: the platform answered `{answered}`")]
    OtherWriter {
        /// The name asked for.
        asked: String,
        /// The name given.
        answered: String,
    },
    /// Somebody else changes the same rows just now.
    #[error("another writer is at work on `{table}`: {what}")]
    WriterAtWork {
        /// The table.
        table: String,
        /// What shows it.
        what: String,
    },
    /// What was released is not what was verified just before.
    #[error("{tag} of `{dataset}` was released while another writer changed it: {what}")]
    ReleaseDiffers {
        /// The dataset.
        dataset: String,
        /// The release.
        tag: String,
        /// What differs.
        what: String,
    },
    /// The platform could not import an upload.
    #[error("the platform could not import `{name}`: {message}")]
    ImportFailed {
        /// The upload.
        name: String,
        /// Its `errorMessage`.
        message: String,
    },
    /// More bad records than allowed.
    #[error("the platform dropped {bad} records of `{name}`, and `max_bad_records` is {max}")]
    BadRecords {
        /// The upload.
        name: String,
        /// Records dropped.
        bad: u64,
        /// Allowed.
        max: u64,
    },
    /// Rows that the platform refuses, more than allowed.
    #[error("the platform refuses {refused} rows of `{name}`, and `rejects.max` is {max}")]
    RowsRefused {
        /// The part.
        name: String,
        /// Rows refused.
        refused: u64,
        /// Allowed.
        max: u64,
    },
    /// Sent, and not confirmed in time.
    #[error("`{name}` was sent, and the platform does not confirm it yet")]
    Unconfirmed {
        /// The item.
        name: String,
    },
    /// The draft is not the one that was planned.
    #[error("the draft of `{dataset}` changed under the run: {what}")]
    DraftChanged {
        /// The dataset.
        dataset: String,
        /// What differs.
        what: String,
    },
    /// A table's setting did not take.
    #[error("table `{table}` does not take {setting}")]
    SettingIgnored {
        /// The table.
        table: TableRef,
        /// Which, with its value.
        setting: String,
    },
    /// Something is said of a variable that the table has not.
    #[error("{0}")]
    NoVariable(String),
    /// An upload could not be removed.
    #[error("upload `{0}` is still there after its deletion")]
    NotDeleted(String),
    /// A guard says no.
    #[error("cannot release `{dataset}`: {why}")]
    ReleaseRefused {
        /// The dataset.
        dataset: String,
        /// Why.
        why: String,
        /// Whether items that failed stand in its way: they say what that means.
        waits: bool,
    },
    /// Another step that this one needs did not succeed.
    #[error("not done, because {0}")]
    Blocked(String),
    /// The run was asked to stop.
    #[error("stopped before it was done")]
    Cancelled,
}

impl StepError {
    /// Doing `what` failed on the platform's side.
    pub(super) fn api(doing: impl Into<String>) -> impl FnOnce(ApiError) -> Self {
        let doing = doing.into();
        move |source| {
            if source.is_cancelled() {
                return Self::Cancelled;
            }
            Self::Api {
                doing,
                source: Box::new(source),
            }
        }
    }

    /// The state could not be written.
    pub(super) fn state(error: StateError) -> Self {
        Self::State(Box::new(error))
    }

    /// What this means for a script.
    pub fn kind(&self) -> FailKind {
        match self {
            Self::Api { source, .. } => kind_of_api(source),
            Self::Observe(source) => match source.as_ref() {
                PlanError::Remote { source, .. } => kind_of_api(source),
                PlanError::Cancelled => FailKind::Cancelled,
                PlanError::State(_) => FailKind::LocalIo,
                PlanError::NoDataset(_)
                | PlanError::Source { .. }
                | PlanError::NothingSelected(_)
                | PlanError::NameTaken { .. } => FailKind::Refused,
            },
            Self::Transfer { source, .. } => match source.as_ref() {
                TransferError::Api(error)
                | TransferError::UrlRefused(error)
                | TransferError::SessionUnsound(error) => kind_of_api(error),
                TransferError::LocalRead(_) => FailKind::LocalIo,
                TransferError::SourceChanged => FailKind::Drifted,
                TransferError::Mismatch { .. } => FailKind::Mismatch,
                TransferError::SessionGone => FailKind::Temporary,
            },
            Self::Source(source) => match source.fault() {
                SourceFault::Changed => FailKind::Drifted,
                SourceFault::Cancelled => FailKind::Cancelled,
                SourceFault::LocalIo => FailKind::LocalIo,
                SourceFault::Input | SourceFault::Content => FailKind::Input,
            },
            Self::Local { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                FailKind::Drifted
            }
            Self::Local { .. } => FailKind::Input,
            Self::State(_) => FailKind::LocalIo,
            Self::SourceChanged(_) | Self::DraftChanged { .. } => FailKind::Drifted,
            Self::Mismatch { .. } | Self::RowsMismatch { .. } | Self::ReleaseDiffers { .. } => {
                FailKind::Mismatch
            }
            Self::OtherWriter { .. } | Self::WriterAtWork { .. } => FailKind::Locked,
            Self::ImportFailed { .. }
            | Self::BadRecords { .. }
            | Self::RowsRefused { .. }
            | Self::SettingIgnored { .. }
            | Self::NoVariable(_)
            | Self::ReleaseRefused { waits: false, .. } => FailKind::Failed,
            Self::Unconfirmed { .. } => FailKind::Unconfirmed,
            // What it waits for has its own failure, which says more.
            Self::NotDeleted(_) | Self::Blocked(_) | Self::ReleaseRefused { waits: true, .. } => {
                FailKind::Temporary
            }
            Self::Cancelled => FailKind::Cancelled,
        }
    }

    /// The error and its causes on one line.
    pub fn one_line(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

fn kind_of_api(error: &ApiError) -> FailKind {
    match error.kind() {
        ApiErrorKind::Unauthorized | ApiErrorKind::Forbidden { .. } => FailKind::Unauthorized,
        ApiErrorKind::NotFound
        | ApiErrorKind::Conflict
        | ApiErrorKind::Invalid
        | ApiErrorKind::TooLarge
        | ApiErrorKind::Tls
        | ApiErrorKind::Protocol => FailKind::Refused,
        ApiErrorKind::RateLimited | ApiErrorKind::Unavailable | ApiErrorKind::Network => {
            FailKind::Temporary
        }
        ApiErrorKind::LocalRead => FailKind::LocalIo,
        ApiErrorKind::Cancelled => FailKind::Cancelled,
    }
}

impl From<&StepError> for Failed {
    fn from(error: &StepError) -> Self {
        Self {
            kind: error.kind(),
            message: error.one_line(),
        }
    }
}
