//! Two writers: two processes with one manifest and two states, whose requests
//! take place in a random order, step by step. Whatever the order, a writer that
//! ends well must be right, the other one says what happened, and when each was
//! run again the remote holds everything once.
//!
//! `tests/scripts/two-writers.sh` plays many. Each trial follows from its seed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redivis_ingest::sandbox::{Character, Thaw};

use super::{
    Dice, Ended, Failures, Running, Stage, Work, Worlds, flush_late_effects, is_settled, workers,
};
use crate::harness::setting;

/// Between two looks at a program that sends nothing.
const LOOK: Duration = Duration::from_millis(5);
/// A program that sends nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(180);
/// Rounds of both writers, one after the other, until all must be done.
const ROUNDS: usize = 3;

/// What many trials have seen.
#[derive(Debug, Default)]
struct Tally {
    trials: u64,
    releasing: u64,
    steps: u64,
    switches: u64,
    kills: u64,
    /// Exit codes of the two, the smaller one first.
    exits: BTreeMap<String, u64>,
    /// Runs after which something was left to do.
    mended: u64,
    /// Releases with rows twice, which was told.
    told: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.releasing += other.releasing;
        self.steps += other.steps;
        self.switches += other.switches;
        self.kills += other.kills;
        self.mended += other.mended;
        self.told += other.told;
        for (exits, count) in &other.exits {
            *self.exits.entry(exits.clone()).or_default() += count;
        }
    }
}

/// One of the two, by its state's name.
struct Writer {
    name: &'static str,
    token: String,
    running: Option<Running>,
}

/// Who is next, and for how many steps. A step takes a request to its effect, or
/// from there to its answer.
struct Order {
    dice: Dice,
    longest: u64,
    who: usize,
    left: u64,
}

impl Order {
    fn of(mut dice: Dice) -> Self {
        Self {
            longest: dice.one_of(&[1, 3, 10, 40, 400]),
            who: 0,
            left: 0,
            dice,
        }
    }

    fn next(&mut self) -> usize {
        if self.left == 0 {
            self.who = usize::try_from(self.dice.below(2)).unwrap();
            self.left = self.dice.between(1, self.longest);
        }
        self.left -= 1;
        self.who
    }
}

/// One trial.
struct Trial<'w> {
    seed: u64,
    stage: Stage<'w>,
    work: Work,
    tally: Tally,
}

impl Trial<'_> {
    fn args(&mut self) -> Vec<String> {
        let transfers = self.work.dice.one_of(&["1", "1", "4"]);
        let mut args = vec!["-j".to_owned(), transfers.to_owned()];
        if self.work.legacy {
            args.extend(["--protocol".to_owned(), "legacy".to_owned()]);
        }
        args
    }

    fn is_sound(ended: Ended) -> Result<Ended, String> {
        if ended.hung || ended.stderr.contains("panicked") {
            return Err(format!("hang or panic: {}", ended.story()));
        }
        Ok(ended)
    }

    fn run(&mut self, state: &str) -> Result<Ended, String> {
        let args = self.args();
        self.stage.world.sandbox().clear_requests();
        let running = self.stage.start("run", "manifest.yaml", state, &args);
        Self::is_sound(running.end())
    }

    /// Waits until the writer's next request waits; `false`: it has ended.
    fn is_at_a_request(&self, writer: &mut Writer) -> bool {
        let Some(running) = &mut writer.running else {
            return false;
        };
        let sandbox = self.stage.world.sandbox();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if sandbox.wait_queued(&writer.token, LOOK).is_some() {
                return true;
            }
            if running.has_ended() {
                return false;
            }
        }
        false
    }

    /// Both at once, in a random order of their requests.
    fn both_at_once(&mut self) -> Result<[Ended; 2], String> {
        let sandbox = self.stage.world.sandbox();
        let mut order = Order::of(Dice::of(self.work.dice.roll()));
        // One of the two may be killed on the way.
        let killed = self.work.dice.once_in(6).then(|| {
            let thaw = self.work.dice.one_of(&[Thaw::Apply, Thaw::Abandon]);
            (self.work.dice.below(2), self.work.dice.below(200), thaw)
        });
        let args = [self.args(), self.args()];
        let mut writers = ["one", "other"].map(|name| Writer {
            name,
            token: format!("token-of-{name}-{}", self.seed),
            running: None,
        });
        for (writer, args) in writers.iter_mut().zip(&args) {
            sandbox.queue(&writer.token);
            let running =
                self.stage
                    .start_as(&writer.token, "run", "manifest.yaml", writer.name, args);
            writer.running = Some(running);
        }
        let mut ended: [Option<Ended>; 2] = [None, None];
        let mut last = 2;
        let mut steps = 0;
        while ended.iter().any(Option::is_none) {
            let mut who = order.next();
            if ended[who].is_some() {
                who = 1 - who;
            }
            let writer = &mut writers[who];
            let is_killed = killed
                .filter(|(whom, step, _)| usize::try_from(*whom).unwrap() == who && *step <= steps);
            let goes_on = self.is_at_a_request(writer);
            if let (true, Some((_, _, thaw))) = (goes_on, is_killed) {
                let running = writer.running.as_mut().unwrap();
                running.kill();
                self.tally.kills += 1;
                ended[who] = Some(writer.running.take().unwrap().end());
                sandbox.end_queue(&writer.token, thaw);
                continue;
            }
            if !goes_on {
                let running = writer.running.take().unwrap();
                sandbox.end_queue(&writer.token, Thaw::Apply);
                ended[who] = Some(Self::is_sound(running.end())?);
                continue;
            }
            sandbox.call_next(&writer.token);
            steps += 1;
            self.tally.switches += u64::from(last != who);
            last = who;
        }
        self.tally.steps += steps;
        Ok(ended.map(Option::unwrap))
    }

    /// What a writer may end with beside another one, and what it says.
    fn says_what_happened(ended: &Ended) -> Result<(), String> {
        let Some(code) = ended.status else {
            return Ok(());
        };
        let says: &[&str] = match code {
            0 => return Ok(()),
            // The draft was released, or made anew.
            4 => &["changed under the run"],
            5 => &["while another writer changed it"],
            6 => &["another writer is at work", "another writer uses"],
            75 => &["run again"],
            _ => &[],
        };
        // Before there was a plan, it is told on stderr.
        let is_vanished = code == 4 && ended.stderr.contains("released or deleted it meanwhile");
        let words: Vec<&str> = ended.stdout.split_whitespace().collect();
        let words = words.join(" ");
        if is_vanished || says.iter().any(|text| words.contains(text)) {
            Ok(())
        } else {
            Err(format!("what it says beside another: {}", ended.story()))
        }
    }

    fn play(&mut self) -> Result<(), String> {
        self.work.write(&self.stage);
        if self.work.dice.once_in(3) {
            let ended = self.run("one")?;
            if ended.status != Some(0) {
                return Err(format!("before: {}", ended.story()));
            }
            self.work.change_goods();
            self.work.write(&self.stage);
        }
        let both = self.both_at_once()?;
        let mut codes = both.each_ref().map(|ended| ended.status);
        codes.sort_unstable();
        let codes = codes.map(|code| code.map_or("killed".to_owned(), |code| code.to_string()));
        *self.tally.exits.entry(codes.join(" and ")).or_default() += 1;
        for ended in &both {
            Self::says_what_happened(ended)?;
        }
        let is_told = |ended: &Ended| ended.status == Some(5);
        let is_told = both.iter().any(is_told);
        let story = || {
            let [one, other] = &both;
            format!("\none: {}other: {}", one.story(), other.story())
        };
        flush_late_effects(&self.stage);
        if both.iter().all(|ended| ended.status == Some(0)) {
            self.work
                .holds(&self.stage, &both[1])
                .map_err(|error| format!("both are done: {error}{}", story()))?;
        }
        self.come_to_an_end(is_told)
            .map_err(|error| format!("{error}\nafter{}", story()))
    }

    /// Each is run again until it is done, and then finds nothing to do. Rows that
    /// were released twice stay so, which no client can forbid: a run said so, and
    /// each later one does.
    fn come_to_an_end(&mut self, is_told: bool) -> Result<(), String> {
        let mut last = None;
        for round in 0..ROUNDS {
            let mut done = true;
            for state in ["one", "other"] {
                let ended = self.run(state)?;
                done = done && ended.status == Some(0);
                self.tally.mended += u64::from(round == 0 && !self.stage.writes().is_empty());
                last = Some(ended);
            }
            if done {
                break;
            }
        }
        let last = last.unwrap();
        let is_doubled = last.stderr.contains("plan/released-twice");
        if is_told && is_doubled && last.status == Some(3) {
            self.tally.told += 1;
            return Ok(());
        }
        if last.status != Some(0) {
            return Err(format!("one after the other: {}", last.story()));
        }
        self.work.holds(&self.stage, &last)?;
        for state in ["one", "other", "none"] {
            let ended = self.run(state)?;
            is_settled(&self.stage, &ended).map_err(|error| format!("{state}: {error}"))?;
        }
        Ok(())
    }
}

/// One trial from its seed.
fn trial(worlds: &mut Worlds, seed: u64) -> (Tally, Result<(), String>) {
    let mut dice = Dice::of(seed);
    let character = dice.one_of(&[Character::Friendly, Character::Worst]);
    let mut work = Work::of(dice, false);
    work.releases = work.dice.once_in(2);
    work.make_jobs();
    // What is refused is refused to both.
    for job in &mut work.jobs {
        job.allow_bad_rows();
    }
    let mut trial = Trial {
        seed,
        stage: worlds.stage(character, "trial"),
        tally: Tally {
            trials: 1,
            releasing: u64::from(work.releases),
            ..Tally::default()
        },
        work,
    };
    let done = trial
        .play()
        .map_err(|error| format!("{error}\n({character:?})"));
    (std::mem::take(&mut trial.tally), done)
}

fn two_writers(seed: u64, trials: u64, threads: usize) {
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
    for (exits, count) in &tally.exits {
        eprintln!("  exit codes {exits}: {count}");
    }
    eprintln!(
        "two-writers: seed {seed}, {} interleavings, {} of them releasing, {} steps, {} switches, {} kills, {} runs mended, {} doubled releases told; {} failures",
        tally.trials,
        tally.releasing,
        tally.steps,
        tally.switches,
        tally.kills,
        tally.mended,
        tally.told,
        failures.count()
    );
    failures.judge(&|seed| format!("tests/scripts/two-writers.sh BINARY 1 {seed}"));
}

#[test]
fn a_few_orders_of_two_writers_lose_and_double_nothing() {
    two_writers(1, 8, 2);
}

#[test]
#[ignore = "long: tests/scripts/two-writers.sh"]
fn random_orders_of_two_writers_lose_and_double_nothing() {
    two_writers(
        setting("SEED", 1),
        setting("TRIALS", 200),
        setting("THREADS", 2),
    );
}
