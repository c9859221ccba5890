//! What a plan costs: calls, and bytes read from disk; what the report says of time.

use std::path::Path;

use redivis_ingest::sandbox::{Character, Operation};

use crate::harness::{SCANS, World, noise, under_both};

/// Planning's calls for so many unchanged files.
fn calls(character: Character, files: usize) -> usize {
    let world = World::new(character);
    world.manifest(SCANS);
    for number in 0..files {
        world.file(&format!("data/{number}"), number.to_string());
    }
    world.run(&[]).exits(0);
    world.sandbox().clear_requests();
    world.plan(&["--detailed-exitcode"]).exits(0);
    world.sandbox().requests().len()
}

#[test]
fn a_plan_of_unchanged_files_makes_the_same_calls_for_few_and_for_many() {
    for character in [Character::Friendly, Character::Worst] {
        let few = calls(character, 3);

        assert_eq!(calls(character, 300), few);
        assert!(few <= 6, "{few} calls");
    }
}

/// Each of these waits for the one before it, so a run is longer by all of them.
#[test]
fn a_first_run_reads_nothing_again_that_it_has_just_read() {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS).file("data/a", "a");

    world.run(&[]).exits(0);

    // The plan; before the table is made; the last look.
    for operation in [Operation::GetDataset, Operation::ListVersions] {
        assert_eq!(world.asked(operation).len(), 3, "{operation:?}");
    }
    // The plan; before the table is made, and when it is.
    assert_eq!(world.asked(Operation::GetTable).len(), 3);
}

#[test]
fn a_large_table_is_listed_again_only_where_a_file_of_unknown_md5_differs() {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS);
    for number in 0..1100 {
        world.file(&format!("data/{number:04}"), format!("{number:04}"));
    }
    world.run(&[]).exits(0);
    let classes = || {
        world.forget_state().sandbox().clear_requests();
        let plan = world.plan(&["--format", "ndjson"]);
        let classes = plan.last_line()["classes"].clone();
        let items = |class: &str| classes[class]["items"].clone();
        let listings = world.asked(Operation::ListFiles).len();
        (items("unchanged"), items("changed"), listings)
    };

    let (unchanged, changed, once) = classes();
    assert_eq!(unchanged, 1100);
    assert!(changed.is_null(), "{changed}");

    // Beyond the files that are held as they are listed.
    world.file("data/1099", "other");
    world.file("data/1098", "9801");
    let (unchanged, changed, twice) = classes();
    assert_eq!((unchanged, changed), (1098.into(), 2.into()));
    assert_eq!(twice, 2 * once);
}

/// Overwrites every remembered digest: whoever uses one now sees another content.
fn spoil_digests(state: &Path) -> usize {
    let mut spoiled = 0;
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ext| ext == "db" || ext == "sqlite")
            {
                let store = rusqlite::Connection::open(&path).unwrap();
                spoiled += store
                    .execute("UPDATE digests SET md5 = zeroblob(16)", [])
                    .unwrap();
            }
        }
    }
    spoiled
}

/// Links to files of the examples, which are too old to be changing still.
fn link_old_files(world: &World, of: &str, to: &str) -> usize {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/data");
    std::fs::create_dir_all(world.path(to)).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(examples.join(of)).unwrap() {
        let path = entry.unwrap().path();
        let link = world.path(to).join(path.file_name().unwrap());
        std::os::unix::fs::symlink(path, link).unwrap();
        count += 1;
    }
    count
}

#[test]
fn a_file_that_a_run_sent_is_not_read_again_to_be_compared() {
    under_both(|world| {
        world.manifest(SCANS);
        let count = link_old_files(&world, "icons", "data");
        world.run(&[]).exits(0);

        // Sent, verified, and remembered: a plan that read the files would find
        // them unchanged.
        assert_eq!(spoil_digests(&world.state()), count);
        let plan = world.plan(&["--format", "ndjson"]).exits(0);
        let totals = plan.last_line();
        assert_eq!(totals["classes"]["changed"]["items"], count);

        world.forget_state();
        let plan = world.plan(&["--format", "ndjson"]).exits(0);
        assert_eq!(plan.last_line()["classes"]["unchanged"]["items"], count);
        assert_eq!(spoil_digests(&world.state()), count);
    });
}

#[test]
fn a_file_that_was_just_written_is_read_again() {
    under_both(|world| {
        world.manifest(SCANS).file("data/a", "a");
        world.run(&[]).exits(0);

        // Within the grain of its timestamps it could change without a trace.
        assert_eq!(spoil_digests(&world.state()), 0);
        world.plan(&["--detailed-exitcode"]).exits(0);
    });
}

const QUAKES: &str = "
jobs:
  - name: quakes
    table: quakes
    rows: [{ ndjson: 'rows/*.ndjson' }]
    schema: { id: { type: string, from: /id } }
    extra_columns: drop
";

/// What the report says that the newest run's time went into.
fn spent_on(world: &World) -> Vec<String> {
    let spent = world.report()["requests"]["spent"].clone();
    let spent = spent.as_array().unwrap().iter();
    let total: f64 = spent
        .clone()
        .map(|one| one["percent"].as_f64().unwrap())
        .sum();
    assert!((99.0..=101.0).contains(&total), "{total}");
    spent
        .map(|one| one["on"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_report_says_what_the_time_of_the_workers_went_into() {
    let world = World::new(Character::Friendly);
    let encoding = "encoding rows".to_owned();
    link_old_files(&world, "earthquakes", "rows");
    world.manifest(QUAKES);

    // The plan has cut them once; the run alone encodes them after that.
    world.plan(&[]).exits(0);
    world.run(&[]).exits(0);
    let spent = spent_on(&world);
    assert!(spent.contains(&encoding), "{spent:?}");
    assert!(spent.contains(&"waiting for answers".to_owned()));
    world.run(&[]).exits(0);
    assert!(!spent_on(&world).contains(&encoding));

    // Without a state the plan cuts them again, and nothing is left to send.
    world.forget_state().run(&[]).exits(0);
    let spent = spent_on(&world);
    assert!(spent.contains(&encoding), "{spent:?}");
    assert!(!spent.contains(&"MD5".to_owned()), "{spent:?}");

    world
        .manifest(SCANS)
        .file("data/large", noise(7, 8 << 20))
        .run(&[])
        .exits(0);
    let spent = spent_on(&world);
    for activity in ["MD5", "reading files", "sending"] {
        assert!(spent.contains(&activity.to_owned()), "{spent:?}");
    }

    // The plan alone has hashed it.
    world.forget_state().run(&[]).exits(0);
    let spent = spent_on(&world);
    assert!(spent.contains(&"MD5".to_owned()), "{spent:?}");
    assert!(!spent.contains(&"sending".to_owned()), "{spent:?}");
}
