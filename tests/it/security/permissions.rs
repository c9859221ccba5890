//! What the program keeps is for its owner only, whatever the umask says.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::harness::{World, end_of, noise, under_both};

/// The same command under a umask.
fn under_umask(umask: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .env_clear()
        .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell
}

/// Everything below the state folder, with its mode.
fn assert_owner_only(world: &World, umask: &str) -> usize {
    let mut files = 0;
    for entry in walkdir::WalkDir::new(world.state()) {
        let entry = entry.unwrap();
        let mode = fs::symlink_metadata(entry.path())
            .unwrap()
            .permissions()
            .mode()
            & 0o7777;
        let wanted = if entry.file_type().is_dir() {
            0o700
        } else {
            0o600
        };
        let shown = entry.path().display();
        assert_eq!(mode, wanted, "umask {umask}: {shown} is {mode:o}");
        files += usize::from(entry.file_type().is_file());
    }
    files
}

#[test]
fn state_reports_and_rejects_are_the_owner_s_under_any_umask() {
    for umask in ["000", "022", "077"] {
        under_both(|world| {
            world
                .manifest(
                    "
jobs:
  - { name: scans, table: scans, files: [{ glob: 'data/*' }] }
  - name: n
    table: n
    rejects: { max: 5 }
    rows: [{ csv: 'rows/*.csv' }]
    schema: { n: integer }
",
                )
                .file("data/a.bin", noise(1, 100))
                .file("rows/1.csv", "n\n1\nx\n");
            let manifest = world.path("manifest.yaml");
            let manifest = manifest.to_str().unwrap();
            // The state of the sandbox in the process lies there too.
            for args in [
                vec!["run", manifest],
                vec!["run", manifest, "--endpoint", "sandbox"],
                vec!["plan", manifest],
                vec!["run", manifest, "--shard", "0/2", "--instance", "x"],
                vec!["run", manifest],
            ] {
                let mut command = under_umask(umask, &world.command(&args));
                let child = command
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap();
                let outcome = end_of(child);
                assert!(
                    matches!(outcome.status, Some(0 | 3 | 69)),
                    "{args:?}: {outcome:?}"
                );
                assert!(assert_owner_only(&world, umask) > 2);
            }
            let files = assert_owner_only(&world, umask);
            assert!(files > 10, "{files}");
        });
    }
}
