//! Exit codes: a closed list, the same as in `docs/exit-codes.md`.

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Everything matches, or was made to match and verified.
    Done,
    /// A bug.
    Failed,
    /// `plan --detailed-exitcode`: changes pending.
    Changes,
    /// Some items failed for good; the rest is verified.
    Partial,
    /// A saved plan, or the draft, changed under the run.
    Drifted,
    /// Remote and local bytes or rows differ.
    Mismatch,
    /// Another run holds the lock.
    Locked,
    /// The command line is wrong.
    Usage,
    /// An input is missing or unreadable.
    Input,
    /// The service refused for good.
    Refused,
    /// Local input or output failed.
    LocalIo,
    /// Everything left is temporary: run again.
    Temporary,
    /// The token is missing, wrong or not enough.
    NotAuthorised,
    /// The manifest is invalid.
    Manifest,
    /// There was nothing to do, and `--no-change-exit-code 99` was given.
    NothingToDo,
    /// SIGINT, after a clean checkpoint.
    Interrupted,
    /// SIGTERM, after a clean checkpoint.
    Terminated,
}

impl ExitCode {
    /// All of them, by number.
    pub const ALL: [Self; 17] = [
        Self::Done,
        Self::Failed,
        Self::Changes,
        Self::Partial,
        Self::Drifted,
        Self::Mismatch,
        Self::Locked,
        Self::Usage,
        Self::Input,
        Self::Refused,
        Self::LocalIo,
        Self::Temporary,
        Self::NotAuthorised,
        Self::Manifest,
        Self::NothingToDo,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number that the shell sees.
    pub const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Partial => 3,
            Self::Drifted => 4,
            Self::Mismatch => 5,
            Self::Locked => 6,
            Self::Usage => 64,
            Self::Input => 66,
            Self::Refused => 69,
            Self::LocalIo => 74,
            Self::Temporary => 75,
            Self::NotAuthorised => 77,
            Self::Manifest => 78,
            Self::NothingToDo => 99,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The name in reports and in the documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Changes => "changes",
            Self::Partial => "partial",
            Self::Drifted => "drifted",
            Self::Mismatch => "mismatch",
            Self::Locked => "locked",
            Self::Usage => "usage",
            Self::Input => "input",
            Self::Refused => "refused",
            Self::LocalIo => "local_io",
            Self::Temporary => "temporary",
            Self::NotAuthorised => "not_authorised",
            Self::Manifest => "manifest",
            Self::NothingToDo => "nothing_to_do",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }

    /// What it means, in the words of `docs/exit-codes.md`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => {
                "everything matches, or was made to match and verified; rejected rows within rejects.max included, and counted"
            }
            Self::Failed => "nothing more specific: a bug, please report it",
            Self::Changes => "only with plan --detailed-exitcode: changes are pending",
            Self::Partial => {
                "some items failed for good, are in conflict or locked; the rest is verified"
            }
            Self::Drifted => {
                "a saved plan's preconditions no longer hold, or the draft changed under the run: plan again"
            }
            Self::Mismatch => "bytes or rows on the remote differ from the local ones",
            Self::Locked => "another run of the same manifest holds the lock",
            Self::Usage => "the command line is wrong",
            Self::Input => "an input file is missing or cannot be read",
            Self::Refused => "the service refused for good",
            Self::LocalIo => "the local disk could not be read or written",
            Self::Temporary => {
                "everything left is temporary, not verified yet, or past the deadline: run again"
            }
            Self::NotAuthorised => "the token is missing, wrong or lacks a scope",
            Self::Manifest => "the manifest is invalid",
            Self::NothingToDo => "only with --no-change-exit-code 99: there was nothing to do",
            Self::Interrupted => "SIGINT, after a clean checkpoint",
            Self::Terminated => "SIGTERM, after a clean checkpoint",
        }
    }

    /// Whether the same command, run again, may end better by itself.
    pub const fn is_worth_retrying(self) -> bool {
        match self {
            Self::Locked | Self::Temporary | Self::Interrupted | Self::Terminated => true,
            Self::Done
            | Self::Failed
            | Self::Changes
            | Self::Partial
            | Self::Drifted
            | Self::Mismatch
            | Self::Usage
            | Self::Input
            | Self::Refused
            | Self::LocalIo
            | Self::NotAuthorised
            | Self::Manifest
            | Self::NothingToDo => false,
        }
    }

    /// The one code for a run whose parts ended so; [`Self::Done`] for no parts.
    pub fn combine(parts: impl IntoIterator<Item = Self>) -> Self {
        parts
            .into_iter()
            .min_by_key(|code| code.rank())
            .unwrap_or(Self::Done)
    }

    /// The order in which codes win. What the user must repair comes first:
    /// nothing else can be told before. A stop by signal is told before what a
    /// repetition finds again.
    const fn rank(self) -> u8 {
        match self {
            Self::Usage => 0,
            Self::Manifest => 1,
            Self::Input => 2,
            Self::NotAuthorised => 3,
            Self::Failed => 4,
            Self::LocalIo => 5,
            Self::Interrupted => 6,
            Self::Terminated => 7,
            Self::Mismatch => 8,
            Self::Drifted => 9,
            Self::Refused => 10,
            Self::Partial => 11,
            Self::Locked => 12,
            Self::Temporary => 13,
            Self::Changes => 14,
            Self::Done => 15,
            Self::NothingToDo => 16,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_the_same_codes() {
        let page = include_str!("../../docs/exit-codes.md");
        let listed: Vec<(u8, &str)> = page
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| ")?.split(" | ");
                let number = cells.next()?.parse().ok()?;
                Some((number, cells.next()?.trim_matches('`')))
            })
            .collect();
        let ours: Vec<(u8, &str)> = ExitCode::ALL
            .iter()
            .map(|code| (code.number(), code.name()))
            .collect();

        assert_eq!(listed, ours);
    }

    #[test]
    fn the_documentation_says_the_same_of_meanings() {
        let page = include_str!("../../docs/exit-codes.md").replace('`', "");
        for code in ExitCode::ALL {
            let line = format!(
                "| {} | {} | {} |",
                code.number(),
                code.name(),
                code.meaning()
            );

            assert!(page.contains(&line), "{line}");
        }
    }

    #[test]
    fn the_documentation_says_the_same_of_retries() {
        let page = include_str!("../../docs/exit-codes.md");
        for code in ExitCode::ALL {
            let start = format!("| {} | `{}` |", code.number(), code.name());
            let line = page.lines().find(|line| line.starts_with(&start)).unwrap();

            assert_eq!(
                line.ends_with("| yes |"),
                code.is_worth_retrying(),
                "{line}"
            );
        }
    }

    #[test]
    fn the_stated_order_holds() {
        let order = [
            ExitCode::Manifest,
            ExitCode::NotAuthorised,
            ExitCode::Mismatch,
            ExitCode::Drifted,
            ExitCode::Refused,
            ExitCode::Partial,
            ExitCode::Temporary,
        ];
        for (index, winner) in order.iter().enumerate() {
            let mut rest = order[index..].to_vec();
            rest.push(ExitCode::Done);
            rest.reverse();

            assert_eq!(ExitCode::combine(rest), *winner);
        }
    }

    #[test]
    fn nothing_to_do_holds_only_for_all_parts() {
        let (done, nothing) = (ExitCode::Done, ExitCode::NothingToDo);

        assert_eq!(ExitCode::combine([]), done);
        assert_eq!(ExitCode::combine([nothing, nothing]), nothing);
        assert_eq!(ExitCode::combine([nothing, done]), done);
    }
}
