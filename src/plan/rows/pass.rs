//! Every source of a job is passed over once; its cut follows the remote.

use std::collections::BTreeSet;

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, IntoParallelRefMutIterator as _,
    ParallelIterator as _,
};

use super::adopt::{Adoption, may_have_moved};
use super::cache;
use crate::base::{MergeStrategy, PartIdentity, SourceKey, VariableType};
use crate::manifest::{Job, OnRenamed, RowsSource, Schema, Variable};
use crate::plan::context::PlanContext;
use crate::plan::error::{PlanError, check_cancel};
use crate::plan::listed::Listing;
use crate::plan::model::{Item, RowsContent, RowsInputPlan};
use crate::plan::observe::TableView;
use crate::plan::problems::{source_error, source_problem, source_skipped};
use crate::source::rows::{Candidate, CutSettings, infer_schema};
use crate::source::{RowInput, SourceError, resolve_rows};

/// A job's sources after their passes, before any fate is decided.
#[derive(Debug)]
pub(in crate::plan) struct RowsDraft {
    /// The passes.
    pub(in crate::plan) content: RowsContent,
    /// Problems and skipped paths.
    pub(super) items: Vec<Item>,
    /// Keys of sources that have not vanished and that this run does not see or
    /// cannot use.
    pub(super) unseen: Vec<SourceKey>,
    /// Parts that were delivered for sources that this run sees, and that stand
    /// in ones now that it does not see.
    pub(super) elsewhere: Vec<PartIdentity>,
}

impl RowsDraft {
    /// Parts that any source of the job keeps, seen or not.
    pub(super) fn kept(&self) -> BTreeSet<&PartIdentity> {
        let cuts = self.content.inputs.iter().flat_map(|input| &input.cuts);
        let kept = cuts.filter_map(|cut| cut.kept.as_ref());
        kept.chain(&self.elsewhere).collect()
    }
}

/// A source after its pass.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) plan: RowsInputPlan,
    /// Whether it is this run's to deliver.
    pub(super) is_seen: bool,
}

/// Resolves a job's sources and passes over each.
pub(in crate::plan) fn pass_rows(
    context: &PlanContext<'_>,
    job: &Job,
    source: &RowsSource,
    view: &TableView,
) -> Result<RowsDraft, PlanError> {
    let failed = |error: SourceError| PlanError::of_source(&job.name, error);
    let resolved = resolve_rows(&context.resolve_options(job), source).map_err(failed)?;
    let mut items: Vec<Item> = resolved.problems.iter().map(source_problem).collect();
    items.extend(resolved.skipped.iter().map(source_skipped));
    let inputs = resolved.inputs;
    let is_seen = |input: &RowInput| context.selection.sees(&input.shown);
    let owner = SourceKey::owner(context.manifest.name.as_str(), job.name.as_str());
    let schema = schema_of(context, source, view, &inputs).map_err(failed)?;
    let listing = Listing::of(view, std::slice::from_ref(&owner));
    let candidates = listing.complete_identities();
    let locked = locked_parts(context, job, (view, &listing));
    // What is left out on purpose, or cannot be used, has not vanished.
    let left_out = resolved.skipped.iter().map(|one| one.shown.as_str());
    let unusable = resolved.problems.iter().map(|one| one.shown.as_str());
    let mut unseen: Vec<SourceKey> = left_out.chain(unusable).map(SourceKey::source).collect();
    let follows = source.on_renamed != OnRenamed::Send;
    let vanished: Vec<&PartIdentity> = candidates
        .iter()
        .filter(|one| {
            follows
                && !unseen.contains(&one.source)
                && inputs.iter().all(|input| input.key != one.source)
        })
        .collect();
    let one = OnePass {
        context,
        job,
        source,
        schema: &schema,
        owner: &owner,
        locked: &locked,
        is_repeat: false,
    };
    let passes = pass_all(&one, &inputs, (&candidates, &vanished));
    let mut passed = Vec::with_capacity(passes.len());
    let mut not_passed = Vec::new();
    let mut claimed: BTreeSet<PartIdentity> = BTreeSet::new();
    for (input, pass) in inputs.iter().zip(passes) {
        check_cancel(context.call.cancel)?;
        let Some(mut pass) = pass else {
            not_passed.push(input.key.clone());
            continue;
        };
        // Rows that vanished from one source can have gone to one other only.
        if pass
            .as_ref()
            .is_ok_and(|pass| pass.renamed().any(|kept| claimed.contains(kept)))
        {
            let fitting = fitting(input, (&candidates, &vanished), &claimed);
            pass = pass_one(&one.again(), input, &fitting);
        }
        let is_seen = is_seen(input);
        match pass {
            Ok(plan) => {
                claimed.extend(plan.renamed().cloned());
                passed.push(Passed { plan, is_seen });
            }
            Err(SourceError::Cancelled) => return Err(PlanError::Cancelled),
            Err(error) => {
                unseen.push(input.key.clone());
                if is_seen {
                    items.push(source_error(&error));
                }
            }
        }
    }
    let mut adoption = Adoption {
        one: &one,
        candidates: &candidates,
        vanished: &vanished,
        set_aside: if follows { &unseen } else { &[] },
        claimed,
    };
    adoption.adopt(&mut passed)?;
    let (seen, others): (Vec<_>, Vec<_>) = passed.into_iter().partition(|one| one.is_seen);
    let inputs: Vec<RowsInputPlan> = seen.into_iter().map(|one| one.plan).collect();
    let elsewhere = elsewhere(&inputs, &others);
    unseen.extend(not_passed);
    unseen.extend(others.into_iter().map(|other| other.plan.input.key));
    Ok(RowsDraft {
        content: RowsContent {
            owner,
            schema,
            inputs,
        },
        items,
        unseen,
        elsewhere,
    })
}

/// Parts of these sources that others keep.
fn elsewhere(inputs: &[RowsInputPlan], others: &[Passed]) -> Vec<PartIdentity> {
    let is_ours = |part: &&PartIdentity| inputs.iter().any(|one| one.input.key == part.source);
    let renamed = others.iter().flat_map(|other| other.plan.renamed());
    renamed.filter(is_ours).cloned().collect()
}

/// The variables as declared, or as inferred over all sources, which the types
/// of the table's variables bind.
fn schema_of(
    context: &PlanContext<'_>,
    source: &RowsSource,
    view: &TableView,
    inputs: &[RowInput],
) -> Result<Vec<Variable>, SourceError> {
    match &source.schema {
        Schema::Declared(variables) => Ok(variables.clone()),
        Schema::Infer => {
            let variables = view.variables.iter();
            let known: Vec<(String, VariableType)> = variables
                .filter_map(|variable| variable.kind.map(|kind| (variable.name.clone(), kind)))
                .collect();
            // Over what this run does not see too: all shards need the same types.
            let sources: Vec<_> = inputs
                .iter()
                .map(|input| (input, &source.entries[input.entry].format))
                .collect();
            infer_schema(&sources, &known, context.call.cancel)
        }
    }
}

/// Released parts under rows that stay: none where the table is replaced.
fn locked_parts(
    context: &PlanContext<'_>,
    job: &Job,
    (view, listing): (&TableView, &Listing<'_>),
) -> BTreeSet<PartIdentity> {
    let settings = context.manifest.settings_of(&job.table);
    if view.merge(settings.and_then(|settings| settings.merge)) != MergeStrategy::Append {
        return BTreeSet::new();
    }
    let complete = listing.released.iter().filter(|part| part.is_complete_part);
    complete.map(|part| part.name.identity.clone()).collect()
}

impl OnePass<'_> {
    pub(super) fn candidate<'p>(&self, identity: &'p PartIdentity) -> Candidate<'p> {
        Candidate {
            identity,
            is_locked: self.locked.contains(identity),
        }
    }

    pub(super) fn again(&self) -> Self {
        Self {
            is_repeat: true,
            ..*self
        }
    }
}

/// The parts of ours that a source's rows may stand in: its own, and those of
/// vanished sources that nobody claimed.
fn fitting<'a>(
    input: &RowInput,
    (candidates, vanished): (&'a [PartIdentity], &[&'a PartIdentity]),
    claimed: &BTreeSet<PartIdentity>,
) -> Vec<&'a PartIdentity> {
    let own = candidates.iter().filter(|one| one.source == input.key);
    let others = vanished.iter().copied();
    own.chain(others.filter(|one| !claimed.contains(*one)))
        .collect()
}

/// A pass over each source that this run sees; over all of them if rows of those
/// may have moved to or from one that it does not see: what went where is decided
/// over all.
fn pass_all(
    one: &OnePass<'_>,
    inputs: &[RowInput],
    parts: (&[PartIdentity], &[&PartIdentity]),
) -> Vec<Option<Result<RowsInputPlan, SourceError>>> {
    let none = BTreeSet::new();
    let selection = one.context.selection;
    let pass = |one: &OnePass<'_>, input| pass_one(one, input, &fitting(input, parts, &none));
    one.context.cpu_pool.install(|| {
        let mut passes: Vec<_> = inputs
            .par_iter()
            .map(|input| selection.sees(&input.shown).then(|| pass(one, input)))
            .collect();
        let needs_all = |pass: &RowsInputPlan| {
            pass.renamed().next().is_some() || may_have_moved(pass, one.locked)
        };
        if passes.iter().flatten().flatten().any(needs_all) {
            let again = one.again();
            passes
                .par_iter_mut()
                .zip(inputs)
                .filter(|(seen, _)| seen.is_none())
                .for_each(|(seen, input)| *seen = Some(pass(&again, input)));
        }
        passes
    })
}

/// What the passes over one job's sources share.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnePass<'a> {
    pub(super) context: &'a PlanContext<'a>,
    pub(super) job: &'a Job,
    pub(super) source: &'a RowsSource,
    pub(super) schema: &'a [Variable],
    pub(super) owner: &'a SourceKey,
    /// Released parts under rows that stay.
    pub(super) locked: &'a BTreeSet<PartIdentity>,
    /// The source was passed over before: its rejects were told.
    pub(super) is_repeat: bool,
}

pub(super) fn pass_one(
    one: &OnePass<'_>,
    input: &RowInput,
    candidates: &[&PartIdentity],
) -> Result<RowsInputPlan, SourceError> {
    let settings = CutSettings {
        payload: one
            .source
            .payload
            .0
            .min(one.context.options.largest_payload),
        owner: one.owner.clone(),
        slug: input.slug(),
    };
    let pass = cache::pass(one, input, candidates, &settings)?;
    Ok(RowsInputPlan {
        input: input.clone(),
        cuts: pass.cuts,
        fingerprint: pass.fingerprint,
        rows: pass.rows,
        rejects: pass.rejects,
        rounded: pass.rounded,
    })
}
