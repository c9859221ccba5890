//! `plan`: the dry-run diff.

use std::sync::{Mutex, PoisonError};

use crate::cli::args::{Format, PlanArgs};
use crate::cli::combined::CombinedList;
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::files::{Readers, Wanted, check_outputs, write_file};
use crate::cli::output::Output;
use crate::cli::planning::{PlanRequest, Planning};
use crate::cli::problems::Problems;
use crate::cli::rejects::FirstRejects;
use crate::cli::warnings;
use crate::cli::workplace::{Workplace, WorkplaceArgs, load_manifest};
use crate::event::EventSink;
use crate::plan::{Checked, Plan, PlanLines, Unchanged, findings};
use crate::report::write_plan;

/// Runs the command.
pub fn run(args: &PlanArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(args.remote.transfer.deadline)?;
    let combined = CombinedList::of(args.combined.as_deref(), args.output.format)?;
    let mut outputs = Vec::new();
    outputs.extend(args.out.as_deref().map(|path| Wanted::whole("--out", path)));
    outputs.extend(combined.as_ref().and_then(CombinedList::wanted));
    check_outputs(&[("the manifest", &args.manifest.manifest)], &outputs)?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let place = WorkplaceArgs {
        shard: args.select.shard,
        ..WorkplaceArgs::of(&args.remote)
    };
    let workplace = context.open(manifest, place)?;
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
        let rate = workplace.calls_per_second();
        write_file(path, Readers::Owner, |out| {
            PlanLines::new(&plan).write(out, rate)
        })?;
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
