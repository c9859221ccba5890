//! `expect`, once more before a release: with the rows that the platform counts.
//! Before sending only the sources were known, and bulk uploads not even so.

use std::collections::BTreeSet;

use super::context::Shared;
use super::error::StepError;
use crate::base::{PartName, SourceKey, Version};
use crate::manifest::Expect;
use crate::plan::{DatasetPlan, JobContent, JobPlan, Plan, RowsInputPlan, judge, judge_shrink};

/// The first guard of a dataset's jobs that fails, in words.
pub(super) fn failed_guard(
    shared: Shared<'_>,
    plan: &Plan,
    dataset: &DatasetPlan,
) -> Result<Option<String>, StepError> {
    let manifest = shared.context.manifest;
    let here = |job: &&JobPlan| job.table.dataset().matches(&dataset.dataset);
    for job in plan.jobs.iter().filter(here) {
        let Some(expect) = manifest.jobs.get(job.index).map(|job| &job.expect) else {
            continue;
        };
        if let Some(why) = failure(shared, plan, (job, expect))? {
            return Ok(Some(format!("`expect` of job `{}`: {why}", job.job)));
        }
    }
    Ok(None)
}

fn failure(
    shared: Shared<'_>,
    plan: &Plan,
    (job, expect): (&JobPlan, &Expect),
) -> Result<Option<String>, StepError> {
    let unknown = |name: String| {
        Ok(Some(format!(
            "it is about rows, and the platform tells no number of rows of `{name}`"
        )))
    };
    let mut amount = job.wanted();
    if counts_rows(expect) && !matches!(job.content, JobContent::Files) {
        match stored_rows(shared, job)? {
            Counted::Rows(rows) => amount.rows = Some(rows),
            Counted::Unknown(name) => return unknown(name),
        }
    }
    if let Some(why) = judge(expect, &amount) {
        return Ok(Some(why));
    }
    if expect.max_shrink.is_none() || !job.replaces {
        return Ok(None);
    }
    let mut rows = 0;
    for one in plan.jobs.iter().filter(|one| one.table.matches(&job.table)) {
        match stored_rows(shared, one)? {
            Counted::Rows(count) => rows += count,
            Counted::Unknown(name) => return unknown(name),
        }
    }
    Ok(judge_shrink(expect, rows, job.history.released_rows))
}

fn counts_rows(expect: &Expect) -> bool {
    expect.min_rows.is_some() || expect.max_rows.is_some()
}

/// Rows that the platform counts of something.
enum Counted {
    Rows(u64),
    /// It tells none of this upload.
    Unknown(String),
}

/// Rows that the table will have of a job once it is released.
fn stored_rows(shared: Shared<'_>, job: &JobPlan) -> Result<Counted, StepError> {
    let (owner, sources): (&SourceKey, BTreeSet<&SourceKey>) = match &job.content {
        JobContent::Files => return Ok(Counted::Rows(0)),
        JobContent::Rows(content) => {
            let inputs = content.inputs.iter();
            let own = inputs.clone().map(|input| &input.input.key);
            let renamed = inputs.flat_map(RowsInputPlan::renamed);
            let sources = own.chain(renamed.map(|kept| &kept.source));
            (&content.owner, sources.collect())
        }
        JobContent::Uploads { owner, wanted } => {
            (owner, wanted.iter().map(|one| &one.source).collect())
        }
    };
    let mut rows = 0;
    for (name, count) in uploads_after_release(shared, job)? {
        let is_ours = PartName::parse(&name).is_some_and(|name| {
            name.identity.owner == *owner && sources.contains(&name.identity.source)
        });
        match count {
            Some(count) if is_ours => rows += count,
            None if is_ours => return Ok(Counted::Unknown(name)),
            Some(_) | None => {}
        }
    }
    Ok(Counted::Rows(rows))
}

/// Uploads behind the rows of the coming release, with their counts: those of the
/// draft, and the released ones unless the table is replaced.
fn uploads_after_release(
    shared: Shared<'_>,
    job: &JobPlan,
) -> Result<Vec<(String, Option<u64>)>, StepError> {
    let context = shared.context;
    let table = &job.table;
    let listed = context
        .writer
        .reader()
        .uploads(&context.call, table, &Version::Next)
        .map_err(StepError::api(format!("list the uploads of `{table}`")))?;
    let history = &job.history;
    let mut found: Vec<(String, Option<u64>)> = listed
        .into_iter()
        .filter(|upload| !history.has_name(&upload.name))
        .map(|upload| (upload.name, upload.num_rows))
        .collect();
    // What a draft of a replaced table inherits goes with its first new upload.
    if !job.replaces || found.is_empty() {
        let released = history.uploads.iter();
        found.extend(released.map(|upload| (upload.name.clone(), upload.num_rows)));
    }
    Ok(found)
}
