//! One JSON array of objects, element by element. A scanner that knows only
//! strings and brackets finds where an element ends; the walker then looks at
//! it closely.

use crate::source::{JsonProblem, SourceError};

use super::row::RowEncoder;
use super::walk::Walker;
use super::{RowText, Window, chars, json_error, newlines, too_long};
use crate::source::rows::encode::Mapping;
use crate::source::rows::input::Text;
use crate::source::rows::pack::CAP;
use crate::source::rows::{Rejects, Rounded, RowStart};

/// Rows of a JSON source.
pub(crate) struct ArrayRows {
    window: Window,
    encoder: RowEncoder,
    names: Vec<String>,
    place: Place,
    /// Line and column of the first byte not used.
    line: u64,
    column: u64,
    record: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before `[`.
    Start,
    /// After `[`.
    First,
    /// After an element.
    After,
    /// Before an element that must come.
    Element,
    /// After `]`.
    End,
}

impl ArrayRows {
    pub(crate) fn new(text: Text, mapping: Mapping<'_>) -> Result<Self, SourceError> {
        Ok(Self {
            encoder: RowEncoder::new(mapping, text.shown())?,
            window: Window::new(text),
            names: super::names(mapping),
            place: Place::Start,
            line: 1,
            column: 1,
            record: 0,
        })
    }

    pub(crate) fn text(&self) -> &Text {
        &self.window.text
    }

    /// Appends the next row that can be encoded.
    pub(crate) fn next_encoded(
        &mut self,
        out: &mut Vec<u8>,
        rejects: Rejects<'_>,
    ) -> Result<Option<RowStart>, SourceError> {
        while let Some((start, length)) = self.next_element()? {
            let row = RowText {
                shown: self.window.text.shown(),
                text: &self.window.rest()[..length],
                start,
                column: self.column,
            };
            let good = row.encode(&mut self.encoder, &self.names, out, rejects)?;
            self.take(length);
            self.record += 1;
            if good {
                return Ok(Some(start));
            }
        }
        Ok(None)
    }

    pub(crate) fn take_rounded(&mut self) -> Vec<Rounded> {
        self.encoder.watch.take()
    }

    /// Hands out the text of the next element.
    pub(crate) fn next_text(&mut self) -> Result<Option<(RowStart, &[u8])>, SourceError> {
        let Some((start, length)) = self.next_element()? else {
            return Ok(None);
        };
        let from = self.window.taken;
        self.take(length);
        self.record += 1;
        Ok(Some((start, &self.window.buffer[from..from + length])))
    }

    /// Passes over elements without looking at them.
    pub(crate) fn skip(&mut self, records: u64) -> Result<(), SourceError> {
        for _ in 0..records {
            let Some((_, length)) = self.next_element()? else {
                break;
            };
            self.take(length);
            self.record += 1;
        }
        Ok(())
    }

    /// Goes to a row; one before the reader only where the text can be sought.
    pub(crate) fn forward_to(&mut self, start: &RowStart) -> Result<(), SourceError> {
        if !self.window.seek(start.byte)? {
            return self.skip(start.record.saturating_sub(self.record));
        }
        self.place = Place::Element;
        self.line = start.line;
        self.column = 1;
        self.record = start.record;
        Ok(())
    }

    /// Finds the next element and its length; the window holds all of it.
    fn next_element(&mut self) -> Result<Option<(RowStart, usize)>, SourceError> {
        loop {
            let next = self.peek()?;
            self.place = match (self.place, next) {
                (Place::End, None) => return Ok(None),
                (Place::End, Some(_)) => return Err(self.flaw(JsonProblem::TrailingText)),
                (_, None) => return Err(self.flaw(JsonProblem::EndsEarly)),
                (Place::Start, Some(b'[')) => {
                    self.take(1);
                    Place::First
                }
                (Place::Start, Some(_)) => return Err(self.flaw(JsonProblem::NotAnArray)),
                (Place::First | Place::After, Some(b']')) => {
                    self.take(1);
                    Place::End
                }
                (Place::After, Some(b',')) => {
                    let (line, column) = (self.line, self.column);
                    self.take(1);
                    if self.peek()? == Some(b']') {
                        let why = JsonProblem::TrailingComma;
                        return Err(json_error(self.window.text.shown(), line, column, why));
                    }
                    Place::Element
                }
                (Place::After, Some(_)) => {
                    let flaw = Walker::new(self.window.rest()).unexpected("`,` or `]`");
                    return Err(self.flaw(flaw.why));
                }
                (Place::First | Place::Element, Some(first)) => {
                    let length = self.element_length(first)?;
                    self.place = Place::After;
                    let start = RowStart {
                        byte: self.window.position(),
                        line: self.line,
                        record: self.record,
                    };
                    return Ok(Some((start, length)));
                }
            };
        }
    }

    /// The next byte that is not white space, not used yet.
    fn peek(&mut self) -> Result<Option<u8>, SourceError> {
        loop {
            let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            let blanks = self.window.rest().iter().take_while(blank).count();
            self.take(blanks);
            if let Some(byte) = self.window.rest().first() {
                return Ok(Some(*byte));
            }
            if !self.window.more()? {
                return Ok(None);
            }
        }
    }

    fn element_length(&mut self, first: u8) -> Result<usize, SourceError> {
        let mut scan = Scan::new(first);
        loop {
            let rest = self.window.rest();
            if let Some(length) = scan.go(rest) {
                return Ok(length);
            }
            if rest.len() as u64 > CAP {
                return Err(too_long(self.window.text.shown(), self.line, self.column));
            }
            if !self.window.more()? {
                // A short text: let the walker say where it ends early.
                return Ok(self.window.rest().len());
            }
        }
    }

    /// Uses bytes, keeping line and column.
    fn take(&mut self, count: usize) {
        let taken = &self.window.rest()[..count];
        match memchr::memrchr(b'\n', taken) {
            Some(last) => {
                self.line += newlines(taken);
                self.column = chars(&taken[last + 1..]) + 1;
            }
            None => self.column += chars(taken),
        }
        self.window.taken += count;
    }

    fn flaw(&self, why: JsonProblem) -> SourceError {
        json_error(self.window.text.shown(), self.line, self.column, why)
    }
}

/// Looks for the end of one element; goes on where it stopped when there is
/// more text.
struct Scan {
    at: usize,
    depth: usize,
    in_string: bool,
    scalar: bool,
}

impl Scan {
    fn new(first: u8) -> Self {
        Self {
            at: 0,
            depth: 0,
            in_string: false,
            scalar: !matches!(first, b'{' | b'[' | b'"'),
        }
    }

    /// The element's length, if `text` has all of it.
    fn go(&mut self, text: &[u8]) -> Option<usize> {
        if self.scalar {
            let ends = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t'..=b'\r');
            let end = text[self.at..].iter().position(ends);
            self.at = end.map_or(text.len(), |end| self.at + end);
            // An element has at least its first byte, however wrong that is.
            return end.map(|_| self.at.max(1));
        }
        while self.at < text.len() {
            let found = if self.in_string {
                self.string(text)
            } else {
                self.bracket(text)
            };
            found?;
            if self.depth == 0 && !self.in_string {
                return Some(self.at);
            }
        }
        None
    }

    /// Goes to the end of a string or over an escape in it.
    fn string(&mut self, text: &[u8]) -> Option<()> {
        let Some(stop) = memchr::memchr2(b'"', b'\\', &text[self.at..]) else {
            self.at = text.len();
            return None;
        };
        self.at += stop;
        let escape = text[self.at] == b'\\';
        // The escaped byte may not be there yet.
        if escape && self.at + 1 == text.len() {
            return None;
        }
        self.in_string = escape;
        self.at += if escape { 2 } else { 1 };
        Some(())
    }

    /// Goes over the next bracket or quote.
    fn bracket(&mut self, text: &[u8]) -> Option<()> {
        let marks = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
        let Some(stop) = text[self.at..].iter().position(marks) else {
            self.at = text.len();
            return None;
        };
        self.at += stop;
        match text[self.at] {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            _ => self.depth = self.depth.saturating_sub(1),
        }
        self.at += 1;
        Some(())
    }
}
