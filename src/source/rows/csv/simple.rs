//! Simple rows: their quotes, if there are any, stand around whole cells and none is
//! within them, so that every cell is a piece of the text.

use crate::manifest::CsvDialect;

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
    Row { bytes: usize, line_ends: u64 },
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
        };
        let mut base = 0;
        while base < text.len() {
            let mut found = self.find(&text[base..]);
            while found != 0 {
                let at = base + found.trailing_zeros() as usize;
                found &= found - 1;
                if let Some(split) = row.pass(at) {
                    return split;
                }
            }
            base += WINDOW;
        }
        Split::Unfinished
    }

    fn ends_cell(self, byte: u8) -> bool {
        byte == self.delimiter || byte == b'\n' || byte == b'\r'
    }

    /// A bit for each of the first 64 bytes: whether it is one of ours. In a form that
    /// the compiler makes vectors of.
    fn find(self, text: &[u8]) -> u64 {
        let mut padded = [0; WINDOW];
        let (window, within) = if let Some(window) = text.first_chunk::<WINDOW>() {
            (window, u64::MAX)
        } else {
            padded[..text.len()].copy_from_slice(text);
            (&padded, (1 << text.len()) - 1)
        };
        let quote = self.quote.unwrap_or(self.delimiter);
        let mut hits = [0_u8; WINDOW];
        for (hit, byte) in hits.iter_mut().zip(window) {
            *hit = u8::from(*byte == self.delimiter)
                | u8::from(*byte == quote)
                | u8::from(*byte == b'\n')
                | u8::from(*byte == b'\r');
        }
        let mut found = 0;
        for (index, word) in hits.as_chunks::<8>().0.iter().enumerate() {
            // Eight bytes of 0 or 1 to eight bits, in the same order.
            let bits = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            found |= bits << (8 * index);
        }
        found & within
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
}

/// Where in a cell the row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Bare,
    Quoted,
    /// After the closing quote.
    Closed,
}

impl Row<'_> {
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
                line_ends: 1
            }
        );
        assert_eq!(cells, ["1", "a,\nb", "", "x\"y"]);
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
            (COMMAS, "1,\"a\"\"b\"\n", Split::Other),
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
                let wanted = marks.ends_cell(*byte) || Some(*byte) == marks.quote;
                prop_assert_eq!(found >> at & 1 == 1, wanted, "{}", at);
            }
            if text.len() < WINDOW {
                prop_assert_eq!(found >> text.len(), 0);
            }
        }
    }
}
