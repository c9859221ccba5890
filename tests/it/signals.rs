//! Signals, the deadline and the lock, met wherever a run can be: each wait ends
//! when the run is asked to stop, the report says so, and the same command
//! finishes later. The exit codes themselves are in `exit_codes`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use redivis_ingest::base::CancelToken;
use redivis_ingest::sandbox::{
    Behaviour, Character, Fault, FaultScript, FreezePoint, Nth, Operation, RetryAfter,
    SandboxOptions, Thaw,
};
use serde_json::Value;

use crate::harness::{
    Outcome, SCANS, World, assert_quick, end_of, item, kill, signal, under_both, wait_for_line,
};
use crate::run_rows::{NUMBERS, csv};

/// Waits are as long as in real life.
const REAL_TIME: [&str; 2] = ["--retry-scale", "1"];
/// A second signal counts only after two seconds.
const LATER: Duration = Duration::from_millis(2200);

fn friendly() -> World {
    World::new(Character::Friendly)
}

fn always(operation: Operation, fault: Fault) -> FaultScript {
    FaultScript::none().with(operation, Nth::After(0), fault)
}

fn status(code: u16, retry_after: Option<RetryAfter>) -> Fault {
    Fault::Status { code, retry_after }
}

/// Sends a signal, and asserts that the clean end comes soon. The bound is loose,
/// since machines are slow; it is less than the ten seconds after which sockets
/// are cut in any case.
#[track_caller]
fn ends_soon(run: Child, name: &str, code: i32) -> Outcome {
    let signalled = Instant::now();
    signal(&run, name);
    let outcome = end_of(run);
    eprintln!("SIG{name}: {code} after {:?}", signalled.elapsed());
    assert_quick(signalled, 8);
    outcome.exits(code)
}

/// The report of the run that was stopped by this signal.
#[track_caller]
fn told(world: &World, by: &str) -> Value {
    let report = world.report();
    assert_eq!(report["stopped_by"], by, "{report:#}");
    report
}

fn with_files(world: &World, count: usize, size: usize) {
    world.manifest(SCANS);
    for number in 0..count {
        world.file(&format!("data/{number:03}"), vec![b'a'; size]);
    }
}

/// The same command finishes what was stopped.
#[track_caller]
fn finishes(world: &World, files: usize) {
    world.faults(FaultScript::none());
    world.run(&[]).exits(0);
    assert_eq!(world.names("scans").len(), files);
    world.finds_nothing_to_do();
}

#[test]
fn a_wait_before_a_repeat_ends() {
    under_both(|world| {
        with_files(&world, 1, 5);
        world.faults(always(Operation::CreateTempUploads, status(503, None)));
        // The repeats come after up to a minute.
        let run = world.start_run(&["--retry-scale", "100"]);
        world.wait_for(Operation::CreateTempUploads, 1);

        ends_soon(run, "TERM", 143);

        told(&world, "sigterm");
        finishes(&world, 1);
    });
}

#[test]
fn a_wait_that_the_server_asked_for_ends() {
    under_both(|world| {
        with_files(&world, 40, 5);
        let limit = status(429, Some(RetryAfter::Seconds(300)));
        world.faults(always(Operation::AttachFiles, limit));
        let run = world.start_run(&REAL_TIME);
        world.wait_for(Operation::AttachFiles, 1);

        ends_soon(run, "INT", 130);

        told(&world, "sigint");
        finishes(&world, 40);
    });
}

#[test]
fn a_wait_for_the_pace_of_calls_ends() {
    let world = friendly();
    with_files(&world, 1, 5);
    // The next call is due in a quarter of an hour.
    let run = world.start_run(&["--tpslimit", "0.001"]);
    let any = world.sandbox().next_request_number().max(1);
    assert!(
        world
            .sandbox()
            .wait_for_requests(any, Duration::from_secs(20))
    );

    ends_soon(run, "TERM", 143);

    finishes(&world, 1);
}

#[test]
fn a_wait_for_bandwidth_ends() {
    let world = friendly();
    with_files(&world, 2, 1 << 20);
    let mut run = world.start_run(&["--bwlimit", "1KiB", "-v", "--retry-scale", "1"]);
    world.wait_for(Operation::CreateTempUploads, 1);
    assert!(run.try_wait().unwrap().is_none());

    ends_soon(run, "TERM", 143);

    told(&world, "sigterm");
    finishes(&world, 2);
}

#[test]
fn a_poll_for_row_counts_ends_and_nothing_is_sent_twice() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.faults(always(
            Operation::InsertRows,
            Fault::LagNumRows { reads: 1_000_000 },
        ));
        let run = world.start_run(&REAL_TIME);
        world.wait_for(Operation::InsertRows, 1);
        let seen = world.asked(Operation::ListUploads).len();
        world.wait_for(Operation::ListUploads, seen + 1);

        ends_soon(run, "TERM", 143);

        told(&world, "sigterm");
        world.faults(FaultScript::none());
        world.run(&[]);
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (1000..1010).collect::<Vec<_>>());
    });
}

#[test]
fn a_poll_for_an_import_ends_and_nothing_is_sent_twice() {
    let world = World::with(SandboxOptions {
        behaviour: Some(Behaviour {
            import_polls: 1_000_000,
            ..Behaviour::friendly()
        }),
        ..SandboxOptions::default()
    });
    world
        .manifest("jobs:\n  - { name: taxa, table: taxa, uploads: [{ path: taxa.csv }] }\n")
        .file("taxa.csv", "id\n1\n");
    let run = world.start_run(&REAL_TIME);
    world.wait_for(Operation::CreateUpload, 1);
    let seen = world.asked(Operation::ListUploads).len();
    world.wait_for(Operation::ListUploads, seen + 1);

    ends_soon(run, "TERM", 143);

    let report = told(&world, "sigterm");
    assert_ne!(report["exit"]["code"], 0);
    assert_eq!(world.upload_names("taxa").len(), 1);
}

#[test]
fn hashing_a_huge_file_ends() {
    let world = friendly();
    world.manifest(SCANS).file("data/huge", "");
    let huge = std::fs::OpenOptions::new()
        .write(true)
        .open(world.path("data/huge"))
        .unwrap();
    // A hole: it takes no room and minutes to hash.
    huge.set_len(1 << 38).unwrap();
    let run = world.start("plan", &["--hash"]);
    world.wait_for(Operation::GetDataset, 1);

    ends_soon(run, "TERM", 143);
}

#[test]
fn encoding_endless_rows_ends() {
    let world = friendly();
    world.manifest(&NUMBERS.replace("rows/*.csv", "rows/*.csv.gz"));
    let member = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    // Some gigabytes in members that are all the same.
    let mut text = member("n\n");
    let rows = member(&"1234567\n".repeat(100_000));
    for _ in 0..5000 {
        text.extend_from_slice(&rows);
    }
    world.file("rows/a.csv.gz", text);
    for command in ["plan", "run"] {
        let run = world.start(command, &[]);
        world.wait_for(Operation::GetDataset, 1);
        ends_soon(run, "TERM", 143);
        world.sandbox().clear_requests();
    }
    let run = world.start("check", &[]);
    ends_soon_whenever(run);
    assert!(world.writes().is_empty());
}

/// Sends SIGTERM at an unknown point: before the program listens, it just dies.
#[track_caller]
fn ends_soon_whenever(mut run: Child) {
    let signalled = Instant::now();
    signal(&run, "TERM");
    let ended = run.wait().unwrap();
    assert_quick(signalled, 8);
    assert!(
        ended.code() == Some(143) || ended.signal() == Some(15),
        "{ended:?}"
    );
}

#[test]
fn thirty_two_transfers_that_are_stuck_are_cut_at_once() {
    // Larger than what sockets take in, so that writing is what is stuck; and
    // small, so that it is the wait for the answer.
    for size in [2_000_000, 100] {
        let world = friendly();
        with_files(&world, 40, size);
        world.faults(always(Operation::PutFile, Fault::Stall { ms: 3_600_000 }));
        let run = world.start_run(&["-j", "32", "--format", "json"]);
        world.wait_for(Operation::CreateTempUploads, 1);
        // A connection each, and the one for calls.
        let stuck = Instant::now();
        while connections(run.id()) < 33 {
            assert_quick(stuck, 60);
            CancelToken::new().wait(Duration::from_millis(10));
        }

        let outcome = ends_soon(run, "TERM", 143);

        assert_eq!(outcome.last_line()["exit_word"], "terminated");
        let report = told(&world, "sigterm");
        assert_eq!(report["items"].as_array().unwrap().len(), 42, "{report:#}");
        assert_eq!(item(&report, "007")["end"], "not_reached", "{report:#}");
    }
}

/// Sockets that a process has open.
fn connections(process: u32) -> usize {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter(|to| to.to_string_lossy().starts_with("socket:"))
        .count()
}

#[test]
fn a_transfer_stuck_in_a_session_goes_on_in_the_next_run() {
    let world = friendly();
    world
        .manifest(SCANS)
        .file("data/large", crate::harness::noise(5, 40 << 20));
    world.faults(FaultScript::none().with(
        Operation::PutChunk,
        Nth::After(2),
        Fault::Stall { ms: 3_600_000 },
    ));
    let run = world.start_run(&["--chunk-size", "4MiB"]);
    world.wait_for(Operation::PutChunk, 2);

    ends_soon(run, "INT", 130);

    told(&world, "sigint");
    world.faults(FaultScript::none());
    world.sandbox().clear_requests();
    world.run(&["--chunk-size", "4MiB"]).exits(0);
    assert!(world.asked(Operation::OpenSession).is_empty());
    let sent: u64 = world
        .asked(Operation::PutChunk)
        .iter()
        .map(|request| request.body_bytes)
        .sum();
    assert_eq!(sent, (40 << 20) - (8 << 20));
    world.finds_nothing_to_do();
}

#[test]
fn a_signal_twice_at_once_is_one_signal() {
    let world = friendly();
    with_files(&world, 3, 5);
    let run = world.start_frozen_run(FreezePoint::BeforeEffect, &["--format", "json"]);
    let signalled = Instant::now();
    signal(&run, "INT");
    signal(&run, "INT");
    signal(&run, "TERM");

    let outcome = end_of(run).exits(130);

    assert_quick(signalled, 8);
    assert_eq!(outcome.last_line()["exit_word"], "interrupted");
    told(&world, "sigint");
    world.sandbox().thaw(Thaw::Abandon);
    finishes(&world, 3);
}

#[test]
fn a_later_signal_ends_at_once_and_the_run_is_still_resumable() {
    let world = friendly();
    with_files(&world, 300, 5);
    // Nobody reads what it prints, so that it cannot come to its end.
    for number in 0..300 {
        let name = format!("data/{number:03}{}", "n".repeat(200));
        world.file(&name, "x");
    }
    let run = world.start_run(&["--format", "ndjson"]);
    // The pipe is full soon after; its reader stays away.
    let process = run.id();
    let full = Instant::now();
    while !is_blocked_writing(process) {
        assert_quick(full, 60);
        CancelToken::new().wait(Duration::from_millis(20));
    }
    signal(&run, "TERM");
    CancelToken::new().wait(LATER);
    let again = Instant::now();
    signal(&run, "TERM");

    let mut run = run;
    let ended = run.wait().unwrap();

    assert_quick(again, 5);
    assert_eq!(ended.code(), Some(143));
    finishes(&world, 600);
}

/// Whether a thread of the process waits for the reader of a pipe.
fn is_blocked_writing(process: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    threads.flatten().any(|thread| {
        let call = std::fs::read_to_string(thread.path().join("wchan"));
        call.is_ok_and(|waits_in| waits_in.contains("pipe_write"))
    })
}

/// Whether who started the process asked it to ignore SIGHUP.
fn ignores_hangups(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn a_hangup_ends_at_once_and_the_run_is_still_resumable() {
    let world = friendly();
    with_files(&world, 3, 5);
    let mut run = world.start_frozen_run(FreezePoint::AfterEffect, &[]);
    let is_under_nohup = ignores_hangups(run.id());
    signal(&run, "HUP");
    if is_under_nohup {
        // These tests are, so the run is: it goes on.
        world.sandbox().thaw(Thaw::Apply);
        end_of(run).exits(0);
        return;
    }

    let ended = run.wait().unwrap();

    assert_eq!(ended.signal(), Some(1), "{ended:?}");
    world.sandbox().thaw(Thaw::Abandon);
    finishes(&world, 3);
}

#[test]
fn nobody_reading_changes_nothing() {
    under_both(|world| {
        with_files(&world, 3, 5);
        let manifest = world.path("manifest.yaml");
        let run = format!(
            "{} run {} --format FORMAT",
            env!("CARGO_BIN_EXE_redivis-ingest"),
            manifest.display()
        );
        for (format, streams) in [
            ("text", ">&-"),
            ("json", "2>&-"),
            ("ndjson", ">&- 2>&-"),
            ("text", "| true"),
        ] {
            let line = format!(
                "set -o pipefail; {} {streams}",
                run.replace("FORMAT", format)
            );
            let mut shell = world.command(&[]);
            let environment: Vec<_> = shell
                .get_envs()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            shell = std::process::Command::new("bash");
            let ended = shell
                .env_clear()
                .envs(environment)
                .env("PATH", "/usr/bin:/bin")
                .args(["-c", &line])
                .stderr(Stdio::piped())
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&ended.stderr);
            assert_eq!(ended.status.code(), Some(0), "{streams}: {stderr}");
            assert!(!stderr.contains("panicked"), "{stderr}");
        }
        assert_eq!(world.names("scans").len(), 3);
    });
}

#[test]
fn the_deadline_tells_what_was_not_reached() {
    under_both(|world| {
        with_files(&world, 30, 5);
        world.manifest(&format!(
            "{SCANS}  - {{ name: n, table: n, rows: [{{ csv: rows.csv }}], schema: {{ n: integer }} }}\n"
        ));
        world.file("rows.csv", "n\n1\n");
        world.faults(always(Operation::PutFile, Fault::Stall { ms: 3_600_000 }));
        let started = Instant::now();
        let outcome = world
            .run(&["--deadline", "3s", "-j", "4", "--format", "json"])
            .exits(75);

        assert_quick(started, 15);
        assert_eq!(outcome.last_line()["exit_word"], "temporary");
        let report = told(&world, "deadline");
        assert_eq!(item(&report, "029")["end"], "not_reached", "{report:#}");
        let counts = &outcome.last_line()["counts"];
        assert_eq!(counts["failed"], 0, "{counts}");
        assert!(counts["not_reached"].as_u64() >= Some(30), "{counts}");
        finishes(&world, 30);
        assert_eq!(world.numbers("n"), [1]);
    });
}

#[test]
fn the_deadline_while_planning_is_told_as_the_deadline() {
    let world = friendly();
    with_files(&world, 1, 5);
    world.sandbox().freeze(
        world.sandbox().next_request_number(),
        FreezePoint::BeforeEffect,
    );
    for command in ["plan", "run"] {
        let outcome = end_of(world.start(command, &["--deadline", "300ms"])).exits(75);
        assert!(outcome.stderr.contains("the deadline"), "{outcome:?}");
    }
    world.sandbox().thaw(Thaw::Abandon);
    finishes(&world, 1);
}

#[test]
fn the_lock_of_a_killed_run_is_free_at_once() {
    let world = friendly();
    with_files(&world, 2, 5);
    let held = world.start_frozen_run(FreezePoint::BeforeEffect, &[]);
    let refused = world.run(&[]).exits(6);
    assert!(refused.stderr.contains("since "), "{refused:?}");
    assert!(refused.stderr.contains(" on `"), "{refused:?}");
    kill(held);
    world.sandbox().thaw(Thaw::Abandon);

    finishes(&world, 2);
}

#[test]
fn the_wait_for_the_lock_ends_in_time() {
    let world = friendly();
    with_files(&world, 2, 5);
    let held = world.start_frozen_run(FreezePoint::BeforeEffect, &[]);
    let asked = Instant::now();
    world.run(&["--lock-timeout", "500ms"]).exits(6);
    assert!(asked.elapsed() >= Duration::from_millis(500));
    assert_quick(asked, 8);

    // The deadline counts while waiting, too.
    let outcome = world
        .run(&["--lock-timeout", "1h", "--deadline", "500ms"])
        .exits(75);
    assert!(outcome.stderr.contains("the deadline"), "{outcome:?}");
    let mut waiting = world.start_run(&["--lock-timeout", "1h"]);
    wait_for_line(&mut waiting, "waiting for");
    ends_soon(waiting, "INT", 130);

    world.sandbox().thaw(Thaw::Apply);
    end_of(held).exits(0);
}

#[test]
fn the_sandbox_stops_when_it_is_told_to_even_with_clients() {
    let world = friendly();
    for name in ["INT", "TERM"] {
        let mut child = world
            .command(&["sandbox", "--dataset", "demo.other"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut endpoint)
            .unwrap();
        let host = endpoint.trim().strip_prefix("http://").unwrap();
        let host = host.split('/').next().unwrap();
        // One that says nothing, one in the middle of a request, one that is served.
        let silent = std::net::TcpStream::connect(host).unwrap();
        let mut half = std::net::TcpStream::connect(host).unwrap();
        half.write_all(b"POST /api/v1/datasets HTTP/1.1\r\nContent-Length: 10\r\n\r\n12")
            .unwrap();
        let mut served = std::net::TcpStream::connect(host).unwrap();
        served
            .write_all(
                b"GET /api/v1/datasets/demo.other HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n",
            )
            .unwrap();
        let mut start = [0; 12];
        served.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");

        let outcome = ends_soon(child, name, 0);

        assert_eq!(outcome.stderr, "");
        drop((silent, half));
    }
}
