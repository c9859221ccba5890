//! `plan`: the dry-run diff.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::cli::args::{Format, PlanArgs};
use crate::cli::combined::CombinedList;
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, check_writable};
use crate::cli::planning::{PlanRequest, Planning};
use crate::cli::problems::Problems;
use crate::cli::rejects::FirstRejects;
use crate::cli::warnings;
use crate::cli::workplace::{StoreChoice, Workplace, WorkplaceArgs, load_manifest};
use crate::event::EventSink;
use crate::plan::{Checked, Plan, PlanLines, Unchanged, findings};
use crate::report::write_plan;

/// Runs the command.
pub fn run(args: &PlanArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(args.transfer.deadline)?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    if let Some(path) = &args.out {
        check_writable(path)?;
    }
    let combined = CombinedList::of(args.combined.as_deref(), args.output.format)?;
    let workplace = Workplace::open(
        manifest,
        WorkplaceArgs {
            transfer: &args.transfer,
            connection: &args.connection,
            state: &args.state,
            shard: args.select.shard,
            run_id: None,
            store: StoreChoice::Kept,
        },
        context.environment,
    )?;
    context.adopt(&workplace);
    let rejects = Mutex::new(FirstRejects::default());
    let first = || rejects.lock().unwrap_or_else(PoisonError::into_inner);
    let on_unchanged = |one: Unchanged<'_>| {
        if let Some(combined) = &combined {
            combined.add(&Checked::matching(&one));
        }
    };
    let planning = Planning {
        workplace: &workplace,
        context,
        events: &EventSink::default(),
        on_reject: &|job, reject| first().add(job, || reject.to_string()),
        on_unchanged: combined.is_some().then_some(&on_unchanged as _),
    };
    let plan = planning.make(&PlanRequest::of_plan(args))?;
    workplace.store.flush().map_err(Failure::from)?;
    if let Some(path) = &args.out {
        save(path, &plan, &workplace)?;
    }
    warnings::say_of_plan(&plan, context);
    Problems::of_plan(&plan, &|job| first().of(&job.job)).say(context);
    let shown = first().all();
    match combined {
        Some(combined) => {
            let is_result = combined.is_stdout();
            findings(&plan, &mut |checked| combined.add(&checked));
            combined.finish()?;
            if !is_result {
                show(args, context, &workplace, &plan, &shown)?;
            }
        }
        None => show(args, context, &workplace, &plan, &shown)?,
    }
    Ok(exit_of(args, &plan))
}

fn save(path: &std::path::Path, plan: &Plan, workplace: &Workplace) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::local_io(
            &format!("cannot write the plan to `{}`", path.display()),
            &error,
        )
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or_else(|| ".".as_ref())).map_err(failed)?;
    let mut out = std::io::BufWriter::new(file.as_file_mut());
    PlanLines::new(plan)
        .write(&mut out, workplace.calls_per_second())
        .map_err(failed)?;
    out.flush().map_err(failed)?;
    drop(out);
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

fn show(
    args: &PlanArgs,
    context: &Context<'_>,
    workplace: &Workplace,
    plan: &Plan,
    rejects: &[String],
) -> Result<(), Failure> {
    let rate = workplace.calls_per_second();
    let mut out = Output::stdout();
    match args.output.format {
        Format::Text => {
            let style = context.stdout_style();
            let shown = args.manifest.manifest.display().to_string();
            let written = write_plan(&mut out, plan, args.all, &style, rate, Some(&shown))
                .and_then(|()| write_rejects(&mut out, rejects));
            out.finish(written)
        }
        Format::Json | Format::Ndjson => {
            let written = PlanLines::new(plan).write(&mut out, rate);
            out.finish(written)
        }
    }
}

fn exit_of(args: &PlanArgs, plan: &Plan) -> ExitCode {
    if let Some(code) = super::run::exit_of_problems(plan) {
        return code;
    }
    if plan.has_conflicts() {
        return ExitCode::Partial;
    }
    if args.detailed_exitcode && !plan.is_empty() {
        ExitCode::Changes
    } else {
        ExitCode::Done
    }
}

/// The first rows that cannot be encoded, for people.
fn write_rejects(out: &mut dyn std::io::Write, rejects: &[String]) -> std::io::Result<()> {
    if rejects.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nRows that cannot be encoded (the first {}):",
        rejects.len()
    )?;
    for reject in rejects {
        writeln!(out, "  {reject}")?;
    }
    Ok(())
}
