//! How large a manifest may be. A real one of 290,000 lines fits; a hostile one
//! of 32 KB is refused before it costs anything.

/// Bytes of a manifest or schema file.
pub(super) const BYTES: u64 = 16 << 20;

/// Levels of nesting, aliases written out.
pub(super) const DEPTH: usize = 64;

/// Values and keys in one text.
pub(super) const NODES: usize = 2_000_000;

/// Values that aliases repeat, and values that `defaults` and a job's `exclude`
/// put into other places: a few thousand is much for a person, and each costs time
/// and memory.
pub(super) const REPLAYED: usize = 100_000;

/// Characters of a description, of a table or of a variable: what the platform's
/// pages allow for a table (docs: reference/tables/table-concepts).
pub(super) const DESCRIPTION_CHARACTERS: usize = 5000;

/// Characters of a label. The platform's pages tell no bound: this one is ours, and
/// finds descriptions that stand in the wrong place.
pub(super) const LABEL_CHARACTERS: usize = 1000;
