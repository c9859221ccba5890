//! Limits on calls and on bytes, and outages: a run keeps to what it was told,
//! by the user and by the server, and outlives what passes.

use std::time::{Duration, Instant};

use redivis_ingest::base::CancelToken;
use redivis_ingest::sandbox::{
    Character, Fault, FaultScript, Nth, Operation, Origin, RateLimit, Request, RetryAfter,
    SandboxOptions,
};

use crate::harness::{DATASET, Outcome, SCANS, World, end_of, noise, under_both};
use crate::run_rows::{NUMBERS, csv};

const FORMS: [RetryAfter; 4] = [
    RetryAfter::Seconds(10),
    RetryAfter::HttpDate(10),
    RetryAfter::Epoch(10),
    RetryAfter::EpochMs(10),
];

fn limited(character: Character, requests: u32, retry_after: RetryAfter) -> World {
    World::with(SandboxOptions {
        character,
        rate_limit: Some(RateLimit {
            requests,
            per: Duration::from_secs(1),
            retry_after,
        }),
        ..SandboxOptions::default()
    })
}

fn api_calls(world: &World) -> Vec<Request> {
    let mut requests = world.sandbox().requests();
    requests.retain(|request| request.origin == Origin::Api);
    requests
}

fn refused(world: &World) -> usize {
    let calls = api_calls(world);
    calls.iter().filter(|call| call.status == 429).count()
}

/// Many small parts: two calls for each.
fn with_parts(world: &World, parts: u64) -> u64 {
    world.manifest(NUMBERS);
    // 92 rows of four digits to a part.
    let rows = parts * 92;
    world.file("rows/a.csv", csv(1000..1000 + rows));
    rows
}

fn with_everything(world: &World) {
    world
        .manifest(&format!(
            "{SCANS}{}  - {{ name: taxa, table: taxa, uploads: [{{ path: taxa.csv }}] }}\n",
            NUMBERS.trim_start().trim_start_matches("jobs:\n")
        ))
        .file("rows/a.csv", csv(1000..1500))
        .file("taxa.csv", "id\n1\n")
        .file("data/large", noise(3, 34 << 20));
    for number in 0..30 {
        world.file(&format!("data/{number:02}"), noise(number, 1000));
    }
}

#[track_caller]
fn has_everything(world: &World) {
    world.run(&[]).exits(0);
    assert_eq!(world.names("scans").len(), 31);
    assert_eq!(world.stored("scans", "large"), noise(3, 34 << 20));
    assert_eq!(world.numbers("n"), (1000..1500).collect::<Vec<_>>());
    assert_eq!(world.upload_names("taxa").len(), 1);
    world.finds_nothing_to_do();
}

#[test]
fn a_tight_limit_is_kept_to_with_few_refusals() {
    for (character, form) in [
        (Character::Friendly, RetryAfter::Seconds(0)),
        (Character::Worst, RetryAfter::EpochMs(0)),
    ] {
        let world = limited(character, 40, form);
        let rows = with_parts(&world, 80);

        world
            .run(&["--retry-scale", "1", "-j", "8"])
            .exits(0)
            .says("everything was sent and verified");

        let calls = api_calls(&world).len();
        let refusals = refused(&world);
        eprintln!("{character:?}: {calls} calls, {refusals} refusals");
        assert!(calls > 160, "{calls}");
        assert!(refusals <= calls / 20, "{refusals} of {calls}");
        assert_eq!(world.numbers("n").len() as u64, rows);
    }
}

#[test]
fn a_refusal_s_time_is_kept_to_in_each_of_its_forms() {
    let world = World::new(Character::Friendly);
    for (number, form) in FORMS.into_iter().enumerate() {
        world.manifest(SCANS).file(&format!("data/{number}"), "x");
        let limit = Fault::Status {
            code: 429,
            retry_after: Some(form),
        };
        world.faults(FaultScript::none().with(Operation::GetDataset, Nth::Nth(1), limit));
        let started = Instant::now();

        world.run(&["--retry-scale", "0.1"]).exits(0);

        // Ten seconds, of which the whole-second forms may lose one, scaled.
        let took = started.elapsed();
        eprintln!("{form:?}: {took:?}");
        assert!(took >= Duration::from_millis(890), "{form:?}: {took:?}");
    }
}

#[test]
fn one_refusal_holds_all_workers() {
    let world = World::new(Character::Friendly);
    with_parts(&world, 60);
    let limit = Fault::Status {
        code: 429,
        retry_after: Some(RetryAfter::Seconds(300)),
    };
    world.faults(FaultScript::none().with(Operation::InsertRows, Nth::Nth(1), limit));
    let run = world.start_run(&["--retry-scale", "1", "-j", "8"]);
    world.wait_for(Operation::InsertRows, 1);

    // Those under way come to their end, and then nobody asks.
    let seen = world.sandbox().requests().len() as u64;
    let came = world
        .sandbox()
        .wait_for_requests(seen + 17, Duration::from_secs(2));
    assert!(!came, "{:#?}", world.sandbox().requests());

    crate::harness::signal(&run, "TERM");
    end_of(run).exits(143);
    world.faults(FaultScript::none());
    world.run(&[]).exits(0);
    world.finds_nothing_to_do();
}

#[test]
fn the_limit_on_calls_is_obeyed_and_the_plan_reckons_with_it() {
    let world = World::new(Character::Friendly);
    with_parts(&world, 20);
    let planned = world
        .plan(&["--tpslimit", "0.5", "--format", "ndjson"])
        .exits(0);
    let totals = planned.last_line();
    let calls: u64 = totals["calls"]
        .as_object()
        .unwrap()
        .values()
        .filter_map(serde_json::Value::as_u64)
        .sum();
    assert!(calls >= 40, "{totals}");
    assert_eq!(totals["floor_seconds"], calls * 2, "{totals}");
    world.sandbox().clear_requests();
    let started = Instant::now();

    world.run(&["--tpslimit", "20"]).exits(0);

    let took = started.elapsed();
    let calls = api_calls(&world).len();
    eprintln!("{calls} calls in {took:?}");
    assert!(calls > 40);
    let least = Duration::from_millis(50) * u32::try_from(calls - 1).unwrap();
    assert!(took >= least, "{calls} calls in {took:?}");
}

#[test]
fn the_plan_reckons_with_the_limit_that_the_server_says() {
    let world = World::with(SandboxOptions {
        rate_limit: Some(RateLimit {
            requests: 100,
            per: Duration::from_secs(100),
            retry_after: RetryAfter::Seconds(0),
        }),
        ..SandboxOptions::default()
    });
    with_parts(&world, 20);
    let totals = world.plan(&["--format", "ndjson"]).exits(0).last_line();
    assert!(totals["floor_seconds"].as_u64() >= Some(40), "{totals}");
}

#[test]
fn the_limit_on_bytes_is_obeyed_whatever_the_scale_of_repeats() {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS);
    for number in 0..8 {
        world.file(&format!("data/{number}"), noise(number, 50_000));
    }
    let started = Instant::now();

    world
        .run(&["--bwlimit", "200kB", "--retry-scale", "0.001"])
        .exits(0);

    // 400,000 bytes; the first twentieth of a second or so is free.
    let took = started.elapsed();
    eprintln!("{took:?}");
    assert!(took >= Duration::from_millis(1700), "{took:?}");
}

/// How long ten minutes and a quarter of an hour are.
const SCALE: &str = "0.005";
const TEN_MINUTES: Duration = Duration::from_secs(3);

/// Starts a run and waits until it is in the midst of its work.
fn start_everything(world: &World) -> std::process::Child {
    with_everything(world);
    let run = world.start_run(&["--retry-scale", SCALE, "--chunk-size", "1MiB", "-j", "4"]);
    world.wait_for(Operation::PutChunk, 3);
    run
}

#[track_caller]
fn survived(run: std::process::Child, world: &World) {
    let outcome: Outcome = end_of(run).exits(0);
    assert!(outcome.stdout.contains("verified"), "{outcome:?}");
    has_everything(world);
}

#[test]
fn ten_minutes_of_errors_are_survived() {
    under_both(|world| {
        let run = start_everything(&world);
        world.faults(FaultScript::none().with(
            Operation::Any,
            Nth::After(0),
            Fault::Status {
                code: 503,
                retry_after: None,
            },
        ));
        CancelToken::new().wait(TEN_MINUTES);
        world.faults(FaultScript::none());

        survived(run, &world);
    });
}

#[test]
fn ten_minutes_without_a_server_are_survived() {
    for character in [Character::Friendly, Character::Worst] {
        let mut world = World::new(character);
        let run = start_everything(&world);
        world.stop();
        CancelToken::new().wait(TEN_MINUTES);
        world.restart();

        survived(run, &world);
    }
}

#[test]
fn an_outage_that_outlasts_all_patience_ends_as_temporary_and_the_next_run_finishes() {
    for character in [Character::Friendly, Character::Worst] {
        let mut world = World::new(character);
        let run = start_everything(&world);
        world.stop();
        let stopped = Instant::now();
        let outcome = end_of(run).exits(75);
        eprintln!("{character:?}: gave up after {:?}", stopped.elapsed());
        assert!(!outcome.stdout.contains("fail for good"), "{outcome:?}");
        let report = world.report();
        assert_eq!(report["exit"]["code"], 75);
        world.restart();

        has_everything(&world);
        let seen = world.inspect();
        assert_eq!(seen.dataset(DATASET).unwrap().versions.len(), 1);
    }
}
