//! Writing the result to stdout. A reader that went away (`plan | head`) ends
//! the writing quietly: it is not an error, and what the command did counts.

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Write};

/// Stdout could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the result to stdout")]
pub struct OutputError {
    source: io::Error,
}

/// Where the result goes.
pub struct Output<W: Write> {
    writer: BufWriter<W>,
    is_closed: bool,
}

impl<W: Write> fmt::Debug for Output<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

/// The process's stdout.
pub fn stdout() -> Output<io::Stdout> {
    Output::new(io::stdout())
}

impl<W: Write> Output<W> {
    /// To any writer.
    pub fn new(writer: W) -> Self {
        Self {
            writer: BufWriter::new(writer),
            is_closed: false,
        }
    }

    /// Whether nobody reads any more, so that there is no point in going on.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes a line.
    pub fn line(&mut self, text: &str) -> Result<(), OutputError> {
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.attempt(|writer| writer.write_all(bytes))
    }

    /// Makes sure that all is written. Call it before stderr's last word and at
    /// the end: what a drop cannot write is lost without a word.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.attempt(Write::flush)
    }

    fn attempt(
        &mut self,
        act: impl FnOnce(&mut BufWriter<W>) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        if self.is_closed {
            return Ok(());
        }
        match act(&mut self.writer) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(())
            }
            Err(source) => Err(OutputError { source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written() {
        let mut written = Vec::new();
        let mut output = Output::new(&mut written);
        output.line("a").unwrap();
        output.line("b").unwrap();
        output.flush().unwrap();
        drop(output);

        assert_eq!(written, b"a\nb\n");
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let mut output = Output::new(Failing(ErrorKind::BrokenPipe));

        output.line("a").unwrap();
        output.flush().unwrap();

        assert!(output.is_closed());
        output.line("b").unwrap();
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut output = Output::new(Failing(ErrorKind::StorageFull));
        output.line("a").unwrap();

        let error = output.flush().unwrap_err();

        assert_eq!(error.to_string(), "cannot write the result to stdout");
        assert!(!output.is_closed());
    }
}
