//! A value against the form its key table gives it, for values that no job takes
//! up.

use super::super::keys::Form;
use super::super::tree::{Node, Value};
use super::super::words::Word;
use super::Checker;

impl Checker<'_> {
    /// Says what is wrong with the value's form, if anything.
    pub(super) fn form(&mut self, node: &Node<'_>, form: Form) {
        match form {
            Form::One | Form::Count => drop(self.count(node)),
            Form::Text { .. } => drop(self.text(node)),
            Form::Cell => drop(self.cell(node)),
            Form::Flag => drop(self.flag(node)),
            Form::Size => drop(self.size(node)),
            Form::Duration => drop(self.duration(node)),
            Form::Percentage => drop(self.percentage(node)),
            Form::Character { or: Some(word) } if matches!(&node.value, Value::Scalar(scalar) if scalar.text == word) =>
                {}
            Form::Character { .. } => drop(self.character(node)),
            Form::Word { words } => {
                let words: Vec<Word<()>> = words.iter().map(|word| (*word, ())).collect();
                self.word(node, &words);
            }
            Form::List { of, .. } => {
                for item in self.list(node, "this must be a list").unwrap_or_default() {
                    self.form(item, *of);
                }
            }
            Form::Map(section) => {
                let Some(fields) = self.fields(node, section) else {
                    return;
                };
                for entry in fields.entries() {
                    if let Some(key) = section.key(&entry.key) {
                        self.form(&entry.value, key.form);
                    }
                }
            }
            Form::MapOf { of, .. } => {
                for entry in self.map(node, "this").unwrap_or_default() {
                    self.form(&entry.value, *of);
                }
            }
            Form::Either(forms) => {
                let fitting = forms.iter().rev().find(|form| fits(node, **form));
                if let Some(form) = fitting.or(forms.first()) {
                    self.form(node, *form);
                }
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
