//! The rejects file of a run: one line of NDJSON for each row that was not
//! delivered, refused here or by the platform. Counts are always kept; the file
//! only where there is a run folder.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::base::ManifestName;
use crate::exec::RefusedRow;
use crate::source::rows::Reject;
use crate::state::RunFolder;

const NAME: &str = "rejects.ndjson";
/// How many are kept in words, for the summary.
const SHOWN: usize = 10;

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
    first: Vec<String>,
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
        self.write(&line, &reject.to_string());
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
        self.write(
            &line,
            &match row.line {
                Some(line) => format!("{}:{line}: {}", row.source, row.message),
                None => format!("{} row {}: {}", row.source, row.row, row.message),
            },
        );
    }

    fn write(&self, line: &RejectLine<'_>, words: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        if state.first.len() < SHOWN {
            state.first.push(words.to_owned());
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
            .clone()
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
