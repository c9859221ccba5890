//! The items: a table for each job, those that matter most first, and as many as a
//! page can bear.

use std::io;

use super::escape::{Esc, Ticked, cut};
use super::plan::state;
use super::shelf::{Entry, Shelf, Shelves};
use super::{MOST_CHARS, Out, close_table, open_section, open_table, write_heads, write_number};
use crate::event::{End, ItemEnd};
use crate::plan::{Item, JobContent, Reason};
use crate::report::plan_names::shown;
use crate::report::run_text::why;
use crate::report::style::{count, duration, number, size};
use crate::report::summary::RunReport;
use crate::report::words::describe;

/// A result's colour, its mark and its word.
type Result3 = (&'static str, &'static str, &'static str);

const RESULTS: [(End, Result3); 6] = [
    (End::Failed, ("bad", "✕", "failed")),
    (End::Drifted, ("bad", "≠", "drifted")),
    (End::Unverified, ("warn", "?", "not confirmed")),
    (End::Refused, ("bad", "!", "refused")),
    (End::NotReached, ("warn", "○", "not reached")),
    (End::Verified, ("good", "✓", "verified")),
];
const HELD: Result3 = ("bad", "!", "held back");
const NOTHING: Result3 = ("plain", "·", "as it is");

pub(super) fn write_items(
    out: Out<'_>,
    report: &RunReport<'_>,
    shelves: &Shelves<'_>,
) -> io::Result<()> {
    let Some(plan) = report.plan else {
        return Ok(());
    };
    open_section(out, "items", "Items")?;
    let whole = report.facts.report_path.as_deref().map_or_else(
        || "`--report FILE.json` writes the whole list".to_owned(),
        |path| format!("the whole list is in {path}"),
    );
    writeln!(
        out,
        "<p class=\"lead\">What went wrong comes first, then what was done, then what stayed. At most {} items of a job are shown; {}. Unchanged items are only counted.</p>",
        number(shelves.most as u64),
        Esc(&whole)
    )?;
    write_tools(out)?;
    if let Some(shelf) = shelves.of(None).filter(|shelf| shelf.all > 0) {
        writeln!(out, "<div class=\"job\"><h3>Versions and tables</h3>")?;
        write_table(
            out,
            report,
            shelf,
            (shelves.most, "Versions and tables", &whole),
        )?;
        writeln!(out, "</div>")?;
    }
    let none = Shelf::default();
    for (index, job) in plan.jobs.iter().enumerate() {
        let name = job.job.as_str();
        let shelf = shelves.of(Some(name)).unwrap_or(&none);
        let (tone, mark, word) = state(report, job, shelf);
        let kind = match job.content {
            JobContent::Files => "files",
            JobContent::Rows(_) => "rows",
            JobContent::Uploads { .. } => "uploads",
        };
        writeln!(
            out,
            "<div class=\"job\" id=\"job-{index}\"><h3>{} <small>table {} ({kind})</small> <small class=\"st {tone}\">{mark} {word}</small></h3>",
            Esc(name),
            Esc(job.table.table())
        )?;
        write_table(out, report, shelf, (shelves.most, name, &whole))?;
        if job.unchanged.items > 0 {
            let amount = crate::report::plan_text::of(job.unchanged);
            writeln!(
                out,
                "<p class=\"left\">= {} unchanged{}</p>",
                number(job.unchanged.items),
                Esc(&amount)
            )?;
        } else if shelf.all == 0 {
            writeln!(out, "<p class=\"left\">Nothing there.</p>")?;
        }
        writeln!(out, "</div>")?;
    }
    writeln!(out, "</section>")
}

/// Search and filter; they appear where the script runs.
fn write_tools(out: Out<'_>) -> io::Result<()> {
    write!(
        out,
        "<div class=\"tools\" id=\"tools\" role=\"search\" hidden><label for=\"find\">Find by name, reason or message (press /)<input id=\"find\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label><label for=\"state\">Result<select id=\"state\"><option value=\"\">all</option>"
    )?;
    let all = RESULTS.iter().map(|(_, result)| result);
    for (_, mark, word) in all.chain([&HELD, &NOTHING]) {
        write!(out, "<option value=\"{word}\">{mark} {word}</option>")?;
    }
    writeln!(
        out,
        "</select></label><output id=\"found\" aria-live=\"polite\"></output></div>"
    )
}

fn write_table(
    out: Out<'_>,
    report: &RunReport<'_>,
    shelf: &Shelf<'_>,
    (most, label, whole): (usize, &str, &str),
) -> io::Result<()> {
    if shelf.all == 0 {
        return Ok(());
    }
    open_table(out, &format!("Items: {label}"), true)?;
    let columns = Columns::of(shelf.shown(most));
    write_heads(out, &columns.heads())?;
    let mut rows = 0;
    for entry in shelf.shown(most) {
        write_row(out, report, entry, columns)?;
        rows += 1;
    }
    close_table(out)?;
    let left = shelf.all.saturating_sub(rows);
    if left > 0 {
        writeln!(
            out,
            "<p class=\"left\">{} of {} shown; {} left out: {}.</p>",
            number(rows),
            count(shelf.all, "item"),
            number(left),
            Esc(whole)
        )?;
    }
    Ok(())
}

/// The columns of numbers that have any.
#[derive(Debug, Clone, Copy, Default)]
struct Columns {
    bytes: bool,
    rows: bool,
    time: bool,
}

impl Columns {
    fn of<'e, 'a: 'e>(entries: impl Iterator<Item = &'e Entry<'a>>) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            let (bytes, rows) = amount(entry);
            columns.bytes |= bytes > 0;
            columns.rows |= rows > 0;
            columns.time |= entry.end.is_some_and(|end| end.millis > 0);
        }
        columns
    }

    fn heads(self) -> Vec<&'static str> {
        let all = [
            (true, "Result"),
            (true, "Item"),
            (true, "Plan"),
            (self.bytes, "#Bytes"),
            (self.rows, "#Rows"),
            (true, "#Tries"),
            (self.time, "#Time"),
        ];
        let there = all.into_iter().filter(|(there, _)| *there);
        there.map(|(_, head)| head).collect()
    }
}

fn write_row(
    out: Out<'_>,
    report: &RunReport<'_>,
    entry: &Entry<'_>,
    columns: Columns,
) -> io::Result<()> {
    let (tone, mark, word) = result_of(entry);
    write!(
        out,
        "<tr data-s=\"{word}\"><td><span class=\"st {tone}\">{mark} {word}</span></td><td class=\"what\">"
    )?;
    write_names(out, entry)?;
    if let Some((end, error)) = entry.end.and_then(|end| Some((end, end.error.as_ref()?)))
        // The plan's column says it.
        && (end.end != End::Refused || entry.item.is_none())
    {
        let why = why(report, end);
        write!(
            out,
            "<span class=\"why\"><code>{}</code> {}</span>",
            error.kind.as_str(),
            Ticked(&cut(&why, MOST_CHARS))
        )?;
    }
    write!(out, "</td><td class=\"reason\">")?;
    match entry.item {
        Some(item) => write_planned(out, item)?,
        None => write!(out, "<small>not in the plan</small>")?,
    }
    write!(out, "</td>")?;
    let (bytes, rows) = amount(entry);
    if columns.bytes {
        write_number(out, bytes, &some(bytes, size))?;
    }
    if columns.rows {
        write_number(out, rows, &some(rows, number))?;
    }
    let (tries, millis) = entry.end.map_or((0, 0), |end| (end.attempts, end.millis));
    write_number(out, u64::from(tries), &some(u64::from(tries), number))?;
    if columns.time {
        write_number(out, millis, &some(millis, duration))?;
    }
    writeln!(out, "</tr>")
}

/// What an item is called: as in the plan, then its source and its remote name.
fn write_names(out: Out<'_>, entry: &Entry<'_>) -> io::Result<()> {
    let Some(item) = entry.item else {
        let name = entry.end.map(|end| end.name.as_str()).unwrap_or_default();
        return write!(out, "{}", Esc(name));
    };
    let shown = shown(item);
    write!(out, "{}", Esc(&shown.name))?;
    if let Some(from) = &shown.from {
        write!(out, "<small>from {}</small>", Esc(from))?;
    }
    let is_part = |end: &&ItemEnd| end.name.starts_with("ri1_") && end.name != shown.name;
    if let Some(end) = entry.end.filter(is_part) {
        write!(out, "<small class=\"mono\">{}</small>", Esc(&end.name))?;
    }
    Ok(())
}

/// The class, the reason in words and its code.
fn write_planned(out: Out<'_>, item: &Item) -> io::Result<()> {
    write!(
        out,
        "<span class=\"sig\">{}</span>{} <code>{}</code><small>{}</small>",
        Esc(&item.class.sigil().to_string()),
        item.class.as_str(),
        code(item.reason),
        Ticked(&cut(&describe(item), MOST_CHARS))
    )
}

/// A reason's stable code.
fn code(reason: Reason) -> String {
    let text = serde_json::to_string(&reason).unwrap_or_default();
    text.trim_matches('"').to_owned()
}

fn result_of(entry: &Entry<'_>) -> Result3 {
    let Some(end) = entry.end else {
        let is_held = entry.item.is_some_and(|item| item.reason == Reason::Held);
        return if is_held { HELD } else { NOTHING };
    };
    let found = RESULTS.iter().find(|(one, _)| *one == end.end);
    found.map_or(NOTHING, |(_, result)| *result)
}

fn amount(entry: &Entry<'_>) -> (u64, u64) {
    match (entry.end, entry.item) {
        (Some(end), _) if end.bytes > 0 || end.rows > 0 => (end.bytes, end.rows),
        (_, Some(item)) => {
            let (bytes, rows) = item.amount();
            (bytes, rows.unwrap_or(0))
        }
        (Some(_) | None, None) => (0, 0),
    }
}

fn some(value: u64, shown: impl FnOnce(u64) -> String) -> String {
    if value == 0 {
        String::new()
    } else {
        shown(value)
    }
}
