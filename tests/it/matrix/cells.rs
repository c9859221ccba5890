//! The cells of the fault matrix: each fault with each call that it can meet.

use std::fmt;

use redivis_ingest::sandbox::{
    Character, Fault, FaultKind, FaultScript, Nth, Operation, RetryAfter,
};

use super::work::{Bases, Story};

/// One thing that goes wrong, once or for ever.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) story: Story,
    pub(super) character: Character,
    pub(super) operation: Operation,
    pub(super) nth: Nth,
    pub(super) fault: Fault,
    /// A late effect may still come when the next run is under way.
    pub(super) outlives: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            story,
            character,
            operation,
            nth,
            fault,
            outlives,
        } = self;
        write!(f, "{story:?} {character:?} {operation:?} {nth:?} {fault:?}")?;
        if *outlives {
            f.write_str(" outlives the run")?;
        }
        Ok(())
    }
}

impl Cell {
    pub(super) fn script(&self) -> FaultScript {
        let script = FaultScript::none();
        // Nobody asks for the offset of a session that goes well.
        let script = if self.operation == Operation::QuerySession {
            script.with(Operation::PutChunk, Nth::Every(2), Fault::CutBeforeEffect)
        } else {
            script
        };
        script.with(self.operation, self.nth, self.fault.clone())
    }
}

/// All cells, in an order in which neighbours differ little.
pub(super) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (story, character) in Bases::each() {
        for operation in Operation::OF_A_RUN {
            let of_call = at_once(operation).into_iter().chain(late(operation));
            cells.extend(of_call.map(|(nth, fault, outlives)| Cell {
                story,
                character,
                operation,
                nth,
                fault,
                outlives,
            }));
        }
    }
    cells
}

/// Each fault that the call can meet: at its first time, at a later one, and at
/// each.
fn at_once(operation: Operation) -> Vec<(Nth, Fault, bool)> {
    let kinds = FaultKind::ALL.into_iter();
    kinds
        .filter(|kind| kind.applies_to(operation))
        .flat_map(faults)
        .flat_map(|fault| {
            [Nth::Nth(1), Nth::Nth(3), Nth::After(0)].map(|nth| (nth, fault.clone(), false))
        })
        .collect()
}

/// Its effect comes late, at each later point of this run and the next.
fn late(operation: Operation) -> Vec<(Nth, Fault, bool)> {
    let last = if can_be_late(operation) { 60 } else { 0 };
    (0..last)
        .flat_map(|after_requests| {
            let late = Fault::LateEffect {
                after_requests,
                code: (after_requests % 2 == 1).then_some(503),
            };
            [Nth::Nth(1), Nth::Nth(2)].map(|nth| (nth, late.clone(), true))
        })
        .collect()
}

/// Calls whose late effect changes what others see.
fn can_be_late(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CreateVersion
            | Operation::CreateTable
            | Operation::PatchTable
            | Operation::PatchVariable
            | Operation::CreateUpload
            | Operation::InsertRows
            | Operation::AttachFiles
            | Operation::DeleteUpload
            | Operation::Release
    )
}

const REFUSALS: [u16; 8] = [400, 401, 403, 404, 409, 410, 412, 413];
const TEMPORARY: [u16; 6] = [408, 429, 500, 502, 503, 504];

/// A kind of fault with all numbers that make a difference.
fn faults(kind: FaultKind) -> Vec<Fault> {
    match kind {
        FaultKind::Status => statuses(),
        FaultKind::StatusAfterBodyBytes => [(0, 503), (100, 400), (300_000, 503)]
            .map(|(bytes, code)| Fault::StatusAfterBodyBytes { bytes, code })
            .to_vec(),
        FaultKind::StatusAfterEffect => [408, 500, 503]
            .map(|code| Fault::StatusAfterEffect { code })
            .to_vec(),
        FaultKind::CutBeforeEffect => vec![Fault::CutBeforeEffect],
        FaultKind::CutAfterBodyBytes => [0, 20, 300_000]
            .map(|bytes| Fault::CutAfterBodyBytes { bytes })
            .to_vec(),
        FaultKind::CutAfterEffect => vec![Fault::CutAfterEffect],
        FaultKind::LateEffect => [None, Some(503)]
            .into_iter()
            .flat_map(|code| {
                (0..=5).map(move |after_requests| Fault::LateEffect {
                    after_requests,
                    code,
                })
            })
            .collect(),
        FaultKind::Reset => vec![Fault::Reset],
        FaultKind::Stall => vec![Fault::Stall { ms: 20 }],
        FaultKind::ShortRange => vec![Fault::ShortRange],
        FaultKind::LoseSession => [false, true]
            .map(|gone| Fault::LoseSession { gone })
            .to_vec(),
        FaultKind::ExpireUrl => vec![Fault::ExpireUrl],
        FaultKind::WrongMd5 => vec![Fault::WrongMd5],
        FaultKind::WrongCount => vec![Fault::WrongCount],
        FaultKind::RenameUpload => vec![Fault::RenameUpload],
        FaultKind::LagNumRows => [1, 3, 100_000]
            .map(|reads| Fault::LagNumRows { reads })
            .to_vec(),
        FaultKind::HtmlErrorPage => [200, 403, 502]
            .map(|code| Fault::HtmlErrorPage { code })
            .to_vec(),
        FaultKind::TruncateAnswer => [0, 5, 60]
            .map(|bytes| Fault::TruncateAnswer { bytes })
            .to_vec(),
        // Bytes that change after they were confirmed: no client could find that.
        FaultKind::BitRot => Vec::new(),
    }
}

fn statuses() -> Vec<Fault> {
    let plain = REFUSALS
        .into_iter()
        .chain(TEMPORARY)
        .map(|code| Fault::Status {
            code,
            retry_after: None,
        });
    let forms = [
        RetryAfter::Seconds(1),
        RetryAfter::HttpDate(1),
        RetryAfter::Epoch(1),
        RetryAfter::EpochMs(1),
    ];
    let waited = forms.into_iter().map(|form| Fault::Status {
        code: 429,
        retry_after: Some(form),
    });
    let unavailable = Fault::Status {
        code: 503,
        retry_after: Some(RetryAfter::Seconds(1)),
    };
    plain.chain(waited).chain([unavailable]).collect()
}
