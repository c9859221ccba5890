//! Rows into cells. A simple row is split where it lies in the block; any other goes
//! through the state machine of the `csv` crate.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use crate::manifest::CsvDialect;
use crate::source::SourceError;
use crate::source::rows::convert::Short;

use super::feed::Feed;
use super::quotes::{BadQuote, Quotes};
use super::simple::{Marks, Place, Split};

/// The cells of a row, without their quotes.
#[derive(Debug, Clone, Copy)]
pub(in crate::source::rows) struct Record<'a> {
    /// The row, and what else lies behind it.
    bytes: &'a [u8],
    cells: &'a [Place],
}

impl<'a> Record<'a> {
    pub(super) fn len(self) -> usize {
        self.cells.len()
    }

    pub(super) fn get(self, index: usize) -> Option<&'a [u8]> {
        let place = self.cells.get(index)?;
        self.bytes.get(place.start..place.end)
    }

    /// A cell that may be short.
    pub(super) fn short(self, index: usize) -> Option<Short<'a>> {
        let place = self.cells.get(index)?;
        Short::of(self.bytes, place.start, place.end)
    }

    /// The cells in order.
    pub(in crate::source::rows) fn cells(self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.cells.len()).filter_map(move |index| self.get(index))
    }
}

/// Splits the rows of one text.
pub(super) struct Splitter {
    marks: Marks,
    machine: Reader,
    /// Of the rows that go through the machine.
    quotes: Option<Quotes>,
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
            marks: Marks::of(dialect),
            machine,
            quotes: Quotes::new(dialect),
            cells: Vec::new(),
            in_block: None,
            text: vec![0; 1024],
        }
    }

    /// Takes the row that the feed stands at. Answers its first wrong quote: then the
    /// cells may not be what was meant.
    pub(super) fn split(&mut self, feed: &mut Feed) -> Result<Option<BadQuote>, SourceError> {
        loop {
            match self.marks.split(feed.rest(), &mut self.cells) {
                Split::Row {
                    bytes,
                    line_ends,
                    has_doubled,
                } => {
                    if has_doubled {
                        self.marks.halve_quotes(feed.rest_mut(), &mut self.cells);
                    }
                    self.in_block = Some(feed.position());
                    feed.take(bytes, line_ends);
                    return Ok(None);
                }
                Split::Unfinished if is_longer(feed)? => {}
                Split::Unfinished | Split::Other => return self.split_by_machine(feed),
            }
        }
    }

    /// The row that was taken last; nothing may have been taken since.
    pub(super) fn record<'a>(&'a self, feed: &'a Feed) -> Record<'a> {
        let bytes = match self.in_block {
            Some(position) => feed.from(position).unwrap_or_default(),
            None => &self.text,
        };
        Record {
            bytes,
            cells: &self.cells,
        }
    }

    fn split_by_machine(&mut self, feed: &mut Feed) -> Result<Option<BadQuote>, SourceError> {
        self.in_block = None;
        self.cells.clear();
        if let Some(quotes) = &mut self.quotes {
            quotes.start(feed.line());
        }
        let (mut length, mut start) = (0, 0);
        let mut ends = [0; 64];
        loop {
            let line = self.machine.line();
            let (result, taken, written, ended) =
                self.machine
                    .read_record(feed.rest(), &mut self.text[length..], &mut ends);
            if let Some(quotes) = &mut self.quotes {
                quotes.pass(&feed.rest()[..taken]);
            }
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
                ReadRecordResult::Record | ReadRecordResult::End => {
                    return Ok(self.quotes.as_mut().and_then(Quotes::end));
                }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::CancelToken;
    use crate::manifest::TextEncoding;
    use crate::source::rows::input::{BLOCK, Text};

    /// A text that is read in blocks of some bytes.
    fn feed(text: &str, block: usize) -> Feed {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let never = CancelToken::new();
        let text = Text::open(file.path(), "a.csv", &TextEncoding::Utf8, &never).unwrap();
        Feed::in_blocks(text, block)
    }

    /// The rows of a text, and where they start.
    fn rows(text: &str, block: usize) -> Vec<(u64, u64, Vec<String>)> {
        let mut feed = feed(text, block);
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

    /// The first wrong quote of a text.
    fn bad_quote(dialect: &CsvDialect, text: &str, block: usize) -> Option<BadQuote> {
        let mut feed = feed(text, block);
        let mut splitter = Splitter::new(dialect);
        while feed.row_start(dialect.comment).unwrap().is_some() {
            let bad = splitter.split(&mut feed).unwrap();
            if bad.is_some() {
                return bad;
            }
        }
        None
    }

    /// By the same rules, over the whole text: how many bytes are before it.
    fn before_bad_quote(dialect: &CsvDialect, text: &[u8]) -> Option<usize> {
        #[derive(PartialEq)]
        enum In {
            Start,
            Comment,
            Bare,
            Quotes,
            Escape,
            Closed,
        }
        let mut state = In::Start;
        let (mut opened, mut row_start) = (0, true);
        for (at, byte) in text.iter().enumerate() {
            let ends = [dialect.delimiter, b'\n', b'\r'].contains(byte);
            let is_quote = Some(*byte) == dialect.quote;
            state = match state {
                In::Comment if *byte == b'\n' => In::Start,
                In::Comment => In::Comment,
                In::Start if row_start && Some(*byte) == dialect.comment => In::Comment,
                In::Start if is_quote => {
                    opened = at;
                    In::Quotes
                }
                In::Start | In::Bare | In::Closed if ends => In::Start,
                In::Start | In::Bare => In::Bare,
                In::Quotes if is_quote => In::Closed,
                In::Quotes if Some(*byte) == dialect.escape => In::Escape,
                In::Quotes | In::Escape => In::Quotes,
                In::Closed if is_quote && dialect.escape.is_none() => In::Quotes,
                In::Closed => return Some(at),
            };
            row_start = state == In::Start && matches!(byte, b'\n' | b'\r');
        }
        matches!(state, In::Quotes | In::Escape).then_some(opened)
    }

    #[test]
    fn the_state_machine_gives_all_cells_of_a_wide_row() {
        let cells: Vec<String> = (0..200).map(|number| format!("{number}")).collect();
        // A row without a line end is none of the simple ones.
        let text = format!("{},\"a\"\"b\",", cells.join(","));
        let [(0, 1, found)] = &rows(&text, BLOCK)[..] else {
            panic!("one row, at the start");
        };

        assert_eq!(found[..200], cells);
        assert_eq!(found[200..], ["a\"b", ""]);
    }

    #[test]
    fn two_quotes_in_a_quoted_cell_are_one() {
        let text = "1,\"a\"\"b\"\n\"\"\"\",x\"\"y\n";
        for block in [1, 7, BLOCK] {
            let found = rows(text, block);
            assert_eq!(found[0].2, ["1", "a\"b"], "{block}");
            assert_eq!(found[1].2, ["\"", "x\"\"y"], "{block}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn every_wrong_quote_is_found_whatever_the_blocks(
            text in "[a,\"\n#\\\\é]{0,40}",
            escape in prop::option::of(Just(b'\\')),
            comment in prop::option::of(Just(b'#')),
            block in 1_usize..50,
        ) {
            let dialect = CsvDialect { escape, comment, ..CsvDialect::default() };
            let wanted = before_bad_quote(&dialect, text.as_bytes()).map(|at| {
                let before = text.get(..at).unwrap();
                let line = before.rsplit('\n').next().unwrap_or_default();
                (before.matches('\n').count() as u64 + 1, line.chars().count() as u64 + 1)
            });

            let found = bad_quote(&dialect, &text, block);
            prop_assert_eq!(found.map(|bad| (bad.at.line, bad.at.column)), wanted);
        }

        #[test]
        fn carriage_returns_end_fields_too(text in "[a,\"\r\n]{0,40}", block in 1_usize..50) {
            let dialect = CsvDialect::default();
            let wanted = before_bad_quote(&dialect, text.as_bytes())
                .map(|at| text.get(..at).unwrap().matches('\n').count() as u64 + 1);

            let found = bad_quote(&dialect, &text, block);
            prop_assert_eq!(found.map(|bad| bad.at.line), wanted);
        }

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
    }
}
