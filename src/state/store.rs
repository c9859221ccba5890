//! The store: one connection behind a lock, and a method for each intention.
//! What a method writes is one transaction; what it queues is committed in
//! company (see [`super::pending`]).

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::digests;
use super::error::StateError;
use super::expiry::{self, drop_useless};
use super::location::{StateKey, StateLocation};
use super::open::{self, Opened};
use super::pending::Pending;
use super::record::{
    CachedDigests, Cleaned, CutKey, IntentId, OpenIntent, OpenSession, PastRun, Resumable,
    StagedUpload, TransferKey, VerifiedFile,
};
use super::{cuts, intents, receipts, released, runs, transfers};
use crate::base::{Fingerprint, Md5Digest};

/// The open store; shared by all workers of a run.
#[derive(Debug)]
pub struct StateStore {
    inner: Mutex<Inner>,
    path: Option<PathBuf>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    pending: Pending,
}

impl StateStore {
    /// Opens the store of `key`, making it when there is none.
    pub fn open(location: &StateLocation, key: &StateKey) -> Result<Opened, StateError> {
        open::open(location, key)
    }

    pub(super) fn new(connection: Connection, path: Option<PathBuf>) -> Self {
        let pending = Pending::default();
        Self {
            inner: Mutex::new(Inner {
                connection,
                pending,
            }),
            path,
        }
    }

    /// The store's file; `None`: in memory.
    pub fn path(&self) -> Option<&std::path::Path> {
        self.path.as_deref()
    }

    /// Commits everything that is queued. Call it before a report and before
    /// the end; a drop does it too, but cannot tell that it failed.
    pub fn flush(&self) -> Result<(), StateError> {
        let mut inner = self.lock();
        if inner.pending.is_empty() {
            return Ok(());
        }
        self.commit("store facts", &mut inner, |_| Ok(()))
    }

    /// Digests of the content behind this fingerprint.
    pub fn digests(&self, print: &Fingerprint) -> Result<Option<CachedDigests>, StateError> {
        self.read("look up digests", |inner| {
            match inner.pending.digests.get(print) {
                Some((found, _)) => Ok(Some(*found)),
                None => digests::find(&inner.connection, print),
            }
        })
    }

    /// Remembers digests of content that was read at `taken_ns` (nanoseconds
    /// since 1970). Those of a file that changed too shortly before are not
    /// remembered (see [`Fingerprint::is_settled_at`]). Queued.
    pub fn remember_digests(
        &self,
        print: &Fingerprint,
        found: CachedDigests,
        taken_ns: i64,
    ) -> Result<(), StateError> {
        if !print.is_settled_at(taken_ns) {
            return Ok(());
        }
        self.queue("store digests", |pending| {
            let day = digests::day_of(taken_ns);
            let known = pending.digests.get(print);
            let sha256 = known
                .filter(|(known, _)| known.md5 == found.md5)
                .and_then(|(known, _)| known.sha256);
            let found = CachedDigests {
                sha256: found.sha256.or(sha256),
                ..found
            };
            pending.digests.insert(*print, (found, day));
            0
        })
    }

    /// The MD5s behind these fingerprints, in their order; quick for millions.
    pub fn md5s(&self, prints: &[&Fingerprint]) -> Result<Vec<Option<Md5Digest>>, StateError> {
        self.flush()?;
        self.read("read the digest cache", |inner| {
            digests::find_md5s(&inner.connection, prints)
        })
    }

    /// Records a session, durably, before its first byte is sent. It takes the
    /// place of an earlier one of the same table and name.
    pub fn session_opened(&self, key: &TransferKey, open: &OpenSession) -> Result<(), StateError> {
        self.write("store a session", |tx| {
            transfers::put_session(tx, key, open)
        })
    }

    /// A session that can be continued: same content, opened less than 23 hours
    /// ago.
    pub fn session(
        &self,
        key: &TransferKey,
        now_ms: i64,
    ) -> Result<Option<OpenSession>, StateError> {
        self.read("look up a session", |inner| {
            if inner.pending.staged.contains_key(key) {
                return Ok(None);
            }
            transfers::find_session(&inner.connection, key, now_ms)
        })
    }

    /// What can be continued of these uploads, in their order; quick for many.
    pub fn resumable(
        &self,
        keys: &[TransferKey],
        now_ms: i64,
    ) -> Result<Vec<Resumable>, StateError> {
        self.read("look up sessions and staged files", |inner| {
            // One lock of the file for all of them.
            let view = inner.connection.unchecked_transaction()?;
            let staged = &inner.pending.staged;
            let one = |key| transfers::find(&view, staged.get(key), key, now_ms);
            keys.iter().map(one).collect()
        })
    }

    /// The session is over: finished, lost or given up.
    pub fn session_closed(&self, key: &TransferKey) -> Result<(), StateError> {
        self.write("close a session", |tx| transfers::close_session(tx, key))
    }

    /// How many sessions could be continued.
    pub fn open_sessions(&self, now_ms: i64) -> Result<u64, StateError> {
        self.read("count sessions", |inner| {
            transfers::count_sessions(&inner.connection, now_ms)
        })
    }

    /// All bytes of a file are in a temp upload; its session, if any, is over.
    /// Queued.
    pub fn file_staged(&self, key: &TransferKey, staged: &StagedUpload) -> Result<(), StateError> {
        self.queue("store a staged file", |pending| {
            pending.staged.insert(key.clone(), Some(staged.clone()));
            0
        })
    }

    /// A temp upload that holds this content and can be attached: staged less
    /// than 23 hours ago.
    pub fn staged(
        &self,
        key: &TransferKey,
        now_ms: i64,
    ) -> Result<Option<StagedUpload>, StateError> {
        let found = self.read("look up a staged file", |inner| {
            match inner.pending.staged.get(key) {
                Some(staged) => Ok(staged.clone()),
                None => transfers::find_staged(&inner.connection, key),
            }
        })?;
        Ok(found.filter(|staged| transfers::is_fresh(staged.staged_at_ms, now_ms)))
    }

    /// These temp uploads were attached, or refused: they are of no more use.
    /// Queued.
    pub fn staged_spent(&self, keys: &[TransferKey]) -> Result<(), StateError> {
        self.queue("store spent uploads", |pending| {
            for key in keys {
                pending.staged.insert(key.clone(), None);
            }
            0
        })
    }

    /// A file was seen on the remote with the right bytes. Queued.
    pub fn file_verified(&self, receipt: VerifiedFile) -> Result<(), StateError> {
        self.queue("store a receipt", |pending| {
            let key = (receipt.table.clone(), receipt.name.clone());
            pending.receipts.insert(key, receipt);
            0
        })
    }

    /// The receipt for this table and name. It is worth something only if size
    /// and remote id still agree.
    pub fn receipt(&self, table: &str, name: &str) -> Result<Option<VerifiedFile>, StateError> {
        self.read("look up a receipt", |inner| {
            match inner
                .pending
                .receipts
                .get(&(table.to_owned(), name.to_owned()))
            {
                Some(receipt) => Ok(Some(receipt.clone())),
                None => receipts::find(&inner.connection, table, name),
            }
        })
    }

    /// The cuts of an earlier pass over this content with these settings.
    pub fn cuts(&self, key: &CutKey) -> Result<Option<String>, StateError> {
        self.read("look up row cuts", |inner| {
            match inner.pending.cuts.get(key) {
                Some((text, _)) => Ok(Some(text.clone())),
                None => cuts::find(&inner.connection, key),
            }
        })
    }

    /// Remembers the cuts of a pass that began at `taken_ns`, under the same
    /// rule as digests. Queued.
    pub fn remember_cuts(&self, key: &CutKey, json: &str, taken_ns: i64) -> Result<(), StateError> {
        if !key.fingerprint.is_settled_at(taken_ns) {
            return Ok(());
        }
        self.queue("store row cuts", |pending| {
            let day = digests::day_of(taken_ns);
            pending.cuts.insert(key.clone(), (json.to_owned(), day));
            json.len()
        })
    }

    /// What a released version of a table holds, if it was asked before.
    /// `created_at` is the version's, in milliseconds.
    pub fn released(
        &self,
        table: &str,
        tag: &str,
        created_at: i64,
    ) -> Result<Option<String>, StateError> {
        self.read("look up a released version", |inner| {
            released::find(&inner.connection, (table, tag, created_at))
        })
    }

    /// Remembers what a released version of a table holds.
    pub fn remember_released(
        &self,
        table: &str,
        tag: &str,
        created_at: i64,
        list: &str,
    ) -> Result<(), StateError> {
        self.write("store a released version", |tx| {
            released::put(tx, (table, tag, created_at), list)
        })
    }

    /// Records, durably, that an effect is about to be tried. `kind` is a stable
    /// word, `subject` what it is about, `detail` what is needed to look for it.
    pub fn intent(
        &self,
        kind: &str,
        subject: &str,
        detail: &str,
        now_ms: i64,
    ) -> Result<IntentId, StateError> {
        self.write("store an intent", |tx| {
            intents::begin(tx, (kind, subject, detail), now_ms)
        })
    }

    /// The effect is known to have happened, or not to. Queued: if this is lost,
    /// the remote is looked at once more.
    pub fn intent_done(&self, id: IntentId) -> Result<(), StateError> {
        self.queue("end an intent", |pending| {
            pending.done.push(id);
            0
        })
    }

    /// Effects in doubt, oldest first.
    pub fn open_intents(&self) -> Result<Vec<OpenIntent>, StateError> {
        self.flush()?;
        self.read("list intents", |inner| intents::list(&inner.connection))
    }

    /// A run begins. All but the newest 30 are forgotten.
    pub fn run_started(&self, run_id: &str, at_ms: i64, command: &str) -> Result<(), StateError> {
        self.write("store a run", |tx| runs::start(tx, run_id, at_ms, command))
    }

    /// A run ended; `summary` is JSON. Commits everything before it.
    pub fn run_ended(
        &self,
        run_id: &str,
        at_ms: i64,
        exit: u8,
        summary: &str,
    ) -> Result<(), StateError> {
        self.write("store a run's end", |tx| {
            runs::end(tx, run_id, at_ms, (exit, summary))
        })
    }

    /// The newest runs, newest first.
    pub fn runs(&self, limit: usize) -> Result<Vec<PastRun>, StateError> {
        self.read("list runs", |inner| runs::list(&inner.connection, limit))
    }

    /// Removes what is of no more use, and gives the space back.
    pub fn clean(&self, now_ms: i64) -> Result<Cleaned, StateError> {
        let cleaned = self.write("clean up", |tx| drop_useless(tx, now_ms))?;
        if cleaned != Cleaned::default() {
            self.read("compact", |inner| inner.connection.execute_batch("VACUUM"))?;
        }
        Ok(cleaned)
    }

    /// What [`Self::clean`] would remove.
    pub fn would_clean(&self, now_ms: i64) -> Result<Cleaned, StateError> {
        self.read("look for what can go", |inner| {
            // Dropped, and so undone.
            let view = inner.connection.unchecked_transaction()?;
            drop_useless(&view, now_ms)
        })
    }

    /// When something was last stored by a run or a plan: milliseconds since 1970, to
    /// the day for some of it. `None`: never.
    pub(super) fn last_used(&self) -> Result<Option<i64>, StateError> {
        self.read("look for its last use", |inner| {
            inner.connection.query_row(
                "SELECT max(at) FROM (
                   SELECT max(max(started_ms), coalesce(max(ended_ms), 0)) AS at FROM runs
                   UNION ALL SELECT max(taken_day) * ?1 FROM digests
                   UNION ALL SELECT max(taken_day) * ?1 FROM cuts
                   UNION ALL SELECT max(opened_ms) FROM sessions
                   UNION ALL SELECT max(staged_ms) FROM staged)",
                [expiry::MS_PER_DAY],
                |row| row.get(0),
            )
        })
    }

    /// Whether it holds sessions or staged uploads that a run can go on with.
    pub(super) fn can_be_continued(&self, now_ms: i64) -> Result<bool, StateError> {
        self.read("look for what can be continued", |inner| {
            transfers::has_fresh(&inner.connection, now_ms)
        })
    }

    fn read<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&Inner) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        act(&self.lock()).map_err(|source| self.failed(doing, source))
    }

    fn write<T>(
        &self,
        doing: &'static str,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        self.commit(doing, &mut self.lock(), act)
    }

    /// Adds to the queue; `add` answers the bytes of what is large.
    fn queue(
        &self,
        doing: &'static str,
        add: impl FnOnce(&mut Pending) -> usize,
    ) -> Result<(), StateError> {
        let mut inner = self.lock();
        let bytes = add(&mut inner.pending);
        inner.pending.added(bytes);
        if inner.pending.is_due() {
            self.commit(doing, &mut inner, |_| Ok(()))?;
        }
        Ok(())
    }

    /// One transaction with the queue and then `act`. If it fails the queue
    /// stays for the next time.
    fn commit<T>(
        &self,
        doing: &'static str,
        inner: &mut Inner,
        act: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let Inner {
            connection,
            pending,
        } = inner;
        let done = (|| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            pending.apply(&tx)?;
            let value = act(&tx)?;
            tx.commit()?;
            Ok(value)
        })();
        let value = done.map_err(|source| self.failed(doing, source))?;
        *pending = Pending::default();
        Ok(value)
    }

    /// Damage is set aside at once, so that the next run does not meet it again.
    fn failed(&self, doing: &'static str, source: rusqlite::Error) -> StateError {
        if let Some(path) = self.path.as_deref().filter(|_| open::is_damage(&source)) {
            return match open::set_aside(path) {
                Ok(set_aside) => StateError::Damaged { set_aside, source },
                Err(error) => error,
            };
        }
        StateError::Statement { doing, source }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StateStore {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "the last facts were not stored; the next run repeats some work");
        }
    }
}
