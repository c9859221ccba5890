//! A run as metrics of Prometheus's text format (0.0.4), for the textfile
//! collector of node-exporter: gauges of the last run, and when one last succeeded.

use std::io::{self, Write};

use super::summary::{Counts, RunReport};

const PREFIX: &str = "redivis_ingest_";
const SUCCESS: &str = "last_success_timestamp_seconds";

/// Writes the metrics. `before` is what the file held: a run that failed keeps the
/// time of the last success that stands there.
pub fn write_metrics(out: &mut dyn Write, report: &RunReport<'_>, before: &str) -> io::Result<()> {
    let facts = &report.facts;
    let labels = format!("manifest=\"{}\"", escaped(&facts.manifest));
    let mut page = Page {
        out,
        labels: &labels,
    };
    let seconds = |millis: i64| (millis / 1000).to_string();
    let ended = seconds(facts.ended_ms);
    page.gauge(
        "last_run_timestamp_seconds",
        "When the last run ended.",
        &ended,
    )?;
    let success = if is_success(facts.exit_word) {
        Some(ended)
    } else {
        value_in(before, &labels)
    };
    if let Some(success) = success {
        page.gauge(SUCCESS, "When a run last did all that it should.", &success)?;
    }
    page.gauge(
        "last_run_exit_code",
        "The exit code of the last run.",
        &facts.exit.to_string(),
    )?;
    page.gauge(
        "last_run_duration_seconds",
        "How long the last run took.",
        &thousandths(facts.millis()),
    )?;
    write_items(&mut page, &report.counts)?;
    let counts = &report.counts;
    let requests = &facts.requests;
    for (name, help, value) in [
        (
            "last_run_rows",
            "Rows that the last run delivered and verified.",
            counts.rows,
        ),
        (
            "last_run_bytes",
            "Bytes that the last run delivered and verified.",
            counts.bytes,
        ),
        (
            "last_run_sent_bytes",
            "Bytes that went out, repeats included.",
            requests.sent_bytes,
        ),
        (
            "last_run_rejects",
            "Rows that the last run left out.",
            counts.rejects,
        ),
        (
            "last_run_requests",
            "Requests, repeats included.",
            requests.requests,
        ),
        (
            "last_run_retries",
            "Requests that repeated an earlier one.",
            requests.retries,
        ),
        (
            "last_run_rate_limited",
            "Answers with 429.",
            requests.rate_limited,
        ),
    ] {
        page.gauge(name, help, &value.to_string())?;
    }
    page.gauge(
        "last_run_waited_seconds",
        "Time that workers waited for the pace or before a repeat, summed up.",
        &thousandths(requests.waited_ms),
    )
}

fn write_items(page: &mut Page<'_>, counts: &Counts) -> io::Result<()> {
    page.head(
        "last_run_items",
        "Items of the last run by what became of them.",
    )?;
    for (state, count) in [
        ("verified", counts.verified),
        ("unchanged", counts.unchanged),
        ("unverified", counts.unverified),
        ("drifted", counts.drifted),
        ("failed", counts.failed),
        ("refused", counts.refused),
        ("not_reached", counts.not_reached),
    ] {
        let state = format!("state=\"{state}\"");
        page.value("last_run_items", Some(&state), &count.to_string())?;
    }
    Ok(())
}

struct Page<'a> {
    out: &'a mut dyn Write,
    labels: &'a str,
}

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: &str) -> io::Result<()> {
        self.head(name, help)?;
        self.value(name, None, value)
    }

    fn head(&mut self, name: &str, help: &str) -> io::Result<()> {
        writeln!(self.out, "# HELP {PREFIX}{name} {help}")?;
        writeln!(self.out, "# TYPE {PREFIX}{name} gauge")
    }

    fn value(&mut self, name: &str, more: Option<&str>, value: &str) -> io::Result<()> {
        let labels = self.labels;
        let more = more.map_or_else(String::new, |more| format!(",{more}"));
        writeln!(self.out, "{PREFIX}{name}{{{labels}{more}}} {value}")
    }
}

/// Exit codes that say that everything is as it should be.
fn is_success(exit_word: &str) -> bool {
    ["done", "nothing_to_do"].contains(&exit_word)
}

/// The time of the last success in an earlier page.
fn value_in(before: &str, labels: &str) -> Option<String> {
    let begin = format!("{PREFIX}{SUCCESS}{{{labels}}} ");
    let value = before.lines().find_map(|line| line.strip_prefix(&begin))?;
    value.parse::<i64>().ok().map(|value| value.to_string())
}

fn thousandths(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
