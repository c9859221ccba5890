//! One run: a process of its own, watched to its end, or killed when the sandbox
//! holds the request at which it shall die.

use std::process::{Child, ExitStatus};
use std::time::Duration;

use serde::Serialize;

use super::stage::Stage;
use super::traffic::{Traffic, word};
use crate::cli::failure::Failure;
use crate::proof::ProofError;
use crate::sandbox::{Dice, FreezePoint, Request, Thaw};

/// How often a run is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Where a run shall die.
#[derive(Debug, Clone, Copy)]
pub(super) struct KillPoint {
    /// At this request of the run, from 1.
    pub(super) request: u64,
    pub(super) point: FreezePoint,
    /// What becomes of the request.
    pub(super) thaw: Thaw,
}

impl KillPoint {
    /// At one of the first `reach` requests.
    pub(super) fn random(dice: &mut Dice, reach: u64) -> Self {
        Self {
            request: 1 + dice.below(reach),
            point: if dice.below(2) == 0 {
                FreezePoint::BeforeEffect
            } else {
                FreezePoint::AfterEffect
            },
            thaw: if dice.below(2) == 0 {
                Thaw::Apply
            } else {
                Thaw::Abandon
            },
        }
    }
}

/// How a run was killed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Kill {
    /// Its request, from 1.
    pub(super) request: u64,
    /// Which call it was, where the sandbox came to know.
    pub(super) operation: Option<String>,
    /// Whether the effect was done when it died.
    pub(super) after_effect: bool,
    /// Whether the platform went on with requests whose sender was dead.
    pub(super) applied: bool,
}

/// What one run came to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RunFacts {
    /// From 1.
    pub(super) run: u64,
    /// Whether faults could happen.
    pub(super) faulty: bool,
    /// Whether it began with an empty state although others were before it.
    pub(super) state_deleted: bool,
    pub(super) killed: Option<Kill>,
    /// The exit code; none when a signal ended it.
    pub(super) exit: Option<i32>,
    #[serde(flatten)]
    pub(super) traffic: Traffic,
    /// Items that it called verified and that were looked up.
    pub(super) claims: u64,
    /// Claims that are not true.
    pub(super) untrue: Vec<String>,
    /// Whether the remote was equal to the sources when the run had said that it
    /// is; `None`: it did not say so.
    pub(super) equal: Option<bool>,
}

impl RunFacts {
    /// Whether it said that everything is done.
    pub(super) fn says_done(&self) -> bool {
        matches!(self.exit, Some(0 | NOTHING_TO_DO))
    }

    /// Whether it found nothing to do, and did nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.exit == Some(NOTHING_TO_DO) && self.traffic.writes == 0
    }
}

/// The exit code that is asked for when there is nothing to do.
pub(super) const NOTHING_TO_DO: i32 = 99;

/// A process that never outlives its owner.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // One that has ended already needs no killing.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a run and brings it to its end.
pub(super) fn one(
    stage: &Stage<'_>,
    run: u64,
    kill: Option<KillPoint>,
) -> Result<(Option<ExitStatus>, Traffic, Option<Kill>), Failure> {
    let first = stage.sandbox.next_request_number();
    let mut traffic = Traffic::default();
    let mut held: Option<Request> = None;
    let mut killed = false;
    if let Some(kill) = kill {
        stage.sandbox.freeze(first + kill.request - 1, kill.point);
    }
    let mut child = Guard(stage.start(run)?);
    let failed = |error: std::io::Error| Failure::local_io("cannot wait for a run", &error);
    let mut drain = |held: &mut Option<Request>| {
        for request in stage.sandbox.take_requests() {
            if kill.is_some_and(|kill| request.number == first + kill.request - 1) {
                *held = Some(request.clone());
            }
            traffic.add(&request);
        }
    };
    let status = loop {
        if stage.context.cancel.is_cancelled() {
            drop(child);
            return Err(stopped());
        }
        if let Some(status) = child.0.try_wait().map_err(failed)? {
            break Some(status);
        }
        if kill.is_some() {
            if stage.sandbox.wait_frozen(LOOK) {
                child.0.kill().map_err(failed)?;
                child.0.wait().map_err(failed)?;
                killed = true;
                break None;
            }
        } else {
            stage.context.cancel.wait(LOOK);
        }
        drain(&mut held);
    };
    if let Some(kill) = kill {
        stage.sandbox.thaw(kill.thaw);
    }
    drain(&mut held);
    let kill = kill.filter(|_| killed).map(|kill| Kill {
        request: kill.request,
        operation: held.map(|request| word(request.operation)),
        after_effect: kill.point == FreezePoint::AfterEffect,
        applied: kill.thaw == Thaw::Apply,
    });
    Ok((status, traffic, kill))
}

/// Somebody asked to stop.
pub(super) fn stopped() -> Failure {
    Failure::from(ProofError::Cancelled)
}
