//! CSV sources to rows: dialects, columns, positions and what is refused.

use std::io::Write as _;

use crate::base::VariableType;
use crate::base::cancel::{CancelReason, CancelToken};
use crate::manifest::{CsvDialect, Header, RowFormat, TextEncoding, ValueFrom};
use crate::source::rows::{RejectReason, RowReader};
use crate::source::{CsvProblem, SourceError, ValueProblem};

use super::support::{Fixture, drain, lines};

fn ab(text: impl AsRef<[u8]>) -> Fixture {
    Fixture::csv(text).strings(&["a", "b"])
}

fn place(error: &SourceError) -> (u64, u64, CsvProblem) {
    let SourceError::Csv {
        line, column, why, ..
    } = error
    else {
        panic!("{error:?}");
    };
    (*line, *column, *why)
}

/// Golden: names on users' remotes rest on these bytes. They never change.
#[test]
fn a_row_s_encoding_is_pinned() {
    let rows = Fixture::csv(
        "s,i,f,b,d,t,c,g,n\n\"a \"\"b\"\"\t\\é\n\",007,1.50,TRUE,2026-1-2,2026-01-02 3:04:05.5,3:04:05,POINT(1 2),\n",
    )
    .variable("s", VariableType::String)
    .variable("i", VariableType::Integer)
    .variable("f", VariableType::Float)
    .variable("b", VariableType::Boolean)
    .variable("d", VariableType::Date)
    .variable("t", VariableType::DateTime)
    .variable("c", VariableType::Time)
    .variable("g", VariableType::Geography)
    .variable("n", VariableType::Integer)
    .rows();

    assert_eq!(
        rows,
        [
            r#"{"s":"a \"b\"\t\\é\n","i":7,"f":1.50,"b":true,"d":"2026-01-02","t":"2026-01-02T03:04:05.5","c":"03:04:05","g":"POINT(1 2)","n":null}"#
        ]
    );
}

#[test]
fn the_longest_short_cells_have_room_whatever_the_names() {
    let names: Vec<String> = (1..60).map(|length| "n".repeat(length)).collect();
    for (cell, kind) in [
        ("2026-01-02T03:04:05", VariableType::DateTime),
        ("sixteen of those", VariableType::String),
        ("-123456.78901234", VariableType::Float),
    ] {
        let cells = vec![cell; names.len()].join(",");
        let text = format!("{}\n{cells}\n{cells}\n", names.join(","));
        let with_names = |fixture: Fixture, name: &String| fixture.variable(name, kind);
        let fixture = names.iter().fold(Fixture::csv(text), with_names);
        let quote = if kind == VariableType::Float {
            ""
        } else {
            "\""
        };
        let pieces = names
            .iter()
            .map(|name| format!("\"{name}\":{quote}{cell}{quote}"));
        let row = format!("{{{}}}", pieces.collect::<Vec<_>>().join(","));

        assert_eq!(fixture.rows(), [row.clone(), row]);
    }
}

#[test]
fn rows_are_split_as_rfc_4180_says() {
    for (text, rows) in [
        ("a,b\n1,2\n", vec![("1", "2")]),
        ("a,b\r\n1,2\r\n3,4", vec![("1", "2"), ("3", "4")]),
        ("a,b\r1,2\r3,4\r", vec![("1", "2"), ("3", "4")]),
        ("a,b\n\"x,y\",\"\"\"\"\n", vec![("x,y", "\\\"")]),
        (
            "a,b\n\"l1\nl2\",\"l3\r\nl4\"\n",
            vec![("l1\\nl2", "l3\\r\\nl4")],
        ),
        ("\u{feff}a,b\n1,2\n", vec![("1", "2")]),
        ("a,b\n\n1,2\n\n\n3,4\n\n", vec![("1", "2"), ("3", "4")]),
        (
            "a,b\n,\n \"x\", y \n",
            vec![("", ""), (" \\\"x\\\"", " y ")],
        ),
        ("a,b\n5\" pipe,it's\n", vec![("5\\\" pipe", "it's")]),
        ("a,b\n", vec![]),
        ("a,b", vec![]),
        ("", vec![]),
        ("\n\n", vec![]),
    ] {
        let rows: Vec<String> = rows
            .iter()
            .map(|(a, b)| format!(r#"{{"a":"{a}","b":"{b}"}}"#))
            .collect();
        assert_eq!(ab(text).rows(), rows, "{text:?}");
    }
}

#[test]
fn blank_lines_are_no_rows_in_a_single_column_but_quoted_empties_are() {
    let rows = Fixture::csv("a\nx\n\n\"\"\ny\n").strings(&["a"]).rows();

    assert_eq!(rows, [r#"{"a":"x"}"#, r#"{"a":""}"#, r#"{"a":"y"}"#]);
}

#[test]
fn every_row_has_its_exact_place() {
    let text = "a,b\r\n\r\n\"x\r\ny\",1\r\n\n3,4\r\n5,6";
    let starts = ab(text).read().unwrap().starts;

    let wanted = [(7, 3), (18, 6), (23, 7)].map(|(byte, line)| (byte, line));
    let found: Vec<(u64, u64)> = starts.iter().map(|one| (one.byte, one.line)).collect();
    assert_eq!(found, wanted);
    assert_eq!(starts[2].record, 2);
}

#[test]
fn reading_starts_again_at_any_row() {
    let body = lines(50, |n| {
        let long = "x".repeat(n * 37);
        format!("\"{n}\u{e9}\n{long}\",\u{feff}\r\n# {n} \"\n")
    });
    for text in [format!("a,b\n{body}"), format!("\u{feff}a,b\n{body}")] {
        let fixture = ab(text).dialect(|dialect| dialect.comment = Some(b'#'));
        let all = fixture.read().unwrap();
        assert_eq!(all.rows.len(), 50);
        for from in [0, 1, 17, 49] {
            let reader = RowReader::open(fixture.reading(), &CancelToken::new()).unwrap();
            let read = drain(reader.forward_to(&all.starts[from]).unwrap()).unwrap();
            assert_eq!(read.rows, all.rows[from..]);
            assert_eq!(read.starts, all.starts[from..]);
        }
    }
}

#[test]
fn a_ragged_row_is_an_error_with_its_place() {
    for (text, line, column, found) in [
        ("a,b\n1,2\n3\n", 3, 2, 1),
        ("a,b\n1,2,3\n", 2, 5, 3),
        ("a,b\n\"1\n\",2\n3\n", 4, 2, 1),
    ] {
        let why = CsvProblem::Ragged { expected: 2, found };
        assert_eq!(place(&ab(text).error()), (line, column, why), "{text:?}");
    }
}

#[test]
fn a_bad_quote_is_an_error_with_its_place() {
    for (text, wanted) in [
        ("a,b\n1,\"x\n2,y\n", (2, 3, CsvProblem::OpenQuote)),
        ("a,b\n1,é\n\"q\"x,2\n", (3, 4, CsvProblem::TextAfterQuote)),
        ("a,b\n1,\"x\" \n", (2, 6, CsvProblem::TextAfterQuote)),
        ("a,\"b\n1,2\n", (1, 3, CsvProblem::OpenQuote)),
    ] {
        assert_eq!(place(&ab(text).error()), wanted, "{text:?}");
    }
}

#[test]
fn a_quote_left_open_in_an_early_block_is_found_at_the_end() {
    let mut text = "a,b\n".to_owned();
    text.push_str(&"1,2\n".repeat(100_000));
    text.push_str("3,\"open\n");
    text.push_str(&"5,6\n".repeat(300_000));

    let error = ab(text).error();

    assert_eq!(place(&error), (100_002, 3, CsvProblem::OpenQuote));
}

#[test]
fn a_header_that_does_not_fit_names_all_columns_at_once() {
    let error = Fixture::csv("x,b,b,y\n").strings(&["a", "b"]).error();

    let SourceError::Columns {
        missing,
        extra,
        repeated,
        line,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(line, 1);
    assert_eq!(missing, ["a"]);
    assert_eq!(extra, ["x", "y"]);
    assert_eq!(repeated, ["b"]);
}

#[test]
fn extra_and_missing_columns_can_be_allowed() {
    let rows = Fixture::csv("x,b\n1,2\n")
        .strings(&["a", "b"])
        .drop_extra()
        .null_missing()
        .rows();

    assert_eq!(rows, [r#"{"a":null,"b":"2"}"#]);
}

#[test]
fn the_dialect_is_followed() {
    let rows = ab("junk \"\nmore\n# a \"comment\n1;'x''y'\n  # no comment;2\n")
        .dialect(|dialect| {
            *dialect = CsvDialect {
                delimiter: b';',
                quote: Some(b'\''),
                comment: Some(b'#'),
                header: Header::Names(vec!["a".to_owned(), "b".to_owned()]),
                skip_lines: 2,
                ..CsvDialect::default()
            };
        })
        .rows();

    assert_eq!(
        rows,
        [
            r#"{"a":"1","b":"x'y"}"#,
            r#"{"a":"  # no comment","b":"2"}"#
        ]
    );
}

#[test]
fn an_escape_character_takes_the_place_of_doubled_quotes() {
    let text = "a,b\n\"x\\\"y\",\"\\\\\"\n";
    let rows = ab(text).dialect(|one| one.escape = Some(b'\\')).rows();
    let doubled = ab("a,b\n\"x\"\"y\",1\n").dialect(|one| one.escape = Some(b'"'));

    assert_eq!(rows, [r#"{"a":"x\"y","b":"\\"}"#]);
    assert_eq!(doubled.rows(), [r#"{"a":"x\"y","b":"1"}"#]);
}

#[test]
fn without_quoting_a_quote_is_a_character() {
    let rows = ab("a,b\n\"x,y\"\n").dialect(|one| one.quote = None).rows();

    assert_eq!(rows, [r#"{"a":"\"x","b":"y\""}"#]);
}

#[test]
fn comments_with_quotes_do_not_disturb_quoting() {
    let text = "a,b\n# it\"s\n1,\"x\"\n#\"\n\"\n\",2\n# \" \n3,4\n# \"";
    let rows = ab(text).dialect(|one| one.comment = Some(b'#')).rows();

    assert_eq!(
        rows,
        [
            r#"{"a":"1","b":"x"}"#,
            r#"{"a":"\n","b":"2"}"#,
            r#"{"a":"3","b":"4"}"#
        ]
    );
}

#[test]
fn bad_cells_are_rejects_with_line_column_and_value() {
    let read = Fixture::csv("n,s\n1,a\nx,b\n\"\n3\",c\n4,d\n")
        .variable("n", VariableType::Integer)
        .variable("s", VariableType::String)
        .that(|one| {
            one.required = true;
            one.convert.null_markers = Some(vec!["c".to_owned()]);
        })
        .read()
        .unwrap();

    assert_eq!(read.rows, [r#"{"n":1,"s":"a"}"#, r#"{"n":4,"s":"d"}"#]);
    let found: Vec<_> = read
        .rejects
        .iter()
        .map(|one| (one.line, one.column.as_deref(), one.value.as_str(), one.why))
        .collect();
    assert_eq!(
        found,
        [
            (3, Some("n"), "x", RejectReason::NotInteger),
            (4, Some("s"), "c", RejectReason::Required)
        ]
    );
    assert_eq!(read.rejects[0].file, "a.csv");
    assert_eq!(read.starts[1].record, 3);
}

#[test]
fn bytes_that_are_not_utf_8_are_rejects_wherever_they_stand() {
    let read = ab(b"a,b\n\xc3,\xa9\ng\xfft,x\nok,\xc3\xa9\n")
        .read()
        .unwrap();

    assert_eq!(read.rows, [r#"{"a":"ok","b":"é"}"#]);
    assert_eq!(read.rejects.len(), 2);
    assert_eq!(read.rejects[1].why, RejectReason::InvalidUtf8);
    assert_eq!(read.rejects[1].value, "g\u{fffd}t");
}

#[test]
fn other_encodings_are_decoded() {
    let latin = |one: &mut CsvDialect| one.encoding = TextEncoding::Other("windows-1252".into());
    let rows = ab(b"a,b\n\xe9,\x80\n").dialect(latin).rows();
    let utf16: Vec<u8> = "\u{feff}a,b\né,😀\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let wide = ab(&utf16).dialect(|one| one.encoding = TextEncoding::Other("utf-16le".into()));

    assert_eq!(rows, [r#"{"a":"é","b":"€"}"#]);
    assert_eq!(wide.rows(), [r#"{"a":"é","b":"😀"}"#]);
    let error = ab(&utf16).error().to_string();
    assert!(error.contains("state `encoding: utf-16le`"), "{error}");
}

/// A decoder that has ended must not be asked again.
#[test]
fn a_text_of_another_encoding_may_end_without_a_line_end() {
    for end in ["", "\n"] {
        let latin = ab(format!("a,b\n1,\"x\"\"\"\n2,y{end}"))
            .dialect(|one| one.encoding = TextEncoding::Other("windows-1252".into()));
        let mut reader = RowReader::open(latin.reading(), &CancelToken::new()).unwrap();
        let mut next = || {
            let mut row = Vec::new();
            let start = reader.next_encoded(&mut row, &mut |reject| panic!("{reject}"));
            start.unwrap().map(|_| String::from_utf8(row).unwrap())
        };

        assert_eq!(next().as_deref(), Some(r#"{"a":"1","b":"x\""}"#));
        assert_eq!(next().as_deref(), Some(r#"{"a":"2","b":"y"}"#));
        assert_eq!((next(), next()), (None, None));
    }
}

#[test]
fn bytes_that_an_encoding_lacks_are_an_error() {
    let fixture = ab(b"a,b\n\xff\xff,1\n")
        .dialect(|one| one.encoding = TextEncoding::Other("shift_jis".into()));

    assert!(matches!(fixture.error(), SourceError::Encoding { .. }));
}

#[test]
fn compressed_sources_are_read_to_their_last_member() {
    let mut gz = Vec::new();
    for piece in ["a,b\n1,", "2\n3,4\n"] {
        let mut member = flate2::write::GzEncoder::new(&mut gz, flate2::Compression::fast());
        member.write_all(piece.as_bytes()).unwrap();
        member.finish().unwrap();
    }
    let mut zst = zstd::encode_all("a,b\n1,2\n".as_bytes(), 1).unwrap();
    zst.extend(zstd::encode_all("3,4\n".as_bytes(), 1).unwrap());
    for (name, bytes) in [("a.csv.GZ", &gz), ("a.csv.zst", &zst)] {
        let format = RowFormat::Csv(CsvDialect::default());
        let fixture = Fixture::new(name, bytes, format.clone()).strings(&["a", "b"]);
        let all = fixture.read().unwrap();
        assert_eq!(all.rows, [r#"{"a":"1","b":"2"}"#, r#"{"a":"3","b":"4"}"#]);

        let reader = RowReader::open(fixture.reading(), &CancelToken::new()).unwrap();
        let rest = drain(reader.forward_to(&all.starts[1]).unwrap()).unwrap();
        assert_eq!(rest.rows, all.rows[1..]);

        let short = Fixture::new(name, &bytes[..bytes.len() - 6], format).strings(&["a", "b"]);
        assert!(
            matches!(
                short.error(),
                SourceError::Unreadable {
                    operation: "decompress",
                    ..
                }
            ),
            "{name}"
        );
    }
}

#[test]
fn values_come_from_the_path_and_from_constants() {
    let fixture = Fixture::new(
        "readings_2026-3-1.csv",
        "a\n1\n",
        RowFormat::Csv(CsvDialect::default()),
    )
    .variable("day", VariableType::Date)
    .that(|one| one.from = ValueFrom::Path("readings_{}.csv".to_owned()))
    .variable("a", VariableType::Integer)
    .variable("site", VariableType::String)
    .that(|one| one.from = ValueFrom::Constant("north".to_owned()));

    assert_eq!(
        fixture.rows(),
        [r#"{"day":"2026-03-01","a":1,"site":"north"}"#]
    );
}

#[test]
fn a_path_without_the_value_is_an_error_of_the_source() {
    let day = |pattern: &str| {
        let pattern = pattern.to_owned();
        Fixture::csv("x\n")
            .variable("day", VariableType::Date)
            .that(|one| one.from = ValueFrom::Path(pattern))
            .drop_extra()
            .error()
    };

    assert!(matches!(
        day("other_{}.csv"),
        SourceError::Value {
            source: ValueProblem::Path { .. },
            ..
        }
    ));
    assert!(matches!(
        day("{}.csv"),
        SourceError::Value {
            source: ValueProblem::Convert { .. },
            ..
        }
    ));
}

#[test]
fn a_stopped_run_is_not_a_bad_file() {
    let cancel = CancelToken::new();
    cancel.cancel(CancelReason::Interrupted);
    let fixture = ab("a,b\n1,2\n");
    let error = RowReader::open(fixture.reading(), &cancel)
        .map(|_| ())
        .unwrap_err();

    assert!(matches!(error, SourceError::Cancelled), "{error:?}");
}

/// The quote after the `\r` was taken for the beginning of a field, and the open one
/// below it for its end.
#[test]
fn a_comment_goes_on_after_a_lone_carriage_return() {
    let open = ab("a,b\n#\r\"\n,\"x\n").dialect(|one| one.comment = Some(b'#'));
    let why = match open.read() {
        Err(SourceError::Csv { why, line, .. }) => (why, line),
        other => panic!("{other:?}"),
    };
    assert_eq!(why, (CsvProblem::OpenQuote, 3));

    let good = ab("a,b\n#\r\"\n1,\"x\"\n").dialect(|one| one.comment = Some(b'#'));
    assert_eq!(good.read().unwrap().rows, [r#"{"a":"1","b":"x"}"#]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(1_000))]

    /// Where we find nothing wrong, the cells are those of the `csv` crate, and
    /// reading again from any row gives the same rows at the same places.
    #[test]
    fn cells_are_those_of_the_csv_crate(body in "[a,\"\r\n#é]{0,40}", comment: bool) {
        // The crate makes a row of a comment without a line's end.
        let end = if comment { "\n" } else { "" };
        let fixture = ab(format!("a,b\n{body}{end}"))
            .dialect(|one| one.comment = comment.then_some(b'#'));
        let Ok(all) = fixture.read() else { return Ok(()) };
        let mut oracle = ::csv::ReaderBuilder::new();
        let mut oracle = oracle
            .has_headers(true)
            .comment(comment.then_some(b'#'))
            .from_path(fixture.path())
            .unwrap();
        let wanted: Vec<String> = oracle
            .records()
            .map(|record| {
                let record = record.unwrap();
                let [a, b] = [0, 1].map(|at| serde_json::Value::from(&record[at]));
                format!("{{\"a\":{a},\"b\":{b}}}")
            })
            .collect();

        proptest::prop_assert_eq!(&all.rows, &wanted);
        for (index, start) in all.starts.iter().enumerate() {
            let reader = RowReader::open(fixture.reading(), &CancelToken::new()).unwrap();
            let rest = drain(reader.forward_to(start).unwrap()).unwrap();
            proptest::prop_assert_eq!(&rest.rows[..], &all.rows[index..]);
            proptest::prop_assert_eq!(&rest.starts[..], &all.starts[index..]);
        }
    }
}
