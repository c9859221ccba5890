//! `--report FILE.html`: the report as a page, of runs that end in every way. What
//! a browser makes of it is looked at by `tests/peers/browser`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};

use crate::harness::{Outcome, SCANS, World, end_of, signal, under_both};

const NAME: &str = "</script><img src=x onerror=pwned()>'&quot;.tif";

fn page_path(world: &World) -> PathBuf {
    world.path("run.html")
}

/// Runs a command with the report as a page; answers both.
fn reported(world: &World, command: &str, args: &[&str]) -> (Outcome, String) {
    let path = page_path(world);
    let mut all = vec!["--report", path.to_str().unwrap()];
    all.extend(args);
    let outcome = world.on_manifest(command, &all);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("no page: {error}\n{outcome:?}"));
    assert!(text.starts_with("<!DOCTYPE html>"), "{text:.60}");
    assert!(text.trim_end().ends_with("</body>\n</html>"));
    (outcome, text)
}

fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let from = format!("<section id=\"{id}\"");
    let (_, rest) = page.split_once(&from).unwrap_or_else(|| panic!("no {id}"));
    rest.split_once("</section>").unwrap().0
}

#[test]
fn a_good_run_leaves_a_page_beside_its_json_report() {
    under_both(|world| {
        world.manifest(SCANS);
        world.file("data/a.tif", "hello").file("data/sub/b.tif", "");

        let (outcome, page) = reported(&world, "run", &[]);

        let outcome = outcome.exits(0);
        assert!(page.contains("Done: everything was sent and verified."));
        assert!(page.contains("exit 0 done</span> everything matches"));
        let items = section(&page, "items");
        assert_eq!(items.matches("<tr data-s=\"verified\">").count(), 3);
        assert!(items.contains("sub/b.tif<small>from data/sub/b.tif</small>"));
        // The text names both, and the whole list is where the page says.
        let json = world.report();
        let run_id = json["run_id"].as_str().unwrap();
        assert!(page.contains(run_id));
        outcome.tells("page ").tells("report.json");
        let report = world.state().join("runs").join(run_id).join("report.json");
        assert!(items.contains(&format!("the whole list is in {}", report.display())));
        assert!(section(&page, "about").contains(json["plan_id"].as_str().unwrap()));
    });
}

#[test]
fn the_figures_over_time_add_up_to_what_was_sent() {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS);
    world.file("data/a.tif", vec![7; 300_000]);
    // Long enough for charts.
    world.faults(FaultScript::none().with(
        Operation::PutFile,
        Nth::Nth(1),
        Fault::Stall { ms: 500 },
    ));

    let (outcome, page) = reported(&world, "run", &[]);

    outcome.exits(0);
    let progress = section(&page, "progress");
    for chart in ["bytes", "requests", "items"] {
        assert!(
            progress.contains(&format!("<figure class=\"{chart}\"")),
            "{chart}"
        );
    }
    let figures = progress.split_once("<tbody>").unwrap().1;
    let column = |number: usize| -> u64 {
        let rows = figures.split("<tr>").skip(1);
        rows.map(|row| {
            let cell = row.split("data-v=\"").nth(number).unwrap();
            cell.split('"').next().unwrap().parse::<u64>().unwrap()
        })
        .sum()
    };
    assert_eq!(column(2), 300_000);
    assert!(column(3) >= 5, "{}", column(3));
}

#[test]
fn a_page_is_whole_private_and_takes_the_place_of_the_old_one() {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS);
    world.file("data/a.tif", "hello").file("run.html", "old");

    let (_, first) = reported(&world, "run", &[]);
    let (_, second) = reported(&world, "run", &[]);

    assert!(!first.contains("old\n") && first.contains("Done: "));
    assert!(second.contains("Nothing to do: everything matches."));
    assert!(second.contains("= 1 unchanged (5 B)"));
    let mode = fs::metadata(page_path(&world))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    // No unfinished file beside it.
    let mut names: Vec<String> = fs::read_dir(world.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["data", "manifest.yaml", "run.html"]);
}

#[test]
fn any_other_name_is_json_as_ever() {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS);
    world.file("data/a.tif", "hello");
    for (name, is_page) in [
        ("r.json", false),
        ("r", false),
        ("html", false),
        ("r.HTM", true),
    ] {
        let path = world.path(name);

        let outcome = world
            .run(&["--report", path.to_str().unwrap(), "--format", "json"])
            .exits(0);

        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.starts_with("<!DOCTYPE html>"), is_page, "{name}");
        let line = outcome.last_line();
        assert_eq!(line["page"].as_str().is_some(), is_page, "{name}");
        // `report` is JSON, whatever was asked for: scripts read it.
        let report = fs::read(line["report"].as_str().unwrap()).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(report["run_id"], line["run_id"], "{name}");
    }
}

#[test]
fn names_and_messages_are_text_whatever_they_are() {
    under_both(|world| {
        // `/` is no part of a file's name.
        let name = NAME.replace('/', "\u{2215}");
        world.manifest(SCANS).file(&format!("data/{name}"), "x");
        world.file("data/<b>.tif", "y");
        world.faults(FaultScript::none().with(
            Operation::AttachFiles,
            Nth::After(0),
            Fault::HtmlErrorPage { code: 400 },
        ));

        let (outcome, page) = reported(&world, "run", &[]);

        assert_ne!(outcome.status, Some(0));
        assert!(!page.contains("<img"), "{outcome:?}");
        assert!(page.contains("&lt;img src=x onerror=pwned()&gt;&#39;&amp;quot;.tif"));
        assert!(page.contains("&lt;b&gt;.tif"));
    });
}

#[test]
fn a_failed_run_leaves_a_page_with_the_code_and_the_hint() {
    under_both(|world| {
        world.file(
            "manifest.yaml",
            format!("version: 1\nname: test\ndataset: demo.nothing\n{SCANS}"),
        );
        world.file("data/a.tif", "a");

        let (outcome, page) = reported(&world, "run", &[]);

        let outcome = outcome.exits(69);
        let trouble = section(&page, "trouble");
        let code = outcome.stderr.split(['[', ']']).nth(1).unwrap_or_default();
        let said = outcome
            .stderr
            .lines()
            .find(|line| line.starts_with("error["));
        let code = said.map_or(code, |line| line.split(['[', ']']).nth(1).unwrap());
        assert!(trouble.contains(&format!("<code>{code}</code>")), "{code}");
        assert!(trouble.contains("demo.nothing"));
        assert!(page.contains("exit 69 refused</span> the service refused for good"));
        assert!(!page.contains("<section id=\"items\""));
    });
}

#[test]
fn what_the_plan_refuses_is_told_with_its_code_and_the_rejects_with_their_place() {
    let world = World::new(Character::Friendly);
    world.manifest(
        "
jobs:
  - name: readings
    table: readings
    rows: [{ csv: 'data/*.csv' }]
    schema: { a: integer }
",
    );
    world.file("data/r.csv", "a\n1\nx<y\n2\n");

    let (outcome, page) = reported(&world, "run", &[]);

    outcome.exits(3);
    let trouble = section(&page, "trouble");
    assert!(trouble.contains("<code>plan/too-many-rejects</code>"));
    assert!(trouble.contains("<code>rejects: { max: N }</code>"));
    let rejects = section(&page, "rejects");
    for cell in [
        "data/r.csv",
        "data-v=\"3\">3</td><td>a</td>",
        "x&lt;y",
        "is not an integer",
    ] {
        assert!(rejects.contains(cell), "{cell}: {rejects}");
    }
    assert!(section(&page, "jobs").contains("! held back"));
}

/// One file, whose transfer never ends.
fn stalled() -> World {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS);
    world.file("data/a.tif", vec![1; 100]);
    world.faults(FaultScript::none().with(
        Operation::PutFile,
        Nth::After(0),
        Fault::Stall { ms: 600_000 },
    ));
    world
}

#[test]
fn a_run_that_a_deadline_cuts_off_leaves_a_page_that_says_so() {
    let world = stalled();

    let (outcome, page) = reported(&world, "run", &["--deadline", "3s"]);

    outcome.exits(75);
    assert!(page.contains("<div class=\"verdict warn\">"));
    assert!(page.contains("stopped by the deadline"));
    assert!(page.contains("run again: what is done is not repeated"));
    assert!(section(&page, "items").contains("○ not reached"));
}

#[test]
fn a_run_that_a_signal_ends_leaves_a_page_that_says_so() {
    let world = stalled();
    let path = page_path(&world);
    let child = world.start_run(&["--report", path.to_str().unwrap()]);
    // The file's bytes come next, and are held.
    world.wait_for(Operation::CreateTempUploads, 1);

    signal(&child, "TERM");
    end_of(child).exits(143);

    let page = fs::read_to_string(path).unwrap();
    assert!(page.contains("stopped by SIGTERM"));
    assert!(page.contains("exit 143 terminated</span> SIGTERM, after a clean checkpoint"));
}

#[test]
fn more_items_than_a_page_shows_are_counted_failures_first() {
    let world = World::new(Character::Friendly);
    world.manifest(
        "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
    on_change: fail
",
    );
    world.file("data/zz-last.tif", "before");
    world.run(&[]).exits(0);
    for index in 0..640 {
        world.file(&format!("data/{index:04}.tif"), "x");
    }
    world.file("data/zz-last.tif", "something else");

    let (outcome, page) = reported(&world, "run", &[]);

    outcome.exits(3);
    let items = section(&page, "items");
    assert_eq!(items.matches("<tr data-s=").count(), 500);
    assert!(items.contains("500 of 641 items shown; 141 left out: the whole list is in "));
    let first = items.split("<tr data-s=\"").nth(1).unwrap();
    assert!(first.starts_with("refused") && first.contains("zz-last.tif"));
    let json = world.report();
    assert_eq!(json["items"].as_array().unwrap().len(), 641);
    assert!(page.len() < 400_000, "{}", page.len());
}

#[test]
fn without_a_state_folder_the_page_says_how_to_get_the_whole_list() {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS);
    world.file("data/a.tif", "x");

    let (outcome, page) = reported(&world, "run", &["--state-dir", "none", "--format", "json"]);

    let outcome = outcome.exits(0);
    assert_eq!(outcome.last_line()["report"], serde_json::Value::Null);
    assert!(section(&page, "items").contains("--report FILE.json"));
}

#[test]
fn a_release_is_told_on_a_page_too() {
    under_both(|world| {
        world.manifest(SCANS);
        world.file("data/a.tif", "x");
        world.run(&[]).exits(0);

        let (outcome, page) = reported(&world, "release", &[]);

        outcome.exits(0);
        assert!(page.contains("Done: everything was verified, then released."));
        assert!(page.contains("<dt>release</dt><dd>1 dataset</dd>"));
    });
}
