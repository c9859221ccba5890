//! What verification found, as text, as lines of JSON, and as one line.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::one_line::ONE_LINE_BYTES;
use super::style::{TextStyle, Tone, clean, count, duration, number, size, wrap, write_fact};
use super::summary::REPORT_FORMAT;
use super::words::reason_of;
use crate::plan::{Amount, Checked, Finding, Reason};

/// Findings that the one line tells at most.
const MOST_FAILURES: usize = 50;

/// What was found, counted, and the first of what is wrong.
#[derive(Debug, Clone, Default)]
pub struct VerifyTally {
    found: BTreeMap<Finding, Amount>,
    /// Of these the manifest allows so many.
    allowed: BTreeMap<Finding, u64>,
    read_back: Amount,
    first: Vec<Checked>,
    /// Mismatches, and what could not be told.
    open: u64,
}

impl VerifyTally {
    /// Counts one.
    pub fn add(&mut self, one: &Checked) {
        let amount = self.found.entry(one.finding).or_default();
        amount.add(one.bytes, one.rows.unwrap_or(0));
        if matches!(one.reason, Reason::SameBytes | Reason::OtherBytes) {
            self.read_back.add(one.bytes, 0);
        }
        if one.allowed {
            *self.allowed.entry(one.finding).or_default() += 1;
        } else if one.finding != Finding::Matches {
            self.open += 1;
            if self.first.len() < MOST_FAILURES {
                self.first.push(one.clone());
            }
        }
    }

    /// How many there are of a finding that the manifest does not allow.
    pub fn open(&self, finding: Finding) -> u64 {
        let all = self.of(finding).items;
        all - self.allowed.get(&finding).copied().unwrap_or(0)
    }

    fn of(&self, finding: Finding) -> Amount {
        self.found.get(&finding).copied().unwrap_or_default()
    }

    /// Why nothing must be released, in words; `None`: everything matches.
    pub fn why_not(&self) -> Option<String> {
        let parts = self.open_parts();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn open_parts(&self) -> Vec<String> {
        let words = [
            (Finding::Missing, "missing"),
            (Finding::Differs, "different"),
            (Finding::Extra, "too much"),
            (Finding::Refused, "not comparable"),
            (Finding::Unverified, "not told by the platform"),
        ];
        words
            .into_iter()
            .map(|(finding, word)| (self.open(finding), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{} {word}", number(count)))
            .collect()
    }
}

/// What is known beside the findings.
#[derive(Debug, Clone)]
pub struct VerifyFacts {
    /// The manifest's name.
    pub manifest: String,
    /// The API.
    pub endpoint: String,
    /// Each dataset with the version that was looked at.
    pub datasets: Vec<(String, String)>,
    /// Against receipts instead of sources.
    pub from_receipts: bool,
    /// Milliseconds that it took.
    pub millis: u64,
    /// The exit code and its word.
    pub exit: (u8, &'static str),
}

/// One finding as a line of JSON.
pub fn checked_line(one: &Checked) -> String {
    let line = CheckedLine {
        kind: "item",
        checked: one,
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// One finding as a line for people.
pub fn checked_text(one: &Checked, style: &TextStyle) -> String {
    let tone = match one.finding {
        Finding::Matches => Tone::Dim,
        Finding::Skipped | Finding::Unverified => Tone::Change,
        _ if one.allowed => Tone::Change,
        Finding::Missing | Finding::Differs | Finding::Extra | Finding::Refused => Tone::Bad,
    };
    let word = style.paint(tone, &format!("{:<10}", one.finding.as_str()));
    let table = one
        .table
        .as_deref()
        .filter(|table| !one.name.starts_with(table));
    let place = table
        .map(|table| format!(" of {}", clean(table)))
        .unwrap_or_default();
    let mut why = vec![reason_of(one.reason, one.what == "file").to_owned()];
    if let Some(found) = one
        .found
        .as_ref()
        .filter(|_| one.finding == Finding::Differs)
    {
        let md5 = |md5: Option<&String>| md5.map_or("no MD5", String::as_str).to_owned();
        why.push(format!(
            "here {} ({}), there {} ({})",
            size(one.bytes),
            md5(one.md5.as_ref()),
            size(found.size),
            md5(found.md5.as_ref())
        ));
    }
    why.extend(one.note.as_deref().map(clean));
    let allowed = if one.allowed && one.finding != Finding::Skipped {
        " (allowed by the manifest)"
    } else {
        ""
    };
    format!(
        "  {word} {} {}{place}: {}{allowed}",
        one.what,
        clean(&one.name),
        why.join(": ")
    )
}

/// Writes the end for people.
pub fn write_verify(
    out: &mut dyn Write,
    tally: &VerifyTally,
    facts: &VerifyFacts,
    style: &TextStyle,
) -> io::Result<()> {
    let matches = tally.of(Finding::Matches);
    let against = if facts.from_receipts {
        "the receipts"
    } else {
        "the sources"
    };
    let datasets: Vec<String> = facts
        .datasets
        .iter()
        .map(|(dataset, version)| format!("{} at version {version}", clean(dataset)))
        .collect();
    let (tone, headline) = match tally.why_not() {
        None => (
            Tone::Good,
            format!("Verified: the remote matches {against}."),
        ),
        Some(open) => (
            Tone::Bad,
            format!(
                "Not verified: {open}; {} as in {against}.",
                count(matches.items, "item")
            ),
        ),
    };
    for line in wrap(&headline, style.width) {
        writeln!(out, "{}", style.paint(tone, &line))?;
    }
    writeln!(out)?;
    let amount = |amount: Amount| {
        if amount.items == 0 {
            return String::new();
        }
        let rows = (amount.rows > 0).then(|| format!(", {}", count(amount.rows, "row")));
        format!(
            "{}, {}{}",
            count(amount.items, "item"),
            size(amount.bytes),
            rows.unwrap_or_default()
        )
    };
    for (name, text) in [
        ("looked at", datasets.join(", ")),
        ("matches", amount(matches)),
        ("missing", amount(tally.of(Finding::Missing))),
        ("differs", amount(tally.of(Finding::Differs))),
        ("extra", amount(tally.of(Finding::Extra))),
        ("unverified", amount(tally.of(Finding::Unverified))),
        ("refused", amount(tally.of(Finding::Refused))),
        ("skipped", amount(tally.of(Finding::Skipped))),
        ("read back", amount(tally.read_back)),
        ("time", duration(facts.millis)),
        ("exit", format!("{} ({})", facts.exit.0, facts.exit.1)),
    ] {
        write_fact(out, style, name, &text)?;
    }
    Ok(())
}

/// All of it in one line of JSON, without its line break: at most
/// [`ONE_LINE_BYTES`].
pub fn verify_line(tally: &VerifyTally, facts: &VerifyFacts) -> String {
    let mut shown = tally.first.len();
    loop {
        let line = Summary::of(tally, facts, shown);
        let text = serde_json::to_string(&line).unwrap_or_default();
        if text.len() < ONE_LINE_BYTES || shown == 0 {
            return text;
        }
        shown /= 2;
    }
}

#[derive(Debug, Serialize)]
struct CheckedLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    checked: &'a Checked,
}

#[derive(Debug, Serialize)]
struct Summary<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    format_version: u32,
    command: &'static str,
    exit: u8,
    exit_word: &'static str,
    manifest: &'a str,
    endpoint: &'a str,
    from_receipts: bool,
    datasets: Vec<&'a str>,
    versions: BTreeMap<&'a str, &'a str>,
    duration_ms: u64,
    counts: BTreeMap<&'static str, u64>,
    bytes: u64,
    rows: u64,
    failures: &'a [Checked],
    failures_left_out: u64,
}

impl<'a> Summary<'a> {
    fn of(tally: &'a VerifyTally, facts: &'a VerifyFacts, shown: usize) -> Self {
        let matches = tally.of(Finding::Matches);
        let mut counts: BTreeMap<&'static str, u64> = [
            Finding::Matches,
            Finding::Missing,
            Finding::Differs,
            Finding::Extra,
            Finding::Unverified,
            Finding::Refused,
            Finding::Skipped,
        ]
        .into_iter()
        .map(|finding| (finding.as_str(), tally.of(finding).items))
        .collect();
        counts.insert("allowed", tally.allowed.values().sum());
        counts.insert("read_back", tally.read_back.items);
        let datasets = || {
            let all = facts.datasets.iter();
            all.map(|(dataset, version)| (dataset.as_str(), version.as_str()))
        };
        Self {
            kind: "summary",
            format_version: REPORT_FORMAT,
            command: "verify",
            exit: facts.exit.0,
            exit_word: facts.exit.1,
            manifest: &facts.manifest,
            endpoint: &facts.endpoint,
            from_receipts: facts.from_receipts,
            datasets: datasets().map(|(dataset, _)| dataset).collect(),
            versions: datasets().collect(),
            duration_ms: facts.millis,
            counts,
            bytes: matches.bytes,
            rows: matches.rows,
            failures: &tally.first[..shown],
            failures_left_out: tally.open - shown as u64,
        }
    }
}
