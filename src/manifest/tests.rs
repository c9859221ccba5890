//! What a manifest becomes, and which problems a wrong one has.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::{ByteCount, MergeStrategy, VariableType};

pub(super) fn load(text: &str) -> Result<Manifest, ManifestError> {
    load_with(text, &|_| None)
}

fn load_with(text: &str, env: Environment<'_>) -> Result<Manifest, ManifestError> {
    load_text(Path::new("m.yaml"), text, Path::new("/root"), env).map_err(|error| match error {
        LoadError::Invalid(error) => *error,
        LoadError::Read { .. } | LoadError::TooLarge { .. } => panic!("{error}"),
    })
}

fn codes(text: &str) -> Vec<&'static str> {
    let error = load(text).unwrap_err();
    error
        .problems()
        .iter()
        .map(|problem| problem.code.as_str())
        .collect()
}

const HEAD: &str = "version: 1\nname: m\ndataset: me.data\n";

fn files_job(more: &str) -> String {
    format!("{HEAD}jobs:\n  - name: a\n    table: t\n    files: [{{glob: '*.txt'}}]\n{more}")
}

fn rows_job(schema: &str, more: &str) -> String {
    format!(
        "{HEAD}jobs:\n  - name: a\n    table: t\n    rows: [{{csv: a.csv}}]\n    schema: {schema}\n{more}"
    )
}

#[test]
fn defaults_are_filled_in() {
    let manifest = load(&rows_job("{x: integer}", "")).unwrap();
    let Source::Rows(rows) = &manifest.jobs[0].source else {
        panic!()
    };

    assert_eq!(manifest.root, Path::new("/root"));
    assert_eq!(manifest.prepare, Prepare::default());
    assert_eq!(manifest.release, Release::No);
    assert_eq!(manifest.jobs[0].table.to_string(), "me.data.t");
    assert_eq!(rows.payload, ByteCount(33_554_432));
    assert_eq!(rows.max_rejects, 0);
    assert_eq!(rows.extra_columns, ExtraColumns::Fail);
    assert_eq!(rows.on_missing, OnMissing::Keep);
    assert_eq!(
        rows.entries[0].format,
        RowFormat::Csv(CsvDialect::default())
    );
    assert_eq!(
        rows.entries[0].paths.pattern,
        PathPattern::Literal("a.csv".into())
    );
    let Schema::Declared(variables) = &rows.schema else {
        panic!()
    };
    assert_eq!(variables[0].from, ValueFrom::Column("x".into()));
    assert_eq!(variables[0].convert, Convert::default());
}

#[test]
fn every_key_of_a_files_job_is_read() {
    let manifest = load(&format!(
        "{HEAD}release: {{notes: New, others: allow}}
tables: {{t: {{merge: replace, description: D}}}}
jobs:
  - name: a
    table: me.other:next.t2
    tags: [x, y]
    files:
      - {{glob: ./data//**/*.tif, base: data, prefix: 2026/, exclude: ['**/a']}}
      - {{path: 'data/[1].tif'}}
    exclude: ['**/b']
    on_change: keep
    extra: fail
    symlinks: skip
    min_age: 1h 30m
    allow_empty: true
    expect: {{min_files: 1, max_files: 2, min_bytes: 1kB, max_bytes: 2MiB}}
  - {{name: b, table: t, files: [{{glob: '*'}}]}}
"
    ))
    .unwrap();
    let job = &manifest.jobs[0];
    let Source::Files(files) = &job.source else {
        panic!()
    };

    assert_eq!(
        manifest.release,
        Release::Yes {
            notes: Some("New".into()),
            others: Others::Allow
        }
    );
    assert_eq!(manifest.tables[0].merge, Some(MergeStrategy::Replace));
    assert_eq!(manifest.tables[0].description.as_deref(), Some("D"));
    assert_eq!(job.table.to_string(), "me.other.t2");
    assert_eq!(job.tags, ["x", "y"]);
    assert!(job.allow_empty);
    assert_eq!(
        files.entries[0].paths.pattern,
        PathPattern::Glob("data/**/*.tif".into())
    );
    assert_eq!(files.entries[0].paths.exclude, ["**/a", "**/b"]);
    assert_eq!(files.entries[0].base.as_deref(), Some("data"));
    assert_eq!(files.entries[0].prefix, "2026/");
    assert_eq!(
        files.entries[1].paths.pattern,
        PathPattern::Literal("data/[1].tif".into())
    );
    assert_eq!(files.on_change, OnFileChange::Keep);
    assert_eq!(files.extra, Extra::Fail);
    assert_eq!(files.symlinks, Symlinks::Skip);
    assert_eq!(files.min_age, Duration::from_secs(5400));
    assert_eq!(job.expect.min_bytes, Some(ByteCount(1000)));
    assert_eq!(job.expect.max_files, Some(2));
}

#[test]
fn every_key_of_a_rows_job_is_read() {
    let manifest = load(&format!(
        r##"{HEAD}jobs:
  - name: a
    table: t
    rows:
      - csv: a.csv
        delimiter: "\t"
        quote: none
        escape: \
        comment: "#"
        header: [1, b]
        skip_lines: 2
        encoding: latin1
    schema:
      a: {{type: float, from: "1", null_markers: [NA, -999], decimal: ",", required: true}}
      b: {{type: boolean, true_values: [Y], false_values: [0]}}
      c: {{type: dateTime, format: epoch_ms, zone: utc}}
      d: {{type: date, from_path: "r_{{}}.csv", format: "%Y-%m-%d"}}
      e: {{type: string, value: 1.10, nested: json, label: L, description: D, value_labels: {{1: one}}}}
    extra_columns: drop
    missing_columns: null
    rejects: {{max: 3}}
    on_change: fail
    on_released: append
    on_missing: delete
    payload: 1MB
    expect: {{min_rows: 1, max_rows: 9, max_shrink: 50%}}
"##
    ))
    .unwrap();
    let job = &manifest.jobs[0];
    let Source::Rows(rows) = &job.source else {
        panic!()
    };
    let Schema::Declared(variables) = &rows.schema else {
        panic!()
    };

    assert_eq!(
        rows.entries[0].format,
        RowFormat::Csv(CsvDialect {
            delimiter: b'\t',
            quote: None,
            escape: Some(b'\\'),
            comment: Some(b'#'),
            header: Header::Names(vec!["1".into(), "b".into()]),
            skip_lines: 2,
            encoding: TextEncoding::Other("windows-1252".into()),
        })
    );
    assert_eq!(
        variables[0].convert.null_markers,
        Some(vec!["NA".into(), "-999".into()])
    );
    assert_eq!(variables[0].convert.decimal, b',');
    assert!(variables[0].required);
    assert_eq!(variables[1].convert.false_values, Some(vec!["0".into()]));
    assert_eq!(variables[2].convert.format, TimeFormat::EpochMillis);
    assert_eq!(variables[2].convert.zone, ZonePolicy::Utc);
    assert_eq!(variables[3].from, ValueFrom::Path("r_{}.csv".into()));
    assert_eq!(
        variables[3].convert.format,
        TimeFormat::Pattern("%Y-%m-%d".into())
    );
    // A number keeps the digits that were written.
    assert_eq!(variables[4].from, ValueFrom::Constant("1.10".into()));
    assert_eq!(variables[4].kind, VariableType::String);
    assert_eq!(
        variables[4].metadata.value_labels.as_ref().unwrap()["1"],
        "one"
    );
    assert_eq!(rows.extra_columns, ExtraColumns::Drop);
    assert_eq!(rows.missing_columns, MissingColumns::Null);
    assert_eq!(rows.max_rejects, 3);
    assert_eq!(rows.on_change, OnRowsChange::Fail);
    assert_eq!(rows.on_released, OnReleased::Append);
    assert_eq!(rows.on_missing, OnMissing::Delete);
    assert_eq!(rows.payload, ByteCount(1_000_000));
    assert_eq!(job.expect.max_shrink, Some(0.5));
}

#[test]
fn every_key_of_an_uploads_job_is_read() {
    let manifest = load(&format!(
        r#"{HEAD}jobs:
  - name: a
    table: t
    uploads:
      - path: export/part-*.csv
        name: taxa
        type: delimited
        has_header: false
        delimiter: ";"
        quote: "'"
        escape: \
        null_markers: [NA]
        quoted_newlines: true
        jagged_rows: true
        skip_bad_records: true
        max_bad_records: 7
      - path: a.parquet
"#
    ))
    .unwrap();
    let Source::Uploads(uploads) = &manifest.jobs[0].source else {
        panic!()
    };
    let entry = &uploads.entries[0];

    assert_eq!(
        entry.paths.pattern,
        PathPattern::Glob("export/part-*.csv".into())
    );
    assert_eq!(entry.name.as_deref(), Some("taxa"));
    assert_eq!(entry.kind, Some(crate::base::UploadType::Delimited));
    assert_eq!(entry.options.has_header, Some(false));
    assert_eq!(entry.options.delimiter.as_deref(), Some(";"));
    assert_eq!(entry.options.null_markers, Some(vec!["NA".into()]));
    assert_eq!(entry.options.skip_bad_records, Some(true));
    assert_eq!(entry.max_bad_records, 7);
    assert_eq!(uploads.entries[1].kind, None);
}

#[test]
fn a_job_s_own_key_wins_over_a_default_and_other_kinds_pass_it_over() {
    let manifest = load(&format!(
        "{HEAD}defaults: {{payload: 1MB, min_age: 5m, on_missing: fail, expect: {{min_rows: 2}}}}
jobs:
  - {{name: a, table: t, files: [{{glob: '*'}}]}}
  - {{name: b, table: u, rows: [{{csv: a}}], schema: infer, payload: 2MB}}
"
    ))
    .unwrap();
    let Source::Files(files) = &manifest.jobs[0].source else {
        panic!()
    };
    let Source::Rows(rows) = &manifest.jobs[1].source else {
        panic!()
    };

    assert_eq!(files.min_age, Duration::from_secs(300));
    assert_eq!(rows.payload, ByteCount(2_000_000));
    assert_eq!(rows.on_missing, OnMissing::Fail);
    assert_eq!(manifest.jobs[1].expect.min_rows, Some(2));
}

#[test]
fn defaults_that_no_job_takes_up_are_checked_too() {
    let head =
        format!("{HEAD}defaults: {{payload: much, schema: {{x: strng}}, rejects: {{maxi: 1}}}}\n");
    let text = files_job("").replace(HEAD, &head);

    assert_eq!(
        codes(&text),
        [
            "manifest/bad-size",
            "manifest/bad-word",
            "manifest/unknown-key"
        ]
    );
}

#[test]
fn a_variable_alone_is_read_as_what_the_key_wants() {
    let env = |name: &str| {
        Some(match name {
            "FLAG" => "true".to_owned(),
            "COUNT" => "5".to_owned(),
            "SIZE" => "1MB".to_owned(),
            "YEAR" => "2026".to_owned(),
            "INJECT" => "x, extra: fail".to_owned(),
            _ => return None,
        })
    };
    let manifest = load_with(
        "version: 1\nname: m${YEAR}\ndataset: me.data\nrelease: ${FLAG}\njobs:
  - {name: '${YEAR}', table: '${INJECT}', files: [{glob: '$${x}/${YEAR}/*'}], allow_empty: \"${FLAG}\", expect: {min_files: '${COUNT}', min_bytes: \"${SIZE}\", max_files: \"${NONE:-6}\"}}",
        &env,
    )
    .unwrap();
    let job = &manifest.jobs[0];
    let Source::Files(files) = &job.source else {
        panic!()
    };

    assert_eq!(manifest.name.as_str(), "m2026");
    assert!(matches!(manifest.release, Release::Yes { .. }));
    assert_eq!(job.name.as_str(), "2026");
    assert_eq!(job.table.table(), "x, extra: fail");
    assert_eq!(files.extra, Extra::Report);
    assert_eq!(files.entries[0].paths.pattern.as_str(), "${x}/2026/*");
    assert_eq!(job.expect.min_files, Some(5));
    assert_eq!(job.expect.max_files, Some(6));
    assert_eq!(job.expect.min_bytes, Some(ByteCount(1_000_000)));
    assert!(job.allow_empty);
}

#[test]
fn quoted_and_partly_expanded_scalars_are_text_only() {
    assert_eq!(
        codes(&files_job("    allow_empty: 'true'\n")),
        ["manifest/wrong-type"]
    );
    assert_eq!(
        codes(&files_job("    expect: {min_files: '1'}\n")),
        ["manifest/wrong-type"]
    );
    let error = load_with(&files_job("    expect:\n      min_files: 1${X}\n"), &|_| {
        Some("2".into())
    });
    assert_eq!(
        error.unwrap_err().problems()[0].code,
        ProblemCode::WrongType
    );
}

#[test]
fn the_token_s_value_is_found_anywhere_and_never_shown() {
    let env = |name: &str| match name {
        "REDIVIS_API_TOKEN" | "HIDDEN" => Some("sesame-sesame".to_owned()),
        _ => None,
    };
    for text in [
        files_job("    tags: [sesame-sesame]\n"),
        files_job("    tags: ['${HIDDEN}']\n"),
        format!("{}# sesame-sesame\n", files_job("")),
    ] {
        let error = load_with(&text, &env).unwrap_err();
        assert_eq!(error.problems()[0].code, ProblemCode::Secret, "{text}");
        assert!(!error.render(false, 200).contains("sesame"), "{text}");
    }
}

#[test]
fn a_line_that_may_hold_a_secret_is_not_shown_for_another_problem() {
    for text in [
        "a: [\npassword: hunter2\n: x",
        "version: 1\nx: {api_key: hunter2, api_key: hunter2}",
        "version: 1\npassword: |\n  hunter2\n\tx",
        "version: 1\nx-a:\n  - \"token\": hunter2\n  - {b: 1, b: 2, secret: hunter2}",
    ] {
        let error = load(text).unwrap_err();
        assert!(
            !error.render(true, 100).contains("hunter2"),
            "{}",
            error.render(false, 100)
        );
    }
}

#[test]
fn a_variable_may_be_called_token() {
    assert!(load(&rows_job("{token: string, password: {type: string}}", "")).is_ok());
}

#[test]
fn merge_keys_and_anchors_work() {
    let manifest = load(&format!(
        "x-m: &m {{type: float, required: true}}\nx-n: &n {{type: integer, label: N}}\n{}",
        rows_job(
            "\n      a: {<<: *m, required: false}\n      b: {<<: [*m, *n]}\n      c: *n",
            ""
        )
    ))
    .unwrap();
    let Source::Rows(rows) = &manifest.jobs[0].source else {
        panic!()
    };
    let Schema::Declared(variables) = &rows.schema else {
        panic!()
    };

    assert_eq!(
        (variables[0].kind, variables[0].required),
        (VariableType::Float, false)
    );
    assert_eq!(
        (variables[1].kind, variables[1].metadata.label.as_deref()),
        (VariableType::Float, Some("N"))
    );
    assert_eq!(variables[2].kind, VariableType::Integer);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = format!("\u{feff}{}", files_job("").replace('\n', "\r\n"));
    assert!(load(&text).is_ok());
    let error = load(&format!(
        "\u{feff}{}    extra: é\r\n",
        files_job("").replace('\n', "\r\n")
    ))
    .unwrap_err();
    let problem = &error.problems()[0];
    assert_eq!(
        error
            .source_of(problem)
            .unwrap()
            .position(problem.span.start),
        (8, 12)
    );
}

#[test]
fn columns_are_counted_in_characters() {
    let error = load(&files_job("    tags: ['ééé', {}]\n")).unwrap_err();
    let problem = &error.problems()[0];

    assert_eq!(
        error
            .source_of(problem)
            .unwrap()
            .position(problem.span.start),
        (8, 19)
    );
}

#[test]
fn a_word_is_read_strictly() {
    assert_eq!(
        codes(&format!("{}prepare: {{tables: yes}}\n", files_job(""))),
        ["manifest/wrong-type"]
    );
    assert_eq!(
        codes(&format!("{}prepare: {{tables: True}}\n", files_job(""))),
        ["manifest/wrong-type"]
    );
}

#[test]
fn one_mistake_is_told_once() {
    let text = files_job("")
        .replace("me.data", "me-data")
        .replace("jobs:", "defaults: {extra: nothing}\njobs:");
    let text = format!("{text}  - {{name: b, table: u, files: [{{path: x}}]}}\n");

    assert_eq!(
        codes(&text),
        ["manifest/bad-reference", "manifest/bad-word"]
    );
}

#[test]
fn an_empty_text_is_an_empty_manifest() {
    for text in ["", "# nothing\n", "\u{feff}"] {
        assert_eq!(codes(text), ["manifest/empty"], "{text:?}");
    }
    assert_eq!(codes("just text"), ["manifest/wrong-type"]);
    assert_eq!(
        codes(&format!("{}---\na: b\n", files_job(""))),
        ["manifest/syntax"]
    );
}

#[test]
fn hostile_texts_are_refused() {
    let too_large = ["manifest/too-large"];
    assert_eq!(codes(&format!("a: {}", "[".repeat(16_000))), too_large);
    assert_eq!(codes(&format!("a: {}", "{a: ".repeat(16_000))), too_large);
    assert_eq!(codes(&"- ".repeat(16_000)), too_large);

    let entries = "- {path: a}\n      ".repeat(2000);
    let jobs = "  - {name: a, table: t, files: *f}\n".repeat(200);
    assert_eq!(
        codes(&format!("{HEAD}x-f: &f\n      {entries}\njobs:\n{jobs}")),
        too_large
    );

    let jobs = "  - {name: a, table: t}\n".repeat(1000);
    let found = codes(&format!(
        "{HEAD}defaults:\n    files:\n      {entries}\njobs:\n{jobs}"
    ));
    assert!(found.contains(&"manifest/too-large"), "{found:?}");

    let excludes = "a,".repeat(2000);
    let found = codes(
        &files_job(&format!("    exclude: [{excludes}]\n"))
            .replace("[{glob: '*.txt'}]", &format!("\n      {entries}")),
    );
    assert_eq!(found, too_large);
}

#[test]
fn problems_are_kept_to_a_number_that_somebody_reads() {
    let unknown: Vec<String> = (0..5000).map(|number| format!("u{number}: 1\n")).collect();
    let unknown = unknown.concat();
    let error = load(&format!("{unknown}{}", files_job(""))).unwrap_err();

    assert_eq!(error.problems().len(), 100);
    assert_eq!(error.left_out(), 4900);
    assert!(error.to_string().ends_with("5000 problems"));
}

#[test]
fn a_large_manifest_loads() {
    let entries: Vec<String> = (0..40_000)
        .map(|number| format!("      - path: data/some/folder/with/a/long/name/file-{number:06}.tif\n        prefix: some/prefix/\n"))
        .collect();
    let entries = entries.concat();
    let text = format!("{HEAD}jobs:\n  - name: a\n    table: t\n    files:\n{entries}");
    let manifest = load(&text).unwrap();
    let Source::Files(files) = &manifest.jobs[0].source else {
        panic!()
    };

    assert_eq!(files.entries.len(), 40_000);
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.yaml");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len(17 << 20).unwrap();

    let error = super::load(&path, &|_| None).unwrap_err();
    assert!(
        matches!(error, LoadError::TooLarge { size, .. } if size == 17 << 20),
        "{error}"
    );
    let error = super::load(&folder.path().join("none.yaml"), &|_| None).unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }), "{error}");
}

#[test]
fn problems_of_a_schema_file_point_into_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("s.yaml"), "x: string\ny: strng\n").unwrap();
    std::fs::write(
        folder.path().join("m.yaml"),
        rows_job("{file: s.yaml}", "    extra_columns: no\n"),
    )
    .unwrap();
    let path = folder.path().join("m.yaml");

    let Err(LoadError::Invalid(error)) = super::load(&path, &|_| None) else {
        panic!()
    };
    let text = error.render(false, 100);
    assert!(text.contains("m.yaml:9:20"), "{text}");
    assert!(
        text.contains("s.yaml:2:4") && text.contains("2 | y: strng"),
        "{text}"
    );

    std::fs::write(&path, rows_job("{file: string}", "")).unwrap();
    let manifest = super::load(&path, &|_| None).unwrap();
    let Source::Rows(rows) = &manifest.jobs[0].source else {
        panic!()
    };
    assert!(matches!(&rows.schema, Schema::Declared(variables) if variables[0].name == "file"));
}

#[test]
fn every_word_of_a_key_table_is_understood() {
    for (key, words) in [
        ("on_change", "keep"),
        ("extra", "report"),
        ("symlinks", "fail"),
    ] {
        assert!(
            load(&files_job(&format!("    {key}: {words}\n"))).is_ok(),
            "{key}"
        );
    }
    assert!(keys::ALL.iter().all(|section| !section.keys.is_empty()));
}

#[test]
fn a_tab_that_indents_is_refused_with_its_place() {
    let error = load(&files_job("\ttags: [a]\n")).unwrap_err();
    let text = error.render(false, 100);

    assert_eq!(error.problems()[0].code, ProblemCode::Syntax);
    assert!(text.contains("m.yaml:8:1"), "{text}");
    assert!(text.contains("indent with spaces"), "{text}");
}

#[test]
fn a_stream_is_read_like_a_file() {
    let read = |bytes: &[u8]| load_from(Path::new("-"), bytes, Path::new("/r"), &|_| None);

    assert_eq!(
        read(files_job("").as_bytes()).unwrap().root,
        Path::new("/r")
    );
    let error = read(b"version: 1\nname: \xff").unwrap_err();
    assert!(
        matches!(&error, LoadError::Invalid(error) if error.problems()[0].code == ProblemCode::Encoding)
    );
    let endless = std::io::Read::take(std::io::repeat(b' '), 1 << 30);
    let error = load_from(Path::new("-"), endless, Path::new("/r"), &|_| None).unwrap_err();
    assert!(matches!(error, LoadError::TooLarge { .. }));
}

#[test]
fn names_of_secrets_are_known_in_many_spellings() {
    for key in [
        "token",
        "api_token",
        "REDIVIS_API_TOKEN",
        "accessTokens",
        "password",
        "client-secret",
        "apiKey",
        "credentials",
    ] {
        assert!(secrets::is_secret_key(key), "{key}");
    }
    for key in ["name", "tokenizer", "key", "author", "passes", "from"] {
        assert!(!secrets::is_secret_key(key), "{key}");
    }
}

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, seconds) in [
        ("0", 0),
        ("90s", 90),
        ("2m", 120),
        ("1h 30m", 5400),
        ("2 days", 172_800),
        ("PT5M", 300),
    ] {
        let manifest = load(&files_job(&format!("    min_age: {text}\n"))).unwrap();
        let Source::Files(files) = &manifest.jobs[0].source else {
            panic!()
        };
        assert_eq!(files.min_age, Duration::from_secs(seconds), "{text}");
    }
    for text in ["5", "-1m", "soon", "1e99h"] {
        assert_eq!(
            codes(&files_job(&format!("    min_age: {text}\n"))),
            ["manifest/bad-duration"],
            "{text}"
        );
    }
}

/// Pieces that texts are made of at random.
const PIECES: [&str; 40] = [
    "version: 1",
    "name: m",
    "dataset: me.data",
    "jobs:",
    "\n",
    "\n  - ",
    "\n    ",
    "name: a",
    "table: t",
    "files:",
    "rows:",
    "uploads:",
    "schema:",
    "glob: '*'",
    "csv: a",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ": ",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "!x ",
    "\"",
    "'",
    "|\n",
    "é",
    "\u{1f600}",
    "\t",
    "\r\n",
    "---",
    "token: abc",
    "${X}",
    "${X:-1}",
    "# c",
    "type: float",
    "\u{0}",
];

fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap()
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_check_or_the_rendering_panic(picks in proptest::collection::vec(0_usize..40, 0..60)) {
        let text: String = picks.into_iter().map(|pick| PIECES[pick]).collect();
        if let Err(error) = load(&text) {
            let source = &error.sources[0].text;
            for problem in error.problems() {
                proptest::prop_assert!(source.get(problem.span.clone()).is_some(), "{problem:?}");
            }
            proptest::prop_assert!(error.render(true, 80).contains("manifest/"));
        }
    }

    #[test]
    fn a_damaged_manifest_does_not_make_the_check_panic(at in 0_usize..2000, cut in 0_usize..20, put in 0_usize..40) {
        let text = include_str!("../../manifests/metadata.yaml");
        let start = boundary(text, at);
        let end = boundary(text, start + cut);
        let damaged = format!("{}{}{}", text.get(..start).unwrap(), PIECES[put], text.get(end..).unwrap());
        if let Err(error) = load(&damaged) {
            proptest::prop_assert!(error.render(false, 80).contains("manifest/"));
        }
    }
}
