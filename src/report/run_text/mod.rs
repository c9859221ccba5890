//! The summary of a run as text: what was done and verified, what was not and
//! why, with what to do next, and where the rest can be read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use super::plan_text::of;
use super::plan_totals::{listed, nothing_to_do};
use super::style::{
    TextStyle, Tone, clean, count, duration, number, percent, rate, size, timestamp, wrap,
    write_fact,
};
use super::summary::{RunReport, unchanged};
use super::words::{Cause, stopped_by, why_refused};
use crate::event::{End, ItemEnd, What};
use crate::plan::{Class, Plan};

/// Lines of one cause; the report has all of them.
const MOST_LINES: usize = 5;

/// Writes the summary for people.
pub(super) fn write_run(
    report: &RunReport<'_>,
    out: &mut dyn Write,
    style: &TextStyle,
) -> io::Result<()> {
    let (tone, headline) = headline(report);
    for line in wrap(&headline, style.width) {
        writeln!(out, "{}", style.paint(tone, &line))?;
    }
    write_causes(report, out, style)?;
    write_rejects(report, out, style)?;
    writeln!(out)?;
    write_facts(report, out, style)
}

/// How the run ended, in one sentence.
pub(super) fn headline(report: &RunReport<'_>) -> (Tone, String) {
    let counts = &report.counts;
    let done = count(counts.verified, "item");
    let stopped = report.facts.stopped_by.map(stopped_by);
    if let Some(failure) = &report.facts.failure {
        return (Tone::Bad, format!("Failed: {}.", clean(failure)));
    }
    if counts.open() > 0 {
        let by = stopped
            .map(|by| format!(", stopped by {by}"))
            .unwrap_or_default();
        let open = [
            (counts.failed, "failed"),
            (counts.drifted, "drifted"),
            (counts.refused, "refused by the plan"),
            (counts.unverified, "not confirmed yet"),
            (counts.not_reached, "not reached"),
        ]
        .map(|(count, what)| (count, format!("{} {what}", number(count))));
        let open = listed(&open);
        return (
            Tone::Bad,
            format!("Not complete{by}: {open}; {done} verified."),
        );
    }
    if let Some(by) = stopped {
        return (Tone::Bad, format!("Stopped by {by}; {done} verified."));
    }
    let is_release = report.facts.command == "release";
    let nothing = || {
        let items = report.plan.into_iter().flat_map(Plan::items);
        let extra = items.filter(|item| item.class == Class::Extra).count();
        nothing_to_do(extra as u64)
    };
    let text = match (counts.verified, is_release) {
        (0, false) => return (Tone::Good, nothing()),
        (0, true) => "Nothing to release: the remote matches, and no draft holds changes.",
        (_, true) => "Done: everything was verified, then released.",
        (_, false) => "Done: everything was sent and verified.",
    };
    (Tone::Good, text.to_owned())
}

/// The items that did not end well, by what they have in common, worst first.
/// `most` messages of each are kept.
pub(super) fn causes<'a>(report: &'a RunReport<'_>, most: usize) -> BTreeMap<Cause, Group<'a>> {
    let mut causes: BTreeMap<Cause, Group<'_>> = BTreeMap::new();
    for item in &report.end.items {
        if let Some(cause) = Cause::of(item) {
            let why = why(report, item);
            causes.entry(cause).or_default().add(item, why, most);
        }
    }
    causes
}

fn write_causes(report: &RunReport<'_>, out: &mut dyn Write, style: &TextStyle) -> io::Result<()> {
    for (cause, group) in causes(report, MOST_LINES) {
        let title = format!("{} {}", count(group.items, "item"), cause.what());
        writeln!(out, "\n{}", style.paint(Tone::Heading, &title))?;
        for failure in &group.failures {
            let lines = wrap(&failure.text(), style.width.saturating_sub(4)).join("\n    ");
            writeln!(out, "  {lines}")?;
        }
        if group.left > 0 {
            writeln!(out, "  … and {} more, in the report", number(group.left))?;
        }
        writeln!(out, "  next: {}", cause.next())?;
    }
    Ok(())
}

/// The first rejects, as they were told when the rows were read.
fn write_rejects(report: &RunReport<'_>, out: &mut dyn Write, style: &TextStyle) -> io::Result<()> {
    let facts = &report.facts;
    if facts.first_rejects.is_empty() {
        return Ok(());
    }
    let title = format!("{} left out", count(facts.rejects, "row"));
    writeln!(out, "\n{}", style.paint(Tone::Heading, &title))?;
    for reject in facts.first_rejects.iter().take(MOST_LINES) {
        let lines = wrap(&clean(reject), style.width.saturating_sub(4)).join("\n    ");
        writeln!(out, "  {lines}")?;
    }
    let shown = facts.first_rejects.len().min(MOST_LINES) as u64;
    let left = facts.rejects.saturating_sub(shown);
    if left > 0 {
        writeln!(out, "  … and {} more, in the rejects", number(left))?;
    }
    Ok(())
}

fn write_facts(report: &RunReport<'_>, out: &mut dyn Write, style: &TextStyle) -> io::Result<()> {
    let facts = &report.facts;
    let millis = facts.millis();
    let unchanged = unchanged(report.plan);
    let accuracy = report.accuracy;
    let unchanged = (unchanged.items > 0)
        .then(|| format!("{}{}", count(unchanged.items, "item"), of(unchanged)));
    let rejects = (facts.rejects > 0).then(|| count(facts.rejects, "row"));
    let sent = (report.counts.bytes_sent > 0).then(|| {
        let bytes = report.counts.bytes_sent;
        let each = rate(bytes, millis).map(|each| format!(", {}/s", size(each)));
        format!("{}{}", size(bytes), each.unwrap_or_default())
    });
    let plan = (accuracy.equal < accuracy.of).then(|| {
        let (equal, of) = (number(accuracy.equal), number(accuracy.of));
        format!("{equal} of {of} items went exactly as planned")
    });
    let lines = [
        ("verified", verified(report)),
        ("unchanged", unchanged.unwrap_or_default()),
        ("rejects", rejects.unwrap_or_default()),
        ("sent", sent.unwrap_or_default()),
        (
            "time",
            format!("{}, from {}", duration(millis), timestamp(facts.started_ms)),
        ),
        ("requests", requests(report)),
        (
            "limited by",
            facts.limited_by().unwrap_or_default().to_owned(),
        ),
        ("time in", facts.time_went()),
        ("warnings", clean(&facts.requests.warnings.join("; "))),
        ("plan", plan.unwrap_or_default()),
        ("exit", format!("{} ({})", facts.exit, facts.exit_word)),
    ];
    for (name, text) in &lines {
        write_fact(out, style, name, text)?;
    }
    // Paths are copied, so they are never broken.
    for (name, path) in [
        ("report", &facts.report_path),
        ("page", &facts.page_path),
        ("rejects in", &facts.rejects_path),
    ] {
        if let Some(path) = path {
            writeln!(out, "  {name:<10} {}", clean(path))?;
        }
    }
    Ok(())
}

/// What was verified: `3 files, 2 parts (1.2 MiB, 300 rows)`.
pub(super) fn verified(report: &RunReport<'_>) -> String {
    let counts = &report.counts;
    let things = listed(&[
        (counts.files, count(counts.files, "file")),
        (counts.parts, count(counts.parts, "part")),
        (counts.uploads, count(counts.uploads, "upload")),
        (counts.tables, count(counts.tables, "table")),
        (counts.variables, count(counts.variables, "variable")),
        (counts.versions, count(counts.versions, "version")),
        (counts.deletions, count(counts.deletions, "deletion")),
    ]);
    let amount = crate::plan::Amount {
        items: counts.verified,
        bytes: counts.bytes,
        rows: counts.rows,
    };
    if things.is_empty() {
        things
    } else {
        format!("{things}{}", of(amount))
    }
}

fn requests(report: &RunReport<'_>) -> String {
    let requests = &report.facts.requests;
    if requests.requests == 0 {
        return String::new();
    }
    let share = percent(requests.retries, requests.requests).unwrap_or_default();
    let retries = (requests.retries > 0)
        .then(|| format!(", {} repeated ({share})", number(requests.retries)));
    let waited = (requests.waited_ms > 0)
        .then(|| format!(", {} of waits in all workers", duration(requests.waited_ms)));
    format!(
        "{}{}{}",
        number(requests.requests),
        retries.unwrap_or_default(),
        waited.unwrap_or_default()
    )
}

/// Items of one cause.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    pub(super) items: u64,
    pub(super) failures: Vec<Same<'a>>,
    /// Items that no line tells.
    pub(super) left: u64,
}

/// Items of one message.
#[derive(Debug)]
pub(super) struct Same<'a> {
    first: &'a ItemEnd,
    pub(super) why: Cow<'a, str>,
    others: u64,
}

impl<'a> Group<'a> {
    fn add(&mut self, item: &'a ItemEnd, why: Cow<'a, str>, most: usize) {
        self.items += 1;
        if let Some(position) = self.failures.iter().position(|one| one.why == why) {
            self.failures[position].others += 1;
        } else if self.failures.len() < most {
            self.failures.push(Same {
                first: item,
                why,
                others: 0,
            });
        } else {
            self.left += 1;
        }
    }
}

impl Same<'_> {
    /// `send file a.tif of scans, and 2 more: why`.
    fn text(&self) -> String {
        let colon = if self.why.is_empty() { "" } else { ": " };
        format!("{}{colon}{}", self.called(), clean(&self.why))
    }

    /// `send file a.tif of scans, and 2 more`.
    pub(super) fn called(&self) -> String {
        let others = (self.others > 0).then(|| format!(", and {} more", number(self.others)));
        format!("{}{}", called(self.first), others.unwrap_or_default())
    }
}

/// Why an item did not end well: what the run met, or what the plan had said.
pub(super) fn why<'a>(report: &'a RunReport<'_>, item: &'a ItemEnd) -> Cow<'a, str> {
    if item.end == End::Refused
        && let Some(planned) = report.index.find(item)
    {
        return Cow::Owned(why_refused(planned));
    }
    item.error
        .as_ref()
        .map_or(Cow::Borrowed(""), |error| Cow::Borrowed(&error.message))
}

/// `send file a.tif of scans`.
fn called(item: &ItemEnd) -> String {
    let what = match item.what {
        What::Deletion => "upload",
        What::File | What::Part | What::Upload | What::Table | What::Variable | What::Version => {
            item.what.as_str()
        }
    };
    let action = if item.action == "none" {
        String::new()
    } else {
        format!("{} ", item.action)
    };
    let job = item
        .job
        .as_ref()
        .map(|job| format!(" of {job}"))
        .unwrap_or_default();
    format!("{action}{what} {}{job}", clean(&item.name))
}

#[cfg(test)]
mod tests;
