//! `status`: past runs, and what is left of them.

use std::io::Write as _;
use std::path::Path;

use crate::cli::args::{Format, StatusArgs};
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::settings::{EndpointChoice, state_key, state_location};
use crate::cli::workplace::load_manifest;
use crate::manifest::{Manifest, Source};
use crate::source::{ResolveOptions, resolve_files};
use crate::state::{PastRun, StateLocation, StateStore, VerifiedFile};

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
    if args.verified {
        return list_verified(args, &manifest, &opened.store, context);
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
                let endpoint = endpoint.key();
                out.line(&format!(
                    "No run of this manifest to {endpoint} is recorded here; another endpoint needs `--endpoint`."
                ))?;
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

/// The local files whose bytes were seen on the remote. Nothing is asked of it now.
fn list_verified(
    args: &StatusArgs,
    manifest: &Manifest,
    store: &StateStore,
    context: &Context<'_>,
) -> Result<ExitCode, Failure> {
    let mut out = Output::stdout();
    let mut written = Ok(());
    for job in &manifest.jobs {
        let Source::Files(source) = &job.source else {
            continue;
        };
        let options = ResolveOptions {
            root: &manifest.root,
            allow_empty: true,
            now_ns: (context.environment.clock())(),
            cancel: &context.cancel,
        };
        let resolved = resolve_files(&options, source).map_err(Failure::from)?;
        let table = job.table.to_string();
        for file in &resolved.files {
            let receipt = store
                .receipt(&table, file.name.as_str())
                .map_err(Failure::from)?;
            let known = store.digests(&file.fingerprint).map_err(Failure::from)?;
            let is_same = |receipt: &VerifiedFile| {
                receipt.size == file.fingerprint.size
                    && known.is_some_and(|known| known.md5 == receipt.md5)
            };
            if receipt.as_ref().is_some_and(is_same) {
                let path = file.path(&manifest.root);
                written = written.and_then(|()| write_path(&mut out, args, &path));
            }
        }
    }
    out.finish(written)?;
    Ok(ExitCode::Done)
}

fn write_path(out: &mut Output, args: &StatusArgs, path: &Path) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt as _;

    match args.output.format {
        Format::Text => {
            out.write_all(path.as_os_str().as_bytes())?;
            out.write_all(if args.null { b"\0" } else { b"\n" })
        }
        Format::Json | Format::Ndjson => {
            let line = serde_json::json!({ "type": "verified", "path": path.to_string_lossy() });
            writeln!(out, "{line}")
        }
    }
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
