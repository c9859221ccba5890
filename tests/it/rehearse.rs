//! `rehearse`: the real program, against its own sandbox, and programs that are
//! broken on purpose, which must be found out.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use redivis_ingest::sandbox::Character;
use serde_json::Value;

use crate::harness::{Outcome, World, end_of, noise, program, signal, under_both, wait_for_line};

/// A job of each kind; rows of three formats in many parts.
const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }, { ndjson: 'rows/*.ndjson' }]
    schema: { station: string, value: integer }
    payload: 2KB
  - name: taxa
    table: taxa
    uploads: [{ path: 'taxa/*.csv' }]
";

/// The files of [`JOBS`]. Two rows of one source are equal, and two sources too.
fn with_all(world: &World) {
    world.manifest(JOBS);
    for (seed, name) in ["a.bin", "b/c.bin", "b/d.bin", "e.bin"].iter().enumerate() {
        let size = 1000 + 7000 * seed;
        world.file(&format!("data/{name}"), noise(seed as u64, size));
    }
    world.file("data/empty", "");
    let csv = || {
        let rows = (0..200).map(|row| format!("s{},{row}\n", row % 7));
        format!("station,value\n{}s,1\ns,1\n", rows.collect::<String>())
    };
    world.file("rows/one.csv", csv());
    world.file("rows/twin.csv", csv());
    let lines = (0..50).map(|row| format!("{{\"station\":\"ü\\n\",\"value\":{row}}}\n"));
    world.file("rows/some.ndjson", lines.collect::<String>());
    world.file("taxa/t.csv", "id,name\n1,x\n2,y\n");
    world.file("taxa/u.csv", "id,name\n3,z\n");
}

/// `rehearse` under the world's character, with JSON at the end.
fn rehearse(world: &World, args: &[&str]) -> Outcome {
    let character = match world.character() {
        Character::Friendly => "friendly",
        Character::Worst => "worst",
    };
    let mut all = vec!["--format", "json", "--character", character];
    all.extend(args);
    world.on_manifest("rehearse", &all)
}

/// Asserts that it was proved, and that the proof is about what there is.
#[track_caller]
fn proves(outcome: &Outcome) -> Value {
    let line = outcome.last_line();
    assert_eq!(line["verdict"], "proved", "{line:#}\n{}", outcome.stderr);
    assert_eq!(outcome.status, Some(0));
    assert_eq!(line["exit"], 0);
    let runs = line["runs"].as_array().unwrap();
    let last = runs.last().unwrap();
    assert_eq!((&last["exit"], &last["writes"]), (&99.into(), &0.into()));
    line
}

#[track_caller]
fn proves_all(outcome: &Outcome) -> Value {
    let line = proves(outcome);
    let (files, rows, uploads) = (&line["jobs"][0], &line["jobs"][1], &line["jobs"][2]);
    assert_eq!(
        (&files["sources"], &files["stored"]),
        (&5.into(), &5.into())
    );
    assert_eq!(files["bytes"], 1000 + 8000 + 15_000 + 22_000);
    assert_eq!((&rows["sources"], &rows["rows"]), (&3.into(), &454.into()));
    assert!(rows["stored"].as_u64().unwrap() >= 6, "{rows}");
    assert_eq!(
        (&uploads["sources"], &uploads["bytes"]),
        (&2.into(), &28.into())
    );
    line
}

/// A finding or an example with this text.
#[track_caller]
fn finds(line: &Value, text: &str) {
    let all = line.to_string();
    assert!(all.contains(text), "no {text:?} in {line:#}");
}

#[test]
fn a_rehearsal_without_faults_is_one_run_and_one_that_finds_nothing_to_do() {
    under_both(|world| {
        with_all(&world);
        world.file("none.yaml", "[]\n");
        let none = world.path("none.yaml");

        let line = proves_all(&rehearse(&world, &["--faults", none.to_str().unwrap()]));

        assert_eq!(line["injected"], serde_json::json!([]));
        assert_eq!(line["runs"].as_array().unwrap().len(), 2, "{line:#}");
        assert_eq!(line["bytes_sent_again"], 0);
        // Each file, part and upload was reported, and looked up.
        let items = 5 + line["jobs"][1]["stored"].as_u64().unwrap() + 2;
        assert_eq!(line["runs"][0]["claims"], items);
    });
}

#[test]
fn random_faults_and_kills_are_got_over() {
    under_both(|world| {
        with_all(&world);
        let mut faults = 0;
        for (seed, kill) in [("1", false), ("2", true), ("3", true)] {
            let mut args = vec!["--seed", seed];
            args.extend(kill.then_some("--kill"));

            let line = proves_all(&rehearse(&world, &args));

            assert_eq!(line["seed"].to_string(), seed);
            assert_eq!(line["kill"], kill);
            faults += line["injected"].as_array().unwrap().len();
            let runs = line["runs"].as_array().unwrap();
            let killed = runs.iter().filter(|run| !run["killed"].is_null()).count();
            assert_eq!(killed > 0, kill, "seed {seed}: {line:#}");
        }
        assert!(faults > 0);
    });
}

#[test]
fn large_files_go_on_in_another_process_after_each_kill() {
    under_both(|world| {
        world
            .manifest("jobs: [{ name: scans, table: scans, files: [{ glob: 'data/*' }] }]\n")
            .file("data/large.bin", noise(9, 33 << 20))
            .file("data/small.bin", noise(8, 10));

        let outcome = rehearse(&world, &["--kill", "--seed", "5", "--chunk-size", "2MiB"]);

        let line = proves(&outcome);
        assert_eq!(line["jobs"][0]["bytes"], (33 << 20) + 10);
        let sent = line["bytes_sent"].as_u64().unwrap();
        assert!(sent >= (33 << 20) + 10, "{sent}");
    });
}

#[test]
fn nothing_of_the_user_s_is_touched_or_shown() {
    let world = World::new(Character::Worst);
    with_all(&world);

    let outcome = rehearse(&world, &["--seed", "1"]);

    proves(&outcome);
    assert!(world.sandbox().requests().is_empty(), "the user's remote");
    assert!(!world.state().exists(), "the user's state");
    assert!(!format!("{outcome:?}").contains(crate::harness::TOKEN));
}

#[test]
fn what_a_run_may_not_create_is_there_for_it() {
    under_both(|world| {
        with_all(&world);
        let manifest = std::fs::read_to_string(world.path("manifest.yaml")).unwrap();
        let strict = manifest.replace("prepare: { next_version: true, tables: true }\n", "");
        assert_ne!(manifest, strict);
        world.file("manifest.yaml", strict);

        proves_all(&rehearse(&world, &["--seed", "4"]));
    });
}

#[test]
fn a_manifest_that_releases_is_proved_in_the_release() {
    under_both(|world| {
        with_all(&world);
        let manifest = std::fs::read_to_string(world.path("manifest.yaml")).unwrap();
        world.file("manifest.yaml", format!("{manifest}release: true\n"));

        proves_all(&rehearse(&world, &["--seed", "6", "--kill"]));
    });
}

#[test]
fn rejected_rows_within_the_limit_are_counted_and_not_missed() {
    let world = World::new(Character::Worst);
    world
        .manifest(
            "
jobs:
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema: { station: string, value: integer }
    rejects: { max: 1 }
",
        )
        .file("rows/a.csv", "station,value\na,1\nb,none\nc,3\n");

    let line = proves(&rehearse(&world, &["--seed", "1"]));

    assert_eq!(
        (&line["jobs"][0]["rows"], &line["jobs"][0]["rejected"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn an_input_that_is_missing_ends_the_rehearsal_as_it_ends_a_run() {
    let world = World::new(Character::Friendly);
    world.manifest(JOBS);

    let outcome = rehearse(&world, &["--seed", "1"]).exits(66);

    assert!(outcome.stderr.contains("matches no file"), "{outcome:?}");
    world.file("manifest.yaml", "version: 1\n");
    rehearse(&world, &[]).exits(78);
    let piped = ["rehearse", "-", "--root", "."];
    assert!(
        world
            .call(&piped)
            .exits(64)
            .stderr
            .contains("give it as a file")
    );
}

/// The platform's pages do not say whether it keeps them: the worst one does not,
/// and its answers do not show it.
#[test]
fn whole_numbers_that_a_platform_would_round_are_found() {
    under_both(|world| {
        world
            .manifest(
                "
jobs:
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema: { value: integer }
",
            )
            .file("rows/a.csv", "value\n9007199254740992\n9007199254740993\n")
            .file("none.yaml", "[]\n");
        let none = world.path("none.yaml");

        let outcome = rehearse(&world, &["--faults", none.to_str().unwrap()]);

        if world.character() == Character::Friendly {
            proves(&outcome);
            return;
        }
        let line = outcome.exits(5).last_line();
        // The odd one is stored as its neighbour.
        assert_eq!(
            line["jobs"][0]["differences"],
            serde_json::json!({ "missing": 1, "different": 0, "doubled": 1, "foreign": 0, "out_of_order": 0 })
        );
        finds(&line, "row 2 is `{\\\"value\\\":9007199254740993}`");
    });
}

/// Damage that no client can see.
#[test]
fn silent_damage_to_files_and_rows_and_uploads_is_found() {
    for (operation, text) in [
        ("put_file", "differs from byte 0 on"),
        ("insert_rows", "and is stored as `z"),
    ] {
        let world = World::new(Character::Friendly);
        with_all(&world);
        // The first file that is sent must have bytes that can rot.
        world.remove("data/empty");
        world.file(
            "rot.yaml",
            format!("[{{ operation: {operation}, nth: {{ nth: 1 }}, fault: bit_rot }}]"),
        );
        let script = world.path("rot.yaml");

        let outcome = rehearse(&world, &["--faults", script.to_str().unwrap()]).exits(5);

        let line = outcome.last_line();
        assert_eq!(line["verdict"], "wrong");
        let jobs = line["jobs"].as_array().unwrap();
        let different: u64 = jobs
            .iter()
            .map(|job| job["differences"]["different"].as_u64().unwrap())
            .sum();
        assert_eq!(different, 1, "{line:#}");
        finds(&line, text);
        finds(&line, "run 1 said that everything is done, and it was not");
    }
}

#[test]
fn silent_damage_to_a_chunk_is_found() {
    let world = World::new(Character::Friendly);
    world
        .manifest("jobs: [{ name: scans, table: scans, files: [{ glob: 'data/*' }] }]\n")
        .file("data/large.bin", noise(9, 33 << 20))
        .file(
            "rot.yaml",
            "[{ operation: put_chunk, nth: { after: 0 }, fault: bit_rot }]",
        );
    let script = world.path("rot.yaml");

    let outcome = rehearse(&world, &["--faults", script.to_str().unwrap()]).exits(5);

    assert_eq!(
        outcome.last_line()["jobs"][0]["differences"]["different"],
        1
    );
}

/// The program reports the part that it planned; its halves have names of their own.
#[test]
fn a_part_that_had_to_be_halved_is_there_and_no_false_claim() {
    under_both(|world| {
        with_all(&world);
        world.file(
            "large.yaml",
            "[{ operation: insert_rows, nth: { first: 2 }, fault: { status: { code: 413 } } }]",
        );
        let script = world.path("large.yaml");

        let line = proves_all(&rehearse(&world, &["--faults", script.to_str().unwrap()]));

        assert_eq!(line["injected"].as_array().unwrap().len(), 1, "{line:#}");
    });
}

// Broken programs.

/// A shell script as the program. `real` runs the real one; `$report` is where
/// the report is to be.
fn broken(world: &World, script: &str) -> PathBuf {
    let path = world.path("broken");
    let real = program();
    let head = format!(
        "#!/bin/sh\nreal() {{ {} \"$@\"; }}\nfor report; do :; done\n",
        real.display()
    );
    world.file("broken", format!("{head}{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Rehearses a broken program on a good day.
fn of_broken(world: &World, script: &str) -> Outcome {
    with_all(world);
    world.file("none.yaml", "[]\n");
    let (none, program) = (world.path("none.yaml"), broken(world, script));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    rehearse(
        world,
        &["--faults", &text(&none), "--program", &text(&program)],
    )
}

#[test]
fn a_program_that_does_nothing_and_says_done_is_found_out() {
    under_both(|world| {
        let line = of_broken(&world, "exit 0").exits(5).last_line();

        assert_eq!(line["jobs"][0]["differences"]["missing"], 5);
        assert_eq!(line["jobs"][1]["differences"]["missing"], 454);
        assert_eq!(line["jobs"][2]["differences"]["missing"], 2);
        finds(&line, "run 1 said that everything is done, and it was not");
    });
}

#[test]
fn a_program_that_sends_rows_twice_is_found_out() {
    under_both(|world| {
        let twice = "real \"$@\"; code=$?
sed 's/^name: test/name: other/' \"$2\" > \"$2.other.yaml\"
other=\"$2.other.yaml\"; shift 2; real run \"$other\" \"$@\" > /dev/null
exit $code";

        let line = of_broken(&world, twice).exits(5).last_line();

        let foreign = |table: usize| line["tables"][table]["foreign"].as_u64().unwrap();
        assert_eq!(foreign(0), 0, "files have one name and one place");
        assert_eq!(foreign(1), line["jobs"][1]["stored"].as_u64().unwrap());
        assert_eq!(foreign(2), 2);
        assert_eq!(line["jobs"][1]["differences"]["doubled"], 0);
    });
}

#[test]
fn a_program_that_sends_other_bytes_is_found_out() {
    let world = World::new(Character::Worst);
    let root = world.path("other");
    for (name, content) in [
        ("data/a.bin", noise(0, 999)),
        (
            "rows/some.ndjson",
            b"{\"station\":\"b\",\"value\":0}\n".to_vec(),
        ),
        ("taxa/t.csv", b"id,name\n1,X\n2,y\n".to_vec()),
    ] {
        world.file(&format!("other/{name}"), content);
    }
    let elsewhere = format!(
        "cd {} && for one in data/empty data/e.bin data/b/c.bin data/b/d.bin rows/one.csv rows/twin.csv taxa/u.csv
do mkdir -p \"$(dirname $one)\"; cp ../$one $one; done
real \"$@\" --root {}",
        root.display(),
        root.display()
    );

    let line = of_broken(&world, &elsewhere).exits(5).last_line();

    let differences = |job: usize| &line["jobs"][job]["differences"];
    assert_eq!(differences(0)["different"], 1);
    assert_eq!(
        (&differences(1)["different"], &differences(1)["missing"]),
        (&1.into(), &49.into())
    );
    assert_eq!(differences(2)["different"], 1);
    finds(&line, "`a.bin` differs from byte 999 on");
    finds(&line, "`taxa/t.csv` differs from byte 10 on");
}

#[test]
fn a_report_that_claims_what_is_not_there_is_found_out() {
    let world = World::new(Character::Friendly);
    let lies = r#"cat > "$report" <<'END'
{"exit":{"code":75},"items":[
{"what":"file","job":"scans","name":"a.bin","end":"verified","bytes":1000,"md5":null},
{"what":"part","job":"readings","name":"ri1_x","end":"verified","bytes":1,"md5":null},
{"what":"file","job":"scans","name":"e.bin","end":"failed","bytes":1000,"md5":null}
]}
END
exit 75"#;

    let line = of_broken(&world, lies).exits(5).last_line();

    finds(
        &line,
        "run 1: file `a.bin` is called verified and is not there",
    );
    finds(
        &line,
        "run 1: part `ri1_x` is called verified and is not there",
    );
    assert!(!line["findings"].to_string().contains("e.bin"), "{line:#}");
}

#[test]
fn a_report_and_an_exit_code_that_do_not_agree_are_found_out() {
    let world = World::new(Character::Friendly);

    let line = of_broken(&world, "real \"$@\"; exit 0")
        .exits(5)
        .last_line();

    finds(&line, "the report states exit code 99 and it was 0");
}

#[test]
fn a_program_that_breaks_down_and_one_that_comes_to_no_end_are_told_apart() {
    let world = World::new(Character::Friendly);

    let panics = of_broken(&world, "echo oh no >&2; kill -SEGV $$").exits(1);
    assert_eq!(panics.last_line()["verdict"], "broken");
    assert!(panics.stderr.contains("oh no"), "{panics:?}");

    let waits = of_broken(&world, "exit 75").exits(75).last_line();
    assert_eq!(waits["verdict"], "unfinished");
    let refused = of_broken(&world, "exit 69").exits(69).last_line();
    assert_eq!(refused["verdict"], "unfinished");
    assert!(refused["runs"].as_array().unwrap().len() < waits["runs"].as_array().unwrap().len());
}

#[test]
fn ctrl_c_ends_it_and_leaves_nothing_behind() {
    let world = World::new(Character::Friendly);
    with_all(&world);
    // The first run is refused; the second hangs until it is killed.
    world.file(
        "stall.yaml",
        "- { operation: any, nth: { nth: 1 }, fault: { status: { code: 403 } } }
- { operation: any, nth: { after: 3 }, fault: { stall: { ms: 600000 } } }
",
    );
    let temporary = world.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let (manifest, script) = (world.path("manifest.yaml"), world.path("stall.yaml"));
    let args = [
        "rehearse",
        manifest.to_str().unwrap(),
        "--faults",
        script.to_str().unwrap(),
        "--progress",
        "plain",
    ];
    let mut child = world
        .command(&args)
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_line(&mut child, "run 1  exit 77");

    signal(&child, "INT");

    end_of(child).exits(130);
    let left: Vec<_> = std::fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
