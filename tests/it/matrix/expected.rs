//! How a run may end under a fault: exit codes by fault and call.

use super::cells::Cell;

/// The exit codes that a cell may end with.
pub(super) fn exits(_cell: &Cell) -> &'static [i32] {
    &[0, 3, 4, 5, 6, 69, 75, 77]
}
