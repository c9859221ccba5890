//! Rows: every source is passed over once, its cut follows the remote, and each
//! listed part of ours gets its fate.

mod adopt;
mod cache;
mod fate;
mod lost;
mod pass;

pub(super) use self::fate::decide_rows;
pub(super) use self::pass::{RowsDraft, pass_rows};
use super::listed::Listing;
use super::model::RowsContent;
use super::observe::TableView;
use crate::base::VariableType;
use crate::base::names::escaped;
use crate::manifest::Variable;

/// Where the schema and the remote table's variables do not fit: a type that
/// differs, or a variable that the table lacks while it has rows.
pub(super) fn schema_conflict(schema: &[Variable], view: &TableView) -> Option<String> {
    let has_rows = view.released_rows.unwrap_or(0) > 0
        || view
            .draft_uploads
            .iter()
            .any(|upload| upload.num_rows.unwrap_or(0) > 0);
    if view.variables.is_empty() {
        return None;
    }
    for variable in schema {
        let known = view
            .variables
            .iter()
            .find(|remote| escaped(&remote.name) == escaped(&variable.name));
        match known {
            Some(remote) if remote.kind.is_some_and(|kind| kind != variable.kind) => {
                return Some(format!(
                    "variable `{}` is `{}` here and `{}` in the table",
                    variable.name,
                    variable.kind,
                    remote.kind.map_or("another type", VariableType::as_str),
                ));
            }
            None if has_rows => {
                return Some(format!(
                    "the table has rows and no variable `{}`",
                    variable.name
                ));
            }
            Some(_) | None => {}
        }
    }
    None
}

/// Whether the last release holds exactly these parts.
pub(super) fn equals_release(drafts: &[&RowsContent], listing: &Listing<'_>) -> bool {
    let cuts = || {
        drafts
            .iter()
            .flat_map(|content| &content.inputs)
            .flat_map(|input| &input.cuts)
    };
    listing.draft.is_empty()
        && listing.foreign.is_empty()
        && listing.foreign_released.is_empty()
        && cuts().count() == listing.released.len()
        && cuts().all(|cut| {
            cut.kept.as_ref().is_some_and(|kept| {
                let mut released = listing.released.iter();
                released.any(|part| part.is_complete_part && part.name.identity == *kept)
            })
        })
}
