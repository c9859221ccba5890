//! The parsers of what clients send, by themselves: for the fuzz targets under
//! `tests/fuzz`, and for nobody else. No part of the library's interface.

use std::io::{self, Read};

use super::http::parse_head;
use super::multipart::{Parts, boundary};

/// The length of a request's head, where the bytes begin with a good and whole
/// one.
pub fn head(bytes: &[u8]) -> Option<usize> {
    let (_, length) = parse_head(bytes).ok()??;
    Some(length)
}

/// A part's name and its content.
pub type NamedPart = (String, Vec<u8>);

/// The parts of a multipart body that arrives in pieces of `step`
/// bytes.
pub fn multipart(
    content_type: &str,
    body: &[u8],
    step: usize,
) -> io::Result<Option<Vec<NamedPart>>> {
    let Some(boundary) = boundary(content_type) else {
        return Ok(None);
    };
    let mut parts = Parts::new(Pieces { rest: body, step }, &boundary);
    let mut found = Vec::new();
    while let Some(name) = parts.next_part()? {
        let mut content = Vec::new();
        parts.content().read_to_end(&mut content)?;
        found.push((name, content));
    }
    Ok(Some(found))
}

struct Pieces<'a> {
    rest: &'a [u8],
    step: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.step.clamp(1, into.len().max(1));
        let count = self.rest.len().min(most).min(into.len());
        let (now, later) = self.rest.split_at(count);
        into[..count].copy_from_slice(now);
        self.rest = later;
        Ok(count)
    }
}
