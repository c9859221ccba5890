//! JSON sources: one object a line ([`lines`]) or one array of objects
//! ([`mod@array`]). A source is never held whole: texts of single rows are cut out of
//! blocks and walked in place.

mod array;
mod lines;
mod row;
mod walk;

pub(super) use array::ArrayRows;
pub(super) use lines::LineRows;
pub(super) use walk::Walker;

use crate::source::{JsonProblem, SourceError};

use super::pack::CAP;
use super::reject::Reject;
use super::{Rejects, RowStart};
use row::{NoRow, RowEncoder};

/// A window over a text: bytes that were read and not yet used.
struct Window {
    text: super::input::Text,
    buffer: Vec<u8>,
    /// The first byte not used.
    taken: usize,
    filled: usize,
    /// The text's position of `buffer[0]`.
    base: u64,
    ended: bool,
}

impl Window {
    fn new(text: super::input::Text) -> Self {
        Self {
            base: text.start(),
            text,
            buffer: Vec::new(),
            taken: 0,
            filled: 0,
            ended: false,
        }
    }

    /// Bytes that are there.
    fn rest(&self) -> &[u8] {
        &self.buffer[self.taken..self.filled]
    }

    /// The text's position of the first byte not used.
    fn position(&self) -> u64 {
        self.base + self.taken as u64
    }

    /// Brings more bytes; what is not used moves to the front and the buffer
    /// grows only when a row is longer than it. `false`: the text has ended.
    fn more(&mut self) -> Result<bool, SourceError> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.copy_within(self.taken..self.filled, 0);
        self.base += self.taken as u64;
        self.filled -= self.taken;
        self.taken = 0;
        if self.buffer.len() < self.filled + super::input::BLOCK {
            let wanted = (self.filled + super::input::BLOCK).max(2 * self.filled);
            self.buffer.resize(wanted, 0);
        }
        let count = self.text.read(&mut self.buffer[self.filled..])?;
        self.filled += count;
        self.ended = count == 0;
        Ok(!self.ended)
    }

    fn seek(&mut self, byte: u64) -> Result<bool, SourceError> {
        if !self.text.seek(byte)? {
            return Ok(false);
        }
        self.taken = 0;
        self.filled = 0;
        self.base = byte;
        self.ended = false;
        Ok(true)
    }
}

/// The text of one row, and where it is.
struct RowText<'a> {
    shown: &'a str,
    text: &'a [u8],
    start: RowStart,
    /// The column of its first character, from 1.
    column: u64,
}

impl RowText<'_> {
    /// Encodes the row. `false`: it was a reject.
    fn encode(
        &self,
        encoder: &mut RowEncoder,
        names: &[String],
        out: &mut Vec<u8>,
        rejects: Rejects<'_>,
    ) -> Result<bool, SourceError> {
        let mark = out.len();
        let error = match encoder.encode(self.text, out) {
            Ok(()) => {
                encoder.good(names, self.shown, self.start);
                return Ok(true);
            }
            Err(error) => error,
        };
        out.truncate(mark);
        match error {
            NoRow::Flaw(flaw) => {
                let (line, column) = self.place(flaw.at);
                Err(json_error(self.shown, line, column, flaw.why))
            }
            NoRow::Extra { key } => Err(SourceError::Columns {
                path: self.shown.to_owned(),
                line: self.start.line,
                missing: Vec::new(),
                extra: vec![key],
                repeated: Vec::new(),
            }),
            NoRow::Bad(bad) => {
                encoder.rejected();
                rejects(Reject {
                    file: self.shown.to_owned(),
                    line: self.start.line,
                    column: bad.field.and_then(|index| names.get(index).cloned()),
                    value: bad.value,
                    why: bad.why,
                });
                Ok(false)
            }
        }
    }

    /// Line and column of an offset in the row.
    fn place(&self, at: usize) -> (u64, u64) {
        let before = &self.text[..at.min(self.text.len())];
        match memchr::memrchr(b'\n', before) {
            Some(last) => (
                self.start.line + newlines(before),
                chars(&before[last + 1..]) + 1,
            ),
            None => (self.start.line, self.column + chars(before)),
        }
    }
}

/// The error of a flaw in a row's text that starts a line.
pub(super) fn flaw_error(
    shown: &str,
    text: &[u8],
    start: RowStart,
    flaw: walk::Flaw,
) -> SourceError {
    let row = RowText {
        shown,
        text,
        start,
        column: 1,
    };
    let (line, column) = row.place(flaw.at);
    json_error(shown, line, column, flaw.why)
}

fn json_error(shown: &str, line: u64, column: u64, why: JsonProblem) -> SourceError {
    SourceError::Json {
        path: shown.to_owned(),
        line,
        column,
        why,
    }
}

fn too_long(shown: &str, line: u64, column: u64) -> SourceError {
    json_error(shown, line, column, JsonProblem::TooLong { limit: CAP })
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// Characters of UTF-8 text (bytes that do not continue one).
fn chars(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

fn names(mapping: super::encode::Mapping<'_>) -> Vec<String> {
    mapping.words().map(|(name, _)| name.to_owned()).collect()
}
