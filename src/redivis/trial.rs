//! How far the attempts of one request have come, and whether another follows.

use std::time::Duration;

use super::body::Progress;
use super::error::{ApiErrorKind, Failure, RetryClass};
use super::limits::FIRST_CONNECT_ATTEMPTS;
use super::pacer::Pacer;
use super::request::{Repeat, Request};
use super::retry::{Backoff, Wait, WaitReason};
use super::settings::HttpSettings;
use crate::base::Secret;

/// How far the attempts of one request have come.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    backoff: Backoff<'a>,
    pub(super) attempts: u32,
    /// The last attempt's time.
    pub(super) took: Duration,
    /// How often the service was well before the first attempt.
    times_well: u64,
    was_stale: bool,
    was_renewed: bool,
}

/// Whether a request went out, and with which token.
#[derive(Debug, Clone)]
pub(super) enum Attempted {
    No,
    With(Option<Secret>),
}

/// What follows a failed attempt.
pub(super) enum Next {
    GiveUp,
    AtOnce,
    After(Wait),
}

impl<'a> Trial<'a> {
    pub(super) fn new(backoff: Backoff<'a>, pacer: &Pacer) -> Self {
        Self {
            backoff,
            attempts: 0,
            took: Duration::ZERO,
            times_well: pacer.times_well(),
            was_stale: false,
            was_renewed: false,
        }
    }

    /// Whether and when to send once more.
    pub(super) fn next(
        &mut self,
        settings: &HttpSettings,
        (request, pacer): (&Request<'_>, &Pacer),
        failure: &Failure,
        attempted: Attempted,
    ) -> Next {
        if failure.kind == ApiErrorKind::Unauthorized {
            let Attempted::With(Some(token)) = attempted else {
                return Next::GiveUp;
            };
            let renewed =
                !self.was_renewed && matches!(settings.token.renewed(&token), Ok(Some(_)));
            self.was_renewed = true;
            return if renewed { Next::AtOnce } else { Next::GiveUp };
        }
        if request.repeat == Repeat::ByCaller {
            return Next::GiveUp;
        }
        let may_repeat = match failure.kind.retry_class(failure.sent) {
            RetryClass::Never => false,
            RetryClass::IfRepeatable => request.repeat == Repeat::Freely,
            RetryClass::Always => true,
        };
        if !may_repeat {
            return Next::GiveUp;
        }
        let is_network = failure.kind == ApiErrorKind::Network;
        // The server closed an idle connection at the moment we used it.
        if is_network && failure.sent && !Progress::now().is_fresh && !self.was_stale {
            self.was_stale = true;
            return Next::AtOnce;
        }
        let is_unreachable = is_network && !failure.sent && !pacer.has_answered();
        if is_unreachable && self.attempts >= FIRST_CONNECT_ATTEMPTS {
            return Next::GiveUp;
        }
        let is_outage = is_network || failure.kind == ApiErrorKind::Unavailable;
        if is_outage && pacer.is_out() {
            return Next::GiveUp;
        }
        let Some(delay) = self.backoff.next(self.took, failure.retry_after) else {
            if is_outage {
                pacer.gave_up(self.times_well);
            }
            return Next::GiveUp;
        };
        Next::After(Wait {
            reason: match failure.status {
                Some(429) => WaitReason::RateLimited,
                Some(status) => WaitReason::Status(status),
                None => WaitReason::Network,
            },
            delay,
            attempt: self.attempts + 1,
        })
    }
}
