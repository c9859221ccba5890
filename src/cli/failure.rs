//! Any error as what the user reads and the process's exit code. The only place
//! that walks a chain of causes.

use std::error::Error;
use std::fmt::Write as _;

use serde::Serialize;

use super::exit::ExitCode;
use super::settings::SettingsError;
use super::signals::code_of;
use super::token::TokenError;
use crate::base::cancel::CancelReason;
use crate::manifest::ManifestError;
use crate::state::StateError;

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// How the process ends.
    #[serde(serialize_with = "as_number")]
    pub exit: ExitCode,
    /// Stable, for scripts and for `docs/errors.md`, such as `state/locked`.
    pub code: &'static str,
    /// What could not be done, to what.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to try.
    pub hint: Option<String>,
    /// What is wrong with the manifest, each with its place; it is shown instead
    /// of the message.
    #[serde(serialize_with = "as_problems")]
    pub problems: Option<Box<ManifestError>>,
}

/// The code of everything that was asked to stop.
const STOPPED: &str = "run/stopped";

/// A failure as a line of JSON.
#[derive(Serialize)]
struct FailureLine<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    exit_word: &'static str,
    retry: bool,
    #[serde(flatten)]
    failure: &'a Failure,
}

impl Failure {
    /// A failure without a cause.
    pub fn new(exit: ExitCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            problems: None,
        }
    }

    /// A manifest that cannot be used.
    pub fn of_manifest(error: &ManifestError) -> Self {
        Self {
            problems: Some(Box::new(error.clone())),
            ..Self::of(ExitCode::Manifest, "manifest/invalid", error)
        }
    }

    /// Somebody asked to stop; [`Self::stopped_by`] says who.
    pub fn stopped(error: &dyn Error) -> Self {
        Self::of(ExitCode::Temporary, STOPPED, error)
    }

    /// The same, with what stopped the command where that is why it failed.
    #[must_use]
    pub fn stopped_by(self, reason: Option<CancelReason>) -> Self {
        let Some(reason) = reason.filter(|_| self.code == STOPPED) else {
            return self;
        };
        let by = match reason {
            CancelReason::Interrupted => "SIGINT",
            CancelReason::Terminated => "SIGTERM",
            CancelReason::Deadline => "the deadline",
            CancelReason::Abandoned => "an earlier failure",
        };
        let message = format!("stopped by {by} before anything was sent");
        Self::new(code_of(reason), STOPPED, message).hint("run the same command again")
    }

    /// For a script: one line of JSON without its line break.
    pub fn line(&self) -> String {
        let line = FailureLine {
            kind: "failure",
            exit_word: self.exit.name(),
            retry: self.exit.is_worth_retrying(),
            failure: self,
        };
        // Texts and numbers always serialise.
        serde_json::to_string(&line).unwrap_or_default()
    }

    /// An error and the chain below it.
    pub fn of(exit: ExitCode, code: &'static str, error: &dyn Error) -> Self {
        Self::new(exit, code, error.to_string()).because(error.source())
    }

    /// The command line, or what it means with the environment, is wrong.
    pub fn usage(message: &str) -> Self {
        Self::new(ExitCode::Usage, "cli/usage", message)
    }

    /// An input is missing or unreadable.
    pub fn input(message: &str, error: &dyn Error) -> Self {
        Self::new(ExitCode::Input, "input/read", message).because(Some(error))
    }

    /// Local input or output failed.
    pub fn local_io(message: &str, error: &dyn Error) -> Self {
        Self::new(ExitCode::LocalIo, "local/io", message).because(Some(error))
    }

    /// Adds a cause and the chain below it.
    #[must_use]
    pub fn because(mut self, mut cause: Option<&dyn Error>) -> Self {
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat their source; once is enough.
            if self.causes.last().unwrap_or(&self.message) != &text {
                self.causes.push(text);
            }
            cause = error.source();
        }
        self
    }

    /// Adds what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The message and its causes on one line.
    pub fn one_line(&self) -> String {
        let mut text = self.message.clone();
        for cause in &self.causes {
            text.push_str(": ");
            text.push_str(cause);
        }
        text
    }

    /// The text for stderr, several lines, the last one ended.
    pub fn render(&self, colour: bool, width: usize) -> String {
        if let Some(problems) = &self.problems {
            return problems.render(colour, width);
        }
        self.render_as("error", "\x1b[1;31m", colour)
    }

    /// The same of what stops nothing.
    pub fn render_warning(&self, colour: bool) -> String {
        self.render_as("warning", "\x1b[1;33m", colour)
    }

    fn render_as(&self, word: &str, word_colour: &str, colour: bool) -> String {
        let (bold, marked, cyan, plain) = if colour {
            ("\x1b[1m", word_colour, "\x1b[1;36m", "\x1b[0m")
        } else {
            ("", "", "", "")
        };
        let mut out = format!(
            "{marked}{word}[{}]{plain}{bold}: {}{plain}\n",
            self.code,
            shown(&self.message)
        );
        // Writing to a string cannot fail.
        for cause in &self.causes {
            _ = writeln!(out, "  caused by: {}", shown(cause));
        }
        if let Some(hint) = &self.hint {
            _ = writeln!(out, "  {cyan}help{plain}: {}", shown(hint));
        }
        out
    }
}

/// A text from anywhere, made harmless for a terminal; further lines are
/// indented.
fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' => out.push_str("\n    "),
            '\t' => out.push('\t'),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_number<S: serde::Serializer>(exit: &ExitCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(exit.number())
}

/// One problem of a manifest, for scripts.
#[derive(Serialize)]
struct ProblemLine<'a> {
    code: &'static str,
    message: &'a str,
    path: String,
    line: usize,
    column: usize,
    help: Option<&'a str>,
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn as_problems<S: serde::Serializer>(
    error: &Option<Box<ManifestError>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let problems = error.iter().flat_map(|error| {
        error.problems().iter().map(|problem| {
            let source = error.source_of(problem);
            let (line, column) = source.map_or((0, 0), |text| text.position(problem.span.start));
            ProblemLine {
                code: problem.code.as_str(),
                message: &problem.message,
                path: source.map_or_else(String::new, |text| text.path.display().to_string()),
                line,
                column,
                help: problem.help.as_deref(),
            }
        })
    });
    serializer.collect_seq(problems)
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let hint = state_hint(&error);
        let (exit, code) = match &error {
            StateError::Locked { .. } => (ExitCode::Locked, "state/locked"),
            StateError::Cancelled { .. } => (ExitCode::Locked, STOPPED),
            StateError::Damaged { .. } => (ExitCode::Temporary, "state/damaged"),
            StateError::Folder { .. } => (ExitCode::LocalIo, "state/folder"),
            StateError::File { .. } => (ExitCode::LocalIo, "state/file"),
            StateError::Open { .. } => (ExitCode::LocalIo, "state/open"),
            StateError::Statement { .. } => (ExitCode::LocalIo, "state/statement"),
            StateError::Lock { .. } => (ExitCode::LocalIo, "state/lock"),
            StateError::BadName(_) => (ExitCode::Failed, "state/bad-name"),
        };
        Self {
            hint,
            ..Self::of(exit, code, &error)
        }
    }
}

fn state_hint(error: &StateError) -> Option<String> {
    let hint = match error {
        StateError::Locked { .. } => {
            "wait for it with `--lock-timeout 10m`; a second run of the same manifest needs its own `--instance` or `--shard`"
        }
        StateError::Folder { .. } | StateError::File { .. } | StateError::Open { .. } => {
            "choose another folder with `--state-dir`, or keep no state with `--state-dir none`"
        }
        StateError::Statement { .. } => "is the disk full? what was delivered is safe: run again",
        StateError::Lock { .. } => {
            "on a network filesystem locks may not be served: choose a local `--state-dir`"
        }
        StateError::Cancelled { .. } | StateError::Damaged { .. } | StateError::BadName(_) => {
            return None;
        }
    };
    Some(hint.to_owned())
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let (code, hint) = match &error {
            SettingsError::Endpoint(_) => (
                "settings/endpoint",
                "the address includes the path, as in `https://redivis.com/api/v1`; `sandbox` is the built-in emulator",
            ),
            SettingsError::NoStateFolder => (
                "settings/no-state-folder",
                "name one with `--state-dir DIR`, or keep no state with `--state-dir none`",
            ),
        };
        Self::of(ExitCode::Usage, code, &error).hint(hint)
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        let code = match &error {
            TokenError::Missing => "token/missing",
            TokenError::File { .. } => "token/file",
            TokenError::Command { .. } => "token/command",
            TokenError::CommandFailed { .. } => "token/command-failed",
            TokenError::Unusable { .. } => "token/unusable",
        };
        let hint = match &error {
            TokenError::Missing => {
                "make one in your workspace's settings on redivis.com; `--endpoint sandbox` needs none"
            }
            TokenError::File { .. } => "check the path and who may read it",
            TokenError::Command { .. } | TokenError::CommandFailed { .. } => {
                "run the command by itself: it must print the token and end with 0"
            }
            TokenError::Unusable { .. } => "a token is one word of visible characters",
        };
        Self::of(ExitCode::NotAuthorised, code, &error).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `a`")]
    struct Outer {
        source: Repeating,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{source}")]
    struct Repeating {
        source: io::Error,
    }

    #[test]
    fn the_chain_is_walked_and_nothing_is_said_twice() {
        let source = Repeating {
            source: io::Error::other("disk on fire"),
        };

        let failure = Failure::of(ExitCode::LocalIo, "a/b", &Outer { source }).hint("try water");

        assert_eq!(
            failure.render(false, 100),
            "error[a/b]: cannot read `a`\n  caused by: disk on fire\n  help: try water\n"
        );
    }

    #[test]
    fn colour_is_an_argument() {
        let failure = Failure::new(ExitCode::Failed, "a/b", "no");

        assert!(!failure.render(false, 100).contains('\x1b'));
        assert!(failure.render(true, 100).contains("\x1b[1;31merror[a/b]"));
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        let failure = Failure::new(ExitCode::Failed, "a/b", "no\x1b[2J\r\nmore\u{9b}");

        assert_eq!(
            failure.render(false, 100),
            "error[a/b]: no\\u{1b}[2J\\r\n    more\\u{9b}\n"
        );
    }

    #[test]
    fn a_lock_held_by_another_run_is_code_6() {
        let error = StateError::Locked {
            owner: "run `r`".to_owned(),
            since: None,
        };

        let failure = Failure::from(error);

        assert_eq!(failure.exit, ExitCode::Locked);
        assert!(
            failure
                .render(false, 100)
                .starts_with("error[state/locked]: locked by run `r`\n  help: ")
        );
    }

    #[test]
    fn json_has_the_code_s_number() {
        let failure = Failure::from(TokenError::Missing);

        let json = serde_json::to_value(&failure).unwrap();

        assert_eq!(json["exit"], 77);
        assert_eq!(json["code"], "token/missing");
    }
}
