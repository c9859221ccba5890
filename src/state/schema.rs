//! The store's tables and their format version.
//!
//! Format history:
//! - 1: digests, sessions, staged, receipts, cuts, released, intents, runs.
//!
//! A change adds a step to [`STEPS`] and a line above; steps that have been
//! released are never edited.

use rusqlite::{Connection, TransactionBehavior};

/// `PRAGMA application_id`, in ASCII `RIst`.
pub(super) const APPLICATION_ID: i64 = 0x5249_7374;

/// Step n takes a store from format n to n + 1.
const STEPS: [&str; 1] = ["
CREATE TABLE digests (
    print BLOB PRIMARY KEY NOT NULL,
    md5 BLOB NOT NULL,
    sha256 BLOB,
    taken_day INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE sessions (
    tbl TEXT NOT NULL,
    name TEXT NOT NULL,
    print BLOB NOT NULL,
    temp_upload_id TEXT NOT NULL,
    session TEXT NOT NULL,
    size INTEGER NOT NULL,
    mode TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    PRIMARY KEY (tbl, name)
) WITHOUT ROWID;
CREATE TABLE staged (
    tbl TEXT NOT NULL,
    name TEXT NOT NULL,
    print BLOB NOT NULL,
    temp_upload_id TEXT NOT NULL,
    md5 BLOB NOT NULL,
    size INTEGER NOT NULL,
    staged_ms INTEGER NOT NULL,
    PRIMARY KEY (tbl, name)
) WITHOUT ROWID;
CREATE TABLE receipts (
    tbl TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    md5 BLOB NOT NULL,
    remote_id TEXT NOT NULL,
    verified_ms INTEGER NOT NULL,
    PRIMARY KEY (tbl, name)
) WITHOUT ROWID;
CREATE TABLE cuts (
    source TEXT NOT NULL,
    settings BLOB NOT NULL,
    print BLOB NOT NULL,
    taken_day INTEGER NOT NULL,
    cuts TEXT NOT NULL,
    PRIMARY KEY (source, settings)
);
CREATE TABLE released (
    tbl TEXT NOT NULL,
    tag TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    list TEXT NOT NULL,
    PRIMARY KEY (tbl, tag)
);
CREATE TABLE intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    made_ms INTEGER NOT NULL
);
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY NOT NULL,
    started_ms INTEGER NOT NULL,
    command TEXT NOT NULL,
    ended_ms INTEGER,
    exit INTEGER,
    summary TEXT
);
"];

/// The format that this program writes.
pub(super) const FORMAT: i64 = 1;

/// The format of an open store; 0: new and empty.
pub(super) fn format_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a store of an older format to [`FORMAT`], all or nothing.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    apply(connection, &STEPS)
}

fn apply(connection: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    if usize::try_from(format_of(connection)?).is_ok_and(|format| format >= steps.len()) {
        return Ok(());
    }
    let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again: another process may have been here first.
    let format = format_of(&step)?;
    let done = usize::try_from(format).unwrap_or_default();
    for sql in steps.iter().skip(done) {
        step.execute_batch(sql)?;
    }
    step.pragma_update(None, "application_id", APPLICATION_ID)?;
    step.pragma_update(
        None,
        "user_version",
        i64::try_from(steps.len()).unwrap_or(i64::MAX),
    )?;
    step.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_step() {
        assert_eq!(i64::try_from(STEPS.len()), Ok(FORMAT));
    }

    #[test]
    fn an_older_store_is_brought_up_and_keeps_its_content() {
        let mut connection = Connection::open_in_memory().unwrap();
        let second = "ALTER TABLE runs ADD COLUMN host TEXT NOT NULL DEFAULT 'unknown'";
        apply(&mut connection, &STEPS).unwrap();
        connection
            .execute(
                "INSERT INTO runs (run_id, started_ms, command) VALUES ('a', 1, 'run')",
                [],
            )
            .unwrap();

        apply(&mut connection, &[STEPS[0], second]).unwrap();

        let row: (String, String) = connection
            .query_row("SELECT run_id, host FROM runs", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(row, ("a".to_owned(), "unknown".to_owned()));
        assert_eq!(format_of(&connection).unwrap(), 2);
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_format() {
        let mut connection = Connection::open_in_memory().unwrap();
        apply(&mut connection, &STEPS).unwrap();

        apply(
            &mut connection,
            &[STEPS[0], "CREATE TABLE extra (x); NONSENSE"],
        )
        .unwrap_err();

        assert_eq!(format_of(&connection).unwrap(), 1);
        assert!(connection.prepare("SELECT x FROM extra").is_err());
    }
}
