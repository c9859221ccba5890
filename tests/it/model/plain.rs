//! The plain model: what a table of rows must hold, by the ids of its rows. It
//! knows nothing of parts, names or digests.

use std::collections::{BTreeMap, BTreeSet};

/// A row on the remote: by which source it came, and whether it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    source: usize,
    released: bool,
}

/// A table that one job writes.
#[derive(Debug, Clone, Default)]
pub(super) struct PlainTable {
    pub(super) replace: bool,
    /// What the sources hold now.
    pub(super) sources: BTreeMap<usize, Vec<u64>>,
    /// What the remote held after the last run that was done.
    pub(super) held: BTreeMap<u64, Held>,
    /// Rows of others.
    pub(super) others: Vec<u64>,
}

/// What a manifest says about changes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rules {
    pub(super) delete_missing: bool,
    pub(super) append_released: bool,
}

impl PlainTable {
    fn wanted(&self) -> BTreeSet<u64> {
        self.sources.values().flatten().copied().collect()
    }

    /// Whether rows of the source are released that no source gives any more.
    fn is_locked(&self, slot: usize, rules: Rules) -> bool {
        let wanted = self.wanted();
        !self.replace
            && !rules.append_released
            && self
                .held
                .iter()
                .any(|(id, held)| held.source == slot && held.released && !wanted.contains(id))
    }

    /// Whether a run must refuse something of the table.
    pub(super) fn refuses(&self, rules: Rules) -> bool {
        self.sources.keys().any(|slot| self.is_locked(*slot, rules))
    }

    /// A run was done: it delivered all that it may.
    pub(super) fn deliver(&mut self, rules: Rules) {
        let wanted = self.wanted();
        if self.replace {
            if self.held.keys().copied().collect::<BTreeSet<_>>() != wanted {
                self.held.clear();
            }
        } else {
            let locked: Vec<usize> = self
                .sources
                .keys()
                .copied()
                .filter(|slot| self.is_locked(*slot, rules))
                .collect();
            let sources = &self.sources;
            self.held.retain(|id, held| {
                let is_matched = sources.contains_key(&held.source);
                held.released
                    || wanted.contains(id)
                    || locked.contains(&held.source)
                    || (!is_matched && !rules.delete_missing)
            });
            let held = &mut self.held;
            for (slot, rows) in self
                .sources
                .iter()
                .filter(|(slot, _)| !locked.contains(slot))
            {
                for id in rows {
                    let fresh = Held {
                        source: *slot,
                        released: false,
                    };
                    held.entry(*id).or_insert(fresh);
                }
            }
            return;
        }
        for (slot, rows) in &self.sources {
            for id in rows {
                let fresh = Held {
                    source: *slot,
                    released: false,
                };
                self.held.entry(*id).or_insert(fresh);
            }
        }
    }

    /// The draft was released.
    pub(super) fn release(&mut self) {
        for held in self.held.values_mut() {
            held.released = true;
        }
    }

    /// Whether rows of the source are released, or were delivered as another's.
    /// Which of them an edit sends again depends on how they were cut.
    pub(super) fn is_entangled(&self, slot: usize) -> bool {
        let Some(rows) = self.sources.get(&slot) else {
            return false;
        };
        let held = rows.iter().filter_map(|id| self.held.get(id));
        held.into_iter()
            .any(|held| held.released || held.source != slot)
    }

    /// What the remote must hold, sorted.
    pub(super) fn expected(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.held.keys().chain(&self.others).copied().collect();
        all.sort_unstable();
        all
    }
}
