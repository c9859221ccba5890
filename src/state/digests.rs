//! The digest cache: content digests by fingerprint.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::record::CachedDigests;
use crate::base::{Fingerprint, Md5Digest, Sha256Digest};

const PRINT_BYTES: usize = 32;
const NS_PER_DAY: i64 = 86_400_000_000_000;

/// The day, since 1970, of a time in nanoseconds.
pub(super) fn day_of(ns: i64) -> i64 {
    ns.div_euclid(NS_PER_DAY)
}

/// A fingerprint as bytes that sort as the fingerprint does.
pub(super) fn print_bytes(print: &Fingerprint) -> [u8; PRINT_BYTES] {
    const SIGN: u64 = 1 << 63;
    let fields = [
        print.inode,
        print.size,
        print.mtime_ns.cast_unsigned() ^ SIGN,
        print.ctime_ns.cast_unsigned() ^ SIGN,
    ];
    let mut bytes = [0; PRINT_BYTES];
    for (room, field) in bytes.chunks_exact_mut(8).zip(fields) {
        room.copy_from_slice(&field.to_be_bytes());
    }
    bytes
}

fn print_of(bytes: [u8; PRINT_BYTES]) -> Fingerprint {
    const SIGN: u64 = 1 << 63;
    let field = |index: usize| {
        let mut one = [0; 8];
        one.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
        u64::from_be_bytes(one)
    };
    Fingerprint {
        inode: field(0),
        size: field(1),
        mtime_ns: (field(2) ^ SIGN).cast_signed(),
        ctime_ns: (field(3) ^ SIGN).cast_signed(),
    }
}

pub(super) fn put(
    connection: &Connection,
    print: &Fingerprint,
    found: &CachedDigests,
    day: i64,
) -> rusqlite::Result<()> {
    // A known SHA-256 stays, unless the content turned out to be another.
    let mut statement = connection.prepare_cached(
        "INSERT INTO digests (print, md5, sha256, taken_day) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (print) DO UPDATE SET
           sha256 = CASE WHEN md5 = excluded.md5 THEN coalesce(excluded.sha256, sha256)
                    ELSE excluded.sha256 END,
           md5 = excluded.md5,
           taken_day = excluded.taken_day",
    )?;
    statement.execute(params![
        print_bytes(print),
        found.md5.as_bytes(),
        found.sha256.as_ref().map(Sha256Digest::as_bytes),
        day
    ])?;
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    print: &Fingerprint,
) -> rusqlite::Result<Option<CachedDigests>> {
    connection
        .prepare_cached("SELECT md5, sha256 FROM digests WHERE print = ?1")?
        .query_row([print_bytes(print)], |row| {
            let sha256: Option<[u8; 32]> = row.get(1)?;
            Ok(CachedDigests {
                md5: md5_at(row, 0)?,
                sha256: sha256.map(Sha256Digest::from_bytes),
            })
        })
        .optional()
}

/// An MD5 in a column.
pub(super) fn md5_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Md5Digest> {
    Ok(Md5Digest::from_bytes(row.get(column)?))
}

/// So many fingerprints and more are looked up in one pass over the cache.
const MANY: usize = 1000;

/// The MD5s behind fingerprints, in their order.
pub(super) fn find_md5s(
    connection: &Connection,
    prints: &[&Fingerprint],
) -> rusqlite::Result<Vec<Option<Md5Digest>>> {
    if prints.len() < MANY {
        let md5 = |print: &&Fingerprint| Ok(find(connection, print)?.map(|found| found.md5));
        return prints.iter().map(md5).collect();
    }
    let mut found = vec![None; prints.len()];
    let mut order: Vec<usize> = (0..prints.len()).collect();
    order.sort_unstable_by_key(|index| prints[*index]);
    let mut wanted = order.into_iter().peekable();
    let mut statement =
        connection.prepare_cached("SELECT print, md5 FROM digests ORDER BY print")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let print = print_of(row.get(0)?);
        while wanted.next_if(|index| *prints[*index] < print).is_some() {}
        while let Some(index) = wanted.next_if(|index| *prints[*index] == print) {
            found[index] = Some(md5_at(row, 1)?);
        }
        if wanted.peek().is_none() {
            break;
        }
    }
    Ok(found)
}

pub(super) fn drop_before(connection: &Connection, day: i64) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM digests WHERE taken_day < ?1", [day])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn print() -> impl Strategy<Value = Fingerprint> {
        (any::<u64>(), any::<u64>(), any::<i64>(), any::<i64>()).prop_map(
            |(inode, size, mtime_ns, ctime_ns)| Fingerprint {
                inode,
                size,
                mtime_ns,
                ctime_ns,
            },
        )
    }

    proptest! {
        #[test]
        fn a_fingerprint_s_bytes_read_back_and_sort_alike(one in print(), other in print()) {
            let (a, b) = (print_bytes(&one), print_bytes(&other));

            prop_assert_eq!(print_of(a), one);
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
        }
    }
}
