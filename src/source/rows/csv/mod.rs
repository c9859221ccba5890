//! Delimited text: rows are split into cells as the `csv` crate does it; around that
//! stand the dialect, the header, exact positions and the errors that it reads over.
//! Blank lines are no rows, also in a file with a single column.

mod feed;
mod quotes;
mod simple;
mod split;

use crate::manifest::{
    CsvDialect, ExtraColumns, Header, MissingColumns, TextEncoding, ValueFrom, Variable,
};
use crate::source::{CsvProblem, SourceError, ValueProblem};

use super::cursor::Cursor;
use super::encode::{BadCell, Field, Mapping, fields, finish_row, fixed_value, room};
use super::input::Text;
use super::reject::{Reject, RejectReason};
use super::rounded::{Rounded, Watch};
use super::{Rejects, RowStart};
use feed::Feed;
pub(super) use split::Record;
use split::Splitter;

/// Rows of a CSV source.
pub(super) struct CsvRows {
    cells: Cells,
    watch: Watch,
    feed: Feed,
    splitter: Splitter,
    dialect: CsvDialect,
    /// Of the row that was read last.
    start: RowStart,
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
    /// For a row's short cells.
    room: Vec<u8>,
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
        feed.skip_lines(dialect.skip_lines)?;
        let mut rows = Self {
            cells: Cells {
                fields: Vec::new(),
                from: Vec::new(),
                names: Vec::new(),
                width: 0,
                room: Vec::new(),
            },
            watch: Watch::default(),
            feed,
            splitter: Splitter::new(dialect),
            dialect: dialect.clone(),
            start: RowStart {
                byte: 0,
                line: 1,
                record: 0,
            },
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
        self.feed.text()
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
        while self.read_record()? {
            let record = self.splitter.record(&self.feed);
            let encoded = self.cells.encode(record, out);
            let start = self.start;
            match encoded {
                Ok(()) => {
                    let shown = self.feed.text().shown();
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
    pub(super) fn next_cells(&mut self) -> Result<Option<(RowStart, Record<'_>)>, SourceError> {
        let is_there = self.read_record()?;
        Ok(is_there.then(|| (self.start, self.record())))
    }

    fn record(&self) -> Record<'_> {
        self.splitter.record(&self.feed)
    }

    /// Passes over rows without encoding them.
    pub(super) fn skip(&mut self, records: u64) -> Result<(), SourceError> {
        for _ in 0..records {
            if !self.read_record()? {
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
        self.feed.seek(start.byte, start.line)?;
        self.splitter = Splitter::new(&self.dialect);
        self.next_record = start.record;
        Ok(self)
    }

    /// Splits the next row and checks its shape. `false`: there is none.
    fn read_record(&mut self) -> Result<bool, SourceError> {
        let Some((byte, line)) = self.feed.row_start(self.dialect.comment)? else {
            return Ok(false);
        };
        if let Some(bad) = self.splitter.split(&mut self.feed)? {
            return Err(self.csv_error(bad.at.line, bad.at.column, bad.why));
        }
        if self.record().len() != self.cells.width && !self.header.is_empty() {
            return Err(self.ragged(byte, line));
        }
        self.start = RowStart {
            byte,
            line,
            record: self.next_record,
        };
        self.next_record += 1;
        Ok(true)
    }

    fn read_header(&mut self) -> Result<(), SourceError> {
        if !self.read_record()? {
            return Ok(());
        }
        let names: Option<Vec<String>> = self
            .record()
            .cells()
            .map(|name| String::from_utf8(name.to_vec()).ok())
            .collect();
        self.header = names.ok_or_else(|| SourceError::Encoding {
            path: self.text().shown().to_owned(),
            encoding: match &self.dialect.encoding {
                TextEncoding::Utf8 => "utf-8".to_owned(),
                TextEncoding::Other(name) => name.clone(),
            },
            why: format!("the header in line {} is not in it", self.start.line),
        })?;
        self.header_line = self.start.line;
        self.next_record = 0;
        Ok(())
    }

    fn ragged(&self, byte: u64, line: u64) -> SourceError {
        let why = CsvProblem::Ragged {
            expected: self.cells.width,
            found: self.record().len(),
        };
        let row = self.feed.taken_since(byte).unwrap_or_default();
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
            let fields = fields(mapping.schema);
            return Ok(Self {
                room: room(&fields),
                fields,
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
    fn encode(&mut self, record: Record<'_>, out: &mut Vec<u8>) -> Result<(), BadCell> {
        let mark = out.len();
        let mut row = Cursor::new(&mut self.room);
        for (index, (field, from)) in self.fields.iter().zip(&self.from).enumerate() {
            field.key.put(&mut row);
            let (cell, result) = match from {
                CellFrom::Column(column) => {
                    let short = record.short(*column);
                    if short.is_some_and(|cell| field.converter.put_short(cell, &mut row)) {
                        continue;
                    }
                    row.flush(out);
                    let cell = record.get(*column).unwrap_or_default();
                    (cell, field.converter.write_text(cell, out))
                }
                CellFrom::Fixed(value) => {
                    row.flush(out);
                    out.extend_from_slice(value);
                    continue;
                }
                CellFrom::Missing => {
                    row.flush(out);
                    (b"".as_slice(), field.converter.write_null(out))
                }
            };
            result.map_err(|why: RejectReason| BadCell::new(Some(index), cell, why))?;
        }
        row.flush(out);
        finish_row(out, mark)
    }
}

fn pointer(variable: &Variable, shown: &str) -> SourceError {
    SourceError::Value {
        path: shown.to_owned(),
        variable: variable.name.clone(),
        source: ValueProblem::Pointer,
    }
}
