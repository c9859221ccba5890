//! The frame of the command line, from outside: streams and exit codes that do
//! not depend on what a command does.

use std::io;
use std::process::{Command, Output, Stdio};

/// The program with nothing of this environment.
fn program(args: &[&str]) -> Command {
    let mut command = Command::new(crate::harness::program());
    command.env_clear().args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> io::Result<Output> {
    program(args).output()
}

#[test]
fn help_and_version_go_to_stdout() {
    for args in [&["--help"][..], &["-h"], &["--version"], &["run", "--help"]] {
        let output = run(args).unwrap();

        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{args:?}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_64_and_says_what_would_be_right() {
    for (args, part) in [
        (&[][..], "Usage"),
        (&["rum", "m.yaml"], "'run'"),
        (&["run"], "<MANIFEST>"),
        (&["run", "m.yaml", "--transfer", "3"], "--transfers"),
        (&["plan", "-"], "--root"),
    ] {
        let output = run(args).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);

        assert_eq!(output.status.code(), Some(64), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(stderr.contains(part), "{args:?}: {stderr}");
        assert!(
            !stderr.contains('\x1b'),
            "off a terminal there are no escapes: {stderr:?}"
        );
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let output = program(&["run", "m.yaml"])
        .env("REDIVIS_INGEST_TRANSFERS", "many")
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);

    assert_eq!(output.status.code(), Some(64), "{stderr}");
    assert!(
        stderr.contains("`REDIVIS_INGEST_TRANSFERS` is set"),
        "{stderr}"
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = program(&["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());

    let output = child.wait_with_output().unwrap();

    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_is_74() {
    let full = std::fs::File::create("/dev/full").unwrap();

    let output = program(&["completions", "bash"])
        .stdout(full)
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(74));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("error[output/write]: "), "{stderr}");
}
