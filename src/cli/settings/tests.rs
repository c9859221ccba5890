//! Tests of what flags and environment mean together.

use super::super::args::{Cli, Command, Parsed, RunArgs, parse};
use std::ffi::OsString;

use super::*;

fn clock() -> i64 {
    1_780_000_000_123_456_789
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::of(variables, clock)
}

fn cli(line: &str, environment: &Environment) -> Cli {
    let args = line.split(' ').map(OsString::from);
    match parse(args, environment) {
        Parsed::Run(cli) => *cli,
        Parsed::Shown(error) | Parsed::Wrong(error) => panic!("{error}"),
    }
}

fn run_args(flags: &str, environment: &Environment) -> RunArgs {
    let line = format!("redivis-ingest run m.yaml {flags}");
    let Command::Run(args) = cli(line.trim(), environment).command else {
        panic!("{line}");
    };
    *args
}

fn connection(flags: &str, variables: &[(&str, &str)]) -> Connection {
    let environment = environment(variables);
    Connection::of(
        &run_args(flags, &environment).remote.connection,
        &environment,
    )
    .unwrap()
}

#[test]
fn the_endpoint_is_the_flag_s_then_the_official_client_s_then_the_platform_s() {
    let official = (
        "REDIVIS_API_ENDPOINT",
        "https://stanford.redivis.com/api/v1/",
    );
    let twin = ("REDIVIS_INGEST_ENDPOINT", "sandbox");
    let url = |text: &str| EndpointChoice::Url(text.to_owned());

    assert_eq!(
        connection("", &[]).endpoint,
        url("https://redivis.com/api/v1")
    );
    assert_eq!(
        connection("", &[official]).endpoint,
        url("https://stanford.redivis.com/api/v1")
    );
    assert_eq!(
        connection("", &[official, twin]).endpoint,
        EndpointChoice::Sandbox
    );
    assert_eq!(
        connection("--endpoint http://127.0.0.1:8088/api/v1", &[official, twin]).endpoint,
        url("http://127.0.0.1:8088/api/v1")
    );
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "redivis.com",
        "ftp://x/api",
        "https://",
        "https:///x",
        "https://me:pw@h/x",
        "https://a b",
        "http://redivis.com/api/v1",
        "https://redivis.com/api?x=1",
    ] {
        let chosen = EndpointChoice::choose(Some(text), &environment(&[]));

        assert!(matches!(chosen, Err(SettingsError::Endpoint(_))), "{text}");
    }
}

#[test]
fn the_token_is_the_flags_then_the_official_client_s() {
    let official = ("REDIVIS_API_TOKEN", " tok ");
    let fixed = TokenSource::Fixed(Secret::new("tok"));
    let twin = ("REDIVIS_INGEST_TOKEN_FILE", "/t");

    assert_eq!(connection("", &[]).token, TokenSource::Missing);
    assert_eq!(connection("", &[official]).token, fixed);
    assert_eq!(
        connection("", &[official, twin]).token,
        TokenSource::File("/t".into())
    );
    assert_eq!(
        connection("--token-command vault", &[official, twin]).token,
        TokenSource::Command("vault".to_owned())
    );
}

#[test]
fn the_token_is_in_no_debug_text() {
    let environment = environment(&[("REDIVIS_API_TOKEN", "tok-123")]);
    let connection = connection("", &[("REDIVIS_API_TOKEN", "tok-123")]);

    assert!(!format!("{environment:?} {connection:?}").contains("tok-123"));
}

#[test]
fn state_lives_under_xdg() {
    let location = |flags: &str, variables: &[(&str, &str)]| {
        let environment = environment(variables);
        state_location(&run_args(flags, &environment).remote.state, &environment)
    };
    let folder = |path: &str| Ok(StateLocation::Folder(PathBuf::from(path)));
    let home = ("HOME", "/home/me");

    assert_eq!(
        location("", &[home]),
        folder("/home/me/.local/state/redivis-ingest")
    );
    assert_eq!(
        location("", &[home, ("XDG_STATE_HOME", "/var/state")]),
        folder("/var/state/redivis-ingest")
    );
    assert_eq!(
        location("", &[home, ("XDG_STATE_HOME", "relative")]),
        folder("/home/me/.local/state/redivis-ingest")
    );
    assert_eq!(location("--state-dir /s", &[home]), folder("/s"));
    assert_eq!(
        location("--state-dir none", &[home]),
        Ok(StateLocation::Memory)
    );
    assert_eq!(
        location("", &[("REDIVIS_INGEST_STATE_DIR", "none")]),
        Ok(StateLocation::Memory)
    );
    assert_eq!(location("", &[]), Err(SettingsError::NoStateFolder));
}

fn messages(flags: &str, is_terminal: bool, variables: &[(&str, &str)]) -> (Messages, Environment) {
    let environment = environment(variables).on_terminal(is_terminal);
    let line = format!("redivis-ingest schema {flags}");
    (
        Messages::of(&cli(line.trim(), &environment).log, &environment),
        environment,
    )
}

#[test]
fn colour_follows_the_conventions() {
    for (flags, is_terminal, variables, wanted) in [
        ("", true, &[][..], true),
        ("", false, &[], false),
        ("", true, &[("NO_COLOR", "1")], false),
        ("", true, &[("NO_COLOR", "")], true),
        ("", true, &[("TERM", "dumb")], false),
        ("", true, &[("CLICOLOR", "0")], false),
        ("", false, &[("CLICOLOR_FORCE", "1")], true),
        ("", false, &[("CLICOLOR_FORCE", "0")], false),
        (
            "",
            false,
            &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
            false,
        ),
        ("--color always", false, &[("NO_COLOR", "1")], true),
        ("--color never", true, &[("CLICOLOR_FORCE", "1")], false),
    ] {
        let (messages, _) = messages(flags, is_terminal, variables);

        assert_eq!(
            messages.stderr_colour, wanted,
            "{flags} {is_terminal} {variables:?}"
        );
        assert_eq!(
            messages.stdout_colour, wanted,
            "{flags} {is_terminal} {variables:?}"
        );
    }
}

#[test]
fn levels_follow_the_flags() {
    for (flags, level) in [
        ("", LogLevel::Warn),
        ("-q", LogLevel::Error),
        ("-v", LogLevel::Info),
        ("-vv", LogLevel::Debug),
        ("-vvv", LogLevel::Trace),
        ("-q --log-level debug", LogLevel::Debug),
    ] {
        assert_eq!(messages(flags, false, &[]).0.level, level, "{flags}");
    }
    let twin = [("REDIVIS_INGEST_LOG_LEVEL", "info")];
    assert_eq!(messages("", false, &twin).0.level, LogLevel::Info);
}

#[test]
fn progress_is_bars_only_on_a_terminal_that_can() {
    for (flags, is_terminal, variables, wanted) in [
        ("", true, &[][..], ProgressStyle::Bars),
        ("", false, &[], ProgressStyle::Lines),
        ("", true, &[("TERM", "dumb")], ProgressStyle::Lines),
        ("-q", true, &[], ProgressStyle::Off),
    ] {
        let (messages, environment) = messages(flags, is_terminal, variables);

        assert_eq!(
            messages.progress(ProgressChoice::Auto, &environment),
            wanted
        );
        let asked = messages.progress(ProgressChoice::Tty, &environment);
        assert_eq!(asked, ProgressStyle::Bars);
    }
}

#[test]
fn times_come_from_the_clock_that_was_given() {
    let environment = environment(&[]);

    assert_eq!(environment.now_ms(), 1_780_000_000_123);
    assert_eq!(environment.lock_owner("r").started, "2026-05-28T20:26:40Z");
}

#[test]
fn proxies_are_read_in_either_case_and_never_shown() {
    let proxies = connection(
        "",
        &[
            ("HTTPS_PROXY", "http://me:pw@upper:1"),
            ("https_proxy", "http://me:pw@lower:1"),
            ("ALL_PROXY", "http://all:1"),
            ("NO_PROXY", "a.b"),
        ],
    )
    .proxies;

    assert_eq!(proxies.https.as_deref(), Some("http://me:pw@lower:1"));
    assert_eq!(proxies.all.as_deref(), Some("http://all:1"));
    assert_eq!(proxies.no.as_deref(), Some("a.b"));
    assert!(!format!("{proxies:?}").contains("pw"));
}

#[test]
fn waits_are_short_where_time_is_not_the_point() {
    let scale = |flags| connection(flags, &[]).retry_scale();

    assert!((scale("") - 1.0).abs() < f64::EPSILON);
    assert!(scale("--endpoint sandbox") < 0.1);
    assert!((scale("--endpoint sandbox --retry-scale 0.5") - 0.5).abs() < f64::EPSILON);
}
