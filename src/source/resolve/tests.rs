//! Globs, names and the problems of real folders, on folders made for the test.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::cancel::CancelReason;
use crate::base::{ByteCount, UploadOptions};
use crate::manifest::{
    CsvDialect, Extra, ExtraColumns, FilesEntry, FilesSource, MissingColumns, OnFileChange,
    OnMissing, OnReleased, OnRenamed, OnRowsChange, PathEntry, PathPattern, RowFormat, RowsEntry,
    RowsSource, Schema, Symlinks, UploadsEntry, UploadsSource,
};
use crate::source::SourceError;

struct Tree {
    folder: tempfile::TempDir,
    cancel: CancelToken,
    allow_empty: bool,
    now_ns: i64,
}

impl Tree {
    fn new(files: &[&str]) -> Self {
        let tree = Self {
            folder: tempfile::tempdir().unwrap(),
            cancel: CancelToken::new(),
            allow_empty: false,
            now_ns: i64::MAX,
        };
        for file in files {
            tree.write(file);
        }
        tree
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, file: impl AsRef<Path>) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }

    fn link(&self, target: &str, link: &str) {
        symlink(target, self.root().join(link)).unwrap();
    }

    fn options(&self) -> ResolveOptions<'_> {
        ResolveOptions {
            root: self.root(),
            allow_empty: self.allow_empty,
            now_ns: self.now_ns,
            cancel: &self.cancel,
        }
    }

    fn files(&self, source: &FilesSource) -> Resolved {
        resolve_files(&self.options(), source).unwrap()
    }

    fn glob(&self, pattern: &str) -> Resolved {
        self.files(&files([glob(pattern)]))
    }

    fn rows(&self, entries: Vec<RowsEntry>) -> ResolvedRows {
        let source = RowsSource {
            entries,
            schema: Schema::Infer,
            extra_columns: ExtraColumns::Fail,
            missing_columns: MissingColumns::Fail,
            max_rejects: 0,
            on_change: OnRowsChange::Replace,
            on_released: OnReleased::Fail,
            on_missing: OnMissing::Keep,
            on_renamed: OnRenamed::Keep,
            payload: ByteCount(1000),
        };
        resolve_rows(&self.options(), &source).unwrap()
    }

    fn uploads(&self, entries: Vec<UploadsEntry>) -> ResolvedUploads {
        let source = UploadsSource {
            entries,
            on_change: OnRowsChange::Replace,
            on_released: OnReleased::Fail,
            on_missing: OnMissing::Keep,
            on_renamed: OnRenamed::Keep,
        };
        resolve_uploads(&self.options(), &source).unwrap()
    }
}

fn paths(pattern: PathPattern) -> PathEntry {
    PathEntry {
        pattern,
        exclude: Vec::new(),
        varies: false,
    }
}

fn glob(pattern: &str) -> FilesEntry {
    FilesEntry {
        paths: paths(PathPattern::Glob(pattern.to_owned())),
        base: None,
        prefix: String::new(),
    }
}

fn literal(path: &str) -> FilesEntry {
    FilesEntry {
        paths: paths(PathPattern::Literal(path.to_owned())),
        ..glob("")
    }
}

fn files(entries: impl IntoIterator<Item = FilesEntry>) -> FilesSource {
    FilesSource {
        entries: entries.into_iter().collect(),
        on_change: OnFileChange::Replace,
        extra: Extra::Report,
        symlinks: Symlinks::Follow,
        min_age: Duration::ZERO,
    }
}

fn rows(pattern: &str, format: RowFormat) -> RowsEntry {
    RowsEntry {
        paths: paths(PathPattern::Glob(pattern.to_owned())),
        format,
    }
}

fn upload(pattern: &str) -> UploadsEntry {
    UploadsEntry {
        paths: paths(PathPattern::Glob(pattern.to_owned())),
        name: None,
        kind: None,
        options: UploadOptions::default(),
        max_bad_records: 0,
    }
}

fn names(resolved: &Resolved) -> Vec<&str> {
    resolved.files.iter().map(|one| one.name.as_str()).collect()
}

fn problems(list: &[SourceProblem]) -> Vec<(&str, &str)> {
    list.iter()
        .map(|one| (one.shown.as_str(), one.kind.code()))
        .collect()
}

#[test]
fn names_are_relative_to_the_glob_s_literal_folder_or_to_base() {
    let tree = Tree::new(&[
        "data/scans/a.tif",
        "data/scans/x/.b.tif",
        "data/scans/c.txt",
    ]);
    let based = FilesEntry {
        base: Some("./data/".to_owned()),
        prefix: "2026/".to_owned(),
        ..glob("data/scans/**/*.tif")
    };

    let found = tree.glob("data/scans/**/*.tif");
    assert_eq!(names(&found), ["a.tif", "x/.b.tif"]);
    assert_eq!(found.files[1].shown(), "data/scans/x/.b.tif");
    let path = found.files[1].path(tree.root());
    assert_eq!(path, tree.root().join("data/scans/x/.b.tif"));
    assert_eq!(found.files[1].fingerprint.size, 1);
    assert_eq!(names(&tree.glob("./data//scans/a.*")), ["a.tif"]);
    assert_eq!(
        names(&tree.files(&files([based]))),
        ["2026/scans/a.tif", "2026/scans/x/.b.tif"]
    );
    assert_eq!(
        names(&tree.files(&files([literal("data/scans/c.txt")]))),
        ["c.txt"]
    );
}

#[test]
fn absolute_patterns_below_the_root_are_shown_relative_to_it() {
    let tree = Tree::new(&["data/a.tif"]);
    let pattern = tree.root().join("data/*").to_string_lossy().into_owned();
    let found = tree.glob(&pattern);
    let single = tree.files(&files([literal(&pattern.replace('*', "a.tif"))]));

    assert_eq!(found.files[0].shown(), "data/a.tif");
    assert_eq!(names(&found), ["a.tif"]);
    assert_eq!(single.files, found.files);
}

#[test]
fn a_star_stays_in_its_folder_and_folders_are_no_files() {
    let tree = Tree::new(&["a.csv", "x/b.csv", "y.csv/c.csv"]);

    assert_eq!(names(&tree.glob("*.csv")), ["a.csv"]);
    assert_eq!(names(&tree.glob("*/*.csv")), ["x/b.csv", "y.csv/c.csv"]);
    assert_eq!(names(&tree.glob("[ax].csv")), ["a.csv"]);
}

#[test]
fn a_literal_path_may_hold_a_pattern_s_characters() {
    let tree = Tree::new(&["a[1]*.csv"]);

    assert_eq!(
        names(&tree.files(&files([literal("a[1]*.csv")]))),
        ["a[1]*.csv"]
    );
}

#[test]
fn excluded_paths_and_folders_are_left_out() {
    let tree = Tree::new(&["d/a", "d/tmp/b", "d/tmp/deep/c", "d/x.bak"]);
    tree.link("..", "d/tmp/loop");
    let mut entry = glob("d/**/*");
    entry.paths.exclude = vec!["**/tmp/*".to_owned(), "d/*.bak".to_owned()];
    let found = tree.files(&files([entry.clone()]));
    entry.paths.exclude[0] = "**/tmp".to_owned();

    assert_eq!(names(&found), ["a"]);
    assert_eq!(problems(&found.problems), []);
    assert_eq!(names(&tree.files(&files([entry]))), ["a"]);
}

#[test]
fn what_is_not_there_is_a_problem_unless_nothing_is_allowed() {
    let mut tree = Tree::new(&["a.csv", "f/x"]);
    let source = files([
        glob("*.tif"),
        glob("none/**/*"),
        literal("b.csv"),
        literal("f"),
        glob("***"),
        glob("*.csv"),
    ]);
    let strict = tree.files(&source);
    tree.allow_empty = true;
    let lax = tree.files(&source);

    assert_eq!(names(&strict), ["a.csv"]);
    assert_eq!(
        problems(&strict.problems),
        [
            ("***", "source/bad-pattern"),
            ("*.tif", "source/no-match"),
            ("b.csv", "source/not-found"),
            ("f", "source/is-a-folder"),
            ("none/**/*", "source/no-match"),
        ]
    );
    assert_eq!(
        problems(&lax.problems),
        [("***", "source/bad-pattern"), ("f", "source/is-a-folder")]
    );
}

#[test]
fn links_are_followed_skipped_or_refused() {
    let tree = Tree::new(&["d/a", "real/b"]);
    tree.link("../real", "d/folder");
    tree.link("a", "d/file");
    let with = |symlinks| {
        tree.files(&FilesSource {
            symlinks,
            ..files([glob("d/**/*")])
        })
    };

    assert_eq!(names(&with(Symlinks::Follow)), ["a", "file", "folder/b"]);
    let skipped = with(Symlinks::Skip);
    assert_eq!(names(&skipped), ["a"]);
    assert_eq!(
        skipped.skipped,
        ["d/file", "d/folder"].map(|shown| Skipped {
            shown: shown.to_owned(),
            reason: SkipReason::Symlink
        })
    );
    assert_eq!(
        problems(&with(Symlinks::Fail).problems),
        [("d/file", "source/link"), ("d/folder", "source/link")]
    );
}

#[test]
fn link_loops_and_dangling_links_do_not_stop_the_rest() {
    let tree = Tree::new(&["d/a", "d/x/b"]);
    tree.link("..", "d/x/up");
    tree.link("nowhere", "d/gone");
    tree.link("self", "d/self");
    let found = tree.glob("d/**/*");

    assert_eq!(names(&found), ["a", "x/b"]);
    assert_eq!(
        problems(&found.problems),
        [
            ("d/gone", "source/dangling-link"),
            ("d/self", "source/link-loop"),
            ("d/x/up", "source/link-loop")
        ]
    );
    let single = tree.files(&files([literal("d/gone"), literal("d/self")]));
    assert_eq!(
        problems(&single.problems),
        [
            ("d/gone", "source/dangling-link"),
            ("d/self", "source/link-loop")
        ]
    );
    // A walk that cannot come there does not complain.
    assert_eq!(problems(&tree.glob("d/?").problems), []);
}

#[test]
fn a_name_that_is_not_utf_8_is_one_problem_and_shown_escaped() {
    let tree = Tree::new(&["d/a.csv"]);
    tree.write(Path::new("d").join(OsStr::from_bytes(b"caf\xe9.csv")));
    tree.write(Path::new("d").join(OsStr::from_bytes(b"caf\xe9.txt")));
    let found = tree.glob("d/*.csv");

    assert_eq!(names(&found), ["a.csv"]);
    assert_eq!(
        problems(&found.problems),
        [("d/caf\\xe9.csv", "source/not-utf8")]
    );
}

#[test]
fn files_that_are_too_young_are_skipped() {
    let mut tree = Tree::new(&["d/old", "d/new"]);
    let now = std::time::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    for (name, age) in [("d/old", 121), ("d/new", 119)] {
        let file = fs::File::options()
            .write(true)
            .open(tree.root().join(name))
            .unwrap();
        file.set_modified(now - Duration::from_secs(age)).unwrap();
    }
    tree.now_ns = 2_000_000_000_000_000_000;
    let found = tree.files(&FilesSource {
        min_age: Duration::from_secs(120),
        ..files([glob("d/*")])
    });

    assert_eq!(names(&found), ["old"]);
    assert_eq!(
        found.skipped,
        [Skipped {
            shown: "d/new".to_owned(),
            reason: SkipReason::TooYoung
        }]
    );
}

#[test]
fn sockets_and_pipes_are_no_files() {
    let tree = Tree::new(&["d/a"]);
    let _socket = std::os::unix::net::UnixListener::bind(tree.root().join("d/s")).unwrap();
    let found = tree.glob("d/*");

    assert_eq!(names(&found), ["a"]);
    assert_eq!(found.skipped[0].reason.as_str(), "not_a_file");
    let single = tree.files(&files([literal("d/s")]));
    assert_eq!(problems(&single.problems), [("d/s", "source/not-a-file")]);
}

#[test]
fn names_that_cannot_stand_side_by_side_are_told() {
    let tree = Tree::new(&[
        "one/a",
        "two/a",
        "two/README",
        "two/readme",
        "two/caf\u{e9}",
        "two/cafe\u{301}",
        "two/x/y",
        "three/x",
    ]);
    let found = tree.files(&files([glob("one/*"), glob("two/**/*"), glob("three/*")]));

    assert_eq!(
        names(&found),
        ["README", "a", "caf\u{e9}", "readme", "x", "x/y"]
    );
    assert_eq!(
        problems(&found.problems),
        [
            ("three/x", "source/folder-clash"),
            ("two/a", "source/same-name"),
            ("two/caf\u{e9}", "source/form-twins"),
            ("two/readme", "source/case-twins"),
        ]
    );
    assert_eq!(
        found.problems[1].to_string(),
        "`two/a` gets the remote name `a`, which `one/a` has already"
    );
}

#[test]
fn a_file_matched_twice_under_one_name_is_one_file() {
    let tree = Tree::new(&["d/a"]);
    let prefixed = FilesEntry {
        prefix: "p/".to_owned(),
        ..glob("d/*")
    };
    let found = tree.files(&files([glob("d/*"), glob("d/a*"), prefixed]));

    assert_eq!(names(&found), ["a", "p/a"]);
    assert_eq!(problems(&found.problems), []);
}

#[test]
fn a_name_that_the_platform_cannot_take_is_one_problem() {
    let tree = Tree::new(&["d/a", "d/b\nc"]);
    let outside = FilesEntry {
        base: Some("other".to_owned()),
        ..glob("d/a")
    };
    let found = tree.files(&files([glob("d/*"), outside]));

    assert_eq!(names(&found), ["a"]);
    assert_eq!(
        problems(&found.problems),
        [
            ("d/a", "source/not-below-base"),
            ("d/b\nc", "source/bad-name")
        ]
    );
}

#[test]
fn a_walk_can_be_stopped() {
    let tree = Tree::new(&["d/a"]);
    tree.cancel.cancel(CancelReason::Interrupted);
    let found = resolve_files(&tree.options(), &files([glob("d/*")]));

    assert!(matches!(found, Err(SourceError::Cancelled)));
}

#[test]
fn a_row_source_is_taken_once_and_keyed_by_its_path() {
    let tree = Tree::new(&["d/b.csv", "d/a.csv", "d/c.ndjson"]);
    let csv = || RowFormat::Csv(CsvDialect::default());
    let found = tree.rows(vec![
        rows("d/*.csv", csv()),
        rows("d/a.*", csv()),
        rows("d/*.ndjson", RowFormat::Ndjson),
    ]);

    let inputs: Vec<_> = found
        .inputs
        .iter()
        .map(|one| (one.shown.as_str(), one.entry, one.key.clone()))
        .collect();
    assert_eq!(
        inputs,
        [("d/a.csv", 0), ("d/b.csv", 0), ("d/c.ndjson", 2)].map(|(path, entry)| (
            path,
            entry,
            SourceKey::source(path)
        ))
    );
    assert_eq!(problems(&found.problems), []);
}

#[test]
fn a_row_source_with_two_dialects_is_a_problem() {
    let tree = Tree::new(&["d/a.csv"]);
    let found = tree.rows(vec![
        rows("d/*.csv", RowFormat::Csv(CsvDialect::default())),
        rows("d/a.*", RowFormat::Ndjson),
    ]);

    assert_eq!(found.inputs.len(), 1);
    assert_eq!(
        problems(&found.problems),
        [("d/a.csv", "source/two-readings")]
    );
}

#[test]
fn row_sources_that_differ_in_unicode_form_are_a_problem() {
    let tree = Tree::new(&["caf\u{e9}.csv", "cafe\u{301}.csv"]);
    let found = tree.rows(vec![rows("*.csv", RowFormat::Ndjson)]);

    assert_eq!(found.inputs.len(), 1);
    assert_eq!(found.inputs[0].key, SourceKey::source("caf\u{e9}.csv"));
    assert_eq!(
        problems(&found.problems),
        [("caf\u{e9}.csv", "source/form-twins")]
    );
}

#[test]
fn uploads_get_a_stem_and_a_type() {
    let tree = Tree::new(&["e/part-1.parquet", "e/part-2.parquet", "e/x.bin"]);
    let named = UploadsEntry {
        name: Some("taxa".to_owned()),
        ..upload("e/*.parquet")
    };
    let found = tree.uploads(vec![named, upload("e/*.bin")]);

    let inputs: Vec<_> = found
        .inputs
        .iter()
        .map(|one| (one.shown.as_str(), one.stem.as_str(), one.kind))
        .collect();
    assert_eq!(
        inputs,
        [
            ("e/part-1.parquet", "taxa", UploadType::Parquet),
            ("e/part-2.parquet", "taxa", UploadType::Parquet)
        ]
    );
    assert_eq!(
        problems(&found.problems),
        [("e/x.bin", "source/unknown-type")]
    );
}

#[test]
fn upload_names_that_collide_on_the_platform_are_a_problem() {
    let tree = Tree::new(&["e/part.1.csv", "e/part_1.csv", "f/part.1.csv"]);
    let found = tree.uploads(vec![upload("*/*.csv")]);

    let shown: Vec<_> = found.inputs.iter().map(|one| one.shown.as_str()).collect();
    assert_eq!(shown, ["e/part.1.csv", "f/part.1.csv"]);
    assert_eq!(
        problems(&found.problems),
        [("e/part_1.csv", "source/same-upload-name")]
    );
}
