//! A client that knows nothing: bytes out, bytes in.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use redivis_ingest::sandbox::{Character, Sandbox, SandboxOptions};
use serde_json::Value;

/// A parsed answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// Asserts the status; the body explains a failure.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// Asserts any success (contract Q23).
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert!(
            (200..300).contains(&self.status),
            "{} {}",
            self.status,
            self.text()
        );
        self
    }
}

/// Sends raw bytes and reads until the server closes; `None`: it closed without
/// an answer.
pub(crate) fn send(port: u16, bytes: &[u8]) -> Option<Reply> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    // The server may have answered and gone before all was sent.
    drop(stream.write_all(bytes));
    let mut all = Vec::new();
    let read = stream.read_to_end(&mut all);
    if all.is_empty() {
        return None;
    }
    drop(read);
    Some(parse(&all))
}

pub(crate) fn parse(bytes: &[u8]) -> Reply {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    };
    if reply.header("transfer-encoding") == Some("chunked") {
        reply.body = unchunk(&reply.body);
    }
    reply
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(line) = bytes.windows(2).position(|window| window == b"\r\n") {
        let digits = std::str::from_utf8(&bytes[..line]).unwrap();
        let count = usize::from_str_radix(digits, 16).unwrap();
        let from = line + 2;
        let to = (from + count).min(bytes.len());
        out.extend_from_slice(&bytes[from..to]);
        bytes = bytes.get(to + 2..).unwrap_or_default();
    }
    out
}

/// An emulator and the ports of its two origins.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) sandbox: Sandbox,
    pub(crate) api: u16,
    pub(crate) storage: u16,
}

/// What goes before a request's body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

impl Peer {
    pub(crate) fn start(options: SandboxOptions) -> Self {
        let sandbox = Sandbox::start(options).unwrap();
        let port = |url: &str| url.split(&[':', '/']).nth(4).unwrap().parse().unwrap();
        Self {
            api: port(&sandbox.endpoint()),
            storage: port(&sandbox.storage_origin()),
            sandbox,
        }
    }

    /// One with the dataset `demo.survey`, a file-index table `scans` and a
    /// table `readings`.
    pub(crate) fn with_tables(character: Character) -> Self {
        let peer = Self::start(SandboxOptions {
            character,
            ..SandboxOptions::default()
        });
        peer.post(
            "/organizations/demo/datasets",
            r#"{"name":"survey","publicAccessLevel":"none","description":null}"#,
        )
        .success();
        for (name, is_index) in [("scans", true), ("readings", false)] {
            peer.post(
                "/datasets/demo.survey:next/tables",
                &format!(r#"{{"name":"{name}","isFileIndex":{is_index}}}"#),
            )
            .success();
        }
        peer
    }

    /// A request to the API with a token; `None`: no answer came.
    pub(crate) fn try_api(&self, ask: Ask<'_>, body: &[u8]) -> Option<Reply> {
        let mut headers = vec![("Authorization", "Bearer tok")];
        headers.extend(ask.headers);
        let path = format!("/api/v1{}", ask.path);
        let ask = Ask {
            path: &path,
            headers: &headers,
            ..ask
        };
        send(self.api, &request(ask, body))
    }

    pub(crate) fn api(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let ask = Ask {
            method,
            path,
            headers,
        };
        self.try_api(ask, body).expect("an answer")
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.api("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, json: &str) -> Reply {
        self.api(
            "POST",
            path,
            &[("Content-Type", "application/json")],
            json.as_bytes(),
        )
    }

    pub(crate) fn patch(&self, path: &str, json: &str) -> Reply {
        self.api(
            "PATCH",
            path,
            &[("Content-Type", "application/json")],
            json.as_bytes(),
        )
    }

    /// A request to an absolute URL of the storage, without a token.
    pub(crate) fn try_storage(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Reply> {
        let origin = format!("http://127.0.0.1:{}", self.storage);
        let path = url.strip_prefix(&origin).expect("a URL of the storage");
        let ask = Ask {
            method,
            path,
            headers,
        };
        send(self.storage, &request(ask, body))
    }

    pub(crate) fn storage(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        self.try_storage(method, url, headers, body)
            .expect("an answer")
    }

    /// Asks for one temp upload; its id and URL.
    pub(crate) fn temp(
        &self,
        table: &str,
        name: &str,
        size: usize,
        resumable: bool,
    ) -> (String, String) {
        let reply = self
            .post(
                &format!("/tables/demo.survey:next.{table}/tempUploads"),
                &format!(
                    r#"{{"tempUploads":[{{"name":"{name}","size":{size},"resumable":{resumable}}}]}}"#
                ),
            )
            .success();
        let one = &reply.json()["results"][0];
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        (text("id"), text("url"))
    }

    /// Stages a small file; its temp upload's id.
    pub(crate) fn stage(&self, table: &str, name: &str, bytes: &[u8]) -> String {
        let (id, url) = self.temp(table, name, bytes.len(), false);
        self.storage("PUT", &url, &[], bytes).expect(200);
        id
    }

    /// Opens a resumable session; the temp upload's id and the session's URL.
    pub(crate) fn session(&self, table: &str, name: &str, size: usize) -> (String, String) {
        let (id, url) = self.temp(table, name, size, true);
        let total = size.to_string();
        let reply = self
            .storage(
                "POST",
                &url,
                &[
                    ("x-goog-resumable", "start"),
                    ("x-upload-content-length", &total),
                ],
                b"",
            )
            .success();
        (id, reply.header("location").unwrap().to_owned())
    }

    /// PUTs `bytes` of a session at `first`.
    pub(crate) fn chunk(&self, url: &str, bytes: &[u8], first: usize, total: usize) -> Reply {
        let range = format!("bytes {first}-{}/{total}", first + bytes.len() - 1);
        self.storage("PUT", url, &[("Content-Range", &range)], bytes)
    }

    /// Asks a session for its offset.
    pub(crate) fn status(&self, url: &str, total: usize) -> Reply {
        let range = format!("bytes */{total}");
        self.storage("PUT", url, &[("Content-Range", &range)], b"")
    }

    /// Attaches staged files.
    pub(crate) fn attach(&self, files: &[(&str, &str)]) -> Reply {
        let files: Vec<String> = files
            .iter()
            .map(|(name, id)| format!(r#"{{"name":"{name}","tempUploadId":"{id}"}}"#))
            .collect();
        self.post(
            "/tables/demo.survey:next.scans/rawFiles",
            &format!(r#"{{"files":[{}]}}"#, files.join(",")),
        )
    }
}

/// The bytes of a request that asks to close afterwards.
pub(crate) fn request(ask: Ask<'_>, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{} {} HTTP/1.1\r\nHost: x\r\n", ask.method, ask.path);
    for (name, value) in ask.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    if !matches!(ask.method, "GET" | "HEAD") {
        text.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    text += "Connection: close\r\n\r\n";
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Runs a test under both characters.
pub(crate) fn both(test: impl Fn(Character, &Peer)) {
    for character in [Character::Friendly, Character::Worst] {
        let peer = Peer::with_tables(character);
        test(character, &peer);
    }
}

/// Bytes that differ from place to place.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            u8::try_from(state >> 24).unwrap()
        })
        .collect()
}
