//! Lineage on its way: a thread of its own sends each event once, and the run waits
//! for it at the end, a little. Whatever the server does, the run's work, its exit
//! code and its report are the same.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::context::Context;
use super::settings::{LineageSettings, LineageTarget, Proxies};
use super::workplace::Workplace;
use crate::redivis::{Notice, ProxySettings};
use crate::report::{Lineage, LineageFacts};

/// For one event.
const PATIENCE: Duration = Duration::from_secs(5);
/// For what is not sent yet when the run has ended.
const LAST_PATIENCE: Duration = Duration::from_secs(5);
/// The same after a signal or at the deadline.
const STOPPED_PATIENCE: Duration = Duration::from_secs(2);
/// After so many failures in a row nothing more is tried.
const GIVE_UP_AFTER: u64 = 3;

/// Events on their way.
#[derive(Debug)]
pub struct LineageSender {
    /// Who writes the events.
    pub author: Lineage,
    shown: String,
    lines: Sender<String>,
    ended: Receiver<Sent>,
}

/// What became of the events.
#[derive(Debug, Default)]
struct Sent {
    all: u64,
    failed: u64,
    in_a_row: u64,
    /// The first failure.
    why: Option<String>,
}

impl LineageSender {
    /// Starts to send, if anybody wants lineage.
    pub fn start(
        (flag, ca_cert): (Option<&str>, Option<&Path>),
        command: &'static str,
        (workplace, context): (&Workplace, &Context<'_>),
        started_ms: i64,
    ) -> Option<Self> {
        let environment = context.environment;
        let settings = match LineageSettings::of(flag, environment) {
            Ok(settings) => settings?,
            Err(why) => {
                tracing::warn!("no lineage is sent: {why}");
                return None;
            }
        };
        for warning in &settings.warnings {
            tracing::warn!("lineage: {warning}");
        }
        let author = Lineage::new(LineageFacts {
            namespace: settings.namespace,
            manifest: workplace.manifest.name.to_string(),
            command,
            run_id: workplace.run_id.to_string(),
            started_ms,
            endpoint: workplace.endpoint_shown.clone(),
            root: workplace.manifest.root.clone(),
            parent: settings.parent,
            root_parent: settings.root_parent,
        });
        let shown = settings.target.to_string();
        let (lines, received) = mpsc::channel();
        let (ended_sender, ended) = mpsc::channel();
        let trust = Trust {
            ca_cert: ca_cert.map(Path::to_path_buf),
            proxies: Proxies::of(environment),
        };
        let target = settings.target;
        let work = move || {
            // Nobody may be left to hear it.
            drop(ended_sender.send(send_all(&target, &trust, &received)));
        };
        let thread = std::thread::Builder::new().name("lineage".to_owned());
        if let Err(error) = thread.spawn(work) {
            tracing::warn!(%error, "no lineage is sent: cannot start a thread");
            return None;
        }
        tracing::info!(lineage_run_id = author.uuid(), to = shown, "lineage");
        Some(Self {
            author,
            shown,
            lines,
            ended,
        })
    }

    /// Queues events.
    pub fn send(&self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            // A thread that has gone is told of at the end.
            drop(self.lines.send(line));
        }
    }

    /// Waits until all is sent, or for as long as a run may be held up.
    pub fn finish(self, was_stopped: bool) {
        let Self {
            shown,
            lines,
            ended,
            ..
        } = self;
        drop(lines);
        let patience = if was_stopped {
            STOPPED_PATIENCE
        } else {
            LAST_PATIENCE
        };
        let sent = match ended.recv_timeout(patience) {
            Ok(sent) => sent,
            Err(RecvTimeoutError::Timeout) => {
                let seconds = patience.as_secs();
                tracing::warn!(
                    "lineage for {shown} was not all sent: it was waited for {seconds} s after the end; the run's result is the same"
                );
                return;
            }
            Err(RecvTimeoutError::Disconnected) => Sent::default(),
        };
        if let Some(why) = sent.why {
            tracing::warn!(
                "lineage for {shown}: {} of {} events were not sent: {why}; the run's result is the same",
                sent.failed,
                sent.all
            );
        }
    }
}

/// How a server is reached, as the API is; nothing of its token.
struct Trust {
    ca_cert: Option<PathBuf>,
    proxies: Proxies,
}

fn send_all(target: &LineageTarget, trust: &Trust, lines: &Receiver<String>) -> Sent {
    let mut sent = Sent::default();
    let way = Way::open(target, trust);
    for line in lines {
        sent.all += 1;
        if sent.in_a_row >= GIVE_UP_AFTER {
            sent.failed += 1;
            continue;
        }
        let done = match &way {
            Ok(Way::Post(notice)) => notice.send(&line).map_err(|error| error.to_string()),
            Ok(Way::Append(path)) => append(path, &line).map_err(|error| error.to_string()),
            Err(why) => Err(why.clone()),
        };
        match done {
            Ok(()) => sent.in_a_row = 0,
            Err(why) => {
                sent.failed += 1;
                sent.in_a_row += 1;
                sent.why.get_or_insert(why);
            }
        }
    }
    sent
}

enum Way<'a> {
    Post(Box<Notice>),
    Append(&'a Path),
}

impl<'a> Way<'a> {
    fn open(target: &'a LineageTarget, trust: &Trust) -> Result<Self, String> {
        match target {
            LineageTarget::File(path) => Ok(Self::Append(path)),
            LineageTarget::Server { url, key } => {
                let ca_cert = trust.ca_cert.as_ref().map(std::fs::read).transpose();
                let ca_cert = ca_cert.map_err(|error| error.to_string())?;
                let proxies = ProxySettings {
                    https_proxy: trust.proxies.https.clone(),
                    all_proxy: trust.proxies.all.clone(),
                    no_proxy: trust.proxies.no.clone(),
                };
                let with = (ca_cert.as_deref(), &proxies);
                Notice::new(url, key.as_ref(), with, PATIENCE)
                    .map(|notice| Self::Post(Box::new(notice)))
                    .map_err(|error| error.to_string())
            }
        }
    }
}

/// One write for a line, so that runs at the same time do not mix theirs.
fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}
