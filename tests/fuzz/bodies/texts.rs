//! Manifests, saved plans, names of parts.

use std::path::Path;
use std::time::{Duration, Instant};

use redivis_ingest::base::PartName;
use redivis_ingest::manifest::{LoadError, load_text};
use redivis_ingest::plan::SavedPlan;

const TOKEN: &str = "canary-token-1234567890";

/// A manifest of any shape is read or refused: soon, with every problem inside its
/// text, and without a word of the token.
pub(super) fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let env = |name: &str| match name {
        "REDIVIS_API_TOKEN" => Some(TOKEN.to_owned()),
        "X" => Some("x: [".to_owned()),
        _ => None,
    };
    let started = Instant::now();
    let loaded = load_text(Path::new("m.yaml"), &text, Path::new("/nowhere"), &env);
    // Bounded: what is small is never slow, also without optimisation.
    assert!(started.elapsed() < Duration::from_secs(20), "slow");
    let error = match loaded {
        Ok(manifest) => {
            assert!(!format!("{manifest:?}").contains(TOKEN));
            return;
        }
        Err(LoadError::Invalid(error)) => error,
        Err(error) => panic!("{error}"),
    };
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        let source = error.source_of(problem).expect("a text");
        assert!(
            source.text.get(problem.span.clone()).is_some(),
            "{problem:?}"
        );
    }
    let shown = error.render(false, 80);
    assert!(shown.contains("manifest/"));
    assert!(!shown.contains(TOKEN), "{shown}");
}

/// What is read as a saved plan is read as the same again.
pub(super) fn saved_plan(data: &[u8]) {
    let read = |data: &[u8]| SavedPlan::read(data).ok().map(|plan| format!("{plan:?}"));
    if let Some(first) = read(data) {
        assert_eq!(read(data), Some(first));
        // A plan ends at its totals: what follows says nothing.
        let longer = [data, b"\nmore"].concat();
        assert!(read(&longer).is_some());
        // Without them it is no plan.
        let is_totals = |line: &[u8]| {
            serde_json::from_slice::<serde_json::Value>(line)
                .is_ok_and(|value| value["type"] == "totals")
        };
        let mut lines = data.split(|byte| *byte == b'\n').skip(1);
        assert!(lines.any(is_totals), "a plan that was cut is no plan");
    }
}

/// A name that is read is written as it stood.
pub(super) fn part_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(name) = PartName::parse(text) {
        assert_eq!(name.to_string(), text);
        let identity = &name.identity;
        assert!(identity.refused <= identity.rows, "{text}");
        let another = identity.attempt(7);
        let read = PartName::parse(&another.to_string());
        assert_eq!(read, Some(another), "{text}");
    }
}
