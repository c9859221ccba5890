//! Each fault at each call of a run, once and for ever.

use std::collections::BTreeMap;

use redivis_ingest::sandbox::{Character, FaultKind, FaultScript, Nth, Operation};

use super::cells::{Cell, all};
use super::expected::exits;
use super::truth::assert_true;
use super::work::{
    Bases, Story, assert_released_is_right, assert_right, assert_settled, behaviour, work,
};
use super::{grouped, share, share_of, try_all};
use crate::harness::{DATASET, World, setting};

/// What came of a cell.
struct Tried {
    /// How often the fault was met; 0: no run makes that call so often.
    met: usize,
    exit: i32,
}

/// How often each call is made by a run that nobody disturbs.
struct Calls(Vec<(Story, Character, BTreeMap<Operation, u64>)>);

impl Calls {
    fn of(bases: &Bases) -> Self {
        let all = Bases::each().map(|(story, character)| {
            let world = bases.copy(story, character, behaviour(character));
            work(&world, "4").exits(0);
            let mut calls = BTreeMap::new();
            for request in world.sandbox().requests() {
                *calls.entry(request.operation).or_insert(0) += 1;
            }
            (story, character, calls)
        });
        Self(all.collect())
    }

    /// Whether a run can meet the cell's fault at all.
    fn has(&self, cell: &Cell) -> bool {
        if cell.operation == Operation::QuerySession {
            return true;
        }
        let of_cell = |(story, character, _): &&(Story, Character, _)| {
            (*story, *character) == (cell.story, cell.character)
        };
        let (_, _, calls) = self.0.iter().find(of_cell).unwrap();
        let count = calls.get(&cell.operation).copied().unwrap_or(0);
        match cell.nth {
            Nth::Nth(n) | Nth::First(n) | Nth::Every(n) => count >= n,
            Nth::After(n) => count > n,
        }
    }
}

/// Requests of somebody else, until no late effect is left.
fn let_late_effects_come(world: &World) {
    for _ in 0..8 {
        world.http("GET", &format!("/datasets/{DATASET}"), "");
    }
}

fn attempt(bases: &Bases, cell: &Cell) -> Tried {
    let mut behaviour = behaviour(cell.character);
    if cell.character == Character::Worst {
        // Smaller than a batch, so that calls are refused for their size.
        behaviour.max_entries_per_call = 3;
    }
    if cell.fault.kind() == FaultKind::WrongMd5 {
        // Damage to a file whose MD5 nobody tells cannot be seen.
        behaviour.null_md5_from_bytes = None;
    }
    let world = bases.copy(cell.story, cell.character, behaviour);
    world.faults(cell.script());
    let outcome = work(&world, "4");
    let kind = Some(cell.fault.kind());
    let met = world.asked(cell.operation);
    let met = met.iter().filter(|one| one.fault == kind).count();
    let exit = outcome.status.unwrap_or(-1);
    if met == 0 {
        outcome.exits(0);
        return Tried { met, exit };
    }
    let promised = exits(cell);
    assert!(
        promised.contains(&exit),
        "exit {exit}, promised is {promised:?}: {outcome:?}"
    );
    if exit != 0 {
        let line = outcome.last_line();
        assert!(
            line["type"] != "failure"
                || line["code"].as_str().is_some_and(|code| code.contains('/')),
            "no stable code: {line:#}"
        );
    }
    assert_true(&world);
    if exit == 0 {
        assert_right(&world, cell.story, 1);
    }
    assert_released_is_right(&world, cell.story);

    world.faults(FaultScript::none());
    if cell.outlives {
        // What is late comes under this run, or came already.
        let again = work(&world, "4");
        let code = again.status.unwrap();
        assert!([0, 4, 75].contains(&code), "again: {again:?}");
        assert_true(&world);
        assert_released_is_right(&world, cell.story);
        let_late_effects_come(&world);
        for _ in 0..8 {
            let_late_effects_come(&world);
        }
    } else {
        let_late_effects_come(&world);
    }
    work(&world, "4").exits(0);
    assert_true(&world);
    assert_right(&world, cell.story, 1);
    assert_settled(&world);
    assert_right(&world, cell.story, 1);
    Tried { met, exit }
}

fn run_matrix(start: usize, step: usize) {
    let bases = Bases::new();
    let calls = Calls::of(&bases);
    let mut whole = all();
    whole.retain(|cell| calls.has(cell));
    let count = whole.len();
    // `REDIVIS_INGEST_TEST_CELL` is a piece of the names of those to try.
    let only: String = setting("CELL", String::new());
    whole.retain(|cell| cell.to_string().contains(&only));
    let cells = share(whole, start, step);
    let is_verbose = setting("VERBOSE", false);
    let results = try_all(&cells, |cell| {
        let tried = attempt(&bases, cell);
        if is_verbose {
            println!("cell: {cell}: exit {}, met {}", tried.exit, tried.met);
        }
        tried
    });
    let mut failures = 0;
    let mut injected = 0;
    let mut ends: BTreeMap<i32, usize> = BTreeMap::new();
    for result in &results {
        match result {
            Ok(tried) => {
                injected += tried.met;
                if tried.met > 0 {
                    *ends.entry(tried.exit).or_default() += 1;
                }
            }
            Err(_told) => failures += 1,
        }
    }
    let met: usize = ends.values().sum();
    println!("faults met in {met} cells, exit codes {ends:?}");
    println!(
        "fault matrix: {}; {} faults injected; {failures} failures",
        share_of(cells.len(), count),
        grouped(injected)
    );
    assert_eq!(failures, 0);
}

#[test]
fn a_sample_of_all_faults_at_all_calls_ends_right() {
    run_matrix(7, 397);
}

/// For `tests/scripts/fault-matrix.sh`.
#[test]
#[ignore = "takes long; tests/scripts/fault-matrix.sh runs it"]
fn the_whole_matrix() {
    run_matrix(setting("START", 0), setting("STEP", 1));
}
