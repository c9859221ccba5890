//! `--metrics`: a page that node-exporter's textfile collector takes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};

use crate::harness::{World, under_both};

const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/*' }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows.csv' }]
    schema: { station: string }
";

/// The samples of a page, and that each has its type said before.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let mut types = Vec::new();
    let mut samples = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            types.push(rest.strip_suffix(" gauge").unwrap().to_owned());
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let metric = name.split('{').next().unwrap();
            assert_eq!(types.last().map(String::as_str), Some(metric), "{line}");
            let before = samples.insert(name.to_owned(), value.parse().unwrap());
            assert_eq!(before, None, "{line} stands there twice");
        }
    }
    samples
}

fn of(samples: &BTreeMap<String, f64>, name: &str, more: &str) -> Option<f64> {
    samples
        .get(&format!("redivis_ingest_{name}{{manifest=\"test\"{more}}}"))
        .copied()
}

fn prepared(world: &World) {
    world
        .manifest(JOBS)
        .file("data/a", "aaaa")
        .file("data/b", "bb")
        .file("rows.csv", "station\nx\ny\n");
}

#[test]
fn a_run_leaves_its_figures_for_anybody_to_read() {
    under_both(|world| {
        prepared(&world);
        let path = world.path("ingest.prom");
        world.run(&["--metrics", path.to_str().unwrap()]).exits(0);
        let samples = samples(&fs::read_to_string(&path).unwrap());
        assert_eq!(of(&samples, "last_run_exit_code", ""), Some(0.0));
        assert_eq!(of(&samples, "last_run_rows", ""), Some(2.0));
        assert_eq!(
            of(&samples, "last_run_items", ",state=\"failed\""),
            Some(0.0)
        );
        let verified = of(&samples, "last_run_items", ",state=\"verified\"").unwrap();
        assert!(verified >= 3.0, "{samples:?}");
        assert!(of(&samples, "last_run_requests", "").unwrap() > 5.0);
        assert_eq!(
            of(&samples, "last_success_timestamp_seconds", ""),
            of(&samples, "last_run_timestamp_seconds", "")
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o644
        );
    });
}

#[test]
fn a_run_that_fails_keeps_the_time_of_the_last_success() {
    let world = World::new(Character::Friendly);
    prepared(&world);
    let path = world.path("ingest.prom");
    let args = ["--metrics", path.to_str().unwrap()];
    world.faults(FaultScript::none().with(
        Operation::AttachFiles,
        Nth::After(0),
        Fault::Status {
            code: 400,
            retry_after: None,
        },
    ));
    world.run(&args).exits(3);
    let never = samples(&fs::read_to_string(&path).unwrap());
    assert_eq!(of(&never, "last_success_timestamp_seconds", ""), None);
    assert_eq!(of(&never, "last_run_exit_code", ""), Some(3.0));

    let page = fs::read_to_string(&path).unwrap();
    let before = "redivis_ingest_last_success_timestamp_seconds{manifest=\"test\"} 1700000000\n";
    fs::write(&path, page + before).unwrap();
    world.run(&args).exits(69);
    let failed = samples(&fs::read_to_string(&path).unwrap());
    assert_eq!(
        of(&failed, "last_success_timestamp_seconds", ""),
        Some(1_700_000_000.0)
    );
}
