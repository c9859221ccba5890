//! The rows that were left out.

use std::io;

use super::escape::{Esc, Ticked, cut};
use super::facts::{PageFacts, RejectFacts};
use super::{MOST_CHARS, Out, close_table, open_section, open_table, write_heads};
use crate::report::style::{count, number};
use crate::report::summary::RunReport;

/// Characters of a row or a cell.
const MOST_OF_VALUE: usize = 200;

pub(super) fn write_rejects(
    out: Out<'_>,
    report: &RunReport<'_>,
    page: &PageFacts,
) -> io::Result<()> {
    let facts = &report.facts;
    if facts.rejects == 0 {
        return Ok(());
    }
    open_section(out, "rejects", "Rejects")?;
    let place = facts
        .rejects_path
        .as_deref()
        .map(|path| format!(" All of them are in {path}."));
    let shown = page.rejects.len() as u64;
    let first = if shown < facts.rejects {
        format!(" The first {} are shown.", number(shown))
    } else {
        String::new()
    };
    writeln!(
        out,
        "<p class=\"lead\">{} left out.{first}{}</p>",
        count(facts.rejects, "row"),
        Esc(&place.unwrap_or_default())
    )?;
    open_table(out, "Rows that were left out", true)?;
    write_heads(
        out,
        &[
            "Job",
            "File",
            "#Line",
            "Column",
            "Value",
            "What is wrong",
            "Refused by",
        ],
    )?;
    for reject in &page.rejects {
        write_reject(out, reject)?;
    }
    close_table(out)?;
    writeln!(out, "</section>")
}

fn write_reject(out: Out<'_>, reject: &RejectFacts) -> io::Result<()> {
    let at = match (reject.line, reject.row) {
        (Some(line), _) => number(line),
        (None, Some(row)) => format!("row {}", number(row)),
        (None, None) => String::new(),
    };
    let by = if reject.by == "encoding" {
        "redivis-ingest, before sending"
    } else {
        "the platform"
    };
    writeln!(
        out,
        "<tr><td>{}</td><td class=\"what\">{}</td><td class=\"n\" data-v=\"{}\">{at}</td><td>{}</td><td class=\"value mono\">{}</td><td class=\"reason\">{}</td><td>{by}</td></tr>",
        Esc(&reject.job),
        Esc(&reject.file),
        reject.line.or(reject.row).unwrap_or(0),
        Esc(reject.column.as_deref().unwrap_or("")),
        Esc(&cut(&reject.value, MOST_OF_VALUE)),
        Ticked(&cut(&reject.why, MOST_CHARS)),
    )
}
