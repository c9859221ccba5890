//! The usual delimited text, split without the `csv` crate: separators are found
//! for a whole block at once, 64 bytes at a time, in a form that the compiler
//! makes wide compares of.
//!
//! Only rows that cannot be read in two ways are split here: each cell either has
//! no quotes or is quoted from end to end. At anything else ([`Next::Odd`]) the
//! `csv` crate takes over from that row on, with all its errors.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2};

use crate::manifest::CsvDialect;
use crate::source::SourceError;

use super::feed::Feed;

/// A row with more bytes is left to the `csv` crate.
const LONGEST: usize = 4 * 1024 * 1024;
/// Nothing of the kind in the block.
const NONE: usize = usize::MAX;
const LANES: usize = 64;

/// Where the reading of a text stands.
#[derive(Debug)]
pub(super) struct Split {
    delimiter: u8,
    quote: Option<u8>,
    /// Where the next row starts in the feed's block.
    at: usize,
    /// Its line.
    line: u64,
    /// Delimiters and line ends outside quotes, in the block.
    ends: Vec<u32>,
    /// Which of `ends` are line ends.
    rows: Vec<u32>,
    /// The first of `ends` that is not before `at`.
    next_end: usize,
    /// Likewise of `rows`.
    next_row: usize,
    /// The first quote and the first carriage return not before `at`.
    quote_at: usize,
    return_at: usize,
    /// The row that was found last.
    row: Range<usize>,
    /// Its cells' ends in `ends`.
    cells: Range<usize>,
    has_quotes: bool,
    is_indexed: bool,
}

/// What comes next in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A row, which starts at this byte and line.
    Row(u64, u64),
    /// Nothing.
    End,
    /// Something for the `csv` crate.
    Odd,
}

impl Split {
    /// From the next byte of a feed on, which a row starts at. `None`: the dialect
    /// is not a usual one.
    pub(super) fn new(dialect: &CsvDialect, feed: &Feed, line: u64) -> Option<Self> {
        let special = [b'\n', b'\r'];
        let is_usual = dialect.escape.is_none()
            && dialect.comment.is_none()
            && dialect.quote != Some(dialect.delimiter)
            && !special.contains(&dialect.delimiter)
            && dialect.quote.is_none_or(|quote| !special.contains(&quote));
        is_usual.then(|| Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            at: feed.handed(),
            line,
            ends: Vec::new(),
            rows: Vec::new(),
            next_end: 0,
            next_row: 0,
            quote_at: NONE,
            return_at: NONE,
            row: 0..0,
            cells: 0..0,
            has_quotes: false,
            is_indexed: false,
        })
    }

    /// Where the next row starts in the feed's block, and its line.
    pub(super) fn place(&self) -> (usize, u64) {
        (self.at, self.line)
    }

    /// Finds the next row. `width`: how many cells it must have; 0: any number.
    pub(super) fn next(&mut self, feed: &mut Feed, width: usize) -> Result<Next, SourceError> {
        if !self.is_indexed {
            self.refill(feed)?;
        }
        self.pass_blank_lines(feed)?;
        while self.next_row == self.rows.len() {
            if feed.block().len() - self.at > LONGEST {
                return Ok(Next::Odd);
            }
            if !self.refill(feed)? && self.rows.is_empty() {
                return Ok(self.last_row(feed, width));
            }
        }
        let last = self.rows[self.next_row] as usize;
        let found = self.take_row(feed, last, width);
        if matches!(found, Next::Row(..)) {
            self.next_row += 1;
            self.line += 1;
        }
        Ok(found)
    }

    /// The bytes of a cell of the row found last. `scratch` is room for one with
    /// doubled quotes.
    pub(super) fn cell<'a>(
        &self,
        block: &'a [u8],
        column: usize,
        scratch: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let Some(cell) = self.raw(column).and_then(|place| block.get(place)) else {
            return &[];
        };
        let (true, Some(quote)) = (self.has_quotes, self.quote) else {
            return cell;
        };
        let [first, inner @ .., _] = cell else {
            return cell;
        };
        if *first != quote {
            return cell;
        }
        let mut rest = inner;
        let Some(mut found) = memchr(quote, rest) else {
            return inner;
        };
        scratch.clear();
        loop {
            // Of two quotes one is kept.
            scratch.extend_from_slice(&rest[..=found]);
            rest = rest.get(found + 2..).unwrap_or_default();
            match memchr(quote, rest) {
                Some(next) => found = next,
                None => break,
            }
        }
        scratch.extend_from_slice(rest);
        scratch
    }

    /// Cells of the row found last.
    pub(super) fn width(&self) -> usize {
        self.cells.len()
    }

    fn raw(&self, column: usize) -> Option<Range<usize>> {
        if column >= self.cells.len() {
            return None;
        }
        let index = self.cells.start + column;
        let start = match column {
            0 => self.row.start,
            _ => *self.ends.get(index - 1)? as usize + 1,
        };
        let is_last = index + 1 == self.cells.end;
        let end = if is_last {
            self.row.end
        } else {
            *self.ends.get(index)? as usize
        };
        Some(start..end)
    }

    fn pass_blank_lines(&mut self, feed: &mut Feed) -> Result<(), SourceError> {
        loop {
            match feed.block().get(self.at).copied() {
                Some(b'\n') => {
                    self.line += 1;
                    self.next_end += 1;
                    self.next_row += 1;
                }
                Some(b'\r') => {
                    if self.return_at == self.at {
                        self.return_at = find(b'\r', feed.block(), self.at + 1);
                    }
                }
                None if self.refill(feed)? => continue,
                Some(_) | None => return Ok(()),
            }
            self.at += 1;
        }
    }

    /// Reads more and looks for separators anew. `false`: there is no more.
    fn refill(&mut self, feed: &mut Feed) -> Result<bool, SourceError> {
        let is_more = feed.slide(self.at)?;
        self.at = 0;
        self.index(feed.block());
        Ok(is_more)
    }

    /// The row that ends with the text.
    fn last_row(&mut self, feed: &Feed, width: usize) -> Next {
        let end = feed.block().len();
        if self.at == end {
            return Next::End;
        }
        // What is still quoted at the end is no row.
        let Ok(end) = u32::try_from(end) else {
            return Next::Odd;
        };
        self.ends.push(end);
        let last = self.ends.len() - 1;
        let found = self.take_row(feed, last, width);
        if found == Next::Odd {
            self.ends.pop();
        }
        found
    }

    /// The row whose last cell is that with the end `last`.
    fn take_row(&mut self, feed: &Feed, last: usize, width: usize) -> Next {
        let block = feed.block();
        let stop = self.ends[last] as usize;
        let cells = self.next_end..last + 1;
        if width != 0 && cells.len() != width {
            return Next::Odd;
        }
        let mut row = self.at..stop;
        let has_return = self.return_at < stop;
        if has_return && block[stop - 1] == b'\r' {
            row.end -= 1;
        }
        let has_quotes = self.quote_at < stop;
        let before = (self.row.clone(), self.cells.clone());
        (self.row, self.cells) = (row, cells);
        let mut lines = 0;
        if has_quotes || has_return {
            if !self.is_plain(block) {
                (self.row, self.cells) = before;
                return Next::Odd;
            }
            if has_quotes {
                lines = memchr_iter(b'\n', &block[self.row.clone()]).count() as u64;
                self.quote_at = self.quote.map_or(NONE, |quote| find(quote, block, stop));
            }
            if has_return {
                self.return_at = find(b'\r', block, stop);
            }
        }
        self.has_quotes = has_quotes;
        let found = Next::Row(feed.base() + self.at as u64, self.line);
        self.at = (stop + 1).min(block.len());
        self.next_end = last + 1;
        self.line += lines;
        found
    }

    /// Whether the row has no quote and no carriage return in a place where it
    /// could mean another thing.
    fn is_plain(&self, block: &[u8]) -> bool {
        (0..self.cells.len()).all(|column| {
            let cell = self.raw(column).and_then(|place| block.get(place));
            let cell = cell.unwrap_or_default();
            let Some(quote) = self.quote else {
                return memchr(b'\r', cell).is_none();
            };
            match cell {
                [first, inner @ .., end] if *first == quote => {
                    *end == quote && has_pairs_only(quote, inner)
                }
                _ => memchr2(quote, b'\r', cell).is_none(),
            }
        })
    }

    /// Finds the separators of a block that starts with a row.
    fn index(&mut self, block: &[u8]) {
        self.is_indexed = true;
        self.ends.clear();
        self.rows.clear();
        self.next_end = 0;
        self.next_row = 0;
        let mut open = 0;
        let mut start = 0_u32;
        let (chunks, rest) = block.as_chunks::<LANES>();
        for chunk in chunks {
            self.lanes(chunk, start, &mut open);
            start += 64;
        }
        if !rest.is_empty() {
            let means = |byte: &u8| *byte == self.delimiter || Some(*byte) == self.quote;
            let fillers = [b' ', b'.', b'-'];
            let filler = fillers.into_iter().find(|byte| !means(byte));
            let filler = filler.unwrap_or_default();
            let mut chunk = [filler; LANES];
            chunk[..rest.len()].copy_from_slice(rest);
            self.lanes(&chunk, start, &mut open);
        }
        self.quote_at = self.quote.map_or(NONE, |quote| find(quote, block, 0));
        self.return_at = find(b'\r', block, 0);
    }

    /// Adds the separators of 64 bytes. `open`: all ones inside quotes, else 0.
    fn lanes(&mut self, chunk: &[u8; LANES], start: u32, open: &mut u64) {
        let newlines = mask(chunk, b'\n');
        let mut found = newlines | mask(chunk, self.delimiter);
        if let Some(quote) = self.quote {
            let quotes = mask(chunk, quote);
            if quotes | *open != 0 {
                let inside = up_to_each(quotes) ^ *open;
                *open = if inside >> 63 == 1 { u64::MAX } else { 0 };
                found &= !inside;
            }
        }
        while found != 0 {
            let lane = found.trailing_zeros();
            if newlines >> lane & 1 == 1 {
                // No block has 2^32 separators.
                self.rows
                    .push(u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
            }
            self.ends.push(start + lane);
            found &= found - 1;
        }
    }
}

/// One bit for each byte that is `wanted`; the first byte's is the lowest.
#[inline]
fn mask(chunk: &[u8; LANES], wanted: u8) -> u64 {
    // Eight bytes of 0 or 1, times this, leave their bits in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut is_wanted = [0_u8; LANES];
    for (is_wanted, byte) in is_wanted.iter_mut().zip(chunk) {
        *is_wanted = u8::from(*byte == wanted);
    }
    let (words, _) = is_wanted.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        bits << 8 | u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56
    })
}

/// Each bit is the parity of the bits up to it.
#[inline]
fn up_to_each(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

fn has_pairs_only(quote: u8, inner: &[u8]) -> bool {
    let mut rest = inner;
    while let Some(found) = memchr(quote, rest) {
        if rest.get(found + 1) != Some(&quote) {
            return false;
        }
        rest = &rest[found + 2..];
    }
    true
}

fn find(byte: u8, block: &[u8], from: usize) -> usize {
    let rest = block.get(from..).unwrap_or_default();
    memchr(byte, rest).map_or(NONE, |found| from + found)
}
