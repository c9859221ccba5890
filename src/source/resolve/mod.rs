//! Which files a job means. `glob` gives the patterns' syntax and `walkdir` the
//! walk; what is wrong with one name is collected and never stops the rest.
//!
//! [`walk`] finds paths, [`files`] gives them remote names, [`tables`] makes row
//! sources and bulk uploads of them.

mod files;
mod place;
mod tables;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::{CancelToken, FileName, Fingerprint, PartIdentity, SourceKey, UploadType, part};

pub use files::resolve_files;
pub use place::literal_place;
pub use tables::{resolve_rows, resolve_uploads};

/// What resolving rests on, the entries apart.
#[derive(Debug, Clone, Copy)]
pub struct ResolveOptions<'a> {
    /// The folder that relative paths start from. Absolute.
    pub root: &'a Path,
    /// An entry that matches nothing is no problem.
    pub allow_empty: bool,
    /// The time, in nanoseconds since 1970; for `min_age`.
    pub now_ns: i64,
    /// To stop a long walk.
    pub cancel: &'a CancelToken,
}

/// A file to be sent under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Its remote name.
    pub name: FileName,
    shown: Shown,
    /// What it was when it was found.
    pub fingerprint: Fingerprint,
}

/// A path. There can be millions: most are the name below a folder that all share.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    NameBelow(Arc<str>),
    Other(Box<str>),
}

impl LocalFile {
    /// A file found as `shown`, of an entry whose names start below `base`.
    pub(crate) fn new(
        name: FileName,
        shown: Box<str>,
        base: &Arc<str>,
        fingerprint: Fingerprint,
    ) -> Self {
        let is_below = below(base, &shown) == Some(name.as_str());
        Self {
            name,
            shown: if is_below {
                Shown::NameBelow(Arc::clone(base))
            } else {
                Shown::Other(shown)
            },
            fingerprint,
        }
    }

    /// Relative to the root, with `/`; absolute when outside.
    pub fn shown(&self) -> String {
        match &self.shown {
            Shown::NameBelow(base) if base.is_empty() => self.name.to_string(),
            Shown::NameBelow(base) => format!("{base}/{}", self.name),
            Shown::Other(shown) => shown.to_string(),
        }
    }

    /// Where it is. Not kept, since there can be millions of files.
    pub fn path(&self, root: &Path) -> PathBuf {
        root.join(self.shown())
    }
}

/// What of a path is below a folder; all of it is below the empty one.
fn below<'p>(base: &str, shown: &'p str) -> Option<&'p str> {
    if base.is_empty() {
        return Some(shown);
    }
    shown
        .strip_prefix(base)
        .and_then(|rest| rest.strip_prefix('/'))
}

/// The files of a files job.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// Sorted by name; names are unique.
    pub files: Vec<LocalFile>,
    /// Left out on purpose; sorted.
    pub skipped: Vec<Skipped>,
    /// Sorted.
    pub problems: Vec<SourceProblem>,
}

/// One source of a rows job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowInput {
    /// Where it is. Absolute.
    pub path: PathBuf,
    /// Its identity: relative to the root, with `/`.
    pub shown: String,
    /// What it was when it was found.
    pub fingerprint: Fingerprint,
    /// Index into the job's entries.
    pub entry: usize,
    /// Stands for `shown` in part names.
    pub key: SourceKey,
}

impl RowInput {
    /// The readable piece of the names of its parts: of the file's name up to its first
    /// dot.
    pub fn slug(&self) -> String {
        let name = self.shown.rsplit('/').next().unwrap_or(&self.shown);
        let stem = name.split('.').next().filter(|stem| !stem.is_empty());
        part::slug(stem.unwrap_or(name))
    }

    /// Whether a part was delivered for it. A key is short: two paths can have the
    /// same one.
    pub fn is_source_of(&self, identity: &PartIdentity) -> bool {
        identity.source == self.key && identity.slug == self.slug()
    }
}

/// The sources of a rows job.
#[derive(Debug, Clone, Default)]
pub struct ResolvedRows {
    /// Sorted by `shown`; keys are unique.
    pub inputs: Vec<RowInput>,
    /// Left out on purpose; sorted.
    pub skipped: Vec<Skipped>,
    /// Sorted.
    pub problems: Vec<SourceProblem>,
}

/// One file of an uploads job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadInput {
    /// Where it is. Absolute.
    pub path: PathBuf,
    /// Its identity: relative to the root, with `/`.
    pub shown: String,
    /// What it was when it was found.
    pub fingerprint: Fingerprint,
    /// Index into the job's entries.
    pub entry: usize,
    /// Stands for `shown` in the upload's name.
    pub key: SourceKey,
    /// The readable piece of the upload's name.
    pub stem: String,
    /// How the platform reads it.
    pub kind: UploadType,
}

/// The files of an uploads job.
#[derive(Debug, Clone, Default)]
pub struct ResolvedUploads {
    /// Sorted by `shown`; keys are unique.
    pub inputs: Vec<UploadInput>,
    /// Left out on purpose; sorted.
    pub skipped: Vec<Skipped>,
    /// Sorted.
    pub problems: Vec<SourceProblem>,
}

/// A path that matches and is left out on purpose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Relative to the root.
    pub shown: String,
    /// Why.
    pub reason: SkipReason,
}

/// Why a path is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// Younger than `min_age`: somebody may still be writing it.
    TooYoung,
    /// A link, and `symlinks: skip`.
    Symlink,
    /// A socket, a pipe or a device.
    NotAFile,
}

impl SkipReason {
    /// The reason code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooYoung => "too_young",
            Self::Symlink => "symlink",
            Self::NotAFile => "not_a_file",
        }
    }
}

/// What is wrong with one path or pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("`{shown}` {kind}")]
pub struct SourceProblem {
    /// The path relative to the root, or the pattern. Bytes that are not UTF-8
    /// are written `\xNN`.
    pub shown: String,
    /// What.
    pub kind: SourceProblemKind,
}

/// The kinds of problem. `Display` continues a sentence that starts with the
/// path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SourceProblemKind {
    /// A glob that matches no file.
    #[error("matches no file")]
    NoMatch,
    /// Not a pattern.
    #[error("is not a pattern: {why}")]
    BadPattern {
        /// What is wrong with it.
        why: String,
    },
    /// A literal path that is not there.
    #[error("does not exist")]
    NotFound,
    /// A literal path that is a folder.
    #[error("is a folder, not a file")]
    IsAFolder,
    /// A literal path that is a socket, a pipe or a device, or any file of the
    /// kernel's own, such as those below `/proc`.
    #[error("is not a regular file")]
    NotAFile,
    /// A file or folder that we may not read.
    #[error("cannot be read: {why}")]
    Unreadable {
        /// What the system said.
        why: String,
    },
    /// A link to nothing.
    #[error("is a link to something that does not exist")]
    DanglingLink,
    /// A link to a folder above it.
    #[error("is a link back to a folder that contains it")]
    LinkLoop,
    /// A link, and `symlinks: fail`.
    #[error("is a link, and `symlinks` is `fail`")]
    LinkNotAllowed,
    /// A name that is not UTF-8 cannot be a remote name.
    #[error("has a name that is not UTF-8")]
    NotUtf8,
    /// A file outside the entry's base folder.
    #[error("is not below the base folder `{base}`")]
    NotBelowBase {
        /// The folder.
        base: String,
    },
    /// A name that the platform would not take.
    #[error("cannot be named `{name}` on the remote: {why}")]
    BadName {
        /// The name it would get.
        name: String,
        /// The rule it breaks.
        why: String,
    },
    /// Two files with one remote name.
    #[error("gets the remote name `{name}`, which `{other}` has already")]
    SameName {
        /// The name.
        name: String,
        /// The other file.
        other: String,
    },
    /// Two files whose names are one in Unicode's composed form.
    #[error("gets the remote name `{name}`, as does `{other}`: they differ only in Unicode form")]
    FormTwins {
        /// The name.
        name: String,
        /// The other file.
        other: String,
    },
    /// Two names that differ only by case.
    #[error("differs from `{other}` only by case")]
    CaseTwins {
        /// The other file.
        other: String,
    },
    /// A name that is also a folder of another.
    #[error("has the remote name of a folder that holds `{other}`")]
    FolderClash {
        /// The other file.
        other: String,
    },
    /// Matched by two entries that would read it differently.
    #[error("is matched by two entries that read it differently")]
    TwoReadings,
    /// Two sources that part names could not tell apart.
    #[error("cannot be told from `{other}` in part names; rename one of them")]
    SameKey {
        /// The other source.
        other: String,
    },
    /// Two uploads whose names the platform could take for one.
    #[error("gives an upload name that the platform can take for that of `{other}`")]
    SameUploadName {
        /// The other file.
        other: String,
    },
    /// A bulk file whose type its ending does not tell.
    #[error("has an ending that tells no type; state `type`")]
    UnknownType,
}

impl SourceProblemKind {
    /// The stable code of a diagnostic.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMatch => "source/no-match",
            Self::BadPattern { .. } => "source/bad-pattern",
            Self::NotFound => "source/not-found",
            Self::IsAFolder => "source/is-a-folder",
            Self::NotAFile => "source/not-a-file",
            Self::Unreadable { .. } => "source/unreadable",
            Self::DanglingLink => "source/dangling-link",
            Self::LinkLoop => "source/link-loop",
            Self::LinkNotAllowed => "source/link",
            Self::NotUtf8 => "source/not-utf8",
            Self::NotBelowBase { .. } => "source/not-below-base",
            Self::BadName { .. } => "source/bad-name",
            Self::SameName { .. } => "source/same-name",
            Self::FormTwins { .. } => "source/form-twins",
            Self::CaseTwins { .. } => "source/case-twins",
            Self::FolderClash { .. } => "source/folder-clash",
            Self::TwoReadings => "source/two-readings",
            Self::SameKey { .. } => "source/same-key",
            Self::SameUploadName { .. } => "source/same-upload-name",
            Self::UnknownType => "source/unknown-type",
        }
    }

    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::NoMatch => {
                "check the pattern and the folder it starts in; if nothing is right too, say `allow_empty: true`"
            }
            Self::BadPattern { .. } => "`*`, `**`, `?` and `[..]` are special in a pattern",
            Self::NotFound => {
                "check the path, which starts at the manifest's folder; if it may be missing, say `allow_empty: true`"
            }
            Self::IsAFolder => {
                "name a file, or use `glob` instead of `path`, as in `glob: FOLDER/**/*`"
            }
            Self::NotAFile => "name a regular file",
            Self::Unreadable { .. } => "give the user who runs this the right to read it",
            Self::DanglingLink => {
                "repair or remove the link, or exclude it; a job of files can say `symlinks: skip`"
            }
            Self::LinkLoop => {
                "remove the link, or exclude it; a job of files can say `symlinks: skip`"
            }
            Self::LinkNotAllowed => "exclude it, or say `symlinks: follow` or `symlinks: skip`",
            Self::NotUtf8 => "rename the file, or exclude it",
            Self::NotBelowBase { .. } => {
                "give a `base` that is a folder above all files of the entry"
            }
            Self::BadName { .. } => "rename the file, or give another `base` or `prefix`",
            Self::SameName { .. } => {
                "give one of the entries a `prefix`, or exclude one of the files"
            }
            Self::FormTwins { .. } | Self::CaseTwins { .. } => {
                "rename or exclude one of them: many systems could not hold both"
            }
            Self::FolderClash { .. } => "rename one of them, or give one of the entries a `prefix`",
            Self::TwoReadings => "let only one of the entries match it, with `exclude`",
            Self::SameKey { .. } => "rename one of the files",
            Self::SameUploadName { .. } => {
                "rename one of the files, or give it a `name` of its own"
            }
            Self::UnknownType => "state `type`, such as `type: delimited`",
        }
    }
}

#[cfg(test)]
mod tests;
