//! The plan of one job: its items, and what its execution needs beside them.

use super::class::{Action, Class, Reason};
use super::subject::Subject;
use super::{Amount, Item};
use crate::base::{Fingerprint, ManifestName, PartIdentity, SourceKey, TableRef, VariableType};
use crate::manifest::Variable;
use crate::plan::history::History;
use crate::source::RowInput;
use crate::source::rows::{Cut, Rounded};

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
    pub history: History,
    /// New uploads replace the released rows.
    pub replaces: bool,
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
    pub schema: Vec<Variable>,
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
    pub input: RowInput,
    /// Its cuts, in order.
    pub cuts: Vec<Cut>,
    /// As it was after the pass.
    pub fingerprint: Fingerprint,
    /// Encoded rows.
    pub rows: u64,
    /// Rows that could not be encoded.
    pub rejects: u64,
    /// The first number of each column that the platform may round.
    pub rounded: Vec<Rounded>,
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
                | Subject::Variable(_)
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
    pub(in crate::plan) fn hold(&mut self, reason: Reason, note: String) {
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
                    trouble: None,
                },
            },
        );
    }
}
