//! The log: to stderr, as text or as one JSON object a line. Our own messages
//! from the chosen level on, those of libraries only from `warn`: at lower
//! levels they would print what is none of a log's business, such as headers.

use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use super::args::{LogFormat, LogLevel};
use super::settings::Messages;
use crate::report::LogScreen;

/// The id of the run that a process does, once it has one. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RunInLog(Arc<OnceLock<String>>);

impl RunInLog {
    /// From here on each line is about this run, whichever thread writes it.
    pub fn set(&self, run_id: &str) {
        // A process does one run.
        drop(self.0.set(run_id.to_owned()));
    }
}

/// Starts logging to stderr for the whole process. A second call in one process
/// changes nothing: the first one's settings stay.
pub fn init(messages: &Messages, screen: &LogScreen, run: &RunInLog) {
    let screen = screen.clone();
    let run = run.clone();
    let named = messages.format == LogFormat::Json;
    let writer = move || Named {
        out: screen.clone(),
        run: named.then(|| run.clone()),
    };
    if let Err(error) = subscriber(messages, writer).try_init() {
        tracing::debug!(%error, "logging was already on");
    }
}

/// Writes the run's id into each line of JSON. Spans could not: they end at the
/// border of a thread.
#[derive(Debug)]
struct Named<W> {
    out: W,
    run: Option<RunInLog>,
}

impl<W: Write> Write for Named<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let run = self.run.as_ref().and_then(|run| run.0.get());
        // The subscriber writes a line in one piece.
        match (run, bytes.strip_prefix(b"{")) {
            (Some(run), Some(rest)) => {
                let mut line = format!("{{\"run_id\":\"{run}\",").into_bytes();
                line.extend_from_slice(rest);
                self.out.write_all(&line)?;
                Ok(bytes.len())
            }
            _ => self.out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What logs to `writer`.
pub fn subscriber<W>(messages: &Messages, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = level(messages.level);
    let own = Targets::new()
        .with_target("redivis_ingest", level)
        .with_default(LevelFilter::from_level(level).min(LevelFilter::WARN));
    let is_detailed = level >= Level::DEBUG;
    let layer = fmt::layer()
        .with_writer(writer)
        .with_target(is_detailed)
        .with_ansi(messages.stderr_colour);
    let layer = match (messages.format, is_detailed) {
        (LogFormat::Json, _) => layer.json().flatten_event(true).boxed(),
        (LogFormat::Text, true) => layer.boxed(),
        // For people who watch: they know what time it is.
        (LogFormat::Text, false) => layer.without_time().boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(own))
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LogLevel, format: LogFormat, act: impl FnOnce()) -> String {
        let shared = Shared::default();
        let writer = shared.clone();
        let messages = Messages {
            level,
            format,
            stdout_colour: false,
            stderr_colour: false,
            is_quiet: false,
        };
        tracing::subscriber::with_default(subscriber(&messages, move || writer.clone()), act);
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn libraries_are_heard_from_warn_on_only() {
        let text = logged(LogLevel::Trace, LogFormat::Text, || {
            tracing::trace!(target: "redivis_ingest::exec", "ours");
            tracing::info!(target: "ureq", "a header");
            tracing::warn!(target: "ureq", "a warning");
        });

        assert!(
            text.contains("ours") && text.contains("a warning"),
            "{text}"
        );
        assert!(!text.contains("a header"), "{text}");
    }

    #[test]
    fn quiet_hears_errors_only() {
        let text = logged(LogLevel::Error, LogFormat::Text, || {
            tracing::warn!(target: "redivis_ingest", "ours");
            tracing::warn!(target: "ureq", "theirs");
            tracing::error!(target: "redivis_ingest", "broken");
        });

        assert_eq!(text, "ERROR broken\n");
    }

    #[test]
    fn json_lines_are_json() {
        let text = logged(LogLevel::Info, LogFormat::Json, || {
            tracing::info!(target: "redivis_ingest", files = 3, "sent\nall");
        });

        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "sent\nall");
        assert_eq!(line["files"], 3);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn text_lines_cannot_steer_the_terminal() {
        let text = logged(LogLevel::Info, LogFormat::Text, || {
            tracing::info!(target: "redivis_ingest", "name \x1b[2J end");
        });

        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
