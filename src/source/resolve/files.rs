//! Files under remote names: what each is called, and which names can't stand
//! side by side.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization as _;

use crate::base::FileName;
use crate::manifest::{FilesEntry, FilesSource, PathPattern};
use crate::source::SourceError;

use super::walk::{Found, shown_of, split_literal, tidy, walk_entry};
use super::{
    LocalFile, ResolveOptions, Resolved, SkipReason, Skipped, SourceProblem, SourceProblemKind,
    below,
};

/// Files whose room is given back at a time.
const SHRINK_EACH: usize = 1 << 16;

/// The files of a files job, with their remote names.
pub fn resolve_files(
    options: &ResolveOptions<'_>,
    source: &FilesSource,
) -> Result<Resolved, SourceError> {
    let mut resolved = Resolved::default();
    let youngest = i64::try_from(source.min_age.as_nanos())
        .ok()
        .and_then(|age| options.now_ns.checked_sub(age))
        .unwrap_or(i64::MIN);
    let mut files = Vec::new();
    for entry in &source.entries {
        let walked = walk_entry(options, &entry.paths, source.symlinks)?;
        resolved.skipped.extend(walked.skipped);
        resolved.problems.extend(walked.problems);
        let base: Arc<str> = base_of(options, entry).into();
        let mut left = walked.found;
        while let Some(found) = left.pop() {
            // The one list shrinks as the other grows.
            if left.len() % SHRINK_EACH == 0 {
                left.shrink_to_fit();
            }
            if !source.min_age.is_zero() && found.fingerprint.mtime_ns > youngest {
                resolved.skipped.push(Skipped {
                    shown: found.shown.into(),
                    reason: SkipReason::TooYoung,
                });
                continue;
            }
            match remote_name(&base, entry, &found) {
                Ok(name) => files.push(LocalFile::new(name, found.shown, &base, found.fingerprint)),
                Err(kind) => resolved.problems.push(SourceProblem {
                    shown: found.shown.into(),
                    kind,
                }),
            }
        }
    }
    resolved.files = unique(files, &mut resolved.problems);
    find_case_twins(&resolved.files, &mut resolved.problems);
    find_folder_clashes(&resolved.files, &mut resolved.problems);
    resolved.skipped.sort_unstable();
    resolved.skipped.dedup();
    resolved.problems.sort_unstable();
    resolved.problems.dedup();
    Ok(resolved)
}

/// The folder that remote names of an entry start below, without a `/` at its end.
fn base_of(options: &ResolveOptions<'_>, entry: &FilesEntry) -> String {
    let base = match (&entry.base, &entry.paths.pattern) {
        (Some(base), _) => tidy(base),
        (None, PathPattern::Glob(pattern)) => split_literal(pattern).0,
        (None, PathPattern::Literal(path)) => {
            let path = tidy(path);
            path.rsplit_once('/')
                .map(|(folder, _)| format!("{folder}/"))
                .unwrap_or_default()
        }
    };
    let mut base = shown_of(options.root, base);
    base.truncate(base.trim_end_matches('/').len());
    base
}

fn remote_name(
    base: &str,
    entry: &FilesEntry,
    found: &Found,
) -> Result<FileName, SourceProblemKind> {
    let Some(below) = below(base, &found.shown) else {
        return Err(SourceProblemKind::NotBelowBase {
            base: base.to_owned(),
        });
    };
    let name = format!("{}{below}", entry.prefix);
    name.parse().map_err(
        |error: crate::base::names::NameError| SourceProblemKind::BadName {
            name: name.clone(),
            why: error.why.to_owned(),
        },
    )
}

/// Sorted by name, each name once. A file that two entries give the same name
/// is one file.
fn unique(mut files: Vec<LocalFile>, problems: &mut Vec<SourceProblem>) -> Vec<LocalFile> {
    files.sort_unstable_by(|a, b| {
        let by_name = a.name.as_str().as_bytes().cmp(b.name.as_str().as_bytes());
        by_name.then_with(|| a.shown().cmp(&b.shown()))
    });
    // A second list of millions would fill memory.
    if files.windows(2).all(|pair| pair[0].name != pair[1].name) {
        return files;
    }
    let mut kept: Vec<LocalFile> = Vec::with_capacity(files.len());
    for file in files {
        let Some(first) = kept.last().filter(|last| last.name == file.name) else {
            kept.push(file);
            continue;
        };
        let (other, shown) = (first.shown(), file.shown());
        if other == shown {
            continue;
        }
        let name = file.name.to_string();
        let same_form = composed(&other) == composed(&shown);
        problems.push(SourceProblem {
            shown,
            kind: if same_form {
                SourceProblemKind::FormTwins { name, other }
            } else {
                SourceProblemKind::SameName { name, other }
            },
        });
    }
    kept
}

fn find_case_twins(files: &[LocalFile], problems: &mut Vec<SourceProblem>) {
    // Hashes first: folded copies of millions of names would fill memory.
    let mut folded: Vec<(u64, usize)> = files
        .iter()
        .enumerate()
        .map(|(index, file)| (folded_hash(file.name.as_str()), index))
        .collect();
    folded.sort_unstable();
    for pair in folded.windows(2) {
        if let [(one, first), (other, second)] = pair
            && one == other
            && fold(&files[*first]).eq(fold(&files[*second]))
        {
            problems.push(SourceProblem {
                shown: files[*second].shown(),
                kind: SourceProblemKind::CaseTwins {
                    other: files[*first].shown(),
                },
            });
        }
    }
}

fn fold(file: &LocalFile) -> impl Iterator<Item = char> {
    file.name.as_str().chars().flat_map(char::to_lowercase)
}

fn folded_hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    if name.is_ascii() {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        name.bytes().for_each(|byte| hasher.write_u8(lower(byte)));
    } else {
        let lower = name.chars().flat_map(char::to_lowercase);
        let mut utf8 = [0; 4];
        lower.for_each(|c| {
            c.encode_utf8(&mut utf8)
                .bytes()
                .for_each(|byte| hasher.write_u8(byte));
        });
    }
    hasher.finish()
}

/// A name that is a folder in another name: some file systems, and some of the
/// platform's clients, could not hold both.
fn find_folder_clashes(files: &[LocalFile], problems: &mut Vec<SourceProblem>) {
    let mut reported = BTreeMap::new();
    let mut before = "";
    for file in files {
        let name = file.name.as_str();
        let shared = name.bytes().zip(before.bytes()).take_while(|(a, b)| a == b);
        let shared = shared.count();
        for (at, _) in name.match_indices('/') {
            // The name before is in this folder too, and has been looked at.
            if at < shared {
                continue;
            }
            let folder = name.split_at(at).0.as_bytes();
            let clash = files.binary_search_by(|one| one.name.as_str().as_bytes().cmp(folder));
            if let Ok(index) = clash {
                reported.entry(index).or_insert(file);
            }
        }
        before = name;
    }
    for (index, other) in reported {
        problems.push(SourceProblem {
            shown: files[index].shown(),
            kind: SourceProblemKind::FolderClash {
                other: other.shown(),
            },
        });
    }
}

fn composed(text: &str) -> String {
    text.nfc().collect()
}
