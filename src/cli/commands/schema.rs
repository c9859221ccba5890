//! `schema`: the JSON Schema of the manifest.

use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::manifest;

/// Runs the command.
pub fn run() -> Result<ExitCode, Failure> {
    let text = serde_json::to_string_pretty(&manifest::json_schema())
        .map_err(|error| Failure::of(ExitCode::Failed, "schema/render", &error))?;
    let mut out = Output::stdout();
    out.line(&text)?;
    Ok(ExitCode::Done)
}
