//! Identities, and how ends are told.

use super::ends::{Ended, job_end, run_end};
use super::ids::run_uuid;
use crate::base::cancel::CancelReason;
use crate::event::FailKind;
use crate::report::sample;
use crate::report::summary::RunReport;

/// Golden: another id would tear a run apart for who reads its report.
#[test]
fn a_run_s_uuid_is_pinned_and_its_jobs_have_others() {
    let of = |job| run_uuid(1_767_225_600_000, "20260101T000000Z-0a1b2c3d-0000002a", job);

    assert_eq!(of(None), "019b76da-a800-7a09-9c08-1c0a885ee520");
    assert_ne!(of(None), of(Some("scans")));
    assert_ne!(of(Some("taxa")), of(Some("scans")));
}

#[test]
fn what_was_not_verified_is_no_complete() {
    let plan = sample::plan();
    let mut end = sample::good_end(&plan);
    // The sample's plan refuses something of each job: that is the point of it.
    let job = &plan.jobs[0];
    let report = RunReport::new(Some(&plan), &end, sample::facts());
    assert_eq!(run_end(&report), Ended::Complete);
    assert!(matches!(job_end(job, &report), Ended::Fail(_)));

    let mut facts = sample::facts();
    (facts.exit, facts.exit_word) = (143, "terminated");
    facts.stopped_by = Some(CancelReason::Terminated);
    sample::fail(&mut end.items[0], FailKind::Cancelled, "stopped");
    let report = RunReport::new(Some(&plan), &end, facts);
    assert_eq!(
        run_end(&report),
        Ended::Abort("stopped by SIGTERM".to_owned())
    );

    // A mismatch found before the signal is a failure.
    let mut facts = sample::facts();
    (facts.exit, facts.exit_word) = (5, "mismatch");
    facts.stopped_by = Some(CancelReason::Terminated);
    let report = RunReport::new(Some(&plan), &end, facts);
    assert!(matches!(run_end(&report), Ended::Fail(_)));
}
