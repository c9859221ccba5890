//! A server that answers from a script and remembers what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What to do with the next request, whichever connection it comes on.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Read it all, answer with these bytes.
    Answer(Vec<u8>),
    /// Read the head and this many bytes of the body, answer, close.
    Early(usize, Vec<u8>),
    /// Read it all, close without an answer.
    Cut,
    /// Read the head and this many bytes of the body, close.
    CutAfter(usize),
    /// Read it all, send these bytes, close.
    AnswerAndClose(Vec<u8>),
    /// Read it all, answer with this head and a body that does not end.
    Endless(String),
    /// Read it all, send these bytes, say nothing more until the client goes.
    Stall(Vec<u8>),
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(one, _)| one.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(super) struct Script {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    steps: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    is_over: AtomicBool,
}

impl Script {
    pub(super) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            steps: Mutex::new(steps.into_iter().collect()),
            ..Shared::default()
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { address, shared }
    }

    pub(super) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base())
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The request lines, without the version.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |seen: Seen| seen.line.replace(" HTTP/1.1", "");
        self.seen().into_iter().map(line).collect()
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(super) fn left(&self) -> usize {
        self.shared.steps.lock().unwrap().len()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::with_capacity(4096, stream);
        while let Some((mut seen, length)) = head(&mut reader) {
            let step = self.steps.lock().unwrap().pop_front();
            let step = step.unwrap_or_else(|| Step::Answer(answer(418, &[], "no more steps")));
            let wanted = match &step {
                Step::Early(bytes, _) | Step::CutAfter(bytes) => *bytes,
                Step::Answer(_)
                | Step::Cut
                | Step::AnswerAndClose(_)
                | Step::Endless(_)
                | Step::Stall(_) => length,
            };
            seen.body = vec![0; wanted];
            let whole = reader.read_exact(&mut seen.body).is_ok();
            self.seen.lock().unwrap().push(seen);
            if !whole {
                return;
            }
            match step {
                Step::Answer(bytes) => {
                    if writer.write_all(&bytes).is_err() {
                        return;
                    }
                }
                Step::Early(_, bytes) | Step::AnswerAndClose(bytes) => {
                    drop(writer.write_all(&bytes));
                    return;
                }
                Step::Cut | Step::CutAfter(_) => return,
                Step::Endless(head) => {
                    let blanks = vec![b' '; 65_536];
                    let mut sent = writer.write_all(head.as_bytes());
                    while sent.is_ok() {
                        sent = writer.write_all(&blanks);
                    }
                    drop(writer.shutdown(Shutdown::Both));
                    return;
                }
                Step::Stall(bytes) => {
                    drop(writer.write_all(&bytes));
                    drop(reader.read(&mut [0]));
                    return;
                }
            }
        }
    }
}

fn head(reader: &mut BufReader<TcpStream>) -> Option<(Seen, usize)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let headers: Vec<(String, String)> = lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let seen = Seen {
        at: Instant::now(),
        line: lines.first()?.clone(),
        headers,
        body: Vec::new(),
    };
    let length = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    Some((seen, length))
}

/// An answer with a length.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// A step that answers.
pub(super) fn says(status: u16, headers: &[(&str, &str)], body: &str) -> Step {
    Step::Answer(answer(status, headers, body))
}

/// A step that answers 200 with JSON.
pub(super) fn json(body: &str) -> Step {
    says(200, &[("Content-Type", "application/json")], body)
}
