//! The JSON readers against `serde_json`.
//!
//! What is deliberately different, and only that: a key that leads to a variable
//! may stand once in an object; nesting ends at a depth of 128; half of a surrogate
//! pair is an error also where nobody reads the text; a text that is not UTF-8 is a
//! reject of its line and no error; a line of ASCII white space of any kind is blank.

use redivis_ingest::base::VariableType;
use redivis_ingest::manifest::RowFormat;
use redivis_ingest::source::{JsonProblem, SourceError};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::rows::{Read, read, variable};

fn with_a(data: &[u8], format: &RowFormat) -> Read {
    read(data, format, &[variable("a", VariableType::String)])
}

/// Whether it is JSON of any depth.
fn is_json(text: &str) -> bool {
    let mut json = serde_json::Deserializer::from_str(text);
    serde::Deserialize::deserialize(&mut json).is_ok_and(|_: IgnoredAny| json.end().is_ok())
}

/// Whether it has an escape of a surrogate, and is no value for `serde_json` either.
fn has_surrogate(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("\\ud") && serde_json::from_str::<Value>(text).is_err()
}

/// How deep brackets are nested in what is JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut most, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' if !in_string => depth += 1,
            '}' | ']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// Whether the text is refused for what is good JSON elsewhere.
fn refused_by_us_alone(why: &JsonProblem, text: &str) -> bool {
    match why {
        JsonProblem::DuplicateKey { .. } => true,
        JsonProblem::TooDeep { .. } => depth(text) > 128,
        JsonProblem::LoneSurrogate => has_surrogate(text),
        JsonProblem::EndsEarly
        | JsonProblem::Unexpected { .. }
        | JsonProblem::TrailingComma
        | JsonProblem::NotANumber
        | JsonProblem::BadNumber
        | JsonProblem::ControlCharacter
        | JsonProblem::BadEscape
        | JsonProblem::TrailingText
        | JsonProblem::TooLong { .. }
        | JsonProblem::NotAnArray => false,
    }
}

/// One object, row or reject, against the value that it is.
fn assert_row(text: &str, row: &str) {
    let row: Value = serde_json::from_str(row).expect("rows are JSON");
    // Numbers out of range and halves of surrogates are no values.
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    match &value["a"] {
        Value::Null => assert_eq!(row["a"], Value::Null, "{text}"),
        Value::String(wanted) => assert_eq!(row["a"], **wanted, "{text}"),
        nested @ (Value::Array(_) | Value::Object(_)) => {
            let found = row["a"].as_str().expect("nested values are text");
            let found: Value = serde_json::from_str(found).expect("nested values are JSON");
            assert_eq!(&found, nested, "{text}");
        }
        Value::Bool(_) | Value::Number(_) => assert!(row["a"].is_string(), "{text}"),
    }
}

/// Every line is taken or refused as `serde_json` does.
pub(super) fn lines(data: &[u8]) {
    let found = with_a(data, &RowFormat::Ndjson);
    let stop = match &found.error {
        None => None,
        Some(SourceError::Json { line, why, .. }) => Some((*line, why)),
        Some(error) => panic!("{error}: {data:?}"),
    };
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let mut rows = found.rows.iter().peekable();
    let mut rejects = found.rejects.iter().peekable();
    for (at, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let number = at as u64 + 1;
        if let Some((last, why)) = stop
            && last == number
        {
            let text = std::str::from_utf8(line).expect("what is no UTF-8 is a reject");
            let refused = !is_json(text) || refused_by_us_alone(why, text);
            assert!(refused, "{why:?}: {text}");
            return;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let row = rows.next_if(|(line, _)| *line == number);
        let reject = rejects.next_if(|reject| reject.line == number);
        assert!(row.is_some() != reject.is_some(), "line {number}: {data:?}");
        let Ok(text) = std::str::from_utf8(line) else {
            assert!(reject.is_some(), "{line:?}");
            continue;
        };
        assert!(is_json(text), "taken: {text}");
        let is_object = text.trim_start().starts_with('{');
        assert!(is_object || reject.is_some(), "{text}");
        if let Some((_, row)) = row {
            assert_row(text, row);
        }
    }
    assert!(stop.is_none(), "the error is in a line that there is not");
    assert!(rows.next().is_none() && rejects.next().is_none());
}

/// An array is taken or refused as a whole as `serde_json` does.
pub(super) fn array(data: &[u8]) {
    let found = with_a(data, &RowFormat::Json);
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let Ok(text) = std::str::from_utf8(data) else {
        // Elements that are not UTF-8 are rejects, so that the rest is read.
        return;
    };
    let is_array = text
        .trim_start_matches([' ', '\t', '\n', '\r'])
        .starts_with('[')
        && is_json(text);
    match &found.error {
        None => assert!(is_array, "taken: {text}"),
        Some(SourceError::Json { why, .. }) => {
            let refused = !is_array || refused_by_us_alone(why, text);
            assert!(refused, "{why:?}: {text}");
        }
        Some(error) => panic!("{error}: {text}"),
    }
    let Ok(values) = serde_json::from_str::<Vec<Value>>(text) else {
        return;
    };
    if found.error.is_some() {
        return;
    }
    assert_eq!(
        found.rows.len() + found.rejects.len(),
        values.len(),
        "{text}"
    );
    let objects: Vec<&Value> = values.iter().filter(|value| value.is_object()).collect();
    assert!(found.rows.len() <= objects.len());
    if found.rows.len() == objects.len() {
        for ((_, row), object) in found.rows.iter().zip(objects) {
            assert_row(&object.to_string(), row);
        }
    }
}
