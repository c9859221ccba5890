//! Receipts: files that were seen on the remote with the right bytes, for
//! listings that later show no MD5.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::digests::md5_at;
use super::record::VerifiedFile;

pub(super) fn put(connection: &Connection, receipt: &VerifiedFile) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO receipts (tbl, name, size, md5, remote_id, verified_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            receipt.table,
            receipt.name,
            receipt.size.cast_signed(),
            receipt.md5.as_bytes(),
            receipt.remote_id,
            receipt.verified_at_ms
        ])?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    table: &str,
    name: &str,
) -> rusqlite::Result<Option<VerifiedFile>> {
    connection
        .prepare_cached(
            "SELECT size, md5, remote_id, verified_ms FROM receipts WHERE tbl = ?1 AND name = ?2",
        )?
        .query_row([table, name], |row| {
            let size: i64 = row.get(0)?;
            Ok(VerifiedFile {
                table: table.to_owned(),
                name: name.to_owned(),
                size: size.cast_unsigned(),
                md5: md5_at(row, 1)?,
                remote_id: row.get(2)?,
                verified_at_ms: row.get(3)?,
            })
        })
        .optional()
}
