//! What is known of each origin: the pace of requests to it, and how many of them it
//! bears at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::endpoint::Origin;
use super::error::{ApiErrorKind, Failure};
use super::pacer::Pacer;
use super::retry::RetryPolicy;
use super::width::Width;

/// The way to one origin, shared by all workers.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) pacer: Pacer,
    pub(super) width: Width,
}

impl Lane {
    /// Holds everybody back as a failure asks for.
    pub(super) fn heed(&self, failure: &Failure, retry: &RetryPolicy) {
        if failure.kind == ApiErrorKind::RateLimited {
            self.pacer.refused(retry.scale);
        }
        if let Some(asked) = failure.retry_after {
            self.pacer.pause(Instant::now(), retry.scaled(asked));
        }
    }
}

/// The lanes of a client, each made when it is first used.
#[derive(Debug)]
pub(super) struct Lanes {
    tps_limit: Option<f64>,
    workers: usize,
    by_origin: Mutex<BTreeMap<Origin, Arc<Lane>>>,
}

impl Lanes {
    pub(super) fn new(tps_limit: Option<f64>, workers: usize) -> Self {
        Self {
            tps_limit,
            workers,
            by_origin: Mutex::default(),
        }
    }

    pub(super) fn to(&self, origin: &Origin) -> Arc<Lane> {
        let mut lanes = self
            .by_origin
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(origin) {
            return Arc::clone(lane);
        }
        let lane = Arc::new(Lane {
            pacer: Pacer::new(self.tps_limit, !origin.is_loopback()),
            width: Width::new(self.workers),
        });
        lanes.insert(origin.clone(), Arc::clone(&lane));
        lane
    }

    /// The fewest requests that any origin was sent at once, where that was fewer than
    /// there are workers.
    pub(super) fn narrowest(&self) -> Option<usize> {
        let lanes = self
            .by_origin
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let widths = lanes.values().map(|lane| lane.width.lowest());
        widths.min().filter(|lowest| *lowest < self.workers.max(1))
    }
}
