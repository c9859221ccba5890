//! Plans and ends that the tests of this layer share.

use std::path::PathBuf;

use crate::base::{
    DatasetRef, Fingerprint, ManifestName, Md5Digest, MergeStrategy, PartIdentity, Sha256Digest,
    SourceKey, TableRef, UploadType, VariableMetadata, Version,
};
use crate::event::{FailKind, Failed, ItemEnd, RunEnd, What};
use crate::plan::{
    Action, Amount, Class, DatasetPlan, DraftIdentity, FileSubject, Item, JobContent, JobPlan,
    ListedSubject, PartSubject, Plan, Reason, Subject, TableBefore, TableSubject, UploadSubject,
    VariableSubject,
};
use crate::redivis::{RemoteFile, ResourceUri};

use super::facts::{CallFacts, RequestFacts, RunFacts, SpentFacts};

pub(super) fn name(text: &str) -> ManifestName {
    text.parse().unwrap()
}

pub(super) fn table(text: &str) -> TableRef {
    TableRef::parse(&format!("stanford.coastal_survey:next.{text}"), None).unwrap()
}

pub(super) fn item(class: Class, reason: Reason, action: Action, subject: Subject) -> Item {
    Item {
        class,
        reason,
        action,
        note: None,
        subject,
    }
}

fn print(size: u64) -> Fingerprint {
    Fingerprint {
        inode: 1,
        size,
        mtime_ns: 0,
        ctime_ns: 0,
    }
}

pub(super) fn file(name: &str, shown: &str, size: u64) -> FileSubject {
    FileSubject {
        name: name.parse().unwrap(),
        path: PathBuf::from(shown),
        shown: shown.to_owned(),
        local: print(size),
        md5: None,
        before: None,
    }
}

pub(super) fn remote(name: &str, size: u64, md5: Option<&[u8]>) -> RemoteFile {
    RemoteFile {
        id: format!("id-{name}"),
        name: name.to_owned(),
        size,
        md5: md5.map(Md5Digest::of),
    }
}

pub(super) fn identity(job: &str, path: &str, first_row: u64, rows: u64) -> PartIdentity {
    PartIdentity {
        slug: job.to_owned(),
        owner: SourceKey::owner("coastal-survey", job),
        source: SourceKey::source(path),
        first_row,
        rows,
        digest: "a".repeat(26),
        refused: 0,
    }
}

fn new_file(subject: FileSubject) -> Item {
    item(
        Class::New,
        Reason::NotOnRemote,
        Action::Send,
        Subject::File(subject),
    )
}

/// A file job with `count` new files and nothing else.
pub(super) fn files_job(count: usize) -> JobPlan {
    let items = (0..count)
        .map(|index| {
            let name = format!("{index:03}.tif");
            new_file(file(&name, &name, 1024))
        })
        .collect();
    job("scans", JobContent::Files, items)
}

pub(super) fn job(job: &str, content: JobContent, items: Vec<Item>) -> JobPlan {
    JobPlan {
        job: name(job),
        index: 0,
        table: table(job),
        content,
        items,
        unchanged: Amount::default(),
        rejects: 0,
        replaced_rows: None,
        held: false,
        history: crate::plan::History::default(),
        replaces: false,
    }
}

pub(super) fn plan_of(items: Vec<Item>, jobs: Vec<JobPlan>) -> Plan {
    Plan {
        manifest: name("coastal-survey"),
        manifest_digest: Sha256Digest::of(b"manifest"),
        endpoint: "https://redivis.com/api/v1".to_owned(),
        datasets: vec![DatasetPlan {
            dataset: dataset(),
            base: Version::Current,
            draft: DraftIdentity {
                current_tag: Some("v1.0".to_owned()),
                next_index: None,
                next_created_at: None,
                has_next: false,
            },
            items,
        }],
        jobs,
        is_whole: true,
        id: std::sync::OnceLock::new(),
    }
}

pub(super) fn dataset() -> DatasetRef {
    "stanford.coastal_survey".parse().unwrap()
}

fn scans() -> JobPlan {
    let mut changed = file("2026/b.tif", "data/scans/b.tif", 3_000_000);
    changed.before = Some(remote("2026/b.tif", 2_900_000, Some(b"old")));
    let mut other = file("2026/c.tif", "data/scans/c.tif", 5000);
    other.md5 = Some(Md5Digest::of(b"new c"));
    other.before = Some(remote("2026/c.tif", 5000, Some(b"old c")));
    let mut too_young = item(
        Class::Skipped,
        Reason::TooYoung,
        Action::None,
        Subject::Source {
            path: "data/scans/d.tif".to_owned(),
            trouble: None,
        },
    );
    too_young.note = None;
    let mut bad = item(
        Class::Conflict,
        Reason::SourceProblem,
        Action::None,
        Subject::Source {
            path: "data/scans/\u{1b}[2Je.tif".to_owned(),
            trouble: None,
        },
    );
    bad.note = Some("cannot read `data/scans/e.tif`: permission denied".to_owned());
    let mut job = job(
        "scans",
        JobContent::Files,
        vec![
            new_file(file("2026/a.tif", "data/scans/a.tif", 1_258_291)),
            new_file(file("readme.txt", "readme.txt", 0)),
            item(
                Class::Changed,
                Reason::OtherSize,
                Action::Send,
                Subject::File(changed),
            ),
            item(
                Class::Changed,
                Reason::OtherMd5,
                Action::Send,
                Subject::File(other),
            ),
            item(
                Class::Extra,
                Reason::NotInSources,
                Action::None,
                Subject::RemoteFile(remote("2024/z.tif", 77, None)),
            ),
            too_young,
            bad,
        ],
    );
    job.unchanged = Amount {
        items: 2,
        bytes: 4_299_161,
        rows: 0,
    };
    job
}

fn readings() -> JobPlan {
    let path = "data/readings/r_2026.csv";
    let part = |cut: usize, first_row, rows, bytes| PartSubject {
        input: 0,
        shown: path.to_owned(),
        cut,
        identity: identity("readings", path, first_row, rows),
        bytes,
    };
    let old = identity("readings", path, 0, 4000);
    let listed = ListedSubject {
        uri: ResourceUri::new("/tables/t/uploads/u").unwrap(),
        name: old.attempt(7).to_string(),
        identity: Some(old),
        shown: Some(path.to_owned()),
        rows: Some(4000),
    };
    let send = |part| {
        item(
            Class::New,
            Reason::NotOnRemote,
            Action::Send,
            Subject::Part(part),
        )
    };
    let owner = SourceKey::owner("coastal-survey", "readings");
    let mut job = job(
        "readings",
        JobContent::Uploads {
            owner,
            wanted: Vec::new(),
        },
        vec![
            send(part(0, 0, 5000, 1_048_576)),
            send(part(1, 5000, 20, 4096)),
            item(
                Class::Superseded,
                Reason::SourceChanged,
                Action::Delete,
                Subject::Listed(listed),
            ),
        ],
    );
    job.rejects = 3;
    job.replaced_rows = Some(1200);
    job
}

fn taxa() -> JobPlan {
    let owner = SourceKey::owner("coastal-survey", "taxa");
    let upload = UploadSubject {
        input: 0,
        shown: "export/taxa.parquet".to_owned(),
        path: PathBuf::from("export/taxa.parquet"),
        fingerprint: print(2_097_152),
        md5: Md5Digest::of(b"taxa"),
        sha256: Sha256Digest::of(b"taxa"),
        identity: identity("taxa", "export/taxa.parquet", 0, 0),
        kind: UploadType::Parquet,
        options: crate::base::UploadOptions::default(),
        max_bad_records: 0,
        renamed_from: None,
        importing: None,
    };
    let send = item(
        Class::New,
        Reason::NotOnRemote,
        Action::Send,
        Subject::Upload(Box::new(upload)),
    );
    job(
        "taxa",
        JobContent::Uploads {
            owner,
            wanted: Vec::new(),
        },
        vec![send],
    )
}

/// One of nearly everything.
pub(super) fn plan() -> Plan {
    let tables = TableSubject {
        table: table("taxa"),
        is_file_index: false,
        merge: Some(MergeStrategy::Replace),
        description: Some("Accepted names".to_owned()),
        before: TableBefore::default(),
    };
    let variable = item(
        Class::Changed,
        Reason::SettingDiffers,
        Action::Update,
        Subject::Variable(Box::new(variable())),
    );
    let version = item(
        Class::New,
        Reason::Missing,
        Action::Create,
        Subject::Version(dataset()),
    );
    let table = item(
        Class::New,
        Reason::Missing,
        Action::Create,
        Subject::Table(tables),
    );
    let release = item(
        Class::Changed,
        Reason::Pending,
        Action::Release,
        Subject::Version(dataset()),
    );
    plan_of(
        vec![version, table, variable, release],
        vec![scans(), readings(), taxa()],
    )
}

/// A label that is replaced, a description that comes, and value labels.
fn variable() -> VariableSubject {
    let labels = |pairs: &[(&str, &str)]| {
        let owned = |(value, label): &(&str, &str)| ((*value).to_owned(), (*label).to_owned());
        Some(pairs.iter().map(owned).collect())
    };
    VariableSubject {
        table: table("taxa"),
        name: "rank".to_owned(),
        before: Some(VariableMetadata {
            label: Some("Rank".to_owned()),
            description: None,
            value_labels: labels(&[("1", "species"), ("2", "genus")]),
        }),
        wanted: VariableMetadata {
            label: Some("Taxonomic rank".to_owned()),
            description: Some("The rank of the accepted name, as of the last revision".to_owned()),
            value_labels: labels(&[("1", "Species"), ("3", "family")]),
        },
    }
}

/// The end of an item that went as planned.
pub(super) fn verified(job: Option<&str>, item: &Item) -> ItemEnd {
    let what = match (&item.subject, item.action) {
        (Subject::Version(_), _) => What::Version,
        (Subject::Table(_), _) => What::Table,
        (Subject::Variable(_), _) => What::Variable,
        (Subject::Part(_), _) => What::Part,
        (Subject::Upload(_), _) => What::Upload,
        (Subject::Listed(_), _) => What::Deletion,
        _ => What::File,
    };
    let (bytes, rows) = item.amount();
    let job = job.map(name);
    let key = super::plan_names::key_name(item);
    let mut end = ItemEnd::new(what, job.as_ref(), &key, item.action.as_str());
    end.bytes = bytes;
    end.bytes_sent = bytes;
    end.rows = rows.unwrap_or(0);
    end.attempts = 1;
    end.millis = 12;
    end.md5 = super::accuracy::planned_md5(item);
    end.verified()
}

/// Everything that has an action went as planned.
pub(super) fn good_end(plan: &Plan) -> RunEnd {
    let datasets = plan
        .datasets
        .iter()
        .flat_map(|one| one.items.iter().map(|item| (None, item)));
    let jobs = plan.jobs.iter().flat_map(|job| {
        job.items
            .iter()
            .map(move |item| (Some(job.job.as_str()), item))
    });
    let items = datasets
        .chain(jobs)
        .filter(|(_, item)| item.action != Action::None)
        .map(|(job, item)| verified(job, item))
        .collect();
    let complete_jobs = plan.jobs.iter().map(|job| job.job.clone()).collect();
    RunEnd {
        items,
        complete_jobs,
    }
}

pub(super) fn fail(end: &mut ItemEnd, kind: FailKind, message: &str) {
    let failed = Failed {
        kind,
        message: message.to_owned(),
    };
    *end = end.clone().failed(failed);
}

pub(super) fn facts() -> RunFacts {
    RunFacts {
        run_id: "20260101-000000-ab12".to_owned(),
        command: "run".to_owned(),
        manifest: "coastal-survey".to_owned(),
        manifest_sha256: Sha256Digest::of(b"manifest").to_string(),
        endpoint: "https://redivis.com/api/v1".to_owned(),
        datasets: Vec::new(),
        started_ms: 1_767_225_600_000,
        ended_ms: 1_767_225_612_500,
        exit: 0,
        exit_word: "done",
        failure: None,
        stopped_by: None,
        workers: 16,
        requests: RequestFacts {
            requests: 124,
            retries: 3,
            rate_limited: 2,
            waited_ms: 61_000,
            connections: 16,
            sent_bytes: 7_500_000,
            received_bytes: 12_000,
            narrowest: Some(4),
            spent: vec![
                SpentFacts {
                    on: "the API's rate limit",
                    percent: 61.5,
                },
                SpentFacts {
                    on: "waiting for answers",
                    percent: 30.2,
                },
            ],
            calls: vec![CallFacts {
                call: "insertRows".to_owned(),
                count: 4,
                p50_ms: 80.5,
                p99_ms: 190.0,
                max_ms: 191.0,
            }],
            warnings: Vec::new(),
        },
        report_path: Some("/state/runs/20260101-000000-ab12/report.json".to_owned()),
        page_path: None,
        rejects_path: None,
        rejects: 0,
        first_rejects: Vec::new(),
    }
}
