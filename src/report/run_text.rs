//! The summary of a run as text: what was done and verified, what was not and
//! why, with what to do next, and where the rest can be read.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::plan_text::of;
use super::plan_totals::listed;
use super::style::{
    TextStyle, Tone, clean, count, duration, number, percent, rate, size, timestamp, wrap,
};
use super::summary::{RunReport, unchanged};
use super::words::{Cause, next_of};
use crate::event::ItemEnd;

/// Items shown of one cause; the report has all of them.
const MOST_ITEMS: usize = 5;

impl RunReport<'_> {
    /// Writes the summary for people.
    pub fn write_text(&self, out: &mut dyn Write, style: &TextStyle) -> io::Result<()> {
        let (tone, headline) = self.headline();
        for (position, line) in wrap(&headline, style.width).iter().enumerate() {
            let tone = if position == 0 { tone } else { Tone::Plain };
            writeln!(out, "{}", style.paint(tone, line))?;
        }
        self.write_causes(out, style)?;
        writeln!(out)?;
        self.write_facts(out)
    }

    fn headline(&self) -> (Tone, String) {
        let counts = &self.counts;
        if let Some(failure) = &self.facts.failure {
            let next = failure
                .kind
                .map(|kind| format!(" Next: {}.", next_of(kind)));
            let message = clean(&failure.message);
            return (
                Tone::Bad,
                format!("Failed: {message}.{}", next.unwrap_or_default()),
            );
        }
        if counts.open() > 0 {
            let open = listed(&[
                (counts.failed, format!("{} failed", number(counts.failed))),
                (
                    counts.drifted,
                    format!("{} drifted", number(counts.drifted)),
                ),
                (
                    counts.refused,
                    format!("{} refused by the plan", number(counts.refused)),
                ),
                (
                    counts.unverified,
                    format!("{} not confirmed yet", number(counts.unverified)),
                ),
                (
                    counts.not_reached,
                    format!("{} not reached", number(counts.not_reached)),
                ),
            ]);
            let done = count(counts.verified, "item");
            return (Tone::Bad, format!("Not complete: {open}; {done} verified."));
        }
        if let Some(stopped_by) = self.facts.stopped_by {
            return (
                Tone::Bad,
                format!("Stopped by {}.", stopped_by.replace('_', "-")),
            );
        }
        if counts.verified == 0 {
            return (Tone::Good, "Nothing to do: everything matches.".to_owned());
        }
        (
            Tone::Good,
            "Done: everything was sent and verified.".to_owned(),
        )
    }

    fn write_causes(&self, out: &mut dyn Write, style: &TextStyle) -> io::Result<()> {
        let mut causes: BTreeMap<Cause, Group<'_>> = BTreeMap::new();
        for item in &self.end.items {
            if let Some(cause) = Cause::of(item) {
                causes.entry(cause).or_default().add(item);
            }
        }
        for (cause, group) in causes {
            let title = format!("{} {}", count(group.items, "item"), cause.what());
            writeln!(out, "\n{}", style.paint(Tone::Heading, &title))?;
            for item in &group.first {
                let error = item
                    .error
                    .as_ref()
                    .map(|error| format!(": {}", clean(&error.message)));
                let text = format!(
                    "{} {}{}",
                    item.what.as_str(),
                    named(item),
                    error.unwrap_or_default()
                );
                let lines = wrap(&text, style.width.saturating_sub(4)).join("\n    ");
                writeln!(out, "  {lines}")?;
            }
            let left = group.items - group.first.len() as u64;
            if left > 0 {
                writeln!(out, "  … and {} more, in the report", number(left))?;
            }
            writeln!(out, "  next: {}", cause.next())?;
        }
        Ok(())
    }

    fn write_facts(&self, out: &mut dyn Write) -> io::Result<()> {
        let (facts, counts) = (&self.facts, &self.counts);
        let mut line = |name: &str, text: String| -> io::Result<()> {
            if text.is_empty() {
                Ok(())
            } else {
                writeln!(out, "  {name:<10} {text}")
            }
        };
        line("verified", self.verified())?;
        let unchanged = unchanged(self.plan);
        if unchanged.items > 0 {
            line(
                "unchanged",
                format!("{}{}", count(unchanged.items, "item"), of(unchanged)),
            )?;
        }
        if facts.rejects > 0 {
            let place = facts
                .rejects_path
                .as_deref()
                .map(|path| format!(", in {}", clean(path)));
            line(
                "rejects",
                format!(
                    "{}{}",
                    count(facts.rejects, "row"),
                    place.unwrap_or_default()
                ),
            )?;
        }
        let millis = facts.millis();
        if counts.bytes_sent > 0 {
            let each = rate(counts.bytes_sent, millis).map(|each| format!(", {}/s", size(each)));
            line(
                "sent",
                format!("{}{}", size(counts.bytes_sent), each.unwrap_or_default()),
            )?;
        }
        line(
            "time",
            format!("{}, from {}", duration(millis), timestamp(facts.started_ms)),
        )?;
        line("requests", self.requests())?;
        if let Some(limit) = facts.limited_by() {
            line("limited by", limit.to_owned())?;
        }
        for warning in &facts.requests.warnings {
            line("warning", clean(warning))?;
        }
        if self.accuracy.equal < self.accuracy.of {
            let (equal, of) = (number(self.accuracy.equal), number(self.accuracy.of));
            line(
                "plan",
                format!("{equal} of {of} items went exactly as planned"),
            )?;
        }
        line("exit", format!("{} ({})", facts.exit, facts.exit_word))?;
        if let Some(path) = &facts.report_path {
            line("report", clean(path))?;
        }
        Ok(())
    }

    fn verified(&self) -> String {
        let counts = &self.counts;
        let things = listed(&[
            (counts.files, count(counts.files, "file")),
            (counts.parts, count(counts.parts, "part")),
            (counts.uploads, count(counts.uploads, "upload")),
            (counts.tables, count(counts.tables, "table")),
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

    fn requests(&self) -> String {
        let requests = &self.facts.requests;
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
}

/// Items of one cause.
#[derive(Debug, Default)]
struct Group<'a> {
    items: u64,
    first: Vec<&'a ItemEnd>,
}

impl<'a> Group<'a> {
    fn add(&mut self, item: &'a ItemEnd) {
        self.items += 1;
        if self.first.len() < MOST_ITEMS {
            self.first.push(item);
        }
    }
}

fn named(item: &ItemEnd) -> String {
    let name = clean(&item.name);
    item.job
        .as_ref()
        .map_or_else(|| name.clone(), |job| format!("{name} of {job}"))
}
