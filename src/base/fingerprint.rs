//! A file's fingerprint: what tells, without reading it, that its content has
//! not changed.

/// Inode, size, mtime and ctime. The device is left out on purpose: it differs
/// per mount of the same file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// The inode's number.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Change time in nanoseconds since 1970.
    pub ctime_ns: i64,
}

/// The device of the kernel's own files, which are no data: the process's
/// environment, with its token, is one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelFiles {
    device: Option<u64>,
}

impl KernelFiles {
    /// From what the file system says of `/proc` and of `/`; where it is no file
    /// system of its own there are no such files.
    pub fn of(proc: Option<&std::fs::Metadata>, root: Option<&std::fs::Metadata>) -> Self {
        use std::os::unix::fs::MetadataExt;
        let device = proc.map(MetadataExt::dev);
        Self {
            device: device.filter(|device| root.map(MetadataExt::dev) != Some(*device)),
        }
    }

    /// Whether a file, links followed, is one of them.
    pub fn has(&self, metadata: &std::fs::Metadata) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        self.device == Some(metadata.dev())
    }
}

impl Fingerprint {
    /// From what the file system says.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let nanos =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            inode: metadata.ino(),
            size: metadata.len(),
            mtime_ns: nanos(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether a digest taken at `taken_ns` may be believed later: a file that
    /// changed within the timestamp's grain of being read could have changed
    /// again without a trace (git's rule for racy entries). Two seconds cover
    /// the coarsest file systems in use.
    pub fn is_settled_at(&self, taken_ns: i64) -> bool {
        const GRAIN_NS: i64 = 2_000_000_000;
        let newest = self.mtime_ns.max(self.ctime_ns);
        newest.saturating_add(GRAIN_NS) < taken_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_touched_while_it_was_read_is_not_settled() {
        let print = Fingerprint {
            inode: 1,
            size: 2,
            mtime_ns: 10_000_000_000,
            ctime_ns: 0,
        };

        assert!(!print.is_settled_at(11_000_000_000));
        assert!(print.is_settled_at(13_000_000_000));
    }
}
