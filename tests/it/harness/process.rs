//! Programs under way: frozen in the middle, signalled, brought to their end; and
//! what they leave in the state folder.

use std::io::{BufRead as _, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redivis_ingest::sandbox::FreezePoint;

use super::outcome::Outcome;
use super::world::{TOKEN, World};

/// How long a test waits for what must come; it is never waited out.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that runs for longer hangs, and is ended.
const HANG: Duration = Duration::from_secs(240);

/// Asserts that something took no longer than the user was promised.
#[track_caller]
pub(crate) fn assert_quick(since: Instant, seconds: u64) {
    let took = since.elapsed();
    assert!(took < Duration::from_secs(seconds), "it took {took:?}");
}

/// Sends a signal such as `TERM`.
pub(crate) fn signal(child: &Child, signal: &str) {
    let sent = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{signal} {}", child.id()))
        .status()
        .unwrap();
    assert!(sent.success());
}

/// What a program that was started came to.
pub(crate) fn end_of(child: Child) -> Outcome {
    Outcome::of(&child.wait_with_output().unwrap())
}

/// Reads stderr until a line has this text; `child` is ended when it does not
/// come.
pub(crate) fn wait_for_line(child: &mut Child, text: &str) {
    let stderr = child.stderr.take().unwrap();
    let wanted = text.to_owned();
    let (sender, received) = std::sync::mpsc::channel();
    // The rest is read too, so that the child never waits for a reader.
    std::thread::spawn(move || {
        for line in std::io::BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
        {
            if line.contains(&wanted) {
                sender.send(()).ok();
            }
        }
    });
    if received.recv_timeout(PATIENCE).is_err() {
        drop(child.kill());
        panic!("no {text:?} on stderr");
    }
}

impl World {
    /// Runs the program with these variables set, or cleared where they are empty.
    pub(crate) fn call_with(&self, args: &[&str], env: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(args);
        for (name, value) in env {
            if value.is_empty() {
                command.env_remove(name);
            } else {
                command.env(name, value);
            }
        }
        Outcome::of(&command.output().unwrap())
    }

    /// Starts `COMMAND MANIFEST ARGS..` and does not wait for its end.
    pub(crate) fn start(&self, command: &str, args: &[&str]) -> Child {
        let manifest = self.path("manifest.yaml");
        let mut all = vec![command, manifest.to_str().unwrap()];
        all.extend(args);
        self.command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// How many requests `plan` makes now; `run` begins with the same.
    pub(crate) fn requests_of_planning(&self) -> u64 {
        let before = self.sandbox().next_request_number();
        let planned = self.plan(&[]);
        assert!(matches!(planned.status, Some(0 | 3)), "{planned:?}");
        self.sandbox().next_request_number() - before
    }

    /// Starts `run` and waits until its second request after the plan is held.
    pub(crate) fn start_frozen_run(&self, point: FreezePoint, args: &[&str]) -> Child {
        let planning = self.requests_of_planning();
        let first = self.sandbox().next_request_number() + planning;
        self.sandbox().freeze(first + 1, point);
        let run = self.start_run(args);
        self.assert_frozen();
        run
    }

    /// Waits until a request is held.
    pub(crate) fn assert_frozen(&self) {
        assert!(self.sandbox().wait_frozen(PATIENCE), "nothing was held");
    }

    /// Sends a POST, and does not wait for an answer.
    pub(crate) fn post_and_hang_up(&self, path: &str) {
        use std::io::Write as _;

        let endpoint = self.sandbox().endpoint();
        let (host, base) = endpoint
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .unwrap();
        let mut socket = std::net::TcpStream::connect(host).unwrap();
        write!(
            socket,
            "POST /{base}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        )
        .unwrap();
        let mut answer = Vec::new();
        // The end of the connection says that the request was read.
        drop(socket.read_to_end(&mut answer));
        assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    }

    /// The names of the runs' folders, oldest first.
    pub(crate) fn run_ids(&self) -> Vec<String> {
        let runs = self.state().join("runs");
        let mut names: Vec<String> = std::fs::read_dir(runs)
            .map(|entries| {
                entries
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .collect()
            })
            .unwrap_or_default();
        names.sort_by_key(|name| {
            let folder = self.state().join("runs").join(name);
            (folder.metadata().unwrap().modified().unwrap(), name.clone())
        });
        names
    }

    /// The newest run's report.
    pub(crate) fn report(&self) -> serde_json::Value {
        let run = self.run_ids().pop().expect("a run");
        let path = self.state().join("runs").join(run).join("report.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    /// The state's files that end so.
    pub(crate) fn state_files(&self, ending: &str) -> Vec<std::path::PathBuf> {
        let mut found: Vec<_> = std::fs::read_dir(self.state())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_str().unwrap().ends_with(ending))
            .collect();
        found.sort();
        found
    }
}

/// What a command came to, and the most memory it held.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) outcome: Outcome,
    /// Bytes of its resident set at its largest.
    pub(crate) peak: u64,
    /// Whether it had to be ended.
    pub(crate) hung: bool,
}

/// Runs a command to its end and watches its memory meanwhile.
pub(crate) fn measured(mut command: Command) -> Measured {
    let started = Instant::now();
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let child_id = child.id();
    let status = format!("/proc/{child_id}/status");
    let (sender, ended) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        let outcome = end_of(child);
        sender.send(()).ok();
        outcome
    });
    // The mark only rises, so that the last look before the end is the one that
    // counts; what comes after it is freed, not taken.
    let mut peak = 0;
    let mut hung = false;
    while let Err(std::sync::mpsc::RecvTimeoutError::Timeout) =
        ended.recv_timeout(Duration::from_millis(2))
    {
        if started.elapsed() > HANG && !hung {
            hung = true;
            let kill = format!("kill -KILL {child_id}");
            drop(Command::new("sh").arg("-c").arg(kill).status());
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        peak = kib.map_or(peak, |kib| peak.max(kib << 10));
    }
    Measured {
        outcome: waiting.join().unwrap(),
        peak,
        hung,
    }
}
