//! The pages about manifests are true: their tables are those of the program, and
//! each of their examples loads. `UPDATE_DOCS=1` writes the tables anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use redivis_ingest::manifest::{self, LoadError, ProblemCode};

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name)
}

/// The page with the text between each pair of markers made anew.
fn with_tables(text: &str, table: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut is_table = false;
    for line in text.lines() {
        is_table &= line != "<!-- end -->";
        if !is_table {
            writeln!(out, "{line}").unwrap();
        }
        let marker = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        if let Some(marker) = marker.filter(|marker| *marker != "end") {
            is_table = true;
            writeln!(out, "\n{}", table(marker)).unwrap();
        }
    }
    out
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch for whoever edits the pages"
)]
fn assert_page(path: &Path, wanted: &str) {
    if std::env::var("UPDATE_DOCS").is_ok() {
        fs::write(path, wanted).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == wanted,
        "{} is out of date: run the tests with UPDATE_DOCS=1",
        path.display()
    );
}

/// The schema that the examples name, for editors.
#[test]
fn the_schema_beside_the_examples_is_that_of_the_program() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let wanted = serde_json::to_string_pretty(&manifest::json_schema()).unwrap() + "\n";

    assert_page(&folder.join("redivis-ingest.schema.json"), &wanted);

    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let named = "# yaml-language-server: $schema=redivis-ingest.schema.json\n";
            assert!(text.starts_with(named), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 7, "{count}");
}

#[test]
fn the_key_tables_are_those_of_the_program() {
    let path = page("manifest.md");
    let text = fs::read_to_string(&path).unwrap();
    let wanted = with_tables(&text, |marker| {
        manifest::key_table(marker.strip_prefix("keys: ").unwrap()).unwrap()
    });

    assert_page(&path, &wanted);
    for section in manifest::key_sections() {
        assert!(
            wanted.contains(&format!("<!-- keys: {section} -->")),
            "{section}"
        );
        assert!(wanted.contains(&format!("# {section}\n")), "{section}");
    }
}

#[test]
fn the_table_of_codes_is_that_of_the_program() {
    let path = page("errors.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut table = "| Code | Meaning |\n| --- | --- |\n".to_owned();
    for code in ProblemCode::ALL {
        writeln!(table, "| `{code}` | {} |", code.explanation()).unwrap();
    }

    assert_page(&path, &with_tables(&text, |_| table.clone()));
}

/// The YAML blocks of a page: the word after `yaml`, and the text.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("\n```yaml") {
        let (kind, after) = after.split_once('\n').unwrap();
        let (block, after) = after.split_once("\n```").unwrap();
        blocks.push((kind.trim().to_owned(), block.to_owned()));
        rest = after;
    }
    blocks
}

/// A whole manifest around a block that shows a part of one.
fn whole(kind: &str, block: &str) -> String {
    let indent = |by: usize| -> String {
        let space = " ".repeat(by);
        let lines: Vec<String> = block
            .lines()
            .map(|line| format!("{space}{line}\n"))
            .collect();
        lines.concat()
    };
    let head = "version: 1\nname: m\ndataset: demo.data\n";
    let has = |key: &str| block.lines().any(|line| line.starts_with(key));
    let job = format!("{head}jobs:\n  - name: a\n    table: a\n");
    let files = "    files: [{glob: '*'}]\n";
    let rows = if has("rows:") {
        ""
    } else {
        "    rows: [{csv: a.csv}]\n"
    };
    match kind {
        "" => block.to_owned(),
        "keys" if has("jobs:") => format!("{head}{block}\n"),
        "keys" => format!("{job}{files}{block}\n"),
        "files" | "uploads" => format!("{job}{}", indent(4)),
        "rows" if has("schema:") => format!("{job}{rows}{}", indent(4)),
        "rows" => format!("{job}{rows}    schema: infer\n{}", indent(4)),
        "variables" => format!("{job}{rows}    schema:\n{}", indent(6)),
        unknown => panic!("`{unknown}` is no kind of block"),
    }
}

#[test]
fn every_example_of_the_page_loads() {
    let blocks = blocks(&fs::read_to_string(page("manifest.md")).unwrap());
    assert!(blocks.len() > 10);
    for (kind, block) in blocks {
        let env = |name: &str| (name == "YEAR").then(|| "2026".to_owned());
        let text = whole(&kind, &block);
        match manifest::load_text(Path::new("manifest.md"), &text, Path::new("/"), &env) {
            Ok(_) => {}
            Err(LoadError::Invalid(error)) => panic!("{text}\n{}", error.render(false, 100)),
            Err(error) => panic!("{error}"),
        }
    }
}
