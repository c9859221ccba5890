//! A request's body, read as it comes: with a length or in chunks, from the
//! connection or from a file it was read into earlier.

use std::io::{self, Read};

use super::http::{Connection, Framing};

#[derive(Debug)]
enum Source<'a> {
    Connection(&'a mut Connection),
    Spool(std::fs::File),
}

/// A request's body, read as it comes.
#[derive(Debug)]
pub(super) struct Body<'a> {
    source: Source<'a>,
    framing: Framing,
    /// Bytes left in the body, or in the present chunk.
    left: u64,
    ended: bool,
    read: u64,
    cut_at: Option<u64>,
}

impl<'a> Body<'a> {
    pub(super) fn new(connection: &'a mut Connection, framing: Framing) -> Self {
        let left = match framing {
            Framing::Length(bytes) => bytes,
            Framing::Chunked => 0,
        };
        Self {
            source: Source::Connection(connection),
            framing,
            left,
            ended: framing == Framing::Length(0),
            read: 0,
            cut_at: None,
        }
    }

    /// A body that was read earlier.
    pub(super) fn spooled(file: std::fs::File, bytes: u64) -> Self {
        Self {
            source: Source::Spool(file),
            framing: Framing::Length(bytes),
            left: bytes,
            ended: bytes == 0,
            read: 0,
            cut_at: None,
        }
    }

    /// Makes the body break off after this many bytes.
    pub(super) fn cut_at(&mut self, bytes: u64) {
        self.cut_at = Some(bytes);
    }

    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Whether all of it was read.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// The length that the head stated.
    pub(super) fn stated(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(bytes) => Some(bytes),
            Framing::Chunked => None,
        }
    }

    /// Reads and drops up to `limit` bytes; answers whether the end came.
    pub(super) fn drain(&mut self, limit: u64) -> io::Result<bool> {
        let mut buffer = vec![0_u8; 64 * 1024];
        let mut left = limit;
        while !self.ended && left > 0 {
            let want = buffer
                .len()
                .min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = self.read(&mut buffer[..want])?;
            left = left.saturating_sub(count as u64);
        }
        Ok(self.ended)
    }

    /// Fills `buffer` as far as the body reaches.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    fn take(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let want = into
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = match &mut self.source {
            Source::Connection(connection) => connection.read(&mut into[..want])?,
            Source::Spool(file) => file.read(&mut into[..want])?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }

    fn next_chunk(&mut self) -> io::Result<()> {
        let Source::Connection(connection) = &mut self.source else {
            return Ok(());
        };
        let line = connection.read_line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        self.left = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
        if self.left == 0 {
            while !connection.read_line()?.is_empty() {}
            self.ended = true;
        }
        Ok(())
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        let into = match self.cut_at {
            Some(limit) if limit <= self.read => {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            Some(limit) => {
                let allowed = usize::try_from(limit - self.read).unwrap_or(usize::MAX);
                let end = into.len().min(allowed);
                &mut into[..end]
            }
            None => into,
        };
        if self.framing == Framing::Chunked && self.left == 0 {
            self.next_chunk()?;
            if self.ended {
                return Ok(0);
            }
        }
        let count = self.take(into)?;
        self.read += count as u64;
        if self.left == 0 {
            if self.framing == Framing::Chunked {
                if let Source::Connection(connection) = &mut self.source {
                    connection.read_line()?;
                }
            } else {
                self.ended = true;
            }
        }
        Ok(count)
    }
}
