//! What was planned, by class and by job.

use std::io;

use super::escape::{Esc, Ticked};
use super::shelf::{Shelf, Shelves};
use super::{
    Out, class_amount, close_table, open_section, open_table, write_facts, write_heads,
    write_number,
};
use crate::plan::{Class, JobContent, JobPlan, Plan, Totals};
use crate::report::style::{count, number, size};
use crate::report::summary::RunReport;

/// What each class means.
const fn meaning(class: Class) -> &'static str {
    match class {
        Class::New => "only in the sources",
        Class::Changed => "on both sides, with other content or settings",
        Class::Unchanged => "equal on both sides",
        Class::Extra => "only on the remote",
        Class::Superseded => "ours, in the draft, and no longer wanted",
        Class::Locked => "ours, released, and no longer what the source says",
        Class::Broken => "an attempt of ours that did not complete",
        Class::Skipped => "left out on purpose",
        Class::Conflict => "cannot be decided, or must not be done",
    }
}

/// By class, and in all.
pub(super) fn write_plan(
    out: Out<'_>,
    plan: &Plan,
    totals: &Totals,
    facts: &[(&'static str, String)],
) -> io::Result<()> {
    open_section(out, "plan", "Plan")?;
    let part = if plan.is_whole {
        "the whole manifest"
    } else {
        "a part of the manifest"
    };
    let compared: Vec<String> = plan
        .datasets
        .iter()
        .map(|one| {
            let next = if one.draft.has_next {
                ""
            } else {
                " (`next` did not exist yet)"
            };
            format!("{} with version {}{next}", one.dataset, one.base)
        })
        .collect();
    writeln!(
        out,
        "<p class=\"lead\">Compared {part}: {}.</p>\n<div class=\"columns\">",
        Ticked(&compared.join(", "))
    )?;
    writeln!(out, "<div>")?;
    open_table(out, "Items by class", false)?;
    write_heads(out, &["Class", "#Items", "#Bytes", "#Rows"])?;
    for class in Class::ALL {
        let amount = class_amount(totals, class);
        if amount.items == 0 {
            continue;
        }
        write!(
            out,
            "<tr><td><b><span class=\"sig\">{}</span>{}</b><br><small>{}</small></td>",
            Esc(&class.sigil().to_string()),
            class.as_str(),
            meaning(class)
        )?;
        write_number(out, amount.items, &number(amount.items))?;
        write_number(out, amount.bytes, &some(amount.bytes, size))?;
        write_number(out, amount.rows, &some(amount.rows, number))?;
        writeln!(out, "</tr>")?;
    }
    close_table(out)?;
    writeln!(out, "</div>")?;
    // The classes are in the table.
    let told = ["unchanged", "extra", "skipped", "locked", "conflicts"];
    let rest: Vec<(&str, String)> = facts
        .iter()
        .filter(|(name, _)| !told.contains(name))
        .map(|(name, text)| (*name, text.clone()))
        .collect();
    write_facts(out, &rest)?;
    writeln!(out, "</div>\n</section>")
}

/// By job: what became of it.
pub(super) fn write_jobs(
    out: Out<'_>,
    report: &RunReport<'_>,
    shelves: &Shelves<'_>,
) -> io::Result<()> {
    let Some(plan) = report.plan else {
        return Ok(());
    };
    open_section(out, "jobs", "Jobs")?;
    open_table(out, "Jobs", true)?;
    write_heads(
        out,
        &[
            "Result",
            "Job",
            "Table",
            "#To do",
            "#Verified",
            "#Not done",
            "#Unchanged",
            "#Rejects",
        ],
    )?;
    let none = Shelf::default();
    for (index, job) in plan.jobs.iter().enumerate() {
        let shelf = shelves.of(Some(job.job.as_str())).unwrap_or(&none);
        let (tone, mark, word) = state(report, job, shelf);
        let kind = match job.content {
            JobContent::Files => "files",
            JobContent::Rows(_) => "rows",
            JobContent::Uploads { .. } => "uploads",
        };
        let replaced = job.replaced_rows.map(|rows| {
            let rows = count(rows, "row");
            format!("; {rows} of the last release go: it is replaced as a whole")
        });
        write!(
            out,
            "<tr><td><span class=\"st {tone}\">{mark} {word}</span></td><td><a href=\"#job-{index}\">{}</a></td><td>{} <small>{kind}{}</small></td>",
            Esc(job.job.as_str()),
            Esc(job.table.table()),
            replaced.unwrap_or_default()
        )?;
        for value in [
            shelf.to_do,
            shelf.verified,
            shelf.open,
            job.unchanged.items,
            job.rejects,
        ] {
            write_number(out, value, &number(value))?;
        }
        writeln!(out, "</tr>")?;
    }
    close_table(out)?;
    writeln!(out, "</section>")
}

/// How a job ended: its colour, its mark and its word.
pub(super) fn state(
    report: &RunReport<'_>,
    job: &JobPlan,
    shelf: &Shelf<'_>,
) -> (&'static str, &'static str, &'static str) {
    if job.is_held() {
        ("bad", "!", "held back")
    } else if shelf.failed > 0 {
        ("bad", "✕", "failed")
    } else if shelf.open > 0 {
        ("warn", "○", "not complete")
    } else if report.end.complete_jobs.contains(&job.job) {
        ("good", "✓", "complete")
    } else if shelf.to_do > 0 {
        ("good", "✓", "done")
    } else {
        ("plain", "=", "nothing to do")
    }
}

/// Nothing of nothing.
fn some(value: u64, shown: impl FnOnce(u64) -> String) -> String {
    if value == 0 {
        String::new()
    } else {
        shown(value)
    }
}
