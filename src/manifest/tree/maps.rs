//! What happens to a mapping when it is complete.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::problem::ProblemCode;
use super::super::secrets;
use super::notes::Notes;
use super::{Entry, Node, Value};

/// Finds secrets, drops duplicate keys (the first stays), adds what `<<` brings.
/// `None` when it brings what cannot be merged.
pub(super) fn close<'t>(
    notes: &mut Notes<'_, '_>,
    mut entries: Vec<Entry<'t>>,
    merged: &[Rc<Node<'t>>],
    may_hold_secrets: bool,
) -> Option<Vec<Entry<'t>>> {
    if may_hold_secrets {
        find_secrets(notes, &entries);
    }
    drop_duplicates(notes, &mut entries);
    if !merged.is_empty() {
        merge(notes, &mut entries, merged)?;
    }
    Some(entries)
}

fn drop_duplicates(notes: &mut Notes<'_, '_>, entries: &mut Vec<Entry<'_>>) {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by(|&a, &b| entries[a].key.cmp(&entries[b].key).then(a.cmp(&b)));
    let mut gone = BTreeSet::new();
    let mut first = 0;
    for (position, &at) in order.iter().enumerate() {
        if position == 0 || entries[at].key != entries[first].key {
            first = at;
            continue;
        }
        gone.insert(at);
        if !notes.problems.is_full() {
            let line = line_of(notes.text, entries[first].key_span.start);
            let message = format!(
                "the key `{}` stands twice; the first is in line {line}",
                entries[at].key
            );
            let span = entries[at].key_span.clone();
            notes.problem(
                ProblemCode::DuplicateKey,
                span,
                &message,
                "keep one of the two",
            );
        }
    }
    let mut index = 0;
    entries.retain(|_| {
        index += 1;
        !gone.contains(&(index - 1))
    });
}

fn find_secrets(notes: &mut Notes<'_, '_>, entries: &[Entry<'_>]) {
    for entry in entries {
        if !secrets::is_secret_key(&entry.key) || !secrets::could_be_secret(&entry.value) {
            continue;
        }
        notes
            .hidden
            .push(entry.key_span.start..entry.value.span.end.max(entry.key_span.end));
        let message = format!(
            "`{}` looks like a secret, and secrets never stand in a manifest",
            entry.key
        );
        notes.problem(
            ProblemCode::Secret,
            entry.key_span.clone(),
            &message,
            "set `REDIVIS_API_TOKEN`, or use `--token-file` or `--token-command`; if this line was committed, revoke the token",
        );
    }
}

/// YAML's rule: a key of the mapping itself wins, then earlier merges.
fn merge<'t>(
    notes: &mut Notes<'_, '_>,
    entries: &mut Vec<Entry<'t>>,
    merged: &[Rc<Node<'t>>],
) -> Option<()> {
    let mut known: BTreeSet<Cow<'t, str>> = entries.iter().map(|entry| entry.key.clone()).collect();
    let mut sources: Vec<Rc<Node<'t>>> = Vec::new();
    for node in merged {
        match &node.value {
            Value::List(items) => sources.extend(items.iter().map(Rc::clone)),
            Value::Map(_) | Value::Scalar(_) => sources.push(Rc::clone(node)),
        }
    }
    for node in sources {
        let Value::Map(brought) = &node.value else {
            notes.problem(
                ProblemCode::WrongType,
                node.span.clone(),
                "`<<` takes a mapping or a list of mappings",
                "",
            );
            return None;
        };
        for entry in brought {
            if known.insert(entry.key.clone()) {
                entries.push(entry.clone());
            }
        }
    }
    Some(())
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|&byte| byte == b'\n')
        .count()
        + 1
}
