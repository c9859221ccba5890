//! The plan as people read it: whole texts, at several widths, with and without colour.

use super::super::sample;
use super::*;
use crate::plan::Reason;

const PLAIN: TextStyle = TextStyle {
    colour: false,
    width: 100,
};

fn text_in(plan: &Plan, all: bool, style: TextStyle) -> String {
    let mut out = Vec::new();
    write_plan(&mut out, plan, all, &style, Some(2.0), Some("survey.yaml")).unwrap();
    let id = crate::plan::PlanLines::new(plan).id().to_string();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains(&id), "{text}");
    text.replace(&id, "PLAN-ID")
}

fn text(plan: &Plan) -> String {
    text_in(plan, false, PLAIN)
}

#[test]
fn a_plan_is_grouped_by_job_and_gives_a_reason_for_every_item() {
    insta::assert_snapshot!(text(&sample::plan()), @r#"
    Plan of coastal-survey at https://redivis.com/api/v1

    stanford.coastal_survey compared with version current; `next` does not exist yet
      + version next        create
      + table taxa          create, for rows: merge strategy `replace`, description
      ~ variable taxa/rank  label `Rank` -> `Taxonomic rank`; description none -> `The rank of the
                            accepted name, as of the…`; value labels of `1`: `species` -> `Species` and
                            of 2 more
      ~ version next        release

    scans -> table scans (files)
      + 2026/a.tif                 1.1 MiB  not on the remote
          from data/scans/a.tif
      + readme.txt                     0 B  not on the remote
      ~ 2026/b.tif                 2.8 MiB  other size: was 2.7 MiB, md5 149603e6…
          from data/scans/b.tif
      ~ 2026/c.tif                 4.8 KiB  same size, other MD5: was bde1cf74…, is 188e0877…
          from data/scans/c.tif
      . 2024/z.tif                    77 B  only on the remote, stays there
      ? data/scans/d.tif                    younger than `min_age`
      ! data/scans/\u{1b}[2Je.tif           cannot be used: cannot read `data/scans/e.tif`: permission
                                            denied
      = 2 unchanged (4.0 MiB)

    readings -> table readings (uploads)
      + data/readings/r_2026.csv rows 1-5,000      1.0 MiB  5,000 rows  not on the remote
      + data/readings/r_2026.csv rows 5,001-5,020  4.0 KiB     20 rows  not on the remote
      - ri1_readings_63a4d538_fe4a8350_0_4000_aaaaaaaaaaaaaaaaaaaaaaaaaa_00000007  4,000 rows
          the source changed; will be deleted
          from data/readings/r_2026.csv
      - 1,200 rows of the last release go: the table is replaced as a whole
      3 rows cannot be encoded and stay out (rejects)

    taxa -> table taxa (uploads)
      + export/taxa.parquet  2.0 MiB  not on the remote

      create     1 version, 1 table
      describe   1 variable
      send       4 files, 2 parts, 1 upload, 5,020 rows, 7.0 MiB
      delete     1 upload (4,000 rows)
      replace    1,200 rows of the last release go
      release    1 dataset
      unchanged  2 items (4.0 MiB)
      extra      1 item (77 B)
      skipped    1 item
      conflicts  1 item
      rejects    3 rows
      API calls  18 (3 for versions and tables, 1 for variables, 2 tempUploads, 1 rawFiles, 3 uploads, 2
                 insertRows, 1 delete, 5 reads); the rate limit makes that 9 s at least
      plan id    PLAN-ID

    + new   ~ changed   = unchanged   . extra   - superseded   ? skipped   ! conflict

    Run `redivis-ingest run survey.yaml` to do this; 1 item marked `!` or `#` will not be done.
    "#);
}

#[test]
fn a_narrow_terminal_gives_reasons_their_own_lines_and_cuts_no_name() {
    let text = text_in(
        &sample::plan(),
        false,
        TextStyle {
            colour: false,
            width: 60,
        },
    );

    let readings: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("readings"))
        .take(16)
        .collect();
    insta::assert_snapshot!(readings.join("\n"), @r#"
    readings -> table readings (uploads)
      + data/readings/r_2026.csv rows 1-5,000  1.0 MiB  5,000 rows
          not on the remote
      + data/readings/r_2026.csv rows 5,001-5,020  4.0 KiB  20 rows
          not on the remote
      - ri1_readings_63a4d538_fe4a8350_0_4000_aaaaaaaaaaaaaaaaaaaaaaaaaa_00000007  4,000 rows
          the source changed; will be deleted
          from data/readings/r_2026.csv
      - 1,200 rows of the last release go: the table is replaced as a whole
      3 rows cannot be encoded and stay out (rejects)

    taxa -> table taxa (uploads)
      + export/taxa.parquet  2.0 MiB
          not on the remote

      create     1 version, 1 table
    "#);
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plan = sample::plan();
    let colour = text_in(
        &plan,
        false,
        TextStyle {
            colour: true,
            ..PLAIN
        },
    );

    assert!(colour.contains("\u{1b}[32m+ 2026/a.tif\u{1b}[0m"));
    let mut bare = colour;
    for code in ["0", "1", "2", "31", "32", "33"] {
        bare = bare.replace(&format!("\u{1b}[{code}m"), "");
    }
    let plain = text(&plan);
    assert!(!plain.contains('\u{1b}'));
    assert_eq!(bare, plain);
}

#[test]
fn long_lists_end_after_twenty_lines_of_each_class() {
    let mut job = sample::files_job(25);
    job.items.push(sample::item(
        Class::Extra,
        Reason::NotInSources,
        Action::None,
        crate::plan::Subject::RemoteFile(sample::remote("z.tif", 1, None)),
    ));
    let plan = sample::plan_of(Vec::new(), vec![job]);

    let short = text(&plan);
    let long = text_in(&plan, true, PLAIN);

    assert!(
        short.contains("019.tif") && !short.contains("020.tif"),
        "{short}"
    );
    assert!(
        short.contains("  … and 5 more new (5.0 KiB): use --all, or -o FILE\n"),
        "{short}"
    );
    assert!(short.contains("  . z.tif "), "{short}");
    assert!(long.contains("024.tif") && !long.contains('…'), "{long}");
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("  + ")).count();
    assert_eq!((lines(&short), lines(&long)), (20, 25));
}

#[test]
fn unchanged_items_are_counted_and_listed_only_if_all_are_asked_for() {
    let mut job = sample::files_job(0);
    let file = sample::file("a.tif", "a.tif", 7);
    job.items.push(sample::item(
        Class::Unchanged,
        Reason::SameMd5,
        Action::None,
        crate::plan::Subject::File(file),
    ));
    job.unchanged = Amount {
        items: 1,
        bytes: 7,
        rows: 0,
    };
    let plan = sample::plan_of(Vec::new(), vec![job]);

    insta::assert_snapshot!(text(&plan), @r#"
    Plan of coastal-survey at https://redivis.com/api/v1

    stanford.coastal_survey compared with version current; `next` does not exist yet

    scans -> table scans (files)
      = 1 unchanged (7 B)

      unchanged  1 item (7 B)
      plan id    PLAN-ID

    = unchanged

    Nothing to do: everything matches.
    "#);
    assert!(text_in(&plan, true, PLAIN).contains("  = a.tif  7 B  same size and MD5\n"));
}

#[test]
fn a_held_job_says_that_nothing_of_it_is_sent() {
    let mut job = sample::files_job(1);
    job.items[0].action = Action::None;
    job.items[0].reason = Reason::Held;
    job.held = true;
    let mut guard = sample::item(
        Class::Conflict,
        Reason::ExpectFailed,
        Action::None,
        crate::plan::Subject::Source {
            path: "scans".to_owned(),
            trouble: None,
        },
    );
    guard.note = Some("`min_files` wants at least 5 files, and there are 1 file".to_owned());
    job.items.insert(0, guard);
    let mut plan = sample::plan_of(Vec::new(), vec![job]);
    plan.is_whole = false;

    insta::assert_snapshot!(text(&plan), @r#"
    Plan of coastal-survey at https://redivis.com/api/v1, a part of the manifest

    stanford.coastal_survey compared with version current; `next` does not exist yet

    scans -> table scans (files)
      held: nothing of this job is sent
      + 000.tif  1.0 KiB  held back: something else stands in the way
      ! scans             a guard of `expect` says no: `min_files` wants at least 5 files, and there are
                          1 file

      conflicts  1 item
      plan id    PLAN-ID

    + new   ! conflict

    Nothing can be done: resolve the item marked `!` or `#` first.
    "#);
}

#[test]
fn a_caller_that_goes_on_gets_no_advice() {
    let mut out = Vec::new();

    write_plan(&mut out, &sample::plan(), false, &PLAIN, None, None).unwrap();

    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with("! conflict\n\n"), "{text}");
}
