//! Patterns to paths. A walk starts at the pattern's literal folder and goes no
//! deeper than the pattern can match; it never leaves on its own through a loop
//! of links.

use std::borrow::Cow;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use glob::{MatchOptions, Pattern};
use walkdir::{DirEntry, WalkDir};

use crate::base::{Fingerprint, KernelFiles};
use crate::manifest::{PathEntry, PathPattern, Symlinks, kernel_files};
use crate::source::SourceError;

use super::{ResolveOptions, SkipReason, Skipped, SourceProblem, SourceProblemKind};

/// A file that an entry matches.
#[derive(Debug)]
pub(super) struct Found {
    /// Relative to the root, as it is on the disk; joined to the root it is the
    /// path.
    pub(super) shown: Box<str>,
    pub(super) fingerprint: Fingerprint,
}

/// What the entries of a job match. `found` is sorted per entry.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) found: Vec<Found>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) problems: Vec<SourceProblem>,
    /// What is no file of the user's although it looks like one.
    kernel_files: KernelFiles,
}

const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The folder that a pattern starts in, as text that ends in `/`, or empty for
/// the root; and the rest of the pattern.
pub(super) fn split_literal(pattern: &str) -> (String, String) {
    let pattern = tidy(pattern);
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let split = pattern
        .char_indices()
        .take_while(|(at, _)| *at < wild)
        .filter(|(_, c)| *c == '/')
        .last()
        .map_or(0, |(at, _)| at + 1);
    let (folder, rest) = pattern.split_at(split);
    (folder.to_owned(), rest.to_owned())
}

/// Without `.` parts and doubled slashes.
pub(super) fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let start = if path.starts_with('/') { "/" } else { "" };
    let end = if path.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("{start}{}{end}", parts.join("/"))
}

/// Finds what one entry matches.
pub(super) fn walk_entry(
    options: &ResolveOptions<'_>,
    entry: &PathEntry,
    symlinks: Symlinks,
) -> Result<Walked, SourceError> {
    let mut walked = Walked {
        kernel_files: kernel_files(),
        ..Walked::default()
    };
    let mut excludes = Vec::new();
    for text in &entry.exclude {
        match Pattern::new(&tidy(text)) {
            Ok(pattern) => excludes.push(pattern),
            Err(error) => walked.problem(text, bad_pattern(error)),
        }
    }
    let entries = Entries {
        options,
        excludes,
        symlinks,
    };
    match &entry.pattern {
        PathPattern::Literal(path) => entries.literal(path, &mut walked),
        PathPattern::Glob(text) => entries.glob(text, &mut walked)?,
    }
    walked
        .found
        .sort_unstable_by(|a, b| a.shown.as_bytes().cmp(b.shown.as_bytes()));
    Ok(walked)
}

impl Walked {
    fn problem(&mut self, shown: &str, kind: SourceProblemKind) {
        self.problems.push(SourceProblem {
            shown: shown.to_owned(),
            kind,
        });
    }

    fn file(&mut self, path: &Path, shown: String, metadata: &Metadata) {
        if self.kernel_files.has(metadata) {
            return self.problem(&shown, SourceProblemKind::NotAFile);
        }
        // Opening is slow over millions of files; only doubtful ones are tried.
        let open_to_all = metadata.permissions().mode() & 0o004 != 0;
        if !open_to_all && let Err(error) = std::fs::File::open(path) {
            return self.problem(&shown, unreadable(&error));
        }
        self.found.push(Found {
            shown: shown.into(),
            fingerprint: Fingerprint::of(metadata),
        });
    }

    fn skip(&mut self, shown: &str, reason: SkipReason) {
        self.skipped.push(Skipped {
            shown: shown.to_owned(),
            reason,
        });
    }
}

struct Entries<'a> {
    options: &'a ResolveOptions<'a>,
    excludes: Vec<Pattern>,
    symlinks: Symlinks,
}

impl Entries<'_> {
    fn literal(&self, text: &str, walked: &mut Walked) {
        let shown = shown_of(self.options.root, tidy(text));
        let path = self.options.root.join(&shown);
        let link = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.is_symlink(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !self.options.allow_empty {
                    walked.problem(&shown, SourceProblemKind::NotFound);
                }
                return;
            }
            Err(error) => return walked.problem(&shown, unreadable(&error)),
        };
        if link && self.is_barred_link(&shown, walked) {
            return;
        }
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                walked.problem(&shown, SourceProblemKind::IsAFolder);
            }
            Ok(metadata) if !metadata.is_file() => {
                walked.problem(&shown, SourceProblemKind::NotAFile);
            }
            Ok(metadata) => walked.file(&path, shown, &metadata),
            Err(error) => walked.problem(&shown, link_or_unreadable(link, &error)),
        }
    }

    fn glob(&self, text: &str, walked: &mut Walked) -> Result<(), SourceError> {
        let (folder, rest) = split_literal(text);
        let pattern = match Pattern::new(&rest) {
            Ok(pattern) => pattern,
            Err(error) => {
                walked.problem(text, bad_pattern(error));
                return Ok(());
            }
        };
        let before = (
            walked.found.len(),
            walked.problems.len(),
            walked.skipped.len(),
        );
        let prefix = shown_of(self.options.root, folder);
        let start = self.options.root.join(&prefix);
        if start.is_dir() {
            self.walk(&start, &prefix, &rest, &pattern, walked)?;
        }
        let after = (
            walked.found.len(),
            walked.problems.len(),
            walked.skipped.len(),
        );
        if after == before && !self.options.allow_empty {
            walked.problem(text, SourceProblemKind::NoMatch);
        }
        Ok(())
    }

    fn walk(
        &self,
        start: &Path,
        prefix: &str,
        rest: &str,
        pattern: &Pattern,
        walked: &mut Walked,
    ) -> Result<(), SourceError> {
        let depth = if rest.contains("**") {
            usize::MAX
        } else {
            rest.split('/').count()
        };
        let mut entries = WalkDir::new(start)
            .min_depth(1)
            .max_depth(depth)
            .follow_links(self.symlinks == Symlinks::Follow)
            .into_iter();
        let mut seen = 0_u32;
        while let Some(entry) = entries.next() {
            seen = seen.wrapping_add(1);
            if seen % 1024 == 1 && self.options.cancel.is_cancelled() {
                return Err(SourceError::Cancelled);
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.walk_error(start, prefix, pattern, &error, walked);
                    continue;
                }
            };
            let name = relative(start, entry.path());
            let shown = format!("{prefix}{}", name.text);
            if self.is_excluded(&shown) {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                continue;
            }
            self.entry(&entry, &name, shown, pattern, walked);
        }
        Ok(())
    }

    fn entry(
        &self,
        entry: &DirEntry,
        name: &Name<'_>,
        shown: String,
        pattern: &Pattern,
        walked: &mut Walked,
    ) {
        let matches = pattern.matches_with(&name.lossy, MATCHING);
        let kind = entry.file_type();
        if kind.is_symlink() {
            // Not followed. A link to a folder would hide what is below it.
            if matches || entry.path().is_dir() {
                self.is_barred_link(&shown, walked);
            }
            return;
        }
        if kind.is_dir() || !matches {
            return;
        }
        if !name.is_utf8 {
            return walked.problem(&shown, SourceProblemKind::NotUtf8);
        }
        if !kind.is_file() {
            return walked.skip(&shown, SkipReason::NotAFile);
        }
        match entry.metadata() {
            Ok(metadata) => walked.file(entry.path(), shown, &metadata),
            Err(error) => {
                let why = unreadable(&io::Error::from(error));
                walked.problem(&shown, why);
            }
        }
    }

    fn walk_error(
        &self,
        start: &Path,
        prefix: &str,
        pattern: &Pattern,
        error: &walkdir::Error,
        walked: &mut Walked,
    ) {
        let name = relative(start, error.path().unwrap_or(start));
        let shown = format!("{prefix}{}", name.text);
        if self.is_excluded(&shown) {
            return;
        }
        if error.loop_ancestor().is_some() {
            return walked.problem(&shown, SourceProblemKind::LinkLoop);
        }
        let dangling = error.path().is_some_and(Path::is_symlink);
        let Some(io_error) = error.io_error() else {
            return;
        };
        // A dangling link that the pattern does not match is nobody's business.
        if dangling && !pattern.matches_with(&name.lossy, MATCHING) {
            return;
        }
        walked.problem(&shown, link_or_unreadable(dangling, io_error));
    }

    /// A link where links are not followed: left out, or a problem.
    fn is_barred_link(&self, shown: &str, walked: &mut Walked) -> bool {
        match self.symlinks {
            Symlinks::Follow => return false,
            Symlinks::Skip => walked.skip(shown, SkipReason::Symlink),
            Symlinks::Fail => walked.problem(shown, SourceProblemKind::LinkNotAllowed),
        }
        true
    }

    fn is_excluded(&self, shown: &str) -> bool {
        self.excludes
            .iter()
            .any(|pattern| pattern.matches_with(shown, MATCHING))
    }
}

/// The text relative to the root where it lies below it.
pub(super) fn shown_of(root: &Path, text: String) -> String {
    if !text.starts_with('/') {
        return text;
    }
    let root = root.to_string_lossy();
    let below = text.strip_prefix(&*root);
    match below.and_then(|rest| rest.strip_prefix('/')) {
        Some(rest) => rest.to_owned(),
        None if below == Some("") => String::new(),
        None => text,
    }
}

/// A path below the walk's start.
struct Name<'a> {
    /// To show: bytes that are not UTF-8 are escaped.
    text: Cow<'a, str>,
    /// To match: they are replaced.
    lossy: Cow<'a, str>,
    is_utf8: bool,
}

fn relative<'a>(start: &Path, path: &'a Path) -> Name<'a> {
    let below = path.strip_prefix(start).unwrap_or(path);
    match below.to_str() {
        Some(text) => Name {
            text: Cow::Borrowed(text),
            lossy: Cow::Borrowed(text),
            is_utf8: true,
        },
        None => Name {
            text: Cow::Owned(escaped_bytes(below.as_os_str().as_bytes())),
            lossy: below.to_string_lossy(),
            is_utf8: false,
        },
    }
}

fn escaped_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().flat_map(|byte| {
            let digit = |nibble| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
            ['\\', 'x', digit(byte >> 4), digit(byte & 15)]
        }));
    }
    text
}

#[expect(clippy::needless_pass_by_value, reason = "for use with map_err")]
fn bad_pattern(error: glob::PatternError) -> SourceProblemKind {
    SourceProblemKind::BadPattern {
        why: error.to_string(),
    }
}

fn unreadable(error: &io::Error) -> SourceProblemKind {
    SourceProblemKind::Unreadable {
        why: error.to_string(),
    }
}

fn link_or_unreadable(link: bool, error: &io::Error) -> SourceProblemKind {
    let kind = error.kind();
    if !link || kind == io::ErrorKind::PermissionDenied {
        return unreadable(error);
    }
    if kind == io::ErrorKind::NotFound {
        return SourceProblemKind::DanglingLink;
    }
    // `ELOOP` has no stable kind.
    SourceProblemKind::LinkLoop
}
