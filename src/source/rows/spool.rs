//! Rows set aside while the cut waits for a decision: in memory at first, then
//! in a temporary file.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

use super::RowStart;

/// What stays in memory.
const IN_MEMORY: usize = 4 * 1024 * 1024;
/// Rows are written in blocks of this size.
const BLOCK: usize = 128 * 1024;
/// Used-up bytes at the front that are worth moving the rest for.
const GARBAGE: u64 = 256 * 1024 * 1024;
/// Length, byte, line and record of a row.
const HEAD: usize = 32;

/// Encoded rows with their places. Rows are added at the tail and taken at the
/// head; taken rows stay until the spool is cleared, so that it can go back.
pub(super) struct Spool {
    file: BufReader<SpooledTempFile>,
    /// The end of the tail, not written yet.
    unwritten: Vec<u8>,
    head: u64,
    tail: u64,
    /// The file stands at the head.
    at_head: bool,
}

impl Spool {
    pub(super) fn new() -> Self {
        Self {
            file: BufReader::new(SpooledTempFile::new(IN_MEMORY)),
            unwritten: Vec::new(),
            head: 0,
            tail: 0,
            at_head: false,
        }
    }

    /// Whether every row was taken.
    pub(super) fn is_at_end(&self) -> bool {
        self.head == self.tail
    }

    /// The place of the row that is taken next.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// The place of the row that is added next.
    pub(super) fn tail(&self) -> u64 {
        self.tail
    }

    /// Adds a row at the tail.
    pub(super) fn push(&mut self, row: &[u8], start: &RowStart) -> io::Result<()> {
        for number in [row.len() as u64, start.byte, start.line, start.record] {
            self.unwritten.extend_from_slice(&number.to_le_bytes());
        }
        self.unwritten.extend_from_slice(row);
        self.tail += (HEAD + row.len()) as u64;
        if self.unwritten.len() >= BLOCK {
            self.write()?;
        }
        Ok(())
    }

    /// Appends the row at the head to `text`; there must be one.
    pub(super) fn take(&mut self, text: &mut Vec<u8>) -> io::Result<RowStart> {
        self.write()?;
        if !self.at_head {
            self.file.seek(SeekFrom::Start(self.head))?;
            self.at_head = true;
        }
        let mut numbers = [0_u64; 4];
        for number in &mut numbers {
            let mut bytes = [0; 8];
            self.file.read_exact(&mut bytes)?;
            *number = u64::from_le_bytes(bytes);
        }
        let [length, byte, line, record] = numbers;
        let read = self.file.by_ref().take(length).read_to_end(text)?;
        if read as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.head += HEAD as u64 + length;
        Ok(RowStart { byte, line, record })
    }

    /// Counts the rows before `place` as taken: the caller has them.
    pub(super) fn pass(&mut self, place: u64) {
        self.head = place;
        self.at_head = false;
    }

    /// Goes back to a row. Places given before hold no longer.
    pub(super) fn go_to(&mut self, place: u64) -> io::Result<()> {
        self.pass(place);
        if self.is_at_end() {
            return self.clear();
        }
        if place < GARBAGE || place < self.tail - place {
            return Ok(());
        }
        self.write()?;
        let mut fresh = SpooledTempFile::new(IN_MEMORY);
        self.file.seek(SeekFrom::Start(place))?;
        io::copy(&mut self.file, &mut fresh)?;
        self.file = BufReader::new(fresh);
        self.pass(0);
        self.tail -= place;
        Ok(())
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.unwritten.clear();
        self.pass(0);
        if self.tail > 0 {
            self.tail = 0;
            self.file.seek(SeekFrom::Start(0))?;
            self.file.get_mut().set_len(0)?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let end = self.tail - self.unwritten.len() as u64;
        self.file.seek(SeekFrom::Start(end))?;
        self.file.get_mut().write_all(&self.unwritten)?;
        self.unwritten.clear();
        self.at_head = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(record: u64) -> RowStart {
        RowStart {
            byte: 10 * record,
            line: record + 1,
            record,
        }
    }

    #[test]
    fn rows_come_back_in_order_with_their_places() {
        let mut spool = Spool::new();
        let rows: Vec<Vec<u8>> = (0..5_000).map(|n| vec![b'x'; n % 3_000]).collect();
        let mut places = Vec::new();
        for (record, row) in rows.iter().enumerate() {
            places.push(spool.tail());
            spool.push(row, &start(record as u64)).unwrap();
        }
        let mut text = Vec::new();
        for at in [0, 4_000, 17] {
            spool.go_to(places[at]).unwrap();
            for (record, wanted) in rows.iter().enumerate().skip(at).take(500) {
                let before = text.len();
                assert_eq!(spool.take(&mut text).unwrap(), start(record as u64));
                assert_eq!(text[before..], *wanted);
            }
        }
        spool.push(b"last", &start(9)).unwrap();
        spool.go_to(spool.tail() - 36).unwrap();

        text.clear();
        assert_eq!(spool.take(&mut text).unwrap(), start(9));
        assert_eq!(text, b"last");
        assert!(spool.is_at_end());
    }
}
