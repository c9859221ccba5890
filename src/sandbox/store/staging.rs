//! What waits to be used: temp uploads and resumable sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex};

use crate::base::digest::Md5Hasher;
use crate::sandbox::bodies::Bodies;
use crate::sandbox::records::{
    DatasetId, Effect, SessionRecord, SessionState, TableId, TempRecord,
};

#[derive(Debug)]
pub(in crate::sandbox) struct SessionEntry {
    pub(in crate::sandbox) record: SessionRecord,
    pub(in crate::sandbox) live: Arc<Mutex<Live>>,
}

/// The bytes of an open session. Opened on first use, so that a restart finds
/// what the file holds.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Live {
    open: Option<Open>,
}

#[derive(Debug)]
pub(in crate::sandbox) struct Open {
    pub(in crate::sandbox) file: File,
    /// Bytes that are kept.
    pub(in crate::sandbox) kept: u64,
    pub(in crate::sandbox) hasher: Md5Hasher,
}

impl Live {
    /// The session's file, opened.
    pub(in crate::sandbox) fn open(
        &mut self,
        bodies: &Bodies,
        name: &str,
    ) -> io::Result<&mut Open> {
        if self.open.is_none() {
            let kept = bodies.length(name);
            self.open = Some(Open {
                file: bodies.create(name)?,
                kept,
                hasher: bodies.digest(name, kept)?,
            });
        }
        self.open
            .as_mut()
            .ok_or_else(|| io::Error::other("the session is not open"))
    }
}

/// The name of a session's file of bytes.
pub(in crate::sandbox) fn session_file(id: &str) -> String {
    format!("session-{id}")
}

/// Temp uploads and sessions by their ids.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Staging {
    pub(in crate::sandbox) temps: BTreeMap<String, TempRecord>,
    pub(in crate::sandbox) sessions: BTreeMap<String, SessionEntry>,
    names: BTreeSet<(DatasetId, TableId, String)>,
}

impl Staging {
    /// Whether an open temp upload of the table has this name.
    pub(in crate::sandbox) fn has_name(
        &self,
        dataset: DatasetId,
        table: TableId,
        name: &str,
    ) -> bool {
        self.names.contains(&(dataset, table, name.to_owned()))
    }

    pub(in crate::sandbox) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Temps(records) => {
                for record in records {
                    self.names
                        .insert((record.dataset, record.table, record.name.clone()));
                    self.temps.insert(record.id.clone(), record);
                }
            }
            Effect::DropTemps(ids) => self.drop_temps(&ids),
            Effect::Session(record) => {
                let live = match self.sessions.remove(&record.id) {
                    Some(entry) if record.state == SessionState::Open => entry.live,
                    Some(_) | None => Arc::default(),
                };
                self.sessions
                    .insert(record.id.clone(), SessionEntry { record, live });
            }
            Effect::DropSession(id) => drop(self.sessions.remove(&id)),
            Effect::Dataset(_)
            | Effect::DropDataset(_)
            | Effect::Version(_)
            | Effect::DropVersion(..)
            | Effect::Table(_)
            | Effect::InheritFiles(_)
            | Effect::DropTable(_)
            | Effect::Upload(_)
            | Effect::DropUpload(..)
            | Effect::Files { .. } => {}
        }
    }

    /// Forgets temp uploads; answers them.
    pub(in crate::sandbox) fn drop_temps(&mut self, ids: &[String]) {
        for id in ids {
            if let Some(record) = self.temps.remove(id) {
                self.names
                    .remove(&(record.dataset, record.table, record.name));
            }
        }
    }
}
