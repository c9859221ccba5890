//! The checked manifest: what the rest of the program works from. Everything in
//! it has been checked, defaults are filled in, variables are expanded. Only
//! `check.rs` makes these values.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::{
    ByteCount, DatasetRef, ManifestName, MergeStrategy, Sha256Digest, TableRef, UploadOptions,
    UploadType, VariableMetadata, VariableType,
};

/// A whole manifest. At least one job; job names are unique; order is the
/// file's.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Owns its parts and uploads on the remote, keys state and reports.
    pub name: ManifestName,
    /// The folder that relative paths start from. Absolute.
    pub root: PathBuf,
    /// SHA-256 of the manifest's text as read.
    pub digest: Sha256Digest,
    /// What a run may create.
    pub prepare: Prepare,
    /// Whether a run ends with a release.
    pub release: Release,
    /// Settings of tables, in the manifest's order; only tables that some job
    /// writes.
    pub tables: Vec<TableSettings>,
    /// The work, in the manifest's order.
    pub jobs: Vec<Job>,
}

impl Manifest {
    /// The settings of a table, if the manifest states any.
    pub fn settings_of(&self, table: &TableRef) -> Option<&TableSettings> {
        self.tables
            .iter()
            .find(|settings| settings.table.matches(table))
    }

    /// Every variable of a table of which something is stated, each once, in the
    /// order of `tables` and then of the jobs; all jobs count, selected or not.
    /// The check has seen that no two places contradict each other.
    pub fn variables_of(&self, table: &TableRef) -> Vec<(String, VariableMetadata)> {
        super::metadata::variables_of(self, table)
    }

    /// Every dataset that some job writes, each once, in order of appearance.
    pub fn datasets(&self) -> Vec<&DatasetRef> {
        let mut found: Vec<&DatasetRef> = Vec::new();
        for job in &self.jobs {
            let dataset = job.table.dataset();
            if !found.iter().any(|known| known.matches(dataset)) {
                found.push(dataset);
            }
        }
        found
    }
}

/// `prepare:`: what a run may create. All false unless said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prepare {
    /// A `next` version when there is none.
    pub next_version: bool,
    /// Tables that do not exist.
    pub tables: bool,
}

/// `release:`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Release {
    /// Never by a run.
    #[default]
    No,
    /// As the last step of a run.
    Yes {
        /// Release notes.
        notes: Option<String>,
        /// What to do when the draft holds changes that are not ours.
        others: Others,
    },
}

impl Release {
    /// What the release says of itself.
    pub fn notes(&self) -> Option<&str> {
        match self {
            Self::No => None,
            Self::Yes { notes, .. } => notes.as_deref(),
        }
    }
}

/// `release: {others: ..}`: changes in the draft that are not ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Others {
    /// Refuse to release.
    #[default]
    Fail,
    /// Release them too.
    Allow,
}

/// `tables:`: what belongs to a table rather than to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSettings {
    /// The table.
    pub table: TableRef,
    /// `None`: the table's strategy is left as it is.
    pub merge: Option<MergeStrategy>,
    /// `None`: left as it is.
    pub description: Option<String>,
    /// What is said of its variables, by name; names are unique under the
    /// platform's escaping.
    pub variables: Vec<(String, VariableMetadata)>,
}

/// One unit of work: sources of one kind into one table.
#[derive(Debug, Clone)]
pub struct Job {
    /// Unique in the manifest.
    pub name: ManifestName,
    /// The table written.
    pub table: TableRef,
    /// For `--tag`.
    pub tags: Vec<String>,
    /// What is sent.
    pub source: Source,
    /// A glob that matches nothing, or a source without rows, is no error.
    pub allow_empty: bool,
    /// Guards on what is sent.
    pub expect: Expect,
}

/// The three kinds of source.
#[derive(Debug, Clone)]
pub enum Source {
    /// Files into a file-index table.
    Files(FilesSource),
    /// Rows of CSV and JSON files, sent as parts.
    Rows(RowsSource),
    /// Bulk tabular files, imported by the platform.
    Uploads(UploadsSource),
}

/// `expect:`: guards, each optional.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expect {
    /// Fewest files (files and uploads).
    pub min_files: Option<u64>,
    /// Most files.
    pub max_files: Option<u64>,
    /// Fewest bytes.
    pub min_bytes: Option<ByteCount>,
    /// Most bytes.
    pub max_bytes: Option<ByteCount>,
    /// Fewest rows.
    pub min_rows: Option<u64>,
    /// Most rows.
    pub max_rows: Option<u64>,
    /// By how much the table may shrink against the last release, as a fraction
    /// from 0 to 1.
    pub max_shrink: Option<f64>,
}

/// One `glob:` or `path:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEntry {
    /// What to match, relative to the manifest's root unless absolute.
    pub pattern: PathPattern,
    /// Patterns of paths to leave out (relative to the root), the job's own
    /// added.
    pub exclude: Vec<String>,
    /// The pattern has variables.
    pub varies: bool,
}

/// How an entry names its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// `*`, `?`, `[..]` and `**`; syntax of `glob::Pattern`.
    Glob(String),
    /// A literal name, whatever characters it has.
    Literal(String),
}

impl PathPattern {
    /// As written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Glob(text) | Self::Literal(text) => text,
        }
    }
}

/// A job's files.
#[derive(Debug, Clone)]
pub struct FilesSource {
    /// At least one.
    pub entries: Vec<FilesEntry>,
    /// When the remote file differs.
    pub on_change: OnFileChange,
    /// Files that only the remote has.
    pub extra: Extra,
    /// Symbolic links.
    pub symlinks: Symlinks,
    /// Younger files are skipped (`too_young`).
    pub min_age: Duration,
}

/// One entry of `files:`.
#[derive(Debug, Clone)]
pub struct FilesEntry {
    /// What to match.
    pub paths: PathEntry,
    /// Remote names are relative to this folder; `None`: the glob's literal
    /// folder, or a literal path's own folder.
    pub base: Option<String>,
    /// Put before each remote name. Empty, or checked to give valid names.
    pub prefix: String,
}

/// `on_change` of a files job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFileChange {
    /// Send the local file.
    #[default]
    Replace,
    /// Leave the remote file.
    Keep,
    /// A conflict.
    Fail,
}

/// `extra`: what a file only on the remote means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extra {
    /// Say so.
    #[default]
    Report,
    /// A conflict.
    Fail,
}

/// `symlinks`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Use what the link points to.
    #[default]
    Follow,
    /// Leave links out.
    Skip,
    /// An error.
    Fail,
}

/// A job's rows.
#[derive(Debug, Clone)]
pub struct RowsSource {
    /// At least one.
    pub entries: Vec<RowsEntry>,
    /// The variables, or how to find them.
    pub schema: Schema,
    /// Columns of a source that the schema lacks.
    pub extra_columns: ExtraColumns,
    /// Columns of the schema that a source lacks.
    pub missing_columns: MissingColumns,
    /// More rejected rows than this, and nothing of the job is sent.
    pub max_rejects: u64,
    /// When a source's content changed and its old parts are in the draft.
    pub on_change: OnRowsChange,
    /// When its old rows are already released.
    pub on_released: OnReleased,
    /// When a source that was delivered is no longer matched.
    pub on_missing: OnMissing,
    /// When its rows were delivered for a source that is no longer matched.
    pub on_renamed: OnRenamed,
    /// Target size of a payload, envelope included; at most 100,000,000.
    pub payload: ByteCount,
}

/// One entry of `rows:`.
#[derive(Debug, Clone)]
pub struct RowsEntry {
    /// What to match.
    pub paths: PathEntry,
    /// How to read it.
    pub format: RowFormat,
}

/// How a row source is read. Compression is by the file's ending (`.gz`,
/// `.zst`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowFormat {
    /// Delimited text.
    Csv(CsvDialect),
    /// One JSON object a line.
    Ndjson,
    /// One array of objects.
    Json,
}

/// The dialect of delimited text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvDialect {
    /// One byte; default `,`.
    pub delimiter: u8,
    /// One byte, or no quoting; default `"`.
    pub quote: Option<u8>,
    /// An escape character instead of doubled quotes.
    pub escape: Option<u8>,
    /// Lines that start with it are passed over.
    pub comment: Option<u8>,
    /// Where the column names come from.
    pub header: Header,
    /// Lines before the header.
    pub skip_lines: u64,
    /// The text's encoding.
    pub encoding: TextEncoding,
}

impl Default for CsvDialect {
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            comment: None,
            header: Header::Row,
            skip_lines: 0,
            encoding: TextEncoding::Utf8,
        }
    }
}

/// `header`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// `true`: the first row.
    Row,
    /// The list given; the file has none.
    Names(Vec<String>),
}

/// `encoding`: a label of the WHATWG Encoding Standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextEncoding {
    /// The default; a byte order mark is passed over.
    Utf8,
    /// Any other, by its canonical name in `encoding_rs` (such as
    /// `windows-1252`), which exists.
    Other(String),
}

/// `schema`.
#[derive(Debug, Clone, PartialEq)]
pub enum Schema {
    /// Declared: inline, or read from `schema: {file: ..}`. At least one
    /// variable; names unique under the platform's escaping.
    Declared(Vec<Variable>),
    /// From all sources; the remote table's types bind.
    Infer,
}

/// One variable of a table and where its values come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name on the platform.
    pub name: String,
    /// Its type.
    pub kind: VariableType,
    /// Where a value comes from.
    pub from: ValueFrom,
    /// How text becomes a value.
    pub convert: Convert,
    /// A null is a reject.
    pub required: bool,
    /// What is said of it; never part of an identity.
    pub metadata: VariableMetadata,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueFrom {
    /// A column of a CSV source, or a top-level key of a JSON object.
    Column(String),
    /// A JSON pointer (RFC 6901); JSON sources only.
    Pointer(String),
    /// The part of the source's file name that `{}` stands for.
    Path(String),
    /// The same text for every row.
    Constant(String),
}

/// How text becomes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convert {
    /// For dates and times.
    pub format: TimeFormat,
    /// Texts that mean null. Default: the empty text, for every type but
    /// string.
    pub null_markers: Option<Vec<String>>,
    /// The decimal separator of floats: `.` or `,`.
    pub decimal: u8,
    /// Texts that mean true; `None`: `true` and `false` in any case.
    pub true_values: Option<Vec<String>>,
    /// Texts that mean false.
    pub false_values: Option<Vec<String>>,
    /// What a zone suffix on a date and time means.
    pub zone: ZonePolicy,
    /// What a nested JSON value in a string column means.
    pub nested: NestedPolicy,
}

impl Default for Convert {
    fn default() -> Self {
        Self {
            format: TimeFormat::Canonical,
            null_markers: None,
            decimal: b'.',
            true_values: None,
            false_values: None,
            zone: ZonePolicy::Fail,
            nested: NestedPolicy::Fail,
        }
    }
}

/// `format` of a temporal variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// The platform's own forms (contract 5.4).
    Canonical,
    /// Whole seconds since 1970.
    EpochSeconds,
    /// Whole milliseconds since 1970.
    EpochMillis,
    /// Whole microseconds since 1970.
    EpochMicros,
    /// A strptime pattern.
    Pattern(String),
}

/// `zone`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ZonePolicy {
    /// A zone suffix is a reject.
    #[default]
    Fail,
    /// The value is moved to UTC and the suffix dropped.
    Utc,
    /// The suffix is dropped.
    Drop,
}

/// `nested`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NestedPolicy {
    /// A nested value is a reject.
    #[default]
    Fail,
    /// Its JSON text is the value.
    Json,
}

/// `extra_columns`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ExtraColumns {
    /// An error of the source.
    #[default]
    Fail,
    /// Left out.
    Drop,
}

/// `missing_columns`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingColumns {
    /// An error of the source (CSV) or a reject (JSON keys).
    #[default]
    Fail,
    /// Null.
    Null,
}

/// `on_change` of rows and uploads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnRowsChange {
    /// Send the new content, then delete the old parts.
    #[default]
    Replace,
    /// A conflict.
    Fail,
}

/// `on_released`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnReleased {
    /// A conflict: `locked`, nothing of the source is sent.
    #[default]
    Fail,
    /// Send the new content beside the old.
    Append,
}

/// `on_missing`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// Leave its parts.
    #[default]
    Keep,
    /// Delete its parts from the draft.
    Delete,
    /// A conflict.
    Fail,
}

/// `on_renamed`. The same content under another path is a source that was renamed,
/// or another one that happens to say the same, as two days of one log can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRenamed {
    /// It was renamed: nothing is sent.
    Keep,
    /// It is another one: it is sent.
    Send,
    /// A conflict: the source is held back.
    Fail,
}

/// A job's bulk uploads.
#[derive(Debug, Clone)]
pub struct UploadsSource {
    /// At least one.
    pub entries: Vec<UploadsEntry>,
    /// When a file's content changed and its old upload is in the draft.
    pub on_change: OnRowsChange,
    /// When its old rows are already released.
    pub on_released: OnReleased,
    /// When a file that was delivered is no longer matched.
    pub on_missing: OnMissing,
    /// When its content was delivered for a file that is no longer matched.
    pub on_renamed: OnRenamed,
}

/// One entry of `uploads:`.
#[derive(Debug, Clone)]
pub struct UploadsEntry {
    /// What to match (`path:` takes a glob here).
    pub paths: PathEntry,
    /// The stem of the remote name; `None`: the file's own stem.
    pub name: Option<String>,
    /// How the platform reads it; `None`: by the file's ending.
    pub kind: Option<UploadType>,
    /// Options passed on to the platform.
    pub options: UploadOptions,
    /// More bad records than this is a failure; default 0.
    pub max_bad_records: u64,
}
