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

#[test]
fn keys_of_all_lengths_are_told_apart() {
    for length in 1..40 {
        let name = "a".repeat(length);
        let good = format!(r#"{{"{name}":1}}"#);
        let fixture = |text: &str| Fixture::ndjson(text).variable(&name, VariableType::Integer);
        assert_eq!(fixture(&good).rows(), [good.as_str()]);
        for at in 0..length {
            let mut other = name.clone();
            other.replace_range(at..=at, "b");
            let error = fixture(&format!(r#"{{"{other}":1}}"#)).error();
            assert!(matches!(error, SourceError::Columns { .. }), "{error:?}");
        }
    }
}

/// Rows of each type, with the columns `required` or with texts that mean null.
fn all_types(text: String, required: bool, null: Option<&str>) -> Fixture {
    let kinds = [
        ("s", VariableType::String),
        ("i", VariableType::Integer),
        ("f", VariableType::Float),
        ("b", VariableType::Boolean),
        ("d", VariableType::Date),
        ("m", VariableType::DateTime),
        ("t", VariableType::Time),
        ("g", VariableType::Geography),
    ];
    let mut fixture = Fixture::ndjson(text);
    for (name, kind) in kinds {
        fixture = fixture.variable(name, kind).that(|one| {
            one.required = required;
            one.convert.null_markers = null.map(|null| vec![null.to_owned()]);
        });
    }
    fixture
}

#[test]
fn a_row_that_is_right_as_it_stands_is_passed_on_byte_for_byte() {
    let mut rows: Vec<String> = [
        r#""a\"\\\n\/ é😀""#,
        r#""""#,
        r#""12345678""#,
        r#""1234567\"""#,
        "null",
    ]
    .map(|string| {
        format!(
            r#"{{"s":{string},"i":-120,"f":-0.50,"b":true,"d":"2024-02-29","m":"2024-12-31T23:59:59","t":"00:00:00","g":null}}"#
        )
    })
    .to_vec();
    rows.push(r#"{"s":"x","i":0,"f":7,"b":false,"d":null,"m":null,"t":null,"g":null}"#.to_owned());
    let text = rows.join(" \t\r\n");

    assert_eq!(all_types(text, false, None).rows(), rows);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 1_000,
        // Each try reads two files.
        max_shrink_iters: 200,
        ..Default::default()
    })]

    /// Rows that are right as they stand are looked at in another way. A blank keeps
    /// them from it.
    #[test]
    fn a_blank_in_a_row_changes_nothing(
        (column, value) in (0_usize..8, proptest::sample::select(VALUES)),
        odd in r#"["\\ua0-9.eE+,: tn-]{0,12}"#,
        (place, is_odd) in (0_usize..40, 0_usize..3),
        required: bool,
        null in proptest::option::of(proptest::sample::select(&["x", "1", "true", ""][..])),
        end in proptest::sample::select(&["}", "} \r", "}\u{c}", "},", "}}", ",}", ""][..]),
    ) {
        let mut members = members_with(column, value);
        if is_odd == 0 && place < 8 {
            let (name, _) = members[place].split_once(':').unwrap();
            members[place] = format!("{name}:{odd}");
        }
        if (8..16).contains(&place) {
            members.swap(place - 8, 0);
        }
        let rest = format!("{}{end}\n", members.join(","));
        let outcome = |open: &str| read_all_types(format!("{open}{rest}"), required, null);

        proptest::prop_assert_eq!(outcome("{"), outcome("{ "));
    }
}

#[test]
fn a_value_of_any_column_is_read_alike_as_it_stands_and_after_a_blank() {
    for (column, value) in (0..8).flat_map(|column| VALUES.iter().map(move |value| (column, value)))
    {
        let rest = format!("{}}}\n", members_with(column, value).join(","));
        let outcome = |open: &str| read_all_types(format!("{open}{rest}"), false, None);

        assert_eq!(outcome("{"), outcome("{ "), "{rest}");
    }
}

/// The members of a row that is right as it stands, but for the value of one column.
fn members_with(column: usize, value: &str) -> Vec<String> {
    let mut members = [
        r#""s":"x""#,
        r#""i":7"#,
        r#""f":1.5"#,
        r#""b":true"#,
        r#""d":"2024-02-29""#,
        r#""m":"2024-02-29T10:11:12""#,
        r#""t":"10:11:12""#,
        r#""g":null"#,
    ]
    .map(str::to_owned);
    let (name, _) = members[column].split_once(':').unwrap();
    members[column] = format!("{name}:{value}");
    members.to_vec()
}

type Rejected = (Option<String>, String, RejectReason);

/// The rows of a text and what was rejected, or what is wrong with it.
fn read_all_types(
    text: String,
    required: bool,
    null: Option<&str>,
) -> Result<(Vec<String>, Vec<Rejected>), JsonProblem> {
    match all_types(text, required, null).read() {
        Ok(read) => {
            let rejects = read.rejects.into_iter();
            let rejects = rejects.map(|one| (one.column, one.value, one.why));
            Ok((read.rows, rejects.collect()))
        }
        Err(SourceError::Json { why, .. }) => Err(why),
        Err(other) => panic!("{other}"),
    }
}

/// Of all types, right and wrong.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "True",
    "nul",
    "0",
    "-0",
    "7",
    "-12",
    "007",
    "1.",
    ".5",
    "1.50",
    "-0.0",
    "1e5",
    "1E400",
    "123456789012345",
    "1234567890123456",
    "9007199254740993",
    "99999999999999999999",
    r#""""#,
    r#""x""#,
    r#""1""#,
    r#""true""#,
    r#"" 7 ""#,
    r#""a\"b""#,
    r#""a\u0041""#,
    r#""\ud800""#,
    r#""\x""#,
    "\"a\tb\"",
    r#""12345678901234567890é😀\\""#,
    r#""2024-02-29""#,
    r#""2023-02-29""#,
    r#""2024-2-9""#,
    r#""2024-02-29T10:11:12""#,
    r#""2024-02-29 10:11:12""#,
    r#""2024-02-29t10:11:12""#,
    r#""2024-02-29T10:11:12Z""#,
    r#""2024-02-29T10:11:12.5""#,
    r#""2024-02-29T24:00:00""#,
    r#""10:11:12""#,
    r#""1:2:3""#,
    r#""10:11:60""#,
    r#""10:11:12+00:00""#,
    r#""POINT(1 2)""#,
    r#""point(1 2)""#,
    r#""no point""#,
    "[1]",
    r#"{"a":1}"#,
];
