//! Simple rows: their quotes, if there are any, stand around whole cells, and those
//! within are doubled, so that every cell is a piece of the text.

use crate::manifest::CsvDialect;
use crate::source::rows::lanes::{LANES, Lanes};

const WINDOW: usize = 64;

/// Where a cell is in its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The bytes that part cells and rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    delimiter: u8,
    quote: Option<u8>,
    /// A character escapes quotes, inside quotes.
    escapes: bool,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// It is split; with its line end, `\r\n` apart, it has so many bytes.
    Row {
        bytes: usize,
        line_ends: u64,
        /// Cells have doubled quotes that are not halved yet.
        has_doubled: bool,
    },
    /// It does not end in the text.
    Unfinished,
    /// Its quotes are not as simple as that.
    Other,
}

impl Marks {
    pub(super) fn of(dialect: &CsvDialect) -> Self {
        Self {
            delimiter: dialect.delimiter,
            quote: dialect.quote,
            escapes: dialect.escape.is_some(),
        }
    }

    /// Splits the row that `text` starts with.
    pub(super) fn split(self, text: &[u8], cells: &mut Vec<Place>) -> Split {
        cells.clear();
        let mut row = Row {
            marks: self,
            text,
            cells,
            start: 0,
            state: State::Bare,
            line_ends: 0,
            has_doubled: false,
        };
        let mut base = 0;
        while base < text.len() {
            let found = self.find(&text[base..]);
            if let Some(split) = row.pass_all(base, found) {
                return split;
            }
            base += WINDOW;
        }
        Split::Unfinished
    }

    /// Takes one of two quotes out of the quoted cells of a row, whose text is `row`.
    pub(super) fn halve_quotes(self, row: &mut [u8], cells: &mut [Place]) {
        let Some(quote) = self.quote else {
            return;
        };
        for cell in cells {
            let is_quoted = cell.start > 0 && row[cell.start - 1] == quote;
            if is_quoted {
                cell.end = cell.start + halve(&mut row[cell.start..cell.end], quote);
            }
        }
    }

    fn ends_cell(self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }

    /// Where of the first 64 bytes those are that are ours.
    fn find(self, text: &[u8]) -> Found {
        if let Some(window) = text.first_chunk() {
            return self.find_in(window);
        }
        let mut padded = [0; WINDOW];
        padded[..text.len()].copy_from_slice(text);
        self.find_in(&padded).within((1 << text.len()) - 1)
    }

    fn find_in(self, window: &[u8; WINDOW]) -> Found {
        let mut found = Found::default();
        for (index, bytes) in window.as_chunks::<LANES>().0.iter().enumerate() {
            let lanes = Lanes::of(*bytes);
            let put = |bits: u32| u64::from(bits) << (LANES * index);
            found.delimiters |= put(lanes.equal(self.delimiter));
            found.ends |= put(lanes.either(b'\n', b'\r'));
            if let Some(quote) = self.quote {
                found.quotes |= put(lanes.equal(quote));
            }
        }
        found
    }
}

/// Moves the text together; answers how much is left of it.
fn halve(text: &mut [u8], quote: u8) -> usize {
    let (mut read, mut written) = (0, 0);
    while let Some(at) = memchr::memchr(quote, &text[read..]) {
        let end = read + at + 1;
        text.copy_within(read..end, written);
        written += at + 1;
        read = end + 1;
    }
    text.copy_within(read.., written);
    written + text.len() - read
}

/// Some of the bytes that part cells and rows: a bit for each of 64.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    delimiters: u64,
    /// Ends of rows.
    ends: u64,
    quotes: u64,
}

impl Found {
    fn within(self, bytes: u64) -> Self {
        Self {
            delimiters: self.delimiters & bytes,
            ends: self.ends & bytes,
            quotes: self.quotes & bytes,
        }
    }

    /// Those up to the first end of a row.
    fn of_row(self) -> Self {
        self.within(self.ends ^ self.ends.wrapping_sub(1))
    }
}

/// A row that is being split.
struct Row<'a> {
    marks: Marks,
    text: &'a [u8],
    cells: &'a mut Vec<Place>,
    /// Where the cell starts.
    start: usize,
    state: State,
    line_ends: u64,
    has_doubled: bool,
}

/// Where in a cell the row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Bare,
    Quoted,
    /// After the first of two quotes that mean one.
    Doubled,
    /// After the closing quote.
    Closed,
}

impl Row<'_> {
    /// Passes what was found from `base` on. An answer ends the row.
    fn pass_all(&mut self, base: usize, found: Found) -> Option<Split> {
        let of_row = found.of_row();
        if of_row.quotes == 0 && self.state == State::Bare {
            return self.pass_bare(base, of_row);
        }
        let mut marks = found.delimiters | found.ends | found.quotes;
        while marks != 0 {
            let at = base + marks.trailing_zeros() as usize;
            marks &= marks - 1;
            if let Some(split) = self.pass(at) {
                return Some(split);
            }
        }
        None
    }

    /// The same where no quote is.
    fn pass_bare(&mut self, base: usize, found: Found) -> Option<Split> {
        let mut delimiters = found.delimiters;
        while delimiters != 0 {
            let at = base + delimiters.trailing_zeros() as usize;
            delimiters &= delimiters - 1;
            self.cells.push(Place {
                start: self.start,
                end: at,
            });
            self.start = at + 1;
        }
        let end = found.ends;
        (end != 0)
            .then(|| base + end.trailing_zeros() as usize)
            .and_then(|at| self.end_cell(at, self.text[at]))
    }

    /// Passes one of the bytes that part cells and rows. An answer ends the row.
    fn pass(&mut self, at: usize) -> Option<Split> {
        let byte = self.text[at];
        let is_quote = Some(byte) == self.marks.quote;
        match self.state {
            State::Quoted if is_quote => self.close_quote(at),
            State::Quoted => {
                self.line_ends += u64::from(byte == b'\n');
                None
            }
            State::Doubled => {
                self.state = State::Quoted;
                None
            }
            State::Bare | State::Closed if is_quote => self.open_quote(at),
            State::Bare | State::Closed => self.end_cell(at, byte),
        }
    }

    fn open_quote(&mut self, at: usize) -> Option<Split> {
        // One inside a bare cell is an ordinary character.
        if at == self.start {
            self.state = State::Quoted;
            return self.marks.escapes.then_some(Split::Other);
        }
        None
    }

    fn close_quote(&mut self, at: usize) -> Option<Split> {
        match self.text.get(at + 1) {
            None => Some(Split::Unfinished),
            Some(next) if self.marks.ends_cell(*next) => {
                self.state = State::Closed;
                None
            }
            Some(next) if Some(*next) == self.marks.quote => {
                self.state = State::Doubled;
                self.has_doubled = true;
                None
            }
            Some(_) => Some(Split::Other),
        }
    }

    fn end_cell(&mut self, at: usize, byte: u8) -> Option<Split> {
        let quote = usize::from(self.state == State::Closed);
        self.cells.push(Place {
            start: self.start + quote,
            end: at - quote,
        });
        self.start = at + 1;
        self.state = State::Bare;
        (byte != self.marks.delimiter).then(|| Split::Row {
            bytes: self.start,
            line_ends: self.line_ends + u64::from(byte == b'\n'),
            has_doubled: self.has_doubled,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMAS: Marks = Marks {
        delimiter: b',',
        quote: Some(b'"'),
        escapes: false,
    };

    fn split(marks: Marks, text: &str) -> (Split, Vec<String>) {
        let mut cells = Vec::new();
        let split = marks.split(text.as_bytes(), &mut cells);
        let texts = cells
            .iter()
            .map(|cell| text.get(cell.start..cell.end).unwrap().to_owned());
        (split, texts.collect())
    }

    #[test]
    fn a_row_is_split_where_it_lies() {
        let (found, cells) = split(COMMAS, "1,\"a,\nb\",,x\"y\r\n2,3\n");

        assert_eq!(
            found,
            Split::Row {
                bytes: 14,
                line_ends: 1,
                has_doubled: false,
            }
        );
        assert_eq!(cells, ["1", "a,\nb", "", "x\"y"]);
    }

    #[test]
    fn doubled_quotes_are_halved_where_they_lie() {
        let mut text = b"1,\"a\"\"b\"\"\",x\"\"y,\"\"\"\"\n".to_vec();
        let mut cells = Vec::new();
        let split = COMMAS.split(&text, &mut cells);
        COMMAS.halve_quotes(&mut text, &mut cells);

        assert_eq!(
            split,
            Split::Row {
                bytes: text.len(),
                line_ends: 1,
                has_doubled: true,
            }
        );
        let texts = cells.iter().map(|cell| &text[cell.start..cell.end]);
        let wanted: [&[u8]; 4] = [b"1", b"a\"b\"", b"x\"\"y", b"\""];
        assert!(texts.eq(wanted));
    }

    #[test]
    fn what_is_not_simple_is_left_to_the_state_machine() {
        let escaped = Marks {
            escapes: true,
            ..COMMAS
        };
        for (marks, text, wanted) in [
            (COMMAS, "1,2", Split::Unfinished),
            (COMMAS, "1,\"a\n", Split::Unfinished),
            (COMMAS, "1,\"a\"", Split::Unfinished),
            (COMMAS, "1,\"a\"b\n", Split::Other),
            (escaped, "1,\"a\"\n", Split::Other),
        ] {
            assert_eq!(split(marks, text).0, wanted, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_mark_is_found(text in prop::collection::vec(0_u8..64, 0..200), quote: bool) {
            let marks = Marks { quote: quote.then_some(b'"'), ..COMMAS };
            let found = marks.find(&text);
            for (at, byte) in text.iter().enumerate().take(WINDOW) {
                let bit = |bits: u64| bits >> at & 1 == 1;
                prop_assert_eq!(bit(found.delimiters), *byte == b',', "{}", at);
                prop_assert_eq!(bit(found.ends), b"\r\n".contains(byte), "{}", at);
                prop_assert_eq!(bit(found.quotes), Some(*byte) == marks.quote, "{}", at);
            }
            if text.len() < WINDOW {
                let all = found.delimiters | found.ends | found.quotes;
                prop_assert_eq!(all >> text.len(), 0);
            }
        }
    }
}
