//! Many trials on several threads, and what they found.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Worlds;

/// Trials that failed, by their seed.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Vec<(u64, String)>>);

impl Failures {
    pub(crate) fn add(&self, seed: u64, story: String) {
        eprintln!("seed {seed} FAILED: {story}\n");
        self.lock().push((seed, story));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Panics when there are any; `replay` says how to see one again.
    #[track_caller]
    pub(crate) fn judge(&self, replay: &dyn Fn(u64) -> String) {
        let all = self.lock();
        let mut text = String::new();
        for (seed, story) in all.iter() {
            let first = story.lines().next().unwrap_or_default();
            writeln!(text, "seed {seed}: {first}\n  {}", replay(*seed)).unwrap();
        }
        assert!(all.is_empty(), "{} trials failed\n{text}", all.len());
    }
}

/// Does trials `seed..seed + count` on several threads; stops early after ten
/// failures.
pub(crate) fn workers(
    (seed, count, threads): (u64, u64, usize),
    failures: &Failures,
    trial: &(dyn Fn(&mut Worlds, u64) -> Result<(), String> + Sync),
) {
    let next = AtomicU64::new(0);
    let work = || {
        let mut worlds = Worlds::new();
        while failures.count() < 10 {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            let seed = seed + index;
            if let Err(story) = trial(&mut worlds, seed) {
                failures.add(seed, story);
                // What a failed trial leaves behind shall not touch others.
                worlds = Worlds::new();
            }
            if (index + 1).is_multiple_of(500) {
                eprintln!("{} of {count} trials", index + 1);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
}
