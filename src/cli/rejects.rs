//! The rejects file of a run: one line of NDJSON for each row that was not
//! delivered, refused here or by the platform. Counts are always kept; the file
//! only where there is a run folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::base::ManifestName;
use crate::exec::RefusedRow;
use crate::report::RejectFacts;
use crate::source::rows::Reject;
use crate::state::RunFolder;

const NAME: &str = "rejects.ndjson";
/// How many are kept in words of each job, and told in the summary.
const SHOWN: usize = 10;
/// How many are kept for a report as a page.
const ROWS_KEPT: usize = 200;
/// Characters that are kept of one: the platform tells whole rows.
const CHARS_KEPT: usize = 1000;

/// The first rejects of each job in words.
#[derive(Debug, Default)]
pub struct FirstRejects {
    by_job: BTreeMap<ManifestName, Vec<String>>,
}

impl FirstRejects {
    /// Keeps it, if it is among the first of its job.
    pub fn add(&mut self, job: &ManifestName, words: impl FnOnce() -> String) {
        match self.by_job.get_mut(job) {
            Some(first) if first.len() >= SHOWN => {}
            Some(first) => first.push(words()),
            None => {
                self.by_job.insert(job.clone(), vec![words()]);
            }
        }
    }

    /// Those of one job.
    pub fn of(&self, job: &ManifestName) -> Vec<String> {
        self.by_job.get(job).cloned().unwrap_or_default()
    }

    /// The first of all.
    pub fn all(&self) -> Vec<String> {
        self.by_job
            .values()
            .flatten()
            .take(SHOWN)
            .cloned()
            .collect()
    }
}

/// Where rejects go.
#[derive(Debug)]
pub struct RejectsFile {
    folder: Option<RunFolder>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<BufWriter<File>>,
    count: u64,
    first: FirstRejects,
    first_rows: Vec<RejectFacts>,
    failed: bool,
}

#[derive(Serialize)]
struct RejectLine<'a> {
    job: &'a str,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
    value: &'a str,
    why: String,
    by: &'static str,
}

impl RejectLine<'_> {
    fn kept(&self) -> RejectFacts {
        let cut = |text: &str| text.chars().take(CHARS_KEPT).collect::<String>();
        RejectFacts {
            job: self.job.to_owned(),
            file: self.file.to_owned(),
            line: self.line,
            row: self.row,
            column: self.column.map(str::to_owned),
            value: cut(self.value),
            why: cut(&self.why),
            by: self.by,
        }
    }
}

impl RejectsFile {
    /// In this folder; made at the first reject.
    pub fn new(folder: Option<&RunFolder>) -> Self {
        Self {
            folder: folder.cloned(),
            state: Mutex::default(),
        }
    }

    /// A row that cannot be encoded here.
    pub fn add(&self, job: &ManifestName, reject: &Reject) {
        let line = RejectLine {
            job: job.as_str(),
            file: &reject.file,
            line: Some(reject.line),
            row: None,
            column: reject.column.as_deref(),
            value: &reject.value,
            why: reject.why.to_string(),
            by: "encoding",
        };
        self.write(job, &line, || reject.to_string());
    }

    /// A row that the platform refused.
    pub fn add_refused(&self, job: &ManifestName, row: &RefusedRow) {
        let line = RejectLine {
            job: job.as_str(),
            file: &row.source,
            line: row.line,
            row: Some(row.row),
            column: None,
            value: &row.value,
            why: row.message.clone(),
            by: "platform",
        };
        self.write(job, &line, || match row.line {
            Some(line) => format!("{}:{line}: {}", row.source, row.message),
            None => format!("{} row {}: {}", row.source, row.row, row.message),
        });
    }

    fn write(&self, job: &ManifestName, line: &RejectLine<'_>, words: impl FnOnce() -> String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        state.first.add(job, words);
        if state.first_rows.len() < ROWS_KEPT {
            state.first_rows.push(line.kept());
        }
        if state.failed {
            return;
        }
        if let Err(error) = append(&mut state, self.folder.as_ref(), line) {
            state.failed = true;
            tracing::warn!(error = %error, "the rejects file cannot be written");
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count
    }

    /// The first of them in words.
    pub fn first(&self) -> Vec<String> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .first
            .all()
    }

    /// The first of them, for a report as a page.
    pub fn first_rows(&self) -> Vec<RejectFacts> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .first_rows
            .clone()
    }

    /// The first of a job in words.
    pub fn first_of(&self, job: &ManifestName) -> Vec<String> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .first
            .of(job)
    }

    /// Writes what is buffered; answers where the file is, if there is one.
    pub fn finish(&self) -> Option<PathBuf> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let file = state.file.as_mut()?;
        if let Err(error) = file.flush() {
            tracing::warn!(error = %error, "the rejects file cannot be written");
        }
        self.folder.as_ref().map(|folder| folder.path().join(NAME))
    }
}

fn append(
    state: &mut State,
    folder: Option<&RunFolder>,
    line: &RejectLine<'_>,
) -> Result<(), Box<dyn std::error::Error>> {
    let Some(folder) = folder else {
        return Ok(());
    };
    if state.file.is_none() {
        state.file = Some(BufWriter::new(folder.create_file(NAME)?));
    }
    if let Some(file) = &mut state.file {
        serde_json::to_writer(&mut *file, line)?;
        file.write_all(b"\n")?;
    }
    Ok(())
}
