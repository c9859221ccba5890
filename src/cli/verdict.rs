//! From how a run ended to the exit code.

use super::exit::ExitCode;
use super::signals::code_of;
use crate::base::cancel::CancelReason;
use crate::event::{End, FailKind, RunEnd};

/// The exit code of a run that executed its plan.
pub fn verdict(end: &RunEnd, cancelled: Option<CancelReason>) -> ExitCode {
    let some_good = end.items.iter().any(|item| item.end == End::Verified);
    let stopped = cancelled.map(code_of);
    let of_item = |kind: FailKind| match kind {
        FailKind::Unauthorized => ExitCode::NotAuthorised,
        FailKind::Mismatch => ExitCode::Mismatch,
        FailKind::Drifted => ExitCode::Drifted,
        FailKind::Locked => ExitCode::Locked,
        // One item that is refused among others is a partial result.
        FailKind::Refused if some_good => ExitCode::Partial,
        FailKind::Refused => ExitCode::Refused,
        FailKind::Input => ExitCode::Input,
        FailKind::LocalIo => ExitCode::LocalIo,
        FailKind::Failed => ExitCode::Partial,
        FailKind::Temporary | FailKind::Unconfirmed => ExitCode::Temporary,
        FailKind::Cancelled => stopped.unwrap_or(ExitCode::Temporary),
    };
    let items = end
        .items
        .iter()
        .filter_map(|item| match (&item.error, item.end) {
            (Some(error), _) => Some(of_item(error.kind)),
            (None, End::NotReached) => Some(stopped.unwrap_or(ExitCode::Temporary)),
            (None, _) => None,
        });
    ExitCode::combine(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Failed, ItemEnd, What};

    fn end(kinds: &[Option<FailKind>]) -> RunEnd {
        let items = kinds
            .iter()
            .map(|kind| {
                let item = ItemEnd::new(What::File, None, "x", "send");
                match kind {
                    None => item.verified(),
                    Some(kind) => item.failed(Failed {
                        kind: *kind,
                        message: String::new(),
                    }),
                }
            })
            .collect();
        RunEnd {
            items,
            complete_jobs: Vec::new(),
        }
    }

    #[test]
    fn each_kind_of_failure_has_its_code() {
        for (kind, code) in [
            (FailKind::Unauthorized, ExitCode::NotAuthorised),
            (FailKind::Mismatch, ExitCode::Mismatch),
            (FailKind::Drifted, ExitCode::Drifted),
            (FailKind::Locked, ExitCode::Locked),
            (FailKind::Refused, ExitCode::Refused),
            (FailKind::Input, ExitCode::Input),
            (FailKind::LocalIo, ExitCode::LocalIo),
            (FailKind::Failed, ExitCode::Partial),
            (FailKind::Temporary, ExitCode::Temporary),
            (FailKind::Unconfirmed, ExitCode::Temporary),
        ] {
            assert_eq!(verdict(&end(&[Some(kind)]), None), code, "{kind:?}");
        }
    }

    #[test]
    fn one_refused_item_among_good_ones_is_partial() {
        assert_eq!(
            verdict(&end(&[None, Some(FailKind::Refused)]), None),
            ExitCode::Partial
        );
        assert_eq!(verdict(&end(&[None]), None), ExitCode::Done);
    }

    #[test]
    fn a_stopped_run_says_by_what() {
        let stopped = end(&[None, Some(FailKind::Cancelled)]);

        assert_eq!(
            verdict(&stopped, Some(CancelReason::Terminated)),
            ExitCode::Terminated
        );
        assert_eq!(
            verdict(&stopped, Some(CancelReason::Interrupted)),
            ExitCode::Interrupted
        );
        assert_eq!(
            verdict(&stopped, Some(CancelReason::Deadline)),
            ExitCode::Temporary
        );
    }

    #[test]
    fn what_was_not_reached_is_temporary() {
        let mut run = end(&[None]);
        let item = ItemEnd::new(What::File, None, "y", "send");
        run.items.push(item);

        assert_eq!(verdict(&run, None), ExitCode::Temporary);
        assert_eq!(
            verdict(&run, Some(CancelReason::Interrupted)),
            ExitCode::Interrupted
        );
    }
}
