//! What the tests of files share: content, reports, and what was asked of the
//! sandbox.

use std::io::{Read as _, Write as _};
use std::process::Child;
use std::time::{Duration, Instant};

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{Operation, Request};
use serde_json::{Value, json};

use super::world::TOKEN;
use super::{DATASET, Outcome, World};

/// How long a test waits for something that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A job that sends everything below `data/` to the table `scans`.
pub(crate) const SCANS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
";

/// A job of each kind: the table `scans` of files, `readings` of rows, `taxa` of a
/// bulk upload.
pub(crate) const ALL_KINDS: &str = "
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*' }]
  - name: readings
    table: readings
    rows: [{ csv: 'rows/*.csv' }]
    schema: { station: string, value: float }
  - name: taxa
    table: taxa
    uploads: [{ path: taxa.csv }]
";

/// Bytes without a pattern, the same for the same seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

impl World {
    /// Runs and answers the report, too.
    #[track_caller]
    pub(crate) fn run_reported(&self, args: &[&str]) -> (Outcome, Value) {
        let path = self.root().join("report.json");
        let mut all = vec!["--report", path.to_str().unwrap()];
        all.extend(args);
        let outcome = self.run(&all);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("no report: {error}\n{outcome:?}"));
        std::fs::remove_file(&path).unwrap();
        (outcome, serde_json::from_str(&text).unwrap())
    }

    /// Requests of one operation since the log was last cleared.
    pub(crate) fn asked(&self, operation: Operation) -> Vec<Request> {
        let mut requests = self.sandbox().requests();
        requests.retain(|request| request.operation == operation);
        requests
    }

    /// Waits until the sandbox has answered so many requests of one operation.
    #[track_caller]
    pub(crate) fn wait_for(&self, operation: Operation, count: usize) {
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = self.sandbox().requests();
            let found = seen.iter().filter(|one| one.operation == operation);
            if found.count() >= count {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            let more = u64::try_from(seen.len()).unwrap() + 1;
            assert!(
                self.sandbox().wait_for_requests(more, left),
                "waited in vain for {operation:?} {count}: {seen:#?}"
            );
        }
    }

    /// The names of a table's files in the draft.
    #[track_caller]
    pub(crate) fn names(&self, table: &str) -> Vec<String> {
        self.table(table, |table| {
            table.files.iter().map(|file| file.name.clone()).collect()
        })
    }

    /// Asserts that the draft's table holds these files and no others.
    #[track_caller]
    pub(crate) fn holds(&self, table: &str, wanted: &[(&str, &[u8])]) {
        let mut names: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(self.names(table), names);
        for (name, content) in wanted {
            let stored = self.stored(table, name);
            assert_eq!(stored.len(), content.len(), "{name}");
            assert_eq!(Md5Digest::of(&stored), Md5Digest::of(content), "{name}");
        }
    }

    /// Asserts that a run finds nothing to do and writes nothing.
    #[track_caller]
    pub(crate) fn finds_nothing_to_do(&self) {
        self.sandbox().clear_requests();
        self.run(&[]).exits(0).says("Nothing to do");
        assert!(self.writes().is_empty(), "{:#?}", self.writes());
    }

    /// How often the table's lists of files were changed by attaching.
    pub(crate) fn attached(&self) -> Vec<Request> {
        let mut calls = self.asked(Operation::AttachFiles);
        calls.retain(|call| (200..300).contains(&call.status));
        calls
    }

    /// Puts a file into a table of the draft as another program would.
    #[track_caller]
    pub(crate) fn foreign_file(&self, table: &str, name: &str, content: &[u8]) {
        let (id, url) = self.foreign_temp(table, name, content.len(), false);
        self.ask("PUT", &url, "", content);
        self.foreign_attach(table, name, &id);
    }

    /// The same through a resumable session.
    #[track_caller]
    pub(crate) fn foreign_session(&self, table: &str, name: &str, content: &[u8]) {
        let (id, url) = self.foreign_temp(table, name, content.len(), true);
        let opened = self.ask("POST", &url, "x-goog-resumable: start\r\n", b"");
        let session = opened
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .unwrap_or_else(|| panic!("{opened}"));
        self.ask("PUT", session, "", content);
        self.foreign_attach(table, name, &id);
    }

    /// A bulk upload of somebody else, under any name.
    #[track_caller]
    pub(crate) fn foreign_upload(&self, table: &str, name: &str, content: &[u8]) {
        let (id, url) = self.foreign_temp(table, name, content.len(), false);
        self.ask("PUT", &url, "", content);
        let body = json!({ "name": name, "type": "delimited", "tempUploadId": id });
        self.ask(
            "POST",
            &self.table_url(table, "uploads"),
            "",
            body.to_string().as_bytes(),
        );
    }

    fn foreign_temp(
        &self,
        table: &str,
        name: &str,
        size: usize,
        resumable: bool,
    ) -> (String, String) {
        let name = format!("foreign {name}");
        let body =
            json!({ "tempUploads": [{ "name": name, "size": size, "resumable": resumable }] });
        let answer = self.ask(
            "POST",
            &self.table_url(table, "tempUploads"),
            "",
            body.to_string().as_bytes(),
        );
        let answer = answer.split_once("\r\n\r\n").unwrap().1;
        let answer: Value = serde_json::from_str(answer).unwrap();
        let text = |key: &str| answer["results"][0][key].as_str().unwrap().to_owned();
        (text("id"), text("url"))
    }

    fn foreign_attach(&self, table: &str, name: &str, id: &str) {
        let body = json!({ "files": [{ "name": name, "tempUploadId": id }] });
        self.ask(
            "POST",
            &self.table_url(table, "rawFiles"),
            "",
            body.to_string().as_bytes(),
        );
    }

    fn table_url(&self, table: &str, call: &str) -> String {
        format!(
            "{}/tables/{DATASET}:next.{table}/{call}",
            self.sandbox().endpoint()
        )
    }

    /// One request on a connection of its own; the whole answer.
    #[track_caller]
    fn ask(&self, method: &str, url: &str, headers: &str, body: &[u8]) -> String {
        let (host, path) = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .unwrap();
        let token = if url.starts_with(&self.sandbox().endpoint()) {
            format!("Authorization: Bearer {TOKEN}\r\n")
        } else {
            String::new()
        };
        let mut socket = std::net::TcpStream::connect(host).unwrap();
        write!(
            socket,
            "{method} /{path} HTTP/1.1\r\nHost: {host}\r\n{token}{headers}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .unwrap();
        socket.write_all(body).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "{method} {url}: {answer}");
        answer
    }
}

/// The end of one item of a report.
#[track_caller]
pub(crate) fn item<'a>(report: &'a Value, name: &str) -> &'a Value {
    let items = report["items"].as_array().unwrap();
    items
        .iter()
        .find(|item| item["name"] == name)
        .unwrap_or_else(|| panic!("the report has no item {name:?}: {report:#}"))
}

/// Kills a process as `kill -9` does, and waits for its end.
pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Asserts that the dataset has one draft.
#[track_caller]
pub(crate) fn has_one_draft(world: &World) {
    let seen = world.inspect();
    let versions = &seen.dataset(DATASET).unwrap().versions;
    assert_eq!(versions.iter().filter(|one| !one.is_released).count(), 1);
}
