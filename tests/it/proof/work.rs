//! What trials deliver: random jobs with random sources, and what the remote must
//! hold when they are done.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use redivis_ingest::base::Md5Digest;
use redivis_ingest::sandbox::{Hardness, UploadView};
use serde_json::Value;

use super::{Dice, Ended, Form, Row, Stage, adds_nothing, json_rows, row_file};
use crate::harness::noise;

const KIB: u64 = 1024;

/// What a job delivers, by path below its folder.
pub(crate) enum Goods {
    Files(BTreeMap<String, Vec<u8>>),
    Rows(BTreeMap<String, (Form, Vec<Row>)>),
    Uploads(BTreeMap<String, Vec<u8>>),
}

pub(crate) struct Job {
    pub(crate) name: String,
    pub(crate) table: String,
    replaces: bool,
    pub(crate) max_rejects: usize,
    payload: u64,
    pub(crate) goods: Goods,
}

impl Job {
    fn bad_rows(&self) -> usize {
        let Goods::Rows(sources) = &self.goods else {
            return 0;
        };
        let rows = sources.values().flat_map(|(_, rows)| rows);
        rows.filter(|row| row.is_bad).count()
    }

    pub(crate) fn allow_bad_rows(&mut self) {
        self.max_rejects = self.bad_rows();
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

/// The jobs of a trial and what they deliver.
pub(crate) struct Work {
    pub(crate) dice: Dice,
    pub(crate) jobs: Vec<Job>,
    pub(crate) releases: bool,
    /// Large files go through the older dialect.
    pub(crate) legacy: bool,
    next_id: u64,
    /// Damaged bytes could not be noticed: the platform tells no MD5.
    pub(crate) is_large: bool,
}

impl Work {
    /// No jobs yet.
    pub(crate) fn of(mut dice: Dice, is_large: bool) -> Self {
        Self {
            jobs: Vec::new(),
            releases: dice.once_in(4),
            legacy: dice.once_in(3),
            next_id: 1000,
            is_large,
            dice,
        }
    }

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

    pub(crate) fn make_jobs(&mut self) {
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
    pub(crate) fn change_goods(&mut self) {
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

    /// Writes the sources and the manifest.
    pub(crate) fn write(&self, stage: &Stage<'_>) {
        let mut manifest = format!(
            "version: 1\nname: trial\ndataset: {}\nprepare: {{ next_version: true, tables: true }}\nrelease: {}\n",
            stage.dataset, self.releases
        );
        let mut tables: Vec<String> = Vec::new();
        for job in &self.jobs {
            let line = format!("  {}: {{ merge: replace }}\n", job.table);
            if job.replaces && !tables.contains(&line) {
                tables.push(line);
            }
            let write = |path: &str, content: &[u8]| {
                stage.write(&format!("{}/{path}", job.name), content);
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
        stage.write("manifest.yaml", manifest.as_bytes());
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.jobs.iter().any(Job::is_refused)
    }

    /// The code of a run that delivered all it may.
    pub(crate) fn done(&self) -> i32 {
        if self.is_refused() { 3 } else { 0 }
    }

    /// The remote holds what the sources say, each thing once.
    pub(crate) fn holds(&self, stage: &Stage<'_>, ended: &Ended) -> Result<(), String> {
        let wrong = |what: String| Err(format!("{what}: {}", ended.story()));
        let mut rows: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for job in &self.jobs {
            match &job.goods {
                Goods::Files(files) => {
                    let found = stage.look(&job.table, |table| {
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
                    let mut found = stage.look(&job.table, |table| {
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
            let found = stage.look(table, json_rows);
            if found != wanted {
                return wrong(compare(table, &wanted, &found));
            }
        }
        let versions = stage.world.inspect();
        let versions = &versions.dataset(&stage.dataset).unwrap().versions;
        let (released, drafts): (Vec<_>, Vec<_>) =
            versions.iter().partition(|version| version.is_released);
        let shall = self.releases && !self.is_refused();
        let is_right = match released.last() {
            None => !shall,
            Some(release) => shall && drafts.iter().all(|draft| adds_nothing(draft, release)),
        };
        if !is_right {
            return wrong(format!(
                "{} of {} versions are released",
                released.len(),
                versions.len()
            ));
        }
        Ok(())
    }

    /// What a report calls verified is there.
    pub(crate) fn verified_items_are_there(
        &self,
        stage: &Stage<'_>,
        ended: &Ended,
        hardness: Hardness,
    ) -> Result<(), String> {
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
                Some("file") => stage.look(&job.table, |table| {
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
                    stage.look(&job.table, |table| {
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
