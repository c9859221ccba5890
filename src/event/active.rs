//! What is on its way right now, for whoever asks. Nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::What;

/// Everything that is on its way. Cheap to clone; clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Active {
    list: Arc<Mutex<List>>,
}

#[derive(Debug, Default)]
struct List {
    last: u64,
    items: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    what: What,
    name: String,
    bytes: u64,
    sent: Arc<AtomicU64>,
    since: Instant,
}

/// One thing on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveItem {
    /// What kind of thing.
    pub what: What,
    /// Its name for people.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// Bytes that went out for it, repeats included.
    pub sent: u64,
    /// For how long.
    pub since: Duration,
}

/// Something is on its way until this is dropped.
#[derive(Debug)]
pub struct ActiveGuard {
    list: Arc<Mutex<List>>,
    id: u64,
    sent: Arc<AtomicU64>,
}

impl Active {
    /// Something is on its way from now on.
    pub fn begin(&self, what: What, name: String, bytes: u64) -> ActiveGuard {
        let sent = Arc::new(AtomicU64::new(0));
        let entry = Entry {
            what,
            name,
            bytes,
            sent: Arc::clone(&sent),
            since: Instant::now(),
        };
        let mut list = lock(&self.list);
        list.last += 1;
        let id = list.last;
        list.items.insert(id, entry);
        ActiveGuard {
            list: Arc::clone(&self.list),
            id,
            sent,
        }
    }

    /// All of it, oldest first.
    pub fn items(&self) -> Vec<ActiveItem> {
        let list = lock(&self.list);
        let items = list.items.values().map(|entry| ActiveItem {
            what: entry.what,
            name: entry.name.clone(),
            bytes: entry.bytes,
            sent: entry.sent.load(Ordering::Relaxed),
            since: entry.since.elapsed(),
        });
        items.collect()
    }
}

impl ActiveGuard {
    /// Bytes went out for it.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        lock(&self.list).items.remove(&self.id);
    }
}

fn lock(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_no_longer_listed() {
        let active = Active::default();
        let first = active.begin(What::File, "a".to_owned(), 10);
        let second = active.clone().begin(What::Part, "b".to_owned(), 5);
        second.sent(3);
        second.sent(1);

        drop(first);

        let items = active.items();
        assert_eq!(items.len(), 1);
        assert_eq!((items[0].name.as_str(), items[0].sent), ("b", 4));
        drop(second);
        assert_eq!(active.items(), []);
    }
}
