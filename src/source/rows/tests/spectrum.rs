//! The acid tests that CSV parsers are usually held against, one case each, with the
//! rows as they are sent.

use crate::manifest::TextEncoding;

use super::support::Fixture;

fn rows(text: impl AsRef<[u8]>, columns: &[&str]) -> Vec<String> {
    Fixture::csv(text).strings(columns).rows()
}

#[test]
fn a_comma_in_quotes() {
    let text = "first,last,address,city,zip\nJohn,Doe,120 any st.,\"Anytown, WW\",08123\n";
    assert_eq!(
        rows(text, &["first", "last", "address", "city", "zip"]),
        [
            r#"{"first":"John","last":"Doe","address":"120 any st.","city":"Anytown, WW","zip":"08123"}"#
        ]
    );
}

#[test]
fn empty_fields() {
    let wanted = [r#"{"a":"1","b":"","c":""}"#, r#"{"a":"2","b":"3","c":"4"}"#];
    for text in [
        "a,b,c\n1,\"\",\"\"\n2,3,4\n",
        "a,b,c\n1,,\n2,3,4\n",
        "a,b,c\r\n1,\"\",\"\"\r\n2,3,4\r\n",
        "a,b,c\r\n1,,\r\n2,3,4",
    ] {
        assert_eq!(rows(text, &["a", "b", "c"]), wanted, "{text:?}");
    }
}

#[test]
fn escaped_quotes() {
    let wanted = [
        r#"{"a":"1","b":"ha \"ha\" ha"}"#,
        r#"{"a":"3","b":"4"}"#,
        r#"{"a":"\"","b":"\"\""}"#,
    ];
    let text = "a,b\n1,\"ha \"\"ha\"\" ha\"\n3,4\n\"\"\"\",\"\"\"\"\"\"\n";
    assert_eq!(rows(text, &["a", "b"]), wanted);
    assert_eq!(rows(text.replace('\n', "\r\n"), &["a", "b"]), wanted);
}

#[test]
fn json_in_a_field() {
    let text = "key,val\n1,\"{\"\"type\"\": \"\"Point\"\", \"\"coordinates\"\": [102.0, 0.5]}\"\n";
    assert_eq!(
        rows(text, &["key", "val"]),
        [r#"{"key":"1","val":"{\"type\": \"Point\", \"coordinates\": [102.0, 0.5]}"}"#]
    );
}

/// A line's end inside quotes is content: as it stands there, whatever ends rows.
#[test]
fn newlines_in_quotes() {
    let columns = ["a", "b", "c"];
    let text = "a,b,c\n1,2,3\n\"Once upon \na time\",5,6\n7,8,9\n";
    assert_eq!(
        rows(text, &columns),
        [
            r#"{"a":"1","b":"2","c":"3"}"#,
            r#"{"a":"Once upon \na time","b":"5","c":"6"}"#,
            r#"{"a":"7","b":"8","c":"9"}"#,
        ]
    );
    assert_eq!(
        rows(text.replace('\n', "\r\n"), &columns),
        [
            r#"{"a":"1","b":"2","c":"3"}"#,
            r#"{"a":"Once upon \r\na time","b":"5","c":"6"}"#,
            r#"{"a":"7","b":"8","c":"9"}"#,
        ]
    );
}

#[test]
fn quotes_and_newlines() {
    let text = "a,b\n1,\"ha \n\"\"ha\"\" \nha\"\n3,4\n";
    assert_eq!(
        rows(text, &["a", "b"]),
        [
            r#"{"a":"1","b":"ha \n\"ha\" \nha"}"#,
            r#"{"a":"3","b":"4"}"#
        ]
    );
    assert_eq!(
        rows(text.replace('\n', "\r\n"), &["a", "b"]),
        [
            r#"{"a":"1","b":"ha \r\n\"ha\" \r\nha"}"#,
            r#"{"a":"3","b":"4"}"#
        ]
    );
}

#[test]
fn simple() {
    for text in [
        "a,b,c\n1,2,3\n",
        "a,b,c\n1,2,3",
        "a,b,c\r\n1,2,3\r\n",
        "a,b,c\r\n1,2,3",
        "\u{feff}a,b,c\n1,2,3\n",
        "\"a\",\"b\",\"c\"\n\"1\",\"2\",\"3\"\n",
    ] {
        let found = rows(text, &["a", "b", "c"]);
        assert_eq!(found, [r#"{"a":"1","b":"2","c":"3"}"#], "{text:?}");
    }
}

#[test]
fn utf8() {
    let text = "a,b,c\n1,2,3\n4,5,\u{20a4}\nn\u{303},\u{1f600},\"\u{4e2d},\u{6587}\"\n";
    assert_eq!(
        rows(text, &["a", "b", "c"]),
        [
            r#"{"a":"1","b":"2","c":"3"}"#,
            "{\"a\":\"4\",\"b\":\"5\",\"c\":\"\u{20a4}\"}",
            // No normal form is imposed on values.
            "{\"a\":\"n\u{303}\",\"b\":\"\u{1f600}\",\"c\":\"\u{4e2d},\u{6587}\"}",
        ]
    );
}

#[test]
fn latin1() {
    let text = b"a,b,c\n1,2,3\n4,5,\xa9\n\"caf\xe9\",\xdf,\xff\n";
    let declared = Fixture::csv(text)
        .strings(&["a", "b", "c"])
        .dialect(|dialect| dialect.encoding = TextEncoding::Other("latin1".to_owned()));
    assert_eq!(
        declared.rows(),
        [
            r#"{"a":"1","b":"2","c":"3"}"#,
            "{\"a\":\"4\",\"b\":\"5\",\"c\":\"\u{a9}\"}",
            "{\"a\":\"caf\u{e9}\",\"b\":\"\u{df}\",\"c\":\"\u{ff}\"}",
        ]
    );
    // Undeclared it is not guessed: the rows that are no UTF-8 are rejects.
    let read = Fixture::csv(text).strings(&["a", "b", "c"]).read().unwrap();
    assert_eq!(read.rows, [r#"{"a":"1","b":"2","c":"3"}"#]);
    let lines: Vec<u64> = read.rejects.iter().map(|one| one.line).collect();
    assert_eq!(lines, [3, 4]);
    assert_eq!(read.rejects[0].column.as_deref(), Some("c"));
}
