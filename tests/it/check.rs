//! Manifests: every example loads and fits the JSON Schema, and every kind of
//! problem is shown as a person will see it.

use std::fs;
use std::path::{Path, PathBuf};

use redivis_ingest::manifest::{self, LoadError, Manifest, ManifestError, ProblemCode};

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

/// One manifest for each code, named after it.
#[test]
fn every_problem_is_shown_with_its_place_and_what_to_do() {
    let folder = Path::new("manifests/invalid");
    for path in yaml_files(folder) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let error = problems(manifest::load(&path, &no_variables));

        let codes: Vec<&str> = error
            .problems()
            .iter()
            .map(|problem| problem.code.as_str())
            .collect();
        assert!(
            codes.iter().all(|code| *code == format!("manifest/{name}")),
            "{name}: {codes:?}"
        );
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("invalid_{name}"), error.render(false, 100));
        });
    }
}

#[test]
fn every_code_has_an_invalid_manifest() {
    let names: Vec<String> = yaml_files(&manifests().join("invalid"))
        .iter()
        .map(|path| format!("manifest/{}", path.file_stem().unwrap().to_str().unwrap()))
        .collect();
    let mut codes: Vec<&str> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(names, codes);
}

#[test]
fn a_secret_is_in_no_output() {
    let error = problems(manifest::load(
        Path::new("manifests/invalid/secret.yaml"),
        &no_variables,
    ));
    for colour in [true, false] {
        assert!(!error.render(colour, 80).contains("AAAAC3"));
    }
}
