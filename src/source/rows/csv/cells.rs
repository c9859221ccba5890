//! Cells to variables: which column each takes, and a row's JSON.

use ::csv::ByteRecord;

use crate::manifest::{ExtraColumns, MissingColumns, ValueFrom, Variable};
use crate::source::rows::encode::{BadCell, Field, Mapping, fields, finish_row, fixed_value};
use crate::source::rows::reject::RejectReason;
use crate::source::{SourceError, ValueProblem};

use super::split::Split;

/// The cells of a row.
pub(super) enum Row<'a> {
    Split(&'a Split, &'a [u8]),
    Record(&'a ByteRecord),
}

impl Row<'_> {
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self {
            Self::Split(split, block) => split.cell(block, column, scratch),
            Self::Record(record) => record.get(column).unwrap_or_default(),
        }
    }
}

/// How cells become variables.
#[derive(Default)]
pub(super) struct Cells {
    pub(super) fields: Vec<Field>,
    from: Vec<CellFrom>,
    /// Of the variables.
    pub(super) names: Vec<String>,
    /// Cells that a row has.
    pub(super) width: usize,
}

/// Where a field's text is.
enum CellFrom {
    Column(usize),
    /// The same value in every row.
    Fixed(Box<[u8]>),
    /// The source lacks the column; null.
    Missing,
}

impl Cells {
    /// Finds the variables' columns in a header.
    pub(super) fn bind(
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
    pub(super) fn encode(
        &self,
        row: &Row<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), BadCell> {
        let mark = out.len();
        for (index, (field, from)) in self.fields.iter().zip(&self.from).enumerate() {
            out.extend_from_slice(&field.key);
            let (cell, result) = match from {
                CellFrom::Column(column) => {
                    let cell = row.cell(*column, scratch);
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

fn pointer(variable: &Variable, shown: &str) -> SourceError {
    SourceError::Value {
        path: shown.to_owned(),
        variable: variable.name.clone(),
        source: ValueProblem::Pointer,
    }
}
