//! Sources that cannot be used, and paths that are left out, as items.

use super::model::{Action, Class, Item, Reason, Subject, Trouble};
use crate::source::{SkipReason, Skipped, SourceError, SourceProblem};

/// A source that cannot be used, as an item.
pub(super) fn source_problem(problem: &SourceProblem) -> Item {
    let trouble = Trouble {
        code: problem.kind.code(),
        help: problem.kind.help(),
    };
    unusable(problem.shown.clone(), trouble, problem.to_string())
}

/// A source that cannot be read, as an item.
pub(super) fn source_error(error: &SourceError) -> Item {
    unusable(
        error.shown().to_owned(),
        Trouble::of(error),
        error.one_line(),
    )
}

/// A source of which nothing is sent, as an item.
pub(super) fn unusable(path: String, trouble: Trouble, note: String) -> Item {
    Item {
        class: Class::Conflict,
        reason: Reason::SourceProblem,
        action: Action::None,
        note: Some(note),
        subject: Subject::Source {
            path,
            trouble: Some(trouble),
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
            trouble: None,
        },
    }
}
