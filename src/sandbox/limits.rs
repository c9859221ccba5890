//! The protocol's numbers, as the emulator holds them. A copy of its own on
//! purpose: a client that has one wrong must not find it wrong here too.

/// What one call may carry: simple and multipart uploads, inserted rows
/// (docs: rest-api/uploads/post; contract Q15 reads 100 MB as 10^8).
pub(super) const MAX_BODY: u64 = 100_000_000;

/// A request's head. More is refused with 431.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// How much of a body that nobody wants is read, so that a client sees the
/// answer before the connection is closed.
pub(super) const MAX_DRAIN: u64 = 1 << 20;

/// Chunks of a resumable session, the last one apart, are multiples of this
/// (contract 9.3).
pub(super) const CHUNK_UNIT: u64 = 256 * 1024;

/// Bytes held per connection while a body passes.
pub(super) const BODY_BUFFER: usize = 256 * 1024;

/// Bodies up to this length share one file.
pub(super) const MAX_PACKED: u64 = 256 * 1024;

/// A resumable session's life (docs: rest-api/tables/createTempUploads).
pub(super) const SESSION_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// Entries of a page when `maxResults` is not given (contract 15.4).
pub(super) const DEFAULT_PAGE: usize = 100;

/// Tables per dataset (contract 1.6).
pub(super) const MAX_TABLES: usize = 1000;

/// A file's name in bytes (contract Q19: the limit of the storage beneath).
pub(super) const MAX_FILE_NAME: usize = 1024;

/// Rows of one Arrow batch of a listing.
pub(super) const LISTING_BATCH: usize = 10_000;

/// Connections served at once; more are closed.
pub(super) const MAX_CONNECTIONS: usize = 1024;

/// Entries of the request log that are kept; older ones are dropped.
pub(super) const MAX_LOG: usize = 100_000;
