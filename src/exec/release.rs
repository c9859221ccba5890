//! The release of a dataset: the last step of a run that asked for it, and only
//! when everything before it is verified.

use std::time::Duration;

use super::context::Shared;
use super::draft::Draft;
use super::error::StepError;
use crate::event::What;
use crate::event::{ItemEnd, RunEnd};
use crate::manifest::Release;
use crate::plan::{Action, DatasetPlan, observe_dataset};

const LOOKS: u32 = 60;
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// Releases a dataset if the plan says so. `blocked` says why it must not be.
pub(super) fn release_dataset(
    shared: Shared<'_>,
    plan: &DatasetPlan,
    draft: &Draft,
    blocked: Option<Obstacle>,
) {
    let planned = plan.items.iter().any(|item| item.action == Action::Release);
    if !planned {
        return;
    }
    let name = format!("{}:next", plan.dataset);
    let end = ItemEnd::new(What::Version, None, &name, "release");
    let done = match blocked {
        Some(Obstacle { why, waits }) => Err(StepError::ReleaseRefused {
            dataset: plan.dataset.to_string(),
            why,
            waits,
        }),
        None => release(shared, plan, draft),
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

/// Releases, and proves it by the tag that is current afterwards.
fn release(shared: Shared<'_>, plan: &DatasetPlan, draft: &Draft) -> Result<String, StepError> {
    let context = shared.context;
    let notes = match &context.manifest.release {
        Release::Yes { notes, .. } => notes.as_deref(),
        Release::No => None,
    };
    draft.check(shared)?;
    let before = draft.identity().current_tag;
    let doing = format!("release `{}`", plan.dataset);
    let answer = context.writer.release(&context.call, &plan.dataset, notes);
    if let Err(error) = &answer
        && !error.is_in_doubt()
    {
        return answer
            .map(|version| version.tag)
            .map_err(StepError::api(doing));
    }
    for look in 0..LOOKS {
        if look > 0
            && !context
                .cancel
                .wait(LOOK_PAUSE.mul_f64(context.options.poll_scale))
        {
            return Err(StepError::Cancelled);
        }
        let view = observe_dataset(context.writer.reader(), &context.call, &plan.dataset)
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

/// What stands in a release's way.
#[derive(Debug, Clone)]
pub(super) struct Obstacle {
    why: String,
    /// Whether it is items that failed, each with a failure of its own.
    waits: bool,
}

/// Why a run that ended like this must not release.
pub(super) fn why_not(end: &RunEnd, jobs: usize) -> Option<Obstacle> {
    let bad = end.items.iter().filter(|item| item.error.is_some()).count();
    if bad > 0 {
        return Some(Obstacle {
            why: format!("{bad} items are not verified"),
            waits: true,
        });
    }
    let incomplete = jobs - end.complete_jobs.len().min(jobs);
    (incomplete > 0).then(|| Obstacle {
        why: format!("{incomplete} jobs are not complete"),
        waits: false,
    })
}
