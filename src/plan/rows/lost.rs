//! Released rows that no source gives any more. They cannot be taken back, so what
//! may be the same rows, changed, must not be added to them unasked.

use std::collections::BTreeSet;

use crate::base::{PartIdentity, SourceKey};
use crate::plan::listed::Listing;
use crate::plan::merge::Mode;
use crate::plan::model::RowsInputPlan;

/// What was released and is lost.
#[derive(Debug)]
pub(super) struct Lost<'a> {
    /// Released parts that nobody keeps, of sources that the run sees or that are
    /// gone.
    parts: Vec<&'a PartIdentity>,
    /// Whether one of their sources is there, with other rows.
    is_replaced: bool,
}

impl<'a> Lost<'a> {
    pub(super) fn of(
        listing: &'a Listing<'_>,
        (inputs, unseen): (&[RowsInputPlan], &[SourceKey]),
        kept: &BTreeSet<&PartIdentity>,
        mode: Mode,
    ) -> Self {
        let released = listing.released.iter().filter(|_| mode == Mode::Append);
        let parts: Vec<&PartIdentity> = released
            .map(|part| &part.name.identity)
            .filter(|part| !kept.contains(part) && !unseen.contains(&part.source))
            .collect();
        let is_replaced = parts
            .iter()
            .any(|part| inputs.iter().any(|input| input.input.is_source_of(part)));
        Self { parts, is_replaced }
    }

    /// What a source has lost that keeps these parts. One that keeps a part of
    /// another source's is that source under another name.
    pub(super) fn of_source(
        &self,
        input: &RowsInputPlan,
        kept: &[&PartIdentity],
    ) -> Vec<&'a PartIdentity> {
        let stands_for = |part: &PartIdentity| {
            input.input.is_source_of(part) || kept.iter().any(|one| one.source == part.source)
        };
        let parts = self.parts.iter().copied();
        parts.filter(|part| stands_for(part)).collect()
    }

    /// Whether new rows of a source whose own released rows went to another path may
    /// be lost ones, changed.
    pub(super) fn may_be_in(
        &self,
        input: &RowsInputPlan,
        listing: &Listing<'_>,
        has_moved: impl Fn(&PartIdentity) -> bool,
    ) -> bool {
        let mut released = listing.released.iter().map(|part| &part.name.identity);
        self.is_replaced && released.any(|part| input.input.is_source_of(part) && has_moved(part))
    }
}
