//! The readers of what servers say, by themselves: for the fuzz targets under
//! `tests/fuzz`, and for nobody else. No part of the library's interface.

use std::io::Write as _;
use std::time::Duration;

use super::answer::Spool;
use super::{RemoteFile, listing, pacer, session};

/// `Range` of a session's answer as a number of bytes.
pub fn range(text: &str) -> Option<u64> {
    session::acknowledged_end(text)
}

/// `Retry-After` at a time in milliseconds since 1970.
pub fn retry_after(text: &str, now_ms: i64) -> Option<Duration> {
    pacer::retry_after(text, now_ms)
}

/// A listing of files; `None`: it is refused.
pub fn listing(bytes: &[u8], is_framed: bool) -> Option<Vec<RemoteFile>> {
    let mut spool = Spool::new();
    spool.write_all(bytes).ok()?;
    let mut files = Vec::new();
    listing::read(&mut spool, is_framed, &mut |file| files.push(file))
        .ok()
        .map(|()| files)
}
