//! `sandbox`: serves the emulator until it is told to stop.

use std::time::Duration;

use crate::cli::args::{Character as Choice, SandboxArgs};
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::sandbox::{Character, FaultScript, Sandbox, SandboxOptions, Seed};

/// Runs the command.
pub fn run(args: &SandboxArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(None)?;
    let mut seed: Seed = match &args.seed {
        Some(path) => read(path)?,
        None => Seed::default(),
    };
    seed.datasets
        .extend(args.dataset.iter().map(ToString::to_string));
    let faults: FaultScript = match &args.faults {
        Some(path) => read(path)?,
        None => FaultScript::default(),
    };
    let options = SandboxOptions {
        character: character(args.character),
        data_dir: args.data_dir.clone(),
        api_port: args.port,
        storage_port: args.storage_port,
        faults,
        seed,
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(options)
        .map_err(|error| Failure::local_io("cannot start the sandbox", &error))?;
    let mut out = Output::stdout();
    out.line(&sandbox.endpoint())?;
    // Until a signal comes.
    while context.cancel.wait(Duration::from_secs(3600)) {}
    sandbox.stop();
    Ok(ExitCode::Done)
}

/// The emulator's word for it.
pub(super) fn character(choice: Choice) -> Character {
    match choice {
        Choice::Friendly => Character::Friendly,
        Choice::Worst => Character::Worst,
    }
}

/// A file of settings in the manifest's language.
pub(super) fn read<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Result<T, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::input(&format!("cannot read `{}`", path.display()), &error))?;
    crate::manifest::read_settings(&text)
        .map_err(|error| Failure::input(&format!("cannot use `{}`", path.display()), &error))
}
