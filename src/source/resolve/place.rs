//! Where an entry's paths are, by its text alone: for those who tell others what a
//! job reads.

use std::path::Path;

use super::walk::{split_literal, tidy};
use crate::manifest::PathPattern;

/// The absolute path that an entry names, or the folder that its glob starts in with
/// the absolute pattern. `..` is resolved in the text, links are not.
pub fn literal_place(root: &Path, pattern: &PathPattern) -> (String, Option<String>) {
    let root = root.to_string_lossy();
    let below = |path: &str| match path {
        _ if path.starts_with('/') => without_parents(path),
        _ => without_parents(&format!("{root}/{path}")),
    };
    match pattern {
        PathPattern::Glob(text) if text.contains(['*', '?', '[']) => {
            let (folder, rest) = split_literal(text);
            let folder = below(&folder);
            let pattern = format!("{}/{rest}", folder.trim_end_matches('/'));
            (folder, Some(pattern))
        }
        PathPattern::Glob(text) | PathPattern::Literal(text) => (below(text), None),
    }
}

fn without_parents(path: &str) -> String {
    let path = tidy(path);
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_the_folder_that_it_starts_in() {
        let root = Path::new("/srv/sur[vey");
        let glob = |text: &str| literal_place(root, &PathPattern::Glob(text.to_owned()));

        for (text, folder, pattern) in [
            (
                "data/**/*.tif",
                "/srv/sur[vey/data",
                Some("/srv/sur[vey/data/**/*.tif"),
            ),
            ("*.csv", "/srv/sur[vey", Some("/srv/sur[vey/*.csv")),
            ("../in/x?", "/srv/in", Some("/srv/in/x?")),
            ("/*", "/", Some("/*")),
            ("./a//b.csv", "/srv/sur[vey/a/b.csv", None),
        ] {
            let wanted = (folder.to_owned(), pattern.map(str::to_owned));
            assert_eq!(glob(text), wanted, "{text}");
        }
        let literal = PathPattern::Literal("a*b".to_owned());
        assert_eq!(
            literal_place(root, &literal),
            ("/srv/sur[vey/a*b".to_owned(), None)
        );
    }
}
