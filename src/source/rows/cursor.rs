//! A row as it is written. Its end is a number of its own: a `Vec` reads and writes its
//! length for every piece.

/// Room for the pieces of a row, and how much of it they fill.
pub(super) struct Cursor<'a> {
    room: &'a mut [u8],
    end: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of room for all that will be put.
    pub(super) fn new(room: &'a mut [u8]) -> Self {
        Self { room, end: 0 }
    }

    /// Puts the first `len` of some bytes. All of them are copied: a fixed number takes
    /// no call.
    pub(super) fn put<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        self.room[self.end..][..N].copy_from_slice(bytes);
        self.end += len;
    }

    /// The same between quotes.
    pub(super) fn put_quoted<const N: usize>(&mut self, bytes: &[u8; N], len: usize) {
        let room = &mut self.room[self.end..][..N + 2];
        room[0] = b'"';
        room[1..=N].copy_from_slice(bytes);
        room[1 + len] = b'"';
        self.end += len + 2;
    }

    /// Puts bytes, however many.
    pub(super) fn put_all(&mut self, bytes: &[u8]) {
        self.room[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Appends what was put to `out`, and starts again.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.room[..self.end]);
        self.end = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stand_one_after_another() {
        let mut room = [0; 20];
        let mut cursor = Cursor::new(&mut room);
        let mut out = b"<".to_vec();
        cursor.put(b"abcd", 2);
        cursor.put_quoted(b"efgh", 3);
        cursor.put_all(b"ijk");
        cursor.flush(&mut out);
        cursor.put(b"lmno", 1);
        cursor.flush(&mut out);

        assert_eq!(out, b"<ab\"efg\"ijkl");
    }
}
