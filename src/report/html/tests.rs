//! Pages of runs of all kinds: what they say, what they cannot do, how long they get.

use super::*;
use crate::base::cancel::CancelReason;
use crate::event::{End, Event, FailKind, ItemEnd, Phase, RunEnd, What};
use crate::plan::{Amount, Class, Plan};
use crate::report::facts::RunFacts;
use crate::report::sample;
use crate::report::samples::Recorder;

fn facts_of_page() -> PageFacts {
    PageFacts {
        exit_meaning: "everything matches",
        ..PageFacts::default()
    }
}

fn page(plan: Option<&Plan>, end: &RunEnd, facts: RunFacts, page: &PageFacts) -> String {
    let mut out = Vec::new();
    RunReport::new(plan, end, facts)
        .write_html(&mut out, page)
        .unwrap();
    String::from_utf8(out).unwrap()
}

/// The text between two texts, each of which must be there.
#[track_caller]
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to}")).0
}

#[test]
fn a_good_run_says_so_with_its_figures() {
    let plan = sample::plan();
    let end = sample::good_end(&plan);

    let page = page(Some(&plan), &end, sample::facts(), &facts_of_page());

    let verdict = between(&page, "<div class=\"verdict good\">", "</div>");
    assert!(verdict.contains("Done: everything was sent and verified."));
    assert!(verdict.contains("exit 0 done</span> everything matches"));
    assert!(!page.contains("<section id=\"trouble\""));
    let tiles = between(&page, "<dl class=\"tiles\">", "</dl>");
    for tile in [
        "Items verified</dt><dd>12<small>of 12 to do",
        "Duration</dt><dd>12.5 s<small>from 00:00:00 UTC",
        "Requests</dt><dd>124<small>3 repeated (2.4 %)",
    ] {
        assert!(tiles.contains(tile), "{tile}\n{tiles}");
    }
    let about = between(&page, "<section id=\"about\"", "</section>");
    for fact in [
        "coastal-survey",
        "20260101-000000-ab12",
        "https://redivis.com/api/v1",
        "stanford.coastal_survey",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:12.500Z",
        "100.0 %: 12 of 12 items went exactly as planned",
        concat!("redivis-ingest ", env!("CARGO_PKG_VERSION")),
        "/state/runs/20260101-000000-ab12/report.json",
    ] {
        assert!(about.contains(fact), "{fact}");
    }
    let calls = between(&page, "<section id=\"requests\"", "</section>");
    assert!(calls.contains("<code>insertRows</code></td><td class=\"n\" data-v=\"4\">4</td>"));
    assert!(calls.contains("data-v=\"80.5\">80 ms</td><td class=\"n\" data-v=\"190\">190 ms"));
    for fact in [
        "the API&#39;s rate limit and failed requests",
        "<dt>time in</dt><dd>the API&#39;s rate limit 61.5 %, waiting for answers 30.2 %</dd>",
        "at times held to 4 requests",
    ] {
        assert!(calls.contains(fact), "{fact}");
    }
}

#[test]
fn the_plan_is_told_by_class_with_its_reasons() {
    let plan = sample::plan();
    let mut end = sample::good_end(&plan);
    let bad = plan.items().find(|item| item.class == Class::Conflict);
    let mut refused = sample::verified(Some("scans"), bad.unwrap());
    refused.end = End::Refused;
    end.items.push(refused);

    let page = page(Some(&plan), &end, sample::facts(), &facts_of_page());

    let section = between(&page, "<section id=\"plan\"", "</section>");
    for (class, items) in [
        ("new", 7),
        ("changed", 4),
        ("unchanged", 2),
        ("conflict", 1),
    ] {
        let row = between(section, &format!("</span>{class}</b>"), "</tr>");
        let wanted = format!("<td class=\"n\" data-v=\"{items}\">{items}</td>");
        assert!(row.contains(&wanted), "{class}: {row}");
    }
    assert!(section.contains("<dt>send</dt><dd>4 files, 2 parts, 1 upload, 5,020 rows"));
    let jobs = between(&page, "<section id=\"jobs\"", "</section>");
    assert!(jobs.contains("uploads; 1,200 rows of the last release go: it is replaced as a whole"));
    // A row of fewer cells could not be sorted.
    assert!(!page.contains("colspan"));
    let items = between(&page, "<section id=\"items\"", "</section>");
    for told in [
        "<span class=\"sig\">+</span>new <code>not_on_remote</code>",
        "<span class=\"sig\">~</span>changed <code>other_md5</code>",
        "data/readings/r_2026.csv rows 1-5,000",
        "<span class=\"sig\">.</span>extra <code>not_in_sources</code>",
        "younger than <code>min_age</code>",
    ] {
        assert!(items.contains(told), "{told}");
    }
    let refused = between(items, "<tr data-s=\"refused\">", "</tr>");
    assert!(
        refused.contains("conflict <code>source_problem</code>"),
        "{refused}"
    );
    assert!(refused.contains("cannot read <code>data/scans/e.tif</code>: permission denied"));
    // A name with an escape code is spelled out.
    assert!(items.contains("\\u{1b}[2Je.tif"));
}

#[test]
fn a_failed_item_comes_first_with_its_code_and_what_to_do() {
    let plan = sample::plan();
    let mut end = sample::good_end(&plan);
    let position = end.items.iter().position(|one| one.what == What::Part);
    let part = &mut end.items[position.unwrap() + 1];
    sample::fail(part, FailKind::Refused, "cannot insert rows: 400 <no>");
    let mut facts = sample::facts();
    (facts.exit, facts.exit_word) = (3, "partial");

    let page = page(Some(&plan), &end, facts, &facts_of_page());

    assert!(page.contains("<div class=\"verdict bad\">"));
    let trouble = between(&page, "<section id=\"trouble\"", "</section>");
    assert!(trouble.contains("1 item refused by the service <code>refused</code>"));
    assert!(trouble.contains("cannot insert rows: 400 &lt;no&gt;"));
    assert!(trouble.contains("the same request will be refused again: see the message"));
    let job = between(&page, "<h3>readings ", "</table>");
    let first = between(job, "<tbody>", "</tr>");
    assert!(first.contains("data-s=\"failed\""), "{first}");
    assert!(first.contains("✕ failed"), "{first}");
    let jobs = between(&page, "<section id=\"jobs\"", "</section>");
    assert!(jobs.contains("<span class=\"st bad\">✕ failed</span>"));
}

#[test]
fn a_run_that_failed_before_its_plan_has_a_page_with_code_and_hint() {
    let mut facts = sample::facts();
    (facts.exit, facts.exit_word) = (69, "refused");
    facts.failure = Some("there is no dataset `a.b`: 404".to_owned());
    let mut more = facts_of_page();
    more.failure = Some(ProblemFacts {
        code: "remote/missing",
        message: "there is no dataset `a.b`".to_owned(),
        causes: vec!["404".to_owned()],
        hint: Some("look at the name".to_owned()),
    });

    let page = page(None, &RunEnd::default(), facts, &more);

    assert!(page.contains("Failed: there is no dataset <code>a.b</code>: 404."));
    assert!(page.contains("<b>Next:</b> look at the name"));
    let trouble = between(&page, "<section id=\"trouble\"", "</section>");
    assert!(trouble.contains("<code>remote/missing</code>"));
    assert!(!page.contains("<section id=\"items\""));
    assert!(page.trim_end().ends_with("</html>"));
}

#[test]
fn a_run_that_was_stopped_says_by_what_and_that_it_goes_on() {
    let plan = sample::plan();
    let mut end = sample::good_end(&plan);
    sample::fail(&mut end.items[3], FailKind::Cancelled, "stopped");
    let mut facts = sample::facts();
    facts.stopped_by = Some(CancelReason::Terminated);
    let mut more = facts_of_page();
    more.is_worth_retrying = true;

    let page = page(Some(&plan), &end, facts, &more);

    assert!(page.contains("<div class=\"verdict warn\">"));
    assert!(page.contains("Not complete, stopped by SIGTERM: 1 not reached; 11 items verified."));
    assert!(page.contains("run again: what is done is not repeated"));
}

#[test]
fn no_value_is_markup_wherever_it_stands() {
    const BAD: &str = "</script></style><img src=x onerror=pwned()>\"'";
    let plan = sample::plan();
    let mut end = sample::good_end(&plan);
    for item in &mut end.items {
        item.remote_id = Some(BAD.to_owned());
        sample::fail(item, FailKind::Failed, BAD);
    }
    let mut stray = ItemEnd::new(What::File, None, BAD, "send");
    sample::fail(&mut stray, FailKind::Drifted, BAD);
    end.items.push(stray);
    let mut facts = sample::facts();
    for text in [
        &mut facts.run_id,
        &mut facts.command,
        &mut facts.manifest,
        &mut facts.manifest_sha256,
        &mut facts.endpoint,
    ] {
        BAD.clone_into(text);
    }
    facts.failure = Some(BAD.to_owned());
    facts.report_path = Some(BAD.to_owned());
    facts.rejects_path = Some(BAD.to_owned());
    facts.rejects = 1;
    facts.requests.warnings = vec![BAD.to_owned()];
    facts.requests.calls[0].call = BAD.to_owned();
    let problem = ProblemFacts {
        code: BAD,
        message: BAD.to_owned(),
        causes: vec![BAD.to_owned()],
        hint: Some(BAD.to_owned()),
    };
    let mut recorder = Recorder::new(Box::new(|| 1));
    recorder.event(
        500,
        &Event::Waiting {
            reason: BAD.to_owned(),
            delay: std::time::Duration::ZERO,
            attempt: 1,
        },
    );
    let more = PageFacts {
        exit_meaning: BAD,
        is_worth_retrying: false,
        failure: Some(problem.clone()),
        problems: vec![problem],
        problems_left: 0,
        rejects: vec![RejectFacts {
            job: BAD.to_owned(),
            file: BAD.to_owned(),
            line: None,
            row: None,
            column: Some(BAD.to_owned()),
            value: BAD.to_owned(),
            why: BAD.to_owned(),
            by: "platform",
        }],
        receipts: Some(BAD.to_owned()),
        samples: recorder.finish(1000),
        calls_per_second: None,
    };

    let page = page(Some(&plan), &end, facts, &more);

    assert!(!page.contains("<img"));
    assert_eq!(page.matches("</script>").count(), 1);
    assert_eq!(page.matches("</style>").count(), 1);
    // All of the places, or it would prove little.
    assert!(page.matches("&lt;img src=x").count() > 40);
}

#[test]
fn the_page_may_load_nothing_and_runs_only_its_own_script() {
    let page = page(None, &RunEnd::default(), sample::facts(), &facts_of_page());

    let policy = between(&page, "Security-Policy\" content=\"", "\">");
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"));
    assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'));
    for (text, word) in [
        (between(&page, "<script>", "</script>"), "script-src"),
        (between(&page, "<style>", "</style>"), "style-src"),
    ] {
        let said = between(policy, &format!("{word} 'sha256-"), "'");
        assert_eq!(said, Sha256Digest::of(text.as_bytes()).to_base64());
    }
    let outside = page.replace(JS, "").replace(CSS, "");
    for forbidden in [" style=\"", " onclick", "<script src", "@import", "url("] {
        assert!(!outside.contains(forbidden), "{forbidden}");
    }
    assert!(!CSS.contains("url(") && !CSS.contains("@import"));
    assert!(!JS.contains("innerHTML") && !JS.contains("</"));
    // Addresses are of names in the page, or the icon that is in its own address.
    for href in outside.split("href=\"").skip(1) {
        assert!(
            href.starts_with('#') || href.starts_with("data:image/svg+xml,"),
            "{href}"
        );
    }
}

#[test]
fn both_ways_to_be_dark_are_the_same() {
    let auto = between(CSS, ":root:not([data-theme=\"light\"]) {", "}");
    let chosen = between(CSS, "\n:root[data-theme=\"dark\"] {", "}");

    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(auto), words(chosen));
}

#[test]
fn a_page_of_very_many_items_is_short_and_says_what_it_leaves_out() {
    let mut plan = sample::plan_of(Vec::new(), vec![sample::files_job(20_000)]);
    plan.jobs[0].unchanged = Amount {
        items: 2_000_000,
        bytes: 5,
        rows: 0,
    };
    let mut end = sample::good_end(&plan);
    sample::fail(&mut end.items[19_999], FailKind::Failed, "bad");
    let last = end.items[19_999].name.clone();

    let page = page(Some(&plan), &end, sample::facts(), &facts_of_page());

    assert!(page.len() < 400_000, "{}", page.len());
    assert_eq!(page.matches("<tr data-s=").count(), shelf::MOST_OF_JOB);
    assert!(page.contains(
        "500 of 20,000 items shown; 19,500 left out: the whole list is in /state/runs/20260101-000000-ab12/report.json."
    ));
    let first = between(&page, "<tr data-s=\"", "</tr>");
    assert!(
        first.starts_with("failed") && first.contains(&last),
        "{first}"
    );
    assert!(page.contains("= 2,000,000 unchanged (5 B)"));
}

#[test]
fn many_jobs_share_the_room() {
    let jobs = (0..600).map(|index| {
        let mut job = sample::files_job(20);
        job.job = sample::name(&format!("job-{index}"));
        job
    });
    let plan = sample::plan_of(Vec::new(), jobs.collect());
    let mut end = sample::good_end(&plan);
    for item in &mut end.items {
        sample::fail(item, FailKind::Failed, &"long ".repeat(1000));
    }

    let page = page(Some(&plan), &end, sample::facts(), &facts_of_page());

    assert_eq!(page.matches("<tr data-s=").count(), 600 * 10);
    assert!(page.len() < 12_000_000, "{}", page.len());
}

#[test]
fn charts_are_drawn_from_what_was_recorded() {
    let mut recorder = Recorder::new(Box::new(|| 7));
    recorder.event(0, &Event::Phase(Phase::Planning));
    recorder.event(100, &Event::Phase(Phase::Sending));
    recorder.event(150, &Event::BytesSent(2048));
    recorder.event(250, &Event::BytesSent(1024));
    let mut more = facts_of_page();
    more.samples = recorder.finish(400);

    let page = page(None, &RunEnd::default(), sample::facts(), &more);

    let progress = between(&page, "<section id=\"progress\"", "</section>");
    assert!(progress.contains("3.0 KiB, at most 20.0 KiB/s"));
    assert!(progress.contains("viewBox=\"0 0 400 1000\""));
    assert!(progress.contains("M0 1000H0V1000H100V0H200V500H300V1000H400V1000Z"));
    assert!(progress.contains("planning 100 ms") && progress.contains("sending 300 ms"));
    // No rows, no chart of rows.
    assert!(!progress.contains("Rows confirmed"));
}

#[test]
fn rejects_are_told_with_their_place_and_value() {
    let mut facts = sample::facts();
    facts.rejects = 31;
    facts.rejects_path = Some("/state/runs/r/rejects.ndjson".to_owned());
    let mut more = facts_of_page();
    more.rejects = vec![RejectFacts {
        job: "readings".to_owned(),
        file: "data/r.csv".to_owned(),
        line: Some(1204),
        row: None,
        column: Some("value".to_owned()),
        value: "<0.05".to_owned(),
        why: "is not a number".to_owned(),
        by: "encoding",
    }];

    let page = page(None, &RunEnd::default(), facts, &more);

    let rejects = between(&page, "<section id=\"rejects\"", "</section>");
    assert!(rejects.contains(
        "31 rows left out. The first 1 are shown. All of them are in /state/runs/r/rejects.ndjson."
    ));
    for cell in [
        "data/r.csv",
        "data-v=\"1204\">1,204",
        "value",
        "&lt;0.05",
        "is not a number",
    ] {
        assert!(rejects.contains(cell), "{cell}: {rejects}");
    }
}
