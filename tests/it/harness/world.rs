//! A folder with a manifest and its files, a sandbox, and the program.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use redivis_ingest::sandbox::{
    Behaviour, Character, FaultScript, Inspect, Method, Request, Sandbox, SandboxOptions, TableView,
};

use super::outcome::Outcome;
use super::setting::program;

/// The dataset that every world's sandbox has, never released.
pub(crate) const DATASET: &str = "demo.survey";
/// The manifest's file in a world.
const MANIFEST: &str = "manifest.yaml";
/// Each world's token: a canary that no output may show.
pub(crate) const TOKEN: &str = "canary-token-1234567890";

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A folder, a sandbox and the program.
pub(crate) struct World {
    folder: tempfile::TempDir,
    sandbox: Option<Sandbox>,
    options: SandboxOptions,
}

impl World {
    /// A sandbox of that character with the dataset [`DATASET`].
    pub(crate) fn new(character: Character) -> Self {
        Self::with(SandboxOptions {
            character,
            ..SandboxOptions::default()
        })
    }

    /// A sandbox with these options; its data outlives [`World::restart`].
    pub(crate) fn with(options: SandboxOptions) -> Self {
        Self::for_any_token(SandboxOptions {
            token: Some(TOKEN.to_owned()),
            ..options
        })
    }

    /// The same, for the tokens that the options say.
    pub(crate) fn for_any_token(options: SandboxOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut seed = options.seed.clone();
        seed.datasets.push(DATASET.to_owned());
        let options = SandboxOptions {
            data_dir: Some(folder.path().join("sandbox")),
            seed,
            ..options
        };
        let sandbox = Some(Sandbox::start(options.clone()).unwrap());
        std::fs::create_dir(folder.path().join("work")).unwrap();
        Self {
            folder,
            sandbox,
            options,
        }
    }

    /// Another world with this one's files and its sandbox's data as they are now,
    /// and without a state. Nothing may be under way here.
    pub(crate) fn copy(&self, behaviour: Behaviour) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["sandbox", "work"] {
            copy_folder(&self.folder.path().join(part), &folder.path().join(part));
        }
        let options = SandboxOptions {
            data_dir: Some(folder.path().join("sandbox")),
            behaviour: Some(behaviour),
            ..self.options.clone()
        };
        let sandbox = Some(Sandbox::start(options.clone()).unwrap());
        Self {
            folder,
            sandbox,
            options,
        }
    }

    /// Stops the sandbox: connections are refused until [`World::restart`].
    pub(crate) fn stop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.stop();
        }
    }

    /// Stops the sandbox and starts it again on the same data and ports.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.sandbox = Some(Sandbox::start(self.options.clone()).unwrap());
    }

    pub(crate) fn character(&self) -> Character {
        self.options.character
    }

    pub(crate) fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().unwrap()
    }

    /// A path in the manifest's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    /// Writes a file in the manifest's folder. Its times are in the past, so that
    /// caches may believe them.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        self
    }

    pub(crate) fn remove(&self, name: &str) -> &Self {
        std::fs::remove_file(self.path(name)).unwrap();
        self
    }

    /// Writes the manifest: the head that all share, then `jobs`.
    pub(crate) fn manifest(&self, jobs: &str) -> &Self {
        let head = format!(
            "version: 1\nname: test\ndataset: {DATASET}\nprepare: {{ next_version: true, tables: true }}\n"
        );
        self.file(MANIFEST, format!("{head}{jobs}"))
    }

    /// The program with this world's endpoint, token and state, and nothing else
    /// of the environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .env_clear()
            .env("REDIVIS_API_TOKEN", TOKEN)
            .env("REDIVIS_API_ENDPOINT", self.sandbox().endpoint())
            .env("REDIVIS_INGEST_STATE_DIR", self.state())
            .env("REDIVIS_INGEST_RETRY_SCALE", "0.01")
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path())
            .args(args)
            .stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn call(&self, args: &[&str]) -> Outcome {
        Outcome::of(&self.command(args).output().unwrap())
    }

    /// `COMMAND MANIFEST ARGS..`.
    pub(crate) fn on_manifest(&self, command: &str, args: &[&str]) -> Outcome {
        let manifest = self.path(MANIFEST);
        let mut all = vec![command, manifest.to_str().unwrap()];
        all.extend(args);
        self.call(&all)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.on_manifest("run", args)
    }

    pub(crate) fn plan(&self, args: &[&str]) -> Outcome {
        self.on_manifest("plan", args)
    }

    /// Starts `run` and does not wait for its end.
    pub(crate) fn start_run(&self, args: &[&str]) -> Child {
        let manifest = self.path(MANIFEST);
        let mut all = vec!["run", manifest.to_str().unwrap()];
        all.extend(args);
        self.command(&all)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Where the program keeps its state.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Deletes all state: a run without it is slower, never wrong.
    pub(crate) fn forget_state(&self) -> &Self {
        let state = self.state();
        if state.exists() {
            std::fs::remove_dir_all(state).unwrap();
        }
        self
    }

    pub(crate) fn faults(&self, script: FaultScript) -> &Self {
        self.sandbox().set_faults(script);
        self
    }

    /// What the sandbox holds.
    pub(crate) fn inspect(&self) -> Inspect {
        self.sandbox().inspect()
    }

    /// Looks at a table of the draft.
    #[track_caller]
    pub(crate) fn table<T>(&self, name: &str, look: impl FnOnce(&TableView) -> T) -> T {
        let inspect = self.inspect();
        let table = inspect.table(DATASET, "next", name);
        look(table.unwrap_or_else(|| panic!("the draft has no table {name:?}")))
    }

    /// All rows of a table of the draft, inherited ones first.
    #[track_caller]
    pub(crate) fn rows(&self, table: &str) -> Vec<String> {
        self.table(table, |table| table.inserted_rows().unwrap())
    }

    /// A stored file's bytes.
    #[track_caller]
    pub(crate) fn stored(&self, table: &str, name: &str) -> Vec<u8> {
        self.table(table, |table| {
            let file = table
                .file(name)
                .unwrap_or_else(|| panic!("no file {name:?}"));
            file.bytes().unwrap()
        })
    }

    /// Requests that change something, since the log was last cleared.
    pub(crate) fn writes(&self) -> Vec<Request> {
        let mut requests = self.sandbox().requests();
        requests.retain(|request| !matches!(request.method, Method::Get | Method::Head));
        requests
    }

    /// Releases the draft as somebody else would, and asserts that it worked.
    #[track_caller]
    pub(crate) fn release(&self) -> &Self {
        self.post(&format!("/datasets/{DATASET}/versions/next/release"));
        self
    }

    /// Creates the `next` version as somebody else would.
    #[track_caller]
    pub(crate) fn create_next(&self) -> &Self {
        self.post(&format!("/datasets/{DATASET}/versions"));
        self
    }

    #[track_caller]
    fn post(&self, path: &str) {
        use std::io::{Read as _, Write as _};

        let endpoint = self.sandbox().endpoint();
        let (host, base) = endpoint
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .unwrap();
        let mut socket = std::net::TcpStream::connect(host).unwrap();
        write!(
            socket,
            "POST /{base}{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 2"), "POST {path}: {answer}");
    }

    /// The manifest's folder.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }
}
