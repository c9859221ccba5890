//! References as the platform reads them (docs: referencing-resources):
//! `owner.dataset[:id][:sample][:version].table[:id]`, in any case, escaped or
//! not. Read here with rules of our own, apart from the client's.

/// Which version a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum VersionSelector {
    /// None was given: the current one.
    Default,
    Current,
    Next,
    /// `v1_0` or `v1.0`.
    Tag(u32, u32),
    /// Something else.
    Unknown(String),
}

impl VersionSelector {
    pub(super) fn parse(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "current" => Self::Current,
            "next" => Self::Next,
            _ => match tag(&lower) {
                Some((major, minor)) => Self::Tag(major, minor),
                None => Self::Unknown(text.to_owned()),
            },
        }
    }
}

fn tag(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.strip_prefix('v')?.split_once(['.', '_'])?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    Some((number(major)?, number(minor)?))
}

/// `owner.dataset...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DatasetPath {
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) reference: Option<String>,
    pub(super) version: VersionSelector,
}

impl DatasetPath {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (owner, rest) = text.split_once('.')?;
        let mut parts = rest.split(':');
        let name = parts.next().filter(|name| !name.is_empty())?;
        let mut path = Self {
            owner: owner.to_lowercase(),
            name: name.to_owned(),
            reference: None,
            version: VersionSelector::Default,
        };
        for part in parts {
            let version = VersionSelector::parse(part);
            let is_unknown = matches!(version, VersionSelector::Unknown(_));
            if is_unknown && path.reference.is_none() && is_id(part) {
                path.reference = Some(part.to_lowercase());
            } else if !part.eq_ignore_ascii_case("sample") {
                path.version = version;
            }
        }
        Some(path)
    }
}

/// `owner.dataset....table...`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TablePath {
    pub(super) dataset: DatasetPath,
    pub(super) name: String,
    pub(super) reference: Option<String>,
}

impl TablePath {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (dataset, table) = text.rsplit_once('.')?;
        let (name, reference) = match table.split_once(':') {
            Some((name, id)) => (name, Some(id.to_lowercase())),
            None => (table, None),
        };
        if name.is_empty() {
            return None;
        }
        Some(Self {
            dataset: DatasetPath::parse(dataset)?,
            name: name.to_owned(),
            reference,
        })
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|c| c.is_ascii_alphanumeric())
}

/// A name as references show it. `collapses`: runs of `_` become one.
pub(super) fn shown(name: &str, collapses: bool) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        };
        if !(collapses && c == '_' && out.ends_with('_')) {
            out.push(c);
        }
    }
    out
}

/// A name as look-ups compare it: whichever way it was escaped.
pub(super) fn key(name: &str) -> String {
    shown(name, true).trim_matches('_').to_owned()
}

/// An upload's name as look-ups compare it (contract 6.4: on alphanumerics).
pub(super) fn upload_key(name: &str) -> String {
    let key: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if key.is_empty() { name.to_owned() } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_in_all_their_forms() {
        let path = TablePath::parse("Demo.My Data:ab12:next.A table:x9z0").unwrap();

        assert_eq!(path.dataset.owner, "demo");
        assert_eq!(path.dataset.reference.as_deref(), Some("ab12"));
        assert_eq!(path.dataset.version, VersionSelector::Next);
        assert_eq!(path.reference.as_deref(), Some("x9z0"));
        assert_eq!(key(&path.name), "a_table");
    }

    #[test]
    fn a_version_may_be_written_with_a_dot() {
        let path = TablePath::parse("demo.data:v12.3.table").unwrap();

        assert_eq!(path.dataset.version, VersionSelector::Tag(12, 3));
        assert_eq!(path.name, "table");
    }

    #[test]
    fn what_is_no_version_is_kept_as_such() {
        let path = DatasetPath::parse("demo.data:latest").unwrap();

        assert_eq!(path.version, VersionSelector::Unknown("latest".into()));
    }

    #[test]
    fn names_are_compared_whichever_way_they_were_escaped() {
        assert_eq!(shown("US  Political (2)", false), "us__political__2_");
        assert_eq!(key("US  Political (2)"), key("us__political__2_"));
        assert_eq!(upload_key("Part.01_A"), "part01a");
    }
}
