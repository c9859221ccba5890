//! Receipts in order, whatever order they come in and however many: sorted runs
//! in temporary files, merged when they are read.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, Write as _};

use crate::plan::Receipt;

/// Receipts held in memory: some 20 MB.
const RUN: usize = 40_000;

/// Takes receipts.
#[derive(Debug)]
pub struct ReceiptSorter {
    run: usize,
    buffer: Vec<Receipt>,
    runs: Vec<File>,
}

impl Default for ReceiptSorter {
    fn default() -> Self {
        Self::with_runs_of(RUN)
    }
}

impl ReceiptSorter {
    pub(super) fn with_runs_of(run: usize) -> Self {
        Self {
            run,
            buffer: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes one.
    pub fn push(&mut self, receipt: Receipt) -> io::Result<()> {
        self.buffer.push(receipt);
        if self.buffer.len() >= self.run {
            self.spill()?;
        }
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.buffer.sort_by(|a, b| a.key().cmp(&b.key()));
        let mut out = BufWriter::new(tempfile::tempfile()?);
        for receipt in self.buffer.drain(..) {
            serde_json::to_writer(&mut out, &receipt)?;
            out.write_all(b"\n")?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// All of them, in order; of those with one key only one.
    pub(super) fn finish(mut self) -> io::Result<SortedReceipts> {
        self.buffer.sort_by(|a, b| a.key().cmp(&b.key()));
        let mut sources = vec![Source::Memory(std::mem::take(&mut self.buffer).into_iter())];
        let files = self.runs.into_iter();
        sources.extend(files.map(|file| Source::File(BufReader::new(file))));
        let mut sorted = SortedReceipts {
            heads: Vec::with_capacity(sources.len()),
            sources,
        };
        for index in 0..sorted.sources.len() {
            let head = sorted.sources[index].next()?;
            sorted.heads.push(head);
        }
        Ok(sorted)
    }
}

#[derive(Debug)]
enum Source {
    Memory(std::vec::IntoIter<Receipt>),
    File(BufReader<File>),
}

impl Source {
    fn next(&mut self) -> io::Result<Option<Receipt>> {
        match self {
            Self::Memory(receipts) => Ok(receipts.next()),
            Self::File(lines) => {
                let mut line = String::new();
                if lines.read_line(&mut line)? == 0 {
                    return Ok(None);
                }
                Ok(Some(serde_json::from_str(&line)?))
            }
        }
    }
}

/// Sorted receipts, one after the other.
#[derive(Debug)]
pub(super) struct SortedReceipts {
    sources: Vec<Source>,
    heads: Vec<Option<Receipt>>,
}

impl SortedReceipts {
    /// The next one.
    pub(super) fn next(&mut self) -> io::Result<Option<Receipt>> {
        let Some(first) = self.take_first()? else {
            return Ok(None);
        };
        loop {
            let is_same = |head: &Option<Receipt>| {
                head.as_ref().is_some_and(|head| head.key() == first.key())
            };
            match self.heads.iter().position(is_same) {
                Some(index) => self.heads[index] = self.sources[index].next()?,
                None => return Ok(Some(first)),
            }
        }
    }

    fn take_first(&mut self) -> io::Result<Option<Receipt>> {
        let heads = self.heads.iter().enumerate();
        let least = heads
            .filter_map(|(index, head)| Some((head.as_ref()?.key(), index)))
            .min()
            .map(|(_, index)| index);
        let Some(index) = least else {
            return Ok(None);
        };
        let after = self.sources[index].next()?;
        Ok(std::mem::replace(&mut self.heads[index], after))
    }
}
