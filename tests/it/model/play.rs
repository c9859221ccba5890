//! A history is played against the program and a sandbox, and the remote is held
//! against the plain model after each run that was done.

use std::collections::BTreeMap;

use redivis_ingest::sandbox::{Character, FaultScript, FreezePoint, Hardness, Schedule, Thaw};
use serde_json::json;

use super::history::{History, SLOTS, Step, Table};
use super::plain::{PlainTable, Rules};
use crate::harness::noise;
use crate::proof::{
    Dice, Ended, Form, Kill, Row, Stage, Worlds, flush_late_effects, is_settled, json_rows,
    row_file,
};

/// One history under way.
struct Play<'w> {
    stage: Stage<'w>,
    rows: PlainTable,
    uploads: PlainTable,
    files: BTreeMap<String, Vec<u8>>,
    local_files: BTreeMap<String, Vec<u8>>,
    rules: Rules,
    payload: u64,
    transfers: u64,
    memory: u64,
    /// Nothing happened since the last run that was done.
    is_done: bool,
    next_id: u64,
    strangers: u64,
    others: Vec<u64>,
}

/// Plays a history; the error says what went wrong at which step.
pub(super) fn play(worlds: &mut Worlds, history: &History) -> Result<(), String> {
    let character = if history.worst {
        Character::Worst
    } else {
        Character::Friendly
    };
    let table = || PlainTable {
        replace: history.replace,
        ..PlainTable::default()
    };
    let mut play = Play {
        stage: worlds.stage(character, "history"),
        rows: table(),
        uploads: table(),
        files: BTreeMap::new(),
        local_files: BTreeMap::new(),
        rules: Rules::default(),
        payload: 1024,
        transfers: 4,
        memory: 64,
        is_done: false,
        next_id: 1000,
        strangers: 0,
        others: Vec::new(),
    };
    // Each table has something from the start, so that each is made.
    play.write(Table::Rows, 0, 5);
    play.write(Table::Uploads, 0, 1);
    play.write_file(0, 10);
    for (index, step) in history.steps.iter().enumerate() {
        play.step(*step)
            .map_err(|error| format!("step {index}, {step:?}: {error}"))?;
    }
    play.finish()
        .map_err(|error| format!("at the end: {error}"))
}

impl Play<'_> {
    fn step(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Write { table, slot, rows } => self.write(table, slot, rows),
            Step::Grow { slot, rows } => self.grow(slot, rows),
            Step::Edit { slot, row } => self.edit(slot, row),
            Step::Rename { from, to } => self.rename(from, to)?,
            Step::Remove { table, slot } => self.remove(table, slot)?,
            Step::WriteFile { slot, bytes } => self.write_file(slot, bytes),
            Step::RemoveFile { slot } => self.remove_file(slot)?,
            Step::Settings {
                payload,
                transfers,
                memory,
            } => (self.payload, self.transfers, self.memory) = (payload, transfers, memory),
            Step::OnMissing { delete } => {
                self.finish_first()?;
                self.rules.delete_missing = delete;
            }
            Step::OnReleased { append } => self.rules.append_released = append,
            Step::Plan => self.plan()?,
            Step::Run => self.run("state")?,
            Step::Faults { seed } => self.run_with_faults(seed)?,
            Step::Kill {
                nth,
                after_effect,
                apply,
            } => self.kill(Kill {
                nth,
                at: if after_effect {
                    FreezePoint::AfterEffect
                } else {
                    FreezePoint::BeforeEffect
                },
                thaw: if apply { Thaw::Apply } else { Thaw::Abandon },
            })?,
            Step::Release { by_run: true } => self.run_and_release()?,
            Step::Release { by_run: false } => self.release()?,
            Step::Forget => self.stage.forget("state"),
            Step::OtherState => self.run("other-state")?,
            Step::Stranger => self.stranger()?,
            Step::OtherManifest { rows } => self.other_manifest(rows)?,
        }
        Ok(())
    }

    fn new_ids(&mut self, count: u64) -> Vec<u64> {
        let first = self.next_id;
        self.next_id += count;
        (first..self.next_id).collect()
    }

    fn table(&mut self, table: Table) -> &mut PlainTable {
        match table {
            Table::Rows => &mut self.rows,
            Table::Uploads => &mut self.uploads,
        }
    }

    fn store(&self, table: Table, slot: usize) {
        let (path, rows) = match table {
            Table::Rows => (format!("rows/s{slot}.csv"), &self.rows.sources[&slot]),
            Table::Uploads => (format!("uploads/u{slot}.csv"), &self.uploads.sources[&slot]),
        };
        let content = match table {
            Table::Rows => csv(rows),
            Table::Uploads => format!("id,word\n{},w\n", rows[0]).into_bytes(),
        };
        self.stage.write(&path, &content);
    }

    fn write(&mut self, table: Table, slot: usize, rows: u64) {
        let rows = match table {
            Table::Rows => rows,
            // A bulk file is one thing, whatever it holds.
            Table::Uploads => 1,
        };
        let ids = self.new_ids(rows);
        self.table(table).sources.insert(slot, ids);
        self.store(table, slot);
        self.is_done = false;
    }

    fn grow(&mut self, slot: usize, rows: u64) {
        if !self.rows.sources.contains_key(&slot) {
            return;
        }
        let ids = self.new_ids(rows);
        self.rows.sources.get_mut(&slot).unwrap().extend(ids);
        self.store(Table::Rows, slot);
        self.is_done = false;
    }

    fn edit(&mut self, slot: usize, row: u64) {
        let entangled = self.rows.is_entangled(slot) && !self.rows.replace;
        let new = self.new_ids(1)[0];
        let Some(rows) = self.rows.sources.get_mut(&slot) else {
            return;
        };
        let count = rows.len() as u64;
        if entangled {
            return self.write(Table::Rows, slot, count);
        }
        rows[usize::try_from(row % count).unwrap()] = new;
        self.store(Table::Rows, slot);
        self.is_done = false;
    }

    fn rename(&mut self, from: usize, to: usize) -> Result<(), String> {
        let sources = &self.rows.sources;
        if !sources.contains_key(&from) || sources.contains_key(&to) {
            return Ok(());
        }
        self.finish_first()?;
        let rows = self.rows.sources.remove(&from).unwrap();
        self.rows.sources.insert(to, rows);
        let path = |slot| self.stage.path(&format!("rows/s{slot}.csv"));
        std::fs::rename(path(from), path(to)).unwrap();
        self.is_done = false;
        Ok(())
    }

    fn remove(&mut self, table: Table, slot: usize) -> Result<(), String> {
        let sources = &self.table(table).sources;
        if sources.len() < 2 || !sources.contains_key(&slot) {
            return Ok(());
        }
        self.finish_first()?;
        self.table(table).sources.remove(&slot);
        let path = match table {
            Table::Rows => format!("rows/s{slot}.csv"),
            Table::Uploads => format!("uploads/u{slot}.csv"),
        };
        std::fs::remove_file(self.stage.path(&path)).unwrap();
        self.is_done = false;
        Ok(())
    }

    fn write_file(&mut self, slot: usize, bytes: usize) {
        let content = noise(self.new_ids(1)[0], bytes);
        let name = format!("f{slot}");
        self.stage.write(&format!("files/{name}"), &content);
        self.local_files.insert(name, content);
        self.is_done = false;
    }

    fn remove_file(&mut self, slot: usize) -> Result<(), String> {
        let name = format!("f{slot}");
        if self.local_files.len() < 2 || !self.local_files.contains_key(&name) {
            return Ok(());
        }
        // Whether a run that was cut short has sent it cannot be known.
        self.finish_first()?;
        self.local_files.remove(&name);
        std::fs::remove_file(self.stage.path(&format!("files/{name}"))).unwrap();
        self.is_done = false;
        Ok(())
    }

    fn manifest(&self, release: bool) {
        let merge = if self.rows.replace {
            "replace"
        } else {
            "append"
        };
        let missing = if self.rules.delete_missing {
            "delete"
        } else {
            "keep"
        };
        let released = if self.rules.append_released {
            "append"
        } else {
            "fail"
        };
        let release = if release {
            "{ others: allow }"
        } else {
            "false"
        };
        let text = format!(
            "version: 1
name: history
dataset: {}
prepare: {{ next_version: true, tables: true }}
release: {release}
tables:
  rows: {{ merge: {merge} }}
  uploads: {{ merge: {merge} }}
jobs:
  - name: rows
    table: rows
    rows: [{{ csv: 'rows/*.csv' }}]
    schema: {}
    payload: {}
    on_missing: {missing}
    on_released: {released}
  - name: uploads
    table: uploads
    uploads: [{{ path: 'uploads/*.csv' }}]
    on_missing: {missing}
    on_released: {released}
  - name: files
    table: files
    files: [{{ glob: 'files/*' }}]
",
            self.stage.dataset,
            Row::SCHEMA,
            self.payload
        );
        self.stage.write("manifest.yaml", text.as_bytes());
    }

    fn args(&self) -> Vec<String> {
        let memory = format!("{}MiB", self.memory);
        [
            "-j",
            &self.transfers.to_string(),
            "--max-memory",
            &memory,
            "--chunk-size",
            "1MiB",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn refuses(&self) -> bool {
        self.rows.refuses(self.rules) || self.uploads.refuses(self.rules)
    }

    fn is_sound(ended: Ended) -> Result<Ended, String> {
        if ended.hung || ended.stderr.contains("panicked") {
            return Err(format!("hang or panic: {}", ended.story()));
        }
        Ok(ended)
    }

    fn call(&self, command: &str, state: &str, args: &[String]) -> Result<Ended, String> {
        self.stage.world.sandbox().clear_requests();
        let started = self.stage.start(command, "manifest.yaml", state, args);
        Self::is_sound(started.end())
    }

    /// A plan writes nothing, and after a run that was done it is empty.
    fn plan(&mut self) -> Result<(), String> {
        self.manifest(false);
        let mut args = self.args();
        args.push("--detailed-exitcode".to_owned());
        let ended = self.call("plan", "state", &args)?;
        let writes = self.stage.writes();
        let wanted: &[i32] = match (self.refuses(), self.is_done) {
            (true, _) => &[2, 3],
            (false, true) => &[0],
            (false, false) => &[0, 2],
        };
        let is_right = ended.status.is_some_and(|code| wanted.contains(&code));
        if is_right && writes.is_empty() {
            return Ok(());
        }
        Err(format!("the plan: {writes:#?} {}", ended.story()))
    }

    /// A run in peace must do all that may be done.
    fn run(&mut self, state: &str) -> Result<(), String> {
        self.manifest(false);
        flush_late_effects(&self.stage);
        let mut ended = self.call("run", state, &self.args())?;
        if ended.status == Some(75) {
            ended = self.call("run", state, &self.args())?;
        }
        let wanted = if self.refuses() { 3 } else { 0 };
        if ended.status != Some(wanted) {
            return Err(format!("wanted exit code {wanted}: {}", ended.story()));
        }
        let accuracy = &ended.report.as_ref().unwrap()["plan_accuracy"];
        if wanted == 0 && accuracy["of"] != 0 && accuracy["share"] != 1.0 {
            return Err(format!(
                "the plan was not kept: {accuracy} {}",
                ended.story()
            ));
        }
        self.delivered(&ended)
    }

    fn delivered(&mut self, ended: &Ended) -> Result<(), String> {
        self.rows.deliver(self.rules);
        self.uploads.deliver(self.rules);
        let local = self.local_files.clone();
        self.files.extend(local);
        self.is_done = true;
        self.holds(ended)
    }

    fn holds(&self, ended: &Ended) -> Result<(), String> {
        let wanted = self.rows.expected();
        let found: Vec<u64> = self
            .stage
            .look("rows", json_rows)
            .iter()
            .map(id_of)
            .collect();
        if wanted != found {
            return Err(format!(
                "rows: wanted {wanted:?}\nfound {found:?}\n{}",
                ended.story()
            ));
        }
        let wanted = self.uploads.expected();
        let mut found = self.stage.look("uploads", |table| {
            let all = table.map(|table| table.inherited.iter().chain(&table.uploads));
            let all = all.into_iter().flatten();
            all.map(|one| id_of_bulk(&one.bytes().unwrap()))
                .collect::<Vec<u64>>()
        });
        found.sort_unstable();
        if wanted != found {
            return Err(format!(
                "uploads: wanted {wanted:?}\nfound {found:?}\n{}",
                ended.story()
            ));
        }
        let found = self.stage.look("files", |table| {
            let files = table.map(|table| table.files.iter()).unwrap_or_default();
            let files = files.map(|file| (file.name.clone(), file.bytes().unwrap()));
            files.collect::<BTreeMap<_, _>>()
        });
        if self.files == found {
            return Ok(());
        }
        let names = |files: &BTreeMap<String, Vec<u8>>| format!("{:?}", files.keys());
        Err(format!(
            "files: wanted {}, found {}\n{}",
            names(&self.files),
            names(&found),
            ended.story()
        ))
    }

    fn run_with_faults(&mut self, seed: u64) -> Result<(), String> {
        self.manifest(false);
        let script = Schedule {
            seed,
            faults: 12,
            horizon: 4,
            hardness: Hardness::Temporary,
        };
        self.stage.world.faults(script.script());
        let ended = self.call("run", "state", &self.args());
        self.stage.world.faults(FaultScript::none());
        let ended = ended?;
        self.is_done = false;
        match (ended.status, self.refuses()) {
            (Some(0), false) => self.delivered(&ended),
            (Some(75), _) | (Some(3), true) => Ok(()),
            _ => Err(format!("exit code: {}", ended.story())),
        }
    }

    fn kill(&mut self, kill: Kill) -> Result<(), String> {
        self.manifest(false);
        self.is_done = false;
        let ended = Self::is_sound(self.stage.run(&self.args(), Some(kill)))?;
        match (ended.status, self.refuses()) {
            (None, _) | (Some(3), true) => Ok(()),
            (Some(0), false) => self.delivered(&ended),
            _ => Err(format!("exit code: {}", ended.story())),
        }
    }

    /// What follows cannot be told when a run was cut short.
    fn finish_first(&mut self) -> Result<(), String> {
        if self.is_done {
            Ok(())
        } else {
            self.run("state")
        }
    }

    fn has_draft(&self) -> bool {
        let seen = self.stage.world.inspect();
        let versions = &seen.dataset(&self.stage.dataset).unwrap().versions;
        versions.iter().any(|version| !version.is_released)
    }

    fn was_released(&mut self) {
        self.rows.release();
        self.uploads.release();
    }

    /// Somebody releases what there is.
    fn release(&mut self) -> Result<(), String> {
        self.finish_first()?;
        if self.has_draft() {
            let path = format!("/datasets/{}/versions/next/release", self.stage.dataset);
            let (status, _) = self.stage.world.http("POST", &path, "{}");
            if (200..300).contains(&status) {
                self.was_released();
            }
        }
        Ok(())
    }

    fn run_and_release(&mut self) -> Result<(), String> {
        if self.refuses() {
            return Ok(());
        }
        self.finish_first()?;
        self.manifest(true);
        let had_draft = self.has_draft();
        let ended = self.call("run", "state", &self.args())?;
        let released = had_draft && !self.has_draft();
        if ended.status != Some(0) {
            return Err(format!("the release: {}", ended.story()));
        }
        if released {
            self.was_released();
        }
        self.holds(&ended)
    }

    fn post(&self, path: &str, body: &str) -> Result<serde_json::Value, String> {
        let (status, answer) = self.stage.world.http("POST", path, body);
        if (200..300).contains(&status) {
            Ok(answer)
        } else {
            Err(format!("POST {path}: {status} {answer}"))
        }
    }

    /// Somebody adds rows and a file of their own. A table that is replaced as a
    /// whole would refuse them.
    fn stranger(&mut self) -> Result<(), String> {
        self.finish_first()?;
        if self.rows.replace || !self.has_draft() {
            return Ok(());
        }
        self.strangers += 1;
        let id = self.new_ids(1)[0];
        let table = format!("/tables/{}:next.rows/uploads", self.stage.dataset);
        let body = json!({
            "name": format!("survey_{}", self.strangers),
            "type": "stream",
            "schema": [{ "name": "id", "type": "integer" }],
        });
        let made = self.post(&table, &body.to_string())?;
        let rows = json!({ "rows": [{ "id": id }] }).to_string();
        self.post(&format!("{}/rows", made["uri"].as_str().unwrap()), &rows)?;
        self.rows.others.push(id);
        Ok(())
    }

    /// Another manifest, with its own state and its own part of the table.
    fn other_manifest(&mut self, rows: u64) -> Result<(), String> {
        self.finish_first()?;
        if self.rows.replace {
            return Ok(());
        }
        let ids = self.new_ids(rows);
        self.others.extend(&ids);
        self.rows.others.extend(&ids);
        self.stage
            .write(&format!("other/o{}.csv", ids[0]), &csv(&ids));
        let text = format!(
            "version: 1\nname: another\ndataset: {}\nprepare: {{ next_version: true, tables: true }}\njobs:\n  - name: rows\n    table: rows\n    rows: [{{ csv: 'other/*.csv' }}]\n    schema: {}\n    payload: 1KiB\n",
            self.stage.dataset,
            Row::SCHEMA
        );
        self.stage.write("another.yaml", text.as_bytes());
        let started = self
            .stage
            .start("run", "another.yaml", "another", &self.args());
        let ended = Self::is_sound(started.end())?;
        if ended.status != Some(0) {
            return Err(format!("the other manifest: {}", ended.story()));
        }
        self.holds(&ended)
    }

    /// A last run does what is left, and one more finds nothing to do.
    fn finish(&mut self) -> Result<(), String> {
        self.run("state")?;
        self.plan()?;
        let ended = self.call("run", "state", &self.args())?;
        if !self.refuses() {
            is_settled(&self.stage, &ended)?;
        }
        self.stage.forget("state");
        let ended = self.call("run", "state", &self.args())?;
        if !self.refuses() {
            is_settled(&self.stage, &ended)?;
        }
        self.holds(&ended)
    }
}

fn csv(ids: &[u64]) -> Vec<u8> {
    // The same id gives the same row in every file.
    let rows: Vec<Row> = ids
        .iter()
        .map(|id| Row::new(*id, &mut Dice::of(*id)))
        .collect();
    row_file(Form::Csv, &rows)
}

fn id_of(row: &serde_json::Value) -> u64 {
    row["id"].as_u64().unwrap()
}

fn id_of_bulk(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).unwrap();
    let row = text.lines().nth(1).unwrap();
    row.split(',').next().unwrap().parse().unwrap()
}

const _: () = assert!(SLOTS > 1);
