//! Row cuts: where earlier passes over a row source cut it into parts. Each
//! source has one list per settings, that of its newest content.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::digests::print_bytes;
use super::record::CutKey;

pub(super) fn put(
    connection: &Connection,
    key: &CutKey,
    text: &str,
    day: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO cuts (source, settings, print, taken_day, cuts)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            key.source,
            key.settings.as_bytes(),
            print_bytes(&key.fingerprint),
            day,
            text
        ])?;
    Ok(())
}

pub(super) fn find(connection: &Connection, key: &CutKey) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT cuts FROM cuts WHERE source = ?1 AND settings = ?2 AND print = ?3")?
        .query_row(
            params![
                key.source,
                key.settings.as_bytes(),
                print_bytes(&key.fingerprint)
            ],
            |row| row.get(0),
        )
        .optional()
}

pub(super) fn drop_before(connection: &Connection, day: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM cuts WHERE taken_day < ?1", [day])
}
