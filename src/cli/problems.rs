//! What stands in the way, one diagnostic for each: on stderr, whatever goes to
//! stdout, with a stable code, the place and what to do about it.

use std::fmt::Write as _;

use super::context::Context;
use super::exit::ExitCode;
use super::failure::Failure;
use crate::plan::{Class, Item, JobPlan, Plan, Reason, Subject};

/// The code of a job of which too many rows cannot be encoded.
pub const TOO_MANY_REJECTS: &str = "plan/too-many-rejects";
/// What to do about it.
pub const REJECTS_HELP: &str = "correct the rows or the schema (types, `null_markers`, `format`, `encoding`), or allow as many with `rejects: { max: N }`";

/// More than this are only counted: nobody reads further.
const MOST: usize = 20;

/// Diagnostics, the first of them kept.
#[derive(Debug, Default)]
pub struct Problems {
    first: Vec<Failure>,
    count: usize,
}

impl Problems {
    /// Everything that the plan refuses. `rejects_of` tells the first rows of a
    /// job that cannot be encoded.
    pub fn of_plan(plan: &Plan, rejects_of: &dyn Fn(&JobPlan) -> Vec<String>) -> Self {
        let mut problems = Self::default();
        for dataset in &plan.datasets {
            for item in dataset.items.iter().filter(|item| stands_in_the_way(item)) {
                problems.add(|| of_item(None, item));
            }
        }
        for job in &plan.jobs {
            for item in job.items.iter().filter(|item| stands_in_the_way(item)) {
                problems.add(|| of_job_item(job, item, rejects_of));
            }
        }
        problems
    }

    /// Sources that cannot be used, and nothing else that the plan refuses.
    pub fn of_sources(plan: &Plan) -> Self {
        let mut problems = Self::default();
        for job in &plan.jobs {
            let items = job.items.iter();
            for item in items.filter(|item| item.reason == Reason::SourceProblem) {
                problems.add(|| of_item(Some(job), item));
            }
        }
        problems
    }

    /// Adds one; it is made only where it is kept.
    pub fn add(&mut self, make: impl FnOnce() -> Failure) {
        self.count += 1;
        if self.first.len() < MOST {
            self.first.push(make());
        }
    }

    /// The first of them.
    pub fn first(&self) -> &[Failure] {
        &self.first
    }

    /// How many more there are.
    pub fn left(&self) -> usize {
        self.count - self.first.len()
    }

    /// Writes them to stderr.
    pub fn say(&self, context: &Context<'_>) {
        let style = context.stderr_style();
        let mut text = String::new();
        for failure in &self.first {
            text.push_str(&failure.render(style.colour, style.width));
        }
        let left = self.left();
        if left > 0 {
            // Writing to a string cannot fail.
            _ = writeln!(text, "and {left} more");
        }
        context.screen.suspend(|| super::say(&text));
    }
}

fn stands_in_the_way(item: &Item) -> bool {
    matches!(item.class, Class::Conflict | Class::Locked)
}

fn of_job_item(
    job: &JobPlan,
    item: &Item,
    rejects_of: &dyn Fn(&JobPlan) -> Vec<String>,
) -> Failure {
    let mut failure = of_item(Some(job), item);
    if item.reason == Reason::TooManyRejects {
        failure.causes = rejects_of(job);
    }
    failure
}

fn of_item(job: Option<&JobPlan>, item: &Item) -> Failure {
    let (code, help) = match &item.subject {
        Subject::Source {
            trouble: Some(trouble),
            ..
        } => (trouble.code, trouble.help),
        Subject::Version(_)
        | Subject::Table(_)
        | Subject::Variable(_)
        | Subject::File(_)
        | Subject::RemoteFile(_)
        | Subject::Part(_)
        | Subject::Upload(_)
        | Subject::Listed(_)
        | Subject::Source { trouble: None, .. } => of_reason(item.reason),
    };
    let exit = if item.reason == Reason::SourceProblem {
        ExitCode::Input
    } else {
        ExitCode::Partial
    };
    let what = item.note.clone().unwrap_or_else(|| of_subject(item));
    let message = match job {
        Some(job) => format!("job `{}`: {what}", job.job),
        None => what,
    };
    Failure::new(exit, code, message).hint(help)
}

/// The item in words, where its note does not tell.
fn of_subject(item: &Item) -> String {
    let named = match &item.subject {
        Subject::Version(dataset) => format!("version `next` of `{dataset}`"),
        Subject::Table(table) => format!("table `{}`", table.table.table()),
        Subject::Variable(variable) => format!(
            "variable `{}` of table `{}`",
            variable.name,
            variable.table.table()
        ),
        Subject::File(file) => format!("`{}`", file.shown),
        Subject::RemoteFile(file) => format!("remote file `{}`", file.name),
        Subject::Part(part) => format!("`{}`", part.shown),
        Subject::Upload(upload) => format!("`{}`", upload.shown),
        Subject::Listed(listed) => match &listed.shown {
            Some(shown) => format!("`{shown}` (upload `{}`)", listed.name),
            None => format!("upload `{}`", listed.name),
        },
        Subject::Source { path, .. } => format!("`{path}`"),
    };
    format!("{named}: {}", crate::report::reason_words(item))
}

/// Something is said of a variable that the table has not.
const UNKNOWN_VARIABLE: (&str, &str) = (
    "plan/unknown-variable",
    "correct its name under `variables`, or take it out: names are those of the platform, with `_` for whatever is no letter and no digit",
);
const SAME_ROWS_HELP: &str = "say `on_renamed: send` if both are wanted, as with one file for each day, or `on_renamed: keep` if the source was renamed";

/// The code and the help for what a plan says no to.
fn of_reason(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::ChangeRefused => (
            "plan/change-refused",
            "say `on_change: replace` to send it, or `on_change: keep` to leave the remote's",
        ),
        Reason::ExtraRefused => (
            "plan/extra-refused",
            "bring the source back, or say that it may be gone: `extra: report`, `on_missing: keep` or `delete`",
        ),
        Reason::RowsReleased => (
            "plan/rows-released",
            "released rows stay; `on_released: append` sends the new rows beside them",
        ),
        Reason::ReleasedTwice => (
            "plan/released-twice",
            "two runs wrote at once while one of them released; released rows stay, so take that release back on the platform, or deliver to a new table",
        ),
        Reason::TooManyRejects => (TOO_MANY_REJECTS, REJECTS_HELP),
        Reason::NoRows => (
            "plan/no-rows",
            "if its rows are to go, say `allow_empty: true`",
        ),
        Reason::SameRows => ("plan/same-rows", SAME_ROWS_HELP),
        Reason::ExpectFailed => (
            "plan/expect-failed",
            "look whether the sources are complete; if they are, change `expect`",
        ),
        Reason::SchemaConflict => (
            "plan/schema-conflict",
            "use the table's types in `schema`, or write to another table",
        ),
        Reason::HistoryUnreadable => (
            "plan/history-unreadable",
            "without it rows could arrive twice: ask for access to all versions of the dataset",
        ),
        Reason::RemoteTwins => (
            "plan/remote-twins",
            "delete one of the uploads on the platform: their names cannot be told apart",
        ),
        Reason::ForeignUploads => (
            "plan/foreign-uploads",
            "delete what is not of this manifest, or say `merge: append`",
        ),
        Reason::PartialReplace => (
            "plan/partial-replace",
            "run the whole manifest: without `--select`, `--tag` and `--shard`",
        ),
        Reason::UnknownVariable => UNKNOWN_VARIABLE,
        Reason::WrongKind => (
            "plan/wrong-kind",
            "write to another table: a table holds files or rows, for ever",
        ),
        Reason::NotPrepared => (
            "plan/not-prepared",
            "create it on the platform, or allow it under `prepare` in the manifest",
        ),
        Reason::SourceProblem
        | Reason::NotOnRemote
        | Reason::OtherSize
        | Reason::OtherMd5
        | Reason::SameMd5
        | Reason::SameSize
        | Reason::Receipt
        | Reason::Unverifiable
        | Reason::SameBytes
        | Reason::OtherBytes
        | Reason::Kept
        | Reason::NotInSources
        | Reason::MaybeRenamed
        | Reason::TooYoung
        | Reason::Symlink
        | Reason::NotAFile
        | Reason::Delivered
        | Reason::Renamed
        | Reason::Released
        | Reason::SourceChanged
        | Reason::SourceMissing
        | Reason::Incomplete
        | Reason::Importing
        | Reason::Duplicate
        | Reason::Held
        | Reason::SettingDiffers
        | Reason::Missing
        | Reason::Replacing
        | Reason::Pending => (
            "plan/conflict",
            "look at the plan: `redivis-ingest plan MANIFEST`",
        ),
    }
}
