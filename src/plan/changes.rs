//! What a change of a table's or a variable's words takes away and puts in its
//! place: for people, and as the before-state of a saved plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::model::{Subject, TableSubject, VariableSubject};
use crate::base::MergeStrategy;

/// One field that is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `merge`, `description`, `label` or `value_labels`.
    pub field: String,
    /// What there is: text, or labels by value; absent: nothing, or not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub old: Option<Value>,
    /// What shall be there; an empty text, or no labels, means nothing.
    pub new: Value,
}

impl Change {
    /// The changes of an item, in a fixed order; none of most.
    pub fn of(subject: &Subject) -> Vec<Self> {
        match subject {
            Subject::Table(table) => of_table(table),
            Subject::Variable(variable) => of_variable(variable),
            Subject::Version(_)
            | Subject::File(_)
            | Subject::RemoteFile(_)
            | Subject::Part(_)
            | Subject::Upload(_)
            | Subject::Listed(_)
            | Subject::Source { .. } => Vec::new(),
        }
    }

    /// Whether there is nothing yet where this puts something.
    pub(super) fn adds(&self) -> bool {
        self.old.is_none()
    }
}

fn of_table(table: &TableSubject) -> Vec<Change> {
    let word = |merge: MergeStrategy| json!(merge.as_str());
    let merge = table.merge.map(|merge| Change {
        field: "merge".to_owned(),
        old: table.before.merge.map(word),
        new: word(merge),
    });
    let description = text(
        "description",
        table.before.description.as_deref(),
        table.description.as_deref(),
    );
    merge.into_iter().chain(description).collect()
}

fn of_variable(variable: &VariableSubject) -> Vec<Change> {
    let before = variable.before.clone().unwrap_or_default();
    let wanted = &variable.wanted;
    let label = text("label", before.label.as_deref(), wanted.label.as_deref());
    let description = text(
        "description",
        before.description.as_deref(),
        wanted.description.as_deref(),
    );
    let labels = wanted.value_labels.as_ref().map(|wanted| Change {
        field: "value_labels".to_owned(),
        old: before
            .value_labels
            .filter(|labels| !labels.is_empty())
            .map(|labels| map(&labels)),
        new: map(wanted),
    });
    label.into_iter().chain(description).chain(labels).collect()
}

fn text(field: &str, old: Option<&str>, new: Option<&str>) -> Option<Change> {
    new.map(|new| Change {
        field: field.to_owned(),
        old: old
            .map(str::trim)
            .filter(|old| !old.is_empty())
            .map(|old| json!(old)),
        new: json!(new),
    })
}

fn map(labels: &BTreeMap<String, String>) -> Value {
    let pairs = labels.iter();
    Value::Object(
        pairs
            .map(|(value, label)| (value.clone(), json!(label)))
            .collect(),
    )
}

/// Whether everything that is to be changed now was planned from the same
/// before-state; what is not to be changed any more is done. A table or a variable
/// that was to be made has no before-state: what making it brought is as planned,
/// unless somebody has put words of his own there.
pub(super) fn still_hold(planned: &[Change], now: &[Change], was_new: bool) -> bool {
    now.iter().all(|one| {
        planned.iter().any(|then| {
            let made = was_new && (one.adds() || one.field == "merge");
            then.field == one.field && then.new == one.new && (then.old == one.old || made)
        })
    })
}
