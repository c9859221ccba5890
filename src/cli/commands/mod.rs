//! One module per command, and the table that leads to them.

pub mod completions;

use std::io::Write as _;

use super::args::{Cli, Command};
use super::exit::ExitCode;
use super::failure::Failure;
use super::output::Output;
use super::settings::{Environment, Messages};

/// Does what was asked.
pub fn dispatch(
    cli: Cli,
    _environment: &Environment,
    _messages: &Messages,
) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Completions(args) => {
            let text = completions::text(args.shell)
                .map_err(|error| Failure::of(ExitCode::Failed, "completions/render", &error))?;
            let mut out = Output::stdout();
            let written = out.write_all(&text);
            out.finish(written)?;
            Ok(ExitCode::Done)
        }
        Command::Check(_) | Command::Plan(_) | Command::Run(_) | Command::Status(_) => not_built(),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(_) => not_built(),
        Command::Schema => not_built(),
    }
}

fn not_built() -> Result<ExitCode, Failure> {
    Err(Failure::new(
        ExitCode::Failed,
        "cli/not-built",
        "this command is not built yet",
    ))
}
