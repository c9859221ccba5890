//! Where a store lives: one file per manifest name, endpoint, datasets, shard
//! and instance, in the state folder.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::error::StateError;
use crate::base::ManifestName;
use crate::base::digest::Sha256Hasher;

const DIGEST_CHARS: usize = 16;

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateLocation {
    /// In this folder; it is made when needed.
    Folder(PathBuf),
    /// In memory, until the process ends (`--state-dir none`).
    Memory,
}

/// What a store belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateKey {
    /// The manifest's name.
    pub manifest: ManifestName,
    /// The API's base address.
    pub endpoint: String,
    /// Every dataset that is written, as `owner.dataset`; the order is ignored.
    pub datasets: Vec<String>,
    /// `--shard i/n`.
    pub shard: Option<(u32, u32)>,
    /// `--instance`.
    pub instance: Option<String>,
}

impl StateKey {
    /// 16 hexadecimal digits over all fields.
    pub fn digest(&self) -> String {
        let mut datasets: Vec<&str> = self.datasets.iter().map(String::as_str).collect();
        datasets.sort_unstable();
        datasets.dedup();
        let mut hasher = Sha256Hasher::new();
        hasher.update_field(b"state-key-1");
        hasher.update_field(self.manifest.as_str().as_bytes());
        hasher.update_field(self.endpoint.trim_end_matches('/').as_bytes());
        hasher.update_field(datasets.join(" ").as_bytes());
        let shard = self.shard.map(|(index, count)| format!("{index}/{count}"));
        hasher.update_field(shard.unwrap_or_default().as_bytes());
        hasher.update_field(self.instance.as_deref().unwrap_or_default().as_bytes());
        hasher.finish().short_hex(DIGEST_CHARS)
    }

    fn stem(&self) -> String {
        format!("{}-{}", self.manifest, self.digest())
    }

    /// Whether a store's file could be called this, its ending left out.
    pub(super) fn is_stem(text: &str) -> bool {
        text.rsplit_once('-').is_some_and(|(name, digest)| {
            name.parse::<ManifestName>().is_ok() && is_lower_hex(digest, DIGEST_CHARS)
        })
    }
}

impl StateLocation {
    /// The store's file.
    pub fn store_path(&self, key: &StateKey) -> Option<PathBuf> {
        self.file(&format!("{}.sqlite", key.stem()))
    }

    /// The lock's file, beside the store's.
    pub fn lock_path(&self, key: &StateKey) -> Option<PathBuf> {
        self.file(&format!("{}.lock", key.stem()))
    }

    /// The folder of all runs' folders.
    pub fn runs_folder(&self) -> Option<PathBuf> {
        self.file("runs")
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.join(name)),
            Self::Memory => None,
        }
    }
}

/// Whether it is so many hexadecimal digits, as digests are written.
pub(super) fn is_lower_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Makes a folder and its missing parents, all for the owner only. One that is
/// there is left as it is: it may be shared on purpose, and every file in it is
/// private by itself.
pub(super) fn make_folder(path: &Path) -> Result<(), StateError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| StateError::Folder {
            path: path.to_path_buf(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StateKey {
        StateKey {
            manifest: "coastal-survey".parse().unwrap(),
            endpoint: "https://redivis.com/api/v1".to_owned(),
            datasets: vec!["a.one".to_owned(), "a.two".to_owned()],
            shard: None,
            instance: None,
        }
    }

    /// Golden: another name would orphan everyone's state.
    #[test]
    fn the_file_s_name_is_pinned() {
        let location = StateLocation::Folder("/s".into());

        assert_eq!(
            location.store_path(&key()).unwrap(),
            Path::new("/s/coastal-survey-4f3d38b95e8c1d3a.sqlite")
        );
    }

    #[test]
    fn every_field_makes_another_file() {
        let others = [
            StateKey {
                manifest: "other".parse().unwrap(),
                ..key()
            },
            StateKey {
                endpoint: "http://127.0.0.1:1".to_owned(),
                ..key()
            },
            StateKey {
                datasets: vec!["a.one".to_owned()],
                ..key()
            },
            StateKey {
                shard: Some((0, 2)),
                ..key()
            },
            StateKey {
                shard: Some((1, 2)),
                ..key()
            },
            StateKey {
                instance: Some("eu".to_owned()),
                ..key()
            },
        ];
        let mut digests: Vec<String> = others.iter().map(StateKey::digest).collect();
        digests.push(key().digest());
        digests.sort();
        digests.dedup();

        assert_eq!(digests.len(), others.len() + 1);
    }

    #[test]
    fn the_order_of_datasets_and_a_last_slash_do_not_matter() {
        let mut other = key();
        other.datasets.reverse();
        other.endpoint.push('/');

        assert_eq!(other.digest(), key().digest());
    }

    #[test]
    fn memory_has_no_files() {
        assert_eq!(StateLocation::Memory.store_path(&key()), None);
        assert_eq!(StateLocation::Memory.lock_path(&key()), None);
        assert_eq!(StateLocation::Memory.runs_folder(), None);
    }
}
