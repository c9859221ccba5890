//! One JSON object a line. Lines of white space are passed over.

use crate::source::SourceError;

use super::row::RowEncoder;
use super::{RowText, Window, too_long};
use crate::source::rows::encode::Mapping;
use crate::source::rows::input::Text;
use crate::source::rows::pack::CAP;
use crate::source::rows::{Rejects, Rounded, RowStart};

/// Rows of an NDJSON source.
pub(crate) struct LineRows {
    window: Window,
    encoder: RowEncoder,
    names: Vec<String>,
    /// Of the next line.
    line: u64,
    /// Of the next row.
    record: u64,
}

impl LineRows {
    pub(crate) fn new(text: Text, mapping: Mapping<'_>) -> Result<Self, SourceError> {
        Ok(Self {
            encoder: RowEncoder::new(mapping, text.shown())?,
            window: Window::new(text),
            names: super::names(mapping),
            line: 1,
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
        while let Some((start, length, stop)) = self.next_line()? {
            let row = RowText {
                shown: self.window.text.shown(),
                text: &self.window.rest()[..length],
                start,
                column: 1,
            };
            let good = row.encode(&mut self.encoder, &self.names, out, rejects)?;
            self.take(stop);
            if good {
                return Ok(Some(start));
            }
        }
        Ok(None)
    }

    pub(crate) fn take_rounded(&mut self) -> Vec<Rounded> {
        self.encoder.watch.take()
    }

    /// Hands out the text of the next row.
    pub(crate) fn next_text(&mut self) -> Result<Option<(RowStart, &[u8])>, SourceError> {
        let Some((start, length, stop)) = self.next_line()? else {
            return Ok(None);
        };
        let from = self.window.taken;
        self.take(stop);
        Ok(Some((start, &self.window.buffer[from..from + length])))
    }

    /// Passes over rows without looking at them.
    pub(crate) fn skip(&mut self, records: u64) -> Result<(), SourceError> {
        for _ in 0..records {
            let Some((_, _, stop)) = self.next_line()? else {
                break;
            };
            self.take(stop);
        }
        Ok(())
    }

    /// Goes to a row; one before the reader only where the text can be sought.
    pub(crate) fn forward_to(&mut self, start: &RowStart) -> Result<(), SourceError> {
        if !self.window.seek(start.byte)? {
            return self.skip(start.record.saturating_sub(self.record));
        }
        self.line = start.line;
        self.record = start.record;
        Ok(())
    }

    fn take(&mut self, stop: usize) {
        self.window.taken += stop;
        self.line += 1;
        self.record += 1;
    }

    /// The next line that is not blank: where it starts, its length, and the
    /// length with its end.
    fn next_line(&mut self) -> Result<Option<(RowStart, usize, usize)>, SourceError> {
        let mut searched = 0;
        loop {
            let rest = self.window.rest();
            let (length, stop) = match memchr::memchr(b'\n', &rest[searched..]) {
                Some(at) => (searched + at, searched + at + 1),
                None if rest.len() as u64 > CAP => {
                    return Err(too_long(self.window.text.shown(), self.line, 1));
                }
                None => {
                    searched = rest.len();
                    if self.window.more()? {
                        continue;
                    }
                    (searched, searched)
                }
            };
            if stop == 0 {
                return Ok(None);
            }
            searched = 0;
            let line = &self.window.rest()[..length];
            if !line.trim_ascii().is_empty() {
                let start = RowStart {
                    byte: self.window.position(),
                    line: self.line,
                    record: self.record,
                };
                return Ok(Some((start, length, stop)));
            }
            self.window.taken += stop;
            self.line += 1;
        }
    }
}
