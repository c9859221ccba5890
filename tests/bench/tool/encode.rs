//! Rows to payloads that nobody gets: the reading, the conversion and the packing,
//! without digests and without sending.

use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _,
};
use redivis_ingest::base::CancelToken;
use redivis_ingest::manifest::{self, RowsSource, Schema, Source, Variable};
use redivis_ingest::source::rows::{Reading, RowReader, pack};
use redivis_ingest::source::{ResolveOptions, RowInput, resolve_rows};

struct Count {
    rows: u64,
    bytes: u64,
    payloads: u64,
}

/// Encodes the first job of a manifest. With `out` the rows go there as lines,
/// source after source.
pub(crate) fn run(path: &str, threads: usize, out: Option<&str>) {
    let manifest = manifest::load(Path::new(path), &|_| None).unwrap();
    let Source::Rows(source) = &manifest.jobs[0].source else {
        panic!("the first job has no rows");
    };
    let Schema::Declared(schema) = &source.schema else {
        panic!("the schema is not declared");
    };
    let cancel = CancelToken::new();
    let options = ResolveOptions {
        root: &manifest.root,
        allow_empty: false,
        now_ns: i64::MAX,
        cancel: &cancel,
    };
    let inputs = resolve_rows(&options, source).unwrap().inputs;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let out = out.map(|path| Mutex::new(std::fs::File::create(path).unwrap()));
    let counts: Vec<Count> = if let Some(out) = &out {
        let one = |input| encode(source, schema, input, Some(out));
        inputs.iter().map(one).collect()
    } else {
        pool.install(|| {
            let one = |input| encode(source, schema, input, None);
            inputs.par_iter().with_max_len(1).map(one).collect()
        })
    };
    let sum = |of: fn(&Count) -> u64| counts.iter().map(of).sum::<u64>();
    println!(
        r#"{{"rows":{},"bytes":{},"payloads":{}}}"#,
        sum(|count| count.rows),
        sum(|count| count.bytes),
        sum(|count| count.payloads)
    );
}

fn encode(
    source: &RowsSource,
    schema: &[Variable],
    input: &RowInput,
    out: Option<&Mutex<std::fs::File>>,
) -> Count {
    let cancel = CancelToken::new();
    let mut reader = RowReader::open(Reading::new(source, input, schema), &cancel).unwrap();
    let mut count = Count {
        rows: 0,
        bytes: 0,
        payloads: 0,
    };
    let limit = usize::try_from(source.payload.0).unwrap();
    let mut payload = Vec::with_capacity(limit + (1 << 16));
    let mut is_more = true;
    while is_more {
        payload.clear();
        pack::open(&mut payload);
        let empty = payload.len();
        while payload.len() < limit {
            let mark = payload.len();
            if mark > empty {
                payload.push(b',');
            }
            let start = payload.len();
            let row = reader.next_encoded(&mut payload, &mut |reject| panic!("{reject}"));
            if row.unwrap().is_none() {
                payload.truncate(mark);
                is_more = false;
                break;
            }
            count.rows += 1;
            if let Some(out) = out {
                let mut line = payload[start..].to_vec();
                line.push(b'\n');
                out.lock().unwrap().write_all(&line).unwrap();
            }
        }
        if payload.len() > empty {
            pack::close(&mut payload);
            count.bytes += payload.len() as u64;
            count.payloads += 1;
        }
    }
    count
}
