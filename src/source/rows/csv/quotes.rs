//! What the `csv` crate reads over: a quote that never closes, and text after a
//! closing quote. Both would shift cells without a word. This looks only at
//! quotes, block by block, so that text without them costs one search.

use memchr::{memchr, memchr_iter, memchr2, memrchr};

use crate::manifest::CsvDialect;
use crate::source::CsvProblem;

/// Follows the quotes of a text.
#[derive(Debug)]
pub(super) struct Quotes {
    quote: u8,
    delimiter: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    state: State,
    /// The text's position of the block that comes next.
    offset: u64,
    /// Its line, from 1, and where that line starts.
    line: u64,
    line_start: u64,
    /// Whether the line that is going on is a comment.
    in_comment: bool,
    opened: BadQuote,
    bad: Option<BadQuote>,
}

/// A place where the quotes are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadQuote {
    /// The text's position.
    pub(super) offset: u64,
    pub(super) line: u64,
    /// From 1: in characters, or in bytes when the line started blocks ago.
    pub(super) column: u64,
    pub(super) why: CsvProblem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside quotes, right after a delimiter or a line's end.
    FieldStart,
    /// Outside quotes, inside a field.
    Bare,
    Quoted,
    /// After an escape character inside quotes.
    Escaped,
    /// After a quote inside quotes: the end, or the first of two.
    AfterQuote,
}

impl Quotes {
    /// `None`: the dialect has no quotes. `offset` and `line` are those of the
    /// first byte.
    pub(super) fn new(dialect: &CsvDialect, offset: u64, line: u64) -> Option<Self> {
        let nowhere = BadQuote {
            offset,
            line,
            column: 1,
            why: CsvProblem::OpenQuote,
        };
        dialect.quote.map(|quote| Self {
            quote,
            delimiter: dialect.delimiter,
            escape: dialect.escape,
            comment: dialect.comment,
            state: State::FieldStart,
            offset,
            line,
            line_start: offset,
            in_comment: false,
            opened: nowhere,
            bad: None,
        })
    }

    /// The first wrong quote of the blocks seen.
    pub(super) fn bad(&self) -> Option<BadQuote> {
        self.bad
    }

    /// The text has ended.
    pub(super) fn end(&mut self) {
        if matches!(self.state, State::Quoted | State::Escaped) && self.bad.is_none() {
            self.bad = Some(self.opened);
        }
    }

    /// Looks at the next block.
    pub(super) fn block(&mut self, block: &[u8]) {
        if self.bad.is_some() || block.is_empty() {
            return;
        }
        let mut at = 0;
        // Where the block's last opening quote is.
        let mut open_at = None;
        while at < block.len() {
            match self.state {
                State::FieldStart | State::Bare => {
                    let Some(found) = memchr(self.quote, &block[at..]) else {
                        self.leave_outside(block, at);
                        break;
                    };
                    let place = at + found;
                    let starts = if place == 0 {
                        self.state == State::FieldStart
                    } else {
                        self.ends_field(block[place - 1])
                    };
                    if self.is_in_comment(block, at, place) {
                        // Only a line's end ends a comment.
                        at = match memchr(b'\n', &block[place..]) {
                            Some(end) => place + end + 1,
                            None => block.len(),
                        };
                        self.in_comment = at == block.len() && block[at - 1] != b'\n';
                        self.state = State::FieldStart;
                        continue;
                    }
                    self.in_comment = false;
                    if starts {
                        self.state = State::Quoted;
                        open_at = Some(place);
                    } else {
                        // A quote inside a bare field is an ordinary character.
                        self.state = State::Bare;
                    }
                    at = place + 1;
                }
                State::Quoted => {
                    let found = match self.escape {
                        Some(escape) => memchr2(self.quote, escape, &block[at..]),
                        None => memchr(self.quote, &block[at..]),
                    };
                    let Some(found) = found else { break };
                    at += found + 1;
                    self.state = if block[at - 1] == self.quote {
                        State::AfterQuote
                    } else {
                        State::Escaped
                    };
                }
                State::Escaped => {
                    self.state = State::Quoted;
                    at += 1;
                }
                State::AfterQuote => {
                    let byte = block[at];
                    if byte == self.quote && self.escape.is_none() {
                        self.state = State::Quoted;
                    } else if self.ends_field(byte) {
                        self.state = State::FieldStart;
                        self.in_comment = false;
                    } else {
                        self.bad = Some(self.place(block, at, CsvProblem::TextAfterQuote));
                        return;
                    }
                    at += 1;
                }
            }
        }
        // After a quote the field may go on: it may be the first of two.
        if let (Some(place), State::Quoted | State::Escaped | State::AfterQuote) =
            (open_at, self.state)
        {
            self.opened = self.place(block, place, CsvProblem::OpenQuote);
        }
        if let Some(last) = memrchr(b'\n', block) {
            self.line += memchr_iter(b'\n', block).count() as u64;
            self.line_start = self.offset + last as u64 + 1;
        }
        self.offset += block.len() as u64;
    }

    fn ends_field(&self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }

    /// The rest of a block has no quote.
    fn leave_outside(&mut self, block: &[u8], at: usize) {
        self.in_comment = self.is_in_comment(block, at, block.len());
        let last = block[block.len() - 1];
        self.state = if self.ends_field(last) {
            State::FieldStart
        } else {
            State::Bare
        };
    }

    /// Whether what stands at `place` is in a comment; nothing before `at` is
    /// outside quotes. A line of data may end with `\r` alone, a comment does not.
    fn is_in_comment(&self, block: &[u8], at: usize, place: usize) -> bool {
        let Some(comment) = self.comment else {
            return false;
        };
        let text = &block[at..place];
        let mut start = match memrchr(b'\n', text) {
            Some(last) => at + last + 1,
            // Right after a quoted field that ended its line.
            None if at > 0 && matches!(block[at - 1], b'\n' | b'\r') => at,
            None if self.continues_comment(block, at) => return true,
            None => match memchr(b'\r', text) {
                Some(first) => at + first + 1,
                None => return false,
            },
        };
        while start < place {
            if block[start] == comment {
                return true;
            }
            match memchr(b'\r', &block[start..place]) {
                Some(next) => start += next + 1,
                None => break,
            }
        }
        false
    }

    /// No line starts in the block from `at` on: what the line there is.
    fn continues_comment(&self, block: &[u8], at: usize) -> bool {
        let first = at == 0 && self.state == State::FieldStart && self.offset == self.line_start;
        if first && !self.in_comment {
            return block.first() == self.comment.as_ref();
        }
        self.in_comment
    }

    fn place(&self, block: &[u8], at: usize, why: CsvProblem) -> BadQuote {
        let before = &block[..at];
        let offset = self.offset + at as u64;
        let starts = |byte: &&u8| **byte & 0xc0 != 0x80;
        let column = match memrchr(b'\n', before) {
            Some(last) => before[last + 1..].iter().filter(starts).count() as u64,
            None => self.offset - self.line_start + before.iter().filter(starts).count() as u64,
        };
        BadQuote {
            offset,
            line: self.line + memchr_iter(b'\n', before).count() as u64,
            column: column + 1,
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn follow(dialect: &CsvDialect, blocks: &[&[u8]]) -> Option<BadQuote> {
        let mut quotes = Quotes::new(dialect, 0, 1).unwrap();
        for block in blocks {
            quotes.block(block);
        }
        quotes.end();
        quotes.bad()
    }

    /// The same rules, one byte at a time, over the whole text: the offset.
    fn plain(dialect: &CsvDialect, text: &[u8]) -> Option<u64> {
        let mut state = State::FieldStart;
        let (mut comment, mut opened, mut row_start) = (false, 0, true);
        for (at, byte) in text.iter().enumerate() {
            let ends = [dialect.delimiter, b'\n', b'\r'].contains(byte);
            if comment {
                comment = *byte != b'\n';
                continue;
            }
            match state {
                State::FieldStart if row_start && Some(*byte) == dialect.comment => {
                    comment = true;
                    continue;
                }
                State::FieldStart if Some(*byte) == dialect.quote => {
                    (state, opened) = (State::Quoted, at);
                }
                State::FieldStart | State::Bare | State::AfterQuote if ends => {
                    state = State::FieldStart;
                }
                State::FieldStart | State::Bare => state = State::Bare,
                State::Quoted if Some(*byte) == dialect.quote => state = State::AfterQuote,
                State::Quoted if Some(*byte) == dialect.escape => state = State::Escaped,
                State::Escaped => state = State::Quoted,
                State::Quoted => {}
                State::AfterQuote if Some(*byte) == dialect.quote && dialect.escape.is_none() => {
                    state = State::Quoted;
                }
                State::AfterQuote => return Some(at as u64),
            }
            row_start = state == State::FieldStart && matches!(byte, b'\n' | b'\r');
        }
        matches!(state, State::Quoted | State::Escaped).then_some(opened as u64)
    }

    #[test]
    fn a_doubled_quote_across_blocks_keeps_the_place_where_the_field_opened() {
        let found = follow(&CsvDialect::default(), &[b"a\n\"b\"", b"\""]).unwrap();

        assert_eq!((found.offset, found.line), (2, 2));
        assert_eq!(found.why, CsvProblem::OpenQuote);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Comments are not mixed with bare carriage returns: there a comment's
        /// start can be unclear at the edge of a block.
        #[test]
        fn blocks_do_not_change_what_is_found(
            text in "[a,\"\n#\\\\é]{0,40}",
            cuts in prop::collection::vec(0_usize..40, 0..4),
            escape in prop::option::of(Just(b'\\')),
            comment in prop::option::of(Just(b'#')),
        ) {
            let dialect = CsvDialect { escape, comment, ..CsvDialect::default() };
            let text = text.as_bytes();
            let mut ends: Vec<usize> = cuts.iter().map(|cut| *cut.min(&text.len())).collect();
            ends.extend([0, text.len()]);
            ends.sort_unstable();
            let blocks: Vec<&[u8]> = ends.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let bytes: Vec<&[u8]> = text.chunks(1).collect();

            let whole = follow(&dialect, &[text]);
            prop_assert_eq!(whole.map(|bad| bad.offset), plain(&dialect, text));
            for split in [blocks, bytes] {
                let found = follow(&dialect, &split);
                prop_assert_eq!(found.map(|bad| (bad.offset, bad.line, bad.why)),
                    whole.map(|bad| (bad.offset, bad.line, bad.why)));
            }
        }

        #[test]
        fn carriage_returns_end_fields_too(text in "[a,\"\r\n]{0,40}") {
            let dialect = CsvDialect::default();
            let found = follow(&dialect, &[text.as_bytes()]);

            prop_assert_eq!(found.map(|bad| bad.offset), plain(&dialect, text.as_bytes()));
        }
    }
}
