//! Files that are the same on both sides, settled while the listing comes: there
//! can be millions, and of each only its size counts. All others are compared
//! afterwards.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::context::{Compare, PlanContext, ReadBack};
use super::digests::local_md5;
use super::error::{PlanError, check_cancel};
use super::model::Amount;
use super::observe::TableView;
use crate::base::Md5Digest;
use crate::redivis::RemoteFile;
use crate::source::LocalFile;

/// What is known of the local files of a job, by their index.
#[derive(Debug, Default)]
pub(super) struct Same {
    /// Ours, as far as they are known, and theirs of files that are in doubt. Empty
    /// where unchanged files are not only counted.
    md5s: Vec<Option<Md5Digest>>,
    found: Vec<Found>,
    /// Files of unknown MD5 that may still be listed, to be compared.
    room: usize,
    /// Where the next name is looked for first: listings are often in order.
    next: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Not listed so far.
    No,
    /// Listed, to be compared.
    Listed,
    /// Listed with the same size, and with the MD5 that is held in place of ours,
    /// which is not known.
    Doubtful,
    /// Listed with the same size and MD5.
    Same,
}

/// Files that are held as they are listed, since their MD5 is not known here. Of more
/// only the MD5 is: without a state that is all of them, and there can be millions.
const MOST_UNKNOWN: usize = 1024;
/// Files hashed at once.
const AT_ONCE: usize = 16 * 1024;

impl Same {
    /// Looks the files up in the digest cache. `local` is sorted by name.
    pub(super) fn of(context: &PlanContext<'_>, view: &TableView, local: &[LocalFile]) -> Self {
        let options = context.options;
        let counts_only = !context.wants_unchanged()
            && options.compare == Compare::Md5
            && options.read_back != ReadBack::All
            && view.remote.is_some();
        if !counts_only {
            return Self::default();
        }
        let known = context.store.and_then(|store| {
            let prints: Vec<_> = local.iter().map(|file| &file.fingerprint).collect();
            // A cache that cannot be read costs time and nothing else.
            store.md5s(&prints).ok()
        });
        Self::knowing(known.unwrap_or_else(|| vec![None; local.len()]))
    }

    fn knowing(md5s: Vec<Option<Md5Digest>>) -> Self {
        Self {
            found: vec![Found::No; md5s.len()],
            md5s,
            room: MOST_UNKNOWN,
            next: 0,
        }
    }

    /// A listing begins.
    pub(super) fn start_again(&mut self) {
        for (found, md5) in self.found.iter_mut().zip(&mut self.md5s) {
            if *found == Found::Doubtful {
                *md5 = None;
            }
            *found = Found::No;
        }
        self.next = 0;
    }

    /// Takes note of a listed file. Whether it need not be held: it is the same here, or
    /// in doubt, or an earlier one of its name counts.
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
        self.found[index] = self.judge(local[index].fingerprint.size, index, file);
        self.found[index] != Found::Listed
    }

    fn judge(&mut self, size: u64, index: usize, file: &RemoteFile) -> Found {
        let Some(theirs) = file.md5.filter(|_| file.size == size) else {
            return Found::Listed;
        };
        match self.md5s[index] {
            Some(ours) if ours == theirs => Found::Same,
            Some(_) => Found::Listed,
            None if self.room > 0 => {
                self.room -= 1;
                Found::Listed
            }
            None => {
                self.md5s[index] = Some(theirs);
                Found::Doubtful
            }
        }
    }

    /// Hashes the files that are in doubt. Whether some are not the same, so that the
    /// listing is needed again: this time it has to hold them.
    pub(super) fn find_differing(
        &mut self,
        context: &PlanContext<'_>,
        local: &[LocalFile],
    ) -> Result<bool, PlanError> {
        let hash = |index: &usize| {
            check_cancel(context.call.cancel)?;
            // Why one cannot be read is told when it is compared.
            local_md5(context, &local[*index]).map(Result::ok)
        };
        self.find_differing_by(|indices| {
            let hashed = || indices.par_iter().map(hash).collect();
            context.cpu_pool.install(hashed)
        })
    }

    fn find_differing_by(
        &mut self,
        hash: impl Fn(&[usize]) -> Result<Vec<Option<Md5Digest>>, PlanError>,
    ) -> Result<bool, PlanError> {
        let files = 0..self.found.len();
        let doubtful: Vec<usize> = files
            .filter(|index| self.found[*index] == Found::Doubtful)
            .collect();
        for indices in doubtful.chunks(AT_ONCE) {
            for (index, ours) in indices.iter().zip(hash(indices)?) {
                let theirs = std::mem::replace(&mut self.md5s[*index], ours);
                self.found[*index] = if ours == theirs {
                    Found::Same
                } else {
                    Found::No
                };
            }
        }
        let differs = doubtful.iter().any(|index| self.found[*index] == Found::No);
        if differs {
            self.room = usize::MAX;
        }
        Ok(differs)
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

    /// A local file: its size, its MD5, and whether that is in the digest cache.
    type Here = (u64, u8, bool);

    proptest! {
        /// As if all had been listed first and compared afterwards, whatever the
        /// order of the listing and however often it names a file. Only a file whose
        /// MD5 is not known may be left over though it is the same.
        #[test]
        fn what_is_settled_is_what_a_comparison_would_find_the_same(
            here in prop::collection::btree_map(
                prop::char::range('a', 'h'), (0_u64..3, 0_u8..3, prop::bool::ANY), 0..8),
            listed in prop::collection::vec(
                (prop::char::range('a', 'j'), 0_u64..3, prop::option::of(0_u8..3)), 0..16),
            room in 0_usize..4,
        ) {
            let mut files: Vec<LocalFile> =
                here.iter().map(|(name, (size, ..))| local(&name.to_string(), *size)).collect();
            let ours: Vec<Here> = here.values().copied().collect();
            let md5 = |index: usize| Md5Digest::of(&[ours[index].1]);
            let listed: Vec<RemoteFile> =
                listed.into_iter().enumerate().map(|(id, one)| remote(id, one)).collect();
            let names: Vec<String> = files.iter().map(|file| file.name.to_string()).collect();
            let index_of = |file: &RemoteFile| names.iter().position(|name| *name == file.name);
            let is_same = |file: &RemoteFile| {
                index_of(file).is_some_and(|index| {
                    ours[index].0 == file.size && file.md5 == Some(md5(index))
                })
            };
            let (same, other): (Vec<_>, Vec<_>) =
                sorted(listed.clone()).into_iter().partition(is_same);

            let known = ours.iter().enumerate().map(|(index, one)| one.2.then(|| md5(index)));
            let mut settling = Same { room, ..Same::knowing(known.collect()) };
            let rest = |settling: &mut Same| -> Vec<RemoteFile> {
                settling.start_again();
                let rest = listed.iter().filter(|file| !settling.settles(&files, file));
                sorted(rest.cloned().collect())
            };
            let mut left = rest(&mut settling);
            let hash = |indices: &[usize]| Ok(indices.iter().map(|one| Some(md5(*one))).collect());
            if settling.find_differing_by(hash).unwrap() {
                left = rest(&mut settling);
                prop_assert!(!settling.find_differing_by(hash).unwrap());
            }
            let amount = settling.take_from(&mut files);

            let held: Vec<RemoteFile> = left.iter().filter(|one| is_same(one)).cloned().collect();
            left.retain(|file| !is_same(file));
            prop_assert_eq!(left, other);
            prop_assert!(held.len() <= room);
            prop_assert!(held.iter().all(|file| !ours[index_of(file).unwrap()].2));
            let gone: Vec<&RemoteFile> = same.iter().filter(|file| !held.contains(file)).collect();
            prop_assert_eq!(amount.items, gone.len() as u64);
            prop_assert_eq!(amount.bytes, gone.iter().map(|file| file.size).sum::<u64>());
            for file in &files {
                prop_assert!(gone.iter().all(|gone| gone.name != file.name.as_str()));
            }
            prop_assert_eq!(files.len() + gone.len(), names.len());
        }
    }
}
