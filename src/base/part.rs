//! Names of parts and bulk uploads. A name is an identity: the remote's own list
//! says which rows are there. The grammar and the digests are pinned by golden
//! tests, because a release that changed them would send every row again.
//!
//! `ri1_<slug>_<owner>_<source>_<first row>_<rows>_<digest>[_x<refused>]_<attempt>`

use std::fmt;

use super::digest::{RowsHasher, Sha256Digest, Sha256Hasher};
use super::kinds::VariableType;

const PREFIX: &str = "ri1";
const DIGEST_CHARS: usize = 26;
const KEY_CHARS: usize = 8;
const ATTEMPT_CHARS: usize = 8;
const MAX_SLUG_CHARS: usize = 40;

/// Eight hexadecimal digits that stand for an owner (manifest and job) or for a
/// source (its path relative to the manifest).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceKey(String);

impl SourceKey {
    /// The owner of all parts of one job.
    pub fn owner(manifest: &str, job: &str) -> Self {
        Self::over(&[manifest.as_bytes(), job.as_bytes()])
    }

    /// One source of a job. `path` is relative to the manifest's root, with `/`.
    pub fn source(path: &str) -> Self {
        Self::over(&[path.as_bytes()])
    }

    fn over(fields: &[&[u8]]) -> Self {
        let mut hasher = Sha256Hasher::new();
        for field in fields {
            hasher.update_field(field);
        }
        Self(hasher.finish().short_hex(KEY_CHARS))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a part is: all of its name but the attempt. Equal identities hold equal
/// rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartIdentity {
    /// For people; `[a-z0-9_]`, at most 40 characters.
    pub slug: String,
    /// Manifest and job.
    pub owner: SourceKey,
    /// The source.
    pub source: SourceKey,
    /// 0-based index of the first row among the source's encoded rows. 0 for a
    /// bulk upload.
    pub first_row: u64,
    /// Rows in the part, refused ones included. 0 for a bulk upload.
    pub rows: u64,
    /// 130 bits over owner, schema, rows and source; 26 of `[a-z2-7]`.
    pub digest: String,
    /// Rows that the platform refused and that were left out.
    pub refused: u64,
}

impl PartIdentity {
    /// Rows that the platform holds when the part is complete.
    pub fn stored_rows(&self) -> u64 {
        self.rows - self.refused
    }

    /// The name of one attempt at sending it. `attempt` is any random number.
    pub fn attempt(&self, attempt: u32) -> PartName {
        PartName {
            identity: self.clone(),
            attempt: format!("{attempt:08x}"),
        }
    }

    /// Whether both hold the same rows of the same place, refused or not.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.owner == other.owner
            && self.source == other.source
            && self.first_row == other.first_row
            && self.rows == other.rows
            && self.digest == other.digest
    }
}

impl fmt::Display for PartIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{PREFIX}_{}_{}_{}_{}_{}_{}",
            self.slug, self.owner, self.source, self.first_row, self.rows, self.digest
        )?;
        if self.refused > 0 {
            write!(f, "_x{}", self.refused)?;
        }
        Ok(())
    }
}

/// The whole name of one upload of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartName {
    /// What it holds.
    pub identity: PartIdentity,
    /// Which try; 8 characters of `[a-z0-9]`, and what the platform added when it
    /// thought the name taken.
    pub attempt: String,
}

impl PartName {
    /// Reads a name from the remote's list; `None`: not one of ours. A name that
    /// the platform took for taken and gave a number to is still ours: nobody
    /// else makes such names, and a run that was killed just then left it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::parse_whole(name).or_else(|| {
            let (ours, added) = name.split_at(without_number(name)?.len());
            let mut read = Self::parse_whole(ours)?;
            read.attempt.push_str(added);
            Some(read)
        })
    }

    fn parse_whole(name: &str) -> Option<Self> {
        let mut fields = name.rsplit('_');
        let attempt = fields.next().filter(|text| is_word(text, ATTEMPT_CHARS))?;
        let mut digest = fields.next()?;
        let mut refused = 0;
        if digest.len() != DIGEST_CHARS {
            refused = number(digest.strip_prefix('x')?).filter(|count| *count > 0)?;
            digest = fields.next()?;
        }
        if digest.len() != DIGEST_CHARS
            || !digest
                .bytes()
                .all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7'))
        {
            return None;
        }
        let rows = number(fields.next()?)?;
        let first_row = number(fields.next()?)?;
        let source = key(fields.next()?)?;
        let owner = key(fields.next()?)?;
        let mut slug: Vec<&str> = fields.collect();
        if slug.pop()? != PREFIX || slug.is_empty() || refused > rows {
            return None;
        }
        slug.reverse();
        Some(Self {
            identity: PartIdentity {
                slug: slug.join("_"),
                owner,
                source,
                first_row,
                rows,
                digest: digest.to_owned(),
                refused,
            },
            attempt: attempt.to_owned(),
        })
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.identity, self.attempt)
    }
}

/// A name without a number at its end, as in `name_1`, `name-1` and `name (1)`.
fn without_number(name: &str) -> Option<&str> {
    let inner = name.strip_suffix(')').unwrap_or(name);
    let stem = inner.trim_end_matches(|c: char| c.is_ascii_digit());
    let ours = stem.trim_end_matches(['_', '-', ' ', '(']);
    (stem.len() < inner.len() && ours.len() < stem.len()).then_some(ours)
}

/// A readable piece of `text` for a name: lower-case, `[a-z0-9_]`, at most 40
/// characters, never empty.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        if out.len() == MAX_SLUG_CHARS {
            break;
        }
    }
    let trimmed = out.trim_end_matches('_');
    if trimmed.is_empty() {
        "data".to_owned()
    } else {
        trimmed.to_owned()
    }
}

/// Makes the digest of a part from its encoded rows as they pass: a SHA-256 over
/// owner, schema, the BLAKE3 of the rows, and source. The source comes last, so
/// that rows can be tried against parts of a renamed source.
#[derive(Debug, Clone)]
pub struct PartHasher {
    head: Sha256Hasher,
    rows: RowsHasher,
}

impl PartHasher {
    /// For rows of this owner and schema; variables in their order.
    pub fn for_rows<'a>(
        owner: &SourceKey,
        schema: impl IntoIterator<Item = (&'a str, VariableType)>,
    ) -> Self {
        let mut head = Sha256Hasher::new();
        head.update_field(b"rows");
        head.update_field(owner.as_str().as_bytes());
        let mut words = Sha256Hasher::new();
        for (name, kind) in schema {
            words.update_field(name.as_bytes());
            words.update_field(kind.as_str().as_bytes());
        }
        head.update(words.finish().as_bytes());
        Self {
            head,
            rows: RowsHasher::new(),
        }
    }

    /// Adds rows as they stand in a payload: JSON objects with a comma between two. They
    /// may come in any pieces.
    pub fn rows(&mut self, text: &[u8]) {
        self.rows.update(text);
    }

    /// The same of as much of `text` as is hashed fast; answers how many bytes that is.
    pub fn blocks_of_rows(&mut self, text: &[u8]) -> usize {
        self.rows.update_blocks(text)
    }

    /// The digest of all rows so far, as rows of `source`.
    pub fn digest(&self, source: &SourceKey) -> String {
        let mut hasher = self.head.clone();
        hasher.update(&self.rows.digest());
        hasher.update_field(source.as_str().as_bytes());
        hasher.finish().short_base32()
    }

    /// The digest of a bulk upload: its content and how the platform is told to
    /// read it (`reading` is a canonical text of type and options).
    pub fn upload(
        owner: &SourceKey,
        source: &SourceKey,
        content: &Sha256Digest,
        reading: &str,
    ) -> String {
        let mut hasher = Sha256Hasher::new();
        hasher.update_field(b"upload");
        hasher.update_field(owner.as_str().as_bytes());
        hasher.update_field(reading.as_bytes());
        hasher.update_field(content.as_bytes());
        hasher.update_field(source.as_str().as_bytes());
        hasher.finish().short_base32()
    }
}

fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if canonical && digits {
        text.parse().ok()
    } else {
        None
    }
}

fn key(text: &str) -> Option<SourceKey> {
    let good =
        text.len() == KEY_CHARS && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    good.then(|| SourceKey(text.to_owned()))
}

fn is_word(text: &str, chars: usize) -> bool {
    text.len() == chars
        && text
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> PartIdentity {
        let owner = SourceKey::owner("coastal-survey", "readings");
        let source = SourceKey::source("data/readings/readings_2026-01-01.csv");
        let mut hasher = PartHasher::for_rows(
            &owner,
            [
                ("station", VariableType::String),
                ("value", VariableType::Float),
            ],
        );
        hasher.rows(br#"{"station":"a","value":1.5},{"station":"b","value":null}"#);
        let digest = hasher.digest(&source);
        PartIdentity {
            slug: slug("Readings 2026!"),
            owner,
            source,
            first_row: 40,
            rows: 2,
            digest,
            refused: 0,
        }
    }

    /// Golden: these names are on users' remotes. They never change.
    #[test]
    fn part_names_are_pinned() {
        let name = identity().attempt(0x0123_4567);

        assert_eq!(
            name.to_string(),
            "ri1_readings_2026_63a4d538_8fddece8_40_2_5z3okvepbbaqxpkf5zctidwvg6_01234567"
        );
    }

    #[test]
    fn a_name_reads_back() {
        let mut identity = identity();
        for refused in [0, 1] {
            identity.refused = refused;
            let name = identity.attempt(7);

            assert_eq!(PartName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn a_name_that_the_platform_gave_a_number_is_still_ours() {
        let name = identity().attempt(7);
        for number in ["_1", "-2", " (3)", "_12"] {
            let renamed = format!("{name}{number}");
            let read = PartName::parse(&renamed).unwrap();

            assert_eq!(read.identity, name.identity);
            assert_eq!(read.to_string(), renamed);
        }
        for added in ["1", "_", "_x", "_1_x", ")"] {
            assert_eq!(PartName::parse(&format!("{name}{added}")), None, "{added}");
        }
    }

    #[test]
    fn other_people_s_names_are_foreign() {
        let good = identity().attempt(1).to_string();
        for name in [
            "",
            "ri1",
            "survey.csv",
            "ri2_a_b_c",
            &good.replace("ri1_", "ri2_"),
            &good.replace("_40_", "_040_"),
            &good.replace("_40_2_", "_40_2_extra_"),
            &good.to_uppercase(),
        ] {
            assert_eq!(PartName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_digest_covers_owner_schema_rows_and_source() {
        let owner = SourceKey::owner("m", "j");
        let source = SourceKey::source("a.csv");
        let schema = [("x", VariableType::String)];
        let base = {
            let mut hasher = PartHasher::for_rows(&owner, schema);
            hasher.rows(b"{}");
            hasher
        };
        let mut others = vec![base.digest(&SourceKey::source("b.csv"))];
        for (owner, schema, row) in [
            (SourceKey::owner("m", "k"), schema, b"{}"),
            (owner.clone(), [("x", VariableType::Float)], b"{}"),
            (owner.clone(), schema, b"[]"),
        ] {
            let mut hasher = PartHasher::for_rows(&owner, schema);
            hasher.rows(row);
            others.push(hasher.digest(&source));
        }

        assert!(!others.contains(&base.digest(&source)));
    }

    #[test]
    fn slugs_keep_to_their_alphabet() {
        assert_eq!(slug("Données du matin.csv"), "donn_es_du_matin_csv");
        assert_eq!(slug("___"), "data");
        assert_eq!(slug(&"ab-".repeat(30)).len(), 40);
    }
}
