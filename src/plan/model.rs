//! A plan as data: what was compared, what each item is, and what would be done
//! about it. Nothing here holds a secret, a clock time or an absolute path.

use std::path::PathBuf;

use serde::Serialize;

use crate::base::{
    DatasetRef, FileName, Fingerprint, ManifestName, Md5Digest, MergeStrategy, PartIdentity,
    Sha256Digest, SourceKey, TableRef, UploadOptions, UploadType, VariableType, Version,
};
use crate::redivis::{RemoteFile, RemoteUpload, ResourceUri};
use crate::source::rows::Cut;

/// The version of the plan's NDJSON. 1: the first.
pub const PLAN_FORMAT: u32 = 1;

/// What an item is, compared with the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Only local.
    New,
    /// On both sides, with other content.
    Changed,
    /// On both sides, equal.
    Unchanged,
    /// Only on the remote.
    Extra,
    /// Ours, in the draft, and no longer wanted.
    Superseded,
    /// Ours, released, and no longer what the source says.
    Locked,
    /// Ours, and not usable: a failed upload or an unfinished attempt.
    Broken,
    /// Left out on purpose.
    Skipped,
    /// Cannot be decided, or must not be done.
    Conflict,
}

impl Class {
    /// All of them, in the order of the legend.
    pub const ALL: [Self; 9] = [
        Self::New,
        Self::Changed,
        Self::Unchanged,
        Self::Extra,
        Self::Superseded,
        Self::Locked,
        Self::Broken,
        Self::Skipped,
        Self::Conflict,
    ];

    /// The word in plans and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Extra => "extra",
            Self::Superseded => "superseded",
            Self::Locked => "locked",
            Self::Broken => "broken",
            Self::Skipped => "skipped",
            Self::Conflict => "conflict",
        }
    }

    /// The character at the start of the item's line.
    pub const fn sigil(self) -> char {
        match self {
            Self::New => '+',
            Self::Changed => '~',
            Self::Unchanged => '=',
            Self::Extra => '.',
            Self::Superseded => '-',
            Self::Locked => '#',
            Self::Broken => '%',
            Self::Skipped => '?',
            Self::Conflict => '!',
        }
    }
}

/// Why an item has its class: a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing of that name on the remote.
    NotOnRemote,
    /// Another size.
    OtherSize,
    /// The same size, another MD5.
    OtherMd5,
    /// The same size and MD5.
    SameMd5,
    /// The same size, and `--compare size` asks for no more.
    SameSize,
    /// The remote tells no MD5; a receipt of ours does.
    Receipt,
    /// The remote tells no MD5 and there is no receipt.
    Unverifiable,
    /// `on_change: keep`.
    Kept,
    /// `on_change: fail`.
    ChangeRefused,
    /// The remote has a name that no source gives.
    NotInSources,
    /// Not in the sources, but a new item has its size and MD5.
    MaybeRenamed,
    /// `extra: fail` or `on_missing: fail`.
    ExtraRefused,
    /// Younger than `min_age`.
    TooYoung,
    /// A link, and `symlinks: skip`.
    Symlink,
    /// A socket, a pipe or a device.
    NotAFile,
    /// Nothing is left out; the message says what to look at.
    Warning,
    /// Cannot be read, named or matched; the message says more.
    SourceProblem,
    /// The remote lists the part with all its rows.
    Delivered,
    /// Delivered under the name of a source that is no longer there.
    Renamed,
    /// Delivered in a released version.
    Released,
    /// The source's content changed.
    SourceChanged,
    /// The source is no longer matched.
    SourceMissing,
    /// An attempt that did not get all its rows, or a failed upload.
    Incomplete,
    /// The platform still imports it; it is waited for.
    Importing,
    /// A second complete attempt of one identity.
    Duplicate,
    /// Its old rows are released, and `on_released: fail`.
    RowsReleased,
    /// More rejects than `rejects.max`.
    TooManyRejects,
    /// The source has no rows, and the remote holds its parts.
    NoRows,
    /// A guard of `expect` fails.
    ExpectFailed,
    /// The remote's variables do not fit the schema.
    SchemaConflict,
    /// A released version's uploads cannot be told.
    HistoryUnreadable,
    /// The remote has two uploads whose names compare equal.
    RemoteTwins,
    /// Uploads of others on a table that is replaced as a whole.
    ForeignUploads,
    /// A part of the wanted rows cannot be seen by this run.
    PartialReplace,
    /// The table is of the other kind.
    WrongKind,
    /// It does not exist and `prepare` does not allow to create it.
    NotPrepared,
    /// Another item of the same source or job stands in the way.
    Held,
    /// A setting differs from the manifest's.
    SettingDiffers,
    /// It does not exist yet.
    Missing,
    /// Everything of the table is sent again: `merge: replace`.
    Replacing,
    /// `next` holds changes of ours.
    Pending,
}

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    None,
    /// Create a version or a table.
    Create,
    /// PATCH settings.
    Update,
    /// Send bytes or rows.
    Send,
    /// Delete an upload of ours.
    Delete,
    /// Release the draft.
    Release,
}

impl Action {
    /// The word in plans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Create => "create",
            Self::Update => "update",
            Self::Send => "send",
            Self::Delete => "delete",
            Self::Release => "release",
        }
    }
}

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

/// The kinds of thing that a plan is about.
#[derive(Debug, Clone)]
pub enum Subject {
    /// The `next` version of a dataset.
    Version(DatasetRef),
    /// A table, and what it should become.
    Table(TableSubject),
    /// A local file, and what a file-index table has under its name.
    File(FileSubject),
    /// A file that only the remote has.
    RemoteFile(RemoteFile),
    /// A run of rows of one source.
    Part(PartSubject),
    /// A bulk upload.
    Upload(UploadSubject),
    /// An upload of ours on the remote, to be deleted, reported or refused.
    Listed(ListedSubject),
    /// A row source or an upload's file as a whole, or a path that is left out.
    Source {
        /// Relative to the manifest's root.
        path: String,
    },
}

/// A table that is created or changed.
#[derive(Debug, Clone)]
pub struct TableSubject {
    /// Which.
    pub table: TableRef,
    /// Whether its records are files.
    pub is_file_index: bool,
    /// `None`: left as it is.
    pub merge: Option<MergeStrategy>,
    /// `None`: left as it is.
    pub description: Option<String>,
}

/// A file.
#[derive(Debug, Clone)]
pub struct FileSubject {
    /// Its remote name.
    pub name: FileName,
    /// Where it is.
    pub path: PathBuf,
    /// The same, relative to the manifest's root, for people.
    pub shown: String,
    /// As it was when planned.
    pub local: Fingerprint,
    /// Its MD5 where the plan had to know it.
    pub md5: Option<Md5Digest>,
    /// What the remote has under the name.
    pub before: Option<RemoteFile>,
}

/// A part: rows of one source.
#[derive(Debug, Clone)]
pub struct PartSubject {
    /// Index of the source among the job's inputs.
    pub input: usize,
    /// Relative path of the source.
    pub shown: String,
    /// Index of the cut in the source's pass.
    pub cut: usize,
    /// What it holds.
    pub identity: PartIdentity,
    /// Bytes of its payload.
    pub bytes: u64,
}

/// A bulk upload.
#[derive(Debug, Clone)]
pub struct UploadSubject {
    /// Index of the file among the job's inputs.
    pub input: usize,
    /// Relative path of the file.
    pub shown: String,
    /// Where it is.
    pub path: PathBuf,
    /// As it was when planned.
    pub fingerprint: Fingerprint,
    /// Its MD5.
    pub md5: Md5Digest,
    /// What it holds.
    pub identity: PartIdentity,
    /// How the platform reads it.
    pub kind: UploadType,
    /// Options passed on.
    pub options: UploadOptions,
    /// More bad records than this is a failure.
    pub max_bad_records: u64,
    /// The upload of a file that vanished, with the same content.
    pub renamed_from: Option<PartIdentity>,
    /// An upload of the same file that the platform still imports: it is waited
    /// for instead of being sent again.
    pub importing: Option<ListedSubject>,
}

impl UploadSubject {
    /// Whether a listed upload is this file's content.
    pub fn is(&self, listed: &PartIdentity) -> bool {
        listed.same_rows(&self.identity)
            || self
                .renamed_from
                .as_ref()
                .is_some_and(|one| listed.same_rows(one))
    }
}

/// An upload that the remote lists.
#[derive(Debug, Clone)]
pub struct ListedSubject {
    /// Its address.
    pub uri: ResourceUri,
    /// Its name.
    pub name: String,
    /// Its identity, if it is one of ours.
    pub identity: Option<PartIdentity>,
    /// Relative path of the source, when the source is known.
    pub shown: Option<String>,
    /// Rows in it.
    pub rows: Option<u64>,
}

impl ListedSubject {
    /// From what the remote says.
    pub fn of(
        upload: &RemoteUpload,
        identity: Option<PartIdentity>,
        shown: Option<String>,
    ) -> Self {
        Self {
            uri: upload.uri.clone(),
            name: upload.name.clone(),
            identity,
            shown,
            rows: upload.num_rows,
        }
    }
}

/// The plan of one job.
#[derive(Debug)]
pub struct JobPlan {
    /// The job.
    pub job: ManifestName,
    /// Its index in the manifest.
    pub index: usize,
    /// The table it writes.
    pub table: TableRef,
    /// What is known of its sources.
    pub content: JobContent,
    /// Everything but unchanged items, in a stable order; unchanged ones too
    /// when they were asked for.
    pub items: Vec<Item>,
    /// Items, bytes and rows that are equal on both sides.
    pub unchanged: Amount,
    /// Rows that could not be encoded here.
    pub rejects: u64,
    /// `merge: replace`: rows of the last release that go.
    pub replaced_rows: Option<u64>,
    /// A guard took every action from the job.
    pub held: bool,
    /// What released versions hold of the table.
    pub history: super::history::History,
}

/// What a job's execution needs beside the items.
#[derive(Debug)]
pub enum JobContent {
    /// Files need no more.
    Files,
    /// Rows: the sources with their cuts, and the resolved schema.
    Rows(RowsContent),
    /// Bulk uploads.
    Uploads {
        /// The owner of their names.
        owner: SourceKey,
        /// What is listed when all of them are delivered.
        wanted: Vec<PartIdentity>,
    },
}

/// The passes over a job's row sources.
#[derive(Debug)]
pub struct RowsContent {
    /// The owner of the parts' names.
    pub owner: SourceKey,
    /// The variables, declared or inferred.
    pub schema: Vec<crate::manifest::Variable>,
    /// One for each input, in order.
    pub inputs: Vec<RowsInputPlan>,
}

impl RowsContent {
    /// Names and types, as an upload is created with.
    pub fn variables(&self) -> Vec<(String, VariableType)> {
        self.schema
            .iter()
            .map(|one| (one.name.clone(), one.kind))
            .collect()
    }
}

/// One row source and how it was cut.
#[derive(Debug)]
pub struct RowsInputPlan {
    /// The source.
    pub input: crate::source::RowInput,
    /// Its cuts, in order.
    pub cuts: Vec<Cut>,
    /// As it was after the pass.
    pub fingerprint: Fingerprint,
    /// Encoded rows.
    pub rows: u64,
    /// Rows that could not be encoded.
    pub rejects: u64,
}

impl RowsInputPlan {
    /// Parts that it keeps and that were delivered for another source.
    pub fn renamed(&self) -> impl Iterator<Item = &PartIdentity> {
        self.cuts
            .iter()
            .filter_map(|cut| cut.kept.as_ref())
            .filter(|kept| kept.source != self.input.key)
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

/// What a job's sources amount to, sent or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Files, row sources or bulk uploads.
    pub files: u64,
    /// Their bytes; payload bytes for rows.
    pub bytes: u64,
    /// Encoded rows; `None` where only the platform can count them.
    pub rows: Option<u64>,
}

impl JobPlan {
    /// What the sources amount to.
    pub fn wanted(&self) -> Wanted {
        if let JobContent::Rows(content) = &self.content {
            return Wanted {
                files: content.inputs.len() as u64,
                bytes: content
                    .inputs
                    .iter()
                    .flat_map(|one| &one.cuts)
                    .map(|cut| cut.bytes)
                    .sum(),
                rows: Some(content.inputs.iter().map(|one| one.rows).sum()),
            };
        }
        let mut wanted = Wanted {
            files: self.unchanged.items,
            bytes: self.unchanged.bytes,
            rows: None,
        };
        for item in self
            .items
            .iter()
            .filter(|item| item.class != Class::Unchanged)
        {
            let size = match &item.subject {
                Subject::File(file) => file.local.size,
                Subject::Upload(upload) => upload.fingerprint.size,
                Subject::Version(_)
                | Subject::Table(_)
                | Subject::RemoteFile(_)
                | Subject::Part(_)
                | Subject::Listed(_)
                | Subject::Source { .. } => continue,
            };
            wanted.files += 1;
            wanted.bytes += size;
        }
        wanted
    }

    /// Whether a guard took every action from the job.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Takes every action from the job and says why: nothing of it is sent.
    pub(super) fn hold(&mut self, reason: Reason, note: String) {
        self.held = true;
        self.replaced_rows = None;
        for item in self
            .items
            .iter_mut()
            .filter(|item| item.action != Action::None)
        {
            item.action = Action::None;
            item.reason = Reason::Held;
        }
        self.items.insert(
            0,
            Item {
                class: Class::Conflict,
                reason,
                action: Action::None,
                note: Some(note),
                subject: Subject::Source {
                    path: self.table.table().to_owned(),
                },
            },
        );
    }
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
