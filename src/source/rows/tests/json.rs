//! NDJSON and JSON arrays to rows: columns, positions and what is refused.

use crate::base::{CancelToken, VariableType};
use crate::manifest::{NestedPolicy, ValueFrom};
use crate::source::rows::{RejectReason, RowReader};
use crate::source::{JsonProblem, SourceError};

use super::support::{Fixture, drain};

fn place(error: SourceError) -> (u64, u64, JsonProblem) {
    let SourceError::Json {
        line, column, why, ..
    } = error
    else {
        panic!("{error:?}");
    };
    (line, column, why)
}

#[test]
fn rows_are_written_in_the_schema_s_order_with_scalars_as_they_stand() {
    let text = "{\"n\": 1.50e1 ,\"s\":\"a\\u0041\\/\\n\",\"t\":null}\r\n\n  \t\n{\"t\":true,\"s\":\"\",\"n\":-0}";
    let rows = Fixture::ndjson(text)
        .variable("s", VariableType::String)
        .variable("t", VariableType::Boolean)
        .variable("n", VariableType::Float)
        .rows();

    assert_eq!(
        rows,
        [
            r#"{"s":"a\u0041\/\n","t":null,"n":1.50e1}"#,
            r#"{"s":"","t":true,"n":-0}"#
        ]
    );
}

#[test]
fn an_array_gives_the_same_rows_as_lines() {
    let objects = [
        r#"{"a":"[{\"}","b":{"c":[1,{"d":"]\\"}]}}"#,
        r#"{"b":[],"a":"\ud83d\ude00"}"#,
        "{\"a\":\"\u{e9}\",\n\"b\":null }",
    ];
    let nested = |fixture: Fixture| {
        fixture
            .strings(&["a", "b"])
            .that(|one| one.convert.nested = NestedPolicy::Json)
            .rows()
    };
    let lines = nested(Fixture::ndjson(
        objects.map(|one| one.replace('\n', " ")).join("\n"),
    ));

    for text in [
        format!("[{}]", objects.join(",")),
        format!("\u{feff} [\n{}\n]\n", objects.join("\n,\n")),
    ] {
        assert_eq!(nested(Fixture::json(text)), lines);
    }
    assert_eq!(
        lines[0],
        r#"{"a":"[{\"}","b":"{\"c\":[1,{\"d\":\"]\\\\\"}]}"}"#
    );
}

#[test]
fn rows_that_cross_blocks_are_whole() {
    let body: Vec<String> = (0..60)
        .map(|n| format!("{{\"a\":\"{n}\\\\\\\"{}\"}}", "é\\\\".repeat(n * 2_000)))
        .collect();
    let lines = Fixture::ndjson(body.join("\n")).strings(&["a"]);
    let array = Fixture::json(format!("[{}]", body.join(" , "))).strings(&["a"]);

    assert_eq!(lines.rows(), body);
    assert_eq!(array.rows(), body);
}

#[test]
fn reading_starts_again_at_any_row() {
    let body: Vec<String> = (0..40).map(|n| format!("{{\"a\":\n{n}}}")).collect();
    let lines: Vec<String> = body.iter().map(|one| one.replace('\n', " ")).collect();
    for fixture in [
        Fixture::json(format!("\u{feff}[\n{}]", body.join(",\n"))),
        Fixture::ndjson(lines.join("\n\n")),
        Fixture::ndjson(format!("\u{feff}{}", lines.join("\r\n"))),
    ] {
        let fixture = fixture.variable("a", VariableType::Integer);
        let all = fixture.read().unwrap();
        assert_eq!(all.rows.len(), 40);
        for from in [0, 1, 39] {
            let reader = RowReader::open(fixture.reading(), &CancelToken::new()).unwrap();
            let read = drain(reader.forward_to(&all.starts[from]).unwrap()).unwrap();
            assert_eq!(read.rows, all.rows[from..]);
            assert_eq!(read.starts, all.starts[from..]);
        }
    }
}

#[test]
fn lines_that_are_not_json_are_errors_with_their_place() {
    for (text, wanted) in [
        ("{\"a\":1}\n{\"a\":", (2, 6, JsonProblem::EndsEarly)),
        ("\n{\"a\":\"é\",}", (2, 9, JsonProblem::TrailingComma)),
        ("{\"a\":1}{\"a\":2}\n", (1, 8, JsonProblem::TrailingText)),
        ("{\"a\":NaN}\n", (1, 6, JsonProblem::NotANumber)),
        (
            "{\"a\":1,\"b\":2,\"\\u0061\":3}",
            (1, 14, JsonProblem::DuplicateKey { key: "a".into() }),
        ),
        ("{\"a\":\"\\udc00\"}", (1, 7, JsonProblem::LoneSurrogate)),
    ] {
        let error = Fixture::ndjson(text).strings(&["a"]).drop_extra().error();
        assert_eq!(place(error), wanted, "{text}");
    }
}

#[test]
fn an_array_that_is_not_one_is_an_error_with_its_place() {
    let unexpected = |expected, found: &str| JsonProblem::Unexpected {
        expected,
        found: found.to_owned(),
    };
    for (text, wanted) in [
        ("", (1, 1, JsonProblem::EndsEarly)),
        (" {\"a\":1}", (1, 2, JsonProblem::NotAnArray)),
        ("[", (1, 2, JsonProblem::EndsEarly)),
        ("[{\"a\":1},\n{\"a\":2}", (2, 8, JsonProblem::EndsEarly)),
        ("[{\"a\":1},\n{\"a\":\"x", (2, 8, JsonProblem::EndsEarly)),
        ("[{\"a\":1},\n\n]", (1, 9, JsonProblem::TrailingComma)),
        (
            "[{\"a\":1}\n {\"a\":2}]",
            (2, 2, unexpected("`,` or `]`", "`{`")),
        ),
        ("[,{\"a\":2}]", (1, 2, unexpected("a value", "`,`"))),
        ("[{\"a\":\n\n]}]", (3, 1, unexpected("a value", "`]`"))),
        ("[{\"a\":1}]\nx", (2, 1, JsonProblem::TrailingText)),
        ("[NaN]", (1, 2, JsonProblem::NotANumber)),
    ] {
        let error = Fixture::json(text).strings(&["a"]).error();
        assert_eq!(place(error), wanted, "{text}");
    }
}

#[test]
fn an_empty_array_and_an_empty_file_of_lines_have_no_rows() {
    assert_eq!(Fixture::json(" [ ] ").strings(&["a"]).rows(), [""; 0]);
    assert_eq!(Fixture::ndjson("").strings(&["a"]).rows(), [""; 0]);
}

#[test]
fn nesting_is_bounded_in_both_forms() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let limit = JsonProblem::TooDeep { limit: 128 };
    let lines = Fixture::ndjson(&deep).strings(&["a"]);
    let array = Fixture::json(format!("[{deep}]")).strings(&["a"]);

    assert_eq!(place(lines.error()).2, limit);
    assert_eq!(place(array.error()).2, limit);
}

#[test]
fn what_is_json_but_no_row_is_a_reject() {
    let read =
        Fixture::ndjson("[1]\n{\"a\":1}\n7\n\"x\"\n{\"a\":\"x\"}\n{}\n{\"a\":[1]}\n{\"a\":1e3}")
            .variable("a", VariableType::Integer)
            .read()
            .unwrap();

    assert_eq!(read.rows, [r#"{"a":1}"#]);
    let found: Vec<_> = read
        .rejects
        .iter()
        .map(|one| (one.line, one.column.as_deref(), one.value.as_str(), one.why))
        .collect();
    assert_eq!(
        found,
        [
            (1, None, "[1]", RejectReason::NotAnObject),
            (3, None, "7", RejectReason::NotAnObject),
            (4, None, "\"x\"", RejectReason::NotAnObject),
            (5, Some("a"), "x", RejectReason::NotInteger),
            (6, Some("a"), "", RejectReason::Missing),
            (7, Some("a"), "[1]", RejectReason::Nested),
            (8, Some("a"), "1e3", RejectReason::FloatInInteger),
        ]
    );
}

#[test]
fn text_that_is_not_utf_8_is_a_reject() {
    let read = Fixture::ndjson(b"{\"a\":\"\xff\"}\n{\"a\":\"x\"}")
        .strings(&["a"])
        .read()
        .unwrap();

    assert_eq!(read.rows.len(), 1);
    assert_eq!(read.rejects[0].why, RejectReason::InvalidUtf8);
}

#[test]
fn a_key_that_the_schema_lacks_is_an_error_unless_dropped() {
    let text = "{\"a\":1}\n{\"a\":2,\"b\\u0062\":{\"c\":[]}}";
    let error = Fixture::ndjson(text).strings(&["a"]).error();
    let dropped = Fixture::ndjson(text).strings(&["a"]).drop_extra().rows();

    assert!(
        matches!(&error, SourceError::Columns { line: 2, extra, .. } if *extra == ["bb"]),
        "{error:?}"
    );
    assert_eq!(dropped, [r#"{"a":"1"}"#, r#"{"a":"2"}"#]);
}

#[test]
fn pointers_lead_into_nested_values() {
    let text = r#"{"id":7,"p":{"x":[10,{"y/z":true}],"q~":null},"more":1}"#;
    let mut fixture = Fixture::ndjson(text).drop_extra().null_missing();
    for (name, pointer) in [
        ("a", "/p/x/0"),
        ("b", "/p/x/1/y~1z"),
        ("c", "/p/q~0"),
        ("d", "/p/x"),
        ("e", "/p/none/0"),
        ("f", "/id"),
    ] {
        fixture = fixture.strings(&[name]).that(|one| {
            one.from = ValueFrom::Pointer(pointer.to_owned());
            one.convert.nested = NestedPolicy::Json;
        });
    }

    assert_eq!(
        fixture.rows(),
        [r#"{"a":"10","b":"true","c":null,"d":"[10,{\"y/z\":true}]","e":null,"f":"7"}"#]
    );
}

#[test]
fn two_variables_can_take_one_key() {
    let rows = Fixture::ndjson("{\"a\":\"5\"}")
        .variable("n", VariableType::Integer)
        .that(|one| one.from = ValueFrom::Column("a".to_owned()))
        .strings(&["a"])
        .rows();

    assert_eq!(rows, [r#"{"n":5,"a":"5"}"#]);
}
