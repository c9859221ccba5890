//! What a report as a page tells beside what every report tells, and which reports
//! are pages.

use std::path::Path;

use super::exit::ExitCode;
use super::failure::Failure;
use super::problems::Problems;
use super::rejects::RejectsFile;
use crate::plan::Plan;
use crate::report::{PageFacts, ProblemFacts, Samples};

/// Whether a report of that name is a page: its name ends in `.html` or `.htm`.
pub fn is_page(path: &Path) -> bool {
    let is = |extension: &std::ffi::OsStr| {
        ["html", "htm"]
            .iter()
            .any(|one| extension.eq_ignore_ascii_case(one))
    };
    path.extension().is_some_and(is)
}

/// What a page is made of.
#[derive(Debug)]
pub struct PageParts<'a> {
    /// How the process ends.
    pub exit: ExitCode,
    /// What ended the run outside of any item.
    pub failure: Option<&'a Failure>,
    /// What was planned.
    pub plan: Option<&'a Plan>,
    /// The rows that were left out.
    pub rejects: &'a RejectsFile,
    /// The folder of receipts.
    pub receipts: Option<&'a Path>,
    /// How it went over time.
    pub samples: Samples,
    /// Calls a second that the platform allows.
    pub calls_per_second: Option<f64>,
}

impl PageParts<'_> {
    /// For the report.
    pub fn facts(self) -> PageFacts {
        let problems = self
            .plan
            .map(|plan| Problems::of_plan(plan, &|job| self.rejects.first_of(&job.job)))
            .unwrap_or_default();
        PageFacts {
            exit_meaning: self.exit.meaning(),
            is_worth_retrying: self.exit.is_worth_retrying(),
            failure: self.failure.map(of_failure),
            problems: problems.first().iter().map(of_failure).collect(),
            problems_left: problems.left() as u64,
            rejects: self.rejects.first_rows(),
            receipts: self.receipts.map(|folder| folder.display().to_string()),
            samples: self.samples,
            calls_per_second: self.calls_per_second,
        }
    }
}

fn of_failure(failure: &Failure) -> ProblemFacts {
    ProblemFacts {
        code: failure.code,
        message: failure.message.clone(),
        causes: failure.causes.clone(),
        hint: failure.hint.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_name_makes_a_page() {
        for page in ["run.html", "a/b.HTM", "/x/2026.01.Html"] {
            assert!(is_page(Path::new(page)), "{page}");
        }
        for other in [
            "run.json",
            "html",
            "a.html/run",
            ".html",
            "run.html.json",
            "run",
        ] {
            assert!(!is_page(Path::new(other)), "{other}");
        }
    }
}
