//! `check`: everything that can be known offline.
//!
//! Syntax and references are known once the manifest is loaded. Then each job's
//! sources are resolved, and row sources are read and encoded to the end, since
//! whether every cell fits its type can be told in no other way.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::part::slug;
use crate::base::{FileName, ManifestName, SourceKey};
use crate::cli::args::{CheckArgs, Format};
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::problems::{Problems, REJECTS_HELP, TOO_MANY_REJECTS};
use crate::cli::warnings::{self, Warning, Warnings};
use crate::cli::workplace::load_manifest;
use crate::manifest::{Job, Manifest, RowsSource, Schema, Source};
use crate::plan::{PlanError, Trouble};
use crate::source::rows::{CutSettings, Reading, cut_source, infer_schema};
use crate::source::{
    ResolveOptions, SourceError, SourceProblem, resolve_files, resolve_rows, resolve_uploads,
};

/// Rejects that are shown of a job.
const REJECTS: usize = 10;

/// What was found of one job.
#[derive(Debug, Default, Serialize)]
struct Checked {
    job: String,
    kind: &'static str,
    table: String,
    sources: usize,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    rejects: u64,
    /// The first of them in words.
    first_rejects: Vec<String>,
    skipped: usize,
    problems: Vec<Problem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
struct Problem {
    code: &'static str,
    message: String,
    help: String,
    #[serde(skip)]
    exit: ExitCode,
}

impl Problem {
    fn of(code: &'static str, message: String, help: &str) -> Self {
        Self {
            code,
            message,
            help: help.to_owned(),
            exit: ExitCode::Input,
        }
    }

    fn of_error(error: &SourceError) -> Self {
        Self::of(error.code(), error.one_line(), error.help())
    }

    fn all(found: &[SourceProblem]) -> Vec<Self> {
        found
            .iter()
            .map(|one| Self::of(one.kind.code(), one.to_string(), one.kind.help()))
            .collect()
    }
}

/// Runs the command.
pub fn run(args: &CheckArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(None)?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    check_payloads(&manifest, args)?;
    let mut names = Names::default();
    let mut checked = Vec::new();
    for job in &manifest.jobs {
        checked.push(check_job(&manifest, job, &mut names, context)?);
    }
    let mut problems = Problems::default();
    let mut exits = Vec::new();
    for one in &checked {
        for problem in &one.problems {
            exits.push(problem.exit);
            problems.add(|| {
                let message = format!("job `{}`: {}", one.job, problem.message);
                let mut failure = Failure::new(problem.exit, problem.code, message);
                if problem.code == TOO_MANY_REJECTS {
                    failure.causes.clone_from(&one.first_rejects);
                }
                failure.hint(&problem.help)
            });
        }
    }
    for one in &checked {
        warnings::say(&one.job, &one.warnings, context);
    }
    problems.say(context);
    let mut out = Output::stdout();
    match args.output.format {
        Format::Text => {
            for one in &checked {
                out.line(&line_of(one))?;
            }
            out.line(&verdict_line(checked.len(), exits.len()))?;
        }
        Format::Json | Format::Ndjson => {
            for one in &checked {
                let line = serde_json::to_string(one)
                    .map_err(|error| Failure::of(ExitCode::Failed, "check/render", &error))?;
                out.line(&line)?;
            }
        }
    }
    Ok(ExitCode::combine(exits))
}

/// A payload is held in memory as a whole.
fn check_payloads(manifest: &Manifest, args: &CheckArgs) -> Result<(), Failure> {
    let memory = args.max_memory;
    let too_large = manifest.jobs.iter().find_map(|job| match &job.source {
        Source::Rows(rows) => (rows.payload > memory).then_some((job, rows.payload)),
        Source::Files(_) | Source::Uploads(_) => None,
    });
    let Some((job, payload)) = too_large else {
        return Ok(());
    };
    let message = format!(
        "job `{}`: `payload` {payload} does not fit in `--max-memory` {memory}",
        job.name
    );
    Err(
        Failure::new(ExitCode::Usage, "settings/payload-too-large", message)
            .hint("raise `--max-memory` or lower `payload`; a run makes its payloads smaller"),
    )
}

/// The names that earlier jobs give in each table, sorted.
#[derive(Debug, Default)]
struct Names {
    by_table: BTreeMap<String, Vec<(ManifestName, Vec<FileName>)>>,
}

impl Names {
    /// A name that an earlier job gives too.
    fn taken(&mut self, manifest: &Manifest, job: &Job, names: Vec<FileName>) -> Option<Problem> {
        let others = manifest.jobs.iter();
        let is_shared = others
            .filter(|other| other.table.matches(&job.table))
            .count()
            > 1;
        if !is_shared {
            return None;
        }
        let key = job.table.to_string().to_lowercase();
        let earlier = self.by_table.entry(key).or_default();
        let taken = earlier.iter().find_map(|(first, given)| {
            let name = names
                .iter()
                .find(|name| given.binary_search(name).is_ok())?;
            Some(PlanError::NameTaken {
                table: Box::new(job.table.clone()),
                name: name.to_string(),
                first: first.clone(),
                second: job.name.clone(),
            })
        });
        earlier.push((job.name.clone(), names));
        taken.map(|error| {
            let failure = Failure::from(error);
            Problem::of(
                failure.code,
                failure.message,
                &failure.hint.unwrap_or_default(),
            )
        })
    }
}

fn verdict_line(jobs: usize, problems: usize) -> String {
    match (jobs, problems) {
        (1, 0) => "The manifest is good: 1 job.".to_owned(),
        (jobs, 0) => format!("The manifest is good: {jobs} jobs."),
        (_, 1) => "1 problem.".to_owned(),
        (_, count) => format!("{count} problems."),
    }
}

fn line_of(one: &Checked) -> String {
    let count = |number: u64, word: &str| {
        let plural = if number == 1 { "" } else { "s" };
        format!(", {number} {word}{plural}")
    };
    let sources = if one.sources == 1 {
        "source"
    } else {
        "sources"
    };
    let rows = one.rows.map(|rows| count(rows, "row")).unwrap_or_default();
    let rejects = match one.rejects {
        0 => String::new(),
        number => count(number, "reject"),
    };
    let skipped = match one.skipped {
        0 => String::new(),
        number => format!(", {number} skipped"),
    };
    let size = crate::base::ByteCount(one.bytes);
    format!(
        "{} ({}) -> {}: {} {sources}, {size}{rows}{rejects}{skipped}",
        one.job, one.kind, one.table, one.sources
    )
}

fn check_job(
    manifest: &Manifest,
    job: &Job,
    names: &mut Names,
    context: &Context<'_>,
) -> Result<Checked, Failure> {
    let mut checked = Checked {
        job: job.name.to_string(),
        table: job.table.to_string(),
        ..Checked::default()
    };
    let options = ResolveOptions {
        root: &manifest.root,
        allow_empty: job.allow_empty,
        now_ns: (context.environment.clock())(),
        cancel: &context.cancel,
    };
    match &job.source {
        Source::Files(source) => {
            let found = resolve_files(&options, source).map_err(Failure::from)?;
            checked.kind = "files";
            checked.sources = found.files.len();
            checked.bytes = found.files.iter().map(|file| file.fingerprint.size).sum();
            checked.skipped = found.skipped.len();
            checked.problems = Problem::all(&found.problems);
            let given = found.files.into_iter().map(|file| file.name).collect();
            checked.problems.extend(names.taken(manifest, job, given));
        }
        Source::Uploads(source) => {
            let found = resolve_uploads(&options, source).map_err(Failure::from)?;
            checked.kind = "uploads";
            checked.sources = found.inputs.len();
            checked.bytes = found
                .inputs
                .iter()
                .map(|input| input.fingerprint.size)
                .sum();
            checked.skipped = found.skipped.len();
            checked.problems = Problem::all(&found.problems);
        }
        Source::Rows(source) => {
            let found = resolve_rows(&options, source).map_err(Failure::from)?;
            checked.kind = "rows";
            checked.sources = found.inputs.len();
            checked.bytes = found
                .inputs
                .iter()
                .map(|input| input.fingerprint.size)
                .sum();
            checked.skipped = found.skipped.len();
            checked.problems = Problem::all(&found.problems);
            check_rows(manifest, job, source, &found.inputs, &mut checked, context)?;
        }
    }
    Ok(checked)
}

fn check_rows(
    manifest: &Manifest,
    job: &Job,
    source: &RowsSource,
    inputs: &[crate::source::RowInput],
    checked: &mut Checked,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let schema = match &source.schema {
        Schema::Declared(variables) => variables.clone(),
        Schema::Infer => {
            let sources: Vec<_> = inputs
                .iter()
                .map(|input| (input, &source.entries[input.entry].format))
                .collect();
            match infer_schema(&sources, &[], &context.cancel) {
                Ok(schema) => schema,
                Err(error) => {
                    checked.problems.push(Problem::of_error(&error));
                    return Ok(());
                }
            }
        }
    };
    let mut rows = 0;
    let mut warnings = Warnings::default();
    let settings = CutSettings {
        payload: source.payload.0,
        owner: SourceKey::owner(manifest.name.as_str(), job.name.as_str()),
        slug: slug("check"),
    };
    let first = &mut checked.first_rejects;
    for input in inputs {
        let reading = Reading::new(source, input, &schema);
        let mut on_reject = |reject: crate::source::rows::Reject| {
            if first.len() < REJECTS {
                first.push(reject.to_string());
            }
        };
        match cut_source(reading, &[], &settings, &mut on_reject, &context.cancel) {
            Ok(pass) => {
                rows += pass.rows;
                pass.rounded.iter().for_each(|one| warnings.add(one));
                checked.rejects += pass.rejects;
                if pass.rows == 0 && pass.rejects == 0 && !job.allow_empty {
                    checked.problems.push(Problem::of(
                        Trouble::NO_ROWS.code,
                        format!("`{}` has no rows", input.shown),
                        Trouble::NO_ROWS.help,
                    ));
                }
            }
            Err(error @ SourceError::Cancelled) => return Err(Failure::from(error)),
            Err(error) => checked.problems.push(Problem::of_error(&error)),
        }
    }
    checked.rows = Some(rows);
    checked.warnings = warnings.into_list();
    if checked.rejects > source.max_rejects {
        let words = if checked.rejects == 1 { "row" } else { "rows" };
        checked.problems.push(Problem {
            exit: ExitCode::Partial,
            ..Problem::of(
                TOO_MANY_REJECTS,
                format!(
                    "{} {words} cannot be encoded, and `rejects.max` is {}",
                    checked.rejects, source.max_rejects
                ),
                REJECTS_HELP,
            )
        });
    }
    Ok(())
}
