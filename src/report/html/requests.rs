//! What was said to the API and the storage: calls with their latency, repeats and
//! waits.

use std::io;

use super::escape::{Esc, cut};
use super::facts::PageFacts;
use super::{
    MOST_CHARS, Out, close_table, open_section, open_table, write_facts, write_heads, write_number,
};
use crate::report::style::{count, duration, number, percent, size};
use crate::report::summary::RunReport;

pub(super) fn write_requests(
    out: Out<'_>,
    report: &RunReport<'_>,
    page: &PageFacts,
) -> io::Result<()> {
    let facts = &report.facts;
    let requests = &facts.requests;
    if requests.requests == 0 {
        return Ok(());
    }
    open_section(out, "requests", "Requests")?;
    writeln!(out, "<div class=\"columns\">")?;
    writeln!(out, "<div>")?;
    let share = |part: u64| {
        if part == 0 {
            return "none".to_owned();
        }
        let share = percent(part, requests.requests).unwrap_or_default();
        format!("{} ({share})", number(part))
    };
    write_facts(
        out,
        &[
            ("limited by", limit(report)),
            ("time in", report.facts.time_went()),
            ("requests", number(requests.requests)),
            ("repeated", share(requests.retries)),
            ("rate limited", share(requests.rate_limited)),
            ("waited", waited(requests.waited_ms)),
            ("workers", workers(report)),
            ("connections", number(requests.connections)),
            ("out", size(requests.sent_bytes)),
            ("in", size(requests.received_bytes)),
        ],
    )?;
    write_waits(out, page)?;
    writeln!(out, "</div>\n<div>")?;
    open_table(out, "Calls and their latency", true)?;
    write_heads(out, &["Call", "#Count", "#p50", "#p99", "#Longest"])?;
    for call in &requests.calls {
        write!(out, "<tr><td><code>{}</code></td>", Esc(&call.call))?;
        write_number(out, call.count, &number(call.count))?;
        for millis in [call.p50_ms, call.p99_ms, call.max_ms] {
            write!(
                out,
                "<td class=\"n\" data-v=\"{millis}\">{}</td>",
                latency(millis)
            )?;
        }
        writeln!(out, "</tr>")?;
    }
    close_table(out)?;
    writeln!(out, "</div>\n</div>")?;
    if !requests.warnings.is_empty() {
        writeln!(out, "<h3>Warnings of the platform</h3>\n<ul>")?;
        for warning in &requests.warnings {
            writeln!(out, "<li>{}</li>", Esc(&cut(warning, MOST_CHARS)))?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "</section>")
}

fn workers(report: &RunReport<'_>) -> String {
    let facts = &report.facts;
    let all = number(facts.workers);
    match facts.requests.narrowest {
        Some(width) => format!("{all}, at times held to {}", count(width, "request")),
        None => all,
    }
}

fn waited(millis: u64) -> String {
    if millis == 0 {
        return "not at all".to_owned();
    }
    format!("{} in all workers", duration(millis))
}

fn limit(report: &RunReport<'_>) -> String {
    let limit = report.facts.limited_by();
    limit.unwrap_or("nothing that stands out").to_owned()
}

fn write_waits(out: Out<'_>, page: &PageFacts) -> io::Result<()> {
    if page.samples.waits.is_empty() {
        return Ok(());
    }
    writeln!(out, "<br>")?;
    open_table(out, "Waits by cause", true)?;
    write_heads(out, &["Wait", "#Count", "#Asked for"])?;
    for (reason, waits) in &page.samples.waits {
        write!(out, "<tr><td>{}</td>", Esc(reason))?;
        write_number(out, waits.count, &number(waits.count))?;
        write_number(out, waits.millis, &duration(waits.millis))?;
        writeln!(out, "</tr>")?;
    }
    close_table(out)
}

/// Milliseconds, finer below ten.
fn latency(millis: f64) -> String {
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else if millis < 1000.0 {
        format!("{millis:.0} ms")
    } else {
        format!("{:.1} s", millis / 1000.0)
    }
}
