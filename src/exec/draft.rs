//! The draft has an identity. Before creating, deleting, attaching and releasing
//! it must still be the one that was planned.

use std::sync::{Mutex, PoisonError};

use super::context::Shared;
use super::error::StepError;
use crate::base::DatasetRef;
use crate::event::FailKind;
use crate::plan::{DatasetPlan, DraftIdentity, observe_dataset};

/// A dataset's draft during a run.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) dataset: DatasetRef,
    identity: Mutex<DraftIdentity>,
}

impl Draft {
    pub(super) fn of(plan: &DatasetPlan) -> Self {
        Self {
            dataset: plan.dataset.clone(),
            identity: Mutex::new(plan.draft.clone()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, DraftIdentity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, shared: Shared<'_>) -> Result<DraftIdentity, StepError> {
        let context = shared.context;
        observe_dataset(
            context.writer.reader(),
            &context.call,
            context.net_pool,
            &self.dataset,
        )
        .map(|view| view.draft)
        .map_err(|error| StepError::Observe(Box::new(error)))
    }

    /// Fails when the draft is another one by now.
    pub(super) fn check(&self, shared: Shared<'_>) -> Result<(), StepError> {
        let found = self.read(shared)?;
        let known = self.lock();
        if found == *known {
            return Ok(());
        }
        let what = if found.current_tag == known.current_tag {
            "`next` was deleted or made anew".to_owned()
        } else {
            format!(
                "the newest release is {} instead of {}",
                found.current_tag.as_deref().unwrap_or("none"),
                known.current_tag.as_deref().unwrap_or("none"),
            )
        };
        Err(StepError::DraftChanged {
            dataset: self.dataset.to_string(),
            what,
        })
    }

    /// Why a step failed: a refusal can come of a draft that another writer has
    /// released or made anew meanwhile. Then that is what happened.
    pub(super) fn or_changed(&self, shared: Shared<'_>, error: StepError) -> StepError {
        if error.kind() != FailKind::Refused {
            return error;
        }
        match self.check(shared) {
            Err(changed @ StepError::DraftChanged { .. }) => changed,
            Ok(()) | Err(_) => error,
        }
    }

    /// Creates `next` where there is none. After a refusal somebody else may
    /// have created it: that is as good, if it follows the same release.
    pub(super) fn create_next(&self, shared: Shared<'_>) -> Result<(), StepError> {
        let context = shared.context;
        let before = self.read(shared)?;
        let known = self.lock().clone();
        if before.current_tag != known.current_tag {
            return self.check(shared);
        }
        let created = if before.has_next {
            Ok(())
        } else {
            context
                .writer
                .create_next_version(&context.call, &self.dataset)
                .map(drop)
        };
        let after = self.read(shared)?;
        match created {
            Err(error) if !after.has_next => {
                let doing = format!("create the `next` version of `{}`", self.dataset);
                return Err(StepError::api(doing)(error));
            }
            Ok(()) | Err(_) => {}
        }
        if after.current_tag != known.current_tag {
            return self.check(shared);
        }
        *self.lock() = after;
        Ok(())
    }

    /// The identity as it is known.
    pub(super) fn identity(&self) -> DraftIdentity {
        self.lock().clone()
    }
}
