//! What the `csv` crate reads over: a quote that never closes, and text after a
//! closing quote. Both would shift cells without a word. Simple rows have neither; in
//! any other the quotes are followed byte by byte.

use crate::manifest::CsvDialect;
use crate::source::CsvProblem;

/// Follows the quotes of a row.
#[derive(Debug)]
pub(super) struct Quotes {
    quote: u8,
    delimiter: u8,
    escape: Option<u8>,
    state: State,
    /// The byte that comes next.
    next: LineColumn,
    opened: LineColumn,
    bad: Option<BadQuote>,
}

/// A place where the quotes are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadQuote {
    pub(super) at: LineColumn,
    pub(super) why: CsvProblem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineColumn {
    /// From 1.
    pub(super) line: u64,
    /// From 1, in characters.
    pub(super) column: u64,
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
    /// `None`: the dialect has no quotes.
    pub(super) fn new(dialect: &CsvDialect) -> Option<Self> {
        let start = LineColumn { line: 1, column: 1 };
        dialect.quote.map(|quote| Self {
            quote,
            delimiter: dialect.delimiter,
            escape: dialect.escape,
            state: State::FieldStart,
            next: start,
            opened: start,
            bad: None,
        })
    }

    /// A row starts on this line.
    pub(super) fn start(&mut self, line: u64) {
        self.state = State::FieldStart;
        self.next = LineColumn { line, column: 1 };
        self.bad = None;
    }

    /// Looks at more of the row.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.pass_one(*byte);
        }
    }

    /// The row has ended. Answers the first wrong quote.
    pub(super) fn end(&mut self) -> Option<BadQuote> {
        if matches!(self.state, State::Quoted | State::Escaped) {
            self.blame(self.opened, CsvProblem::OpenQuote);
        }
        self.bad
    }

    fn pass_one(&mut self, byte: u8) {
        let ends_field = byte == self.delimiter || byte == b'\n' || byte == b'\r';
        let is_quote = byte == self.quote;
        self.state = match self.state {
            State::FieldStart if is_quote => {
                self.opened = self.next;
                State::Quoted
            }
            State::FieldStart | State::Bare | State::AfterQuote if ends_field => State::FieldStart,
            // A quote inside a bare field is an ordinary character.
            State::FieldStart | State::Bare => State::Bare,
            State::Quoted if is_quote => State::AfterQuote,
            State::Quoted if Some(byte) == self.escape => State::Escaped,
            State::Quoted | State::Escaped => State::Quoted,
            State::AfterQuote if is_quote && self.escape.is_none() => State::Quoted,
            State::AfterQuote => {
                self.blame(self.next, CsvProblem::TextAfterQuote);
                State::Bare
            }
        };
        if byte == b'\n' {
            self.next.line += 1;
            self.next.column = 1;
        } else if byte & 0xc0 != 0x80 {
            self.next.column += 1;
        }
    }

    fn blame(&mut self, at: LineColumn, why: CsvProblem) {
        self.bad.get_or_insert(BadQuote { at, why });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(dialect: &CsvDialect, row: &str) -> Option<(u64, u64, CsvProblem)> {
        let mut quotes = Quotes::new(dialect).unwrap();
        quotes.start(7);
        quotes.pass(row.as_bytes());
        let bad = quotes.end();
        bad.map(|bad| (bad.at.line, bad.at.column, bad.why))
    }

    #[test]
    fn the_first_wrong_quote_is_told_with_its_place() {
        let plain = CsvDialect::default();
        let escaped = CsvDialect {
            escape: Some(b'\\'),
            ..plain.clone()
        };
        for (dialect, row, wanted) in [
            (&plain, "a,\"b\"\"\",c\"d\n", None),
            (&plain, "a,\"b\"\"", Some((7, 3, CsvProblem::OpenQuote))),
            (
                &plain,
                "é,\"é\n\"b,\"",
                Some((8, 2, CsvProblem::TextAfterQuote)),
            ),
            (
                &plain,
                "\"a\\\"b\"\n",
                Some((7, 5, CsvProblem::TextAfterQuote)),
            ),
            (&escaped, "\"a\\\"b\"\n", None),
            (
                &escaped,
                "\"a\"\"\n",
                Some((7, 4, CsvProblem::TextAfterQuote)),
            ),
            (&escaped, "\"a\\", Some((7, 1, CsvProblem::OpenQuote))),
        ] {
            assert_eq!(follow(dialect, row), wanted, "{row}");
        }
    }

    #[test]
    fn a_row_knows_nothing_of_the_one_before() {
        let mut quotes = Quotes::new(&CsvDialect::default()).unwrap();
        quotes.start(1);
        quotes.pass(b"\"a\"b,\"");
        assert!(quotes.end().is_some());
        quotes.start(2);
        quotes.pass(b"a\"\n");

        assert_eq!(quotes.end(), None);
    }
}
