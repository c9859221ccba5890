//! The CSV reader against the `csv` crate, and what the row targets share.

use std::path::PathBuf;

use redivis_ingest::base::{CancelToken, Fingerprint, SourceKey, VariableMetadata, VariableType};
use redivis_ingest::manifest::{
    Convert, CsvDialect, ExtraColumns, Header, MissingColumns, NestedPolicy, RowFormat, ValueFrom,
    Variable,
};
use redivis_ingest::source::resolve::RowInput;
use redivis_ingest::source::rows::{Mapping, Reading, Reject, RowReader};
use redivis_ingest::source::{CsvProblem, SourceError};

thread_local! {
    /// One file for all inputs of a thread: making one takes longer than reading it.
    static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
}

/// What reading gave up to its end or its error.
#[derive(Debug)]
pub(super) struct Read {
    /// Line and encoded row.
    pub(super) rows: Vec<(u64, String)>,
    pub(super) rejects: Vec<Reject>,
    pub(super) error: Option<SourceError>,
}

pub(super) fn variable(name: impl Into<String>, kind: VariableType) -> Variable {
    let name = name.into();
    Variable {
        from: ValueFrom::Column(name.clone()),
        name,
        kind,
        convert: Convert {
            nested: NestedPolicy::Json,
            ..Convert::default()
        },
        required: false,
        metadata: VariableMetadata::default(),
    }
}

/// Reads bytes as a source of this format; keys that the schema lacks are
/// dropped, and columns that the source lacks are null.
pub(super) fn read(bytes: &[u8], format: &RowFormat, schema: &[Variable]) -> Read {
    let path: PathBuf = FOLDER.with(|folder| folder.path().join("source"));
    std::fs::write(&path, bytes).expect("a temporary file");
    let input = RowInput {
        fingerprint: Fingerprint::of(&std::fs::metadata(&path).expect("the file's times")),
        path,
        shown: "source".to_owned(),
        entry: 0,
        key: SourceKey::source("source"),
    };
    let reading = Reading {
        input: &input,
        format,
        mapping: Mapping {
            schema,
            extra_columns: ExtraColumns::Drop,
            missing_columns: MissingColumns::Null,
        },
    };
    let mut read = Read {
        rows: Vec::new(),
        rejects: Vec::new(),
        error: None,
    };
    let mut reader = match RowReader::open(reading, &CancelToken::new()) {
        Ok(reader) => reader,
        Err(error) => {
            read.error = Some(error);
            return read;
        }
    };
    let mut row = Vec::new();
    loop {
        row.clear();
        match reader.next_encoded(&mut row, &mut |one| read.rejects.push(one)) {
            Ok(Some(start)) => {
                let row = String::from_utf8(row.clone()).expect("rows are UTF-8");
                read.rows.push((start.line, row));
            }
            Ok(None) => return read,
            Err(error) => {
                read.error = Some(error);
                return read;
            }
        }
    }
}

/// The cells of rows whose columns are `c0`, `c1` ..
pub(super) fn cells(rows: &[(u64, String)]) -> Vec<Vec<String>> {
    rows.iter()
        .map(|(_, row)| {
            let row: serde_json::Value = serde_json::from_str(row).expect("rows are JSON");
            let row = row.as_object().expect("rows are objects");
            let cell = |at| row[&format!("c{at}")].as_str().expect("text").to_owned();
            (0..row.len()).map(cell).collect()
        })
        .collect()
}

fn columns(count: usize) -> (Vec<String>, Vec<Variable>) {
    let names: Vec<String> = (0..count).map(|at| format!("c{at}")).collect();
    let schema = names
        .iter()
        .map(|name| variable(name, VariableType::String));
    (names.clone(), schema.collect())
}

/// The first byte chooses the dialect, the rest is the text.
pub(super) fn csv(data: &[u8]) {
    let (choice, text) = data.split_first().unwrap_or((&0, &[]));
    let dialect = CsvDialect {
        delimiter: [b',', b';', b'\t', b'|'][usize::from(choice & 3)],
        quote: [Some(b'"'), Some(b'"'), Some(b'\''), None][usize::from(choice >> 2 & 3)],
        escape: [None, Some(b'\\')][usize::from(choice >> 4 & 1)],
        comment: [None, Some(b'#')][usize::from(choice >> 5 & 1)],
        ..CsvDialect::default()
    };
    as_the_crate_reads_it(&dialect, text);
    as_it_was_written(text);
}

fn as_the_crate_reads_it(dialect: &CsvDialect, text: &[u8]) {
    let mut text = text.to_vec();
    if dialect.comment.is_some() {
        // The crate makes a row of a comment without a line's end.
        text.push(b'\n');
    }
    let mut oracle = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .quoting(dialect.quote.is_some())
        .quote(dialect.quote.unwrap_or(b'"'))
        .escape(dialect.escape)
        .double_quote(dialect.escape.is_none())
        .comment(dialect.comment)
        .from_reader(text.as_slice());
    let wanted: Vec<::csv::ByteRecord> = oracle
        .byte_records()
        .map(|one| one.expect("bytes"))
        .collect();
    let width = wanted.first().map_or(1, ::csv::ByteRecord::len);
    let (names, schema) = columns(width);
    let dialect = CsvDialect {
        header: Header::Names(names),
        ..dialect.clone()
    };
    let found = read(&text, &RowFormat::Csv(dialect), &schema);
    let is_ragged = wanted.iter().any(|record| record.len() != width);
    match &found.error {
        None => assert!(!is_ragged, "a ragged row was taken: {text:?}"),
        Some(SourceError::Csv { why, .. }) => match why {
            CsvProblem::Ragged { .. } => assert!(is_ragged, "{text:?}"),
            // The crate reads over these.
            CsvProblem::TextAfterQuote | CsvProblem::OpenQuote => return,
            CsvProblem::TooLong { .. } => panic!("{text:?}"),
        },
        Some(error) => panic!("{error}: {text:?}"),
    }
    if found.error.is_some() {
        return;
    }
    let utf8 = |record: &::csv::ByteRecord| -> Option<Vec<String>> {
        let cell = |cell: &[u8]| String::from_utf8(cell.to_vec()).ok();
        record.iter().map(cell).collect()
    };
    let texts: Vec<Vec<String>> = wanted.iter().filter_map(utf8).collect();
    assert_eq!(cells(&found.rows), texts, "{text:?}");
    assert_eq!(found.rejects.len(), wanted.len() - texts.len(), "{text:?}");
}

/// Any cells, written as CSV by the crate, are read as they were.
fn as_it_was_written(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let width = 1 + data.len() % 3;
    let all: Vec<&str> = text.split('a').collect();
    for style in [::csv::QuoteStyle::Necessary, ::csv::QuoteStyle::Always] {
        let mut writer = ::csv::WriterBuilder::new()
            .quote_style(style)
            .from_writer(Vec::new());
        let (names, schema) = columns(width);
        writer.write_record(&names).expect("memory");
        let rows: Vec<&[&str]> = all.chunks_exact(width).collect();
        for row in &rows {
            writer.write_record(*row).expect("memory");
        }
        let written = writer.into_inner().expect("memory");
        let found = read(&written, &RowFormat::Csv(CsvDialect::default()), &schema);
        assert!(
            found.error.is_none() && found.rejects.is_empty(),
            "{found:?}"
        );
        assert_eq!(cells(&found.rows), rows, "{written:?}");
    }
}
