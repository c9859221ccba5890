//! `release`: verifies every job, then releases.

use crate::cli::args::{Format, ReadBack, ReleaseArgs};
use crate::cli::commands::run::Done;
use crate::cli::context::Context;
use crate::cli::executing::Executing;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::files::{check_outputs, wanted_by};
use crate::cli::locking::lock;
use crate::cli::planning::PlanRequest;
use crate::cli::problems::Problems;
use crate::cli::rejects::RejectsFile;
use crate::cli::reporting::{Reporting, ReportingArgs};
use crate::cli::verdict::verdict;
use crate::cli::verifying::{Show, Verified, read_back, verify_sources};
use crate::cli::workplace::{Workplace, WorkplaceArgs, load_manifest};
use crate::event::{Event, FailKind, Failed, ItemEnd, Phase, RunEnd, What};
use crate::exec;
use crate::manifest::{Others, Release};
use crate::plan::{Action, Class, Plan};

/// Runs the command.
pub fn run(args: &ReleaseArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(args.remote.transfer.deadline)?;
    let read = [("the manifest", args.manifest.manifest.as_path())];
    check_outputs(&read, &wanted_by(&args.report))?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let (locked, run_id) = lock(&manifest, &args.remote, None, args.lock_timeout, context)?;
    let place = WorkplaceArgs {
        run_id: Some(run_id),
        ..WorkplaceArgs::of(&args.remote)
    };
    let workplace = context.open(manifest, place)?;
    let reporting = Reporting::start(
        ReportingArgs {
            command: "release",
            output: &args.output,
            files: &args.report,
            receipts: None,
            ca_cert: args.remote.connection.ca_cert.as_deref(),
        },
        context,
        &workplace,
    )?;
    let now_ms = context.environment.now_ms();
    workplace
        .store
        .run_started(workplace.run_id.as_str(), now_ms, "release")
        .map_err(Failure::from)?;
    let rejects = RejectsFile::new(None);
    let done = verify_and_release(args, (&workplace, context), &reporting)
        .map_err(|failure| failure.stopped_by(context.cancel.reason()));
    let exit = reporting.finish(&done, &rejects, None);
    drop(locked);
    exit
}

/// What is asked for: as the manifest says, or with its defaults.
fn wanted(manifest: &crate::manifest::Manifest, args: &ReleaseArgs) -> Release {
    let (said, others) = match &manifest.release {
        Release::No => (None, Others::Fail),
        Release::Yes { notes, others } => (notes.clone(), *others),
    };
    Release::Yes {
        notes: args.notes.clone().or(said),
        others,
    }
}

fn verify_and_release(
    args: &ReleaseArgs,
    (workplace, context): (&Workplace, &Context<'_>),
    reporting: &Reporting<'_>,
) -> Result<Done, Failure> {
    reporting.events().send(Event::Phase(Phase::Checking));
    let release = wanted(&workplace.manifest, args);
    let notes = release.notes().map(str::to_owned);
    let request = PlanRequest::of_verification(None, read_back(ReadBack::Needed), release);
    let show = match args.output.format {
        Format::Text => Show::Text,
        Format::Json | Format::Ndjson => Show::Nothing,
    };
    let Verified {
        mut plan,
        tally,
        exit,
    } = verify_sources(
        (workplace, context),
        reporting.events(),
        &request,
        (show, false),
        &|_| {},
        &|_| {},
    )?;
    Problems::of_sources(&plan).say(context);
    let refused = only_release(&mut plan);
    if let Some(why) = tally.why_not() {
        let message = format!("the remote does not match the sources: {why}");
        let end = not_released(&plan, kind_of(exit), &message);
        return Ok(Done { plan, end, exit });
    }
    if let Some(why) = refused {
        let end = not_released(&plan, FailKind::Failed, &why);
        let exit = ExitCode::Partial;
        return Ok(Done { plan, end, exit });
    }
    if plan.is_empty() {
        return Ok(Done {
            plan,
            end: RunEnd::default(),
            exit: ExitCode::Done,
        });
    }
    let executing = Executing {
        workplace,
        context,
        events: reporting.events(),
        notes: notes.as_deref(),
        fail_fast: true,
        on_refused: &|_, _| {},
    };
    let end = executing.run(|executing| exec::release(executing, &plan));
    let exit = verdict(&end, context.cancel.reason());
    Ok(Done { plan, end, exit })
}

/// Leaves nothing in the plan but releases. Answers why one is refused.
fn only_release(plan: &mut Plan) -> Option<String> {
    plan.id = std::sync::OnceLock::new();
    for job in &mut plan.jobs {
        job.items.clear();
    }
    let mut refused = None;
    for dataset in &mut plan.datasets {
        dataset.items.retain(|item| {
            let is_release = item.action == Action::Release;
            if item.class == Class::Conflict && !is_release {
                refused = refused.take().or_else(|| item.note.clone());
            }
            is_release
        });
    }
    refused
}

fn kind_of(exit: ExitCode) -> FailKind {
    // What differs has its own line; the release itself is what failed here.
    if exit == ExitCode::Temporary {
        FailKind::Unconfirmed
    } else if exit == ExitCode::Input {
        FailKind::Input
    } else {
        FailKind::Failed
    }
}

/// Every dataset stays as it is, for this reason.
fn not_released(plan: &Plan, kind: FailKind, why: &str) -> RunEnd {
    let items = plan.datasets.iter().map(|dataset| {
        let name = format!("{}:next", dataset.dataset);
        ItemEnd::new(What::Version, None, &name, "release").failed(Failed {
            kind,
            message: format!("not released: {why}"),
        })
    });
    RunEnd {
        items: items.collect(),
        complete_jobs: Vec::new(),
    }
}
