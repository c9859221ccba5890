//! One run at a time per store: an OS lock on a file beside it.
//!
//! The owner's text in the file is for the message only. Whether the lock is
//! held is the OS's business, which releases it when a process dies; no process
//! id is ever probed, since it means nothing on another host.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::{StateError, describe};
use super::location::make_folder;
use crate::base::CancelToken;

const POLL: Duration = Duration::from_millis(200);
const MAX_OWNER_BYTES: u64 = 4096;

/// Who holds a lock, for the message of whoever meets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOwner {
    /// The run's id.
    pub run: String,
    /// The host's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// When it took the lock, RFC 3339.
    pub started: String,
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "run `{}` on `{}` (process {}) since {}",
            self.run, self.host, self.pid, self.started
        )
    }
}

/// The right to change what a store stands for; given back when dropped.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock, waiting up to `timeout` for another owner to leave.
    ///
    /// # Errors
    /// [`StateError::Locked`] when the time is over, [`StateError::Cancelled`]
    /// when the wait was cancelled.
    pub fn acquire(
        path: &Path,
        owner: &LockOwner,
        timeout: Duration,
        cancel: &CancelToken,
    ) -> Result<Self, StateError> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let mut file = open(path).map_err(|source| lock_error(path, source))?;
        let end = Instant::now().checked_add(timeout);
        let mut is_told = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(lock_error(path, source)),
            }
            let left = end.map_or(POLL, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(StateError::locked(read_owner(&mut file).as_ref()));
            }
            if !is_told {
                is_told = true;
                let owner = describe(read_owner(&mut file).as_ref());
                tracing::warn!("waiting for {owner} to end");
            }
            if !cancel.wait(left.min(POLL)) {
                return Err(StateError::Cancelled {
                    owner: describe(read_owner(&mut file).as_ref()),
                });
            }
        }
        write_owner(&mut file, owner).map_err(|source| lock_error(path, source))?;
        Ok(Self { file })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The text of a lock that nobody holds would only mislead. The file
        // itself stays: removing it would race with one who just opened it.
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "cannot clear the lock's text");
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn lock_error(path: &Path, source: std::io::Error) -> StateError {
    StateError::Lock {
        path: PathBuf::from(path),
        source,
    }
}

fn write_owner(file: &mut File, owner: &LockOwner) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(owner)?;
    line.push(b'\n');
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&line)
}

fn read_owner(file: &mut File) -> Option<LockOwner> {
    file.rewind().ok()?;
    let mut text = Vec::new();
    file.take(MAX_OWNER_BYTES).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::cancel::CancelReason;

    fn owner(run: &str) -> LockOwner {
        LockOwner {
            run: run.to_owned(),
            host: "node-7".to_owned(),
            pid: 4711,
            started: "2026-08-04T10:15:30Z".to_owned(),
        }
    }

    #[test]
    fn a_second_owner_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.lock");
        let none = CancelToken::new();
        let held = RunLock::acquire(&path, &owner("first"), Duration::ZERO, &none).unwrap();

        let error = RunLock::acquire(&path, &owner("second"), Duration::ZERO, &none).unwrap_err();

        assert_eq!(
            error.to_string(),
            "locked by run `first` on `node-7` (process 4711) since 2026-08-04T10:15:30Z"
        );
        drop(held);
        RunLock::acquire(&path, &owner("second"), Duration::ZERO, &none).unwrap();
    }

    #[test]
    fn the_wait_ends_when_the_lock_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let none = CancelToken::new();
        let held = RunLock::acquire(&path, &owner("first"), Duration::ZERO, &none).unwrap();

        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                RunLock::acquire(&path, &owner("second"), Duration::from_secs(60), &none)
            });
            drop(held);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn the_wait_ends_on_cancel() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let cancel = CancelToken::new();
        let _held = RunLock::acquire(&path, &owner("first"), Duration::ZERO, &cancel).unwrap();
        cancel.cancel(CancelReason::Terminated);

        let error = RunLock::acquire(&path, &owner("second"), Duration::from_secs(60), &cancel);

        assert!(matches!(error, Err(StateError::Cancelled { .. })));
    }

    /// Not a test of its own: the process that the next one kills. It reads the
    /// lock's path from its standard input.
    #[test]
    #[ignore = "a helper process of the next test"]
    fn holds_a_lock_until_it_is_killed() {
        let mut path = String::new();
        std::io::stdin().read_line(&mut path).unwrap();
        if path.trim().is_empty() {
            return;
        }
        let none = CancelToken::new();
        let path = Path::new(path.trim());
        let _held = RunLock::acquire(path, &owner("child"), Duration::ZERO, &none).unwrap();
        println!("\nlocked");
        std::io::stdin().read_line(&mut String::new()).unwrap();
    }

    #[test]
    fn the_lock_of_a_killed_process_is_free() {
        use std::io::{BufRead as _, BufReader};
        use std::process::{Command, Stdio};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture"])
            .arg("state::lock::tests::holds_a_lock_until_it_is_killed")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{}", path.display()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "locked"));
        let none = CancelToken::new();

        let held = RunLock::acquire(&path, &owner("me"), Duration::ZERO, &none).unwrap_err();
        child.kill().unwrap();
        child.wait().unwrap();
        let free = RunLock::acquire(&path, &owner("me"), Duration::ZERO, &none);

        assert!(held.to_string().contains("run `child`"), "{held}");
        free.unwrap();
    }

    #[test]
    fn an_unreadable_owner_is_another_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let other = open(&path).unwrap();
        other.try_lock().unwrap();

        let error = RunLock::acquire(&path, &owner("me"), Duration::ZERO, &CancelToken::new());

        assert_eq!(error.unwrap_err().to_string(), "locked by another run");
    }
}
