//! What items of a plan are called: for people, and for finding the item that
//! an end belongs to.

use std::borrow::Cow;

use crate::plan::{Item, Subject};

use super::style::{clean, number};

/// What a line of the plan shows of an item.
#[derive(Debug)]
pub(super) struct Shown {
    /// What it is called.
    pub(super) name: String,
    /// Where it comes from, when that is not its name.
    pub(super) from: Option<String>,
    /// Its bytes, where it has any.
    pub(super) bytes: Option<u64>,
    /// Its rows, where they are known.
    pub(super) rows: Option<u64>,
}

/// An item for people.
pub(super) fn shown(item: &Item) -> Shown {
    let (bytes, rows) = item.amount();
    let mut shown = Shown {
        name: String::new(),
        from: None,
        bytes: Some(bytes),
        rows,
    };
    match &item.subject {
        Subject::Version(_) => {
            "version next".clone_into(&mut shown.name);
            shown.bytes = None;
        }
        Subject::Table(table) => {
            shown.name = format!("table {}", clean(table.table.table()));
            shown.bytes = None;
        }
        Subject::Variable(variable) => {
            let table = clean(variable.table.table());
            shown.name = format!("variable {table}/{}", clean(&variable.name));
            shown.bytes = None;
        }
        Subject::File(file) => {
            shown.name = clean(file.name.as_str());
            let from = clean(&file.shown);
            shown.from = (from != shown.name).then_some(from);
        }
        Subject::RemoteFile(file) => shown.name = clean(&file.name),
        Subject::Part(part) => {
            let first = part.identity.first_row + 1;
            let last = part.identity.first_row + part.identity.rows;
            let source = clean(&part.shown);
            shown.name = format!("{source} rows {}-{}", number(first), number(last));
        }
        Subject::Upload(upload) => shown.name = clean(&upload.shown),
        Subject::Listed(listed) => {
            shown.name = clean(&listed.name);
            shown.from = listed.shown.as_deref().map(clean);
            shown.bytes = None;
        }
        Subject::Source { path, .. } => {
            shown.name = clean(path);
            shown.bytes = None;
        }
    }
    shown
}

/// The name that ends and saved plans know an item by.
pub(super) fn key_name(item: &Item) -> Cow<'_, str> {
    match &item.subject {
        Subject::Version(dataset) => Cow::Owned(format!("{dataset}:next")),
        Subject::Table(table) => Cow::Owned(table.table.to_string()),
        Subject::Variable(variable) => Cow::Owned(variable.full_name()),
        Subject::File(file) => Cow::Borrowed(file.name.as_str()),
        Subject::RemoteFile(file) => Cow::Borrowed(&file.name),
        Subject::Part(part) => Cow::Owned(part.identity.to_string()),
        Subject::Upload(upload) => Cow::Owned(upload.identity.to_string()),
        Subject::Listed(listed) => Cow::Borrowed(&listed.name),
        Subject::Source { path, .. } => Cow::Borrowed(path),
    }
}

/// The path of an item's source, where the plan knows one.
pub(super) fn source_path(item: &Item) -> Option<&str> {
    match &item.subject {
        Subject::File(file) => Some(&file.shown),
        Subject::Part(part) => Some(&part.shown),
        Subject::Upload(upload) => Some(&upload.shown),
        Subject::Listed(listed) => listed.shown.as_deref(),
        Subject::Source { path, .. } => Some(path),
        Subject::Version(_) | Subject::Table(_) | Subject::Variable(_) | Subject::RemoteFile(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::plan::item_line;

    #[test]
    fn an_item_has_the_same_name_as_in_the_plan_s_lines() {
        let plan = sample::plan();
        for item in plan.items() {
            assert_eq!(key_name(item), item_line(None, item).name);
        }
    }
}
