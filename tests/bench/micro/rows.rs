//! Rows of ten typed columns.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use redivis_ingest::base::{CancelToken, Fingerprint, SourceKey, VariableMetadata, VariableType};
use redivis_ingest::manifest::{
    Convert, CsvDialect, ExtraColumns, MissingColumns, RowFormat, ValueFrom, Variable,
};
use redivis_ingest::source::RowInput;
use redivis_ingest::source::rows::{
    CutSettings, Mapping, Pass, Reading, RowReader, Sending, cut_source, replay,
};

const ROWS: usize = 5_000;
const COLUMNS: [(&str, VariableType); 10] = [
    ("id", VariableType::Integer),
    ("station", VariableType::String),
    ("day", VariableType::Date),
    ("measured_at", VariableType::DateTime),
    ("value", VariableType::Float),
    ("ratio", VariableType::Float),
    ("count", VariableType::Integer),
    ("flag", VariableType::Boolean),
    ("note", VariableType::String),
    ("code", VariableType::String),
];

/// A source in a folder of its own.
struct Source {
    _folder: tempfile::TempDir,
    input: RowInput,
    format: RowFormat,
    schema: Vec<Variable>,
    bytes: usize,
}

fn value(n: usize, column: usize) -> String {
    match column {
        0 => n.to_string(),
        1 => format!("ST-{:03}", n % 500),
        2 => format!("2026-{:02}-{:02}", n % 12 + 1, n % 28 + 1),
        3 => format!("2026-{:02}-01T{:02}:{:02}:00", n % 12 + 1, n % 24, n % 60),
        4 => format!("{}.{:04}", n % 1000, n % 9973),
        5 => format!("0.{:06}", n * 7 % 999_983),
        6 => (n * 7919 % 1_000_000_007).to_string(),
        7 => n.is_multiple_of(2).to_string(),
        8 => format!("note {n}, with a comma"),
        _ => format!("{:08x}", n * 2_654_435_761 % 4_294_967_296),
    }
}

fn is_text(column: usize) -> bool {
    matches!(column, 1 | 2 | 3 | 8 | 9)
}

fn source(format: RowFormat) -> Source {
    let mut text = String::new();
    if matches!(format, RowFormat::Csv(_)) {
        text.push_str(&COLUMNS.map(|(name, _)| name).join(","));
        text.push('\n');
    }
    for n in 0..ROWS {
        for (column, (name, _)) in COLUMNS.iter().enumerate() {
            let value = value(n, column);
            let quote = if column == 8 { "\"" } else { "" };
            if matches!(format, RowFormat::Csv(_)) {
                let comma = if column == 0 { "" } else { "," };
                write!(text, "{comma}{quote}{value}{quote}").unwrap();
            } else {
                let open = if column == 0 { '{' } else { ',' };
                let quote = if is_text(column) { "\"" } else { "" };
                write!(text, "{open}\"{name}\":{quote}{value}{quote}").unwrap();
            }
        }
        text.push_str(if matches!(format, RowFormat::Csv(_)) {
            "\n"
        } else {
            "}\n"
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    std::fs::write(&path, &text).unwrap();
    let schema = COLUMNS.map(|(name, kind)| Variable {
        name: name.to_owned(),
        kind,
        from: ValueFrom::Column(name.to_owned()),
        convert: Convert::default(),
        required: false,
        metadata: VariableMetadata::default(),
    });
    Source {
        input: RowInput {
            fingerprint: Fingerprint::of(&std::fs::metadata(&path).unwrap()),
            path,
            shown: "rows".to_owned(),
            entry: 0,
            key: SourceKey::source("rows"),
        },
        _folder: folder,
        format,
        schema: schema.into(),
        bytes: text.len(),
    }
}

impl Source {
    fn reading(&self) -> Reading<'_> {
        Reading {
            input: &self.input,
            format: &self.format,
            mapping: Mapping {
                schema: &self.schema,
                extra_columns: ExtraColumns::Fail,
                missing_columns: MissingColumns::Fail,
            },
        }
    }

    fn cut(&self) -> Pass {
        let settings = CutSettings {
            payload: 256 << 10,
            owner: SourceKey::owner("bench", "rows"),
            slug: "rows".to_owned(),
        };
        let cancel = CancelToken::new();
        cut_source(self.reading(), &[], &settings, &mut |_| {}, &cancel).unwrap()
    }
}

fn encode(bencher: Bencher<'_, '_>, format: RowFormat) {
    let source = source(format);
    let cancel = CancelToken::new();
    let mut out = Vec::new();
    bencher
        .counter(BytesCount::new(source.bytes))
        .bench_local(|| {
            let mut reader = RowReader::open(source.reading(), &cancel).unwrap();
            out.clear();
            let mut rows = 0;
            while reader
                .next_encoded(&mut out, &mut |reject| panic!("{reject}"))
                .unwrap()
                .is_some()
            {
                rows += 1;
            }
            assert_eq!(rows, ROWS);
            black_box(out.len())
        });
}

#[divan::bench]
fn encode_csv(bencher: Bencher<'_, '_>) {
    encode(bencher, RowFormat::Csv(CsvDialect::default()));
}

#[divan::bench]
fn encode_ndjson(bencher: Bencher<'_, '_>) {
    encode(bencher, RowFormat::Ndjson);
}

/// Encoding, digests and cutting.
#[divan::bench]
fn cut_csv(bencher: Bencher<'_, '_>) {
    let source = source(RowFormat::Csv(CsvDialect::default()));
    bencher
        .counter(BytesCount::new(source.bytes))
        .bench_local(|| black_box(source.cut().rows));
}

/// The second pass: payloads, held against their digests.
#[divan::bench]
fn pack_csv(bencher: Bencher<'_, '_>) {
    let source = source(RowFormat::Csv(CsvDialect::default()));
    let pass = source.cut();
    let cancel = CancelToken::new();
    bencher
        .counter(BytesCount::new(source.bytes))
        .bench_local(|| {
            let sending = Sending {
                reading: source.reading(),
                cuts: &pass.cuts,
                fingerprint: pass.fingerprint,
            };
            let mut bytes = 0;
            replay(
                sending,
                &|_| true,
                &mut |_| Vec::with_capacity(256 << 10),
                &mut |_, payload| {
                    bytes += payload.len();
                    ControlFlow::Continue(())
                },
                &cancel,
            )
            .unwrap();
            black_box(bytes)
        });
}
