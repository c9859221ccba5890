//! The keys of a variable of a schema.

use crate::base::VariableType;

use super::super::words::{self, names};
use super::{Form, Key, Section, TEXT, key, must};

const fn types() -> [&'static str; VariableType::ALL.len()] {
    let mut words = [""; VariableType::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = VariableType::ALL[at].as_str();
        at += 1;
    }
    words
}

pub(super) const TYPES: [&str; VariableType::ALL.len()] = types();
const ZONE: [&str; 3] = names(&words::ZONE);
const NESTED: [&str; 2] = names(&words::NESTED);

const CELLS: Form = Form::List {
    of: &Form::Cell,
    least: 0,
};
const SOME_CELLS: Form = Form::List {
    of: &Form::Cell,
    least: 1,
};

pub(in super::super) static SCHEMA_FILE: Section = Section {
    what: "`schema`",
    id: "schema-file",
    keys: &[must(
        "file",
        TEXT,
        "A YAML file with the variables, in the form they have here.",
    )],
};

pub(in super::super) static VARIABLE: Section = Section {
    what: "a variable",
    id: "variable",
    keys: &[
        must("type", Form::Word { words: &TYPES }, "Its type on the platform."),
        key("from", Form::Cell, "", "The column it comes from, or a JSON pointer that starts with `/`. Default: the variable's name."),
        key("from_path", TEXT, "", "The file's name with `{}` once, where the value stands."),
        key("value", Form::Cell, "", "The same text for every row."),
        key("required", Form::Flag, "false", "A null is a reject."),
        key("null_markers", CELLS, "[\"\"]", "Texts that mean null. Default: the empty text, for every type but string."),
        key("format", TEXT, "", "`epoch_s`, `epoch_ms`, `epoch_us`, or a strptime pattern. Default: the platform's own form.").only(&["date", "dateTime", "time"]),
        key("zone", Form::Word { words: &ZONE }, "fail", "What a zone at the end of a date and time means.").only(&["dateTime", "time"]),
        key("decimal", Form::Word { words: &[".", ","] }, ".", "The decimal separator.").only(&["float"]),
        key("true_values", SOME_CELLS, "[true]", "Texts that mean true. Default: `true` in any case.").only(&["boolean"]),
        key("false_values", SOME_CELLS, "[false]", "Texts that mean false. Default: `false` in any case.").only(&["boolean"]),
        key("nested", Form::Word { words: &NESTED }, "fail", "A nested JSON value: a reject, or its JSON text.").only(&["string", "geography"]),
        LABEL,
        DESCRIPTION,
        VALUE_LABELS,
    ],
};

const LABEL: Key = key(
    "label",
    TEXT,
    "",
    "A short label, shown on the platform. Not stated: left as it is; empty: there shall be none.",
);
const DESCRIPTION: Key = key(
    "description",
    TEXT,
    "",
    "A description, shown on the platform. Not stated: left as it is; empty: there shall be none.",
);
const VALUE_LABELS: Key = key(
    "value_labels",
    Form::MapOf {
        of: &Form::Cell,
        least: 0,
    },
    "",
    "What coded values mean: all of them, by value. Not stated: left as it is; `{}`: there shall be none.",
);

pub(in super::super) static TABLE_VARIABLE: Section = Section {
    what: "a variable of a table",
    id: "table-variable",
    keys: &[LABEL, DESCRIPTION, VALUE_LABELS],
};
