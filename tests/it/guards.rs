//! What stands before a release, and before sending: each guard of `expect`, the
//! changes of others, what the platform says, answers that are lost.

use redivis_ingest::sandbox::{Fault, FaultScript, Nth, Operation};

use crate::harness::{DATASET, SCANS, World, under_both};
use crate::run_rows::{NUMBERS, csv, settles};

/// The tags of the released versions.
pub(crate) fn tags(world: &World) -> Vec<String> {
    let seen = world.inspect();
    let versions = &seen.dataset(DATASET).unwrap().versions;
    let released = versions.iter().filter(|one| one.is_released);
    released.map(|one| one.tag.clone()).collect()
}

fn on_release(fault: Fault) -> FaultScript {
    FaultScript::none().with(Operation::Release, Nth::First(1), fault)
}

/// Until listings show what somebody did: their lag is counted in reads.
fn wait_for_listings(world: &World) {
    for _ in 0..3 {
        world.plan(&[]);
    }
}

/// An upload of somebody else that the platform fails to import; its address.
pub(crate) fn put_failing(world: &World, table: &str) -> String {
    let uri = put_import(world, table);
    // Reads move the import on, to its end.
    for _ in 0..10 {
        if world.http("GET", &uri, "").1["status"] == "failed" {
            return uri;
        }
    }
    panic!("the import does not fail");
}

/// An upload of somebody else that the platform is to import.
pub(crate) fn put_import(world: &World, table: &str) -> String {
    let body = r#"{"name":"theirs","type":"delimited","transferSpecification":{"sourceType":"gcs","sourcePath":"b/k"}}"#;
    let (status, made) = world.http(
        "POST",
        &format!("{}/uploads", World::table_uri(table)),
        body,
    );
    assert!((200..300).contains(&status), "{status} {made}");
    made["uri"].as_str().unwrap().to_owned()
}

#[test]
fn a_release_of_files_that_a_killed_run_did_not_reach_is_made_by_the_next() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a.tif", "aaaa");
        world.run(&[]).exits(0);

        world.manifest(&format!("release: true\n{SCANS}"));
        world.run(&[]).exits(0).says("release");
        assert_eq!(tags(&world), ["v1.0"]);
        settles(&world);

        // A draft that holds nothing new is nothing to release.
        world.create_next();
        settles(&world);
        assert_eq!(tags(&world), ["v1.0"]);
    });
}

#[test]
fn a_file_of_somebody_else_is_released_only_when_the_manifest_allows_it() {
    under_both(|world| {
        world
            .manifest(&format!("release: true\n{SCANS}"))
            .file("data/a.tif", "aaaa");
        world.run(&[]).exits(0);
        world.create_next();
        world.foreign_file("scans", "theirs.tif", b"bbbb");
        wait_for_listings(&world);
        world.file("data/c.tif", "cccc");
        world.sandbox().clear_requests();

        world.run(&[]).exits(3).tells("theirs.tif");
        assert!(world.requests_of(Operation::Release).is_empty());
        assert!(world.names("scans").contains(&"c.tif".to_owned()));

        world.manifest(&format!("release: {{ others: allow }}\n{SCANS}"));
        world.run(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0", "v1.1"]);

        // It is in a release now, and no change any more.
        world.manifest(&format!("release: true\n{SCANS}"));
        world.file("data/d.tif", "dddd");
        world.run(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0", "v1.1", "v1.2"]);
    });
}

#[test]
fn a_table_that_somebody_else_changed_or_deleted_is_not_released() {
    under_both(|world| {
        let other = "  - { name: more, table: more, files: [{ glob: 'more/*' }] }\n";
        world
            .manifest(&format!("release: true\n{SCANS}{other}"))
            .file("data/a.tif", "aaaa")
            .file("more/a.tif", "aaaa");
        world.run(&[]).exits(0);
        world.manifest(&format!("release: true\n{SCANS}"));
        world.file("data/b.tif", "bbbb");
        world.create_next();
        // As many files as before, so that no count tells it.
        world.foreign_file("more", "a.tif", b"zzzz");
        wait_for_listings(&world);

        world.run(&[]).exits(3).tells("table `more`");
        assert_eq!(tags(&world), ["v1.0"]);

        let (status, _) = world.http("DELETE", &World::table_uri("more"), "");
        assert_eq!(status, 200);
        world.run(&[]).exits(3).tells("lacks table `more`");
        assert_eq!(tags(&world), ["v1.0"]);
    });
}

#[test]
fn a_release_whose_answer_is_lost_is_made_once_wherever_it_was_lost() {
    under_both(|world| {
        for (round, fault) in [
            Fault::CutAfterEffect,
            Fault::StatusAfterEffect { code: 503 },
            Fault::LateEffect {
                after_requests: 2,
                code: None,
            },
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("rows/{round}.csv");
            let first = 1000 * (round as u64 + 1);
            world
                .manifest(&format!("release: true\n{NUMBERS}"))
                .file(&name, csv(first..first + 10));
            world.faults(on_release(fault.clone()));

            world.run(&[]).exits(0);

            world.faults(FaultScript::none());
            assert_eq!(tags(&world).len(), round + 1, "{fault:?}");
            settles(&world);
        }
    });
}

#[test]
fn a_release_that_did_not_happen_is_reported_and_made_by_the_next_run() {
    under_both(|world| {
        world
            .manifest(&format!("release: true\n{NUMBERS}"))
            .file("rows/a.csv", csv(1000..1010));
        world.faults(on_release(Fault::CutBeforeEffect));
        world.run(&[]).exits(75).says("v");
        assert!(tags(&world).is_empty());

        let refused = Fault::Status {
            code: 400,
            retry_after: None,
        };
        // It is tried once more: something of another writer may have been under way.
        let always = FaultScript::none().with(Operation::Release, Nth::First(2), refused);
        world.faults(always);
        world.run(&[]).exits(69).says("release");
        assert!(tags(&world).is_empty());

        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0"]);
    });
}

#[test]
fn the_release_before_is_no_proof_of_the_one_that_did_not_happen() {
    under_both(|world| {
        world
            .manifest(&format!("release: true\n{NUMBERS}"))
            .file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.file("rows/b.csv", csv(2000..2010));
        world.faults(on_release(Fault::CutBeforeEffect));

        world.run(&[]).exits(75);

        assert_eq!(tags(&world), ["v1.0"]);
        world.faults(FaultScript::none());
        world.run(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0", "v1.1"]);
    });
}

#[test]
fn a_draft_that_the_platform_would_not_release_is_not_tried() {
    under_both(|world| {
        world
            .manifest(&format!("release: {{ others: allow }}\n{NUMBERS}"))
            .file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);
        world.create_next();
        put_failing(&world, "n");
        world.file("rows/b.csv", csv(2000..2010));
        world.sandbox().clear_requests();

        world
            .run(&[])
            .exits(3)
            .tells("upload `theirs` of table `n` has failed");

        assert!(world.requests_of(Operation::Release).is_empty());
        assert_eq!(tags(&world), ["v1.0"]);
    });
}

#[test]
fn the_notes_of_a_release_arrive() {
    under_both(|world| {
        world
            .manifest(&format!("release: {{ notes: 'März, 2nd' }}\n{NUMBERS}"))
            .file("rows/a.csv", csv(1000..1010));
        world.run(&[]).exits(0);

        let path = format!("/datasets/{DATASET}/versions/v1.0");
        assert_eq!(world.http("GET", &path, "").1["releaseNotes"], "März, 2nd");
    });
}

#[test]
fn each_guard_about_the_sources_holds_before_anything_is_sent() {
    under_both(|world| {
        world
            .file("data/a.tif", "aaaa")
            .file("rows/a.csv", csv(1000..1010));
        for (jobs, expect, words) in [
            (SCANS, "min_files: 2", "at least 2 files, and there are 1"),
            (SCANS, "max_files: 0", "at most 0 files, and there are 1"),
            (SCANS, "min_bytes: 5", "at least 5 bytes"),
            (SCANS, "max_bytes: 3", "at most 3 bytes"),
            (
                NUMBERS,
                "min_rows: 11",
                "at least 11 rows, and there are 10",
            ),
            (NUMBERS, "max_rows: 9", "at most 9 rows, and there are 10"),
        ] {
            world.manifest(&format!("{jobs}    expect: {{ {expect} }}\n"));
            world.sandbox().clear_requests();

            world.run(&[]).exits(3).tells(words);

            assert!(world.writes().is_empty(), "{expect}");
        }
    });
}

#[test]
fn a_table_may_not_shrink_more_than_all_its_jobs_together_may() {
    const TWO: &str = "
tables:
  n: { merge: replace }
jobs:
  - name: n
    table: n
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
    expect: { max_shrink: 40% }
  - name: more
    table: n
    rows: [{ csv: 'more/*.csv' }]
    schema: { n: integer }
    expect: { max_shrink: 40% }
";
    under_both(|world| {
        world
            .manifest(&format!("release: true\n{TWO}"))
            .file("rows/a.csv", csv(1000..1050))
            .file("more/a.csv", csv(2000..2050));
        world.run(&[]).exits(0);

        // Each job alone has half of the table.
        world.file("rows/a.csv", csv(1000..1045));
        world.run(&[]).exits(0);
        assert_eq!(tags(&world).len(), 2);

        world.file("rows/a.csv", csv(1000..1005));
        world.sandbox().clear_requests();
        world
            .run(&[])
            .exits(3)
            .says("from 95 to 55 rows, 42.1 % fewer");
        assert!(world.writes().is_empty());
    });
}

#[test]
fn rows_that_only_the_platform_can_count_are_judged_before_the_release() {
    under_both(|world| {
        let jobs = |expect: &str| {
            format!(
                "release: true\njobs:\n  - name: taxa\n    table: taxa\n    uploads: [{{ path: taxa.csv }}]\n    expect: {{ {expect} }}\n"
            )
        };
        world.file("taxa.csv", "id\n1\n2\n3\n");
        for (expect, words) in [
            ("min_rows: 4", "at least 4 rows, and there are 3"),
            ("max_rows: 2", "at most 2 rows, and there are 3"),
        ] {
            world.manifest(&jobs(expect));
            world.run(&[]).exits(3).tells(words);
            assert!(tags(&world).is_empty());
        }

        world.manifest(&jobs("min_rows: 3, max_rows: 3"));
        world.run(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0"]);
    });
}

#[test]
fn a_replaced_table_of_bulk_uploads_may_not_shrink_too_much_either() {
    under_both(|world| {
        let jobs = "release: true\ntables:\n  taxa: { merge: replace }\njobs:\n  - name: taxa\n    table: taxa\n    uploads: [{ path: taxa.csv }]\n    expect: { max_shrink: 50% }\n";
        world.manifest(jobs).file("taxa.csv", "id\n1\n2\n3\n4\n");
        world.run(&[]).exits(0);

        world.file("taxa.csv", "id\n1\n");
        world.run(&[]).exits(3).tells("from 4 to 1 rows");
        assert_eq!(tags(&world), ["v1.0"]);

        world.file("taxa.csv", "id\n1\n2\n");
        world.run(&[]).exits(0);
        assert_eq!(tags(&world), ["v1.0", "v1.1"]);
    });
}
