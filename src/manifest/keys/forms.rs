//! What a key table is made of.

/// The keys that may stand in one kind of mapping.
#[derive(Debug)]
pub(in super::super) struct Section {
    /// What such a mapping is, as in "a key of `a job`".
    pub(in super::super) what: &'static str,
    /// Its name in the JSON Schema and in the documentation.
    pub(in super::super) id: &'static str,
    pub(in super::super) keys: &'static [Key],
}

impl Section {
    pub(in super::super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// One key.
#[derive(Debug)]
pub(in super::super) struct Key {
    pub(in super::super) name: &'static str,
    pub(in super::super) form: Form,
    pub(in super::super) required: bool,
    /// As written in YAML; empty when there is none.
    pub(in super::super) default: &'static str,
    /// One line, for the documentation and for editors.
    pub(in super::super) doc: &'static str,
    /// Where only some kinds have it: of job, of source or of variable.
    pub(in super::super) only: Option<&'static [&'static str]>,
}

/// What a key's value looks like.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Form {
    /// Exactly 1.
    One,
    /// A string; the pattern is a regular expression for the JSON Schema.
    Text { pattern: &'static str },
    /// Any scalar but null, taken as it is written.
    Cell,
    /// `true` or `false`.
    Flag,
    /// A whole number from 0.
    Count,
    /// `1500`, `32MiB`.
    Size,
    /// `0`, `90s`, `2m`.
    Duration,
    /// `50%`.
    Percentage,
    /// One ASCII character, or the word if there is one.
    Character { or: Option<&'static str> },
    /// One of these.
    Word { words: &'static [&'static str] },
    /// A list of at least `least`.
    List { of: &'static Self, least: usize },
    /// A mapping with the keys of a section.
    Map(&'static Section),
    /// A mapping with any keys.
    MapOf { of: &'static Self, least: usize },
    /// Any of these.
    Either(&'static [Self]),
}

pub(in super::super) const TEXT: Form = Form::Text { pattern: "" };
pub(in super::super) const NAME: Form = Form::Text {
    pattern: "^[a-z0-9][a-z0-9_-]{0,62}$",
};

pub(super) const fn key(
    name: &'static str,
    form: Form,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key {
        name,
        form,
        required: false,
        default,
        doc,
        only: None,
    }
}

pub(super) const fn must(name: &'static str, form: Form, doc: &'static str) -> Key {
    Key {
        required: true,
        ..key(name, form, "", doc)
    }
}

impl Key {
    pub(super) const fn only(self, kinds: &'static [&'static str]) -> Self {
        Self {
            only: Some(kinds),
            ..self
        }
    }
}
