//! Where a rehearsal takes place: a sandbox, a folder that is removed at the end,
//! and the program.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::act::Rehearsal;
use super::script::Script;
use crate::cli::args::{Compare, Protocol, RehearseArgs};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::settings::{Environment, ProgressStyle};
use crate::manifest::{Manifest, Source};
use crate::proof::{self, Against, Claims, Proof};
use crate::sandbox::{Sandbox, SandboxOptions, Seed, SeedTable};

/// Waits between repeats are this much shorter than in real life: the sandbox
/// recovers when it is told to.
const RETRY_SCALE: &str = "0.05";
/// Bytes of a run's messages that are told again.
const LAST_WORDS: u64 = 4000;

/// Where a rehearsal takes place.
pub(super) struct Stage<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) manifest: &'a Manifest,
    pub(super) sandbox: Sandbox,
    /// Whether each run is told of as it ends.
    pub(super) tells: bool,
    program: PathBuf,
    args: Vec<OsString>,
    folder: tempfile::TempDir,
}

impl<'a> Stage<'a> {
    /// Starts the sandbox.
    pub(super) fn open(
        args: &RehearseArgs,
        context: &'a Context<'a>,
        manifest: &'a Manifest,
        script: &Script,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure::local_io("cannot make a temporary folder", &error);
        let folder = tempfile::tempdir().map_err(failed)?;
        let datasets = manifest.datasets();
        let options = SandboxOptions {
            character: script.character,
            data_dir: Some(folder.path().join("sandbox")),
            faults: script.faults.clone(),
            seed: Seed {
                datasets: datasets.iter().map(ToString::to_string).collect(),
            },
            tables: tables(manifest),
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::start(options)
            .map_err(|error| Failure::local_io("cannot start the sandbox", &error))?;
        let program = match &args.program {
            Some(program) => program.clone(),
            None => Environment::program()
                .map_err(|error| Failure::local_io("cannot find this program", &error))?,
        };
        let style = context.progress(args.output.progress);
        Ok(Self {
            context,
            manifest,
            args: run_args(args, &sandbox.endpoint(), folder.path()),
            sandbox,
            tells: style != ProgressStyle::Off,
            program,
            folder,
        })
    }

    /// Starts a run and does not wait for it.
    pub(super) fn start(&self, run: u64) -> Result<Child, Failure> {
        let failed = |error: std::io::Error| {
            Failure::local_io(
                &format!("cannot start `{}`", self.program.display()),
                &error,
            )
        };
        let stdout = File::create(self.file(run, "out")).map_err(failed)?;
        let stderr = File::create(self.file(run, "err")).map_err(failed)?;
        Command::new(&self.program)
            .args(&self.args)
            .arg("--report")
            .arg(self.file(run, "json"))
            .env_clear()
            .envs(self.context.environment.for_rehearsal())
            .env("REDIVIS_API_TOKEN", "rehearsal")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            // A Ctrl-C is ours to answer: it must not reach the runs.
            .process_group(0)
            .spawn()
            .map_err(failed)
    }

    /// Forgets all that earlier runs remember.
    pub(super) fn delete_state(&self) -> Result<bool, Failure> {
        let state = self.folder.path().join("state");
        if !state.exists() {
            return Ok(false);
        }
        std::fs::remove_dir_all(&state)
            .map(|()| true)
            .map_err(|error| Failure::local_io("cannot delete the runs' state", &error))
    }

    /// What a run's report claims, held against the sandbox. A run that died has
    /// none.
    pub(super) fn claims(&self, run: u64) -> Result<Claims, Failure> {
        match File::open(self.file(run, "json")) {
            Ok(report) => {
                let inspect = self.sandbox.inspect();
                proof::check_claims(self.manifest, &inspect, BufReader::new(report))
                    .map_err(Failure::from)
            }
            Err(_none) => Ok(Claims::default()),
        }
    }

    /// The sandbox against the sources.
    pub(super) fn compare(&self) -> Result<Proof, Failure> {
        let inspect = self.sandbox.inspect();
        proof::compare(Against {
            manifest: self.manifest,
            inspect: &inspect,
            now_ns: (self.context.environment.clock())(),
            cancel: &self.context.cancel,
        })
        .map_err(Failure::from)
    }

    /// What the last run that did not find everything done said on stderr.
    pub(super) fn last_words(&self, rehearsal: &Rehearsal) -> Option<String> {
        let mut runs = rehearsal.runs.iter().rev();
        let run = runs.find(|run| run.killed.is_none() && !run.says_done())?;
        let mut file = File::open(self.file(run.run, "err")).ok()?;
        let from = file.metadata().ok()?.len().saturating_sub(LAST_WORDS);
        file.seek(SeekFrom::Start(from)).ok()?;
        let mut bytes = Vec::new();
        file.take(LAST_WORDS).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        (!text.trim().is_empty()).then(|| format!("run {} said:\n{text}\n", run.run))
    }

    fn file(&self, run: u64, ending: &str) -> PathBuf {
        self.folder.path().join(format!("run-{run}.{ending}"))
    }
}

/// The tables that a run may not create, and that must be there for it.
fn tables(manifest: &Manifest) -> Vec<SeedTable> {
    if manifest.prepare.tables {
        return Vec::new();
    }
    let jobs = manifest.jobs.iter();
    jobs.map(|job| SeedTable {
        dataset: job.table.dataset().to_string(),
        table: job.table.table().to_owned(),
        is_file_index: matches!(job.source, Source::Files(_)),
    })
    .collect()
}

/// The command line of each run, but for its report.
fn run_args(args: &RehearseArgs, endpoint: &str, folder: &Path) -> Vec<OsString> {
    let transfer = &args.transfer;
    let mut all: Vec<OsString> = vec!["run".into(), args.manifest.manifest.clone().into()];
    let mut flag = |name: &str, value: OsString| {
        all.push(name.into());
        all.push(value);
    };
    if let Some(root) = &args.manifest.root {
        flag("--root", root.into());
    }
    flag("--endpoint", endpoint.into());
    flag("--state-dir", folder.join("state").into());
    flag("--retry-scale", RETRY_SCALE.into());
    flag("--no-change-exit-code", "99".into());
    flag("--format", "json".into());
    flag("--progress", "none".into());
    flag("--color", "never".into());
    flag(
        "--protocol",
        match args.protocol {
            Protocol::Temp => "temp".into(),
            Protocol::Legacy => "legacy".into(),
        },
    );
    flag(
        "--compare",
        match transfer.compare {
            Compare::Md5 => "md5".into(),
            Compare::Size => "size".into(),
        },
    );
    let mut number = |name: &str, value: String| flag(name, value.into());
    number("--transfers", transfer.transfers.get().to_string());
    number("--chunk-size", transfer.chunk_size.get().0.to_string());
    number("--max-memory", transfer.max_memory.0.to_string());
    if let Some(limit) = transfer.bwlimit {
        number("--bwlimit", limit.0.to_string());
    }
    if let Some(limit) = transfer.tpslimit {
        number("--tpslimit", limit.to_string());
    }
    all
}
