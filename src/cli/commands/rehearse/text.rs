//! A rehearsal for people.

use std::io::{self, Write};

use super::Line;
use super::run::{Kill, NOTHING_TO_DO, RunFacts};
use super::traffic::word;
use super::verdict::Word;
use crate::base::ByteCount;
use crate::cli::exit::ExitCode;
use crate::proof::{Differences, JobProof, Kind};
use crate::report::{clean, count, number};

/// Writes all of it; the verdict comes last.
pub(super) fn write(out: &mut dyn Write, line: &Line<'_>) -> io::Result<()> {
    let (script, rehearsal) = (line.script, line.rehearsal);
    let mut head = format!(
        "Rehearsal of {} with a sandbox that is {}",
        line.manifest,
        script.character_word()
    );
    if script.kill {
        head.push_str(" and kills");
    }
    writeln!(out, "{head}")?;
    if script.is_random() {
        let kill = if script.kill { " --kill" } else { "" };
        writeln!(out, "Chance was made from --seed {}{kill}", script.seed)?;
    }

    let total: u64 = rehearsal.injected.iter().map(|one| one.count).sum();
    writeln!(out, "\nWhat went wrong: {}", count(total, "fault"))?;
    for one in &rehearsal.injected {
        let operation = word(one.operation);
        writeln!(out, "  {:<24} {operation:<22} {:>4}", one.fault, one.count)?;
    }

    writeln!(
        out,
        "\nWhat the program did: {}",
        count(rehearsal.runs.len() as u64, "run")
    )?;
    for one in &rehearsal.runs {
        writeln!(out, "  {}", run(one))?;
    }
    let again = ByteCount(rehearsal.bytes_sent_again);
    let sent = ByteCount(rehearsal.bytes_sent);
    writeln!(out, "  sent {sent}, of which {again} again or in vain")?;
    let claims: u64 = rehearsal.runs.iter().map(|run| run.claims).sum();
    writeln!(out, "  {} looked up", count(claims, "reported item"))?;

    writeln!(out, "\nWhat the sandbox holds, against the sources")?;
    for one in &rehearsal.proof.jobs {
        job(out, one)?;
    }
    for table in rehearsal.proof.tables.iter().filter(|one| one.foreign > 0) {
        let foreign = number(table.foreign);
        let name = clean(&table.table);
        writeln!(out, "  table {name}: {foreign} that nobody sent")?;
        examples(out, &table.examples)?;
    }

    writeln!(out)?;
    for finding in &line.verdict.findings {
        writeln!(out, "- {}", clean(finding))?;
    }
    let verdict = match line.verdict.word {
        Word::Proved => {
            "Proved: the sandbox holds what the sources hold, each once, and nothing else."
        }
        Word::Wrong => "Not proved: the remote is wrong.",
        Word::Broken => "Not proved: a run broke down.",
        Word::Unfinished => "Not proved: the runs came to no end.",
        Word::Restless => "Not proved: there is always something to do.",
    };
    writeln!(out, "{verdict}")
}

/// One run on one line.
pub(super) fn run(run: &RunFacts) -> String {
    let end = match (&run.killed, run.exit) {
        (Some(kill), _) => killed(kill),
        (None, Some(NOTHING_TO_DO)) => "found nothing to do".to_owned(),
        (None, Some(code)) => {
            let mut known = ExitCode::ALL.iter();
            let name = known.find(|known| i32::from(known.number()) == code);
            format!(
                "exit {code} {}",
                name.map_or("unknown", |known| known.name())
            )
        }
        (None, None) => "ended by a signal".to_owned(),
    };
    let traffic = &run.traffic;
    let mut text = format!(
        "run {:<2} {end}: {}, {} sent",
        run.run,
        count(traffic.requests, "request"),
        ByteCount(traffic.bytes_sent)
    );
    if traffic.faults > 0 {
        text.push_str(", ");
        text.push_str(&count(traffic.faults, "fault"));
    }
    if run.state_deleted {
        text.push_str(", its state was deleted before");
    }
    if !run.untrue.is_empty() {
        text.push_str(", claims what is not so");
    }
    if run.equal == Some(false) {
        text.push_str(", and it is not done");
    }
    text
}

fn killed(kill: &Kill) -> String {
    let when = if kill.after_effect { "after" } else { "before" };
    let call = match &kill.operation {
        Some(operation) => format!(" ({operation})"),
        None => String::new(),
    };
    let then = if kill.applied {
        ", which went on without it"
    } else {
        ""
    };
    format!(
        "killed {when} the effect of request {}{call}{then}",
        kill.request
    )
}

fn job(out: &mut dyn Write, job: &JobProof) -> io::Result<()> {
    let size = ByteCount(job.bytes);
    let what = match job.kind {
        Kind::Files => format!("{}, {size}", count(job.sources, "file")),
        Kind::Rows => format!(
            "{} of {} in {}, {size}",
            count(job.rows, "row"),
            count(job.sources, "source"),
            count(job.stored, "part")
        ),
        Kind::Uploads => format!("{}, {size}", count(job.sources, "upload")),
    };
    let mut left = String::new();
    for (rows, why) in [(job.rejected, "rejected"), (job.refused, "refused")] {
        if rows > 0 {
            left = format!("{left}, {} {why}", count(rows, "row"));
        }
    }
    let end = if job.differences.is_none() {
        "equal".to_owned()
    } else {
        differences(&job.differences)
    };
    writeln!(out, "  {}: {what}{left}: {end}", clean(&job.job))?;
    examples(out, &job.examples)
}

fn differences(differences: &Differences) -> String {
    let Differences {
        missing,
        different,
        doubled,
        foreign,
        out_of_order,
    } = *differences;
    let all = [
        (missing, "missing"),
        (different, "different"),
        (doubled, "doubled"),
        (foreign, "foreign"),
        (out_of_order, "out of order"),
    ];
    let found = all.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = found
        .map(|(count, word)| format!("{} {word}", number(*count)))
        .collect();
    words.join(", ")
}

fn examples(out: &mut dyn Write, examples: &[String]) -> io::Result<()> {
    for example in examples {
        writeln!(out, "      {}", clean(example))?;
    }
    Ok(())
}
