//! Sources that cannot be used, and paths that are left out, as items.

use super::model::{Action, Class, Item, Reason, Subject};
use crate::source::{Severity, SkipReason, Skipped, SourceProblem};

/// A source that cannot be used, as an item.
pub(super) fn source_problem(problem: &SourceProblem) -> Item {
    let (class, reason) = match problem.kind.severity() {
        Severity::Error => (Class::Conflict, Reason::SourceProblem),
        Severity::Warning => (Class::Skipped, Reason::Warning),
    };
    Item {
        class,
        reason,
        action: Action::None,
        note: Some(problem.to_string()),
        subject: Subject::Source {
            path: problem.shown.clone(),
        },
    }
}

/// A path that is left out on purpose, as an item.
pub(super) fn source_skipped(skipped: &Skipped) -> Item {
    let reason = match skipped.reason {
        SkipReason::TooYoung => Reason::TooYoung,
        SkipReason::Symlink => Reason::Symlink,
        SkipReason::NotAFile => Reason::NotAFile,
    };
    Item {
        class: Class::Skipped,
        reason,
        action: Action::None,
        note: None,
        subject: Subject::Source {
            path: skipped.shown.clone(),
        },
    }
}
