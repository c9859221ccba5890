//! What can be wrong with a manifest: a closed list of stable codes, one
//! [`Problem`] per place, and the [`ManifestError`] that carries all of them.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// More problems than this are counted, not kept: nobody reads further, and a
/// hostile manifest must stay cheap.
pub(super) const MOST_PROBLEMS: usize = 100;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $code:literal,)+) => {
        /// The kind of a problem. Codes are stable: scripts may match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ProblemCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ProblemCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable code, such as `manifest/unknown-key`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => concat!("manifest/", $code),)+ }
            }

            /// What it means, in a line.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The text is not YAML, or holds more than one document.
    Syntax = "syntax",
    /// The file is not UTF-8.
    Encoding = "encoding",
    /// A NUL or another control character stands in the text.
    ControlCharacter = "control-character",
    /// The manifest is too deep, has too many values, or its aliases or defaults multiply into too many.
    TooLarge = "too-large",
    /// A YAML feature that manifests do not use: a custom tag, a key that is no text, an alias of a value that contains it.
    Unsupported = "unsupported",
    /// A key stands twice in one mapping.
    DuplicateKey = "duplicate-key",
    /// A key that does not exist at this place.
    UnknownKey = "unknown-key",
    /// A key that must be given is missing.
    MissingKey = "missing-key",
    /// A value of another form than the key takes.
    WrongType = "wrong-type",
    /// A list or text that must hold something is empty.
    Empty = "empty",
    /// A key that looks like a token or a password: secrets never stand in a manifest.
    Secret = "secret",
    /// A variable without a value in the environment and without a default.
    UnsetVariable = "unset-variable",
    /// A `${..}` that is not closed or names no variable.
    BadVariableSyntax = "bad-variable-syntax",
    /// `version` is not 1.
    Version = "version",
    /// A name that breaks the rules for names.
    BadName = "bad-name",
    /// A dataset or table reference that cannot be read.
    BadReference = "bad-reference",
    /// A reference to a version other than `next`, the only one that can be written.
    NotNext = "not-next",
    /// Two jobs have one name.
    DuplicateJob = "duplicate-job",
    /// A job has not exactly one of `files`, `rows` and `uploads`.
    SourceKind = "source-kind",
    /// Jobs of different kinds write one table.
    MixedKinds = "mixed-kinds",
    /// A key that this kind of job, source or variable does not have.
    MisplacedKey = "misplaced-key",
    /// Two keys that exclude each other, or contradict each other.
    Conflict = "conflict",
    /// `tables` names a table that no job writes.
    UnusedTable = "unused-table",
    /// `tables` names one table twice.
    DuplicateTable = "duplicate-table",
    /// A word that is not one of those the key takes.
    BadWord = "bad-word",
    /// A number outside the range the key allows.
    OutOfRange = "out-of-range",
    /// Text that is no size, such as `32MiB`.
    BadSize = "bad-size",
    /// Text that is no duration, such as `2m`.
    BadDuration = "bad-duration",
    /// Text that is no percentage from 0% to 100%.
    BadPercentage = "bad-percentage",
    /// A dialect character that is not one ASCII character, or a line break.
    BadCharacter = "bad-character",
    /// A name of a text encoding that nobody knows.
    BadEncoding = "bad-encoding",
    /// A glob whose syntax is wrong.
    BadGlob = "bad-glob",
    /// A path that cannot be used where it stands.
    BadPath = "bad-path",
    /// A pattern for dates or for file names that is wrong.
    BadPattern = "bad-pattern",
    /// A JSON pointer that is wrong, or that is used on CSV sources.
    BadPointer = "bad-pointer",
    /// A variable's name that the platform would change or that is reserved.
    BadVariableName = "bad-variable-name",
    /// Two variables whose names the platform takes for the same.
    DuplicateVariable = "duplicate-variable",
    /// A label or a description that is longer than the platform takes, or than a label can be.
    TooLong = "too-long",
    /// A coded value that is no value of its variable's type.
    BadCode = "bad-code",
    /// A schema file that cannot be read.
    SchemaFile = "schema-file",
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its kind.
    pub code: ProblemCode,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Which text of the [`ManifestError`] it is about: 0 is the manifest, others are
    /// schema files.
    pub source: usize,
    /// Where, in bytes of that text; on character boundaries.
    pub span: Range<usize>,
    /// What stands at the caret; may be empty.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

/// A text that problems point into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// As it was named.
    pub path: PathBuf,
    /// What was read (a byte order mark removed).
    pub text: String,
    /// Places that may hold a secret and are never shown.
    pub(super) hidden: Vec<Range<usize>>,
}

impl SourceText {
    /// 1-based line and column (in characters) of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before
            .get(line_start..)
            .map_or(0, |text| text.chars().count())
            + 1;
        (line, column)
    }
}

/// A manifest that cannot be used. Holds at least one problem; they are sorted by
/// place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    pub(super) sources: Vec<SourceText>,
    pub(super) problems: Vec<Problem>,
    pub(super) left_out: usize,
}

impl ManifestError {
    /// The problems, sorted by place; at most 100.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many more there are than [`Self::problems`] holds.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The manifest's path, as it was named.
    pub fn path(&self) -> &Path {
        self.sources
            .first()
            .map_or(Path::new(""), |source| source.path.as_path())
    }

    /// All problems as text that ends in a line break: for each its code, its
    /// place, the source line with a caret, and what to do. `colour` adds escapes
    /// for a terminal, `width` is its columns.
    pub fn render(&self, colour: bool, width: usize) -> String {
        super::render::render(self, colour, width)
    }

    /// The text a problem points into.
    pub fn source_of(&self, problem: &Problem) -> Option<&SourceText> {
        self.sources.get(problem.source)
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len() + self.left_out;
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(
            f,
            "cannot use the manifest `{}`: {count} {noun}",
            self.path().display()
        )
    }
}

impl std::error::Error for ManifestError {}

/// Collects problems while a manifest is checked.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    left_out: usize,
}

impl Problems {
    /// Adds one, unless the same was said of the same place: aliases and defaults
    /// bring the check to one place many times.
    pub(super) fn add(&mut self, problem: Problem) {
        if self.found.contains(&problem) {
            return;
        }
        if self.is_full() {
            self.left_out += 1;
        } else {
            self.found.push(problem);
        }
    }

    /// Whether another one would only be counted.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MOST_PROBLEMS
    }

    /// Counts one that is not worth making.
    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Puts dots in place of a secret.
    pub(super) fn redact(&mut self, secret: &str) {
        for problem in &mut self.found {
            let texts = [Some(&mut problem.message), Some(&mut problem.label)];
            for text in texts.into_iter().chain([problem.help.as_mut()]).flatten() {
                if text.contains(secret) {
                    *text = text.replace(secret, "..");
                }
            }
        }
    }

    /// The error, if there is anything to say.
    pub(super) fn into_error(mut self, sources: Vec<SourceText>) -> Option<ManifestError> {
        if self.found.is_empty() {
            return None;
        }
        self.found.sort_by(|a, b| {
            (a.source, a.span.start, a.code).cmp(&(b.source, b.span.start, b.code))
        });
        Some(ManifestError {
            sources,
            problems: self.found,
            left_out: self.left_out,
        })
    }
}
