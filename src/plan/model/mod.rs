//! A plan as data: what was compared, what each item is, and what would be done
//! about it. Nothing here holds a secret, a clock time or an absolute path.

mod class;
mod job;
mod subject;

use std::sync::OnceLock;

use serde::Serialize;

pub use self::class::{Action, Class, Reason};
pub use self::job::{JobContent, JobPlan, RowsContent, RowsInputPlan, Wanted};
pub use self::subject::{
    FileSubject, ListedSubject, PartSubject, Subject, TableBefore, TableSubject, Trouble,
    UploadSubject, VariableSubject,
};
use crate::base::{DatasetRef, ManifestName, Sha256Digest, Version};

/// The version of the plan's NDJSON. 1: the first.
pub const PLAN_FORMAT: u32 = 1;

/// One line of the plan.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is.
    pub class: Class,
    /// Why.
    pub reason: Reason,
    /// What would be done.
    pub action: Action,
    /// What cannot be said by the reason alone: a message for people.
    pub note: Option<String>,
    /// The thing itself.
    pub subject: Subject,
}

impl Item {
    /// Bytes and rows of the item; rows are `None` where only the platform can
    /// count them.
    pub fn amount(&self) -> (u64, Option<u64>) {
        match &self.subject {
            Subject::File(file) => (file.local.size, None),
            Subject::RemoteFile(file) => (file.size, None),
            Subject::Part(part) => (part.bytes, Some(part.identity.rows)),
            Subject::Upload(upload) => (upload.fingerprint.size, None),
            Subject::Listed(listed) => (0, listed.rows),
            Subject::Version(_)
            | Subject::Table(_)
            | Subject::Variable(_)
            | Subject::Source { .. } => (0, None),
        }
    }
}

/// How much of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Things.
    pub items: u64,
    /// Bytes.
    pub bytes: u64,
    /// Rows, where they are known.
    pub rows: u64,
}

impl Amount {
    /// Adds one thing.
    pub fn add(&mut self, bytes: u64, rows: u64) {
        self.items += 1;
        self.bytes += bytes;
        self.rows += rows;
    }

    /// Adds another amount.
    pub fn merge(&mut self, other: Self) {
        self.items += other.items;
        self.bytes += other.bytes;
        self.rows += other.rows;
    }
}

/// A whole plan.
#[derive(Debug)]
pub struct Plan {
    /// The manifest's name.
    pub manifest: ManifestName,
    /// SHA-256 of its text.
    pub manifest_digest: Sha256Digest,
    /// The API's address, without anything secret.
    pub endpoint: String,
    /// Each dataset, and the identity of its draft.
    pub datasets: Vec<DatasetPlan>,
    /// One for each selected job, in the manifest's order.
    pub jobs: Vec<JobPlan>,
    /// Whether all jobs are in it, with all their sources.
    pub is_whole: bool,
    /// The plan's id, once it was asked for. Whoever changes the plan forgets it.
    pub id: OnceLock<Sha256Digest>,
}

/// A dataset of the plan.
#[derive(Debug, Clone)]
pub struct DatasetPlan {
    /// Which.
    pub dataset: DatasetRef,
    /// The version that was compared with.
    pub base: Version,
    /// What tells this draft from another.
    pub draft: DraftIdentity,
    /// Versions and tables to create or change, and the release.
    pub items: Vec<Item>,
}

/// What tells one draft of a dataset from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DraftIdentity {
    /// The newest released version.
    pub current_tag: Option<String>,
    /// `next`'s index, when it exists.
    pub next_index: Option<u64>,
    /// `next`'s creation time, when it exists.
    pub next_created_at: Option<i64>,
    /// Whether `next` exists.
    pub has_next: bool,
}

impl Plan {
    /// Every item, dataset items first, then jobs in order.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        let datasets = self.datasets.iter().flat_map(|one| &one.items);
        datasets.chain(self.jobs.iter().flat_map(|one| &one.items))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.items().all(|item| item.action == Action::None)
    }

    /// Items that stop their job or source.
    pub fn has_conflicts(&self) -> bool {
        self.items()
            .any(|item| matches!(item.class, Class::Conflict | Class::Locked))
    }
}
