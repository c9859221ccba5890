//! A value against the form its key table gives it, for values that no job takes
//! up.

use super::super::keys::Form;
use super::super::tree::{Node, Value};
use super::super::words::Word;
use super::{Checker, fields, scalars};

/// Says what is wrong with the value's form, if anything.
pub(super) fn conforms(checker: &mut Checker<'_>, node: &Node<'_>, form: Form) {
    match form {
        Form::One | Form::Count => drop(scalars::count(checker, node)),
        Form::Text { .. } => drop(scalars::text(checker, node)),
        Form::Cell => drop(scalars::cell(checker, node)),
        Form::Flag => drop(scalars::flag(checker, node)),
        Form::Size => drop(scalars::size(checker, node)),
        Form::Duration => drop(scalars::duration(checker, node)),
        Form::Percentage => drop(scalars::percentage(checker, node)),
        Form::Character { or: Some(word) } if matches!(&node.value, Value::Scalar(scalar) if scalar.text == word) =>
            {}
        Form::Character { .. } => drop(scalars::character(checker, node)),
        Form::Word { words } => {
            let words: Vec<Word<()>> = words.iter().map(|word| (*word, ())).collect();
            scalars::word(checker, node, &words);
        }
        Form::List { of, .. } => {
            for item in scalars::list(checker, node, "this must be a list").unwrap_or_default() {
                conforms(checker, item, *of);
            }
        }
        Form::Map(section) => {
            let Some(fields) = fields::fields(checker, node, section) else {
                return;
            };
            for entry in fields.entries() {
                if let Some(key) = section.key(&entry.key) {
                    conforms(checker, &entry.value, key.form);
                }
            }
        }
        Form::MapOf { of, .. } => {
            for entry in fields::map(checker, node, "this").unwrap_or_default() {
                conforms(checker, &entry.value, *of);
            }
        }
        Form::Either(forms) => {
            let fitting = forms.iter().rev().find(|form| fits(node, **form));
            if let Some(form) = fitting.or(forms.first()) {
                conforms(checker, node, *form);
            }
        }
    }
}

/// Whether the value has the form's shape; its content may still be wrong.
fn fits(node: &Node<'_>, form: Form) -> bool {
    match form {
        Form::One
        | Form::Text { .. }
        | Form::Cell
        | Form::Flag
        | Form::Count
        | Form::Size
        | Form::Duration
        | Form::Percentage
        | Form::Character { .. }
        | Form::Word { .. } => matches!(node.value, Value::Scalar(_)),
        Form::List { .. } => matches!(node.value, Value::List(_)),
        // A mapping of any keys is tried before one whose keys are known.
        Form::Map(_) | Form::MapOf { .. } => matches!(node.value, Value::Map(_)),
        Form::Either(forms) => forms.iter().any(|form| fits(node, *form)),
    }
}
