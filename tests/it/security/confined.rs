//! A manifest may come from somebody else: it reads no more of the environment
//! than the variables it names, and makes the program write nowhere.

use std::os::unix::fs::symlink;

use redivis_ingest::sandbox::Character;

use crate::harness::{TOKEN, World};

fn friendly() -> World {
    World::new(Character::Friendly)
}

/// Nothing that was shown, kept or sent holds the token.
#[track_caller]
fn assert_kept(world: &World, what: &str, outcome: &crate::harness::Outcome) {
    for text in [&outcome.stdout, &outcome.stderr] {
        assert!(!text.contains(TOKEN), "{what}: {text}");
    }
    for folder in [world.state(), world.root().join("sandbox")] {
        if !folder.exists() {
            continue;
        }
        for entry in walkdir::WalkDir::new(folder) {
            let path = entry.unwrap().into_path();
            if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                let found = memchr::memmem::find(&bytes, TOKEN.as_bytes());
                assert_eq!(found, None, "{what}: {}", path.display());
            }
        }
    }
}

#[test]
fn the_process_s_own_environment_is_no_source() {
    for (what, job) in [
        ("file", "files: [{ path: /proc/self/environ }]"),
        ("glob", "files: [{ glob: '/proc/self/env*' }]"),
        ("thread", "files: [{ path: /proc/thread-self/environ }]"),
        ("link", "files: [{ path: data/link }]"),
        ("linked folder", "files: [{ path: data/self/environ }]"),
        ("walked link", "files: [{ glob: 'data/l*' }]"),
        (
            "upload",
            "uploads: [{ path: /proc/self/environ, name: e, type: csv }]",
        ),
        (
            "linked upload",
            "uploads: [{ path: data/link, name: e, type: csv }]",
        ),
        (
            "csv",
            "rows: [{ csv: /proc/self/environ, header: [a] }]\n    schema: { a: string }",
        ),
        (
            "integers",
            "rows: [{ csv: data/link, header: [a] }]\n    schema: { a: integer }",
        ),
        (
            "json",
            "rows: [{ ndjson: /proc/self/environ }]\n    schema: { a: string }",
        ),
        (
            "inferred",
            "rows: [{ csv: /proc/self/environ }]\n    schema: infer",
        ),
        (
            "schema",
            "rows: [{ csv: x.csv }]\n    schema: { file: /proc/self/environ }",
        ),
        (
            "linked schema",
            "rows: [{ csv: x.csv }]\n    schema: { file: data/link }",
        ),
    ] {
        let world = friendly();
        world.file("data/a", "a").file("x.csv", "a\n1\n");
        symlink("/proc/self/environ", world.path("data/link")).unwrap();
        symlink("/proc/self", world.path("data/self")).unwrap();
        world.manifest(&format!("jobs:\n  - name: a\n    table: t\n    {job}\n"));
        for command in ["check", "plan", "run"] {
            let outcome = world.on_manifest(command, &[]);
            assert!(
                matches!(outcome.status, Some(66 | 78)),
                "{what}: {command}: {outcome:?}"
            );
            assert_kept(&world, what, &outcome);
        }
    }
}

#[test]
fn only_named_variables_are_read_and_never_the_token() {
    let world = friendly();
    for value in [
        "${REDIVIS_API_TOKEN}",
        "${REDIVIS_API_TOKEN:-x}",
        "a${REDIVIS_API_TOKEN}b",
        "${OTHER_TOKEN}",
        "${DB_PASSWORD}",
        "${${X}}",
        "${X${X}}",
        "${*}",
        "${!X}",
        "$(env)",
        "`env`",
        "${X:=y}",
        "${X@P}",
    ] {
        world.manifest(&format!(
            "jobs:\n  - name: a\n    table: t\n    files: [{{ glob: 'data/{value}' }}]\n"
        ));
        let manifest = world.path("manifest.yaml");
        let outcome = world.call_with(
            &["check", manifest.to_str().unwrap(), "--log-level", "trace"],
            &[
                ("X", "REDIVIS_API_TOKEN"),
                ("OTHER_TOKEN", TOKEN),
                ("DB_PASSWORD", TOKEN),
            ],
        );
        assert!(
            matches!(outcome.status, Some(66 | 78)),
            "{value}: {outcome:?}"
        );
        assert_kept(&world, value, &outcome);
    }
}

#[test]
fn a_value_of_the_environment_stays_a_value() {
    let world = friendly();
    world.file("data/a.bin", "a");
    world.manifest(
        "jobs:\n  - name: a\n    table: t\n    files: [{ glob: '${X}/*', base: data }]\n",
    );
    let manifest = world.path("manifest.yaml");
    let manifest = manifest.to_str().unwrap();
    world
        .call_with(&["run", manifest], &[("X", "data")])
        .exits(0);
    for value in [
        "data/*' }]\n  - name: evil\n    table: evil\n    files: [{ glob: 'data",
        "data\n  - name: evil",
        "data', base: /, x: '",
        "*alias",
        "!tag data",
        "&anchor data",
        "data # comment",
        "{ glob: data }",
        "[data]",
        "${REDIVIS_API_TOKEN}",
    ] {
        let outcome = world.call_with(&["run", manifest], &[("X", value)]);
        assert!(
            matches!(outcome.status, Some(66 | 78)),
            "{value:?}: {outcome:?}"
        );
        assert_kept(&world, value, &outcome);
        let seen = world.inspect();
        let draft = &seen.dataset(crate::harness::DATASET).unwrap().versions;
        let tables: usize = draft.iter().map(|version| version.tables.len()).sum();
        assert_eq!(tables, 1, "{value:?}");
    }
}

#[test]
fn nothing_in_a_manifest_or_a_name_leads_the_program_to_write_elsewhere() {
    let world = friendly();
    world.file("data/a.bin", "a");
    let bad_jobs = [
        "name: ../evil, table: t, files: [{ glob: 'data/*' }]",
        "name: a, table: ../../evil, files: [{ glob: 'data/*' }]",
        "name: a, table: t, files: [{ glob: 'data/*', prefix: '../../' }]",
        "name: a, table: t, files: [{ glob: 'data/*', prefix: '/etc/' }]",
        "name: a, table: t, files: [{ glob: 'data/*', prefix: 'a/../../' }]",
        "name: a, table: t, uploads: [{ path: data/a.bin, type: csv, name: '../evil' }]",
    ];
    for job in bad_jobs {
        world.manifest(&format!("jobs: [{{ {job} }}]\n"));
        let outcome = world.run(&[]);
        assert!(
            matches!(outcome.status, Some(66 | 69 | 78 | 3)),
            "{job}: {outcome:?}"
        );
        assert_confined(&world);
    }
    world.file(
        "manifest.yaml",
        "version: 1\nname: ../../evil\ndataset: demo.survey\njobs: []\n",
    );
    world.run(&[]).exits(78);
    world.manifest("jobs: [{ name: a, table: t, files: [{ glob: 'data/*' }] }]\n");
    for name in ["../../evil", "/tmp/evil", "a/b", "..", "x\u{7f}y"] {
        let outcome = world.run(&["--instance", name]);
        assert!(
            matches!(outcome.status, Some(0 | 64)),
            "{name}: {outcome:?}"
        );
        assert_confined(&world);
    }
}

/// Nothing was made but below the state, the sandbox and the work folder.
#[track_caller]
fn assert_confined(world: &World) {
    let mut names: Vec<String> = std::fs::read_dir(world.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.retain(|name| name != "state");
    assert_eq!(names, ["sandbox", "work"]);
    for entry in walkdir::WalkDir::new(world.root()) {
        let path = entry.unwrap().into_path();
        let name = path.file_name().unwrap().to_string_lossy();
        let below =
            path.starts_with(world.state()) || path.starts_with(world.root().join("sandbox"));
        assert!(below || !name.contains("evil"), "{}", path.display());
    }
    assert!(!std::path::Path::new("/tmp/evil").exists());
}
