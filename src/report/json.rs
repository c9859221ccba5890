//! The plan and the events as NDJSON.

use std::io::{self, Write};

use serde::Serialize;

use super::style::timestamp;
use crate::event::{Event, Totals};
use crate::plan::{Plan, PlanLines};

/// The version of the events' NDJSON. 1: the first.
pub const EVENT_FORMAT: u32 = 1;

/// Writes the plan: a header, one line for each item, the totals.
pub fn write_plan_json(
    out: &mut dyn Write,
    plan: &Plan,
    calls_per_second: Option<f64>,
) -> io::Result<()> {
    PlanLines::new(plan).write(out, calls_per_second)
}

/// An event as one line of JSON, without its line break. `at_ms` is when it
/// happened, in milliseconds since 1970.
pub fn event_line(event: &Event, at_ms: i64, run_id: &str) -> String {
    let (kind, body) = match event {
        Event::RunStarted(totals) => ("run_started", Body::of_totals(totals)),
        Event::Phase(phase) => (
            "phase",
            Body::Phase {
                phase: phase.as_str(),
            },
        ),
        Event::BytesSent(bytes) => ("bytes_sent", Body::BytesSent { bytes: *bytes }),
        Event::Finished {
            what,
            name,
            bytes,
            rows,
        } => (
            "finished",
            Body::Finished {
                what: what.as_str(),
                name,
                bytes: *bytes,
                rows: *rows,
            },
        ),
        Event::Failed { what, name, error } => (
            "failed",
            Body::Failed {
                what: what.as_str(),
                name,
                error,
            },
        ),
        Event::Waiting {
            reason,
            delay,
            attempt,
        } => (
            "waiting",
            Body::Waiting {
                reason,
                delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                attempt: *attempt,
            },
        ),
        Event::Note(text) => ("note", Body::Note { text }),
        Event::RunFinished => ("run_finished", Body::None {}),
    };
    let line = Line {
        kind,
        ts: timestamp(at_ms),
        run_id,
        format_version: EVENT_FORMAT,
        body,
    };
    serde_json::to_string(&line).unwrap_or_default()
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    ts: String,
    run_id: &'a str,
    format_version: u32,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Totals {
        files: u64,
        parts: u64,
        uploads: u64,
        rows: u64,
        bytes: u64,
    },
    Phase {
        phase: &'static str,
    },
    BytesSent {
        bytes: u64,
    },
    Finished {
        what: &'static str,
        name: &'a str,
        bytes: u64,
        rows: u64,
    },
    Failed {
        what: &'static str,
        name: &'a str,
        error: &'a str,
    },
    Waiting {
        reason: &'a str,
        delay_ms: u64,
        attempt: u32,
    },
    Note {
        text: &'a str,
    },
    None {},
}

impl Body<'_> {
    fn of_totals(totals: &Totals) -> Self {
        let Totals {
            files,
            parts,
            uploads,
            rows,
            bytes,
        } = *totals;
        Self::Totals {
            files,
            parts,
            uploads,
            rows,
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::event::What;

    #[test]
    fn an_event_is_one_line_with_type_time_run_and_version() {
        let finished = Event::Finished {
            what: What::File,
            name: "a\nb.tif".to_owned(),
            bytes: 5,
            rows: 0,
        };

        let line = event_line(&finished, 1_767_225_600_000, "r1");

        insta::assert_snapshot!(line, @r#"{"type":"finished","ts":"2026-01-01T00:00:00.000Z","run_id":"r1","format_version":1,"what":"file","name":"a\nb.tif","bytes":5,"rows":0}"#);
        insta::assert_snapshot!(event_line(&Event::RunFinished, 0, "r1"), @r#"{"type":"run_finished","ts":"1970-01-01T00:00:00.000Z","run_id":"r1","format_version":1}"#);
    }

    #[test]
    fn a_plan_is_a_header_its_items_and_the_totals() {
        let plan = sample::plan();
        let mut out = Vec::new();

        write_plan_json(&mut out, &plan, None).unwrap();

        let text = String::from_utf8(out).unwrap();
        let kinds: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].to_string()
            })
            .collect();
        assert_eq!(kinds.len(), 17);
        assert_eq!(
            (kinds[0].as_str(), kinds[16].as_str()),
            ("\"plan\"", "\"totals\"")
        );
        assert!(kinds[1..16].iter().all(|kind| kind == "\"item\""));
    }
}
