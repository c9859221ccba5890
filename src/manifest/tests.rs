//! What a manifest becomes, and which problems a wrong one has.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::base::{ByteCount, MergeStrategy, VariableType};

pub(super) fn load(text: &str) -> Result<Manifest, ManifestError> {
    load_with(text, &|_| None)
}

fn load_with(text: &str, env: Environment<'_>) -> Result<Manifest, ManifestError> {
    load_text(Path::new("m.yaml"), text, Path::new("/root"), env).map_err(|error| match error {
        LoadError::Invalid(error) => *error,
        LoadError::Read { .. } | LoadError::TooLarge { .. } => panic!("{error}"),
    })
}

fn codes(text: &str) -> Vec<&'static str> {
    let error = load(text).unwrap_err();
    error
        .problems()
        .iter()
        .map(|problem| problem.code.as_str())
        .collect()
}

const HEAD: &str = "version: 1\nname: m\ndataset: me.data\n";

fn files_job(more: &str) -> String {
    format!("{HEAD}jobs:\n  - name: a\n    table: t\n    files: [{{glob: '*.txt'}}]\n{more}")
}

fn rows_job(schema: &str, more: &str) -> String {
    format!(
        "{HEAD}jobs:\n  - name: a\n    table: t\n    rows: [{{csv: a.csv}}]\n    schema: {schema}\n{more}"
    )
}
