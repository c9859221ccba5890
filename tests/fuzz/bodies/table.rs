//! The row encoder: typed values to CSV text to encoded rows, parsed back as JSON
//! with another library, are the same values; and an encoded row, read as a row,
//! is encoded to the same bytes.

use std::collections::BTreeMap;

use redivis_ingest::base::VariableType;
use redivis_ingest::manifest::{CsvDialect, RowFormat, Variable};
use serde_json::Value;
use serde_json::value::RawValue;

use super::rows::{read, variable};

/// Bytes taken from the front; zeros when there are no more.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let count = self.0.len().min(N);
        let (now, later) = self.0.split_at(count);
        taken[..count].copy_from_slice(now);
        self.0 = later;
        taken
    }

    fn below(&mut self, end: u16) -> u16 {
        u16::from_le_bytes(self.array()) % end
    }

    fn text(&mut self) -> String {
        let length = usize::from(self.below(24)).min(self.0.len());
        let (now, later) = self.0.split_at(length);
        self.0 = later;
        String::from_utf8_lossy(now).into_owned()
    }
}

#[derive(Debug, PartialEq)]
enum Cell {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// What JSON holds as text in one fixed form.
    Moment(String),
    Null,
}

const KINDS: [VariableType; 7] = [
    VariableType::String,
    VariableType::Integer,
    VariableType::Float,
    VariableType::Boolean,
    VariableType::Date,
    VariableType::Time,
    VariableType::DateTime,
];

/// A value and a way to write it.
fn cell(kind: VariableType, bytes: &mut Bytes<'_>) -> (Cell, String) {
    let way = bytes.below(4);
    if way == 3 && kind != VariableType::String {
        return (Cell::Null, String::new());
    }
    match kind {
        VariableType::Integer => {
            let value = match way {
                0 => i64::from_le_bytes(bytes.array()),
                _ => i64::from(i16::from_le_bytes(bytes.array())),
            };
            (Cell::Integer(value), value.to_string())
        }
        VariableType::Float => {
            let value = f64::from_le_bytes(bytes.array());
            let value = if value.is_finite() { value } else { 0.5 };
            let text = match way {
                0 => format!("{value}"),
                1 => format!("{value:e}"),
                _ => format!("{value:?}"),
            };
            (Cell::Float(value), text)
        }
        VariableType::Boolean => {
            let value = way == 0;
            (Cell::Flag(value), value.to_string())
        }
        VariableType::Date => {
            let text = date(bytes);
            (Cell::Moment(text.clone()), text)
        }
        VariableType::Time => {
            let text = time(bytes);
            (Cell::Moment(text.clone()), text)
        }
        VariableType::DateTime => {
            let (date, time) = (date(bytes), time(bytes));
            let between = if way == 0 { " " } else { "T" };
            let written = format!("{date}{between}{time}");
            (Cell::Moment(format!("{date}T{time}")), written)
        }
        VariableType::String | VariableType::Geography => {
            let text = bytes.text();
            (Cell::Text(text.clone()), text)
        }
    }
}

fn date(bytes: &mut Bytes<'_>) -> String {
    let (year, month, day) = (
        1 + bytes.below(9999),
        1 + bytes.below(12),
        1 + bytes.below(28),
    );
    format!("{year:04}-{month:02}-{day:02}")
}

fn time(bytes: &mut Bytes<'_>) -> String {
    let (hour, minute, second) = (bytes.below(24), bytes.below(60), bytes.below(60));
    format!("{hour:02}:{minute:02}:{second:02}")
}

fn is_cell(literal: &str, wanted: &Cell) -> bool {
    let value: Value = serde_json::from_str(literal).expect("values are JSON");
    match wanted {
        Cell::Text(text) | Cell::Moment(text) => value.as_str() == Some(text),
        Cell::Integer(number) => value.as_i64() == Some(*number),
        // `serde_json` is a digit off for some; the standard library is exact.
        Cell::Float(number) => literal.parse() == Ok(*number),
        Cell::Flag(flag) => value.as_bool() == Some(*flag),
        Cell::Null => value.is_null(),
    }
}

pub(super) fn round_trip(data: &[u8]) {
    let mut bytes = Bytes(data);
    let width = 1 + usize::from(bytes.below(7));
    let kinds: Vec<VariableType> = (0..width)
        .map(|_| KINDS[usize::from(bytes.below(7))])
        .collect();
    let name = |at: usize| format!("v{at}");
    let schema: Vec<Variable> = kinds
        .iter()
        .enumerate()
        .map(|(at, kind)| variable(name(at), *kind))
        .collect();
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record((0..width).map(name)).expect("memory");
    let mut wanted = Vec::new();
    while !bytes.0.is_empty() && wanted.len() < 20 {
        let row: Vec<(Cell, String)> = kinds.iter().map(|kind| cell(*kind, &mut bytes)).collect();
        writer
            .write_record(row.iter().map(|(_, text)| text))
            .expect("memory");
        wanted.push(row);
    }
    let written = writer.into_inner().expect("memory");
    let found = read(&written, &RowFormat::Csv(CsvDialect::default()), &schema);
    assert!(
        found.error.is_none() && found.rejects.is_empty(),
        "{found:?}"
    );
    assert_eq!(found.rows.len(), wanted.len());
    for ((_, row), cells) in found.rows.iter().zip(&wanted) {
        let values: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(row).expect("rows are JSON objects");
        assert_eq!(values.len(), width);
        for (at, (cell, text)) in cells.iter().enumerate() {
            let literal = values[&name(at)].get();
            assert!(is_cell(literal, cell), "{text:?} became {row}");
        }
    }
    let lines: Vec<&str> = found.rows.iter().map(|(_, row)| row.as_str()).collect();
    let again = read(lines.join("\n").as_bytes(), &RowFormat::Ndjson, &schema);
    assert!(
        again.error.is_none() && again.rejects.is_empty(),
        "{again:?}"
    );
    let again: Vec<&str> = again.rows.iter().map(|(_, row)| row.as_str()).collect();
    assert_eq!(again, lines);
}
