//! `verify`: the remote against the sources, or against receipts. Reads only,
//! and believes no cache.

use std::path::Path;

use crate::cli::args::{Format, VerifyArgs};
use crate::cli::combined::CombinedList;
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::files::check_outputs;
use crate::cli::output::Output;
use crate::cli::planning::{PlanRequest, Planning};
use crate::cli::problems::Problems;
use crate::cli::receipts::{Collector, owner, versions};
use crate::cli::verifying::{Show, Shown, Verified, exit_of, read_back, verify_sources};
use crate::cli::workplace::{StoreChoice, Workplace, WorkplaceArgs, load_manifest};
use crate::event::EventSink;
use crate::manifest::Release;
use crate::plan::{Checked, Finding, Unchanged, verify_receipts};
use crate::report::{ReceiptReader, VerifyFacts, VerifyTally, verify_line, write_verify};

/// Runs the command.
pub fn run(args: &VerifyArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(args.remote.transfer.deadline)?;
    let started_ms = context.environment.now_ms();
    let combined = CombinedList::of(args.combined.as_deref(), args.output.format)?;
    let outputs: Vec<_> = combined.iter().filter_map(CombinedList::wanted).collect();
    check_outputs(&[("the manifest", &args.manifest.manifest)], &outputs)?;
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let place = WorkplaceArgs {
        shard: args.select.shard,
        store: StoreChoice::Memory,
        ..WorkplaceArgs::of(&args.remote)
    };
    let workplace = context.open(manifest, place)?;
    let place = (&workplace, context);
    let show = match &combined {
        Some(combined) if combined.is_stdout() => Show::Nothing,
        _ => show(args.output.format),
    };
    let each = |checked: &Checked| {
        if let Some(combined) = &combined {
            combined.add(checked);
        }
    };
    let (tally, exit, datasets) = match &args.receipts {
        Some(folder) => from_receipts(args, place, folder, (show, &each))?,
        None => from_sources(args, place, (show, &each))?,
    };
    let facts = VerifyFacts {
        manifest: workplace.manifest.name.to_string(),
        endpoint: workplace.endpoint_shown.clone(),
        datasets,
        from_receipts: args.receipts.is_some(),
        millis: u64::try_from(context.environment.now_ms() - started_ms).unwrap_or(0),
        exit: (exit.number(), exit.name()),
    };
    if let Some(combined) = combined {
        let is_result = combined.is_stdout();
        combined.finish()?;
        if is_result {
            return Ok(exit);
        }
    }
    let mut out = Output::stdout();
    match args.output.format {
        Format::Text => {
            let written = write_verify(&mut out, &tally, &facts, &context.stdout_style());
            out.finish(written)?;
        }
        Format::Json | Format::Ndjson => out.line(&verify_line(&tally, &facts))?,
    }
    Ok(exit)
}

type Found = (VerifyTally, ExitCode, Vec<(String, String)>);
/// How findings are shown, and who is told of each.
type Telling<'a> = (Show, &'a (dyn Fn(&Checked) + Sync));

fn show(format: Format) -> Show {
    match format {
        Format::Text => Show::Text,
        Format::Json => Show::Nothing,
        Format::Ndjson => Show::Lines,
    }
}

fn request(args: &VerifyArgs) -> PlanRequest {
    let read = read_back(args.read_back);
    PlanRequest::of_verification(Some(&args.select), read, Release::No)
}

fn from_sources(
    args: &VerifyArgs,
    (workplace, context): (&Workplace, &Context<'_>),
    (show, each): Telling<'_>,
) -> Result<Found, Failure> {
    let collector = Collector::default();
    let wants_receipts = args.write_receipts.is_some();
    let met = |one: &Unchanged<'_>| {
        if wants_receipts {
            collector.take(one);
        }
    };
    let Verified { plan, tally, exit } = verify_sources(
        (workplace, context),
        &EventSink::default(),
        &request(args),
        (show, args.all),
        &met,
        each,
    )?;
    Problems::of_sources(&plan).say(context);
    if let Some(folder) = &args.write_receipts {
        let is_shard = args.select.shard.is_some();
        collector.write(folder, &plan, is_shard, (workplace, context))?;
    }
    Ok((tally, exit, versions(&plan)))
}

fn from_receipts(
    args: &VerifyArgs,
    (workplace, context): (&Workplace, &Context<'_>),
    folder: &Path,
    (show, each): Telling<'_>,
) -> Result<Found, Failure> {
    let mut reader = ReceiptReader::open(folder, &owner(workplace, context))?;
    let mut tally = VerifyTally::default();
    let mut shown = Shown::new(show, context);
    let planning = Planning {
        workplace,
        context,
        events: &EventSink::default(),
        on_reject: &|_, _| {},
        on_unchanged: None,
    };
    let request = request(args);
    planning.settle(&request)?;
    let datasets = planning.with(&request, |planning| {
        verify_receipts(
            planning,
            &mut || reader.next_receipt().map_err(Failure::from),
            &mut |checked| {
                tally.add(&checked);
                each(&checked);
                if args.all || checked.finding != Finding::Matches {
                    shown.line(&checked);
                }
            },
        )
    })?;
    shown.finish()?;
    let exit = exit_of(&tally);
    Ok((tally, exit, datasets))
}
