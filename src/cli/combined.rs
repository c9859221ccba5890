//! `--combined FILE|-`: what a command found, a line for each thing, in a file or as
//! the result on stdout.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::args::Format;
use super::failure::Failure;
use super::files::{Readers, Wanted, write_file};
use super::output::Output;
use crate::plan::Checked;
use crate::report::Combined;

/// Where the lines go, and those taken so far.
#[derive(Debug)]
pub struct CombinedList {
    path: PathBuf,
    taken: Mutex<io::Result<Combined>>,
}

impl CombinedList {
    /// `None`: nobody asked.
    pub fn of(path: Option<&Path>, format: Format) -> Result<Option<Self>, Failure> {
        let Some(path) = path else {
            return Ok(None);
        };
        let list = Self {
            path: path.to_path_buf(),
            taken: Mutex::new(Ok(Combined::default())),
        };
        if list.is_stdout() && format != Format::Text {
            return Err(Failure::usage(
                "`--combined -` and `--format` both take stdout: give `--combined` a file",
            ));
        }
        Ok(Some(list))
    }

    /// The file that it goes to.
    pub fn wanted(&self) -> Option<Wanted<'_>> {
        (!self.is_stdout()).then(|| Wanted::whole("--combined", &self.path))
    }

    /// The list is the result: nothing else goes to stdout.
    pub fn is_stdout(&self) -> bool {
        self.path == Path::new("-")
    }

    /// Takes one thing.
    pub fn add(&self, one: &Checked) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let added = match taken.as_mut() {
            Ok(combined) => combined.add(one),
            // Told at the end.
            Err(_) => return,
        };
        if let Err(error) = added {
            *taken = Err(error);
        }
    }

    /// Writes all of it.
    pub fn finish(self) -> Result<(), Failure> {
        let is_stdout = self.is_stdout();
        let taken = self.taken.into_inner();
        let combined = taken
            .unwrap_or_else(PoisonError::into_inner)
            .map_err(|error| Failure::local_io("cannot sort the list of `--combined`", &error))?;
        if is_stdout {
            let mut out = Output::stdout();
            let written = combined.write(&mut out);
            return out.finish(written);
        }
        write_file(&self.path, Readers::Owner, |out| combined.write(out))
    }
}
