//! Listening, and one thread per connection.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::Shared;
use super::answer::{Answer, Writing};
use super::exchange::{After, exchange};
use super::http::{Connection, HeadError};
use super::limits;
use super::log::Origin;
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
    shared.turns.close();
    for port in [shared.api_port, shared.storage_port] {
        // Wakes the listener, which then sees that it shall stop.
        drop(TcpStream::connect(("127.0.0.1", port)));
    }
    shared.open_connections.cut_all();
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
