//! The token and what makes a signed address work are canaries: whatever the
//! program does and however it fails, they are in no output and in no file. Only
//! the table of open sessions may hold a session's address.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};

use crate::harness::{Outcome, Reaction, Relay, TOKEN, World, kill, noise, under_both};

/// What no output may show.
const SIGNED: [&str; 3] = ["X-Goog-Signature", "X-Goog-Algorithm", "upload_id="];

const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
  - name: n
    table: n
    rejects: { max: 5 }
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
  - name: taxa
    table: taxa
    uploads: [{ path: 'taxa/*' }]
";

fn with_jobs(world: &World) {
    world
        .manifest(JOBS)
        .file("data/small.bin", "small")
        .file("data/large.bin", noise(1, 33 << 20))
        .file("rows/1.csv", "n\n1\nx\n")
        .file("taxa/a.csv", "id,name\n1,x\n");
}

#[track_caller]
fn assert_clean(what: &str, bytes: &[u8]) {
    for secret in [TOKEN].into_iter().chain(SIGNED) {
        assert!(
            !holds(bytes, secret),
            "{what} holds {secret}: {}",
            String::from_utf8_lossy(bytes)
        );
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

#[track_caller]
fn assert_outputs_clean(outcome: &Outcome) {
    assert_clean("stdout", outcome.stdout.as_bytes());
    assert_clean("stderr", outcome.stderr.as_bytes());
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file())
        .collect()
}

/// Every file that the program left: the state and what it was told to write.
#[track_caller]
fn assert_files_clean(world: &World) -> usize {
    let mut looked = 0;
    let mut files = files_below(&world.state());
    if world.path("out").exists() {
        files.extend(files_below(&world.path("out")));
    }
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let shown = path.display().to_string();
        assert!(!holds(&bytes, TOKEN), "{shown} holds the token");
        if shown.contains(".sqlite") {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{shown}");
        } else {
            assert_clean(&shown, &bytes);
        }
        looked += 1;
    }
    looked
}

/// Every text and blob of a table.
fn values_of(store: &rusqlite::Connection, table: &str) -> Vec<Vec<u8>> {
    use rusqlite::types::Value;
    let mut all = store.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns = all.column_count();
    let mut rows = all.query([]).unwrap();
    let mut values = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        values.extend(
            (0..columns).filter_map(|column| match row.get(column).unwrap() {
                Value::Text(text) => Some(text.into_bytes()),
                Value::Blob(bytes) => Some(bytes),
                Value::Null | Value::Integer(_) | Value::Real(_) => None,
            }),
        );
    }
    values
}

/// Every text of every table but the sessions' own.
#[track_caller]
fn assert_only_sessions_hold_addresses(world: &World) -> usize {
    let mut sessions = 0;
    for path in files_below(&world.state()) {
        if path.extension().is_none_or(|ending| ending != "sqlite") {
            continue;
        }
        let store = rusqlite::Connection::open(&path).unwrap();
        let mut tables = store
            .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
            .unwrap();
        let tables: Vec<String> = tables
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(tables.iter().any(|name| name == "sessions"), "{tables:?}");
        for table in tables {
            for bytes in values_of(&store, &table) {
                let is_address = table == "sessions" && holds(&bytes, "upload_id=");
                sessions += usize::from(is_address);
                assert!(!holds(&bytes, TOKEN), "{table}");
                if !is_address {
                    assert_clean(&table, &bytes);
                }
            }
        }
    }
    sessions
}

#[test]
fn a_run_of_any_kind_shows_no_secret() {
    under_both(|world| {
        with_jobs(&world);
        fs::create_dir(world.path("out")).unwrap();
        let out = |name: &str| world.path("out").join(name).display().to_string();
        let (plan, summary) = (out("plan.ndjson"), out("summary"));
        let reports = [out("report"), out("report.html")];
        let mut outcomes = vec![
            world.plan(&["-o", &plan, "--log-level", "trace", "--hash"]),
            world.on_manifest("check", &["--log-level", "trace"]),
        ];
        let status = |code| Fault::Status {
            code,
            retry_after: None,
        };
        let faults = [
            (Operation::PutFile, status(403)),
            (Operation::PutFile, Fault::CutAfterEffect),
            (Operation::OpenSession, status(500)),
            (Operation::OpenSession, Fault::ExpireUrl),
            (Operation::PutChunk, Fault::LoseSession { gone: true }),
            (Operation::PutChunk, Fault::HtmlErrorPage { code: 502 }),
            (Operation::PutChunk, Fault::ShortRange),
            (Operation::AttachFiles, status(400)),
            (Operation::CreateUpload, Fault::CutAfterEffect),
            (Operation::InsertRows, status(400)),
            (Operation::InsertRows, Fault::WrongCount),
            (Operation::CreateTempUploads, status(401)),
            (Operation::CreateTempUploads, status(403)),
            (Operation::ListFiles, Fault::TruncateAnswer { bytes: 40 }),
            (Operation::GetDataset, status(404)),
            (Operation::GetDataset, Fault::HtmlErrorPage { code: 500 }),
        ];
        let levels = ["error", "warn", "info", "debug", "trace"];
        for (round, (operation, fault)) in faults.into_iter().enumerate() {
            world.faults(FaultScript::none().with(operation, Nth::First(2), fault));
            let (format, log) = match round % 3 {
                0 => ("text", "text"),
                1 => ("json", "json"),
                _ => ("ndjson", "json"),
            };
            outcomes.push(world.run(&[
                "--format",
                format,
                "--log-format",
                log,
                "--log-level",
                levels[round % 5],
                "--report",
                &reports[round % 2],
                "--summary",
                &summary,
            ]));
            assert_files_clean(&world);
        }
        world.faults(FaultScript::none());
        outcomes.push(world.run(&["--plan", &plan, "--log-level", "trace"]));
        outcomes.push(world.on_manifest("status", &["--format", "json", "--log-level", "trace"]));
        outcomes.push(world.call_with(
            &[
                "plan",
                world.path("manifest.yaml").to_str().unwrap(),
                "--log-level",
                "trace",
            ],
            &[("REDIVIS_API_TOKEN", "canary-token-1234567890-but-wrong")],
        ));
        outcomes.push(world.call(&["plan", "none.yaml", "--log-level", "trace"]));
        outcomes.push(world.call(&["run", "--no-such-flag", TOKEN_LIKE]));
        let mut exits: Vec<i32> = outcomes.iter().filter_map(|one| one.status).collect();
        exits.sort_unstable();
        exits.dedup();
        // Success and failures of many kinds, or it would prove little.
        assert!(exits.len() >= 5, "{exits:?}");
        for outcome in &outcomes {
            assert_outputs_clean(outcome);
        }
        assert!(assert_files_clean(&world) > 10);
        for report in &reports {
            assert!(fs::metadata(report).unwrap().len() > 1000, "{report}");
        }
        assert_only_sessions_hold_addresses(&world);
        assert_eq!(world.inspect().tokens_on_storage, 0);
    });
}

/// Something on a command line that is no secret of ours.
const TOKEN_LIKE: &str = "abc";

#[test]
fn a_killed_run_leaves_session_addresses_in_their_table_only() {
    under_both(|world| {
        with_jobs(&world);
        let script = FaultScript::none().with(
            Operation::PutChunk,
            Nth::After(1),
            Fault::Stall { ms: 600_000 },
        );
        world.faults(script);
        let run = world.start_run(&["--chunk-size", "4MiB", "--log-level", "trace"]);
        // The second chunk is held: the first is in the state.
        world.wait_for(Operation::PutChunk, 1);
        kill(run);

        assert!(assert_files_clean(&world) > 1);
        assert!(assert_only_sessions_hold_addresses(&world) > 0);
        world.faults(FaultScript::none());
        assert_outputs_clean(&world.on_manifest("status", &["--log-level", "trace"]));
    });
}

#[test]
fn a_server_that_repeats_our_secrets_is_not_quoted() {
    // What a proxy or a debug page does: it shows the request it got.
    for (round, kind) in [
        "GET dataset",
        "POST tempUploads",
        "PUT storage",
        "POST rows",
        "POST uploads",
        "POST rawFiles",
    ]
    .into_iter()
    .enumerate()
    {
        let world = World::new(Character::Friendly);
        with_jobs(&world);
        fs::create_dir(world.path("out")).unwrap();
        let name = ["report.json", "report.html"][round % 2];
        let report = world.path("out").join(name).display().to_string();
        let status = [400, 401, 403, 404, 409, 500][round];
        let relay = Relay::new(&world, move |asked| {
            if asked.kind() == kind {
                let said = serde_json::json!({
                    "error": "mirror",
                    "error_description": asked.head,
                    "scope": asked.head,
                });
                let warning = format!("X-Redivis-Warning: {}\r\n", asked.path());
                Reaction::answer(status, &warning, said.to_string())
            } else {
                Reaction::Pass
            }
        });
        world.forget_state();
        let args = [
            "--log-level",
            "trace",
            "--timeout",
            "5s",
            "--report",
            &report,
        ];
        let outcome = world.through(&relay, "run", &args);
        assert_ne!(outcome.status, Some(0), "{kind}");
        assert_outputs_clean(&outcome);
        assert_files_clean(&world);
    }
}

#[test]
fn a_secret_in_a_manifest_is_never_printed() {
    let world = World::new(Character::Friendly);
    for jobs in [
        "token: hunter2-canary\n",
        "api_token: 'hunter2-canary'\n",
        "x-home: { password: hunter2-canary }\n",
        "auth: [hunter2-canary, hunter2-canary]\n",
        "secret: |\n  line\n  hunter2-canary\n",
        "jobs: [{ name: a, table: t, apiKey: hunter2-canary, files: [{ glob: '*' }] }]\n",
        "bearer: &b hunter2-canary\nnote: *b\n",
        "Authorization: Bearer hunter2-canary\njobs: {\n",
        "secret_key: \"hunter2-canary\n",
    ] {
        world.manifest(jobs);
        for format in ["text", "json"] {
            let outcome = world
                .on_manifest("check", &["--format", format, "--log-level", "trace"])
                .exits(78);
            let all = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(!all.contains("hunter2"), "{jobs}: {all}");
        }
    }
    // The token itself, wherever it stands.
    for jobs in [
        format!("description: {TOKEN}\n"),
        format!("x-a: {TOKEN}\nx-b: {TOKEN}\nrelease: {TOKEN}\n"),
        format!("{TOKEN}: 1\n"),
        format!("jobs: [{{ name: {TOKEN}, table: '{TOKEN}', files: [{{ glob: '{TOKEN}' }}] }}]\n"),
        format!("jobs: [{{ name: a, table: a, payload: {TOKEN}, files: [{{ glob: '[' }}] }}]\n"),
        format!("# {TOKEN}\njobs: 3\n"),
        format!(
            "jobs: [{{ name: a, table: a, rows: [{{ csv: x }}], schema: {{ {TOKEN}: nope, b: '{TOKEN}' }} }}]\n"
        ),
        format!("tables: {{ '{TOKEN}': {{}}, b: {TOKEN} }}\nx: [\n"),
        format!("jobs: *{TOKEN}\n"),
        format!("jobs: !{TOKEN} x\n"),
    ] {
        world.manifest(&jobs);
        for format in ["text", "json"] {
            let outcome = world
                .on_manifest("check", &["--format", format, "--log-level", "trace"])
                .exits(78);
            let all = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(!all.contains(TOKEN), "{jobs}: {all}");
        }
    }
}
