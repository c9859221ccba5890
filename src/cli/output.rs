//! Writing the result to stdout. A reader that went away (`plan | head`) ends
//! the writing quietly: it is not an error, and what the command did counts.

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Write};

use super::exit::ExitCode;
use super::failure::Failure;

/// Where the result goes. As a writer it fails like any other, so that a long
/// text stops when nobody reads it; [`Self::finish`] tells apart why.
pub struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}

impl Output {
    /// The process's stdout.
    pub fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// Any writer.
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self {
            writer: BufWriter::new(Box::new(writer)),
        }
    }

    /// Makes sure that all is written; `written` is how the writing went so far.
    /// What a drop cannot write is lost without a word, so call this.
    pub fn finish(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        match written.and_then(|()| self.writer.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(error) => {
                let message = "cannot write the result to stdout";
                let failure = Failure::new(ExitCode::LocalIo, "output/write", message);
                Err(failure.because(Some(&error)))
            }
        }
    }

    /// Writes one line, and all before it.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        let written = writeln!(self, "{text}");
        self.finish(written)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_finished_is_written() {
        let shared = Shared::default();
        let mut output = Output::to(shared.clone());
        let written = output.write_all(b"a\n");
        output.finish(written).unwrap();
        output.line("b").unwrap();

        assert_eq!(*shared.0.lock().unwrap(), b"a\nb\n");
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let mut output = Output::to(Failing(ErrorKind::BrokenPipe));

        output.line("a").unwrap();
        let written = output.write_all(&vec![b'x'; 100_000]);

        assert!(written.is_err(), "a long text stops");
        output.finish(written).unwrap();
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let mut output = Output::to(Failing(ErrorKind::StorageFull));

        let failure = output.line("a").unwrap_err();

        assert_eq!(failure.exit, ExitCode::LocalIo);
        assert_eq!(failure.message, "cannot write the result to stdout");
        assert_eq!(failure.causes.len(), 1);
    }
}
