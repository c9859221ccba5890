//! The soak: random jobs under random schedules of faults, killed at random
//! requests, run until done, and then held against what was to arrive.
//!
//! `tests/scripts/soak.sh` runs many. Each trial follows from its seed, so that
//! a failure can be seen again: the trial with seed `s` is the first one of a soak
//! from seed `s`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{
    Character, Fault, FaultKind, FaultScript, FreezePoint, Hardness, Operation, Schedule, Thaw,
    UploadView,
};
use serde_json::Value;

use super::{
    Dice, Ended, Failures, Form, Kill, Row, Stage, Worlds, flush_late_effects, is_settled,
    json_rows, row_file, workers,
};
use crate::harness::{noise, setting};

const KIB: u64 = 1024;
/// Runs without faults until everything must have arrived.
const CLEAN_RUNS: usize = 3;

/// What a soak has seen.
#[derive(Debug, Default)]
struct Tally {
    jobs: u64,
    runs: u64,
    kills: u64,
    forgotten: u64,
    faults: BTreeMap<FaultKind, u64>,
    exits: BTreeMap<i32, u64>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.jobs += other.jobs;
        self.runs += other.runs;
        self.kills += other.kills;
        self.forgotten += other.forgotten;
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        for (code, count) in &other.exits {
            *self.exits.entry(*code).or_default() += count;
        }
    }
}

/// What a job delivers, by path below its folder.
enum Goods {
    Files(BTreeMap<String, Vec<u8>>),
    Rows(BTreeMap<String, (Form, Vec<Row>)>),
    Uploads(BTreeMap<String, Vec<u8>>),
}

struct Job {
    name: String,
    table: String,
    replaces: bool,
    max_rejects: usize,
    payload: u64,
    goods: Goods,
}

impl Job {
    fn bad_rows(&self) -> usize {
        let Goods::Rows(sources) = &self.goods else {
            return 0;
        };
        let rows = sources.values().flat_map(|(_, rows)| rows);
        rows.filter(|row| row.is_bad).count()
    }

    /// More rows cannot be encoded than are allowed: nothing of it is sent.
    fn is_refused(&self) -> bool {
        self.bad_rows() > self.max_rejects
    }

    fn text(&self) -> String {
        let Self { name, table, .. } = self;
        let source = match &self.goods {
            Goods::Files(_) => format!("files: [{{ glob: '{name}/**/*', base: {name} }}]"),
            Goods::Uploads(_) => format!("uploads: [{{ path: '{name}/*' }}]"),
            Goods::Rows(_) => format!(
                "rows: [{{ csv: '{name}/*.csv*' }}, {{ ndjson: '{name}/*.ndjson*' }}, {{ json: '{name}/*.json' }}]\n    allow_empty: true\n    schema: {}\n    rejects: {{ max: {} }}\n    payload: {}",
                Row::SCHEMA,
                self.max_rejects,
                self.payload
            ),
        };
        format!("  - name: {name}\n    table: {table}\n    {source}\n")
    }
}

/// One trial.
struct Trial<'w> {
    dice: Dice,
    stage: Stage<'w>,
    jobs: Vec<Job>,
    releases: bool,
    legacy: bool,
    next_id: u64,
    /// Damaged bytes could not be noticed: the platform tells no MD5.
    is_large: bool,
    tally: Tally,
}

impl Trial<'_> {
    fn rows(&mut self, most: u64) -> Vec<Row> {
        let count = self.dice.between(1, most);
        (0..count)
            .map(|_| {
                self.next_id += 1;
                Row::new(self.next_id, &mut self.dice)
            })
            .collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        let size = match self.dice.below(8) {
            0 => 0,
            1 => 1,
            2..=4 => self.dice.below(2 * KIB),
            5 | 6 => self.dice.below(200 * KIB),
            _ if self.legacy => self.dice.below(1200 * KIB),
            _ => self.dice.below(400 * KIB),
        };
        noise(self.dice.roll(), usize::try_from(size).unwrap())
    }

    /// A bulk file; no two are equal.
    fn bulk(&mut self) -> Vec<u8> {
        let mut text = "id,word\n".to_owned();
        for row in self.rows(30) {
            writeln!(text, "{},w{}", row.id, self.dice.below(100)).unwrap();
        }
        text.into_bytes()
    }

    fn add_goods(&mut self, goods: &mut Goods, number: u64) {
        match goods {
            Goods::Files(files) => {
                let stem = self.dice.one_of(&["a", "b c", "sub/d", "sub/deep/é", "F"]);
                files.insert(format!("{stem}{number}.bin"), self.bytes());
            }
            Goods::Rows(sources) => {
                let form = self.dice.one_of(&Form::ALL);
                let rows = self.rows(60);
                sources.insert(format!("s{number}.{}", form.ending()), (form, rows));
            }
            Goods::Uploads(files) => {
                files.insert(format!("u{number}.csv"), self.bulk());
            }
        }
    }

    fn make_jobs(&mut self) {
        for number in 0..self.dice.between(1, 4) {
            let mut goods = match self.dice.below(6) {
                0 | 1 => Goods::Files(BTreeMap::new()),
                2 => Goods::Uploads(BTreeMap::new()),
                _ => Goods::Rows(BTreeMap::new()),
            };
            for number in 0..self.dice.between(1, 4) {
                self.add_goods(&mut goods, number);
            }
            let mut job = Job {
                name: format!("j{number}"),
                table: format!("t{number}"),
                replaces: self.dice.once_in(3) && !matches!(goods, Goods::Files(_)),
                max_rejects: 0,
                payload: self.dice.one_of(&[KIB, 2 * KIB, 4 * KIB, 64 * KIB]),
                goods,
            };
            let shared = self.jobs.last().filter(|last| {
                let both_rows =
                    matches!((&last.goods, &job.goods), (Goods::Rows(_), Goods::Rows(_)));
                both_rows && !last.is_refused()
            });
            if let Some(last) = shared
                && self.dice.once_in(2)
            {
                job.table.clone_from(&last.table);
                job.replaces = last.replaces;
            } else if self.dice.once_in(6) {
                self.spoil_rows(&mut job);
            }
            self.jobs.push(job);
        }
        if self.is_large {
            let large = noise(self.dice.roll(), 33 * 1024 * 1024);
            let file = BTreeMap::from([("large.bin".to_owned(), large)]);
            self.jobs.truncate(1);
            self.jobs.push(Job {
                name: "large".to_owned(),
                table: "large".to_owned(),
                replaces: false,
                max_rejects: 0,
                payload: KIB,
                goods: Goods::Files(file),
            });
        }
    }

    /// Makes a few rows that cannot be encoded, allowed or not.
    fn spoil_rows(&mut self, job: &mut Job) {
        let Goods::Rows(sources) = &mut job.goods else {
            return;
        };
        let mut bad = 0;
        for (_, rows) in sources.values_mut() {
            for row in rows.iter_mut().skip(1) {
                if self.dice.once_in(20) {
                    row.is_bad = true;
                    bad += 1;
                }
            }
        }
        if self.dice.once_in(2) {
            job.max_rejects = bad;
        }
    }

    /// Changes sources between two rounds; what was released may only grow.
    fn change_goods(&mut self) {
        let mut jobs = std::mem::take(&mut self.jobs);
        for job in jobs.iter_mut().filter(|job| job.name != "large") {
            if self.dice.once_in(3) {
                continue;
            }
            let may_change = job.replaces || !self.releases || matches!(job.goods, Goods::Files(_));
            let fresh = match &job.goods {
                Goods::Files(_) => Vec::new(),
                Goods::Rows(_) | Goods::Uploads(_) => self.rows(40),
            };
            match &mut job.goods {
                Goods::Rows(sources) if self.dice.once_in(2) => {
                    let index = usize::try_from(self.dice.below(sources.len() as u64)).unwrap();
                    let (_, rows) = sources.values_mut().nth(index).unwrap();
                    match self.dice.below(3) {
                        0 if may_change => *rows = fresh,
                        1 if may_change => {
                            let at = usize::try_from(self.dice.below(rows.len() as u64)).unwrap();
                            rows.splice(at..=at, fresh);
                        }
                        _ => rows.extend(fresh),
                    }
                }
                Goods::Files(files) if self.dice.once_in(2) => {
                    let bytes = self.bytes();
                    *files.values_mut().next().unwrap() = bytes;
                }
                Goods::Uploads(files) if may_change && self.dice.once_in(2) => {
                    let bytes = self.bulk();
                    *files.values_mut().next().unwrap() = bytes;
                }
                goods @ (Goods::Files(_) | Goods::Rows(_) | Goods::Uploads(_)) => {
                    self.add_goods(goods, 100);
                }
            }
        }
        self.jobs = jobs;
    }

    fn write(&self) {
        let mut manifest = format!(
            "version: 1\nname: trial\ndataset: {}\nprepare: {{ next_version: true, tables: true }}\nrelease: {}\n",
            self.stage.dataset, self.releases
        );
        let mut tables: Vec<String> = Vec::new();
        for job in &self.jobs {
            let line = format!("  {}: {{ merge: replace }}\n", job.table);
            if job.replaces && !tables.contains(&line) {
                tables.push(line);
            }
            let write = |path: &str, content: &[u8]| {
                self.stage.write(&format!("{}/{path}", job.name), content);
            };
            match &job.goods {
                Goods::Files(files) | Goods::Uploads(files) => {
                    for (path, bytes) in files {
                        write(path, bytes);
                    }
                }
                Goods::Rows(sources) => {
                    for (path, (form, rows)) in sources {
                        write(path, &row_file(*form, rows));
                    }
                }
            }
        }
        if !tables.is_empty() {
            manifest.push_str("tables:\n");
            manifest.push_str(&tables.concat());
        }
        manifest.push_str("jobs:\n");
        for job in &self.jobs {
            manifest.push_str(&job.text());
        }
        self.stage.write("manifest.yaml", manifest.as_bytes());
    }

    fn args(&mut self) -> Vec<String> {
        let mut args = Vec::new();
        let jobs = self.dice.one_of(&["1", "2", "4", "16"]);
        let chunk = self.dice.one_of(&["256KiB", "512KiB", "1MiB"]);
        let chunk = if self.is_large { "4MiB" } else { chunk };
        let memory = self.dice.one_of(&["16MiB", "64MiB", "128MiB"]);
        for (flag, value) in [
            ("-j", jobs),
            ("--chunk-size", chunk),
            ("--max-memory", memory),
        ] {
            args.extend([flag.to_owned(), value.to_owned()]);
        }
        if self.legacy {
            args.extend(["--protocol".to_owned(), "legacy".to_owned()]);
        }
        args
    }

    fn script(&mut self, hardness: Hardness) -> FaultScript {
        let schedule = Schedule {
            seed: self.dice.roll(),
            faults: usize::try_from(self.dice.between(1, 24)).unwrap(),
            horizon: self.dice.between(1, 6),
            hardness,
        };
        let mut script = schedule.script();
        // Where rejects are allowed a refusal is believed: the row stays out.
        let allows_rejects = self.jobs.iter().any(|job| job.max_rejects > 0);
        script.0.retain(|rule| {
            let refuses = matches!(
                rule.fault,
                Fault::Status { code: 400, .. } | Fault::StatusAfterBodyBytes { code: 400, .. }
            );
            !(allows_rejects && refuses && rule.operation == Operation::InsertRows)
        });
        script
    }

    fn run(&mut self, kill: Option<Kill>) -> Result<Ended, String> {
        let args = self.args();
        self.stage.world.sandbox().clear_requests();
        let ended = self.stage.run(&args, kill);
        self.tally.runs += 1;
        for request in self.stage.world.sandbox().requests() {
            if let Some(kind) = request.fault {
                *self.tally.faults.entry(kind).or_default() += 1;
            }
        }
        if let Some(code) = ended.status {
            *self.tally.exits.entry(code).or_default() += 1;
        }
        if ended.hung {
            return Err(format!("hang: {}", ended.story()));
        }
        if ended.stderr.contains("panicked") {
            return Err(format!("panic: {}", ended.story()));
        }
        if ended.status.is_none() && kill.is_none() {
            return Err(format!("died: {}", ended.story()));
        }
        Ok(ended)
    }

    fn is_refused(&self) -> bool {
        self.jobs.iter().any(Job::is_refused)
    }

    /// The code of a run that delivered all it may.
    fn done(&self) -> i32 {
        if self.is_refused() { 3 } else { 0 }
    }

    fn round(&mut self, hardness: Hardness) -> Result<(), String> {
        self.write();
        for _ in 0..self.dice.between(1, 3) {
            let script = self.script(hardness);
            self.stage.world.faults(script);
            let kill = self.dice.once_in(3).then(|| Kill {
                nth: self.dice.below(45),
                at: self
                    .dice
                    .one_of(&[FreezePoint::BeforeEffect, FreezePoint::AfterEffect]),
                thaw: self.dice.one_of(&[Thaw::Apply, Thaw::Abandon]),
            });
            let ended = self.run(kill)?;
            self.tally.kills += u64::from(ended.status.is_none());
            self.stage.world.faults(FaultScript::none());
            if let Some(code) = ended.status {
                let allowed: &[i32] = match hardness {
                    Hardness::Temporary => &[75],
                    Hardness::Hard => &[3, 4, 5, 6, 69, 75, 77],
                };
                if code != self.done() && !allowed.contains(&code) {
                    return Err(format!("exit code: {}", ended.story()));
                }
                self.verified_items_are_there(&ended, hardness)?;
                if code == 0 {
                    self.holds(&ended)?;
                    flush_late_effects(&self.stage);
                    self.holds(&ended)
                        .map_err(|error| format!("after late effects: {error}"))?;
                }
            }
            if self.dice.once_in(4) {
                self.stage.forget("state");
                self.tally.forgotten += 1;
            }
        }
        self.come_to_an_end()
    }

    /// Runs without faults until done, and once more.
    fn come_to_an_end(&mut self) -> Result<(), String> {
        flush_late_effects(&self.stage);
        let mut ended = self.run(None)?;
        for _ in 1..CLEAN_RUNS {
            if ended.status != Some(75) {
                break;
            }
            ended = self.run(None)?;
        }
        if ended.status != Some(self.done()) {
            return Err(format!("without faults: {}", ended.story()));
        }
        self.verified_items_are_there(&ended, Hardness::Temporary)?;
        self.holds(&ended)?;
        let last = self.run(None)?;
        if self.is_refused() {
            let writes = self.stage.writes();
            if last.status != Some(3) || !writes.is_empty() {
                return Err(format!("not settled: {writes:#?}\n{}", last.story()));
            }
        } else {
            is_settled(&self.stage, &last)?;
        }
        self.holds(&last)
    }

    /// The remote holds what the sources say, each thing once.
    fn holds(&self, ended: &Ended) -> Result<(), String> {
        let wrong = |what: String| Err(format!("{what}: {}", ended.story()));
        let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for job in &self.jobs {
            match &job.goods {
                Goods::Files(files) => {
                    let found = self.stage.look(&job.table, |table| {
                        let files = table.map(|table| table.files.iter()).unwrap_or_default();
                        let bytes = files.map(|file| (file.name.clone(), file.bytes().unwrap()));
                        bytes.collect::<BTreeMap<_, _>>()
                    });
                    if found != *files {
                        return wrong(format!(
                            "wrong files in {}: wanted {}, found {}",
                            job.table,
                            sizes(files),
                            sizes(&found)
                        ));
                    }
                }
                Goods::Uploads(files) => {
                    let mut wanted: Vec<&[u8]> = files.values().map(Vec::as_slice).collect();
                    wanted.sort_unstable();
                    let mut found = self.stage.look(&job.table, |table| {
                        let all = table.map(|table| table.inherited.iter().chain(&table.uploads));
                        let all = all.into_iter().flatten();
                        all.map(|one| one.bytes().unwrap()).collect::<Vec<_>>()
                    });
                    found.sort_unstable();
                    if found != wanted {
                        return wrong(format!(
                            "wrong uploads in {}: {} wanted, {} found",
                            job.table,
                            wanted.len(),
                            found.len()
                        ));
                    }
                }
                Goods::Rows(sources) => {
                    let all = rows.entry(&job.table).or_default();
                    if !job.is_refused() {
                        let sources = sources.values().flat_map(|(_, rows)| rows);
                        all.extend(sources.filter(|row| !row.is_bad));
                    }
                }
            }
        }
        for (table, mut wanted) in rows {
            wanted.sort_by_key(|row| row.id);
            let wanted: Vec<Value> = wanted.into_iter().map(Row::stored).collect();
            let found = self.stage.look(table, json_rows);
            if found != wanted {
                return wrong(compare(table, &wanted, &found));
            }
        }
        let versions = self.stage.world.inspect();
        let versions = &versions.dataset(&self.stage.dataset).unwrap().versions;
        let released = versions
            .iter()
            .filter(|version| version.is_released)
            .count();
        let shall = self.releases && !self.is_refused();
        if (released > 0) != shall || (shall && versions.iter().any(|one| !one.is_released)) {
            return wrong(format!(
                "{released} of {} versions are released",
                versions.len()
            ));
        }
        Ok(())
    }

    /// What a report calls verified is there.
    fn verified_items_are_there(&self, ended: &Ended, hardness: Hardness) -> Result<(), String> {
        let Some(report) = &ended.report else {
            return Err(format!("no report: {}", ended.story()));
        };
        let items = report["items"].as_array().into_iter().flatten();
        for item in items.filter(|item| item["end"] == "verified") {
            let name = item["name"].as_str().unwrap_or_default();
            let Some(job) = self
                .jobs
                .iter()
                .find(|job| item["job"] == job.name.as_str())
            else {
                continue;
            };
            let is_there = match item["what"].as_str() {
                Some("file") => self.stage.look(&job.table, |table| {
                    let file = table.and_then(|table| table.file(name));
                    file.is_some_and(|file| {
                        let md5 = Md5Digest::of(&file.bytes().unwrap());
                        item["md5"] == md5.to_string().as_str()
                    })
                }),
                // A part that was halved has other names.
                Some("part" | "upload") if hardness == Hardness::Temporary => {
                    let rows = item["rows"].as_u64();
                    let is_it =
                        |one: &UploadView| one.name.starts_with(name) && one.num_rows == rows;
                    self.stage.look(&job.table, |table| {
                        let all = table.map(|table| table.inherited.iter().chain(&table.uploads));
                        all.into_iter().flatten().any(is_it)
                    })
                }
                _ => true,
            };
            if !is_there {
                return Err(format!(
                    "{name} is verified and not there: {}",
                    ended.story()
                ));
            }
        }
        Ok(())
    }
}

fn sizes(files: &BTreeMap<String, Vec<u8>>) -> String {
    let sizes = files.iter().map(|(name, bytes)| (name, bytes.len()));
    format!("{:?}", sizes.collect::<Vec<_>>())
}

fn compare(table: &str, wanted: &[Value], found: &[Value]) -> String {
    let ids = |rows: &[Value]| {
        rows.iter()
            .filter_map(|row| row["id"].as_u64())
            .collect::<Vec<_>>()
    };
    let (wanted_ids, found_ids) = (ids(wanted), ids(found));
    let lost: Vec<_> = wanted_ids
        .iter()
        .filter(|id| !found_ids.contains(id))
        .collect();
    let doubled: Vec<_> = found_ids
        .windows(2)
        .filter(|two| two[0] == two[1])
        .map(|two| two[0])
        .collect();
    let foreign: Vec<_> = found_ids
        .iter()
        .filter(|id| !wanted_ids.contains(id))
        .collect();
    let other = wanted.iter().find(|row| !found.contains(row));
    format!(
        "wrong rows in {table}: lost {lost:?}, doubled {doubled:?}, unwanted {foreign:?}, first that differs {other:?}"
    )
}

/// One trial from its seed.
fn trial(worlds: &mut Worlds, seed: u64) -> (Tally, Result<(), String>) {
    let mut dice = Dice::of(seed);
    let character = dice.one_of(&[Character::Friendly, Character::Worst]);
    let is_large = dice.once_in(100);
    let hardness = dice.one_of(&[Hardness::Temporary, Hardness::Hard]);
    let hardness = if is_large {
        Hardness::Temporary
    } else {
        hardness
    };
    let stage = worlds.stage(character, "trial");
    let mut trial = Trial {
        stage,
        jobs: Vec::new(),
        releases: dice.once_in(4),
        legacy: dice.once_in(3),
        next_id: 1000,
        is_large,
        tally: Tally::default(),
        dice,
    };
    trial.make_jobs();
    trial.tally.jobs = trial.jobs.len() as u64;
    let mut done = trial.round(hardness);
    if done.is_ok() && trial.dice.once_in(3) {
        trial.change_goods();
        done = trial.round(hardness);
    }
    let done = done.map_err(|error| format!("{error}\n({character:?}, {hardness:?})"));
    (std::mem::take(&mut trial.tally), done)
}

fn soak(seed: u64, trials: u64, threads: usize) {
    let failures = Failures::default();
    let tally = Mutex::new(Tally::default());
    workers((seed, trials, threads), &failures, &|worlds, seed| {
        let (seen, done) = trial(worlds, seed);
        tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&seen);
        done
    });
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    let faults: u64 = tally.faults.values().sum();
    eprintln!("soak from seed {seed}: {trials} trials");
    eprintln!("  jobs    {}", tally.jobs);
    eprintln!("  runs    {}, by exit code {:?}", tally.runs, tally.exits);
    eprintln!(
        "  kills   {}, states forgotten {}",
        tally.kills, tally.forgotten
    );
    eprintln!("  faults  {faults}");
    for (kind, count) in &tally.faults {
        eprintln!("    {kind} {count}");
    }
    eprintln!("  failures {}", failures.count());
    failures.judge(&|seed| format!("tests/scripts/soak.sh BINARY 1 {seed}"));
}

#[test]
fn a_few_random_schedules_lose_and_double_nothing() {
    soak(1, 24, 2);
}

#[test]
#[ignore = "a soak: tests/scripts/soak.sh"]
fn random_schedules_lose_and_double_nothing() {
    soak(
        setting("SEED", 1),
        setting("TRIALS", 500),
        setting("THREADS", 2),
    );
}
