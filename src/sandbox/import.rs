//! What the platform would make of an uploaded file: how many rows, which
//! variables, and whether it fails. Types are inferred from the first rows.

use std::io::{self, BufRead as _, BufReader, Read as _};

use serde_json::Value;

use super::bodies::{Bodies, BodyRef};
use super::parquet;
use super::records::Column;
use super::rowcheck::RowSchema;
use super::scan::{ScanError, Scanner};
use super::store::wider;
use super::values;
use crate::base::VariableType;

/// A finished import.
#[derive(Debug, Default)]
pub(super) struct Imported {
    /// `None`: a kind of file that is stored but not understood.
    pub(super) rows: Option<u64>,
    pub(super) bad_records: u64,
    pub(super) columns: Vec<Column>,
}

/// Why an import ends as `failed`.
#[derive(Debug)]
pub(super) enum ImportError {
    Io(io::Error),
    Failed(String),
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ScanError> for ImportError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Io(error) => Self::Io(error),
            ScanError::Syntax(why) => Self::Failed(format!("Invalid JSON: {why}")),
            ScanError::TooLong => Self::Failed("A record is too long".to_owned()),
        }
    }
}

/// Rows whose cells decide on types.
const SAMPLE: u64 = 1000;
const MAX_FOOTER: u64 = 16 << 20;

/// The options that matter, as they were sent.
pub(super) struct Reading<'a> {
    pub(super) kind: &'a str,
    pub(super) options: &'a std::collections::BTreeMap<String, Value>,
}

impl Reading<'_> {
    fn truth(&self, name: &str, default: bool) -> bool {
        self.options
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or(default)
    }

    fn byte(&self, name: &str) -> Option<u8> {
        let text = self.options.get(name).and_then(Value::as_str)?;
        match text {
            "\\t" => Some(b'\t'),
            text => text.bytes().next(),
        }
    }
}

/// The type of a file by its name's ending (docs:
/// reference/datasets/uploading-data/tabular-data).
pub(super) fn kind_by_name(name: &str) -> &'static str {
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".shp.zip") {
        return "shp.zip";
    }
    match lower.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "jsonl" | "ndjson" => "ndjson",
        "json" => "json",
        "avro" => "avro",
        "parquet" => "parquet",
        "orc" => "orc",
        "xls" => "xls",
        "xlsx" => "xlsx",
        "dta" => "dta",
        "sas7bdat" => "sas7bdat",
        "sav" => "sav",
        "geojson" => "geojson",
        "geojsonl" => "geojsonl",
        "shp" => "shp",
        "kml" => "kml",
        _ => "delimited",
    }
}

/// Reads a stored file as an upload.
pub(super) fn import(
    bodies: &Bodies,
    body: &BodyRef,
    reading: &Reading<'_>,
) -> Result<Imported, ImportError> {
    let whole = || bodies.reader(body, 0, body.len());
    match reading.kind {
        "delimited" => delimited(|| Ok(BufReader::with_capacity(1 << 16, whole()?)), reading),
        "ndjson" => ndjson(BufReader::with_capacity(1 << 16, whole()?), reading),
        "json" => {
            let mut schema = RowSchema::of_file();
            let mut rows = 0;
            let mut scanner = Scanner::new(whole()?, u64::MAX - 1);
            scanner.array(|row| {
                rows += 1;
                schema
                    .check(row)
                    .map_err(|why| ImportError::Failed(format!("Record {rows}: {why}")))
            })?;
            scanner.end()?;
            Ok(Imported {
                rows: Some(rows),
                bad_records: 0,
                columns: schema.columns(),
            })
        }
        "parquet" => from_parquet(bodies, body),
        _ => Ok(Imported::default()),
    }
}

fn from_parquet(bodies: &Bodies, body: &BodyRef) -> Result<Imported, ImportError> {
    let bad = || ImportError::Failed("The file is not a valid parquet file".to_owned());
    let size = body.len();
    let mut tail = Vec::new();
    let from = size.checked_sub(12).ok_or_else(bad)? + 4;
    bodies.reader(body, from, 8)?.read_to_end(&mut tail)?;
    let length = parquet::footer_length(&tail).ok_or_else(bad)?;
    let from = (size - 8).checked_sub(length).ok_or_else(bad)?;
    if length > MAX_FOOTER {
        return Ok(Imported::default());
    }
    let mut footer = Vec::new();
    bodies
        .reader(body, from, length)?
        .read_to_end(&mut footer)?;
    let footer = parquet::read_footer(&footer).ok_or_else(bad)?;
    Ok(Imported {
        rows: Some(footer.rows),
        bad_records: 0,
        columns: footer.columns,
    })
}

fn ndjson(
    mut from: BufReader<impl io::Read>,
    reading: &Reading<'_>,
) -> Result<Imported, ImportError> {
    let skips = reading.truth("skipBadRecords", false);
    let mut schema = RowSchema::of_file();
    let mut done = Imported {
        rows: Some(0),
        ..Imported::default()
    };
    let (mut line, mut text) = (0_u64, Vec::new());
    loop {
        text.clear();
        if from.read_until(b'\n', &mut text)? == 0 {
            done.columns = schema.columns();
            return Ok(done);
        }
        line += 1;
        let record = text.trim_ascii();
        if record.is_empty() {
            continue;
        }
        match schema.check(record) {
            Ok(()) => done.rows = done.rows.map(|rows| rows + 1),
            Err(_) if skips => done.bad_records += 1,
            Err(why) => return Err(ImportError::Failed(format!("Line {line}: {why}"))),
        }
    }
}

fn delimited<R: io::Read>(
    open: impl Fn() -> io::Result<R>,
    reading: &Reading<'_>,
) -> Result<Imported, ImportError> {
    let delimiter = match reading.byte("delimiter") {
        Some(byte) => byte,
        None => sniff(open()?)?,
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quote(reading.byte("quoteCharacter").unwrap_or(b'"'))
        .escape(reading.byte("escapeCharacter").filter(|byte| *byte != b'"'))
        .has_headers(false)
        .flexible(true)
        .from_reader(open()?);
    let skips = reading.truth("skipBadRecords", false);
    let jagged = reading.truth("allowJaggedRows", false);
    let markers = null_markers(reading);
    let mut done = Imported {
        rows: Some(0),
        ..Imported::default()
    };
    let mut kinds: Vec<Option<VariableType>> = Vec::new();
    let mut names: Option<Vec<String>> = None;
    let mut record = csv::ByteRecord::new();
    let mut rows = 0_u64;
    while reader.read_byte_record(&mut record).map_err(broken_csv)? {
        let Some(names) = &names else {
            let header = reading.truth("hasHeaderRow", true);
            names = Some(if header {
                record.iter().map(legal).collect()
            } else {
                (0..record.len()).map(|at| format!("var_{at}")).collect()
            });
            kinds.resize(record.len(), None);
            if header {
                continue;
            }
            rows += 1;
            continue;
        };
        let fits = record.len() == names.len() || (jagged && record.len() < names.len());
        if !fits && skips {
            done.bad_records += 1;
            continue;
        }
        if !fits {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(ImportError::Failed(format!(
                "Line {line} has {} fields instead of {}",
                record.len(),
                names.len()
            )));
        }
        rows += 1;
        if rows <= SAMPLE {
            for (kind, cell) in kinds.iter_mut().zip(record.iter()) {
                let cell = String::from_utf8_lossy(cell);
                if cell.is_empty() || markers.iter().any(|marker| *marker == cell) {
                    continue;
                }
                let found = values::infer_cell(&cell);
                *kind = Some(kind.map_or(found, |known| wider(known, found)));
            }
        }
    }
    done.rows = Some(rows);
    done.columns = names
        .unwrap_or_default()
        .into_iter()
        .zip(kinds)
        .map(|(name, kind)| Column {
            name,
            kind: kind.unwrap_or(VariableType::String),
        })
        .collect();
    Ok(done)
}

fn broken_csv(error: csv::Error) -> ImportError {
    let text = format!("Invalid delimited file: {error}");
    if let csv::ErrorKind::Io(error) = error.into_kind() {
        ImportError::Io(error)
    } else {
        ImportError::Failed(text)
    }
}

fn null_markers<'a>(reading: &'a Reading<'_>) -> Vec<&'a str> {
    reading
        .options
        .get("nullMarkers")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// A header cell as a variable's name.
fn legal(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    let text = text.trim_start_matches('\u{feff}').trim();
    let mut name: String = text
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    if name.chars().next().is_none_or(char::is_numeric) {
        name.insert(0, '_');
    }
    name
}

/// The delimiter that the first line has most of.
fn sniff(from: impl io::Read) -> io::Result<u8> {
    let mut line = Vec::new();
    BufReader::new(from.take(64 * 1024)).read_until(b'\n', &mut line)?;
    let count = |byte: u8| memchr::memchr_iter(byte, &line).count();
    Ok([b',', b'\t', b'|', b';']
        .into_iter()
        .rev()
        .max_by_key(|byte| count(*byte))
        .unwrap_or(b','))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(kind: &str, options: Value, text: &str) -> Result<Imported, ImportError> {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(folder.path()).unwrap();
        let (body, _) = bodies.pack(text.as_bytes()).unwrap();
        let options: BTreeMap<String, Value> = serde_json::from_value(options).unwrap();
        let reading = Reading {
            kind,
            options: &options,
        };
        import(&bodies, &body, &reading)
    }

    fn none() -> Value {
        serde_json::json!({})
    }

    #[test]
    fn records_are_counted_not_lines() {
        let done = read("delimited", none(), "a,b\n1,\"x\ny\"\n2.5,z").unwrap();

        assert_eq!(done.rows, Some(2));
        assert_eq!(done.columns[0].kind, VariableType::Float);
        assert_eq!(done.columns[1].kind, VariableType::String);
    }

    #[test]
    fn the_delimiter_is_detected() {
        let done = read("delimited", none(), "a\tb,c\td\n1\t2\t3\n").unwrap();

        assert_eq!(done.columns.len(), 3);
    }

    #[test]
    fn ragged_rows_fail_unless_allowed_or_skipped() {
        let text = "a,b\n1\n2,3\n";
        assert!(matches!(
            read("delimited", none(), text),
            Err(ImportError::Failed(_))
        ));
        let jagged = serde_json::json!({ "allowJaggedRows": true });
        assert_eq!(read("delimited", jagged, text).unwrap().rows, Some(2));
        let skip = serde_json::json!({ "skipBadRecords": true });
        let done = read("delimited", skip, text).unwrap();
        assert_eq!((done.rows, done.bad_records), (Some(1), 1));
    }

    #[test]
    fn json_lines_and_arrays_are_read() {
        let lines = "{\"a\":1}\n\n{\"a\":2,\"b\":\"x\"}\n";
        assert_eq!(read("ndjson", none(), lines).unwrap().rows, Some(2));
        assert!(read("ndjson", none(), "{\"a\":1}\n{").is_err());
        let array = "[{\"a\":1},{\"a\":2.5}]";
        let done = read("json", none(), array).unwrap();
        assert_eq!(done.rows, Some(2));
        assert_eq!(done.columns[0].kind, VariableType::Float);
        assert!(read("json", none(), "[{\"a\":1}").is_err());
    }

    #[test]
    fn what_is_no_parquet_fails() {
        assert!(read("parquet", none(), "PAR1").is_err());
        assert!(read("parquet", none(), "PAR1....\u{1}\0\0\0PAR1").is_err());
    }
}
