//! A draft of a manifest as YAML, with what speaks for each guess as comments.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::style::{count, number, size};
use crate::base::VariableType;
use crate::manifest::{CsvDialect, Header, RowFormat, TextEncoding};
use crate::source::draft::{Draft, DraftJob, DraftKind, DraftPattern};
use crate::source::rows::{Guess, GuessedColumn};

/// The file with the JSON Schema that a draft names, in the draft's own folder.
pub const SCHEMA_FILE: &str = "redivis-ingest.schema.json";

/// What a draft says beside its jobs.
#[derive(Debug, Clone)]
pub struct DraftFacts<'a> {
    /// The manifest's name, from the folder's.
    pub name: &'a str,
    /// `owner.dataset`.
    pub dataset: &'a str,
    /// The dataset is only a stand-in.
    pub is_placeholder: bool,
    /// From the manifest's folder to the one that was looked at: empty, or ended by
    /// `/`.
    pub prefix: &'a str,
}

/// Writes the manifest.
pub fn write_draft(out: &mut dyn Write, draft: &Draft, facts: &DraftFacts<'_>) -> io::Result<()> {
    writeln!(out, "# yaml-language-server: $schema={SCHEMA_FILE}")?;
    writeln!(
        out,
        "# Drafted by `redivis-ingest init`. Look at what is marked, then:"
    )?;
    writeln!(out, "#   redivis-ingest check manifest.yaml")?;
    writeln!(out, "version: 1")?;
    writeln!(out, "name: {}", scalar(&slug(facts.name, '-')))?;
    let mark = if facts.is_placeholder {
        "  # your owner and dataset"
    } else {
        ""
    };
    writeln!(out, "dataset: {}{mark}", scalar(facts.dataset))?;
    writeln!(out, "prepare: {{ next_version: true, tables: true }}")?;
    for (path, why) in &draft.left_out {
        writeln!(out, "# Left out: {} ({})", one_line(path), one_line(why))?;
    }
    if draft.jobs.is_empty() {
        return writeln!(out, "jobs: []");
    }
    writeln!(out, "\njobs:")?;
    let mut taken = BTreeSet::new();
    for (position, job) in draft.jobs.iter().enumerate() {
        if position > 0 {
            writeln!(out)?;
        }
        write_job(out, job, facts, &mut taken)?;
    }
    Ok(())
}

fn write_job(
    out: &mut dyn Write,
    job: &DraftJob,
    facts: &DraftFacts<'_>,
    taken: &mut BTreeSet<String>,
) -> io::Result<()> {
    let name = free_name(&base_name(job, facts), '-', taken);
    let files = count(job.files, "file");
    writeln!(out, "  # {files}, {}", size(job.bytes))?;
    writeln!(out, "  - name: {}", scalar(&name))?;
    writeln!(out, "    table: {}", scalar(&name.replace('-', "_")))?;
    match &job.kind {
        DraftKind::Files => {
            writeln!(out, "    files:")?;
            for pattern in patterns(job, facts) {
                writeln!(out, "      - glob: {}", scalar(&pattern))?;
                let base = format!("{}{}", facts.prefix, job.folder);
                let base = base.trim_end_matches('/');
                if !base.is_empty() {
                    writeln!(out, "        base: {}", scalar(base))?;
                }
            }
        }
        DraftKind::Uploads => {
            writeln!(out, "    uploads:")?;
            for pattern in patterns(job, facts) {
                writeln!(out, "      - path: {}", scalar(&pattern))?;
            }
        }
        DraftKind::Rows {
            format,
            guess,
            seen,
        } => {
            writeln!(out, "    rows:")?;
            let key = match format {
                RowFormat::Csv(_) => "csv",
                RowFormat::Ndjson => "ndjson",
                RowFormat::Json => "json",
            };
            for pattern in patterns(job, facts) {
                writeln!(out, "      - {key}: {}", scalar(&pattern))?;
                if let RowFormat::Csv(dialect) = format {
                    write_dialect(out, dialect)?;
                }
            }
            write_schema(out, guess, seen)?;
        }
    }
    Ok(())
}

fn write_dialect(out: &mut dyn Write, dialect: &CsvDialect) -> io::Result<()> {
    if dialect.delimiter != b',' {
        let delimiter = char::from(dialect.delimiter).to_string();
        writeln!(out, "        delimiter: {}", quoted(&delimiter))?;
    }
    if let TextEncoding::Other(name) = &dialect.encoding {
        writeln!(out, "        encoding: {}  # a guess", scalar(name))?;
    }
    if let Header::Names(names) = &dialect.header {
        let names: Vec<String> = names.iter().map(|name| scalar(name)).collect();
        writeln!(
            out,
            "        header: [{}]  # the first row looks like data",
            names.join(", ")
        )?;
    }
    Ok(())
}

fn write_schema(out: &mut dyn Write, guess: &Guess, seen: &str) -> io::Result<()> {
    let all = if guess.is_whole { "all" } else { "the first" };
    let rows = count(guess.rows, "row");
    let seen = one_line(seen);
    if guess.columns.is_empty() {
        writeln!(out, "    # {seen} has no columns")?;
        writeln!(out, "    allow_empty: true")?;
        return writeln!(out, "    schema: infer");
    }
    writeln!(out, "    schema:  # from {all} {rows} of {seen}")?;
    let mut taken = BTreeSet::new();
    for column in &guess.columns {
        let name = free_name(&variable_name(&column.name), '_', &mut taken);
        writeln!(
            out,
            "      {}: {}{}",
            scalar(&name),
            settings(column, &name),
            evidence(column, guess.rows)
        )?;
    }
    Ok(())
}

fn settings(column: &GuessedColumn, name: &str) -> String {
    let kind = column.kind.to_string();
    let mut more = Vec::new();
    if name != column.name {
        more.push(format!("from: {}", quoted(&column.name)));
    }
    // In a text, `NA` may be the text.
    if column.kind != VariableType::String && !column.null_words.is_empty() {
        let empty = std::iter::once(quoted(""));
        let words: Vec<String> = empty
            .chain(column.null_words.iter().map(|word| quoted(word)))
            .collect();
        more.push(format!("null_markers: [{}]", words.join(", ")));
    }
    if column.is_nested {
        more.push("nested: json".to_owned());
    }
    if more.is_empty() {
        kind
    } else {
        format!("{{ type: {kind}, {} }}", more.join(", "))
    }
}

fn evidence(column: &GuessedColumn, rows: u64) -> String {
    let Some(values) = column.values else {
        return String::new();
    };
    let missing = rows.saturating_sub(values);
    let mut words = Vec::new();
    match (values, missing) {
        (0, _) => words.push("no values".to_owned()),
        (_, 0) => {}
        (_, missing) => words.push(format!("{} without a value", number(missing))),
    }
    if column.kind == VariableType::String && !column.null_words.is_empty() {
        let marks = column.null_words.join(" and ");
        words.push(format!("{marks} stay text without null_markers"));
    }
    if let Some(example) = &column.example {
        words.push(format!("such as {}", one_line(example)));
    }
    if words.is_empty() {
        String::new()
    } else {
        format!("  # {}", words.join(", "))
    }
}

/// The globs or paths of a job, from the manifest's folder.
fn patterns(job: &DraftJob, facts: &DraftFacts<'_>) -> Vec<String> {
    let mut folder = format!("{}{}", facts.prefix, job.folder);
    if !folder.is_empty() && !folder.ends_with('/') {
        folder.push('/');
    }
    let folder = glob::Pattern::escape(&folder);
    match &job.pattern {
        DraftPattern::File(name) => vec![format!("{folder}{}", glob::Pattern::escape(name))],
        DraftPattern::Ending(ending) => {
            vec![format!("{folder}*{}", glob::Pattern::escape(ending))]
        }
        DraftPattern::Below(endings) => {
            let deep = if job.folder.is_empty() { "" } else { "**/" };
            let endings = endings.iter().map(|ending| glob::Pattern::escape(ending));
            endings
                .map(|ending| format!("{folder}{deep}*{ending}"))
                .collect()
        }
    }
}

/// What a job is called after: its file, or its folder.
fn base_name(job: &DraftJob, facts: &DraftFacts<'_>) -> String {
    let last = job.folder.rsplit('/').next().unwrap_or_default();
    let text = match &job.pattern {
        DraftPattern::File(name) => name.split('.').next().unwrap_or(name),
        DraftPattern::Ending(_) | DraftPattern::Below(_) if last.is_empty() => facts.name,
        DraftPattern::Ending(_) | DraftPattern::Below(_) => last,
    };
    slug(text, '-')
}

fn free_name(name: &str, with: char, taken: &mut BTreeSet<String>) -> String {
    let mut free = name.to_owned();
    let mut next = 2;
    while !taken.insert(free.to_lowercase()) {
        free = format!("{name}{with}{next}");
        next += 1;
    }
    free
}

/// Small letters, digits and `with`; begins with a letter or a digit, at most 50.
fn slug(text: &str, with: char) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => slug.push(c.to_ascii_lowercase()),
            '_' => slug.push('_'),
            _ if slug.ends_with(with) || slug.is_empty() => {}
            _ => slug.push(with),
        }
    }
    let slug: String = slug.trim_matches(['_', with]).chars().take(50).collect();
    if slug.is_empty() {
        "data".to_owned()
    } else {
        slug
    }
}

/// A name that a variable may have.
fn variable_name(column: &str) -> String {
    let is_fine = column
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_')
        && column.chars().any(|c| c.is_ascii_alphanumeric())
        && !column.eq_ignore_ascii_case("_upload_name");
    let name = if is_fine {
        column.to_owned()
    } else {
        slug(column, '_')
    };
    // Tools that people use later want a letter first.
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

/// A text that YAML reads as this text.
fn scalar(text: &str) -> String {
    let mut chars = text.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    let goes_on = chars.all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if starts && goes_on && !words.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// A text in quotes; a `${` in it stays what it is.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}

/// Fit for a comment.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
