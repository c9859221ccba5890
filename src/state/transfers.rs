//! Open sessions and staged temp uploads: what another process can continue.
//! Each table and name has at most one of either, that of the newest content.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::digests::{md5_at, print_bytes};
use super::record::{OpenSession, Resumable, SessionMode, StagedUpload, TransferKey};
use crate::base::SignedUrl;

/// How long a session or a temp upload is believed. The storage keeps sessions
/// longer (contract 9.3), but a temp upload's address is good for a day at most.
const VALID_MS: i64 = 23 * 3_600_000;

/// Whether something made at `at_ms` is still believed. A clock that was set
/// back by more than that makes it stale as well.
pub(super) fn is_fresh(at_ms: i64, now_ms: i64) -> bool {
    now_ms.abs_diff(at_ms) < VALID_MS.unsigned_abs()
}

pub(super) fn put_session(
    connection: &Connection,
    key: &TransferKey,
    open: &OpenSession,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO sessions
             (tbl, name, print, temp_upload_id, session, size, mode, opened_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            key.table,
            key.name,
            print_bytes(&key.fingerprint),
            open.temp_upload_id,
            open.session.reveal(),
            open.size.cast_signed(),
            open.mode.as_str(),
            open.opened_at_ms
        ])?;
    Ok(())
}

pub(super) fn find_session(
    connection: &Connection,
    key: &TransferKey,
    now_ms: i64,
) -> rusqlite::Result<Option<OpenSession>> {
    let found = connection
        .prepare_cached(
            "SELECT temp_upload_id, session, size, mode, opened_ms FROM sessions
             WHERE tbl = ?1 AND name = ?2 AND print = ?3",
        )?
        .query_row(
            params![key.table, key.name, print_bytes(&key.fingerprint)],
            |row| {
                let mode: String = row.get(3)?;
                let session: String = row.get(1)?;
                let size: i64 = row.get(2)?;
                Ok(SessionMode::from_word(&mode).map(|mode| OpenSession {
                    temp_upload_id: row.get(0).unwrap_or_default(),
                    session: SignedUrl::new(session),
                    size: size.cast_unsigned(),
                    mode,
                    opened_at_ms: row.get(4).unwrap_or_default(),
                }))
            },
        )
        .optional()?;
    Ok(found
        .flatten()
        .filter(|open| is_fresh(open.opened_at_ms, now_ms)))
}

pub(super) fn close_session(connection: &Connection, key: &TransferKey) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM sessions WHERE tbl = ?1 AND name = ?2 AND print = ?3")?
        .execute(params![key.table, key.name, print_bytes(&key.fingerprint)])?;
    Ok(())
}

pub(super) fn put_staged(
    connection: &Connection,
    key: &TransferKey,
    staged: &StagedUpload,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO staged
             (tbl, name, print, temp_upload_id, md5, size, staged_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            key.table,
            key.name,
            print_bytes(&key.fingerprint),
            staged.temp_upload_id,
            staged.md5.as_bytes(),
            staged.size.cast_signed(),
            staged.staged_at_ms
        ])?;
    // All bytes are there: what is left to do needs no session.
    close_session(connection, key)
}

pub(super) fn find_staged(
    connection: &Connection,
    key: &TransferKey,
) -> rusqlite::Result<Option<StagedUpload>> {
    connection
        .prepare_cached(
            "SELECT temp_upload_id, md5, size, staged_ms FROM staged
             WHERE tbl = ?1 AND name = ?2 AND print = ?3",
        )?
        .query_row(
            params![key.table, key.name, print_bytes(&key.fingerprint)],
            |row| {
                let size: i64 = row.get(2)?;
                Ok(StagedUpload {
                    temp_upload_id: row.get(0)?,
                    md5: md5_at(row, 1)?,
                    size: size.cast_unsigned(),
                    staged_at_ms: row.get(3)?,
                })
            },
        )
        .optional()
}

pub(super) fn spend_staged(connection: &Connection, key: &TransferKey) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM staged WHERE tbl = ?1 AND name = ?2 AND print = ?3")?
        .execute(params![key.table, key.name, print_bytes(&key.fingerprint)])?;
    // Staged and spent may have met in the queue, so that only this is written.
    close_session(connection, key)
}

/// What can be continued of an upload. `queued`: what is not written yet, where `None`
/// is a temp upload that was spent.
pub(super) fn find(
    connection: &Connection,
    queued: Option<&Option<StagedUpload>>,
    key: &TransferKey,
    now_ms: i64,
) -> rusqlite::Result<Resumable> {
    let staged = match queued {
        Some(queued) => queued.clone(),
        None => find_staged(connection, key)?,
    };
    if let Some(staged) = staged.filter(|staged| is_fresh(staged.staged_at_ms, now_ms)) {
        return Ok(Resumable::Staged(staged));
    }
    // What was staged since has no session any more.
    let session = match queued {
        Some(_) => None,
        None => find_session(connection, key, now_ms)?,
    };
    Ok(session.map_or(Resumable::Nothing, |_| Resumable::Session))
}

/// Uploads whose session or staged content is still believed, for `status`.
pub(super) fn count_sessions(connection: &Connection, now_ms: i64) -> rusqlite::Result<u64> {
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM (
             SELECT tbl, name, print FROM sessions WHERE abs(opened_ms - ?1) < ?2
             UNION SELECT tbl, name, print FROM staged WHERE abs(staged_ms - ?1) < ?2)",
        [now_ms, VALID_MS],
        |row| row.get(0),
    )?;
    Ok(count.cast_unsigned())
}

/// Whether a session or a staged upload is still believed.
pub(super) fn has_fresh(connection: &Connection, now_ms: i64) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sessions WHERE abs(opened_ms - ?1) < ?2)
             OR EXISTS (SELECT 1 FROM staged WHERE abs(staged_ms - ?1) < ?2)",
        [now_ms, VALID_MS],
        |row| row.get(0),
    )
}

/// Removes what is no longer believed; answers sessions and staged.
pub(super) fn drop_expired(
    connection: &Connection,
    now_ms: i64,
) -> rusqlite::Result<(usize, usize)> {
    let sessions = connection.execute(
        "DELETE FROM sessions WHERE abs(opened_ms - ?1) >= ?2",
        [now_ms, VALID_MS],
    )?;
    let staged = connection.execute(
        "DELETE FROM staged WHERE abs(staged_ms - ?1) >= ?2",
        [now_ms, VALID_MS],
    )?;
    Ok((sessions, staged))
}
