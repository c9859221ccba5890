//! The way in: a path or a text to a [`Manifest`].

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::base::Sha256Digest;

use super::check::{self, Checker};
use super::expand::Environment;
use super::limits;
use super::model::Manifest;
use super::problem::{ManifestError, Problem, ProblemCode, Problems, SourceText};
use super::read::{self, ReadError};
use super::tree;

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the manifest `{}`", path.display())]
    Read {
        /// As it was named.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any manifest should be.
    #[error("cannot use the manifest `{}`: it has {size} bytes, and {limit} are allowed", path.display())]
    TooLarge {
        /// As it was named.
        path: PathBuf,
        /// Bytes it has, at least.
        size: u64,
        /// Bytes it may have.
        limit: u64,
    },
    /// It was read, and something in it is wrong.
    #[error(transparent)]
    Invalid(Box<ManifestError>),
}

/// Loads a manifest from a file. Relative paths in it start from the file's
/// folder. `env` answers the environment's variables.
pub fn load(path: &Path, env: Environment<'_>) -> Result<Manifest, LoadError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let root = std::path::absolute(folder).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    load_in(path, &root, env)
}

/// Loads a manifest from a file, with relative paths starting from `root`, which
/// is absolute.
pub fn load_in(path: &Path, root: &Path, env: Environment<'_>) -> Result<Manifest, LoadError> {
    loaded(path, read::text(path), root, env)
}

/// Loads a manifest from a stream, such as standard input. `name` is what problems
/// call it; relative paths start from `root`, which is absolute.
pub fn load_from(
    name: &Path,
    stream: impl Read,
    root: &Path,
    env: Environment<'_>,
) -> Result<Manifest, LoadError> {
    loaded(name, read::stream(stream), root, env)
}

fn loaded(
    path: &Path,
    text: Result<String, ReadError>,
    root: &Path,
    env: Environment<'_>,
) -> Result<Manifest, LoadError> {
    match text {
        Ok(text) => checked(path, text, root, env),
        Err(ReadError::Io(source)) => Err(LoadError::Read {
            path: path.to_owned(),
            source,
        }),
        Err(ReadError::TooLarge(size)) => Err(too_large(path, size)),
        Err(ReadError::NotUtf8 { text, at }) => Err(not_utf8(path, text, at)),
    }
}

/// Loads a manifest from a text in memory. `name` is what
/// problems call it; relative paths start from `root`, which is absolute.
pub fn load_text(
    name: &Path,
    text: &str,
    root: &Path,
    env: Environment<'_>,
) -> Result<Manifest, LoadError> {
    if text.len() as u64 > limits::BYTES {
        return Err(too_large(name, text.len() as u64));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    checked(name, text.to_owned(), root, env)
}

fn checked(
    path: &Path,
    text: String,
    root: &Path,
    env: Environment<'_>,
) -> Result<Manifest, LoadError> {
    let mut problems = Problems::default();
    let digest = Sha256Digest::of(text.as_bytes());
    let tree = tree::read(&text, 0, &mut problems);
    let mut checker = Checker::new(env, root, &mut problems);
    let mut hidden = tree.hidden;
    let found = match &tree.root {
        Some(node) => check::manifest(&mut checker, node, digest),
        None => None,
    };
    hidden.extend(checker.token_in(&text));
    checker.redact();
    let files = checker.into_files();
    if tree.root.is_none() && problems.is_empty() {
        problems.add(Problem {
            code: ProblemCode::Empty,
            message: "the manifest is empty".to_owned(),
            source: 0,
            span: 0..0,
            label: String::new(),
            help: Some("start with `version: 1`".to_owned()),
        });
    }
    let mut sources = vec![SourceText {
        path: path.to_owned(),
        text: String::new(),
        hidden,
    }];
    sources.extend(files);
    if let Some(mut error) = problems.into_error(sources) {
        drop(tree.root);
        if let Some(first) = error.sources.first_mut() {
            first.text = text;
        }
        return Err(LoadError::Invalid(Box::new(error)));
    }
    found.ok_or_else(|| LoadError::Read {
        path: path.to_owned(),
        source: io::Error::other("the check found neither a manifest nor a problem"),
    })
}

fn too_large(path: &Path, size: u64) -> LoadError {
    LoadError::TooLarge {
        path: path.to_owned(),
        size,
        limit: limits::BYTES,
    }
}

fn not_utf8(path: &Path, text: String, at: usize) -> LoadError {
    let mut problems = Problems::default();
    let end = text
        .get(at..)
        .and_then(|rest| rest.chars().next())
        .map_or(at, |c| at + c.len_utf8());
    problems.add(Problem {
        code: ProblemCode::Encoding,
        message: "the manifest is not UTF-8".to_owned(),
        source: 0,
        span: at..end,
        label: "here is a byte that UTF-8 does not allow".to_owned(),
        help: Some("save the file as UTF-8".to_owned()),
    });
    let source = SourceText {
        path: path.to_owned(),
        text,
        hidden: Vec::new(),
    };
    let error = problems.into_error(vec![source]);
    error.map_or_else(
        || too_large(path, 0),
        |error| LoadError::Invalid(Box::new(error)),
    )
}
