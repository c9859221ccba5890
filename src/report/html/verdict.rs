//! The top of the page: how the run ended, what to do, and the figures that matter.

use std::io;

use super::Out;
use super::escape::{Esc, Ticked, cut};
use super::facts::PageFacts;
use crate::report::plan_totals::listed;
use crate::report::run_text::{causes, headline, verified};
use crate::report::style::{Tone, count, duration, number, percent, rate, size, timestamp};
use crate::report::summary::{Counts, RunReport};
use crate::report::words::Cause;

/// How the run ended.
#[derive(Debug)]
pub(super) struct Verdict {
    kind: Kind,
    headline: String,
    meaning: &'static str,
    next: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    /// Running again helps.
    Again,
    Bad,
}

impl Verdict {
    pub(super) fn of(report: &RunReport<'_>, page: &PageFacts) -> Self {
        let (tone, headline) = headline(report);
        let kind = match tone {
            Tone::Good => Kind::Good,
            Tone::Heading | Tone::Dim | Tone::Change | Tone::Bad if page.is_worth_retrying => {
                Kind::Again
            }
            Tone::Heading | Tone::Dim | Tone::Change | Tone::Bad => Kind::Bad,
        };
        Self {
            kind,
            headline,
            meaning: page.exit_meaning,
            next: next(report, page, kind),
        }
    }

    fn class(&self) -> &'static str {
        match self.kind {
            Kind::Good => "good",
            Kind::Again => "warn",
            Kind::Bad => "bad",
        }
    }

    /// The same as the colour, for those who do not see it.
    pub(super) fn mark(&self) -> &'static str {
        match self.kind {
            Kind::Good => "✓",
            Kind::Again => "↻",
            Kind::Bad => "✕",
        }
    }

    /// The mark as a picture in an address.
    pub(super) fn icon(&self) -> String {
        let (colour, path) = match self.kind {
            Kind::Good => ("17683a", "M4 8.5 7 11.5 12 5"),
            Kind::Again => ("835400", "M8 4v5M8 11.4v.6"),
            Kind::Bad => ("b3231b", "M5 5l6 6M11 5l-6 6"),
        };
        format!(
            "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%23{colour}'/%3E%3Cpath d='{path}' fill='none' stroke='%23fff' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E"
        )
    }

    pub(super) fn write(&self, out: Out<'_>, report: &RunReport<'_>) -> io::Result<()> {
        let facts = &report.facts;
        writeln!(
            out,
            "<div class=\"verdict {}\">\n<p class=\"who\"><b>{}</b> {} to {}</p>",
            self.class(),
            Esc(&facts.manifest),
            Esc(&facts.command),
            Esc(&facts.endpoint),
        )?;
        writeln!(
            out,
            "<h1><span class=\"mark\" aria-hidden=\"true\">{}</span>{}</h1>",
            self.mark(),
            Ticked(&cut(&self.headline, super::MOST_CHARS))
        )?;
        writeln!(
            out,
            "<p><span class=\"exit\">exit {} {}</span> {}</p>",
            facts.exit,
            Esc(facts.exit_word),
            Esc(self.meaning)
        )?;
        if let Some(next) = &self.next {
            writeln!(out, "<p class=\"next\"><b>Next:</b> {}</p>", Ticked(next))?;
        }
        writeln!(out, "</div>")
    }
}

/// What to do, in one sentence.
fn next(report: &RunReport<'_>, page: &PageFacts, kind: Kind) -> Option<String> {
    if kind == Kind::Good {
        let rejects = report.facts.rejects;
        return (rejects > 0).then(|| {
            format!(
                "look at the {} left out, under Rejects",
                count(rejects, "row")
            )
        });
    }
    if let Some(hint) = page.failure.as_ref().and_then(|one| one.hint.clone()) {
        return Some(hint);
    }
    let causes = causes(report, 1);
    if let Some(cause) = causes.keys().next() {
        let is_refused = *cause == Cause::Refused;
        return Some(match page.problems.as_slice() {
            [] => cause.next().to_owned(),
            _ if !is_refused => cause.next().to_owned(),
            [only] if page.problems_left == 0 => only.hint.clone()?,
            [_, ..] => "resolve what stands under What went wrong, then run again".to_owned(),
        });
    }
    page.is_worth_retrying
        .then(|| "run the same command again: what is done is not repeated".to_owned())
}

/// The line above all: the program, and the choice of the theme.
pub(super) fn write_bar(out: Out<'_>, report: &RunReport<'_>) -> io::Result<()> {
    writeln!(
        out,
        "<div class=\"bar\"><span>redivis-ingest · run {}</span><button type=\"button\" id=\"theme\" hidden>Theme</button></div>",
        Esc(&report.facts.run_id)
    )
}

/// The figures that matter.
pub(super) fn write_tiles(out: Out<'_>, report: &RunReport<'_>) -> io::Result<()> {
    let (facts, counts) = (&report.facts, &report.counts);
    let millis = facts.millis();
    let each = rate(counts.bytes_sent, millis).filter(|each| *each > 0);
    let each = each.map(|each| format!("{}/s", size(each)));
    let of = (counts.planned > 0).then(|| format!("of {} to do", number(counts.planned)));
    let open = counts.open();
    let requests = &facts.requests;
    let repeated = percent(requests.retries, requests.requests)
        .filter(|_| requests.retries > 0)
        .map(|share| format!("{} repeated ({share})", number(requests.retries)));
    let unchanged = counts.unchanged;
    let tiles = [
        (true, "Items verified", number(counts.verified), of),
        (open > 0, "Not done", number(open), Some(not_done(counts))),
        (unchanged > 0, "Unchanged", number(unchanged), None),
        (
            counts.rows > 0,
            "Rows verified",
            number(counts.rows),
            (facts.rejects > 0).then(|| format!("{} left out", number(facts.rejects))),
        ),
        (counts.bytes_sent > 0, "Sent", size(counts.bytes_sent), each),
        (
            true,
            "Duration",
            duration(millis),
            clock(facts.started_ms).map(|at| format!("from {at} UTC")),
        ),
        (
            requests.requests > 0,
            "Requests",
            number(requests.requests),
            repeated,
        ),
    ];
    writeln!(out, "<dl class=\"tiles\">")?;
    for (_, name, value, more) in tiles.iter().filter(|(there, ..)| *there) {
        writeln!(
            out,
            "<div><dt>{name}</dt><dd>{value}<small>{}</small></dd></div>",
            more.as_deref().unwrap_or_default()
        )?;
    }
    writeln!(out, "</dl>")?;
    let verified = verified(report);
    if !verified.is_empty() {
        writeln!(
            out,
            "<p class=\"left\">Verified on the platform: {}.</p>",
            Esc(&verified)
        )?;
    }
    Ok(())
}

/// `2 failed, 41 not reached`.
fn not_done(counts: &Counts) -> String {
    let of = |count: u64, what: &str| (count, format!("{} {what}", number(count)));
    listed(&[
        of(counts.failed, "failed"),
        of(counts.drifted, "drifted"),
        of(counts.refused, "refused"),
        of(counts.unverified, "not confirmed"),
        of(counts.not_reached, "not reached"),
    ])
}

/// `14:03:59` of a time.
fn clock(millis: i64) -> Option<String> {
    let text = timestamp(millis);
    text.get(11..19).map(str::to_owned)
}
