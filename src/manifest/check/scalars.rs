//! Scalars as the types that keys take. Each function answers `None` after it
//! has said what is wrong.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use jiff::{SpanRelativeTo, Unit};

use crate::base::ByteCount;

use super::super::expand::{ExpandError, expand};
use super::super::problem::ProblemCode;
use super::super::secrets::TOKEN_VARIABLE;
use super::super::tree::{Node, Value};
use super::super::words::Word;
use super::{Checker, nearest, shown};

/// A scalar after expansion.
#[derive(Debug)]
struct Given<'n> {
    text: Cow<'n, str>,
    style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// May be null, a number or a boolean.
    Plain,
    /// Text, whatever it looks like.
    Text,
    /// Only a variable: what the key wants.
    Variable,
}

/// What YAML takes a plain scalar for.
fn plain_meaning(text: &str) -> &'static str {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => "nothing",
        "true" | "false" => "a boolean",
        _ if is_integer(text) => "a whole number",
        _ if is_float(text) => "a number",
        _ => "text",
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all = |digits: &str, good: fn(&u8) -> bool| {
        !digits.is_empty() && digits.as_bytes().iter().all(good)
    };
    match digits.get(..2) {
        Some("0x") => digits
            .get(2..)
            .is_some_and(|rest| all(rest, u8::is_ascii_hexdigit)),
        Some("0o") => digits
            .get(2..)
            .is_some_and(|rest| all(rest, |byte| (b'0'..b'8').contains(byte))),
        _ => all(digits, u8::is_ascii_digit),
    }
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    matches!(
        unsigned,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    ) || (unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text.parse::<f64>().is_ok())
}

/// What a node is, in a message.
fn found(node: &Node<'_>) -> &'static str {
    match &node.value {
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
        Value::Scalar(scalar) if scalar.plain => plain_meaning(&scalar.text),
        Value::Scalar(_) => "text",
    }
}

/// Says that a value has the wrong form.
pub(super) fn wrong_type(checker: &mut Checker<'_>, node: &Node<'_>, expected: &str, help: &str) {
    let label = format!("this is {}", found(node));
    let mut problem = checker.problem(
        ProblemCode::WrongType,
        node.span.clone(),
        expected.to_owned(),
    );
    problem.label(label);
    if !help.is_empty() {
        problem.help(help.to_owned());
    }
}

fn given<'n>(checker: &mut Checker<'_>, node: &'n Node<'_>, expected: &str) -> Option<Given<'n>> {
    let Value::Scalar(scalar) = &node.value else {
        wrong_type(checker, node, expected, "");
        return None;
    };
    let problem = match expand(&scalar.text, checker.env) {
        Ok(expanded) => {
            let is_same = matches!(expanded.text, Cow::Borrowed(_));
            if !is_same && checker.holds_token(&expanded.text) {
                token_expanded(checker, node, TOKEN_VARIABLE);
                return None;
            }
            let style = match (is_same, expanded.whole) {
                (_, true) => Style::Variable,
                (true, false) if scalar.plain => Style::Plain,
                (true | false, false) => Style::Text,
            };
            return Some(Given {
                text: expanded.text,
                style,
            });
        }
        Err(problem) => problem,
    };
    match problem {
        ExpandError::Secret(name) => token_expanded(checker, node, &name),
        ExpandError::Unset(name) => {
            checker.problem(ProblemCode::UnsetVariable, node.span.clone(), format!("the variable `{name}` is not set"))
                .help(format!("set it, or give a default: `${{{name}:-value}}`; write `$${{` for a literal `${{`"));
        }
        ExpandError::NotClosed => {
            checker
                .problem(
                    ProblemCode::BadVariableSyntax,
                    node.span.clone(),
                    "`${` has no `}`".to_owned(),
                )
                .help("write `$${` for a literal `${`".to_owned());
        }
        ExpandError::BadName(name) => {
            let message = format!("`{}` is not a variable's name", shown(&name));
            checker
                .problem(ProblemCode::BadVariableSyntax, node.span.clone(), message)
                .help(
                    "`${NAME}` and `${NAME:-default}` are expanded; write `$${` for a literal `${`"
                        .to_owned(),
                );
        }
    }
    None
}

fn token_expanded(checker: &mut Checker<'_>, node: &Node<'_>, name: &str) {
    let message =
        format!("the variable `{name}` holds a secret, and secrets never stand in a manifest");
    checker
        .problem(ProblemCode::Secret, node.span.clone(), message)
        .help(format!(
            "the program reads `{TOKEN_VARIABLE}` by itself; nothing in a manifest needs it"
        ));
}

/// A string.
pub(super) fn text(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<String> {
    let given = given(checker, node, "this must be text")?;
    if given.style == Style::Plain && plain_meaning(&given.text) != "text" {
        wrong_type(
            checker,
            node,
            "this must be text",
            "put it in quotes to make it text",
        );
        return None;
    }
    Some(given.text.into_owned())
}

/// A string that is not empty.
pub(super) fn some_text(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<String> {
    let text = text(checker, node)?;
    if text.trim().is_empty() {
        checker.problem(
            ProblemCode::Empty,
            node.span.clone(),
            "this text is empty".to_owned(),
        );
        return None;
    }
    Some(text)
}

/// A text as it is written, whatever YAML takes it for.
pub(super) fn cell(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<String> {
    let given = given(checker, node, "this must be text or a number")?;
    if given.style == Style::Plain && plain_meaning(&given.text) == "nothing" {
        wrong_type(
            checker,
            node,
            "this must be text or a number",
            "put it in quotes to make it text",
        );
        return None;
    }
    Some(given.text.into_owned())
}

/// `true` or `false`.
pub(super) fn flag(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<bool> {
    let expected = "this must be `true` or `false`";
    let given = given(checker, node, expected)?;
    match given.text.as_ref() {
        "true" if given.style != Style::Text => Some(true),
        "false" if given.style != Style::Text => Some(false),
        other => {
            let help = match other.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => "write `true`, without quotes",
                "no" | "off" | "n" | "false" => "write `false`, without quotes",
                _ => "",
            };
            wrong_type(checker, node, expected, help);
            None
        }
    }
}

/// A whole number from 0.
pub(super) fn count(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<u64> {
    let expected = "this must be a whole number";
    let given = given(checker, node, expected)?;
    if given.style == Style::Text || !is_integer(&given.text) {
        wrong_type(checker, node, expected, "");
        return None;
    }
    let number = given.text.parse().ok();
    if number.is_none() {
        let message = format!(
            "`{}` is not a number from 0 to {}",
            shown(&given.text),
            u64::MAX
        );
        checker.problem(ProblemCode::OutOfRange, node.span.clone(), message);
    }
    number
}

/// A number of bytes.
pub(super) fn size(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<ByteCount> {
    let given = given(checker, node, "this must be a size, such as `32MiB`")?;
    let size = given.text.parse().ok();
    if size.is_none() {
        let message = format!("`{}` is not a size", shown(&given.text));
        checker
            .problem(ProblemCode::BadSize, node.span.clone(), message)
            .help("write a number with a unit, as in `32MiB` or `1GB`".to_owned());
    }
    size
}

/// A duration, `0` included.
pub(super) fn duration(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<Duration> {
    let given = given(checker, node, "this must be a duration, such as `2m`")?;
    let found = if given.text == "0" {
        Some(Duration::ZERO)
    } else {
        given.text.parse::<jiff::Span>().ok().and_then(|span| {
            let seconds = span
                .total((Unit::Second, SpanRelativeTo::days_are_24_hours()))
                .ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        })
    };
    if found.is_none() {
        let message = format!("`{}` is not a duration", shown(&given.text));
        checker
            .problem(ProblemCode::BadDuration, node.span.clone(), message)
            .help("write a number with a unit, as in `90s`, `2m` or `1h 30m`".to_owned());
    }
    found
}

/// `50%` as a fraction.
pub(super) fn percentage(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<f64> {
    let given = given(checker, node, "this must be a percentage, such as `50%`")?;
    let found = given
        .text
        .strip_suffix('%')
        .filter(|number| number.starts_with(|c: char| c.is_ascii_digit()))
        .and_then(|number| number.parse::<f64>().ok())
        .filter(|number| (0.0..=100.0).contains(number));
    if found.is_none() {
        let message = format!(
            "`{}` is not a percentage from `0%` to `100%`",
            shown(&given.text)
        );
        checker
            .problem(ProblemCode::BadPercentage, node.span.clone(), message)
            .help("write a number and a percent sign, as in `50%`".to_owned());
    }
    found.map(|number| number / 100.0)
}

/// One ASCII character that can separate or quote fields.
pub(super) fn character(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<u8> {
    let given = given(checker, node, "this must be one character")?;
    if let [byte @ (b'\t' | b' '..=b'~')] = given.text.as_bytes() {
        return Some(*byte);
    }
    let message = format!(
        "`{}` is not one ASCII character",
        shown(&given.text.escape_default().to_string())
    );
    checker
        .problem(ProblemCode::BadCharacter, node.span.clone(), message)
        .help("in quotes, as in `\";\"`; a tab is `\"\\t\"`".to_owned());
    None
}

/// One of a closed list of words.
pub(super) fn word<T: Copy>(
    checker: &mut Checker<'_>,
    node: &Node<'_>,
    words: &[Word<T>],
) -> Option<T> {
    let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let expected = format!("this must be one of {}", list.join(", "));
    let given = given(checker, node, &expected)?;
    let known = words.iter().find(|(word, _)| *word == given.text);
    if known.is_none() {
        let message = format!("`{}` is not one of {}", shown(&given.text), list.join(", "));
        let near = nearest(&given.text, words.iter().map(|(word, _)| *word));
        let mut problem = checker.problem(ProblemCode::BadWord, node.span.clone(), message);
        if let Some(near) = near {
            problem.help(format!("did you mean `{near}`?"));
        }
    }
    known.map(|(_, value)| *value)
}

/// The items of a list.
pub(super) fn list<'n, 't>(
    checker: &mut Checker<'_>,
    node: &'n Node<'t>,
    expected: &str,
) -> Option<&'n [Rc<Node<'t>>]> {
    match &node.value {
        Value::List(items) => Some(items),
        Value::Map(_) | Value::Scalar(_) => {
            wrong_type(checker, node, expected, "");
            None
        }
    }
}

/// The items of a list that must have some.
pub(super) fn some_list<'n, 't>(
    checker: &mut Checker<'_>,
    node: &'n Node<'t>,
    expected: &str,
) -> Option<&'n [Rc<Node<'t>>]> {
    let items = list(checker, node, expected)?;
    if items.is_empty() {
        checker
            .problem(
                ProblemCode::Empty,
                node.span.clone(),
                "this list is empty".to_owned(),
            )
            .label(expected.to_owned());
        return None;
    }
    Some(items)
}

/// A list of texts as they are written.
pub(super) fn cells(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<Vec<String>> {
    let items = list(checker, node, "this must be a list of texts")?;
    all(items.iter().map(|item| cell(checker, item)).collect())
}

/// A list of strings.
pub(super) fn texts(checker: &mut Checker<'_>, node: &Node<'_>) -> Option<Vec<String>> {
    let items = list(checker, node, "this must be a list of texts")?;
    all(items.iter().map(|item| some_text(checker, item)).collect())
}

/// All of them or nothing; unlike collecting into an option, nobody stops at the
/// first gap, so that every problem is found.
pub(super) fn all<T>(found: Vec<Option<T>>) -> Option<Vec<T>> {
    found.into_iter().collect()
}
