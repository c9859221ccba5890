//! A run as one HTML page that needs nothing else: no network, no other file.
//!
//! The page's own policy lets it load nothing, and run and wear only the script and
//! the style that are in it, known by their digests. All text goes through
//! [`escape::Esc`]. Items are written as they come and bounded in number; the whole
//! list is in the JSON report. Without JavaScript the page is complete, but for
//! search and sorting.

mod about;
mod escape;
mod facts;
mod items;
mod plan;
mod progress;
mod rejects;
mod requests;
mod shelf;
mod trouble;
mod verdict;

use std::io::{self, Write};

use super::plan_totals::facts_of;
use super::summary::RunReport;
use crate::base::Sha256Digest;
use crate::plan::{PlanLines, Totals};
use escape::Esc;
pub use facts::{PageFacts, ProblemFacts, RejectFacts};

const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// Characters of one message; the JSON report has all of it.
const MOST_CHARS: usize = 1000;

/// Where the page goes.
type Out<'a> = &'a mut dyn Write;

impl RunReport<'_> {
    /// Writes the report as a page.
    pub fn write_html(&self, out: &mut dyn Write, page: &PageFacts) -> io::Result<()> {
        let totals = self
            .plan
            .map(|plan| PlanLines::new(plan).totals(page.calls_per_second));
        let shelves = shelf::shelves(self);
        let verdict = verdict::Verdict::of(self, page);
        write_head(out, self, &verdict)?;
        writeln!(out, "<header>")?;
        verdict::write_bar(out, self)?;
        verdict.write(out, self)?;
        verdict::write_tiles(out, self)?;
        write_contents(out, self, page)?;
        writeln!(out, "</header>\n<main id=\"main\">")?;
        trouble::write_trouble(out, self, page)?;
        if let (Some(plan), Some(totals)) = (self.plan, &totals) {
            plan::write_jobs(out, self, &shelves)?;
            plan::write_plan(out, plan, totals, &facts_of(plan, totals))?;
        }
        progress::write_progress(out, &page.samples)?;
        requests::write_requests(out, self, page)?;
        if self.plan.is_some() {
            items::write_items(out, self, &shelves)?;
        }
        rejects::write_rejects(out, self, page)?;
        about::write_about(out, self, page)?;
        writeln!(out, "</main>")?;
        about::write_foot(out)?;
        writeln!(out, "</body>\n</html>")
    }
}

/// All before the body. The policy allows this script and this style by their
/// digests, and nothing else; the icon is in its own address.
fn write_head(out: Out<'_>, report: &RunReport<'_>, verdict: &verdict::Verdict) -> io::Result<()> {
    let facts = &report.facts;
    let (script, style) = (digest(JS), digest(CSS));
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; \
         base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"generator\" content=\"redivis-ingest {}\">\n\
         <title>{} {}: {} {} {}</title>\n\
         <link rel=\"icon\" href=\"{}\">",
        env!("CARGO_PKG_VERSION"),
        verdict.mark(),
        Esc(facts.exit_word),
        Esc(&facts.manifest),
        Esc(&facts.command),
        Esc(&facts.run_id),
        verdict.icon(),
    )?;
    writeln!(
        out,
        "<style>{CSS}</style>\n<script>{JS}</script>\n</head>\n<body>"
    )?;
    writeln!(
        out,
        "<a class=\"skip\" href=\"#main\">Skip to the report</a>"
    )
}

/// The digest of a text as a policy writes it.
fn digest(text: &str) -> String {
    Sha256Digest::of(text.as_bytes()).to_base64()
}

fn write_contents(out: Out<'_>, report: &RunReport<'_>, page: &PageFacts) -> io::Result<()> {
    let has_plan = report.plan.is_some();
    let sections = [
        (
            trouble::is_there(report, page),
            "trouble",
            "What went wrong",
        ),
        (has_plan, "jobs", "Jobs"),
        (has_plan, "plan", "Plan"),
        (progress::is_there(&page.samples), "progress", "Progress"),
        (report.facts.requests.requests > 0, "requests", "Requests"),
        (has_plan, "items", "Items"),
        (report.facts.rejects > 0, "rejects", "Rejects"),
        (true, "about", "About this run"),
    ];
    write!(out, "<nav aria-label=\"Sections\"><ul>")?;
    for (_, id, name) in sections.iter().filter(|(there, ..)| *there) {
        write!(out, "<li><a href=\"#{id}\">{name}</a></li>")?;
    }
    writeln!(out, "</ul></nav>")
}

/// Opens a section.
fn open_section(out: Out<'_>, id: &str, title: &str) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n<h2 id=\"h-{id}\">{title}</h2>"
    )
}

/// Opens a box with a table in it. The box scrolls, by keyboard too.
fn open_table(out: Out<'_>, label: &str, sorts: bool) -> io::Result<()> {
    let class = if sorts { " class=\"sorts\"" } else { "" };
    write!(
        out,
        "<div class=\"box\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table{class}><caption class=\"hidden\">{0}</caption>",
        Esc(label)
    )
}

/// The heads of a table's columns; those that begin with `#` are of numbers.
fn write_heads(out: Out<'_>, heads: &[&str]) -> io::Result<()> {
    write!(out, "<thead><tr>")?;
    for head in heads {
        match head.strip_prefix('#') {
            Some(head) => write!(out, "<th scope=\"col\" class=\"n\">{head}</th>")?,
            None => write!(out, "<th scope=\"col\">{head}</th>")?,
        }
    }
    writeln!(out, "</tr></thead>\n<tbody>")
}

fn close_table(out: Out<'_>) -> io::Result<()> {
    writeln!(out, "</tbody></table></div>")
}

/// A cell of a number: as it is shown, and as it is sorted.
fn write_number(out: Out<'_>, value: u64, shown: &str) -> io::Result<()> {
    write!(out, "<td class=\"n\" data-v=\"{value}\">{shown}</td>")
}

/// Names and texts, without those that have no text.
fn write_facts(out: Out<'_>, facts: &[(&str, String)]) -> io::Result<()> {
    writeln!(out, "<dl class=\"facts\">")?;
    for (name, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(out, "<dt>{}</dt><dd>{}</dd>", Esc(name), Esc(text))?;
    }
    writeln!(out, "</dl>")
}

/// Whether the plan has anything of a class.
fn class_amount(totals: &Totals, class: crate::plan::Class) -> crate::plan::Amount {
    super::plan_totals::of_class(totals, class)
}

#[cfg(test)]
mod tests;
