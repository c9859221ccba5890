//! The JSON Schema of a manifest, for editors and for checks elsewhere. Built from
//! the key tables, so that it knows exactly the keys the check knows; rules between
//! keys are the check's alone.

use serde_json::{Map, Value, json};

use super::keys::{ALL, Form, Key, MANIFEST, Section};

/// The schema, in draft 2020-12.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    for section in ALL {
        if section.id != MANIFEST.id {
            definitions.insert(section.id.to_owned(), section_schema(section));
        }
    }
    definitions.insert(
        "expanded".to_owned(),
        json!({
            "description": "Text with `${VAR}` or `${VAR:-default}`, expanded from the environment.",
            "type": "string",
            "pattern": "\\$\\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\\}",
        }),
    );
    let mut schema = section_schema(&MANIFEST);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        schema.insert("title".to_owned(), json!("redivis-ingest manifest"));
        schema.insert("patternProperties".to_owned(), json!({ "^x-": {} }));
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

fn section_schema(section: &Section) -> Value {
    let properties: Map<String, Value> = section
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), key_schema(key)))
        .collect();
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    // What a job must have may stand in `defaults`.
    let required: Vec<&str> = section
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    if section.id != "job" && !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn key_schema(key: &Key) -> Value {
    let mut schema = form_schema(key.form);
    schema["description"] = match key.default {
        "" => json!(key.doc),
        default => json!(format!("{} Default: {default}", key.doc)),
    };
    schema
}

/// Also with a variable where the form alone would forbid it.
fn or_expanded(form: &Value) -> Value {
    json!({ "anyOf": [form, { "$ref": "#/$defs/expanded" }] })
}

fn form_schema(form: Form) -> Value {
    match form {
        Form::One => json!({ "const": 1 }),
        Form::Text { pattern: "" } => json!({ "type": "string" }),
        Form::Text { pattern } => or_expanded(&json!({ "type": "string", "pattern": pattern })),
        Form::Cell => json!({ "type": ["string", "number", "boolean"] }),
        Form::Flag => or_expanded(&json!({ "type": "boolean" })),
        Form::Count => or_expanded(&json!({ "type": "integer", "minimum": 0 })),
        Form::Size => or_expanded(&json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9.]+ *([bB]|[kKmMgGtT]([iI]?[bB])?)?$" },
        ] })),
        Form::Duration => or_expanded(&json!({ "anyOf": [{ "const": 0 }, { "type": "string" }] })),
        Form::Percentage => or_expanded(&json!({ "type": "string", "pattern": "^[0-9.]+%$" })),
        Form::Character { or: None } => {
            or_expanded(&json!({ "type": "string", "minLength": 1, "maxLength": 1 }))
        }
        Form::Character { or: Some(word) } => or_expanded(&json!({ "anyOf": [
            { "type": "string", "minLength": 1, "maxLength": 1 },
            { "const": word },
        ] })),
        Form::Word { words } => {
            let mut words: Vec<Value> = words.iter().map(|word| json!(word)).collect();
            // Unquoted, this word is YAML's null.
            if words.contains(&json!("null")) {
                words.push(Value::Null);
            }
            or_expanded(&json!({ "enum": words }))
        }
        Form::List { of, least: 0 } => json!({ "type": "array", "items": form_schema(*of) }),
        Form::List { of, least } => {
            json!({ "type": "array", "items": form_schema(*of), "minItems": least })
        }
        Form::Map(section) => json!({ "$ref": format!("#/$defs/{}", section.id) }),
        Form::MapOf { of, least } => {
            json!({ "type": "object", "additionalProperties": form_schema(*of), "minProperties": least })
        }
        Form::Either(forms) => {
            json!({ "anyOf": forms.iter().map(|form| form_schema(*form)).collect::<Vec<_>>() })
        }
    }
}
