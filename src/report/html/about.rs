//! What run it was, how true its plan was, and where the rest can be read.

use std::collections::BTreeSet;
use std::io;

use super::escape::{Esc, Ticked};
use super::facts::PageFacts;
use super::{Out, open_section, write_facts};
use crate::plan::JobContent;
use crate::report::style::{duration, number, percent, timestamp};
use crate::report::summary::RunReport;
use crate::report::words::stopped_by;
use crate::source::rows::Rounded;

pub(super) fn write_about(
    out: Out<'_>,
    report: &RunReport<'_>,
    page: &PageFacts,
) -> io::Result<()> {
    let facts = &report.facts;
    open_section(out, "about", "About this run")?;
    write_warnings(out, report)?;
    writeln!(out, "<div class=\"columns\">")?;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    write_facts(
        out,
        &[
            ("manifest", facts.manifest.clone()),
            ("sha256", facts.manifest_sha256.clone()),
            ("run id", facts.run_id.clone()),
            ("command", facts.command.clone()),
            ("endpoint", facts.endpoint.clone()),
            ("datasets", report.datasets().join(", ")),
            ("plan id", text(&report.plan_id)),
            (
                "version",
                concat!("redivis-ingest ", env!("CARGO_PKG_VERSION")).to_owned(),
            ),
        ],
    )?;
    write_facts(
        out,
        &[
            ("started", timestamp(facts.started_ms)),
            ("ended", timestamp(facts.ended_ms)),
            ("duration", duration(facts.millis())),
            (
                "stopped by",
                facts
                    .stopped_by
                    .map(stopped_by)
                    .unwrap_or_default()
                    .to_owned(),
            ),
            ("plan accuracy", accuracy(report)),
            ("report", text(&facts.report_path)),
            ("rejects in", text(&facts.rejects_path)),
            ("receipts in", text(&page.receipts)),
        ],
    )?;
    writeln!(out, "</div>\n</section>")
}

/// How true the plan was.
fn accuracy(report: &RunReport<'_>) -> String {
    let accuracy = report.accuracy;
    let share = percent(accuracy.equal, accuracy.of);
    let more: Vec<String> = [
        (accuracy.drifted, "drifted"),
        (accuracy.not_reached, "not reached"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("; {} {what}", number(count)))
    .collect();
    let share = share.map_or_else(
        || "nothing was executed".to_owned(),
        |share| {
            format!(
                "{share}: {} of {} items went exactly as planned",
                number(accuracy.equal),
                number(accuracy.of)
            )
        },
    );
    format!("{share}{}", more.concat())
}

/// What the sources give cause for: each column once.
fn write_warnings(out: Out<'_>, report: &RunReport<'_>) -> io::Result<()> {
    let jobs = report
        .plan
        .map(|plan| plan.jobs.as_slice())
        .unwrap_or_default();
    let mut seen = BTreeSet::new();
    for job in jobs {
        let JobContent::Rows(rows) = &job.content else {
            continue;
        };
        for rounded in rows.inputs.iter().flat_map(|input| &input.rounded) {
            if !seen.insert((job.job.as_str(), rounded.column.as_str())) {
                continue;
            }
            writeln!(
                out,
                "<div class=\"trouble warn\"><h3>! Warning <code>{}</code></h3><p>job {}: {}</p><p class=\"next\"><b>Next:</b> {}</p></div>",
                Rounded::CODE,
                Esc(job.job.as_str()),
                Ticked(&rounded.to_string()),
                Ticked(Rounded::HELP)
            )?;
        }
    }
    Ok(())
}

pub(super) fn write_foot(out: Out<'_>) -> io::Result<()> {
    writeln!(
        out,
        "<footer><p>Written by redivis-ingest {}. This page loads nothing and sends nothing.</p></footer>",
        env!("CARGO_PKG_VERSION")
    )
}
