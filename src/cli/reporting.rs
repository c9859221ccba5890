//! What a run shows and leaves: progress while it goes, then the report in the
//! run folder, the summary, and on stdout the result, whose last line is the
//! last thing said.

use std::cell::Cell;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::args::{Format, OutputArgs, ReportArgs};
use super::commands::run::Done;
use super::context::Context;
use super::exit::ExitCode;
use super::failure::Failure;
use super::files::{Readers, text_before, write_file};
use super::lineage::LineageSender;
use super::output::Output;
use super::page::{PageParts, is_page};
use super::rejects::RejectsFile;
use super::settings::ProgressStyle;
use super::workplace::Workplace;
use crate::event::{Event, EventSink, RunEnd};
use crate::plan::Plan;
use crate::report::{
    ProgressKind, Recorder, Recording, RequestFacts, RunClock, RunFacts, RunReport, Samples, drain,
    reporter, write_metrics, write_plan,
};
use crate::state::RunFolder;

/// How a command that runs is reported.
#[derive(Debug, Clone, Copy)]
pub struct ReportingArgs<'a> {
    /// The command, such as `run`.
    pub command: &'static str,
    /// What goes to stdout.
    pub output: &'a OutputArgs,
    /// What is written to files.
    pub files: &'a ReportArgs,
    /// Where receipts go.
    pub receipts: Option<&'a Path>,
    /// `--ca-cert`.
    pub ca_cert: Option<&'a Path>,
}

/// A run's voice.
#[derive(Debug)]
pub struct Reporting<'a> {
    args: ReportingArgs<'a>,
    context: &'a Context<'a>,
    workplace: &'a Workplace,
    events: EventSink,
    listener: Option<JoinHandle<Samples>>,
    folder: Option<RunFolder>,
    started_ms: i64,
    lineage: Option<LineageSender>,
    /// The jobs were said to begin.
    has_jobs: Cell<bool>,
}

impl<'a> Reporting<'a> {
    /// Starts to listen.
    pub fn start(
        args: ReportingArgs<'a>,
        context: &'a Context<'a>,
        workplace: &'a Workplace,
    ) -> Result<Self, Failure> {
        let folder =
            RunFolder::create(&workplace.location, &workplace.run_id).map_err(Failure::from)?;
        let kind = match (args.output.format, context.progress(args.output.progress)) {
            (Format::Ndjson, _) => ProgressKind::Events,
            (_, ProgressStyle::Bars) => ProgressKind::Bars,
            (_, ProgressStyle::Lines) => ProgressKind::Plain,
            (_, ProgressStyle::Off) => ProgressKind::Quiet,
        };
        if kind == ProgressKind::Events {
            context.told.as_json();
        }
        let (sender, received) = mpsc::channel::<Event>();
        let started_ms = context.environment.now_ms();
        let clock = RunClock {
            run_id: workplace.run_id.to_string(),
            started_ms,
        };
        let lines = Box::new(std::io::stderr());
        let status = context.told.status.clone();
        let reporter = reporter(kind, clock, lines, &context.screen);
        let http = std::sync::Arc::clone(workplace.reader.http());
        let now = context.environment.clock();
        let recording = Recording {
            recorder: Recorder::new(Box::new(move || http.traffic().0)),
            elapsed_ms: Box::new(move || {
                let since = now().div_euclid(1_000_000).saturating_sub(started_ms);
                u64::try_from(since).unwrap_or(0)
            }),
        };
        let listener = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || drain(&received, reporter, recording, &status))
            .map_err(|error| Failure::local_io("cannot start threads", &error))?;
        let lineage = LineageSender::start(
            (args.files.lineage.as_deref(), args.ca_cert),
            args.command,
            (workplace, context),
            started_ms,
        );
        if let Some(lineage) = &lineage {
            lineage.send([lineage.author.started()]);
        }
        Ok(Self {
            args,
            context,
            workplace,
            events: EventSink::new(sender, context.told.active.clone()),
            listener: Some(listener),
            folder,
            started_ms,
            lineage,
            has_jobs: Cell::new(false),
        })
    }

    /// Where events go.
    pub fn events(&self) -> &EventSink {
        &self.events
    }

    /// The run's folder; none when state is in memory.
    pub fn folder(&self) -> Option<&RunFolder> {
        self.folder.as_ref()
    }

    /// Shows what will be done, before it is.
    pub fn show_plan(&self, plan: &Plan) -> Result<(), Failure> {
        if self.args.output.format != Format::Text || self.context.messages.is_quiet {
            return Ok(());
        }
        let style = self.context.stdout_style();
        let rate = self.workplace.calls_per_second();
        let mut out = Output::stdout();
        self.context.screen.suspend(|| {
            let written = write_plan(&mut out, plan, false, &style, rate, None);
            out.finish(written)
        })
    }

    /// The jobs begin: tells the lineage of them.
    pub fn jobs_begin(&self, plan: &Plan) {
        if let Some(lineage) = &self.lineage {
            let now_ms = self.context.environment.now_ms();
            lineage.send(
                lineage
                    .author
                    .planned(&self.workplace.manifest, plan, now_ms),
            );
            self.has_jobs.set(true);
        }
    }

    /// Ends the progress, writes the report and the summary, and answers how the
    /// process ends. Also after a failure. `unkept` is something else that could not
    /// be kept.
    pub fn finish(
        mut self,
        done: &Result<Done, Failure>,
        rejects: &RejectsFile,
        unkept: Option<Failure>,
    ) -> Result<ExitCode, Failure> {
        self.events.send(Event::RunFinished);
        let listened = self.listener.take().map(JoinHandle::join);
        let samples = listened.and_then(Result::ok).unwrap_or_default();
        let (exit, failure) = match done {
            Ok(done) => (done.exit, None),
            Err(failure) => (failure.exit, Some(failure)),
        };
        let facts = self.facts(exit, failure, rejects);
        let nothing = RunEnd::default();
        let (plan, end) = match done {
            Ok(done) => (Some(&done.plan), &done.end),
            Err(_) => (None, &nothing),
        };
        let report = RunReport::new(plan, end, facts);
        let line = report.one_line();
        // What cannot be kept is told, and the result is printed all the same.
        let mut exits = vec![exit];
        let page = PageParts {
            exit,
            failure,
            plan,
            rejects,
            receipts: self.args.receipts,
            samples,
            calls_per_second: self.workplace.calls_per_second(),
        };
        for unkept in unkept.into_iter().chain(self.keep(&report, page, &line)) {
            self.say(&unkept);
            exits.push(unkept.exit);
        }
        if let Some(lineage) = self.lineage.take() {
            let manifest = &self.workplace.manifest;
            lineage.send(lineage.author.ended(manifest, &report, self.has_jobs.get()));
            lineage.finish(self.context.cancel.is_cancelled());
        }
        if let Some(failure) = failure {
            self.say(failure);
        }
        // Last, so that it is the last thing said.
        let mut out = Output::stdout();
        match self.args.output.format {
            Format::Text if failure.is_some() => {}
            Format::Text => {
                let written = report.write_text(&mut out, &self.context.stdout_style());
                out.finish(written)?;
            }
            Format::Json | Format::Ndjson => out.line(&line)?,
        }
        Ok(match exits.as_slice() {
            [one] => *one,
            _ => ExitCode::combine(exits.into_iter().filter(|exit| *exit != ExitCode::Done)),
        })
    }

    fn say(&self, failure: &Failure) {
        let style = self.context.stderr_style();
        super::say(&failure.render(style.colour, style.width));
    }

    /// Writes the report, the summary and the end of the run; answers what could
    /// not be kept.
    fn keep(&self, report: &RunReport<'_>, page: PageParts<'_>, line: &str) -> Vec<Failure> {
        let mut unkept = Vec::new();
        let exit = page.exit;
        unkept.extend(self.write_report(report, page).err());
        let files = self.args.files;
        if let Some(path) = &files.summary {
            unkept.extend(write_file(path, Readers::Owner, |out| writeln!(out, "{line}")).err());
        }
        if let Some(path) = &files.metrics {
            let before = text_before(path);
            let write = |out: &mut dyn std::io::Write| write_metrics(out, report, &before);
            // They are read by another user.
            unkept.extend(write_file(path, Readers::All, write).err());
        }
        let ended = self.workplace.store.run_ended(
            self.workplace.run_id.as_str(),
            self.context.environment.now_ms(),
            exit.number(),
            line,
        );
        // State is for speed only: without this `status` knows less.
        if let Err(error) = ended {
            tracing::warn!(%error, "the end of the run is not in the state");
        }
        unkept
    }

    fn write_report(&self, report: &RunReport<'_>, page: PageParts<'_>) -> Result<(), Failure> {
        if let Some(folder) = &self.folder {
            let file = folder.create_file("report.json").map_err(Failure::from)?;
            let mut out = BufWriter::new(file);
            report
                .write_json(&mut out)
                .and_then(|()| out.flush())
                .map_err(|error| Failure::local_io("cannot write the report", &error))?;
        }
        match &self.args.files.report {
            Some(path) if is_page(path) => {
                let facts = page.facts();
                write_file(path, Readers::Owner, |out| report.write_html(out, &facts))
            }
            Some(path) => write_file(path, Readers::Owner, |out| report.write_json(out)),
            None => Ok(()),
        }
    }

    /// Where the report is as JSON.
    fn report_path(&self) -> Option<PathBuf> {
        let in_folder = || {
            self.folder
                .as_ref()
                .map(|folder| folder.path().join("report.json"))
        };
        let asked = self.args.files.report.clone();
        asked.filter(|path| !is_page(path)).or_else(in_folder)
    }

    /// Where the report is as a page.
    fn page_path(&self) -> Option<PathBuf> {
        self.args.files.report.clone().filter(|path| is_page(path))
    }

    fn facts(&self, exit: ExitCode, failure: Option<&Failure>, rejects: &RejectsFile) -> RunFacts {
        let stats = self.workplace.reader.http().stats();
        let shown = |path: PathBuf| path.display().to_string();
        let manifest = &self.workplace.manifest;
        RunFacts {
            run_id: self.workplace.run_id.to_string(),
            command: self.args.command.to_owned(),
            manifest: manifest.name.to_string(),
            manifest_sha256: manifest.digest.to_string(),
            endpoint: self.workplace.endpoint_shown.clone(),
            datasets: manifest
                .datasets()
                .iter()
                .map(ToString::to_string)
                .collect(),
            started_ms: self.started_ms,
            ended_ms: self.context.environment.now_ms(),
            exit: exit.number(),
            exit_word: exit.name(),
            failure: failure.map(Failure::one_line),
            stopped_by: self.context.cancel.reason(),
            workers: self.workplace.transfer.transfers as u64,
            requests: RequestFacts::of(&stats),
            report_path: self.report_path().map(shown),
            page_path: self.page_path().map(shown),
            rejects_path: rejects.finish().map(shown),
            rejects: rejects.count(),
            first_rejects: rejects.first(),
        }
    }
}
