//! A row to one JSON object in the schema's order, straight into a buffer. All
//! variables are written, nulls too, so that the rows of a table have one shape.

use crate::base::VariableType;
use crate::manifest::{ExtraColumns, MissingColumns, ValueFrom, Variable};
use crate::source::rows::convert::{Converter, MOST_SHORT};
use crate::source::rows::pack::PayloadSize;
use crate::source::{SourceError, ValueProblem};

use super::cursor::Cursor;
use super::pack::CAP;
use super::reject::{RejectReason, shown_value};

/// How the columns of a source become the variables of a table.
#[derive(Debug, Clone, Copy)]
pub struct Mapping<'a> {
    /// The variables, in the order in which they are written. At least one.
    pub schema: &'a [Variable],
    /// Columns that no variable takes.
    pub extra_columns: ExtraColumns,
    /// Columns that a variable wants and the source lacks.
    pub missing_columns: MissingColumns,
}

impl<'a> Mapping<'a> {
    /// Names and types in order: what a part's digest says of the schema.
    pub fn words(&self) -> impl Iterator<Item = (&'a str, VariableType)> + use<'a> {
        self.schema
            .iter()
            .map(|variable| (variable.name.as_str(), variable.kind))
    }
}

/// One variable, made ready.
#[derive(Debug)]
pub(super) struct Field {
    /// `{"name":` or `,"name":`.
    pub(super) key: Key,
    pub(super) converter: Converter,
}

/// What stands before a value.
#[derive(Debug)]
pub(super) struct Key {
    text: Box<[u8]>,
    /// The text and zeros, unless it is longer.
    padded: Option<[u8; PADDED]>,
}

const PADDED: usize = 32;
/// Up to so many bytes are written ahead and taken back at once.
pub(super) const AHEAD: u64 = PADDED as u64;

impl Key {
    fn new(text: Vec<u8>) -> Self {
        let padded = (text.len() <= PADDED).then(|| {
            let mut padded = [0; PADDED];
            padded[..text.len()].copy_from_slice(&text);
            padded
        });
        Self {
            text: text.into(),
            padded,
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Puts it.
    pub(super) fn put(&self, row: &mut Cursor<'_>) {
        match &self.padded {
            Some(padded) => row.put(padded, self.text.len()),
            None => row.put_all(&self.text),
        }
    }

    /// Appends it.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // A fixed number of bytes is copied at once, any other by a call.
        if let Some(padded) = &self.padded {
            let end = out.len() + self.text.len();
            out.extend_from_slice(padded);
            out.truncate(end);
        } else {
            out.extend_from_slice(&self.text);
        }
    }
}

/// The first bad cell of a row.
#[derive(Debug)]
pub(super) struct BadCell {
    /// Index of the variable; `None` when it is about the row.
    pub(super) field: Option<usize>,
    pub(super) value: String,
    pub(super) why: RejectReason,
}

impl BadCell {
    pub(super) fn new(field: Option<usize>, value: &[u8], why: RejectReason) -> Self {
        Self {
            field,
            value: shown_value(value),
            why,
        }
    }
}

/// The fields of a schema, in its order.
pub(super) fn fields(schema: &[Variable]) -> Vec<Field> {
    schema
        .iter()
        .enumerate()
        .map(|(index, variable)| {
            let mut key = vec![if index == 0 { b'{' } else { b',' }];
            // A name is text of the manifest, hence UTF-8.
            super::convert::write_string(variable.name.as_bytes(), &mut key).ok();
            key.push(b':');
            Field {
                key: Key::new(key),
                converter: Converter::new(variable),
            }
        })
        .collect()
}

/// Room for a row of these fields as far as its values are short.
pub(super) fn room(fields: &[Field]) -> Vec<u8> {
    let pieces = fields.iter().map(|field| field.key.text.len() + MOST_SHORT);
    vec![0; pieces.sum::<usize>() + PADDED]
}

/// The value that a variable has in every row of this source, if it comes from
/// a constant or from the path.
pub(super) fn fixed_value(
    variable: &Variable,
    shown: &str,
) -> Result<Option<Box<[u8]>>, SourceError> {
    let fail = |source| SourceError::Value {
        path: shown.to_owned(),
        variable: variable.name.clone(),
        source,
    };
    let text = match &variable.from {
        ValueFrom::Constant(text) => text.as_str(),
        ValueFrom::Path(pattern) => path_value(pattern, shown).ok_or_else(|| {
            fail(ValueProblem::Path {
                pattern: pattern.clone(),
            })
        })?,
        ValueFrom::Column(_) | ValueFrom::Pointer(_) => return Ok(None),
    };
    let mut value = Vec::new();
    Converter::new(variable)
        .write_text(text.as_bytes(), &mut value)
        .map_err(|why| {
            fail(ValueProblem::Convert {
                value: text.to_owned(),
                why,
            })
        })?;
    Ok(Some(value.into()))
}

/// What `{}` stands for in the file's name (or in as many folders of its path
/// as the pattern has). A compression's ending need not be in the pattern.
fn path_value<'a>(pattern: &str, shown: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once("{}")?;
    let folders = pattern.matches('/').count();
    let start = shown
        .rmatch_indices('/')
        .nth(folders)
        .map_or(0, |(at, _)| at + 1);
    let name = shown.get(start..)?;
    let plain = [".gz", ".gzip", ".zst", ".zstd"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending));
    [Some(name), plain]
        .into_iter()
        .flatten()
        .find_map(|name| name.strip_prefix(before)?.strip_suffix(after))
}

/// Ends a row that starts at `mark` in `out`; one that no payload can hold is
/// bad.
pub(super) fn finish_row(out: &mut Vec<u8>, mark: usize) -> Result<(), BadCell> {
    out.push(b'}');
    let bytes = PayloadSize::EMPTY.with((out.len() - mark) as u64).bytes();
    if bytes <= CAP {
        return Ok(());
    }
    Err(BadCell::new(
        None,
        &out[mark..],
        RejectReason::TooLong { bytes },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_whole_whatever_its_length() {
        for length in [0, 1, 31, 32, 33, 100] {
            let text = vec![b'k'; length];
            let mut out = b"a".to_vec();
            let key = Key::new(text.clone());
            key.write(&mut out);
            assert_eq!(out[1..], text);
            assert_eq!(key.text(), text);
        }
    }

    #[test]
    fn a_path_gives_what_stands_for_the_braces() {
        for (pattern, shown, value) in [
            ("readings_{}.csv", "data/readings_2026.csv", Some("2026")),
            ("readings_{}.csv", "readings_2026.csv.gz", Some("2026")),
            ("{}/readings.csv", "data/st1/readings.csv", Some("st1")),
            ("{}.csv", "data/other.txt", None),
            ("aa{}aa", "x/aaa", None),
        ] {
            assert_eq!(path_value(pattern, shown), value, "{pattern} {shown}");
        }
    }

    #[test]
    fn a_row_that_no_payload_can_hold_is_bad() {
        let most = usize::try_from(CAP - super::super::pack::ENVELOPE).unwrap();
        let mut out = vec![b' '; most + 6];

        // Seven bytes before the row, and its closing brace is still to come.
        assert!(finish_row(&mut out, 7).is_ok());
        let bad = finish_row(&mut out, 7).unwrap_err();
        assert_eq!(bad.why, RejectReason::TooLong { bytes: CAP + 1 });
        assert_eq!(bad.field, None);
        assert_eq!(bad.value.chars().count(), 201);
    }
}
