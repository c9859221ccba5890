//! Bulk uploads: each file's digest is its identity; a listed upload of ours is
//! either wanted, superseded or broken.

mod fate;
mod pass;

pub(super) use self::fate::decide_uploads;
pub(super) use self::pass::{UploadsDraft, pass_uploads};
use super::listed::Listing;

/// Whether the last release holds exactly these uploads.
pub(super) fn equals_release(drafts: &[&UploadsDraft], listing: &Listing<'_>) -> bool {
    let wanted = || drafts.iter().flat_map(|draft| &draft.wanted);
    let released = || listing.released.iter();
    listing.draft.is_empty()
        && listing.foreign.is_empty()
        && listing.foreign_released.is_empty()
        && wanted().count() == released().count()
        && wanted()
            .all(|upload| released().any(|part| part.completed && upload.is(&part.name.identity)))
}
