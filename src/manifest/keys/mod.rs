//! Every key of a manifest, as data: its form, its default and its meaning. The
//! check, the JSON Schema and the tables in `docs/manifest.md` all come from
//! these tables, so they cannot disagree.

mod forms;
mod jobs;
mod schema;
mod top;

pub(super) use forms::{Form, Key, NAME, Section, TEXT};
pub(super) use jobs::{EXPECT, FILES_ENTRY, JOB, REJECTS, ROWS_ENTRY, UPLOADS_ENTRY};
pub(super) use schema::{SCHEMA_FILE, TABLE_VARIABLE, VARIABLE};
pub(super) use top::{MANIFEST, PREPARE, RELEASE, TABLE};

use forms::{key, must};

/// Every section, for the documentation and the tests.
pub(super) static ALL: [&Section; 13] = [
    &MANIFEST,
    &PREPARE,
    &RELEASE,
    &TABLE,
    &TABLE_VARIABLE,
    &JOB,
    &EXPECT,
    &FILES_ENTRY,
    &ROWS_ENTRY,
    &REJECTS,
    &VARIABLE,
    &SCHEMA_FILE,
    &UPLOADS_ENTRY,
];
