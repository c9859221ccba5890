//! What only the page tells of a run, beside what every report tells.

use crate::report::samples::Samples;

/// What only the page tells.
#[derive(Debug, Clone, Default)]
pub struct PageFacts {
    /// What the exit code means, as in `docs/exit-codes.md`.
    pub exit_meaning: &'static str,
    /// Whether the same command, run again, may end better by itself.
    pub is_worth_retrying: bool,
    /// What ended the run outside of any item.
    pub failure: Option<ProblemFacts>,
    /// What stands in the way of items, the first of them.
    pub problems: Vec<ProblemFacts>,
    /// How many more there are.
    pub problems_left: u64,
    /// The first rows that were left out.
    pub rejects: Vec<RejectFacts>,
    /// The folder of receipts.
    pub receipts: Option<String>,
    /// How the run went over time.
    pub samples: Samples,
    /// Calls a second that the platform allows, when it has said so.
    pub calls_per_second: Option<f64>,
}

/// Something that is wrong, with what to do about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProblemFacts {
    /// Stable, as in `docs/errors.md`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to try.
    pub hint: Option<String>,
}

/// A row that was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectFacts {
    /// The job.
    pub job: String,
    /// The source.
    pub file: String,
    /// The line on which the row starts.
    pub line: Option<u64>,
    /// Its place among the encoded rows, from 0, where no line is known.
    pub row: Option<u64>,
    /// The variable.
    pub column: Option<String>,
    /// The cell, or the row as it was sent.
    pub value: String,
    /// What is wrong.
    pub why: String,
    /// Who refused it: `encoding` or `platform`.
    pub by: &'static str,
}
