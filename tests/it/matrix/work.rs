//! The work that is disturbed: two stories over files, rows and bulk uploads,
//! and what the remote must hold in the end, made from what lies on disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use redivis_ingest::base::{Md5Digest, MergeStrategy};
use redivis_ingest::sandbox::{Behaviour, Character, Inspect, TableView, VersionView};

use crate::harness::{DATASET, Outcome, World, noise};

/// What a run has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// A dataset whose first version is released and holds the beginning of a
    /// log: makes `next` and tables, changes one, sends everything.
    Fresh,
    /// A draft that holds older files, parts and uploads: replaces them, deletes
    /// what is superseded, releases.
    Changed,
}

/// Large enough for four chunks.
pub(super) const BIG: usize = 900 << 10;
pub(super) const CHUNK: u64 = 256 << 10;
/// No payload is larger.
pub(super) const PAYLOAD: u64 = 1 << 10;
/// Rows of `log/a.csv` in the end.
const ROWS: u64 = 45;

const JOBS: &str = "
tables:
  log: { description: Readings, variables: { w: { description: What was read } } }
  taxa: { merge: replace }
jobs:
  - name: scans
    table: scans
    files: [{ glob: 'data/**/*', base: data }]
  - name: log
    table: log
    rows: [{ csv: 'log/*.csv' }]
    schema: { n: integer, w: { type: string, label: Word } }
    payload: 1KiB
    on_missing: delete
  - name: taxa
    table: taxa
    uploads: [{ path: 'taxa/*.csv' }]
";

const LOG_ONLY: &str = "
jobs:
  - name: log
    table: log
    rows: [{ csv: 'log/*.csv' }]
    schema: { n: integer, w: string }
    payload: 1KiB
";

fn word(n: u64, edition: u64) -> String {
    format!("edition {edition} of the reading number {n:05}")
}

/// Row 3 has another edition in the older log.
fn log(rows: u64, edition_of_3: u64) -> String {
    let mut text = "n,w\n".to_owned();
    for n in 0..rows {
        let edition = if n == 3 { edition_of_3 } else { 1 };
        writeln!(text, "{n},{}", word(n, edition)).unwrap();
    }
    text
}

impl Story {
    pub(super) const ALL: [Self; 2] = [Self::Fresh, Self::Changed];

    /// A world in which the work is still to be done.
    pub(super) fn base(self, character: Character) -> World {
        let world = World::new(character);
        match self {
            Self::Fresh => {
                world.manifest(LOG_ONLY).file("log/a.csv", log(20, 1));
                world.run(&[]).exits(0);
                world.release();
                world.manifest(JOBS);
            }
            Self::Changed => {
                world
                    .manifest(JOBS)
                    .file("log/a.csv", log(30, 0))
                    .file("log/gone.csv", "n,w\n77,gone\n78,gone\n")
                    .file("data/a", "")
                    .file("data/b", "an older b")
                    .file("data/big", noise(1, BIG))
                    .file("taxa/a.csv", "id,name\n1,older\n")
                    .file("taxa/b.csv", "id,name\n2,b\n");
                world.run(&[]).exits(0);
                world.remove("log/gone.csv");
                world.manifest(&format!("release: true\n{JOBS}"));
            }
        }
        world
            .file("log/a.csv", log(ROWS, 1))
            .file("data/a", "")
            .file("data/b", "bbb")
            .file("data/dir/c", noise(3, 300))
            .file("data/big", noise(2, BIG))
            .file("taxa/a.csv", "id,name\n1,a\n3,c\n")
            .file("taxa/b.csv", "id,name\n2,b\n");
        world
    }
}

/// Each world's sandbox: the character's answers, with small limits so that
/// small work meets them. Under the worst answers a large file has no MD5.
pub(super) fn behaviour(character: Character) -> Behaviour {
    let size = BIG as u64;
    let is_worst = character == Character::Worst;
    let all = Behaviour::of(character);
    Behaviour {
        resumable_from_bytes: Some(size),
        null_md5_from_bytes: is_worst.then_some(size),
        ..all
    }
}

/// Worlds whose work is still to be done, for each story and character.
pub(super) struct Bases(Vec<(Story, Character, World)>);

impl Bases {
    pub(super) fn new() -> Self {
        let all = Self::each().map(|(story, character)| (story, character, story.base(character)));
        Self(all.collect())
    }

    pub(super) fn each() -> impl Iterator<Item = (Story, Character)> {
        Story::ALL.into_iter().flat_map(|story| {
            [Character::Friendly, Character::Worst].map(|character| (story, character))
        })
    }

    pub(super) fn copy(&self, story: Story, character: Character, behaviour: Behaviour) -> World {
        let is_it = |one: &&(Story, Character, World)| (one.0, one.1) == (story, character);
        let (_, _, base) = self.0.iter().find(is_it).unwrap();
        base.copy(behaviour)
    }
}

/// The program's arguments for a run over the work.
fn arguments(world: &World, workers: &str) -> Vec<String> {
    let manifest = world.path("manifest.yaml");
    let chunk = CHUNK.to_string();
    [
        "run",
        manifest.to_str().unwrap(),
        "-j",
        workers,
        "--chunk-size",
        &chunk,
    ]
    .iter()
    .chain(&["--format", "json", "--retry-scale", "0.0002"])
    .map(|text| (*text).to_owned())
    .collect()
}

/// The program, ready to run over the work.
pub(super) fn command(world: &World, workers: &str) -> std::process::Command {
    let arguments = arguments(world, workers);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    world.command(&arguments)
}

/// Runs the program over the work.
pub(super) fn work(world: &World, workers: &str) -> Outcome {
    Outcome::of(&command(world, workers).output().unwrap())
}

/// What a table holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) merge: Option<MergeStrategy>,
    pub(super) description: Option<String>,
    pub(super) words: Words,
    /// Size and MD5 of the stored bytes.
    pub(super) files: BTreeMap<String, (usize, Md5Digest)>,
    /// All rows that were inserted, sorted.
    pub(super) rows: Vec<String>,
    /// Bytes of bulk uploads, sorted.
    pub(super) bulk: Vec<String>,
}

/// Label and description of each variable that has any.
pub(super) type Words = BTreeMap<String, (Option<String>, Option<String>)>;

/// What the manifest says of the log's variables.
pub(super) fn wanted_words() -> Words {
    let words = (Some("Word".to_owned()), Some("What was read".to_owned()));
    [("w".to_owned(), words)].into()
}

/// What a table says of its variables.
pub(super) fn words_of(table: &TableView) -> Words {
    let said = table.metadata.iter();
    said.map(|(name, said)| {
        let words = (said.label.clone(), said.description.clone());
        (name.clone(), words)
    })
    .collect()
}

/// The row of this number as it must be stored.
pub(super) fn row(n: u64) -> String {
    format!(r#"{{"n":{n},"w":"{}"}}"#, word(n, 1))
}

/// What the tables must hold in the end.
pub(super) fn wanted(world: &World) -> BTreeMap<String, Held> {
    let on_disk = |name: &str| std::fs::read(world.path(name)).unwrap();
    let files = ["a", "b", "big", "dir/c"].map(|name| {
        let content = on_disk(&format!("data/{name}"));
        (name.to_owned(), (content.len(), Md5Digest::of(&content)))
    });
    let mut rows: Vec<String> = (0..ROWS).map(row).collect();
    rows.sort();
    let mut bulk: Vec<String> = ["taxa/a.csv", "taxa/b.csv"]
        .map(|name| String::from_utf8(on_disk(name)).unwrap())
        .to_vec();
    bulk.sort();
    let scans = Held {
        merge: Some(MergeStrategy::Append),
        files: files.into(),
        ..Held::default()
    };
    let log = Held {
        merge: Some(MergeStrategy::Append),
        description: Some("Readings".to_owned()),
        words: wanted_words(),
        rows,
        ..Held::default()
    };
    let taxa = Held {
        merge: Some(MergeStrategy::Replace),
        bulk,
        ..Held::default()
    };
    [("scans", scans), ("log", log), ("taxa", taxa)]
        .map(|(name, held)| (name.to_owned(), held))
        .into()
}

/// What a table holds now, bytes and rows read from the sandbox's disk.
fn held(table: &TableView) -> Held {
    let files = table.files.iter().map(|file| {
        let content = file.bytes().unwrap();
        (file.name.clone(), (content.len(), Md5Digest::of(&content)))
    });
    let mut rows = table.inserted_rows().unwrap();
    rows.sort();
    let mut bulk: Vec<String> = table
        .inherited
        .iter()
        .chain(&table.uploads)
        .filter(|upload| upload.kind != "stream")
        .map(|upload| String::from_utf8(upload.bytes().unwrap()).unwrap())
        .collect();
    bulk.sort();
    Held {
        merge: Some(table.merge),
        description: table.description.clone(),
        words: words_of(table),
        files: files.collect(),
        rows,
        bulk,
    }
}

/// All tables of a version.
pub(super) fn tables_of(version: &VersionView) -> BTreeMap<String, Held> {
    let tables = version.tables.iter();
    tables
        .map(|table| (table.name.clone(), held(table)))
        .collect()
}

/// The version that a run works on: the draft, or the newest release.
pub(super) fn newest(seen: &Inspect) -> &VersionView {
    seen.dataset(DATASET).unwrap().versions.last().unwrap()
}

/// Asserts that the remote is as it must be: everything once, one draft at most,
/// and released where that was asked for, at most so often.
pub(super) fn assert_right(world: &World, story: Story, most_releases: usize) {
    let seen = world.inspect();
    let versions = &seen.dataset(DATASET).unwrap().versions;
    let released = versions.iter().filter(|one| one.is_released).count();
    assert!(
        (1..=most_releases).contains(&released),
        "{released} releases"
    );
    assert!(
        versions.len() <= released + 1,
        "{} versions",
        versions.len()
    );
    let last = newest(&seen);
    assert_eq!(tables_of(last), wanted(world), "in `{}`", last.tag);
    if story == Story::Fresh {
        assert_eq!(last.tag, "next");
    }
}

/// Asserts that whatever was released since the work began is right: nobody can
/// change it any more.
pub(super) fn assert_released_is_right(world: &World, story: Story) {
    let seen = world.inspect();
    let versions = &seen.dataset(DATASET).unwrap().versions;
    let before = usize::from(story == Story::Fresh);
    for version in versions.iter().filter(|one| one.is_released).skip(before) {
        assert_eq!(story, Story::Changed, "nobody asked for a release");
        assert_eq!(tables_of(version), wanted(world), "in `{}`", version.tag);
    }
}

/// Asserts that a run finds nothing to do and writes nothing.
#[track_caller]
pub(super) fn assert_settled(world: &World) {
    world.sandbox().clear_requests();
    let mut command = command(world, "4");
    command.args(["--no-change-exit-code", "99"]);
    Outcome::of(&command.output().unwrap()).exits(99);
    assert!(world.writes().is_empty(), "it wrote: {:#?}", world.writes());
}
