//! What a comparison found.

use serde::Serialize;

/// How many examples of each difference are told.
const EXAMPLES: usize = 5;

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// In the manifest's order.
    pub jobs: Vec<JobProof>,
    /// What no job has put into its tables.
    pub tables: Vec<TableProof>,
}

impl Proof {
    /// Whether the tables hold what the sources hold, each once, and nothing
    /// else.
    pub fn is_equal(&self) -> bool {
        self.jobs.iter().all(|job| job.differences.is_none())
            && self.tables.iter().all(|table| table.foreign == 0)
    }

    /// Whether all that differs is that something is not there yet.
    pub fn is_only_missing(&self) -> bool {
        let only = |job: &JobProof| {
            let Differences {
                missing: _,
                different,
                doubled,
                foreign,
                out_of_order,
            } = job.differences;
            different + doubled + foreign + out_of_order == 0
        };
        self.jobs.iter().all(only) && self.tables.iter().all(|table| table.foreign == 0)
    }

    /// Bytes that must go out at least once: files, uploads and payloads.
    pub fn payload_bytes(&self) -> u64 {
        self.jobs.iter().map(|job| job.payload_bytes).sum()
    }
}

/// What a job sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Files.
    Files,
    /// Rows.
    Rows,
    /// Bulk uploads.
    Uploads,
}

/// One job: its sources and what is stored of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobProof {
    /// The job's name.
    pub job: String,
    /// `owner.dataset.table`.
    pub table: String,
    /// What differences count: files, rows or uploads.
    pub kind: Kind,
    /// Local files that were read.
    pub sources: u64,
    /// Stored files, parts or uploads that are this job's.
    pub stored: u64,
    /// Bytes of the sources: of files, uploads or encoded rows.
    pub bytes: u64,
    /// Encoded rows of the sources; 0 unless the job sends rows.
    pub rows: u64,
    /// Rows that cannot be encoded and are left out.
    pub rejected: u64,
    /// Rows that the platform refused and the manifest's limit allows.
    pub refused: u64,
    /// Bytes that must go out at least once.
    pub payload_bytes: u64,
    /// What differs.
    pub differences: Differences,
    /// The first of each difference, in words.
    pub examples: Vec<String>,
}

impl JobProof {
    pub(super) fn new(job: &crate::manifest::Job, kind: Kind) -> Self {
        Self {
            job: job.name.to_string(),
            table: format!("{}.{}", job.table.dataset(), job.table.table()),
            kind,
            sources: 0,
            stored: 0,
            bytes: 0,
            rows: 0,
            rejected: 0,
            refused: 0,
            payload_bytes: 0,
            differences: Differences::default(),
            examples: Vec::new(),
        }
    }

    pub(super) fn example(&mut self, text: impl FnOnce() -> String) {
        push(&mut self.examples, text);
    }
}

/// How many files, uploads or rows differ, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Differences {
    /// In the sources, not stored.
    pub missing: u64,
    /// Stored with another content.
    pub different: u64,
    /// Stored once more than they are in the sources, for each time.
    pub doubled: u64,
    /// Stored, in no source.
    pub foreign: u64,
    /// Sources whose rows are all there, in another order.
    pub out_of_order: u64,
}

impl Differences {
    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn add(&mut self, other: Self) {
        let Self {
            missing,
            different,
            doubled,
            foreign,
            out_of_order,
        } = other;
        self.missing += missing;
        self.different += different;
        self.doubled += doubled;
        self.foreign += foreign;
        self.out_of_order += out_of_order;
    }
}

/// What a table holds that no job of the manifest has put there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableProof {
    /// `owner.dataset.table`.
    pub table: String,
    /// Files and uploads, empty ones that were left over included.
    pub foreign: u64,
    /// The first of them, in words.
    pub examples: Vec<String>,
}

impl TableProof {
    pub(super) fn new(table: String) -> Self {
        Self {
            table,
            foreign: 0,
            examples: Vec::new(),
        }
    }

    pub(super) fn found(&mut self, text: impl FnOnce() -> String) {
        self.foreign += 1;
        push(&mut self.examples, text);
    }
}

fn push(examples: &mut Vec<String>, text: impl FnOnce() -> String) {
    if examples.len() < EXAMPLES {
        examples.push(text());
    }
}
