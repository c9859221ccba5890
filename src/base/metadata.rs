//! What a table's owner says of a variable: its label, its description and what
//! its coded values mean (contract: resource-definitions/variable).

use std::collections::BTreeMap;

/// Words about a variable. In a manifest, and in a patch, `None` is "not stated";
/// of the remote it is "there is none". A stated empty text, or a stated empty map,
/// means that there shall be none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VariableMetadata {
    /// A short text in place of the name.
    pub label: Option<String>,
    /// What the variable is.
    pub description: Option<String>,
    /// What coded values mean, by value.
    pub value_labels: Option<BTreeMap<String, String>>,
}

impl VariableMetadata {
    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.label.is_none() && self.description.is_none() && self.value_labels.is_none()
    }

    /// What of this `found` does not say.
    #[must_use]
    pub fn missing_in(&self, found: &Self) -> Self {
        let text = |wanted: &Option<String>, found: &Option<String>| {
            wanted
                .clone()
                .filter(|wanted| !same_text(Some(wanted), found.as_deref()))
        };
        let none = BTreeMap::new();
        let labels = found.value_labels.as_ref().unwrap_or(&none);
        Self {
            label: text(&self.label, &found.label),
            description: text(&self.description, &found.description),
            value_labels: self
                .value_labels
                .clone()
                .filter(|wanted| !same_labels(wanted, labels)),
        }
    }

    /// The first field of which the two state different things.
    pub fn contradicts(&self, other: &Self) -> Option<&'static str> {
        let text = |one: &Option<String>, other: &Option<String>| {
            one.is_some() && other.is_some() && !same_text(one.as_deref(), other.as_deref())
        };
        let labels = self.value_labels.as_ref().zip(other.value_labels.as_ref());
        if text(&self.label, &other.label) {
            Some("label")
        } else if text(&self.description, &other.description) {
            Some("description")
        } else if labels.is_some_and(|(one, other)| !same_labels(one, other)) {
            Some("value_labels")
        } else {
            None
        }
    }

    /// This, and what `other` states beside it.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            label: self.label.clone().or_else(|| other.label.clone()),
            description: self
                .description
                .clone()
                .or_else(|| other.description.clone()),
            value_labels: self
                .value_labels
                .clone()
                .or_else(|| other.value_labels.clone()),
        }
    }

    /// Only the fields that `stated` states.
    #[must_use]
    pub fn only(&self, stated: &Self) -> Self {
        Self {
            label: self.label.clone().filter(|_| stated.label.is_some()),
            description: self
                .description
                .clone()
                .filter(|_| stated.description.is_some()),
            value_labels: self
                .value_labels
                .clone()
                .filter(|_| stated.value_labels.is_some()),
        }
    }
}

/// Whether two texts are the same to a reader: blanks around them do not count,
/// and an empty text is none.
pub fn same_text(one: Option<&str>, other: Option<&str>) -> bool {
    one.unwrap_or_default().trim() == other.unwrap_or_default().trim()
}

fn same_labels(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> bool {
    one.len() == other.len()
        && one.iter().all(|(value, label)| {
            other
                .get(value)
                .is_some_and(|found| same_text(Some(label), Some(found)))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(value, label): &(&str, &str)| ((*value).to_owned(), (*label).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn what_is_not_stated_is_never_missing() {
        let found = VariableMetadata {
            label: Some("Flow".to_owned()),
            description: Some("By hand".to_owned()),
            value_labels: Some(labels(&[("1", "one")])),
        };

        let nothing = VariableMetadata::default();
        assert!(nothing.is_empty());
        assert!(nothing.missing_in(&found).is_empty());
    }

    #[test]
    fn a_stated_empty_text_is_missing_only_where_there_is_one() {
        let clear = VariableMetadata {
            label: Some(String::new()),
            description: Some("  ".to_owned()),
            value_labels: Some(labels(&[])),
        };
        assert!(clear.missing_in(&VariableMetadata::default()).is_empty());
        let found = VariableMetadata {
            label: Some("Flow".to_owned()),
            description: Some("By hand".to_owned()),
            value_labels: Some(labels(&[("1", "one")])),
        };
        assert_eq!(clear.missing_in(&found), clear);
    }

    #[test]
    fn value_labels_are_compared_as_a_whole() {
        let wanted = VariableMetadata {
            value_labels: Some(labels(&[("1", "one"), ("2", "two")])),
            ..VariableMetadata::default()
        };
        for found in [
            Some(labels(&[("1", "one")])),
            Some(labels(&[("1", "one"), ("2", "zwei")])),
            Some(labels(&[("1", "one"), ("3", "two")])),
            Some(labels(&[("1", "one"), ("2", "two"), ("3", "three")])),
            None,
        ] {
            let found = VariableMetadata {
                value_labels: found,
                ..VariableMetadata::default()
            };
            assert_eq!(wanted.missing_in(&found), wanted, "{found:?}");
        }
        assert!(wanted.missing_in(&wanted).is_empty());
    }

    #[test]
    fn blanks_around_a_text_do_not_count() {
        assert!(same_text(Some("a\n"), Some("a")));
        assert!(same_text(Some(""), None));
        assert!(!same_text(Some("a b"), Some("ab")));
    }
}
