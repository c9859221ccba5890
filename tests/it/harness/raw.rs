//! What somebody else does to the remote: raw requests; and what the sandbox
//! has seen of ours.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use redivis_ingest::base::{PartName, SourceKey};
use redivis_ingest::sandbox::{FreezePoint, Operation, Request, Thaw};
use serde_json::Value;

use super::world::{DATASET, TOKEN, World};

/// Between two looks at a program that runs.
const LOOK: Duration = Duration::from_millis(20);

impl World {
    /// One raw request. Answers the status and the body as JSON.
    #[track_caller]
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let endpoint = self.sandbox().endpoint();
        let (host, base) = endpoint
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .unwrap();
        let mut socket = std::net::TcpStream::connect(host).unwrap();
        write!(
            socket,
            "{method} /{base}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// A stream upload with rows, made by somebody else. Answers its address.
    #[track_caller]
    pub(crate) fn put_stream(&self, table: &str, name: &str, schema: &str, rows: &str) -> String {
        let body = format!(r#"{{"name":"{name}","type":"stream","schema":{schema}}}"#);
        let path = format!("/tables/{DATASET}:next.{table}/uploads");
        let (status, made) = self.http("POST", &path, &body);
        assert!((200..300).contains(&status), "{status} {made}");
        let uri = made["uri"].as_str().unwrap().to_owned();
        if !rows.is_empty() {
            let body = format!(r#"{{"rows":{rows}}}"#);
            let (status, answer) = self.http("POST", &format!("{uri}/rows"), &body);
            assert!((200..300).contains(&status), "{status} {answer}");
        }
        uri
    }

    /// The address of a table in the draft.
    pub(crate) fn table_uri(table: &str) -> String {
        format!("/tables/{DATASET}:next.{table}")
    }

    /// Deletes a released version, as its owner may.
    #[track_caller]
    pub(crate) fn delete_version(&self, tag: &str) {
        let path = format!("/datasets/{DATASET}/versions/{tag}");
        let (status, answer) = self.http("DELETE", &path, "");
        assert_eq!(status, 200, "{answer}");
    }

    /// The names of a table's own uploads in the draft, sorted.
    #[track_caller]
    pub(crate) fn upload_names(&self, table: &str) -> Vec<String> {
        let mut names = self.table(table, |table| {
            table
                .uploads
                .iter()
                .map(|upload| upload.name.clone())
                .collect::<Vec<_>>()
        });
        names.sort();
        names
    }

    /// Our parts in the draft, by first row: `(source, first row, rows)`.
    #[track_caller]
    pub(crate) fn parts(&self, table: &str) -> Vec<(SourceKey, u64, u64)> {
        let mut parts: Vec<_> = self
            .upload_names(table)
            .iter()
            .filter_map(|name| PartName::parse(name))
            .map(|name| name.identity)
            .map(|one| (one.source, one.first_row, one.rows))
            .collect();
        parts.sort();
        parts
    }

    /// The numbers that a `{"n": ..}` table holds, sorted.
    #[track_caller]
    pub(crate) fn numbers(&self, table: &str) -> Vec<u64> {
        let mut numbers: Vec<u64> = self
            .rows(table)
            .iter()
            .map(|row| {
                let row: Value = serde_json::from_str(row).unwrap();
                row["n"].as_u64().unwrap()
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// Requests of one kind since the log was last cleared.
    pub(crate) fn requests_of(&self, operation: Operation) -> Vec<Request> {
        let mut requests = self.sandbox().requests();
        requests.retain(|request| request.operation == operation);
        requests
    }

    /// Runs the program until its `nth` request (from 0) is held, then kills it
    /// with SIGKILL. Held requests go on afterwards. `false`: the run made fewer
    /// requests and came to its end.
    #[track_caller]
    pub(crate) fn kill_run_at(&self, nth: u64, at: FreezePoint, args: &[&str]) -> bool {
        let number = self.sandbox().next_request_number() + nth;
        self.sandbox().freeze(number, at);
        let mut child = self.start_run(args);
        let held = loop {
            if self.sandbox().wait_frozen(LOOK) {
                break true;
            }
            if child.try_wait().unwrap().is_some() {
                break false;
            }
        };
        if held {
            child.kill().unwrap();
        }
        child.wait().unwrap();
        self.sandbox().thaw(Thaw::Apply);
        held
    }

    /// How many requests a whole run makes that begins now.
    pub(crate) fn count_requests(&self, run: impl FnOnce()) -> u64 {
        let before = self.sandbox().next_request_number();
        run();
        self.sandbox().next_request_number() - before
    }

    /// The last run's rejects, a JSON object each.
    #[track_caller]
    pub(crate) fn rejects(&self) -> Vec<Value> {
        fn find(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    find(&path, found);
                } else if path.ends_with("rejects.ndjson") {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        find(&self.state(), &mut found);
        found.sort();
        let last = found.last().expect("a rejects file");
        std::fs::read_to_string(last)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
