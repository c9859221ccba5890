//! Rows on disk to payloads, in one forward pass with flat memory.
//!
//! [`RowReader`] gives encoded rows; planning ([`cut_source`]) and sending
//! ([`replay()`]) share it, so that the plan's bytes are the bytes sent. What
//! cannot be encoded goes to the caller as a [`Reject`] and has no row index.

mod convert;
mod csv;
mod cursor;
mod cut;
mod encode;
mod infer;
mod input;
mod json;
mod lanes;
pub mod pack;
mod reject;
mod replay;
mod rounded;
mod spool;

use crate::base::{CancelToken, Fingerprint};
use crate::manifest::{RowFormat, RowsSource, TextEncoding, Variable};
use crate::source::SourceError;
use crate::source::resolve::RowInput;

pub use cut::{Candidate, Cut, CutSettings, Pass, cut_source};
pub use encode::Mapping;
pub use infer::{Guess, GuessedColumn, MAX_COLUMNS, guess_columns, guess_dialect, infer_schema};
pub use reject::{Reject, RejectReason};
pub use replay::{EachRow, Replayed, Sending, halve, replay, replay_rows};
pub use rounded::Rounded;

/// Where rejected rows go.
pub(crate) type Rejects<'a> = &'a mut dyn FnMut(Reject);

/// Where reading can start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowStart {
    /// Position in the file. For a source that is compressed or of another
    /// encoding it is one in the text, and cannot be sought.
    pub byte: u64,
    /// Line, from 1.
    pub line: u64,
    /// Rows before it, rejects included.
    pub record: u64,
}

/// One source and how it is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// The file.
    pub input: &'a RowInput,
    /// Its dialect.
    pub format: &'a RowFormat,
    /// Its columns to variables.
    pub mapping: Mapping<'a>,
}

impl<'a> Reading<'a> {
    /// A source of a job, read into the job's variables: the declared ones or
    /// those that were inferred.
    pub fn new(source: &'a RowsSource, input: &'a RowInput, schema: &'a [Variable]) -> Self {
        Self {
            input,
            format: &source.entries[input.entry].format,
            mapping: Mapping {
                schema,
                extra_columns: source.extra_columns,
                missing_columns: source.missing_columns,
            },
        }
    }

    /// Whether its rows can be read from any of them on, and not only from the first:
    /// what is compressed or of another encoding cannot be sought.
    pub fn can_start_anywhere(&self) -> bool {
        input::is_plain(&self.input.path, encoding(self.format))
    }
}

/// Reads one source and encodes its rows.
pub struct RowReader {
    rows: Rows,
}

enum Rows {
    Csv(Box<csv::CsvRows>),
    Lines(Box<json::LineRows>),
    Array(Box<json::ArrayRows>),
}

impl RowReader {
    /// Opens a source. Columns of a CSV source are held against the schema here.
    pub fn open(reading: Reading<'_>, cancel: &CancelToken) -> Result<Self, SourceError> {
        let Reading {
            input,
            format,
            mapping,
        } = reading;
        let text = open_text(input, format, cancel)?;
        let rows = match format {
            RowFormat::Csv(dialect) => {
                Rows::Csv(Box::new(csv::CsvRows::new(text, dialect, mapping)?))
            }
            RowFormat::Ndjson => Rows::Lines(Box::new(json::LineRows::new(text, mapping)?)),
            RowFormat::Json => Rows::Array(Box::new(json::ArrayRows::new(text, mapping)?)),
        };
        Ok(Self { rows })
    }

    /// Appends the next row that can be encoded to `out`, as one JSON object;
    /// rows that cannot go to `rejects`. `None`: there are no more.
    pub fn next_encoded(
        &mut self,
        out: &mut Vec<u8>,
        rejects: Rejects<'_>,
    ) -> Result<Option<RowStart>, SourceError> {
        match &mut self.rows {
            Rows::Csv(rows) => rows.next_encoded(out, rejects),
            Rows::Lines(rows) => rows.next_encoded(out, rejects),
            Rows::Array(rows) => rows.next_encoded(out, rejects),
        }
    }

    /// What was found so far that the platform may round: the first number of each
    /// column. It is told once.
    pub fn take_rounded(&mut self) -> Vec<Rounded> {
        match &mut self.rows {
            Rows::Csv(rows) => rows.take_rounded(),
            Rows::Lines(rows) => rows.take_rounded(),
            Rows::Array(rows) => rows.take_rounded(),
        }
    }

    /// Goes to a row of this source; back only in a plain file.
    pub fn forward_to(self, start: &RowStart) -> Result<Self, SourceError> {
        let rows = match self.rows {
            Rows::Csv(rows) => Rows::Csv(Box::new(rows.forward_to(start)?)),
            Rows::Lines(mut rows) => {
                rows.forward_to(start)?;
                Rows::Lines(rows)
            }
            Rows::Array(mut rows) => {
                rows.forward_to(start)?;
                Rows::Array(rows)
            }
        };
        Ok(Self { rows })
    }

    /// What the file was when it was opened.
    pub fn fingerprint(&self) -> Fingerprint {
        self.text().opened()
    }

    /// Fails with [`SourceError::Changed`] if the path leads to other bytes by
    /// now.
    pub fn check_unchanged(&self) -> Result<(), SourceError> {
        self.text().check_unchanged()
    }

    fn text(&self) -> &input::Text {
        match &self.rows {
            Rows::Csv(rows) => rows.text(),
            Rows::Lines(rows) => rows.text(),
            Rows::Array(rows) => rows.text(),
        }
    }
}

impl std::fmt::Debug for RowReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowReader")
            .field("source", &self.text().shown())
            .finish_non_exhaustive()
    }
}

fn open_text(
    input: &RowInput,
    format: &RowFormat,
    cancel: &CancelToken,
) -> Result<input::Text, SourceError> {
    input::Text::open(&input.path, &input.shown, encoding(format), cancel)
}

fn encoding(format: &RowFormat) -> &TextEncoding {
    match format {
        RowFormat::Csv(dialect) => &dialect.encoding,
        RowFormat::Ndjson | RowFormat::Json => &TextEncoding::Utf8,
    }
}

#[cfg(test)]
mod tests;
