//! A mapping as the check reads it: one section's keys, with what `defaults`
//! puts under them.

use std::ops::Range;

use super::super::keys::Section;
use super::super::problem::ProblemCode;
use super::super::secrets;
use super::super::tree::{Entry, Node, Value};
use super::{Checker, nearest, scalars};

/// The entries of one mapping.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'n, 't> {
    section: &'static Section,
    node: &'n Node<'t>,
    own: &'n [Entry<'t>],
    under: &'n [Entry<'t>],
}

impl<'n, 't> Fields<'n, 't> {
    /// A key's value: the mapping's own, else the one from `defaults`.
    pub(super) fn get(&self, name: &str) -> Option<&'n Node<'t>> {
        debug_assert!(self.section.key(name).is_some(), "`{name}` is in no table");
        self.own(name)
            .or_else(|| find(self.under, name).map(|entry| &*entry.value))
    }

    /// A key's value in the mapping itself.
    pub(super) fn own(&self, name: &str) -> Option<&'n Node<'t>> {
        find(self.own, name).map(|entry| &*entry.value)
    }

    /// Where a key of the mapping itself stands.
    pub(super) fn key_span(&self, name: &str) -> Range<usize> {
        find(self.own, name)
            .or_else(|| find(self.under, name))
            .map_or_else(|| self.span(), |entry| entry.key_span.clone())
    }

    /// The whole mapping.
    pub(super) fn span(&self) -> Range<usize> {
        self.node.span.clone()
    }

    /// The entries of the mapping itself.
    pub(super) fn entries(&self) -> &'n [Entry<'t>] {
        self.own
    }

    /// With defaults under it.
    pub(super) fn over(self, under: &'n [Entry<'t>]) -> Self {
        Self { under, ..self }
    }
}

fn find<'n, 't>(entries: &'n [Entry<'t>], name: &str) -> Option<&'n Entry<'t>> {
    entries.iter().find(|entry| entry.key == name)
}

/// The entries of a mapping.
pub(super) fn map<'n, 't>(
    checker: &mut Checker<'_>,
    node: &'n Node<'t>,
    what: &str,
) -> Option<&'n [Entry<'t>]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::List(_) | Value::Scalar(_) => {
            scalars::wrong_type(checker, node, &format!("{what} must be a mapping"), "");
            None
        }
    }
}

/// A mapping with the keys of a section; says which keys it does not know.
pub(super) fn fields<'n, 't>(
    checker: &mut Checker<'_>,
    node: &'n Node<'t>,
    section: &'static Section,
) -> Option<Fields<'n, 't>> {
    let own = map(checker, node, section.what)?;
    for entry in own {
        if section.key(&entry.key).is_none() {
            unknown_key(checker, entry, section);
        }
    }
    Some(Fields {
        section,
        node,
        own,
        under: &[],
    })
}

fn unknown_key(checker: &mut Checker<'_>, entry: &Entry<'_>, section: &'static Section) {
    let is_secret = secrets::is_secret_key(&entry.key) && secrets::could_be_secret(&entry.value);
    let is_home = section.id == "manifest" && entry.key.starts_with("x-");
    if is_secret || is_home {
        return;
    }
    if checker.problems.is_full() {
        return checker.problems.leave_out();
    }
    let help = nearest(&entry.key, section.keys.iter().map(|key| key.name)).map_or_else(
        || {
            let known: Vec<String> = section
                .keys
                .iter()
                .map(|key| format!("`{}`", key.name))
                .collect();
            format!("known keys: {}", known.join(", "))
        },
        |name| format!("did you mean `{name}`?"),
    );
    let message = format!(
        "unknown key `{}` in {}",
        super::shown(&entry.key),
        section.what
    );
    checker
        .problem(ProblemCode::UnknownKey, entry.key_span.clone(), message)
        .label(format!("not a key of {}", section.what))
        .help(help);
}

/// A key's value, which must be there.
pub(super) fn required<'n, 't>(
    checker: &mut Checker<'_>,
    fields: &Fields<'n, 't>,
    name: &str,
) -> Option<&'n Node<'t>> {
    let found = fields.get(name);
    if found.is_none() {
        missing(checker, fields, name);
    }
    found
}

/// Says that a key is missing.
fn missing(checker: &mut Checker<'_>, fields: &Fields<'_, '_>, name: &str) {
    let what = fields.section.what;
    let doc = fields.section.key(name).map_or("", |key| key.doc);
    checker
        .problem(
            ProblemCode::MissingKey,
            fields.span(),
            format!("{what} has no `{name}`"),
        )
        .label(format!("`{name}` is missing here"))
        .help(format!("`{name}`: {doc}"));
}

/// Says which of the mapping's own keys `kind` does not have.
pub(super) fn misplaced(checker: &mut Checker<'_>, fields: &Fields<'_, '_>, kind: &str, of: &str) {
    for entry in fields.entries() {
        let only = fields.section.key(&entry.key).and_then(|key| key.only);
        let Some(only) = only.filter(|only| !only.contains(&kind)) else {
            continue;
        };
        let kinds: Vec<String> = only.iter().map(|kind| format!("`{kind}`")).collect();
        let message = format!("`{}` is not a key of {of}", entry.key);
        checker
            .problem(ProblemCode::MisplacedKey, entry.key_span.clone(), message)
            .help(format!("it is for {} only", kinds.join(" and ")));
    }
}
