//! Manifests: every example loads and fits the JSON Schema, and every kind of
//! problem is shown as a person will see it.

use std::fs;
use std::path::{Path, PathBuf};

use redivis_ingest::manifest::{self, LoadError, Manifest, ManifestError};

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests")
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{}", folder.display());
    found
}

fn no_variables(_: &str) -> Option<String> {
    None
}

fn problems(result: Result<Manifest, LoadError>) -> ManifestError {
    match result {
        Err(LoadError::Invalid(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_example_loads() {
    for path in yaml_files(&manifests()) {
        let loaded = manifest::load(&path, &no_variables);
        match loaded {
            Ok(loaded) => assert_eq!(
                Some(loaded.name.as_str()),
                path.file_stem().and_then(|name| name.to_str())
            ),
            Err(LoadError::Invalid(error)) => panic!("{}", error.render(false, 100)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn every_example_says_what_it_shows() {
    for path in yaml_files(&manifests()) {
        assert!(
            fs::read_to_string(&path).unwrap().starts_with("# "),
            "{}",
            path.display()
        );
    }
}

#[test]
fn the_example_data_stays_small() {
    fn bytes(folder: &Path) -> u64 {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                if entry.path().is_dir() {
                    bytes(&entry.path())
                } else {
                    entry.metadata().unwrap().len()
                }
            })
            .sum()
    }
    assert!(bytes(&manifests().join("data")) < 1_500_000);
}
