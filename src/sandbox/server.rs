//! Listening, one thread per connection, and the way of a request: number,
//! gate, late effects, fault, token, limit, handler, log, answer.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Shared;
use super::answer::{Answer, Refusal, Writing};
use super::faults::Fault;
use super::gate::{FreezePoint, Passage};
use super::http::{Body, Connection, Head, HeadError, Method};
use super::limits;
use super::log::{Origin, Request};
use super::routes::{self, Exchange, Handled, Route};
use crate::base::cancel::CancelReason;

/// The connections that are open, to be cut at the end.
#[derive(Debug, Default)]
pub(super) struct Connections {
    held: Mutex<(u64, BTreeMap<u64, TcpStream>)>,
    fewer: Condvar,
}

impl Connections {
    /// `None`: there are too many, or it has gone already.
    fn add(&self, stream: &TcpStream) -> Option<u64> {
        let copy = stream.try_clone().ok()?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.1.len() >= limits::MAX_CONNECTIONS {
            return None;
        }
        held.0 += 1;
        let id = held.0;
        held.1.insert(id, copy);
        Some(id)
    }

    fn remove(&self, id: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.1.remove(&id);
        drop(held);
        self.fewer.notify_all();
    }

    fn cut_all(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in held.1.values() {
            // One that has gone already needs no cutting.
            drop(stream.shutdown(Shutdown::Both));
        }
        let patience = Duration::from_secs(10);
        while !held.1.is_empty() {
            let (again, waited) = self
                .fewer
                .wait_timeout(held, patience)
                .unwrap_or_else(PoisonError::into_inner);
            held = again;
            if waited.timed_out() {
                return;
            }
        }
    }
}

/// Effects that come late.
#[derive(Debug, Default)]
pub(super) struct Pending {
    count: AtomicUsize,
    held: Mutex<Vec<Late>>,
    spools: AtomicU64,
}

#[derive(Debug)]
struct Late {
    /// Applied just before the request of this number.
    due: u64,
    head: Head,
    route: Route,
    body: std::fs::File,
    bytes: u64,
}

pub(super) fn accept(shared: &Arc<Shared>, listener: &TcpListener, origin: Origin) {
    for stream in listener.incoming() {
        if shared.stop.is_cancelled() {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let Some(id) = shared.open_connections.add(&stream) else {
            continue;
        };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let guard = Guard { shared, id };
            // An error here is the client's going away.
            drop(serve(&guard.shared, stream, origin));
        });
    }
}

/// Takes the connection off the list, whatever happens.
struct Guard {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.open_connections.remove(self.id);
    }
}

pub(super) fn stop(shared: &Shared) {
    shared.stop.cancel(CancelReason::Abandoned);
    shared.gate.close();
    for port in [shared.api_port, shared.storage_port] {
        // Wakes the listener, which then sees that it shall stop.
        drop(TcpStream::connect(("127.0.0.1", port)));
    }
    shared.open_connections.cut_all();
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    KeepAlive,
    Close,
    Reset,
}

fn serve(shared: &Shared, stream: TcpStream, origin: Origin) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection::new(stream);
    loop {
        let head = match connection.read_head() {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(()),
            Err(HeadError::Io(error)) => return Err(error),
            Err(HeadError::Malformed(status, why)) => {
                let answer = Answer::text(status, "text/plain", why);
                let how = Writing {
                    head_only: false,
                    keep_alive: false,
                    cut: None,
                };
                answer.write(&mut connection, how)?;
                return close(&mut connection, 0);
            }
        };
        match exchange(shared, &mut connection, &head, origin)? {
            After::KeepAlive => {}
            After::Close => return close(&mut connection, limits::MAX_DRAIN),
            After::Reset => {
                let socket = socket2::SockRef::from(connection.stream());
                return socket.set_linger(Some(Duration::ZERO));
            }
        }
    }
}

/// Closes so that the client sees the answer: what it still sends is read for a
/// while, since unread bytes would make the system reset the connection.
fn close(connection: &mut Connection, limit: u64) -> io::Result<()> {
    let stream = connection.stream();
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut left = limit;
    let mut reader: &TcpStream = stream;
    while left > 0 {
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => left = left.saturating_sub(count as u64),
        }
    }
    Ok(())
}

/// What a request came to, before it is written.
struct Outcome {
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

fn exchange(
    shared: &Shared,
    connection: &mut Connection,
    head: &Head,
    origin: Origin,
) -> io::Result<After> {
    let route = Route::of(head, origin);
    let number = shared.requests.fetch_add(1, Ordering::SeqCst) + 1;
    let passage = shared.gate.pass(number, FreezePoint::BeforeEffect);
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
    let mut outcome = match &peer {
        Some(peer) => orphaned(shared, head, &route, &mut body, peer, number)?,
        None => respond(shared, head, &route, &mut body, number),
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
    });
    if shared.gate.pass(number, FreezePoint::AfterEffect) == Passage::Abandoned {
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

/// Does what is asked, or what the script says instead.
fn respond(
    shared: &Shared,
    head: &Head,
    route: &Route,
    body: &mut Body<'_>,
    number: u64,
) -> Outcome {
    let fault = shared.faults.strike(route.operation);
    let Some(fault) = fault else {
        return handled(shared, head, route, body, None);
    };
    let error = |code: u16| error_answer(shared, route.origin, code);
    match &fault {
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
            drop(handled(shared, head, route, body, Some(&fault)));
            Outcome::answer(error(*code))
        }
        Fault::CutBeforeEffect => {
            drop(body.drain(u64::MAX));
            Outcome::cut(After::Close)
        }
        Fault::CutAfterBodyBytes { bytes } => {
            body.cut_at(*bytes);
            drop(handled(shared, head, route, body, Some(&fault)));
            Outcome::cut(After::Reset)
        }
        Fault::CutAfterEffect => {
            drop(handled(shared, head, route, body, Some(&fault)));
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
                handled(shared, head, route, body, Some(&fault))
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
            let mut outcome = handled(shared, head, route, body, Some(&fault));
            outcome.cut = Some(*bytes);
            outcome
        }
        Fault::ShortRange
        | Fault::LoseSession { .. }
        | Fault::ExpireUrl
        | Fault::WrongMd5
        | Fault::WrongCount
        | Fault::RenameUpload
        | Fault::LagNumRows { .. } => handled(shared, head, route, body, Some(&fault)),
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
fn handled(
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

/// Reads a whole body into a file that has no name.
fn spool(shared: &Shared, body: &mut Body<'_>) -> io::Result<(std::fs::File, u64)> {
    let bodies = &shared.store.bodies;
    let name = format!(
        "late-{}",
        shared.pending.spools.fetch_add(1, Ordering::Relaxed)
    );
    let mut file = bodies.create(&name)?;
    bodies.remove_file(&name);
    let mut buffer = vec![0; limits::BODY_BUFFER];
    let mut bytes = 0;
    loop {
        let count = body.fill(&mut buffer)?;
        if count == 0 {
            file.rewind()?;
            return Ok((file, bytes));
        }
        file.write_all(&buffer[..count])?;
        bytes += count as u64;
    }
}

fn postpone(
    shared: &Shared,
    head: &Head,
    route: &Route,
    due: u64,
    (body, bytes): (std::fs::File, u64),
) {
    let late = Late {
        due,
        head: head.clone(),
        route: route.clone(),
        body,
        bytes,
    };
    let mut held = shared
        .pending
        .held
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    held.push(late);
    shared.pending.count.store(held.len(), Ordering::Release);
}

/// Applies what has become due; nobody is there to be answered.
fn apply_due(shared: &Shared, number: u64) {
    if shared.pending.count.load(Ordering::Acquire) == 0 {
        return;
    }
    let due: Vec<Late> = {
        let mut held = shared
            .pending
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (due, later) = held.drain(..).partition(|late| late.due <= number);
        *held = later;
        shared.pending.count.store(held.len(), Ordering::Release);
        due
    };
    for late in due {
        let mut body = Body::spooled(late.body, late.bytes);
        drop(handled(shared, &late.head, &late.route, &mut body, None));
    }
}

/// A request that was held, under a character that applies the POSTs of dead
/// clients late: when its client has gone, so is its effect, for a while.
fn orphaned(
    shared: &Shared,
    head: &Head,
    route: &Route,
    body: &mut Body<'_>,
    peer: &TcpStream,
    number: u64,
) -> io::Result<Outcome> {
    let (file, bytes) = spool(shared, body)?;
    peer.set_nonblocking(true)?;
    let gone = match peer.peek(&mut [0]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    };
    peer.set_nonblocking(false)?;
    if gone {
        let due = number + 1 + u64::from(shared.store.behaviour.orphan_lag);
        postpone(shared, head, route, due, (file, bytes));
        return Ok(Outcome::cut(After::Close));
    }
    let mut spooled = Body::spooled(file, bytes);
    Ok(respond(shared, head, route, &mut spooled, number))
}
