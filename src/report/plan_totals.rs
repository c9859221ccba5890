//! The end of the plan as text: totals, API calls, the legend of the sigils that
//! occur, and what to do next.

use std::io::{self, Write};

use super::plan_text::of;
use super::style::{TextStyle, Tone, count, number, size, write_fact};
use crate::plan::{Action, Amount, Calls, Class, Plan, PlanLines, Subject, Totals};
use crate::redivis::Endpoint;

/// Seconds from which on the rate limit's floor is told.
const WORTH_SAYING: u64 = 3;

/// Writes the totals, the legend and the last line.
pub(super) fn write_totals(
    out: &mut dyn Write,
    plan: &Plan,
    style: &TextStyle,
    calls_per_second: Option<f64>,
    next: Option<&str>,
) -> io::Result<()> {
    let totals = PlanLines::new(plan).totals(calls_per_second);
    for (name, text) in &facts_of(plan, &totals) {
        write_fact(out, style, name, text)?;
    }

    let legend: Vec<String> = Class::ALL
        .into_iter()
        .filter(|class| {
            let replaces = *class == Class::Superseded && totals.replaced_rows > 0;
            replaces || totals.classes.contains_key(class.as_str())
        })
        .map(|class| format!("{} {}", class.sigil(), class.as_str()))
        .collect();
    if !legend.is_empty() {
        let legend = legend.join("   ");
        writeln!(out, "\n{}", style.paint(Tone::Dim, &legend))?;
    }
    if let Some(manifest_shown) = next {
        let refused =
            of_class(&totals, Class::Conflict).items + of_class(&totals, Class::Locked).items;
        let extra = of_class(&totals, Class::Extra).items;
        let run = run_command(plan, manifest_shown);
        let next = next_line(plan.is_empty(), refused, extra, &run);
        return writeln!(out, "\n{}", style.paint(Tone::Heading, &next));
    }
    writeln!(out)
}

/// What would be done, and what not: a name and a text each, which is empty where
/// there is nothing of it.
pub(super) fn facts_of(plan: &Plan, totals: &Totals) -> Vec<(&'static str, String)> {
    let class = |class: Class| of_class(totals, class);
    let acts = Acts::of(plan);
    let replaced = (totals.replaced_rows > 0).then(|| {
        format!(
            "{} of the last release go",
            count(totals.replaced_rows, "row")
        )
    });
    vec![
        ("create", acts.created()),
        ("change", some(acts.changed_tables, "table")),
        ("describe", some(acts.variables, "variable")),
        ("send", acts.sent(totals.send)),
        ("delete", amount_of(totals.delete, "upload")),
        ("replace", replaced.unwrap_or_default()),
        ("release", some(acts.releases, "dataset")),
        ("unchanged", amount_of(class(Class::Unchanged), "item")),
        ("extra", amount_of(class(Class::Extra), "item")),
        ("skipped", amount_of(class(Class::Skipped), "item")),
        ("locked", amount_of(class(Class::Locked), "item")),
        ("conflicts", amount_of(class(Class::Conflict), "item")),
        ("rejects", some(totals.rejects, "row")),
        ("API calls", calls_text(&totals.calls, totals.floor_seconds)),
        ("plan id", totals.plan_id.clone()),
    ]
}

/// Items, bytes and rows of a class.
pub(super) fn of_class(totals: &Totals, class: Class) -> Amount {
    let found = totals.classes.get(class.as_str());
    found.copied().unwrap_or_default()
}

/// The command that does what was planned. The endpoint is part of it where it
/// is not the usual one: a plan of the sandbox must not be run elsewhere.
fn run_command(plan: &Plan, manifest_shown: &str) -> String {
    let endpoint = (plan.endpoint != Endpoint::DEFAULT)
        .then(|| format!(" --endpoint {}", shell_word(&plan.endpoint)));
    let same = if plan.is_whole {
        ""
    } else {
        " with the same selection"
    };
    let manifest = shell_word(manifest_shown);
    format!(
        "`redivis-ingest run {manifest}{}`{same}",
        endpoint.unwrap_or_default()
    )
}

/// Nothing is to be done; what is only on the remote stays there.
pub(super) fn nothing_to_do(extra: u64) -> String {
    let and = match extra {
        0 => String::new(),
        1 => ", and 1 item is only on the remote".to_owned(),
        _ => format!(", and {} items are only on the remote", number(extra)),
    };
    format!("Nothing to do: everything matches{and}.")
}

/// The last line: what to do.
fn next_line(is_empty: bool, refused: u64, extra: u64, run: &str) -> String {
    match (is_empty, refused) {
        (true, 0) => nothing_to_do(extra),
        (true, 1) => "Nothing can be done: resolve the item marked `!` or `#` first.".to_owned(),
        (true, _) => format!(
            "Nothing can be done: resolve the {} items marked `!` or `#` first.",
            number(refused)
        ),
        (false, 0) => format!("Run {run} to do this."),
        (false, _) => format!(
            "Run {run} to do this; {} marked `!` or `#` will not be done.",
            count(refused, "item")
        ),
    }
}

/// The text as one word of a shell.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", super::style::clean(text).replace('\'', r"'\''"))
    }
}

fn some(value: u64, one: &str) -> String {
    if value == 0 {
        String::new()
    } else {
        count(value, one)
    }
}

fn amount_of(amount: Amount, one: &str) -> String {
    if amount.items == 0 {
        return String::new();
    }
    format!("{}{}", count(amount.items, one), of(amount))
}

/// What a run would do, by kind of thing.
#[derive(Debug, Default)]
struct Acts {
    versions: u64,
    tables: u64,
    changed_tables: u64,
    variables: u64,
    files: u64,
    parts: u64,
    uploads: u64,
    releases: u64,
}

impl Acts {
    fn of(plan: &Plan) -> Self {
        let mut acts = Self::default();
        for item in plan.items() {
            match (item.action, &item.subject) {
                (Action::Create, Subject::Version(_)) => acts.versions += 1,
                (Action::Create, Subject::Table(_)) => acts.tables += 1,
                (Action::Update, Subject::Table(_)) => acts.changed_tables += 1,
                (Action::Update, Subject::Variable(_)) => acts.variables += 1,
                (Action::Release, _) => acts.releases += 1,
                (Action::Send, Subject::File(_)) => acts.files += 1,
                (Action::Send, Subject::Part(_)) => acts.parts += 1,
                (Action::Send, Subject::Upload(_)) => acts.uploads += 1,
                (
                    Action::None | Action::Create | Action::Update | Action::Send | Action::Delete,
                    _,
                ) => {}
            }
        }
        acts
    }

    fn created(&self) -> String {
        listed(&[
            (self.versions, count(self.versions, "version")),
            (self.tables, count(self.tables, "table")),
        ])
    }

    fn sent(&self, send: Amount) -> String {
        let things = listed(&[
            (self.files, count(self.files, "file")),
            (self.parts, count(self.parts, "part")),
            (self.uploads, count(self.uploads, "upload")),
        ]);
        let rows = (send.rows > 0).then(|| format!(", {}", count(send.rows, "row")));
        if things.is_empty() {
            return things;
        }
        format!("{things}{}, {}", rows.unwrap_or_default(), size(send.bytes))
    }
}

/// What is not zero, with commas.
pub(super) fn listed(things: &[(u64, String)]) -> String {
    let there: Vec<&str> = things
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(_, text)| text.as_str())
        .collect();
    there.join(", ")
}

fn calls_text(calls: &Calls, floor_seconds: Option<u64>) -> String {
    let Calls {
        tables,
        variables,
        temp_uploads,
        raw_files,
        uploads,
        insert_rows,
        deletes,
        reads,
    } = *calls;
    let kinds = listed(&[
        (
            tables,
            format!("{} for versions and tables", number(tables)),
        ),
        (variables, format!("{} for variables", number(variables))),
        (
            temp_uploads,
            format!("{} tempUploads", number(temp_uploads)),
        ),
        (raw_files, format!("{} rawFiles", number(raw_files))),
        (uploads, format!("{} uploads", number(uploads))),
        (insert_rows, format!("{} insertRows", number(insert_rows))),
        (deletes, count(deletes, "delete")),
        (reads, count(reads, "read")),
    ]);
    if kinds.is_empty() {
        return String::new();
    }
    let floor = floor_seconds.filter(|seconds| *seconds >= WORTH_SAYING);
    let floor = floor.map(|seconds| {
        let floor = super::style::duration(seconds.saturating_mul(1000));
        format!("; the rate limit makes that {floor} at least")
    });
    format!(
        "{} ({kinds}){}",
        number(calls.total()),
        floor.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_last_line_says_what_to_do() {
        assert_eq!(
            next_line(true, 0, 0, "`x`"),
            "Nothing to do: everything matches."
        );
        assert_eq!(
            next_line(true, 0, 1, "`x`"),
            "Nothing to do: everything matches, and 1 item is only on the remote."
        );
        assert_eq!(
            next_line(true, 0, 1200, "`x`"),
            "Nothing to do: everything matches, and 1,200 items are only on the remote."
        );
        assert_eq!(
            next_line(true, 2, 1, "`x`"),
            "Nothing can be done: resolve the 2 items marked `!` or `#` first."
        );
        assert_eq!(next_line(false, 0, 1, "`x`"), "Run `x` to do this.");
        assert_eq!(
            next_line(false, 1, 0, "`x`"),
            "Run `x` to do this; 1 item marked `!` or `#` will not be done."
        );
    }

    #[test]
    fn the_command_can_be_copied_and_goes_where_the_plan_looked() {
        let mut plan = sample::plan();
        assert_eq!(run_command(&plan, "m.yaml"), "`redivis-ingest run m.yaml`");

        plan.endpoint = "sandbox".to_owned();
        plan.is_whole = false;
        assert_eq!(
            run_command(&plan, "my dir/it's.yaml"),
            r"`redivis-ingest run 'my dir/it'\''s.yaml' --endpoint sandbox` with the same selection"
        );
    }

    #[test]
    fn rows_that_go_are_summed_over_tables_and_not_over_jobs() {
        let with_rows = |name: &str, table: &str| {
            let mut job = sample::files_job(1);
            job.job = name.parse().unwrap();
            job.table = sample::table(table);
            job.replaced_rows = Some(1200);
            job
        };
        let jobs = vec![
            with_rows("a", "one"),
            with_rows("b", "two"),
            with_rows("c", "one"),
            sample::files_job(1),
        ];
        let plan = sample::plan_of(Vec::new(), jobs);

        assert_eq!(PlanLines::new(&plan).totals(None).replaced_rows, 2400);
    }

    #[test]
    fn the_rate_limit_is_told_when_it_makes_a_difference() {
        let calls = Calls {
            reads: 3,
            ..Calls::default()
        };

        assert_eq!(calls_text(&calls, Some(1)), "3 (3 reads)");
        assert_eq!(calls_text(&calls, None), "3 (3 reads)");
        assert_eq!(
            calls_text(&calls, Some(3)),
            "3 (3 reads); the rate limit makes that 3 s at least"
        );
    }
}
