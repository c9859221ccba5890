//! The release of a dataset: the last step, and only when everything before it is
//! verified and every guard holds.

use std::time::Duration;

use super::budget::Budget;
use super::context::{ExecContext, Shared};
use super::draft::Draft;
use super::error::StepError;
use super::guards::failed_guard;
use super::look::{Wanted, look_at_parts, look_at_release};
use super::outcome::Ends;
use super::releasable::check_releasable;
use super::rows::SentPart;
use super::temps::CallSize;
use super::variables::unsaid;
use crate::event::{Event, FailKind, ItemEnd, Phase, RunEnd, What};
use crate::plan::{Action, DatasetPlan, JobPlan, Plan, observe_dataset};

const LOOKS: u32 = 60;
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// Releases what a plan says, and does nothing else: for a caller that verified
/// every job before.
pub fn release(context: &ExecContext<'_>, plan: &Plan) -> RunEnd {
    let ends = Ends::default();
    let budget = Budget::new(context.options.max_memory);
    let call_size = CallSize::default();
    let shared = Shared {
        context,
        budget: &budget,
        ends: &ends,
        call_size: &call_size,
    };
    context.events.send(Event::Phase(Phase::Releasing));
    let drafts: Vec<Draft> = plan.datasets.iter().map(Draft::of).collect();
    let finished = jobs_to_release(plan, |_| &[]);
    release_datasets(shared, plan, (&drafts, &finished), None);
    RunEnd {
        items: ends.finish(),
        complete_jobs: plan.jobs.iter().map(|job| job.job.clone()).collect(),
    }
}

/// A job with what the release must hold of it.
pub(super) type Finished<'p> = (&'p JobPlan, Wanted);

/// Every job of rows or uploads that the draft holds something of. `sent` tells
/// what the run sent, by the job's index.
pub(super) fn jobs_to_release<'p, 's>(
    plan: &'p Plan,
    sent: impl Fn(usize) -> &'s [SentPart],
) -> Vec<Finished<'p>> {
    let wanted = |job: &'p JobPlan| {
        let wanted = Wanted::of(job, sent(job.index))?;
        (!wanted.is_inherited(job)).then_some((job, wanted))
    };
    if !plan.datasets.iter().any(is_released) {
        return Vec::new();
    }
    plan.jobs.iter().filter_map(wanted).collect()
}

/// Whether the plan releases it.
pub(super) fn is_released(dataset: &DatasetPlan) -> bool {
    let mut items = dataset.items.iter();
    items.any(|item| item.action == Action::Release)
}

/// Releases every dataset of which the plan says so. `blocked` says why none of
/// them may be.
pub(super) fn release_datasets(
    shared: Shared<'_>,
    plan: &Plan,
    (drafts, finished): (&[Draft], &[Finished<'_>]),
    blocked: Option<&Obstacle>,
) {
    let pairs = plan.datasets.iter().zip(drafts);
    for (dataset, draft) in pairs.filter(|(dataset, _)| is_released(dataset)) {
        let name = format!("{}:next", dataset.dataset);
        let end = ItemEnd::new(What::Version, None, &name, "release");
        let refused = |obstacle: Obstacle| StepError::ReleaseRefused {
            dataset: dataset.dataset.to_string(),
            why: obstacle.why,
            waits: obstacle.waits,
        };
        let done = match blocked {
            Some(obstacle) => Err(refused(obstacle.clone())),
            None => match failed_guard(shared, plan, dataset) {
                Ok(Some(why)) => Err(refused(Obstacle { why, waits: false })),
                Ok(None) => match unsaid(shared, dataset) {
                    Ok(Some(why)) => Err(refused(Obstacle { why, waits: false })),
                    Ok(None) => release_one(shared, dataset, draft, finished),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            },
        };
        let end = match done {
            Ok(tag) => {
                let mut end = end.verified();
                end.remote_id = Some(tag);
                end
            }
            Err(error) => end.failed(&error),
        };
        shared.ends.push(shared.context.events, end);
    }
}

/// Releases, and proves it by the tag that is current afterwards.
fn release_one(
    shared: Shared<'_>,
    plan: &DatasetPlan,
    draft: &Draft,
    finished: &[Finished<'_>],
) -> Result<String, StepError> {
    let here = |(job, _): &&Finished<'_>| job.table.dataset().matches(&plan.dataset);
    let finished: Vec<&Finished<'_>> = finished.iter().filter(here).collect();
    let release = || {
        draft.check(shared)?;
        check_releasable(shared, &plan.dataset)?;
        // Another writer may have changed something since each job's last look.
        for (job, wanted) in &finished {
            look_at_parts(shared, &job.table, wanted, job)
                .map_err(|error| draft.or_changed(shared, error))?;
        }
        release_draft(shared, plan, draft)
    };
    let tag = match release() {
        // It was allowed just before: something of another writer may have been
        // under way in the draft. Refused twice, it is refused.
        Err(error) if error.kind() == FailKind::Refused => release()?,
        other => other?,
    };
    for one in &finished {
        if let Some(what) = look_at_release(shared, (one.0, &one.1), &tag)? {
            return Err(StepError::ReleaseDiffers {
                dataset: plan.dataset.to_string(),
                tag,
                what,
            });
        }
    }
    Ok(tag)
}

fn release_draft(
    shared: Shared<'_>,
    plan: &DatasetPlan,
    draft: &Draft,
) -> Result<String, StepError> {
    let context = shared.context;
    let before = draft.identity().current_tag;
    let doing = format!("release `{}`", plan.dataset);
    let answer = context
        .writer
        .release(&context.call, &plan.dataset, context.notes);
    if let Err(error) = &answer
        && !error.is_in_doubt()
    {
        return answer
            .map(|version| version.tag)
            .map_err(|error| why_refused(shared, plan, draft, StepError::api(doing)(error)));
    }
    for look in 0..LOOKS {
        if look > 0
            && !context
                .cancel
                .wait(LOOK_PAUSE.mul_f64(context.options.poll_scale))
        {
            return Err(StepError::Cancelled);
        }
        let view = observe_dataset(
            context.writer.reader(),
            &context.call,
            context.net_pool,
            &plan.dataset,
        )
        .map_err(|error| StepError::Observe(Box::new(error)))?;
        if view.draft.current_tag != before
            && let Some(tag) = view.draft.current_tag
        {
            return Ok(tag);
        }
    }
    match answer {
        Err(error) => Err(StepError::api(doing)(error)),
        Ok(_) => Err(StepError::Unconfirmed {
            name: plan.dataset.to_string(),
        }),
    }
}

/// Why a draft cannot be released that could be a moment ago: another writer has
/// released it, or something of its own is under way in it.
fn why_refused(
    shared: Shared<'_>,
    plan: &DatasetPlan,
    draft: &Draft,
    error: StepError,
) -> StepError {
    let error = draft.or_changed(shared, error);
    if error.kind() != FailKind::Refused {
        return error;
    }
    match check_releasable(shared, &plan.dataset) {
        Err(StepError::ReleaseRefused { .. }) => StepError::WriterAtWork {
            table: plan.dataset.to_string(),
            what: "the draft could be released a moment ago, and cannot now".to_owned(),
        },
        Err(obstacle @ StepError::WriterAtWork { .. }) => obstacle,
        Ok(()) | Err(_) => error,
    }
}

/// What stands in a release's way.
#[derive(Debug, Clone)]
pub(super) struct Obstacle {
    why: String,
    /// Whether it is items that failed, each with a failure of its own.
    waits: bool,
}

/// Why a run that ended like this must not release.
pub(super) fn why_not(end: &RunEnd, jobs: usize) -> Option<Obstacle> {
    let mut bad = end.items.iter().filter(|item| item.error.is_some());
    if let Some(first) = bad.next() {
        let why = match bad.count() {
            0 => format!("`{}` is not verified", first.name),
            others => format!("`{}` and {others} more are not verified", first.name),
        };
        return Some(Obstacle { why, waits: true });
    }
    let why = match jobs - end.complete_jobs.len().min(jobs) {
        0 => return None,
        1 => "1 job is not complete".to_owned(),
        incomplete => format!("{incomplete} jobs are not complete"),
    };
    Some(Obstacle { why, waits: false })
}
