//! Something happened: for eyes only. Nothing is resumed from events; the
//! journal in `state` is the truth.

mod active;
mod outcome;

use std::sync::mpsc::Sender;
use std::time::Duration;

pub use active::{Active, ActiveGuard, ActiveItem};
pub use outcome::{End, FailKind, Failed, ItemEnd, RunEnd};

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Work begins; what is to be done in all.
    RunStarted(Totals),
    /// A phase of the run begins.
    Phase(Phase),
    /// Bytes went out; may be negative progress elsewhere when a body is sent
    /// again, which is not subtracted here.
    BytesSent(u64),
    /// An item is done and verified.
    Finished {
        /// What kind of item.
        what: What,
        /// Its name for people.
        name: String,
        /// Its bytes.
        bytes: u64,
        /// Its rows.
        rows: u64,
    },
    /// An item failed.
    Failed {
        /// What kind of item.
        what: What,
        /// Its name for people.
        name: String,
        /// The error, on one line.
        error: String,
    },
    /// A request waits before its next try.
    Waiting {
        /// The call.
        reason: String,
        /// How long.
        delay: Duration,
        /// Which try it was.
        attempt: u32,
    },
    /// Something worth a line.
    Note(String),
    /// The run is over; nothing comes after it.
    RunFinished,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files to send.
    pub files: u64,
    /// Parts to send.
    pub parts: u64,
    /// Bulk uploads to send.
    pub uploads: u64,
    /// Rows to send.
    pub rows: u64,
    /// Bytes to send.
    pub bytes: u64,
}

/// A stretch of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading the sources and the remote.
    Planning,
    /// Creating versions and tables.
    Preparing,
    /// Moving bytes and rows.
    Sending,
    /// Waiting for the platform to confirm.
    Confirming,
    /// Deleting what is superseded.
    Deleting,
    /// The last look.
    Checking,
    /// Saying what variables mean.
    Describing,
    /// Releasing.
    Releasing,
}

impl Phase {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Preparing => "preparing",
            Self::Sending => "sending",
            Self::Confirming => "confirming",
            Self::Deleting => "deleting",
            Self::Checking => "checking",
            Self::Describing => "describing",
            Self::Releasing => "releasing",
        }
    }
}

/// The kinds of thing that events are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A file.
    File,
    /// A part.
    Part,
    /// A bulk upload.
    Upload,
    /// A table.
    Table,
    /// A variable of a table.
    Variable,
    /// A version.
    Version,
    /// A deletion.
    Deletion,
}

impl What {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Part => "part",
            Self::Upload => "upload",
            Self::Table => "table",
            Self::Variable => "variable",
            Self::Version => "version",
            Self::Deletion => "deletion",
        }
    }
}

/// Where events go. Cheap to clone; a sink without a listener drops them.
#[derive(Debug, Clone, Default)]
pub struct EventSink {
    sender: Option<Sender<Event>>,
    active: Active,
}

impl EventSink {
    /// Events go to this channel; what is on its way is in `active`.
    pub fn new(sender: Sender<Event>, active: Active) -> Self {
        Self {
            sender: Some(sender),
            active,
        }
    }

    /// Something is on its way until the answer is dropped.
    pub fn begin(&self, what: What, name: String, bytes: u64) -> ActiveGuard {
        self.active.begin(what, name, bytes)
    }

    /// Says that something happened. A listener that has gone is no error:
    /// events are for eyes.
    pub fn send(&self, event: Event) {
        if let Some(sender) = &self.sender {
            drop(sender.send(event));
        }
    }
}
