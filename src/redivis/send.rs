//! Sending one request until it is answered: the token, the pace, the repeats.
//! What may be repeated is said by each call (contract 11); how an attempt is
//! carried is `http`'s, and recovering a session is `session`'s.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::answer::{Answer, Sink};
use super::body::{Body, Outgoing, Throttle};
use super::endpoint::{Endpoint, Origin, decode};
use super::error::{ApiError, ApiErrorKind, Failure, Subject};
use super::http::{AgentOptions, Head, Line, SetupError, length_of};
use super::lane::{Lane, Lanes};
use super::md5::Hashers;
use super::pacer::{Bandwidth, RateLimit, http_date_ms, retry_after};
use super::request::{Answered, Repeat, Request, Target};
use super::retry::{Backoff, Call, Wait, WaitReason};
use super::settings::{HttpSettings, user_agent};
use super::stats::{Counters, Exchanged, HttpStats};
use super::trial::{Attempted, Next, Trial};
use super::width::Load;
use super::words::{Secrets, Words};
use crate::base::{Activity, Effort};

/// The client: one for a process, shared by all workers.
pub struct Http {
    settings: HttpSettings,
    line: Line,
    lanes: Lanes,
    bandwidth: Option<Bandwidth>,
    counters: Counters,
    effort: Effort,
    /// API calls under way that change something.
    effects: AtomicU64,
    streams: AtomicU64,
    pub(super) hashers: Hashers,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("endpoint", &self.settings.endpoint)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// A planned wait as it is really waited.
    pub(super) fn scaled(&self, wait: Duration) -> Duration {
        self.settings.retry.scaled(wait)
    }

    /// Sets the client up; sends nothing.
    pub fn new(settings: HttpSettings) -> Result<Self, SetupError> {
        let user_agent = user_agent(&settings.agent_comment);
        let line = Line::new(&AgentOptions {
            ca_cert: settings.ca_cert.as_deref(),
            proxy: settings.proxy.address(),
            connections: settings.connections,
            timeout: settings.timeout,
            user_agent: &user_agent,
        })?;
        Ok(Self {
            line,
            lanes: Lanes::new(settings.tps_limit, settings.connections),
            bandwidth: settings.bandwidth.map(Bandwidth::new),
            counters: Counters::default(),
            effort: Effort::default(),
            effects: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            hashers: Hashers::new(),
            settings,
        })
    }

    /// Where the API is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.settings.endpoint
    }

    /// Cuts all connections: calls that are under way end as cancelled, and so do
    /// later ones.
    pub fn shutdown(&self) {
        self.line.shutdown();
    }

    /// What was done so far.
    pub fn stats(&self) -> HttpStats {
        let mut stats = self.counters.snapshot();
        stats.connections = self.line.connections();
        let api = self.lanes.to(self.settings.endpoint.origin());
        stats.rate_limit = api.pacer.seen();
        stats.time = self.effort.spent();
        stats.narrowest = self.lanes.narrowest();
        stats
    }

    /// Where the time of the workers goes. Others add theirs.
    pub fn effort(&self) -> &Effort {
        &self.effort
    }

    /// Exchanges that have ended, and API calls under way that change something.
    pub fn traffic(&self) -> (u64, u64) {
        let effects = self.effects.load(Ordering::Relaxed);
        (self.counters.requests(), effects)
    }

    /// A jitter stream of its own.
    pub(super) fn backoff(&self) -> Backoff<'_> {
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        Backoff::new(&self.settings.retry, stream)
    }

    /// Tells of a wait, counts it and waits. `false`: the run was asked to stop.
    pub(super) fn wait(&self, call: &Call<'_>, wait: Wait) -> bool {
        let delay = self.settings.retry.scaled(wait.delay);
        (call.on_wait)(&wait);
        let started = Instant::now();
        let lasted = call.cancel.wait(delay);
        self.waited(wait.reason, started.elapsed());
        lasted
    }

    fn waited(&self, reason: WaitReason, time: Duration) {
        self.counters.waited(time);
        let activity = match reason {
            WaitReason::Pace | WaitReason::RateLimited => Activity::RateLimit,
            WaitReason::Status(_) | WaitReason::Network => Activity::Repeats,
        };
        self.effort.add(activity, time);
    }

    /// Sends a request, again if that is right, until it is answered well.
    pub(super) fn send(
        &self,
        call: &Call<'_>,
        request: &Request<'_>,
        mut body: Body<'_, '_>,
        mut sink: Sink<'_>,
    ) -> Result<Answered, ApiError> {
        let started = Instant::now();
        let subject = self.subject(request);
        let place = match self.place(request) {
            Ok(place) => place,
            Err(failure) => return Err(failure.into_error(subject, 0, started.elapsed())),
        };
        let mut trial = Trial::new(self.backoff(), &place.lane.pacer);
        loop {
            let attempt_started = Instant::now();
            let outcome = self.attempt(call, request, &place, &trial, (&mut body, &mut sink));
            trial.attempts += u32::from(!matches!(outcome, Err((_, Attempted::No))));
            let (failure, attempted) = match outcome {
                Ok(answer) => {
                    return Ok(Answered {
                        answer,
                        subject,
                        attempts: trial.attempts,
                        elapsed: started.elapsed(),
                    });
                }
                Err(failed) => failed,
            };
            trial.took = attempt_started.elapsed();
            let to = (request, &place.lane.pacer);
            let go_on = match trial.next(&self.settings, to, &failure, attempted) {
                Next::GiveUp => false,
                Next::AtOnce => true,
                Next::After(wait) => {
                    if !self.wait(call, wait) {
                        // What is waited for left no doubt, or none that matters.
                        let stopped = Failure::new(ApiErrorKind::Cancelled, false);
                        return Err(stopped.into_error(subject, trial.attempts, started.elapsed()));
                    }
                    true
                }
            };
            if !go_on {
                return Err(failure.into_error(subject, trial.attempts, started.elapsed()));
            }
        }
    }

    /// One attempt, from the wait for its turn to the end of its answer.
    fn attempt(
        &self,
        call: &Call<'_>,
        request: &Request<'_>,
        place: &Place,
        trial: &Trial<'_>,
        (body, sink): (&mut Body<'_, '_>, &mut Sink<'_>),
    ) -> Result<Answer, (Failure, Attempted)> {
        let before = |failure| (failure, Attempted::No);
        let stopped = || before(Failure::new(ApiErrorKind::Cancelled, false));
        // A place first, and held to the end: who gets it next must see the pause that this
        // attempt may begin.
        let enter = || place.lane.width.enter(call.cancel);
        let going = self.effort.during(Activity::Width, enter);
        let going = going.ok_or_else(stopped)?;
        if !self.take_turn(call, request, place, trial.attempts + 1) {
            return Err(stopped());
        }
        let token = if place.may_have_token {
            self.settings.token.current().map_err(|error| {
                before(Failure::new(ApiErrorKind::Unauthorized, false).with_source(error))
            })?
        } else {
            None
        };
        let local = |error: io::Error| {
            before(Failure::new(ApiErrorKind::LocalRead, false).with_source(error))
        };
        sink.reset().map_err(local)?;
        let length = length_of(request.method, body);
        let throttle = Throttle {
            call,
            bandwidth: self.bandwidth.as_ref(),
        };
        let is_repeat = trial.attempts > 0;
        let mut outgoing = Outgoing::start(body, is_repeat, throttle).map_err(local)?;
        let authorization = token
            .as_ref()
            .map(|token| format!("Bearer {}", token.reveal()));
        let head = Head {
            method: request.method,
            url: &place.url,
            headers: &request.headers,
            authorization: authorization.as_deref(),
            through_proxy: place.through_proxy,
        };
        let started = Instant::now();
        let has_effect = is_metered(request) && !request.method.is_reading();
        self.effects
            .fetch_add(u64::from(has_effect), Ordering::Relaxed);
        let result = self.line.exchange(&head, &mut outgoing, length, sink);
        self.effects
            .fetch_sub(u64::from(has_effect), Ordering::Relaxed);
        outgoing
            .times
            .tell(&self.effort, length > 0, (started, Instant::now()));
        let is_content = !is_metered(request) && !request.method.is_reading();
        let answer_time = outgoing.times.answer().filter(|_| is_content);
        going.answered(started, load_of(&result, answer_time));
        let (status, received_bytes) = match &result {
            Ok(answer) => (Some(answer.status), answer.received),
            Err(failure) => (failure.status, 0),
        };
        self.counters.exchanged(&Exchanged {
            call: request.call,
            took: started.elapsed(),
            is_repeat,
            is_rate_limited: status == Some(429),
            sent_bytes: outgoing.sent,
            received_bytes,
        });
        tracing::debug!(
            call = request.call,
            method = request.method.as_str(),
            url = self.subject(request).url,
            status,
            took = ?started.elapsed(),
            sent = outgoing.sent,
            is_repeat,
            "request"
        );
        let attempted = Attempted::With(token.clone());
        let answer = result.map_err(|failure| (failure, attempted.clone()))?;
        let secrets = Secrets {
            token: token.as_ref(),
            query: match &request.target {
                Target::Signed(url) => url.reveal().split_once('?').map(|(_, query)| query),
                Target::Api(_) => None,
            },
        };
        self.learn(place, &answer, &secrets);
        if (200..300).contains(&answer.status) || request.also_good.contains(&answer.status) {
            return Ok(answer);
        }
        let failure = self.failure_of(&answer, &secrets);
        place.lane.heed(&failure, &self.settings.retry);
        Err((failure, attempted))
    }

    /// Waits until this request may go out. `false`: the run was asked to stop.
    fn take_turn(
        &self,
        call: &Call<'_>,
        request: &Request<'_>,
        place: &Place,
        attempt: u32,
    ) -> bool {
        const WORTH_TELLING: Duration = Duration::from_millis(200);
        let mut is_told = false;
        let metered = is_metered(request);
        loop {
            if call.cancel.is_cancelled() {
                return false;
            }
            let delay = place.lane.pacer.ask(Instant::now(), metered);
            if delay.is_zero() {
                return true;
            }
            if delay >= WORTH_TELLING && !is_told {
                is_told = true;
                (call.on_wait)(&Wait {
                    reason: WaitReason::Pace,
                    delay,
                    attempt,
                });
            }
            let started = Instant::now();
            call.cancel.wait(delay);
            self.waited(WaitReason::Pace, started.elapsed());
        }
    }

    /// Takes in what every answer says besides its content.
    fn learn(&self, place: &Place, answer: &Answer, secrets: &Secrets<'_>) {
        let said = RateLimit {
            limit: answer.headers.number("x-ratelimit-limit"),
            remaining: answer.headers.number("x-ratelimit-remaining"),
        };
        let good = answer.status != 429;
        if good && answer.status < 500 {
            place.lane.pacer.is_well();
        }
        let scale = self.settings.retry.scale;
        place.lane.pacer.answered(Instant::now(), good, said, scale);
        if place.is_api {
            let told = answer.headers.get("date").and_then(http_date_ms);
            if let Some(theirs) = told {
                let ahead = theirs.saturating_sub((self.settings.now_ms)());
                self.counters.server_ahead(ahead);
            }
            for warning in answer.headers.all("x-redivis-warning") {
                self.counters.warned(&secrets.hide(warning.to_owned()));
            }
        }
    }

    /// What an answer that is not a good one means.
    fn failure_of(&self, answer: &Answer, secrets: &Secrets<'_>) -> Failure {
        let headers = &answer.headers;
        let words = match headers.get("x-redivis-error-payload") {
            Some(payload) if answer.body.is_empty() => Words::of_body(&decode(payload)),
            _ => Words::of_body(&answer.body),
        }
        .without(secrets);
        if (300..400).contains(&answer.status) {
            let target = headers.get("location").and_then(|to| Origin::of(to).ok());
            let target = target.map_or_else(|| "another address".to_owned(), |to| to.to_string());
            let why = format!("it redirects to {target}; redirects are not followed");
            return Failure::protocol(Some(answer.status), why);
        }
        let retry_after = headers.get("retry-after").and_then(|text| {
            let theirs = headers.get("date").and_then(http_date_ms);
            retry_after(text, theirs.unwrap_or_else(self.settings.now_ms))
        });
        Failure {
            kind: ApiErrorKind::of_status(answer.status, &words),
            status: Some(answer.status),
            words: Box::new(words),
            sent: true,
            retry_after,
            source: None,
        }
    }

    pub(super) fn subject(&self, request: &Request<'_>) -> Subject {
        Subject {
            call: request.call,
            method: request.method,
            url: match &request.target {
                Target::Api(path) => {
                    let path = path.split('?').next().unwrap_or_default();
                    self.settings.endpoint.url(path)
                }
                Target::Signed(url) => url.to_string(),
            },
            repeatable: request.repeat != Repeat::AfterLooking,
        }
    }

    /// An error about answers that do not fit together.
    pub(super) fn complaint(&self, request: &Request<'_>, why: String) -> ApiError {
        let failure = Failure::protocol(None, why);
        failure.into_error(self.subject(request), 1, Duration::ZERO)
    }

    /// Where a request goes, and what it may take along.
    fn place(&self, request: &Request<'_>) -> Result<Place, Failure> {
        let api = self.settings.endpoint.origin();
        let unsent = || Failure::new(ApiErrorKind::Protocol, false);
        let (url, origin) = match &request.target {
            Target::Api(path) => (self.settings.endpoint.url(path), api.clone()),
            Target::Signed(url) => {
                let origin =
                    Origin::of(url.reveal()).map_err(|error| unsent().with_source(error))?;
                if !origin.is_private() {
                    return Err(unsent()
                        .with_source("the server gave a plain http address for the content"));
                }
                if origin.is_loopback() && !api.is_loopback() {
                    return Err(unsent().with_source(
                        "the server gave an address on this machine for the content",
                    ));
                }
                (url.reveal().to_owned(), origin)
            }
        };
        Ok(Place {
            url,
            may_have_token: origin.may_have_token_of(api),
            through_proxy: self.settings.proxy.covers(&origin),
            is_api: origin == *api,
            lane: self.lanes.to(&origin),
        })
    }
}

/// What came of a request says of the load on its server.
fn load_of(result: &Result<Answer, Failure>, answer_time: Option<Duration>) -> Load {
    match result {
        Ok(answer) if answer.status == 429 || answer.status >= 500 => Load::Overloaded,
        Ok(_) => Load::Borne(answer_time),
        Err(_) => Load::Unknown,
    }
}

/// Whether a request counts as a call of the API.
fn is_metered(request: &Request<'_>) -> bool {
    matches!(request.target, Target::Api(_))
}

/// Where a request really goes.
#[derive(Debug)]
struct Place {
    url: String,
    may_have_token: bool,
    through_proxy: bool,
    is_api: bool,
    lane: Arc<Lane>,
}
