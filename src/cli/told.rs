//! What SIGUSR1 is answered with: what goes on right now, on stderr, whatever else
//! is shown there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::args::LogFormat;
use super::settings::{Clock, Messages};
use super::workplace::Workplace;
use crate::event::Active;
use crate::redivis::Http;
use crate::report::{LogScreen, RequestFacts, RunStatus, StatusFacts};

/// What can be told. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Told {
    /// How far the run is.
    pub status: RunStatus,
    /// What is on its way.
    pub active: Active,
    screen: LogScreen,
    clock: Clock,
    started: Instant,
    /// Stderr is read by a program.
    is_json: Arc<AtomicBool>,
    /// The run's id, and its tasks on the network at once.
    run: Arc<OnceLock<(String, u64)>>,
}

impl Told {
    /// Of a command that begins.
    pub fn new(clock: Clock, messages: Messages, screen: LogScreen) -> Self {
        Self {
            status: RunStatus::default(),
            active: Active::default(),
            screen,
            clock,
            started: Instant::now(),
            is_json: Arc::new(AtomicBool::new(messages.format == LogFormat::Json)),
            run: Arc::default(),
        }
    }

    /// Answers are lines of JSON from here on.
    pub fn as_json(&self) {
        self.is_json.store(true, Ordering::Relaxed);
    }

    /// This is the run that is asked about.
    pub fn adopt(&self, workplace: &Workplace) {
        let workers = workplace.transfer.transfers as u64;
        // A command opens one workplace.
        drop(self.run.set((workplace.run_id.to_string(), workers)));
    }

    /// Writes what goes on, in one piece.
    pub fn answer(&self, http: Option<&Arc<Http>>) {
        let run = self.run.get();
        let facts = StatusFacts {
            run_id: run.map(|(id, _)| id.clone()),
            now_ms: (self.clock)().div_euclid(1_000_000),
            elapsed: self.started.elapsed(),
            requests: http
                .map(|http| RequestFacts::of(&http.stats()))
                .unwrap_or_default(),
            workers: run.map_or(1, |(_, workers)| *workers),
            active: self.active.items(),
        };
        let text = if self.is_json.load(Ordering::Relaxed) {
            self.status.line(&facts)
        } else {
            self.status.text(&facts)
        };
        self.screen.suspend(|| super::say(&text));
    }
}
