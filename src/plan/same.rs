//! Files that are the same on both sides, settled while the listing comes: there
//! can be millions, and of each only its size counts. All others are compared
//! afterwards.

use super::context::{Compare, PlanContext, ReadBack};
use super::model::Amount;
use super::observe::TableView;
use crate::base::Md5Digest;
use crate::redivis::RemoteFile;
use crate::source::LocalFile;

/// What is known of the local files of a job, by their index.
#[derive(Debug, Default)]
pub(super) struct Same {
    /// From the digest cache; empty where unchanged files are not only counted.
    md5s: Vec<Option<Md5Digest>>,
    found: Vec<Found>,
    /// Where the next name is looked for first: listings are often in order.
    next: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Not listed so far.
    No,
    /// Listed, to be compared.
    Listed,
    /// Listed with the same size and MD5.
    Same,
}

impl Same {
    /// Looks the files up in the digest cache. `local` is sorted by name.
    pub(super) fn of(context: &PlanContext<'_>, view: &TableView, local: &[LocalFile]) -> Self {
        let options = context.options;
        let counts_only = !context.wants_unchanged()
            && options.compare == Compare::Md5
            && options.read_back != ReadBack::All
            && view.remote.is_some();
        let (true, Some(store)) = (counts_only, context.store) else {
            return Self::default();
        };
        let prints: Vec<_> = local.iter().map(|file| &file.fingerprint).collect();
        // A cache that cannot be read costs time and nothing else.
        let md5s = store.md5s(&prints).unwrap_or_default();
        Self {
            found: vec![Found::No; md5s.len()],
            md5s,
            next: 0,
        }
    }

    /// A listing begins.
    pub(super) fn start_again(&mut self) {
        self.found.fill(Found::No);
        self.next = 0;
    }

    /// Takes note of a listed file. Whether it needs no more looking at: it is the
    /// same here, or an earlier one of its name counts.
    pub(super) fn settles(&mut self, local: &[LocalFile], file: &RemoteFile) -> bool {
        if self.md5s.is_empty() {
            return false;
        }
        let name = file.name.as_str();
        let is_next = |index: usize| {
            local
                .get(index)
                .is_some_and(|file| file.name.as_str() == name)
        };
        let index = if is_next(self.next) {
            self.next
        } else {
            let found = local.binary_search_by(|file| file.name.as_str().cmp(name));
            let Ok(index) = found else {
                return false;
            };
            index
        };
        self.next = index + 1;
        if self.found[index] != Found::No {
            return true;
        }
        let is_same = file.size == local[index].fingerprint.size
            && file.md5.is_some()
            && file.md5 == self.md5s[index];
        self.found[index] = if is_same { Found::Same } else { Found::Listed };
        is_same
    }

    /// Whether this local file was listed as it is.
    pub(super) fn has(&self, index: usize) -> bool {
        self.found.get(index) == Some(&Found::Same)
    }

    /// Takes the files that are the same out of the list that it was made of.
    pub(super) fn take_from(self, local: &mut Vec<LocalFile>) -> Amount {
        let mut amount = Amount::default();
        let mut index = 0;
        local.retain(|file| {
            let is_same = self.has(index);
            index += 1;
            if is_same {
                amount.add(file.fingerprint.size, 0);
            }
            !is_same
        });
        amount
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::Fingerprint;

    fn local(name: &str, size: u64) -> LocalFile {
        let fingerprint = Fingerprint {
            inode: 1,
            size,
            mtime_ns: 0,
            ctime_ns: 0,
        };
        LocalFile::new(name.parse().unwrap(), name.into(), &"".into(), fingerprint)
    }

    fn remote(id: usize, (name, size, md5): (char, u64, Option<u8>)) -> RemoteFile {
        RemoteFile {
            id: id.to_string(),
            name: name.to_string(),
            size,
            md5: md5.map(|byte| Md5Digest::of(&[byte])),
        }
    }

    fn sorted(mut files: Vec<RemoteFile>) -> Vec<RemoteFile> {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        files.dedup_by(|a, b| a.name == b.name);
        files
    }

    proptest! {
        /// As if all had been listed first and compared afterwards, whatever the
        /// order of the listing and however often it names a file.
        #[test]
        fn what_is_settled_is_what_a_comparison_would_find_the_same(
            here in prop::collection::btree_map(
                prop::char::range('a', 'h'), (0_u64..3, prop::option::of(0_u8..3)), 0..8),
            listed in prop::collection::vec(
                (prop::char::range('a', 'j'), 0_u64..3, prop::option::of(0_u8..3)), 0..16),
        ) {
            let mut files: Vec<LocalFile> =
                here.iter().map(|(name, (size, _))| local(&name.to_string(), *size)).collect();
            let md5s: Vec<_> = here
                .values()
                .map(|(_, md5)| md5.map(|byte| Md5Digest::of(&[byte])))
                .collect();
            let listed: Vec<RemoteFile> =
                listed.into_iter().enumerate().map(|(id, one)| remote(id, one)).collect();
            let is_same = |file: &RemoteFile| {
                let index = files.iter().position(|one| one.name.as_str() == file.name);
                index.is_some_and(|index| {
                    files[index].fingerprint.size == file.size
                        && file.md5.is_some()
                        && file.md5 == md5s[index]
                })
            };
            let (same, other): (Vec<_>, Vec<_>) =
                sorted(listed.clone()).into_iter().partition(is_same);
            let left: Vec<String> = files
                .iter()
                .map(|file| file.name.to_string())
                .filter(|name| same.iter().all(|file| file.name != *name))
                .collect();

            let found = vec![Found::No; md5s.len()];
            let mut settling = Same { md5s, found, next: 0 };
            for _ in 0..2 {
                settling.start_again();
                let rest = listed.iter().filter(|file| !settling.settles(&files, file));
                prop_assert_eq!(sorted(rest.cloned().collect()), other.clone());
            }
            let amount = settling.take_from(&mut files);

            let names: Vec<String> = files.iter().map(|file| file.name.to_string()).collect();
            prop_assert_eq!(names, left);
            prop_assert_eq!(amount.items, same.len() as u64);
            prop_assert_eq!(amount.bytes, same.iter().map(|file| file.size).sum::<u64>());
        }
    }
}
