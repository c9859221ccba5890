//! Whole numbers that the platform may round: it does not say whether it keeps what
//! a double cannot hold. They are sent as they are; each column is told once.

use super::RowStart;
use super::encode::Field;
use crate::base::VariableType;

/// The first whole number of a column, in one source, that a double may round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounded {
    /// The source, as shown.
    pub file: String,
    /// The line on which its row starts, from 1.
    pub line: u64,
    /// The row in the source, from 1, rejects included.
    pub row: u64,
    /// The variable.
    pub column: String,
    /// The number.
    pub value: i64,
}

impl Rounded {
    /// The code of the warning.
    pub const CODE: &'static str = "rows/rounded-integer";
    /// What to do about it.
    pub const HELP: &'static str =
        "declare the column as `string` in `schema`: text is always kept";
}

impl std::fmt::Display for Rounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            file,
            line,
            row,
            column,
            value,
        } = self;
        write!(
            f,
            "{file}:{line}: `{column}` is {value} in row {row}, more than 2^53: the platform may round it"
        )
    }
}

/// Looks after each row at the columns of whole numbers that nothing was found in.
#[derive(Debug, Default)]
pub(super) struct Watch {
    columns: Vec<usize>,
    found: Vec<Rounded>,
}

impl Watch {
    pub(super) fn new(fields: &[Field]) -> Self {
        let is_whole = |field: &Field| field.converter.kind() == VariableType::Integer;
        let whole = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| is_whole(field));
        Self {
            columns: whole.map(|(index, _)| index).collect(),
            found: Vec::new(),
        }
    }

    /// A row was encoded.
    pub(super) fn good(&mut self, fields: &[Field], names: &[String], file: &str, start: RowStart) {
        let is_rounded = |index: &usize| fields[*index].converter.rounded().is_some();
        if !self.columns.iter().any(is_rounded) {
            return;
        }
        let found = &mut self.found;
        self.columns.retain(|index| {
            let Some(value) = fields[*index].converter.rounded() else {
                return true;
            };
            found.push(Rounded {
                file: file.to_owned(),
                line: start.line,
                row: start.record + 1,
                column: names[*index].clone(),
                value,
            });
            false
        });
    }

    /// A row was rejected, so that its numbers are not sent.
    pub(super) fn rejected(&self, fields: &[Field]) {
        for index in &self.columns {
            fields[*index].converter.forget_rounded();
        }
    }

    pub(super) fn take(&mut self) -> Vec<Rounded> {
        std::mem::take(&mut self.found)
    }
}
