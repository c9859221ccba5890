//! Bulk uploads: staged, imported, checked, and replaced when they change.

use redivis_ingest::base::PartName;
use redivis_ingest::sandbox::{Character, Fault, FaultScript, FreezePoint, Nth, Operation};

use crate::harness::{DATASET, World, under_both};
use crate::run_rows::settles;

const JOBS: &str = "
jobs:
  - name: taxa
    table: taxa
    uploads:
      - path: 'taxa/*'
";

fn bytes_of(world: &World) -> Vec<Vec<u8>> {
    let mut all = world.table("taxa", |table| {
        table
            .uploads
            .iter()
            .map(|upload| upload.bytes().unwrap())
            .collect::<Vec<_>>()
    });
    all.sort();
    all
}

#[test]
fn files_are_imported_under_names_that_say_what_they_are() {
    under_both(|world| {
        world
            .manifest(JOBS)
            .file("taxa/a.csv", "id,name\n1,x\n")
            .file("taxa/b.ndjson", "{\"id\":2,\"name\":\"y\"}\n");
        world.run(&[]).exits(0);

        assert_eq!(world.table("taxa", |table| table.num_rows), 2);
        for name in world.upload_names("taxa") {
            let name = PartName::parse(&name).expect("one of ours");
            assert!(["a", "b"].contains(&name.identity.slug.as_str()));
        }
        settles(&world);
        world.forget_state();
        settles(&world);
    });
}

#[test]
fn a_parquet_file_arrives_byte_for_byte() {
    under_both(|world| {
        let parquet = std::fs::read(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("manifests/data/penguins/penguins.parquet"),
        )
        .unwrap();
        world.manifest(JOBS).file("taxa/t.parquet", &parquet);
        world.run(&[]).exits(0);
        assert_eq!(bytes_of(&world), [parquet]);
        settles(&world);
    });
}

#[test]
fn many_imports_are_waited_for_with_one_list_call_for_all() {
    under_both(|world| {
        world.manifest(JOBS);
        for number in 0..12 {
            world.file(&format!("taxa/{number}.csv"), format!("id\n{number}\n"));
        }
        world.run(&[]).exits(0);
        assert_eq!(world.table("taxa", |table| table.num_rows), 12);
        // Planning, polling and the last look.
        let lists = world.requests_of(Operation::ListUploads).len();
        assert!(lists <= 8, "{lists}");
    });
}

#[test]
fn a_changed_file_replaces_its_old_upload_last() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
        world.run(&[]).exits(0);
        world.file("taxa/a.csv", "id\n2\n3\n");
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);

        assert_eq!(bytes_of(&world), [b"id\n2\n3\n".to_vec()]);
        let created = world.requests_of(Operation::CreateUpload)[0].number;
        assert!(world.requests_of(Operation::DeleteUpload)[0].number > created);
        settles(&world);
    });
}

#[test]
fn a_failed_import_is_deleted_and_told_in_the_platform_s_words() {
    under_both(|world| {
        world
            .manifest(JOBS)
            .file("taxa/a.csv", "id\n1\n")
            .file("taxa/b.parquet", "this is not parquet");
        let outcome = world.run(&[]).exits(3);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains("could not import"), "{said}");
        assert!(said.to_lowercase().contains("parquet"), "{said}");

        assert_eq!(bytes_of(&world), [b"id\n1\n".to_vec()]);
        assert!(world.requests_of(Operation::Release).is_empty());
    });
}

#[test]
fn a_failed_upload_of_ours_is_broken_and_replaced() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
        world.run(&[]).exits(0);
        let name = world.upload_names("taxa").remove(0);
        let identity = PartName::parse(&name).unwrap().identity;
        let uri = World::table_uri("taxa");
        // Take it away, and leave a failed attempt in its place.
        assert_eq!(
            world.http("DELETE", &format!("{uri}/uploads/{name}"), "").0,
            200
        );
        let broken = identity.attempt(3).to_string();
        let body = format!(
            r#"{{"name":"{broken}","type":"delimited","transferSpecification":{{"sourceType":"gcs"}}}}"#
        );
        let (status, answer) = world.http("POST", &format!("{uri}/uploads"), &body);
        assert!(status < 300, "{answer}");
        for _ in 0..5 {
            world.http("GET", &format!("{uri}/uploads"), "");
        }

        world.plan(&[]).exits(0).says("broken");
        world.run(&[]).exits(0);

        let names = world.upload_names("taxa");
        assert_eq!(names.len(), 1);
        assert_ne!(names[0], broken);
        assert_eq!(bytes_of(&world), [b"id\n1\n".to_vec()]);
        settles(&world);
    });
}

#[test]
fn more_bad_records_than_allowed_are_a_failure_and_fewer_are_none() {
    under_both(|world| {
        let jobs = |max: u64| {
            format!(
                "
jobs:
  - name: taxa
    table: taxa
    uploads:
      - {{ path: taxa/a.csv, skip_bad_records: true, max_bad_records: {max} }}
"
            )
        };
        world
            .manifest(&jobs(1))
            .file("taxa/a.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n");
        world.run(&[]).exits(3).says("max_bad_records");
        assert!(world.upload_names("taxa").is_empty());

        world.manifest(&jobs(2));
        world.run(&[]).exits(0);
        assert_eq!(world.table("taxa", |table| table.num_rows), 2);
        settles(&world);
    });
}

#[test]
fn an_upload_whose_bytes_were_damaged_is_not_reported_as_delivered() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
        world.faults(FaultScript::none().with(Operation::PutFile, Nth::First(9), Fault::WrongMd5));
        world.run(&[]).exits(5);
        assert!(world.upload_names("taxa").is_empty());

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(bytes_of(&world), [b"id\n1\n".to_vec()]);
    });
}

#[test]
fn an_upload_whose_bytes_the_storage_only_said_it_took_is_sent_once_more() {
    let world = World::new(Character::Friendly);
    world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
    let page = Fault::HtmlErrorPage { code: 200 };
    world.faults(FaultScript::none().with(Operation::PutFile, Nth::Nth(1), page.clone()));
    world.run(&[]).exits(0);
    assert_eq!(bytes_of(&world), [b"id\n1\n".to_vec()]);
    assert_eq!(world.requests_of(Operation::PutFile).len(), 2);

    // Not for ever: the refusal is told.
    world.file("taxa/b.csv", "id\n2\n");
    world.faults(FaultScript::none().with(Operation::PutFile, Nth::After(0), page));
    let refused = world.run(&[]).exits(69);
    assert!(refused.stdout.contains("has no content yet"), "{refused:?}");
    assert_eq!(world.requests_of(Operation::PutFile).len(), 4);
}

#[test]
fn an_upload_is_made_once_whatever_becomes_of_the_answer() {
    for fault in [
        Fault::CutAfterEffect,
        Fault::CutBeforeEffect,
        Fault::StatusAfterEffect { code: 503 },
        Fault::LateEffect {
            after_requests: 3,
            code: None,
        },
    ] {
        under_both(|world| {
            world
                .manifest(JOBS)
                .file("taxa/a.csv", "id\n1\n")
                .file("taxa/b.csv", "id\n2\n");
            world.faults(FaultScript::none().with(
                Operation::CreateUpload,
                Nth::Nth(1),
                fault.clone(),
            ));
            world.run(&[]).exits(0);
            world.faults(FaultScript::none());
            // What comes late is found by the next run at the latest.
            world.run(&[]).exits(0);
            world.run(&[]).exits(0);
            assert!(
                world.requests_of(Operation::DeleteUpload).is_empty(),
                "{fault:?}"
            );
            assert_eq!(
                bytes_of(&world),
                [b"id\n1\n".to_vec(), b"id\n2\n".to_vec()],
                "{fault:?}"
            );
            settles(&world);
        });
    }
}

#[test]
fn a_run_that_is_killed_while_importing_is_continued_and_not_repeated() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
        let count = {
            let other = World::new(Character::Worst);
            other.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
            other.count_requests(|| {
                other.run(&[]).exits(0);
            })
        };
        for nth in 0..count {
            let killed = world.kill_run_at(nth, FreezePoint::AfterEffect, &[]);
            world.run(&[]).exits(0);
            assert_eq!(
                bytes_of(&world).len(),
                usize::try_from(nth).unwrap() + 1,
                "killed at {nth}"
            );
            if !killed {
                break;
            }
            world.file(&format!("taxa/n{nth}.csv"), format!("id\n{nth}00\n"));
        }
    });
}

#[test]
fn an_upload_that_is_still_imported_is_not_called_delivered() {
    // The import takes longer than the plan: the run must wait for its end, and
    // its end is a failure.
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.parquet", "not parquet");
        let count = world.count_requests(|| {
            world.plan(&[]).exits(0);
        });
        // Killed just after the upload was made.
        let mut nth = count;
        loop {
            world.sandbox().clear_requests();
            assert!(world.kill_run_at(nth, FreezePoint::AfterEffect, &[]));
            if !world.requests_of(Operation::CreateUpload).is_empty() {
                break;
            }
            nth += 1;
        }
        world.sandbox().clear_requests();
        let outcome = world.run(&[]).exits(3);
        if world.character() == Character::Worst {
            // It goes on with the one that is there.
            assert!(world.requests_of(Operation::CreateUpload).is_empty());
        }
        let words: Vec<&str> = outcome.stdout.split_whitespace().collect();
        assert!(words.join(" ").contains("could not import"), "{words:?}");
    });
}

#[test]
fn other_bytes_of_the_same_size_under_our_name_are_replaced() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
        world.run(&[]).exits(0);
        let name = world.upload_names("taxa").remove(0);
        let identity = PartName::parse(&name).unwrap().identity;
        let uri = World::table_uri("taxa");
        let deleted = world.http("DELETE", &format!("{uri}/uploads/{name}"), "");
        assert_eq!(deleted.0, 200);
        world.foreign_upload("taxa", &identity.attempt(3).to_string(), b"id\n2\n");
        for _ in 0..5 {
            world.http("GET", &format!("{uri}/uploads"), "");
        }

        world.run(&[]).exits(0);

        assert_eq!(bytes_of(&world), [b"id\n1\n".to_vec()]);
        settles(&world);
    });
}

#[test]
fn a_renamed_file_is_unchanged_and_sends_nothing() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
        world.run(&[]).exits(0);
        world.remove("taxa/a.csv").file("taxa/b.csv", "id\n1\n");
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        world
            .plan(&["--format", "ndjson", "--all"])
            .exits(0)
            .says("renamed");
        assert!(world.writes().is_empty(), "{:?}", world.writes());

        // And so it is after a release.
        world.release().forget_state();
        world.sandbox().clear_requests();
        world.run(&[]).exits(0);
        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

#[test]
fn a_released_file_that_changed_is_locked() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
        world.run(&[]).exits(0);
        world.release().forget_state();
        settles(&world);

        world.file("taxa/a.csv", "id\n2\n");
        world.sandbox().clear_requests();
        world.run(&[]).exits(3).says("locked");
        assert!(world.writes().is_empty());

        world.manifest(&format!("{JOBS}    on_released: append\n"));
        world.run(&[]).exits(0);
        assert_eq!(world.table("taxa", |table| table.num_rows), 2);
        settles(&world);
    });
}

#[test]
fn a_vanished_file_is_kept_deleted_or_refused_as_the_job_says() {
    under_both(|world| {
        world
            .manifest(JOBS)
            .file("taxa/a.csv", "id\n1\n")
            .file("taxa/b.csv", "id\n2\n");
        world.run(&[]).exits(0);
        world.remove("taxa/a.csv");
        settles(&world);
        world.manifest(&format!("{JOBS}    on_missing: fail\n"));
        world.run(&[]).exits(3);
        world.manifest(&format!("{JOBS}    on_missing: delete\n"));
        world.run(&[]).exits(0);
        assert_eq!(bytes_of(&world), [b"id\n2\n".to_vec()]);
        settles(&world);
    });
}

#[test]
fn twins_on_the_remote_are_refused() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa/a.csv", "id\n1\n");
        world.run(&[]).exits(0);
        let schema = r#"[{"name":"id","type":"integer"}]"#;
        world.put_stream("taxa", "Some-One", schema, r#"[{"id":9}]"#);
        // The sandbox keeps such names apart itself, so that there are no twins
        // unless it is told otherwise: its own rename shows it.
        world.put_stream("taxa", "someone", schema, r#"[{"id":9}]"#);
        let names = world.upload_names("taxa");
        assert_eq!(names.len(), 3);
        world.run(&[]).exits(0);
    });
}

#[test]
fn a_creation_whose_effect_comes_late_does_not_import_the_file_twice() {
    // From the second attempt on to after the release.
    for after_requests in [0, 1, 2, 3, 4, 6, 8, 10, 12, 16] {
        under_both(|world| {
            world
                .manifest(&format!("release: true\n{JOBS}"))
                .file("taxa/a.csv", "id\n1\n2\n");
            let late = Fault::LateEffect {
                after_requests,
                code: None,
            };
            world.faults(FaultScript::none().with(Operation::CreateUpload, Nth::Nth(1), late));

            world.run(&[]).exits(0);

            // The second attempt names the same temp upload.
            assert_eq!(world.requests_of(Operation::PutFile).len(), 1);
            let seen = world.inspect();
            let released = seen.table(DATASET, "v1.0", "taxa").unwrap();
            assert_eq!(released.num_rows, 2, "after {after_requests} requests");
            for _ in 0..20 {
                world.http("GET", &format!("/datasets/{DATASET}"), "");
            }
            let seen = world.inspect();
            let released = seen.table(DATASET, "v1.0", "taxa").unwrap();
            assert_eq!(released.num_rows, 2, "after {after_requests} requests");
        });
    }
}
