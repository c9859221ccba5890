//! Files that the user names for a result: what is no regular file is written into,
//! links stay, and nothing that is needed is overwritten.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use redivis_ingest::sandbox::Character;
use serde_json::Value;

use crate::harness::{PATIENCE, SCANS, World};

fn world() -> World {
    let world = World::new(Character::Friendly);
    world.manifest(SCANS).file("data/a", "some bytes");
    world
}

/// A pipe, and all that is once written into it.
fn pipe(path: &Path) -> Receiver<String> {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let (sender, received) = channel();
    let path = path.to_path_buf();
    std::thread::spawn(move || sender.send(fs::read_to_string(path).unwrap()));
    received
}

fn is_pipe(path: &Path) -> bool {
    fs::symlink_metadata(path).unwrap().file_type().is_fifo()
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_output_that_is_a_pipe_is_written_into_and_never_read_or_replaced() {
    let world = world();
    let calls = [
        ("plan", "-o", "\"type\""),
        ("plan", "--combined", "+ "),
        ("run", "--metrics", "redivis_ingest_"),
        ("run", "--report", "\"run_id\""),
        ("run", "--summary", "\"run_id\""),
        ("verify", "--combined", "= "),
    ];
    for (number, (command, flag, text)) in calls.into_iter().enumerate() {
        let path = world.path(&format!("pipe-{number}"));
        let received = pipe(&path);

        world.on_manifest(command, &[flag, shown(&path)]).exits(0);

        let written = received.recv_timeout(PATIENCE).unwrap();
        assert!(written.contains(text), "{command} {flag}: {written}");
        assert!(is_pipe(&path), "{command} {flag}");
    }
}

#[test]
fn an_output_that_is_a_link_stays_one_and_its_target_is_written() {
    let world = world();
    world.file("far/old.json", "old");
    let links = [
        ("--summary", "old.json", "a"),
        ("--report", "new.json", "b"),
        ("--metrics", "new.prom", "c"),
    ];
    let mut args = Vec::new();
    let paths = links.map(|(_, target, name)| {
        let link = world.path(name);
        symlink(format!("far/{target}"), &link).unwrap();
        link
    });
    for ((flag, _, _), path) in links.iter().zip(&paths) {
        args.extend([*flag, shown(path)]);
    }

    world.run(&args).exits(0);

    for ((flag, target, _), path) in links.iter().zip(&paths) {
        assert!(fs::symlink_metadata(path).unwrap().is_symlink(), "{flag}");
        let target = world.path(&format!("far/{target}"));
        assert!(
            fs::read_to_string(&target).unwrap().contains("test"),
            "{flag}"
        );
        let mode = fs::metadata(&target).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if *flag == "--metrics" { 0o644 } else { 0o600 });
    }
}

#[test]
fn an_output_that_is_our_own_stdout_goes_there_and_loses_nothing() {
    let world = world();
    let (link, kept) = (world.path("stdout"), world.path("kept.txt"));
    symlink("/proc/self/fd/1", &link).unwrap();
    let manifest = world.path("manifest.yaml");
    let args = [
        "run",
        shown(&manifest),
        "--format",
        "json",
        "--summary",
        shown(&link),
    ];

    let status = world
        .command(&args)
        .stdout(fs::File::create(&kept).unwrap())
        .status()
        .unwrap();

    assert!(status.success());
    let text = fs::read_to_string(&kept).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2, "the summary and the result: {text}");
    assert_eq!(lines[0], lines[1]);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn an_output_that_is_the_manifest_a_folder_or_another_output_is_refused_before_the_work() {
    let world = world();
    let manifest = world.path("manifest.yaml");
    let (link, folder, same) = (world.path("link"), world.path("data"), world.path("x"));
    symlink("manifest.yaml", &link).unwrap();
    let roundabout = world.path("data").join("../x");
    let before = fs::read(&manifest).unwrap();
    world.sandbox().clear_requests();
    let refused = |command: &str, args: &[&str], why: &str| {
        let outcome = world.on_manifest(command, args).exits(64);
        // Lines are broken anywhere between words.
        let words: Vec<&str> = outcome.stderr.split_whitespace().collect();
        assert!(words.join(" ").contains(why), "{outcome:?}");
    };

    for path in [&manifest, &link] {
        let why = "is the same file as the manifest";
        for flag in ["--report", "--summary", "--metrics", "--lineage"] {
            refused("run", &[flag, shown(path)], why);
        }
        refused("plan", &["-o", shown(path)], why);
        refused("verify", &["--combined", shown(path)], why);
    }
    let two = ["--report", shown(&same), "--summary", shown(&roundabout)];
    refused("run", &two, "is the same file as that of `--report`");
    refused("release", &two, "is the same file as that of `--report`");
    let two = ["-o", shown(&same), "--combined", shown(&same)];
    refused("plan", &two, "is the same file as that of `--out`");
    refused("run", &["--report", shown(&folder)], "is a folder");
    refused("plan", &["--combined", shown(&folder)], "is a folder");
    let missing = format!("{}/", shown(&same));
    refused("run", &["--report", &missing], "is a folder");

    assert_eq!(fs::read(&manifest).unwrap(), before);
    assert!(world.sandbox().requests().is_empty());
    assert!(!same.exists());
}
