//! What the `csv` crate reads from. It keeps the block that it hands out, so
//! that the start of a row can be looked at before the row is read.

use std::io::{self, Read};

use crate::manifest::CsvDialect;
use crate::source::rows::input::{BLOCK, Text};
use crate::source::rows::pack::CAP;
use crate::source::{CsvProblem, SourceError};

use super::quotes::{BadQuote, Quotes};

/// Blocks of a text.
pub(super) struct Feed {
    text: Text,
    block: Vec<u8>,
    filled: usize,
    handed: usize,
    /// The text's position of `block[0]`.
    base: u64,
    quotes: Option<Quotes>,
    ended: bool,
    /// A line end that is handed out first; it is not in the text.
    prime: bool,
    /// Where the row that is being read starts.
    row: (u64, u64),
    /// No row may have more bytes: a quote left open would fill memory.
    longest: u64,
}

impl Feed {
    pub(super) fn new(text: Text) -> Self {
        Self {
            base: text.start(),
            text,
            block: vec![0; BLOCK],
            filled: 0,
            handed: 0,
            quotes: None,
            ended: false,
            prime: false,
            row: (0, 1),
            longest: CAP,
        }
    }

    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    /// The text's position of the next byte to be handed out.
    pub(super) fn position(&self) -> u64 {
        self.base + self.handed as u64
    }

    /// Passes over whole lines; only at the start. Answers how many there were.
    pub(super) fn skip_lines(&mut self, count: u64) -> Result<u64, SourceError> {
        let mut left = count;
        while left > 0 {
            if self.handed == self.filled && !self.fill()? {
                break;
            }
            let rest = &self.block[self.handed..self.filled];
            match memchr::memchr(b'\n', rest) {
                Some(at) => {
                    self.handed += at + 1;
                    left -= 1;
                }
                None => self.handed = self.filled,
            }
        }
        Ok(count - left)
    }

    /// From here on quotes are followed.
    pub(super) fn follow_quotes(&mut self, dialect: &CsvDialect, line: u64) {
        self.quotes = Quotes::new(dialect, self.position(), line);
        if let Some(quotes) = &mut self.quotes {
            quotes.block(&self.block[self.handed..self.filled]);
        }
    }

    /// Goes to a byte. `false`: the text can only be read forwards.
    pub(super) fn seek(&mut self, byte: u64) -> Result<bool, SourceError> {
        if !self.text.seek(byte)? {
            return Ok(false);
        }
        self.base = byte;
        self.filled = 0;
        self.handed = 0;
        self.ended = false;
        Ok(true)
    }

    /// Hands out one line end first. A fresh `csv` reader takes a byte order
    /// mark off what it reads first, which in the middle of a text is data.
    pub(super) fn prime(&mut self) {
        self.prime = true;
    }

    /// A wrong quote before `end`.
    pub(super) fn bad_quote(&self, end: u64) -> Option<BadQuote> {
        self.quotes
            .as_ref()
            .and_then(Quotes::bad)
            .filter(|bad| bad.offset < end)
    }

    /// Where the row really starts that is read from `byte` on: after blank
    /// lines and comments, which the `csv` crate passes over while reading it.
    /// `line` is that of `byte`. Everything before `byte` has been read. `None`:
    /// there is no row any more.
    pub(super) fn row_start(
        &mut self,
        byte: u64,
        line: u64,
        comment: Option<u8>,
    ) -> Result<Option<(u64, u64)>, SourceError> {
        let mut at = usize::try_from(byte.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let mut line = line;
        if self.prime {
            at = 0;
            line = line.wrapping_add(1);
        }
        let mut in_comment = false;
        loop {
            while at >= self.filled {
                if !self.extend()? {
                    return Ok(None);
                }
            }
            let next = self.block[at];
            line += u64::from(next == b'\n');
            if in_comment {
                in_comment = next != b'\n';
            } else if Some(next) == comment {
                in_comment = true;
            } else if next != b'\n' && next != b'\r' {
                self.row = (self.base + at as u64, line);
                return Ok(Some(self.row));
            }
            at += 1;
        }
    }

    /// The bytes of a row, if the block still has them.
    pub(super) fn bytes(&self, start: u64, end: u64) -> Option<&[u8]> {
        let from = usize::try_from(start.checked_sub(self.base)?).ok()?;
        let to = usize::try_from(end.checked_sub(self.base)?).ok()?;
        self.block.get(from..to.min(self.filled))
    }

    /// Replaces the block, all of which was handed out.
    fn fill(&mut self) -> Result<bool, SourceError> {
        self.base += self.filled as u64;
        self.handed = 0;
        self.filled = 0;
        self.extend()
    }

    /// Adds to the block without touching what it has.
    fn extend(&mut self) -> Result<bool, SourceError> {
        if self.ended {
            return Ok(false);
        }
        if self.block.len() < self.filled + BLOCK {
            let wanted = self.filled + BLOCK;
            self.block.resize(wanted, 0);
        }
        let count = self.text.read(&mut self.block[self.filled..])?;
        if let Some(quotes) = &mut self.quotes {
            quotes.block(&self.block[self.filled..self.filled + count]);
            if count == 0 {
                quotes.end();
            }
        }
        self.filled += count;
        self.ended = count == 0;
        Ok(!self.ended)
    }

    fn hand_out(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.prime && !buffer.is_empty() {
            self.prime = false;
            buffer[0] = b'\n';
            return Ok(1);
        }
        if self.handed == self.filled {
            let (start, line) = self.row;
            if self.position().saturating_sub(start) > self.longest {
                return Err(SourceError::Csv {
                    path: self.text.shown().to_owned(),
                    line,
                    column: 1,
                    why: CsvProblem::TooLong {
                        limit: self.longest,
                    },
                });
            }
            // An extended block shrinks to its usual size again.
            self.block.truncate(BLOCK);
            if !self.fill()? {
                return Ok(0);
            }
        }
        let rest = &self.block[self.handed..self.filled];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.handed += count;
        Ok(count)
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.hand_out(buffer).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CancelToken;
    use crate::manifest::TextEncoding;

    #[test]
    fn a_row_that_is_too_long_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        let mut bytes = b"a\n1\n\"".to_vec();
        bytes.resize(4 * BLOCK, b'x');
        std::fs::write(&path, bytes).unwrap();
        let text = Text::open(&path, "a.csv", &TextEncoding::Utf8, &CancelToken::new()).unwrap();
        let mut feed = Feed::new(text);
        feed.longest = 2 * BLOCK as u64;
        let mut room = vec![0; BLOCK];
        let start = feed.row_start(4, 3, None).unwrap();
        let mut total = 0;
        let error = loop {
            match feed.hand_out(&mut room) {
                Ok(count) => total += count,
                Err(error) => break error,
            }
        };

        assert_eq!(start, Some((4, 3)));
        assert_eq!(total, 3 * BLOCK);
        assert!(
            matches!(
                &error,
                SourceError::Csv {
                    line: 3,
                    column: 1,
                    why: CsvProblem::TooLong { .. },
                    ..
                }
            ),
            "{error:?}"
        );
    }
}
