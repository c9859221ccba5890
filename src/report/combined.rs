//! One line for each thing with a symbol that says how the two sides compare, as
//! rclone's `check --combined` has it: sorted, however many there are.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write};

use super::style::clean;
use crate::plan::{Checked, Finding};

/// Bytes of lines in memory.
const RUN: usize = 8 << 20;

/// Takes lines.
#[derive(Debug)]
pub struct Combined {
    run: usize,
    held: usize,
    /// Path and symbol.
    buffer: Vec<(String, char)>,
    runs: Vec<File>,
}

impl Default for Combined {
    fn default() -> Self {
        Self::with_runs_of(RUN)
    }
}

/// `None`: left out on purpose, as what a filter leaves out.
const fn symbol(finding: Finding) -> Option<char> {
    match finding {
        Finding::Matches => Some('='),
        Finding::Missing => Some('+'),
        Finding::Extra => Some('-'),
        Finding::Differs => Some('*'),
        Finding::Unverified | Finding::Refused => Some('!'),
        Finding::Skipped => None,
    }
}

impl Combined {
    fn with_runs_of(run: usize) -> Self {
        Self {
            run,
            held: 0,
            buffer: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes one thing. Tables and variables are no content: they have a line only
    /// where they differ.
    pub fn add(&mut self, one: &Checked) -> io::Result<()> {
        let is_content = !matches!(one.what.as_str(), "table" | "variable");
        let counts = |_: &char| is_content || one.finding == Finding::Differs;
        let Some(symbol) = symbol(one.finding).filter(counts) else {
            return Ok(());
        };
        let name = clean(&one.name);
        // What is not content has the table in its name.
        let path = match &one.table {
            Some(table) if is_content => format!("{}/{name}", clean(table)),
            Some(_) | None => name,
        };
        self.push(path, symbol)
    }

    fn push(&mut self, path: String, symbol: char) -> io::Result<()> {
        self.held += path.len();
        self.buffer.push((path, symbol));
        if self.held >= self.run {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.buffer.sort_unstable();
        self.held = 0;
        let mut out = BufWriter::new(tempfile::tempfile()?);
        for (path, symbol) in self.buffer.drain(..) {
            writeln!(out, "{symbol} {path}")?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// Writes all lines by path.
    pub fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        self.buffer.sort_unstable();
        let mut sources: Vec<Source> = self
            .runs
            .into_iter()
            .map(|file| Source::File(BufReader::new(file)))
            .collect();
        sources.push(Source::Memory(self.buffer.into_iter()));
        let mut heads = Vec::with_capacity(sources.len());
        for source in &mut sources {
            heads.push(source.next()?);
        }
        loop {
            let least = (heads.iter().enumerate())
                .filter_map(|(index, head)| Some((head.as_ref()?, index)))
                .min()
                .map(|(_, index)| index);
            let Some(index) = least else {
                return Ok(());
            };
            let after = sources[index].next()?;
            if let Some((path, symbol)) = std::mem::replace(&mut heads[index], after) {
                writeln!(out, "{symbol} {path}")?;
            }
        }
    }
}

#[derive(Debug)]
enum Source {
    Memory(std::vec::IntoIter<(String, char)>),
    File(BufReader<File>),
}

impl Source {
    fn next(&mut self) -> io::Result<Option<(String, char)>> {
        match self {
            Self::Memory(lines) => Ok(lines.next()),
            Self::File(lines) => {
                let mut line = String::new();
                lines.read_line(&mut line)?;
                let line = line.strip_suffix('\n').unwrap_or(&line);
                let mut chars = line.chars();
                let symbol = chars.next();
                let path = chars.as_str().strip_prefix(' ').unwrap_or_default();
                Ok(symbol.map(|symbol| (path.to_owned(), symbol)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_by_path_wherever_they_were_kept() {
        // In memory alone, spilled after each line, and in between.
        for run in [1 << 20, 1, 7] {
            let mut combined = Combined::with_runs_of(run);
            for (path, symbol) in [
                ("b", '='),
                ("a/ b", '*'),
                ("ä", '!'),
                ("a", '-'),
                ("c", '+'),
            ] {
                combined.push(path.to_owned(), symbol).unwrap();
            }
            let mut out = Vec::new();

            combined.write(&mut out).unwrap();

            assert_eq!(
                String::from_utf8(out).unwrap(),
                "- a\n* a/ b\n= b\n+ c\n! ä\n"
            );
        }
    }
}
