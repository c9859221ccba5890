//! Which types are read from a sample of cells and values.

use super::*;
use crate::source::rows::tests::support::{Fixture, lines};

fn inferred(sources: &[Fixture], known: &[(String, VariableType)]) -> Vec<(String, VariableType)> {
    let sources: Vec<_> = sources
        .iter()
        .map(|one| (&one.input, &one.format))
        .collect();
    infer_schema(&sources, known, &CancelToken::new())
        .unwrap()
        .into_iter()
        .map(|one| (one.name, one.kind))
        .collect()
}

fn kind_of(cells: &[&str]) -> VariableType {
    let text = format!("k,x\n{}\n", cells.map_lines());
    inferred(&[Fixture::csv(text)], &[])[1].1
}

trait MapLines {
    fn map_lines(&self) -> String;
}

impl MapLines for [&str] {
    fn map_lines(&self) -> String {
        self.iter()
            .map(|one| format!("1,{one}"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[test]
fn a_column_gets_the_narrowest_type_that_all_its_cells_fit() {
    use VariableType::{Boolean, Date, DateTime, Float, Integer, String, Time};
    for (cells, kind) in [
        (&["1", "-2", ""] as &[&str], Integer),
        (&["1", "2.5", "1e3"], Float),
        (&["1", "x"], String),
        (&["007", "8"], String),
        (&["+1"], String),
        (&["0", "0.5"], Float),
        (&["9223372036854775807"], Integer),
        (&["9223372036854775808"], String),
        (&["9007199254740993", "0.5"], String),
        (&["true", "FALSE"], Boolean),
        (&["true", "1"], String),
        (&["2026-01-02", "2026-1-3"], Date),
        (&["2026-01-02", "2026-02-30"], String),
        (&["2026-01-02T03:04:05", "2026-01-02 03:04:05.5"], DateTime),
        (&["2026-01-02T03:04:05Z"], String),
        (&["2026-01-02", "2026-01-02T03:04:05"], String),
        (&["3:04:05"], Time),
        (&["", ""], String),
        (&["NaN"], String),
    ] {
        assert_eq!(kind_of(cells), kind, "{cells:?}");
    }
}

#[test]
fn all_sources_count_and_columns_keep_their_first_order() {
    let sources = [
        Fixture::csv("b,a\n1,1\n"),
        Fixture::ndjson("{\"c\":true,\"a\":1.5}\n{\"b\":null}"),
        Fixture::json("[{\"a\":2,\"d\":\"2026-01-02\"}]"),
    ];

    assert_eq!(
        inferred(&sources, &[]),
        [
            ("b".to_owned(), VariableType::Integer),
            ("a".to_owned(), VariableType::Float),
            ("c".to_owned(), VariableType::Boolean),
            ("d".to_owned(), VariableType::Date),
        ]
    );
}

#[test]
fn json_text_is_no_number_and_nested_values_are_kept_as_text() {
    let source =
        Fixture::ndjson("{\"a\":\"1\",\"b\":[1],\"c\":1}\n{\"a\":\"2\",\"b\":1,\"c\":\"x\"}");
    let sources = [(&source.input, &source.format)];
    let found = infer_schema(&sources, &[], &CancelToken::new()).unwrap();

    let kinds: Vec<_> = found.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [VariableType::String; 3]);
    assert_eq!(found[1].convert.nested, NestedPolicy::Json);
    let rows = Fixture {
        schema: found,
        ..source
    }
    .rows();
    assert_eq!(rows[0], r#"{"a":"1","b":"[1]","c":"1"}"#);
}

#[test]
fn the_remote_table_s_types_and_names_hold() {
    let known = [("station_id".to_owned(), VariableType::String)];
    let found = inferred(&[Fixture::csv("Station ID,n\n1,2\n")], &known);

    assert_eq!(
        found,
        [
            ("station_id".to_owned(), VariableType::String),
            ("n".to_owned(), VariableType::Integer)
        ]
    );
}

#[test]
fn keys_that_are_data_do_not_fill_memory() {
    let text = lines(MAX_COLUMNS + 1, |n| format!("{{\"k{n}\":1}}\n"));
    let source = Fixture::ndjson(text);
    let error = infer_schema(&[(&source.input, &source.format)], &[], &CancelToken::new());

    assert!(matches!(error, Err(SourceError::TooManyColumns { .. })));
}

#[test]
fn a_flaw_in_a_source_is_an_error_here_too() {
    let source = Fixture::ndjson("{\"a\":1}\n{\"a\":");
    let error = infer_schema(&[(&source.input, &source.format)], &[], &CancelToken::new());

    assert!(matches!(
        error,
        Err(SourceError::Json {
            line: 2,
            column: 6,
            ..
        })
    ));
}
