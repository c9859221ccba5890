//! Inserting rows into a stream upload (docs: rest-api/uploads/insertRows;
//! contract 7). The body is checked and written as it comes; rows count when the
//! call has succeeded, all of them or none.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, PoisonError};

use serde_json::json;

use super::{Exchange, Handled, uploads, versions};
use crate::sandbox::answer::{Answer, Refusal};
use crate::sandbox::count::count_rows;
use crate::sandbox::faults::Fault;
use crate::sandbox::limits;
use crate::sandbox::records::{Effect, Rows, TableKey, UploadRecord};
use crate::sandbox::rowcheck::RowSchema;
use crate::sandbox::scan::{ScanError, Scanner};
use crate::sandbox::store::rows_file;

/// Collects rows and writes them behind what is there already.
struct Sink<'a> {
    file: std::fs::File,
    at: u64,
    pending: Vec<u8>,
    count: u64,
    schema: &'a mut RowSchema,
    rounds: bool,
    refused: Option<&'a str>,
}

enum RowError {
    Scan(ScanError),
    Bad(String),
}

impl From<ScanError> for RowError {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl Sink<'_> {
    fn row(&mut self, row: &[u8]) -> Result<(), RowError> {
        self.schema
            .check(row)
            .map_err(|why| RowError::Bad(format!("Row {}: {why}", self.count)))?;
        if let Some(text) = self.refused
            && memchr::memmem::find(row, text.as_bytes()).is_some()
        {
            let why = format!("Row {}: `{text}` is not allowed", self.count);
            return Err(RowError::Bad(why));
        }
        if self.rounds {
            push_rounded(row, &mut self.pending);
        } else {
            // Line breaks can only stand between tokens.
            let kept = row.iter().filter(|byte| !matches!(byte, b'\n' | b'\r'));
            self.pending.extend(kept);
        }
        self.pending.push(b'\n');
        self.count += 1;
        if self.pending.len() >= limits::BODY_BUFFER {
            self.flush().map_err(ScanError::from)?;
        }
        Ok(())
    }

    /// Changes the first byte of the row that begins there.
    fn rot(&self, at: u64) -> io::Result<()> {
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, at)?;
        self.file.write_all_at(&[byte[0] ^ 1], at)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.pending, self.at)?;
        self.at += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

/// Copies a row with its long whole numbers as a double would keep them.
fn push_rounded(row: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < row.len() {
        let rest = &row[at..];
        let length = match rest[0] {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => {
                let number = rest
                    .iter()
                    .position(|c| !matches!(c, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
                    .unwrap_or(rest.len());
                let text = std::str::from_utf8(&rest[..number]).unwrap_or_default();
                if number > 15
                    && text.parse::<i64>().is_ok()
                    && let Ok(rounded) = text.parse::<f64>()
                {
                    out.extend_from_slice(format!("{rounded:.0}").as_bytes());
                    at += number;
                    continue;
                }
                number
            }
            b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            _ => 1,
        };
        out.extend_from_slice(&rest[..length]);
        at += length;
    }
}

/// The length of the string that a checked text begins with.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// `{"rows": [...]}`; other keys are read over (contract D12).
fn envelope(scanner: &mut Scanner<impl io::Read>, sink: &mut Sink<'_>) -> Result<bool, RowError> {
    let mut found = false;
    scanner.expect(b'{')?;
    if scanner.take(b'}')? {
        return Ok(false);
    }
    loop {
        let key: Result<String, _> = serde_json::from_slice(scanner.value()?);
        let key = key.map_err(|error| RowError::Bad(error.to_string()))?;
        scanner.expect(b':')?;
        if key == "rows" && scanner.peek()? == Some(b'[') {
            found = true;
            scanner.array(|row| sink.row(row))?;
        } else if key == "rows" {
            return Err(RowError::Bad("`rows` must be an array".to_owned()));
        } else {
            let value: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(scanner.value()?);
            value.map_err(|error| RowError::Bad(error.to_string()))?;
        }
        if scanner.take(b'}')? {
            scanner.end()?;
            return Ok(found);
        }
        scanner.expect(b',')?;
    }
}

fn refusal(error: RowError) -> Refusal {
    match error {
        RowError::Bad(why) => Refusal::invalid(why),
        RowError::Scan(ScanError::Io(error)) => Refusal::Gone(error),
        RowError::Scan(ScanError::Syntax(why)) => {
            Refusal::invalid(format!("The body is not valid JSON: {why}"))
        }
        RowError::Scan(ScanError::TooLong) => Refusal::too_large("The body is larger than 100 MB"),
    }
}

/// Whether an envelope with so many rows is one to keep.
fn whole(read: Result<bool, RowError>, count: u64) -> Result<(), Refusal> {
    match read {
        Ok(true) if count > 0 => Ok(()),
        Ok(true) => Err(Refusal::invalid("`rows` is empty")),
        Ok(false) => Err(Refusal::invalid("Missing required parameter: rows")),
        Err(error) => Err(refusal(error)),
    }
}

/// Takes the rows' number and forgets the rows.
fn count_only(x: &mut Exchange<'_, '_>, key: TableKey, before: UploadRecord) -> Handled {
    let count = count_rows(&mut *x.body).map_err(Refusal::Gone)?;
    let store = &x.shared.store;
    let mut record = before;
    record.rows.count += count;
    record.updated = x.now();
    let mut catalog = store.catalog();
    store.commit(&mut catalog, Effect::Upload(record))?;
    versions::mark_changed(store, &mut catalog, key, false)?;
    Ok(Answer::json(
        201,
        &json!({ "kind": "insertRowsResponse", "rowsAdded": count }),
    ))
}

pub(super) fn insert(x: &mut Exchange<'_, '_>) -> Handled {
    x.check_cap()?;
    let store = &x.shared.store;
    let (key, id, inserting) = {
        let mut catalog = store.catalog();
        let key = x.draft_table(&catalog)?;
        let (owner, id) = uploads::locate(x, &mut catalog, key)?;
        if owner != key {
            return Err(uploads::locked(x));
        }
        let entry = catalog
            .table(key)
            .and_then(|table| table.uploads.get(&id))
            .ok_or_else(|| Refusal::not_found(x.segment(3)))?;
        if !entry.record.is_stream() {
            return Err(Refusal::invalid(
                "Rows can only be inserted into uploads of type stream",
            ));
        }
        (key, id, Arc::clone(&entry.inserting))
    };
    let _inserting = inserting.lock().unwrap_or_else(PoisonError::into_inner);
    let segment = x.segment(3).to_owned();
    let gone = || Refusal::not_found(&segment);
    let before = {
        let catalog = store.catalog();
        let entry = catalog.table(key).and_then(|table| table.uploads.get(&id));
        entry.ok_or_else(gone)?.record.clone()
    };
    if x.shared.keeps_no_content {
        return count_only(x, key, before);
    }
    let mut schema = RowSchema::new(&before.schema);
    let mut sink = Sink {
        file: store.rows.create(&rows_file(id))?,
        at: before.rows.bytes,
        pending: Vec::new(),
        count: 0,
        schema: &mut schema,
        rounds: store.behaviour.integers_through_double,
        refused: store.behaviour.refuses_rows_with.as_deref(),
    };
    let read = envelope(&mut Scanner::new(&mut *x.body, limits::MAX_BODY), &mut sink);
    let read = whole(read, sink.count);
    let keeps = match &read {
        Ok(()) => true,
        Err(Refusal::Api { status: 400, .. }) => store.behaviour.partial_inserts && sink.count > 0,
        Err(_) => false,
    };
    if !keeps {
        return read.map(|()| Answer::empty(500));
    }
    sink.flush()?;
    sink.file.set_len(sink.at)?;
    if matches!(x.fault, Some(Fault::BitRot)) {
        sink.rot(before.rows.bytes)?;
    }
    let (end, count) = (sink.at, sink.count);
    let mut catalog = store.catalog();
    let table = catalog.table_mut(key).ok_or_else(gone)?;
    let entry = table.uploads.get_mut(&id).ok_or_else(gone)?;
    let mut record = entry.record.clone();
    record.schema = schema.columns();
    record.rows = Rows {
        bytes: end,
        count: record.rows.count + count,
    };
    record.size = end;
    record.updated = x.now();
    entry.hide_rows(
        count,
        match x.fault {
            Some(Fault::LagNumRows { reads }) => *reads,
            _ => store.behaviour.num_rows_lag,
        },
    );
    store.commit(&mut catalog, Effect::Upload(record))?;
    versions::mark_changed(store, &mut catalog, key, false)?;
    drop(catalog);
    read?;
    let told = match x.fault {
        Some(Fault::WrongCount) => count.saturating_sub(1),
        Some(_) | None => count,
    };
    Ok(Answer::json(
        201,
        &json!({ "kind": "insertRowsResponse", "rowsAdded": told }),
    ))
}
