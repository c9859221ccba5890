//! `doctor`: whether a run of this manifest would get as far as its work. Only
//! reads.

use std::time::Instant;

use crate::base::{DatasetRef, Version};
use crate::cli::args::{DoctorArgs, Format};
use crate::cli::context::{Context, tell_wait};
use crate::cli::exit::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::settings::{Connection, EndpointChoice};
use crate::cli::token::TokenSource;
use crate::cli::workplace::{Workplace, WorkplaceArgs, load_manifest};
use crate::event::EventSink;
use crate::plan::PlanError;
use crate::redivis::{ApiError, Call, HttpStats};
use crate::report::{clean, count};
use crate::state::StateLocation;

/// More than this is no longer the age of an answer.
const CLOCK_TOLERANCE_MS: i64 = 60_000;

/// Runs the command.
pub fn run(args: &DoctorArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let _watch = context.watch(args.remote.transfer.deadline)?;
    let mut told = Told {
        out: Output::stdout(),
        format: args.output.format,
        worst: None,
    };
    let manifest = load_manifest(&args.manifest, context.environment)?;
    let jobs = count(manifest.jobs.len() as u64, "job");
    told.fine("manifest", &format!("`{}`, {jobs}", manifest.name))?;
    let connection =
        Connection::of(&args.remote.connection, context.environment).map_err(Failure::from)?;
    told.fine("token", &token_words(&connection))?;
    told.fine("proxy", proxy_words(&connection))?;
    told.fine("CA", &ca_words(&connection))?;
    let workplace = context.open(manifest, WorkplaceArgs::of(&args.remote))?;
    told.fine("state", &state_words(&workplace.location))?;
    told.fine("endpoint", &workplace.endpoint_shown)?;
    for dataset in workplace.manifest.datasets() {
        look_at(dataset, &workplace, context, &mut told)?;
    }
    let stats = workplace.reader.http().stats();
    tell_clock(&stats, &mut told)?;
    let limit = match workplace.calls_per_second() {
        Some(rate) => format!("at most {rate:.1} calls a second"),
        None => "the server tells none".to_owned(),
    };
    told.fine("rate limit", &limit)?;
    for warning in &stats.warnings {
        told.warn("platform", &clean(warning), "it was said with an answer")?;
    }
    Ok(told.worst.unwrap_or(ExitCode::Done))
}

/// Whether the dataset is there, may be seen, and has what a run needs.
fn look_at(
    dataset: &DatasetRef,
    workplace: &Workplace,
    context: &Context<'_>,
    told: &mut Told,
) -> Result<(), Failure> {
    let events = EventSink::default();
    let call = Call {
        cancel: &context.cancel,
        on_wait: &|wait| tell_wait(&events, wait),
        on_bytes: &|_| {},
    };
    let failed = |what: &str, error: ApiError| {
        Failure::from(PlanError::Remote {
            what: format!("{what} `{dataset}`"),
            source: Box::new(error),
        })
    };
    let started = Instant::now();
    let current = workplace.reader.dataset(&call, dataset, &Version::Current);
    let millis = started.elapsed().as_millis();
    let next = workplace.reader.next_version(&call, dataset);
    let found = match current {
        Ok(found) => found.is_some(),
        Err(error) => return told.failed("dataset", &failed("dataset", error)),
    };
    let next = match next {
        Ok(next) => next.is_some(),
        Err(error) => return told.failed("dataset", &failed("the `next` version of", error)),
    };
    if !found && !next {
        return told.failed(
            "dataset",
            &Failure::from(PlanError::NoDataset(dataset.clone())),
        );
    }
    let draft = match (next, workplace.manifest.prepare.next_version) {
        (true, _) => "it has a `next` version",
        (false, true) => "a run will create its `next` version",
        (false, false) => {
            let text = format!("`{dataset}` has no `next` version");
            let help = "create it on the platform, or say `prepare: { next_version: true }`";
            return told.warn("dataset", &text, help);
        }
    };
    told.fine(
        "dataset",
        &format!("`{dataset}` was read in {millis} ms; {draft}"),
    )
}

fn tell_clock(stats: &HttpStats, told: &mut Told) -> Result<(), Failure> {
    match stats.server_ahead_ms {
        None => told.fine("clock", "the server does not tell its time"),
        Some(ahead) if ahead.abs() > CLOCK_TOLERANCE_MS => {
            let seconds = ahead.abs() / 1000;
            let way = if ahead > 0 { "behind" } else { "ahead of" };
            told.warn(
                "clock",
                &format!("this machine is {seconds} s {way} the server"),
                "set it: ages of files (`min_age`) and of open sessions are reckoned with it",
            )
        }
        Some(_) => told.fine("clock", "within a minute of the server's"),
    }
}

fn token_words(connection: &Connection) -> String {
    if matches!(connection.endpoint, EndpointChoice::Sandbox) {
        return "the sandbox needs none".to_owned();
    }
    match &connection.token {
        TokenSource::Fixed(_) => "from `REDIVIS_API_TOKEN`".to_owned(),
        TokenSource::File(path) => format!("from `{}`", path.display()),
        TokenSource::Command(_) => "from `--token-command`".to_owned(),
        TokenSource::Missing => "none is given".to_owned(),
    }
}

/// Never the address: it may hold a password.
const fn proxy_words(connection: &Connection) -> &'static str {
    match (&connection.proxies.https, &connection.proxies.all) {
        (Some(_), _) => "from `https_proxy`, but for what `no_proxy` says",
        (None, Some(_)) => "from `all_proxy`, but for what `no_proxy` says",
        (None, None) => "none",
    }
}

fn ca_words(connection: &Connection) -> String {
    match &connection.ca_cert {
        Some(path) => format!("`{}` instead of the system's", path.display()),
        None => "the system's".to_owned(),
    }
}

fn state_words(location: &StateLocation) -> String {
    match location {
        StateLocation::Folder(path) => format!("`{}` can be written", path.display()),
        StateLocation::Memory => "in memory: nothing can be continued later".to_owned(),
    }
}

/// What was found, as it is told.
struct Told {
    out: Output,
    format: Format,
    worst: Option<ExitCode>,
}

impl Told {
    fn fine(&mut self, what: &str, text: &str) -> Result<(), Failure> {
        self.tell("ok", what, text, None)
    }

    fn warn(&mut self, what: &str, text: &str, help: &str) -> Result<(), Failure> {
        self.tell("warning", what, text, Some(help))
    }

    fn failed(&mut self, what: &str, failure: &Failure) -> Result<(), Failure> {
        self.worst.get_or_insert(failure.exit);
        self.tell("failed", what, &failure.one_line(), failure.hint.as_deref())
    }

    fn tell(
        &mut self,
        state: &str,
        what: &str,
        text: &str,
        help: Option<&str>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text => {
                self.out.line(&format!("{state:<8} {what:<11} {text}"))?;
                match help {
                    Some(help) => self.out.line(&format!("{:20} help: {help}", "")),
                    None => Ok(()),
                }
            }
            Format::Json | Format::Ndjson => self.out.line(
                &serde_json::json!({
                    "type": "finding", "state": state, "what": what, "text": text, "help": help,
                })
                .to_string(),
            ),
        }
    }
}
