//! The ends of a run's items as they come in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::error::StepError;
use crate::base::ManifestName;
use crate::event::{End, Event, EventSink, FailKind, Failed, ItemEnd};

/// The ends of a run as they come in.
#[derive(Debug, Default)]
pub(super) struct Ends {
    items: Mutex<Vec<ItemEnd>>,
    /// Asked for each item, so kept beside the list.
    has_failed: AtomicBool,
    is_pointless: AtomicBool,
}

impl Ends {
    /// Keeps an end and tells it.
    pub(super) fn push(&self, events: &EventSink, end: ItemEnd) {
        match (&end.error, end.end) {
            (None, End::Verified) => events.send(Event::Finished {
                what: end.what,
                name: end.name.clone(),
                bytes: end.bytes,
                rows: end.rows,
            }),
            (Some(error), End::Failed | End::Drifted | End::Unverified) => {
                events.send(Event::Failed {
                    what: end.what,
                    name: end.name.clone(),
                    error: error.message.clone(),
                });
            }
            (None | Some(_), _) => {}
        }
        if let Some(error) = &end.error {
            self.has_failed.store(true, Ordering::Relaxed);
            if matches!(error.kind, FailKind::Unauthorized | FailKind::Locked) {
                self.is_pointless.store(true, Ordering::Relaxed);
            }
        }
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(end);
    }

    /// All of them, by job, kind and name.
    pub(super) fn finish(self) -> Vec<ItemEnd> {
        let mut items = self
            .items
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        items.sort_by(|a, b| (&a.job, &a.name, a.action).cmp(&(&b.job, &b.name, b.action)));
        items
    }

    /// What has come in so far.
    pub(super) fn snapshot(&self) -> Vec<ItemEnd> {
        self.items
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the service refused an item of the job.
    pub(super) fn has_refused(&self, job: &ManifestName) -> bool {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().any(|end| is_refused(end, job))
    }

    /// Says what the refusals of a job's items came of: `cause`.
    pub(super) fn explain_refused(&self, job: &ManifestName, cause: &StepError) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        for end in items.iter_mut().filter(|end| is_refused(end, job)) {
            *end = end.clone().failed(cause);
        }
    }

    /// Names of a job's items that did not end well.
    pub(super) fn failed_items(&self, job: &ManifestName) -> Vec<String> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items
            .iter()
            .filter(|end| end.job.as_ref() == Some(job) && end.error.is_some())
            .map(|end| end.name.clone())
            .collect()
    }

    /// Whether to start nothing more: something failed that every other item will
    /// meet too, or anything failed and `fail_fast` was asked for.
    pub(super) fn has_fatal(&self, fail_fast: bool) -> bool {
        self.is_pointless.load(Ordering::Relaxed)
            || fail_fast && self.has_failed.load(Ordering::Relaxed)
    }
}

fn is_refused(end: &ItemEnd, job: &ManifestName) -> bool {
    let refused = |error: &Failed| error.kind == FailKind::Refused;
    end.job.as_ref() == Some(job) && end.error.as_ref().is_some_and(refused)
}
