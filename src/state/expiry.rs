//! What a store holds too long: how old each kind may become.

use rusqlite::Connection;

use super::record::Cleaned;
use super::{cuts, digests, intents, transfers};

/// Milliseconds of a day.
pub(super) const MS_PER_DAY: i64 = 86_400_000;
const DIGEST_DAYS: i64 = 400;
const INTENT_DAYS: i64 = 30;

/// Removes all of it.
pub(super) fn drop_useless(connection: &Connection, now_ms: i64) -> rusqlite::Result<Cleaned> {
    let (expired_sessions, expired_staged) = transfers::drop_expired(connection, now_ms)?;
    let before = now_ms.div_euclid(MS_PER_DAY) - DIGEST_DAYS;
    let made_before = now_ms - INTENT_DAYS * MS_PER_DAY;
    Ok(Cleaned {
        expired_sessions,
        expired_staged,
        old_digests: digests::drop_before(connection, before)?
            + cuts::drop_before(connection, before)?,
        old_intents: intents::drop_before(connection, made_before)?,
    })
}
