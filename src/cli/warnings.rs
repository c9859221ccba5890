//! What stops nothing and should still be known, on stderr: a stable code, the place
//! and what to do about it. Each column once.

use std::collections::BTreeSet;

use serde::Serialize;

use super::context::Context;
use super::failure::Failure;
use crate::plan::{JobContent, Plan};
use crate::source::rows::Rounded;

/// One warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable, for scripts and for `docs/errors.md`.
    pub code: &'static str,
    /// What was found, and where.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

/// The warnings of one job.
#[derive(Debug, Default)]
pub struct Warnings {
    columns: BTreeSet<String>,
    list: Vec<Warning>,
}

impl Warnings {
    /// Adds a number that may be rounded, if it is the first of its column.
    pub fn add(&mut self, rounded: &Rounded) {
        if self.columns.insert(rounded.column.clone()) {
            self.list.push(Warning {
                code: Rounded::CODE,
                message: rounded.to_string(),
                help: Rounded::HELP,
            });
        }
    }

    /// In the order in which they were added.
    pub fn into_list(self) -> Vec<Warning> {
        self.list
    }
}

/// Writes what the sources of a plan's jobs give cause for to stderr.
pub fn say_of_plan(plan: &Plan, context: &Context<'_>) {
    for job in &plan.jobs {
        let JobContent::Rows(rows) = &job.content else {
            continue;
        };
        let mut warnings = Warnings::default();
        for rounded in rows.inputs.iter().flat_map(|input| &input.rounded) {
            warnings.add(rounded);
        }
        say(job.job.as_str(), &warnings.into_list(), context);
    }
}

/// Writes the warnings of a job to stderr.
pub fn say(job: &str, warnings: &[Warning], context: &Context<'_>) {
    if warnings.is_empty() {
        return;
    }
    let style = context.stderr_style();
    let texts = warnings.iter().map(|warning| {
        let message = format!("job `{job}`: {}", warning.message);
        Failure::new(super::exit::ExitCode::Done, warning.code, message)
            .hint(warning.help)
            .render_warning(style.colour)
    });
    let text: String = texts.collect();
    context.screen.suspend(|| super::say(&text));
}
