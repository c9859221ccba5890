//! One inserted row against an upload's variables, without building it.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::records::Column;
use super::routes::insert_legal_name;
use super::values;
use crate::base::VariableType;

/// The variables that rows are checked against.
#[derive(Debug)]
pub(super) struct RowSchema {
    /// The type is unknown while only nulls were seen.
    columns: Vec<(String, Option<VariableType>)>,
    /// Whether rows may still add variables and widen types.
    open: bool,
    /// A file's records: any name, and what does not mix becomes text.
    lenient: bool,
}

impl RowSchema {
    /// Of an upload. With no columns, the first rows decide.
    pub(super) fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns
                .iter()
                .map(|column| (column.name.clone(), Some(column.kind)))
                .collect(),
            open: columns.is_empty(),
            lenient: false,
        }
    }

    /// Of a file that is imported: its variables are inferred.
    pub(super) fn of_file() -> Self {
        Self {
            columns: Vec::new(),
            open: true,
            lenient: true,
        }
    }

    /// What it has become.
    pub(super) fn columns(&self) -> Vec<Column> {
        self.columns
            .iter()
            .map(|(name, kind)| Column {
                name: name.clone(),
                kind: kind.unwrap_or(VariableType::String),
            })
            .collect()
    }

    /// Checks one row; the error says what is wrong with it.
    pub(super) fn check(&mut self, row: &[u8]) -> Result<(), String> {
        let mut deserializer = serde_json::Deserializer::from_slice(row);
        RowSeed { schema: self }
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| error.to_string())
    }

    fn find(&self, key: &str, guess: usize) -> Option<usize> {
        // Rows of one source have their keys in one order.
        if self.columns.get(guess).is_some_and(|(name, _)| name == key) {
            return Some(guess);
        }
        self.columns
            .iter()
            .position(|(name, _)| name.eq_ignore_ascii_case(key))
    }

    fn check_value(&mut self, index: usize, value: &RawValue) -> Result<(), String> {
        let Some((name, kind)) = self.columns.get_mut(index) else {
            return Ok(());
        };
        if !self.open
            && let Some(kind) = *kind
        {
            return match values::misfit(kind, value) {
                None => Ok(()),
                Some(why) => Err(format!("variable `{name}` ({kind}): {why}")),
            };
        }
        let found = values::infer(value).map_err(|why| format!("variable `{name}`: {why}"))?;
        *kind = match (*kind, found) {
            (known, None) => known,
            (None, found) => found,
            (Some(known), Some(found)) if known == found => Some(known),
            (
                Some(VariableType::Integer | VariableType::Float),
                Some(VariableType::Integer | VariableType::Float),
            ) => Some(VariableType::Float),
            (Some(_), Some(_)) if self.lenient => Some(VariableType::String),
            (Some(known), Some(found)) => {
                return Err(format!("variable `{name}`: {known} and {found} do not mix"));
            }
        };
        Ok(())
    }
}

struct RowSeed<'s> {
    schema: &'s mut RowSchema,
}

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row: an object of variables and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut guess = 0;
        loop {
            let key = KeySeed {
                schema: self.schema,
                guess,
            };
            let Some(index) = map.next_key_seed(key)? else {
                return Ok(());
            };
            let value: &RawValue = map.next_value()?;
            self.schema
                .check_value(index, value)
                .map_err(A::Error::custom)?;
            guess = index + 1;
        }
    }
}

struct KeySeed<'s> {
    schema: &'s mut RowSchema,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = usize;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a variable's name")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<usize, E> {
        if let Some(index) = self.schema.find(key, self.guess) {
            return Ok(index);
        }
        if !self.schema.open {
            return Err(E::custom(format!("unknown variable `{key}`")));
        }
        if !self.schema.lenient && !insert_legal_name(key) {
            return Err(E::custom(format!("`{key}` is not a legal variable name")));
        }
        self.schema.columns.push((key.to_owned(), None));
        Ok(self.schema.columns.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_rows_make_the_schema_and_later_ones_keep_to_it() {
        let mut first = RowSchema::new(&[]);
        first.check(br#"{"a":1,"b":null}"#).unwrap();
        first.check(br#"{"b":"x","a":2.5,"c":true}"#).unwrap();
        assert!(first.check(br#"{"a":"x"}"#).is_err());
        let mut later = RowSchema::new(&first.columns());

        later.check(br#"{"A":1.5,"c":false}"#).unwrap();
        later.check(b"{}").unwrap();
        assert!(later.check(br#"{"d":1}"#).unwrap_err().contains("unknown"));
        assert!(later.check(br#"{"c":"true"}"#).is_err());
        assert!(later.check(b"[1]").is_err());
        assert!(later.check(br#"{"a":1} x"#).is_err());
    }

    #[test]
    fn names_that_no_variable_may_have_are_refused() {
        for row in [r#"{"var.2":1}"#, r#"{"_upload_name":1}"#, r#"{"":1}"#] {
            assert!(RowSchema::new(&[]).check(row.as_bytes()).is_err(), "{row}");
        }
    }
}
