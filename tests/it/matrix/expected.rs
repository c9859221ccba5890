//! How a run may end under a fault: what `docs/exit-codes.md` and
//! `docs/errors.md` promise, by what the fault tells the program, by the call,
//! and by whether it comes once or for ever.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each table names the exceptions; all else is refused"
)]

use redivis_ingest::sandbox::{Fault, FaultKind, Nth, Operation};

use super::cells::Cell;

/// Made to match, and verified.
const DONE: &[i32] = &[0];
/// What is left may end better by itself: run again.
const LATER: &[i32] = &[75];
const DONE_OR_LATER: &[i32] = &[0, 75];
/// The service refused for good: all of it, or some items among others.
const REFUSED: &[i32] = &[69, 3];
/// Read as "it is not there": made anew and found, or gone under the run, or
/// the last look finds what was not seen before, or nothing can be done without.
const NOT_THERE: &[i32] = &[0, 4, 6, 69, 3];
/// A call that is made while planning and again at the end, or asked again where
/// a wrong answer does no harm: refused, or got over.
const REFUSED_OR_DONE: &[i32] = &[69, 3, 0];
/// It is there and cannot be read.
const LATER_OR_REFUSED: &[i32] = &[75, 69, 3];
const NOT_AUTHORISED: &[i32] = &[77];
const DONE_OR_MISMATCH: &[i32] = &[0, 5];
const MISMATCH: &[i32] = &[5];
/// What was not stored is refused, or told as other than what was sent.
const REFUSED_OR_MISMATCH: &[i32] = &[69, 3, 5];
const DONE_OR_LOCKED: &[i32] = &[0, 6];
/// Another writer has the name.
const LOCKED: &[i32] = &[6];

/// What a fault tells the program.
#[derive(Debug, Clone, Copy)]
enum Told {
    /// All is well, perhaps slowly.
    Well,
    /// Nothing was done, and trying again is right.
    TryAgain,
    /// Nothing that says whether it was done.
    Nothing(Effect),
    /// The token is wrong, or not enough.
    NotYou(u16),
    /// This status of a refusal.
    No(u16),
    /// A good status with a page that is no answer.
    Nonsense,
    /// Something that only some calls can meet.
    Odd,
}

/// What a call whose answer is lost did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    No,
    Yes,
    /// In part, or later.
    Perhaps,
}

fn told(cell: &Cell) -> Told {
    let of_status = |code: u16| match code {
        200 => Told::Nonsense,
        401 | 403 => Told::NotYou(code),
        429 => Told::TryAgain,
        408 | 500.. => Told::Nothing(Effect::No),
        refusal => Told::No(refusal),
    };
    match &cell.fault {
        Fault::Status { code, .. }
        | Fault::StatusAfterBodyBytes { code, .. }
        | Fault::HtmlErrorPage { code } => of_status(*code),
        Fault::Stall { .. } | Fault::ShortRange => Told::Well,
        Fault::CutBeforeEffect | Fault::Reset => Told::Nothing(Effect::No),
        Fault::CutAfterBodyBytes { .. } if cell.operation == Operation::PutChunk => {
            Told::Nothing(Effect::Perhaps)
        }
        Fault::CutAfterBodyBytes { bytes } if *bytes <= 20 => Told::Nothing(Effect::No),
        // Some answers are shorter.
        Fault::TruncateAnswer { bytes } if *bytes > 20 => Told::Nothing(Effect::Perhaps),
        Fault::StatusAfterEffect { .. }
        | Fault::CutAfterBodyBytes { .. }
        | Fault::CutAfterEffect
        | Fault::TruncateAnswer { .. } => Told::Nothing(Effect::Yes),
        Fault::LateEffect { .. } => Told::Nothing(Effect::Perhaps),
        Fault::LoseSession { .. }
        | Fault::ExpireUrl
        | Fault::WrongMd5
        | Fault::BitRot
        | Fault::WrongCount
        | Fault::RenameUpload
        | Fault::LagNumRows { .. } => Told::Odd,
    }
}

/// The exit codes that a cell may end with.
pub(super) fn exits(cell: &Cell) -> &'static [i32] {
    let is_once = cell.nth != Nth::After(0);
    match told(cell) {
        // A session that keeps nothing of what it gets is given up.
        Told::Well if !is_once && cell.fault == Fault::ShortRange => REFUSED_OR_DONE,
        Told::Well => DONE,
        Told::TryAgain if is_once => DONE,
        Told::TryAgain => LATER,
        Told::Nothing(effect) => in_doubt(cell, is_once, effect),
        // The storage's answer to an address that is no longer good.
        Told::NotYou(403) if is_once && is_content(cell.operation) => DONE,
        Told::NotYou(_) => NOT_AUTHORISED,
        Told::No(status) => refused(cell.operation, is_once, status),
        Told::Nonsense => nonsense(cell.operation, is_once),
        Told::Odd => odd(cell, is_once),
    }
}

/// Calls to addresses of the storage.
fn is_content(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::PutFile | Operation::OpenSession | Operation::PutChunk | Operation::QuerySession
    )
}

/// After an answer that was lost.
fn in_doubt(cell: &Cell, is_once: bool, effect: Effect) -> &'static [i32] {
    // A second draft or release is worse than none: it is looked for, and never
    // asked for again.
    let never_twice = matches!(
        cell.operation,
        Operation::CreateVersion | Operation::Release
    );
    if is_once && !never_twice {
        return DONE;
    }
    let is_looked_for = never_twice
        || matches!(
            cell.operation,
            Operation::CreateTable
                | Operation::PatchVariable
                | Operation::AttachFiles
                | Operation::PutChunk
        );
    match effect {
        Effect::Yes if is_looked_for => DONE,
        Effect::Perhaps if is_looked_for => DONE_OR_LATER,
        // What a read that is long enough to be cut says is never known.
        Effect::Perhaps if cell.fault.kind() == FaultKind::TruncateAnswer => DONE_OR_LATER,
        Effect::No | Effect::Yes | Effect::Perhaps => LATER,
    }
}

/// After a refusal.
fn refused(operation: Operation, is_once: bool, status: u16) -> &'static [i32] {
    let is_gone = matches!(status, 404 | 410);
    match operation {
        // Looked at again and again, in case it is only seen late.
        Operation::DeleteUpload if is_gone => LATER,
        Operation::GetUpload if is_gone && is_once => DONE,
        // As if somebody took away what the list still has.
        Operation::GetUpload if is_gone => DONE_OR_LOCKED,
        // Each new session is lost again.
        Operation::PutChunk | Operation::QuerySession if is_gone && !is_once => LATER,
        // A table that the list has.
        Operation::GetTable if is_gone && !is_once => LATER_OR_REFUSED,
        // Somebody takes each attempt away.
        Operation::InsertRows if is_gone && !is_once => LOCKED,
        // Asked once more: something of another writer may have been under way.
        Operation::Release if !is_gone && is_once => DONE,
        // A draft that is gone, or not seen for a moment.
        Operation::Release if is_once => REFUSED_OR_DONE,
        Operation::GetVersion if !is_gone && is_once => REFUSED_OR_DONE,
        one if is_gone && !one.is_write() && !is_content(one) => NOT_THERE,
        // A fresh address.
        one if is_gone && is_once && is_content(one) => DONE,
        Operation::PutFile | Operation::OpenSession if status == 400 && is_once => DONE,
        // Other names, smaller calls, smaller pages.
        Operation::CreateTempUploads | Operation::AttachFiles if !is_gone && is_once => DONE,
        // The attempt is deleted, and sent again, perhaps in halves.
        Operation::InsertRows if (is_gone || matches!(status, 400 | 413)) && is_once => DONE,
        Operation::ListVersions
        | Operation::ListTables
        | Operation::ListVariables
        | Operation::ListUploads
            if status == 400 && is_once =>
        {
            DONE
        }
        _ => REFUSED,
    }
}

/// After a good status with a page that is no answer.
fn nonsense(operation: Operation, is_once: bool) -> &'static [i32] {
    match operation {
        Operation::GetVersion | Operation::GetUpload if is_once => REFUSED_OR_DONE,
        // Not gone, or not said, in spite of the answer: it is read back, and missed.
        Operation::DeleteUpload | Operation::PatchVariable => LATER,
        // What was not stored is missed later: files are sent again, and a bulk
        // upload is told as another than was sent.
        Operation::PutFile if is_once => DONE_OR_MISMATCH,
        Operation::PutFile => REFUSED_OR_MISMATCH,
        // It is looked for, and asked for again where that is right.
        Operation::PutChunk
        | Operation::QuerySession
        | Operation::Release
        | Operation::CreateTable
        | Operation::CreateUpload
        | Operation::InsertRows
        | Operation::AttachFiles
            if is_once =>
        {
            DONE
        }
        _ => REFUSED,
    }
}

/// After faults that only some calls can meet.
fn odd(cell: &Cell, is_once: bool) -> &'static [i32] {
    match &cell.fault {
        Fault::RenameUpload => LOCKED,
        Fault::LagNumRows { reads } if *reads > 100 => LATER,
        Fault::LagNumRows { .. } => DONE,
        _ if is_once => DONE,
        Fault::WrongMd5 | Fault::WrongCount => MISMATCH,
        Fault::LoseSession { .. } => LATER,
        _ => REFUSED,
    }
}
