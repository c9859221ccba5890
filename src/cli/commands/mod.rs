//! One module per command, and the table that leads to them.

pub mod check;
pub mod clean;
pub mod completions;
pub mod doctor;
pub mod explain;
pub mod init;
pub mod plan;
#[cfg(feature = "sandbox")]
pub mod rehearse;
pub mod release;
pub mod run;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod schema;
pub mod status;
pub mod verify;

use std::io::Write as _;

use super::args::{Cli, Command};
use super::context::Context;
use super::exit::ExitCode;
use super::failure::Failure;
use super::output::Output;

/// Does what was asked.
pub fn dispatch(cli: Cli, context: &Context<'_>) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Completions(args) => {
            let text = completions::text(args.shell)
                .map_err(|error| Failure::of(ExitCode::Failed, "completions/render", &error))?;
            let mut out = Output::stdout();
            let written = out.write_all(&text);
            out.finish(written)?;
            Ok(ExitCode::Done)
        }
        Command::Check(args) => check::run(&args, context),
        Command::Plan(args) => plan::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
        Command::Run(args) => run::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Release(args) => release::run(&args, context),
        Command::Status(args) => status::run(&args, context),
        Command::Clean(args) => clean::run(&args, context),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(&args, context),
        #[cfg(feature = "sandbox")]
        Command::Rehearse(args) => rehearse::run(&args, context),
        Command::Schema => schema::run(),
    }
}
