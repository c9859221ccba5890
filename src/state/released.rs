//! What released versions hold: their lists never change, so they are asked for
//! once. The version's creation time guards against a tag that was used again.

use rusqlite::{Connection, OptionalExtension as _, params};

pub(super) fn put(
    connection: &Connection,
    (table, tag, created_ms): (&str, &str, i64),
    list: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO released (tbl, tag, created_ms, list) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![table, tag, created_ms, list])?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    (table, tag, created_ms): (&str, &str, i64),
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT list FROM released WHERE tbl = ?1 AND tag = ?2 AND created_ms = ?3",
        )?
        .query_row(params![table, tag, created_ms], |row| row.get(0))
        .optional()
}
