//! The key tables as text, for the documentation.

use std::fmt::Write as _;

use super::keys::{ALL, Form};

/// A Markdown table of the keys of one section, such as `job`; `None` for a
/// section that does not exist. [`key_sections`] names them.
pub fn key_table(section: &str) -> Option<String> {
    let section = ALL.iter().find(|known| known.id == section)?;
    let mut table = "| Key | Value | Default | Meaning |\n| --- | --- | --- | --- |\n".to_owned();
    for key in section.keys {
        let default = match (key.required, key.default) {
            (true, _) => "required".to_owned(),
            (false, "") => String::new(),
            (false, default) => format!("`{default}`"),
        };
        let only = key
            .only
            .map(|kinds| format!(" For {}.", quoted(kinds, " and ")))
            .unwrap_or_default();
        let form = form_text(key.form).replace('|', "\\|");
        // Writing to a string cannot fail.
        let written = writeln!(
            table,
            "| `{}` | {form} | {default} | {}{only} |",
            key.name, key.doc
        );
        debug_assert!(written.is_ok(), "a string takes any text");
    }
    Some(table)
}

/// The names of the sections, in the order of a manifest.
pub fn key_sections() -> Vec<&'static str> {
    ALL.iter().map(|section| section.id).collect()
}

fn quoted(words: &[&str], between: &str) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(between)
}

fn form_text(form: Form) -> String {
    match form {
        Form::One => "`1`".to_owned(),
        Form::Text { .. } => "text".to_owned(),
        Form::Cell => "text or number".to_owned(),
        Form::Flag => "`true`, `false`".to_owned(),
        Form::Count => "whole number".to_owned(),
        Form::Size => "size".to_owned(),
        Form::Duration => "duration".to_owned(),
        Form::Percentage => "percentage".to_owned(),
        Form::Character { or: None } => "character".to_owned(),
        Form::Character { or: Some(word) } => format!("character, `{word}`"),
        Form::Word { words } => quoted(words, ", "),
        Form::List { of, .. } => format!("list of {}", form_text(*of)),
        Form::Map(section) => format!("[{}](#{})", section.id, section.id),
        Form::MapOf { of, .. } => format!("mapping to {}", form_text(*of)),
        Form::Either(forms) => {
            let forms: Vec<String> = forms.iter().map(|form| form_text(*form)).collect();
            forms.join("; ")
        }
    }
}
