//! Sources in a temporary folder, and short ways to read them.

use std::fs;
use std::path::Path;

use crate::base::{CancelToken, Fingerprint, SourceKey, VariableMetadata, VariableType};
use crate::manifest::{
    Convert, CsvDialect, ExtraColumns, MissingColumns, RowFormat, ValueFrom, Variable,
};
use crate::source::SourceError;
use crate::source::resolve::RowInput;
use crate::source::rows::{Mapping, Reading, Reject, RowReader, RowStart};

/// A source on disk with its schema.
pub(crate) struct Fixture {
    /// Kept, since dropping it deletes the source.
    pub(crate) _folder: tempfile::TempDir,
    pub(crate) input: RowInput,
    pub(crate) format: RowFormat,
    pub(crate) schema: Vec<Variable>,
    pub(crate) extra: ExtraColumns,
    pub(crate) missing: MissingColumns,
}

/// What reading a source gave.
#[derive(Debug)]
pub(crate) struct ReadBack {
    pub(crate) rows: Vec<String>,
    pub(crate) starts: Vec<RowStart>,
    pub(crate) rejects: Vec<Reject>,
}

impl Fixture {
    pub(crate) fn new(name: &str, bytes: impl AsRef<[u8]>, format: RowFormat) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let fingerprint = Fingerprint::of(&fs::metadata(&path).unwrap());
        Self {
            _folder: folder,
            input: RowInput {
                path,
                shown: name.to_owned(),
                fingerprint,
                entry: 0,
                key: SourceKey::source(name),
            },
            format,
            schema: Vec::new(),
            extra: ExtraColumns::Fail,
            missing: MissingColumns::Fail,
        }
    }

    pub(crate) fn csv(text: impl AsRef<[u8]>) -> Self {
        Self::new("a.csv", text, RowFormat::Csv(CsvDialect::default()))
    }

    pub(crate) fn ndjson(text: impl AsRef<[u8]>) -> Self {
        Self::new("a.ndjson", text, RowFormat::Ndjson)
    }

    pub(crate) fn json(text: impl AsRef<[u8]>) -> Self {
        Self::new("a.json", text, RowFormat::Json)
    }

    pub(crate) fn dialect(mut self, change: impl FnOnce(&mut CsvDialect)) -> Self {
        if let RowFormat::Csv(dialect) = &mut self.format {
            change(dialect);
        }
        self
    }

    pub(crate) fn variable(mut self, name: &str, kind: VariableType) -> Self {
        self.schema.push(variable(name, kind));
        self
    }

    pub(crate) fn strings(mut self, names: &[&str]) -> Self {
        for name in names {
            self = self.variable(name, VariableType::String);
        }
        self
    }

    /// Changes the variable added last.
    pub(crate) fn that(mut self, change: impl FnOnce(&mut Variable)) -> Self {
        change(self.schema.last_mut().unwrap());
        self
    }

    pub(crate) fn drop_extra(mut self) -> Self {
        self.extra = ExtraColumns::Drop;
        self
    }

    pub(crate) fn null_missing(mut self) -> Self {
        self.missing = MissingColumns::Null;
        self
    }

    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading {
            input: &self.input,
            format: &self.format,
            mapping: Mapping {
                schema: &self.schema,
                extra_columns: self.extra,
                missing_columns: self.missing,
            },
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.input.path
    }

    pub(crate) fn read(&self) -> Result<ReadBack, SourceError> {
        let reader = RowReader::open(self.reading(), &CancelToken::new())?;
        drain(reader)
    }

    /// The rows of a source that is good throughout.
    pub(crate) fn rows(&self) -> Vec<String> {
        let read = self.read().unwrap();
        assert_eq!(read.rejects, []);
        read.rows
    }

    pub(crate) fn error(&self) -> SourceError {
        self.read().unwrap_err()
    }
}

pub(crate) fn drain(mut reader: RowReader) -> Result<ReadBack, SourceError> {
    let mut read = ReadBack {
        rows: Vec::new(),
        starts: Vec::new(),
        rejects: Vec::new(),
    };
    let mut row = Vec::new();
    while let Some(start) = reader.next_encoded(&mut row, &mut |one| read.rejects.push(one))? {
        read.rows.push(String::from_utf8(row.clone()).unwrap());
        read.starts.push(start);
        row.clear();
    }
    Ok(read)
}

pub(crate) fn variable(name: &str, kind: VariableType) -> Variable {
    Variable {
        name: name.to_owned(),
        kind,
        from: ValueFrom::Column(name.to_owned()),
        convert: Convert::default(),
        required: false,
        metadata: VariableMetadata::default(),
    }
}

/// One text from many, as `map` and `collect` would make it.
pub(crate) fn lines(count: usize, mut line: impl FnMut(usize) -> String) -> String {
    let mut text = String::new();
    for index in 0..count {
        text.push_str(&line(index));
    }
    text
}
