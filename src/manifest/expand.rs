//! `${VAR}` and `${VAR:-default}` in a scalar. Expansion happens after parsing, so
//! a value cannot inject YAML; `$${` stands for `${`.

use std::borrow::Cow;

use super::secrets;

/// How the environment is asked.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// A scalar after expansion.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded<'t> {
    pub(super) text: Cow<'t, str>,
    /// The scalar is one variable and nothing else.
    pub(super) whole: bool,
}

/// Why a scalar cannot be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExpandError {
    Unset(String),
    /// The token's variable, or another whose name says that it is a secret.
    Secret(String),
    NotClosed,
    BadName(String),
}

/// Expands the variables of a scalar.
pub(super) fn expand<'t>(text: &'t str, env: Environment<'_>) -> Result<Expanded<'t>, ExpandError> {
    if !text.contains("${") {
        return Ok(Expanded {
            text: Cow::Borrowed(text),
            whole: false,
        });
    }
    let mut out = String::with_capacity(text.len());
    let mut whole = false;
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, found) = rest.split_at(at);
        if let Some(kept) = before.strip_suffix('$') {
            out.push_str(kept);
            out.push_str("${");
            rest = found.get(2..).unwrap_or_default();
            continue;
        }
        out.push_str(before);
        let (inner, after) = found
            .get(2..)
            .and_then(|inner| inner.split_once('}'))
            .ok_or(ExpandError::NotClosed)?;
        whole = after.is_empty() && rest.len() == text.len() && before.is_empty();
        out.push_str(&value_of(inner, env)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(Expanded {
        text: Cow::Owned(out),
        whole,
    })
}

fn value_of(inner: &str, env: Environment<'_>) -> Result<String, ExpandError> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(ExpandError::BadName(name.to_owned()));
    }
    if secrets::is_secret_key(name) {
        return Err(ExpandError::Secret(name.to_owned()));
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(ExpandError::Unset(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "DAY" => Some("2026-01-01".to_owned()),
            "EMPTY" => Some(String::new()),
            "REDIVIS_API_TOKEN" => Some("tok".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_escapes_are_expanded() {
        for (text, wanted, whole) in [
            ("plain $x", "plain $x", false),
            ("${DAY}", "2026-01-01", true),
            ("a/${DAY}/b", "a/2026-01-01/b", false),
            ("${DAY}${DAY}", "2026-01-012026-01-01", false),
            ("${NONE:-x}", "x", true),
            ("${EMPTY:-x}", "x", true),
            ("${EMPTY}", "", true),
            ("$${DAY}", "${DAY}", false),
            ("${NONE:-}", "", true),
        ] {
            let found = expand(text, &env).unwrap();
            assert_eq!(
                (found.text.as_ref(), found.whole),
                (wanted, whole),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_expanded_is_refused() {
        assert_eq!(
            expand("${NONE}", &env),
            Err(ExpandError::Unset("NONE".into()))
        );
        assert_eq!(
            expand("${REDIVIS_API_TOKEN:-x}", &env),
            Err(ExpandError::Secret("REDIVIS_API_TOKEN".into()))
        );
        assert_eq!(expand("${DAY", &env), Err(ExpandError::NotClosed));
        assert_eq!(
            expand("${a b}", &env),
            Err(ExpandError::BadName("a b".into()))
        );
    }

    #[test]
    fn a_value_is_not_expanded_again() {
        let env = |_: &str| Some("${DAY}".to_owned());
        assert_eq!(expand("${X}", &env).unwrap().text, "${DAY}");
    }
}
