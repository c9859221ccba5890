//! Names in the manifest to bytes and rows on disk. Reads local files only; it
//! knows nothing of the remote but the identities of parts that it is given.
//!
//! Reading order: [`resolve`] (which files a job means), [`hash`] (what they
//! hold), [`rows`] (rows to payloads), [`uploads`] (identities of bulk files).

pub mod draft;
pub mod error;
pub mod hash;
pub mod resolve;
pub mod rows;
pub mod uploads;

pub use error::{CsvProblem, JsonProblem, SourceError, SourceFault, ValueProblem};
pub use hash::{FileDigests, hash_file};
pub use resolve::{
    LocalFile, ResolveOptions, Resolved, ResolvedRows, ResolvedUploads, RowInput, SkipReason,
    Skipped, SourceProblem, SourceProblemKind, UploadInput, resolve_files, resolve_rows,
    resolve_uploads,
};
