//! The MD5 of a whole file while its parts are sent, possibly not in order: what
//! was hashed once is not hashed again, what was skipped is read first.
//!
//! Hashing is the slowest stage of a transfer. Of a large one it is done beside the
//! sending, on a thread of its own, as long as there are cores for it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use crate::base::Md5Digest;
use crate::base::digest::Md5Hasher;

use super::body::SourceChanged;

const BUFFER: usize = 128 << 10;
/// From here on a thread is worth its cost.
const LARGE: u64 = 1 << 20;
/// Blocks that may wait for all threads together, 32 MiB as they are sent. A thread
/// with many before it has work while the sender waits for the network, and the other
/// way round.
const BLOCKS: usize = 256;
/// Blocks that may wait for one thread, however many there are.
const FEWEST_BLOCKS: usize = 8;

/// How many threads may hash at once: one for each core but the one that sends.
#[derive(Debug, Clone)]
pub(super) struct Hashers {
    free: Arc<AtomicUsize>,
    /// Blocks that may wait for each.
    blocks: usize,
}

impl Hashers {
    pub(super) fn new() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::of((cores - 1).max(1))
    }

    fn of(threads: usize) -> Self {
        Self {
            free: Arc::new(AtomicUsize::new(threads)),
            blocks: (BLOCKS / threads).max(FEWEST_BLOCKS),
        }
    }

    fn take(&self) -> Option<Seat> {
        let less = |free: usize| free.checked_sub(1);
        let taken = self
            .free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        taken.ok().map(|_| Seat(Arc::clone(&self.free)))
    }
}

/// The right to one thread; given back when dropped.
#[derive(Debug)]
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// An MD5 of a file from its first byte up to `hashed`.
#[derive(Debug)]
pub(super) struct RunningMd5 {
    hashers: Hashers,
    place: Place,
    hashed: u64,
}

/// Where it is made.
#[derive(Debug)]
enum Place {
    Here(Md5Hasher),
    Beside(Beside),
}

/// A thread that hashes what it is sent.
#[derive(Debug)]
struct Beside {
    blocks: SyncSender<Vec<u8>>,
    /// Blocks that were hashed.
    hashed: Receiver<Vec<u8>>,
    /// Those to be filled again, the last hashed first: a cache may still have it.
    spare: Vec<Vec<u8>>,
    thread: JoinHandle<Md5Hasher>,
    _seat: Seat,
}

impl Beside {
    /// `None`: no core or no thread is left.
    fn start(hashers: &Hashers, hasher: &Md5Hasher) -> Option<Self> {
        let seat = hashers.take()?;
        let (blocks, waiting) = sync_channel(hashers.blocks);
        let (done, hashed) = channel();
        let hasher = hasher.clone();
        let thread = thread::Builder::new()
            .name("md5".to_owned())
            .spawn(move || hash(hasher, &waiting, &done))
            .ok()?;
        Some(Self {
            blocks,
            hashed,
            spare: Vec::new(),
            thread,
            _seat: seat,
        })
    }

    /// Hands on a copy; waits while too many wait already.
    fn feed(&mut self, bytes: &[u8]) {
        self.spare.extend(self.hashed.try_iter());
        let mut block = self.spare.pop().unwrap_or_default();
        block.clear();
        block.extend_from_slice(bytes);
        // A thread that is gone has panicked, which `finish` tells.
        self.blocks.send(block).ok();
    }

    fn finish(self) -> Md5Hasher {
        drop(self.blocks);
        match self.thread.join() {
            Ok(hasher) => hasher,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn hash(mut hasher: Md5Hasher, waiting: &Receiver<Vec<u8>>, done: &Sender<Vec<u8>>) -> Md5Hasher {
    for block in waiting {
        hasher.update(&block);
        done.send(block).ok();
    }
    hasher
}

impl RunningMd5 {
    pub(super) fn new(hashers: &Hashers) -> Self {
        Self {
            hashers: hashers.clone(),
            place: Place::Here(Md5Hasher::new()),
            hashed: 0,
        }
    }

    /// A pass over the file begins at `offset`. From the first byte everything is
    /// hashed anew, so that the digest is of what the last pass sent.
    pub(super) fn start_at(&mut self, offset: u64) {
        if offset == 0 {
            *self = Self::new(&self.hashers);
        }
    }

    /// These bytes of the file passed. Those hashed already are left out; bytes
    /// beyond a gap too, since `catch_up` will read them.
    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let Some(known) = self.hashed.checked_sub(offset) else {
            return;
        };
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        if let Some(new) = bytes.get(known..) {
            self.add(new);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Place::Here(hasher) = &self.place
            && self.hashed >= LARGE
            && let Some(beside) = Beside::start(&self.hashers, hasher)
        {
            self.place = Place::Beside(beside);
        }
        match &mut self.place {
            Place::Here(hasher) => hasher.update(bytes),
            Place::Beside(beside) => beside.feed(bytes),
        }
        self.hashed += bytes.len() as u64;
    }

    /// Reads the file up to `to`, as far as it was not hashed yet.
    pub(super) fn catch_up(&mut self, file: &mut File, to: u64) -> io::Result<()> {
        if self.hashed >= to {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.hashed))?;
        let mut buffer = vec![0; BUFFER];
        while self.hashed < to {
            let left = usize::try_from(to - self.hashed).unwrap_or(usize::MAX);
            let wanted = left.min(BUFFER);
            match file.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(io::Error::other(SourceChanged)),
                Ok(read) => {
                    self.add(&buffer[..read]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The digest of everything hashed.
    pub(super) fn finish(self) -> Md5Digest {
        match self.place {
            Place::Here(hasher) => hasher.finish(),
            Place::Beside(beside) => beside.finish().finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn bytes_sent_twice_are_hashed_once_and_gaps_are_read() {
        let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let mut md5 = RunningMd5::new(&Hashers::new());

        md5.feed(0, &content[..1000]);
        md5.feed(500, &content[500..1500]);
        md5.feed(3000, &content[3000..4000]);
        md5.catch_up(&mut file, 5000).unwrap();

        assert_eq!(md5.finish(), Md5Digest::of(&content));
    }

    #[test]
    fn a_large_file_is_hashed_beside_and_as_it_would_be_here() {
        let content: Vec<u8> = (0..=250).cycle().take((3 << 20) + 7).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let hashers = Hashers::of(1);
        let mut one = RunningMd5::new(&hashers);
        let mut other = RunningMd5::new(&hashers);
        let half = content.len() / 2;
        for (block, at) in content[..half].chunks(10_000).zip((0..).step_by(10_000)) {
            one.feed(at, block);
            other.feed(at, block);
        }

        assert!(matches!(one.place, Place::Beside(_)));
        assert!(matches!(other.place, Place::Here(_)));
        one.catch_up(&mut file, content.len() as u64).unwrap();
        other.catch_up(&mut file, content.len() as u64).unwrap();
        assert_eq!(one.finish(), Md5Digest::of(&content));
        assert_eq!(other.finish(), Md5Digest::of(&content));
        assert_eq!(hashers.free.load(Ordering::Acquire), 1);

        // A pass that begins again has its thread's seat back.
        let mut again = RunningMd5::new(&hashers);
        again.feed(0, &content);
        again.feed(content.len() as u64, b"x");
        assert_eq!(hashers.free.load(Ordering::Acquire), 0);
        again.start_at(0);
        assert_eq!(hashers.free.load(Ordering::Acquire), 1);
        again.feed(0, b"abc");
        assert_eq!(again.finish(), Md5Digest::of(b"abc"));
    }

    #[test]
    fn what_waits_for_all_threads_is_bounded() {
        for (threads, blocks) in [(1, 256), (7, 36), (31, 8), (63, 8)] {
            assert_eq!(Hashers::of(threads).blocks, blocks);
        }
    }

    #[test]
    fn a_pass_from_the_first_byte_forgets_what_was_hashed() {
        let mut md5 = RunningMd5::new(&Hashers::new());

        md5.feed(0, b"abd");
        md5.start_at(1);
        md5.start_at(0);
        md5.feed(0, b"abc");

        assert_eq!(md5.finish(), Md5Digest::of(b"abc"));
    }

    #[test]
    fn a_file_that_shrank_is_not_hashed_to_an_end() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();

        assert!(
            RunningMd5::new(&Hashers::new())
                .catch_up(&mut file, 4)
                .is_err()
        );
    }
}
