//! Answers and refusals, and how they are written: flat or nested JSON errors
//! on the API's origin, XML on the storage's, and the percent-encoded payload
//! that stands in for a body when the method is HEAD (contract 1.5, 9.5).

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use super::behaviour::ErrorShape;
use super::bodies::BodyReader;
use super::http::{Connection, percent_encode};

type Streamer = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// What follows an answer's head.
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// Exactly this many bytes of a stored body.
    Stored(BodyReader, u64),
    /// Written in chunks while it is made.
    Stream(Streamer),
}

/// A response.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(&'static str, String)>,
    content: Content,
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Bytes(Vec::new()),
        }
    }

    pub(super) fn json(status: u16, value: &impl Serialize) -> Self {
        let bytes = serde_json::to_vec(value).unwrap_or_default();
        Self {
            status,
            headers: vec![("Content-Type", "application/json; charset=utf-8".to_owned())],
            content: Content::Bytes(bytes),
        }
    }

    /// What DELETE answers (contract 1.4: never an empty body).
    pub(super) fn ok() -> Self {
        Self::text(200, "text/plain; charset=utf-8", "OK")
    }

    pub(super) fn text(status: u16, kind: &str, text: &str) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", kind.to_owned())],
            content: Content::Bytes(text.as_bytes().to_vec()),
        }
    }

    pub(super) fn html(status: u16) -> Self {
        let page = format!(
            "<html><head><title>{status} {}</title></head><body>The gateway is unhappy.</body></html>",
            reason(status)
        );
        Self::text(status, "text/html", &page)
    }

    pub(super) fn stored(status: u16, reader: BodyReader, bytes: u64) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Stored(reader, bytes),
        }
    }

    pub(super) fn stream(kind: &str, streamer: Streamer) -> Self {
        Self {
            status: 200,
            headers: vec![("Content-Type", kind.to_owned())],
            content: Content::Stream(streamer),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Puts more in front of a list's `results`.
    pub(super) fn with_results(mut self, more: Vec<serde_json::Value>) -> Self {
        if let Content::Bytes(bytes) = &self.content
            && let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(bytes)
            && let Some(results) = value
                .get_mut("results")
                .and_then(|list| list.as_array_mut())
        {
            results.splice(0..0, more);
            self.content = Content::Bytes(value.to_string().into_bytes());
        }
        self
    }

    /// Writes the answer; `cut` breaks its body off after that many bytes.
    pub(super) fn write(self, out: &mut Connection, how: Writing) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        if !how.keep_alive {
            head.push_str("Connection: close\r\n");
        }
        let length = match &self.content {
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::Stored(_, bytes) => Some(*bytes),
            Content::Stream(_) => None,
        };
        match length {
            Some(_) if self.status == 304 => {}
            Some(bytes) => {
                head.push_str("Content-Length: ");
                head.push_str(&bytes.to_string());
                head.push_str("\r\n");
            }
            None => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        head.push_str("\r\n");
        let mut message = head.into_bytes();
        if how.head_only {
            return out.write_all(&message);
        }
        let mut sink = Limited {
            out,
            left: how.cut.unwrap_or(u64::MAX),
        };
        match self.content {
            Content::Bytes(bytes) if how.cut.is_none() && bytes.len() < 64 * 1024 => {
                message.extend_from_slice(&bytes);
                sink.out.write_all(&message)
            }
            Content::Bytes(bytes) => {
                sink.out.write_all(&message)?;
                sink.write_all(&bytes)
            }
            Content::Stored(mut reader, _) => {
                sink.out.write_all(&message)?;
                io::copy(&mut reader, &mut sink).map(drop)
            }
            Content::Stream(streamer) => {
                sink.out.write_all(&message)?;
                let chunks = Chunks { out: sink };
                let mut buffered = io::BufWriter::with_capacity(64 * 1024, chunks);
                streamer(&mut buffered)?;
                buffered.flush()?;
                buffered.get_mut().out.write_all(b"0\r\n\r\n")
            }
        }
    }
}

/// How one answer is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writing {
    pub(super) head_only: bool,
    pub(super) keep_alive: bool,
    pub(super) cut: Option<u64>,
}

/// Stops with an error when its allowance is used up.
struct Limited<'a> {
    out: &'a mut Connection,
    left: u64,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let allowed = bytes
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if allowed == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.out.write_all(&bytes[..allowed])?;
        self.left -= allowed as u64;
        Ok(allowed)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Chunks<'a> {
    out: Limited<'a>,
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend_from_slice(bytes);
            chunk.extend_from_slice(b"\r\n");
            self.out.write_all(&chunk)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The API's kind of error.
    Api {
        status: u16,
        error: &'static str,
        description: String,
        scope: Option<&'static str>,
    },
    /// The storage's kind.
    Storage {
        status: u16,
        code: &'static str,
        message: String,
    },
    /// The client has gone, or the disk failed: there is nobody to answer.
    Gone(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl Refusal {
    pub(super) fn api(status: u16, error: &'static str, description: impl Into<String>) -> Self {
        Self::Api {
            status,
            error,
            description: description.into(),
            scope: None,
        }
    }

    pub(super) fn invalid(description: impl Into<String>) -> Self {
        Self::api(400, "invalid_request", description)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::api(404, "not_found", format!("Not found: {what}"))
    }

    pub(super) fn too_large(description: impl Into<String>) -> Self {
        Self::api(413, "payload_too_large", description)
    }

    pub(super) fn storage(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::Storage {
            status,
            code,
            message: message.into(),
        }
    }

    /// The answer to a refusal; `None` when nobody is there to read it.
    pub(super) fn into_answer(self, shape: ErrorShape, is_head: bool) -> Option<Answer> {
        match self {
            Self::Gone(error) => {
                tracing::debug!(%error, "a request ended without an answer");
                None
            }
            Self::Storage {
                status,
                code,
                message,
            } => Some(Answer::text(
                status,
                "application/xml; charset=UTF-8",
                &format!(
                    "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
                ),
            )),
            Self::Api {
                status,
                error,
                description,
                scope,
            } => {
                let body = match shape {
                    ErrorShape::Flat => {
                        let mut body = json!({
                            "status": status,
                            "error": error,
                            "error_description": description,
                        });
                        if let (Some(scope), Some(map)) = (scope, body.as_object_mut()) {
                            map.insert("scope".to_owned(), json!(scope));
                        }
                        body
                    }
                    ErrorShape::Nested => {
                        json!({ "error": { "message": description, "status": status } })
                    }
                };
                if is_head {
                    let payload = percent_encode(&body.to_string());
                    Some(Answer::empty(status).with("X-REDIVIS-ERROR-PAYLOAD", payload))
                } else {
                    Some(Answer::json(status, &body))
                }
            }
        }
    }
}

/// The words after a status.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        308 => "Resume Incomplete",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}
