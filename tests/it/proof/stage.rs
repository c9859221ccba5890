//! Where a trial takes place: a dataset of its own in a sandbox that many trials
//! share, a folder, a state folder, and the program with a time limit.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use redivis_ingest::sandbox::{
    Character, FreezePoint, Inspect, Method, Request, SandboxOptions, Seed, TableView, Thaw,
};
use serde_json::Value;

use crate::harness::{TOKEN, World};

/// A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at a program that is to be killed.
const LOOK: Duration = Duration::from_millis(5);
/// Trials that share one sandbox.
const DATASETS: usize = 40;

/// A worker's sandboxes, one for each character.
pub(crate) struct Worlds {
    friendly: Option<(World, usize)>,
    worst: Option<(World, usize)>,
}

impl Worlds {
    pub(crate) fn new() -> Self {
        Self {
            friendly: None,
            worst: None,
        }
    }

    /// A fresh dataset; `name` is that of its folders.
    pub(crate) fn stage(&mut self, character: Character, name: &str) -> Stage<'_> {
        let place = match character {
            Character::Friendly => &mut self.friendly,
            Character::Worst => &mut self.worst,
        };
        if place.as_ref().is_some_and(|(_, used)| *used == DATASETS) {
            *place = None;
        }
        let (world, used) = place.get_or_insert_with(|| {
            let datasets = (0..DATASETS).map(|n| format!("demo.trial_{n}")).collect();
            let options = SandboxOptions {
                character,
                seed: Seed { datasets },
                ..SandboxOptions::default()
            };
            (World::for_any_token(options), 0)
        });
        let dataset = format!("demo.trial_{used}");
        *used += 1;
        let folder = world.root().join(name);
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(folder.join("work")).unwrap();
        Stage {
            world,
            dataset,
            folder,
        }
    }
}

/// Where one trial takes place.
pub(crate) struct Stage<'w> {
    pub(crate) world: &'w World,
    pub(crate) dataset: String,
    folder: PathBuf,
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A run to its end, however it came.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None`: killed.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) report: Option<Value>,
    /// It took longer than any patience.
    pub(crate) hung: bool,
}

impl Ended {
    /// Everything that helps to understand it.
    pub(crate) fn story(&self) -> String {
        format!(
            "status {:?}\n--- stdout\n{}--- stderr\n{}",
            self.status, self.stdout, self.stderr
        )
    }
}

/// Where to kill a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kill {
    /// At which of its requests, from 0.
    pub(crate) nth: u64,
    pub(crate) at: FreezePoint,
    pub(crate) thaw: Thaw,
}

/// A program under way whose output is being read.
pub(crate) struct Running {
    child: Child,
    output: Receiver<(String, String)>,
    report: PathBuf,
}

impl Stage<'_> {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join("work").join(name)
    }

    /// Writes a file of the trial.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The state folder called `state`.
    pub(crate) fn state(&self, state: &str) -> PathBuf {
        self.folder.join(state)
    }

    pub(crate) fn forget(&self, state: &str) {
        drop(std::fs::remove_dir_all(self.state(state)));
    }

    /// Starts `COMMAND MANIFEST ARGS..` with that state.
    pub(crate) fn start(
        &self,
        command: &str,
        manifest: &str,
        state: &str,
        args: &[String],
    ) -> Running {
        self.start_as(TOKEN, command, manifest, state, args)
    }

    /// The same, by a writer with a token of its own.
    pub(crate) fn start_as(
        &self,
        token: &str,
        command: &str,
        manifest: &str,
        state: &str,
        args: &[String],
    ) -> Running {
        let manifest = self.path(manifest);
        let report = self.folder.join(format!("{state}.report.json"));
        drop(std::fs::remove_file(&report));
        let mut all = vec![command, manifest.to_str().unwrap()];
        all.extend(args.iter().map(String::as_str));
        if command == "run" {
            all.extend(["--report", report.to_str().unwrap()]);
        }
        let mut child = self
            .world
            .command(&all)
            .env("REDIVIS_INGEST_STATE_DIR", self.state(state))
            .env("REDIVIS_API_TOKEN", token)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let errors = std::thread::spawn(move || {
                let mut text = Vec::new();
                drop(stderr.read_to_end(&mut text));
                String::from_utf8_lossy(&text).into_owned()
            });
            let mut text = Vec::new();
            drop(stdout.read_to_end(&mut text));
            let text = String::from_utf8_lossy(&text).into_owned();
            drop(sender.send((text, errors.join().unwrap())));
        });
        Running {
            child,
            output,
            report,
        }
    }

    /// Runs the program to its end, or kills it on the way.
    pub(crate) fn run(&self, args: &[String], kill: Option<Kill>) -> Ended {
        let Some(kill) = kill else {
            return self.start("run", "manifest.yaml", "state", args).end();
        };
        let sandbox = self.world.sandbox();
        sandbox.freeze(sandbox.next_request_number() + kill.nth, kill.at);
        let mut running = self.start("run", "manifest.yaml", "state", args);
        let end = Instant::now() + PATIENCE;
        while !running.has_ended() && Instant::now() < end {
            if sandbox.wait_frozen(LOOK) {
                running.child.kill().unwrap();
                break;
            }
        }
        let ended = running.end();
        sandbox.thaw(kill.thaw);
        ended
    }

    /// What the dataset's draft holds of a table, else its last release.
    pub(crate) fn look<T>(&self, table: &str, look: impl FnOnce(Option<&TableView>) -> T) -> T {
        let seen = self.world.inspect();
        look(newest(&seen, &self.dataset, table))
    }

    /// Requests that changed something, or tried to, since the log was cleared.
    pub(crate) fn writes(&self) -> Vec<Request> {
        let mut requests = self.world.sandbox().requests();
        requests.retain(|request| !matches!(request.method, Method::Get | Method::Head));
        requests
    }
}

/// A table in the draft, else in the last release.
pub(crate) fn newest<'a>(seen: &'a Inspect, dataset: &str, table: &str) -> Option<&'a TableView> {
    let versions = &seen.dataset(dataset)?.versions;
    let version = versions
        .iter()
        .find(|version| !version.is_released)
        .or_else(|| versions.last())?;
    version.tables.iter().find(|one| one.name == table)
}

impl Running {
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for its end; kills it when it hangs.
    pub(crate) fn end(mut self) -> Ended {
        let mut hung = false;
        let (stdout, stderr) = match self.output.recv_timeout(PATIENCE) {
            Ok(output) => output,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                hung = true;
                drop(self.child.kill());
                self.output.recv().unwrap_or_default()
            }
        };
        let status = self.child.wait().unwrap();
        Ended {
            status: status.code(),
            stdout,
            stderr,
            report: read_report(&self.report),
            hung,
        }
    }
}

fn read_report(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
