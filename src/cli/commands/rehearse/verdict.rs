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

#[cfg(test)]
mod tests {
    use super::super::act::Rehearsal;
    use super::super::traffic::Traffic;
    use super::*;
    use crate::proof::Proof;

    fn run(number: u64, exit: i32) -> RunFacts {
        RunFacts {
            run: number,
            faulty: false,
            state_deleted: false,
            killed: None,
            exit: Some(exit),
            traffic: Traffic::default(),
            claims: 0,
            untrue: Vec::new(),
            equal: matches!(exit, 0 | 99).then_some(true),
        }
    }

    fn of(runs: Vec<RunFacts>) -> Verdict {
        Verdict::of(&Rehearsal {
            injected: Vec::new(),
            runs,
            bytes_sent: 0,
            bytes_sent_again: 0,
            proof: Proof::default(),
        })
    }

    #[test]
    fn it_is_proved_when_the_last_run_did_nothing() {
        let verdict = of(vec![run(1, 75), run(2, 0), run(3, 99)]);

        assert_eq!((verdict.word, verdict.exit), (Word::Proved, ExitCode::Done));
        assert!(verdict.findings.is_empty());
    }

    #[test]
    fn a_last_run_that_still_did_something_is_no_rest() {
        let mut writing = run(2, 99);
        writing.traffic.writes = 1;

        for last in [run(2, 0), writing] {
            let verdict = of(vec![run(1, 0), last]);
            assert_eq!(
                (verdict.word, verdict.exit),
                (Word::Restless, ExitCode::Failed)
            );
        }
    }

    #[test]
    fn a_false_claim_is_wrong_even_when_all_is_well_at_the_end() {
        let mut first = run(1, 0);
        first.equal = Some(false);
        let mut other = run(1, 75);
        other.untrue = vec!["file `a` is called verified and is not there".to_owned()];

        for first in [first, other] {
            let verdict = of(vec![first, run(2, 0), run(3, 99)]);
            assert_eq!(
                (verdict.word, verdict.exit),
                (Word::Wrong, ExitCode::Mismatch)
            );
            assert_eq!(verdict.findings.len(), 1, "{verdict:?}");
        }
    }

    #[test]
    fn a_bug_is_a_breakdown_and_the_code_of_an_unfinished_run_is_passed_on() {
        assert_eq!(
            of(vec![run(1, 1), run(2, 0), run(3, 99)]).word,
            Word::Broken
        );
        assert_eq!(of(vec![run(1, 42), run(2, 0)]).word, Word::Broken);
        let verdict = of(vec![run(1, 75), run(2, 69)]);
        assert_eq!(
            (verdict.word, verdict.exit),
            (Word::Unfinished, ExitCode::Refused)
        );
    }
}
