//! Checked names: what may stand in a reference, in a file's remote name and in
//! an upload's name. A value of one of these types has been checked.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Text that cannot be used as the name it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {why}")]
pub struct NameError {
    /// What kind of name was wanted.
    pub what: &'static str,
    /// What was given.
    pub text: String,
    /// The rule it breaks.
    pub why: &'static str,
}

fn refuse(what: &'static str, text: &str, why: &'static str) -> NameError {
    NameError {
        what,
        text: text.to_owned(),
        why,
    }
}

/// A manifest's or a job's name: `[a-z0-9][a-z0-9_-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestName(String);

impl ManifestName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ManifestName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        let bytes = text.as_bytes();
        let why = match bytes.first() {
            None => "it is empty",
            Some(b'_' | b'-') => "it must start with a letter or a digit",
            Some(_) if bytes.len() > 63 => "it is longer than 63 characters",
            Some(_) if !bytes.iter().copied().all(inner) => {
                "only `a-z`, `0-9`, `_` and `-` are allowed"
            }
            Some(_) => return Ok(Self(text.to_owned())),
        };
        Err(refuse("name", text, why))
    }
}

impl fmt::Display for ManifestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `owner.dataset`, without a version: only `next` is ever written.
///
/// The owner is `[A-Za-z0-9_]+`; the dataset may carry a reference id
/// (`name:abcd`). Compare with [`DatasetRef::matches`], since the platform
/// escapes names and ignores their case (docs: referencing-resources).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetRef {
    owner: String,
    name: String,
}

impl DatasetRef {
    /// The user or organization.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The dataset's name with its reference id, if one was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether both name the same dataset after the platform's escaping.
    pub fn matches(&self, other: &Self) -> bool {
        escaped(&self.owner) == escaped(&other.owner) && escaped(&self.name) == escaped(&other.name)
    }

    /// The reference with a version: `owner.name:version`.
    pub fn at(&self, version: &Version) -> String {
        format!("{self}:{version}")
    }
}

impl FromStr for DatasetRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let what = "dataset reference";
        let (owner, rest) = text
            .split_once('.')
            .ok_or_else(|| refuse(what, text, "it must read `owner.dataset`"))?;
        check_owner(what, text, owner)?;
        let mut parts = rest.split(':');
        let name = parts.next().unwrap_or_default();
        check_segment(what, text, name)?;
        let mut kept = name.to_owned();
        for part in parts {
            match part {
                "next" => {}
                _ if is_reference_id(part) && kept == name => {
                    kept.push(':');
                    kept.push_str(part);
                }
                _ => {
                    return Err(refuse(what, text, "only the version `next` can be written"));
                }
            }
        }
        Ok(Self {
            owner: owner.to_owned(),
            name: kept,
        })
    }
}

impl fmt::Display for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.owner, self.name)
    }
}

/// A table of a dataset, without a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRef {
    dataset: DatasetRef,
    table: String,
}

impl TableRef {
    /// A table of this dataset; `table` may carry a reference id.
    pub fn new(dataset: DatasetRef, table: &str) -> Result<Self, NameError> {
        check_segment("table name", table, table)?;
        Ok(Self {
            dataset,
            table: table.to_owned(),
        })
    }

    /// From a manifest's `table:`: a bare name in `default`, or
    /// `owner.dataset:next.table`.
    pub fn parse(text: &str, default: Option<&DatasetRef>) -> Result<Self, NameError> {
        let what = "table reference";
        match (text.matches('.').count(), default) {
            (0, Some(dataset)) => Self::new(dataset.clone(), text),
            (0, None) => Err(refuse(
                what,
                text,
                "there is no default `dataset`; write `owner.dataset:next.table`",
            )),
            (2, _) => {
                let (dataset, table) = text.rsplit_once('.').unwrap_or((text, ""));
                Self::new(dataset.parse()?, table)
            }
            _ => Err(refuse(
                what,
                text,
                "it must read `table` or `owner.dataset:next.table`",
            )),
        }
    }

    /// The dataset it belongs to.
    pub fn dataset(&self) -> &DatasetRef {
        &self.dataset
    }

    /// The table's own name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The reference with a version: `owner.dataset:version.table`.
    pub fn at(&self, version: &Version) -> String {
        format!("{}.{}", self.dataset.at(version), self.table)
    }

    /// Whether both name the same table after the platform's escaping.
    pub fn matches(&self, other: &Self) -> bool {
        self.dataset.matches(&other.dataset) && escaped(&self.table) == escaped(&other.table)
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.dataset, self.table)
    }
}

/// Which version of a dataset a call is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// The unreleased version, the only one that can be written.
    Next,
    /// The newest released one.
    Current,
    /// A released one by its tag, such as `v1.0`.
    Tag(String),
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next => f.write_str("next"),
            Self::Current => f.write_str("current"),
            Self::Tag(tag) => f.write_str(&tag.replace('.', "_")),
        }
    }
}

/// The name of a file in a file-index table: an NFC relative path with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Box<str>);

/// The longest remote file name, in bytes of UTF-8 (contract Q19: the limit of
/// the storage underneath).
pub const MAX_FILE_NAME_BYTES: usize = 1024;

impl FileName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let what = "remote file name";
        if text.len() > MAX_FILE_NAME_BYTES {
            return Err(refuse(what, text, "it is longer than 1,024 bytes"));
        }
        if text.chars().any(char::is_control) {
            return Err(refuse(what, text, "it has a control character"));
        }
        for part in text.split('/') {
            match part {
                "" => return Err(refuse(what, text, "a part of the path is empty")),
                "." | ".." => return Err(refuse(what, text, "`.` and `..` are not allowed")),
                _ => {}
            }
        }
        let name = if is_nfc(text) {
            text.into()
        } else {
            text.nfc().collect::<String>().into()
        };
        Ok(Self(name))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The platform's escaped form of a name, for comparing: every character that is
/// not alphanumeric becomes `_`, runs collapse, case is ignored (contract Q29).
pub fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    out.trim_matches('_').to_owned()
}

/// How upload names are compared: lower-case alphanumerics only, since servers
/// normalise them in more than one way (contract 6.4).
pub fn upload_key(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn check_owner(what: &'static str, text: &str, owner: &str) -> Result<(), NameError> {
    let good = !owner.is_empty()
        && owner
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if good {
        Ok(())
    } else {
        Err(refuse(
            what,
            text,
            "an owner is made of letters, digits and `_`",
        ))
    }
}

fn check_segment(what: &'static str, text: &str, name: &str) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(refuse(what, text, "a part of it is empty"));
    }
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '/' | '.' | '?' | '#' | '%'))
    {
        return Err(refuse(
            what,
            text,
            "it has a character that cannot stand in a reference",
        ));
    }
    Ok(())
}

fn is_reference_id(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|c| c.is_ascii_alphanumeric()) && text != "next"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_print_what_they_were_read_from() {
        let dataset: DatasetRef = "stanford.coastal_survey".parse().unwrap();
        let table = TableRef::parse("taxa", Some(&dataset)).unwrap();

        assert_eq!(
            table.at(&Version::Next),
            "stanford.coastal_survey:next.taxa"
        );
        assert_eq!(
            table.at(&Version::Tag("v1.0".into())),
            "stanford.coastal_survey:v1_0.taxa"
        );
        assert_eq!(
            TableRef::parse("stanford.coastal_survey:abcd:next.taxa", None)
                .unwrap()
                .to_string(),
            "stanford.coastal_survey:abcd.taxa"
        );
    }

    #[test]
    fn a_version_other_than_next_is_refused() {
        for text in ["me.data:v1_0", "me.data:current", "me.data:abcd:v2.0"] {
            let error = text.parse::<DatasetRef>().unwrap_err();
            assert!(
                error.to_string().contains("only the version `next`"),
                "{error}"
            );
        }
    }

    #[test]
    fn file_names_are_brought_to_nfc() {
        let decomposed: FileName = "cafe\u{301}/x.txt".parse().unwrap();

        assert_eq!(decomposed.as_str(), "caf\u{e9}/x.txt");
    }

    #[test]
    fn file_names_that_leave_their_folder_are_refused() {
        for text in ["", "/a", "a//b", "../a", "a/./b", "a\nb", "a/"] {
            assert!(text.parse::<FileName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_compare_as_the_platform_escapes_them() {
        assert_eq!(
            escaped("US Political  Boundaries"),
            "us_political_boundaries"
        );
        assert_eq!(upload_key("Part.01_A"), "part01a");
    }

    #[test]
    fn a_manifest_s_name_keeps_to_its_alphabet() {
        assert!("coastal-survey_2".parse::<ManifestName>().is_ok());
        for text in ["", "-a", "A", "a b", &"x".repeat(64)] {
            assert!(text.parse::<ManifestName>().is_err(), "{text}");
        }
    }
}
