//! Planning files: every class and reason, as data and as text, with reads only.

use std::collections::BTreeMap;

use redivis_ingest::sandbox::{Character, Method, Operation};
use serde_json::Value;

use crate::harness::{ALL_KINDS, Outcome, SCANS, World, under_both};

/// The item lines of a plan by name.
fn items(outcome: &Outcome) -> BTreeMap<String, Value> {
    outcome
        .lines()
        .into_iter()
        .filter(|line| line["type"] == "item")
        .map(|line| (line["name"].as_str().unwrap().to_owned(), line))
        .collect()
}

/// Class, reason and action of an item.
#[track_caller]
fn decided(items: &BTreeMap<String, Value>, name: &str) -> [String; 3] {
    let item = items
        .get(name)
        .unwrap_or_else(|| panic!("no item {name:?}: {items:#?}"));
    ["class", "reason", "action"].map(|key| item[key].as_str().unwrap().to_owned())
}

fn plan(world: &World, args: &[&str]) -> (Outcome, BTreeMap<String, Value>) {
    let mut all = vec!["--format", "ndjson"];
    all.extend(args);
    let outcome = world.plan(&all);
    let items = items(&outcome);
    (outcome, items)
}

fn plan_id(outcome: &Outcome) -> String {
    let totals = outcome.last_line();
    totals["plan_id"].as_str().unwrap().to_owned()
}

#[test]
fn planning_reads_only() {
    under_both(|world| {
        world
            .manifest(ALL_KINDS)
            .file("data/a", "a")
            .file("rows/1.csv", "station,value\na,1.5\n")
            .file("taxa.csv", "id,name\n1,x\n");
        let saved = world.root().join("plan.ndjson");
        let saved = saved.to_str().unwrap();
        let plan_all = || {
            world.sandbox().clear_requests();
            world.plan(&[]).exits(0);
            world.plan(&["-o", saved, "--hash", "--all"]).exits(0);
            world.plan(&["--format", "ndjson"]).exits(0);
            world
                .plan(&["--state-dir", "none", "--compare", "size"])
                .exits(0);
            world.run(&["-n"]).exits(0);
            let requests = world.sandbox().requests();
            assert!(!requests.is_empty());
            let reads = |method| matches!(method, Method::Get | Method::Head);
            assert!(
                requests.iter().all(|one| reads(one.method)),
                "{requests:#?}"
            );
        };
        // Nothing there; everything in the draft; everything released; changed.
        plan_all();
        world.run(&[]).exits(0);
        plan_all();
        world.release();
        plan_all();
        world
            .file("data/a", "b")
            .file("rows/1.csv", "station,value\na,2.5\n")
            .file("taxa.csv", "id,name\n1,y\n");
        world.sandbox().clear_requests();
        world.plan(&["-o", saved]);
        assert!(world.writes().is_empty());
    });
}

#[test]
fn the_same_input_gives_the_same_plan_whatever_the_folder() {
    under_both(|world| {
        let other = tempfile::tempdir().unwrap();
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/sub/b", "b");
        for name in ["manifest.yaml", "data/a", "data/sub/b"] {
            let to = other.path().join("else where").join(name);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(world.path(name), to).unwrap();
        }

        let here = world.plan(&["--format", "ndjson"]).exits(0);
        let manifest = other.path().join("else where/manifest.yaml");
        let there = world
            .call(&["plan", manifest.to_str().unwrap(), "--format", "ndjson"])
            .exits(0);

        assert_eq!(here.stdout, there.stdout);
        assert!(!here.stdout.contains(world.root().to_str().unwrap()));
        // The id is that of what would be done, not of how it is shown.
        let all = world.plan(&["--format", "ndjson", "--all"]).exits(0);
        assert_eq!(plan_id(&here), plan_id(&all));
        world.file("data/a", "aa");
        let changed = world.plan(&["--format", "ndjson"]).exits(0);
        assert_ne!(plan_id(&here), plan_id(&changed));
    });
}

#[test]
fn a_saved_plan_is_a_header_items_and_totals() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "12345")
            .file("data/b", "");
        let saved = world.root().join("plan.ndjson");

        let shown = world
            .plan(&["--format", "ndjson", "-o", saved.to_str().unwrap()])
            .exits(0);

        assert_eq!(std::fs::read_to_string(saved).unwrap(), shown.stdout);
        let lines = shown.lines();
        let (head, totals) = (&lines[0], &lines[lines.len() - 1]);
        assert_eq!(head["type"], "plan");
        assert_eq!(head["format_version"], 1);
        assert_eq!(head["manifest"], "test");
        assert_eq!(head["manifest_sha256"].as_str().unwrap().len(), 64);
        assert_eq!(head["datasets"][0]["dataset"], "demo.survey");
        assert_eq!(totals["type"], "totals");
        assert_eq!(totals["send"]["items"], 2);
        assert_eq!(totals["send"]["bytes"], 5);
        assert_eq!(totals["classes"]["new"]["items"], totals_new(&lines));
        assert_eq!(totals["calls"]["temp_uploads"], 1);
        assert_eq!(totals["calls"]["raw_files"], 1);
        assert!(!shown.stdout.contains(world.root().to_str().unwrap()));
        assert!(!shown.stdout.contains("canary"));
    });
}

fn totals_new(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line["class"] == "new").count()
}

#[test]
fn the_exit_code_tells_changes_when_asked() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a", "a");
        world.plan(&[]).exits(0);
        world.plan(&["--detailed-exitcode"]).exits(2);
        world.run(&[]).exits(0);
        world.plan(&["--detailed-exitcode"]).exits(0);
        world.file("data/a", "b");
        world.plan(&["--detailed-exitcode"]).exits(2);
    });
}

#[test]
fn every_file_has_a_class_and_a_reason() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/bytes", "one")
            .file("data/gone", "was here")
            .file("data/same", "same")
            .file("data/size", "short");
        world.run(&[]).exits(0);
        world
            .remove("data/gone")
            .file("data/bytes", "two")
            .file("data/size", "longer")
            .file("data/new", "new");

        let (outcome, items) = plan(&world, &[]);

        let outcome = outcome.exits(0);
        assert_eq!(decided(&items, "bytes"), ["changed", "other_md5", "send"]);
        assert_eq!(decided(&items, "gone"), ["extra", "not_in_sources", "none"]);
        assert_eq!(decided(&items, "new"), ["new", "not_on_remote", "send"]);
        assert_eq!(decided(&items, "size"), ["changed", "other_size", "send"]);
        assert!(!items.contains_key("same"));
        let totals = outcome.last_line();
        assert_eq!(totals["classes"]["unchanged"]["items"], 1);
        assert_eq!(totals["classes"]["unchanged"]["bytes"], 4);
        assert_eq!(totals["send"]["items"], 3);
        assert_eq!(items["size"]["before"]["size"], 5);
        assert_eq!(items["size"]["source"], "data/size");

        let (outcome, items) = plan(&world, &["--all"]);
        outcome.exits(0);
        assert_eq!(decided(&items, "same"), ["unchanged", "same_md5", "none"]);

        // Extra files are shown and never deleted.
        world.run(&[]).exits(0);
        assert_eq!(
            world.names("scans"),
            ["bytes", "gone", "new", "same", "size"]
        );
    });
}

#[test]
fn compared_by_size_only_the_content_is_not_read() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "one")
            .file("data/b", "x");
        world.run(&[]).exits(0);
        world.file("data/a", "two").file("data/b", "xx");

        let (outcome, items) = plan(&world, &["--compare", "size", "--all"]);

        outcome.exits(0);
        assert_eq!(decided(&items, "a"), ["unchanged", "same_size", "none"]);
        assert_eq!(decided(&items, "b"), ["changed", "other_size", "send"]);
    });
}

#[test]
fn a_renamed_file_is_hinted_at_when_new_files_are_hashed() {
    under_both(|world| {
        world.manifest(SCANS).file("data/old", "content");
        world.run(&[]).exits(0);
        world.remove("data/old").file("data/new", "content");

        let (_, without) = plan(&world, &[]);
        let (_, with) = plan(&world, &["--hash"]);

        assert_eq!(
            decided(&without, "old"),
            ["extra", "not_in_sources", "none"]
        );
        assert_eq!(without["new"]["md5"], Value::Null);
        assert_eq!(decided(&with, "old"), ["extra", "maybe_renamed", "none"]);
        assert!(with["old"]["note"].as_str().unwrap().contains("`new`"));
        assert_eq!(decided(&with, "new"), ["new", "not_on_remote", "send"]);
        assert_eq!(with["new"]["md5"].as_str().unwrap().len(), 32);
    });
}

#[test]
fn a_young_file_waits_for_its_time() {
    under_both(|world| {
        world
            .manifest(
                "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/*' }]
    min_age: 1h
    allow_empty: true
",
            )
            .file("data/young", "y")
            .file("data/old", "o");
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        std::fs::File::options()
            .write(true)
            .open(world.path("data/old"))
            .and_then(|file| file.set_modified(long_ago))
            .unwrap();

        let (outcome, items) = plan(&world, &[]);

        outcome.exits(0);
        assert_eq!(
            decided(&items, "data/young"),
            ["skipped", "too_young", "none"]
        );
        assert_eq!(decided(&items, "old"), ["new", "not_on_remote", "send"]);
        world.run(&[]).exits(0);
        assert_eq!(world.names("scans"), ["old"]);
    });
}

#[test]
fn links_are_followed_skipped_or_refused() {
    under_both(|world| {
        let with = |policy: &str| {
            world.manifest(&format!("{SCANS}    symlinks: {policy}\n"));
        };
        world.file("data/real", "r").file("elsewhere", "e");
        std::os::unix::fs::symlink(world.path("elsewhere"), world.path("data/link")).unwrap();

        with("follow");
        let (outcome, items) = plan(&world, &[]);
        outcome.exits(0);
        assert_eq!(decided(&items, "link"), ["new", "not_on_remote", "send"]);
        assert_eq!(items["link"]["bytes"], 1);

        with("skip");
        let (outcome, items) = plan(&world, &[]);
        outcome.exits(0);
        assert_eq!(decided(&items, "data/link"), ["skipped", "symlink", "none"]);
        assert_eq!(decided(&items, "real"), ["new", "not_on_remote", "send"]);

        with("fail");
        let (outcome, items) = plan(&world, &[]);
        outcome.exits(66);
        assert_eq!(
            decided(&items, "data/link"),
            ["conflict", "source_problem", "none"]
        );
        world.sandbox().clear_requests();
        world.run(&[]).exits(66);
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_changed_file_can_be_kept_or_refused() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "old")
            .file("data/b", "b");
        world.run(&[]).exits(0);
        world.file("data/a", "new").file("data/c", "c");

        world.manifest(&format!("{SCANS}    on_change: keep\n"));
        let (outcome, items) = plan(&world, &[]);
        outcome.exits(0);
        assert_eq!(decided(&items, "a"), ["skipped", "kept", "none"]);
        world.run(&[]).exits(0);
        assert_eq!(world.stored("scans", "a"), b"old");
        assert_eq!(world.stored("scans", "c"), b"c");

        world
            .manifest(&format!("{SCANS}    on_change: fail\n"))
            .file("data/d", "d");
        let (outcome, items) = plan(&world, &[]);
        outcome.exits(3);
        assert_eq!(decided(&items, "a"), ["conflict", "change_refused", "none"]);
        let (outcome, report) = world.run_reported(&[]);
        outcome.exits(3);
        assert_eq!(world.stored("scans", "a"), b"old");
        assert_eq!(world.stored("scans", "d"), b"d");
        let end = crate::harness::item(&report, "a");
        assert_eq!(end["end"], "refused");
    });
}

#[test]
fn an_extra_file_can_be_a_failure() {
    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        world.run(&[]).exits(0);
        world
            .remove("data/b")
            .manifest(&format!("{SCANS}    extra: fail\n"));

        let (outcome, items) = plan(&world, &[]);

        outcome.exits(3);
        assert_eq!(decided(&items, "b"), ["conflict", "extra_refused", "none"]);
        world.run(&[]).exits(3);
        assert_eq!(world.names("scans"), ["a", "b"]);
    });
}

#[test]
fn remote_names_are_matched_in_their_composed_form() {
    under_both(|world| {
        world.manifest(SCANS).file("data/x", "x");
        world.run(&[]).exits(0);
        world.foreign_file("scans", "cafe\u{301}", b"coffee");
        world.file("data/caf\u{e9}", "coffee");
        // Listings may lag.
        world.plan(&[]).exits(0);
        world.plan(&[]).exits(0);

        let (outcome, items) = plan(&world, &["--all"]);

        outcome.exits(0);
        assert_eq!(
            decided(&items, "caf\u{e9}"),
            ["unchanged", "same_md5", "none"]
        );
        world.finds_nothing_to_do();
    });
}

#[test]
fn a_shard_plans_its_own_files_and_no_extras() {
    under_both(|world| {
        world.manifest(SCANS);
        for number in 0..20 {
            world.file(&format!("data/{number}"), "x");
        }
        let shards: Vec<Vec<String>> = ["0/2", "1/2"]
            .iter()
            .map(|shard| {
                let (outcome, items) = plan(&world, &["--shard", shard]);
                outcome.exits(0);
                let files = items.values().filter(|item| item["what"] == "file");
                files.map(|item| item["name"].to_string()).collect()
            })
            .collect();

        assert_eq!(shards[0].len() + shards[1].len(), 20);
        assert!(shards.iter().all(|shard| !shard.is_empty()));
        assert!(shards[0].iter().all(|name| !shards[1].contains(name)));

        world.run(&["--shard", "0/2"]).exits(0);
        let (outcome, items) = plan(&world, &["--shard", "1/2"]);
        outcome.exits(0);
        assert!(items.values().all(|item| item["class"] != "extra"));
        world.run(&["--shard", "1/2"]).exits(0);
        world.forget_state().finds_nothing_to_do();
    });
}

#[test]
fn a_truncated_listing_is_an_error_and_never_a_short_list() {
    use redivis_ingest::sandbox::{Fault, FaultScript, Nth};

    under_both(|world| {
        world
            .manifest(SCANS)
            .file("data/a", "a")
            .file("data/b", "b");
        world.run(&[]).exits(0);
        world.faults(FaultScript::none().with(
            Operation::ListFiles,
            Nth::After(0),
            Fault::TruncateAnswer { bytes: 400 },
        ));

        let outcome = world.plan(&["--retry-scale", "0.000001", "--deadline", "2s"]);

        assert_ne!(outcome.status, Some(0), "{}", outcome.stdout);
        assert!(!outcome.stdout.contains("not on remote"));
    });
}

#[test]
fn the_plan_as_text() {
    let world = World::new(Character::Friendly);
    world
        .manifest(SCANS)
        .file("data/bytes", "one")
        .file("data/gone", "was here")
        .file("data/same", "same")
        .file("data/size", "short");
    let first = world.plan(&[]).exits(0);
    world.run(&[]).exits(0);
    world
        .remove("data/gone")
        .file("data/bytes", "two")
        .file("data/size", "longer")
        .file("data/new name.txt", "new");
    let second = world.plan(&[]).exits(0);
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d+", "HOST");
    settings.add_filter(r"[0-9a-f]{12,64}", "ID");
    settings.add_filter(&regex_of(&world), "ROOT");
    settings.bind(|| {
        insta::assert_snapshot!("plan_files_first", first.stdout);
        insta::assert_snapshot!("plan_files_second", second.stdout);
    });
}

fn regex_of(world: &World) -> String {
    world.root().to_str().unwrap().replace('.', r"\.")
}
