//! How items and runs end: what `exec` tells and `report` reads.

use super::What;
use crate::base::{ManifestName, Md5Digest};

/// How one item ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Done, and the platform confirmed it.
    Verified,
    /// Sent; the platform does not confirm it yet.
    Unverified,
    /// The source, the remote or the draft changed since it was planned.
    Drifted,
    /// Failed.
    Failed,
    /// The plan itself says no: conflict or locked.
    Refused,
    /// The run ended before.
    NotReached,
}

impl End {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Drifted => "drifted",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::NotReached => "not_reached",
        }
    }
}

/// One item that a run dealt with.
#[derive(Debug, Clone)]
pub struct ItemEnd {
    /// What kind of item.
    pub what: What,
    /// The job; `None` for versions and tables.
    pub job: Option<ManifestName>,
    /// Its name on the remote.
    pub name: String,
    /// The planned action.
    pub action: &'static str,
    /// How it ended.
    pub end: End,
    /// Why it did not end well.
    pub error: Option<Failed>,
    /// Tries that it took.
    pub attempts: u32,
    /// Bytes of it.
    pub bytes: u64,
    /// Bytes that went out for it, repeats included.
    pub bytes_sent: u64,
    /// Rows of it.
    pub rows: u64,
    /// MD5 of what was sent.
    pub md5: Option<Md5Digest>,
    /// The platform's id or address of it.
    pub remote_id: Option<String>,
    /// Milliseconds that it took.
    pub millis: u64,
}

/// A failure in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What it means for a script.
    pub kind: FailKind,
    /// The error and its causes on one line.
    pub message: String,
}

impl ItemEnd {
    /// An item of which nothing is known yet.
    pub fn new(what: What, job: Option<&ManifestName>, name: &str, action: &'static str) -> Self {
        Self {
            what,
            job: job.cloned(),
            name: name.to_owned(),
            action,
            end: End::NotReached,
            error: None,
            attempts: 0,
            bytes: 0,
            bytes_sent: 0,
            rows: 0,
            md5: None,
            remote_id: None,
            millis: 0,
        }
    }

    /// It is done and verified.
    #[must_use]
    pub fn verified(mut self) -> Self {
        self.end = End::Verified;
        self
    }

    /// It did not succeed.
    #[must_use]
    pub fn failed(mut self, error: impl Into<Failed>) -> Self {
        let failed = error.into();
        self.end = match failed.kind {
            FailKind::Drifted => End::Drifted,
            FailKind::Cancelled => End::NotReached,
            FailKind::Unconfirmed => End::Unverified,
            FailKind::Unauthorized
            | FailKind::Mismatch
            | FailKind::Locked
            | FailKind::Refused
            | FailKind::Input
            | FailKind::LocalIo
            | FailKind::Failed
            | FailKind::Temporary => End::Failed,
        };
        self.error = Some(failed);
        self
    }
}

/// What a failure means for a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailKind {
    /// The token is missing, wrong or too weak.
    Unauthorized,
    /// Verification found a difference.
    Mismatch,
    /// The draft or a source changed under the run.
    Drifted,
    /// Another run or writer is at work.
    Locked,
    /// The service refuses, and will again.
    Refused,
    /// A local file cannot be read.
    Input,
    /// The local disk or state fails.
    LocalIo,
    /// This item failed for good.
    Failed,
    /// Running again will help.
    Temporary,
    /// Sent, and not confirmed yet.
    Unconfirmed,
    /// Stopped on request.
    Cancelled,
}

impl FailKind {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Mismatch => "mismatch",
            Self::Drifted => "drifted",
            Self::Locked => "locked",
            Self::Refused => "refused",
            Self::Input => "input",
            Self::LocalIo => "local_io",
            Self::Failed => "failed",
            Self::Temporary => "temporary",
            Self::Unconfirmed => "unconfirmed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct RunEnd {
    /// Every item that had an action.
    pub items: Vec<ItemEnd>,
    /// Jobs whose last look found everything in place.
    pub complete_jobs: Vec<ManifestName>,
}
