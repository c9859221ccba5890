//! The ends of a run's items as they come in.

use std::sync::{Mutex, PoisonError};

use crate::base::ManifestName;
use crate::event::{End, Event, EventSink, FailKind, ItemEnd};

/// The ends of a run as they come in.
#[derive(Debug, Default)]
pub(super) struct Ends {
    items: Mutex<Vec<ItemEnd>>,
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

    /// Names of a job's items that did not end well.
    pub(super) fn failed_items(&self, job: &ManifestName) -> Vec<String> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items
            .iter()
            .filter(|end| end.job.as_ref() == Some(job) && end.error.is_some())
            .map(|end| end.name.clone())
            .collect()
    }

    /// Whether anything failed in a way that makes the rest pointless.
    pub(super) fn has_fatal(&self, fail_fast: bool) -> bool {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items
            .iter()
            .filter_map(|end| end.error.as_ref())
            .any(|error| {
                fail_fast || matches!(error.kind, FailKind::Unauthorized | FailKind::Locked)
            })
    }
}
