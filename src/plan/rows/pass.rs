//! Every source of a job is passed over once; its cut follows the remote.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

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
    /// Keys of sources that exist but that this run does not see (`--shard`).
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
    let (inputs, unseen) = context.selection.split_rows(resolved.inputs);
    let owner = SourceKey::owner(context.manifest.name.as_str(), job.name.as_str());
    let known: Vec<(String, VariableType)> = view
        .variables
        .iter()
        .filter_map(|variable| variable.kind.map(|kind| (variable.name.clone(), kind)))
        .collect();
    let schema = match &source.schema {
        Schema::Declared(variables) => variables.clone(),
        Schema::Infer => {
            let sources: Vec<_> = inputs
                .iter()
                .map(|input| (input, &source.entries[input.entry].format))
                .collect();
            infer_schema(&sources, &known, context.call.cancel).map_err(failed)?
        }
    };
    let listing = Listing::of(view, std::slice::from_ref(&owner));
    let candidates = listing.complete_identities();
    let keys: Vec<&SourceKey> = inputs
        .iter()
        .map(|input| &input.key)
        .chain(&unseen)
        .collect();
    let one = OnePass {
        context,
        job,
        source,
        schema: &schema,
        owner: &owner,
    };
    let passes: Vec<Result<RowsInputPlan, SourceError>> = context.cpu_pool.install(|| {
        inputs
            .par_iter()
            .map(|input| {
                let own = candidates.iter().any(|one| one.source == input.key);
                let fitting: Vec<&PartIdentity> = candidates
                    .iter()
                    .filter(|one| {
                        if own {
                            one.source == input.key
                        } else {
                            !keys.contains(&&one.source)
                        }
                    })
                    .collect();
                pass_one(&one, input, &fitting)
            })
            .collect()
    });
    let mut planned = Vec::with_capacity(passes.len());
    for pass in passes {
        check_cancel(context.call.cancel)?;
        match pass {
            Ok(pass) => planned.push(pass),
            Err(SourceError::Cancelled) => return Err(PlanError::Cancelled),
            Err(error) => items.push(source_error(&error)),
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
