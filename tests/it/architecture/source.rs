//! Rust source as words: enough of a lexer to tell code from comments, texts
//! and tests, and to follow the paths in it.

#![expect(
    clippy::string_slice,
    reason = "all offsets come from searches in the same text"
)]

use std::collections::BTreeSet;

/// A file's code as words, without comments, texts and tests. `::` is one word.
pub(super) struct Source {
    pub(super) tokens: Vec<String>,
    /// Lines, tests apart.
    pub(super) own_lines: usize,
}

impl Source {
    pub(super) fn read(text: &str) -> Self {
        let words = words(text);
        let mut tokens = Vec::new();
        let mut test_lines = 0;
        let mut at = 0;
        while at < words.len() {
            if is_cfg_test(&words[at..]) {
                let end = item_end(&words, at + 7);
                test_lines += words[end - 1].0 - words[at].0 + 1;
                at = end;
            } else {
                tokens.push(words[at].1.clone());
                at += 1;
            }
        }
        Self {
            tokens,
            own_lines: text.lines().count() - test_lines,
        }
    }

    /// The crate's own top modules that are named, through `crate`, the crate's
    /// name, or enough of `super`.
    pub(super) fn imported_modules(&self, own: &[String]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let starts_path = at == 0 || self.tokens[at - 1] != "::";
            if !starts_path {
                continue;
            }
            match token.as_str() {
                "crate" | "redivis_ingest" => self.heads(at + 1, &mut found),
                "super" => {
                    let mut end = at;
                    let mut steps = 1;
                    while self.is(end + 1, "::") && self.is(end + 2, "super") {
                        end += 2;
                        steps += 1;
                    }
                    if steps >= own.len() {
                        self.heads(end + 1, &mut found);
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// The names right below a path that ends before `at`: one, or those of a
    /// group.
    fn heads(&self, at: usize, found: &mut BTreeSet<String>) {
        if !self.is(at, "::") {
            return;
        }
        if !self.is(at + 1, "{") {
            found.extend(
                self.tokens
                    .get(at + 1)
                    .filter(|head| is_module_name(head))
                    .cloned(),
            );
            return;
        }
        let mut depth = 0_usize;
        for index in at + 1..self.tokens.len() {
            let before = self.tokens[index - 1].as_str();
            match self.tokens[index].as_str() {
                "{" => depth += 1,
                "}" if depth == 1 => return,
                "}" => depth -= 1,
                head if depth == 1 && matches!(before, "{" | ",") && is_module_name(head) => {
                    found.insert(head.to_owned());
                }
                _ => {}
            }
        }
    }

    /// Whether a crate is named: at the start of a path, or alone in a `use`.
    pub(super) fn names_crate(&self, krate: &str) -> bool {
        self.tokens.iter().enumerate().any(|(at, token)| {
            let starts_path = at == 0 || self.tokens[at - 1] != "::" || self.is_root(at - 1);
            let is_used = self.is(at + 1, "::") || (at > 0 && self.is(at - 1, "use"));
            token == krate && starts_path && is_used
        })
    }

    /// Whether the `::` here begins a path, as in `use ::ureq`.
    fn is_root(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map(|before| self.tokens[before].as_str());
        let ends_path = |c: char| c.is_alphanumeric() || c == '_' || c == '>';
        before.is_none_or(|word| word == "use" || !word.ends_with(ends_path))
    }

    /// Whether a path of two names is written, at once or in a group.
    pub(super) fn has_path(&self, path: &str) -> bool {
        let Some((first, second)) = path.split_once("::") else {
            return false;
        };
        (0..self.tokens.len()).any(|at| {
            if !self.is(at, first) {
                return false;
            }
            let mut heads = BTreeSet::new();
            self.heads(at + 1, &mut heads);
            heads.contains(second) || (self.is(at + 1, "::") && self.is(at + 2, second))
        })
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token == word)
    }
}

fn is_module_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase()) && !matches!(word, "self" | "super")
}

/// Whether `#[cfg(test)]` begins here.
fn is_cfg_test(words: &[(usize, String)]) -> bool {
    let wanted = ["#", "[", "cfg", "(", "test", ")", "]"];
    words.len() >= wanted.len()
        && words
            .iter()
            .zip(wanted)
            .all(|((_, word), wanted)| word == wanted)
}

/// Where the item that begins at `at` ends: after its `;` or its last brace.
fn item_end(words: &[(usize, String)], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, (_, word)) in words.iter().enumerate().skip(at) {
        match word.as_str() {
            "{" => depth += 1,
            "}" if depth <= 1 => return index + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return index + 1,
            _ => {}
        }
    }
    words.len()
}

/// Names, `::` and single characters of code, each with its line from 0.
fn words(text: &str) -> Vec<(usize, String)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut line = 0;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let skipped = skipped(rest);
        let length = if skipped > 0 {
            skipped
        } else {
            let length = word_length(rest);
            let word = &rest[..length];
            if !word.trim().is_empty() {
                found.push((line, word.to_owned()));
            }
            length
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

/// How much of a comment, a text or a character begins here; 0: none does.
fn skipped(rest: &str) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..]
            .find(end)
            .map_or(rest.len(), |found| from + found + end.len())
    };
    if rest.starts_with("//") {
        return until("\n", 2);
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest);
    if let Some(raw_rest) = raw.strip_prefix('r') {
        let hashes = raw_rest.bytes().take_while(|c| *c == b'#').count();
        if raw_rest[hashes..].starts_with('"') {
            let from = rest.len() - raw_rest.len() + hashes + 1;
            return until(&format!("\"{}", "#".repeat(hashes)), from);
        }
    }
    if rest.starts_with('"') {
        return quoted(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    0
}

/// The length of a text in quotes.
fn quoted(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character in quotes; 0: it is a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..]
            .find('\'')
            .map_or(rest.len(), |found| 3 + found + 1),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

fn word_length(rest: &str) -> usize {
    if rest.starts_with("::") {
        return 2;
    }
    let name = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    if name > 0 {
        name
    } else {
        rest.chars().next().map_or(1, char::len_utf8)
    }
}
