//! What a trial delivers, as plain data: rows and how they are written to files.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::{Value, json};

use super::Dice;

/// A row of the one schema that trials use.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// In all of a trial no two rows have one.
    pub(crate) id: u64,
    word: String,
    n: Option<i64>,
    f: Option<f64>,
    flag: Option<bool>,
    day: Option<(u64, u64)>,
    /// Its `n` is no integer: the row cannot be encoded.
    pub(crate) is_bad: bool,
}

impl Row {
    pub(crate) const SCHEMA: &str =
        "{ id: integer, word: string, n: integer, f: float, flag: boolean, day: date }";

    pub(crate) fn new(id: u64, dice: &mut Dice) -> Self {
        const WORDS: [&str; 8] = [
            "plain",
            "a, b",
            "say \"hi\"",
            "two\nlines",
            "Grüße, 世界",
            "tab\there",
            " spaces ",
            "back\\slash",
        ];
        let magnitude = i64::try_from(dice.below(1 << 40)).unwrap();
        Self {
            id,
            word: format!("{} {}", dice.one_of(&WORDS), dice.below(1000)),
            n: (!dice.once_in(5)).then_some(magnitude - (1 << 39)),
            f: (!dice.once_in(5))
                .then(|| f64::from(u32::try_from(dice.below(1 << 20)).unwrap()) / 64.0),
            flag: (!dice.once_in(5)).then(|| dice.once_in(2)),
            day: (!dice.once_in(5)).then(|| (dice.between(1, 12), dice.between(1, 28))),
            is_bad: false,
        }
    }

    fn day(&self) -> Option<String> {
        self.day
            .map(|(month, day)| format!("2026-{month:02}-{day:02}"))
    }

    /// The row as the platform shall hold it.
    pub(crate) fn stored(&self) -> Value {
        json!({
            "id": self.id, "word": self.word, "n": self.n, "f": self.f, "flag": self.flag,
            "day": self.day(),
        })
    }

    fn csv(&self) -> String {
        fn text<T: ToString>(value: Option<T>) -> String {
            value.map(|value| value.to_string()).unwrap_or_default()
        }
        let n = if self.is_bad {
            "n/a".to_owned()
        } else {
            text(self.n)
        };
        format!(
            "{},\"{}\",{n},{},{},{}\n",
            self.id,
            self.word.replace('"', "\"\""),
            text(self.f),
            text(self.flag),
            self.day().unwrap_or_default()
        )
    }

    fn json(&self) -> String {
        let mut value = self.stored();
        if self.is_bad {
            value["n"] = json!("n/a");
        }
        value.to_string()
    }
}

/// How rows are written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Csv,
    CsvGz,
    Ndjson,
    NdjsonGz,
    Json,
}

impl Form {
    pub(crate) const ALL: [Self; 5] = [
        Self::Csv,
        Self::CsvGz,
        Self::Ndjson,
        Self::NdjsonGz,
        Self::Json,
    ];

    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::CsvGz => "csv.gz",
            Self::Ndjson => "ndjson",
            Self::NdjsonGz => "ndjson.gz",
            Self::Json => "json",
        }
    }
}

/// A file that holds these rows.
pub(crate) fn row_file(form: Form, rows: &[Row]) -> Vec<u8> {
    let mut text = String::new();
    match form {
        Form::Csv | Form::CsvGz => {
            text.push_str("id,word,n,f,flag,day\n");
            for row in rows {
                text.push_str(&row.csv());
            }
        }
        Form::Ndjson | Form::NdjsonGz => {
            for row in rows {
                writeln!(text, "{}", row.json()).unwrap();
            }
        }
        Form::Json => {
            let rows: Vec<String> = rows.iter().map(Row::json).collect();
            write!(text, "[{}]", rows.join(",\n")).unwrap();
        }
    }
    match form {
        Form::CsvGz | Form::NdjsonGz => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }
        Form::Csv | Form::Ndjson | Form::Json => text.into_bytes(),
    }
}
