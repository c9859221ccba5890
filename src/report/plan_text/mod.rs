//! The plan as text, the dry-run diff: by dataset and job, one sigil for each
//! class, every line with its reason. Unchanged items are only counted. Names are
//! never cut, since people copy them.

use std::io::{self, Write};

use super::plan_names::{Shown, shown};
use super::plan_totals::write_totals;
use super::style::{TextStyle, Tone, clean, columns, count, number, size, wrap};
use super::words::describe;
use crate::plan::{Action, Amount, Class, DatasetPlan, Item, JobContent, JobPlan, Plan};

/// Lines of one class in one job, unless all are asked for.
const MOST_LINES: usize = 20;
/// Where the columns after the name begin at the latest, as a share of the width.
const NAME_SHARE: usize = 2;
/// Columns that a reason needs beside the others; with fewer it gets its own line.
const LEAST_WORDS: usize = 28;

/// Writes the plan for people. `calls_per_second` is the API's rate limit where
/// one is known. `next` is how the user named the manifest, for the last line that
/// says what to do; without it there is no such line, since the caller goes on.
pub fn write_plan(
    out: &mut dyn Write,
    plan: &Plan,
    all: bool,
    style: &TextStyle,
    calls_per_second: Option<f64>,
    next: Option<&str>,
) -> io::Result<()> {
    let most = if all { usize::MAX } else { MOST_LINES };
    let mut page = Page { out, style, most };
    let title = format!("Plan of {}", plan.manifest);
    let part = if plan.is_whole {
        ""
    } else {
        ", a part of the manifest"
    };
    writeln!(
        page.out,
        "{} at {}{part}",
        style.paint(Tone::Heading, &title),
        clean(&plan.endpoint)
    )?;
    for dataset in &plan.datasets {
        page.dataset(dataset)?;
        let here = |job: &&JobPlan| job.table.dataset().matches(&dataset.dataset);
        for job in plan.jobs.iter().filter(here) {
            page.job(job)?;
        }
    }
    writeln!(page.out)?;
    write_totals(page.out, plan, style, calls_per_second, next)
}

/// Where the lines go, and how many of them.
struct Page<'a> {
    out: &'a mut dyn Write,
    style: &'a TextStyle,
    most: usize,
}

impl Page<'_> {
    fn dataset(&mut self, dataset: &DatasetPlan) -> io::Result<()> {
        let name = self
            .style
            .paint(Tone::Heading, &dataset.dataset.to_string());
        let next = if dataset.draft.has_next {
            ""
        } else {
            "; `next` does not exist yet"
        };
        writeln!(
            self.out,
            "\n{name} compared with version {}{next}",
            dataset.base
        )?;
        self.items(&dataset.items)
    }

    fn job(&mut self, job: &JobPlan) -> io::Result<()> {
        let kind = match job.content {
            JobContent::Files => "files",
            JobContent::Rows(_) => "rows",
            JobContent::Uploads { .. } => "uploads",
        };
        let name = self.style.paint(Tone::Heading, job.job.as_str());
        writeln!(
            self.out,
            "\n{name} -> table {} ({kind})",
            clean(job.table.table())
        )?;
        if job.is_held() {
            let text = self
                .style
                .paint(Tone::Bad, "held: nothing of this job is sent");
            writeln!(self.out, "  {text}")?;
        }
        self.items(&job.items)?;
        if let Some(rows) = job.replaced_rows {
            let text = format!("- {} of the last release", count(rows, "row"));
            let text = self.style.paint(Tone::Bad, &text);
            writeln!(self.out, "  {text} go: the table is replaced as a whole")?;
        }
        if job.rejects > 0 {
            let rows = count(job.rejects, "row");
            writeln!(
                self.out,
                "  {rows} cannot be encoded and stay out (rejects)"
            )?;
        }
        if job.unchanged.items > 0 {
            let text = format!(
                "= {} unchanged{}",
                number(job.unchanged.items),
                of(job.unchanged)
            );
            writeln!(self.out, "  {}", self.style.paint(Tone::Dim, &text))?;
        } else if job.items.is_empty() {
            writeln!(self.out, "  nothing there")?;
        }
        Ok(())
    }

    /// Lines by class, in the order of the legend.
    fn items(&mut self, items: &[Item]) -> io::Result<()> {
        let most = self.most;
        let classes = || {
            let counted = |class: &Class| *class == Class::Unchanged && most != usize::MAX;
            Class::ALL.into_iter().filter(move |class| !counted(class))
        };
        let longest = (self.style.width / NAME_SHARE).max(16);
        let mut widths = Widths::default();
        for class in classes() {
            of_class(items, class)
                .take(most)
                .for_each(|item| widths.fit(&shown(item), longest));
        }
        for class in classes() {
            for item in of_class(items, class).take(most) {
                self.item(item, &widths)?;
            }
            let mut left = Amount::default();
            for item in of_class(items, class).skip(most) {
                let (bytes, rows) = item.amount();
                left.add(bytes, rows.unwrap_or(0));
            }
            if left.items > 0 {
                self.more(left, class)?;
            }
        }
        Ok(())
    }

    fn more(&mut self, left: Amount, class: Class) -> io::Result<()> {
        let text = format!(
            "  … and {} more {}{}: use --all, or -o FILE",
            number(left.items),
            class.as_str(),
            of(left)
        );
        writeln!(self.out, "{}", self.style.paint(Tone::Dim, &text))
    }

    fn item(&mut self, item: &Item, widths: &Widths) -> io::Result<()> {
        let shown = shown(item);
        let head = format!("{} {}", item.class.sigil(), shown.name);
        write!(self.out, "  {}", self.style.paint(tone(item), &head))?;
        let name = columns(&shown.name);
        let sizes = widths.sizes(&shown);
        let start = 4 + widths.name + columns(&sizes) + 2;
        let left = self.style.width.saturating_sub(start);
        let words = describe(item);
        let (indent, lines) = if name <= widths.name && left >= LEAST_WORDS {
            let pad = widths.name - name;
            write!(self.out, "{:pad$}{sizes}  ", "")?;
            (start, wrap(&words, left))
        } else {
            writeln!(self.out, "{}", alone(&shown))?;
            write!(self.out, "      ")?;
            (6, wrap(&words, self.style.width.saturating_sub(6)))
        };
        writeln!(self.out, "{}", lines.join(&format!("\n{:indent$}", "")))?;
        if let Some(from) = &shown.from {
            writeln!(
                self.out,
                "      {}",
                self.style.paint(Tone::Dim, &format!("from {from}"))
            )?;
        }
        Ok(())
    }
}

fn of_class(items: &[Item], class: Class) -> impl Iterator<Item = &Item> {
    items.iter().filter(move |item| item.class == class)
}

/// Widths of the columns of one list; 0: nothing to show there.
#[derive(Debug, Default)]
struct Widths {
    name: usize,
    bytes: usize,
    rows: usize,
}

impl Widths {
    /// Makes room for an item. A name that is longer than `longest` gets a line
    /// of its own and does not push the others.
    fn fit(&mut self, shown: &Shown, longest: usize) {
        let name = columns(&shown.name);
        if name <= longest {
            self.name = self.name.max(name);
        }
        self.bytes = self
            .bytes
            .max(shown.bytes.map_or(0, |bytes| columns(&size(bytes))));
        self.rows = self
            .rows
            .max(shown.rows.map_or(0, |rows| columns(&count(rows, "row"))));
    }

    fn sizes(&self, shown: &Shown) -> String {
        let mut text = String::new();
        if self.bytes > 0 {
            let bytes = shown.bytes.map(size).unwrap_or_default();
            text = format!("  {bytes:>0$}", self.bytes);
        }
        if self.rows > 0 {
            let rows = shown
                .rows
                .map(|rows| count(rows, "row"))
                .unwrap_or_default();
            text = format!("{text}  {rows:>0$}", self.rows);
        }
        text
    }
}

/// Bytes and rows outside of any column.
fn alone(shown: &Shown) -> String {
    let bytes = shown.bytes.map(|bytes| format!("  {}", size(bytes)));
    let rows = shown.rows.map(|rows| format!("  {}", count(rows, "row")));
    format!("{}{}", bytes.unwrap_or_default(), rows.unwrap_or_default())
}

/// ` (1.2 MiB, 300 rows)`, without what is zero.
pub(super) fn of(amount: Amount) -> String {
    let bytes = (amount.bytes > 0).then(|| size(amount.bytes));
    let rows = (amount.rows > 0).then(|| count(amount.rows, "row"));
    let known: Vec<String> = bytes.into_iter().chain(rows).collect();
    if known.is_empty() {
        String::new()
    } else {
        format!(" ({})", known.join(", "))
    }
}

fn tone(item: &Item) -> Tone {
    if item.action == Action::Delete {
        return Tone::Bad;
    }
    match item.class {
        Class::New | Class::Changed if item.action == Action::None => Tone::Dim,
        Class::New => Tone::Good,
        Class::Changed => Tone::Change,
        Class::Unchanged | Class::Extra | Class::Skipped => Tone::Dim,
        Class::Superseded | Class::Locked | Class::Broken | Class::Conflict => Tone::Bad,
    }
}

#[cfg(test)]
mod tests;
