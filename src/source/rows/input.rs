//! A source as a stream of UTF-8 text: decompressed by its ending, decoded from
//! its encoding, without a byte order mark. It looks at the cancel token at each
//! block and at the fingerprint at both ends.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use encoding_rs::{Decoder, DecoderResult, Encoding};

use crate::base::{CancelToken, Fingerprint};
use crate::manifest::TextEncoding;
use crate::source::SourceError;

/// Bytes asked for at a time.
pub(super) const BLOCK: usize = 256 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The stream.
pub(super) struct Text {
    bytes: Bytes,
    /// Bytes that were read to look for a byte order mark and are none.
    peeked: Vec<u8>,
    path: PathBuf,
    shown: String,
    opened: Fingerprint,
    /// Where the text starts: after a byte order mark.
    start: u64,
    cancel: CancelToken,
}

enum Bytes {
    /// As it lies on the disk: positions in the text are positions in the file.
    Plain(File),
    /// Decompressed or decoded: it can only be read forwards.
    Coded(Box<dyn Read + Send>),
}

impl Text {
    /// Opens a source at its start.
    pub(super) fn open(
        path: &Path,
        shown: &str,
        encoding: &TextEncoding,
        cancel: &CancelToken,
    ) -> Result<Self, SourceError> {
        let fail = |operation, error| SourceError::io(shown, operation, error);
        let file = File::open(path).map_err(|error| fail("open", error))?;
        let metadata = file.metadata().map_err(|error| fail("look at", error))?;
        if metadata.is_dir() {
            return Err(fail("open", io::ErrorKind::IsADirectory.into()));
        }
        let opened = Fingerprint::of(&metadata);
        let mut bytes = match Compression::of(path) {
            Compression::None => Bytes::Plain(file),
            Compression::Gzip => Bytes::Coded(Box::new(flate2::bufread::MultiGzDecoder::new(
                BufReader::with_capacity(BLOCK, file),
            ))),
            Compression::Zstd => {
                let decoder =
                    zstd::Decoder::new(file).map_err(|error| fail("decompress", error))?;
                Bytes::Coded(Box::new(decoder))
            }
        };
        if let TextEncoding::Other(name) = encoding {
            let encoding =
                Encoding::for_label(name.as_bytes()).ok_or_else(|| SourceError::Encoding {
                    path: shown.to_owned(),
                    encoding: name.clone(),
                    why: "the encoding is not known".to_owned(),
                })?;
            bytes = Bytes::Coded(Box::new(Decoded::new(bytes, encoding, shown)));
        }
        let mut text = Self {
            bytes,
            peeked: Vec::new(),
            path: path.to_owned(),
            shown: shown.to_owned(),
            opened,
            start: 0,
            cancel: cancel.clone(),
        };
        // A decoder removes its own mark.
        if *encoding == TextEncoding::Utf8 {
            text.pass_over_mark()?;
        }
        Ok(text)
    }

    /// Fills the front of `buffer`; 0 is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.cancel.is_cancelled() {
            return Err(SourceError::Cancelled);
        }
        if !self.peeked.is_empty() {
            let taken = self.peeked.len().min(buffer.len());
            buffer[..taken].copy_from_slice(&self.peeked[..taken]);
            self.peeked.drain(..taken);
            return Ok(taken);
        }
        loop {
            match self.bytes.read(buffer) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(SourceError::io(&self.shown, self.bytes.verb(), error)),
            }
        }
    }

    /// Goes to a byte of the text. `false`: this source can only be read
    /// forwards.
    pub(super) fn seek(&mut self, byte: u64) -> Result<bool, SourceError> {
        let Bytes::Plain(file) = &mut self.bytes else {
            return Ok(false);
        };
        file.seek(SeekFrom::Start(byte))
            .map_err(|error| SourceError::io(&self.shown, "read", error))?;
        self.peeked.clear();
        Ok(true)
    }

    /// Whether [`Text::seek`] works.
    pub(super) fn can_seek(&self) -> bool {
        matches!(self.bytes, Bytes::Plain(_))
    }

    /// The position of the text's first byte.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// The path to show.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// What the file was when it was opened.
    pub(super) fn opened(&self) -> Fingerprint {
        self.opened
    }

    /// Whether the path still leads to the file as it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), SourceError> {
        let metadata = std::fs::metadata(&self.path)
            .map_err(|error| SourceError::io(&self.shown, "look at", error))?;
        if Fingerprint::of(&metadata) == self.opened {
            Ok(())
        } else {
            Err(SourceError::Changed {
                path: self.shown.clone(),
            })
        }
    }

    fn pass_over_mark(&mut self) -> Result<(), SourceError> {
        let mut head = [0; BOM.len()];
        let mut filled = 0;
        while filled < head.len() {
            match self.read(&mut head[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        let head = &head[..filled];
        for (mark, name) in [(&[0xff, 0xfe], "utf-16le"), (&[0xfe, 0xff], "utf-16be")] {
            if head.starts_with(mark) {
                return Err(SourceError::Encoding {
                    path: self.shown.clone(),
                    encoding: "utf-8".to_owned(),
                    why: format!("it starts with the mark of `{name}`; state `encoding: {name}`"),
                });
            }
        }
        if head == BOM {
            self.start = BOM.len() as u64;
        } else if !self.seek(0)? {
            self.peeked = head.to_vec();
        }
        Ok(())
    }
}

impl Bytes {
    fn verb(&self) -> &'static str {
        match self {
            Self::Plain(_) => "read",
            Self::Coded(_) => "decompress",
        }
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Coded(inner) => inner.read(buffer),
        }
    }
}

/// Whether [`Text::seek`] works on a source.
pub(super) fn is_plain(path: &Path, encoding: &TextEncoding) -> bool {
    Compression::of(path) == Compression::None && *encoding == TextEncoding::Utf8
}

/// How a file is compressed, by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(path: &Path) -> Self {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        if ending == "gz" || ending == "gzip" {
            Self::Gzip
        } else if ending == "zst" || ending == "zstd" {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

/// Turns another encoding into UTF-8; bytes that the encoding lacks are errors.
struct Decoded {
    inner: Bytes,
    decoder: Decoder,
    encoding: &'static Encoding,
    shown: String,
    raw: Vec<u8>,
    taken: usize,
    filled: usize,
    ended: bool,
    /// Bytes of the file before `raw`.
    before: u64,
}

impl Decoded {
    fn new(inner: Bytes, encoding: &'static Encoding, shown: &str) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            encoding,
            shown: shown.to_owned(),
            raw: vec![0; BLOCK],
            taken: 0,
            filled: 0,
            ended: false,
            before: 0,
        }
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The decoder wants room for one character at least.
        debug_assert!(buffer.len() >= BOM.len());
        loop {
            if self.taken == self.filled && !self.ended {
                self.before += self.filled as u64;
                self.filled = self.inner.read(&mut self.raw)?;
                self.taken = 0;
                self.ended = self.filled == 0;
            }
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                &self.raw[self.taken..self.filled],
                buffer,
                self.ended,
            );
            self.taken += read;
            match result {
                DecoderResult::Malformed(length, _) => {
                    let at = self.before + self.taken as u64 - u64::from(length);
                    return Err(io::Error::other(SourceError::Encoding {
                        path: self.shown.clone(),
                        encoding: self.encoding.name().to_ascii_lowercase(),
                        why: format!("the bytes at offset {at} are not in it"),
                    }));
                }
                DecoderResult::InputEmpty if written == 0 && !self.ended => {}
                DecoderResult::InputEmpty | DecoderResult::OutputFull => return Ok(written),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_plain_exactly_where_it_can_be_sought() {
        let folder = tempfile::tempdir().unwrap();
        let latin1 = TextEncoding::Other("latin1".to_owned());
        let mut sought = Vec::new();
        for name in ["a.csv", "a.csv.gz", "a.GZ", "a.csv.zst", "gz"] {
            let path = folder.path().join(name);
            std::fs::write(&path, "a\n1\n").unwrap();
            for encoding in [&TextEncoding::Utf8, &latin1] {
                let text = Text::open(&path, name, encoding, &CancelToken::new()).ok();
                // What only looks compressed breaks off where its mark is looked for.
                let can_seek = text.is_some_and(|mut text| text.seek(2).unwrap());
                assert_eq!(can_seek, is_plain(&path, encoding), "{name} {encoding:?}");
                sought.extend(can_seek.then_some(name));
            }
        }
        assert_eq!(sought, ["a.csv", "gz"]);
    }
}
