//! Whole numbers that the platform may round: told where the values are read, once
//! for each column, and sent as they are.

use redivis_ingest::sandbox::Character;

use crate::harness::{Outcome, World, under_both};

const JOBS: &str = "
jobs:
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }, { ndjson: 'rows/*.ndjson' }]
    schema: { value: integer, other: integer, code: string }
";

const FIRST: &str = "job `readings`: rows/a.csv:5: `value` is 9007199254740993 in row 4, more than 2^53: the platform may round it";
const SECOND: &str = "job `readings`: rows/b.ndjson:1: `other` is -9007199254740993 in row 1, more than 2^53: the platform may round it";

fn with_rows(world: &World) {
    world
        .manifest(JOBS)
        .file(
            "rows/a.csv",
            "value,other,code\n9007199254740992,1,9007199254740993\n-9007199254740992,1,x\n\
             000000000000000000007,1,x\n9007199254740993,1,x\n9007199254740995,1,x\n",
        )
        .file(
            "rows/b.ndjson",
            "{\"value\":9007199254740994,\"other\":-9007199254740993,\"code\":null}\n",
        );
}

/// Both columns, each once and with what to do.
fn is_told(outcome: Outcome) {
    let outcome = outcome.exits(0);
    let told: Vec<&str> = outcome.stderr.lines().collect();
    let warnings: Vec<&str> = told
        .iter()
        .copied()
        .filter_map(|line| line.strip_prefix("warning[rows/rounded-integer]: "))
        .collect();
    assert_eq!(warnings, [FIRST, SECOND], "{}", outcome.stderr);
    let helps = told.iter().filter(|line| line.contains("as `string`"));
    assert_eq!(helps.count(), 2);
}

#[test]
fn whole_numbers_that_the_platform_may_round_are_told_by_check_plan_and_run() {
    under_both(|world| {
        with_rows(&world);

        is_told(world.on_manifest("check", &[]));
        is_told(world.plan(&[]));
        is_told(world.run(&[]));
        // Also where the cut is remembered and nothing is left to send.
        is_told(world.plan(&[]));
        is_told(world.run(&[]));
    });
}

#[test]
fn check_tells_scripts_of_whole_numbers_that_may_be_rounded() {
    let world = World::new(Character::Friendly);
    with_rows(&world);

    let outcome = world.on_manifest("check", &["--format", "json"]).exits(0);

    let line = outcome.last_line();
    assert_eq!(line["warnings"].as_array().unwrap().len(), 2, "{line:#}");
    assert_eq!(line["warnings"][0]["code"], "rows/rounded-integer");
    assert_eq!(
        format!(
            "job `readings`: {}",
            line["warnings"][0]["message"].as_str().unwrap()
        ),
        FIRST
    );
}

/// A row that is not sent gives no cause, and text is kept whatever it holds.
#[test]
fn nothing_is_told_of_rows_that_are_rejected_or_text() {
    let world = World::new(Character::Friendly);
    world
        .manifest(&JOBS.replace("    schema:", "    rejects: { max: 1 }\n    schema:"))
        .file(
            "rows/a.csv",
            "value,other,code\n9007199254740993,bad,x\n1,1,9007199254740993\n",
        )
        .file(
            "rows/b.ndjson",
            "{\"value\":1,\"other\":2,\"code\":9007199254740993}\n",
        );

    let outcome = world.plan(&[]).exits(0);

    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
}
