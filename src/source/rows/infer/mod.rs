//! The types of a job's columns, from every row of all its sources. A column is
//! what all its cells fit: boolean, integer, float, date, dateTime or time, and
//! otherwise string. Where the remote table has the variable, its type holds.

mod guess;

use std::collections::BTreeMap;

use crate::base::names::escaped;
use crate::base::{CancelToken, VariableMetadata, VariableType};
use crate::manifest::{
    Convert, NestedPolicy, RowFormat, TimeFormat, ValueFrom, Variable, ZonePolicy,
};
use crate::source::SourceError;
use crate::source::resolve::RowInput;

use super::convert::{
    EXACT_IN_DOUBLE, JsonValue, Temporal, is_json_integer, unescape, write_float,
};
use super::encode::Mapping;
use super::{RowStart, csv, json, open_text};

pub use guess::{Guess, GuessedColumn, guess_columns, guess_dialect};

/// The most columns that are told apart: keys of JSON objects can be data.
pub const MAX_COLUMNS: usize = 10_000;

/// Finds the variables: in the order in which columns first appear, each taken
/// from the column of its name. `known` is the remote table's variables.
pub fn infer_schema(
    sources: &[(&RowInput, &RowFormat)],
    known: &[(String, VariableType)],
    cancel: &CancelToken,
) -> Result<Vec<Variable>, SourceError> {
    let mut columns = Columns::default();
    for (input, format) in sources {
        columns.read(input, format, u64::MAX, cancel)?;
    }
    Ok(columns.into_variables(known))
}

/// The types that all cells seen so far fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fits(u8);

const NARROW: [VariableType; 6] = [
    VariableType::Boolean,
    VariableType::Integer,
    VariableType::Float,
    VariableType::Date,
    VariableType::DateTime,
    VariableType::Time,
];

impl Fits {
    const ALL: Self = Self(0b11_1111);
    const NONE: Self = Self(0);

    fn only(kinds: &[VariableType]) -> Self {
        let mut bits = 0;
        for (index, kind) in NARROW.iter().enumerate() {
            if kinds.contains(kind) {
                bits |= 1 << index;
            }
        }
        Self(bits)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn has(self, kind: VariableType) -> bool {
        self.and(Self::only(&[kind])) != Self::NONE
    }

    fn first(self) -> VariableType {
        NARROW
            .into_iter()
            .find(|kind| self.has(*kind))
            .unwrap_or(VariableType::String)
    }
}

#[derive(Debug)]
struct Column {
    name: String,
    fits: Fits,
    /// It had a value that is not null.
    has_value: bool,
    /// It had an object or an array.
    nested: bool,
}

#[derive(Debug, Default)]
struct Columns {
    list: Vec<Column>,
    index: BTreeMap<String, usize>,
}

impl Columns {
    /// Looks at the first `most` rows of a source; answers how many there were.
    fn read(
        &mut self,
        input: &RowInput,
        format: &RowFormat,
        most: u64,
        cancel: &CancelToken,
    ) -> Result<u64, SourceError> {
        let mut seen = 0;
        let text = open_text(input, format, cancel)?;
        let none = Mapping {
            schema: &[],
            extra_columns: crate::manifest::ExtraColumns::Drop,
            missing_columns: crate::manifest::MissingColumns::Null,
        };
        let probes = Probes::new();
        match format {
            RowFormat::Csv(dialect) => {
                let mut rows = csv::CsvRows::without_schema(text, dialect)?;
                let places = rows
                    .header()
                    .iter()
                    .map(|name| self.place(name, &input.shown))
                    .collect::<Result<Vec<_>, _>>()?;
                while seen < most
                    && let Some((_, record)) = rows.next_cells()?
                {
                    seen += 1;
                    for (place, cell) in places.iter().zip(record.cells()) {
                        self.list[*place].see_text(cell, &probes);
                    }
                }
            }
            RowFormat::Ndjson => {
                let mut rows = json::LineRows::new(text, none)?;
                while seen < most
                    && let Some((start, text)) = rows.next_text()?
                {
                    seen += 1;
                    self.see_object(&input.shown, start, text, &probes)?;
                }
            }
            RowFormat::Json => {
                let mut rows = json::ArrayRows::new(text, none)?;
                while seen < most
                    && let Some((start, text)) = rows.next_text()?
                {
                    seen += 1;
                    self.see_object(&input.shown, start, text, &probes)?;
                }
            }
        }
        Ok(seen)
    }

    fn place(&mut self, name: &str, shown: &str) -> Result<usize, SourceError> {
        if let Some(place) = self.index.get(name) {
            return Ok(*place);
        }
        let place = self.list.len();
        if place == MAX_COLUMNS {
            return Err(SourceError::TooManyColumns {
                path: shown.to_owned(),
                limit: MAX_COLUMNS,
            });
        }
        self.index.insert(name.to_owned(), place);
        self.list.push(Column {
            name: name.to_owned(),
            fits: Fits::ALL,
            has_value: false,
            nested: false,
        });
        Ok(place)
    }

    /// Rows that are no objects, or not UTF-8, are left to be rejected later.
    fn see_object(
        &mut self,
        shown: &str,
        start: RowStart,
        text: &[u8],
        probes: &Probes,
    ) -> Result<(), SourceError> {
        let mut walker = json::Walker::new(text);
        if std::str::from_utf8(text).is_err() || walker.peek() != Some(b'{') {
            return Ok(());
        }
        let mut walk = || {
            walker.enter()?;
            let mut first = true;
            let mut members = Vec::new();
            while let Some(key) = walker.next_key(first)? {
                first = false;
                members.push((key.to_string(), walker.value()?));
            }
            walker.end()?;
            Ok(members)
        };
        let members = walk().map_err(|flaw| json::flaw_error(shown, text, start, flaw))?;
        for (name, value) in members {
            let place = self.place(&name, shown)?;
            self.list[place].see_json(value, probes);
        }
        Ok(())
    }

    fn into_variables(self, known: &[(String, VariableType)]) -> Vec<Variable> {
        let remote: BTreeMap<String, &(String, VariableType)> =
            known.iter().map(|one| (escaped(&one.0), one)).collect();
        self.list
            .into_iter()
            .map(|column| {
                let known = remote.get(&escaped(&column.name));
                let inferred = match (column.has_value, column.nested) {
                    (true, false) => column.fits.first(),
                    (false, _) | (_, true) => VariableType::String,
                };
                Variable {
                    name: known.map_or_else(|| column.name.clone(), |one| one.0.clone()),
                    kind: known.map_or(inferred, |one| one.1),
                    from: ValueFrom::Column(column.name),
                    convert: Convert {
                        nested: if column.nested {
                            NestedPolicy::Json
                        } else {
                            NestedPolicy::Fail
                        },
                        ..Convert::default()
                    },
                    required: false,
                    metadata: VariableMetadata::default(),
                }
            })
            .collect()
    }
}

impl Column {
    fn see_text(&mut self, cell: &[u8], probes: &Probes) {
        let cell = cell.trim_ascii();
        if cell.is_empty() {
            return;
        }
        self.has_value = true;
        self.fits = self.fits.and(probes.text(cell, self.fits));
    }

    fn see_json(&mut self, value: JsonValue<'_>, probes: &Probes) {
        let fits = match value {
            JsonValue::Null => return,
            JsonValue::True | JsonValue::False => Fits::only(&[VariableType::Boolean]),
            JsonValue::Number(text) => probes.text(text, self.fits),
            JsonValue::String { raw, escaped } => {
                // Text that the source calls text is no number.
                let asked = self.fits.and(Fits::only(&[
                    VariableType::Date,
                    VariableType::DateTime,
                    VariableType::Time,
                ]));
                let mut text = Vec::new();
                if escaped {
                    unescape(raw, &mut text);
                    probes.text(&text, asked).and(asked)
                } else {
                    probes.text(raw, asked).and(asked)
                }
            }
            JsonValue::Nested(_) => {
                self.nested = true;
                Fits::NONE
            }
        };
        self.has_value = true;
        self.fits = self.fits.and(fits);
    }
}

/// What is tried on a cell.
struct Probes {
    temporal: [(VariableType, Temporal); 3],
}

impl Probes {
    fn new() -> Self {
        let probe = |kind| {
            let temporal = Temporal::new(kind, &TimeFormat::Canonical, ZonePolicy::Fail);
            (kind, temporal)
        };
        Self {
            temporal: [
                probe(VariableType::Date),
                probe(VariableType::DateTime),
                probe(VariableType::Time),
            ],
        }
    }

    /// Which of the asked types the text fits.
    fn text(&self, text: &[u8], asked: Fits) -> Fits {
        if asked == Fits::NONE {
            return Fits::NONE;
        }
        let mut fits = Vec::with_capacity(NARROW.len());
        if text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false") {
            fits.push(VariableType::Boolean);
        }
        if asked.has(VariableType::Integer) || asked.has(VariableType::Float) {
            number(text, &mut fits);
        }
        let mut scratch = Vec::new();
        for (kind, temporal) in &self.temporal {
            if asked.has(*kind) && temporal.write(text, &mut scratch).is_ok() {
                fits.push(*kind);
            }
        }
        Fits::only(&fits)
    }
}

fn number(text: &[u8], fits: &mut Vec<VariableType>) {
    if is_json_integer(text) {
        let value = std::str::from_utf8(text).ok().map(str::parse::<i64>);
        // Beyond 64 bits it can only be kept as text.
        if let Some(Ok(value)) = value {
            fits.push(VariableType::Integer);
            if value.unsigned_abs() <= EXACT_IN_DOUBLE {
                fits.push(VariableType::Float);
            }
        }
        return;
    }
    // `007` is a code, not a number.
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let coded = matches!(digits, [b'+', ..] | [b'0', b'0'..=b'9', ..]);
    if !coded && write_float(text, false, &mut Vec::new()).is_ok() {
        fits.push(VariableType::Float);
    }
}

#[cfg(test)]
mod tests;
