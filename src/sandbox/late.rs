//! Effects that come after their client has gone: requests that were read, kept,
//! and are handled when enough others have passed.

use std::io::{self, Seek as _, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Shared;
use super::body::Body;
use super::exchange::handled;
use super::http::Head;
use super::limits;
use super::routes::Route;

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

/// Reads a whole body into a file that has no name.
pub(super) fn spool(shared: &Shared, body: &mut Body<'_>) -> io::Result<(std::fs::File, u64)> {
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

/// Keeps a request for later.
pub(super) fn postpone(
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
pub(super) fn apply_due(shared: &Shared, number: u64) {
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
