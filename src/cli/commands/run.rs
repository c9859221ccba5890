//! `run`: plan, do, verify, report.

use crate::base::ManifestName;
use crate::cli::args::{PlanArgs, RunArgs};
use crate::cli::context::{Context, tell_wait};
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::check_writable;
use crate::cli::planning::{PlanRequest, make};
use crate::cli::problems::Problems;
use crate::cli::rejects::RejectsFile;
use crate::cli::reporting::Reporting;
use crate::cli::verdict::verdict;
use crate::cli::workplace::{Workplace, WorkplaceArgs, load_manifest};
use crate::event::{Event, Phase, RunEnd};
use crate::exec::{self, ExecContext, ExecOptions, Protocol};
use crate::plan::{Class, Plan, Reason, SavedPlan, keep_only};
use crate::redivis::{Call, Writer, limits};
use crate::source::rows::Reject;
use crate::state::{RunId, RunLock};

/// Runs the command.
pub fn run(args: &RunArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    if args.dry_run {
        return super::plan::run(&dry_run(args), context);
    }
    let _watch = context.watch(args.transfer.deadline)?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let saved = args.plan.as_deref().map(read_saved).transpose()?;
    for path in [&args.report, &args.summary].into_iter().flatten() {
        check_writable(path)?;
    }
    let (locked, run_id) = lock(&manifest, args, context)?;
    let workplace = Workplace::open(
        manifest,
        WorkplaceArgs {
            transfer: &args.transfer,
            connection: &args.connection,
            state: &args.state,
            shard: args.select.shard,
            run_id: Some(run_id),
        },
        context.environment,
    )?;
    context.adopt(&workplace);
    let reporting = Reporting::start(args, context, &workplace)?;
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
    let exit = reporting.finish(&done, &rejects);
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
    let mut plan = make(workplace, context, reporting.events(), &request, &on_reject)?;
    let mut drifted = Vec::new();
    if let Some(saved) = saved {
        drifted = keep_only(&mut plan, saved).map_err(|why| {
            Failure::new(ExitCode::Drifted, "plan/drifted", why)
                .hint("make a new plan and look at it before you run it")
        })?;
    }
    reporting.show_plan(&plan)?;
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
    let writer = Writer::new(workplace.reader.clone());
    let events = reporting.events();
    let on_wait = |wait: &crate::redivis::Wait| tell_wait(events, wait);
    let on_bytes = |bytes: u64| {
        context.moved(bytes);
        events.send(Event::BytesSent(bytes));
    };
    let clock = context.environment.clock();
    let now_ms = move || clock().div_euclid(1_000_000);
    let transfer = &workplace.transfer;
    let executing = ExecContext {
        manifest: &workplace.manifest,
        writer: &writer,
        notes: workplace.manifest.release.notes(),
        store: &workplace.store,
        events,
        net_pool: &workplace.net_pool,
        cpu_pool: &workplace.cpu_pool,
        cancel: &context.cancel,
        call: Call {
            cancel: &context.cancel,
            on_wait: &on_wait,
            on_bytes: &on_bytes,
        },
        options: ExecOptions {
            transfers: transfer.transfers,
            chunk: transfer.chunk_size.0,
            resumable_from: limits::RESUMABLE_FROM,
            max_memory: transfer.max_memory.0,
            protocol: match workplace.protocol {
                crate::cli::args::Protocol::Temp => Protocol::Temp,
                crate::cli::args::Protocol::Legacy => Protocol::Legacy,
            },
            fail_fast: args.fail_fast,
            poll_scale: workplace.time_scale,
        },
        now_ms: &now_ms,
        on_refused: &|job, row| rejects.add_refused(job, &row),
    };
    exec::run(&executing, plan)
}

/// Input that cannot be used stops everything before anything is sent.
pub(super) fn exit_of_problems(plan: &Plan) -> Option<ExitCode> {
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

/// Takes the lock of this manifest's state, in the name of a new run; none is
/// needed for state in memory.
fn lock(
    manifest: &crate::manifest::Manifest,
    args: &RunArgs,
    context: &Context<'_>,
) -> Result<(Option<RunLock>, RunId), Failure> {
    use crate::cli::settings::{EndpointChoice, state_key, state_location};

    let environment = context.environment;
    let location = state_location(&args.state, environment).map_err(Failure::from)?;
    let endpoint = EndpointChoice::choose(args.connection.endpoint.as_deref(), environment)
        .map_err(Failure::from)?;
    let key = state_key(
        &manifest.name,
        &endpoint,
        &manifest.datasets(),
        args.select.shard,
        args.state.instance.as_deref(),
    );
    let run_id = RunId::new(environment.now_ms(), &key, environment.salt());
    let Some(path) = location.lock_path(&key) else {
        return Ok((None, run_id));
    };
    let owner = environment.lock_owner(run_id.as_str());
    RunLock::acquire(&path, &owner, args.lock_timeout, &context.cancel)
        .map(|lock| (Some(lock), run_id))
        .map_err(Failure::from)
}

fn dry_run(args: &RunArgs) -> PlanArgs {
    PlanArgs {
        manifest: args.manifest.clone(),
        select: args.select.clone(),
        out: None,
        detailed_exitcode: false,
        hash: false,
        all: false,
        output: args.output.clone(),
        transfer: args.transfer.clone(),
        connection: args.connection.clone(),
        state: args.state.clone(),
    }
}
