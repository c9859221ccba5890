//! A guess at the columns of one source, from its first rows, with what speaks for
//! it: for drafts of manifests, which a person then looks at.

use std::collections::BTreeSet;

use super::{Columns, Fits, Probes};
use crate::base::{CancelToken, VariableType};
use crate::manifest::{CsvDialect, Header, RowFormat, TextEncoding};
use crate::source::SourceError;
use crate::source::resolve::RowInput;
use crate::source::rows::{csv, input, open_text};

/// What people write where a value is missing.
const NULL_WORDS: [&str; 7] = ["NA", "N/A", "NULL", "null", "NaN", "-", "."];
/// Bytes that a dialect is guessed from.
const SAMPLE: usize = 256 * 1024;
/// Records that a dialect is guessed from.
const SAMPLE_RECORDS: usize = 200;
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// What was found in the first rows of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guess {
    /// Rows that were looked at.
    pub rows: u64,
    /// There were no more.
    pub is_whole: bool,
    /// The columns in their order.
    pub columns: Vec<GuessedColumn>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuessedColumn {
    /// As the source has it.
    pub name: String,
    /// The narrowest type that all values fit.
    pub kind: VariableType,
    /// Texts in it that often stand for a missing value, such as `NA`. They have no
    /// part in the type.
    pub null_words: Vec<String>,
    /// Objects or arrays.
    pub is_nested: bool,
    /// Cells with a value; only told of delimited text.
    pub values: Option<u64>,
    /// A value, cut short.
    pub example: Option<String>,
}

/// Guesses the columns of one source from its first `most` rows.
pub fn guess_columns(
    source: &RowInput,
    format: &RowFormat,
    most: u64,
    cancel: &CancelToken,
) -> Result<Guess, SourceError> {
    if let RowFormat::Csv(dialect) = format {
        return guess_csv(source, dialect, most, cancel);
    }
    let mut columns = Columns::default();
    let rows = columns.read(source, format, most, cancel)?;
    let variables = columns.list.into_iter().map(|column| GuessedColumn {
        kind: match (column.has_value, column.nested) {
            (true, false) => column.fits.first(),
            (false, _) | (_, true) => VariableType::String,
        },
        name: column.name,
        null_words: Vec::new(),
        is_nested: column.nested,
        values: None,
        example: None,
    });
    Ok(Guess {
        rows,
        is_whole: rows < most,
        columns: variables.collect(),
    })
}

/// What cells of one column came to.
#[derive(Debug)]
struct Seen {
    fits: Fits,
    values: u64,
    words: BTreeSet<&'static str>,
    example: Option<String>,
}

impl Seen {
    fn see(&mut self, cell: &[u8], probes: &Probes) {
        const LONGEST: usize = 30;
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            return;
        }
        if let Some(word) = NULL_WORDS.iter().find(|word| word.as_bytes() == cell) {
            self.words.insert(word);
            return;
        }
        self.values += 1;
        self.fits = self.fits.and(probes.text(cell, self.fits));
        self.example.get_or_insert_with(|| {
            let text = String::from_utf8_lossy(cell);
            let clean: String = text.chars().filter(|c| !c.is_control()).collect();
            clean.chars().take(LONGEST).collect()
        });
    }

    fn into_column(self, name: String) -> GuessedColumn {
        let kind = match self.values {
            0 => VariableType::String,
            _ => self.fits.first(),
        };
        GuessedColumn {
            name,
            kind,
            null_words: self.words.into_iter().map(str::to_owned).collect(),
            is_nested: false,
            values: Some(self.values),
            example: self.example,
        }
    }
}

fn guess_csv(
    source: &RowInput,
    dialect: &CsvDialect,
    most: u64,
    cancel: &CancelToken,
) -> Result<Guess, SourceError> {
    let text = open_text(source, &RowFormat::Csv(dialect.clone()), cancel)?;
    let mut reader = csv::CsvRows::without_schema(text, dialect)?;
    let names = reader.header().to_vec();
    let mut seen: Vec<Seen> = names
        .iter()
        .map(|_| Seen {
            fits: Fits::ALL,
            values: 0,
            words: BTreeSet::new(),
            example: None,
        })
        .collect();
    let probes = Probes::new();
    let mut rows = 0;
    while rows < most {
        let Some((_, record)) = reader.next_cells()? else {
            break;
        };
        rows += 1;
        for (column, cell) in seen.iter_mut().zip(record.cells()) {
            column.see(cell, &probes);
        }
    }
    let columns = names.into_iter().zip(seen);
    Ok(Guess {
        rows,
        is_whole: rows < most,
        columns: columns.map(|(name, seen)| seen.into_column(name)).collect(),
    })
}

/// Guesses the dialect of delimited text from its beginning.
pub fn guess_dialect(source: &RowInput, cancel: &CancelToken) -> Result<CsvDialect, SourceError> {
    let raw = sample(source, &TextEncoding::Utf8, cancel)?;
    let encoding = guess_encoding(&raw);
    let text = if encoding == TextEncoding::Utf8 {
        raw
    } else {
        sample(source, &encoding, cancel)?
    };
    let mut best: Option<(usize, u8)> = None;
    for delimiter in DELIMITERS {
        let columns = even_columns(&records(&text, delimiter));
        if columns.is_some_and(|columns| best.is_none_or(|(most, _)| columns > most)) {
            best = columns.map(|columns| (columns, delimiter));
        }
    }
    let delimiter = best.map_or(b',', |(_, delimiter)| delimiter);
    let header = guess_header(&records(&text, delimiter));
    Ok(CsvDialect {
        delimiter,
        header,
        encoding,
        ..CsvDialect::default()
    })
}

fn sample(
    source: &RowInput,
    encoding: &TextEncoding,
    cancel: &CancelToken,
) -> Result<Vec<u8>, SourceError> {
    let mut text = input::Text::open(&source.path, &source.shown, encoding, cancel)?;
    let mut sample = vec![0; SAMPLE];
    let mut filled = 0;
    while filled < SAMPLE {
        match text.read(&mut sample[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    sample.truncate(filled);
    Ok(sample)
}

fn guess_encoding(raw: &[u8]) -> TextEncoding {
    match raw {
        [0xff, 0xfe, ..] => TextEncoding::Other("UTF-16LE".to_owned()),
        [0xfe, 0xff, ..] => TextEncoding::Other("UTF-16BE".to_owned()),
        _ => match std::str::from_utf8(raw) {
            // The sample may end inside a character.
            Err(error) if error.error_len().is_some() => {
                TextEncoding::Other("windows-1252".to_owned())
            }
            Ok(_) | Err(_) => TextEncoding::Utf8,
        },
    }
}

/// The first records, without the last, which may be cut off.
fn records(text: &[u8], delimiter: u8) -> Vec<::csv::ByteRecord> {
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut records: Vec<_> = reader
        .byte_records()
        .take(SAMPLE_RECORDS)
        .map_while(Result::ok)
        .collect();
    if text.len() == SAMPLE && records.len() < SAMPLE_RECORDS {
        records.pop();
    }
    records
}

/// The number of columns, where every record has as many and there are several.
fn even_columns(records: &[::csv::ByteRecord]) -> Option<usize> {
    let columns = records.first()?.len();
    let is_even = records.iter().all(|record| record.len() == columns);
    (is_even && columns > 1).then_some(columns)
}

/// The first record names the columns if all its cells are different texts, none
/// of them a number.
fn guess_header(records: &[::csv::ByteRecord]) -> Header {
    let Some(first) = records.first() else {
        return Header::Row;
    };
    let cells: BTreeSet<&[u8]> = first.iter().map(<[u8]>::trim_ascii).collect();
    let is_name = |cell: &&[u8]| {
        let number = std::str::from_utf8(cell).is_ok_and(|text| text.parse::<f64>().is_ok());
        !cell.is_empty() && !number
    };
    if cells.len() == first.len() && cells.iter().all(is_name) {
        return Header::Row;
    }
    Header::Names(
        (1..=first.len())
            .map(|index| format!("column_{index}"))
            .collect(),
    )
}
