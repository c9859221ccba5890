//! Puts a plan together: observe, pass over the sources, decide, guard.

use std::sync::OnceLock;

use super::context::PlanContext;
use super::error::{PlanError, check_cancel};
use super::expect::guard_shrink;
use super::files::plan_files;
use super::merge::{Mode, guard_replace, hold_partial_replaces, table_mode};
use super::model::{DatasetPlan, Plan, Reason};
use super::observe::{DatasetView, TableView, observe_dataset, observe_table};
use super::rows::{RowsDraft, decide_rows, pass_rows, schema_conflict};
use super::selection::Selection;
use super::tables::{guard_job, plan_dataset};
use super::uploads::{UploadsDraft, decide_uploads, pass_uploads};
use crate::base::{DatasetRef, TableRef};
use crate::manifest::{FilesSource, Job, Manifest, Source};
use crate::redivis::ApiErrorKind;
use crate::source::{Resolved, resolve_files};

/// What is known of a job before its fate is decided.
pub(super) enum Draft {
    Files(Resolved),
    Rows(RowsDraft),
    Uploads(UploadsDraft),
}

/// Makes the plan. `endpoint` is shown in it.
pub fn make_plan(context: &PlanContext<'_>, endpoint: &str) -> Result<Plan, PlanError> {
    let manifest = context.manifest;
    let selected: Vec<(usize, &Job)> = manifest
        .jobs
        .iter()
        .enumerate()
        .filter(|(_, job)| context.selection.takes(job))
        .collect();
    check_selection(context.selection, manifest, &selected)?;
    let (datasets, views) = observe(context, &selected)?;

    let mut drafts = Vec::with_capacity(selected.len());
    for (_, job) in &selected {
        check_cancel(context.call.cancel)?;
        drafts.push(draft_job(context, job, view_of(&views, &job.table))?);
    }
    check_names(&selected, &drafts)?;
    let modes: Vec<Mode> = selected
        .iter()
        .map(|(_, job)| {
            table_mode(
                context,
                &selected,
                &drafts,
                view_of(&views, &job.table),
                job,
            )
        })
        .collect();
    let file_names = names_by_job(&drafts);

    let mut jobs = Vec::with_capacity(selected.len());
    for (position, (draft, (index, job))) in drafts.into_iter().zip(&selected).enumerate() {
        let view = view_of(&views, &job.table);
        let dataset = dataset_of(&datasets, job.table.dataset());
        let mode = modes[position];
        let mut plan = match (draft, &job.source) {
            (Draft::Files(resolved), Source::Files(source)) => {
                let others = other_names(&selected, &file_names, position);
                plan_files(context, job, source, (dataset, view), resolved, &others)?
            }
            (Draft::Rows(draft), Source::Rows(source)) => {
                let conflict = schema_conflict(&draft.content.schema, view);
                let mut plan = decide_rows(context, job, source, view, draft, mode);
                if let Some(note) = conflict {
                    plan.hold(Reason::SchemaConflict, note);
                }
                plan
            }
            (Draft::Uploads(draft), Source::Uploads(source)) => {
                decide_uploads(context, job, source, view, draft, mode)
            }
            (Draft::Files(_) | Draft::Rows(_) | Draft::Uploads(_), _) => continue,
        };
        plan.index = *index;
        if mode == Mode::Replace {
            guard_replace(context, view, &selected, job, &mut plan);
        }
        guard_job(context, job, view, dataset, &mut plan);
        jobs.push(plan);
    }
    if context.selection.sees_everything() {
        guard_shrink(manifest, context.release, &mut jobs);
    }
    hold_partial_replaces(&mut jobs);
    let datasets = datasets
        .iter()
        .map(|dataset| plan_dataset(context, dataset, &views, &mut jobs))
        .collect::<Result<Vec<DatasetPlan>, PlanError>>()?;
    Ok(Plan {
        manifest: manifest.name.clone(),
        manifest_digest: manifest.digest,
        endpoint: endpoint.to_owned(),
        datasets,
        jobs,
        is_whole: context.selection.is_whole(),
        id: OnceLock::new(),
    })
}

fn check_selection(
    selection: &Selection,
    manifest: &Manifest,
    selected: &[(usize, &Job)],
) -> Result<(), PlanError> {
    let unknown = selection.jobs.iter().find(|name| {
        manifest
            .jobs
            .iter()
            .all(|job| job.name.as_str() != name.as_str())
    });
    if let Some(name) = unknown {
        return Err(PlanError::NothingSelected(format!(
            "there is no job `{name}`"
        )));
    }
    if selected.is_empty() {
        let tags = selection.tags.join("`, `");
        return Err(PlanError::NothingSelected(format!(
            "no job has the tag `{tags}`"
        )));
    }
    Ok(())
}

/// What the remote has. A draft that is released while it is looked at, by an
/// earlier run's late call for one, is gone in the middle: then all is looked at
/// again.
fn observe(
    context: &PlanContext<'_>,
    selected: &[(usize, &Job)],
) -> Result<(Vec<DatasetView>, Vec<TableView>), PlanError> {
    let look = || {
        let datasets = observe_datasets(context, selected)?;
        let views = observe_tables(context, &datasets, selected)?;
        Ok((datasets, views))
    };
    match look() {
        Err(PlanError::Remote { source, .. }) if source.kind() == &ApiErrorKind::NotFound => look(),
        other => other,
    }
}

fn observe_datasets(
    context: &PlanContext<'_>,
    selected: &[(usize, &Job)],
) -> Result<Vec<DatasetView>, PlanError> {
    let mut found: Vec<DatasetView> = Vec::new();
    for (_, job) in selected {
        let dataset = job.table.dataset();
        if !found.iter().any(|view| view.dataset.matches(dataset)) {
            check_cancel(context.call.cancel)?;
            found.push(observe_dataset(
                context.reader,
                &context.call,
                context.net_pool,
                dataset,
            )?);
        }
    }
    Ok(found)
}

fn observe_tables(
    context: &PlanContext<'_>,
    datasets: &[DatasetView],
    selected: &[(usize, &Job)],
) -> Result<Vec<TableView>, PlanError> {
    let mut found: Vec<TableView> = Vec::new();
    for (_, job) in selected {
        if !found.iter().any(|view| view.table.matches(&job.table)) {
            check_cancel(context.call.cancel)?;
            let dataset = dataset_of(datasets, job.table.dataset());
            let view = observe_table(
                context.reader,
                &context.call,
                dataset,
                &job.table,
                context.store,
            )?;
            found.push(view);
        }
    }
    Ok(found)
}

#[expect(
    clippy::expect_used,
    reason = "every selected job's dataset was observed just before"
)]
fn dataset_of<'a>(datasets: &'a [DatasetView], wanted: &DatasetRef) -> &'a DatasetView {
    datasets
        .iter()
        .find(|view| view.dataset.matches(wanted))
        .expect("an observed dataset")
}

#[expect(
    clippy::expect_used,
    reason = "every selected job's table was observed just before"
)]
fn view_of<'a>(views: &'a [TableView], wanted: &TableRef) -> &'a TableView {
    views
        .iter()
        .find(|view| view.table.matches(wanted))
        .expect("an observed table")
}

fn draft_job(context: &PlanContext<'_>, job: &Job, view: &TableView) -> Result<Draft, PlanError> {
    match &job.source {
        Source::Files(source) => resolve_job_files(context, job, source).map(Draft::Files),
        Source::Rows(source) => pass_rows(context, job, source, view).map(Draft::Rows),
        Source::Uploads(source) => pass_uploads(context, job, source, view).map(Draft::Uploads),
    }
}

fn resolve_job_files(
    context: &PlanContext<'_>,
    job: &Job,
    source: &FilesSource,
) -> Result<Resolved, PlanError> {
    resolve_files(&context.resolve_options(job), source)
        .map_err(|error| PlanError::of_source(&job.name, error))
}

/// Two jobs that send one name to one table would undo each other's work.
fn check_names(selected: &[(usize, &Job)], drafts: &[Draft]) -> Result<(), PlanError> {
    let files = |draft: &Draft| match draft {
        Draft::Files(resolved) => resolved
            .files
            .iter()
            .map(|file| file.name.clone())
            .collect(),
        Draft::Rows(_) | Draft::Uploads(_) => Vec::new(),
    };
    for (one, (_, job)) in selected.iter().enumerate() {
        let later = selected.iter().enumerate().skip(one + 1);
        let mut twins = later
            .filter(|(_, (_, second))| job.table.matches(&second.table))
            .peekable();
        if twins.peek().is_none() {
            continue;
        }
        let names = files(&drafts[one]);
        for (other, (_, second)) in twins {
            if names.is_empty() {
                break;
            }
            let shared = files(&drafts[other])
                .into_iter()
                .find(|name| names.binary_search(name).is_ok());
            if let Some(name) = shared {
                return Err(PlanError::NameTaken {
                    table: Box::new(job.table.clone()),
                    name: name.to_string(),
                    first: job.name.clone(),
                    second: second.name.clone(),
                });
            }
        }
    }
    Ok(())
}

fn names_by_job(drafts: &[Draft]) -> Vec<Vec<String>> {
    drafts
        .iter()
        .map(|draft| match draft {
            Draft::Files(resolved) if drafts.len() > 1 => resolved
                .files
                .iter()
                .map(|file| file.name.to_string())
                .collect(),
            Draft::Files(_) | Draft::Rows(_) | Draft::Uploads(_) => Vec::new(),
        })
        .collect()
}

/// Names that other jobs give to the same table: no extras of this job.
fn other_names<'a>(
    selected: &[(usize, &Job)],
    names: &'a [Vec<String>],
    position: usize,
) -> Vec<&'a str> {
    let table = &selected[position].1.table;
    let mut found: Vec<&str> = selected
        .iter()
        .enumerate()
        .filter(|(other, (_, job))| *other != position && job.table.matches(table))
        .flat_map(|(other, _)| names[other].iter().map(String::as_str))
        .collect();
    found.sort_unstable();
    found
}
