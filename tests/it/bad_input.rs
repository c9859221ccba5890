//! What a user can get wrong: each gives one clear error with a stable code, the
//! place and what to do, ends with the right status, and sends nothing. What can
//! be known without the network is told by `check` in the same words.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use redivis_ingest::sandbox::{Character, SandboxOptions};

use crate::harness::{Outcome, World, under_both};

fn world() -> World {
    World::new(Character::Friendly)
}

/// The manifest's head without `dataset`, for manifests that are wrong in it.
const HEAD: &str =
    "version: 1\nname: test\ndataset: demo.survey\nprepare: { next_version: true, tables: true }\n";
const FILES: &str =
    "jobs:\n  - name: scans\n    table: scans\n    files: [{ glob: 'data/**/*' }]\n";
const ROWS: &str = "jobs:\n  - name: readings\n    table: readings\n    rows: [{ csv: 'rows/*.csv' }]\n    schema: { station: string, value: float }\n";
const JSON_ROWS: &str = "jobs:\n  - name: readings\n    table: readings\n    rows: [{ json: rows/all.json }]\n    schema: { station: string, value: float }\n";
const UPLOADS: &str =
    "jobs:\n  - name: taxa\n    table: taxa\n    uploads: [{ path: 'up/*.csv' }]\n";

/// One error, with its code, its place and what to do.
#[track_caller]
fn assert_one_error(outcome: &Outcome, command: &str, exit: i32, code: &str, parts: &[&str]) {
    let shown = || {
        format!(
            "{command}\n--- stdout\n{}\n--- stderr\n{}",
            outcome.stdout, outcome.stderr
        )
    };
    assert_eq!(outcome.status, Some(exit), "{}", shown());
    let stderr = &outcome.stderr;
    assert_eq!(
        stderr.matches("error[").count(),
        1,
        "one error: {}",
        shown()
    );
    assert!(
        stderr.contains(&format!("error[{code}]: ")),
        "{code}: {}",
        shown()
    );
    let says_what_to_do = ["help: ", "must be"]
        .iter()
        .any(|words| stderr.contains(words));
    assert!(says_what_to_do, "{}", shown());
    for part in parts {
        assert!(stderr.contains(part), "{part:?}: {}", shown());
    }
    assert!(!stderr.contains('\x1b'), "{}", shown());
}

/// The same error from `check`, `plan` and `run`; nothing is sent.
#[track_caller]
fn refused(world: &World, exit: i32, code: &str, parts: &[&str]) {
    let checked = world.on_manifest("check", &[]);
    assert_one_error(&checked, "check", exit, code, parts);
    assert!(world.sandbox().requests().is_empty(), "check is offline");
    refused_online(world, exit, code, parts);
}

/// The same error from `plan` and `run`; nothing is sent.
#[track_caller]
fn refused_online(world: &World, exit: i32, code: &str, parts: &[&str]) {
    world.sandbox().clear_requests();
    for command in ["plan", "run"] {
        let outcome = world.on_manifest(command, &[]);
        assert_one_error(&outcome, command, exit, code, parts);
    }
    assert!(world.writes().is_empty(), "{:?}", world.writes());
}

/// A manifest that is wrong in itself: not even asked about.
#[track_caller]
fn refused_manifest(text: impl AsRef<[u8]>, code: &str, parts: &[&str]) -> World {
    let world = world();
    world.file("manifest.yaml", text);
    refused(&world, 78, code, parts);
    let requests = world.sandbox().requests();
    assert!(requests.is_empty(), "{requests:?}");
    let outcome = world.run(&[]);
    assert_eq!(outcome.stdout, "");
    world
}

// The manifest.

#[test]
fn an_unknown_key_is_shown_with_its_line_and_the_nearest_key() {
    refused_manifest(
        format!(
            "{HEAD}jobs:\n  - name: a\n    tabel: a\n    table: b\n    files: [{{ glob: '*' }}]\n"
        ),
        "manifest/unknown-key",
        &[
            "manifest.yaml:7:5",
            "    tabel: a\n",
            "^^^^^",
            "did you mean `table`?",
            "manifest.yaml`: 1 problem\n",
        ],
    );
}

#[test]
fn a_duplicate_key_is_shown_with_its_line() {
    refused_manifest(
        format!("{HEAD}dataset: demo.other\n{FILES}"),
        "manifest/duplicate-key",
        &["manifest.yaml:5:1", "dataset: demo.other"],
    );
}

#[test]
fn a_wrong_type_is_shown_with_what_is_wanted() {
    refused_manifest(
        format!("{HEAD}{FILES}    symlinks: [1]\n"),
        "manifest/wrong-type",
        &["manifest.yaml:9:15", "symlinks: [1]"],
    );
}

#[test]
fn all_problems_of_a_manifest_are_told_at_once() {
    let world = world();
    world.file(
        "manifest.yaml",
        "version: 1\nname: Test\ndataset: demo.survey\njobs:\n  - name: a\n    table: a\n    files: [{ glob: '*', bas: x }]\n",
    );

    let outcome = world.run(&[]).exits(78);

    assert_eq!(outcome.stderr.matches("error[").count(), 2, "{outcome:?}");
    assert!(outcome.stderr.contains("error[manifest/bad-name]"));
    assert!(outcome.stderr.contains("error[manifest/unknown-key]"));
    let last = outcome.stderr.lines().last().unwrap();
    assert!(last.ends_with("manifest.yaml`: 2 problems"), "{last}");
}

#[test]
fn indentation_by_tabs_is_refused() {
    refused_manifest(
        format!("{HEAD}jobs:\n\t- name: a\n"),
        "manifest/syntax",
        &["manifest.yaml:6:", "tab"],
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut bomb = format!("{HEAD}x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for (name, of) in ["b", "c", "d", "e", "f", "g", "h", "i"]
        .iter()
        .zip(["a", "b", "c", "d", "e", "f", "g", "h"])
    {
        let list = vec![format!("*{of}"); 10].join(", ");
        writeln!(bomb, "x-{name}: &{name} [{list}]").unwrap();
    }
    refused_manifest(bomb + FILES, "manifest/too-large", &["manifest.yaml:"]);
}

#[test]
fn a_nul_byte_is_refused() {
    refused_manifest(
        format!("{HEAD}{FILES}    on_change: re\0place\n"),
        "manifest/control-character",
        &["manifest.yaml:9:18"],
    );
}

#[test]
fn a_manifest_that_is_not_utf8_is_refused() {
    refused_manifest(
        [HEAD.as_bytes(), b"x-a: caf\xe9\n", FILES.as_bytes()].concat(),
        "manifest/encoding",
        &["manifest.yaml:5:9"],
    );
}

#[test]
fn ten_megabytes_of_nonsense_give_a_short_error() {
    let mut text = HEAD.to_owned();
    while text.len() < 10_000_000 {
        let key = text.len();
        writeln!(text, "key_{key}: {}", "x".repeat(100)).unwrap();
    }
    let world = world();
    world.file("manifest.yaml", text + FILES);

    let outcome = world.run(&[]).exits(78);

    assert!(outcome.stderr.len() < 60_000, "{}", outcome.stderr.len());
    assert!(outcome.stderr.contains("error[manifest/unknown-key]"));
    let last = outcome.stderr.lines().last().unwrap();
    assert!(last.contains("the first 100 are shown"), "{last}");
    assert!(world.sandbox().requests().is_empty());
}

#[test]
fn ten_megabytes_in_one_value_are_not_printed() {
    let text = format!("{HEAD}{FILES}    table2: {}\n", "x".repeat(10_000_000));
    let world = refused_manifest(text, "manifest/unknown-key", &["manifest.yaml:9:5"]);
    let outcome = world.run(&[]);
    assert!(outcome.stderr.len() < 4_000, "{}", outcome.stderr.len());
}

#[test]
fn a_manifest_beyond_the_limit_is_not_even_read() {
    let comment = "# nothing\n".repeat(1_700_000);
    refused_manifest(
        format!("{comment}{HEAD}{FILES}"),
        "manifest/too-large",
        &["16777216"],
    );
}

#[test]
fn a_version_other_than_next_is_refused() {
    refused_manifest(
        format!(
            "{HEAD}{}",
            FILES.replace("table: scans", "table: 'demo.survey:v1_0.scans'")
        ),
        "manifest/not-next",
        &["manifest.yaml:7:12", "v1_0"],
    );
}

#[test]
fn a_token_in_a_manifest_is_refused_and_never_shown() {
    let world = refused_manifest(
        format!("{HEAD}api_token: AAAAC3NzaC1lZDI1\n{FILES}"),
        "manifest/secret",
        &["manifest.yaml:5:1", "REDIVIS_API_TOKEN"],
    );
    let outcome = world.run(&["--format", "json", "--log-level", "trace"]);
    assert!(!format!("{outcome:?}").contains("AAAAC3"), "{outcome:?}");
}

#[test]
fn a_manifest_that_is_not_there_is_66() {
    let world = world();
    refused(
        &world,
        66,
        "manifest/unreadable",
        &["manifest.yaml", "No such file"],
    );
}

#[test]
fn a_manifest_that_is_a_folder_is_66() {
    let world = world();
    std::fs::create_dir(world.path("manifest.yaml")).unwrap();
    refused(&world, 66, "manifest/unreadable", &["manifest.yaml"]);
}

#[test]
fn a_bad_manifest_is_told_to_scripts_too() {
    let world = world();
    world.file("manifest.yaml", format!("{HEAD}nme: x\n{FILES}"));
    for command in ["check", "plan", "run"] {
        let outcome = world.on_manifest(command, &["--format", "json"]).exits(78);
        let line = outcome.last_line();

        assert_eq!(outcome.stdout.lines().count(), 1, "{outcome:?}");
        assert_eq!(line["type"], "failure");
        assert_eq!(line["exit"], 78);
        assert_eq!(line["exit_word"], "manifest");
        assert_eq!(line["code"], "manifest/invalid");
        assert_eq!(line["problems"][0]["code"], "manifest/unknown-key");
        assert_eq!(line["problems"][0]["line"], 5);
        assert_eq!(line["problems"][0]["column"], 1);
        assert_eq!(line["problems"][0]["help"], "did you mean `name`?");
    }
}

// Paths and names.

#[test]
fn a_glob_that_matches_nothing_is_refused() {
    let world = world();
    world.manifest(FILES);
    refused(
        &world,
        66,
        "source/no-match",
        &["`data/**/*` matches no file", "`scans`", "allow_empty"],
    );
}

#[test]
fn a_literal_path_that_is_missing_is_refused() {
    let world = world();
    world.manifest(&FILES.replace("glob: 'data/**/*'", "path: data/a.tif"));
    refused(&world, 66, "source/not-found", &["`data/a.tif`"]);
}

#[test]
fn a_folder_where_a_file_should_be_is_refused() {
    let world = world();
    world.manifest(&FILES.replace("glob: 'data/**/*'", "path: data"));
    world.file("data/a.txt", "a");
    refused(
        &world,
        66,
        "source/is-a-folder",
        &["`data` is a folder", "/**/*"],
    );
}

/// The tests may run as root, who may read everything: what no one can read is a
/// file that is not packed as its name says.
#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let world = world();
    world.manifest(&ROWS.replace("*.csv", "*.csv.gz"));
    world.file("rows/b.csv.gz", "station,value\na,1\n");
    refused(&world, 66, "source/unreadable", &["`rows/b.csv.gz`"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_of_the_system_s_own_is_refused() {
    let world = world();
    world.manifest(ROWS);
    world.file("rows/a.csv", "station,value\na,1\n");
    symlink("/proc/self/mem", world.path("rows/b.csv")).unwrap();
    refused(&world, 66, "source/not-a-file", &["`rows/b.csv`"]);
}

#[test]
fn a_dangling_link_is_refused() {
    let world = world();
    world.manifest(FILES).file("data/a.txt", "a");
    symlink("nowhere", world.path("data/b.txt")).unwrap();
    refused(
        &world,
        66,
        "source/dangling-link",
        &["`data/b.txt`", "symlinks: skip"],
    );
}

#[test]
fn a_loop_of_links_is_refused() {
    let world = world();
    world.manifest(FILES).file("data/sub/a.txt", "a");
    symlink("..", world.path("data/sub/up")).unwrap();
    refused(&world, 66, "source/link-loop", &["`data/sub/up`"]);
}

#[test]
fn a_link_to_itself_is_refused() {
    let world = world();
    world.manifest(FILES).file("data/a.txt", "a");
    symlink("self", world.path("data/self")).unwrap();
    refused(&world, 66, "source/link-loop", &["`data/self`"]);
}

#[test]
fn a_name_that_is_not_utf8_is_refused() {
    let world = world();
    world.manifest(FILES).file("data/a.txt", "a");
    let name = world.path("data").join(OsStr::from_bytes(b"caf\xe9.txt"));
    std::fs::write(name, "b").unwrap();
    refused(&world, 66, "source/not-utf8", &["`data/caf\\xe9.txt`"]);
}

#[test]
fn two_files_with_one_remote_name_are_refused() {
    let world = world();
    world.manifest(
        "jobs:\n  - name: scans\n    table: scans\n    files: [{ glob: 'one/*' }, { glob: 'two/*' }]\n",
    );
    world.file("one/a.txt", "1").file("two/a.txt", "2");
    refused(
        &world,
        66,
        "source/same-name",
        &["`two/a.txt`", "`one/a.txt`", "prefix"],
    );
}

#[test]
fn two_jobs_that_write_one_name_are_refused() {
    let world = world();
    world.manifest(
        "jobs:\n  - name: one\n    table: scans\n    files: [{ glob: 'one/*' }]\n  - name: two\n    table: scans\n    files: [{ glob: 'two/*' }]\n",
    );
    world.file("one/a.txt", "1").file("two/a.txt", "2");
    refused(
        &world,
        66,
        "source/same-name",
        &["`one`", "`two`", "`a.txt`", "prefix"],
    );
}

#[test]
fn names_that_differ_only_by_case_are_refused() {
    let world = world();
    world.manifest(FILES);
    world.file("data/A.txt", "1").file("data/a.txt", "2");
    refused(
        &world,
        66,
        "source/case-twins",
        &["`data/a.txt`", "`data/A.txt`"],
    );
}

#[test]
fn names_that_differ_only_by_unicode_form_are_refused() {
    let world = world();
    world.manifest(FILES);
    world
        .file("data/caf\u{e9}.txt", "1")
        .file("data/cafe\u{301}.txt", "2");
    refused(&world, 66, "source/form-twins", &["Unicode"]);
}

#[test]
fn upload_names_that_collide_are_refused() {
    let world = world();
    world.manifest(UPLOADS);
    world
        .file("up/a.b.csv", "id\n1\n")
        .file("up/a_b.csv", "id\n2\n");
    refused(
        &world,
        66,
        "source/same-upload-name",
        &["`up/a_b.csv`", "`up/a.b.csv`"],
    );
}

#[test]
fn every_problem_of_the_sources_is_told_at_once_and_no_job_is_sent() {
    let world = world();
    world.manifest(&format!("{FILES}{}", ROWS.replace("jobs:\n", "")));
    world.file("rows/a.csv", "station,value\na,1\nb\n");
    for command in ["check", "plan", "run"] {
        let outcome = world.on_manifest(command, &[]).exits(66);
        assert_eq!(outcome.stderr.matches("error[").count(), 2, "{outcome:?}");
        assert!(outcome.stderr.contains("error[source/no-match]"));
        assert!(outcome.stderr.contains("error[rows/ragged]"));
    }
    assert!(world.writes().is_empty(), "{:?}", world.writes());
}

#[test]
fn a_thousand_bad_names_give_a_short_error_that_counts_them() {
    let world = world();
    world.manifest(FILES);
    std::fs::create_dir(world.path("data")).unwrap();
    for index in 0..1000 {
        symlink("nowhere", world.path(&format!("data/{index:04}"))).unwrap();
    }
    for command in ["check", "plan", "run"] {
        let outcome = world.on_manifest(command, &[]).exits(66);
        let shown = outcome.stderr.matches("error[").count();
        assert!((5..=30).contains(&shown), "{command}: {shown}");
        let left = 1000 - shown;
        assert!(
            outcome.stderr.contains(&format!("and {left} more")),
            "{command}: {}",
            outcome.stderr
        );
    }
}

// Rows.

#[test]
fn a_ragged_row_is_refused_with_its_line() {
    let world = world();
    world.manifest(ROWS);
    world.file("rows/a.csv", "station,value\na,1\nb,2,3\n");
    refused(
        &world,
        66,
        "rows/ragged",
        &["rows/a.csv:3:", "3 fields", "2 are expected"],
    );
}

#[test]
fn text_after_a_closing_quote_is_refused_with_its_place() {
    let world = world();
    world.manifest(ROWS);
    world.file("rows/a.csv", "station,value\na,1\n\"b\"c,2\n");
    refused(&world, 66, "rows/bad-quote", &["rows/a.csv:3:4"]);
}

#[test]
fn a_quote_that_is_never_closed_is_refused_with_its_place() {
    let world = world();
    world.manifest(ROWS);
    world.file("rows/a.csv", "station,value\na,1\n\"b,2\nc,3\n");
    refused(&world, 66, "rows/open-quote", &["rows/a.csv:3:1"]);
}

#[test]
fn invalid_utf8_in_a_cell_is_refused_with_its_place() {
    let world = world();
    world.manifest(ROWS);
    world.file("rows/a.csv", b"station,value\na,1\ncaf\xe9,2\n");
    refused(
        &world,
        3,
        "plan/too-many-rejects",
        &["rows/a.csv:3: `station`", "is not valid UTF-8", "encoding"],
    );
}

#[test]
fn a_cell_that_does_not_fit_its_type_is_refused_with_its_place() {
    let world = world();
    world.manifest(ROWS);
    world.file("rows/a.csv", "station,value\na,1\nb,high\n");
    refused(
        &world,
        3,
        "plan/too-many-rejects",
        &[
            "1 row cannot be encoded",
            "rows/a.csv:3: `value`: `high` is not a number",
            "rejects",
        ],
    );
}

#[test]
fn columns_that_do_not_fit_the_schema_are_refused() {
    let world = world();
    world.manifest(ROWS);
    world.file("rows/a.csv", "station,valeu\na,1\n");
    refused(
        &world,
        66,
        "rows/columns",
        &["`rows/a.csv` (line 1)", "missing: `value`", "`valeu`"],
    );
}

/// By `run` only: it takes a second to read so long a row.
#[test]
fn a_row_over_the_cap_is_refused_with_its_place() {
    let world = world();
    world.manifest(ROWS);
    let mut text = b"station,value\na,1\n".to_vec();
    text.resize(text.len() + 100_000_000, b'x');
    text.extend(b",2\nb,3\n");
    world.file("rows/a.csv", text);

    let outcome = world.run(&[]);

    let parts = [
        "rows/a.csv:3: ",
        "more than the 100000000 that a payload may have",
    ];
    assert_one_error(&outcome, "run", 3, "plan/too-many-rejects", &parts);
    assert!(world.writes().is_empty(), "{:?}", world.writes());
}

#[test]
fn json_that_ends_early_is_refused_with_its_place() {
    let world = world();
    world.manifest(JSON_ROWS);
    world.file(
        "rows/all.json",
        "[{\"station\": \"a\", \"value\": 1},\n {\"station\": \"b\", \"val",
    );
    refused(&world, 66, "rows/ends-early", &["rows/all.json:2:"]);
}

#[test]
fn json_that_is_not_json_is_refused_with_its_place() {
    let world = world();
    world.manifest(JSON_ROWS);
    world.file(
        "rows/all.json",
        "[{\"station\": \"a\", \"value\": 1},\n nil]",
    );
    refused(&world, 66, "rows/bad-json", &["rows/all.json:2:2"]);
}

#[test]
fn a_source_without_rows_is_refused() {
    let world = world();
    world.manifest(ROWS).file("rows/a.csv", "station,value\n");
    refused(
        &world,
        66,
        "source/no-rows",
        &["`rows/a.csv`", "allow_empty: true"],
    );
}

#[test]
fn a_payload_that_cannot_fit_in_memory_is_refused_by_check() {
    let world = world();
    world.manifest(&format!("{ROWS}    payload: 64MiB\n"));
    world.file("rows/a.csv", "station,value\na,1\n");
    let outcome = world.on_manifest("check", &["--max-memory", "32MiB"]);
    assert_one_error(
        &outcome,
        "check",
        64,
        "settings/payload-too-large",
        &["`readings`", "64.0 MiB", "32.0 MiB", "--max-memory"],
    );
    // A run makes its payloads smaller instead.
    world.run(&["--max-memory", "32MiB"]).exits(0);
}

// The remote.

#[test]
fn a_missing_token_is_told_before_anything_is_asked() {
    let world = world();
    world.manifest(FILES).file("data/a.txt", "a");
    for command in ["plan", "run"] {
        let manifest = world.path("manifest.yaml");
        let outcome = world.call_with(
            &[command, manifest.to_str().unwrap()],
            &[("REDIVIS_API_TOKEN", "")],
        );
        assert_one_error(
            &outcome,
            command,
            77,
            "token/missing",
            &["REDIVIS_API_TOKEN", "--token-file"],
        );
    }
    assert!(world.sandbox().requests().is_empty());
}

#[test]
fn a_bad_token_is_refused() {
    under_both(|world| {
        world.manifest(FILES).file("data/a.txt", "a");
        for command in ["plan", "run"] {
            let manifest = world.path("manifest.yaml");
            let outcome = world.call_with(
                &[command, manifest.to_str().unwrap()],
                &[("REDIVIS_API_TOKEN", "wrong-token-000")],
            );
            assert_one_error(&outcome, command, 77, "redivis/unauthorized", &["token"]);
            assert!(!outcome.stderr.contains("wrong-token"), "{outcome:?}");
        }
        assert!(world.writes().is_empty(), "{:?}", world.writes());
    });
}

#[test]
fn a_token_that_may_only_read_plans_and_is_refused_by_run() {
    for character in [Character::Friendly, Character::Worst] {
        let world = World::with(SandboxOptions {
            character,
            read_only_tokens: vec!["read-only-000".to_owned()],
            ..SandboxOptions::default()
        });
        world.manifest(FILES).file("data/a.txt", "a");
        let manifest = world.path("manifest.yaml");
        let manifest = manifest.to_str().unwrap();
        let env = [("REDIVIS_API_TOKEN", "read-only-000")];

        world.call_with(&["plan", manifest], &env).exits(0);
        let outcome = world
            .call_with(&["run", manifest], &env)
            .exits(77)
            .says("not authorised");
        assert!(outcome.stdout.contains("scope"), "{outcome:?}");

        assert!(world.writes().iter().all(|request| request.status == 403));
    }
}

#[test]
fn a_missing_dataset_is_refused() {
    under_both(|world| {
        world.file(
            "manifest.yaml",
            format!("{HEAD}{FILES}").replace("demo.survey", "demo.nothing"),
        );
        world.file("data/a.txt", "a");
        refused_online(
            &world,
            69,
            "redivis/no-dataset",
            &["`demo.nothing`", "create"],
        );
    });
}

#[test]
fn a_table_of_the_wrong_kind_is_refused() {
    under_both(|world| {
        world.manifest(FILES).file("data/a.txt", "a");
        world.run(&[]).exits(0);
        world.manifest(&ROWS.replace("table: readings", "table: scans"));
        world.file("rows/a.csv", "station,value\na,1\n");
        refused_online(
            &world,
            3,
            "plan/wrong-kind",
            &["`readings`", "table `scans` is a table of files"],
        );
        assert_eq!(world.stored("scans", "a.txt"), b"a");
    });
}

#[test]
fn a_table_that_may_not_be_created_is_refused() {
    under_both(|world| {
        world.file(
            "manifest.yaml",
            format!("version: 1\nname: test\ndataset: demo.survey\n{FILES}"),
        );
        world.file("data/a.txt", "a");
        refused_online(
            &world,
            3,
            "plan/not-prepared",
            &["table `scans`", "prepare: { tables: true }"],
        );
    });
}

#[test]
fn a_schema_that_does_not_fit_the_table_is_refused() {
    under_both(|world| {
        world
            .manifest(ROWS)
            .file("rows/a.csv", "station,value\na,1\n");
        world.run(&[]).exits(0);
        world.manifest(&ROWS.replace("value: float", "value: string"));
        refused_online(&world, 3, "plan/schema-conflict", &["`value`"]);
    });
}

#[test]
fn the_plan_as_data_has_the_code_of_each_problem() {
    let world = world();
    world.manifest(FILES);
    let outcome = world.plan(&["--format", "json"]).exits(66);
    let lines = outcome.lines();
    let item = lines.iter().find(|line| line["what"] == "source").unwrap();
    assert_eq!(item["code"], "source/no-match");
    assert_eq!(item["class"], "conflict");

    let outcome = world.on_manifest("check", &["--format", "json"]).exits(66);
    let problem = &outcome.lines()[0]["problems"][0];
    assert_eq!(problem["code"], "source/no-match");
    assert_eq!(problem["message"], "`data/**/*` matches no file");
    assert!(problem["help"].as_str().unwrap().contains("allow_empty"));
}
