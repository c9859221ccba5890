//! `rehearse`: the user's own manifest and files against a sandbox that
//! misbehaves, run again and again as a scheduler would, and a proof at the end.
//!
//! Each run is a process of its own, as in real life, so that it can be killed.
//! Nothing of the user's state, token or remote is touched. [`stage`] has the
//! sandbox and the runs, [`script`] what goes wrong, [`act`] the order of it all,
//! [`verdict`] what it comes to.

mod act;
mod run;
mod script;
mod stage;
mod text;
mod traffic;
mod verdict;

use std::path::Path;

use serde::Serialize;

use crate::cli::args::{Format, RehearseArgs};
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::workplace::load_manifest;

use act::Rehearsal;
use script::Script;
use stage::Stage;
use verdict::Verdict;

/// The version of the JSON line. 1: the first.
const FORMAT: u32 = 1;

/// Runs the command.
pub fn run(args: &RehearseArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(args.transfer.deadline)?;
    if args.manifest.manifest == Path::new("-") {
        let message = "a rehearsal reads the manifest once for each run: give it as a file";
        return Err(Failure::usage(message));
    }
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let script = Script::of(args, context.environment)?;
    let stage = Stage::open(args, context, &manifest, &script)?;
    let rehearsal = Rehearsal::play(&stage, &script)?;
    let verdict = Verdict::of(&rehearsal);
    if verdict.exit != ExitCode::Done
        && let Some(words) = stage.last_words(&rehearsal)
    {
        crate::cli::say(&words);
    }
    let line = Line {
        kind: "rehearsal",
        format_version: FORMAT,
        manifest: manifest.name.as_str(),
        script: &script,
        rehearsal: &rehearsal,
        verdict: &verdict,
        exit: verdict.exit.number(),
        exit_word: verdict.exit.name(),
    };
    let mut out = Output::stdout();
    match args.output.format {
        Format::Text => {
            let written = text::write(&mut out, &line);
            out.finish(written)?;
        }
        // Texts and numbers always serialise.
        Format::Json | Format::Ndjson => {
            out.line(&serde_json::to_string(&line).unwrap_or_default())?;
        }
    }
    Ok(verdict.exit)
}

/// Everything that is told at the end.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    format_version: u32,
    manifest: &'a str,
    #[serde(flatten)]
    script: &'a Script,
    #[serde(flatten)]
    rehearsal: &'a Rehearsal,
    #[serde(flatten)]
    verdict: &'a Verdict,
    exit: u8,
    exit_word: &'static str,
}
