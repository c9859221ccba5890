//! How the run went over time: charts drawn as SVG in the page, and the figures
//! behind them as a table.

use std::io;

use super::{Out, close_table, open_section, open_table, write_heads, write_number};
use crate::report::samples::{Samples, Stretch};
use crate::report::style::{duration, number, size};

/// The height of a chart in its own units.
const HEIGHT: u64 = 1000;

/// Stretches from which on a chart tells more than its caption.
const WORTH_DRAWING: usize = 3;

/// Whether there is anything to draw.
pub(super) fn is_there(samples: &Samples) -> bool {
    samples.width_ms > 0 && samples.stretches.len() >= WORTH_DRAWING
}

/// One chart.
struct Chart {
    class: &'static str,
    title: &'static str,
    /// The column of the table with its figures.
    column: usize,
    values: Vec<u64>,
    /// What is said in the caption.
    said: String,
}

pub(super) fn write_progress(out: Out<'_>, samples: &Samples) -> io::Result<()> {
    if !is_there(samples) {
        return Ok(());
    }
    open_section(out, "progress", "Progress")?;
    writeln!(
        out,
        "<p class=\"lead\">Steps of {}. The bar under each chart shows the phases in their order.</p>\n<div class=\"charts\">",
        duration(samples.width_ms)
    )?;
    for chart in charts(samples) {
        write_chart(out, samples, &chart)?;
    }
    writeln!(out, "</div>")?;
    write_phases(out, samples)?;
    write_figures(out, samples)?;
    writeln!(out, "</section>")
}

fn charts(samples: &Samples) -> Vec<Chart> {
    let each =
        |value: fn(&Stretch) -> u64| -> Vec<u64> { samples.stretches.iter().map(value).collect() };
    let grown = |value: fn(&Stretch) -> u64| -> Vec<u64> {
        let mut sum = 0;
        let add = |one: &Stretch| {
            sum += value(one);
            sum
        };
        samples.stretches.iter().map(add).collect()
    };
    let (bytes, requests) = (each(|one| one.bytes), each(|one| one.requests));
    let (items, rows) = (grown(|one| one.items), grown(|one| one.rows));
    let waits = each(|one| one.waits);
    let sum = |values: &[u64]| values.iter().sum::<u64>();
    let top = |values: &[u64]| {
        let most = values.iter().max().copied().unwrap_or(0);
        most.saturating_mul(1000) / samples.width_ms.max(1)
    };
    let last = |values: &[u64]| values.last().copied().unwrap_or(0);
    let all = [
        Chart {
            class: "bytes",
            title: "Bytes sent",
            column: 1,
            said: format!("{}, at most {}/s", size(sum(&bytes)), size(top(&bytes))),
            values: bytes,
        },
        Chart {
            class: "requests",
            title: "Requests",
            column: 2,
            said: format!("at most {}/s", number(top(&requests))),
            values: requests,
        },
        Chart {
            class: "items",
            title: "Files, parts and uploads confirmed",
            column: 3,
            said: format!("{} at the end", number(last(&items))),
            values: items,
        },
        Chart {
            class: "rows",
            title: "Rows confirmed",
            column: 4,
            said: format!("{} at the end", number(last(&rows))),
            values: rows,
        },
        Chart {
            class: "waits",
            title: "Waits begun",
            column: 6,
            said: number(sum(&waits)),
            values: waits,
        },
    ];
    let is_drawn = |chart: &Chart| chart.values.iter().any(|value| *value > 0);
    all.into_iter().filter(is_drawn).collect()
}

fn write_chart(out: Out<'_>, samples: &Samples, chart: &Chart) -> io::Result<()> {
    let length = samples.length_ms;
    let (title, said) = (chart.title, &chart.said);
    writeln!(
        out,
        "<figure class=\"{}\" data-column=\"{}\" data-width=\"{}\"><figcaption><b>{title}</b> <span>{said}</span></figcaption>",
        chart.class, chart.column, samples.width_ms
    )?;
    write!(
        out,
        "<svg viewBox=\"0 0 {length} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{title} over {}: {said}\"><path class=\"grid\" d=\"M0 0H{length}M0 {}H{length}M0 {HEIGHT}H{length}\"/><path class=\"area\" d=\"",
        duration(length),
        HEIGHT / 2
    )?;
    let most = chart.values.iter().max().copied().unwrap_or(0).max(1);
    write!(out, "M0 {HEIGHT}")?;
    let mut height = None;
    for (index, value) in chart.values.iter().enumerate() {
        let share = u128::from(*value) * u128::from(HEIGHT) / u128::from(most);
        let y = HEIGHT - u64::try_from(share).unwrap_or(HEIGHT);
        if height == Some(y) {
            continue;
        }
        let x = (index as u64).saturating_mul(samples.width_ms).min(length);
        write!(out, "H{x}V{y}")?;
        height = Some(y);
    }
    writeln!(out, "H{length}V{HEIGHT}Z\"/></svg>")?;
    write_ribbon(out, samples)?;
    writeln!(
        out,
        "<div class=\"axis\" aria-hidden=\"true\"><span>0</span><span>{}</span><span>{}</span></div></figure>",
        duration(length / 2),
        duration(length)
    )
}

/// The phases as a line, each second one darker.
fn write_ribbon(out: Out<'_>, samples: &Samples) -> io::Result<()> {
    write!(
        out,
        "<svg class=\"ribbon\" viewBox=\"0 0 {} 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
        samples.length_ms
    )?;
    for (index, (from, to, word)) in phases(samples).enumerate() {
        write!(
            out,
            "<rect class=\"ph{}\" x=\"{from}\" y=\"0\" width=\"{}\" height=\"10\"><title>{word}</title></rect>",
            index % 2,
            to.saturating_sub(from)
        )?;
    }
    writeln!(out, "</svg>")
}

/// From when to when each phase went.
fn phases(samples: &Samples) -> impl Iterator<Item = (u64, u64, &'static str)> {
    let ends = samples.phases.iter().skip(1).map(|(at, _)| *at);
    let ends = ends.chain([samples.length_ms]);
    let begins = samples.phases.iter();
    begins
        .zip(ends)
        .map(|((from, phase), to)| (*from, to, phase.as_str()))
        .filter(|(from, to, _)| from < to)
}

fn write_phases(out: Out<'_>, samples: &Samples) -> io::Result<()> {
    writeln!(out, "<ul class=\"phases\" aria-label=\"Phases\">")?;
    for (index, (from, to, word)) in phases(samples).enumerate() {
        writeln!(
            out,
            "<li><svg viewBox=\"0 0 18 6\" aria-hidden=\"true\"><rect class=\"ph{}\" width=\"18\" height=\"6\"/></svg>{word} {}</li>",
            index % 2,
            duration(to.saturating_sub(from))
        )?;
    }
    writeln!(out, "</ul>")
}

fn write_figures(out: Out<'_>, samples: &Samples) -> io::Result<()> {
    writeln!(
        out,
        "<details id=\"figures\"><summary>The figures behind the charts</summary>"
    )?;
    open_table(out, "Figures over time", false)?;
    write_heads(
        out,
        &[
            "#From",
            "#Bytes",
            "#Requests",
            "#Items",
            "#Rows",
            "#Failed",
            "#Waits",
        ],
    )?;
    let (mut items, mut rows) = (0, 0);
    for (index, one) in samples.stretches.iter().enumerate() {
        items += one.items;
        rows += one.rows;
        let at = (index as u64).saturating_mul(samples.width_ms);
        write!(out, "<tr>")?;
        write_number(out, at, &duration(at))?;
        write_number(out, one.bytes, &size(one.bytes))?;
        for value in [one.requests, items, rows, one.failed, one.waits] {
            write_number(out, value, &number(value))?;
        }
        writeln!(out, "</tr>")?;
    }
    close_table(out)?;
    writeln!(out, "</details>")
}
