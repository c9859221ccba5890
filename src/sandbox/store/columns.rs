//! Variables: those of file-index tables, and how those of stacked uploads go
//! together.

use crate::base::VariableType;
use crate::sandbox::records::Column;

/// The variables of every file-index table (contract 10.3).
pub(in crate::sandbox) fn file_columns() -> Vec<Column> {
    [
        ("file_id", VariableType::String),
        ("file_name", VariableType::String),
        ("size", VariableType::Integer),
        ("md5_hash", VariableType::String),
        ("added_at", VariableType::DateTime),
    ]
    .into_iter()
    .map(|(name, kind)| Column {
        name: name.to_owned(),
        kind,
    })
    .collect()
}

/// Adds columns; those of one name are stacked, whatever their case.
pub(in crate::sandbox) fn merge_columns(columns: &mut Vec<Column>, more: &[Column]) {
    for column in more {
        match columns
            .iter_mut()
            .find(|other| other.name.eq_ignore_ascii_case(&column.name))
        {
            Some(other) => other.kind = wider(other.kind, column.kind),
            None => columns.push(column.clone()),
        }
    }
}

/// The type that holds values of both.
pub(in crate::sandbox) fn wider(one: VariableType, other: VariableType) -> VariableType {
    match (one, other) {
        (one, other) if one == other => one,
        (VariableType::Integer, VariableType::Float)
        | (VariableType::Float, VariableType::Integer) => VariableType::Float,
        (VariableType::Date, VariableType::DateTime)
        | (VariableType::DateTime, VariableType::Date) => VariableType::DateTime,
        _ => VariableType::String,
    }
}
