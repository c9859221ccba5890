//! `schema`: the variables of a table, inline or in a file of their own.

use std::collections::BTreeMap;

use crate::base::names;

use super::super::keys::SCHEMA_FILE;
use super::super::limits;
use super::super::model::{Schema, Variable};
use super::super::problem::{ProblemCode, SourceText};
use super::super::read::{self, ReadError};
use super::super::tree::{self, Entry, Node, Value};
use super::scalars::all;
use super::{Checker, shown};

impl Checker<'_> {
    /// `schema`. `has_csv`: some source of the job is CSV.
    pub(super) fn schema(&mut self, node: &Node<'_>, has_csv: bool) -> Option<Schema> {
        match &node.value {
            Value::Scalar(_) => self.word(node, &[("infer", ())]).map(|()| Schema::Infer),
            Value::Map(entries) if is_file(entries) => {
                let fields = self.fields(node, &SCHEMA_FILE)?;
                let path = fields.get("file")?;
                self.schema_file(path, has_csv).map(Schema::Declared)
            }
            Value::Map(entries) => self.variables(node, entries, has_csv).map(Schema::Declared),
            Value::List(_) => {
                self.wrong_type(
                    node,
                    "`schema` must be `infer` or a mapping",
                    "each variable is a key: `station: string`",
                );
                None
            }
        }
    }

    fn variables(
        &mut self,
        node: &Node<'_>,
        entries: &[Entry<'_>],
        has_csv: bool,
    ) -> Option<Vec<Variable>> {
        if entries.is_empty() {
            self.problem(
                ProblemCode::Empty,
                node.span.clone(),
                "the schema has no variable".to_owned(),
            );
            return None;
        }
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for entry in entries {
            if let Some(first) = seen.insert(names::escaped(&entry.key), &entry.key) {
                let message = format!(
                    "the platform takes `{}` and `{}` for the same variable",
                    shown(first),
                    shown(&entry.key)
                );
                self.problem(
                    ProblemCode::DuplicateVariable,
                    entry.key_span.clone(),
                    message,
                )
                .help("names are compared without case and with `_` for all other characters");
            }
        }
        all(entries
            .iter()
            .map(|entry| self.variable(entry, has_csv))
            .collect())
    }

    /// The variables of another file; its problems point into that file.
    fn schema_file(&mut self, node: &Node<'_>, has_csv: bool) -> Option<Vec<Variable>> {
        let path = self.some_text(node)?;
        let text = match read::text(&self.root.join(&path)) {
            Ok(text) => text,
            Err(error) => {
                let why = match error {
                    ReadError::Io(error) => error.to_string(),
                    ReadError::TooLarge(size) => {
                        format!("it has {size} bytes, and {} are allowed", limits::BYTES)
                    }
                    ReadError::NotUtf8 { .. } => "it is not UTF-8".to_owned(),
                };
                self.problem(
                    ProblemCode::SchemaFile,
                    node.span.clone(),
                    format!("the schema file `{}` cannot be read", shown(&path)),
                )
                .label(why)
                .help("its path is relative to the manifest's folder");
                return None;
            }
        };
        let outer = self.source;
        self.source = self.files.len() + 1;
        let tree = tree::read(&text, self.source, self.problems);
        let found = match &tree.root {
            Some(root) => self
                .map(root, "a schema file")
                .and_then(|entries| self.variables(root, entries, has_csv)),
            None => None,
        };
        if tree.root.is_none() && text.trim().is_empty() {
            self.problem(
                ProblemCode::Empty,
                0..0,
                "the schema file is empty".to_owned(),
            );
        }
        let mut hidden = tree.hidden;
        hidden.extend(self.token_in(&text));
        self.files.push(SourceText {
            path: path.into(),
            text,
            hidden,
        });
        self.source = outer;
        found
    }
}

/// `{file: schema.yaml}`, and not a variable called `file`.
fn is_file(entries: &[Entry<'_>]) -> bool {
    let [entry] = entries else { return false };
    let Value::Scalar(scalar) = &entry.value.value else {
        return false;
    };
    entry.key == "file" && crate::base::VariableType::from_word(&scalar.text).is_none()
}
