//! The faults without their numbers: what is counted, and which calls each can
//! meet.

use std::fmt;

use super::{Fault, Operation};

/// A fault without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// [`Fault::Status`].
    Status,
    /// [`Fault::StatusAfterBodyBytes`].
    StatusAfterBodyBytes,
    /// [`Fault::StatusAfterEffect`].
    StatusAfterEffect,
    /// [`Fault::CutBeforeEffect`].
    CutBeforeEffect,
    /// [`Fault::CutAfterBodyBytes`].
    CutAfterBodyBytes,
    /// [`Fault::CutAfterEffect`].
    CutAfterEffect,
    /// [`Fault::LateEffect`].
    LateEffect,
    /// [`Fault::Reset`].
    Reset,
    /// [`Fault::Stall`].
    Stall,
    /// [`Fault::ShortRange`].
    ShortRange,
    /// [`Fault::LoseSession`].
    LoseSession,
    /// [`Fault::ExpireUrl`].
    ExpireUrl,
    /// [`Fault::WrongMd5`].
    WrongMd5,
    /// [`Fault::BitRot`].
    BitRot,
    /// [`Fault::WrongCount`].
    WrongCount,
    /// [`Fault::RenameUpload`].
    RenameUpload,
    /// [`Fault::LagNumRows`].
    LagNumRows,
    /// [`Fault::HtmlErrorPage`].
    HtmlErrorPage,
    /// [`Fault::TruncateAnswer`].
    TruncateAnswer,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Status,
        Self::StatusAfterBodyBytes,
        Self::StatusAfterEffect,
        Self::CutBeforeEffect,
        Self::CutAfterBodyBytes,
        Self::CutAfterEffect,
        Self::LateEffect,
        Self::Reset,
        Self::Stall,
        Self::ShortRange,
        Self::LoseSession,
        Self::ExpireUrl,
        Self::WrongMd5,
        Self::BitRot,
        Self::WrongCount,
        Self::RenameUpload,
        Self::LagNumRows,
        Self::HtmlErrorPage,
        Self::TruncateAnswer,
    ];

    /// Its word in a script.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::StatusAfterBodyBytes => "status_after_body_bytes",
            Self::StatusAfterEffect => "status_after_effect",
            Self::CutBeforeEffect => "cut_before_effect",
            Self::CutAfterBodyBytes => "cut_after_body_bytes",
            Self::CutAfterEffect => "cut_after_effect",
            Self::LateEffect => "late_effect",
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::ShortRange => "short_range",
            Self::LoseSession => "lose_session",
            Self::ExpireUrl => "expire_url",
            Self::WrongMd5 => "wrong_md5",
            Self::BitRot => "bit_rot",
            Self::WrongCount => "wrong_count",
            Self::RenameUpload => "rename_upload",
            Self::LagNumRows => "lag_num_rows",
            Self::HtmlErrorPage => "html_error_page",
            Self::TruncateAnswer => "truncate_answer",
        }
    }

    /// Whether this can happen to a call at all. A script may still ask for it
    /// elsewhere: the call is then served as if nothing had been asked.
    pub fn applies_to(self, operation: Operation) -> bool {
        match self {
            Self::Status
            | Self::CutBeforeEffect
            | Self::Reset
            | Self::Stall
            | Self::HtmlErrorPage => true,
            Self::StatusAfterBodyBytes | Self::CutAfterBodyBytes => operation.has_body(),
            // The answer of a read is its effect.
            Self::StatusAfterEffect | Self::CutAfterEffect | Self::LateEffect => {
                operation.is_write()
            }
            Self::ShortRange => operation == Operation::PutChunk,
            Self::LoseSession => {
                matches!(operation, Operation::PutChunk | Operation::QuerySession)
            }
            Self::ExpireUrl => matches!(operation, Operation::PutFile | Operation::OpenSession),
            Self::WrongMd5 => matches!(
                operation,
                Operation::PutFile | Operation::PutChunk | Operation::AttachFiles
            ),
            Self::BitRot => matches!(
                operation,
                Operation::PutFile | Operation::PutChunk | Operation::InsertRows
            ),
            Self::WrongCount | Self::LagNumRows => operation == Operation::InsertRows,
            Self::RenameUpload => operation == Operation::CreateUpload,
            Self::TruncateAnswer => operation.has_answer_body(),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Fault {
    /// Which fault it is.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Status { .. } => FaultKind::Status,
            Self::StatusAfterBodyBytes { .. } => FaultKind::StatusAfterBodyBytes,
            Self::StatusAfterEffect { .. } => FaultKind::StatusAfterEffect,
            Self::CutBeforeEffect => FaultKind::CutBeforeEffect,
            Self::CutAfterBodyBytes { .. } => FaultKind::CutAfterBodyBytes,
            Self::CutAfterEffect => FaultKind::CutAfterEffect,
            Self::LateEffect { .. } => FaultKind::LateEffect,
            Self::Reset => FaultKind::Reset,
            Self::Stall { .. } => FaultKind::Stall,
            Self::ShortRange => FaultKind::ShortRange,
            Self::LoseSession { .. } => FaultKind::LoseSession,
            Self::ExpireUrl => FaultKind::ExpireUrl,
            Self::WrongMd5 => FaultKind::WrongMd5,
            Self::BitRot => FaultKind::BitRot,
            Self::WrongCount => FaultKind::WrongCount,
            Self::RenameUpload => FaultKind::RenameUpload,
            Self::LagNumRows { .. } => FaultKind::LagNumRows,
            Self::HtmlErrorPage { .. } => FaultKind::HtmlErrorPage,
            Self::TruncateAnswer { .. } => FaultKind::TruncateAnswer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_s_word_is_that_of_the_script() {
        for kind in FaultKind::ALL {
            let fields = match kind {
                FaultKind::Status | FaultKind::StatusAfterEffect | FaultKind::HtmlErrorPage => {
                    r#"{"code": 503}"#
                }
                FaultKind::StatusAfterBodyBytes => r#"{"bytes": 1, "code": 503}"#,
                FaultKind::CutAfterBodyBytes | FaultKind::TruncateAnswer => r#"{"bytes": 1}"#,
                FaultKind::LateEffect => r#"{"after_requests": 1}"#,
                FaultKind::Stall => r#"{"ms": 1}"#,
                FaultKind::LoseSession => r"{}",
                FaultKind::LagNumRows => r#"{"reads": 1}"#,
                FaultKind::CutBeforeEffect
                | FaultKind::CutAfterEffect
                | FaultKind::Reset
                | FaultKind::ShortRange
                | FaultKind::ExpireUrl
                | FaultKind::WrongMd5
                | FaultKind::BitRot
                | FaultKind::WrongCount
                | FaultKind::RenameUpload => "null",
            };
            let text = format!(r#"{{"{kind}": {fields}}}"#);
            let fault: Fault = serde_json::from_str(&text).unwrap();
            assert_eq!(fault.kind(), kind);
        }
    }

    #[test]
    fn each_kind_can_meet_a_call_that_a_run_makes() {
        for kind in FaultKind::ALL {
            assert!(
                Operation::OF_A_RUN.iter().any(|one| kind.applies_to(*one)),
                "{kind}"
            );
        }
        assert!(!FaultKind::CutAfterEffect.applies_to(Operation::GetTable));
        assert!(!FaultKind::TruncateAnswer.applies_to(Operation::PutFile));
    }
}
