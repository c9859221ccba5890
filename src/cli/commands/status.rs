//! `status`: past runs, and what is left of them.

use crate::cli::args::{Format, StatusArgs};
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::settings::{EndpointChoice, state_key, state_location};
use crate::cli::workplace::load_manifest;
use crate::state::{PastRun, StateLocation, StateStore};

/// Runs the command.
pub fn run(args: &StatusArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let environment = context.environment;
    let manifest = load_manifest(&args.manifest, environment)?;
    let location = state_location(&args.state, environment).map_err(Failure::from)?;
    let endpoint =
        EndpointChoice::choose(args.endpoint.as_deref(), environment).map_err(Failure::from)?;
    let instance = args.state.instance.as_deref();
    let key = state_key(
        &manifest.name,
        &endpoint,
        &manifest.datasets(),
        args.shard,
        instance,
    );
    // Looking leaves nothing behind.
    let is_there = location.store_path(&key).is_some_and(|path| path.exists());
    let location = if is_there {
        location
    } else {
        StateLocation::Memory
    };
    let opened = StateStore::open(&location, &key).map_err(Failure::from)?;
    for warning in &opened.warnings {
        tracing::warn!("{warning}");
    }
    let runs = opened.store.runs(args.limit).map_err(Failure::from)?;
    let sessions = opened
        .store
        .open_sessions(environment.now_ms())
        .map_err(Failure::from)?;
    let intents = opened.store.open_intents().map_err(Failure::from)?.len();
    let mut out = Output::stdout();
    match args.output.format {
        Format::Text => {
            if runs.is_empty() {
                out.line("No run of this manifest is recorded here.")?;
            }
            for run in &runs {
                out.line(&line_of(run))?;
            }
            out.line(&format!(
                "{sessions} uploads can be continued, {intents} calls are in doubt."
            ))?;
        }
        Format::Json | Format::Ndjson => {
            for run in &runs {
                out.line(&json_of(run).to_string())?;
            }
            let left = serde_json::json!({
                "type": "left", "open_sessions": sessions, "open_intents": intents,
            });
            out.line(&left.to_string())?;
        }
    }
    Ok(ExitCode::Done)
}

fn line_of(run: &PastRun) -> String {
    let when = jiff::Timestamp::from_millisecond(run.started_at_ms).unwrap_or_default();
    let end = match (run.exit, run.ended_at_ms) {
        (Some(exit), Some(ended)) => {
            format!(
                "exit {exit} after {} s",
                (ended - run.started_at_ms).max(0) / 1000
            )
        }
        _ => "did not end".to_owned(),
    };
    format!(
        "{}  {}  {}  {end}",
        when.strftime("%Y-%m-%d %H:%M:%SZ"),
        run.run_id,
        run.command
    )
}

fn json_of(run: &PastRun) -> serde_json::Value {
    let summary: Option<serde_json::Value> = run
        .summary
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    serde_json::json!({
        "type": "run",
        "run_id": run.run_id,
        "command": run.command,
        "started_ms": run.started_at_ms,
        "ended_ms": run.ended_at_ms,
        "exit": run.exit,
        "summary": summary,
    })
}
