//! The report as scripts read it: totals, items, and a run without a plan.

use serde_json::Value;

use super::super::sample;
use super::*;
use crate::event::FailKind;
use crate::report::RunFacts;

fn text(plan: Option<&Plan>, end: &RunEnd, facts: RunFacts) -> String {
    let mut out = Vec::new();
    RunReport::new(plan, end, facts)
        .write_json(&mut out)
        .unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_report_tells_the_plan_and_the_end_of_every_item() {
    let plan = sample::plan();
    let mut end = sample::good_end(&plan);
    let position = end
        .items
        .iter()
        .position(|one| one.name == "2026/b.tif")
        .unwrap();
    sample::fail(&mut end.items[position], FailKind::Mismatch, "other bytes");
    end.items[position].attempts = 2;

    let text = text(Some(&plan), &end, sample::facts());

    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["format_version"], 1);
    assert_eq!(report["manifest"]["name"], "coastal-survey");
    assert_eq!(report["manifest"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(report["plan_id"], PlanLines::new(&plan).id().to_string());
    assert_eq!(report["started_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(report["ended_at"], "2026-01-01T00:00:12.500Z");
    assert_eq!(report["duration_ms"], 12_500);
    assert_eq!(report["plan_accuracy"]["of"], 12);
    assert_eq!(report["requests"]["calls"][0]["call"], "insertRows");
    assert_eq!(report["unchanged"]["items"], 2);
    insta::assert_snapshot!(report["items"][position], @r#"{"action":"send","attempts":2,"bytes":3000000,"bytes_sent":3000000,"class":"changed","end":"failed","error":{"kind":"mismatch","message":"other bytes"},"job":"scans","md5":null,"millis":12,"name":"2026/b.tif","reason":"other_size","remote_id":null,"rows":0,"source":"data/scans/b.tif","what":"file"}"#);
}

#[test]
fn totals_are_those_of_the_verified_items() {
    let plan = sample::plan();
    let mut end = sample::good_end(&plan);
    let failing = end
        .items
        .iter_mut()
        .find(|one| one.name == "2026/a.tif")
        .unwrap();
    sample::fail(failing, FailKind::Failed, "no");
    let mut refused = ItemEnd::new(What::File, None, "x", "none");
    refused.end = End::Refused;
    end.items.push(refused);

    let report = RunReport::new(Some(&plan), &end, sample::facts());

    assert_eq!(
        *report.counts(),
        Counts {
            planned: 12,
            verified: 11,
            unverified: 0,
            drifted: 0,
            failed: 1,
            refused: 1,
            not_reached: 0,
            files: 3,
            parts: 2,
            uploads: 1,
            tables: 1,
            variables: 1,
            versions: 2,
            deletions: 1,
            rows: 5020,
            bytes: 3_000_000 + 5000 + 1_048_576 + 4096 + 2_097_152,
            bytes_sent: 1_258_291 + 3_000_000 + 5000 + 1_048_576 + 4096 + 2_097_152,
            unchanged: 2,
            rejects: 0,
        }
    );
}

#[test]
fn each_item_has_a_line_of_its_own() {
    let plan = sample::plan();
    let end = sample::good_end(&plan);

    let text = text(Some(&plan), &end, sample::facts());

    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), end.items.len() + 2);
    assert!(
        lines[1].starts_with("{\"what\":") && lines[1].ends_with("},"),
        "{}",
        lines[1]
    );
}

#[test]
fn a_run_that_failed_before_its_plan_has_a_report_too() {
    let mut facts = sample::facts();
    facts.datasets = vec!["stanford.coastal_survey".to_owned()];
    facts.failure = Some("it broke".to_owned());

    let text = text(None, &RunEnd::default(), facts);

    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["failure"], "it broke");
    assert_eq!(report["plan_id"], Value::Null);
    assert_eq!(report["manifest"]["name"], "coastal-survey");
    assert_eq!(report["datasets"][0], "stanford.coastal_survey");
    assert_eq!(report["plan_accuracy"]["share"], Value::Null);
    assert_eq!(report["items"], serde_json::json!([]));
}
