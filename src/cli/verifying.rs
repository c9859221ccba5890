//! Verification as commands do it: a plan that trusts no cache, read as findings.

use std::sync::Mutex;

use super::commands::run::exit_of_problems;
use super::context::Context;
use super::exit::ExitCode;
use super::failure::Failure;
use super::output::Output;
use super::planning::{PlanRequest, Planning};
use super::workplace::Workplace;
use crate::base::ManifestName;
use crate::event::EventSink;
use crate::plan::{self, Checked, Finding, Plan, Unchanged, findings};
use crate::report::{VerifyTally, checked_line, checked_text};
use crate::source::rows::Reject;

/// What verification came to.
#[derive(Debug)]
pub struct Verified {
    /// The plan that it was read from.
    pub plan: Plan,
    /// What was found.
    pub tally: VerifyTally,
    /// What the shell is told of it.
    pub exit: ExitCode,
}

/// How findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// For people.
    Text,
    /// One line of JSON each.
    Lines,
    /// Not at all.
    Nothing,
}

/// Compares everything that is selected, reading every byte. `all` shows what
/// matches, too; `met` is told of it, and `each` of everything that was looked at.
pub fn verify_sources(
    (workplace, context): (&Workplace, &Context<'_>),
    events: &EventSink,
    request: &PlanRequest,
    (show, all): (Show, bool),
    met: &(dyn Fn(&Unchanged<'_>) + Sync),
    each: &(dyn Fn(&Checked) + Sync),
) -> Result<Verified, Failure> {
    let out = Mutex::new(Shown::new(show, context));
    let tally = Mutex::new(VerifyTally::default());
    let lock = || {
        tally
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    let on_unchanged = |one: Unchanged<'_>| {
        let checked = Checked::matching(&one);
        lock().add(&checked);
        met(&one);
        each(&checked);
        if all {
            out.lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .line(&checked);
        }
    };
    let on_reject = |_: &ManifestName, _: Reject| {};
    let planning = Planning {
        workplace,
        context,
        events,
        on_reject: &on_reject,
        on_unchanged: Some(&on_unchanged),
    };
    planning.settle(request)?;
    let plan = planning.make(request)?;
    let mut out = out
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut tally = tally
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    findings(&plan, &mut |checked| {
        tally.add(&checked);
        each(&checked);
        out.line(&checked);
    });
    out.finish()?;
    let exits = [exit_of_problems(&plan), Some(exit_of(&tally))];
    Ok(Verified {
        exit: ExitCode::combine(exits.into_iter().flatten()),
        plan,
        tally,
    })
}

/// What the shell is told of findings.
pub fn exit_of(tally: &VerifyTally) -> ExitCode {
    let is = |finding, exit| (tally.open(finding) > 0).then_some(exit);
    let exits = [
        is(Finding::Missing, ExitCode::Mismatch),
        is(Finding::Differs, ExitCode::Mismatch),
        is(Finding::Extra, ExitCode::Mismatch),
        is(Finding::Refused, ExitCode::Partial),
        is(Finding::Unverified, ExitCode::Temporary),
    ];
    ExitCode::combine(exits.into_iter().flatten())
}

/// Findings on stdout.
#[derive(Debug)]
pub struct Shown<'a> {
    show: Show,
    context: &'a Context<'a>,
    out: Output,
    written: std::io::Result<()>,
}

impl<'a> Shown<'a> {
    /// Nothing shown yet.
    pub fn new(show: Show, context: &'a Context<'a>) -> Self {
        Self {
            show,
            context,
            out: Output::stdout(),
            written: Ok(()),
        }
    }

    /// Shows one. A reader that went away gets no more.
    pub fn line(&mut self, checked: &Checked) {
        use std::io::Write as _;

        if self.written.is_err() {
            return;
        }
        self.written = match self.show {
            Show::Text => {
                let style = self.context.stdout_style();
                writeln!(self.out, "{}", checked_text(checked, &style))
            }
            Show::Lines => writeln!(self.out, "{}", checked_line(checked)),
            Show::Nothing => Ok(()),
        };
    }

    /// Makes sure that all is written.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.out.finish(self.written)
    }
}

/// Which stored files are read back.
pub fn read_back(choice: super::args::ReadBack) -> plan::ReadBack {
    match choice {
        super::args::ReadBack::Never => plan::ReadBack::Never,
        super::args::ReadBack::Needed => plan::ReadBack::Needed,
        super::args::ReadBack::All => plan::ReadBack::All,
    }
}
