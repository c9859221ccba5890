//! What is said of tables and variables: descriptions, labels and the meaning of
//! codes, diffed in the plan and changed on the platform like anything else.

use std::collections::BTreeMap;

use redivis_ingest::base::VariableMetadata;
use redivis_ingest::sandbox::{
    Behaviour, Character, Fault, FaultScript, FreezePoint, Nth, Operation, SandboxOptions, Thaw,
};

use crate::guards::tags;
use crate::harness::{DATASET, PATIENCE, World, kill, under_both};

impl World {
    /// Says of a variable of the table `readings` what somebody else says.
    #[track_caller]
    fn foreign(&self, variable: &str, body: &str) -> &Self {
        let path = format!("/tables/{DATASET}:next.readings/variables/{variable}");
        assert_eq!(self.http("PATCH", &path, body).0, 200);
        self
    }
}

/// Rows with words in their schema, and more of them under `tables`.
const WORDS: &str = "tables:
  readings:
    description: Levels, by station
    variables:
      station: { description: Where it was read }
jobs:
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema:
      station: { type: string, label: Station }
      level: { type: float, label: Level (m) }
      flag: { type: integer, value_labels: { 1: good, 2: doubtful } }
      plain: string
";
const ROWS: &str = "station,level,flag,plain\na,1.5,1,x\nb,2.5,2,y\n";

fn delivered(world: &World) {
    world.manifest(WORDS).file("rows/1.csv", ROWS);
    world.run(&[]).exits(0);
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(value, label): &(&str, &str)| ((*value).to_owned(), (*label).to_owned());
    pairs.iter().map(owned).collect()
}

/// What a version's table says of a variable.
#[track_caller]
fn said_in(world: &World, version: &str, table: &str, variable: &str) -> VariableMetadata {
    let seen = world.inspect();
    let table = seen.table(DATASET, version, table).unwrap();
    table.metadata.get(variable).cloned().unwrap_or_default()
}

#[track_caller]
fn said(world: &World, variable: &str) -> VariableMetadata {
    said_in(world, "next", "readings", variable)
}

#[track_caller]
fn label_of(world: &World, variable: &str) -> Option<String> {
    said(world, variable)
        .label
        .filter(|label| !label.is_empty())
}

fn patches(world: &World) -> usize {
    world.requests_of(Operation::PatchVariable).len()
}

/// Until a change is seen everywhere: under the worst answers, reads lag.
fn look_until_settled(world: &World) {
    for _ in 0..3 {
        world.plan(&[]);
    }
}

#[track_caller]
fn has_all_words(world: &World, version: &str) {
    let of = |variable| said_in(world, version, "readings", variable);
    let station = of("station");
    assert_eq!(station.label.as_deref(), Some("Station"));
    assert_eq!(station.description.as_deref(), Some("Where it was read"));
    assert_eq!(of("level").label.as_deref(), Some("Level (m)"));
    assert_eq!(
        of("flag").value_labels,
        Some(labels(&[("1", "good"), ("2", "doubtful")]))
    );
    assert!(of("plain").is_empty());
    let seen = world.inspect();
    let table = seen.table(DATASET, version, "readings").unwrap();
    assert_eq!(table.description.as_deref(), Some("Levels, by station"));
    assert_eq!(table.num_rows, 2);
}

#[test]
fn a_first_run_delivers_the_rows_and_then_says_what_they_mean() {
    under_both(|world| {
        world.manifest(WORDS).file("rows/1.csv", ROWS);

        let planned = world.plan(&["--format", "json"]).exits(0);
        let outcome = world.run(&["--format", "json"]).exits(0);

        has_all_words(&world, "next");
        let counts = &outcome.last_line()["counts"];
        assert_eq!(counts["variables"], 3, "{counts}");
        // What the plan says is what was done, one call for each variable.
        let lines = planned.lines();
        let variables: Vec<_> = lines
            .iter()
            .filter(|line| line["what"] == "variable")
            .collect();
        assert_eq!(variables.len(), 3);
        assert_eq!(variables[0]["class"], "new");
        assert_eq!(variables[0]["name"], "demo.survey.readings/station");
        assert_eq!(
            variables[0]["changes"],
            serde_json::json!([
                { "field": "label", "new": "Station" },
                { "field": "description", "new": "Where it was read" },
            ])
        );
        let totals = lines.last().unwrap();
        assert_eq!(totals["calls"]["variables"], 3, "{totals}");
        assert_eq!(patches(&world), 3);
        let order: Vec<Operation> = world.writes().iter().map(|one| one.operation).collect();
        let first = order
            .iter()
            .position(|one| *one == Operation::PatchVariable);
        let last = order.iter().rposition(|one| *one == Operation::InsertRows);
        assert!(last < first, "{order:?}");

        world.finds_nothing_to_do();
        world.forget_state();
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_changed_label_is_one_call_and_the_plan_tells_old_and_new() {
    under_both(|world| {
        delivered(&world);
        let long = "Level above the gauge's zero, read twice a day by hand";
        world.manifest(&WORDS.replace("label: Level (m)", &format!("label: \"{long}\"")));
        world.sandbox().clear_requests();

        world
            .plan(&[])
            .exits(0)
            .tells("~ variable readings/level")
            .tells("label `Level (m)` -> `Level above the gauge's zero, read twice…`")
            .tells("describe 1 variable")
            .tells("1 for variables");
        world.run(&[]).exits(0);

        let writes = world.writes();
        assert_eq!(writes.len(), 1, "{writes:?}");
        assert_eq!(writes[0].operation, Operation::PatchVariable);
        assert!(writes[0].path.ends_with(":next.readings/variables/level"));
        assert_eq!(label_of(&world, "level").as_deref(), Some(long));
        assert_eq!(label_of(&world, "station").as_deref(), Some("Station"));
        world.finds_nothing_to_do();
    });
}

#[test]
fn value_labels_are_replaced_as_a_whole() {
    under_both(|world| {
        delivered(&world);
        world.manifest(&WORDS.replace("2: doubtful", "3: estimated"));

        world
            .plan(&[])
            .exits(0)
            .tells("value labels of `2`: `doubtful` -> none and of 1 more");
        world.run(&[]).exits(0);

        assert_eq!(
            said(&world, "flag").value_labels,
            Some(labels(&[("1", "good"), ("3", "estimated")]))
        );
        world.finds_nothing_to_do();
    });
}

#[test]
fn what_is_not_stated_is_never_touched_and_an_empty_text_clears() {
    under_both(|world| {
        delivered(&world);
        world
            .foreign("plain", r#"{"label":"Theirs"}"#)
            .foreign("level", r#"{"description":"Theirs"}"#);
        look_until_settled(&world);
        world.finds_nothing_to_do();

        let cleared = WORDS
            .replace("label: Level (m)", "label: \"\"")
            .replace("{ 1: good, 2: doubtful }", "{}")
            .replace("description: Levels, by station", "description: ''")
            .replace("description: Where it was read", "description: ''");
        world.manifest(&cleared);
        world
            .plan(&[])
            .exits(0)
            .tells("label `Level (m)` -> none")
            .tells("description `Levels, by station` -> none");
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);

        assert_eq!(patches(&world), 3);
        assert_eq!(label_of(&world, "level"), None);
        assert_eq!(said(&world, "level").description.as_deref(), Some("Theirs"));
        assert_eq!(label_of(&world, "plain").as_deref(), Some("Theirs"));
        assert_eq!(label_of(&world, "station").as_deref(), Some("Station"));
        let flags = said(&world, "flag").value_labels.unwrap_or_default();
        assert!(flags.is_empty(), "{flags:?}");
        let description = world.table("readings", |table| table.description.clone());
        assert!(description.is_none_or(|text| text.is_empty()));
        world.finds_nothing_to_do();

        // Taken out of the manifest, nothing changes.
        world.manifest(
            &WORDS
                .replace("label: Level (m), ", "")
                .replace("{ type: float, label: Level (m) }", "float"),
        );
        world.run(&[]).exits(0);
        assert_eq!(label_of(&world, "level"), None);
    });
}

#[test]
fn words_that_somebody_changed_by_hand_are_shown_and_put_back() {
    under_both(|world| {
        delivered(&world);
        world.foreign("level", r#"{"label":"Height"}"#);
        let table = format!("/tables/{DATASET}:next.readings");
        let body = r#"{"description":"Something"}"#;
        assert_eq!(world.http("PATCH", &table, body).0, 200);
        look_until_settled(&world);

        world
            .plan(&[])
            .exits(0)
            .tells("label `Height` -> `Level (m)`")
            .tells("description `Something` -> `Levels, by station`");
        world
            .on_manifest("verify", &[])
            .exits(5)
            .tells("readings/level");
        world.run(&[]).exits(0);

        has_all_words(&world, "next");
        world.on_manifest("verify", &[]).exits(0);
    });
}

#[test]
fn an_answer_that_was_lost_after_its_effect_is_looked_for() {
    for fault in [
        Fault::CutAfterEffect,
        Fault::StatusAfterEffect { code: 503 },
        Fault::StatusAfterEffect { code: 500 },
    ] {
        under_both(|world| {
            world.manifest(WORDS).file("rows/1.csv", ROWS);
            let script = FaultScript::none();
            let always = Nth::First(1000);
            world.faults(script.with(Operation::PatchVariable, always, fault.clone()));

            // All answers are lost, and every effect is found.
            world.run(&["--retry-scale", "0.0001"]).exits(0);

            has_all_words(&world, "next");
            world.finds_nothing_to_do();
        });
    }
}

#[test]
fn a_change_that_never_takes_is_not_reported_as_done() {
    under_both(|world| {
        world.manifest(&released()).file("rows/1.csv", ROWS);
        let fault = Fault::Status {
            code: 503,
            retry_after: None,
        };
        let script = FaultScript::none();
        world.faults(script.with(Operation::PatchVariable, Nth::First(100_000), fault));

        let args = ["--format", "json", "--retry-scale", "0.0001"];
        let outcome = world.run(&args).exits(75);

        let counts = &outcome.last_line()["counts"];
        assert_eq!(counts["variables"], 0, "{counts}");
        assert!(tags(&world).is_empty());
        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        has_all_words(&world, "v1.0");
    });
}

/// The same, released at the end.
fn released() -> String {
    format!("release: true\n{WORDS}")
}

/// The numbers of the requests from the last insertion of rows on, counted from a
/// run's first.
fn numbers_of_words(character: Character) -> Vec<u64> {
    let world = World::new(character);
    world.manifest(&released()).file("rows/1.csv", ROWS);
    let first = world.sandbox().next_request_number();
    world.run(&["-j", "1"]).exits(0);
    let requests = world.sandbox().requests();
    let mut inserts = requests.iter();
    let insert = inserts.rfind(|one| one.operation == Operation::InsertRows);
    let insert = insert.unwrap().number;
    let after = requests.iter().filter(|one| one.number >= insert);
    let after: Vec<_> = after.filter(|one| one.operation.is_write()).collect();
    assert_eq!(after.len(), 5, "{after:?}");
    after.iter().map(|one| one.number - first).collect()
}

#[test]
fn a_run_that_is_killed_between_data_and_words_is_finished_by_the_next() {
    let points = [
        (FreezePoint::BeforeEffect, Thaw::Abandon),
        (FreezePoint::BeforeEffect, Thaw::Apply),
        (FreezePoint::AfterEffect, Thaw::Abandon),
    ];
    for character in [Character::Friendly, Character::Worst] {
        for number in numbers_of_words(character) {
            for (point, then) in points {
                eprintln!("{character:?} {number} {point:?} {then:?}");
                let world = World::new(character);
                world.manifest(&released()).file("rows/1.csv", ROWS);
                let sandbox = world.sandbox();
                sandbox.freeze(sandbox.next_request_number() + number, point);
                let run = world.start_run(&["-j", "1"]);
                assert!(sandbox.wait_frozen(PATIENCE));
                kill(run);
                sandbox.thaw(then);

                world.forget_state().run(&[]).exits(0);

                has_all_words(&world, "v1.0");
                assert_eq!(tags(&world), ["v1.0"]);
                world.finds_nothing_to_do();
            }
        }
    }
}

#[test]
fn words_that_a_killed_run_left_in_the_draft_are_released() {
    under_both(|world| {
        delivered(&world);
        world.release();
        let other = WORDS.replace("Level (m)", "Water level (m)");
        world.manifest(&other);
        world.run(&[]).exits(0);

        // Nothing is left to say, and the draft differs from the release by it.
        world.manifest(&format!("release: true\n{other}"));
        world.plan(&[]).exits(0).tells("~ version next release");
        world.run(&[]).exits(0);

        assert_eq!(tags(&world), ["v1.0", "v1.1"]);
        let said = said_in(&world, "v1.1", "readings", "level");
        assert_eq!(said.label.as_deref(), Some("Water level (m)"));
        world.finds_nothing_to_do();
    });
}

#[test]
fn words_alone_make_a_next_version_and_never_change_a_released_one() {
    under_both(|world| {
        delivered(&world);
        world.release();
        let other = WORDS.replace("Level (m)", "Water level (m)");
        world.manifest(&format!("release: true\n{other}"));
        world.sandbox().clear_requests();
        world
            .plan(&[])
            .exits(0)
            .tells("+ version next create")
            .tells("label `Level (m)` -> `Water level (m)`");

        world.run(&[]).exits(0);

        let writes: Vec<Operation> = world.writes().iter().map(|one| one.operation).collect();
        assert_eq!(
            writes,
            [
                Operation::CreateVersion,
                Operation::PatchVariable,
                Operation::Release
            ]
        );
        let label = |version| said_in(&world, version, "readings", "level").label;
        assert_eq!(label("v1.0").as_deref(), Some("Level (m)"));
        assert_eq!(label("v1.1").as_deref(), Some("Water level (m)"));
        world.finds_nothing_to_do();
    });
}

#[test]
fn without_leave_to_make_a_version_words_are_a_conflict() {
    under_both(|world| {
        delivered(&world);
        world.release();
        let path = world.path("manifest.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("next_version: true", "next_version: false");
        std::fs::write(&path, text.replace("Level (m)", "Water level (m)")).unwrap();
        world.sandbox().clear_requests();

        world.run(&[]).exits(3).warns("plan/not-prepared");

        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

fn save(world: &World) -> String {
    let path = world.path("plan.ndjson").to_str().unwrap().to_owned();
    world.plan(&["-o", &path]).exits(0);
    path
}

#[test]
fn a_saved_plan_says_it_once_and_leaves_alone_what_somebody_said_since() {
    under_both(|world| {
        delivered(&world);
        world.manifest(&WORDS.replace("Level (m)", "Water level (m)"));
        let plan = save(&world);

        world.run(&["--plan", &plan]).exits(0);
        world.sandbox().clear_requests();
        world.run(&["--plan", &plan]).exits(0);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
        assert_eq!(
            label_of(&world, "level").as_deref(),
            Some("Water level (m)")
        );

        world.foreign("level", r#"{"label":"Height"}"#);
        look_until_settled(&world);
        world.sandbox().clear_requests();
        world
            .run(&["--plan", &plan])
            .exits(4)
            .tells("readings/level");
        assert!(world.writes().is_empty(), "{:?}", world.writes());
        assert_eq!(label_of(&world, "level").as_deref(), Some("Height"));
    });
}

#[test]
fn a_saved_plan_of_a_first_delivery_that_was_killed_can_be_run_again() {
    for character in [Character::Friendly, Character::Worst] {
        for number in numbers_of_words(character) {
            eprintln!("{character:?} {number}");
            let world = World::new(character);
            world.manifest(&released()).file("rows/1.csv", ROWS);
            let plan = save(&world);
            let sandbox = world.sandbox();
            let first = sandbox.next_request_number();
            sandbox.freeze(first + number, FreezePoint::AfterEffect);
            let run = world.start_run(&["-j", "1", "--plan", &plan]);
            assert!(sandbox.wait_frozen(PATIENCE));
            kill(run);
            sandbox.thaw(Thaw::Abandon);

            world.run(&["--plan", &plan]).exits(0);

            has_all_words(&world, "v1.0");
            world.sandbox().clear_requests();
            world.run(&["--plan", &plan]).exits(0);
            assert!(world.writes().is_empty(), "{:?}", world.writes());
        }
    }
}

#[test]
fn words_that_change_between_plan_and_call_are_left_alone() {
    let world = World::new(Character::Friendly);
    delivered(&world);
    world.manifest(&WORDS.replace("Level (m)", "Water level (m)"));
    let planning = u32::try_from(world.requests_of_planning()).unwrap();
    // Somebody's call has its effect when the plan is made.
    let late = Fault::LateEffect {
        after_requests: planning,
        code: Some(500),
    };
    world.faults(FaultScript::none().with(Operation::PatchVariable, Nth::Nth(1), late));
    let path = format!("/tables/{DATASET}:next.readings/variables/level");
    assert_eq!(world.http("PATCH", &path, r#"{"label":"Height"}"#).0, 500);
    assert_eq!(label_of(&world, "level").as_deref(), Some("Level (m)"));

    world.run(&[]).exits(4).tells("is not what the plan saw");

    assert_eq!(label_of(&world, "level").as_deref(), Some("Height"));
}

#[test]
fn a_variable_that_the_table_has_not_is_a_conflict_that_names_the_nearest() {
    under_both(|world| {
        let wrong = WORDS.replace(
            "      station: { description",
            "      statoin: { description",
        );
        world
            .manifest(&format!("release: true\n{wrong}"))
            .file("rows/1.csv", ROWS);

        world
            .plan(&[])
            .exits(3)
            .tells("! variable readings/statoin")
            .tells("the nearest is `station`");
        let outcome = world.run(&[]).exits(3);

        assert!(
            outcome.stderr.contains("plan/unknown-variable"),
            "{outcome:?}"
        );
        // All else is done, but nothing is released.
        assert_eq!(label_of(&world, "level").as_deref(), Some("Level (m)"));
        assert!(tags(&world).is_empty());
        world.on_manifest("verify", &[]).exits(5).tells("statoin");
    });
}

const UPLOADS: &str = "tables:
  taxa:
    merge: append
    description: |
      Accepted names

    variables:
      id: { label: Identifier, description: As in the register, value_labels: { 1: first } }
jobs:
  - name: taxa
    table: taxa
    uploads: [{ path: 'taxa*.csv' }]
";

#[test]
fn variables_of_bulk_uploads_are_described_under_tables() {
    under_both(|world| {
        world.manifest(UPLOADS).file("taxa.csv", "id\n1\n");
        world.plan(&[]).exits(0).tells("+ variable taxa/id");

        world.run(&[]).exits(0);

        let said = said_in(&world, "next", "taxa", "id");
        assert_eq!(said.label.as_deref(), Some("Identifier"));
        assert_eq!(said.value_labels, Some(labels(&[("1", "first")])));
        let description = world.table("taxa", |table| table.description.clone());
        assert_eq!(description.as_deref(), Some("Accepted names"));
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_variable_that_no_upload_brings_fails_when_the_data_is_there() {
    under_both(|world| {
        world
            .manifest(&format!(
                "release: true\n{}",
                UPLOADS.replace("id: {", "idd: {")
            ))
            .file("taxa.csv", "id\n1\n");

        world
            .run(&[])
            .exits(3)
            .tells("table `taxa` has no variable `idd`; the nearest is `id`");

        assert_eq!(world.table("taxa", |table| table.num_rows), 1);
        assert!(tags(&world).is_empty());
        // From now on the plan knows.
        world.plan(&[]).exits(3).tells("! variable taxa/idd");
    });
}

#[test]
fn words_wait_for_the_data_of_their_table() {
    under_both(|world| {
        delivered(&world);
        world
            .manifest(&WORDS.replace("Level (m)", "Water level (m)"))
            .file("rows/2.csv", "station,level,flag,plain\nc,3.5,1,z\n");
        world.sandbox().clear_requests();
        let fault = Fault::Status {
            code: 400,
            retry_after: None,
        };
        let script = FaultScript::none();
        world.faults(script.with(Operation::InsertRows, Nth::First(1000), fault));

        world.run(&[]).exits(69).tells("is not complete");

        assert_eq!(patches(&world), 0);
        assert_eq!(label_of(&world, "level").as_deref(), Some("Level (m)"));
        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(
            label_of(&world, "level").as_deref(),
            Some("Water level (m)")
        );
    });
}

#[test]
fn words_that_somebody_changes_under_a_run_hold_its_release_back() {
    let world = World::new(Character::Friendly);
    delivered(&world);
    world
        .manifest(&released())
        .file("rows/2.csv", "station,level,flag,plain\nc,3.5,1,z\n");
    let planning = u32::try_from(world.requests_of_planning()).unwrap();
    let late = Fault::LateEffect {
        after_requests: planning,
        code: Some(500),
    };
    world.faults(FaultScript::none().with(Operation::PatchVariable, Nth::Nth(1), late));
    let path = format!("/tables/{DATASET}:next.readings/variables/level");
    assert_eq!(world.http("PATCH", &path, r#"{"label":"Height"}"#).0, 500);

    world
        .run(&[])
        .exits(3)
        .tells("variable `level` of table `readings` does not have the label of the manifest");

    assert!(tags(&world).is_empty());
    world.run(&[]).exits(0);
    let said = said_in(&world, "v1.0", "readings", "level");
    assert_eq!(said.label.as_deref(), Some("Level (m)"));
}

#[test]
fn a_release_is_refused_while_words_are_not_in_place() {
    under_both(|world| {
        delivered(&world);
        world.foreign("flag", r#"{"valueLabels":[]}"#);
        look_until_settled(&world);

        world
            .on_manifest("release", &[])
            .exits(5)
            .tells("readings/flag");
        assert!(tags(&world).is_empty());

        world.manifest(&released());
        world.run(&[]).exits(0);
        has_all_words(&world, "v1.0");
    });
}

#[test]
fn words_of_a_whole_table_are_left_to_a_run_of_all_of_it() {
    under_both(|world| {
        let second = WORDS.split("jobs:\n").nth(1).unwrap();
        let second = second
            .replace("name: readings", "name: more")
            .replace("rows/*.csv", "more/*.csv");
        world
            .manifest(&format!("{WORDS}{second}"))
            .file("rows/1.csv", ROWS)
            .file("more/1.csv", "station,level,flag,plain\nc,3.5,1,z\n");

        for part in [
            ["--shard", "0/2"],
            ["--shard", "1/2"],
            ["--select", "readings"],
        ] {
            world.run(&part).exits(0);
        }
        assert_eq!(patches(&world), 0);

        world.run(&[]).exits(0);

        assert_eq!(patches(&world), 3);
        assert_eq!(label_of(&world, "level").as_deref(), Some("Level (m)"));
        world.finds_nothing_to_do();
    });
}

#[test]
fn variables_of_a_table_of_files_can_be_described() {
    under_both(|world| {
        let jobs = "tables:
  scans: { variables: { file_name: { label: Path } } }
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/*' }]
";
        world.manifest(jobs).file("data/a.txt", "a");
        world.run(&[]).exits(0);

        let said = said_in(&world, "next", "scans", "file_name");
        assert_eq!(said.label.as_deref(), Some("Path"));
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_description_that_is_stated_again_as_empty_is_no_change() {
    under_both(|world| {
        let jobs = WORDS.replace("description: Levels, by station", "description: ''");
        world.manifest(&jobs).file("rows/1.csv", ROWS);
        world.run(&[]).exits(0);

        world.finds_nothing_to_do();
    });
}

#[test]
fn a_table_without_rows_has_nothing_to_describe() {
    under_both(|world| {
        let jobs = format!("{WORDS}    allow_empty: true\n");
        world.manifest(&format!("release: true\n{jobs}"));

        world.run(&[]).exits(0);

        assert_eq!(patches(&world), 0);
        assert!(tags(&world).is_empty());
    });
}

/// Under answers that take and lag in other ways than either character.
#[test]
fn words_are_read_back_until_they_are_seen() {
    for lag in [1, 4, 50] {
        let world = World::with(SandboxOptions {
            behaviour: Some(Behaviour {
                variable_lag: lag,
                ..Behaviour::friendly()
            }),
            ..SandboxOptions::default()
        });
        world.manifest(&released()).file("rows/1.csv", ROWS);

        let outcome = world.run(&[]);

        if lag < 50 {
            outcome.exits(0);
            has_all_words(&world, "v1.0");
        } else {
            outcome.exits(75).tells("does not confirm it yet");
            assert!(tags(&world).is_empty());
        }
    }
}
