//! What a request carries: nothing, bytes in memory, or a part of a file. A body
//! gives exactly the announced number of bytes or a local fault; it never ends
//! early (ureq 3.5 would spin for ever), and it starts anew for each attempt.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::time::{Duration, Instant};

use super::md5::RunningMd5;
use super::pacer::Bandwidth;
use super::retry::Call;
use crate::base::{Activity, Effort};

thread_local! {
    static PROGRESS: Cell<Progress> = const { Cell::new(Progress::NONE) };
}

/// What the current exchange of this thread has come to. An exchange runs on one
/// thread from connecting to the end of the answer, and the adaptors under ureq
/// have no other way to tell us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// A new connection was opened.
    pub(super) is_fresh: bool,
    /// Bytes of the request, not of a handshake, were handed over.
    pub(super) is_sent: bool,
    /// The server stopped taking the body; an answer may still be readable.
    pub(super) is_cut: bool,
    /// Bytes that arrived since something was handed on.
    pub(super) arrived: u64,
    /// When something of the answer's body must have been handed on.
    pub(super) due: Option<Instant>,
}

impl Progress {
    const NONE: Self = Self {
        is_fresh: false,
        is_sent: false,
        is_cut: false,
        arrived: 0,
        due: None,
    };

    pub(super) fn start() {
        PROGRESS.set(Self::NONE);
    }

    pub(super) fn now() -> Self {
        PROGRESS.get()
    }

    pub(super) fn connected() {
        PROGRESS.set(Self {
            is_fresh: true,
            ..Self::NONE
        });
    }

    pub(super) fn sent() {
        PROGRESS.set(Self {
            is_sent: true,
            ..PROGRESS.get()
        });
    }

    /// A piece of the answer's body is asked for.
    pub(super) fn expect_before(due: Instant) {
        PROGRESS.set(Self {
            arrived: 0,
            due: Some(due),
            ..PROGRESS.get()
        });
    }

    pub(super) fn arrived(bytes: u64) {
        let before = PROGRESS.get();
        PROGRESS.set(Self {
            arrived: before.arrived.saturating_add(bytes),
            ..before
        });
    }

    pub(super) fn cut() {
        PROGRESS.set(Self {
            is_cut: true,
            ..PROGRESS.get()
        });
    }
}

/// The content of one request.
#[derive(Debug)]
pub(super) enum Body<'a, 'f> {
    Empty,
    Bytes(&'a [u8]),
    File(&'a mut FileBody<'f>),
}

impl Body<'_, '_> {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(file) => file.len,
        }
    }
}

/// A part of a local file, hashed as it passes.
pub(super) struct FileBody<'f> {
    pub(super) file: &'f mut File,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) md5: &'f mut RunningMd5,
    /// Whether the file is still the one that was planned; asked before a repeat.
    pub(super) unchanged: &'f dyn Fn() -> bool,
}

impl std::fmt::Debug for FileBody<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileBody")
            .field("offset", &self.offset)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The file ended before the announced size, or changed between two attempts.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the file changed while it was sent")]
pub(super) struct SourceChanged;

impl SourceChanged {
    pub(super) fn is_in(error: &(dyn std::error::Error + 'static)) -> bool {
        error.downcast_ref::<io::Error>().is_some_and(|error| {
            error
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Self>)
        })
    }
}

/// One attempt's pass over a body.
pub(super) struct Outgoing<'a, 'b, 'f> {
    body: &'a mut Body<'b, 'f>,
    at: u64,
    left: u64,
    throttle: Throttle<'a>,
    /// Bytes of content that were handed over.
    pub(super) sent: u64,
    /// Where the time of this pass went.
    pub(super) times: Times,
    /// What went wrong on our side.
    pub(super) fault: Option<io::Error>,
    /// The run was asked to stop while this was throttled.
    pub(super) is_cancelled: bool,
}

/// Where the time of one exchange went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// Reading the file.
    pub(super) disk: Duration,
    /// Hashing it.
    pub(super) hashing: Duration,
    /// When the last byte of the content was handed over.
    pub(super) content_ended: Option<Instant>,
    /// When the head of the answer was there.
    pub(super) answered: Option<Instant>,
}

impl Times {
    /// From the last byte of the content to the answer; `None`: there was no content,
    /// or no answer.
    pub(super) fn answer(&self) -> Option<Duration> {
        let answered = self.answered?;
        Some(answered.saturating_duration_since(self.content_ended?))
    }

    /// Adds all of it, of an exchange with this start and end. Content that did not go
    /// out whole took all of the time.
    pub(super) fn tell(
        &self,
        effort: &Effort,
        has_content: bool,
        (started, ended): (Instant, Instant),
    ) {
        let content_ended = match self.content_ended {
            Some(at) => at,
            None if has_content => ended,
            None => started,
        };
        let content = content_ended.saturating_duration_since(started);
        effort.add(Activity::Disk, self.disk);
        effort.add(Activity::Hashing, self.hashing);
        let network = content.saturating_sub(self.disk + self.hashing);
        effort.add(Activity::Network, network);
        effort.add(
            Activity::Server,
            ended.saturating_duration_since(content_ended),
        );
    }
}

/// What a pass over a body is watched and slowed by.
#[derive(Clone, Copy)]
pub(super) struct Throttle<'a> {
    pub(super) call: &'a Call<'a>,
    pub(super) bandwidth: Option<&'a Bandwidth>,
}

impl<'a, 'b, 'f> Outgoing<'a, 'b, 'f> {
    /// Starts from the body's first byte. `is_repeat`: an earlier attempt read
    /// some of it.
    pub(super) fn start(
        body: &'a mut Body<'b, 'f>,
        is_repeat: bool,
        throttle: Throttle<'a>,
    ) -> Result<Self, io::Error> {
        if let Body::File(file) = body {
            if is_repeat && !(file.unchanged)() {
                return Err(io::Error::other(SourceChanged));
            }
            file.file.seek(SeekFrom::Start(file.offset))?;
            file.md5.start_at(file.offset);
        }
        let left = body.len();
        Ok(Self {
            body,
            at: 0,
            left,
            throttle,
            sent: 0,
            times: Times::default(),
            fault: None,
            is_cancelled: false,
        })
    }

    /// Reads the next bytes of the content, at most `buf` and never past the end.
    fn read_content(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut *self.body {
            Body::Empty => Ok(0),
            Body::Bytes(bytes) => {
                let at = usize::try_from(self.at).unwrap_or(usize::MAX);
                bytes.get(at..).unwrap_or_default().read(buf)
            }
            Body::File(file) => {
                let started = Instant::now();
                let read = loop {
                    match file.file.read(buf) {
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        other => break other?,
                    }
                };
                if read == 0 {
                    return Err(io::Error::other(SourceChanged));
                }
                let was_read = Instant::now();
                file.md5.feed(file.offset + self.at, &buf[..read]);
                self.times.disk += was_read - started;
                self.times.hashing += was_read.elapsed();
                Ok(read)
            }
        }
    }
}

impl Read for Outgoing<'_, '_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let mut wanted = buf.len().min(most);
        if wanted == 0 {
            return Ok(0);
        }
        if Progress::now().is_cut {
            // Nobody takes these bytes; reading and hashing them would be waste.
            buf[..wanted].fill(0);
            self.left -= wanted as u64;
            return Ok(wanted);
        }
        let Throttle { call, bandwidth } = self.throttle;
        if let Some(bandwidth) = bandwidth {
            wanted = wanted.min(bandwidth.grain());
            let delay = bandwidth.reserve(Instant::now(), wanted as u64);
            if !delay.is_zero() && !call.cancel.wait(delay) {
                self.is_cancelled = true;
                return Err(io::Error::other("the run was asked to stop"));
            }
        }
        match self.read_content(&mut buf[..wanted]) {
            Ok(read) => {
                self.at += read as u64;
                self.left -= read as u64;
                self.sent += read as u64;
                if self.left == 0 {
                    self.times.content_ended = Some(Instant::now());
                }
                (call.on_bytes)(read as u64);
                Ok(read)
            }
            Err(error) => {
                self.fault = Some(error);
                Err(io::Error::other("the body could not be read"))
            }
        }
    }
}
