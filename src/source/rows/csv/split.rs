//! Rows into cells. A row whose quotes only stand around whole cells is split where
//! it lies in the block; any other goes through the state machine of the `csv` crate.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use crate::manifest::CsvDialect;
use crate::source::SourceError;

use super::feed::Feed;

/// The cells of a row, without their quotes.
#[derive(Debug, Clone, Copy)]
pub(in crate::source::rows) struct Record<'a> {
    bytes: &'a [u8],
    cells: &'a [Place],
}

/// Where a cell is.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

impl<'a> Record<'a> {
    pub(super) fn len(self) -> usize {
        self.cells.len()
    }

    pub(super) fn get(self, index: usize) -> Option<&'a [u8]> {
        let place = self.cells.get(index)?;
        self.bytes.get(place.start..place.end)
    }

    /// The cells in order.
    pub(in crate::source::rows) fn cells(self) -> impl Iterator<Item = &'a [u8]> {
        let Self { bytes, cells } = self;
        cells.iter().map(|place| &bytes[place.start..place.end])
    }
}

/// Splits the rows of one text.
pub(super) struct Splitter {
    marks: Marks,
    machine: Reader,
    cells: Vec<Place>,
    /// The position of the row whose cells lie in the block, or `None`: they are in
    /// `text`.
    in_block: Option<u64>,
    /// What the state machine made of a row.
    text: Vec<u8>,
}

impl Splitter {
    pub(super) fn new(dialect: &CsvDialect) -> Self {
        let mut machine = ReaderBuilder::new()
            .delimiter(dialect.delimiter)
            .quoting(dialect.quote.is_some())
            .quote(dialect.quote.unwrap_or(b'"'))
            .escape(dialect.escape)
            .double_quote(dialect.escape.is_none())
            .terminator(Terminator::CRLF)
            .build();
        // It takes a byte order mark off what it reads first, which in the middle of a
        // text is data. A line end before a row is nothing.
        machine.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            marks: Marks {
                delimiter: dialect.delimiter,
                quote: dialect.quote,
                escapes: dialect.escape.is_some(),
            },
            machine,
            cells: Vec::new(),
            in_block: None,
            text: vec![0; 1024],
        }
    }

    /// Takes the row that the feed stands at.
    pub(super) fn split(&mut self, feed: &mut Feed) -> Result<(), SourceError> {
        loop {
            match self.marks.split(feed.rest(), &mut self.cells) {
                Split::Row { bytes, line_ends } => {
                    self.in_block = Some(feed.position());
                    feed.take(bytes, line_ends);
                    return Ok(());
                }
                Split::Unfinished if is_longer(feed)? => {}
                Split::Unfinished | Split::Other => return self.split_by_machine(feed),
            }
        }
    }

    /// The row that was taken last; nothing may have been taken since.
    pub(super) fn record<'a>(&'a self, feed: &'a Feed) -> Record<'a> {
        let bytes = match self.in_block {
            Some(position) => feed.taken_since(position).unwrap_or_default(),
            None => &self.text,
        };
        Record {
            bytes,
            cells: &self.cells,
        }
    }

    fn split_by_machine(&mut self, feed: &mut Feed) -> Result<(), SourceError> {
        self.in_block = None;
        self.cells.clear();
        let (mut length, mut start) = (0, 0);
        let mut ends = [0; 64];
        loop {
            let line = self.machine.line();
            let (result, taken, written, ended) =
                self.machine
                    .read_record(feed.rest(), &mut self.text[length..], &mut ends);
            feed.take(taken, self.machine.line() - line);
            length += written;
            for end in &ends[..ended] {
                self.cells.push(Place { start, end: *end });
                start = *end;
            }
            match result {
                // At the end it is asked once more, without any input.
                ReadRecordResult::InputEmpty => feed.more().map(drop)?,
                ReadRecordResult::OutputFull => self.text.resize(2 * self.text.len(), 0),
                ReadRecordResult::OutputEndsFull => {}
                ReadRecordResult::Record | ReadRecordResult::End => return Ok(()),
            }
        }
    }
}

/// Reads on until there is another line end. `false`: the text has ended, or the row
/// is too long to be held in a block.
fn is_longer(feed: &mut Feed) -> Result<bool, SourceError> {
    loop {
        let before = feed.rest().len();
        if before >= feed.block_size() || feed.more()? == 0 {
            return Ok(false);
        }
        if memchr::memchr2(b'\n', b'\r', &feed.rest()[before..]).is_some() {
            return Ok(true);
        }
    }
}

/// The bytes that part cells and rows.
#[derive(Debug, Clone, Copy)]
struct Marks {
    delimiter: u8,
    quote: Option<u8>,
    /// A character escapes quotes, inside quotes.
    escapes: bool,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    /// It is split; with its line end, `\r\n` apart, it has so many bytes.
    Row { bytes: usize, line_ends: u64 },
    /// It does not end in the text.
    Unfinished,
    /// Its quotes are not as simple as that.
    Other,
}

impl Marks {
    /// Splits the row that `text` starts with.
    fn split(self, text: &[u8], cells: &mut Vec<Place>) -> Split {
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

const WINDOW: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::CancelToken;
    use crate::manifest::TextEncoding;
    use crate::source::rows::input::{BLOCK, Text};

    const COMMAS: Marks = Marks {
        delimiter: b',',
        quote: Some(b'"'),
        escapes: false,
    };

    fn split(marks: Marks, text: &str) -> (Split, Vec<String>) {
        let mut cells = Vec::new();
        let split = marks.split(text.as_bytes(), &mut cells);
        let record = Record {
            bytes: text.as_bytes(),
            cells: &cells,
        };
        let texts = record.cells().map(|cell| String::from_utf8_lossy(cell));
        (split, texts.map(String::from).collect())
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

    /// The rows of a text that is read in blocks of some bytes, and where they start.
    fn rows(text: &str, block: usize) -> Vec<(u64, u64, Vec<String>)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let never = CancelToken::new();
        let text = Text::open(file.path(), "a.csv", &TextEncoding::Utf8, &never).unwrap();
        let mut feed = Feed::in_blocks(text, block);
        let mut splitter = Splitter::new(&CsvDialect::default());
        let mut rows = Vec::new();
        while let Some((byte, line)) = feed.row_start(None).unwrap() {
            splitter.split(&mut feed).unwrap();
            let cells = splitter.record(&feed).cells();
            let texts = cells.map(|cell| String::from_utf8_lossy(cell).into());
            rows.push((byte, line, texts.collect()));
        }
        rows
    }

    #[test]
    fn the_state_machine_gives_all_cells_of_a_wide_row() {
        let cells: Vec<String> = (0..200).map(|number| format!("{number}")).collect();
        let text = format!("{},\"a\"\"b\",\n", cells.join(","));
        let [(0, 1, found)] = &rows(&text, BLOCK)[..] else {
            panic!("one row, at the start");
        };

        assert_eq!(found[..200], cells);
        assert_eq!(found[200..], ["a\"b", ""]);
    }

    proptest! {
        #[test]
        fn blocks_do_not_change_the_rows(text in "([abé]{0,30}[,\"\r\n]){0,30}[ab\"]{0,9}") {
            let whole = rows(&text, BLOCK);
            let mut oracle = ::csv::ReaderBuilder::new();
            let oracle = oracle.has_headers(false).flexible(true).from_reader(text.as_bytes());
            let wanted: Vec<Vec<String>> = oracle
                .into_byte_records()
                .map(|record| {
                    let record = record.unwrap();
                    record.iter().map(|cell| String::from_utf8_lossy(cell).into()).collect()
                })
                .collect();

            prop_assert_eq!(whole.iter().map(|row| &row.2).collect::<Vec<_>>(),
                wanted.iter().collect::<Vec<_>>());
            for block in [1, 7, 64, 100] {
                prop_assert_eq!(&rows(&text, block), &whole, "{}", block);
            }
        }

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
