//! What went wrong: what ended the run, what stands in the way, and the items that
//! did not end well, by what they have in common.

use std::io;

use super::escape::{Esc, Ticked, cut};
use super::facts::{PageFacts, ProblemFacts};
use super::{MOST_CHARS, Out, open_section};
use crate::report::run_text::causes;
use crate::report::style::{count, number};
use crate::report::summary::RunReport;
use crate::report::words::Cause;

/// Messages of one cause.
const MOST_MESSAGES: usize = 20;

/// Whether there is anything to tell.
pub(super) fn is_there(report: &RunReport<'_>, page: &PageFacts) -> bool {
    page.failure.is_some()
        || !page.problems.is_empty()
        || report
            .end
            .items
            .iter()
            .any(|item| Cause::of(item).is_some())
}

pub(super) fn write_trouble(
    out: Out<'_>,
    report: &RunReport<'_>,
    page: &PageFacts,
) -> io::Result<()> {
    if !is_there(report, page) {
        return Ok(());
    }
    open_section(out, "trouble", "What went wrong")?;
    if let Some(failure) = &page.failure {
        writeln!(
            out,
            "<div class=\"trouble bad\"><h3>✕ The run failed</h3><ul>"
        )?;
        write_problem(out, failure)?;
        writeln!(out, "</ul></div>")?;
    }
    if !page.problems.is_empty() {
        writeln!(
            out,
            "<div class=\"trouble bad\"><h3>! The plan says no</h3><ul>"
        )?;
        for problem in &page.problems {
            write_problem(out, problem)?;
        }
        if page.problems_left > 0 {
            writeln!(
                out,
                "<li class=\"soft\">… and {} more, among the items</li>",
                number(page.problems_left)
            )?;
        }
        writeln!(out, "</ul></div>")?;
    }
    for (cause, group) in causes(report, MOST_MESSAGES) {
        // The problems above say it with their code.
        if cause == Cause::Refused && !page.problems.is_empty() {
            continue;
        }
        let (class, mark, code) = match cause {
            Cause::Failed(kind) => ("bad", "✕", kind.as_str()),
            Cause::Refused => ("bad", "!", "refused_by_plan"),
            Cause::NotReached => ("warn", "○", "not_reached"),
        };
        writeln!(
            out,
            "<div class=\"trouble {class}\"><h3>{mark} {} {} <code>{code}</code></h3><ul>",
            count(group.items, "item"),
            cause.what()
        )?;
        for same in &group.failures {
            writeln!(
                out,
                "<li>{}<span class=\"why\">{}</span></li>",
                Esc(&cut(&same.called(), MOST_CHARS)),
                Ticked(&cut(&same.why, MOST_CHARS))
            )?;
        }
        if group.left > 0 {
            writeln!(
                out,
                "<li class=\"soft\">… and {} more, among the items</li>",
                number(group.left)
            )?;
        }
        writeln!(
            out,
            "</ul><p class=\"next\"><b>Next:</b> {}</p></div>",
            Ticked(cause.next())
        )?;
    }
    writeln!(out, "</section>")
}

fn write_problem(out: Out<'_>, problem: &ProblemFacts) -> io::Result<()> {
    write!(
        out,
        "<li><code>{}</code> {}",
        Esc(problem.code),
        Ticked(&cut(&problem.message, MOST_CHARS))
    )?;
    for cause in problem.causes.iter().take(MOST_MESSAGES) {
        write!(
            out,
            "<span class=\"why\">{}</span>",
            Ticked(&cut(cause, MOST_CHARS))
        )?;
    }
    if let Some(hint) = &problem.hint {
        write!(out, "<p class=\"next\"><b>Next:</b> {}</p>", Ticked(hint))?;
    }
    writeln!(out, "</li>")
}
