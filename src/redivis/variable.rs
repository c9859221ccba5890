//! The JSON shapes of variables, in what the platform answers (contract 5.3).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::model::RemoteVariable;
use super::wire::WireError;
use crate::base::{VariableMetadata, VariableType};

/// `variable` (docs: resource-definitions/variable).
#[derive(Debug, Deserialize)]
pub(super) struct Variable {
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default, rename = "valueLabels")]
    value_labels: Option<ValueLabels>,
}

impl Variable {
    pub(super) fn into_model(self) -> Result<RemoteVariable, WireError> {
        Ok(RemoteVariable {
            name: self.name.ok_or(WireError::Missing { field: "name" })?,
            kind: self.kind.as_deref().and_then(VariableType::from_word),
            metadata: VariableMetadata {
                label: self.label,
                description: self.description,
                value_labels: self.value_labels.map(ValueLabels::into_map),
            },
        })
    }
}

/// What coded values mean: a list of pairs, or a mapping as uploads take it
/// (contract 5.3, 6.3).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ValueLabels {
    Pairs(Vec<ValueLabel>),
    Map(BTreeMap<String, Code>),
}

#[derive(Debug, Deserialize)]
struct ValueLabel {
    value: Code,
    label: Code,
}

/// A coded value, whatever JSON type it comes as.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Code {
    Text(String),
    Number(serde_json::Number),
    Truth(bool),
    Null,
}

impl Code {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => truth.to_string(),
            Self::Null => String::new(),
        }
    }
}

impl ValueLabels {
    fn into_map(self) -> BTreeMap<String, String> {
        match self {
            Self::Pairs(pairs) => pairs
                .into_iter()
                .map(|one| (one.value.into_text(), one.label.into_text()))
                .collect(),
            Self::Map(map) => map
                .into_iter()
                .map(|(value, label)| (value, label.into_text()))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> RemoteVariable {
        let wire: Variable = serde_json::from_str(json).unwrap();
        wire.into_model().unwrap()
    }

    #[test]
    fn value_labels_are_read_in_each_form() {
        let wanted = [("1", "yes"), ("true", "so"), ("x", "2")]
            .map(|(value, label)| (value.to_owned(), label.to_owned()));
        for json in [
            r#"{"name":"a","valueLabels":[{"value":"1","label":"yes"},{"value":"true","label":"so"},{"value":"x","label":"2"}]}"#,
            r#"{"name":"a","valueLabels":[{"value":true,"label":"so"},{"value":"x","label":2},{"value":1,"label":"yes"}]}"#,
            r#"{"name":"a","valueLabels":{"x":"2","1":"yes","true":"so"}}"#,
        ] {
            let labels = read(json).metadata.value_labels.unwrap();
            assert_eq!(labels, BTreeMap::from(wanted.clone()), "{json}");
        }
    }

    #[test]
    fn a_variable_of_which_nothing_is_said_has_no_metadata() {
        for json in [
            r#"{"name":"a","type":"string"}"#,
            r#"{"name":"a","type":"string","label":null,"description":null,"valueLabels":null}"#,
        ] {
            assert!(read(json).metadata.is_empty(), "{json}");
        }
    }
}
