//! What a folder holds, as jobs of a manifest that is still to be written: which
//! files belong together, how they are read, and what speaks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::SourceError;
use super::resolve::RowInput;
use super::rows::{Guess, guess_columns, guess_dialect};
use crate::base::{CancelToken, Fingerprint, SourceKey};
use crate::manifest::RowFormat;

/// Rows that types are guessed from.
pub const MOST_ROWS: u64 = 10_000;

/// A job that is proposed.
#[derive(Debug, Clone)]
pub struct DraftJob {
    /// The folder below the one that was looked at, with `/`; empty: itself.
    pub folder: String,
    /// What a glob must match below the folder, or the file's name.
    pub pattern: DraftPattern,
    /// What is done with the files.
    pub kind: DraftKind,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Which files of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftPattern {
    /// One file, by its name.
    File(String),
    /// All that end like this, such as `.csv.gz`.
    Ending(String),
    /// All that end in one of these ways, in folders below too.
    Below(Vec<String>),
}

/// What is done with files.
#[derive(Debug, Clone)]
pub enum DraftKind {
    /// Each becomes a file of a table.
    Files,
    /// Their rows are inserted.
    Rows {
        /// How they are read.
        format: RowFormat,
        /// What the first of them holds.
        guess: Guess,
        /// The first of them, below the folder that was looked at.
        seen: String,
    },
    /// The platform reads them.
    Uploads,
}

/// A folder's jobs, and what was left out with the reason.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// In the order of their paths.
    pub jobs: Vec<DraftJob>,
    /// Path and why.
    pub left_out: Vec<(String, String)>,
}

/// Proposes jobs for what a folder holds. Hidden files and manifests at the top
/// are passed over; links are not followed.
pub fn draft_jobs(folder: &Path, cancel: &CancelToken) -> Result<Draft, SourceError> {
    let mut draft = Draft::default();
    let mut groups: BTreeMap<(String, Kind, String), Vec<Found>> = BTreeMap::new();
    let walk = WalkDir::new(folder).sort_by_file_name().min_depth(1);
    for entry in walk.into_iter().filter_entry(|entry| !is_hidden(entry)) {
        if cancel.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(folder).display().to_string();
                draft.left_out.push((path, error.to_string()));
                continue;
            }
        };
        match Found::of(folder, &entry) {
            Some(Ok(found)) => groups.entry(found.group()).or_default().push(found),
            Some(Err(left_out)) => draft.left_out.push(left_out),
            None => {}
        }
    }
    for ((folder, kind, ending), files) in groups {
        match kind {
            Kind::Other => draft_files(&mut draft, folder, files),
            Kind::Bulk => {
                let pattern = pattern_of(&files, &ending);
                draft
                    .jobs
                    .push(job(folder, pattern, DraftKind::Uploads, &files));
            }
            Kind::Delimited | Kind::Lines | Kind::Array => {
                draft_rows(&mut draft, &folder, &ending, &files, cancel)?;
            }
        }
    }
    Ok(draft)
}

/// Files that only have a place in common.
fn draft_files(draft: &mut Draft, folder: String, files: Vec<Found>) {
    let (named, unnamed): (Vec<Found>, Vec<Found>) = files
        .into_iter()
        .partition(|file| !file.ending().is_empty());
    let unnamed = unnamed.into_iter().map(|file| {
        let why = "its name has no ending: name it in `files:` yourself".to_owned();
        (file.shown, why)
    });
    draft.left_out.extend(unnamed);
    let endings: BTreeSet<String> = named.iter().map(Found::ending).collect();
    if !endings.is_empty() {
        let pattern = DraftPattern::Below(endings.into_iter().collect());
        draft
            .jobs
            .push(job(folder, pattern, DraftKind::Files, &named));
    }
}

fn job(folder: String, pattern: DraftPattern, kind: DraftKind, files: &[Found]) -> DraftJob {
    DraftJob {
        folder,
        pattern,
        kind,
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.fingerprint.size).sum(),
    }
}

fn pattern_of(files: &[Found], ending: &str) -> DraftPattern {
    // `readings/2026-03-01.csv` is the first of many.
    let is_series =
        |one: &Found| one.shown.contains('/') && one.name.contains(|c: char| c.is_ascii_digit());
    match files {
        [one] if !is_series(one) => DraftPattern::File(one.name.clone()),
        _ => DraftPattern::Ending(ending.to_owned()),
    }
}

/// Files of one folder that are read the same way and have the same columns are
/// one job; else each is one.
fn draft_rows(
    draft: &mut Draft,
    folder: &str,
    ending: &str,
    files: &[Found],
    cancel: &CancelToken,
) -> Result<(), SourceError> {
    let mut looks = Vec::new();
    for file in files {
        match file.look(cancel) {
            Ok(look) => looks.push((file, look)),
            Err(SourceError::Cancelled) => return Err(SourceError::Cancelled),
            Err(error) => draft.left_out.push((file.shown.clone(), error.to_string())),
        }
    }
    let columns = |guess: &Guess| -> Vec<String> {
        let names = guess.columns.iter().map(|column| column.name.clone());
        names.collect()
    };
    let Some((_, (format, first))) = looks.first() else {
        return Ok(());
    };
    let is_alike = looks.len() == files.len()
        && looks
            .iter()
            .all(|(_, (other, guess))| other == format && columns(guess) == columns(first));
    if is_alike {
        looks.truncate(1);
    }
    for (file, (format, guess)) in looks {
        let kind = DraftKind::Rows {
            format,
            guess,
            seen: file.shown.clone(),
        };
        let (pattern, files) = if is_alike {
            (pattern_of(files, ending), files)
        } else {
            let name = DraftPattern::File(file.name.clone());
            (name, std::slice::from_ref(file))
        };
        draft
            .jobs
            .push(job(folder.to_owned(), pattern, kind, files));
    }
    Ok(())
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// What is done with a file, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Delimited,
    Lines,
    Array,
    Bulk,
    Other,
}

impl Kind {
    /// Of a file's name, and how it ends.
    fn of(name: &str) -> (Self, String) {
        let plain = ["gz", "zst"]
            .into_iter()
            .find_map(|packed| name.strip_suffix(packed)?.strip_suffix('.'))
            .unwrap_or(name);
        let Some((_, last)) = plain.rsplit_once('.') else {
            return (Self::Other, String::new());
        };
        let packed = name.strip_prefix(plain).unwrap_or_default();
        let ending = format!(".{last}{packed}");
        let is_packed = plain.len() < name.len();
        let kind = match last {
            "csv" | "tsv" | "tab" => Self::Delimited,
            "ndjson" | "jsonl" => Self::Lines,
            "json" => Self::Array,
            "parquet" | "avro" | "orc" | "dta" | "sas7bdat" | "sav" | "xls" | "xlsx"
                if !is_packed =>
            {
                Self::Bulk
            }
            _ => Self::Other,
        };
        (kind, ending)
    }
}

struct Found {
    path: PathBuf,
    name: String,
    /// Below the folder that is looked at, with `/`.
    shown: String,
    fingerprint: Fingerprint,
}

impl Found {
    /// `None`: not a file that matters.
    fn of(folder: &Path, entry: &DirEntry) -> Option<Result<Self, (String, String)>> {
        if !entry.file_type().is_file() {
            return None;
        }
        let path = entry.path().to_owned();
        let below = path.strip_prefix(folder).unwrap_or(&path);
        let Some(shown) = below.to_str() else {
            let shown = below.to_string_lossy().into_owned();
            return Some(Err((shown, "its name is not UTF-8".to_owned())));
        };
        let name = shown.rsplit('/').next().unwrap_or(shown).to_owned();
        let ending = Path::new(&name).extension();
        let is_manifest =
            entry.depth() == 1 && ending.is_some_and(|ending| ending == "yaml" || ending == "yml");
        if is_manifest {
            return None;
        }
        let fingerprint = match entry.metadata() {
            Ok(metadata) => Fingerprint::of(&metadata),
            Err(error) => return Some(Err((shown.to_owned(), error.to_string()))),
        };
        Some(Ok(Self {
            name,
            shown: shown.to_owned(),
            fingerprint,
            path: path.clone(),
        }))
    }

    /// Files of one group are one job, if they can be.
    fn group(&self) -> (String, Kind, String) {
        let (kind, ending) = Kind::of(&self.name);
        let parent = self.shown.rsplit_once('/').map_or("", |(parent, _)| parent);
        if kind == Kind::Other {
            let top = self.shown.split_once('/').map_or("", |(top, _)| top);
            return (top.to_owned(), kind, String::new());
        }
        (parent.to_owned(), kind, ending)
    }

    fn ending(&self) -> String {
        Kind::of(&self.name).1
    }

    fn look(&self, cancel: &CancelToken) -> Result<(RowFormat, Guess), SourceError> {
        let input = RowInput {
            path: self.path.clone(),
            shown: self.shown.clone(),
            fingerprint: self.fingerprint,
            entry: 0,
            key: SourceKey::source(&self.shown),
        };
        let (kind, _) = Kind::of(&self.name);
        let format = match kind {
            Kind::Lines => RowFormat::Ndjson,
            Kind::Array => RowFormat::Json,
            Kind::Delimited | Kind::Bulk | Kind::Other => {
                RowFormat::Csv(guess_dialect(&input, cancel)?)
            }
        };
        let guess = guess_columns(&input, &format, MOST_ROWS, cancel)?;
        Ok((format, guess))
    }
}
