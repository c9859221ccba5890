//! `explain`: what a plan decided about one path, and by what facts.

use std::io::{self, Write};

use super::plan_names::{key_name, shown, source_path};
use super::style::{TextStyle, clean, count, number, size, timestamp, write_fact};
use super::words::describe;
use crate::base::Fingerprint;
use crate::plan::{Action, Item, JobContent, JobPlan, Plan, Subject};
use crate::redivis::RemoteFile;

/// What one job decided about a path.
#[derive(Debug)]
pub struct Explained<'a> {
    /// The job.
    pub job: &'a JobPlan,
    /// Its items that are about the path, in the plan's order.
    pub items: Vec<&'a Item>,
}

/// What each job decided about a path: a source's, relative to the manifest's
/// root, or the name of a file or an upload on the remote.
pub fn explain<'a>(plan: &'a Plan, path: &str) -> Vec<Explained<'a>> {
    let is_about = |item: &&Item| source_path(item) == Some(path) || key_name(item) == path;
    let jobs = plan.jobs.iter().map(|job| Explained {
        job,
        items: job.items.iter().filter(is_about).collect(),
    });
    jobs.filter(|one| !one.items.is_empty()).collect()
}

/// Writes what was decided, for people.
pub fn write_explained(
    out: &mut dyn Write,
    path: &str,
    explained: &[Explained<'_>],
    style: &TextStyle,
) -> io::Result<()> {
    writeln!(out, "{}", clean(path))?;
    for one in explained {
        let (table, kind) = (clean(one.job.table.table()), kind(one.job));
        writeln!(out, "\njob {} -> table {table} ({kind})", one.job.job)?;
        write_pass(out, style, path, one.job)?;
        for item in &one.items {
            write_item(out, style, item)?;
        }
    }
    Ok(())
}

fn kind(job: &JobPlan) -> &'static str {
    match job.content {
        JobContent::Files => "files",
        JobContent::Rows(_) => "rows",
        JobContent::Uploads { .. } => "uploads",
    }
}

/// What reading a row source came to.
fn write_pass(out: &mut dyn Write, style: &TextStyle, path: &str, job: &JobPlan) -> io::Result<()> {
    let JobContent::Rows(content) = &job.content else {
        return Ok(());
    };
    let mut inputs = content.inputs.iter();
    let Some(input) = inputs.find(|one| one.input.shown == path) else {
        return Ok(());
    };
    write_local(out, style, &input.fingerprint)?;
    let parts = count(input.cuts.len() as u64, "part");
    let mut text = format!("{} in {parts}", count(input.rows, "row"));
    if input.rejects > 0 {
        text = format!("{text}; {} cannot be encoded", count(input.rejects, "row"));
    }
    write_fact(out, style, "rows", &text)
}

fn write_item(out: &mut dyn Write, style: &TextStyle, item: &Item) -> io::Result<()> {
    writeln!(
        out,
        "  {} {}: {}",
        item.class.sigil(),
        shown(item).name,
        item.class.as_str()
    )?;
    write_fact(out, style, "because", &describe(item))?;
    match &item.subject {
        Subject::File(file) => {
            write_local(out, style, &file.local)?;
            let md5 = file.md5.map(|md5| md5.to_string()).unwrap_or_default();
            write_fact(out, style, "md5", &md5)?;
            write_fact(out, style, "remote", &remote(file.before.as_ref()))?;
        }
        Subject::RemoteFile(file) => write_fact(out, style, "remote", &remote(Some(file)))?,
        Subject::Upload(upload) => {
            write_local(out, style, &upload.fingerprint)?;
            write_fact(out, style, "md5", &upload.md5.to_string())?;
            write_fact(out, style, "upload", &upload.identity.to_string())?;
        }
        Subject::Part(part) => write_fact(out, style, "upload", &part.identity.to_string())?,
        Subject::Listed(listed) => {
            let rows = listed.rows.map(|rows| count(rows, "row"));
            write_fact(out, style, "remote", &rows.unwrap_or_default())?;
        }
        Subject::Source { trouble, .. } => {
            let help = trouble.map_or("", |trouble| trouble.help);
            write_fact(out, style, "help", help)?;
        }
        Subject::Version(_) | Subject::Table(_) | Subject::Variable(_) => {}
    }
    write_fact(out, style, "then", then(item.action))
}

fn write_local(out: &mut dyn Write, style: &TextStyle, local: &Fingerprint) -> io::Result<()> {
    let bytes = number(local.size);
    let modified = timestamp(local.mtime_ns / 1_000_000);
    let text = format!("{} ({bytes} B), modified {modified}", size(local.size));
    write_fact(out, style, "local", &text)
}

fn remote(file: Option<&RemoteFile>) -> String {
    let Some(file) = file else {
        return "nothing of this name".to_owned();
    };
    let md5 = file
        .md5
        .map_or_else(|| "no MD5 is told".to_owned(), |md5| format!("MD5 {md5}"));
    let bytes = number(file.size);
    format!(
        "{} ({bytes} B), {md5}, id {}",
        size(file.size),
        clean(&file.id)
    )
}

/// What `run` does about an item.
const fn then(action: Action) -> &'static str {
    match action {
        Action::None => "nothing is done",
        Action::Create => "it is created",
        Action::Update => "it is changed",
        Action::Send => "it is sent and verified",
        Action::Delete => "it is deleted",
        Action::Release => "it is released",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn text(path: &str) -> String {
        let plan = sample::plan();
        let mut out = Vec::new();
        let style = TextStyle {
            colour: false,
            width: 80,
        };
        write_explained(&mut out, path, &explain(&plan, path), &style).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_item_of_a_plan_is_found_by_its_name_and_by_its_source() {
        let plan = sample::plan();
        for job in &plan.jobs {
            for item in &job.items {
                let paths = [
                    Some(key_name(item).into_owned()),
                    source_path(item).map(str::to_owned),
                ];
                for path in paths.into_iter().flatten() {
                    let found = explain(&plan, &path);
                    let mut items = found.iter().flat_map(|one| &one.items);
                    assert!(items.any(|one| std::ptr::eq(*one, item)), "{path}");
                }
            }
        }
    }

    #[test]
    fn what_no_job_knows_is_not_explained() {
        assert!(explain(&sample::plan(), "no/such/file").is_empty());
        assert_eq!(text("no/such/file"), "no/such/file\n");
    }
}
