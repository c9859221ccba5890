//! What every command gets: the environment, the way to write, the token that
//! signals cancel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::args::ProgressChoice;
use super::failure::Failure;
use super::logging::RunInLog;
use super::settings::{Environment, Messages, ProgressStyle};
use super::signals::{self, Watch, Wire};
use super::told::Told;
use super::workplace::{Workplace, WorkplaceArgs};
use crate::base::CancelToken;
use crate::event::{Event, EventSink};
use crate::manifest::Manifest;
use crate::redivis::{Http, Wait};
use crate::report::{LogScreen, TextStyle};

/// What every command gets.
#[derive(Debug)]
pub struct Context<'a> {
    /// Variables, clock, terminals.
    pub environment: &'a Environment,
    /// What goes to stderr, and how.
    pub messages: Messages,
    /// Cancelled by signals and by the deadline.
    pub cancel: CancelToken,
    /// Stderr, shared by bars and log.
    pub screen: LogScreen,
    http: Arc<OnceLock<Arc<Http>>>,
    /// Bytes that went out in this process.
    moved: Arc<AtomicU64>,
    /// Which run it is, for the log.
    pub run: RunInLog,
    /// What SIGUSR1 is answered with.
    pub told: Told,
}

impl<'a> Context<'a> {
    /// For one command.
    pub fn new(
        environment: &'a Environment,
        messages: Messages,
        screen: LogScreen,
        run: RunInLog,
    ) -> Self {
        Self {
            environment,
            messages,
            cancel: CancelToken::new(),
            run,
            told: Told::new(environment.clock(), messages, screen.clone()),
            screen,
            http: Arc::default(),
            moved: Arc::default(),
        }
    }

    /// Watches for signals and the deadline from here on.
    pub fn watch(&self, deadline: Option<Duration>) -> Result<Watch, Failure> {
        let moved = Arc::clone(&self.moved);
        let http = Arc::clone(&self.http);
        let wire = move || {
            let (answered, effects) = http.get().map_or((0, 0), |http| http.traffic());
            let moved = moved.load(Ordering::Relaxed).wrapping_add(answered);
            Wire { moved, effects }
        };
        let http = Arc::clone(&self.http);
        let cut = move || {
            if let Some(http) = http.get() {
                http.shutdown();
            }
        };
        let http = Arc::clone(&self.http);
        let told = self.told.clone();
        let ask = move || told.answer(http.get());
        signals::watch(self.cancel.clone(), deadline, wire, cut, ask)
            .map_err(|error| Failure::local_io("cannot watch for signals", &error))
    }

    /// Opens the state and the remote for a manifest. Its requests are cut when they
    /// outlive a signal.
    pub fn open(&self, manifest: Manifest, args: WorkplaceArgs<'_>) -> Result<Workplace, Failure> {
        let workplace = Workplace::open(manifest, args, self.environment)?;
        // A command opens one workplace; a second one would keep the first.
        drop(self.http.set(Arc::clone(workplace.reader.http())));
        self.told.adopt(&workplace);
        Ok(workplace)
    }

    /// Bytes went out: the wire is alive.
    pub fn moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How progress is shown.
    pub fn progress(&self, choice: ProgressChoice) -> ProgressStyle {
        self.messages.progress(choice, self.environment)
    }

    /// How stdout is dressed.
    pub fn stdout_style(&self) -> TextStyle {
        TextStyle {
            colour: self.messages.stdout_colour,
            width: self.environment.width(),
        }
    }

    /// How stderr is dressed.
    pub fn stderr_style(&self) -> TextStyle {
        TextStyle {
            colour: self.messages.stderr_colour,
            width: self.environment.width(),
        }
    }
}

/// Tells that a request waits.
pub fn tell_wait(events: &EventSink, wait: &Wait) {
    tracing::info!(reason = %wait.reason, delay = ?wait.delay, attempt = wait.attempt, "waiting");
    events.send(Event::Waiting {
        reason: wait.reason.to_string(),
        delay: wait.delay,
        attempt: wait.attempt,
    });
}
