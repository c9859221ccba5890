//! Intents: effects that were begun. One that is still here after a crash is in
//! doubt, and the remote has to be looked at.

use rusqlite::{Connection, params};

use super::record::{IntentId, OpenIntent};

pub(super) fn begin(
    connection: &Connection,
    (kind, subject, detail): (&str, &str, &str),
    now_ms: i64,
) -> rusqlite::Result<IntentId> {
    connection
        .prepare_cached(
            "INSERT INTO intents (kind, subject, detail, made_ms) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![kind, subject, detail, now_ms])?;
    Ok(IntentId(connection.last_insert_rowid()))
}

pub(super) fn end(connection: &Connection, id: IntentId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM intents WHERE id = ?1")?
        .execute([id.0])?;
    Ok(())
}

pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<OpenIntent>> {
    connection
        .prepare_cached("SELECT id, kind, subject, detail FROM intents ORDER BY id")?
        .query_map([], |row| {
            Ok(OpenIntent {
                id: IntentId(row.get(0)?),
                kind: row.get(1)?,
                subject: row.get(2)?,
                detail: row.get(3)?,
            })
        })?
        .collect()
}

pub(super) fn drop_before(connection: &Connection, made_ms: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM intents WHERE made_ms < ?1", [made_ms])
}
