//! `schema`: the variables of a table, inline or in a file of their own.

use std::collections::BTreeMap;

use super::super::keys::SCHEMA_FILE;
use super::super::limits;
use super::super::model::{Schema, Variable};
use super::super::problem::{ProblemCode, SourceText};
use super::super::read::{self, ReadError};
use super::super::tree::{self, Entry, Node, Value};
use super::scalars::all;
use super::{Checker, fields, scalars, shown, variable};

/// `schema`. `has_csv`: some source of the job is CSV.
pub(super) fn schema(checker: &mut Checker<'_>, node: &Node<'_>, has_csv: bool) -> Option<Schema> {
    match &node.value {
        Value::Scalar(_) => scalars::word(checker, node, &[("infer", ())]).map(|()| Schema::Infer),
        Value::Map(entries) if is_file(entries) => {
            let fields = fields::fields(checker, node, &SCHEMA_FILE)?;
            let path = fields.get("file")?;
            schema_file(checker, path, has_csv).map(Schema::Declared)
        }
        Value::Map(entries) => variables(checker, node, entries, has_csv).map(Schema::Declared),
        Value::List(_) => {
            scalars::wrong_type(
                checker,
                node,
                "`schema` must be `infer` or a mapping",
                "each variable is a key: `station: string`",
            );
            None
        }
    }
}

fn variables(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    entries: &[Entry<'_>],
    has_csv: bool,
) -> Option<Vec<Variable>> {
    if entries.is_empty() {
        checker.problem(
            ProblemCode::Empty,
            node.span.clone(),
            "the schema has no variable".to_owned(),
        );
        return None;
    }
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for entry in entries {
        variable::is_twin(checker, entry, &mut seen);
    }
    all(entries
        .iter()
        .map(|entry| variable::variable(checker, entry, has_csv))
        .collect())
}

/// The variables of another file; its problems point into that file.
fn schema_file(checker: &mut Checker<'_>, node: &Node<'_>, has_csv: bool) -> Option<Vec<Variable>> {
    let path = scalars::some_text(checker, node)?;
    let text = match read::text(&checker.root.join(&path)) {
        Ok(text) => text,
        Err(error) => {
            let why = match error {
                ReadError::Io(error) => error.to_string(),
                ReadError::TooLarge(size) => {
                    format!("it has {size} bytes, and {} are allowed", limits::BYTES)
                }
                ReadError::NotUtf8 { .. } => "it is not UTF-8".to_owned(),
            };
            checker
                .problem(
                    ProblemCode::SchemaFile,
                    node.span.clone(),
                    format!("the schema file `{}` cannot be read", shown(&path)),
                )
                .label(why)
                .help("its path is relative to the manifest's folder");
            return None;
        }
    };
    let outer = checker.source;
    checker.source = checker.files.len() + 1;
    let tree = tree::read(&text, checker.source, checker.problems);
    let found = match &tree.root {
        Some(root) => fields::map(checker, root, "a schema file")
            .and_then(|entries| variables(checker, root, entries, has_csv)),
        None => None,
    };
    if tree.root.is_none() && text.trim().is_empty() {
        checker.problem(
            ProblemCode::Empty,
            0..0,
            "the schema file is empty".to_owned(),
        );
    }
    let mut hidden = tree.hidden;
    hidden.extend(checker.token_in(&text));
    checker.files.push(SourceText {
        path: path.into(),
        text,
        hidden,
    });
    checker.source = outer;
    found
}

/// `{file: schema.yaml}`, and not a variable called `file`.
fn is_file(entries: &[Entry<'_>]) -> bool {
    let [entry] = entries else { return false };
    let Value::Scalar(scalar) = &entry.value.value else {
        return false;
    };
    entry.key == "file" && crate::base::VariableType::from_word(&scalar.text).is_none()
}
