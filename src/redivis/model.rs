//! What the platform says of its resources, in our words. Sizes are bytes, row
//! counts are rows; a `None` is a field that the answer left out or had null.

use super::endpoint::{AddressError, checked_path};
use crate::base::{
    Md5Digest, MergeStrategy, SignedUrl, UploadOptions, UploadType, VariableMetadata, VariableType,
};

/// The address of a resource, as the platform returned it: a path under the API
/// base, checked to stay under it. Never computed by us (contract 6.4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceUri(String);

impl ResourceUri {
    /// Checks an address that an answer or the state holds.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        checked_path(text).map(Self)
    }

    /// The path, such as `/tables/owner.data:next.table/uploads/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDataset {
    /// `owner.name:id` as the platform spells it.
    pub qualified_reference: String,
    /// The tag of the version that the request resolved to, when stated.
    pub version_tag: Option<String>,
    /// Whether a `next` version exists.
    pub has_next: bool,
}

/// A version of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteVersion {
    /// `next`, or `v1.0` and so on.
    pub tag: String,
    /// 0-based.
    pub index: Option<u64>,
    /// Whether it is released.
    pub is_released: bool,
    /// Whether it is deleted.
    pub is_deleted: bool,
    /// Milliseconds since 1970.
    pub created_at: Option<i64>,
    /// Likewise; changes when a version is released again.
    pub released_at: Option<i64>,
    /// Whether it could be released now (get form only): not when nothing changed,
    /// nor while an upload runs or has failed.
    pub can_release: Option<bool>,
}

/// A table of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTable {
    /// Its address.
    pub uri: ResourceUri,
    /// Its name as the user wrote it.
    pub name: String,
    /// Whether its records are files; fixed at creation.
    pub is_file_index: bool,
    /// Not a proof for a draft (contract 5.1).
    pub num_rows: Option<u64>,
    /// Null on released versions.
    pub merge: Option<MergeStrategy>,
    /// Its description.
    pub description: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: Option<i64>,
}

/// A variable of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteVariable {
    /// Its name.
    pub name: String,
    /// Its type; `None` for a word we do not know.
    pub kind: Option<VariableType>,
    /// What is said of it. The list form has the label only (contract 5.3).
    pub metadata: VariableMetadata,
}

/// An upload's life (contract 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadStatus {
    /// No content yet, or not said.
    Empty,
    /// `queued`.
    Queued,
    /// `running`, or a word we do not know: keep polling.
    Running,
    /// `completed` or `succeeded`.
    Completed,
    /// `failed` or `cancelled`.
    Failed,
}

/// An upload of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUpload {
    /// Its address.
    pub uri: ResourceUri,
    /// Its name as the server holds it.
    pub name: String,
    /// Where it stands.
    pub status: UploadStatus,
    /// Rows in it; may lag for a stream.
    pub num_rows: Option<u64>,
    /// Bytes of the file sent.
    pub size: Option<u64>,
    /// Of the file's content.
    pub md5: Option<Md5Digest>,
    /// Records that were dropped (get form only).
    pub bad_records: Option<u64>,
    /// Why it failed (get form only).
    pub error_message: Option<String>,
}

/// A file of a file-index table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its id.
    pub id: String,
    /// Its name in the table.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Null for some large objects (contract Q7).
    pub md5: Option<Md5Digest>,
}

/// A new table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTable {
    /// `uploadMergeStrategy`; `None`: the platform's default.
    pub merge: Option<MergeStrategy>,
    /// `isFileIndex`.
    pub is_file_index: bool,
    /// `description`.
    pub description: Option<String>,
}

/// What to change of a table; `None` leaves a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TablePatch {
    /// `uploadMergeStrategy`.
    pub merge: Option<MergeStrategy>,
    /// `description`.
    pub description: Option<String>,
}

/// One entry of `tempUploads`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTempUpload {
    /// Sent as advised in contract 8.4.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// What we ask for; the answer decides.
    pub resumable: bool,
}

/// A place to put one file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TempUpload {
    /// What later calls name.
    pub id: String,
    /// Where the bytes go.
    pub url: SignedUrl,
    /// How they go.
    pub mode: TransferMode,
}

/// How a temp upload takes its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferMode {
    /// One PUT.
    Plain,
    /// POST to open a session, then chunks.
    Resumable,
    /// The URL is already a session's (`--protocol legacy`).
    Session,
}

/// A staged file to be attached to a file-index table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedFile {
    /// The remote name.
    pub name: String,
    /// The temp upload that holds its bytes.
    pub temp_upload_id: String,
}

/// What a new upload is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadContent {
    /// Rows that will be inserted; the schema as name and type.
    Stream(Vec<(String, VariableType)>),
    /// A staged file.
    Temp {
        /// The temp upload that holds its bytes.
        temp_upload_id: String,
        /// `None`: the platform detects it from the name.
        kind: Option<UploadType>,
        /// Options passed on.
        options: Box<UploadOptions>,
    },
}

/// How the server answered a status query of a resumable session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStatus {
    /// All bytes are there.
    Complete,
    /// The server has this many bytes.
    Offset(u64),
    /// 404 or 410: start again.
    Gone,
}
