//! Tests of the command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::CommandFactory as _;

use super::super::settings::Environment;
use super::values::{duration, rate};
use super::*;
use crate::base::ByteCount;

fn parsed(line: &str, variables: &[(&str, &str)]) -> Parsed {
    let environment = Environment::of(variables, || 0);
    parse(line.split(' ').map(OsString::from), &environment)
}

fn run(flags: &str, variables: &[(&str, &str)]) -> RunArgs {
    let line = format!("redivis-ingest run m.yaml {flags}");
    let Parsed::Run(cli) = parsed(line.trim(), variables) else {
        panic!("{line}: {}", refusal(line.trim(), variables));
    };
    let Command::Run(args) = cli.command else {
        panic!("{line}");
    };
    *args
}

fn refusal(line: &str, variables: &[(&str, &str)]) -> String {
    let Parsed::Wrong(error) = parsed(line, variables) else {
        panic!("{line}");
    };
    error.to_string()
}

#[test]
fn the_definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let args = run("", &[]);

    assert_eq!(args.remote.transfer.transfers.get(), 16);
    assert_eq!(args.remote.transfer.chunk_size.get(), ByteCount(64 << 20));
    assert_eq!(args.remote.transfer.max_memory, ByteCount(128 << 20));
    assert_eq!(args.remote.connection.timeout, Duration::from_secs(60));
    assert_eq!(args.lock_timeout, Duration::ZERO);
    assert_eq!(args.remote.transfer.compare, Compare::Md5);
    assert_eq!(args.output.format, Format::Text);
}

#[test]
fn flags_are_read() {
    let args = run(
        "-n -j 4 --chunk-size 512KiB --bwlimit 10MB --tpslimit 2.5 --deadline 50m --shard 1/4 \
         --select a,b --select c --tag nightly --no-change-exit-code 99 --state-dir none",
        &[],
    );

    assert!(args.dry_run);
    assert_eq!(args.remote.transfer.transfers.get(), 4);
    assert_eq!(args.remote.transfer.chunk_size.get(), ByteCount(512 << 10));
    assert_eq!(args.remote.transfer.bwlimit, Some(ByteCount(10_000_000)));
    assert_eq!(args.remote.transfer.tpslimit, Some(2.5));
    assert_eq!(
        args.remote.transfer.deadline,
        Some(Duration::from_secs(3000))
    );
    assert_eq!(args.select.shard, Some(Shard { index: 1, count: 4 }));
    assert_eq!(args.select.select, ["a", "b", "c"]);
    assert_eq!(args.select.tag, ["nightly"]);
    assert_eq!(args.no_change_exit_code, Some(99));
    assert_eq!(args.remote.state.state_dir, Some(StateDir::None));
}

#[test]
fn a_twin_is_weaker_than_the_flag_and_stronger_than_the_default() {
    let twin = [
        ("REDIVIS_INGEST_TRANSFERS", "8"),
        ("REDIVIS_INGEST_SHARD", "0/2"),
    ];

    assert_eq!(run("", &twin).remote.transfer.transfers.get(), 8);
    assert_eq!(run("-j 4", &twin).remote.transfer.transfers.get(), 4);
    assert_eq!(
        run("", &twin).select.shard,
        Some(Shard { index: 0, count: 2 })
    );
    assert_eq!(
        run("", &[("REDIVIS_INGEST_TRANSFERS", "")])
            .remote
            .transfer
            .transfers
            .get(),
        16
    );
}

#[test]
fn a_twin_of_a_switch_takes_the_usual_words() {
    for (word, wanted) in [
        ("1", true),
        ("yes", true),
        ("TRUE", true),
        ("0", false),
        ("false", false),
    ] {
        assert_eq!(
            run("", &[("REDIVIS_INGEST_FAIL_FAST", word)]).fail_fast,
            wanted,
            "{word}"
        );
    }
    let text = refusal(
        "redivis-ingest run m.yaml",
        &[("REDIVIS_INGEST_FAIL_FAST", "maybe")],
    );
    assert!(text.contains("maybe"), "{text}");
}

#[test]
fn an_error_that_may_come_from_a_twin_names_it() {
    let variables = [
        ("REDIVIS_INGEST_TRANSFERS", "many"),
        ("REDIVIS_INGEST_SHARD", "0/2"),
    ];
    let environment = Environment::of(&variables, || 0);
    let Parsed::Wrong(error) = parsed("redivis-ingest run m.yaml", &variables) else {
        panic!("it must be refused");
    };

    assert_eq!(
        twins_behind(&error, &environment),
        ["REDIVIS_INGEST_TRANSFERS"]
    );
}

#[test]
fn what_changes_the_meaning_of_a_run_has_no_twin() {
    let args = run(
        "",
        &[
            ("REDIVIS_INGEST_DRY_RUN", "1"),
            ("REDIVIS_INGEST_PLAN", "p.ndjson"),
            ("REDIVIS_INGEST_NO_CHANGE_EXIT_CODE", "99"),
        ],
    );

    assert!(!args.dry_run);
    assert_eq!(args.plan, None);
    assert_eq!(args.no_change_exit_code, None);
}

#[test]
fn every_other_flag_has_a_twin_of_its_own() {
    let command = Cli::command();
    let mut without: Vec<&str> = Vec::new();
    for sub in command.get_subcommands() {
        for arg in sub.get_arguments() {
            let long = arg.get_long().filter(|_| twins::twin_of(arg).is_none());
            without.extend(long);
        }
    }
    without.sort_unstable();
    without.dedup();

    assert_eq!(
        without,
        [
            "combined",
            "detailed-exitcode",
            "dry-run",
            "kill",
            "no-change-exit-code",
            "notes",
            "null",
            "out",
            "plan",
            "program",
            "receipts",
            "verified",
        ]
    );
}

#[test]
fn wrong_values_say_what_would_be_right() {
    for (flags, part) in [
        ("--shard 4/4", "as in `0/4`"),
        ("--shard +1/4", "as in `0/4`"),
        ("-j 0", "1 to 256"),
        ("--chunk-size 1000KiB", "multiple of 256KiB"),
        ("--chunk-size 0", "multiple of 256KiB"),
        ("--max-memory lots", "as in `32MiB`"),
        ("--deadline 0s", "longer than nothing"),
        ("--deadline soon", "as in `90s`"),
        ("--tpslimit -1", "unexpected argument"),
        ("--tpslimit nan", "above 0"),
        ("--bwlimit 0", "nothing would ever be sent"),
        ("--no-change-exit-code 3", "99"),
        ("--token-file a --token-command b", "cannot be used with"),
        ("--transfer 3", "--transfers"),
    ] {
        let text = refusal(&format!("redivis-ingest run m.yaml {flags}"), &[]);

        assert!(text.contains(part), "{flags}: {text}");
    }
}

#[test]
fn a_manifest_from_stdin_needs_its_root() {
    let text = refusal("redivis-ingest plan -", &[]);

    assert!(text.contains("--root"), "{text}");
    assert!(matches!(
        parsed("redivis-ingest plan - --root data", &[]),
        Parsed::Run(_)
    ));
}

#[test]
fn durations_are_read_as_people_write_them() {
    for (text, seconds) in [
        ("90", 90),
        ("90s", 90),
        ("50m", 3000),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("0s", 0),
    ] {
        assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "-5s", "1 fortnight", "1y"] {
        assert!(duration(text).is_err(), "{text}");
    }
    assert_eq!(rate("0.5"), Ok(0.5));
}

#[test]
fn global_flags_stand_before_or_after_the_command() {
    for line in ["redivis-ingest -v schema", "redivis-ingest schema -v"] {
        let Parsed::Run(cli) = parsed(line, &[]) else {
            panic!("{line}");
        };
        assert_eq!(cli.log.verbose, 1, "{line}");
    }
}

#[test]
fn help_and_version_are_shown() {
    for line in [
        "redivis-ingest --help",
        "redivis-ingest --version",
        "redivis-ingest run -h",
    ] {
        assert!(matches!(parsed(line, &[]), Parsed::Shown(_)), "{line}");
    }
}
