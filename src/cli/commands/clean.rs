//! `clean`: removes state that is of no more use, and says what was freed.

use std::path::Path;

use crate::cli::args::{CleanArgs, Format, StateArgs};
use crate::cli::context::Context;
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::settings::state_location;
use crate::report::{clean, count, size};
use crate::state::{CleanOptions, CleanStep, Cleaned, StateLocation, clean_folder};

/// Runs the command.
pub fn run(args: &CleanArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let state = StateArgs {
        state_dir: args.state_dir.clone(),
        instance: None,
    };
    let location = state_location(&state, context.environment).map_err(Failure::from)?;
    let StateLocation::Folder(folder) = location else {
        return Err(Failure::usage(
            "`--state-dir none` keeps nothing that could be cleaned",
        ));
    };
    let now_ms = context.environment.now_ms();
    let age_ms = i64::try_from(args.older_than.as_millis()).unwrap_or(i64::MAX);
    let options = CleanOptions {
        now_ms,
        before_ms: now_ms.saturating_sub(age_ms),
        dry_run: args.dry_run,
    };
    let mut told = Told {
        out: Output::stdout(),
        format: args.output.format,
        dry_run: args.dry_run,
        freed: 0,
        things: 0,
        kept: 0,
        unwritten: None,
    };
    clean_folder(&folder, options, &mut |step| told.step(&step)).map_err(Failure::from)?;
    clean_sandbox(&folder.join("sandbox"), options, &mut told)?;
    told.finish(&folder)
}

/// The data of `--endpoint sandbox`.
#[cfg(feature = "sandbox")]
fn clean_sandbox(folder: &Path, options: CleanOptions, told: &mut Told) -> Result<(), Failure> {
    use crate::sandbox::{SandboxError, remove_stale_data};

    match remove_stale_data(folder, options.before_ms, options.dry_run) {
        Ok(Some(bytes)) => told.step(&CleanStep::Removed {
            what: "sandbox",
            name: "sandbox".to_owned(),
            bytes,
        }),
        Ok(None) => {}
        Err(SandboxError::InUse { .. }) => told.step(&CleanStep::Kept {
            what: "sandbox",
            name: "sandbox".to_owned(),
            why: "a sandbox is using it".to_owned(),
        }),
        Err(error) => return Err(Failure::local_io("cannot clean the sandbox's data", &error)),
    }
    Ok(())
}

#[cfg(not(feature = "sandbox"))]
fn clean_sandbox(_: &Path, _: CleanOptions, _: &mut Told) -> Result<(), Failure> {
    Ok(())
}

/// What was said so far.
struct Told {
    out: Output,
    format: Format,
    dry_run: bool,
    freed: u64,
    things: u64,
    kept: u64,
    unwritten: Option<Failure>,
}

impl Told {
    fn step(&mut self, step: &CleanStep) {
        match step {
            CleanStep::Removed { bytes, .. } | CleanStep::Cleaned { bytes, .. } => {
                self.freed += bytes;
                self.things += 1;
            }
            CleanStep::Kept { .. } => self.kept += 1,
        }
        let line = match self.format {
            Format::Text => text_of(step),
            Format::Json | Format::Ndjson => json_of(step).to_string(),
        };
        if self.unwritten.is_none() {
            self.unwritten = self.out.line(&line).err();
        }
    }

    fn finish(mut self, folder: &Path) -> Result<ExitCode, Failure> {
        if let Some(unwritten) = self.unwritten {
            return Err(unwritten);
        }
        let line = match (self.format, self.dry_run) {
            (Format::Text, _) if self.things == 0 => {
                format!("Nothing to clean in `{}`.", folder.display())
            }
            (Format::Text, true) => format!(
                "A dry run: {} in all; nothing was removed.",
                size(self.freed)
            ),
            (Format::Text, false) => format!("Freed {}.", size(self.freed)),
            (Format::Json | Format::Ndjson, dry_run) => serde_json::json!({
                "type": "summary",
                "command": "clean",
                "dry_run": dry_run,
                "things": self.things,
                "kept": self.kept,
                "bytes": self.freed,
            })
            .to_string(),
        };
        self.out.line(&line)?;
        Ok(ExitCode::Done)
    }
}

fn text_of(step: &CleanStep) -> String {
    match step {
        CleanStep::Removed { what, name, bytes } => {
            let why = match *what {
                "run" => "the report of an old run",
                "set_aside" => "set aside long ago",
                "sandbox" => "the sandbox's data, not used any more",
                _ => "not used any more",
            };
            format!("- {}: {why}, {}", clean(name), size(*bytes))
        }
        CleanStep::Cleaned {
            name,
            entries,
            bytes,
        } => {
            let parts: Vec<String> = parts_of(entries)
                .into_iter()
                .filter(|(_, number, _)| *number > 0)
                .map(|(_, number, word)| count(number as u64, word))
                .collect();
            format!("~ {}: {}, {}", clean(name), parts.join(", "), size(*bytes))
        }
        CleanStep::Kept { name, why, .. } => format!("= {}: kept: {}", clean(name), clean(why)),
    }
}

fn parts_of(entries: &Cleaned) -> [(&'static str, usize, &'static str); 4] {
    [
        ("sessions", entries.expired_sessions, "expired session"),
        ("staged", entries.expired_staged, "expired staged file"),
        ("digests", entries.old_digests, "old digest"),
        ("intents", entries.old_intents, "old intent"),
    ]
}

fn json_of(step: &CleanStep) -> serde_json::Value {
    match step {
        CleanStep::Removed { what, name, bytes } => serde_json::json!({
            "type": "removed", "what": what, "name": name, "bytes": bytes,
        }),
        CleanStep::Cleaned {
            name,
            entries,
            bytes,
        } => {
            let mut line = serde_json::json!({
                "type": "cleaned", "what": "store", "name": name, "bytes": bytes,
            });
            for (key, number, _) in parts_of(entries) {
                line[key] = number.into();
            }
            line
        }
        CleanStep::Kept { what, name, why } => serde_json::json!({
            "type": "kept", "what": what, "name": name, "why": why,
        }),
    }
}
