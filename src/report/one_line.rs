//! A run in one line of JSON, for Airflow's `XCom` and for `--summary`.
//!
//! What does not fit is cut by one rule: texts are cut at 1,000 characters; then
//! datasets and failures are added while the line stays within the limit, and
//! `datasets_left_out` and `failures_left_out` count the rest. Counts are whole
//! always.

use serde::Serialize;

use super::summary::{Counts, REPORT_FORMAT, RunReport};
use super::words::Cause;
use crate::event::ItemEnd;

/// The longest line, in bytes, its line break included: below the 48 KB that
/// Airflow keeps.
pub const ONE_LINE_BYTES: usize = 48_000;

/// Characters of one text.
const MOST_CHARS: usize = 1000;
/// Failures that are looked at; more would not help anybody.
const MOST_FAILURES: usize = 50;

/// The line, without its line break.
pub(super) fn one_line(report: &RunReport<'_>) -> String {
    let facts = &report.facts;
    let mut line = Line {
        kind: "summary",
        format_version: REPORT_FORMAT,
        run_id: cut(&facts.run_id),
        command: cut(&facts.command),
        exit: facts.exit,
        exit_word: facts.exit_word,
        manifest: cut(&facts.manifest),
        endpoint: cut(&facts.endpoint),
        plan_id: report.plan_id.as_deref(),
        duration_ms: facts.millis(),
        counts: &report.counts,
        failure: facts.failure.as_deref().map(cut),
        report: facts.report_path.as_deref().map(cut),
        page: facts.page_path.as_deref().map(cut),
        rejects_file: facts.rejects_path.as_deref().map(cut),
        datasets: Vec::new(),
        datasets_left_out: 0,
        failures: Vec::new(),
        failures_left_out: 0,
    };
    // The counts of what is left out may become longer: twice 20 digits.
    let mut room = ONE_LINE_BYTES.saturating_sub(text(&line).len() + 41);
    let datasets = report.datasets();
    for dataset in &datasets {
        let dataset = cut(dataset);
        if !take(&mut room, &dataset) {
            break;
        }
        line.datasets.push(dataset);
    }
    line.datasets_left_out = datasets.len() - line.datasets.len();

    let bad = || {
        report
            .end
            .items
            .iter()
            .filter(|item| Cause::of(item).is_some())
    };
    for item in bad().take(MOST_FAILURES) {
        let failure = FailureLine::of(item);
        if !take(&mut room, &failure) {
            break;
        }
        line.failures.push(failure);
    }
    line.failures_left_out = bad().count() - line.failures.len();
    text(&line)
}
/// Takes the room of one more element and its comma, if it is there.
fn take(room: &mut usize, value: &impl Serialize) -> bool {
    let needed = text(value).len() + 1;
    let fits = needed <= *room;
    if fits {
        *room -= needed;
    }
    fits
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    format_version: u32,
    run_id: String,
    command: String,
    exit: u8,
    exit_word: &'static str,
    manifest: String,
    endpoint: String,
    plan_id: Option<&'a str>,
    duration_ms: u64,
    counts: &'a Counts,
    failure: Option<String>,
    report: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    rejects_file: Option<String>,
    datasets: Vec<String>,
    datasets_left_out: usize,
    failures: Vec<FailureLine>,
    failures_left_out: usize,
}

#[derive(Debug, Serialize)]
struct FailureLine {
    what: &'static str,
    job: Option<String>,
    name: String,
    end: &'static str,
    kind: Option<&'static str>,
    message: Option<String>,
}

impl FailureLine {
    fn of(item: &ItemEnd) -> Self {
        Self {
            what: item.what.as_str(),
            job: item.job.as_ref().map(ToString::to_string),
            name: cut(&item.name),
            end: item.end.as_str(),
            kind: item.error.as_ref().map(|error| error.kind.as_str()),
            message: item.error.as_ref().map(|error| cut(&error.message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::event::{FailKind, RunEnd, What};

    #[test]
    fn the_line_has_what_a_scheduler_asks_for() {
        let plan = sample::plan();
        let end = sample::good_end(&plan);

        let line = RunReport::new(Some(&plan), &end, sample::facts()).one_line();

        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["endpoint"], "https://redivis.com/api/v1");
        assert_eq!(
            value["datasets"],
            serde_json::json!(["stanford.coastal_survey"])
        );
        assert_eq!(value["exit"], 0);
        assert_eq!(value["counts"]["verified"], 12);
        assert_eq!(value["plan_id"].as_str().unwrap().len(), 64);
        assert_eq!(
            value["report"],
            "/state/runs/20260101-000000-ab12/report.json"
        );
        assert_eq!(value["failures_left_out"], 0);
        assert!(!line.contains('\n'));
    }

    #[test]
    fn a_line_of_many_bad_ends_stays_within_the_limit_and_counts_the_rest() {
        let plan = sample::plan();
        let mut end = RunEnd::default();
        for index in 0..3000 {
            // A quote takes two bytes in JSON, a control character six.
            let name = format!("{index}{}", "\"\u{1}".repeat(500));
            let mut item = ItemEnd::new(What::File, None, &name, "send");
            sample::fail(&mut item, FailKind::Failed, &"\u{1}é".repeat(900));
            end.items.push(item);
        }
        let mut facts = sample::facts();
        facts.report_path = Some("\u{1}".repeat(4000));

        let line = RunReport::new(Some(&plan), &end, facts).one_line();

        assert!(line.len() < ONE_LINE_BYTES, "{}", line.len());
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let shown = value["failures"].as_array().unwrap().len();
        assert!(shown > 0, "{shown}");
        assert_eq!(value["failures_left_out"], 3000 - shown);
        assert_eq!(value["counts"]["failed"], 3000);
    }

    #[test]
    fn many_datasets_are_cut_too() {
        let mut facts = sample::facts();
        facts.datasets = (0..2000)
            .map(|index| format!("owner.{index}_{}", "d".repeat(90)))
            .collect();

        let line = RunReport::new(None, &RunEnd::default(), facts).one_line();

        assert!(line.len() < ONE_LINE_BYTES, "{}", line.len());
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let shown = value["datasets"].as_array().unwrap().len();
        assert!(shown > 400);
        assert_eq!(value["datasets_left_out"], 2000 - shown);
    }
}
