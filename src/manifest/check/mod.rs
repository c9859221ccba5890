//! A tree to a checked [`Manifest`](super::Manifest), or every problem. Start at
//! `manifest.rs`; each kind of job has a file, and `fields.rs` and `scalars.rs`
//! read mappings and values.

mod fields;
mod files;
mod forms;
mod jobs;
mod manifest;
mod metadata;
mod paths;
mod rows;
mod scalars;
mod schema;
mod tables;
mod uploads;
mod variable;

use std::ops::Range;
use std::path::Path;

use super::expand::Environment;
use super::limits::REPLAYED;
use super::problem::{Problem, ProblemCode, Problems, SourceText};
use super::secrets::TOKEN_VARIABLE;

pub(super) use manifest::manifest;

/// What the check carries along.
pub(super) struct Checker<'e> {
    env: Environment<'e>,
    problems: &'e mut Problems,
    root: &'e Path,
    /// The texts of schema files, in the order they were read.
    files: Vec<SourceText>,
    /// The number of the text being checked.
    source: usize,
    token: Option<String>,
    replayed: usize,
}

impl<'e> Checker<'e> {
    pub(super) fn new(env: Environment<'e>, root: &'e Path, problems: &'e mut Problems) -> Self {
        Self {
            env,
            problems,
            root,
            files: Vec::new(),
            source: 0,
            token: env(TOKEN_VARIABLE).filter(|token| token.len() >= 8),
            replayed: 0,
        }
    }

    /// The schema files that were read.
    pub(super) fn into_files(self) -> Vec<SourceText> {
        self.files
    }

    fn problem(&mut self, code: ProblemCode, span: Range<usize>, message: String) -> Draft<'_> {
        Draft {
            problems: self.problems,
            problem: Some(Problem {
                code,
                message,
                source: self.source,
                span,
                label: String::new(),
                help: None,
            }),
        }
    }

    /// All places where the token itself stands in a text; says so, once.
    pub(super) fn token_in(&mut self, text: &str) -> Vec<Range<usize>> {
        let Some(token) = self.token.as_deref() else {
            return Vec::new();
        };
        let places: Vec<Range<usize>> = text
            .match_indices(token)
            .map(|(at, found)| at..at + found.len())
            .collect();
        if let Some(first) = places.first() {
            self.problem(
                ProblemCode::Secret,
                first.clone(),
                format!("the value of `{TOKEN_VARIABLE}` stands in the manifest"),
            )
            .help("remove it; if this line was committed, revoke the token");
        }
        places
    }

    /// Takes the token out of what the problems say: many quote what they found.
    pub(super) fn redact(&mut self) {
        if let Some(token) = &self.token {
            self.problems.redact(token);
        }
    }

    fn holds_token(&self, text: &str) -> bool {
        self.token
            .as_deref()
            .is_some_and(|token| text.contains(token))
    }

    /// Counts values that one place of the manifest puts into many. Answers
    /// whether there may be more.
    fn replay(&mut self, count: usize, span: &Range<usize>) -> bool {
        let before = self.replayed;
        self.replayed = before.saturating_add(count);
        if self.replayed <= REPLAYED {
            return true;
        }
        if before > REPLAYED {
            return false;
        }
        self.problem(
            ProblemCode::TooLarge,
            span.clone(),
            format!(
                "`defaults` and `exclude` put more than {REPLAYED} values into jobs and entries"
            ),
        )
        .help("state less in `defaults` and `exclude`".to_owned());
        false
    }
}

/// A problem that is added when it is complete, at the end of its statement.
struct Draft<'p> {
    problems: &'p mut Problems,
    problem: Option<Problem>,
}

impl Draft<'_> {
    fn label(&mut self, label: impl Into<String>) -> &mut Self {
        if let Some(problem) = &mut self.problem {
            problem.label = label.into();
        }
        self
    }

    fn help(&mut self, help: impl Into<String>) -> &mut Self {
        if let Some(problem) = &mut self.problem {
            problem.help = Some(help.into());
        }
        self
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if let Some(problem) = self.problem.take() {
            self.problems.add(problem);
        }
    }
}

/// The known name that was probably meant.
fn nearest<'n>(given: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if given.len() > 40 {
        return None;
    }
    let given = given.to_lowercase();
    known
        .map(|name| {
            (
                strsim::damerau_levenshtein(&given, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= 1.max(name.len() / 3))
        .min()
        .map(|(_, name)| name)
}

/// A value from the manifest as a message shows it: one line, not too long.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let line: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(MOST).is_some() {
        format!("{line}..")
    } else {
        line
    }
}
