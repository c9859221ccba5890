//! Fields of JSON bodies, with the platform's kind of complaint.

use serde_json::Value;

use crate::sandbox::answer::Refusal;

/// A text; missing and null are `None`.
pub(super) fn text(body: &Value, name: &str) -> Result<Option<String>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(name, "a string")),
    }
}

/// A text that must be there.
pub(super) fn required_text(body: &Value, name: &str) -> Result<String, Refusal> {
    text(body, name)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::invalid(format!("Missing required parameter: {name}")))
}

/// A truth value; missing and null are `None`.
pub(super) fn truth(body: &Value, name: &str) -> Result<Option<bool>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(_) => Err(wrong(name, "a boolean")),
    }
}

/// A list that must be there and hold something (contract Q24).
pub(super) fn list<'a>(body: &'a Value, name: &str) -> Result<&'a [Value], Refusal> {
    match body.get(name) {
        Some(Value::Array(list)) if list.is_empty() => {
            Err(Refusal::invalid(format!("`{name}` is empty")))
        }
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(wrong(name, "an array")),
        None => Err(Refusal::invalid(format!(
            "Missing required parameter: {name}"
        ))),
    }
}

pub(super) fn wrong(name: &str, wanted: &str) -> Refusal {
    Refusal::invalid(format!("`{name}` must be {wanted}"))
}
