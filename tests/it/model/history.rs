//! Random histories: what a user, the network and other people do, in any order.

use proptest::prelude::*;

/// Sources of each kind that a history may have.
pub(super) const SLOTS: usize = 4;

/// Which of the two tables that hold rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// A job of `rows`.
    Rows,
    /// A job of `uploads`.
    Uploads,
}

/// One step.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A source with nothing but new rows, whether it was there or not.
    Write {
        table: Table,
        slot: usize,
        rows: u64,
    },
    /// New rows at the end.
    Grow { slot: usize, rows: u64 },
    /// Another row in the place of one.
    Edit { slot: usize, row: u64 },
    /// The content goes to another path that is free.
    Rename { from: usize, to: usize },
    /// The source is gone.
    Remove { table: Table, slot: usize },
    /// A file with other bytes, whether it was there or not.
    WriteFile { slot: usize, bytes: usize },
    /// The file is gone.
    RemoveFile { slot: usize },
    /// What does not change what is wanted.
    Settings {
        payload: u64,
        transfers: u64,
        memory: u64,
    },
    /// `on_missing: delete`, or `keep`.
    OnMissing { delete: bool },
    /// `on_released: append`, or `fail`.
    OnReleased { append: bool },
    /// A plan that nobody follows.
    Plan,
    /// A run in peace.
    Run,
    /// A run while calls go wrong.
    Faults { seed: u64 },
    /// A run that is killed at a request.
    Kill {
        nth: u64,
        after_effect: bool,
        apply: bool,
    },
    /// A release, by a run or by somebody.
    Release { by_run: bool },
    /// The state folder is deleted.
    Forget,
    /// A run of the same manifest with another state.
    OtherState,
    /// Somebody puts an upload and a file into the tables.
    Stranger,
    /// Another manifest adds rows to the same table.
    OtherManifest { rows: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..SLOTS;
    let table = prop_oneof![3 => Just(Table::Rows), 1 => Just(Table::Uploads)].boxed();
    prop_oneof![
        5 => (table.clone(), slot(), 1..60_u64)
            .prop_map(|(table, slot, rows)| Step::Write { table, slot, rows }),
        3 => (slot(), 1..40_u64).prop_map(|(slot, rows)| Step::Grow { slot, rows }),
        2 => (slot(), 0..60_u64).prop_map(|(slot, row)| Step::Edit { slot, row }),
        3 => (slot(), slot()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => (table, slot()).prop_map(|(table, slot)| Step::Remove { table, slot }),
        2 => (slot(), 0..3000_usize).prop_map(|(slot, bytes)| Step::WriteFile { slot, bytes }),
        1 => slot().prop_map(|slot| Step::RemoveFile { slot }),
        2 => (0..3_u64, 0..3_u64, 0..2_u64).prop_map(|(payload, transfers, memory)| {
            Step::Settings {
                payload: 1 << (10 + payload),
                transfers: 1 + 3 * transfers,
                memory: 32 << (memory * 2),
            }
        }),
        1 => any::<bool>().prop_map(|delete| Step::OnMissing { delete }),
        1 => any::<bool>().prop_map(|append| Step::OnReleased { append }),
        1 => Just(Step::Plan),
        4 => Just(Step::Run),
        4 => any::<u64>().prop_map(|seed| Step::Faults { seed }),
        3 => (0..40_u64, any::<bool>(), any::<bool>()).prop_map(|(nth, after_effect, apply)| {
            Step::Kill { nth, after_effect, apply }
        }),
        3 => any::<bool>().prop_map(|by_run| Step::Release { by_run }),
        2 => Just(Step::Forget),
        1 => Just(Step::OtherState),
        1 => Just(Step::Stranger),
        1 => (1..20_u64).prop_map(|rows| Step::OtherManifest { rows }),
    ]
}

/// A whole history.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// The sandbox gives the worst answers.
    pub(super) worst: bool,
    /// The tables of rows are replaced as a whole.
    pub(super) replace: bool,
    pub(super) steps: Vec<Step>,
}

pub(super) fn histories() -> impl Strategy<Value = History> {
    let replace = prop_oneof![2 => Just(false), 1 => Just(true)];
    (any::<bool>(), replace, prop::collection::vec(step(), 3..16)).prop_map(
        |(worst, replace, steps)| History {
            worst,
            replace,
            steps,
        },
    )
}
