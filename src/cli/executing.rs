//! What executing needs of a command.

use super::args::Protocol;
use super::context::{Context, tell_wait};
use super::workplace::Workplace;
use crate::base::ManifestName;
use crate::event::{Event, EventSink, RunEnd};
use crate::exec::{self, ExecContext, ExecOptions, RefusedRow};
use crate::redivis::{Call, Wait, Writer, limits};

/// What a command says of its execution.
pub struct Executing<'a> {
    /// The manifest, the state and the remote.
    pub workplace: &'a Workplace,
    /// The process.
    pub context: &'a Context<'a>,
    /// Where events go.
    pub events: &'a EventSink,
    /// What a release says of itself.
    pub notes: Option<&'a str>,
    /// Stop at the first failure.
    pub fail_fast: bool,
    /// Told of each row that the platform refused.
    pub on_refused: &'a (dyn Fn(&ManifestName, RefusedRow) + Sync),
}

impl Executing<'_> {
    /// Does something that writes to the remote.
    pub fn run(&self, work: impl FnOnce(&ExecContext<'_>) -> RunEnd) -> RunEnd {
        let (workplace, context) = (self.workplace, self.context);
        let writer = Writer::new(workplace.reader.clone());
        let on_wait = |wait: &Wait| tell_wait(self.events, wait);
        let on_bytes = |bytes: u64| {
            context.moved(bytes);
            self.events.send(Event::BytesSent(bytes));
        };
        let clock = context.environment.clock();
        let now_ms = move || clock().div_euclid(1_000_000);
        let transfer = &workplace.transfer;
        work(&ExecContext {
            manifest: &workplace.manifest,
            writer: &writer,
            notes: self.notes,
            store: &workplace.store,
            events: self.events,
            net_pool: &workplace.net_pool,
            cpu_pool: &workplace.cpu_pool,
            cancel: &context.cancel,
            call: Call {
                cancel: &context.cancel,
                on_wait: &on_wait,
                on_bytes: &on_bytes,
            },
            options: ExecOptions {
                transfers: transfer.transfers,
                chunk: transfer.chunk_size.0,
                resumable_from: limits::RESUMABLE_FROM,
                max_memory: transfer.max_memory.0,
                protocol: match workplace.protocol {
                    Protocol::Temp => exec::Protocol::Temp,
                    Protocol::Legacy => exec::Protocol::Legacy,
                },
                fail_fast: self.fail_fast,
                poll_scale: workplace.time_scale,
            },
            now_ms: &now_ms,
            on_refused: self.on_refused,
        })
    }
}

impl std::fmt::Debug for Executing<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executing").finish_non_exhaustive()
    }
}
