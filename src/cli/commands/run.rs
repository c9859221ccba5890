//! `run`: plan, do, verify, report.

use crate::base::ManifestName;
use crate::cli::args::{PlanArgs, RunArgs};
use crate::cli::context::Context;
use crate::cli::executing::Executing;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::files::{check_outputs, wanted_by};
use crate::cli::locking::lock;
use crate::cli::planning::{PlanRequest, Planning};
use crate::cli::problems::Problems;
use crate::cli::receipts::Collector;
use crate::cli::rejects::RejectsFile;
use crate::cli::reporting::{Reporting, ReportingArgs};
use crate::cli::verdict::verdict;
use crate::cli::warnings;
use crate::cli::workplace::{Workplace, WorkplaceArgs, load_manifest};
use crate::event::{Event, EventSink, Phase, RunEnd};
use crate::exec;
use crate::plan::{Class, Plan, Reason, SavedPlan, keep_only};
use crate::source::rows::Reject;

/// Runs the command.
pub fn run(args: &RunArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    if args.dry_run {
        return super::plan::run(&dry_run(args), context);
    }
    let _watch = context.watch(args.remote.transfer.deadline)?;
    let mut read = vec![("the manifest", args.manifest.manifest.as_path())];
    read.extend(args.plan.as_deref().map(|plan| ("the saved plan", plan)));
    check_outputs(&read, &wanted_by(&args.report))?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let saved = args.plan.as_deref().map(read_saved).transpose()?;
    let (locked, run_id) = lock(
        &manifest,
        &args.remote,
        args.select.shard,
        args.lock_timeout,
        context,
    )?;
    let place = WorkplaceArgs {
        shard: args.select.shard,
        run_id: Some(run_id),
        ..WorkplaceArgs::of(&args.remote)
    };
    let workplace = context.open(manifest, place)?;
    let reporting = Reporting::start(
        ReportingArgs {
            command: "run",
            output: &args.output,
            files: &args.report,
            receipts: args.receipts.as_deref(),
            ca_cert: args.remote.connection.ca_cert.as_deref(),
        },
        context,
        &workplace,
    )?;
    let now_ms = context.environment.now_ms();
    workplace
        .store
        .run_started(workplace.run_id.as_str(), now_ms, "run")
        .map_err(Failure::from)?;
    let rejects = RejectsFile::new(reporting.folder());
    let done = plan_and_execute(
        args,
        context,
        &workplace,
        saved.as_ref(),
        &rejects,
        &reporting,
    )
    .map_err(|failure| failure.stopped_by(context.cancel.reason()));
    let unkept = match &done {
        Ok(_) => write_receipts(args, context, &workplace, reporting.events()).err(),
        Err(_) => None,
    };
    let exit = reporting.finish(&done, &rejects, unkept);
    drop(locked);
    exit
}

/// What a run came to.
#[derive(Debug)]
pub struct Done {
    /// What was planned.
    pub plan: Plan,
    /// How it ended.
    pub end: RunEnd,
    /// What the shell is told.
    pub exit: ExitCode,
}

fn plan_and_execute(
    args: &RunArgs,
    context: &Context<'_>,
    workplace: &Workplace,
    saved: Option<&SavedPlan>,
    rejects: &RejectsFile,
    reporting: &Reporting<'_>,
) -> Result<Done, Failure> {
    reporting.events().send(Event::Phase(Phase::Planning));
    let on_reject = |job: &ManifestName, reject: Reject| rejects.add(job, &reject);
    let request = PlanRequest::of_run(args, saved.is_some());
    let planning = Planning {
        workplace,
        context,
        events: reporting.events(),
        on_reject: &on_reject,
        on_unchanged: None,
    };
    let mut plan = planning.make(&request)?;
    let mut drifted = Vec::new();
    if let Some(saved) = saved {
        drifted = keep_only(&mut plan, saved).map_err(|why| {
            Failure::new(ExitCode::Drifted, "plan/drifted", why)
                .hint("make a new plan and look at it before you run it")
        })?;
    }
    reporting.show_plan(&plan)?;
    reporting.jobs_begin(&plan);
    warnings::say_of_plan(&plan, context);
    Problems::of_plan(&plan, &|job| rejects.first_of(&job.job)).say(context);
    if let Some(exit) = exit_of_problems(&plan) {
        let end = exec::not_executed(&plan);
        return Ok(Done { plan, end, exit });
    }
    if plan.is_empty() && !plan.has_conflicts() && drifted.is_empty() {
        let exit = match args.no_change_exit_code {
            Some(_) => ExitCode::NothingToDo,
            None => ExitCode::Done,
        };
        return Ok(Done {
            plan,
            end: RunEnd::default(),
            exit,
        });
    }
    let mut end = execute(args, context, workplace, &plan, rejects, reporting);
    end.items.extend(drifted.iter().map(exec::drifted));
    let exit = verdict(&end, context.cancel.reason());
    Ok(Done { plan, end, exit })
}

fn execute(
    args: &RunArgs,
    context: &Context<'_>,
    workplace: &Workplace,
    plan: &Plan,
    rejects: &RejectsFile,
    reporting: &Reporting<'_>,
) -> RunEnd {
    let executing = Executing {
        workplace,
        context,
        events: reporting.events(),
        notes: workplace.manifest.release.notes(),
        fail_fast: args.fail_fast,
        on_refused: &|job, row| rejects.add_refused(job, &row),
    };
    executing.run(|executing| exec::run(executing, plan))
}

/// Input that cannot be used stops everything before anything is sent.
pub fn exit_of_problems(plan: &Plan) -> Option<ExitCode> {
    let bad = plan
        .items()
        .any(|item| item.class == Class::Conflict && item.reason == Reason::SourceProblem);
    bad.then_some(ExitCode::Input)
}

fn read_saved(path: &std::path::Path) -> Result<SavedPlan, Failure> {
    let file = std::fs::File::open(path)
        .map_err(|error| Failure::input(&format!("cannot open `{}`", path.display()), &error))?;
    SavedPlan::read(std::io::BufReader::new(file)).map_err(Failure::from)
}

/// Writes receipts of all that is delivered now, by a second look at it. A run that
/// was stopped leaves them as they are: the next one writes them.
fn write_receipts(
    args: &RunArgs,
    context: &Context<'_>,
    workplace: &Workplace,
    events: &EventSink,
) -> Result<(), Failure> {
    let Some(folder) = args.receipts.as_deref() else {
        return Ok(());
    };
    if context.cancel.is_cancelled() {
        tracing::warn!("the run was stopped: the receipts are as they were");
        return Ok(());
    }
    let collector = Collector::default();
    let planning = Planning {
        workplace,
        context,
        events,
        on_reject: &|_, _| {},
        on_unchanged: Some(&|one| collector.take(&one)),
    };
    let plan = planning.make(&PlanRequest::of_receipts(args))?;
    let is_shard = args.select.shard.is_some();
    collector.write(folder, &plan, is_shard, (workplace, context))?;
    Ok(())
}

fn dry_run(args: &RunArgs) -> PlanArgs {
    PlanArgs {
        manifest: args.manifest.clone(),
        select: args.select.clone(),
        out: None,
        detailed_exitcode: false,
        hash: false,
        all: false,
        combined: None,
        output: args.output.clone(),
        remote: args.remote.clone(),
    }
}
