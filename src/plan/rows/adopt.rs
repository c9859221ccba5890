//! Rows that moved to another source, as when logs are rotated.

use std::collections::BTreeSet;

use super::pass::{OnePass, pass_one};
use crate::base::{PartIdentity, SourceKey};
use crate::plan::error::{PlanError, check_cancel};
use crate::plan::model::RowsInputPlan;
use crate::source::SourceError;

/// Rows that their source no longer gives can stand in another one now, as when
/// a log is rotated: `log` becomes `log.1`, and a new `log` begins. Sources that
/// begin with rows of nobody's are passed over again with these parts in view.
pub(super) fn adopt(
    one: &OnePass<'_>,
    planned: &mut [RowsInputPlan],
    (candidates, vanished): (&[PartIdentity], &[&PartIdentity]),
    mut claimed: BTreeSet<PartIdentity>,
) -> Result<(), PlanError> {
    let kept: BTreeSet<&PartIdentity> = planned
        .iter()
        .flat_map(|input| &input.cuts)
        .filter_map(|cut| cut.kept.as_ref())
        .collect();
    let dropped: Vec<&PartIdentity> = candidates
        .iter()
        .filter(|part| !kept.contains(*part))
        .filter(|part| planned.iter().any(|input| input.input.key == part.source))
        .collect();
    // A source that only changed further down has not gone elsewhere.
    let moved: BTreeSet<&SourceKey> = dropped
        .iter()
        .filter(|part| part.first_row == 0)
        .map(|part| &part.source)
        .collect();
    if moved.is_empty() {
        return Ok(());
    }
    for input in planned {
        check_cancel(one.context.call.cancel)?;
        let begins_new = input.cuts.first().is_some_and(|cut| cut.kept.is_none());
        let key = &input.input.key;
        let own = candidates.iter().filter(|part| part.source == *key);
        let others = dropped
            .iter()
            .filter(|part| part.source != *key && moved.contains(&part.source))
            .chain(vanished)
            .copied()
            .filter(|part| !claimed.contains(*part));
        let fitting: Vec<&PartIdentity> = own.chain(others).collect();
        if !begins_new || fitting.iter().all(|part| part.source == *key) {
            continue;
        }
        match pass_one(&one.again(), &input.input, &fitting) {
            Ok(pass) if pass.fingerprint == input.fingerprint => *input = pass,
            // What is sent is held against the first pass.
            Ok(_) => {}
            Err(SourceError::Cancelled) => return Err(PlanError::Cancelled),
            Err(error) => return Err(PlanError::of_source(&one.job.name, error)),
        }
        claimed.extend(input.renamed().cloned());
    }
    Ok(())
}
