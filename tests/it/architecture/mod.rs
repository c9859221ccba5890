//! The architecture, held by reading the sources: who may import whom, where a
//! crate or a thread may be named, how each file begins and how long it is.
//!
//! The rules are the tables below. Code under `#[cfg(test)]`, files named
//! `tests.rs` and folders named `tests` are exempt: tests may use everything.

mod checker;
mod source;

use std::fs;
use std::path::Path;

use source::Source;

/// Which project modules a module may import, itself aside. Imports go down
/// only, never sideways; only `cli` starts the sandbox and only `proof` looks
/// inside. It shares no code with the client but `base`, so that it cannot agree
/// with its mistakes.
const LAYERS: [(&str, &[&str]); 12] = [
    ("base", &[]),
    ("event", &["base"]),
    ("manifest", &["base"]),
    ("redivis", &["base"]),
    ("state", &["base"]),
    ("sandbox", &["base"]),
    ("source", &["base", "event", "manifest", "redivis", "state"]),
    (
        "plan",
        &["base", "event", "manifest", "redivis", "source", "state"],
    ),
    (
        "exec",
        &[
            "base", "event", "manifest", "plan", "redivis", "source", "state",
        ],
    ),
    (
        "report",
        &[
            "base", "event", "manifest", "plan", "redivis", "source", "state",
        ],
    ),
    ("proof", &["base", "manifest", "sandbox", "source"]),
    (
        "cli",
        &[
            "base", "event", "exec", "manifest", "plan", "proof", "redivis", "report", "sandbox",
            "source", "state",
        ],
    ),
];

/// Where a crate may be named: files that begin with one of these.
const CONFINED: [(&str, &[&str]); 9] = [
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("httparse", &["sandbox/"]),
    ("indicatif", &["report/"]),
    ("rusqlite", &["state/"]),
    ("serde_yaml", &["manifest/"]),
    ("signal_hook", &["cli/signals.rs"]),
    ("tracing_subscriber", &["cli/logging.rs"]),
    ("ureq", &["redivis/http/"]),
];

/// Paths that may be written only in files that begin with one of these.
const CONFINED_PATHS: [(&str, &[&str]); 4] = [
    ("std::env", &["cli/settings/"]),
    ("thread::spawn", &["cli/", "sandbox/"]),
    ("thread::Builder", &["cli/", "sandbox/", "redivis/md5.rs"]),
    ("thread::scope", &["cli/", "sandbox/"]),
];

/// Words that a module may not use: planning cannot write to the remote.
const FORBIDDEN_WORDS: [(&str, &str); 2] = [("plan/", "Writer"), ("source/", "Writer")];

/// Lines, tests apart.
const MAX_LINES: usize = 450;

/// Files that are longer, with the length they may have and why.
const LONGER: [(&str, usize, &str); 1] = [(
    "manifest/model.rs",
    560,
    "the whole manifest as types, one after the other",
)];

#[test]
fn the_sources_keep_to_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    assert!(
        files.len() > 20,
        "only {} files under {}",
        files.len(),
        root.display()
    );
    let mut found: Vec<String> = files
        .iter()
        .flat_map(|(name, text)| violations(name, text))
        .collect();
    for (name, allowed, _) in LONGER {
        let lines = files
            .iter()
            .find(|(file, _)| file == name)
            .map_or(0, |(_, text)| Source::read(text).own_lines);
        if lines <= MAX_LINES {
            found.push(format!(
                "{name}: its exception to {allowed} lines is not needed"
            ));
        }
    }

    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Every file under `folder` by its path with `/`, in order.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "rs")
        })
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).unwrap();
            let parts: Vec<&str> = name.iter().map(|part| part.to_str().unwrap()).collect();
            (parts.join("/"), fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// What is wrong with one file, by its path under `src/`.
fn violations(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//! ") {
        found.push(format!("{name}: does not begin with a `//!` head"));
    }
    let is_test = name.ends_with("/tests.rs") || name.split('/').any(|part| part == "tests");
    if is_test {
        return found;
    }
    let source = Source::read(text);
    let limit = LONGER
        .iter()
        .find(|(file, _, _)| *file == name)
        .map_or(MAX_LINES, |one| one.1);
    if source.own_lines > limit {
        found.push(format!(
            "{name}: {} lines, tests apart; at most {limit}",
            source.own_lines
        ));
    }
    found.extend(forbidden_edges(name, &source));
    let outside = |allowed: &[&str]| !allowed.iter().any(|start| name.starts_with(start));
    for (krate, allowed) in CONFINED {
        if outside(allowed) && source.names_crate(krate) {
            found.push(format!(
                "{name}: names the crate `{krate}`, which belongs in {allowed:?}"
            ));
        }
    }
    for (path, allowed) in CONFINED_PATHS {
        if outside(allowed) && source.has_path(path) {
            found.push(format!(
                "{name}: uses `{path}`, which belongs in {allowed:?}"
            ));
        }
    }
    for (start, word) in FORBIDDEN_WORDS {
        if name.starts_with(start) && source.tokens.iter().any(|token| token == word) {
            found.push(format!("{name}: uses `{word}`"));
        }
    }
    found
}

/// Imports that the layers forbid.
fn forbidden_edges(name: &str, source: &Source) -> Vec<String> {
    let module = name
        .split('/')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".rs");
    let allowed: &[&str] = match module {
        "lib" => return Vec::new(),
        "main" => &["cli"],
        _ => match LAYERS.iter().find(|(layer, _)| *layer == module) {
            Some((_, allowed)) => allowed,
            None => return vec![format!("{name}: the module `{module}` has no layer")],
        },
    };
    source
        .imported_modules(&module_path(name))
        .into_iter()
        .filter(|target| target != module && !allowed.contains(&target.as_str()))
        .map(|target| format!("{name}: {module} -> {target} is a forbidden edge"))
        .collect()
}

/// The module that a file is, as a path below the crate.
fn module_path(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = name
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}
