//! What an item is about.

use std::path::PathBuf;

use crate::base::{
    DatasetRef, FileName, Fingerprint, Md5Digest, MergeStrategy, PartIdentity, Sha256Digest,
    TableRef, UploadOptions, UploadType, VariableMetadata,
};
use crate::redivis::{RemoteFile, RemoteUpload, ResourceUri};
use crate::source::SourceError;

/// The kinds of thing that a plan is about.
#[derive(Debug, Clone)]
pub enum Subject {
    /// The `next` version of a dataset.
    Version(DatasetRef),
    /// A table, and what it should become.
    Table(TableSubject),
    /// A variable of a table, and what is to be said of it.
    Variable(Box<VariableSubject>),
    /// A local file, and what a file-index table has under its name.
    File(FileSubject),
    /// A file that only the remote has.
    RemoteFile(RemoteFile),
    /// A run of rows of one source.
    Part(PartSubject),
    /// A bulk upload.
    Upload(Box<UploadSubject>),
    /// An upload of ours on the remote, to be deleted, reported or refused.
    Listed(ListedSubject),
    /// A row source or an upload's file as a whole, or a path that is left out.
    Source {
        /// Relative to the manifest's root.
        path: String,
        /// What is wrong with it, if something is.
        trouble: Option<Trouble>,
    },
}

/// What is wrong with a source, as a diagnostic tells it beside the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// The stable code, such as `source/no-match`.
    pub code: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

impl Trouble {
    /// A source without rows where rows are wanted.
    pub const NO_ROWS: Self = Self {
        code: "source/no-rows",
        help: "if that is right, say `allow_empty: true`",
    };

    /// Of a source that cannot be read.
    pub const fn of(error: &SourceError) -> Self {
        Self {
            code: error.code(),
            help: error.help(),
        }
    }
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
    /// What it has of these two.
    pub before: TableBefore,
}

/// A table's settings as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableBefore {
    /// `None`: not told, as by a released version, or there is no table.
    pub merge: Option<MergeStrategy>,
    /// `None`: there is none.
    pub description: Option<String>,
}

/// A variable of which the manifest says something else than the table does.
#[derive(Debug, Clone)]
pub struct VariableSubject {
    /// The table.
    pub table: TableRef,
    /// Its name: the platform's, once it is there.
    pub name: String,
    /// What the table says, of the fields that change; `None`: the variable is not
    /// there yet.
    pub before: Option<VariableMetadata>,
    /// What shall be said; only what differs.
    pub wanted: VariableMetadata,
}

impl VariableSubject {
    /// The name that plans and reports know it by.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.table, self.name)
    }
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
    /// Its SHA-256.
    pub sha256: Sha256Digest,
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
