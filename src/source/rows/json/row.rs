//! One JSON object to one encoded row: the walker goes over the object once and
//! notes where the wanted values lie; then they are written in schema order.

use std::collections::BTreeMap;

use crate::manifest::{ExtraColumns, MissingColumns, ValueFrom, Variable};
use crate::source::{JsonProblem, SourceError};

use super::walk::{Flaw, Key, Walker};
use crate::source::rows::RowStart;
use crate::source::rows::convert::{JsonValue, unescape};
use crate::source::rows::encode::{BadCell, Field, Mapping, fields, finish_row, fixed_value};
use crate::source::rows::reject::RejectReason;
use crate::source::rows::rounded::Watch;

/// Encodes rows of one JSON source.
#[derive(Debug)]
pub(super) struct RowEncoder {
    pub(super) watch: Watch,
    fields: Vec<Field>,
    fixed: Vec<Option<Box<[u8]>>>,
    tree: Tree,
    found: Vec<Option<Found>>,
    scratch: Vec<u8>,
    drop_extra: bool,
    null_missing: bool,
    /// Each variable takes the column of its name, so that a row can be right as it
    /// stands.
    is_plain: bool,
}

/// Why a text gave no row.
#[derive(Debug)]
pub(super) enum NoRow {
    /// It is not JSON.
    Flaw(Flaw),
    /// It has a key that the schema lacks, and that is an error.
    Extra { key: String },
    /// It is JSON, but no row of this schema.
    Bad(BadCell),
}

impl From<Flaw> for NoRow {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

/// Where a value lies in the row's text.
#[derive(Debug, Clone, Copy)]
struct Found {
    start: usize,
    end: usize,
    shape: Shape,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    Null,
    True,
    False,
    Number,
    String { escaped: bool },
    Nested,
}

/// The keys that lead to variables.
#[derive(Debug, Default)]
struct Tree {
    nodes: Vec<Node>,
    /// Stamps of this row, against keys that appear twice.
    row: u64,
}

#[derive(Debug, Default)]
struct Node {
    /// In the order of the schema, which is a good guess for the next key.
    keys: Vec<(Box<[u8]>, usize)>,
    index: BTreeMap<Box<[u8]>, usize>,
    /// Variables that take this value.
    takers: Vec<usize>,
    /// The row in which it was last seen.
    seen: u64,
}

impl RowEncoder {
    pub(super) fn new(mapping: Mapping<'_>, shown: &str) -> Result<Self, SourceError> {
        let mut tree = Tree {
            nodes: vec![Node::default()],
            row: 0,
        };
        let mut fixed = Vec::new();
        for (index, variable) in mapping.schema.iter().enumerate() {
            fixed.push(fixed_value(variable, shown)?);
            let mut node = 0;
            match &variable.from {
                ValueFrom::Column(name) => node = tree.child(node, name.as_bytes()),
                ValueFrom::Pointer(pointer) => {
                    for token in pointer.split('/').skip(1) {
                        let token = token.replace("~1", "/").replace("~0", "~");
                        node = tree.child(node, token.as_bytes());
                    }
                }
                ValueFrom::Path(_) | ValueFrom::Constant(_) => continue,
            }
            tree.nodes[node].takers.push(index);
        }
        let fields = fields(mapping.schema);
        let is_plain = |variable: &Variable| match &variable.from {
            ValueFrom::Column(name) => *name == variable.name,
            ValueFrom::Pointer(_) | ValueFrom::Path(_) | ValueFrom::Constant(_) => false,
        };
        Ok(Self {
            is_plain: mapping.schema.iter().all(is_plain),
            watch: Watch::new(&fields),
            fields,
            found: vec![None; fixed.len()],
            fixed,
            tree,
            scratch: Vec::new(),
            drop_extra: mapping.extra_columns == ExtraColumns::Drop,
            null_missing: mapping.missing_columns == MissingColumns::Null,
        })
    }

    /// Appends the row that `text` holds. On an error `out` may hold a piece.
    pub(super) fn encode(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), NoRow> {
        if std::str::from_utf8(text).is_err() {
            let bad = BadCell::new(None, text, RejectReason::InvalidUtf8);
            return Err(NoRow::Bad(bad));
        }
        if let Some(row) = self.as_it_stands(text) {
            let mark = out.len();
            out.extend_from_slice(row);
            return finish_row(out, mark).map_err(NoRow::Bad);
        }
        let mut walker = Walker::new(text);
        self.tree.row += 1;
        self.found.fill(None);
        if walker.peek() == Some(b'{') {
            self.object(0, text, &mut walker)?;
            walker.end()?;
        } else {
            walker.value()?;
            walker.end()?;
            let bad = BadCell::new(None, text, RejectReason::NotAnObject);
            return Err(NoRow::Bad(bad));
        }
        self.write(text, out).map_err(NoRow::Bad)
    }

    /// The row without its last brace, if it is written as it stands: all variables in
    /// the schema's order, each in its own form, and nothing between or beside them.
    fn as_it_stands<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        if !self.is_plain {
            return None;
        }
        let mut rest = text;
        for field in &self.fields {
            rest = rest.strip_prefix(field.key.text())?;
            rest = &rest[field.converter.stands(rest)?..];
        }
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let is_end = rest.strip_prefix(b"}")?.iter().all(is_blank);
        is_end.then(|| &text[..text.len() - rest.len()])
    }

    /// The row was taken.
    pub(super) fn good(&mut self, names: &[String], shown: &str, start: RowStart) {
        self.watch.good(&self.fields, names, shown, start);
    }

    /// It was not.
    pub(super) fn rejected(&mut self) {
        self.watch.rejected(&self.fields);
    }

    fn write(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), BadCell> {
        let mark = out.len();
        for (index, field) in self.fields.iter().enumerate() {
            field.key.write(out);
            if let Some(fixed) = &self.fixed[index] {
                out.extend_from_slice(fixed);
                continue;
            }
            let value = match self.found[index] {
                Some(found) => found.value(text),
                None if self.null_missing => JsonValue::Null,
                None => return Err(BadCell::new(Some(index), b"", RejectReason::Missing)),
            };
            field
                .converter
                .write_json(value, &mut self.scratch, out)
                .map_err(|why| BadCell::new(Some(index), value.text(), why))?;
        }
        finish_row(out, mark)
    }

    /// Goes over the object at the walker, noting the values that `node` leads
    /// to.
    fn object(&mut self, node: usize, text: &[u8], walker: &mut Walker<'_>) -> Result<(), NoRow> {
        walker.enter()?;
        let mut guess = 0;
        let mut first = true;
        while let Some(key) = walker.next_key(first)? {
            first = false;
            match self.tree.find(node, key, guess, &mut self.scratch) {
                Some((child, place)) => {
                    guess = place + 1;
                    self.tree.see(child, key)?;
                    self.member(child, text, walker)?;
                }
                None if node == 0 && !self.drop_extra => {
                    return Err(NoRow::Extra {
                        key: key.to_string(),
                    });
                }
                None => {
                    walker.value()?;
                }
            }
        }
        Ok(())
    }

    /// Notes the value at the walker for those who take it or a piece of it.
    fn member(&mut self, node: usize, text: &[u8], walker: &mut Walker<'_>) -> Result<(), NoRow> {
        let next = walker.peek();
        let start = walker.at();
        let inside = !self.tree.nodes[node].keys.is_empty();
        let shape = match next {
            Some(b'{') if inside => {
                self.object(node, text, walker)?;
                Shape::Nested
            }
            Some(b'[') if inside => {
                self.array(node, text, walker)?;
                Shape::Nested
            }
            _ => match walker.value()? {
                JsonValue::Null => Shape::Null,
                JsonValue::True => Shape::True,
                JsonValue::False => Shape::False,
                JsonValue::Number(_) => Shape::Number,
                JsonValue::String { escaped, .. } => Shape::String { escaped },
                JsonValue::Nested(_) => Shape::Nested,
            },
        };
        let end = walker.at();
        for taker in &self.tree.nodes[node].takers {
            self.found[*taker] = Some(Found { start, end, shape });
        }
        Ok(())
    }

    fn array(&mut self, node: usize, text: &[u8], walker: &mut Walker<'_>) -> Result<(), NoRow> {
        walker.enter()?;
        let mut place = 0_usize;
        while walker.next_element(place == 0)? {
            let token = itoa::Buffer::new().format(place).as_bytes().to_vec();
            match self.tree.nodes[node].index.get(token.as_slice()).copied() {
                Some(child) => self.member(child, text, walker)?,
                None => {
                    walker.value()?;
                }
            }
            place += 1;
        }
        Ok(())
    }
}

impl Found {
    fn value<'a>(&self, text: &'a [u8]) -> JsonValue<'a> {
        let whole = &text[self.start..self.end];
        match self.shape {
            Shape::Null => JsonValue::Null,
            Shape::True => JsonValue::True,
            Shape::False => JsonValue::False,
            Shape::Number => JsonValue::Number(whole),
            Shape::String { escaped } => JsonValue::String {
                raw: &whole[1..whole.len() - 1],
                escaped,
            },
            Shape::Nested => JsonValue::Nested(whole),
        }
    }
}

impl Tree {
    /// The node under `parent` for a key, made if need be.
    fn child(&mut self, parent: usize, key: &[u8]) -> usize {
        let next = self.nodes.len();
        let node = &mut self.nodes[parent];
        if let Some(known) = node.index.get(key) {
            return *known;
        }
        node.index.insert(key.into(), next);
        node.keys.push((key.into(), next));
        self.nodes.push(Node::default());
        next
    }

    /// The node for a key and its place among its siblings.
    fn find(
        &self,
        parent: usize,
        key: Key<'_>,
        guess: usize,
        scratch: &mut Vec<u8>,
    ) -> Option<(usize, usize)> {
        let node = &self.nodes[parent];
        let text = if key.escaped {
            scratch.clear();
            unescape(key.raw, scratch);
            scratch.as_slice()
        } else {
            key.raw
        };
        if let Some((known, child)) = node.keys.get(guess)
            && **known == *text
        {
            return Some((*child, guess));
        }
        let child = *node.index.get(text)?;
        let place = node.keys.iter().position(|(_, other)| *other == child)?;
        Some((child, place))
    }

    fn see(&mut self, node: usize, key: Key<'_>) -> Result<(), NoRow> {
        let seen = std::mem::replace(&mut self.nodes[node].seen, self.row);
        if seen != self.row {
            return Ok(());
        }
        Err(NoRow::Flaw(Flaw {
            at: key.at,
            why: JsonProblem::DuplicateKey {
                key: key.to_string(),
            },
        }))
    }
}

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::new();
        unescape(self.raw, &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}
