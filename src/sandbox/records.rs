//! What is remembered, and the effects that change it. An effect carries whole
//! records ("this is now so"), so that replaying a log and serving a request go
//! through the same code and replaying twice does no harm.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bodies::BodyRef;
use crate::base::{Md5Digest, MergeStrategy, VariableType};

pub(super) type DatasetId = u32;
pub(super) type VersionIndex = u32;
pub(super) type TableId = u32;
pub(super) type UploadId = u64;

/// A table of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct TableKey {
    pub(super) dataset: DatasetId,
    pub(super) version: VersionIndex,
    pub(super) table: TableId,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DatasetRecord {
    pub(super) id: DatasetId,
    pub(super) owner: String,
    pub(super) is_user: bool,
    pub(super) name: String,
    pub(super) reference: String,
    pub(super) description: Option<String>,
    pub(super) public_access: String,
    pub(super) labels: Vec<String>,
    pub(super) created: i64,
    pub(super) updated: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent facts of the platform's version"
)]
pub(super) struct VersionRecord {
    pub(super) dataset: DatasetId,
    pub(super) index: VersionIndex,
    /// `next` until it is released.
    pub(super) tag: String,
    pub(super) released: bool,
    pub(super) deleted: bool,
    /// Whether the draft differs from what it inherits.
    pub(super) changed: bool,
    /// Whether a release must be a major one.
    pub(super) major: bool,
    pub(super) label: Option<String>,
    pub(super) notes: Option<String>,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) released_at: Option<i64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct VariableNotes {
    pub(super) label: Option<String>,
    pub(super) description: Option<String>,
    pub(super) value_labels: Option<Value>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TableRecord {
    pub(super) key: TableKey,
    pub(super) name: String,
    pub(super) reference: String,
    pub(super) description: Option<String>,
    pub(super) is_file_index: bool,
    #[serde(with = "merge")]
    pub(super) merge: MergeStrategy,
    pub(super) created: i64,
    pub(super) updated: i64,
    /// The version whose table of the same id it continues.
    pub(super) inherits: Option<VersionIndex>,
    /// By lower-case variable name.
    pub(super) notes: BTreeMap<String, VariableNotes>,
}

/// A variable of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    #[serde(with = "variable")]
    pub(super) kind: VariableType,
}

/// A run of inserted rows in an upload's file of rows.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Rows {
    pub(super) bytes: u64,
    pub(super) count: u64,
}

/// How the import of an upload ended, or will end once it was polled enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Import {
    /// A stream: there is nothing to import.
    None,
    Completed,
    Failed(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UploadRecord {
    pub(super) table: TableKey,
    pub(super) id: UploadId,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) import: Import,
    /// As sent: delimiter and the like, for the get form.
    pub(super) options: BTreeMap<String, Value>,
    pub(super) schema: Vec<Column>,
    pub(super) body: BodyRef,
    pub(super) size: u64,
    #[serde(with = "md5")]
    pub(super) md5: Option<Md5Digest>,
    /// Rows of a file, when they could be counted.
    pub(super) file_rows: Option<u64>,
    pub(super) bad_records: u64,
    /// Rows that were inserted.
    pub(super) rows: Rows,
    pub(super) created: i64,
    pub(super) updated: i64,
}

impl UploadRecord {
    pub(super) fn is_stream(&self) -> bool {
        self.kind == "stream"
    }

    pub(super) fn num_rows(&self) -> Option<u64> {
        if self.is_stream() {
            Some(self.rows.count)
        } else {
            self.file_rows
        }
    }
}

/// A file of a file-index table.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileRecord {
    pub(super) number: u64,
    pub(super) name: Box<str>,
    pub(super) size: u64,
    #[serde(with = "md5")]
    pub(super) md5: Option<Md5Digest>,
    pub(super) added: i64,
    pub(super) body: BodyRef,
}

pub(super) type FileMap = BTreeMap<Box<str>, Arc<FileRecord>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TempMode {
    Plain,
    Resumable,
    /// The older dialect: the URL is a session's.
    Session,
}

/// Bytes that arrived for a temp upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) body: BodyRef,
    pub(super) bytes: u64,
    #[serde(with = "md5")]
    pub(super) md5: Option<Md5Digest>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct TempRecord {
    pub(super) id: String,
    pub(super) dataset: DatasetId,
    pub(super) table: TableId,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) mode: TempMode,
    pub(super) created: i64,
    pub(super) expired: bool,
    pub(super) stored: Option<Stored>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SessionState {
    Open,
    Complete,
    /// 404.
    Lost,
    /// 410.
    Gone,
    /// 499.
    Cancelled,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SessionRecord {
    pub(super) id: String,
    pub(super) temp: String,
    /// `x-upload-content-length`.
    pub(super) total: Option<u64>,
    pub(super) created: i64,
    pub(super) state: SessionState,
}

/// One change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Effect {
    Dataset(DatasetRecord),
    DropDataset(DatasetId),
    Version(VersionRecord),
    DropVersion(DatasetId, VersionIndex),
    Table(TableRecord),
    /// The table's files are those of the version it inherits from.
    InheritFiles(TableKey),
    DropTable(TableKey),
    Upload(UploadRecord),
    DropUpload(TableKey, UploadId),
    Files {
        table: TableKey,
        at: i64,
        files: Vec<Arc<FileRecord>>,
        spent: Vec<String>,
    },
    Temps(Vec<TempRecord>),
    DropTemps(Vec<String>),
    Session(SessionRecord),
    DropSession(String),
}

mod md5 {
    //! As 32 digits.
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::base::Md5Digest;

    #[expect(
        clippy::ref_option,
        reason = "serde's `with` passes a reference to the field"
    )]
    pub(super) fn serialize<S: Serializer>(
        digest: &Option<Md5Digest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let mut text = String::with_capacity(32);
                for byte in digest.as_bytes() {
                    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
                    text.push(char::from(DIGITS[usize::from(byte & 15)]));
                }
                serializer.serialize_str(&text)
            }
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Md5Digest>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom))
            .transpose()
    }
}

mod merge {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::base::MergeStrategy;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's `with` passes a reference to the field"
    )]
    pub(super) fn serialize<S: Serializer>(
        merge: &MergeStrategy,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(merge.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<MergeStrategy, D::Error> {
        let word = String::deserialize(deserializer)?;
        MergeStrategy::from_word(&word).ok_or_else(|| serde::de::Error::custom("merge strategy"))
    }
}

mod variable {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::base::VariableType;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde's `with` passes a reference to the field"
    )]
    pub(super) fn serialize<S: Serializer>(
        kind: &VariableType,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<VariableType, D::Error> {
        let word = String::deserialize(deserializer)?;
        VariableType::from_word(&word).ok_or_else(|| serde::de::Error::custom("variable type"))
    }
}
