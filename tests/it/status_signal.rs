//! SIGUSR1: a run says what goes on, and goes on.

use std::process::Child;

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};
use serde_json::Value;

use crate::harness::{Outcome, PATIENCE, SCANS, World, end_of, signal, under_both};

/// A run whose transfer of one file stands still, and that has a second one done.
fn stalled(args: &[&str]) -> (World, Child) {
    let world = World::new(Character::Friendly);
    world
        .manifest(SCANS)
        .file("data/large", vec![b'a'; 2_000_000]);
    world.faults(FaultScript::none().with(
        Operation::PutFile,
        Nth::After(0),
        Fault::Stall { ms: 3_600_000 },
    ));
    let run = world.start_run(args);
    world.wait_for(Operation::CreateTempUploads, 1);
    (world, run)
}

/// Asks until the answer names the file and the phase, then ends the run.
fn asked(mut run: Child) -> Outcome {
    use std::io::{BufRead as _, BufReader};

    let stderr = run.stderr.take().unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut text = String::new();
    // The transfer may begin a moment after the call before it.
    for _ in 0..200 {
        signal(&run, "USR1");
        while let Ok(line) = lines.recv_timeout(std::time::Duration::from_millis(100)) {
            text = format!("{text}{line}\n");
        }
        // Events gather for a moment before they are counted.
        let is_answer =
            |line: &&str| line.contains("status of run ") || line.contains(r#""type":"status""#);
        let is_sending =
            |line: &str| line.contains(": sending after ") || line.contains(r#""phase":"sending""#);
        let last = text.lines().rfind(is_answer);
        if text.contains("data/large") && last.is_some_and(is_sending) {
            break;
        }
    }
    assert!(run.try_wait().unwrap().is_none(), "it goes on: {text}");
    signal(&run, "TERM");
    let mut outcome = end_of(run).exits(143);
    outcome.stderr = text;
    outcome
}

#[test]
fn a_run_says_what_goes_on_and_goes_on() {
    for args in [&["--progress", "plain"][..], &["--quiet"]] {
        let (world, run) = stalled(args);

        let outcome = asked(run);

        let id = world.run_ids().pop().unwrap();
        assert!(
            outcome
                .stderr
                .contains(&format!("status of run {id}: sending after ")),
            "{outcome:?}"
        );
        assert!(
            outcome.stderr.contains("\n  done     0 of 1 files\n"),
            "{outcome:?}"
        );
        assert!(
            outcome.stderr.contains(" 0 repeated, 0 rate-limited"),
            "{outcome:?}"
        );
        let now = outcome
            .stderr
            .lines()
            .rfind(|line| line.starts_with("  now "))
            .unwrap();
        assert!(
            now.contains("/data/large: ") && now.contains(" of 1.9 MiB for "),
            "{now}"
        );
        assert!(!outcome.stderr.contains('\x1b'), "{outcome:?}");
        assert_eq!(world.report()["stopped_by"], "sigterm");
    }
}

#[test]
fn for_programs_it_is_a_line_of_json_among_the_events() {
    let (_world, run) = stalled(&["--format", "ndjson"]);

    let outcome = asked(run);

    let lines: Vec<Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let status = lines.iter().rfind(|line| line["type"] == "status").unwrap();
    assert_eq!(status["phase"], "sending");
    assert_eq!(status["planned"]["files"], 1);
    assert_eq!(status["done"]["files"], 0);
    assert_eq!(status["active"][0]["bytes"], 2_000_000);
    assert_eq!(status["active"].as_array().unwrap().len(), 1);
}

/// From the lock to the end, on the threads of the run too: the waits are told by
/// those that send.
#[test]
fn each_line_of_the_log_as_json_has_the_run_s_id() {
    under_both(|world| {
        world.manifest(SCANS);
        for number in 0..20 {
            world.file(&format!("data/{number}"), "some bytes");
        }
        let refused = Fault::Status {
            code: 503,
            retry_after: None,
        };
        let once = |operation| FaultScript::none().with(operation, Nth::First(1), refused);
        world.faults(once(Operation::PutFile));
        let args = [
            "--log-format",
            "json",
            "--log-level",
            "trace",
            "--progress",
            "none",
        ];

        let outcome = world.run(&args).exits(0);

        let id = world.run_ids().pop().unwrap();
        let mut messages = Vec::new();
        for line in outcome.stderr.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["run_id"], id.as_str(), "{line}");
            messages.push(line["message"].as_str().unwrap().to_owned());
        }
        assert!(messages.contains(&"waiting".to_owned()), "{messages:?}");
    });
}

#[test]
fn the_bars_are_not_torn() {
    let (_world, run) = stalled(&["--progress", "tty"]);

    let outcome = asked(run);

    // Each line of the answer stands by itself, whatever was drawn before it.
    let lines = outcome.stderr.lines();
    let heads = lines.filter(|line| line.contains("status of run ")).count();
    assert!(heads > 0, "{outcome:?}");
    for line in outcome
        .stderr
        .lines()
        .filter(|line| line.contains("  calls "))
    {
        assert!(line.trim_end().ends_with(" in all"), "{line:?}");
    }
}

/// Whether a process has a handler of its own for SIGUSR1, the tenth signal.
fn handles_usr1(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 9) != 0
}

/// The signal killed what did not watch: every command in its first milliseconds, and
/// `status` at any time, which waits for its manifest here.
#[test]
fn a_question_that_comes_before_or_without_a_run_kills_no_command() {
    use std::process::Stdio;
    use std::time::Instant;

    let world = World::new(Character::Friendly);
    world.manifest(SCANS);
    let mut status = world
        .command(&["status", "-", "--root", "."])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let since = Instant::now();
    while !handles_usr1(status.id()) {
        assert!(since.elapsed() < PATIENCE, "it never watches for SIGUSR1");
        std::thread::yield_now();
    }

    signal(&status, "USR1");
    let mut manifest = std::fs::File::open(world.path("manifest.yaml")).unwrap();
    std::io::copy(&mut manifest, status.stdin.as_mut().unwrap()).unwrap();
    drop(status.stdin.take());

    end_of(status).exits(0);
}
