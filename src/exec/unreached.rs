//! Ends of items that no step dealt with: what the plan refuses, what the run did
//! not reach, what a saved plan no longer fits.

use std::collections::BTreeSet;

use crate::event::{End, FailKind, Failed, ItemEnd, RunEnd, What};
use crate::plan::{Action, Class, ItemLine, Plan, Subject, item_line};

/// The end of a plan of which nothing was executed: what it refuses is refused,
/// all else was not reached.
pub fn not_executed(plan: &Plan) -> RunEnd {
    let mut end = RunEnd::default();
    add_not_reached(plan, &mut end);
    end
}

/// The end of a saved item whose preconditions no longer hold.
pub fn drifted(line: &ItemLine) -> ItemEnd {
    let what = match line.what.as_str() {
        "version" => What::Version,
        "table" => What::Table,
        "variable" => What::Variable,
        "part" => What::Part,
        "upload" => What::Upload,
        "listed" => What::Deletion,
        _ => What::File,
    };
    let job = line.job.as_deref().and_then(|job| job.parse().ok());
    let mut end = ItemEnd::new(what, job.as_ref(), &line.name, "saved");
    end.bytes = line.bytes;
    end.rows = line.rows.unwrap_or(0);
    end.failed(Failed {
        kind: FailKind::Drifted,
        message: format!(
            "it is not as it was planned: {} ({})",
            line.class, line.reason
        ),
    })
}

/// Items that no step told an end of, and items that the plan refused.
pub(super) fn add_not_reached(plan: &Plan, end: &mut RunEnd) {
    let known: BTreeSet<(Option<String>, String, &'static str)> = end
        .items
        .iter()
        .map(|item| {
            (
                item.job.as_ref().map(ToString::to_string),
                item.name.clone(),
                item.action,
            )
        })
        .collect();
    let datasets = plan
        .datasets
        .iter()
        .flat_map(|one| one.items.iter().map(|item| (None, item)));
    let jobs = plan
        .jobs
        .iter()
        .flat_map(|job| job.items.iter().map(move |item| (Some(job), item)));
    let mut missing = Vec::new();
    for (job, item) in datasets.chain(jobs) {
        let refused = matches!(item.class, Class::Conflict | Class::Locked);
        if item.action == Action::None && !refused {
            continue;
        }
        let line = item_line(job, item);
        let action = item.action.as_str();
        if known.contains(&(line.job.clone(), line.name.clone(), action)) {
            continue;
        }
        let what = match item.subject {
            Subject::Version(_) => What::Version,
            Subject::Table(_) => What::Table,
            Subject::Variable(_) => What::Variable,
            Subject::File(_) | Subject::RemoteFile(_) | Subject::Source { .. } => What::File,
            Subject::Part(_) => What::Part,
            Subject::Upload(_) => What::Upload,
            Subject::Listed(_) => What::Deletion,
        };
        let mut one = ItemEnd::new(what, job.map(|job| &job.job), &line.name, action);
        one.bytes = line.bytes;
        one.rows = line.rows.unwrap_or(0);
        if refused {
            one.end = End::Refused;
            one.error = Some(Failed {
                kind: FailKind::Failed,
                message: item
                    .note
                    .clone()
                    .unwrap_or_else(|| line.reason.replace('_', " ")),
            });
        }
        missing.push(one);
    }
    end.items.extend(missing);
}
