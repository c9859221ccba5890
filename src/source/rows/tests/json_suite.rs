//! The rules of RFC 8259, in the manner of the public test suites for JSON parsers:
//! texts that must be taken (`y_`), texts that must be refused (`n_`), each with its
//! problem and place, and texts of which the RFC lets a parser decide (`i_`). All of
//! them through both readers.

use serde_json::Value;

use crate::base::VariableType;
use crate::manifest::NestedPolicy;
use crate::source::rows::RejectReason;
use crate::source::{JsonProblem, SourceError};

use super::support::Fixture;

/// Values that are JSON.
const GOOD: &[&str] = &[
    // Words.
    "null",
    "true",
    "false",
    // Numbers.
    "0",
    "-0",
    "0.0",
    "-0.0",
    "1",
    "-1",
    "10",
    "123",
    "-123",
    "9007199254740993",
    "12345678901234567890123456789",
    "0.1",
    "-0.1",
    "1.50",
    "123.456",
    "0.000000000000000000000000000000000000000000000000000000000000000000000000000001",
    "1e1",
    "1E1",
    "1e+1",
    "1E+1",
    "1e-1",
    "1E-2",
    "0e1",
    "0e+1",
    "0E-0",
    "1.5e3",
    "123.456e78",
    "123.456E-78",
    "1e00",
    "1e+007",
    "1.0000000000000000000000000000000000001",
    "123e65",
    "-9223372036854775808",
    // Texts.
    r#""""#,
    r#"" ""#,
    r#""a""#,
    r#""asd ""#,
    r#""\"""#,
    r#""\\""#,
    r#""\/""#,
    r#""/""#,
    r#""\b\f\n\r\t""#,
    r#""\\n""#,
    r#""\\a""#,
    r#""\\\"\\""#,
    r#""\u0000""#,
    r#""\u0012""#,
    r#""\u001f""#,
    r#""\u0022""#,
    r#""\u005C""#,
    r#""\u0041\u00e9\u4E2d""#,
    r#""\u00E9\u00e9""#,
    r#""\uABCD\uabcd\uAbCd""#,
    r#""\u0821""#,
    r#""\u2028\u2029""#,
    r#""\u200B\u2064""#,
    r#""\uFEFF""#,
    r#""\uFDD0\uFFFE\uFFFF""#,
    r#""\uD7FF\uE000""#,
    r#""\ud801\udc37""#,
    r#""\uD834\uDd1e""#,
    r#""\ud83d\ude39\ud83d\udc8d""#,
    r#""\uDBFF\uDFFF""#,
    r#""\uD83F\uDFFE""#,
    r#""\u0061\u30af\u30EA\u30b9""#,
    "\"\u{7f}\"",
    "\"\u{80}\"",
    "\"\u{e9}\"",
    "\"\u{2028}\u{2029}\"",
    "\"\u{feff}\"",
    "\"\u{ffff}\"",
    "\"\u{10ffff}\"",
    "\"\u{1f600}\"",
    "\"\u{2342}\u{3237}\u{2342}\"",
    r#""/*b*/""#,
    r#""{}[],:""#,
    r#""null""#,
    r#""new\u000Aline""#,
    // Arrays.
    "[]",
    "[ ]",
    "[[]]",
    r#"[""]"#,
    "[false]",
    "[null]",
    "[1]",
    "[1,2]",
    "[1, \t2 ]",
    r#"[null, 1, "1", {}]"#,
    "[1,null,null,null,2]",
    "[[],[[],{}]]",
    " [] ",
    "[-0,0.5e-3,1E+9]",
    // Objects.
    "{}",
    "{ }",
    r#"{"":0}"#,
    r#"{"a":[]}"#,
    r#"{"b":1}"#,
    r#"{"asd":"sdf","dfg":"fgh"}"#,
    r#"{"a":{"a":{"a":null}}}"#,
    r#"{"foo\u0000bar":42}"#,
    r#"{"a\"b":"c\"d"}"#,
    r#"{ "min": -1.0e+28, "max": 1.0e+28 }"#,
    r#"{"title":"\u041f\u043e\u043b\u0442\u043e\u0440\u0430"}"#,
    r#"{"b":"x","c":[{"id":"y"}]}"#,
    r#"{"b":1,"b":1}"#,
    r#"{"b":1,"b":2}"#,
];

/// Objects that have more around the value than nothing: the text and `a` in it.
const GOOD_OBJECTS: &[(&str, &str)] = &[
    (r#" { "a" : 1 } "#, "1"),
    ("\t{\t\"a\"\t:\t1\t}\t", "1"),
    ("{\"a\":1}\r", "1"),
    (r#"{"\u0061":1}"#, "1"),
    (r#"{"b":{"a":2},"a":1}"#, "1"),
    (r#"{"b":0,"b":0,"a":1}"#, "1"),
    (r#"{"":0,"a":1,"aa":2,"A":3}"#, "1"),
    ("{\"\u{e9}\":0,\"a\":1}", "1"),
];

fn with_a(fixture: Fixture) -> Fixture {
    fixture
        .variable("a", VariableType::String)
        .that(|one| one.convert.nested = NestedPolicy::Json)
        .drop_extra()
        .null_missing()
}

/// What a text variable holds of a value.
fn assert_is(row: &str, wanted: &str) {
    let row: Value = serde_json::from_str(row).unwrap();
    let value: Value = serde_json::from_str(wanted).unwrap_or(Value::Bool(true));
    match &value {
        Value::Null => assert_eq!(row["a"], Value::Null, "{wanted}"),
        Value::String(text) => assert_eq!(row["a"], **text, "{wanted}"),
        // The user's digits are kept.
        Value::Bool(_) | Value::Number(_) => assert_eq!(row["a"], wanted.trim(), "{wanted}"),
        Value::Array(_) | Value::Object(_) => {
            let held = row["a"].as_str().unwrap();
            assert_eq!(held, wanted.trim(), "{wanted}");
            assert_eq!(serde_json::from_str::<Value>(held).unwrap(), value);
        }
    }
}

#[test]
fn what_is_json_is_taken_with_its_value() {
    let mut count = 0;
    let whole = GOOD
        .iter()
        .map(|value| (format!("{{\"a\":{value}}}"), *value));
    let objects = GOOD_OBJECTS
        .iter()
        .map(|(text, a)| ((*text).to_owned(), *a));
    for (text, value) in whole.chain(objects) {
        for fixture in [
            Fixture::ndjson(&text),
            Fixture::ndjson(format!("\u{feff}{text}\r\n")),
            Fixture::json(format!("[{text}]")),
            Fixture::json(format!("\u{feff}\r\n[\t{text}\n ] \n")),
        ] {
            let rows = with_a(fixture).rows();
            assert_eq!(rows.len(), 1, "{text}");
            assert_is(&rows[0], value);
        }
        count += 1;
    }
    assert!(count >= 90, "{count}");
}

#[test]
fn json_that_is_no_object_is_a_reject_and_no_error() {
    for value in GOOD.iter().filter(|value| !value.trim().starts_with('{')) {
        for fixture in [
            Fixture::ndjson(format!("{value}\n{{\"a\":1}}")),
            Fixture::json(format!("[{value},{{\"a\":1}}]")),
        ] {
            let read = with_a(fixture).read().unwrap();
            assert_eq!(read.rows, [r#"{"a":"1"}"#], "{value}");
            assert_eq!(read.rejects.len(), 1, "{value}");
            assert_eq!(read.rejects[0].why, RejectReason::NotAnObject, "{value}");
            assert_eq!(read.rejects[0].line, 1);
        }
    }
}

/// What is wrong with all texts of a group, in a form that fits on a line.
#[derive(Debug, Clone, Copy)]
enum Why {
    BadNumber,
    NotANumber,
    /// The character at the place stands where this is wanted.
    Wants(&'static str),
    TrailingComma,
    BadEscape,
    TrailingText,
}

const VALUE: Why = Why::Wants("a value");
const KEY: Why = Why::Wants("a key in double quotes");
const COLON: Why = Why::Wants("`:`");
const NEXT: Why = Why::Wants("`,` or `]`");
const NEXT_KEY: Why = Why::Wants("`,` or `}`");

impl Why {
    /// The problem, of a text whose flaw is at a column from 1.
    fn problem(self, text: &str, column: usize) -> JsonProblem {
        match self {
            Self::BadNumber => JsonProblem::BadNumber,
            Self::NotANumber => JsonProblem::NotANumber,
            Self::Wants(expected) => JsonProblem::Unexpected {
                expected,
                found: match text.chars().nth(column - 1).unwrap() {
                    c if c.is_control() => format!("`{}`", c.escape_default()),
                    c => format!("`{c}`"),
                },
            },
            Self::TrailingComma => JsonProblem::TrailingComma,
            Self::BadEscape => JsonProblem::BadEscape,
            Self::TrailingText => JsonProblem::TrailingText,
        }
    }
}

/// Texts that are no JSON: how they are wrapped (`~` is the text), why, the column of
/// the flaw, and the texts.
const BAD: &[(&str, Why, usize, &[&str])] = &[
    (
        "[~]",
        Why::BadNumber,
        2,
        &[
            "-",
            "- 1",
            "--1",
            "-+1",
            "-a",
            "-.5",
            "-.123",
            "-x",
            "-NaN",
            "00",
            "01",
            "-00",
            "-01",
            "012",
            "-012",
            "007",
            "1.",
            "-1.",
            "0.",
            "-2.",
            "1.x",
            "1.-2",
            "1.+2",
            "1..2",
            "0.e1",
            "2.e3",
            "2.e-3",
            "2.e+3",
            "1e",
            "1E",
            "1e+",
            "1e-",
            "1E+",
            "0e",
            "0E",
            "0e+",
            "0E+",
            "0.3e",
            "0.3e+",
            "1.0e",
            "1.0e-",
            "1.0e+",
            "1eE2",
            "1ee2",
            "1e+-2",
            "1e1.5",
            "1e2e3",
            "1ea",
            "1.2.3",
            "1.2a-3",
            "1.8011670033376514H-308",
            "0x",
            "0x1",
            "0x42",
            "0b1",
            "0o7",
            "1a",
            "1x",
            "123abc",
            "9.e+",
            "-1x",
            "1true",
        ],
    ),
    (
        "[~]",
        Why::NotANumber,
        2,
        &["NaN", "nan", "Infinity", "inf", "NaNx"],
    ),
    ("[~]", Why::NotANumber, 3, &["-Infinity"]),
    (
        "[~]",
        VALUE,
        2,
        &[
            "+1",
            "++1",
            "+Inf",
            ".5",
            ".-1",
            ".2e-3",
            "a",
            "tru",
            "truE",
            "True",
            "TRUE",
            "fals",
            "False",
            "nul",
            "nulL",
            "NULL",
            "Inf",
            "Nan",
            "undefined",
            "'a'",
            "`a`",
            "*",
            "&",
            "<null>",
            "(1)",
            "#1",
            "/1",
            "//1",
            "/*a*/1",
            ":1",
            "=1",
            "?",
            "%1",
            "~1",
            "$1",
            "_1",
            "\\u0061",
            "\\n1",
            "\u{e9}",
            "\u{ff11}",
            "\u{a0}1",
            "\u{feff}1",
            "\u{2060}1",
            "\u{3000}1",
            "\u{0}",
            "\u{1}1",
            "\u{7}1",
            "\u{1f}1",
            "\u{7f}1",
            "\u{85}1",
            ",",
            ",1",
            ",,",
        ],
    ),
    // Form feed and vertical tab are white space elsewhere, but not in JSON.
    ("[~]", VALUE, 2, &["\u{c}1", "\u{b}1"]),
    (
        "[1,~]",
        VALUE,
        4,
        &[",", ",2", "+1", "'a'", "\u{c}2", "nul"],
    ),
    (
        "[1~]",
        NEXT,
        3,
        &[
            ";2", ":2", "+2", "-2", "_0", "/**/", "//", "#", "[]", "{}", "[2", "\u{c}", "\u{b}",
            "\u{a0}", "\\n", "\"a\"", "'",
        ],
    ),
    ("[1 ~]", NEXT, 4, &["2", "true", "null", "[]", "\"a\"", "x"]),
    ("[\"a\"~]", NEXT, 5, &["\"b\"", ":1", "x", "'", "1", "[]"]),
    ("[[]~]", NEXT, 4, &["[]", "{}", "1", ";"]),
    ("[true~]", NEXT, 6, &["false", "r", "1", ":"]),
    ("[~]", Why::TrailingComma, 3, &["1,", "1, ", "1,\t"]),
    ("[~]", Why::TrailingComma, 4, &["\"\",", "{},", "[],"]),
    (
        "{~}",
        KEY,
        2,
        &[
            ",",
            ",\"b\":1",
            "b:1",
            "'b':1",
            "1:1",
            "-1:1",
            "null:1",
            "true:1",
            "[]:1",
            "{}:1",
            ":1",
            "/**/\"b\":1",
            "\u{e9}:1",
            "\u{feff}\"b\":1",
            "\u{c}\"b\":1",
            "*",
        ],
    ),
    (
        "{~}",
        COLON,
        5,
        &[
            "\"b\"",
            "\"b\",1",
            "\"b\",\"c\":1",
            "\"b\"1",
            "\"b\"=1",
            "\"b\";1",
            "\"b\"\"c\"",
            "\"b\"x:1",
        ],
    ),
    ("{~}", COLON, 6, &["\"b\" 1", "\"b\" \"c\"", "\"b\" ,"]),
    (
        "{\"b\":~}",
        VALUE,
        6,
        &["", ":1", ",", ",\"c\":1", "'x'", "x", "+1", "*", "/1"],
    ),
    (
        "{\"b\":1~}",
        NEXT_KEY,
        7,
        &[
            ";\"c\":2", ":2", "/**/", "#", "\"c\":2", "[]", "{}", "\u{c}", "_",
        ],
    ),
    ("{\"b\":1 ~}", NEXT_KEY, 8, &["\"c\":2", "2", "c"]),
    (
        "{\"b\":1,~}",
        KEY,
        8,
        &[",", ",\"c\":2", "c:2", "'c':2", "1:2", "[]", "#"],
    ),
    ("{\"b\":1~}", Why::TrailingComma, 7, &[",", ", ", ",\t"]),
    (
        "[\"~\"]",
        Why::BadEscape,
        3,
        &[
            r"\x",
            r"\a",
            r"\0",
            r"\v",
            r"\'",
            r"\e",
            r"\1",
            r"\8",
            r"\ ",
            r"\U0041",
            r"\x41",
            r"\u",
            r"\u0",
            r"\u00",
            r"\u004",
            r"\u00G0",
            r"\u00g0",
            r"\u{41}",
            r"\u 041",
            r"\u+041",
            r"\u-041",
            r"\u0x41",
            r"\u_041",
            "\\\u{e9}",
            "\\\u{1f600}",
            "\\u\u{ff11}000",
            "\\\t",
            "\\\u{0}",
        ],
    ),
    (
        "[\"~\"]",
        Why::BadEscape,
        9,
        &[r"\ud800\u", r"\ud800\u1", r"\ud800\u12x4"],
    ),
    ("{\"~\":1}", Why::BadEscape, 3, &[r"\x", r"\u12"]),
    (
        "~",
        Why::TrailingText,
        5,
        &["nullx", "true1", "truex", "null\u{feff}"],
    ),
];

/// Two values side by side: trailing text on a line, a comma too few in an array.
const BESIDE: &[(&str, usize)] = &[
    ("{} {}", 4),
    ("{}{}", 3),
    ("{}x", 3),
    ("[]x", 3),
    ("[][]", 3),
    ("1 2", 3),
    ("true false", 6),
    ("\"a\"b", 4),
    ("\"a\" \"b\"", 5),
    ("{}#", 3),
    ("{}//", 3),
    ("{\"b\":1}/**/", 8),
    ("{}'", 3),
    ("[1]:", 4),
    ("{} \u{c}", 4),
    ("{}\u{0}", 3),
    ("{}\u{feff}", 3),
    ("{};", 3),
];

fn assert_refused(fixture: Fixture, wanted: (u64, usize, &JsonProblem), text: &str) {
    let SourceError::Json {
        line, column, why, ..
    } = with_a(fixture).error()
    else {
        panic!("{text:?}");
    };
    let (wanted_line, wanted_column, wanted_why) = wanted;
    assert_eq!(&why, wanted_why, "{text:?}");
    assert_eq!(
        (line, column),
        (wanted_line, wanted_column as u64),
        "{text:?}"
    );
}

/// As the second line, with and without one after it, and as the second element.
fn assert_refused_by_both(text: &str, column: usize, why: &JsonProblem) {
    let lines = Fixture::ndjson(format!("{{\"a\":1}}\n{text}\n{{}}"));
    assert_refused(lines, (2, column, why), text);
    let array = Fixture::json(format!("[{{\"a\":1}},\n{text}]"));
    assert_refused(array, (2, column, why), text);
}

#[test]
fn what_is_no_json_is_refused_with_its_problem_and_place() {
    let mut count = 0;
    for (wrap, why, column, texts) in BAD {
        for text in *texts {
            let text = wrap.replacen('~', text, 1);
            let problem = why.problem(&text, *column);
            assert_refused_by_both(&text, *column, &problem);
            count += 1;
        }
    }
    for (text, column) in BESIDE {
        let lines = Fixture::ndjson(format!("{{\"a\":1}}\n{text}\n{{}}"));
        assert_refused(lines, (2, *column, &JsonProblem::TrailingText), text);
        let array = Fixture::json(format!("[{{\"a\":1}},\n{text}]"));
        assert_refused(array, (2, *column, &NEXT.problem(text, *column)), text);
        count += 1;
    }
    assert!(count >= 180, "{count}");
}

#[test]
fn raw_control_characters_in_texts_are_refused() {
    for byte in (0..0x20_u8).filter(|byte| *byte != b'\n') {
        for (before, after, column) in [("[\"", "\"]", 3), ("{\"", "\":1}", 3), ("[\"ab", "\"]", 5)]
        {
            let text = format!("{before}{}{after}", char::from(byte));
            assert_refused_by_both(&text, column, &JsonProblem::ControlCharacter);
        }
    }
    // A line's end ends the row of a line, so that it is cut off there.
    let text = "[\"a\nb\"]";
    assert_refused(Fixture::ndjson(text), (1, 4, &JsonProblem::EndsEarly), text);
    let array = Fixture::json(format!("[{text}]"));
    assert_refused(array, (1, 5, &JsonProblem::ControlCharacter), text);
}

/// Every beginning of a text is refused where it ends.
#[test]
fn what_is_cut_off_is_refused_at_its_end() {
    let whole =
        r#"{"a":[1.5e+3,-0,"x\n\u0041\ud83d\ude00é",true,null,false,{"b":{}}], "c" : [[]]}"#;
    let mut count = 0;
    for (end, _) in whole.char_indices().skip(1) {
        let (text, _) = whole.split_at(end);
        let column = text.chars().count() + 1;
        let why = JsonProblem::EndsEarly;
        let lines = Fixture::ndjson(format!("{{\"a\":1}}\n{text}"));
        assert_refused(lines, (2, column, &why), text);
        let array = Fixture::json(format!("[{{\"a\":1}},\n{text}"));
        assert_refused(array, (2, column, &why), text);
        count += 1;
    }
    assert_eq!(count, whole.chars().count() - 1);
    for text in [
        "[", "[\"", "[\"a", "[\"\\", "[\"\\u00", "[1,", "-", "1.", "1e", "t", "nul", "\"",
    ] {
        let column = text.chars().count() + 1;
        let lines = Fixture::ndjson(text);
        assert_refused(lines, (1, column, &JsonProblem::EndsEarly), text);
    }
}

/// Texts that only the reader of arrays sees: what is around the elements.
#[test]
fn what_is_no_array_is_refused_with_its_problem_and_place() {
    let early = || JsonProblem::EndsEarly;
    let trailing = || JsonProblem::TrailingText;
    let none = || JsonProblem::NotAnArray;
    let comma = || JsonProblem::TrailingComma;
    for (text, line, column, why) in [
        ("", 1, 1, early()),
        (" \n ", 2, 2, early()),
        ("[", 1, 2, early()),
        ("[{}", 1, 4, early()),
        ("[{},", 1, 5, early()),
        ("[{},\n\n", 3, 1, early()),
        ("{}", 1, 1, none()),
        ("null", 1, 1, none()),
        ("\"[]\"", 1, 1, none()),
        ("]", 1, 1, none()),
        ("\n {}", 2, 2, none()),
        ("[]]", 1, 3, trailing()),
        ("[],", 1, 3, trailing()),
        ("[] []", 1, 4, trailing()),
        ("[{}]]", 1, 5, trailing()),
        ("[{}]\n#", 2, 1, trailing()),
        ("[{},]", 1, 4, comma()),
        ("[{},\n]", 1, 4, comma()),
        ("[,]", 1, 2, VALUE.problem("[,]", 2)),
        ("[,{}]", 1, 2, VALUE.problem("[,{}]", 2)),
        ("[{},,{}]", 1, 5, VALUE.problem("[{},,{}]", 5)),
        ("[}", 1, 2, VALUE.problem("[}", 2)),
        ("[{}}", 1, 4, NEXT.problem("[{}}", 4)),
        ("[{}:{}]", 1, 4, NEXT.problem("[{}:{}]", 4)),
        ("[{} {}]", 1, 5, NEXT.problem("[{} {}]", 5)),
        ("[\u{c}{}]", 1, 2, VALUE.problem("[\u{c}{}]", 2)),
    ] {
        assert_refused(Fixture::json(text), (line, column, &why), text);
    }
}

/// The RFC lets a parser refuse them: halves of surrogate pairs are no characters,
/// and the platform would get another text.
#[test]
fn halves_of_surrogate_pairs_are_refused() {
    for text in [
        r"\ud800",
        r"\uD800",
        r"\udbff",
        r"\udc00",
        r"\uDFFF",
        r"\ud800x",
        r"\ud800\n",
        r"\ud800\u0041",
        r"\ud800\ud800",
        r"\udc00\ud800",
        r"\udbff\ue000",
        r"\uDd1e\uD834",
        r"\ud83d\\ude00",
        r"\ud800\\",
    ] {
        let text = format!("[\"{text}\"]");
        assert_refused_by_both(&text, 3, &JsonProblem::LoneSurrogate);
    }
}

/// A pair that is cut in two is a text that ends early, not half of a pair.
#[test]
fn a_surrogate_pair_that_is_cut_off_ends_early() {
    for text in [
        r#"["\ud83d"#,
        r#"["\ud83d\"#,
        r#"["\ud83d\u"#,
        r#"["\ud83d\ude0"#,
    ] {
        let column = text.len() + 1;
        assert_refused(
            Fixture::ndjson(text),
            (1, column, &JsonProblem::EndsEarly),
            text,
        );
    }
}

/// An escape with too few digits before the end of its text is no early end.
#[test]
fn an_escape_with_too_few_digits_is_a_bad_escape() {
    for text in [r#"["\u"]"#, r#"["\u0"]"#, r#"["\u00"]"#] {
        assert_refused_by_both(text, 3, &JsonProblem::BadEscape);
    }
}

/// The RFC sets no range for numbers: text keeps the digits, and a number that its
/// type cannot hold is a reject.
#[test]
fn numbers_out_of_range_are_kept_as_text_and_rejects_as_numbers() {
    for (number, kind, why) in [
        ("1e400", VariableType::Float, RejectReason::FloatRange),
        ("-1e400", VariableType::Float, RejectReason::FloatRange),
        ("1.5e+9999", VariableType::Float, RejectReason::FloatRange),
        (
            "123123e100000",
            VariableType::Float,
            RejectReason::FloatRange,
        ),
        (
            "123e-10000000",
            VariableType::Float,
            RejectReason::FloatRange,
        ),
        (
            "0.4e0066999999999999999999",
            VariableType::Float,
            RejectReason::FloatRange,
        ),
        (
            "100000000000000000000",
            VariableType::Integer,
            RejectReason::IntegerRange,
        ),
        (
            "-9223372036854775809",
            VariableType::Integer,
            RejectReason::IntegerRange,
        ),
    ] {
        let text = format!("{{\"a\":{number}}}");
        let kept = with_a(Fixture::ndjson(&text)).rows();
        assert_eq!(kept, [format!("{{\"a\":\"{number}\"}}")]);
        let read = Fixture::ndjson(&text).variable("a", kind).read().unwrap();
        assert!(read.rows.is_empty());
        assert_eq!(
            (read.rejects[0].why, read.rejects[0].line),
            (why, 1),
            "{number}"
        );
    }
}

/// Bytes that are not UTF-8 cost their row only; the rows around it are read.
#[test]
fn bytes_that_are_not_utf8_are_rejects_of_their_row() {
    for bytes in [
        b"\xff".as_slice(),
        b"\x80",
        b"\xc3",
        b"\xc3\x28",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\x80",
        b"\xe0\xff",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf4\xbf\xbf\xbf",
        b"\xf5\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80\x80",
        b"\xe2\x82",
        b"\xe5",
        b"\xff\xfe",
    ] {
        for (before, after) in [("{\"a\":\"", "\"}"), ("{\"", "\":1}"), ("[\"", "\"]")] {
            let row = [before.as_bytes(), bytes, after.as_bytes()].concat();
            let good = b"{\"a\":1}".as_slice();
            for fixture in [
                Fixture::ndjson([good, &row, good].join(&b'\n')),
                Fixture::json([b"[", good, b",\n", &row, b",\n", good, b"]"].concat()),
            ] {
                let read = with_a(fixture).read().unwrap();
                assert_eq!(read.rows, [r#"{"a":"1"}"#; 2], "{bytes:?}");
                let told: Vec<_> = read.rejects.iter().map(|one| (one.line, one.why)).collect();
                assert_eq!(told, [(2, RejectReason::InvalidUtf8)], "{bytes:?}");
            }
        }
    }
}

/// 128 levels are read, whatever they are made of, and one more is not.
#[test]
fn nesting_ends_at_a_depth() {
    for (open, close, step) in [("[", "]", 1), ("{\"b\":", "}", 5)] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        for fixture in [
            Fixture::ndjson(nested(128)),
            Fixture::json(format!("[{}]", nested(128))),
        ] {
            assert!(with_a(fixture).read().is_ok());
        }
        let why = JsonProblem::TooDeep { limit: 128 };
        let column = 128 * step + 1;
        for text in [nested(129), open.repeat(100_000)] {
            assert_refused(Fixture::ndjson(&text), (1, column, &why), "129 levels");
            assert_refused(
                Fixture::json(format!("[{text}")),
                (1, column + 1, &why),
                "129 levels",
            );
        }
    }
}
