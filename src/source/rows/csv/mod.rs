//! Delimited text: the `csv` crate splits rows into cells; around it stand the
//! dialect, the header, exact positions and the errors that it reads over.
//! Blank lines are no rows, also in a file with a single column.

mod feed;
mod quotes;

use ::csv::{ByteRecord, Reader, ReaderBuilder, Terminator};

use crate::manifest::{
    CsvDialect, ExtraColumns, Header, MissingColumns, TextEncoding, ValueFrom, Variable,
};
use crate::source::{CsvProblem, SourceError, ValueProblem};

use super::encode::{BadCell, Field, Mapping, fields, finish_row, fixed_value};
use super::input::{BLOCK, Text};
use super::reject::{Reject, RejectReason};
use super::rounded::{Rounded, Watch};
use super::{Rejects, RowStart};
use feed::Feed;

/// Rows of a CSV source.
pub(super) struct CsvRows {
    cells: Cells,
    watch: Watch,
    reader: Reader<Feed>,
    record: ByteRecord,
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

struct Cells {
    fields: Vec<Field>,
    from: Vec<CellFrom>,
    names: Vec<String>,
    width: usize,
}

/// Where a field's text is.
enum CellFrom {
    Column(usize),
    /// The same value in every row.
    Fixed(Box<[u8]>),
    /// The source lacks the column; null.
    Missing,
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
        feed.follow_quotes(dialect, skipped + 1);
        let byte_base = feed.position();
        let mut rows = Self {
            cells: Cells {
                fields: Vec::new(),
                from: Vec::new(),
                names: Vec::new(),
                width: 0,
            },
            watch: Watch::default(),
            reader: reader(feed, dialect),
            record: ByteRecord::new(),
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
        while let Some(start) = self.read_record()? {
            match self.cells.encode(&self.record, out) {
                Ok(()) => {
                    let shown = self.reader.get_ref().text().shown();
                    let Cells { fields, names, .. } = &self.cells;
                    self.watch.good(fields, names, shown, start);
                    return Ok(Some(start));
                }
                Err(bad) => {
                    out.truncate(mark);
                    self.watch.rejected(&self.cells.fields);
                    rejects(Reject {
                        file: self.text().shown().to_owned(),
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
            if self.read_record()?.is_none() {
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
        feed.follow_quotes(&self.dialect, start.line);
        feed.prime();
        self.reader = reader(feed, &self.dialect);
        self.byte_base = start.byte.wrapping_sub(1);
        self.line_base = start.line.wrapping_sub(2);
        self.next_record = start.record;
        Ok(self)
    }

    /// Reads the next row into `record` and checks its shape.
    fn read_record(&mut self) -> Result<Option<RowStart>, SourceError> {
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
        let start = RowStart {
            byte,
            line,
            record: self.next_record,
        };
        self.next_record += 1;
        Ok(Some(start))
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

impl Cells {
    fn bind(
        mapping: Mapping<'_>,
        header: &[String],
        shown: &str,
        line: u64,
    ) -> Result<Self, SourceError> {
        let mut used = vec![false; header.len()];
        let mut from = Vec::new();
        let mut missing = Vec::new();
        let mut repeated = Vec::new();
        for variable in mapping.schema {
            let name = match &variable.from {
                ValueFrom::Column(name) => name,
                ValueFrom::Pointer(_) => return Err(pointer(variable, shown)),
                ValueFrom::Path(_) | ValueFrom::Constant(_) => {
                    from.extend(fixed_value(variable, shown)?.map(CellFrom::Fixed));
                    continue;
                }
            };
            let mut places = (0..header.len()).filter(|index| header[*index] == *name);
            let place = places.next();
            if places.next().is_some() {
                repeated.push(name.clone());
            }
            if let Some(index) = place {
                used[index] = true;
                from.push(CellFrom::Column(index));
            } else {
                missing.push(name.clone());
                from.push(CellFrom::Missing);
            }
        }
        let unused = |(name, used): (&String, &bool)| (!used).then(|| name.clone());
        let mut extra: Vec<String> = header.iter().zip(&used).filter_map(unused).collect();
        extra.retain(|name| !repeated.contains(name));
        if mapping.extra_columns == ExtraColumns::Drop {
            extra.clear();
        }
        if mapping.missing_columns == MissingColumns::Null {
            missing.clear();
        }
        if missing.is_empty() && extra.is_empty() && repeated.is_empty() {
            return Ok(Self {
                fields: fields(mapping.schema),
                from,
                names: mapping.words().map(|(name, _)| name.to_owned()).collect(),
                width: header.len(),
            });
        }
        Err(SourceError::Columns {
            path: shown.to_owned(),
            line,
            missing,
            extra,
            repeated,
        })
    }

    /// Appends a row. On an error `out` may hold a piece of it.
    fn encode(&self, record: &ByteRecord, out: &mut Vec<u8>) -> Result<(), BadCell> {
        let mark = out.len();
        for (index, (field, from)) in self.fields.iter().zip(&self.from).enumerate() {
            out.extend_from_slice(&field.key);
            let (cell, result) = match from {
                CellFrom::Column(column) => {
                    let cell = record.get(*column).unwrap_or_default();
                    (cell, field.converter.write_text(cell, out))
                }
                CellFrom::Fixed(value) => {
                    out.extend_from_slice(value);
                    continue;
                }
                CellFrom::Missing => (b"".as_slice(), field.converter.write_null(out)),
            };
            result.map_err(|why: RejectReason| BadCell::new(Some(index), cell, why))?;
        }
        finish_row(out, mark)
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

fn pointer(variable: &Variable, shown: &str) -> SourceError {
    SourceError::Value {
        path: shown.to_owned(),
        variable: variable.name.clone(),
        source: ValueProblem::Pointer,
    }
}
