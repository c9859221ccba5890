//! `explain`: every decision about one file or row source.

use std::path::{Component, Path, PathBuf};

use crate::cli::args::{ExplainArgs, Format};
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::planning::{PlanRequest, Planning};
use crate::cli::workplace::{WorkplaceArgs, load_manifest};
use crate::event::EventSink;
use crate::manifest::{Manifest, Source};
use crate::plan::item_line;
use crate::report::{explain, write_explained};

/// Runs the command.
pub fn run(args: &ExplainArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(args.remote.transfer.deadline)?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let workplace = context.open(manifest, WorkplaceArgs::of(&args.remote))?;
    let planning = Planning {
        workplace: &workplace,
        context,
        events: &EventSink::default(),
        on_reject: &|_, _| {},
        on_unchanged: None,
    };
    let plan = planning.make(&PlanRequest::of_explanation())?;
    workplace.store.flush().map_err(Failure::from)?;
    let names = names_of(&args.path, &workplace.manifest);
    let found = names.iter().find_map(|name| {
        let explained = explain(&plan, name);
        (!explained.is_empty()).then_some((name, explained))
    });
    let Some((name, explained)) = found else {
        return Err(unknown(&args.path, &workplace.manifest));
    };
    let mut out = Output::stdout();
    match args.output.format {
        Format::Text => {
            let written = write_explained(&mut out, name, &explained, &context.stdout_style());
            out.finish(written)?;
        }
        Format::Json | Format::Ndjson => {
            for one in &explained {
                for item in &one.items {
                    out.line(&serde_json::json!(item_line(Some(one.job), item)).to_string())?;
                }
            }
        }
    }
    Ok(ExitCode::Done)
}

/// What the plan may call a path: as it was typed, and from the manifest's root.
fn names_of(typed: &Path, manifest: &Manifest) -> Vec<String> {
    let mut names = vec![
        typed.to_string_lossy().into_owned(),
        plain(typed).to_string_lossy().into_owned(),
    ];
    if let Ok(absolute) = std::path::absolute(typed) {
        if let Ok(inside) = plain(&absolute).strip_prefix(&manifest.root) {
            names.push(inside.to_string_lossy().into_owned());
        }
        names.push(absolute.to_string_lossy().into_owned());
    }
    names
}

/// A path without `.` and, where it can be told without the disk, without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    plain
}

fn unknown(path: &Path, manifest: &Manifest) -> Failure {
    let shown = path.display();
    let message = format!("no job of this manifest gives `{shown}`, and no table of it has it");
    let failure = Failure::new(ExitCode::Input, "explain/unknown", message);
    let is_there = path.exists() || manifest.root.join(path).exists();
    if !is_there {
        return failure.hint(
            "name a file as the plan does: relative to the manifest's folder, or by its remote name",
        );
    }
    let patterns: Vec<String> = patterns(manifest)
        .map(|(job, pattern)| format!("`{pattern}` (job {job})"))
        .collect();
    failure.hint(format!(
        "the file exists, and none of these paths gives it, or they exclude it: {}",
        patterns.join(", ")
    ))
}

/// Every path of every job.
fn patterns(manifest: &Manifest) -> impl Iterator<Item = (&str, &str)> {
    manifest.jobs.iter().flat_map(|job| {
        let patterns: Vec<&str> = match &job.source {
            Source::Files(source) => {
                let entries = source.entries.iter();
                entries.map(|one| one.paths.pattern.as_str()).collect()
            }
            Source::Rows(source) => {
                let entries = source.entries.iter();
                entries.map(|one| one.paths.pattern.as_str()).collect()
            }
            Source::Uploads(source) => {
                let entries = source.entries.iter();
                entries.map(|one| one.paths.pattern.as_str()).collect()
            }
        };
        patterns
            .into_iter()
            .map(|pattern| (job.name.as_str(), pattern))
    })
}
