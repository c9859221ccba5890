//! What the process was given: its variables, its clock, its terminals.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::state::LockOwner;

/// Nanoseconds since 1970.
pub type Clock = fn() -> i64;

/// What the process was given, captured once.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    clock: Clock,
    stdout_is_terminal: bool,
    stderr_is_terminal: bool,
}

impl fmt::Debug for Environment {
    /// Without values: one of them is the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.len())
            .field("stdout_is_terminal", &self.stdout_is_terminal)
            .field("stderr_is_terminal", &self.stderr_is_terminal)
            .finish_non_exhaustive()
    }
}

impl Environment {
    /// The process's own.
    pub fn capture() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
            clock: system_clock,
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// The command line, the program's name first.
    pub fn args() -> impl Iterator<Item = OsString> {
        std::env::args_os()
    }

    /// This program's own file.
    pub fn program() -> std::io::Result<PathBuf> {
        std::env::current_exe()
    }

    /// The variables for a run against an emulator on this machine: without the
    /// user's token and settings, without proxies, and telling nobody's lineage.
    pub fn for_rehearsal(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        const LEFT_OUT: [&str; 6] = [
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
            "no_proxy",
            "NO_PROXY",
        ];
        self.variables.iter().filter_map(|(name, value)| {
            let text = name.to_string_lossy();
            let is_ours = ["REDIVIS_API_", "REDIVIS_INGEST_", "OPENLINEAGE_"]
                .iter()
                .any(|start| text.starts_with(start));
            let is_kept = !is_ours && !LEFT_OUT.contains(&text.as_ref());
            is_kept.then_some((name.as_os_str(), value.as_os_str()))
        })
    }

    /// A made one, off a terminal.
    pub fn of(variables: &[(&str, &str)], clock: Clock) -> Self {
        Self {
            variables: variables
                .iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
                .collect(),
            clock,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
        }
    }

    /// A variable; an empty one counts as absent.
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// A variable that must be text; other bytes count as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.var(name)?.to_str()
    }

    /// The variables that are text, for `${VAR}` in a manifest.
    pub fn texts(&self) -> BTreeMap<String, String> {
        self.variables
            .iter()
            .filter_map(|(name, value)| {
                Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
            })
            .collect()
    }

    /// The clock, for those who need the time more than once.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        (self.clock)().div_euclid(1_000_000)
    }

    /// Whether stdout is a terminal.
    pub fn stdout_is_terminal(&self) -> bool {
        self.stdout_is_terminal
    }

    /// Whether stderr is a terminal.
    pub fn stderr_is_terminal(&self) -> bool {
        self.stderr_is_terminal
    }

    /// The same, on a terminal or off.
    #[must_use]
    pub fn on_terminal(mut self, is_terminal: bool) -> Self {
        self.stdout_is_terminal = is_terminal;
        self.stderr_is_terminal = is_terminal;
        self
    }

    /// Something that differs between runs that begin in one second.
    pub fn salt(&self) -> u32 {
        let mixed = (self.clock)().cast_unsigned() ^ (u64::from(std::process::id()) << 20);
        let folded = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        u32::try_from(folded).unwrap_or_default()
    }

    /// Who takes a lock for this run.
    pub fn lock_owner(&self, run: &str) -> LockOwner {
        let started = jiff::Timestamp::from_millisecond(self.now_ms()).unwrap_or_default();
        LockOwner {
            run: run.to_owned(),
            host: self.host(),
            pid: std::process::id(),
            started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }

    /// How many characters a line of output may have: `COLUMNS`, else 100.
    pub fn width(&self) -> usize {
        let columns = self.text("COLUMNS").and_then(|text| text.parse().ok());
        columns
            .filter(|columns| (20..=1000).contains(columns))
            .unwrap_or(100)
    }

    fn host(&self) -> String {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .or_else(|| self.text("HOSTNAME").map(str::to_owned))
            .unwrap_or_else(|| "unknown host".to_owned())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the program asks the time"
)]
fn system_clock() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Milliseconds since 1970, for the client.
pub fn system_clock_ms() -> i64 {
    system_clock().div_euclid(1_000_000)
}
