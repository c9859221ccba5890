//! Lineage: the events that a run sends to a real server on a real socket, and that
//! no server, however it behaves, changes what a run does.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use redivis_ingest::sandbox::{Character, Fault, FaultScript, Nth, Operation};
use serde_json::Value;

use crate::harness::{Outcome, TOKEN, World, assert_quick, end_of, signal, under_both};

const JOBS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*.tif', base: data }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }, { csv: 'more.csv' }]
    schema:
      station: { type: string, description: Where it was read }
      value: float
  - name: taxa
    table: taxa
    uploads: [{ path: taxa.csv }]
";
const PARENT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const ROOT: &str = "01890a5d-ac96-774b-bcce-b302099a8058";
const KEY: &str = "canary-lineage-key-99";

/// How a server treats its callers.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// It reads a request and answers with this status.
    Answers(u16),
    /// It reads and never answers.
    IsSilent,
    /// It answers, and its answer has no end.
    NeverEnds,
}

/// A lineage server.
struct Lineages {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Lineages {
    fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || drop(serve(&socket, manner, &seen)));
            }
        });
        Self { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<(String, String)> {
        self.requests.lock().unwrap().clone()
    }

    fn events(&self) -> Vec<Value> {
        let bodies = self.requests().into_iter().map(|(_, body)| body);
        bodies
            .map(|body| serde_json::from_str(&body).unwrap())
            .collect()
    }
}

fn serve(
    socket: &TcpStream,
    manner: Manner,
    seen: &Mutex<Vec<(String, String)>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket);
    let mut out = socket;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        let mut body = vec![0; length.unwrap_or_default()];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        seen.lock().unwrap().push((head, body));
        match manner {
            Manner::Answers(status) => write!(
                out,
                "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n"
            )?,
            Manner::IsSilent => {}
            Manner::NeverEnds => {
                write!(out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    out.write_all(b"1\r\nx\r\n")?;
                }
            }
        }
    }
}

fn prepared(world: &World) {
    world
        .manifest(JOBS)
        .file("data/a.tif", "aaaa")
        .file("data/deep/b.tif", "bb")
        .file("rows/1.csv", "station,value\nx,1\ny,2\n")
        .file("more.csv", "station,value\nz,3\n")
        .file("taxa.csv", "id\n1\n2\n");
}

/// `COMMAND MANIFEST ARGS..` with these variables.
fn call(world: &World, command: &str, args: &[&str], env: &[(&str, &str)]) -> Outcome {
    let manifest = world.path("manifest.yaml");
    let mut all = vec![command, manifest.to_str().unwrap()];
    all.extend(args);
    world.call_with(&all, env)
}

/// The kinds of events by the names of their jobs, in their order.
fn kinds(events: &[Value]) -> Vec<(String, String)> {
    let pairs = events.iter().map(|event| {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&event["job"]["name"]), text(&event["eventType"]))
    });
    pairs.collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, kind): &(&str, &str)| ((*name).to_owned(), (*kind).to_owned());
    wanted.iter().map(owned).collect()
}

/// The event of a job.
#[track_caller]
fn event<'e>(events: &'e [Value], job: &str, kind: &str) -> &'e Value {
    let mut found = events.iter();
    found
        .find(|event| event["job"]["name"] == job && event["eventType"] == kind)
        .unwrap_or_else(|| panic!("no {kind} of {job}: {:?}", kinds(events)))
}

#[test]
fn a_run_tells_what_each_job_read_and_wrote() {
    under_both(|world| {
        prepared(&world);
        let server = Lineages::new(Manner::Answers(201));
        let parent = format!("airflow/dag.task/{PARENT}");
        let root = format!("airflow/dag/{ROOT}");
        let env = [
            ("OPENLINEAGE_URL", server.url()),
            ("OPENLINEAGE_API_KEY", KEY.to_owned()),
            ("OPENLINEAGE_NAMESPACE", "lab".to_owned()),
            ("OPENLINEAGE_PARENT_ID", parent),
            ("OPENLINEAGE_ROOT_PARENT_ID", root),
        ];
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));

        let outcome = call(&world, "run", &["--format", "json"], &env).exits(0);

        let events = server.events();
        assert_eq!(
            kinds(&events),
            pairs(&[
                ("test", "START"),
                ("test.scans", "START"),
                ("test.readings", "START"),
                ("test.taxa", "START"),
                ("test.scans", "COMPLETE"),
                ("test.readings", "COMPLETE"),
                ("test.taxa", "COMPLETE"),
                ("test", "COMPLETE"),
            ])
        );
        for (head, body) in server.requests() {
            assert!(
                head.starts_with("POST /api/v1/lineage HTTP/1.1\r\n"),
                "{head}"
            );
            let head = head.to_ascii_lowercase();
            assert!(
                head.contains(&format!("authorization: bearer {KEY}\r\n")),
                "{head}"
            );
            assert!(
                head.contains("content-type: application/json\r\n"),
                "{head}"
            );
            assert!(!head.contains(TOKEN) && !body.contains(TOKEN));
        }
        follow_the_schemas(&events);
        tells_who_started_it(&events, &outcome);
        tells_what_was_read(&world, &events);
        tells_what_was_written(&world, &events);
    });
}

fn tells_who_started_it(events: &[Value], outcome: &Outcome) {
    let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in events {
        assert_eq!(event["job"]["namespace"], "lab");
        let id = event["run"]["runId"].as_str().unwrap();
        assert!(is_version_7(id), "{id}");
        let name = event["job"]["name"].as_str().unwrap();
        ids.entry(name).or_default().push(id);
        let tag = &event["run"]["facets"]["tags"]["tags"][0];
        assert_eq!(tag["value"], outcome.last_line()["run_id"]);
        let root = &event["run"]["facets"]["parent"]["root"];
        assert_eq!(root["run"]["runId"], ROOT);
        assert_eq!(root["job"]["name"], "dag");
    }
    // Each job has one run, and no two the same.
    for pair in ids.values_mut() {
        assert_eq!(pair[0], pair[1]);
    }
    let mut all: Vec<&str> = ids.values().map(|pair| pair[0]).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 4);

    let parent = |event: &Value| event["run"]["facets"]["parent"].clone();
    let of_run = parent(event(events, "test", "START"));
    assert_eq!(of_run["run"]["runId"], PARENT);
    assert_eq!(of_run["job"]["namespace"], "airflow");
    assert_eq!(of_run["job"]["name"], "dag.task");
    let of_job = parent(event(events, "test.taxa", "COMPLETE"));
    assert_eq!(of_job["run"]["runId"], ids["test"][0]);
    assert_eq!(of_job["job"]["name"], "test");
}

fn tells_what_was_read(world: &World, events: &[Value]) {
    let absolute = |name: &str| world.path(name).to_str().unwrap().to_owned();
    for kind in ["START", "COMPLETE"] {
        let scans = &event(events, "test.scans", kind)["inputs"];
        assert_eq!(scans.as_array().unwrap().len(), 1);
        assert_eq!(scans[0]["namespace"], "file");
        assert_eq!(scans[0]["name"], absolute("data"));
        let condition = &scans[0]["inputFacets"]["subset"]["inputCondition"];
        assert_eq!(
            condition["locations"],
            serde_json::json!([absolute("data/**/*.tif")])
        );

        let readings = &event(events, "test.readings", kind)["inputs"];
        assert_eq!(readings[0]["name"], absolute("more.csv"));
        assert_eq!(readings[0]["inputFacets"], Value::Null);
        assert_eq!(readings[1]["name"], absolute("rows"));
        let taxa = &event(events, "test.taxa", kind)["inputs"];
        assert_eq!(taxa[0]["name"], absolute("taxa.csv"));
        // The run as a whole makes no table from another job's files.
        let whole = event(events, "test", kind);
        assert_eq!(whole["inputs"], serde_json::json!([]));
        assert_eq!(whole["outputs"], serde_json::json!([]));
    }
}

fn tells_what_was_written(world: &World, events: &[Value]) {
    let endpoint = world.sandbox().endpoint();
    let host = endpoint.strip_prefix("http://").unwrap();
    let namespace = format!("redivis://{}", host.split('/').next().unwrap());
    for (job, table) in [
        ("scans", "scans"),
        ("readings", "readings"),
        ("taxa", "taxa"),
    ] {
        let job = format!("test.{job}");
        let (start, end) = (
            event(events, &job, "START"),
            event(events, &job, "COMPLETE"),
        );
        for one in [start, end] {
            assert_eq!(one["outputs"].as_array().unwrap().len(), 1);
            assert_eq!(one["outputs"][0]["namespace"], namespace);
            assert_eq!(one["outputs"][0]["name"], format!("demo.survey.{table}"));
        }
        // Nothing is told as written before it is verified.
        assert_eq!(start["outputs"][0]["outputFacets"], Value::Null);
    }
    let statistics = |job: &str| {
        let end = event(events, job, "COMPLETE");
        end["outputs"][0]["outputFacets"]["outputStatistics"].clone()
    };
    let scans = statistics("test.scans");
    assert_eq!(
        (&scans["fileCount"], &scans["size"]),
        (&2.into(), &6.into())
    );
    assert_eq!(scans["rowCount"], Value::Null);
    let readings = statistics("test.readings");
    assert_eq!(readings["rowCount"], 3);
    assert_eq!(readings["fileCount"], Value::Null);
    let taxa = statistics("test.taxa");
    assert_eq!(
        (&taxa["fileCount"], &taxa["rowCount"]),
        (&1.into(), &2.into())
    );
    let schema = &event(events, "test.readings", "START")["outputs"][0]["facets"]["schema"];
    assert_eq!(schema["fields"][0]["name"], "station");
    assert_eq!(schema["fields"][0]["description"], "Where it was read");
    assert_eq!(schema["fields"][1]["type"], "float");
    assert_eq!(schema["fields"][1]["ordinal_position"], 2);
}

fn is_version_7(id: &str) -> bool {
    let form =
        regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");
    form.unwrap().is_match(id)
}

/// Each facet names a definition of the published schemas, has what that requires,
/// and nothing that it does not know. `tests/peers/lineage` validates all of it.
fn follow_the_schemas(events: &[Value]) {
    let mut facets = Vec::new();
    for event in events {
        find_facets(event, &mut facets);
    }
    let mut names: Vec<&str> = facets.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= 4, "{names:?}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openlineage");
    for (url, facet) in facets {
        let (id, definition) = url.split_once("#/$defs/").unwrap();
        let file = folder.join(id.rsplit('/').next().unwrap());
        let schema: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(schema["$id"], id, "another version is published");
        let own = &schema["$defs"][definition]["allOf"][1];
        let known = own["properties"].as_object().unwrap();
        for name in facet.as_object().unwrap().keys() {
            let is_base = name == "_producer" || name == "_schemaURL";
            assert!(is_base || known.contains_key(name), "{url}: {name}");
        }
        for name in own["required"].as_array().into_iter().flatten() {
            assert!(facet.get(name.as_str().unwrap()).is_some(), "{url}: {name}");
        }
    }
}

fn find_facets(value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            if let Some(url) = fields.get("_schemaURL") {
                found.push((url.as_str().unwrap().to_owned(), value.clone()));
            }
            fields.values().for_each(|field| find_facets(field, found));
        }
        Value::Array(values) => values.iter().for_each(|one| find_facets(one, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_run_with_nothing_to_do_completes_and_says_that_it_wrote_nothing() {
    under_both(|world| {
        prepared(&world);
        world.run(&[]).exits(0);
        let server = Lineages::new(Manner::Answers(200));

        call(&world, "run", &["--lineage", &server.url()], &[]).exits(0);

        let events = server.events();
        assert_eq!(events.len(), 8);
        let end = event(&events, "test.scans", "COMPLETE");
        let statistics = &end["outputs"][0]["outputFacets"]["outputStatistics"];
        assert_eq!(
            (&statistics["fileCount"], &statistics["size"]),
            (&0.into(), &0.into())
        );
        // Nobody started the run: it is the root of its jobs.
        let parent = &end["run"]["facets"]["parent"];
        assert_eq!(parent["root"]["run"], parent["run"]);
        let whole = event(&events, "test", "COMPLETE");
        assert_eq!(whole["run"]["facets"]["parent"], Value::Null);
        follow_the_schemas(&events);
    });
}

#[test]
fn a_job_that_fails_says_why_and_the_others_complete() {
    under_both(|world| {
        prepared(&world);
        world.faults(FaultScript::none().with(
            Operation::AttachFiles,
            Nth::After(0),
            Fault::Status {
                code: 400,
                retry_after: None,
            },
        ));
        let server = Lineages::new(Manner::Answers(200));

        call(&world, "run", &["--lineage", &server.url()], &[]).exits(3);

        let events = server.events();
        let failed = event(&events, "test.scans", "FAIL");
        let error = &failed["run"]["facets"]["errorMessage"];
        assert!(
            error["message"].as_str().unwrap().contains("a.tif"),
            "{error}"
        );
        assert_eq!(error["programmingLanguage"], "RUST");
        let statistics = &failed["outputs"][0]["outputFacets"]["outputStatistics"];
        assert_eq!(statistics["fileCount"], 0, "nothing is verified");
        event(&events, "test.readings", "COMPLETE");
        let whole = event(&events, "test", "FAIL");
        let error = whole["run"]["facets"]["errorMessage"]["message"]
            .as_str()
            .unwrap();
        assert!(error.starts_with("exit code 3 (partial): "), "{error}");
        follow_the_schemas(&events);
    });
}

#[test]
fn a_run_that_fails_before_its_plan_begins_and_fails() {
    let world = World::new(Character::Friendly);
    prepared(&world);
    world.faults(FaultScript::none().with(
        Operation::GetDataset,
        Nth::After(0),
        Fault::Status {
            code: 403,
            retry_after: None,
        },
    ));
    let server = Lineages::new(Manner::Answers(200));

    call(&world, "run", &["--lineage", &server.url()], &[]);

    let events = server.events();
    assert_eq!(
        kinds(&events),
        pairs(&[("test", "START"), ("test", "FAIL")])
    );
}

#[test]
fn a_signal_aborts() {
    under_both(|world| {
        prepared(&world);
        world.faults(FaultScript::none().with(
            Operation::PutFile,
            Nth::After(0),
            Fault::Stall { ms: 3_600_000 },
        ));
        let server = Lineages::new(Manner::Answers(200));
        let run = world.start_run(&["--lineage", &server.url()]);
        world.wait_for(Operation::CreateTempUploads, 1);

        signal(&run, "TERM");
        end_of(run).exits(143);

        let events = server.events();
        let scans = event(&events, "test.scans", "ABORT");
        let message = &scans["run"]["facets"]["errorMessage"]["message"];
        assert_eq!(message, "stopped by SIGTERM");
        event(&events, "test", "ABORT");
        let ends = events.iter().filter(|event| event["eventType"] != "START");
        assert_eq!(ends.count(), 4);
        follow_the_schemas(&events);
    });
}

#[test]
fn a_release_tells_the_version_of_its_tables() {
    under_both(|world| {
        prepared(&world);
        world.run(&[]).exits(0);
        let server = Lineages::new(Manner::Answers(200));

        call(&world, "release", &["--lineage", &server.url()], &[]).exits(0);

        let events = server.events();
        assert_eq!(
            kinds(&events),
            pairs(&[("test:release", "START"), ("test:release", "COMPLETE")])
        );
        let outputs = events[1]["outputs"].as_array().unwrap();
        let names: Vec<&Value> = outputs.iter().map(|output| &output["name"]).collect();
        assert_eq!(
            names,
            [
                "demo.survey.readings",
                "demo.survey.scans",
                "demo.survey.taxa"
            ]
        );
        for output in outputs {
            assert_eq!(output["facets"]["version"]["datasetVersion"], "v1.0");
        }
        follow_the_schemas(&events);
    });
}

#[test]
fn no_server_fails_or_holds_up_a_run_or_gets_it_to_tell_a_secret() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let servers = [
        Manner::Answers(500),
        Manner::Answers(307),
        Manner::NeverEnds,
        Manner::IsSilent,
    ]
    .map(Lineages::new);
    let path = "/canary-in-path";
    let mut urls: Vec<String> = servers.iter().map(|server| server.url() + path).collect();
    urls.push(format!("http://{gone}{path}"));
    urls.push("http://me:canary-password@127.0.0.1:1".to_owned());
    let said = [
        Some("it answers with 500"),
        Some("it answers with 307"),
        None,
        Some("was not all sent"),
        Some("it refuses connections"),
        Some("it must not hold a user name"),
    ];
    for (url, said) in urls.iter().zip(said) {
        let world = World::new(Character::Friendly);
        prepared(&world);
        let started = Instant::now();

        let env = [
            ("OPENLINEAGE_URL", url.as_str()),
            ("OPENLINEAGE_API_KEY", KEY),
        ];
        let outcome = call(&world, "run", &["--format", "json"], &env).exits(0);

        // A run takes two seconds, and lineage at most five.
        assert_quick(started, 60);
        assert_eq!(outcome.last_line()["exit"], 0);
        match said {
            Some(said) => assert!(outcome.stderr.contains(said), "{url}: {}", outcome.stderr),
            None => assert_eq!(
                outcome.stderr.matches("lineage").count(),
                0,
                "{}",
                outcome.stderr
            ),
        }
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!all.contains("canary"), "{all}");
    }
    // A redirect is not followed: the key stays where it was sent.
    let heads: Vec<String> = servers[1]
        .requests()
        .into_iter()
        .map(|(head, _)| head)
        .collect();
    assert!(!heads.is_empty());
    assert!(
        heads.iter().all(|head| !head.contains("/elsewhere")),
        "{heads:?}"
    );
}

#[test]
fn a_run_that_was_signalled_is_not_held_up_by_a_silent_server() {
    let world = World::new(Character::Friendly);
    prepared(&world);
    world.faults(FaultScript::none().with(
        Operation::PutFile,
        Nth::After(0),
        Fault::Stall { ms: 3_600_000 },
    ));
    let server = Lineages::new(Manner::IsSilent);
    let run = world.start_run(&["--lineage", &server.url()]);
    world.wait_for(Operation::CreateTempUploads, 1);

    let signalled = Instant::now();
    signal(&run, "TERM");
    end_of(run).exits(143);

    assert_quick(signalled, 15);
    assert_eq!(world.report()["stopped_by"], "sigterm");
}

#[test]
fn events_are_appended_to_a_file_and_a_pipe_without_a_reader_holds_nothing_up() {
    let world = World::new(Character::Friendly);
    prepared(&world);
    let path = world.path("lineage.ndjson");
    let args = ["--lineage", path.to_str().unwrap()];
    call(&world, "run", &args, &[]).exits(0);
    call(&world, "run", &args, &[]).exits(0);
    let text = fs::read_to_string(&path).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), 16);
    assert_ne!(events[0]["run"]["runId"], events[8]["run"]["runId"]);

    let pipe = world.path("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .stdin(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let args = ["--lineage", pipe.to_str().unwrap()];
    let outcome = call(&world, "run", &args, &[]).exits(0);
    assert!(
        outcome.stderr.contains("was not all sent"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn who_disables_lineage_gets_none_and_a_rehearsal_tells_nobody() {
    let world = World::new(Character::Friendly);
    prepared(&world);
    let server = Lineages::new(Manner::Answers(200));
    let url = server.url();
    let env = [
        ("OPENLINEAGE_URL", url.as_str()),
        ("OPENLINEAGE_DISABLED", "true"),
    ];
    call(&world, "run", &[], &env).exits(0);
    call(&world, "plan", &[], &env[..1]).exits(0);
    call(&world, "rehearse", &["--seed", "1"], &env[..1]).exits(0);

    assert_eq!(server.requests().len(), 0);
}
