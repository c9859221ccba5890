//! A window on the text: the block that rows are split from, and where the next row
//! starts.

use crate::source::rows::input::{BLOCK, Text};
use crate::source::rows::pack::CAP;
use crate::source::{CsvProblem, SourceError};

/// Blocks of a text.
pub(super) struct Feed {
    text: Text,
    /// Bytes asked for at a time.
    size: usize,
    /// Room for what is left of one block and for the next.
    block: Vec<u8>,
    filled: usize,
    /// Up to where the block was taken.
    taken: usize,
    /// The text's position of `block[0]`.
    base: u64,
    /// The line of the next byte, from 1.
    line: u64,
    /// Nothing follows: a text may not be asked again.
    ended: bool,
    /// Position and line of the row that is being taken.
    row: (u64, u64),
    /// No row may have more bytes: a quote left open would fill memory.
    longest: u64,
}

impl Feed {
    pub(super) fn new(text: Text) -> Self {
        Self::in_blocks(text, BLOCK)
    }

    pub(super) fn in_blocks(text: Text, size: usize) -> Self {
        Self {
            base: text.start(),
            text,
            size,
            block: vec![0; 2 * size],
            filled: 0,
            taken: 0,
            line: 1,
            ended: false,
            row: (0, 1),
            longest: CAP,
        }
    }

    pub(super) fn text(&self) -> &Text {
        &self.text
    }

    /// The text's position of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.base + self.taken as u64
    }

    pub(super) fn block_size(&self) -> usize {
        self.size
    }

    /// The line of the next byte, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// What of the block is not taken yet.
    pub(super) fn rest(&self) -> &[u8] {
        &self.block[self.taken..self.filled]
    }

    /// The same, to be changed where nothing will look at it any more.
    pub(super) fn rest_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.taken..self.filled]
    }

    /// What was taken since a position of the text, if the block still has it.
    pub(super) fn taken_since(&self, position: u64) -> Option<&[u8]> {
        let taken = usize::try_from(self.position().checked_sub(position)?).ok()?;
        self.from(position)?.get(..taken)
    }

    /// The block from a position of the text on, with what is not filled.
    pub(super) fn from(&self, position: u64) -> Option<&[u8]> {
        let from = usize::try_from(position.checked_sub(self.base)?).ok()?;
        self.block.get(from..)
    }

    /// Takes bytes of the rest that have so many line ends.
    pub(super) fn take(&mut self, bytes: usize, line_ends: u64) {
        self.taken += bytes;
        self.line += line_ends;
    }

    /// Passes over whole lines; only at the start.
    pub(super) fn skip_lines(&mut self, count: u64) -> Result<(), SourceError> {
        let mut left = count;
        while left > 0 && (!self.rest().is_empty() || self.fill()? > 0) {
            match memchr::memchr(b'\n', self.rest()) {
                Some(at) => {
                    self.take(at + 1, 1);
                    left -= 1;
                }
                None => self.take(self.rest().len(), 0),
            }
        }
        Ok(())
    }

    /// Goes to a byte, the first of a line. The text must be one that can be sought.
    pub(super) fn seek(&mut self, byte: u64, line: u64) -> Result<(), SourceError> {
        if self.text.seek(byte)? {
            self.base = byte;
            self.line = line;
            self.filled = 0;
            self.taken = 0;
            self.ended = false;
        }
        Ok(())
    }

    /// Goes to the next row, over blank lines and comments. Answers its position and
    /// line; `None`: there is no row any more.
    pub(super) fn row_start(
        &mut self,
        comment: Option<u8>,
    ) -> Result<Option<(u64, u64)>, SourceError> {
        let mut in_comment = false;
        loop {
            let Some(next) = self.rest().first().copied() else {
                if self.fill()? == 0 {
                    return Ok(None);
                }
                continue;
            };
            if in_comment {
                in_comment = next != b'\n';
            } else if Some(next) == comment {
                in_comment = true;
            } else if next != b'\n' && next != b'\r' {
                self.row = (self.position(), self.line);
                return Ok(Some(self.row));
            }
            self.take(1, u64::from(next == b'\n'));
        }
    }

    /// Adds more of the row that is being taken to the rest, which must be shorter than
    /// a block. Answers how many bytes; 0 at the end.
    pub(super) fn more(&mut self) -> Result<usize, SourceError> {
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
        self.fill()
    }

    fn fill(&mut self) -> Result<usize, SourceError> {
        if self.ended {
            return Ok(0);
        }
        self.block.copy_within(self.taken..self.filled, 0);
        self.base += self.taken as u64;
        self.filled -= self.taken;
        self.taken = 0;
        let room = &mut self.block[self.filled..][..self.size];
        let count = self.text.read(room)?;
        self.filled += count;
        self.ended = count == 0;
        Ok(count)
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
        feed.skip_lines(2).unwrap();
        let start = feed.row_start(None).unwrap();
        let mut total = 0;
        let error = loop {
            total += feed.rest().len();
            feed.take(feed.rest().len(), 0);
            match feed.more() {
                Ok(count) => assert!(count > 0),
                Err(error) => break error,
            }
        };

        assert_eq!(start, Some((4, 3)));
        assert_eq!(total, 3 * BLOCK - 4);
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
