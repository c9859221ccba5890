//! Rows that moved to another source, as when logs are rotated.

use std::collections::BTreeSet;
use std::ops::Range;

use super::pass::{OnePass, Passed, pass_one};
use crate::base::{PartIdentity, SourceKey};
use crate::plan::error::{PlanError, check_cancel};
use crate::plan::model::RowsInputPlan;
use crate::source::SourceError;

/// Rows that their source no longer gives can stand in another one now, as when
/// a log is rotated: `log` becomes `log.1`, and a new `log` begins. Sources that
/// have rows of nobody's are passed over again with these parts in view.
pub(super) struct Adoption<'a> {
    pub(super) one: &'a OnePass<'a>,
    /// All parts of the job that the remote holds.
    pub(super) candidates: &'a [PartIdentity],
    /// Those whose source is gone.
    pub(super) vanished: &'a [&'a PartIdentity],
    /// Sources that are there and cannot be passed over.
    pub(super) set_aside: &'a [SourceKey],
    /// Parts that another source than their own keeps.
    pub(super) claimed: BTreeSet<PartIdentity>,
}

/// Which moves are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// All of them.
    Whole,
    /// Those of released rows, between any two sources: all shards come to the
    /// same answer.
    Released,
    /// The others, between sources of this shard. From one shard to another the
    /// rows are sent anew and the old part is deleted, both in the draft.
    Shard,
}

/// Whether released rows may have moved between this source and one that the
/// run does not see: where rows of nobody's begin, another source's released part
/// begins too and is short enough to be these; or it has lost released rows of its
/// own.
pub(super) fn may_have_moved(pass: &RowsInputPlan, locked: &BTreeSet<PartIdentity>) -> bool {
    let keeps = |part: &PartIdentity| {
        let mut cuts = pass.cuts.iter();
        cuts.any(|cut| cut.kept.as_ref() == Some(part))
    };
    let may_stand = |part: &PartIdentity| {
        let is_start = new_rows(pass).any(|rows| rows.start == part.first_row);
        is_start && part.rows <= pass.rows - part.first_row
    };
    locked.iter().any(|part| {
        if part.source == pass.input.key {
            !keeps(part)
        } else {
            may_stand(part)
        }
    })
}

/// Rows of a source that no listed part holds.
fn new_rows(pass: &RowsInputPlan) -> impl Iterator<Item = Range<u64>> {
    let new = pass.cuts.iter().filter(|cut| cut.kept.is_none());
    new.map(|cut| cut.identity.first_row..cut.identity.first_row + cut.identity.rows)
}

impl<'a> Adoption<'a> {
    /// Lets each source that was passed over keep what moved to it.
    pub(super) fn adopt(&mut self, passed: &mut [Passed]) -> Result<(), PlanError> {
        if self.one.context.selection.sees_everything() {
            return self.adopt_within(Scope::Whole, passed);
        }
        self.adopt_within(Scope::Released, passed)?;
        self.adopt_within(Scope::Shard, passed)
    }

    fn adopt_within(&mut self, scope: Scope, passed: &mut [Passed]) -> Result<(), PlanError> {
        let dropped = self.dropped(scope, passed);
        let takes_part = |one: &&mut Passed| scope != Scope::Shard || one.is_seen;
        for Passed { plan: input, .. } in passed.iter_mut().filter(takes_part) {
            check_cancel(self.one.context.call.cancel)?;
            let key = &input.input.key;
            let others: Vec<&PartIdentity> = dropped
                .iter()
                .copied()
                .filter(|part| part.source != *key && !self.claimed.contains(*part))
                .collect();
            let may_stand = |part: &&PartIdentity| {
                let is_new = new_rows(input).any(|rows| rows.contains(&part.first_row));
                is_new && part.rows <= input.rows - part.first_row
            };
            if !others.iter().any(may_stand) {
                continue;
            }
            let own = self.candidates.iter().filter(|part| part.source == *key);
            let vanished = self.vanished.iter().copied();
            let free = vanished.filter(|part| !self.claimed.contains(*part));
            let fitting: Vec<&PartIdentity> = own
                .chain(input.renamed())
                .chain(others)
                .chain(free)
                .collect();
            let again = pass_one(&self.one.again(), &input.input, &fitting);
            match again {
                Ok(pass) if pass.fingerprint == input.fingerprint => *input = pass,
                // What is sent is held against the first pass.
                Ok(_) => {}
                Err(SourceError::Cancelled) => return Err(PlanError::Cancelled),
                Err(error) => return Err(PlanError::of_source(&self.one.job.name, error)),
            }
            self.claimed.extend(input.renamed().cloned());
        }
        Ok(())
    }

    /// Parts whose source is there and gives their rows no more; of a source
    /// that cannot be looked at, as one that is still too young, all.
    fn dropped(&self, scope: Scope, passed: &[Passed]) -> Vec<&'a PartIdentity> {
        let cuts = passed.iter().flat_map(|one| &one.plan.cuts);
        let kept: BTreeSet<&PartIdentity> = cuts.filter_map(|cut| cut.kept.as_ref()).collect();
        let sources: BTreeSet<&SourceKey> = passed
            .iter()
            .filter(|one| scope != Scope::Shard || one.is_seen)
            .map(|one| &one.plan.input.key)
            .chain(self.set_aside.iter().filter(|_| scope != Scope::Shard))
            .collect();
        let candidates = self.candidates.iter();
        candidates
            .filter(|part| !kept.contains(part) && sources.contains(&part.source))
            .filter(|part| scope != Scope::Released || self.one.locked.contains(*part))
            .collect()
    }
}
