//! What goes on right now, for who sends SIGUSR1: as text, or as one line of JSON
//! where stderr is for programs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::tally::Tally;
use crate::event::{ActiveItem, Event, Totals};
use crate::report::facts::{RequestFacts, limit_of};
use crate::report::json::EVENT_FORMAT;
use crate::report::style::{clean, count, duration, number, rate, size, timestamp};

/// Transfers that are listed.
const MOST_ACTIVE: usize = 64;

/// How far a run is. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct RunStatus {
    tally: Arc<Mutex<Tally>>,
}

/// What is known beside the events.
#[derive(Debug, Clone)]
pub struct StatusFacts {
    /// The process's name of the run; none before there is one.
    pub run_id: Option<String>,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Since the command began.
    pub elapsed: Duration,
    /// What was said to the API and the storage.
    pub requests: RequestFacts,
    /// Tasks on the network at once.
    pub workers: u64,
    /// What is on its way.
    pub active: Vec<ActiveItem>,
}

impl RunStatus {
    /// Adds an event.
    pub fn add(&self, event: &Event) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.add(event);
    }

    fn tally(&self) -> Tally {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.clone()
    }

    /// For people: some lines, the last one ended.
    pub fn text(&self, facts: &StatusFacts) -> String {
        let tally = self.tally();
        let elapsed = millis(facts.elapsed);
        let of_run = facts.run_id.as_ref().map(|id| format!(" of run {id}"));
        let head = format!(
            "status{}: {} after {}",
            of_run.unwrap_or_default(),
            tally.phase_word(),
            duration(elapsed)
        );
        let requests = &facts.requests;
        let each = rate(tally.sent, elapsed).filter(|each| *each > 0);
        let each = each.map(|each| format!(", {}/s on average", size(each)));
        let bytes = tally
            .bytes_text()
            .map(|text| text + &each.unwrap_or_default());
        let calls = format!(
            "{}, {} repeated, {} rate-limited; workers waited {} in all",
            count(requests.requests, "request"),
            number(requests.retries),
            number(requests.rate_limited),
            duration(requests.waited_ms)
        );
        let mut lines = vec![head];
        let mut fact = |name: &str, text: Option<String>| {
            let text = text.filter(|text| !text.is_empty());
            lines.extend(text.map(|text| format!("  {name:<8} {text}")));
        };
        fact("done", Some(tally.things()));
        fact("bytes", bytes);
        fact("calls", Some(calls));
        fact(
            "limit",
            limit_of(requests, elapsed, facts.workers).map(str::to_owned),
        );
        fact("waiting", tally.waiting().map(str::to_owned));
        for item in facts.active.iter().take(MOST_ACTIVE) {
            fact("now", Some(active_text(item)));
        }
        let more = facts.active.len().saturating_sub(MOST_ACTIVE);
        fact(
            "now",
            (more > 0).then(|| format!("and {} more", number(more as u64))),
        );
        lines.join("\n") + "\n"
    }

    /// For programs: one line of JSON, ended.
    pub fn line(&self, facts: &StatusFacts) -> String {
        let tally = self.tally();
        let elapsed = millis(facts.elapsed);
        let line = Line {
            kind: "status",
            ts: timestamp(facts.now_ms),
            run_id: facts.run_id.as_deref(),
            format_version: EVENT_FORMAT,
            phase: tally.phase_word(),
            elapsed_ms: elapsed,
            planned: Figures::of(&tally.totals),
            done: Figures::of(&tally.done()),
            failed: tally.failed(),
            bytes_sent: tally.sent,
            requests: facts.requests.requests,
            retries: facts.requests.retries,
            rate_limited: facts.requests.rate_limited,
            waited_ms: facts.requests.waited_ms,
            limited_by: limit_of(&facts.requests, elapsed, facts.workers),
            waiting: tally.waiting(),
            active: facts.active.iter().take(MOST_ACTIVE).map(One::of).collect(),
            active_left_out: facts.active.len().saturating_sub(MOST_ACTIVE),
        };
        serde_json::to_string(&line).unwrap_or_default() + "\n"
    }
}

fn active_text(item: &ActiveItem) -> String {
    format!(
        "{} {}: {} of {} for {}",
        item.what.as_str(),
        clean(&item.name),
        size(item.sent),
        size(item.bytes),
        duration(millis(item.since))
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    ts: String,
    run_id: Option<&'a str>,
    format_version: u32,
    phase: &'static str,
    elapsed_ms: u64,
    planned: Figures,
    done: Figures,
    failed: u64,
    bytes_sent: u64,
    requests: u64,
    retries: u64,
    rate_limited: u64,
    waited_ms: u64,
    limited_by: Option<&'static str>,
    waiting: Option<&'a str>,
    active: Vec<One<'a>>,
    active_left_out: usize,
}

#[derive(Debug, Serialize)]
struct Figures {
    files: u64,
    parts: u64,
    uploads: u64,
    rows: u64,
    bytes: u64,
}

impl Figures {
    fn of(totals: &Totals) -> Self {
        let Totals {
            files,
            parts,
            uploads,
            rows,
            bytes,
        } = *totals;
        Self {
            files,
            parts,
            uploads,
            rows,
            bytes,
        }
    }
}

#[derive(Debug, Serialize)]
struct One<'a> {
    what: &'static str,
    name: &'a str,
    bytes: u64,
    bytes_sent: u64,
    millis: u64,
}

impl<'a> One<'a> {
    fn of(item: &'a ActiveItem) -> Self {
        Self {
            what: item.what.as_str(),
            name: &item.name,
            bytes: item.bytes,
            bytes_sent: item.sent,
            millis: millis(item.since),
        }
    }
}
