//! `check`: everything that can be known offline.
//!
//! Syntax and references are known once the manifest is loaded. Then each job's
//! sources are resolved, and row sources are read and encoded to the end, since
//! whether every cell fits its type can be told in no other way.

use serde::Serialize;

use crate::base::SourceKey;
use crate::base::part::slug;
use crate::cli::args::{CheckArgs, Format};
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::workplace::load_manifest;
use crate::manifest::{Job, Manifest, RowsSource, Schema, Source};
use crate::source::rows::{CutSettings, Reading, cut_source, infer_schema};
use crate::source::{
    ResolveOptions, SourceError, SourceProblem, resolve_files, resolve_rows, resolve_uploads,
};

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
    skipped: usize,
    problems: Vec<String>,
}

/// Runs the command.
pub fn run(args: &CheckArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(None)?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let mut checked = Vec::new();
    for job in &manifest.jobs {
        checked.push(check_job(&manifest, job, context)?);
    }
    let problems: usize = checked.iter().map(|one| one.problems.len()).sum();
    let over = manifest
        .jobs
        .iter()
        .zip(&checked)
        .any(|(job, one)| match &job.source {
            Source::Rows(rows) => one.rejects > rows.max_rejects,
            Source::Files(_) | Source::Uploads(_) => false,
        });
    let mut out = Output::stdout();
    match args.output.format {
        Format::Text => {
            for one in &checked {
                for line in lines_of(one) {
                    out.line(&line)?;
                }
            }
            out.line(&verdict_line(checked.len(), problems, over))?;
        }
        Format::Json | Format::Ndjson => {
            for one in &checked {
                let line = serde_json::to_string(one)
                    .map_err(|error| Failure::of(ExitCode::Failed, "check/render", &error))?;
                out.line(&line)?;
            }
        }
    }
    Ok(match (problems, over) {
        (0, false) => ExitCode::Done,
        (0, true) => ExitCode::Partial,
        _ => ExitCode::Input,
    })
}

fn verdict_line(jobs: usize, problems: usize, over: bool) -> String {
    match (problems, over) {
        (0, false) => format!("The manifest is good: {jobs} jobs."),
        (0, true) => "More rows cannot be encoded than `rejects.max` allows.".to_owned(),
        (1, _) => "1 problem; nothing would be sent.".to_owned(),
        (count, _) => format!("{count} problems; nothing would be sent."),
    }
}

fn lines_of(one: &Checked) -> Vec<String> {
    let rows = one
        .rows
        .map_or_else(String::new, |rows| format!(", {rows} rows"));
    let rejects = match one.rejects {
        0 => String::new(),
        count => format!(", {count} rows cannot be encoded"),
    };
    let size = crate::base::ByteCount(one.bytes);
    let mut lines = vec![format!(
        "{} ({}) -> {}: {} sources, {size}{rows}{rejects}",
        one.job, one.kind, one.table, one.sources
    )];
    lines.extend(one.problems.iter().map(|problem| format!("  ! {problem}")));
    lines
}

fn check_job(manifest: &Manifest, job: &Job, context: &Context<'_>) -> Result<Checked, Failure> {
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
    let words = |problems: &[SourceProblem]| -> Vec<String> {
        problems.iter().map(ToString::to_string).collect()
    };
    match &job.source {
        Source::Files(source) => {
            let found = resolve_files(&options, source).map_err(Failure::from)?;
            checked.kind = "files";
            checked.sources = found.files.len();
            checked.bytes = found.files.iter().map(|file| file.fingerprint.size).sum();
            checked.skipped = found.skipped.len();
            checked.problems = words(&found.problems);
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
            checked.problems = words(&found.problems);
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
            checked.problems = words(&found.problems);
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
                    checked.problems.push(error.one_line());
                    return Ok(());
                }
            }
        }
    };
    let mut rows = 0;
    let settings = CutSettings {
        payload: source.payload.0,
        owner: SourceKey::owner(manifest.name.as_str(), job.name.as_str()),
        slug: slug("check"),
    };
    let mut first = Vec::new();
    for input in inputs {
        let reading = Reading::new(source, input, &schema);
        let mut on_reject = |reject: crate::source::rows::Reject| {
            if first.len() < 5 {
                first.push(format!("{reject}"));
            }
        };
        match cut_source(reading, &[], &settings, &mut on_reject, &context.cancel) {
            Ok(pass) if pass.rows == 0 && !job.allow_empty => checked.problems.push(format!(
                "`{}` has no rows; is `allow_empty: true` meant?",
                input.shown
            )),
            Ok(pass) => {
                rows += pass.rows;
                checked.rejects += pass.rejects;
            }
            Err(SourceError::Cancelled) => {
                return Err(Failure::new(ExitCode::Temporary, "run/stopped", "stopped"));
            }
            Err(error) => checked.problems.push(error.one_line()),
        }
    }
    checked.rows = Some(rows);
    if checked.rejects > source.max_rejects {
        checked.problems.extend(first);
    }
    Ok(())
}
