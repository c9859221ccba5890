//! Servers between the program and the sandbox, on bare sockets: they keep the
//! raw bytes of every request, and a test says what becomes of each answer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::World;

/// Which of the relay's origins a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The API.
    Api,
    /// The storage, which is another origin.
    Storage,
    /// An origin that nobody should ever speak to.
    Elsewhere,
}

/// One request, as its bytes came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) door: Door,
    /// The head as it was, as text.
    pub(crate) head: String,
    /// Requests of this method and this kind of path so far, from 1.
    pub(crate) nth: usize,
}

impl Asked {
    /// `GET`.
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// The path with its query.
    pub(crate) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The method, and the path's last word without its query: `POST rawFiles`.
    pub(crate) fn kind(&self) -> String {
        if self.door == Door::Storage {
            return format!("{} storage", self.method());
        }
        let path = self.path().split('?').next().unwrap_or_default();
        let words: Vec<&str> = path.trim_start_matches("/api/v1/").split('/').collect();
        let word = match words.as_slice() {
            ["datasets", _] => "dataset",
            ["tables", _] => "table",
            ["tables", _, "uploads", _] => "upload",
            ["rawFiles", _] => "rawFile",
            [.., last] => last,
            [] => "",
        };
        format!("{} {word}", self.method())
    }

    /// The values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .filter(|(one, _)| one.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

/// A hand on the socket.
pub(crate) type Pour = Box<dyn FnOnce(&mut TcpStream) -> io::Result<()> + Send>;
/// A hand on the body of an answer.
pub(crate) type Change = Box<dyn FnOnce(Vec<u8>) -> Vec<u8> + Send>;

/// What becomes of a request.
pub(crate) enum Reaction {
    /// The sandbox's answer.
    Pass,
    /// The sandbox's answer with another body.
    Change(Change),
    /// These bytes, and the end.
    Say(Vec<u8>),
    /// Whatever it writes, until it ends or the program goes.
    Pour(Pour),
}

impl Reaction {
    /// A whole answer.
    pub(crate) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        Self::Say(answer(status, headers, body.as_ref()))
    }
}

/// A whole answer with a length; `headers` end in line breaks.
fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut all = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}Connection: close\r\n\r\n"
    )
    .into_bytes();
    all.extend_from_slice(body);
    all
}

type React = Box<dyn Fn(&Asked) -> Reaction + Send + Sync>;

/// Three origins in front of a world's sandbox.
pub(crate) struct Relay {
    api: SocketAddr,
    storage: SocketAddr,
    elsewhere: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Host and port of the sandbox's two origins, and of ours for the second.
    sandbox: [String; 2],
    storage: String,
    react: React,
    asked: Mutex<Vec<Asked>>,
    is_over: AtomicBool,
}

impl Relay {
    /// Starts it; `react` is asked for each request.
    pub(crate) fn new(
        world: &World,
        react: impl Fn(&Asked) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let doors = [
            (Door::Api, listener()),
            (Door::Storage, listener()),
            (Door::Elsewhere, listener()),
        ];
        let [api, storage, elsewhere] = [0, 1, 2].map(|at| doors[at].1.local_addr().unwrap());
        let host = |url: &str| {
            let rest = url.trim_start_matches("http://");
            rest.split('/').next().unwrap().to_owned()
        };
        let sandbox = world.sandbox();
        let shared = Arc::new(Shared {
            sandbox: [host(&sandbox.endpoint()), host(&sandbox.storage_origin())],
            storage: storage.to_string(),
            react: Box::new(react),
            asked: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        for (door, listener) in doors {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.listen(door, &listener));
        }
        Self {
            api,
            storage,
            elsewhere,
            shared,
        }
    }

    /// The API's base address.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/api/v1", self.api)
    }

    /// The storage's origin.
    pub(crate) fn storage(&self) -> String {
        format!("http://{}", self.storage)
    }

    /// The origin that nobody should speak to.
    pub(crate) fn elsewhere(&self) -> String {
        format!("http://{}", self.elsewhere)
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        for address in [self.api, self.storage, self.elsewhere] {
            drop(TcpStream::connect(address));
        }
    }
}

impl Shared {
    fn listen(self: &Arc<Self>, door: Door, listener: &TcpListener) {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let shared = Arc::clone(self);
            // A program that goes away in the middle is no fault of the test.
            std::thread::spawn(move || drop(shared.serve(door, stream)));
        }
    }

    fn serve(&self, door: Door, mut stream: TcpStream) -> io::Result<()> {
        let (head, early) = read_head(&mut stream)?;
        let mut asked = Asked {
            door,
            head: String::from_utf8_lossy(&head).into_owned(),
            nth: 1,
        };
        {
            let mut all = self.asked.lock().unwrap();
            let kind = asked.kind();
            asked.nth += all.iter().filter(|one| one.kind() == kind).count();
            all.push(asked.clone());
        }
        let length = asked
            .header("content-length")
            .first()
            .map_or(0, |text| text.parse::<usize>().unwrap());
        let reaction = if door == Door::Elsewhere {
            Reaction::answer(200, "", "{}")
        } else {
            (self.react)(&asked)
        };
        match reaction {
            Reaction::Pass => {
                let answer = self.forward(&asked, &early, length, &mut stream)?;
                stream.write_all(&self.as_ours(answer, None))?;
            }
            Reaction::Change(change) => {
                let answer = self.forward(&asked, &early, length, &mut stream)?;
                stream.write_all(&self.as_ours(answer, Some(change)))?;
            }
            Reaction::Say(bytes) => {
                swallow(&mut stream, length.saturating_sub(early.len()))?;
                stream.write_all(&bytes)?;
            }
            Reaction::Pour(pour) => {
                swallow(&mut stream, length.saturating_sub(early.len()))?;
                pour(&mut stream)?;
            }
        }
        stream.shutdown(Shutdown::Write)?;
        // What is left unread would reset the connection under the answer.
        io::copy(&mut stream, &mut io::sink()).map(drop)
    }

    /// The sandbox's answer: its head and its body.
    fn forward(
        &self,
        asked: &Asked,
        early: &[u8],
        length: usize,
        from: &mut TcpStream,
    ) -> io::Result<(String, Vec<u8>)> {
        let host = &self.sandbox[usize::from(asked.door == Door::Storage)];
        let mut head = format!("{} {} HTTP/1.1\r\n", asked.method(), asked.path());
        for line in asked.head.lines().skip(1).filter(|line| !line.is_empty()) {
            let name = line
                .split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            if !matches!(name.as_str(), "host" | "connection") {
                head.push_str(line);
                head.push_str("\r\n");
            }
        }
        let mut sandbox = TcpStream::connect(host)?;
        write!(sandbox, "{head}Host: {host}\r\nConnection: close\r\n\r\n")?;
        sandbox.write_all(early)?;
        let mut left = length.saturating_sub(early.len());
        let mut buffer = vec![0; 64 << 10];
        while left > 0 {
            let wanted = left.min(buffer.len());
            let read = from.read(&mut buffer[..wanted])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            sandbox.write_all(&buffer[..read])?;
            left -= read;
        }
        let (head, mut body) = read_head(&mut sandbox)?;
        sandbox.read_to_end(&mut body)?;
        let head = String::from_utf8_lossy(&head).into_owned();
        if head
            .to_ascii_lowercase()
            .contains("transfer-encoding: chunked")
        {
            body = unchunked(&body);
        }
        Ok((head, body))
    }

    /// An answer of the sandbox as if its storage were ours.
    fn as_ours(&self, (head, mut body): (String, Vec<u8>), change: Option<Change>) -> Vec<u8> {
        let theirs = &self.sandbox[1];
        if let Ok(text) = std::str::from_utf8(&body) {
            body = text.replace(theirs.as_str(), &self.storage).into_bytes();
        }
        if let Some(change) = change {
            body = change(body);
        }
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        let mut headers = String::new();
        for line in head.lines().skip(1).filter(|line| !line.is_empty()) {
            let name = line
                .split(':')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            match name.as_str() {
                "connection" | "transfer-encoding" | "content-length" => {}
                _ => {
                    headers.push_str(&line.replace(theirs.as_str(), &self.storage));
                    headers.push_str("\r\n");
                }
            }
        }
        answer(status.unwrap_or(500), &headers, &body)
    }
}

/// Reads up to the empty line: the head with it, and what came after.
fn read_head(stream: &mut TcpStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..read]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((bytes, rest));
        }
    }
}

fn swallow(stream: &mut TcpStream, length: usize) -> io::Result<()> {
    io::copy(&mut stream.take(length as u64), &mut io::sink()).map(drop)
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + size]);
        body = &body[end + 4 + size..];
    }
    whole
}

impl World {
    /// Runs `COMMAND MANIFEST ARGS..` against a relay.
    pub(crate) fn through(&self, relay: &Relay, command: &str, args: &[&str]) -> super::Outcome {
        let manifest = self.path("manifest.yaml");
        let mut all = vec![command, manifest.to_str().unwrap()];
        all.extend(args);
        self.call_with(&all, &[("REDIVIS_API_ENDPOINT", &relay.endpoint())])
    }
}
