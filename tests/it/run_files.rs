//! Running files: what is sent arrives whole, once, and is verified.

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{
    Behaviour, Character, Fault, FaultScript, Nth, Operation, SandboxOptions,
};

use crate::harness::{SCANS, World, has_one_draft, item, noise, under_both};

fn attach(nth: Nth, fault: Fault) -> FaultScript {
    FaultScript::none().with(Operation::AttachFiles, nth, fault)
}

fn refused() -> Fault {
    Fault::Status {
        code: 400,
        retry_after: None,
    }
}

#[test]
fn names_and_sizes_of_all_kinds_arrive_whole() {
    let large = noise(1, 3_000_000);
    let files: Vec<(&str, &[u8])> = vec![
        ("100%25 sure?.txt", b"percent"),
        (".hidden", b"hidden"),
        ("a b/c d.txt", b"spaces"),
        ("empty", b""),
        ("large.bin", &large),
        ("plus+and&more=#1.txt", b"query"),
        ("quote\"s'.txt", b"quotes"),
        ("ümläut/文件.txt", b"unicode"),
    ];
    under_both(|world| {
        world.manifest(SCANS);
        for (name, content) in &files {
            world.file(&format!("data/{name}"), content);
        }

        let (outcome, report) = world.run_reported(&[]);

        outcome.exits(0).says("everything was sent and verified");
        world.holds("scans", &files);
        has_one_draft(&world);
        assert_eq!(report["plan_accuracy"]["share"], 1.0, "{report:#}");
        assert_eq!(report["totals"]["files"], files.len());
        for (name, content) in &files {
            let end = item(&report, name);
            assert_eq!(end["end"], "verified");
            assert_eq!(end["class"], "new");
            assert_eq!(end["md5"], Md5Digest::of(content).to_string());
            assert_eq!(end["bytes"], content.len());
            assert_eq!(end["bytes_sent"], content.len());
            assert_eq!(end["attempts"], 1);
            assert!(end["remote_id"].is_string());
        }
        assert_eq!(world.inspect().tokens_on_storage, 0);

        world.finds_nothing_to_do();
        world.forget_state().finds_nothing_to_do();
    });
}

#[test]
fn names_stored_on_disk_in_another_unicode_form_are_sent_composed() {
    under_both(|world| {
        world.manifest(SCANS).file("data/cafe\u{301}.txt", "x");

        world.run(&[]).exits(0);

        assert_eq!(world.names("scans"), ["caf\u{e9}.txt"]);
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_prefix_and_a_base_make_the_remote_name() {
    under_both(|world| {
        world
            .manifest(
                "
jobs:
  - name: scans
    table: scans
    files:
      - { glob: 'data/scans/**/*.tif', base: data, prefix: '2026/' }
      - { glob: 'data/scans/**/*.txt' }
      - { path: data/read me.md, prefix: 'docs/' }
    exclude: ['**/tmp/*']
",
            )
            .file("data/scans/a/1.tif", "1")
            .file("data/scans/a/tmp/2.tif", "2")
            .file("data/scans/a/note.txt", "3")
            .file("data/read me.md", "4");

        world.run(&[]).exits(0);

        world.holds(
            "scans",
            &[
                ("2026/scans/a/1.tif", b"1"),
                ("a/note.txt", b"3"),
                ("docs/read me.md", b"4"),
            ],
        );
    });
}

#[test]
fn two_thousand_five_hundred_files_go_in_batches_over_few_connections() {
    send_many(&World::new(Character::Friendly));
}

#[test]
fn many_files_go_in_the_batches_that_the_worst_server_takes() {
    send_many(&World::new(Character::Worst));
}

fn send_many(world: &World) {
    world.manifest(SCANS);
    for number in 0..2500 {
        world.file(
            &format!("data/{:02}/{number}.txt", number % 50),
            number.to_string(),
        );
    }

    let (outcome, report) = world.run_reported(&["-j", "8"]);

    outcome.exits(0);
    assert_eq!(report["totals"]["files"], 2500);
    assert_eq!(report["totals"]["failed"], 0);
    assert_eq!(world.names("scans").len(), 2500);
    assert_eq!(world.stored("scans", "17/1017.txt"), b"1017");
    assert_eq!(world.asked(Operation::PutFile).len(), 2500);
    let refused = world.asked(Operation::AttachFiles).len() - world.attached().len();
    assert_eq!(refused, 0);
    assert!(world.attached().len() <= 5);
    let connections = world.inspect().connections;
    assert!(connections <= 8 + 8, "{connections} connections");
    world.finds_nothing_to_do();
}

#[test]
fn a_server_that_takes_few_files_in_one_call_gets_smaller_calls() {
    let world = World::with(SandboxOptions {
        behaviour: Some(Behaviour {
            max_entries_per_call: 200,
            ..Behaviour::of(Character::Worst)
        }),
        ..SandboxOptions::default()
    });
    world.manifest(SCANS);
    for number in 0..700 {
        world.file(&format!("data/{number}"), number.to_string());
    }

    world.run(&[]).exits(0);

    assert_eq!(world.names("scans").len(), 700);
    assert_eq!(world.asked(Operation::PutFile).len(), 700);
    let statuses = |operation| {
        let calls = world.asked(operation);
        let good = calls.iter().filter(|call| call.status < 300).count();
        (good, calls.len() - good)
    };
    // 700, the same under other names, and both halves of 350 are refused.
    assert_eq!(statuses(Operation::CreateTempUploads), (4, 4));
    // What was learned there holds here.
    assert_eq!(statuses(Operation::AttachFiles), (4, 0));
}

#[test]
fn a_repeated_call_for_temp_uploads_does_not_fail_by_names_it_took_itself() {
    let world = World::with(SandboxOptions {
        behaviour: Some(Behaviour {
            max_entries_per_call: 3,
            ..Behaviour::of(Character::Worst)
        }),
        ..SandboxOptions::default()
    });
    world.manifest(SCANS);
    for number in 0..4 {
        world.file(&format!("data/{number}"), number.to_string());
    }
    // Four are too many, under other names too; the call for the first two is
    // answered by 503, takes its names nevertheless, and is repeated.
    world.faults(FaultScript::none().with(
        Operation::CreateTempUploads,
        Nth::Nth(3),
        Fault::StatusAfterEffect { code: 503 },
    ));

    world.run(&[]).exits(0);

    assert_eq!(world.names("scans"), ["0", "1", "2", "3"]);
    world.finds_nothing_to_do();
}

#[test]
fn a_changed_file_takes_the_place_of_the_old_one() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "old")
            .file("data/b", "stays")
            .file("data/c", "longer");
        world.run(&[]).exits(0);
        world.file("data/a", "new").file("data/c", "short");

        let (outcome, report) = world.run_reported(&[]);

        outcome.exits(0);
        world.holds("scans", &[("a", b"new"), ("b", b"stays"), ("c", b"short")]);
        assert_eq!(report["totals"]["files"], 2);
        assert_eq!(item(&report, "a")["reason"], "other_md5");
        assert_eq!(item(&report, "c")["reason"], "other_size");
        assert_eq!(report["plan_accuracy"]["share"], 1.0);
        world.finds_nothing_to_do();
    });
}

#[test]
fn what_was_released_is_not_sent_again() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        world.run(&[]).exits(0);
        world.release();
        world.forget_state().finds_nothing_to_do();
        world.file("data/c", "c");

        world.run(&[]).exits(0);

        assert_eq!(world.asked(Operation::PutFile).len(), 1);
        world.holds("scans", &[("a", b"a"), ("b", b"b"), ("c", b"c")]);
    });
}

#[test]
fn one_transfer_at_a_time_is_enough() {
    under_both(|world| {
        world.manifest(SCANS);
        for number in 0..40 {
            world.file(&format!("data/{number}"), noise(number, 5000));
        }

        world
            .run(&["-j", "1", "--bwlimit", "100MB", "--tpslimit", "1000"])
            .exits(0);

        assert_eq!(world.names("scans").len(), 40);
        world.finds_nothing_to_do();
    });
}

#[test]
fn large_files_without_md5_rest_on_receipts_and_are_sent_again_without() {
    let large = noise(2, 33 << 20);
    let world = World::new(Character::Worst);
    world.manifest(SCANS).file("data/large", &large);
    world.run(&[]).exits(0);
    world.table("scans", |scans| {
        assert_eq!(scans.file("large").unwrap().md5, None);
    });

    world.finds_nothing_to_do();
    let plan = world.plan(&["--format", "ndjson", "--all"]).exits(0);
    assert_eq!(plan.lines()[1]["reason"], "receipt");

    world.forget_state();
    let (outcome, report) = world.run_reported(&[]);
    outcome.exits(0);
    assert_eq!(item(&report, "large")["reason"], "unverifiable");
    assert_eq!(item(&report, "large")["bytes_sent"], large.len());
}

#[test]
fn a_receipt_is_worth_nothing_once_another_writer_put_other_bytes_there() {
    let world = World::with(SandboxOptions {
        behaviour: Some(Behaviour {
            null_md5_from_bytes: Some(0),
            ..Behaviour::of(Character::Worst)
        }),
        ..SandboxOptions::default()
    });
    world.manifest(SCANS).file("data/a", noise(3, 33 << 20));
    world.run(&[]).exits(0);

    // The same size, the same name, no MD5 to tell.
    world.foreign_session("scans", "a", &noise(4, 33 << 20));
    // Listings lag.
    world.plan(&[]).exits(0);
    world.plan(&[]).exits(0);
    let plan = world.plan(&["--format", "ndjson"]).exits(0);

    assert_eq!(plan.lines()[1]["reason"], "unverifiable", "{}", plan.stdout);
}

#[test]
fn an_answer_lost_after_attaching_attaches_nothing_twice() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        for fault in [
            Fault::CutAfterEffect,
            Fault::StatusAfterEffect { code: 502 },
            Fault::TruncateAnswer { bytes: 20 },
        ] {
            world.file("data/a", format!("{fault:?}"));
            world.faults(attach(Nth::Nth(1), fault));
            world.sandbox().clear_requests();

            let (outcome, report) = world.run_reported(&[]);

            outcome.exits(0);
            assert_eq!(world.asked(Operation::AttachFiles).len(), 1);
            assert_eq!(report["totals"]["verified"], report["totals"]["planned"]);
        }
        world.finds_nothing_to_do();
    });
}

#[test]
fn an_attaching_that_never_arrived_is_sent_again_without_the_bytes() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        world.faults(attach(Nth::Nth(1), Fault::CutBeforeEffect));

        world.run(&[]).exits(0);

        world.holds("scans", &[("a", b"a"), ("b", b"b")]);
        assert_eq!(world.asked(Operation::PutFile).len(), 2);
        assert_eq!(world.asked(Operation::AttachFiles).len(), 2);
        world.finds_nothing_to_do();
    });
}

#[test]
fn an_attaching_that_takes_effect_late_does_no_harm() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        let late = Fault::LateEffect {
            after_requests: 3,
            code: Some(504),
        };
        world.faults(attach(Nth::Nth(1), late));

        world.run(&[]).exits(0);

        world.holds("scans", &[("a", b"a"), ("b", b"b")]);
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_lost_attaching_is_not_taken_for_the_old_file_of_the_same_size() {
    let world = World::new(Character::Worst);
    world.manifest(SCANS).file("data/large", noise(5, 33 << 20));
    world.run(&[]).exits(0);
    let content = noise(6, 33 << 20);
    world.file("data/large", &content);
    world.faults(attach(Nth::Nth(1), Fault::CutBeforeEffect));

    world.run(&[]).exits(0);

    world.holds("scans", &[("large", &content)]);
}

#[test]
fn one_bad_file_does_not_hold_up_the_others() {
    under_both(|world| {
        world.manifest(SCANS);
        for name in ["a", "b", "c", "d"] {
            world.file(&format!("data/{name}"), name);
        }
        // abcd, ab, cd, c, d, and c once more with a fresh temp upload.
        let mut script = FaultScript::none();
        for call in [1, 3, 4, 6] {
            script = script.with(Operation::AttachFiles, Nth::Nth(call), refused());
        }
        world.faults(script);

        let (outcome, report) = world.run_reported(&[]);

        outcome.exits(3).warns("! file c:").says("answered 400");
        world.holds("scans", &[("a", b"a"), ("b", b"b"), ("d", b"d")]);
        let end = item(&report, "c");
        assert_eq!(end["end"], "failed");
        assert_eq!(end["attempts"], 2);
        let why = end["error"]["message"].as_str().unwrap();
        assert!(why.contains("400"), "{why}");
        for name in ["a", "b", "d"] {
            assert_eq!(item(&report, name)["end"], "verified");
        }

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_name_that_the_server_refuses_fails_alone_with_the_server_s_reason() {
    let world = World::new(Character::Worst);
    world.manifest(SCANS).file("data/first", "x");
    world.run(&[]).exits(0);
    world.foreign_file("scans", "m", b"a file where a folder should be");
    for name in ["a", "b", "m/inside", "y", "z"] {
        world.file(&format!("data/{name}"), name);
    }

    let (outcome, report) = world.run_reported(&[]);

    outcome.exits(3).says("both a file and a folder");
    for name in ["a", "b", "y", "z"] {
        assert_eq!(world.stored("scans", name), name.as_bytes());
        assert_eq!(item(&report, name)["end"], "verified");
    }
    let why = item(&report, "m/inside")["error"]["message"]
        .as_str()
        .unwrap();
    assert!(why.contains("both a file and a folder"), "{why}");
}

#[test]
fn a_refusal_of_everything_is_not_answered_with_sending_everything_again() {
    under_both(|world| {
        world.manifest(SCANS).file("data/first", "x");
        world.run(&[]).exits(0);
        world.sandbox().clear_requests();
        for number in 0..64 {
            world.file(&format!("data/{number}"), number.to_string());
        }
        world.faults(attach(Nth::After(0), refused()));

        world.run(&[]).exits(69);

        let puts = world.asked(Operation::PutFile).len();
        assert!(puts <= 64 + 2, "{puts} transfers");
        let calls = world.asked(Operation::AttachFiles).len();
        assert!(calls <= 10, "{calls} calls");
    });
}

#[test]
fn bytes_that_were_stored_wrong_are_sent_again_once_and_then_reported() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        let wrong = |operation, nth| FaultScript::none().with(operation, nth, Fault::WrongMd5);

        // The first time only: at the storage, then at the table.
        world.faults(wrong(Operation::PutFile, Nth::Nth(1)));
        world.run(&[]).exits(0);
        world.holds("scans", &[("a", b"a"), ("b", b"b")]);
        world.file("data/a", "other").file("data/b", "others");
        world.faults(wrong(Operation::AttachFiles, Nth::Nth(1)));
        let (outcome, report) = world.run_reported(&[]);
        outcome.exits(0);
        assert_eq!(item(&report, "a")["attempts"], 2);
        world.holds("scans", &[("a", b"other"), ("b", b"others")]);

        // Always.
        world.file("data/a", "third");
        world.faults(wrong(Operation::AttachFiles, Nth::After(0)));
        let (outcome, report) = world.run_reported(&[]);
        outcome.exits(5);
        let end = item(&report, "a");
        assert_eq!(end["end"], "failed");
        assert_eq!(end["error"]["kind"], "mismatch");
        let md5 = Md5Digest::of(b"third").to_string();
        let why = end["error"]["message"].as_str().unwrap();
        assert!(why.contains(&md5), "{why}");
    });
}

#[test]
fn bytes_that_the_storage_damages_each_time_are_never_registered() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a", "a");
        let script = FaultScript::none().with(Operation::PutFile, Nth::After(0), Fault::WrongMd5);
        world.faults(script);

        world.run(&[]).exits(5);

        assert_eq!(world.names("scans"), [""; 0]);
        assert_eq!(world.asked(Operation::PutFile).len(), 2);
    });
}

#[test]
fn a_put_that_was_answered_without_being_stored_is_found_out() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        let lie = Fault::Status {
            code: 200,
            retry_after: None,
        };
        world.faults(FaultScript::none().with(Operation::PutFile, Nth::Nth(1), lie));

        world.run(&[]).exits(0);

        world.holds("scans", &[("a", b"a"), ("b", b"b")]);
    });
}

#[test]
fn small_files_survive_what_a_network_does() {
    under_both(|world| {
        world.manifest(SCANS);
        let files: Vec<(String, Vec<u8>)> = (0..30)
            .map(|number| (format!("{number:02}"), noise(number, 200_000)))
            .collect();
        for (name, content) in &files {
            world.file(&format!("data/{name}"), content);
        }
        let put = Operation::PutFile;
        let status = |code| Fault::Status {
            code,
            retry_after: None,
        };
        world.faults(
            FaultScript::none()
                .with(put, Nth::Nth(2), status(503))
                .with(put, Nth::Nth(4), Fault::Reset)
                .with(put, Nth::Nth(6), Fault::CutAfterBodyBytes { bytes: 1000 })
                .with(put, Nth::Nth(8), Fault::CutAfterEffect)
                .with(put, Nth::Nth(10), Fault::ExpireUrl)
                .with(put, Nth::Nth(12), Fault::HtmlErrorPage { code: 502 })
                .with(
                    put,
                    Nth::Nth(14),
                    Fault::StatusAfterBodyBytes {
                        bytes: 1000,
                        code: 503,
                    },
                )
                .with(Operation::CreateTempUploads, Nth::Nth(1), status(500))
                .with(
                    Operation::ListFiles,
                    Nth::Nth(2),
                    Fault::TruncateAnswer { bytes: 300 },
                ),
        );

        world.run(&["-j", "4"]).exits(0);

        let wanted: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice()))
            .collect();
        world.holds("scans", &wanted);
        world.faults(FaultScript::none());
        world.finds_nothing_to_do();
    });
}

#[test]
fn two_jobs_share_a_table_and_neither_sees_the_other_s_files_as_extra() {
    under_both(|world| {
        world
            .manifest(
                "
jobs:
  - { name: one, table: scans, extra: fail, files: [{ glob: 'one/*' }] }
  - { name: two, table: scans, extra: fail, files: [{ glob: 'two/*' }] }
",
            )
            .file("one/a", "a")
            .file("two/b", "b");

        world.run(&[]).exits(0);

        world.holds("scans", &[("a", b"a"), ("b", b"b")]);
        world.finds_nothing_to_do();
    });
}

#[test]
fn the_state_can_be_kept_in_memory() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a", "a");

        world.run(&["--state-dir", "none"]).exits(0);

        assert!(!world.state().exists());
        world
            .run(&["--state-dir", "none"])
            .exits(0)
            .says("Nothing to do");
    });
}

#[test]
fn a_service_that_never_answers_the_attaching_leaves_it_for_the_next_run() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        world.faults(attach(Nth::After(0), Fault::CutBeforeEffect));

        let (outcome, report) = world.run_reported(&[]);

        outcome.exits(75);
        assert_eq!(item(&report, "a")["end"], "failed");
        assert_eq!(world.names("scans"), [""; 0]);
        world.faults(FaultScript::none());
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        world.holds("scans", &[("a", b"a"), ("b", b"b")]);
        assert!(world.asked(Operation::PutFile).is_empty());
    });
}

#[test]
fn a_refusal_that_took_effect_all_the_same_is_found_in_the_listing() {
    under_both(|world| {
        world.manifest(SCANS);
        for number in 0..8 {
            world.file(&format!("data/{number}"), noise(number, 1000));
        }
        // The halves are refused, since the first call spent what they name.
        world.faults(attach(Nth::Nth(1), Fault::StatusAfterEffect { code: 400 }));

        let (outcome, report) = world.run_reported(&[]);

        outcome.exits(0);
        assert_eq!(report["totals"]["files"], 8);
        assert_eq!(world.stored("scans", "3"), noise(3, 1000));
        world.finds_nothing_to_do();
    });
}

#[test]
fn temp_uploads_that_another_run_left_open_do_not_hinder_this_one() {
    under_both(|world| {
        world.manifest(SCANS);
        for number in 0..8 {
            world.file(&format!("data/{number}"), noise(number, 1000));
        }
        let put = FaultScript::none().with(Operation::PutFile, Nth::After(0), Fault::Reset);
        world.faults(put);
        world.run(&["--deadline", "300ms"]).exits(75);
        world.faults(FaultScript::none());
        world.forget_state();

        world.run(&[]).exits(0);

        assert_eq!(world.names("scans").len(), 8);
    });
}
