//! What a rehearsal comes to: one word, the reasons, the exit code.

use serde::Serialize;

use super::act::Rehearsal;
use super::run::RunFacts;
use crate::cli::exit::ExitCode;

/// What a rehearsal comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// One word.
    #[serde(rename = "verdict")]
    pub(super) word: Word,
    /// What speaks against the program, in words.
    pub(super) findings: Vec<String>,
    /// How the process ends.
    #[serde(skip)]
    pub(super) exit: ExitCode,
}

/// What a rehearsal comes to, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    /// The remote equals the sources, every claim was true, and the last run
    /// found nothing to do.
    Proved,
    /// The remote is not what the sources say, or a run claimed what is not so.
    Wrong,
    /// A run broke down.
    Broken,
    /// The runs came to no end, and what is there is right.
    Unfinished,
    /// Everything is there, and the last run still found something to do.
    Restless,
}

impl Verdict {
    /// Of a rehearsal.
    pub(super) fn of(rehearsal: &Rehearsal) -> Self {
        let mut findings = Vec::new();
        for run in &rehearsal.runs {
            let number = run.run;
            findings.extend(run.untrue.iter().map(|why| format!("run {number}: {why}")));
            if run.equal == Some(false) {
                findings.push(format!(
                    "run {number} said that everything is done, and it was not"
                ));
            }
        }
        let proof = &rehearsal.proof;
        let last = rehearsal.runs.last();
        let is_done = last.is_some_and(RunFacts::says_done);
        let is_damaged = !proof.is_equal() && (is_done || !proof.is_only_missing());
        if !findings.is_empty() || is_damaged {
            findings.push("the sandbox does not hold what the sources hold".to_owned());
            if proof.is_equal() {
                findings.pop();
            }
            return Self::new(Word::Wrong, findings, ExitCode::Mismatch);
        }
        let broken = rehearsal.runs.iter().find(|run| is_broken(run));
        if let Some(run) = broken {
            let how = run.exit.map_or_else(
                || "by a signal".to_owned(),
                |code| format!("with exit code {code}"),
            );
            findings.push(format!("run {} ended {how}", run.run));
            return Self::new(Word::Broken, findings, ExitCode::Failed);
        }
        if !is_done {
            let exit = last.and_then(|run| known(run.exit));
            let exit = exit.unwrap_or(ExitCode::Temporary);
            findings.push(format!(
                "the runs came to no end: the last one ended with exit code {}",
                exit.number()
            ));
            return Self::new(Word::Unfinished, findings, exit);
        }
        if last.is_some_and(RunFacts::is_idle) {
            Self::new(Word::Proved, findings, ExitCode::Done)
        } else {
            findings.push("the last run still found something to do".to_owned());
            Self::new(Word::Restless, findings, ExitCode::Failed)
        }
    }

    fn new(word: Word, findings: Vec<String>, exit: ExitCode) -> Self {
        Self {
            word,
            findings,
            exit,
        }
    }
}

/// Whether a run ended as none may: by a signal that was not ours, or with a code
/// that stands for a bug or for nothing.
fn is_broken(run: &RunFacts) -> bool {
    run.killed.is_none() && known(run.exit).is_none_or(|code| code == ExitCode::Failed)
}

fn known(exit: Option<i32>) -> Option<ExitCode> {
    ExitCode::ALL
        .into_iter()
        .find(|code| exit == Some(code.number().into()))
}
