//! Resumable sessions, and runs that were killed: another process goes on where
//! the server says that the last one was.

use std::io::Write as _;

use redivis_ingest::sandbox::{
    Behaviour, Character, Fault, FaultScript, FreezePoint, Nth, Operation, SandboxOptions, Thaw,
};

use crate::harness::{PATIENCE, SCANS, World, item, kill, noise, under_both};

const MIB: usize = 1 << 20;
/// Above the size from which uploads are resumable.
const LARGE: usize = 34 * MIB;

/// A world with one large file.
fn large(world: &World, seed: u64) -> Vec<u8> {
    let content = noise(seed, LARGE);
    world.manifest(SCANS).file("data/large", &content);
    content
}

fn chunks(nth: Nth, fault: Fault) -> FaultScript {
    FaultScript::none().with(Operation::PutChunk, nth, fault)
}

fn status(code: u16) -> Fault {
    Fault::Status {
        code,
        retry_after: None,
    }
}

fn sent_in_chunks(world: &World) -> u64 {
    let chunks = world.asked(Operation::PutChunk);
    chunks.iter().map(|chunk| chunk.body_bytes).sum()
}

#[test]
fn a_large_file_goes_through_one_session_in_chunks() {
    under_both(|world| {
        let content = large(&world, 1);
        world.file("data/small", "small");

        let (outcome, report) = world.run_reported(&["--chunk-size", "8MiB"]);

        outcome.exits(0);
        world.holds("scans", &[("large", &content), ("small", b"small")]);
        assert_eq!(world.asked(Operation::OpenSession).len(), 1);
        let sizes: Vec<u64> = world
            .asked(Operation::PutChunk)
            .iter()
            .map(|chunk| chunk.body_bytes)
            .collect();
        let mib = MIB as u64;
        assert_eq!(sizes, [8 * mib, 8 * mib, 8 * mib, 8 * mib, 2 * mib]);
        assert_eq!(item(&report, "large")["bytes_sent"], LARGE);
        assert_eq!(world.inspect().open_sessions, 0);
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_chunk_may_be_larger_than_the_memory_for_payloads() {
    under_both(|world| {
        let content = large(&world, 1);
        world.file("data/small", "small");

        let sizes = ["--max-memory", "8MiB", "--chunk-size", "32MiB"];
        world.run(&sizes).exits(0);

        world.holds("scans", &[("large", &content), ("small", b"small")]);
        let chunks = world.asked(Operation::PutChunk);
        let mib = MIB as u64;
        assert_eq!(chunks[0].body_bytes, 32 * mib);
        assert_eq!(sent_in_chunks(&world), LARGE as u64);
    });
}

#[test]
fn a_session_recovers_by_the_server_s_offset() {
    under_both(|world| {
        let content = large(&world, 2);
        let put = Operation::PutChunk;
        let bytes = 300_000;
        world.faults(
            chunks(Nth::Nth(2), Fault::ShortRange)
                .with(put, Nth::Nth(5), status(503))
                .with(
                    put,
                    Nth::Nth(8),
                    Fault::StatusAfterBodyBytes { bytes, code: 503 },
                )
                .with(put, Nth::Nth(11), Fault::Reset)
                .with(put, Nth::Nth(14), Fault::CutAfterBodyBytes { bytes })
                .with(put, Nth::Nth(17), Fault::CutAfterEffect)
                .with(put, Nth::Nth(20), Fault::StatusAfterEffect { code: 500 })
                .with(put, Nth::Nth(23), Fault::HtmlErrorPage { code: 502 })
                .with(Operation::QuerySession, Nth::Nth(2), Fault::Reset),
        );

        world.run(&["--chunk-size", "1MiB"]).exits(0);

        world.holds("scans", &[("large", &content)]);
        assert_eq!(world.asked(Operation::OpenSession).len(), 1);
        let sent = sent_in_chunks(&world);
        let most = (LARGE + 8 * MIB) as u64;
        assert!(sent <= most, "{sent} bytes were sent");
    });
}

#[test]
fn a_lost_last_answer_is_asked_for_and_nothing_is_sent_again() {
    under_both(|world| {
        let content = large(&world, 3);
        world.faults(chunks(Nth::Nth(3), Fault::CutAfterEffect));

        world.run(&["--chunk-size", "16MiB"]).exits(0);

        world.holds("scans", &[("large", &content)]);
        assert_eq!(sent_in_chunks(&world), LARGE as u64);
        assert_eq!(world.asked(Operation::OpenSession).len(), 1);
    });
}

#[test]
fn a_lost_session_starts_again_from_zero() {
    for (character, gone) in [(Character::Friendly, false), (Character::Worst, true)] {
        let world = World::new(character);
        let content = large(&world, 4);
        world.faults(chunks(Nth::Nth(3), Fault::LoseSession { gone }));

        world.run(&["--chunk-size", "8MiB"]).exits(0);

        world.holds("scans", &[("large", &content)]);
        assert_eq!(world.asked(Operation::OpenSession).len(), 2);
        assert_eq!(world.asked(Operation::PutChunk).len(), 3 + 5);
    }
}

#[test]
fn a_session_that_claims_what_was_never_sent_is_replaced() {
    under_both(|world| {
        let content = large(&world, 4);
        let page = Fault::HtmlErrorPage { code: 200 };
        world.faults(chunks(Nth::Nth(2), Fault::CutBeforeEffect).with(
            Operation::QuerySession,
            Nth::Nth(1),
            page,
        ));

        world.run(&["--chunk-size", "8MiB"]).exits(0);

        world.holds("scans", &[("large", &content)]);
        assert_eq!(world.asked(Operation::OpenSession).len(), 2);
    });
}

#[test]
fn an_expired_address_gets_a_fresh_one() {
    under_both(|world| {
        let content = large(&world, 5);
        world.faults(FaultScript::none().with(
            Operation::OpenSession,
            Nth::Nth(1),
            Fault::ExpireUrl,
        ));

        world.run(&[]).exits(0);

        world.holds("scans", &[("large", &content)]);
        assert_eq!(sent_in_chunks(&world), LARGE as u64);
    });
}

#[test]
fn the_older_endpoint_takes_files_of_all_sizes() {
    under_both(|world| {
        let content = large(&world, 6);
        world.file("data/empty", "").file("data/small", "small");

        world
            .run(&["--protocol", "legacy", "--chunk-size", "16MiB"])
            .exits(0);

        world.holds(
            "scans",
            &[("empty", b""), ("large", &content), ("small", b"small")],
        );
        assert!(world.asked(Operation::CreateTempUploads).is_empty());
        assert_eq!(world.asked(Operation::CreateResumableUpload).len(), 3);
        assert!(world.asked(Operation::OpenSession).is_empty());
        world.finds_nothing_to_do();
    });
}

/// Starts a run and kills it once the server has taken `count` chunks; the next
/// chunk hangs.
fn kill_after_chunks(world: &World, count: u64, args: &[&str]) {
    let stall = Fault::Stall { ms: 600_000 };
    world.faults(chunks(Nth::After(count), stall));
    let child = world.start_run(args);
    world.wait_for(Operation::PutChunk, usize::try_from(count).unwrap());
    kill(child);
    world.faults(FaultScript::none());
}

/// A run is killed after 20 MiB; the next one sends what is left.
fn another_process_goes_on(world: &World, args: &[&str]) {
    let content = large(world, 7);
    kill_after_chunks(world, 5, args);
    let before = world.sandbox().requests().len();

    let (outcome, report) = world.run_reported(args);

    outcome.exits(0);
    world.holds("scans", &[("large", &content)]);
    let requests = world.sandbox().requests();
    let sent: u64 = requests[before..]
        .iter()
        .filter(|one| one.operation == Operation::PutChunk)
        .map(|one| one.body_bytes)
        .sum();
    let left = (LARGE - 5 * 4 * MIB) as u64;
    assert!(sent <= left, "{sent} bytes were sent, {left} were left");
    assert!(sent > 0);
    assert_eq!(item(&report, "large")["bytes_sent"], sent);
    let opened = world.asked(Operation::OpenSession).len()
        + world.asked(Operation::CreateResumableUpload).len();
    assert_eq!(opened, 1);
    world.finds_nothing_to_do();
}

#[test]
fn another_process_goes_on_at_the_server_s_offset() {
    under_both(|world| another_process_goes_on(&world, &["--chunk-size", "4MiB"]));
}

#[test]
fn another_process_goes_on_with_a_session_of_the_older_endpoint() {
    let world = World::new(Character::Worst);
    another_process_goes_on(&world, &["--chunk-size", "4MiB", "--protocol", "legacy"]);
}

#[test]
fn a_session_outlives_a_restart_of_both_sides() {
    under_both(|mut world| {
        let content = large(&world, 13);
        kill_after_chunks(&world, 5, &["--chunk-size", "4MiB"]);
        world.restart();

        let (outcome, report) = world.run_reported(&["--chunk-size", "4MiB"]);

        outcome.exits(0);
        world.holds("scans", &[("large", &content)]);
        assert!(world.asked(Operation::OpenSession).is_empty());
        let sent = item(&report, "large")["bytes_sent"].as_u64().unwrap();
        assert!(
            sent <= (LARGE - 5 * 4 * MIB) as u64,
            "{sent} bytes were sent"
        );
    });
}

#[test]
fn without_its_state_a_killed_transfer_starts_again_and_ends_the_same() {
    under_both(|world| {
        let content = large(&world, 8);
        kill_after_chunks(&world, 5, &["--chunk-size", "4MiB"]);
        world.forget_state();

        let (outcome, report) = world.run_reported(&["--chunk-size", "4MiB"]);

        outcome.exits(0);
        world.holds("scans", &[("large", &content)]);
        assert_eq!(item(&report, "large")["bytes_sent"], LARGE);
    });
}

#[test]
fn a_file_that_changed_since_the_kill_is_not_glued_to_its_old_beginning() {
    under_both(|world| {
        large(&world, 9);
        kill_after_chunks(&world, 5, &["--chunk-size", "4MiB"]);
        let content = large(&world, 10);

        world.run(&["--chunk-size", "4MiB"]).exits(0);

        world.holds("scans", &[("large", &content)]);
    });
}

#[test]
fn a_session_that_died_meanwhile_is_replaced() {
    under_both(|world| {
        let content = large(&world, 11);
        kill_after_chunks(&world, 5, &["--chunk-size", "4MiB"]);
        world.faults(FaultScript::none().with(
            Operation::QuerySession,
            Nth::Nth(1),
            Fault::LoseSession { gone: false },
        ));

        world.run(&["--chunk-size", "4MiB"]).exits(0);

        world.holds("scans", &[("large", &content)]);
        assert_eq!(world.asked(Operation::OpenSession).len(), 2);
    });
}

/// A world that is the same each time.
fn small_world(character: Character) -> World {
    let world = World::new(character);
    world.manifest(SCANS);
    for name in SMALL {
        world.file(&format!("data/{name}"), name);
    }
    world
}

const SMALL: [&str; 3] = ["a", "b", "c"];
const ONE_BY_ONE: [&str; 2] = ["-j", "1"];

fn holds_small(world: &World) {
    world.holds("scans", &SMALL.map(|name| (name, name.as_bytes())));
}

/// The numbers of all requests of a run that nobody disturbs, in order.
fn undisturbed(character: Character) -> Vec<(u64, Operation)> {
    let world = small_world(character);
    let first = world.sandbox().next_request_number();
    world.run(&ONE_BY_ONE).exits(0);
    world
        .sandbox()
        .requests()
        .iter()
        .map(|request| (request.number - first, request.operation))
        .collect()
}

/// Kills a run while the server holds the request of this number.
fn kill_at(world: &World, number: u64, point: FreezePoint, then: Thaw) {
    let sandbox = world.sandbox();
    sandbox.freeze(sandbox.next_request_number() + number, point);
    let child = world.start_run(&ONE_BY_ONE);
    assert!(sandbox.wait_frozen(PATIENCE));
    kill(child);
    sandbox.thaw(then);
}

#[test]
fn what_was_staged_before_a_kill_is_not_sent_again() {
    for character in [Character::Friendly, Character::Worst] {
        let requests = undisturbed(character);
        let attach = requests
            .iter()
            .find(|(_, operation)| *operation == Operation::AttachFiles);
        let world = small_world(character);
        kill_at(
            &world,
            attach.unwrap().0,
            FreezePoint::BeforeEffect,
            Thaw::Abandon,
        );
        assert_eq!(world.asked(Operation::PutFile).len(), SMALL.len());
        world.sandbox().clear_requests();

        let (outcome, report) = world.run_reported(&[]);

        outcome.exits(0);
        holds_small(&world);
        assert!(world.asked(Operation::PutFile).is_empty());
        assert!(world.asked(Operation::CreateTempUploads).is_empty());
        assert_eq!(report["totals"]["bytes_sent"], 0);
        world.finds_nothing_to_do();
    }
}

#[test]
fn what_a_lagging_listing_does_not_show_after_a_kill_is_not_sent_again() {
    let character = Character::Worst;
    let requests = undisturbed(character);
    let is_attach = |one: &&(u64, Operation)| one.1 == Operation::AttachFiles;
    let attached = requests.iter().rfind(is_attach).unwrap().0;
    let world = small_world(character);
    kill_at(
        &world,
        attached + 1,
        FreezePoint::BeforeEffect,
        Thaw::Abandon,
    );
    assert_eq!(world.asked(Operation::PutFile).len(), SMALL.len());
    world.sandbox().clear_requests();

    world.run(&[]).exits(0);

    assert!(world.asked(Operation::PutFile).is_empty());
    holds_small(&world);
}

#[test]
fn a_file_without_an_md5_is_not_sent_again_after_a_kill() {
    let behaviour = Behaviour {
        resumable_from_bytes: Some(1),
        null_md5_from_bytes: Some(1),
        ..Behaviour::friendly()
    };
    let new_world = || {
        let world = World::with(SandboxOptions {
            behaviour: Some(behaviour.clone()),
            ..SandboxOptions::default()
        });
        world.manifest(SCANS).file("data/a", "no MD5 is told of it");
        world
    };
    let world = new_world();
    let first = world.sandbox().next_request_number();
    world.run(&ONE_BY_ONE).exits(0);
    let requests = world.sandbox().requests();
    let attached = requests
        .iter()
        .find(|request| request.operation == Operation::AttachFiles);
    let next = attached.unwrap().number - first + 1;
    let world = new_world();
    kill_at(&world, next, FreezePoint::BeforeEffect, Thaw::Abandon);
    world.sandbox().clear_requests();

    world.run(&[]).exits(0).says("Nothing to do");

    assert!(world.writes().is_empty(), "{:#?}", world.writes());
}

/// Listings settle doubts and are the last look.
fn operation_looks(operation: Operation) -> bool {
    operation == Operation::ListFiles
}

#[test]
fn a_run_can_be_killed_at_any_request_that_matters() {
    kill_everywhere(Character::Friendly);
}

#[test]
fn a_run_can_be_killed_anywhere_under_the_worst_answers_too() {
    kill_everywhere(Character::Worst);
}

fn kill_everywhere(character: Character) {
    let requests = undisturbed(character);
    for (number, operation) in &requests {
        let is_write = matches!(
            operation,
            Operation::CreateVersion
                | Operation::CreateTable
                | Operation::CreateTempUploads
                | Operation::PutFile
                | Operation::AttachFiles
        );
        // Nothing is different after any of the reads that plan.
        if !is_write && !operation_looks(*operation) {
            continue;
        }
        let ways = [
            (FreezePoint::AfterEffect, Thaw::Abandon),
            (FreezePoint::BeforeEffect, Thaw::Abandon),
            (FreezePoint::BeforeEffect, Thaw::Apply),
        ];
        for (point, then) in ways {
            eprintln!("{character:?}: {operation:?}, request {number}, {point:?}, {then:?}");
            let world = small_world(character);
            kill_at(&world, *number, point, then);
            if point == FreezePoint::BeforeEffect {
                world.forget_state();
            }

            world.run(&[]).exits(0);

            holds_small(&world);
            crate::harness::has_one_draft(&world);
            world.finds_nothing_to_do();
        }
    }
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_never_registered() {
    for character in [Character::Friendly, Character::Worst] {
        let requests = undisturbed(character);
        let put = requests
            .iter()
            .find(|(_, operation)| *operation == Operation::PutFile);
        let world = small_world(character);
        let sandbox = world.sandbox();
        let number = sandbox.next_request_number() + put.unwrap().0;
        sandbox.freeze(number, FreezePoint::BeforeEffect);
        let path = world.root().join("report.json");
        let mut child = world.start_run(&["-j", "1", "--report", path.to_str().unwrap()]);
        assert!(sandbox.wait_frozen(PATIENCE));
        // Whichever of them is on its way.
        for name in SMALL {
            append(&world, &format!("data/{name}"));
        }
        sandbox.thaw(Thaw::Apply);

        assert_eq!(child.wait().unwrap().code(), Some(4));

        assert_eq!(world.names("scans"), [""; 0]);
        let report = std::fs::read_to_string(path).unwrap();
        let report = serde_json::from_str(&report).unwrap();
        for name in SMALL {
            assert_eq!(item(&report, name)["end"], "drifted");
        }
        assert_eq!(report["plan_accuracy"]["drifted"], SMALL.len());

        world.run(&[]).exits(0);
        assert_eq!(world.stored("scans", "a"), b"a, and more");
    }
}

#[test]
fn a_large_file_that_changes_between_chunks_is_never_registered() {
    under_both(|world| {
        large(&world, 12);
        let stall = Fault::Stall { ms: 1000 };
        world.faults(chunks(Nth::Nth(3), stall));
        let mut child = world.start_run(&["--chunk-size", "1MiB"]);
        world.wait_for(Operation::PutChunk, 2);
        append(&world, "data/large");

        assert_eq!(child.wait().unwrap().code(), Some(4));

        assert_eq!(world.names("scans"), [""; 0]);
    });
}

fn append(world: &World, name: &str) {
    std::fs::OpenOptions::new()
        .append(true)
        .open(world.path(name))
        .and_then(|mut file| file.write_all(b", and more"))
        .unwrap();
}
