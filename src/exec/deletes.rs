//! Deleting uploads of ours, by the address that the platform gave.

use std::time::Duration;

use super::context::{ExecContext, Shared};
use super::error::StepError;
use crate::event::ItemEnd;
use crate::event::What;
use crate::plan::{Action, Class, JobPlan, ListedSubject, Subject};
use crate::redivis::ResourceUri;

/// How long a deleted upload may still be seen.
const LOOKS: u32 = 60;
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Deletes an upload and waits until it is gone: its rows must not count beside
/// those of the next attempt.
pub(super) fn delete_and_wait(
    context: &ExecContext<'_>,
    uri: &ResourceUri,
) -> Result<(), StepError> {
    let doing = || StepError::api(format!("delete upload `{}`", uri.as_str()));
    context
        .writer
        .delete_upload(&context.call, uri)
        .map_err(doing())?;
    for _ in 0..LOOKS {
        let there = context
            .writer
            .reader()
            .upload_exists(&context.call, uri)
            .map_err(doing())?;
        if !there {
            return Ok(());
        }
        if !context
            .cancel
            .wait(LOOK_PAUSE.mul_f64(context.options.poll_scale))
        {
            return Err(StepError::Cancelled);
        }
    }
    Err(StepError::NotDeleted(uri.as_str().to_owned()))
}

/// Which of a job's deletions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletions {
    /// Unfinished attempts: before anything is sent, since nobody wants them.
    Broken,
    /// What is superseded or extra: last, when its successors are complete.
    Superseded,
}

/// Deletes what the plan says. `blocked` names sources (by key) whose wanted
/// parts are not all complete: nothing of theirs is deleted.
pub(super) fn delete_listed(
    shared: Shared<'_>,
    plan: &JobPlan,
    which: Deletions,
    blocked: &dyn Fn(&ListedSubject) -> Option<String>,
) {
    let context = shared.context;
    for item in plan
        .items
        .iter()
        .filter(|item| item.action == Action::Delete)
    {
        let Subject::Listed(listed) = &item.subject else {
            continue;
        };
        if (item.class == Class::Broken) != (which == Deletions::Broken) {
            continue;
        }
        let mut end = ItemEnd::new(What::Deletion, Some(&plan.job), &listed.name, "delete");
        end.rows = listed.rows.unwrap_or(0);
        end.remote_id = Some(listed.uri.as_str().to_owned());
        end.attempts = 1;
        let done = if context.cancel.is_cancelled() {
            Err(StepError::Cancelled)
        } else if let Some(why) = blocked(listed) {
            Err(StepError::Blocked(why))
        } else {
            delete_and_wait(context, &listed.uri)
        };
        let end = match done {
            Ok(()) => end.verified(),
            Err(error) => end.failed(&error),
        };
        shared.ends.push(context.events, end);
    }
}
