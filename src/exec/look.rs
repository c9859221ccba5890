//! The last look: before a job is done its table is listed again. Every wanted
//! part has exactly one complete attempt, every wanted file its size and MD5.
//! This is what catches two writers with two states.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::confirm::poll_uploads;
use super::context::Shared;
use super::deletes::delete_and_wait;
use super::error::StepError;
use super::files::FileJob;
use super::rows::SentPart;
use crate::base::{ByteCount, Md5Digest, PartIdentity, PartName, SourceKey, TableRef, Version};
use crate::plan::{JobContent, JobPlan};
use crate::redivis::{RemoteFile, RemoteUpload, UploadStatus};

/// How long a listing may lag behind.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long rows that are there may be counted as none.
const LAG: Duration = Duration::from_secs(10);
/// How often another writer's attempts are cleaned up before giving up.
const ROUNDS: u32 = 5;

/// What must be in the draft when a job is done.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The owner of the job's names.
    pub(super) owner: SourceKey,
    /// Each part that must be there exactly once.
    pub(super) identities: Vec<PartIdentity>,
    /// The sources that they are all of: nothing else of these may be there. Each with
    /// the slug of its parts, since two paths can have one key; without one where the
    /// manifest can name the parts otherwise.
    pub(super) sources: BTreeMap<SourceKey, Option<String>>,
    /// Whether parts count by rows (rows) or by status (bulk uploads).
    pub(super) by_rows: bool,
    /// Names in released versions: a draft may list what it inherits.
    pub(super) released: BTreeSet<String>,
}

/// What released versions hold of the parts that the draft will hold.
pub(super) fn released_parts(plan: &JobPlan) -> BTreeSet<PartIdentity> {
    let released = plan.history.uploads.iter().filter(|_| !plan.replaces);
    released
        .filter_map(|upload| PartName::parse(&upload.name))
        .map(|name| name.identity)
        .collect()
}

impl Wanted {
    /// What must be in the table when a job is done; files have no such list.
    /// `confirmed` is what the run sent of it.
    pub(super) fn of(plan: &JobPlan, confirmed: &[SentPart]) -> Option<Self> {
        let released = || {
            let uploads = plan.history.uploads.iter();
            uploads.map(|upload| upload.name.clone()).collect()
        };
        match &plan.content {
            JobContent::Rows(content) => {
                let sent = |identity: &PartIdentity| {
                    confirmed.iter().any(|part| part.planned == *identity)
                };
                let inputs = &content.inputs;
                let kept = inputs
                    .iter()
                    .flat_map(|input| &input.cuts)
                    .filter_map(|cut| cut.kept.clone().filter(|_| !sent(&cut.identity)));
                let pieces = confirmed.iter().flat_map(|part| &part.pieces);
                Some(Self {
                    owner: content.owner.clone(),
                    identities: kept
                        .chain(pieces.map(|piece| piece.identity.clone()))
                        .collect(),
                    sources: inputs
                        .iter()
                        .map(|input| (input.input.key.clone(), Some(input.input.slug())))
                        .collect(),
                    by_rows: true,
                    released: released(),
                })
            }
            JobContent::Uploads { owner, wanted } => Some(Self {
                owner: owner.clone(),
                identities: wanted.clone(),
                sources: wanted
                    .iter()
                    .map(|one| (one.source.clone(), None))
                    .collect(),
                by_rows: false,
                released: released(),
            }),
            JobContent::Files => None,
        }
    }

    /// Whether all of it is in the last release of a table that is replaced as a
    /// whole: then a draft does not list it.
    pub(super) fn is_inherited(&self, plan: &JobPlan) -> bool {
        let uploads = plan.history.uploads.iter();
        let released: BTreeSet<PartIdentity> = uploads
            .filter_map(|upload| PartName::parse(&upload.name))
            .map(|name| name.identity)
            .collect();
        plan.replaces && self.identities.iter().all(|one| released.contains(one))
    }

    /// What is not in `released`, sorted.
    fn expected(&self, released: &BTreeSet<PartIdentity>) -> Vec<&PartIdentity> {
        let identities = self.identities.iter();
        let mut expected: Vec<_> = identities.filter(|one| !released.contains(one)).collect();
        expected.sort();
        expected
    }

    /// Whether each of these is listed complete.
    fn has_all(&self, expected: &[&PartIdentity], listed: &[RemoteUpload]) -> bool {
        let ours = self.ours(listed);
        expected.iter().all(|identity| {
            ours.iter().any(|(name, upload)| {
                name.identity == **identity && self.is_complete(upload, identity)
            })
        })
    }

    pub(super) fn is_complete(&self, upload: &RemoteUpload, identity: &PartIdentity) -> bool {
        if self.by_rows {
            upload.num_rows == Some(identity.stored_rows())
        } else {
            upload.status == UploadStatus::Completed
        }
    }

    fn is_of_sources(&self, identity: &PartIdentity) -> bool {
        let slug = self.sources.get(&identity.source);
        slug.is_some_and(|slug| slug.as_ref().is_none_or(|slug| *slug == identity.slug))
    }

    fn ours(&self, listed: &[RemoteUpload]) -> Vec<(PartName, RemoteUpload)> {
        let mut ours: Vec<(PartName, RemoteUpload)> = listed
            .iter()
            .filter(|upload| !self.released.contains(&upload.name))
            .filter_map(|upload| {
                let name = PartName::parse(&upload.name)?;
                (name.identity.owner == self.owner).then(|| (name, upload.clone()))
            })
            .collect();
        ours.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        ours
    }
}

/// Looks at a table of rows. Fails when something wanted is missing, or when
/// something else of ours is there.
pub(super) fn look_at_parts(
    shared: Shared<'_>,
    table: &TableRef,
    wanted: &Wanted,
    plan: &JobPlan,
) -> Result<(), StepError> {
    let released = released_parts(plan);
    let expected = wanted.expected(&released);
    let place = (table, &Version::Next);
    for _ in 0..ROUNDS {
        let listed = poll_uploads(shared, place, PATIENCE, &mut |listed| {
            wanted.has_all(&expected, listed)
        })?;
        let surplus = judge_parts(table, wanted, &expected, &listed)?;
        if surplus.is_empty() {
            return Ok(());
        }
        for upload in surplus {
            tracing::info!(
                upload = upload.name,
                "deleting an attempt that nobody needs"
            );
            delete_and_wait(shared.context, &upload.uri)?;
        }
    }
    Err(StepError::WriterAtWork {
        table: table.to_string(),
        what: "it keeps adding the same rows".to_owned(),
    })
}

/// Looks at what a release holds of a job. Another writer may have changed the
/// draft between the last look and the release, and the platform has no means to
/// forbid it. Answers what is wrong.
pub(super) fn look_at_release(
    shared: Shared<'_>,
    (plan, wanted): (&JobPlan, &Wanted),
    tag: &str,
) -> Result<Option<String>, StepError> {
    let released = released_parts(plan);
    let expected = wanted.expected(&released);
    let place = (&plan.table, &Version::Tag(tag.to_owned()));
    let listed = poll_uploads(shared, place, PATIENCE, &mut |listed| {
        wanted.has_all(&expected, listed)
    })?;
    // An attempt without rows does no harm, if it really has none: counts lag.
    let empty = |upload: &RemoteUpload| wanted.by_rows && upload.num_rows == Some(0);
    let has_empty_only = |listed: &[RemoteUpload]| {
        judge_parts(&plan.table, wanted, &expected, listed)
            .is_ok_and(|surplus| !surplus.is_empty() && surplus.iter().all(empty))
    };
    let listed = if has_empty_only(&listed) {
        poll_uploads(shared, place, LAG, &mut |listed| !has_empty_only(listed))?
    } else {
        listed
    };
    match judge_parts(&plan.table, wanted, &expected, &listed) {
        Ok(surplus) => Ok(surplus.iter().find(|upload| !empty(upload)).map(|upload| {
            format!(
                "it holds `{}`, whose rows are there twice or not all there",
                upload.name
            )
        })),
        Err(StepError::Unconfirmed { name }) => Ok(Some(format!("it does not hold `{name}`"))),
        Err(error) => Ok(Some(error.one_line())),
    }
}

/// Uploads of ours that must go: second attempts, and unfinished ones of wanted
/// parts.
fn judge_parts(
    table: &TableRef,
    wanted: &Wanted,
    expected: &[&PartIdentity],
    listed: &[RemoteUpload],
) -> Result<Vec<RemoteUpload>, StepError> {
    let ours = wanted.ours(listed);
    let mut surplus = Vec::new();
    for identity in expected {
        let mut kept = false;
        for (name, upload) in ours.iter().filter(|(name, _)| name.identity == **identity) {
            if !kept && wanted.is_complete(upload, &name.identity) {
                kept = true;
            } else {
                surplus.push(upload.clone());
            }
        }
        if !kept {
            return Err(StepError::Unconfirmed {
                name: identity.to_string(),
            });
        }
    }
    // Another writer, with another state of the same sources.
    for (name, upload) in &ours {
        let identity = &name.identity;
        if !wanted.is_of_sources(identity) || expected.binary_search(&identity).is_ok() {
            continue;
        }
        if wanted.is_complete(upload, identity) {
            return Err(StepError::WriterAtWork {
                table: table.to_string(),
                what: format!("`{}` holds rows that are not wanted", upload.name),
            });
        }
        surplus.push(upload.clone());
    }
    Ok(surplus)
}

/// A file as it was sent and attached.
#[derive(Debug, Clone)]
pub(super) struct SentFile {
    pub(super) size: u64,
    pub(super) md5: Md5Digest,
    /// As the platform answered.
    pub(super) remote_id: String,
}

impl SentFile {
    /// Whether a listing shows this very content. Without an MD5 the file must be
    /// the one that was attached: an older one can have the same size.
    fn is_shown(&self, file: &RemoteFile) -> bool {
        self.size == file.size
            && match file.md5 {
                Some(md5) => md5 == self.md5,
                None => file.id == self.remote_id,
            }
    }
}

/// Looks at the files that a run sent: each is in the table's listing with its
/// size and MD5.
pub(super) fn look_at_files(
    shared: Shared<'_>,
    job: &FileJob<'_>,
    sent: &BTreeMap<String, SentFile>,
) -> Result<(), StepError> {
    const PAUSE: Duration = Duration::from_secs(2);
    let context = shared.context;
    let rounds = PATIENCE.as_secs() / PAUSE.as_secs();
    let mut last = StepError::Cancelled;
    for round in 0..rounds {
        if round > 0
            && !context
                .cancel
                .wait(PAUSE.mul_f64(context.options.poll_scale))
        {
            return Err(StepError::Cancelled);
        }
        let mut right = 0;
        let mut wrong = None;
        context
            .writer
            .reader()
            .raw_files(&context.call, job.table, &Version::Next, &mut |file| {
                let Some(one) = sent.get(&file.name) else {
                    return;
                };
                if one.is_shown(&file) {
                    right += 1;
                } else {
                    wrong = Some(StepError::Mismatch {
                        name: file.name.clone(),
                        sent_size: ByteCount(one.size),
                        sent_md5: one.md5,
                        found_size: ByteCount(file.size),
                        found_md5: file.md5,
                    });
                }
            })
            .map_err(StepError::api(format!("list the files of `{}`", job.table)))?;
        if right == sent.len() {
            return Ok(());
        }
        last = wrong.unwrap_or_else(|| StepError::Unconfirmed {
            name: format!("{} files of `{}`", sent.len() - right, job.table),
        });
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redivis::ResourceUri;

    fn part(digest: &str) -> PartIdentity {
        PartIdentity {
            slug: "a".to_owned(),
            owner: SourceKey::owner("m", "j"),
            source: SourceKey::source("a.csv"),
            first_row: 0,
            rows: 3,
            digest: digest.repeat(26),
            refused: 0,
        }
    }

    fn listed(identity: &PartIdentity, attempt: u32, rows: Option<u64>) -> RemoteUpload {
        let name = identity.attempt(attempt).to_string();
        RemoteUpload {
            uri: ResourceUri::new(&format!("/tables/o.d:next.t/uploads/{name}")).unwrap(),
            name,
            status: UploadStatus::Completed,
            num_rows: rows,
            size: None,
            md5: None,
            bad_records: None,
            error_message: None,
        }
    }

    fn judge(listed: &[RemoteUpload]) -> Result<Vec<RemoteUpload>, StepError> {
        let wanted = Wanted {
            owner: SourceKey::owner("m", "j"),
            identities: vec![part("a")],
            sources: BTreeMap::from([(SourceKey::source("a.csv"), Some("a".to_owned()))]),
            by_rows: true,
            released: BTreeSet::new(),
        };
        let table = TableRef::parse("o.d.t", None).unwrap();
        judge_parts(&table, &wanted, &[&part("a")], listed)
    }

    #[test]
    fn a_second_attempt_and_an_unfinished_one_must_go() {
        let (first, second) = (
            listed(&part("a"), 1, Some(3)),
            listed(&part("a"), 2, Some(3)),
        );
        let unfinished = listed(&part("a"), 0, Some(2));

        assert_eq!(judge(std::slice::from_ref(&first)).unwrap(), []);
        let surplus = judge(&[second.clone(), unfinished.clone(), first]).unwrap();
        assert_eq!(surplus, [unfinished, second]);
        assert!(matches!(
            judge(&[listed(&part("a"), 1, Some(2))]),
            Err(StepError::Unconfirmed { .. })
        ));
    }

    #[test]
    fn other_rows_of_the_same_source_are_another_writer_s() {
        let ours = listed(&part("a"), 1, Some(3));
        let theirs = listed(&part("b"), 1, Some(3));
        let unfinished = listed(&part("b"), 1, Some(1));

        assert!(matches!(
            judge(&[ours.clone(), theirs]),
            Err(StepError::WriterAtWork { .. })
        ));
        assert_eq!(judge(&[ours, unfinished.clone()]).unwrap(), [unfinished]);
    }

    #[test]
    fn a_listing_shows_a_sent_file_by_its_size_and_its_md5_or_id() {
        let md5 = Md5Digest::of(b"abc");
        let sent = SentFile {
            size: 3,
            md5,
            remote_id: "new".to_owned(),
        };
        let shows = |size, md5, id: &str| {
            sent.is_shown(&RemoteFile {
                id: id.to_owned(),
                name: "a".to_owned(),
                size,
                md5,
            })
        };

        assert!(shows(3, Some(md5), "other"));
        assert!(shows(3, None, "new"));
        assert!(!shows(3, None, "old"));
        assert!(!shows(4, Some(md5), "new"));
        assert!(!shows(3, Some(Md5Digest::of(b"abd")), "new"));
    }
}
