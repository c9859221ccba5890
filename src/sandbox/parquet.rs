//! The end of a Parquet file, just far enough for its number of rows and the
//! names and types of its variables. Thrift's compact form, read with care.

use crate::base::VariableType;
use crate::sandbox::records::Column;

/// What a footer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) rows: u64,
    pub(super) columns: Vec<Column>,
}

/// The length of the footer, from the last 8 bytes of a file.
pub(super) fn footer_length(tail: &[u8]) -> Option<u64> {
    let (length, magic) = tail.split_at_checked(4)?;
    let length: [u8; 4] = length.try_into().ok()?;
    (magic == b"PAR1").then(|| u64::from(u32::from_le_bytes(length)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

const DEPTH: u32 = 24;

/// The type of what ends a struct.
const END: u8 = 0;

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        let half = i64::try_from(value >> 1).ok()?;
        Some(if value & 1 == 0 { half } else { -half - 1 })
    }

    fn binary(&mut self) -> Option<&[u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let end = self.at.checked_add(length)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    /// The next field's number and type; the type is `END` when the struct ends.
    fn field(&mut self, last: &mut i64) -> Option<(i64, u8)> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some((0, END));
        }
        let delta = i64::from(byte >> 4);
        *last = if delta == 0 {
            self.zigzag()?
        } else {
            last.checked_add(delta)?
        };
        Some((*last, byte & 15))
    }

    fn list(&mut self) -> Option<(u64, u8)> {
        let byte = self.byte()?;
        let short = u64::from(byte >> 4);
        let count = if short == 15 { self.varint()? } else { short };
        Some((count, byte & 15))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => {
                // Past the end, a list of so many would never come to an end.
                let end = self.at.checked_add(8)?;
                self.at = (end <= self.bytes.len()).then_some(end)?;
                Some(())
            }
            8 => self.binary().map(drop),
            9 | 10 => {
                let (count, kind) = self.list()?;
                for _ in 0..count {
                    self.skip_element(kind, deeper)?;
                }
                Some(())
            }
            11 => {
                let count = self.varint()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                for _ in 0..count {
                    self.skip_element(kinds >> 4, deeper)?;
                    self.skip_element(kinds & 15, deeper)?;
                }
                Some(())
            }
            12 => {
                let mut last = 0;
                loop {
                    match self.field(&mut last)? {
                        (_, END) => return Some(()),
                        (_, kind) => self.skip(kind, deeper)?,
                    }
                }
            }
            _ => None,
        }
    }

    /// In a list or a map, truth values take a byte.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Option<()> {
        if matches!(kind, 1 | 2) {
            self.byte().map(drop)
        } else {
            self.skip(kind, depth)
        }
    }

    /// Reads one element of the schema; a group is none of our columns.
    fn element(&mut self, columns: &mut Vec<Column>) -> Option<()> {
        let (mut last, mut physical, mut converted, mut name) = (0, None, None, String::new());
        loop {
            match self.field(&mut last)? {
                (_, END) => break,
                (1, 5) => physical = Some(self.zigzag()?),
                (4, 8) => name = String::from_utf8_lossy(self.binary()?).into_owned(),
                (6, 5) => converted = Some(self.zigzag()?),
                (_, kind) => self.skip(kind, DEPTH)?,
            }
        }
        columns.extend(physical.map(|physical| Column {
            name,
            kind: kind_of(physical, converted),
        }));
        Some(())
    }
}

/// Parquet's physical and converted types as the platform's.
fn kind_of(physical: i64, converted: Option<i64>) -> VariableType {
    match (physical, converted) {
        (_, Some(6)) => VariableType::Date,
        (_, Some(7 | 8)) => VariableType::Time,
        (_, Some(9 | 10)) => VariableType::DateTime,
        (0, _) => VariableType::Boolean,
        (1 | 2, _) => VariableType::Integer,
        (4 | 5, _) => VariableType::Float,
        _ => VariableType::String,
    }
}

/// Reads a footer (`FileMetaData`); `None`: it is damaged.
pub(super) fn read_footer(bytes: &[u8]) -> Option<Footer> {
    let mut reader = Reader { bytes, at: 0 };
    let (mut last, mut rows, mut columns) = (0, None, Vec::new());
    while rows.is_none() {
        match reader.field(&mut last)? {
            (_, END) => break,
            (2, 9) => {
                let (count, _) = reader.list()?;
                for _ in 0..count {
                    reader.element(&mut columns)?;
                }
            }
            (3, 6) => rows = Some(reader.zigzag()?),
            (_, kind) => reader.skip(kind, DEPTH)?,
        }
    }
    Some(Footer {
        rows: u64::try_from(rows?).ok()?,
        columns,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 2; a schema of a root and an INT64 `n`; 300 rows.
    const FOOTER: [u8; 28] = [
        0x15, 4, 0x19, 0x2c, 0x48, 6, b's', b'c', b'h', b'e', b'm', b'a', 0x15, 2, 0, 0x15, 4,
        0x25, 2, 0x18, 1, b'n', 0, 0x16, 0xd8, 4, 0, 0,
    ];

    #[test]
    fn rows_and_variables_are_read_from_the_footer() {
        assert_eq!(
            read_footer(&FOOTER),
            Some(Footer {
                rows: 300,
                columns: vec![Column {
                    name: "n".into(),
                    kind: VariableType::Integer
                }]
            })
        );
    }

    #[test]
    fn a_list_of_more_doubles_than_there_are_bytes_is_given_up_at_once() {
        // Field 1: a list of 2^63 doubles; then a field whose number is too large.
        let many = [
            0x19, 0xf7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
        ];
        assert!(read_footer(&many).is_none());
        let large = [
            0x05, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 2, 0x15,
        ];
        assert!(read_footer(&large).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_footer_reader_panic(bytes: Vec<u8>) {
            drop(read_footer(&bytes));
        }
    }

    #[test]
    fn a_damaged_footer_is_no_footer() {
        for end in 0..FOOTER.len() - 3 {
            assert_eq!(read_footer(&FOOTER[..end]), None, "{end}");
        }
        assert_eq!(read_footer(&[0xff; 64]), None);
        // A map that claims very many truth values.
        let map = [0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x11, 1, 1];
        assert_eq!(read_footer(&map), None);
        assert_eq!(footer_length(b"\x10\0\0\0PAR1"), Some(16));
        assert_eq!(footer_length(b"\x10\0\0\0nope"), None);
    }
}
