//! One variable of a schema: its name, its type, where its values come from and
//! how text becomes a value.

use std::collections::BTreeMap;

use jiff::civil::datetime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

use crate::base::names::escaped;
use crate::base::{VariableMetadata, VariableType};

use super::super::keys::VARIABLE;
use super::super::model::{Convert, TimeFormat, ValueFrom, Variable};
use super::super::problem::ProblemCode;
use super::super::tree::{Entry, Node, Value};
use super::super::words::{self, Word};
use super::fields::Fields;
use super::{Checker, fields, metadata, scalars, shown};

const TYPES: [Word<VariableType>; VariableType::ALL.len()] = {
    let mut words = [("", VariableType::String); VariableType::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = (VariableType::ALL[at].as_str(), VariableType::ALL[at]);
        at += 1;
    }
    words
};

const DECIMAL: [Word<u8>; 2] = [(".", b'.'), (",", b',')];
const EPOCHS: [Word<TimeFormat>; 3] = [
    ("epoch_s", TimeFormat::EpochSeconds),
    ("epoch_ms", TimeFormat::EpochMillis),
    ("epoch_us", TimeFormat::EpochMicros),
];

/// Tells of a variable that the platform takes for one before it; whether it does.
pub(super) fn is_twin<'e>(
    checker: &mut Checker<'_>,
    entry: &'e Entry<'_>,
    seen: &mut BTreeMap<String, &'e str>,
) -> bool {
    let Some(first) = seen.insert(escaped(&entry.key), &entry.key) else {
        return false;
    };
    let message = format!(
        "the platform takes `{}` and `{}` for the same variable",
        shown(first),
        shown(&entry.key)
    );
    let code = ProblemCode::DuplicateVariable;
    checker
        .problem(code, entry.key_span.clone(), message)
        .help("names are compared without case and with `_` for all other characters");
    true
}

/// `name: type`, or `name: {type: .., ..}`.
pub(super) fn variable(
    checker: &mut Checker<'_>,
    entry: &Entry<'_>,
    has_csv: bool,
) -> Option<Variable> {
    let named = variable_name(checker, entry);
    let name = entry.key.clone().into_owned();
    if matches!(entry.value.value, Value::Scalar(_)) {
        let kind = scalars::word(checker, &entry.value, &TYPES)?;
        named?;
        return Some(Variable {
            from: ValueFrom::Column(name.clone()),
            name,
            kind,
            convert: Convert::default(),
            required: false,
            metadata: VariableMetadata::default(),
        });
    }
    let fields = fields::fields(checker, &entry.value, &VARIABLE)?;
    let kind = fields::required(checker, &fields, "type")
        .and_then(|node| scalars::word(checker, node, &TYPES));
    if let Some(kind) = kind {
        fields::misplaced(
            checker,
            &fields,
            kind.as_str(),
            &format!("a variable of type `{kind}`"),
        );
    }
    let from = value_from(checker, &fields, &name, has_csv);
    let convert = convert(checker, &fields, kind);
    let required = fields
        .get("required")
        .and_then(|node| scalars::flag(checker, node));
    let metadata = metadata::metadata(checker, &fields, kind);
    named?;
    Some(Variable {
        name,
        kind: kind?,
        from: from?,
        convert: convert?,
        required: required.unwrap_or_default(),
        metadata,
    })
}

pub(super) fn variable_name(checker: &mut Checker<'_>, entry: &Entry<'_>) -> Option<()> {
    let name = entry.key.as_ref();
    let why = if name.is_empty() {
        "it is empty"
    } else if name.eq_ignore_ascii_case("_upload_name") {
        "the platform reserves it"
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        "only letters, digits and `_` are allowed"
    } else if !name.chars().any(|c| c.is_ascii_alphanumeric()) {
        "it has no letter and no digit"
    } else {
        return Some(());
    };
    checker.problem(ProblemCode::BadVariableName, entry.key_span.clone(), format!("`{}` cannot be a variable's name", shown(name)))
        .label(why)
        .help("`from` names the source's column, so the two may differ: `value_mg: {type: float, from: \"Value (mg/l)\"}`");
    None
}

fn value_from(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    name: &str,
    has_csv: bool,
) -> Option<ValueFrom> {
    let given: Vec<&str> = ["from", "from_path", "value"]
        .into_iter()
        .filter(|key| fields.get(key).is_some())
        .collect();
    match given[..] {
        [] => Some(ValueFrom::Column(name.to_owned())),
        ["from"] => column(checker, fields.get("from")?, has_csv),
        ["from_path"] => path_value(checker, fields.get("from_path")?),
        ["value"] => scalars::cell(checker, fields.get("value")?).map(ValueFrom::Constant),
        [_, second, ..] | [second] => {
            let message = format!(
                "a value comes from one place, and this variable has `{}`",
                given.join("` and `")
            );
            checker
                .problem(ProblemCode::Conflict, fields.key_span(second), message)
                .help("keep one of `from`, `from_path` and `value`");
            None
        }
    }
}

fn column(checker: &mut Checker<'_>, node: &Node<'_>, has_csv: bool) -> Option<ValueFrom> {
    let text = scalars::cell(checker, node)?;
    if text.is_empty() {
        checker.problem(
            ProblemCode::Empty,
            node.span.clone(),
            "a column's name is empty".to_owned(),
        );
        return None;
    }
    if !text.starts_with('/') {
        return Some(ValueFrom::Column(text));
    }
    let why = if has_csv {
        "the job has a CSV source, whose rows have columns only"
    } else if text
        .split('~')
        .skip(1)
        .any(|rest| !rest.starts_with(['0', '1']))
    {
        "`~` must be written `~0`, and a `/` inside a key `~1` (RFC 6901)"
    } else {
        return Some(ValueFrom::Pointer(text));
    };
    checker
        .problem(
            ProblemCode::BadPointer,
            node.span.clone(),
            format!("the JSON pointer `{}` cannot be used", shown(&text)),
        )
        .label(why);
    None
}

fn path_value(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<ValueFrom> {
    let text = scalars::some_text(checker, node)?;
    let why = if text.matches("{}").count() != 1 {
        "`{}` must stand in it exactly once"
    } else if text.contains('/') {
        "it is matched with the file's name, which has no folder"
    } else {
        return Some(ValueFrom::Path(text));
    };
    checker
        .problem(
            ProblemCode::BadPattern,
            node.span.clone(),
            format!("`{}` cannot be matched with file names", shown(&text)),
        )
        .label(why)
        .help("as in `from_path: \"readings_{}.csv\"`");
    None
}

fn convert(
    checker: &mut Checker<'_>,
    fields: &Fields<'_, '_>,
    kind: Option<VariableType>,
) -> Option<Convert> {
    let format = fields.get("format").map(|node| format(checker, node, kind));
    let null_markers = fields
        .get("null_markers")
        .and_then(|node| scalars::cells(checker, node));
    let decimal = fields
        .get("decimal")
        .and_then(|node| scalars::word(checker, node, &DECIMAL));
    let true_values = fields
        .get("true_values")
        .and_then(|node| some_cells(checker, node));
    let false_values = fields
        .get("false_values")
        .and_then(|node| some_cells(checker, node));
    let zone = fields
        .get("zone")
        .and_then(|node| scalars::word(checker, node, &words::ZONE));
    let nested = fields
        .get("nested")
        .and_then(|node| scalars::word(checker, node, &words::NESTED));
    let both = true_values
        .iter()
        .flatten()
        .find(|text| false_values.iter().flatten().any(|other| other == *text));
    if let Some(both) = both {
        let message = format!("`{}` means both true and false", shown(both));
        checker.problem(
            ProblemCode::Conflict,
            fields.key_span("false_values"),
            message,
        );
    }
    Some(Convert {
        format: format.unwrap_or(Some(TimeFormat::Canonical))?,
        null_markers,
        decimal: decimal.unwrap_or(b'.'),
        true_values,
        false_values,
        zone: zone.unwrap_or_default(),
        nested: nested.unwrap_or_default(),
    })
}

fn some_cells(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<Vec<String>> {
    scalars::some_list(checker, node, "this must be a list of texts")?;
    scalars::cells(checker, node)
}

fn format(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    kind: Option<VariableType>,
) -> Option<TimeFormat> {
    let text = scalars::some_text(checker, node)?;
    if let Some((_, format)) = EPOCHS.iter().find(|(word, _)| *word == text) {
        if kind == Some(VariableType::Time) {
            checker
                .problem(
                    ProblemCode::BadPattern,
                    node.span.clone(),
                    format!("`{text}` is a moment, not a time of day"),
                )
                .help("use the type `dateTime` or `date`");
            return None;
        }
        return Some(format.clone());
    }
    if !text.contains('%') {
        let message = format!("`{}` is not a format", shown(&text));
        checker
            .problem(ProblemCode::BadPattern, node.span.clone(), message)
            .help(
                "write `epoch_s`, `epoch_ms`, `epoch_us` or a strptime pattern, such as `%Y-%m-%d`",
            );
        return None;
    }
    if let Some(why) = kind.and_then(|kind| pattern_fault(&text, kind)) {
        let message = format!("the pattern `{}` cannot be used", shown(&text));
        checker
            .problem(ProblemCode::BadPattern, node.span.clone(), message)
            .label(why);
        return None;
    }
    Some(TimeFormat::Pattern(text))
}

/// Why a strptime pattern cannot give values of a type: a moment written with
/// it must read back.
fn pattern_fault(pattern: &str, kind: VariableType) -> Option<String> {
    let moment = datetime(2026, 11, 23, 13, 45, 56, 123_456_000)
        .to_zoned(TimeZone::UTC)
        .ok()?;
    let written = match strtime::format(pattern, &moment) {
        Ok(written) => written,
        Err(error) => return Some(error.to_string()),
    };
    let read = match BrokenDownTime::parse(pattern, &written) {
        Ok(read) => read,
        Err(error) => return Some(error.to_string()),
    };
    let complete = match kind {
        VariableType::Date => read.to_date().map(drop),
        VariableType::Time => read.to_time().map(drop),
        VariableType::DateTime => read.to_datetime().map(drop),
        VariableType::String
        | VariableType::Integer
        | VariableType::Float
        | VariableType::Boolean
        | VariableType::Geography => return None,
    };
    complete.err().map(|error| error.to_string())
}
