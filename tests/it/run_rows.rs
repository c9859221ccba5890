//! Rows: from sources on disk to exactly the stored rows, whatever goes wrong.

use std::io::Write as _;

use redivis_ingest::base::PartName;
use redivis_ingest::sandbox::{
    Behaviour, Character, Fault, FaultScript, FreezePoint, Nth, Operation, RetryAfter,
    SandboxOptions,
};

use crate::harness::{DATASET, World, under_both};

/// One job of numbers; parts of about 90 rows.
pub(crate) const NUMBERS: &str = "
jobs:
  - name: n
    table: n
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
    payload: 1KiB
";

/// A CSV file of numbers with four digits.
pub(crate) fn csv(numbers: impl IntoIterator<Item = u64>) -> String {
    let mut text = "n\n".to_owned();
    for number in numbers {
        let line = format!("{number}\n");
        text += &line;
    }
    text
}

fn gzip(parts: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let mut encoder = flate2::write::GzEncoder::new(&mut out, flate2::Compression::fast());
        encoder.write_all(part.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }
    out
}

/// Nothing to do, and nothing done.
#[track_caller]
pub(crate) fn settles(world: &World) {
    world.sandbox().clear_requests();
    world.run(&[]).exits(0).says("Nothing to do");
    assert!(world.writes().is_empty(), "{:?}", world.writes());
}

#[test]
fn every_kind_of_source_becomes_exactly_its_rows() {
    under_both(|world| {
        world
            .manifest(
                "
jobs:
  - name: readings
    table: readings
    rows:
      - csv: rows/*.csv
      - csv: rows/*.csv.gz
      - ndjson: rows/*.ndjson.zst
      - json: rows/all.json
    schema: { id: integer, word: string }
",
            )
            .file("rows/a.csv", "id,word\n1,\"a,\"\"b\"\"\n\"\n")
            .file("rows/b.csv.gz", gzip(&["id,word\n2,x\n", "3,y\n"]))
            .file(
                "rows/c.ndjson.zst",
                zstd::encode_all(
                    &b"{\"id\":4,\"word\":null}\n{\"word\":\"z\",\"id\":5}\n"[..],
                    1,
                )
                .unwrap(),
            )
            .file(
                "rows/all.json",
                r#"[{"id":6,"word":"ü"},{"id":7,"word":"\u0001"}]"#,
            );

        world
            .run(&[])
            .exits(0)
            .says("everything was sent and verified");

        let mut rows = world.rows("readings");
        rows.sort();
        assert_eq!(
            rows,
            [
                r#"{"id":1,"word":"a,\"b\"\n"}"#,
                r#"{"id":2,"word":"x"}"#,
                r#"{"id":3,"word":"y"}"#,
                r#"{"id":4,"word":null}"#,
                r#"{"id":5,"word":"z"}"#,
                r#"{"id":6,"word":"ü"}"#,
                r#"{"id":7,"word":"\u0001"}"#,
            ]
        );
        settles(&world);
    });
}

#[test]
fn the_rows_of_large_sources_are_sent_from_several_places_at_once() {
    let world = World::new(Character::Friendly);
    world.manifest(
        "
jobs:
  - name: long
    table: long
    rows:
      - csv: rows/*.csv
      - csv: rows/*.csv.gz
      - ndjson: rows/*.ndjson
      - json: rows/*.json
    schema: { id: integer, word: string }
    payload: 1MiB
",
    );
    let (each, word) = (14, "x".repeat(700_000));
    let lines = |from: u64, line: &dyn Fn(u64) -> String, between: &str| {
        let lines: Vec<String> = (from..from + each).map(line).collect();
        lines.join(between)
    };
    let cells = |id: u64| format!("{id},{word}");
    let object = |id: u64| format!("{{\"id\":{id},\"word\":\"{word}\"}}");
    world
        .file(
            "rows/a.csv",
            format!("id,word\n{}\n", lines(0, &cells, "\n")),
        )
        .file(
            "rows/b.csv.gz",
            gzip(&["id,word\n", &lines(each, &cells, "\n")]),
        )
        .file("rows/c.ndjson", lines(2 * each, &object, "\n"))
        .file(
            "rows/d.json",
            format!("[{}]", lines(3 * each, &object, ",\n")),
        );

    world
        .run(&[])
        .exits(0)
        .says("everything was sent and verified");

    assert_eq!(world.upload_names("long").len() as u64, 4 * each);
    let sent = world.requests_of(Operation::InsertRows).len();
    assert_eq!(sent as u64, 4 * each, "a part was sent twice");
    let mut stored = world.rows("long");
    let mut wanted: Vec<String> = (0..4 * each).map(object).collect();
    stored.sort();
    wanted.sort();
    assert!(stored == wanted, "other rows than those of the sources");
    settles(&world);
}

#[test]
fn values_are_stored_in_the_form_of_their_type() {
    under_both(|world| {
        world
            .manifest(
                r#"
jobs:
  - name: typed
    table: typed
    rows: [{ csv: 'r_*.csv' }]
    schema:
      day: { type: date, from_path: "r_{}.csv", format: "%Y-%m-%d" }
      at: { type: dateTime, from: Time, format: epoch_ms }
      f: { type: float, from: "Value (mg/l)", null_markers: ["", "NA"], decimal: "," }
      flag: { type: boolean, true_values: ["Y"], false_values: ["N"] }
      t: time
      g: geography
      who: { type: string, value: me }
      i: integer
"#,
            )
            .file(
                "r_2026-02-28.csv",
                "Time,Value (mg/l),flag,t,g,i\n0,\"1,5\",Y,01:02:03.5,POINT(1 2),-9007199254740991\n1700000000123,NA,N,23:59:59,,0\n",
            );

        world.run(&[]).exits(0);

        assert_eq!(
            world.rows("typed"),
            [
                r#"{"day":"2026-02-28","at":"1970-01-01T00:00:00","f":1.5,"flag":true,"t":"01:02:03.5","g":"POINT(1 2)","who":"me","i":-9007199254740991}"#,
                r#"{"day":"2026-02-28","at":"2023-11-14T22:13:20.123","f":null,"flag":false,"t":"23:59:59","g":null,"who":"me","i":0}"#,
            ]
        );
        settles(&world);
    });
}

#[test]
fn a_schema_file_says_the_same_as_the_manifest() {
    under_both(|world| {
        world
            .manifest(
                "
jobs:
  - { name: n, table: n, rows: [{ csv: a.csv }], schema: { file: schema.yaml } }
",
            )
            .file("schema.yaml", "n: integer\n")
            .file("a.csv", csv(1000..1003));

        world.run(&[]).exits(0);

        assert_eq!(world.numbers("n"), [1000, 1001, 1002]);
    });
}

#[test]
fn an_inferred_schema_is_bound_by_the_table_s_types() {
    under_both(|world| {
        let job = "
jobs:
  - { name: n, table: n, rows: [{ csv: '*.csv' }], schema: infer }
";
        world.manifest(job).file("a.csv", "code,x\n01,1.5\n");
        world.run(&[]).exits(0);
        assert_eq!(world.rows("n"), [r#"{"code":"01","x":1.5}"#]);

        // Alone these would be integers; the table says otherwise.
        world.remove("a.csv").file("b.csv", "code,x\n2,3\n");
        world.run(&[]).exits(0);

        assert_eq!(
            world.rows("n"),
            [r#"{"code":"01","x":1.5}"#, r#"{"code":"2","x":3}"#]
        );
    });
}

#[test]
fn rejects_within_the_limit_are_counted_and_told() {
    under_both(|world| {
        world
            .manifest(
                "
jobs:
  - name: n
    table: n
    rows: [{ csv: a.csv }]
    schema: { n: integer }
    rejects: { max: 2 }
",
            )
            .file("a.csv", "n\n1\nx\n2\n9223372036854775808\n3\n");

        let outcome = world.run(&["--format", "json"]).exits(0);

        assert_eq!(world.numbers("n"), [1, 2, 3]);
        assert!(
            outcome.last_line().to_string().contains("\"rejects\":2"),
            "{}",
            outcome.last_line()
        );
        let rejects = world.rejects();
        assert_eq!(rejects.len(), 2);
        assert_eq!(rejects[0]["file"], "a.csv");
        assert_eq!(rejects[0]["line"], 3);
        assert_eq!(rejects[0]["column"], "n");
        assert_eq!(rejects[0]["value"], "x");
        assert!(
            rejects[0]["why"]
                .as_str()
                .is_some_and(|why| !why.is_empty())
        );
        assert_eq!(rejects[1]["line"], 5);

        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        assert!(world.writes().is_empty());
    });
}

#[test]
fn one_reject_too_many_and_nothing_of_the_job_is_sent() {
    under_both(|world| {
        world
            .manifest(
                "
jobs:
  - name: bad
    table: bad
    rows: [{ csv: '*.csv' }]
    schema: { n: integer }
    rejects: { max: 1 }
  - name: good
    table: good
    rows: [{ csv: '*.csv' }]
    schema: { n: string }
",
            )
            .file("a.csv", "n\n1\nx\n")
            .file("b.csv", "n\ny\n");

        world.run(&[]).exits(3).says("rejects");

        assert!(
            world
                .inspect()
                .table("demo.survey", "next", "bad")
                .is_none(),
            "the table was created for nothing"
        );
        assert_eq!(world.rows("good").len(), 3);
        assert_eq!(world.rejects().len(), 2);
    });
}

#[test]
fn another_payload_memory_or_width_sends_nothing_again() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1300));
        world.run(&[]).exits(0);
        let before = world.upload_names("n");
        assert_eq!(before.len(), 4, "{before:?}");

        for (payload, args) in [
            ("64KiB", &["--max-memory", "64MiB"][..]),
            ("2KiB", &["-j", "1"]),
            ("32MiB", &["-j", "3", "--state-dir", "none"]),
        ] {
            world.manifest(&NUMBERS.replace("1KiB", payload));
            world.forget_state().sandbox().clear_requests();
            world.run(args).exits(0).says("Nothing to do");
            assert!(world.writes().is_empty(), "{payload}: {:?}", world.writes());
        }
        assert_eq!(world.upload_names("n"), before);
    });
}

#[test]
fn a_log_that_grew_sends_its_tail_only() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1300));
        world.run(&[]).exits(0);
        let before = world.upload_names("n");

        world.file("rows/a.csv", csv(1000..1310));
        world.forget_state().sandbox().clear_requests();
        world.run(&["--max-memory", "64MiB"]).exits(0);

        let inserts = world.requests_of(Operation::InsertRows);
        assert_eq!(inserts.len(), 1);
        assert_eq!(inserts[0].body_bytes, 10 * 10 + 9 + 11);
        assert!(world.requests_of(Operation::DeleteUpload).is_empty());
        let after = world.upload_names("n");
        assert!(before.iter().all(|name| after.contains(name)));
        assert_eq!(
            world.parts("n").last().map(|one| (one.1, one.2)),
            Some((300, 10))
        );
        assert_eq!(world.numbers("n"), (1000..1310).collect::<Vec<_>>());
        settles(&world);
    });
}

#[test]
fn a_row_in_the_middle_changes_only_the_parts_behind_it_and_the_old_ones_go_last() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1300));
        world.run(&[]).exits(0);
        let before = world.upload_names("n");
        let head = world.parts("n")[0].2;

        let numbers = || (1000..1150).chain([9999]).chain(1150..1300);
        world.file("rows/a.csv", csv(numbers()));
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);

        let after = world.upload_names("n");
        let kept: Vec<_> = before.iter().filter(|name| after.contains(name)).collect();
        assert_eq!(kept.len(), 1, "the part before the new row stays");
        assert_eq!(
            PartName::parse(kept[0]).map(|name| name.identity.rows),
            Some(head)
        );
        let mut wanted: Vec<u64> = numbers().collect();
        wanted.sort_unstable();
        assert_eq!(world.numbers("n"), wanted);
        let deletes = world.requests_of(Operation::DeleteUpload);
        assert_eq!(deletes.len(), before.len() - 1);
        let last_insert = world
            .requests_of(Operation::InsertRows)
            .last()
            .unwrap()
            .number;
        let listed_between = world
            .requests_of(Operation::ListUploads)
            .iter()
            .any(|list| list.number > last_insert && list.number < deletes[0].number);
        assert!(
            listed_between,
            "deleted before the new parts were confirmed"
        );
        settles(&world);
    });
}

#[test]
fn a_changed_source_is_refused_when_the_job_says_so() {
    under_both(|world| {
        let jobs = NUMBERS.replace("payload: 1KiB", "payload: 1KiB\n    on_change: fail");
        world.manifest(&jobs).file("rows/a.csv", csv(1000..1200));
        world.run(&[]).exits(0);
        let before = world.upload_names("n");

        world.file("rows/a.csv", csv(1001..1200));
        world.sandbox().clear_requests();
        world.run(&[]).exits(3);

        assert!(world.writes().is_empty(), "{:?}", world.writes());
        assert_eq!(world.upload_names("n"), before);
        // Growth is no change of what is there.
        world.file("rows/a.csv", csv(1000..1210));
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (1000..1210).collect::<Vec<_>>());
    });
}

#[test]
fn a_renamed_source_is_unchanged_and_sends_nothing() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1200));
        world.run(&[]).exits(0);

        world
            .remove("rows/a.csv")
            .file("rows/b.csv", csv(1000..1200));
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        world
            .plan(&["--format", "ndjson", "--all"])
            .exits(0)
            .says("renamed");
        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

#[test]
fn a_renamed_source_that_grows_run_after_run_sends_its_tails_only() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1200));
        world.run(&[]).exits(0);

        world.remove("rows/a.csv");
        for end in [1210, 1220, 1230] {
            world.file("rows/b.csv", csv(1000..end));
            world.sandbox().clear_requests();
            world.run(&[]).exits(0);
            assert_eq!(world.requests_of(Operation::InsertRows).len(), 1);
            assert_eq!(world.numbers("n"), (1000..end).collect::<Vec<_>>());
        }
        settles_with_renames(&world);
    });
}

#[track_caller]
fn settles_with_renames(world: &World) {
    world.sandbox().clear_requests();
    world.run(&[]).exits(0);
    assert!(world.writes().is_empty(), "{:?}", world.writes());
}

#[test]
fn two_copies_of_a_vanished_source_are_not_both_its_rename() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1100));
        world.run(&[]).exits(0);

        world
            .remove("rows/a.csv")
            .file("rows/b.csv", csv(1000..1100))
            .file("rows/c.csv", csv(1000..1100));
        world.run(&[]).exits(0);

        let mut wanted: Vec<u64> = (1000..1100).chain(1000..1100).collect();
        wanted.sort_unstable();
        assert_eq!(world.numbers("n"), wanted);
        settles_with_renames(&world);
    });
}

#[test]
fn a_vanished_source_is_kept_deleted_or_refused_as_the_job_says() {
    under_both(|world| {
        world
            .manifest(NUMBERS)
            .file("rows/a.csv", csv(1000..1100))
            .file("rows/b.csv", csv(2000..2100));
        world.run(&[]).exits(0);
        world.remove("rows/a.csv");

        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        assert!(world.writes().is_empty());

        world.manifest(&format!("{NUMBERS}    on_missing: fail\n"));
        world.run(&[]).exits(3);
        assert!(world.writes().is_empty());

        world.manifest(&format!("{NUMBERS}    on_missing: delete\n"));
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (2000..2100).collect::<Vec<_>>());
        settles(&world);
    });
}

#[test]
fn a_source_without_rows_is_a_conflict_while_the_remote_holds_its_rows() {
    under_both(|world| {
        world
            .manifest(NUMBERS)
            .file("rows/a.csv", csv(1000..1100))
            .file("rows/b.csv", csv(2000..2100));
        world.run(&[]).exits(0);
        let before = world.upload_names("n");

        world.file("rows/a.csv", "n\n");
        world.sandbox().clear_requests();
        world.run(&[]).exits(3).says("no rows");
        assert!(world.writes().is_empty());
        assert_eq!(world.upload_names("n"), before);

        world.manifest(&format!("{NUMBERS}    allow_empty: true\n"));
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (2000..2100).collect::<Vec<_>>());
        settles(&world);
    });
}

/// Runs once under a fault in `insertRows` (or another call) and asserts that all
/// rows are there exactly once, in as many calls.
fn once_despite(operation: Operation, nth: Nth, fault: &Fault) {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1300));
        world.faults(FaultScript::none().with(operation, nth, fault.clone()));
        world
            .run(&[])
            .exits(0)
            .says("everything was sent and verified");
        world.faults(FaultScript::none());

        assert_eq!(
            world.numbers("n"),
            (1000..1300).collect::<Vec<_>>(),
            "{fault:?}"
        );
        // What came late is found by the next run at the latest.
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (1000..1300).collect::<Vec<_>>());
        settles(&world);
    });
}

#[test]
fn rows_arrive_once_when_the_answer_is_lost_after_the_effect() {
    once_despite(Operation::InsertRows, Nth::First(2), &Fault::CutAfterEffect);
}

#[test]
fn rows_arrive_once_when_the_connection_is_cut_before_the_effect() {
    once_despite(
        Operation::InsertRows,
        Nth::First(2),
        &Fault::CutBeforeEffect,
    );
}

#[test]
fn rows_arrive_once_when_the_effect_is_late() {
    for code in [None, Some(500)] {
        once_despite(
            Operation::InsertRows,
            Nth::Every(3),
            &Fault::LateEffect {
                after_requests: 2,
                code,
            },
        );
    }
}

#[test]
fn rows_arrive_once_when_the_status_lies() {
    for code in [500, 502, 503, 504] {
        once_despite(
            Operation::InsertRows,
            Nth::Nth(2),
            &Fault::StatusAfterEffect { code },
        );
    }
}

#[test]
fn rows_arrive_once_when_the_answer_breaks_off() {
    once_despite(
        Operation::InsertRows,
        Nth::Nth(1),
        &Fault::TruncateAnswer { bytes: 10 },
    );
}

#[test]
fn rows_arrive_once_when_creating_an_upload_is_in_doubt() {
    for fault in [
        Fault::CutAfterEffect,
        Fault::CutBeforeEffect,
        Fault::StatusAfterEffect { code: 500 },
        Fault::LateEffect {
            after_requests: 1,
            code: None,
        },
        Fault::LateEffect {
            after_requests: 6,
            code: Some(503),
        },
    ] {
        once_despite(Operation::CreateUpload, Nth::First(2), &fault);
    }
}

#[test]
fn a_busy_server_is_waited_for_in_every_form_of_retry_after() {
    for retry_after in [
        RetryAfter::Seconds(1),
        RetryAfter::HttpDate(1),
        RetryAfter::Epoch(1),
        RetryAfter::EpochMs(1),
    ] {
        under_both(|world| {
            world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
            world.faults(FaultScript::none().with(
                Operation::InsertRows,
                Nth::First(2),
                Fault::Status {
                    code: 429,
                    retry_after: Some(retry_after),
                },
            ));
            world.run(&[]).exits(0);

            // In place: one upload, and no other was made.
            assert_eq!(world.requests_of(Operation::CreateUpload).len(), 1);
            assert_eq!(world.requests_of(Operation::InsertRows).len(), 3);
            assert_eq!(world.numbers("n").len(), 50);
        });
    }
}

#[test]
fn a_part_that_never_succeeds_leaves_nothing_behind_and_the_next_run_sends_it() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::First(1000),
            Fault::StatusAfterEffect { code: 500 },
        ));
        world.run(&[]).exits(75);
        assert_eq!(world.requests_of(Operation::InsertRows).len(), 3);
        assert!(world.upload_names("n").is_empty());

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n").len(), 50);
    });
}

#[test]
fn a_name_that_comes_back_changed_means_another_writer() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.faults(FaultScript::none().with(
            Operation::CreateUpload,
            Nth::Nth(1),
            Fault::RenameUpload,
        ));

        world.run(&[]).exits(6).says("another writer");

        assert!(world.upload_names("n").is_empty(), "it was not cleaned up");
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n").len(), 50);
    });
}

#[test]
fn a_wrong_count_is_sent_again() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::First(1),
            Fault::WrongCount,
        ));
        world.run(&[]).exits(0);
        assert_eq!(world.requests_of(Operation::InsertRows).len(), 2);
        assert_eq!(world.numbers("n"), (1000..1050).collect::<Vec<_>>());

        world.file("rows/b.csv", csv(2000..2050));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::First(99),
            Fault::WrongCount,
        ));
        world.run(&[]).exits(5);
        assert_eq!(world.numbers("n"), (1000..1050).collect::<Vec<_>>());
    });
}

#[test]
fn a_run_that_is_killed_anywhere_ends_with_each_row_once() {
    under_both(|world| {
        // How many requests a whole run makes.
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1200));
        let count = world.count_requests(|| {
            world.run(&["-j", "2"]).exits(0);
        });
        let base = world.numbers("n");
        assert_eq!(base.len(), 200);

        let mut start = 2000;
        for (step, nth) in (0..count).step_by(3).enumerate() {
            let at = if step % 2 == 0 {
                FreezePoint::AfterEffect
            } else {
                FreezePoint::BeforeEffect
            };
            world.file(&format!("rows/b{step}.csv"), csv(start..start + 150));
            let killed = world.kill_run_at(nth, at, &["-j", "2"]);
            if step % 3 == 0 {
                world.forget_state();
            }
            world.run(&[]).exits(0);
            start += 150;
            let wanted: Vec<u64> = (1000..1200).chain(2000..start).collect();
            assert_eq!(world.numbers("n"), wanted, "killed at request {nth}");
            if !killed {
                break;
            }
        }
        world.run(&[]).exits(0);
        settles(&world);
    });
}

#[test]
fn rows_of_a_killed_run_that_are_not_counted_yet_are_not_sent_again() {
    let behaviour = Behaviour {
        num_rows_lag: 3,
        ..Behaviour::friendly()
    };
    let new_world = || {
        let world = World::with(SandboxOptions {
            behaviour: Some(behaviour.clone()),
            ..SandboxOptions::default()
        });
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world
    };
    let world = new_world();
    let first = world.sandbox().next_request_number();
    world.run(&["-j", "1"]).exits(0);
    let next = world.requests_of(Operation::InsertRows)[0].number - first + 1;
    let world = new_world();
    assert!(world.kill_run_at(next, FreezePoint::BeforeEffect, &["-j", "1"]));
    assert_eq!(world.requests_of(Operation::InsertRows).len(), 1);

    world.run(&[]).exits(0);

    assert_eq!(world.requests_of(Operation::InsertRows).len(), 1);
    assert_eq!(world.numbers("n"), (1000..1050).collect::<Vec<_>>());
}

#[test]
fn an_unfinished_attempt_is_deleted_and_sent_again() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.run(&[]).exits(0);
        let name = world.upload_names("n").remove(0);
        let identity = PartName::parse(&name).unwrap().identity;
        let (status, _) = {
            let uri = World::table_uri("n");
            world.http("DELETE", &format!("{uri}/uploads/{name}"), "")
        };
        assert_eq!(status, 200);
        // Its ghost leaves the list.
        for _ in 0..3 {
            let uri = World::table_uri("n");
            world.http("GET", &format!("{uri}/uploads"), "");
        }
        let left = identity.attempt(7).to_string();
        world.put_stream(
            "n",
            &left,
            r#"[{"name":"n","type":"integer"}]"#,
            r#"[{"n":1000}]"#,
        );

        // It is no change of the source, so that a job that refuses changes sends too.
        world.manifest(&format!("{NUMBERS}    on_change: fail\n"));
        world.run(&[]).exits(0);

        let names = world.upload_names("n");
        assert_eq!(names.len(), 1);
        assert_ne!(names[0], left);
        assert_eq!(world.numbers("n"), (1000..1050).collect::<Vec<_>>());
    });
}

#[test]
fn a_deleted_upload_is_seen_to_be_gone_before_it_is_called_deleted() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.run(&[]).exits(0);
        world.file("rows/a.csv", csv(2000..2050));
        world.sandbox().clear_requests();

        world.run(&[]).exits(0);

        let deleted = world.requests_of(Operation::DeleteUpload).remove(0);
        let requests = world.sandbox().requests();
        let mut later = requests
            .iter()
            .filter(|one| one.number > deleted.number && one.path == deleted.path);
        assert!(later.any(|one| one.status == 404), "{requests:#?}");
    });
}

#[test]
fn of_two_complete_attempts_the_smaller_name_stays() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1003));
        world.run(&[]).exits(0);
        let first = world.upload_names("n").remove(0);
        let identity = PartName::parse(&first).unwrap().identity;
        let second = identity.attempt(0).to_string();
        assert!(second < first);
        let rows = r#"[{"n":1000},{"n":1001},{"n":1002}]"#;
        world.put_stream("n", &second, r#"[{"name":"n","type":"integer"}]"#, rows);
        let foreign = world.put_stream("n", "someone", r#"[{"name":"n","type":"integer"}]"#, rows);
        // Let the count come up.
        for _ in 0..3 {
            let uri = World::table_uri("n");
            world.http("GET", &format!("{uri}/uploads"), "");
        }

        world.run(&[]).exits(0);

        let names = world.upload_names("n");
        assert_eq!(names, [second, "someone".to_owned()], "{foreign}");
        settles(&world);
    });
}

#[test]
fn a_count_that_never_comes_is_unverified_and_the_next_run_settles_it() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::First(1),
            Fault::LagNumRows { reads: 100_000 },
        ));
        let outcome = world.run(&["--format", "json"]).exits(75);
        assert!(
            outcome.last_line().to_string().contains("unverified"),
            "{}",
            outcome.last_line()
        );
        assert!(world.requests_of(Operation::DeleteUpload).is_empty());
        assert_eq!(world.numbers("n").len(), 50);

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (1000..1050).collect::<Vec<_>>());
        settles(&world);
    });
}

#[test]
fn a_count_that_lags_is_waited_for() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1200));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::First(99),
            Fault::LagNumRows { reads: 6 },
        ));
        world
            .run(&[])
            .exits(0)
            .says("everything was sent and verified");
        assert!(world.requests_of(Operation::DeleteUpload).is_empty());
        assert_eq!(world.numbers("n").len(), 200);
    });
}

#[test]
fn old_parts_stay_while_a_new_one_is_not_confirmed() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.run(&[]).exits(0);
        let before = world.upload_names("n");
        world.file("rows/a.csv", csv(1001..1051));
        world.faults(FaultScript::none().with(
            Operation::InsertRows,
            Nth::First(1),
            Fault::LagNumRows { reads: 100_000 },
        ));
        world.run(&[]).exits(75);
        assert!(world.upload_names("n").contains(&before[0]));

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (1001..1051).collect::<Vec<_>>());
        settles(&world);
    });
}

#[test]
fn a_type_that_the_table_has_otherwise_is_refused_by_name() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.run(&[]).exits(0);

        world
            .manifest(&NUMBERS.replace("n: integer", "n: string"))
            .file("rows/b.csv", csv(2000..2050));
        world.sandbox().clear_requests();
        world.run(&[]).exits(3).says("`n`").says("integer");
        assert!(world.writes().is_empty());

        world
            .manifest(&NUMBERS.replace("{ n: integer }", "{ n: integer, extra: string }"))
            .file("rows/a.csv", "n,extra\n1000,x\n")
            .remove("rows/b.csv");
        world.run(&[]).exits(3).says("`extra`");
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_source_that_changes_under_the_run_is_drifted_and_its_old_parts_stay() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1050));
        world.run(&[]).exits(0);
        let before = world.upload_names("n");
        world.file("rows/a.csv", csv(2000..2050));
        let insert = world.sandbox().next_request_number();
        // Hold the run at its first write: it has planned by then.
        let planning = world.count_requests(|| {
            world.plan(&[]).exits(0);
        });
        let number = world.sandbox().next_request_number() + planning;
        world.sandbox().freeze(number, FreezePoint::BeforeEffect);
        let child = world.start_run(&[]);
        assert!(
            world
                .sandbox()
                .wait_frozen(std::time::Duration::from_secs(20))
        );
        world.file("rows/a.csv", csv(3000..3070));
        world.sandbox().thaw(redivis_ingest::sandbox::Thaw::Apply);
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(4),
            "{insert} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(world.upload_names("n"), before);
        world.run(&[]).exits(0);
        assert_eq!(world.numbers("n"), (3000..3070).collect::<Vec<_>>());
    });
}

#[test]
fn what_the_platform_renamed_for_a_killed_run_is_deleted() {
    under_both(|world| {
        world.manifest(NUMBERS).file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        let names = world.upload_names("n");
        world.put_stream(
            "n",
            &format!("{}_1", names[0]),
            r#"[{"name":"n","type":"integer"}]"#,
            "",
        );
        world.manifest(&format!("release: true\n{NUMBERS}"));
        world.forget_state();

        world.run(&[]).exits(0);

        let deleted = world.requests_of(Operation::DeleteUpload);
        assert_eq!(deleted.len(), 1);
        let seen = world.inspect();
        assert_eq!(seen.table(DATASET, "v1.0", "n").unwrap().num_rows, 10);
    });
}
