//! Every source of a job is passed over once; its cut follows the remote.

use std::collections::BTreeSet;

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, IntoParallelRefMutIterator as _,
    ParallelIterator as _,
};

use super::cache;
use crate::base::{PartIdentity, SourceKey, VariableType};
use crate::manifest::{Job, RowsSource, Schema, Variable};
use crate::plan::context::PlanContext;
use crate::plan::error::{PlanError, check_cancel};
use crate::plan::listed::Listing;
use crate::plan::model::{Item, RowsContent, RowsInputPlan};
use crate::plan::observe::TableView;
use crate::plan::problems::{source_error, source_problem, source_skipped};
use crate::source::rows::{CutSettings, infer_schema};
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
    let known: Vec<(String, VariableType)> = view
        .variables
        .iter()
        .filter_map(|variable| variable.kind.map(|kind| (variable.name.clone(), kind)))
        .collect();
    let schema = match &source.schema {
        Schema::Declared(variables) => variables.clone(),
        Schema::Infer => {
            // Over what this run does not see too: all shards need the same types.
            let sources: Vec<_> = inputs
                .iter()
                .map(|input| (input, &source.entries[input.entry].format))
                .collect();
            infer_schema(&sources, &known, context.call.cancel).map_err(failed)?
        }
    };
    let listing = Listing::of(view, std::slice::from_ref(&owner));
    let candidates = listing.complete_identities();
    // What is left out on purpose, or cannot be used, has not vanished.
    let left_out = resolved.skipped.iter().map(|one| one.shown.as_str());
    let unusable = resolved.problems.iter().map(|one| one.shown.as_str());
    let mut unseen: Vec<SourceKey> = left_out.chain(unusable).map(SourceKey::source).collect();
    let vanished: Vec<&PartIdentity> = candidates
        .iter()
        .filter(|one| {
            !unseen.contains(&one.source) && inputs.iter().all(|input| input.key != one.source)
        })
        .collect();
    let one = OnePass {
        context,
        job,
        source,
        schema: &schema,
        owner: &owner,
        is_repeat: false,
    };
    let again = OnePass {
        is_repeat: true,
        ..one
    };
    let fitting = |input: &RowInput, claimed: &BTreeSet<PartIdentity>| -> Vec<&PartIdentity> {
        let own = candidates.iter().filter(|one| one.source == input.key);
        let others = vanished.iter().copied();
        own.chain(others.filter(|one| !claimed.contains(*one)))
            .collect()
    };
    let none = BTreeSet::new();
    let mut passes: Vec<Option<Result<RowsInputPlan, SourceError>>> =
        context.cpu_pool.install(|| {
            let passes = inputs
                .par_iter()
                .map(|input| is_seen(input).then(|| pass_one(&one, input, &fitting(input, &none))));
            passes.collect()
        });
    let renamed = |pass: &RowsInputPlan| pass.renamed().next().is_some();
    if passes.iter().flatten().flatten().any(renamed) {
        // Which source has the rows of one that vanished is decided over all.
        context.cpu_pool.install(|| {
            let left = passes.par_iter_mut().zip(&inputs);
            left.filter(|(pass, _)| pass.is_none())
                .for_each(|(pass, input)| {
                    *pass = Some(pass_one(&again, input, &fitting(input, &none)));
                });
        });
    }
    let mut planned = Vec::with_capacity(passes.len());
    let mut claimed: BTreeSet<PartIdentity> = BTreeSet::new();
    for (input, pass) in inputs.iter().zip(passes) {
        check_cancel(context.call.cancel)?;
        let Some(mut pass) = pass else {
            unseen.push(input.key.clone());
            continue;
        };
        // Rows that vanished from one source can have gone to one other only.
        if pass
            .as_ref()
            .is_ok_and(|pass| pass.renamed().any(|kept| claimed.contains(kept)))
        {
            pass = pass_one(&again, input, &fitting(input, &claimed));
        }
        match pass {
            Ok(pass) => {
                claimed.extend(pass.renamed().cloned());
                if is_seen(input) {
                    planned.push(pass);
                } else {
                    unseen.push(input.key.clone());
                }
            }
            Err(SourceError::Cancelled) => return Err(PlanError::Cancelled),
            Err(error) => {
                unseen.push(input.key.clone());
                if is_seen(input) {
                    items.push(source_error(&error));
                }
            }
        }
    }
    Ok(RowsDraft {
        content: RowsContent {
            owner,
            schema,
            inputs: planned,
        },
        items,
        unseen,
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
    /// The source was passed over before: its rejects were told.
    pub(super) is_repeat: bool,
}

fn pass_one(
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
        slug: crate::base::part::slug(file_stem(&input.shown)),
    };
    let pass = cache::pass(one, input, candidates, &settings)?;
    Ok(RowsInputPlan {
        input: input.clone(),
        cuts: pass.cuts,
        fingerprint: pass.fingerprint,
        rows: pass.rows,
        rejects: pass.rejects,
    })
}

/// The file's name up to its first dot.
fn file_stem(shown: &str) -> &str {
    let name = shown.rsplit('/').next().unwrap_or(shown);
    match name.split('.').next() {
        Some(stem) if !stem.is_empty() => stem,
        _ => name,
    }
}
