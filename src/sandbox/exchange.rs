//! The way of a request: number, gate, late effects, fault, token, limit,
//! handler, log, answer.

use std::io;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::answer::{Answer, Refusal, Writing};
use super::body::Body;
use super::faults::Fault;
use super::gate::{FreezePoint, Passage};
use super::http::{Connection, Head, Method};
use super::late::{apply_due, postpone, spool};
use super::limits;
use super::log::{Origin, Request};
use super::routes::{self, Exchange, Handled, Route};

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    KeepAlive,
    Close,
    Reset,
}

/// What a request came to, before it is written.
pub(super) struct Outcome {
    answer: Option<Answer>,
    after: After,
    cut: Option<u64>,
}

impl Outcome {
    fn answer(answer: Answer) -> Self {
        Self {
            answer: Some(answer),
            after: After::KeepAlive,
            cut: None,
        }
    }

    fn cut(after: After) -> Self {
        Self {
            answer: None,
            after,
            cut: None,
        }
    }
}

/// A request that passed the gate.
#[derive(Clone, Copy)]
struct Asked<'a> {
    shared: &'a Shared,
    head: &'a Head,
    route: &'a Route,
    number: u64,
    /// What shall go wrong with it.
    fault: Option<&'a Fault>,
}

/// Serves one request whose head was read.
pub(super) fn exchange(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    origin: Origin,
) -> io::Result<After> {
    let route = Route::of(head, origin);
    let number = shared.requests.fetch_add(1, Ordering::SeqCst) + 1;
    let passage = held(shared, (head, &route, number), FreezePoint::BeforeEffect);
    if passage == Passage::Abandoned {
        return Ok(After::Close);
    }
    apply_due(shared, number);
    let has_bearer = head.header("authorization").is_some();
    if has_bearer && origin == Origin::Storage {
        shared.tokens_on_storage.fetch_add(1, Ordering::Relaxed);
    }
    let orphan_lag = shared.store.behaviour.orphan_lag;
    let may_be_orphan = passage == Passage::Held && orphan_lag > 0 && head.method == Method::Post;
    let peer = may_be_orphan
        .then(|| connection.stream().try_clone())
        .transpose()?;
    let mut body = Body::new(connection, head.framing);
    let fault = shared.faults.strike(route.operation);
    let asked = Asked {
        shared,
        head,
        route: &route,
        number,
        fault: fault.as_ref(),
    };
    let mut outcome = match &peer {
        Some(peer) => orphaned(asked, &mut body, peer)?,
        None => respond(asked, &mut body),
    };
    shared.log.push(Request {
        number,
        origin,
        method: head.method,
        operation: route.operation,
        path: super::http::percent_decode(&head.path),
        body_bytes: body.bytes_read(),
        status: outcome.answer.as_ref().map_or(0, |answer| answer.status),
        bearer: has_bearer,
        fault: fault
            .map(|fault| fault.kind())
            .filter(|kind| kind.applies_to(route.operation)),
    });
    if held(shared, (head, &route, number), FreezePoint::AfterEffect) == Passage::Abandoned {
        outcome = Outcome::cut(After::Close);
    }
    let ended = body.is_ended();
    let Some(mut answer) = outcome.answer else {
        return Ok(outcome.after);
    };
    if origin == Origin::Api || shared.store.behaviour.storage_on_api_origin {
        let allowance = shared.rate.peek(shared.clock.now_ms());
        answer = answer
            .with("X-RateLimit-Limit", allowance.limit.to_string())
            .with("X-RateLimit-Remaining", allowance.remaining.to_string());
    }
    // A body that nobody wanted is read to its end if that is near.
    let mut ended = ended;
    if !ended
        && outcome.after == After::KeepAlive
        && body.stated().is_some_and(|all| all <= limits::MAX_DRAIN)
    {
        ended = body.drain(limits::MAX_DRAIN)?;
    }
    let keep_alive =
        head.keep_alive && ended && outcome.after == After::KeepAlive && outcome.cut.is_none();
    let how = Writing {
        head_only: head.method == Method::Head,
        keep_alive,
        cut: outcome.cut,
    };
    answer.write(connection, how)?;
    Ok(if keep_alive {
        After::KeepAlive
    } else {
        After::Close
    })
}

/// Where tests hold requests.
fn held(
    shared: &Shared,
    (head, route, number): (&Head, &Route, u64),
    point: FreezePoint,
) -> Passage {
    match shared.turns.pass(head.bearer(), (number, route.operation)) {
        Passage::Free => shared.gate.pass(number, point),
        passage @ (Passage::Held | Passage::Abandoned) => passage,
    }
}

/// Does what is asked, or what the script says instead.
fn respond(asked: Asked<'_>, body: &mut Body<'_>) -> Outcome {
    let Asked {
        shared,
        head,
        route,
        number,
        fault,
    } = asked;
    let Some(fault) = fault else {
        return handled(shared, head, route, body, None);
    };
    let error = |code: u16| error_answer(shared, route.origin, code);
    match fault {
        Fault::Status { code, retry_after } => {
            if body.drain(u64::MAX).is_err() {
                return Outcome::cut(After::Close);
            }
            let answer = error(*code);
            Outcome::answer(match retry_after {
                Some(form) => answer.with("Retry-After", form.text(shared.clock.now_ms())),
                None => answer,
            })
        }
        Fault::StatusAfterBodyBytes { bytes, code } => {
            // The client may go away at the sight of nothing being read.
            drop(body.drain(*bytes));
            Outcome {
                answer: Some(error(*code)),
                after: After::Close,
                cut: None,
            }
        }
        Fault::StatusAfterEffect { code } => {
            drop(handled(shared, head, route, body, Some(fault)));
            Outcome::answer(error(*code))
        }
        Fault::CutBeforeEffect => {
            drop(body.drain(u64::MAX));
            Outcome::cut(After::Close)
        }
        Fault::CutAfterBodyBytes { bytes } => {
            body.cut_at(*bytes);
            drop(handled(shared, head, route, body, Some(fault)));
            Outcome::cut(After::Reset)
        }
        Fault::CutAfterEffect => {
            drop(handled(shared, head, route, body, Some(fault)));
            Outcome::cut(After::Close)
        }
        Fault::LateEffect {
            after_requests,
            code,
        } => match spool(shared, body) {
            Ok((file, bytes)) => {
                let due = number + 1 + u64::from(*after_requests);
                postpone(shared, head, route, due, (file, bytes));
                match code {
                    Some(code) => Outcome::answer(error(*code)),
                    None => Outcome::cut(After::Close),
                }
            }
            Err(_gone) => Outcome::cut(After::Close),
        },
        Fault::Reset => Outcome::cut(After::Reset),
        Fault::Stall { ms } => {
            if shared.stop.wait(Duration::from_millis(*ms)) {
                handled(shared, head, route, body, Some(fault))
            } else {
                Outcome::cut(After::Close)
            }
        }
        Fault::HtmlErrorPage { code } => {
            if body.drain(u64::MAX).is_err() {
                return Outcome::cut(After::Close);
            }
            Outcome::answer(Answer::html(*code))
        }
        Fault::TruncateAnswer { bytes } => {
            let mut outcome = handled(shared, head, route, body, Some(fault));
            outcome.cut = Some(*bytes);
            outcome
        }
        Fault::ShortRange
        | Fault::LoseSession { .. }
        | Fault::ExpireUrl
        | Fault::WrongMd5
        | Fault::BitRot
        | Fault::WrongCount
        | Fault::RenameUpload
        | Fault::LagNumRows { .. } => handled(shared, head, route, body, Some(fault)),
    }
}

/// An error that the script asks for, in the words of its origin.
fn error_answer(shared: &Shared, origin: Origin, code: u16) -> Answer {
    let name = match code {
        401 => "invalid_token",
        403 => "forbidden",
        404 => "not_found",
        429 => "too_many_requests",
        _ => "server_error",
    };
    let reason = super::answer::reason(code);
    let refusal = match origin {
        Origin::Api => Refusal::api(code, name, reason),
        Origin::Storage => Refusal::storage(code, "InternalError", reason),
    };
    refusal
        .into_answer(shared.store.behaviour.error_shape, false)
        .unwrap_or_else(|| Answer::empty(code))
}

/// Token and limit, then the handler.
pub(super) fn handled(
    shared: &Shared,
    head: &Head,
    route: &Route,
    body: &mut Body<'_>,
    fault: Option<&Fault>,
) -> Outcome {
    let done = admitted(shared, head, route).and_then(|()| {
        let mut exchange = Exchange {
            shared,
            head,
            segments: &route.segments,
            body,
            fault,
        };
        routes::handle(&mut exchange, route)
    });
    finish(shared, head, done)
}

fn finish(shared: &Shared, head: &Head, done: Handled) -> Outcome {
    let answer = match done {
        Ok(answer) => Some(answer),
        Err(refusal) => {
            let limited = matches!(refusal, Refusal::Api { status: 429, .. });
            let now = shared.clock.now_ms();
            let retry_after = limited.then(|| shared.rate.peek(now).refused).flatten();
            let is_head = head.method == Method::Head;
            let shape = shared.store.behaviour.error_shape;
            refusal
                .into_answer(shape, is_head)
                .map(|answer| match retry_after {
                    Some(form) => answer.with("Retry-After", form.text(now)),
                    None => answer,
                })
        }
    };
    match answer {
        Some(answer) => Outcome::answer(answer),
        None => Outcome::cut(After::Close),
    }
}

/// Whether the API takes the request at all (contract 1.2, 1.6).
fn admitted(shared: &Shared, head: &Head, route: &Route) -> Result<(), Refusal> {
    if route.origin == Origin::Storage {
        return Ok(());
    }
    let refused = |description: &str| Err(Refusal::api(401, "invalid_token", description));
    let Some(token) = head.bearer() else {
        return refused("No bearer token was given");
    };
    let reads_only = shared.read_only_tokens.iter().any(|other| other == token);
    let known = reads_only || shared.token.as_ref().is_none_or(|own| own == token);
    if !known {
        return refused("The access token is not valid, or has expired");
    }
    if reads_only && head.method.is_write() {
        return Err(Refusal::Api {
            status: 403,
            error: "insufficient_scope",
            description: "This token does not have the scope data.edit".to_owned(),
            scope: Some("data.edit"),
        });
    }
    if shared.rate.count(shared.clock.now_ms()).refused.is_some() {
        return Err(Refusal::api(
            429,
            "too_many_requests",
            "Too many requests, please try again later.",
        ));
    }
    Ok(())
}

/// A request that was held, under a character that applies the POSTs of dead
/// clients late: when its client has gone, so is its effect, for a while.
fn orphaned(asked: Asked<'_>, body: &mut Body<'_>, peer: &TcpStream) -> io::Result<Outcome> {
    let shared = asked.shared;
    let (file, bytes) = spool(shared, body)?;
    peer.set_nonblocking(true)?;
    let gone = match peer.peek(&mut [0]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    };
    peer.set_nonblocking(false)?;
    if gone {
        let due = asked.number + 1 + u64::from(shared.store.behaviour.orphan_lag);
        postpone(shared, asked.head, asked.route, due, (file, bytes));
        return Ok(Outcome::cut(After::Close));
    }
    let mut spooled = Body::spooled(file, bytes);
    Ok(respond(asked, &mut spooled))
}
