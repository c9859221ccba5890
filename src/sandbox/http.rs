//! HTTP/1.1 as a server reads it: one connection and the heads of its requests. Written on `std::net`, because an emulator that shall
//! misbehave has to hold the socket itself.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use super::limits;

/// A request method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// Anything else.
    Other,
}

impl Method {
    fn from_text(text: &str) -> Self {
        match text {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }

    /// Whether it may change something.
    pub const fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::Head)
    }
}

/// How a body's end is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
}

/// A request without its body.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) method: Method,
    /// As sent, still percent-encoded.
    pub(super) path: String,
    pub(super) query: String,
    headers: Vec<(String, String)>,
    pub(super) framing: Framing,
    /// Whether the body's length was stated at all.
    pub(super) has_length: bool,
    pub(super) keep_alive: bool,
}

impl Head {
    /// A header by its lower-case name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// A query parameter, decoded.
    pub(super) fn query(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(key) == name).then(|| percent_decode(&value.replace('+', " ")))
        })
    }

    /// The bearer token of the request.
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
            .filter(|token| !token.is_empty())
    }
}

/// Why a head could not be read.
#[derive(Debug)]
pub(super) enum HeadError {
    /// The connection ended or broke.
    Io(io::Error),
    /// Not HTTP/1.1 as we speak it; answered with this status.
    Malformed(u16, &'static str),
}

impl From<io::Error> for HeadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One client's connection with what was read ahead of need.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    owes_continue: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: vec![0; limits::MAX_HEAD].into_boxed_slice(),
            start: 0,
            end: 0,
            owes_continue: false,
        }
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The next request's head; `None` when the client has hung up between
    /// requests.
    pub(super) fn read_head(&mut self) -> Result<Option<Head>, HeadError> {
        loop {
            if self.start < self.end
                && let Some((head, length)) = parse_head(&self.buffer[self.start..self.end])?
            {
                self.start += length;
                self.owes_continue = head
                    .header("expect")
                    .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
                return Ok(Some(head));
            }
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.end == self.buffer.len() {
                return Err(HeadError::Malformed(431, "the request's head is too large"));
            }
            let count = self.stream.read(&mut self.buffer[self.end..])?;
            if count == 0 {
                if self.end == 0 {
                    return Ok(None);
                }
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            self.end += count;
        }
    }

    /// Writes to the client.
    pub(super) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads bytes of a body.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.start < self.end {
            let count = into.len().min(self.end - self.start);
            into[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
            self.start += count;
            return Ok(count);
        }
        if self.owes_continue {
            self.owes_continue = false;
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if into.len() >= 4096 {
            return self.stream.read(into);
        }
        self.start = 0;
        self.end = self.stream.read(&mut self.buffer)?;
        if self.end == 0 {
            return Ok(0);
        }
        self.read(into)
    }

    /// One line of the chunked framing, without its end.
    pub(super) fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0_u8; 1];
        while line.len() < 1024 {
            if self.read(&mut byte)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match byte[0] {
                b'\n' => return String::from_utf8(line).map_err(io::Error::other),
                b'\r' => {}
                other => line.push(other),
            }
        }
        Err(io::Error::other(
            "a line of the chunked framing is too long",
        ))
    }
}

pub(super) fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; 96];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_refused) => return Err(HeadError::Malformed(400, "this is not HTTP/1.1")),
    };
    let target = request.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|field| {
            let value = String::from_utf8_lossy(field.value).trim().to_owned();
            (field.name.to_owned(), value)
        })
        .collect();
    let (framing, has_length) = framing(&headers)?;
    let mut head = Head {
        method: Method::from_text(request.method.unwrap_or_default()),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        framing,
        has_length,
        keep_alive: request.version == Some(1),
    };
    if head
        .header("connection")
        .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    {
        head.keep_alive = false;
    }
    Ok(Some((head, length)))
}

fn framing(headers: &[(String, String)]) -> Result<(Framing, bool), HeadError> {
    let mut length = None;
    let mut chunked = false;
    for (name, value) in headers {
        if name.eq_ignore_ascii_case("content-length") {
            let digits = !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit());
            let bytes = digits.then(|| value.parse::<u64>().ok()).flatten();
            let Some(bytes) = bytes else {
                return Err(HeadError::Malformed(400, "`Content-Length` is no number"));
            };
            if length.is_some_and(|other| other != bytes) {
                return Err(HeadError::Malformed(400, "`Content-Length` is given twice"));
            }
            length = Some(bytes);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(HeadError::Malformed(501, "only `chunked` is understood"));
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(HeadError::Malformed(
            400,
            "`Content-Length` and `Transfer-Encoding` exclude each other",
        )),
        (Some(bytes), false) => Ok((Framing::Length(bytes), true)),
        (None, true) => Ok((Framing::Chunked, true)),
        (None, false) => Ok((Framing::Length(0), false)),
    }
}

/// Decodes `%41`; a bad escape stays as it is.
pub(super) fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| {
            bytes
                .get(at + offset)
                .and_then(|byte| char::from(*byte).to_digit(16))
        };
        if bytes[at] == b'%'
            && let (Some(high), Some(low)) = (digit(1), digit(2))
        {
            out.push(u8::try_from(high << 4 | low).unwrap_or_default());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Encodes all but unreserved characters.
pub(super) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whole_or_not_at_all() {
        let text = b"PUT /a%20b?x=1&y=%3A HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        for end in 0..text.len() - 3 {
            assert!(parse_head(&text[..end]).unwrap().is_none(), "{end}");
        }
        let (head, length) = parse_head(text).unwrap().unwrap();

        assert_eq!(length, text.len() - 3);
        assert_eq!(head.method, Method::Put);
        assert_eq!(head.query("y").as_deref(), Some(":"));
        assert_eq!(head.framing, Framing::Length(3));
    }

    #[test]
    fn two_framings_in_one_request_are_refused() {
        for text in [
            "PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: -3\r\n\r\n",
            "PUT / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "\0\0\0\0\r\n\r\n",
        ] {
            assert!(
                matches!(
                    parse_head(text.as_bytes()),
                    Err(HeadError::Malformed(400, _))
                ),
                "{text:?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_head_parser_panic(bytes: Vec<u8>, cut in 0_usize..200) {
            let good = b"PUT /x?y HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
            let mut mixed = good[..cut.min(good.len())].to_vec();
            mixed.extend_from_slice(&bytes);
            for text in [&bytes, &mixed] {
                if let Ok(Some((_, length))) = parse_head(text) {
                    proptest::prop_assert!(length <= text.len());
                }
            }
        }
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(percent_decode("a%2520b%3a%zz%"), "a%20b:%zz%");
        assert_eq!(percent_encode("a b:ü"), "a%20b%3A%C3%BC");
    }
}
