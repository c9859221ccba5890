//! Row sources and bulk uploads: each file once, under a key that is its own.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization as _;

use crate::base::SourceKey;
use crate::base::names::upload_key;
use crate::manifest::{PathEntry, RowsSource, Symlinks, UploadsSource};
use crate::source::SourceError;
use crate::source::uploads::type_by_ending;

use super::walk::{Found, walk_entry};
use super::{
    ResolveOptions, ResolvedRows, ResolvedUploads, RowInput, Skipped, SourceProblem,
    SourceProblemKind, UploadInput,
};

/// The sources of a rows job.
pub fn resolve_rows(
    options: &ResolveOptions<'_>,
    source: &RowsSource,
) -> Result<ResolvedRows, SourceError> {
    let paths = source.entries.iter().map(|entry| &entry.paths);
    let same = |a: usize, b: usize| source.entries[a].format == source.entries[b].format;
    let mut table = Table::find(options, paths, &same)?;
    let inputs = std::mem::take(&mut table.files)
        .into_iter()
        .map(|file| RowInput {
            path: options.root.join(&*file.found.shown),
            shown: file.found.shown.into(),
            fingerprint: file.found.fingerprint,
            entry: file.entry,
            key: file.key,
        })
        .collect();
    let (skipped, problems) = table.finish();
    Ok(ResolvedRows {
        inputs,
        skipped,
        problems,
    })
}

/// The files of an uploads job.
pub fn resolve_uploads(
    options: &ResolveOptions<'_>,
    source: &UploadsSource,
) -> Result<ResolvedUploads, SourceError> {
    let paths = source.entries.iter().map(|entry| &entry.paths);
    let same = |a: usize, b: usize| {
        let (a, b) = (&source.entries[a], &source.entries[b]);
        (&a.name, a.kind, &a.options) == (&b.name, b.kind, &b.options)
    };
    let mut table = Table::find(options, paths, &same)?;
    let mut inputs: Vec<UploadInput> = Vec::new();
    let mut stems: BTreeMap<String, usize> = BTreeMap::new();
    for file in std::mem::take(&mut table.files) {
        let Found { shown, fingerprint } = file.found;
        let shown = String::from(shown);
        let path = options.root.join(&shown);
        let entry = &source.entries[file.entry];
        let (by_ending, file_stem) = type_by_ending(&path);
        let Some(kind) = entry.kind.or(by_ending) else {
            table.problem(shown, SourceProblemKind::UnknownType);
            continue;
        };
        let stem = entry.name.clone().unwrap_or(file_stem);
        // Equal stems are told apart by the digest; stems that differ only in
        // what the platform drops are most likely a mistake.
        let first = *stems.entry(upload_key(&stem)).or_insert(inputs.len());
        if let Some(other) = inputs.get(first).filter(|other| other.stem != stem) {
            let other = other.shown.clone();
            table.problem(shown, SourceProblemKind::SameUploadName { other });
            continue;
        }
        inputs.push(UploadInput {
            path,
            shown,
            fingerprint,
            entry: file.entry,
            key: file.key,
            stem,
            kind,
        });
    }
    let (skipped, problems) = table.finish();
    Ok(ResolvedUploads {
        inputs,
        skipped,
        problems,
    })
}

/// Files of all entries, each once.
struct Table {
    /// Sorted by what is shown.
    files: Vec<TableFile>,
    skipped: Vec<Skipped>,
    problems: Vec<SourceProblem>,
}

struct TableFile {
    found: Found,
    entry: usize,
    key: SourceKey,
}

impl Table {
    fn find<'a>(
        options: &ResolveOptions<'_>,
        entries: impl Iterator<Item = &'a PathEntry>,
        same: &dyn Fn(usize, usize) -> bool,
    ) -> Result<Self, SourceError> {
        let mut all: Vec<(Found, usize)> = Vec::new();
        let mut table = Self {
            files: Vec::new(),
            skipped: Vec::new(),
            problems: Vec::new(),
        };
        for (index, entry) in entries.enumerate() {
            let walked = walk_entry(options, entry, Symlinks::Follow)?;
            table.skipped.extend(walked.skipped);
            table.problems.extend(walked.problems);
            all.extend(walked.found.into_iter().map(|found| (found, index)));
        }
        all.sort_by(|(a, _), (b, _)| a.shown.as_bytes().cmp(b.shown.as_bytes()));
        let mut keys: BTreeMap<SourceKey, usize> = BTreeMap::new();
        for (found, entry) in all {
            let shown = || String::from(&*found.shown);
            if let Some(last) = table.files.last()
                && last.found.shown == found.shown
            {
                if !same(last.entry, entry) {
                    table.problem(shown(), SourceProblemKind::TwoReadings);
                }
                continue;
            }
            // Files are opened by every kind of job, and there are few of these.
            if let Err(error) = std::fs::File::open(options.root.join(&*found.shown)) {
                let why = error.to_string();
                table.problem(shown(), SourceProblemKind::Unreadable { why });
                continue;
            }
            let composed: String = found.shown.nfc().collect();
            let key = SourceKey::source(&composed);
            let first = *keys.entry(key.clone()).or_insert(table.files.len());
            if let Some(other) = table.files.get(first) {
                let other = String::from(&*other.found.shown);
                let twins = other.nfc().eq(composed.chars());
                let kind = if twins {
                    SourceProblemKind::FormTwins {
                        name: composed,
                        other,
                    }
                } else {
                    SourceProblemKind::SameKey { other }
                };
                table.problem(shown(), kind);
                continue;
            }
            table.files.push(TableFile { found, entry, key });
        }
        Ok(table)
    }

    fn problem(&mut self, shown: String, kind: SourceProblemKind) {
        self.problems.push(SourceProblem { shown, kind });
    }

    fn finish(mut self) -> (Vec<Skipped>, Vec<SourceProblem>) {
        self.skipped.sort_unstable();
        self.skipped.dedup();
        self.problems.sort_unstable();
        self.problems.dedup();
        (self.skipped, self.problems)
    }
}
