//! Past runs, the newest 30 of a store.

use rusqlite::{Connection, params};

use super::record::PastRun;

/// How many runs are kept, here and as folders.
pub(super) const KEPT_RUNS: usize = 30;

pub(super) fn start(
    connection: &Connection,
    run_id: &str,
    at_ms: i64,
    command: &str,
) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT OR REPLACE INTO runs (run_id, started_ms, command) VALUES (?1, ?2, ?3)",
        params![run_id, at_ms, command],
    )?;
    connection.execute(
        "DELETE FROM runs WHERE run_id NOT IN
         (SELECT run_id FROM runs ORDER BY started_ms DESC, run_id DESC LIMIT ?1)",
        [i64::try_from(KEPT_RUNS).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}

pub(super) fn end(
    connection: &Connection,
    run_id: &str,
    at_ms: i64,
    (exit, summary): (u8, &str),
) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE runs SET ended_ms = ?2, exit = ?3, summary = ?4 WHERE run_id = ?1",
        params![run_id, at_ms, exit, summary],
    )?;
    Ok(())
}

pub(super) fn list(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<PastRun>> {
    connection
        .prepare_cached(
            "SELECT run_id, started_ms, command, ended_ms, exit, summary FROM runs
             ORDER BY started_ms DESC, run_id DESC LIMIT ?1",
        )?
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(PastRun {
                run_id: row.get(0)?,
                started_at_ms: row.get(1)?,
                command: row.get(2)?,
                ended_at_ms: row.get(3)?,
                exit: row.get(4)?,
                summary: row.get(5)?,
            })
        })?
        .collect()
}
