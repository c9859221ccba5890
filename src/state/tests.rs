//! Tests of the store as a whole: what is found again, by whom, and what
//! happens to files that cannot be used.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::*;
use crate::base::{Fingerprint, Md5Digest, Sha256Digest, SignedUrl};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_780_000_000_000;
/// A reading long after every `print()` was last changed.
const LATER_NS: i64 = NOW * 1_000_000;

struct World {
    folder: tempfile::TempDir,
    key: StateKey,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            key: StateKey {
                manifest: "survey".parse().unwrap(),
                endpoint: "https://redivis.com/api/v1".to_owned(),
                datasets: vec!["me.data".to_owned()],
                shard: None,
                instance: None,
            },
        }
    }

    fn location(&self) -> StateLocation {
        StateLocation::Folder(self.folder.path().join("state"))
    }

    fn path(&self) -> PathBuf {
        self.location().store_path(&self.key).unwrap()
    }

    fn opened(&self) -> Opened {
        StateStore::open(&self.location(), &self.key).unwrap()
    }

    fn store(&self) -> StateStore {
        let opened = self.opened();
        assert_eq!(opened.warnings, []);
        opened.store
    }
}

/// Of how many of these the MD5 is known; one by one they are the same.
fn known(store: &StateStore, prints: &[Fingerprint]) -> usize {
    let all = store
        .md5s(&prints.iter().rev().collect::<Vec<_>>())
        .unwrap();
    for (print, found) in prints.iter().rev().zip(&all) {
        let one = store.digests(print).unwrap().map(|found| found.md5);
        assert_eq!(one, *found, "{print:?}");
    }
    all.iter().flatten().count()
}

fn print(inode: u64) -> Fingerprint {
    Fingerprint {
        inode,
        size: 10,
        mtime_ns: 1_000,
        ctime_ns: -5,
    }
}

fn digests(text: &str) -> CachedDigests {
    CachedDigests {
        md5: Md5Digest::of(text.as_bytes()),
        sha256: None,
    }
}

fn transfer(name: &str) -> TransferKey {
    TransferKey {
        table: "me.data.scans".to_owned(),
        name: name.to_owned(),
        fingerprint: print(1),
    }
}

fn session(address: &str) -> OpenSession {
    OpenSession {
        temp_upload_id: "t1".to_owned(),
        session: SignedUrl::new(address),
        size: u64::MAX,
        mode: SessionMode::Legacy,
        opened_at_ms: NOW,
    }
}

fn staged(id: &str) -> StagedUpload {
    StagedUpload {
        temp_upload_id: id.to_owned(),
        md5: Md5Digest::of(b"x"),
        size: 1,
        staged_at_ms: NOW,
    }
}

#[test]
fn everything_is_found_by_the_next_process() {
    let world = World::new();
    let receipt = VerifiedFile {
        table: "me.data.scans".to_owned(),
        name: "a.tif".to_owned(),
        size: 7,
        md5: Md5Digest::of(b"a"),
        remote_id: "r1".to_owned(),
        verified_at_ms: NOW,
    };
    let cut = CutKey {
        source: "data/a.csv".to_owned(),
        fingerprint: print(3),
        settings: Sha256Digest::of(b"settings"),
    };
    let full = CachedDigests {
        sha256: Some(Sha256Digest::of(b"1")),
        ..digests("1")
    };
    let first = world.store();
    first.remember_digests(&print(1), full, LATER_NS).unwrap();
    first
        .session_opened(&transfer("big"), &session("https://s/1"))
        .unwrap();
    first
        .file_staged(&transfer("small"), &staged("t2"))
        .unwrap();
    first.file_verified(receipt.clone()).unwrap();
    first.remember_cuts(&cut, "[1,2]", LATER_NS).unwrap();
    first
        .remember_released("me.data.rows", "v1.0", 5, "[]")
        .unwrap();
    let intent = first.intent("insert_rows", "part", "{}", NOW).unwrap();
    first.run_started("r1", NOW, "run").unwrap();
    first.run_ended("r1", NOW + 1, 75, "{\"a\":1}").unwrap();
    drop(first);

    let second = world.store();

    assert_eq!(second.digests(&print(1)).unwrap(), Some(full));
    assert_eq!(second.digests(&print(2)).unwrap(), None);
    assert_eq!(
        second.md5s(&[&print(2), &print(1)]).unwrap(),
        [None, Some(full.md5)]
    );
    assert_eq!(
        second.session(&transfer("big"), NOW).unwrap(),
        Some(session("https://s/1"))
    );
    assert_eq!(
        second.staged(&transfer("small"), NOW).unwrap(),
        Some(staged("t2"))
    );
    assert_eq!(
        second.receipt("me.data.scans", "a.tif").unwrap(),
        Some(receipt)
    );
    assert_eq!(second.cuts(&cut).unwrap().as_deref(), Some("[1,2]"));
    assert_eq!(
        second
            .released("me.data.rows", "v1.0", 5)
            .unwrap()
            .as_deref(),
        Some("[]")
    );
    assert_eq!(second.released("me.data.rows", "v1.0", 6).unwrap(), None);
    assert_eq!(
        second.open_intents().unwrap(),
        [OpenIntent {
            id: intent,
            kind: "insert_rows".to_owned(),
            subject: "part".to_owned(),
            detail: "{}".to_owned(),
        }]
    );
    assert_eq!(
        second.runs(5).unwrap(),
        [PastRun {
            run_id: "r1".to_owned(),
            started_at_ms: NOW,
            command: "run".to_owned(),
            ended_at_ms: Some(NOW + 1),
            exit: Some(75),
            summary: Some("{\"a\":1}".to_owned()),
        }]
    );
}

#[test]
fn what_is_queued_is_seen_at_once() {
    let world = World::new();
    let store = world.store();
    store
        .session_opened(&transfer("a"), &session("https://s/1"))
        .unwrap();

    store.file_staged(&transfer("a"), &staged("t1")).unwrap();
    assert_eq!(
        store.staged(&transfer("a"), NOW).unwrap(),
        Some(staged("t1"))
    );
    assert_eq!(store.session(&transfer("a"), NOW).unwrap(), None);

    store.staged_spent(&[transfer("a")]).unwrap();
    assert_eq!(store.staged(&transfer("a"), NOW).unwrap(), None);
    store.flush().unwrap();
    assert_eq!(store.staged(&transfer("a"), NOW).unwrap(), None);
    assert_eq!(store.session(&transfer("a"), NOW).unwrap(), None);
}

#[test]
fn a_durable_write_takes_the_queue_with_it() {
    let world = World::new();
    let store = world.store();
    store.file_staged(&transfer("a"), &staged("t1")).unwrap();

    store.intent("create_table", "t", "", NOW).unwrap();

    let other = world.store();
    assert_eq!(
        other.staged(&transfer("a"), NOW).unwrap(),
        Some(staged("t1"))
    );
}

#[test]
fn a_full_queue_is_committed() {
    let world = World::new();
    let store = world.store();
    for number in 0..1_000 {
        store
            .file_staged(&transfer(&format!("f{number}")), &staged("t"))
            .unwrap();
    }

    let other = world.store();
    assert!(other.staged(&transfer("f999"), NOW).unwrap().is_some());
}

#[test]
fn digests_of_a_file_that_just_changed_are_not_kept() {
    let world = World::new();
    let store = world.store();
    let racy = print(1);

    store
        .remember_digests(&racy, digests("x"), racy.mtime_ns + 1_000_000_000)
        .unwrap();

    assert_eq!(store.digests(&racy).unwrap(), None);
}

#[test]
fn a_known_sha256_stays_while_the_content_is_the_same() {
    let world = World::new();
    let store = world.store();
    let full = CachedDigests {
        sha256: Some(Sha256Digest::of(b"1")),
        ..digests("1")
    };
    for settle in [true, false] {
        store.remember_digests(&print(1), full, LATER_NS).unwrap();
        if settle {
            store.flush().unwrap();
        }
        store
            .remember_digests(&print(1), digests("1"), LATER_NS)
            .unwrap();
        store.flush().unwrap();
        assert_eq!(store.digests(&print(1)).unwrap(), Some(full));

        store
            .remember_digests(&print(1), digests("2"), LATER_NS)
            .unwrap();
        store.flush().unwrap();
        assert_eq!(store.digests(&print(1)).unwrap(), Some(digests("2")));
    }
}

#[test]
fn a_session_is_for_one_content_and_for_23_hours() {
    let world = World::new();
    let store = world.store();
    let key = transfer("a");
    let changed = TransferKey {
        fingerprint: print(2),
        ..key.clone()
    };
    store.session_opened(&key, &session("https://s/1")).unwrap();

    let last = NOW + 23 * HOUR - 1;
    assert_eq!(
        store.session(&key, last).unwrap(),
        Some(session("https://s/1"))
    );
    assert_eq!(store.session(&key, last + 1).unwrap(), None);
    assert_eq!(store.session(&changed, NOW).unwrap(), None);
    assert_eq!(store.open_sessions(NOW).unwrap(), 1);

    store
        .session_opened(&changed, &session("https://s/2"))
        .unwrap();
    assert_eq!(store.session(&key, NOW).unwrap(), None);
    store.session_closed(&changed).unwrap();
    assert_eq!(store.open_sessions(NOW).unwrap(), 0);
}

#[test]
fn a_staged_upload_is_for_one_content_and_for_23_hours() {
    let world = World::new();
    let store = world.store();
    let key = transfer("a");
    let changed = TransferKey {
        fingerprint: print(2),
        ..key.clone()
    };
    for settle in [false, true] {
        store.file_staged(&key, &staged("t1")).unwrap();
        if settle {
            store.flush().unwrap();
        }

        assert_eq!(
            store.staged(&key, NOW + 23 * HOUR - 1).unwrap(),
            Some(staged("t1"))
        );
        assert_eq!(store.staged(&key, NOW + 23 * HOUR).unwrap(), None);
        assert_eq!(store.staged(&changed, NOW).unwrap(), None);
    }
}

#[test]
fn what_can_be_continued_is_the_same_for_many_as_for_each() {
    use Resumable::{Nothing, Session, Staged};
    let world = World::new();
    let store = world.store();
    let keys = ["staged", "spent", "open", "done", "unknown"].map(transfer);
    let [all_there, spent, open, done, _] = &keys;
    let found = |now| store.resumable(&keys, now).unwrap();
    for key in [open, done] {
        store.session_opened(key, &session("s")).unwrap();
    }
    store.file_staged(all_there, &staged("t1")).unwrap();
    for key in [spent, done] {
        store.file_staged(key, &staged("t2")).unwrap();
        store.staged_spent(std::slice::from_ref(key)).unwrap();
    }

    let expected = [Staged(staged("t1")), Nothing, Session, Nothing, Nothing];
    assert_eq!(found(NOW), expected);
    store.flush().unwrap();
    assert_eq!(found(NOW), expected);
    assert_eq!(found(NOW + 23 * HOUR), [const { Nothing }; 5]);
    for (key, one) in keys.iter().zip(found(NOW)) {
        let is_staged = store.staged(key, NOW).unwrap().is_some();
        assert_eq!(is_staged, matches!(one, Staged(_)), "{}", key.name);
        let has_session = store.session(key, NOW).unwrap().is_some();
        assert_eq!(has_session, one == Session, "{}", key.name);
    }
}

#[test]
fn an_ended_intent_is_not_in_doubt_and_its_id_is_not_used_again() {
    let world = World::new();
    let store = world.store();
    let first = store.intent("insert_rows", "a", "", NOW).unwrap();
    store.intent_done(first).unwrap();

    assert_eq!(store.open_intents().unwrap(), []);
    assert_ne!(store.intent("insert_rows", "b", "", NOW).unwrap(), first);
}

#[test]
fn thirty_runs_are_kept() {
    let world = World::new();
    let store = world.store();
    for number in 0..35 {
        store
            .run_started(&format!("r{number:02}"), NOW + number, "plan")
            .unwrap();
    }

    let runs = store.runs(100).unwrap();

    assert_eq!(runs.len(), 30);
    assert_eq!(runs[0].run_id, "r34");
    assert_eq!(runs[29].run_id, "r05");
    assert_eq!(store.runs(1).unwrap().len(), 1);
}

#[test]
fn clean_removes_what_is_of_no_more_use() {
    let world = World::new();
    let store = world.store();
    store
        .session_opened(&transfer("a"), &session("https://s/1"))
        .unwrap();
    store.file_staged(&transfer("b"), &staged("t1")).unwrap();
    store
        .remember_digests(&print(1), digests("x"), LATER_NS)
        .unwrap();
    store.intent("insert_rows", "a", "", NOW).unwrap();

    assert_eq!(store.clean(NOW + HOUR).unwrap(), Cleaned::default());
    let day = 24 * HOUR;
    assert_eq!(
        store.clean(NOW + 2 * day).unwrap(),
        Cleaned {
            expired_sessions: 1,
            expired_staged: 1,
            ..Cleaned::default()
        }
    );
    assert_eq!(
        store.clean(NOW + 500 * day).unwrap(),
        Cleaned {
            old_digests: 1,
            old_intents: 1,
            ..Cleaned::default()
        }
    );
}

#[test]
fn memory_works_alike_and_leaves_nothing() {
    let world = World::new();
    let opened = StateStore::open(&StateLocation::Memory, &world.key).unwrap();
    let store = opened.store;

    store
        .session_opened(&transfer("a"), &session("https://s/1"))
        .unwrap();

    assert_eq!(
        store.session(&transfer("a"), NOW).unwrap(),
        Some(session("https://s/1"))
    );
    assert_eq!(store.path(), None);
    assert_eq!(store.clean(NOW).unwrap(), Cleaned::default());
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 0);
}

#[test]
fn folders_are_0700_and_files_0600() {
    let world = World::new();
    let store = world.store();
    store.run_started("r", NOW, "run").unwrap();

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.folder.path().join("state")), 0o700);
    let files = fs::read_dir(world.folder.path().join("state")).unwrap();
    let modes: Vec<u32> = files.map(|entry| mode(&entry.unwrap().path())).collect();
    assert!(
        !modes.is_empty() && modes.iter().all(|mode| *mode == 0o600),
        "{modes:?}"
    );
}

#[test]
fn a_file_that_others_can_read_is_made_private() {
    let world = World::new();
    drop(world.store());
    fs::set_permissions(world.path(), fs::Permissions::from_mode(0o644)).unwrap();

    drop(world.store());

    assert_eq!(
        fs::metadata(world.path()).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_newer_format_is_set_aside() {
    let world = World::new();
    drop(world.store());
    Connection::open(world.path())
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();

    let opened = world.opened();

    let StateWarning::Newer { version, set_aside } = &opened.warnings[0] else {
        panic!("{:?}", opened.warnings);
    };
    assert_eq!(*version, 99);
    assert!(set_aside.to_string_lossy().ends_with(".sqlite.set-aside-1"));
    assert!(set_aside.exists());
    opened.store.run_started("r", NOW, "run").unwrap();
}

#[test]
fn damaged_and_foreign_files_are_set_aside() {
    let world = World::new();
    let damages: [fn(&Path); 4] = [
        |path| fs::write(path, "not a database, but long enough to look at, honestly").unwrap(),
        |path| {
            let mut bytes = fs::read(path).unwrap();
            for byte in bytes.iter_mut().skip(100).take(3_000) {
                *byte ^= 0x5a;
            }
            fs::write(path, bytes).unwrap();
        },
        |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        |path| {
            fs::remove_file(path).unwrap();
            Connection::open(path)
                .unwrap()
                .execute_batch("CREATE TABLE mine (x)")
                .unwrap();
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        drop(world.store());
        damage(&world.path());

        let opened = world.opened();

        assert_eq!(opened.warnings.len(), 1, "damage {number}");
        let StateWarning::Damaged { set_aside, .. } = &opened.warnings[0] else {
            panic!("{:?}", opened.warnings);
        };
        let suffix = format!(".set-aside-{}", number + 1);
        assert!(
            set_aside.to_string_lossy().ends_with(&suffix),
            "{set_aside:?}"
        );
        assert_eq!(opened.store.runs(1).unwrap(), []);
    }
}

#[test]
fn a_file_left_empty_by_a_kill_is_used() {
    let world = World::new();
    fs::create_dir_all(world.path().parent().unwrap()).unwrap();
    fs::write(world.path(), "").unwrap();

    world.store().run_started("r", NOW, "run").unwrap();
}

/// A kill or a power cut leaves the log torn anywhere. Whatever was committed
/// before the tear is there, nothing half is, and nothing fails.
#[test]
fn a_torn_log_leaves_a_prefix_of_what_was_committed() {
    let world = World::new();
    let store = world.store();
    for number in 0..20 {
        store
            .intent("insert_rows", &format!("part {number}"), "", NOW)
            .unwrap();
    }
    let main = fs::read(world.path()).unwrap();
    let log_path = PathBuf::from(format!("{}-wal", world.path().display()));
    let log = fs::read(&log_path).unwrap();
    let mut seen = Vec::new();
    for cut in (0..=log.len()).rev().step_by(3_989).chain([0]) {
        let copy = World::new();
        fs::create_dir_all(copy.path().parent().unwrap()).unwrap();
        fs::write(copy.path(), &main).unwrap();
        let copied_log = format!("{}-wal", copy.path().display());
        fs::write(copied_log, &log[..cut]).unwrap();

        let found = copy.store().open_intents().unwrap();

        let subjects: Vec<String> = found.into_iter().map(|intent| intent.subject).collect();
        let wanted: Vec<String> = (0..subjects.len())
            .map(|number| format!("part {number}"))
            .collect();
        assert_eq!(subjects, wanted, "log cut at {cut}");
        seen.push(subjects.len());
    }
    assert_eq!(seen.first(), Some(&20));
    assert!(seen.is_sorted_by(|more, fewer| more >= fewer), "{seen:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let world = World::new();
    let file = world.folder.path().join("file");
    fs::write(&file, "").unwrap();
    let location = StateLocation::Folder(file.join("state"));

    let error = StateStore::open(&location, &world.key).unwrap_err();

    assert!(matches!(error, StateError::Folder { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot make the state folder `{}`",
            file.join("state").display()
        )
    );
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let world = World::new();
    fs::create_dir_all(world.path()).unwrap();

    let error = StateStore::open(&world.location(), &world.key).unwrap_err();

    assert!(
        matches!(
            error,
            StateError::File {
                doing: "create",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn damage_met_during_a_run_is_set_aside_for_the_next() {
    let world = World::new();
    let store = world.store();
    Connection::open(world.path())
        .unwrap()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let mut bytes = fs::read(world.path()).unwrap();
    bytes.fill(0x5a);
    fs::write(world.path(), bytes).unwrap();

    let error = store.runs(1).unwrap_err();

    let StateError::Damaged { set_aside, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(set_aside.exists());
    drop(store);
    assert_eq!(world.store().runs(1).unwrap(), []);
}

#[test]
fn eight_threads_share_a_store() {
    let world = World::new();
    let store = world.store();

    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..250 {
                    let inode = thread * 1_000 + number;
                    let key = transfer(&format!("f{inode}"));
                    store
                        .remember_digests(&print(inode), digests("x"), LATER_NS)
                        .unwrap();
                    store.file_staged(&key, &staged("t")).unwrap();
                    assert!(store.staged(&key, NOW).unwrap().is_some());
                    store.staged_spent(&[key]).unwrap();
                }
                store.intent("k", "s", "", NOW).unwrap();
            });
        }
    });

    let prints = (0..8_000).map(print).collect::<Vec<_>>();
    assert_eq!(known(&store, &prints), 2_000);
    assert_eq!(store.open_intents().unwrap().len(), 8);
}

#[test]
fn two_processes_share_a_file() {
    let world = World::new();
    let (one, other) = (world.store(), world.store());

    std::thread::scope(|scope| {
        for (store, base) in [(&one, 0), (&other, 1_000)] {
            scope.spawn(move || {
                for number in 0..50 {
                    store
                        .remember_digests(&print(base + number), digests("x"), LATER_NS)
                        .unwrap();
                    store.flush().unwrap();
                }
            });
        }
    });

    let prints = (0..2_000).map(print).collect::<Vec<_>>();
    assert_eq!(known(&one, &prints), 100);
}

#[test]
fn a_run_s_files_are_private_and_thirty_folders_of_a_store_are_kept() {
    let world = World::new();
    let location = world.location();
    let other_key = StateKey {
        instance: Some("other".to_owned()),
        ..world.key.clone()
    };
    let other = RunId::new(NOW - 90 * 24 * HOUR, &other_key, 7);
    RunFolder::create(&location, &other).unwrap();
    let ids: Vec<RunId> = (0..32)
        .map(|day| RunId::new(NOW + day * 24 * HOUR, &world.key, 1))
        .collect();
    for id in &ids {
        RunFolder::create(&location, id).unwrap();
    }

    let newest = RunFolder::find(&location, ids[31].as_str()).unwrap();
    newest.create_file("report.json").unwrap();

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(newest.path()), 0o700);
    assert_eq!(mode(&newest.path().join("report.json")), 0o600);
    assert!(matches!(
        newest.create_file("../x"),
        Err(StateError::BadName(_))
    ));
    assert_eq!(RunFolder::find(&location, ids[1].as_str()), None);
    assert!(RunFolder::find(&location, ids[2].as_str()).is_some());
    assert!(RunFolder::find(&location, other.as_str()).is_some());
    assert!(
        ids[0].as_str().starts_with("20260528T202640Z-"),
        "{}",
        ids[0]
    );
}

#[test]
fn many_processes_may_make_the_same_store_at_once() {
    for _ in 0..5 {
        let world = World::new();
        let start = std::sync::Barrier::new(8);

        std::thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (world, start) = (&world, &start);
                scope.spawn(move || {
                    start.wait();
                    let store = world.store();
                    store.intent("k", &format!("{thread}"), "", NOW).unwrap();
                });
            }
        });

        assert_eq!(world.store().open_intents().unwrap().len(), 8);
    }
}

#[test]
fn a_store_can_be_reopened_with_a_rollback_journal() {
    let world = World::new();
    world.store().run_started("r", NOW, "run").unwrap();
    let connection = Connection::open(world.path()).unwrap();
    connection
        .pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))
        .unwrap();
    drop(connection);

    assert_eq!(world.store().runs(1).unwrap()[0].run_id, "r");
}

#[test]
fn only_what_a_run_is_called_is_read_as_a_run_s_id() {
    let world = World::new();
    let id = RunId::new(NOW, &world.key, 0xab);
    assert_eq!(RunId::parse(id.as_str()), Some(id));
    for text in [
        "",
        "my-holiday-photos",
        "20261121T201135Z-0123abcd",
        "20261121T201135Z-0123abcd-0123abcd-0",
        "20261121T201135Z-0123abcd-0123ABCD",
        "20261121T201135Z-0123abcd-0123abc",
        "20261321T201135Z-0123abcd-0123abcd",
        "20261121T201135-0123abcd-0123abcd",
        "2026112T201135Z-0123abcd-0123abcd",
    ] {
        assert_eq!(RunId::parse(text), None, "{text}");
    }
}
