//! The listing of a file-index table: one Arrow IPC stream of five columns
//! (contract 10.3), written batch by batch.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};

use super::limits;
use super::records::{FileMap, FileRecord};
use super::routes::file_id;

/// Writes all files to `out`; `name` is the column of their names.
pub(super) fn write(files: &FileMap, name: &str, out: &mut dyn Write) -> io::Result<()> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("file_id", DataType::Utf8, true),
        Field::new(name, DataType::Utf8, true),
        Field::new("size", DataType::Int64, true),
        Field::new("md5_hash", DataType::Utf8, true),
        Field::new(
            "added_at",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        ),
    ]));
    let mut writer = StreamWriter::try_new(out, &schema).map_err(broken)?;
    let mut rest = files.values();
    loop {
        let batch: Vec<&FileRecord> = rest
            .by_ref()
            .take(limits::LISTING_BATCH)
            .map(AsRef::as_ref)
            .collect();
        if batch.is_empty() {
            break;
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(
                batch.iter().map(|file| file_id(file.number)),
            )),
            Arc::new(StringArray::from_iter_values(
                batch.iter().map(|file| &file.name),
            )),
            Arc::new(Int64Array::from_iter_values(
                batch
                    .iter()
                    .map(|file| i64::try_from(file.size).unwrap_or(i64::MAX)),
            )),
            Arc::new(
                batch
                    .iter()
                    .map(|file| file.md5.map(crate::base::Md5Digest::to_base64))
                    .collect::<StringArray>(),
            ),
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(
                    batch.iter().map(|file| file.added.saturating_mul(1000)),
                )
                .with_timezone("UTC"),
            ),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(broken)?;
        writer.write(&batch).map_err(broken)?;
    }
    writer.finish().map_err(broken)
}

fn broken(error: ArrowError) -> io::Error {
    if let ArrowError::IoError(_, source) = error {
        source
    } else {
        io::Error::other(error)
    }
}
