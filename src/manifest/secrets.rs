//! Which keys look like they hold a secret. Tokens never go into a manifest, and
//! a line that may hold one is never printed.

use std::ops::Range;

use crate::base::VariableType;

use super::tree::{Node, Value};

/// The variable that holds the platform's token; it may not be expanded.
pub(super) const TOKEN_VARIABLE: &str = "REDIVIS_API_TOKEN";

/// How the names of secrets end, without case and punctuation.
const ENDS: [&str; 9] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
];

/// Whether a key looks like it holds a token, a password or the like.
pub(super) fn is_secret_key(key: &str) -> bool {
    let key: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let key = key.strip_suffix('s').unwrap_or(&key);
    matches!(
        key,
        "bearer" | "credential" | "authorization" | "auth" | "pwd"
    ) || ENDS.iter().any(|end| key.ends_with(end))
}

/// Whether the value of such a key could be the secret itself. A mapping holds
/// keys of its own, and `token: string` is a variable of a schema.
pub(super) fn could_be_secret(value: &Node<'_>) -> bool {
    match &value.value {
        Value::Map(_) => false,
        Value::List(items) => items.iter().any(|item| could_be_secret(item)),
        Value::Scalar(scalar) => {
            !scalar.text.is_empty() && VariableType::from_word(&scalar.text).is_none()
        }
    }
}

/// Lines of a text that may hold a secret, found without parsing it: the line of
/// a key that looks like one, and what is indented below it.
pub(super) fn secret_lines(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut inside: Option<usize> = None;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        let indent = line.len() - line.trim_start().len();
        let blank = line.trim().is_empty();
        if inside.is_some_and(|outer| blank || indent > outer) {
            found.push(start..end);
        } else {
            inside = has_secret_key(line).then_some(indent);
            if inside.is_some() {
                found.push(start..end);
            }
        }
        start = end;
    }
    found
}

fn has_secret_key(line: &str) -> bool {
    line.match_indices(':').any(|(at, _)| {
        let before = line
            .get(..at)
            .unwrap_or_default()
            .trim_end_matches(['"', '\'', ' ', '\t']);
        let word = before
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .next()
            .unwrap_or_default();
        let after = line
            .get(at + 1..)
            .unwrap_or_default()
            .trim()
            .trim_end_matches(['}', ',', ']']);
        is_secret_key(word) && VariableType::from_word(after.trim()).is_none()
    })
}
