//! The summary as people read it, for good runs, bad runs and none.

use super::super::sample;
use super::*;
use crate::base::cancel::CancelReason;
use crate::event::{FailKind, RunEnd, What};
use crate::plan::{Class, Plan};
use crate::report::RunFacts;

fn text(plan: Option<&Plan>, end: &RunEnd, facts: RunFacts, style: TextStyle) -> String {
    let mut out = Vec::new();
    RunReport::new(plan, end, facts)
        .write_text(&mut out, &style)
        .unwrap();
    String::from_utf8(out).unwrap()
}

const PLAIN: TextStyle = TextStyle {
    colour: false,
    width: 90,
};

#[test]
fn a_good_run_says_what_was_verified() {
    let plan = sample::plan();
    let end = sample::good_end(&plan);
    let mut facts = sample::facts();
    facts.rejects = 3;
    facts.first_rejects = vec!["data/readings/r_2026.csv:7:3: `x` is no float".to_owned()];
    facts.rejects_path = Some("/state/runs/20260101-000000-ab12/rejects.ndjson".to_owned());

    insta::assert_snapshot!(text(Some(&plan), &end, facts, PLAIN), @r#"
    Done: everything was sent and verified.

    3 rows left out
      data/readings/r_2026.csv:7:3: `x` is no float
      … and 2 more, in the rejects

      verified   4 files, 2 parts, 1 upload, 1 table, 1 variable, 2 versions, 1 deletion (7.0
                 MiB, 5,020 rows)
      unchanged  2 items (4.0 MiB)
      rejects    3 rows
      sent       7.0 MiB, 579.1 KiB/s
      time       12.5 s, from 2026-01-01T00:00:00.000Z
      requests   124, 3 repeated (2.4 %), 1 min 1 s of waits in all workers
      limited by the API's rate limit and failed requests
      time in    the API's rate limit 61.5 %, waiting for answers 30.2 %
      exit       0 (done)
      report     /state/runs/20260101-000000-ab12/report.json
      rejects in /state/runs/20260101-000000-ab12/rejects.ndjson
    "#);
}

#[test]
fn what_failed_is_grouped_by_cause_with_the_next_step() {
    let plan = sample::plan();
    let mut end = sample::good_end(&plan);
    for (index, item) in end
        .items
        .iter_mut()
        .filter(|one| one.what == What::File)
        .enumerate()
    {
        if index < 3 {
            let message = "cannot attach files: 503 after 8 tries, and the service did not say why";
            sample::fail(item, FailKind::Temporary, message);
        } else {
            sample::fail(
                item,
                FailKind::Drifted,
                "`data/scans/c.tif` changed since it was planned",
            );
        }
    }
    for item in end.items.iter_mut().filter(|one| one.what == What::Version) {
        sample::fail(item, FailKind::Cancelled, "stopped before it was done");
    }
    let mut facts = sample::facts();
    (facts.exit, facts.exit_word) = (75, "temporary");

    insta::assert_snapshot!(text(Some(&plan), &end, facts, PLAIN), @r#"
    Not complete: 3 failed, 1 drifted, 2 not reached; 6 items verified.

    1 item changed since it was planned
      send file 2026/c.tif of scans: `data/scans/c.tif` changed since it was planned
      next: plan again and look, then run

    3 items failed for now
      send file 2026/a.tif of scans, and 2 more: cannot attach files: 503 after 8 tries, and
        the service did not say why
      next: run again: what is done is not repeated

    2 items not reached
      create version stanford.coastal_survey:next, and 1 more: stopped before it was done
      next: run again: what is done is not repeated

      verified   2 parts, 1 upload, 1 table, 1 variable, 1 deletion (3.0 MiB, 5,020 rows)
      unchanged  2 items (4.0 MiB)
      sent       7.0 MiB, 579.1 KiB/s
      time       12.5 s, from 2026-01-01T00:00:00.000Z
      requests   124, 3 repeated (2.4 %), 1 min 1 s of waits in all workers
      limited by the API's rate limit and failed requests
      time in    the API's rate limit 61.5 %, waiting for answers 30.2 %
      plan       6 of 9 items went exactly as planned
      exit       75 (temporary)
      report     /state/runs/20260101-000000-ab12/report.json
    "#);
}

#[test]
fn only_the_first_items_of_a_cause_are_shown() {
    let mut end = RunEnd::default();
    for index in 0..9 {
        let mut item = ItemEnd::new(What::File, None, &format!("{index}\u{1b}.tif"), "send");
        sample::fail(&mut item, FailKind::Failed, &format!("no {index}"));
        end.items.push(item);
    }

    let text = text(None, &end, sample::facts(), PLAIN);

    assert!(
        text.contains("9 items failed\n  send file 0\\u{1b}.tif: no 0\n"),
        "{text}"
    );
    assert!(
        text.contains("  send file 4\\u{1b}.tif: no 4\n  … and 4 more, in the report\n"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_run_that_failed_before_its_plan_says_why() {
    let mut facts = sample::facts();
    (facts.exit, facts.exit_word) = (77, "not_authorised");
    facts.requests = super::super::RequestFacts::default();
    facts.failure = Some("cannot read dataset `stanford.coastal_survey`: 401".to_owned());

    insta::assert_snapshot!(text(None, &RunEnd::default(), facts, PLAIN), @r#"
    Failed: cannot read dataset `stanford.coastal_survey`: 401.

      time       12.5 s, from 2026-01-01T00:00:00.000Z
      exit       77 (not_authorised)
      report     /state/runs/20260101-000000-ab12/report.json
    "#);
}

#[test]
fn nothing_to_do_is_said_so() {
    let plan = sample::plan_of(Vec::new(), vec![sample::files_job(0)]);

    let text = text(Some(&plan), &RunEnd::default(), sample::facts(), PLAIN);

    assert!(
        text.starts_with("Nothing to do: everything matches.\n"),
        "{text}"
    );
}

#[test]
fn a_run_stopped_before_anything_failed_does_not_say_done() {
    let plan = sample::plan();
    let mut facts = sample::facts();
    facts.stopped_by = Some(CancelReason::Interrupted);

    let text = text(Some(&plan), &sample::good_end(&plan), facts, PLAIN);

    assert!(
        text.starts_with("Stopped by SIGINT; 12 items verified.\n"),
        "{text}"
    );
}

#[test]
fn colour_is_an_argument() {
    let plan = sample::plan();
    let end = sample::good_end(&plan);

    let colour = text(
        Some(&plan),
        &end,
        sample::facts(),
        TextStyle {
            colour: true,
            width: 90,
        },
    );

    assert!(colour.starts_with("\u{1b}[32mDone: "), "{colour}");
    assert!(!text(Some(&plan), &end, sample::facts(), PLAIN).contains('\u{1b}'));
}

#[test]
fn what_the_plan_refused_is_told_in_its_words() {
    let plan = sample::plan();
    let bad = plan
        .items()
        .find(|item| item.class == Class::Conflict)
        .unwrap();
    let mut item = sample::verified(Some("scans"), bad);
    sample::fail(&mut item, FailKind::Failed, "source problem");
    item.end = End::Refused;
    let end = RunEnd {
        items: vec![item],
        complete_jobs: Vec::new(),
    };

    let text = text(Some(&plan), &end, sample::facts(), PLAIN);

    assert!(
        text.starts_with("Not complete: 1 refused by the plan; 0 items verified.\n"),
        "{text}"
    );
    assert!(
        text.contains("scans: cannot be used: cannot read\n    `data/scans/e.tif`: permission"),
        "{text}"
    );
}
