//! What scripts and people see of the program: streams, formats, files, flags and
//! their twins in the environment.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};

use crate::harness::{DATASET, Outcome, TOKEN, World, end_of, under_both};

const FILES: &str =
    "jobs:\n  - name: scans\n    table: scans\n    files: [{ glob: 'data/**/*' }]\n";
const JOBS: &str = "jobs:
  - name: scans
    table: scans
    tags: [media]
    files: [{ glob: 'data/**/*' }]
  - name: readings
    table: readings
    tags: [tables, weekly]
    rows: [{ csv: 'rows/*.csv' }]
    schema: { station: string, value: float }
  - name: taxa
    table: taxa
    tags: [tables]
    uploads: [{ path: taxa.csv }]
";

fn friendly() -> World {
    World::new(Character::Friendly)
}

fn with_jobs(world: &World) {
    world
        .manifest(JOBS)
        .file("data/a.txt", "hello")
        .file("rows/1.csv", "station,value\na,1\n")
        .file("taxa.csv", "id\n1\n");
}

// The result on stdout.

#[test]
fn the_last_line_of_a_run_as_json_is_one_line_for_the_scheduler() {
    under_both(|world| {
        with_jobs(&world);

        let outcome = world.run(&["--format", "json"]).exits(0);

        assert_eq!(outcome.stdout.lines().count(), 1, "{outcome:?}");
        let line = outcome.last_line();
        assert_eq!(line["endpoint"], world.sandbox().endpoint());
        assert_eq!(line["datasets"], serde_json::json!([DATASET]));
        assert_eq!(line["manifest"], "test");
        assert_eq!(line["exit"], 0);
        assert_eq!(line["counts"]["planned"], 6);
        assert_eq!(line["counts"]["verified"], 6);
        let report = line["report"].as_str().unwrap();
        assert!(fs::metadata(report).is_ok(), "{report}");
    });
}

#[test]
fn the_result_comes_after_everything_on_stderr() {
    under_both(|world| {
        with_jobs(&world);
        world.file("rows/2.csv", "station,value\nb,x\n");
        let path = world.path("both");
        let file = fs::File::create(&path).unwrap();
        let manifest = world.path("manifest.yaml");
        let mut command = world.command(&[
            "run",
            manifest.to_str().unwrap(),
            "--format",
            "json",
            "--log-level",
            "trace",
        ]);
        command.stdout(file.try_clone().unwrap()).stderr(file);

        assert_eq!(command.status().unwrap().code(), Some(3));

        let text = fs::read_to_string(path).unwrap();
        assert!(text.lines().count() > 5, "{text}");
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["type"], "summary");
        assert_eq!(last["exit"], 3);
    });
}

#[test]
fn the_last_line_stays_within_48_kb() {
    let world = friendly();
    world.manifest(FILES);
    for index in 0..300 {
        world.file(&format!("data/{index}-{}.txt", "x".repeat(180)), "a");
    }
    world.faults(FaultScript::none().with(
        Operation::PutFile,
        Nth::After(0),
        Fault::Status {
            code: 403,
            retry_after: None,
        },
    ));

    let outcome = world.run(&["--format", "json"]);

    assert_ne!(outcome.status, Some(0));
    let line = outcome.stdout.lines().last().unwrap();
    assert!(line.len() <= 48_000, "{}", line.len());
    let counts = &outcome.last_line()["counts"];
    let open = |kind: &str| counts[kind].as_u64().unwrap();
    assert_eq!(open("failed") + open("not_reached"), 300);
}

#[test]
fn the_summary_file_has_the_same_line_and_the_report_file_the_same_report() {
    under_both(|world| {
        with_jobs(&world);
        let (summary, report) = (world.path("summary.json"), world.path("report.json"));

        let outcome = world
            .run(&[
                "--format",
                "json",
                "--summary",
                summary.to_str().unwrap(),
                "--report",
                report.to_str().unwrap(),
            ])
            .exits(0);

        assert_eq!(fs::read_to_string(summary).unwrap(), outcome.stdout);
        let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        assert_eq!(report, world.report());
        assert_eq!(report["type"], "report");
        assert_eq!(report["items"].as_array().unwrap().len(), 6);
    });
}

#[test]
fn a_run_that_fails_before_its_plan_leaves_a_report_and_a_line_too() {
    under_both(|world| {
        world.file(
            "manifest.yaml",
            format!("version: 1\nname: test\ndataset: demo.nothing\n{FILES}"),
        );
        world.file("data/a.txt", "a");
        let summary = world.path("summary.json");

        let outcome = world
            .run(&["--format", "json", "--summary", summary.to_str().unwrap()])
            .exits(69);

        assert_eq!(fs::read_to_string(summary).unwrap(), outcome.stdout);
        assert_eq!(outcome.last_line()["datasets"][0], "demo.nothing");
        let failure = outcome.last_line()["failure"].to_string();
        assert!(failure.contains("demo.nothing"), "{failure}");
        let report = world.report();
        assert_eq!(report["exit"]["word"], "refused");
        assert!(report["failure"].as_str().unwrap().contains("demo.nothing"));
    });
}

#[test]
fn the_plan_as_data_is_a_header_items_and_totals() {
    under_both(|world| {
        with_jobs(&world);

        let lines = world.plan(&["--format", "ndjson"]).exits(0).lines();

        assert_eq!(lines[0]["type"], "plan");
        assert_eq!(lines[0]["manifest"], "test");
        let last = lines.last().unwrap();
        assert_eq!(last["type"], "totals");
        assert_eq!(last["plan_id"].as_str().unwrap().len(), 64);
        assert_eq!(lines.len(), 2 + 6);
        let dry = world.run(&["-n", "--format", "ndjson"]).exits(0);
        assert_eq!(dry.lines(), lines);
        assert!(world.writes().is_empty());
    });
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = friendly();
    world.manifest(FILES);
    for index in 0..500 {
        world.file(&format!("data/{index:03}-{}", "y".repeat(200)), "a");
    }
    let manifest = world.path("manifest.yaml");
    for format in ["text", "ndjson"] {
        let mut child = world
            .command(&[
                "plan",
                manifest.to_str().unwrap(),
                "--all",
                "--format",
                format,
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        assert!(first.contains("test"), "{first}");

        let outcome = end_of(child).exits(0);
        assert_eq!(outcome.stderr, "", "{format}");
    }
}

// The run's folder.

#[test]
fn what_a_run_leaves_is_for_its_owner_only() {
    under_both(|world| {
        with_jobs(&world);
        world.file("rows/2.csv", "station,value\nb,x\n");
        world.run(&[]).exits(3);

        let mode =
            |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let run = world.state().join("runs").join(&world.run_ids()[0]);
        assert_eq!(mode(&world.state()), 0o700);
        assert_eq!(mode(&run), 0o700);
        let mut names = Vec::new();
        for entry in fs::read_dir(&run).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
        names.sort();
        assert_eq!(names, ["rejects.ndjson", "report.json"]);
        for ending in [".sqlite", ".lock"] {
            assert_eq!(mode(&world.state_files(ending)[0]), 0o600, "{ending}");
        }
        let rejects = fs::read_to_string(run.join("rejects.ndjson")).unwrap();
        let line: serde_json::Value = serde_json::from_str(&rejects).unwrap();
        assert_eq!(line["file"], "rows/2.csv");
        assert_eq!(line["line"], 2);
        assert_eq!(line["column"], "value");
        assert_eq!(line["value"], "x");
    });
}

#[test]
fn the_last_thirty_runs_are_kept() {
    let world = friendly();
    with_jobs(&world);
    world.run(&[]).exits(0);
    let first = world.run_ids().remove(0);
    let runs = world.state().join("runs");
    let owner = first.split('-').nth(1).unwrap();
    for day in 1..=40 {
        let name = format!("202001{:02}T000000Z-{owner}-{day:08x}", day % 28 + 1);
        fs::create_dir_all(runs.join(&name)).unwrap();
        fs::write(runs.join(name).join("report.json"), "{}").unwrap();
    }
    // Another manifest's are not ours to count.
    fs::create_dir(runs.join("20200101T000000Z-ffffffff-00000000")).unwrap();

    world.run(&[]).exits(0);

    let kept = world.run_ids();
    assert_eq!(kept.len(), 30 + 1, "{kept:?}");
    assert!(kept.contains(&first));
}

// Progress and messages on stderr.

#[test]
fn off_a_terminal_progress_is_plain_lines_without_escapes() {
    under_both(|world| {
        with_jobs(&world);
        for args in [&[][..], &["--progress", "plain"], &["--color", "auto"]] {
            world.forget_state();
            let outcome = world.run(args).exits(0);

            let lines: Vec<&str> = outcome.stderr.lines().collect();
            assert!(!lines.is_empty() && lines.len() < 12, "{outcome:?}");
            assert!(
                lines.iter().all(|line| line.starts_with("[00:00:0")),
                "{outcome:?}"
            );
            for text in [&outcome.stdout, &outcome.stderr] {
                assert!(!text.contains(['\x1b', '\r']), "{text:?}");
            }
        }
    });
}

#[test]
fn quiet_means_that_only_errors_are_on_stderr() {
    under_both(|world| {
        with_jobs(&world);

        let quiet = world.run(&["-q"]).exits(0);
        assert_eq!(quiet.stderr, "");
        assert!(quiet.stdout.contains("everything was sent and verified"));
        assert!(!quiet.stdout.contains("Plan of"), "{quiet:?}");

        let none = world.run(&["--progress", "none"]).exits(0);
        assert_eq!(none.stderr, "");

        world.remove("taxa.csv");
        let failed = world.run(&["-q"]).exits(66);
        assert!(failed.stderr.contains("error[source/not-found]"));
    });
}

#[test]
fn colour_is_used_when_it_is_asked_for_and_never_against_no_color() {
    let world = friendly();
    with_jobs(&world);
    let manifest = world.path("manifest.yaml");
    let plan = ["plan", manifest.to_str().unwrap()];
    let always = ["plan", manifest.to_str().unwrap(), "--color", "always"];
    let never = ["plan", manifest.to_str().unwrap(), "--color", "never"];
    let has_colour = |args: &[&str], env: &[(&str, &str)]| {
        world.call_with(args, env).exits(0).stdout.contains("\x1b[")
    };

    assert!(!has_colour(&plan, &[]));
    assert!(has_colour(&always, &[]));
    assert!(
        has_colour(&always, &[("NO_COLOR", "1")]),
        "the flag is stronger"
    );
    assert!(has_colour(&plan, &[("CLICOLOR_FORCE", "1")]));
    assert!(!has_colour(
        &plan,
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(!has_colour(&never, &[("CLICOLOR_FORCE", "1")]));

    world.file("manifest.yaml", "version: 1\nnme: x\n");
    let outcome = world.call_with(&always, &[]).exits(78);
    assert!(outcome.stderr.contains("\x1b["), "{outcome:?}");
}

#[test]
fn the_log_can_be_json() {
    let world = friendly();
    with_jobs(&world);
    world.faults(FaultScript::none().with(
        Operation::CreateTempUploads,
        Nth::Nth(1),
        Fault::Status {
            code: 503,
            retry_after: None,
        },
    ));
    let outcome = world
        .run(&["--progress", "none", "-v", "--log-format", "json"])
        .exits(0);
    assert!(outcome.stderr.contains("waiting"), "{outcome:?}");
    for line in outcome.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}

// Words about itself.

#[test]
fn every_help_text_is_as_it_was_reviewed() {
    let world = friendly();
    let mut commands = vec![vec![]];
    commands.extend(command_names().into_iter().map(|name| vec![name]));
    for command in commands {
        let mut args: Vec<&str> = command.iter().map(String::as_str).collect();
        args.push("--help");
        let no_twins = [
            ("REDIVIS_INGEST_STATE_DIR", ""),
            ("REDIVIS_INGEST_RETRY_SCALE", ""),
        ];
        let outcome = world.call_with(&args, &no_twins).exits(0);
        let name = command.first().map_or("redivis-ingest", String::as_str);
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("help_{name}"), outcome.stdout);
        });
        assert!(
            outcome
                .stdout
                .lines()
                .all(|line| line.chars().count() <= 100),
            "{name} is wider than a terminal"
        );
    }
}

/// The commands that `--help` lists.
fn command_names() -> Vec<String> {
    let help = friendly().call(&["--help"]).stdout;
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    list.lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_version_is_the_package_s() {
    let outcome = friendly().call(&["--version"]).exits(0);
    assert_eq!(
        outcome.stdout,
        format!("redivis-ingest {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn the_schema_is_that_of_the_library() {
    let outcome = friendly().call(&["schema"]).exits(0);
    let printed: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(printed, redivis_ingest::manifest::json_schema());
}

#[test]
fn completions_and_the_manual_page_name_every_command() {
    let world = friendly();
    for shell in ["bash", "zsh", "fish", "man"] {
        let outcome = world.call(&["completions", shell]).exits(0);
        for name in command_names() {
            assert!(
                outcome.stdout.to_lowercase().contains(&name),
                "{shell}: {name}"
            );
        }
    }
    // bash reads its own.
    let script = world.call(&["completions", "bash"]).stdout;
    world.file("completions.bash", script);
    let read = std::process::Command::new("bash")
        .arg("-n")
        .arg(world.path("completions.bash"))
        .status();
    assert!(read.is_ok_and(|status| status.success()));
}

// Which manifest, which part of it.

#[test]
fn a_manifest_can_come_from_stdin() {
    under_both(|world| {
        with_jobs(&world);
        let text = fs::read(world.path("manifest.yaml")).unwrap();
        world.remove("manifest.yaml");
        let root = world.path("");
        for (command, status) in [("check", 0), ("plan", 0), ("run", 0), ("status", 0)] {
            let mut child = world
                .command(&[command, "-", "--root", root.to_str().unwrap()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(&text).unwrap();
            end_of(child).exits(status);
        }
        assert_eq!(world.stored("scans", "a.txt"), b"hello");
        world.call(&["run", "-"]).exits(64);
    });
}

#[test]
fn the_working_directory_does_not_matter() {
    under_both(|world| {
        with_jobs(&world);
        world.run(&[]).exits(0);
        let mut command = world.command(&["run", "manifest.yaml"]);
        command.current_dir(world.path(""));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.contains("Nothing to do"), "{stdout}");
    });
}

#[test]
fn a_selection_runs_only_the_jobs_it_names() {
    under_both(|world| {
        with_jobs(&world);
        let tables = |world: &World| -> Vec<String> {
            let inspect = world.inspect();
            let dataset = inspect.dataset(DATASET).unwrap();
            let next = dataset
                .versions
                .iter()
                .find(|one| one.tag == "next")
                .unwrap();
            let mut names: Vec<String> =
                next.tables.iter().map(|table| table.name.clone()).collect();
            names.sort();
            names
        };

        world.run(&["--select", "scans"]).exits(0);
        assert_eq!(tables(&world), ["scans"]);
        world.run(&["--tag", "weekly"]).exits(0);
        assert_eq!(tables(&world), ["readings", "scans"]);
        world
            .run(&["--select", "scans,taxa", "--tag", "tables"])
            .exits(0);
        assert_eq!(tables(&world), ["readings", "scans", "taxa"]);
        world.run(&[]).exits(0).says("Nothing to do");
    });
}

#[test]
fn shards_see_each_file_once_and_never_speak_of_what_others_see() {
    under_both(|world| {
        world.manifest(JOBS).file("taxa.csv", "id\n1\n");
        for index in 0..30 {
            world.file(&format!("data/{index}.txt"), format!("{index}"));
            world.file(
                &format!("rows/{index}.csv"),
                format!("station,value\ns{index},{index}\n"),
            );
        }
        // Somebody else's file is nobody's extra in a shard.
        world.file(
            "other.yaml",
            format!("version: 1\nname: other\ndataset: {DATASET}\nprepare: {{ tables: true }}\njobs:\n  - name: o\n    table: scans\n    files: [{{ glob: 'other/*' }}]\n"),
        );
        world.file("other/foreign.txt", "x");
        let other = world.path("other.yaml");
        world.call(&["run", other.to_str().unwrap()]).exits(0);

        let mut sent = BTreeMap::new();
        for shard in ["0/3", "1/3", "2/3"] {
            let plan = world
                .plan(&["--shard", shard, "--format", "ndjson"])
                .exits(0);
            let lines = plan.lines();
            assert!(
                lines.iter().all(|line| line["class"] != "extra"),
                "{plan:?}"
            );
            for line in lines.iter().filter(|line| line["action"] == "send") {
                *sent.entry(line["name"].to_string()).or_insert(0) += 1;
            }
        }
        assert_eq!(sent.len(), 30 + 30 + 1);
        assert!(sent.values().all(|count| *count == 1), "{sent:?}");

        for shard in ["0/3", "1/3", "2/3"] {
            world.run(&["--shard", shard]).exits(0);
        }
        assert_eq!(world.table("scans", |table| table.files.len()), 31);
        assert_eq!(world.rows("readings").len(), 30);
        let whole = world.plan(&["--format", "ndjson"]).exits(0);
        let changes = whole
            .lines()
            .iter()
            .filter(|line| line["type"] == "item" && line["action"] != "none")
            .count();
        assert_eq!(changes, 0, "{whole:?}");
    });
}

#[test]
fn a_shard_deletes_nothing() {
    under_both(|world| {
        world.manifest(&format!("{}    on_missing: delete\n", "jobs:\n  - name: readings\n    table: readings\n    rows: [{ csv: 'rows/*.csv' }]\n    schema: { station: string }\n"));
        for index in 0..6 {
            world.file(&format!("rows/{index}.csv"), format!("station\ns{index}\n"));
        }
        world.run(&[]).exits(0);
        world.remove("rows/0.csv");

        for shard in ["0/2", "1/2"] {
            let plan = world
                .plan(&["--shard", shard, "--format", "ndjson"])
                .exits(0);
            assert!(
                plan.lines().iter().all(|line| line["action"] != "delete"),
                "{plan:?}"
            );
        }
        world.run(&[]).exits(0);
        assert_eq!(world.rows("readings").len(), 5);
    });
}

// Past runs.

#[test]
fn status_tells_past_runs_and_what_is_left() {
    under_both(|world| {
        with_jobs(&world);
        world
            .on_manifest("status", &[])
            .exits(0)
            .says("No run of this manifest");
        world.run(&[]).exits(0);
        world.remove("taxa.csv");
        world.run(&[]).exits(66);

        let text = world.on_manifest("status", &[]).exits(0);
        let ids = world.run_ids();
        assert_eq!(ids.len(), 2);
        for (id, exit) in ids.iter().zip(["exit 0", "exit 66"]) {
            let line = text.stdout.lines().find(|line| line.contains(id)).unwrap();
            assert!(line.contains(exit), "{line}");
        }

        let lines = world
            .on_manifest("status", &["--format", "json"])
            .exits(0)
            .lines();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["exit"], 66, "the newest first");
        assert_eq!(lines[1]["summary"]["counts"]["files"], 1);
        assert_eq!(lines[2]["open_sessions"], 0);
        let one = world.on_manifest("status", &["--limit", "1", "--format", "json"]);
        assert_eq!(one.exits(0).lines().len(), 2);
    });
}

#[test]
fn status_makes_no_state() {
    let world = friendly();
    with_jobs(&world);
    world.on_manifest("status", &[]).exits(0);
    assert!(!world.state().exists(), "looking leaves nothing behind");
    assert!(world.sandbox().requests().is_empty());
}

// Settings.

#[test]
fn without_state_nothing_is_kept_and_nothing_is_sent_twice() {
    under_both(|world| {
        with_jobs(&world);
        world.run(&["--state-dir", "none"]).exits(0);
        world.sandbox().clear_requests();
        world
            .run(&["--state-dir", "none"])
            .exits(0)
            .says("Nothing to do");
        assert!(world.writes().is_empty());
        assert!(!world.state().exists());
    });
}

#[test]
fn a_setting_can_come_from_the_environment_and_the_flag_is_stronger() {
    let world = friendly();
    with_jobs(&world);
    let manifest = world.path("manifest.yaml");
    let manifest = manifest.to_str().unwrap();
    let run = |args: &[&str], env: &[(&str, &str)]| -> Outcome {
        let mut all = vec!["plan", manifest];
        all.extend(args);
        world.call_with(&all, env)
    };

    let from_twin = run(&[], &[("REDIVIS_INGEST_FORMAT", "ndjson")]).exits(0);
    assert_eq!(from_twin.lines()[0]["type"], "plan");
    let text = run(
        &["--format", "text"],
        &[("REDIVIS_INGEST_FORMAT", "ndjson")],
    );
    text.exits(0).says("Plan of test");
    let selected = run(&[], &[("REDIVIS_INGEST_SELECT", "taxa")]).exits(0);
    assert!(!selected.stdout.contains("scans"), "{selected:?}");
    let bad = run(&[], &[("REDIVIS_INGEST_SHARD", "5")]).exits(64);
    assert!(bad.stderr.contains("REDIVIS_INGEST_SHARD"), "{bad:?}");
    // What changes the meaning of a run has no twin.
    world
        .call_with(&["run", manifest], &[("REDIVIS_INGEST_DRY_RUN", "1")])
        .exits(0);
    assert!(!world.writes().is_empty());
}

#[test]
fn the_official_client_s_variable_can_name_the_sandbox() {
    let world = friendly();
    with_jobs(&world);
    let manifest = world.path("manifest.yaml");
    let env = [
        ("REDIVIS_API_ENDPOINT", "sandbox"),
        ("REDIVIS_API_TOKEN", ""),
    ];
    for said in ["everything was sent and verified", "Nothing to do"] {
        world
            .call_with(&["run", manifest.to_str().unwrap()], &env)
            .exits(0)
            .says(said);
    }
    assert!(world.sandbox().requests().is_empty());
    let line = world
        .call_with(
            &["run", manifest.to_str().unwrap(), "--format", "json"],
            &env,
        )
        .last_line();
    assert_eq!(line["endpoint"], "sandbox");
}

#[test]
fn two_manifests_at_one_sandbox_in_process_wait_or_are_told() {
    let world = friendly();
    with_jobs(&world);
    // Somebody has the folder of the sandbox in the process.
    let held = redivis_ingest::sandbox::Sandbox::start(redivis_ingest::sandbox::SandboxOptions {
        data_dir: Some(world.state().join("sandbox")),
        ..Default::default()
    })
    .unwrap();
    let outcome = world.run(&["--endpoint", "sandbox"]).exits(6);
    assert!(
        outcome.stderr.contains("another sandbox is using it"),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("help: "), "{outcome:?}");
    held.stop();
    world.run(&["--endpoint", "sandbox"]).exits(0);
}

#[test]
fn a_token_can_come_from_a_file_or_a_command() {
    let world = friendly();
    with_jobs(&world);
    world.file("token", format!("{TOKEN}\n"));
    let manifest = world.path("manifest.yaml");
    let token = world.path("token");
    let command = format!("cat {}", token.display());
    for args in [
        ["--token-file", token.to_str().unwrap()],
        ["--token-command", &command],
    ] {
        let all = ["plan", manifest.to_str().unwrap(), args[0], args[1]];
        world.call_with(&all, &[("REDIVIS_API_TOKEN", "")]).exits(0);
    }
}

// Secrets.

/// The token, and what makes a signed URL work.
fn assert_no_secret(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for secret in [TOKEN, "X-Goog-Signature", "upload_id="] {
        assert!(!text.contains(secret), "{what} holds {secret}: {text}");
    }
}

fn assert_no_secret_below(folder: &std::path::Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_no_secret_below(&path);
        } else {
            let mut bytes = Vec::new();
            fs::File::open(&path)
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            let token = TOKEN.as_bytes();
            assert!(
                !bytes.windows(token.len()).any(|window| window == token),
                "{}",
                path.display()
            );
            // A session's URL is what a resumed upload needs: the state may hold
            // it, readable by its owner only; reports and rejects may not.
            if !path.to_str().unwrap().contains(".sqlite") {
                assert_no_secret(path.to_str().unwrap(), &bytes);
            }
        }
    }
}

#[test]
fn no_output_and_no_file_holds_the_token_or_a_signed_url() {
    under_both(|world| {
        with_jobs(&world);
        world
            .file("data/large.bin", vec![7; 9 << 20])
            .file("rows/2.csv", "station,value\nb,x\n");
        // Failures of many kinds, so that many messages are made.
        let fault = |code| Fault::Status {
            code,
            retry_after: None,
        };
        let script = FaultScript::none()
            .with(Operation::PutFile, Nth::Nth(1), fault(403))
            .with(Operation::PutFile, Nth::Nth(2), Fault::CutAfterEffect)
            .with(Operation::OpenSession, Nth::Nth(1), Fault::ExpireUrl)
            .with(
                Operation::PutChunk,
                Nth::Nth(1),
                Fault::LoseSession { gone: true },
            )
            .with(
                Operation::PutChunk,
                Nth::Nth(2),
                Fault::HtmlErrorPage { code: 502 },
            )
            .with(Operation::AttachFiles, Nth::Nth(1), fault(400))
            .with(Operation::CreateUpload, Nth::Nth(1), Fault::CutAfterEffect);
        world.faults(script);
        let mut outcomes = Vec::new();
        for format in ["text", "json", "ndjson"] {
            outcomes.push(world.run(&[
                "--format",
                format,
                "--log-level",
                "trace",
                "--report",
                world.path("report.json").to_str().unwrap(),
            ]));
        }
        outcomes.push(world.plan(&["--log-level", "trace", "--all"]));
        outcomes.push(world.on_manifest("status", &["--log-level", "trace"]));
        outcomes.push(world.on_manifest("status", &["--format", "json"]));
        for outcome in &outcomes {
            assert_no_secret("stdout", outcome.stdout.as_bytes());
            assert_no_secret("stderr", outcome.stderr.as_bytes());
        }
        assert!(outcomes[0].stderr.len() > 1000, "the log says something");
        assert_no_secret_below(&world.state());
        assert_no_secret("report", &fs::read(world.path("report.json")).unwrap());
        assert_eq!(world.inspect().tokens_on_storage, 0);
    });
}
