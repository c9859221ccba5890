//! Every number of the protocol, with the page or program it comes from. Change
//! one only together with the source that justifies it.

use std::time::Duration;

/// Entries of one `tempUploads` call (contract 8.3: both official clients).
pub const TEMP_UPLOADS_PER_CALL: usize = 1_000;
/// Files of one `rawFiles` call (contract 10.1: both official clients).
pub const FILES_PER_CALL: usize = 1_000;
/// The body of one `insertRows` call, envelope included (docs: rest-api/uploads/insertrows;
/// contract Q15: read as the smaller of two meanings).
pub const PAYLOAD_CAP: u64 = 100_000_000;
/// From this size on a temp upload asks to be resumable (contract D9).
pub const RESUMABLE_FROM: u64 = 32 << 20;
/// Chunks are multiples of this, the last one apart (contract 9.3: GCS).
pub const CHUNK_QUANTUM: u64 = 256 << 10;
/// A session lives 24 hours (docs: rest-api/tables/createtempuploads); an hour
/// is kept back for clocks that disagree.
pub const SESSION_LIFE: Duration = Duration::from_secs(23 * 3600);
/// An unused temp upload address is renewed when older (contract Q2).
pub const TEMP_URL_LIFE: Duration = Duration::from_secs(3600);

/// Asked for per page; the most that official clients ask for (contract 1.7).
pub(super) const PAGE_SIZE: u32 = 1_000;
/// The page size that official clients use for every list, tried when the larger
/// one is refused (contract 1.7).
pub(super) const SMALL_PAGE_SIZE: u32 = 100;
/// More pages than any list can have (tables and uploads are in the thousands).
pub(super) const MAX_PAGES: u32 = 100_000;

/// The start rate of API calls towards a remote service, per second, until its
/// headers say more (contract D11: documented limits are 100 in 100 s and 1,000 in
/// 60 s).
pub(super) const START_RATE: f64 = 9.0;
/// Calls that may go out at once before the start rate applies: a plan's first
/// look at a handful of tables should not be paced.
pub(super) const START_BURST: u32 = 20;
/// The window of limits of up to [`SMALL_LIMIT`] calls (contract 1.6, older text).
pub(super) const SMALL_LIMIT_WINDOW: Duration = Duration::from_secs(100);
/// See [`SMALL_LIMIT_WINDOW`].
pub(super) const SMALL_LIMIT: u64 = 100;
/// The window of larger limits (contract 1.6, newer text).
pub(super) const LIMIT_WINDOW: Duration = Duration::from_secs(60);
/// `Retry-After` is held between these (contract 1.6).
pub(super) const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// See [`RETRY_AFTER_MIN`].
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// `Retry-After` numbers above this are points in time, not seconds (contract 1.6).
pub(super) const EPOCH_FROM: u64 = 100_000_000;
/// Epoch numbers above this are milliseconds.
pub(super) const EPOCH_MS_FROM: u64 = 100_000_000_000;
/// Between attempts (contract 9.5: gsutil; full jitter).
pub(super) const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// See [`BACKOFF_BASE`].
pub(super) const BACKOFF_CAP: Duration = Duration::from_secs(64);
/// Attempts and waits of one request, all in all.
pub(super) const RETRY_TOTAL: Duration = Duration::from_secs(15 * 60);
/// Connects that fail before an origin has ever answered: a wrong address should
/// be reported in seconds, an outage survived for minutes.
pub(super) const FIRST_CONNECT_ATTEMPTS: u32 = 6;
/// Recoveries of one session without progress (contract 9.5).
pub(super) const SESSION_STALLS: u32 = 12;

/// Answers to content that take so many times as long as they did say that fewer
/// requests should be under way at once.
pub(super) const SLOWER_BY: u32 = 4;
/// Answers that come before this are never slow in that sense.
pub(super) const SLOW_ANSWER: Duration = Duration::from_millis(500);

/// To connect, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Silence while reading.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(120);
/// No byte taken while writing.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// Idle connections are kept this long.
pub(super) const IDLE_AGE: Duration = Duration::from_secs(60);
/// Names are looked up again after this.
pub(super) const RESOLVE_AGE: Duration = Duration::from_secs(60);

/// The largest answer that is held in memory: 1,000 uploads or files come to
/// about 1 MB.
pub(super) const ANSWER_CAP: u64 = 16 << 20;
/// The most results of one answer, ten times what is ever asked for: an empty
/// result takes three bytes on the wire and two hundred in memory.
pub(super) const MOST_RESULTS: usize = 10 * PAGE_SIZE as usize;
/// The most results of all pages of one list, and their bytes: a server that
/// always has another page must not fill the memory. A table of 100,000 uploads
/// comes to about 100 MB.
pub(super) const MOST_LISTED: usize = 300_000;
/// See [`MOST_LISTED`].
pub(super) const LISTED_BYTES: u64 = 256 << 20;
/// An answer that comes more slowly than this, bytes per second, after the time
/// that a silent server has, is given up: a byte now and then is no life.
pub(super) const SLOWEST_ANSWER: u64 = 1 << 10;
/// What may arrive before anything of it is handed on: heads, and the framing
/// of chunks, are far smaller.
pub(super) const ARRIVED_CAP: u64 = 1 << 20;
/// What is read of an error's body.
pub(super) const ERROR_CAP: u64 = 64 << 10;
/// The largest listing of files: 30 million of them.
pub(super) const LISTING_CAP: u64 = 4 << 30;
/// A listing larger than this is kept in a temporary file.
pub(super) const LISTING_IN_MEMORY: usize = 8 << 20;
/// A stored file that is larger is read back in pieces of this size.
pub(super) const READ_WINDOW: u64 = 64 << 20;
/// One message of an Arrow stream.
pub(super) const ARROW_MESSAGE_CAP: u64 = 512 << 20;
/// One message's metadata.
pub(super) const ARROW_METADATA_CAP: u64 = 16 << 20;
/// What is kept of a server's own words.
pub(super) const MESSAGE_CHARS: usize = 500;
