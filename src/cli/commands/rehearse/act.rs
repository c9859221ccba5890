//! The order of a rehearsal: runs under faults, runs without, and at last one
//! that must find nothing to do.

use serde::Serialize;

use super::run::{self, KillPoint, RunFacts};
use super::script::Script;
use super::stage::Stage;
use super::text;
use super::traffic::{Injected, injected};
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::proof::Proof;
use crate::sandbox::{Dice, FaultScript};

/// Runs under faults, at most.
const FAULTY_RUNS: u64 = 12;
/// Runs after them without any, at most.
const CLEAN_RUNS: u64 = 4;
/// Runs that are killed, at most.
const KILLS: u64 = 6;
/// Runs to come to rest: late effects may have to be repaired.
const LAST_RUNS: u64 = 3;
/// Where the first run may be killed.
const FIRST_REACH: u64 = 24;

/// What was done, and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct Rehearsal {
    /// Faults that calls met.
    pub(super) injected: Vec<Injected>,
    pub(super) runs: Vec<RunFacts>,
    /// Bytes of files, uploads and payloads that went out.
    pub(super) bytes_sent: u64,
    /// Those that went out more than once, or in vain.
    pub(super) bytes_sent_again: u64,
    /// The last comparison with the sources.
    #[serde(flatten)]
    pub(super) proof: Proof,
}

impl Rehearsal {
    /// Plays it to its end.
    pub(super) fn play(stage: &Stage<'_>, script: &Script) -> Result<Self, Failure> {
        let mut play = Play {
            stage,
            dice: Dice::new(script.seed ^ 0x6b69_6c6c),
            runs: Vec::new(),
            reach: FIRST_REACH,
            last: None,
        };
        play.all(script)?;
        let proof = match play.last.take() {
            Some(proof) => proof,
            None => stage.compare()?,
        };
        let traffic = || play.runs.iter().map(|run| &run.traffic);
        let bytes_sent = traffic().map(|traffic| traffic.bytes_sent).sum();
        Ok(Self {
            injected: injected(traffic()),
            bytes_sent,
            bytes_sent_again: bytes_sent.saturating_sub(proof.payload_bytes()),
            runs: play.runs,
            proof,
        })
    }
}

struct Play<'a> {
    stage: &'a Stage<'a>,
    dice: Dice,
    runs: Vec<RunFacts>,
    /// Requests among which the next kill is.
    reach: u64,
    /// The comparison after the last run, where there was one.
    last: Option<Proof>,
}

/// How a run shall go.
#[derive(Debug, Clone, Copy)]
struct How {
    /// Whether faults can happen.
    faulty: bool,
    kill: Option<KillPoint>,
    /// Whether the state is deleted before.
    forgets: bool,
}

impl How {
    /// As on a good day.
    const CLEAN: Self = Self {
        faulty: false,
        kill: None,
        forgets: false,
    };
}

impl Play<'_> {
    fn all(&mut self, script: &Script) -> Result<(), Failure> {
        let mut kills = 0;
        for _ in 0..FAULTY_RUNS {
            let kill = (script.kill && kills < KILLS)
                .then(|| KillPoint::random(&mut self.dice, self.reach));
            // A state is lost where a process is: now and then.
            let forgets = script.kill && !self.runs.is_empty() && self.dice.below(3) == 0;
            self.one(How {
                faulty: true,
                kill,
                forgets,
            })?;
            kills += u64::from(self.last_run(|run| run.killed.is_some()));
            if self.last_run(RunFacts::says_done) || self.last_run(is_hopeless) {
                break;
            }
        }
        if self.last_run(is_hopeless) {
            return Ok(());
        }
        self.stage.sandbox.set_faults(FaultScript::none());
        for _ in 0..CLEAN_RUNS {
            if self.last_run(RunFacts::says_done) {
                break;
            }
            let before = self.runs.last().and_then(|run| run.exit);
            self.one(How::CLEAN)?;
            let is_stuck = self.last_run(|run| run.exit == before && !is_worth_repeating(run));
            if is_stuck || self.last_run(is_hopeless) {
                return Ok(());
            }
        }
        if !self.last_run(RunFacts::says_done) {
            return Ok(());
        }
        for _ in 0..LAST_RUNS {
            // What would come late comes now, so that this is the end of it.
            self.stage.sandbox.settle();
            self.one(How::CLEAN)?;
            if self.last_run(RunFacts::is_idle) {
                break;
            }
        }
        Ok(())
    }

    fn last_run(&self, is: impl FnOnce(&RunFacts) -> bool) -> bool {
        self.runs.last().is_some_and(is)
    }

    fn one(&mut self, how: How) -> Result<(), Failure> {
        let number = self.runs.len() as u64 + 1;
        let state_deleted = how.forgets && self.stage.delete_state()?;
        let (status, traffic, killed) = run::one(self.stage, number, how.kill)?;
        if self.stage.context.cancel.is_cancelled() {
            return Err(run::stopped());
        }
        self.reach = (2 * traffic.requests).max(FIRST_REACH);
        let claims = self.stage.claims(number)?;
        let mut facts = RunFacts {
            run: number,
            faulty: how.faulty,
            state_deleted,
            killed,
            exit: status.and_then(|status| status.code()),
            traffic,
            claims: claims.checked,
            untrue: claims.untrue,
            equal: None,
        };
        if let (Some(ended), Some(told)) = (facts.exit, claims.exit)
            && ended != i32::from(told)
        {
            let untrue = format!("the report states exit code {told} and it was {ended}");
            facts.untrue.push(untrue);
        }
        self.last = None;
        if facts.says_done() {
            let proof = self.stage.compare()?;
            facts.equal = Some(proof.is_equal());
            self.last = Some(proof);
        }
        if self.stage.tells {
            crate::cli::say(&format!("{}\n", text::run(&facts)));
        }
        self.runs.push(facts);
        Ok(())
    }
}

/// Whether no other run could end better: what the user must repair first.
fn is_hopeless(run: &RunFacts) -> bool {
    let codes = [ExitCode::Usage, ExitCode::Manifest, ExitCode::Input];
    codes
        .iter()
        .any(|code| run.exit == Some(code.number().into()))
}

/// Whether the exit code itself asks for another run.
fn is_worth_repeating(run: &RunFacts) -> bool {
    ExitCode::ALL
        .iter()
        .any(|code| run.exit == Some(code.number().into()) && code.is_worth_retrying())
}
