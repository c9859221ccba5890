//! Delimited text. What can be read in one way only is split by [`split`]; for all
//! else the `csv` crate splits rows into cells, and around it stand the dialect,
//! exact positions and the errors that it reads over. Blank lines are no rows, also
//! in a file with a single column.

mod cells;
mod feed;
mod quotes;
mod split;

use ::csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

use crate::manifest::{CsvDialect, Header, TextEncoding};
use crate::source::{CsvProblem, SourceError};

use super::encode::Mapping;
use super::input::{BLOCK, Text};
use super::reject::Reject;
use super::rounded::{Rounded, Watch};
use super::{Rejects, RowStart};
use cells::{Cells, Row};
use feed::Feed;
use split::{Next, Split};

/// Rows of a CSV source.
pub(super) struct CsvRows {
    cells: Cells,
    watch: Watch,
    /// What splits rows into cells, as long as that is enough; then `reader` has
    /// not begun.
    split: Option<Split>,
    reader: Reader<Feed>,
    /// The row read last, if `reader` read it or its cells are looked at.
    record: ByteRecord,
    scratch: Vec<u8>,
    dialect: CsvDialect,
    /// What is added to the reader's own positions: bytes and lines before it
    /// started. They wrap, since a primed reader has one byte and line more.
    byte_base: u64,
    line_base: u64,
    /// Of the next row.
    next_record: u64,
    header: Vec<String>,
    header_line: u64,
}

impl CsvRows {
    pub(super) fn new(
        text: Text,
        dialect: &CsvDialect,
        mapping: Mapping<'_>,
    ) -> Result<Self, SourceError> {
        let mut rows = Self::without_schema(text, dialect)?;
        let line = rows.header_line;
        // An empty file has no columns that could be wrong, and no rows.
        if !rows.header.is_empty() {
            rows.cells = Cells::bind(mapping, &rows.header, rows.text().shown(), line)?;
            rows.watch = Watch::new(&rows.cells.fields);
        }
        Ok(rows)
    }

    /// Only for looking at cells, with [`CsvRows::next_cells`].
    pub(super) fn without_schema(text: Text, dialect: &CsvDialect) -> Result<Self, SourceError> {
        // A quote that escapes itself is the usual doubled quote.
        let dialect = &CsvDialect {
            escape: dialect.escape.filter(|one| Some(*one) != dialect.quote),
            ..dialect.clone()
        };
        let mut feed = Feed::new(text);
        let skipped = feed.skip_lines(dialect.skip_lines)?;
        let byte_base = feed.position();
        // A fresh `csv` reader would take a mark off.
        let split = if feed.begins_with_mark()? {
            None
        } else {
            Split::new(dialect, &feed, skipped + 1)
        };
        if split.is_none() {
            feed.follow_quotes(dialect, skipped + 1);
        }
        let mut rows = Self {
            cells: Cells::default(),
            watch: Watch::default(),
            split,
            reader: reader(feed, dialect),
            record: ByteRecord::new(),
            scratch: Vec::new(),
            dialect: dialect.clone(),
            byte_base,
            line_base: skipped,
            next_record: 0,
            header: Vec::new(),
            header_line: 1,
        };
        match &dialect.header {
            Header::Names(names) => rows.header.clone_from(names),
            Header::Row => rows.read_header()?,
        }
        rows.cells.width = rows.header.len();
        Ok(rows)
    }

    pub(super) fn text(&self) -> &Text {
        self.reader.get_ref().text()
    }

    /// The columns' names; empty for an empty file.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// Appends the next row that can be encoded.
    pub(super) fn next_encoded(
        &mut self,
        out: &mut Vec<u8>,
        rejects: Rejects<'_>,
    ) -> Result<Option<RowStart>, SourceError> {
        let mark = out.len();
        while let Some(start) = self.next_row()? {
            let feed = self.reader.get_ref();
            let row = match &self.split {
                Some(split) => Row::Split(split, feed.block()),
                None => Row::Record(&self.record),
            };
            let shown = feed.text().shown();
            match self.cells.encode(&row, &mut self.scratch, out) {
                Ok(()) => {
                    let Cells { fields, names, .. } = &self.cells;
                    self.watch.good(fields, names, shown, start);
                    return Ok(Some(start));
                }
                Err(bad) => {
                    out.truncate(mark);
                    self.watch.rejected(&self.cells.fields);
                    rejects(Reject {
                        file: shown.to_owned(),
                        line: start.line,
                        column: bad.field.map(|index| self.cells.names[index].clone()),
                        value: bad.value,
                        why: bad.why,
                    });
                }
            }
        }
        Ok(None)
    }

    pub(super) fn take_rounded(&mut self) -> Vec<Rounded> {
        self.watch.take()
    }

    /// The next row's cells.
    pub(super) fn next_cells(&mut self) -> Result<Option<(RowStart, &ByteRecord)>, SourceError> {
        let start = self.read_record()?;
        Ok(start.map(|start| (start, &self.record)))
    }

    /// Passes over rows without encoding them.
    pub(super) fn skip(&mut self, records: u64) -> Result<(), SourceError> {
        for _ in 0..records {
            if self.next_row()?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Goes to a row; one before the reader only where the text can be sought.
    pub(super) fn forward_to(mut self, start: &RowStart) -> Result<Self, SourceError> {
        if !self.text().can_seek() {
            self.skip(start.record.saturating_sub(self.next_record))?;
            return Ok(self);
        }
        let mut feed = self.reader.into_inner();
        feed.seek(start.byte)?;
        self.next_record = start.record;
        self.split = Split::new(&self.dialect, &feed, start.line);
        if self.split.is_none() {
            feed.start_amid(0, &self.dialect, start.line);
            self.byte_base = start.byte.wrapping_sub(1);
            self.line_base = start.line.wrapping_sub(2);
        }
        self.reader = reader(feed, &self.dialect);
        Ok(self)
    }

    /// Reads the next row into `record`.
    fn read_record(&mut self) -> Result<Option<RowStart>, SourceError> {
        let start = self.next_row()?;
        if let (Some(_), Some(split)) = (&start, &self.split) {
            let block = self.reader.get_ref().block();
            self.record.clear();
            for column in 0..split.width() {
                self.record
                    .push_field(split.cell(block, column, &mut self.scratch));
            }
        }
        Ok(start)
    }

    /// Goes to the next row and checks its shape.
    fn next_row(&mut self) -> Result<Option<RowStart>, SourceError> {
        if let Some(split) = &mut self.split {
            let feed = self.reader.get_mut();
            match split.next(feed, self.cells.width)? {
                Next::Row(byte, line) => return Ok(Some(self.started(byte, line))),
                Next::End => return Ok(None),
                // From this row on the `csv` crate reads.
                Next::Odd => {
                    let (at, line) = split.place();
                    let byte = feed.base() + at as u64;
                    feed.start_amid(at, &self.dialect, line);
                    self.byte_base = byte.wrapping_sub(1);
                    self.line_base = line.wrapping_sub(2);
                    self.split = None;
                }
            }
        }
        self.next_of_reader()
    }

    fn started(&mut self, byte: u64, line: u64) -> RowStart {
        let record = self.next_record;
        self.next_record += 1;
        RowStart { byte, line, record }
    }

    fn next_of_reader(&mut self) -> Result<Option<RowStart>, SourceError> {
        let (byte, line) = self.position();
        let comment = self.dialect.comment;
        // The reader would make a row of a comment without a line's end.
        let Some((byte, line)) = self.reader.get_mut().row_start(byte, line, comment)? else {
            return Ok(None);
        };
        if let Err(error) = self.reader.read_byte_record(&mut self.record) {
            return Err(self.reader_error(error));
        }
        let (end, _) = self.position();
        if let Some(bad) = self.reader.get_ref().bad_quote(end) {
            return Err(self.csv_error(bad.line, bad.column, bad.why));
        }
        if self.record.len() != self.cells.width && !self.header.is_empty() {
            return Err(self.ragged(byte, line, end));
        }
        Ok(Some(self.started(byte, line)))
    }

    fn read_header(&mut self) -> Result<(), SourceError> {
        let Some(start) = self.read_record()? else {
            return Ok(());
        };
        let names: Option<Vec<String>> = self
            .record
            .iter()
            .map(|name| String::from_utf8(name.to_vec()).ok())
            .collect();
        self.header = names.ok_or_else(|| SourceError::Encoding {
            path: self.text().shown().to_owned(),
            encoding: match &self.dialect.encoding {
                TextEncoding::Utf8 => "utf-8".to_owned(),
                TextEncoding::Other(name) => name.clone(),
            },
            why: format!("the header in line {} is not in it", start.line),
        })?;
        self.header_line = start.line;
        self.next_record = 0;
        Ok(())
    }

    /// The text's position and line of what the reader takes next.
    fn position(&self) -> (u64, u64) {
        let position = self.reader.position();
        (
            self.byte_base.wrapping_add(position.byte()),
            self.line_base.wrapping_add(position.line()),
        )
    }

    fn ragged(&self, byte: u64, line: u64, end: u64) -> SourceError {
        let why = CsvProblem::Ragged {
            expected: self.cells.width,
            found: self.record.len(),
        };
        let row = self.reader.get_ref().bytes(byte, end).unwrap_or_default();
        let first_line = row.split(|byte| matches!(byte, b'\n' | b'\r')).next();
        let plain = self.dialect.quote.is_none_or(|quote| !row.contains(&quote));
        let column = match first_line {
            // Where the first field too many starts, or where the row ends.
            Some(text) if plain => {
                let mut ends = memchr::memchr_iter(self.dialect.delimiter, text);
                let end = ends.nth(self.cells.width.saturating_sub(1));
                let at = end.map_or(text.len(), |at| at + 1);
                String::from_utf8_lossy(&text[..at]).chars().count() as u64 + 1
            }
            Some(_) | None => 1,
        };
        self.csv_error(line, column, why)
    }

    fn csv_error(&self, line: u64, column: u64, why: CsvProblem) -> SourceError {
        SourceError::Csv {
            path: self.text().shown().to_owned(),
            line,
            column,
            why,
        }
    }

    fn reader_error(&self, error: ::csv::Error) -> SourceError {
        // Bytes of any shape are asked for, so there is no other kind.
        let error = if let ::csv::ErrorKind::Io(error) = error.into_kind() {
            error
        } else {
            std::io::ErrorKind::InvalidData.into()
        };
        SourceError::io(self.text().shown(), "read", error)
    }
}

fn reader(feed: Feed, dialect: &CsvDialect) -> Reader<Feed> {
    let mut builder = ReaderBuilder::new();
    builder
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .quoting(dialect.quote.is_some())
        .quote(dialect.quote.unwrap_or(b'"'))
        .escape(dialect.escape)
        .double_quote(dialect.escape.is_none())
        .comment(dialect.comment)
        .terminator(Terminator::CRLF)
        .buffer_capacity(BLOCK / 4);
    builder.from_reader(feed)
}
