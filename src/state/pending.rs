//! Small facts that wait to be committed together, so that ten thousand small
//! files do not cost ten thousand syncs. Look-ups see them at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::record::{CachedDigests, CutKey, IntentId, StagedUpload, TransferKey, VerifiedFile};
use super::{cuts, digests, intents, receipts, transfers};
use crate::base::Fingerprint;

const MAX_FACTS: usize = 1000;
/// Losing a digest costs only a reading, and their keys fall all over the file.
const MAX_DIGESTS: usize = 16_384;
const MAX_BYTES: usize = 4 << 20;
const MAX_AGE: Duration = Duration::from_secs(1);

/// The queue. Later facts replace earlier ones about the same thing.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// With the day they were taken.
    pub(super) digests: BTreeMap<Fingerprint, (CachedDigests, i64)>,
    /// `None`: spent.
    pub(super) staged: BTreeMap<TransferKey, Option<StagedUpload>>,
    /// By table and name.
    pub(super) receipts: BTreeMap<(String, String), VerifiedFile>,
    /// With the day they were taken.
    pub(super) cuts: BTreeMap<CutKey, (String, i64)>,
    /// Intents that came to their end.
    pub(super) done: Vec<IntentId>,
    bytes: usize,
    since: Option<Instant>,
}

impl Pending {
    /// Notes that something was added; `bytes` for what is large.
    pub(super) fn added(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Whether it is time to commit.
    pub(super) fn is_due(&self) -> bool {
        let facts = self.staged.len() + self.receipts.len() + self.cuts.len() + self.done.len();
        facts >= MAX_FACTS
            || self.digests.len() >= MAX_DIGESTS
            || self.bytes >= MAX_BYTES
            || self.since.is_some_and(|since| since.elapsed() >= MAX_AGE)
    }

    /// Whether there is nothing to commit.
    pub(super) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    /// Writes everything; the caller commits and then drops the queue.
    pub(super) fn apply(&self, connection: &Connection) -> rusqlite::Result<()> {
        for (print, (found, day)) in &self.digests {
            digests::put(connection, print, found, *day)?;
        }
        for (key, staged) in &self.staged {
            match staged {
                Some(staged) => transfers::put_staged(connection, key, staged)?,
                None => transfers::spend_staged(connection, key)?,
            }
        }
        for receipt in self.receipts.values() {
            receipts::put(connection, receipt)?;
        }
        for (key, (text, day)) in &self.cuts {
            cuts::put(connection, key, text, *day)?;
        }
        for id in &self.done {
            intents::end(connection, *id)?;
        }
        Ok(())
    }
}
