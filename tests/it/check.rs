//! Manifests: every example loads and fits the JSON Schema, and every kind of
//! problem is shown as a person will see it.

use std::fs;
use std::path::{Path, PathBuf};

use redivis_ingest::manifest::{self, LoadError, Manifest, ManifestError, ProblemCode};
use regex::Regex;
use serde_json::Value;

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

/// A manifest as JSON, merge keys resolved.
fn as_json(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_example_fits_the_json_schema() {
    let schema = manifest::json_schema();
    for path in yaml_files(&manifests()) {
        let fault = Validator { root: &schema }.fault(&schema, &as_json(&path), "");
        assert_eq!(fault, None, "{}", path.display());
    }
    let variables = &schema["$defs"]["job"]["properties"]["schema"];
    let fault = Validator { root: &schema }.fault(
        variables,
        &as_json(&manifests().join("schemas/earthquakes.yaml")),
        "",
    );
    assert_eq!(fault, None);
}

#[test]
fn the_json_schema_refuses_what_it_can_know() {
    let schema = manifest::json_schema();
    for name in [
        "unknown-key",
        "missing-key",
        "wrong-type",
        "empty",
        "version",
        "bad-name",
        "bad-word",
        "bad-character",
    ] {
        let manifest = as_json(&manifests().join(format!("invalid/{name}.yaml")));
        assert!(
            Validator { root: &schema }
                .fault(&schema, &manifest, "")
                .is_some(),
            "{name}"
        );
    }
}

/// Just enough of JSON Schema for ours: an unknown keyword is a failure.
struct Validator<'s> {
    root: &'s Value,
}

impl Validator<'_> {
    /// The first place that does not fit.
    fn fault(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        schema
            .as_object()
            .unwrap()
            .iter()
            .find_map(|(keyword, rule)| {
                self.broken(schema, keyword, rule, value, at)
                    .map(|why| format!("{at}: {why}"))
            })
    }

    fn broken(
        &self,
        schema: &Value,
        keyword: &str,
        rule: &Value,
        value: &Value,
        at: &str,
    ) -> Option<String> {
        let fits = |fits: bool| (!fits).then(|| format!("{value} does not fit {keyword}: {rule}"));
        let length = |count: usize| u64::try_from(count).unwrap();
        match keyword {
            "$schema" | "$defs" | "title" | "description" | "patternProperties" => None,
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                self.fault(self.root.pointer(pointer).unwrap(), value, at)
            }
            "anyOf" => {
                let rules = rule.as_array().unwrap();
                let found: Vec<String> = rules
                    .iter()
                    .map_while(|rule| self.fault(rule, value, at))
                    .collect();
                (found.len() == rules.len()).then(|| found.join("; "))
            }
            "const" => fits(rule == value),
            "enum" => fits(rule.as_array().unwrap().contains(value)),
            "type" => {
                let types = rule
                    .as_array()
                    .cloned()
                    .unwrap_or_else(|| vec![rule.clone()]);
                fits(
                    types
                        .iter()
                        .any(|kind| is_of(value, kind.as_str().unwrap())),
                )
            }
            "pattern" => value
                .as_str()
                .and_then(|text| fits(Regex::new(rule.as_str().unwrap()).unwrap().is_match(text))),
            "minimum" => value
                .as_f64()
                .and_then(|number| fits(number >= rule.as_f64().unwrap())),
            "minLength" => value
                .as_str()
                .and_then(|text| fits(length(text.chars().count()) >= rule.as_u64().unwrap())),
            "maxLength" => value
                .as_str()
                .and_then(|text| fits(length(text.chars().count()) <= rule.as_u64().unwrap())),
            "minItems" => value
                .as_array()
                .and_then(|items| fits(length(items.len()) >= rule.as_u64().unwrap())),
            "minProperties" => value
                .as_object()
                .and_then(|keys| fits(length(keys.len()) >= rule.as_u64().unwrap())),
            "items" => value.as_array().and_then(|items| {
                items
                    .iter()
                    .find_map(|item| self.fault(rule, item, &format!("{at}/-")))
            }),
            "required" => value.as_object().and_then(|keys| {
                fits(
                    rule.as_array()
                        .unwrap()
                        .iter()
                        .all(|key| keys.contains_key(key.as_str().unwrap())),
                )
            }),
            "properties" => value.as_object().and_then(|keys| {
                keys.iter().find_map(|(key, value)| {
                    self.fault(rule.get(key)?, value, &format!("{at}/{key}"))
                })
            }),
            "additionalProperties" => value.as_object().and_then(|keys| {
                let others = keys.iter().filter(|(key, _)| {
                    let is_home =
                        schema.get("patternProperties").is_some() && key.starts_with("x-");
                    !is_home && schema["properties"].get(key.as_str()).is_none()
                });
                others.into_iter().find_map(|(key, value)| {
                    if rule.is_boolean() {
                        Some(format!("{key} is not allowed"))
                    } else {
                        self.fault(rule, value, &format!("{at}/{key}"))
                    }
                })
            }),
            unknown => panic!("the validator does not know `{unknown}`"),
        }
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        unknown => panic!("{unknown}"),
    }
}
