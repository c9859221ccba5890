//! Files to a storage that knows no API (nginx), through the client's own transfer:
//! one PUT each, MD5 while it is read, the file looked at before and after.

use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use redivis_ingest::base::{CancelToken, Fingerprint, Md5Digest, SignedUrl};
use redivis_ingest::redivis::{
    Call, Http, HttpSettings, ProxySettings, Reader, RetryPolicy, TokenSource, TransferSource,
    Writer, put_plain,
};

fn now_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}

/// Puts each path of `list` (a line each) to `url` and its index. Their MD5s go to
/// `sums`, as `md5sum` writes them.
pub(crate) fn run(url: &str, list: &str, threads: usize, sums: &str) {
    let paths = std::fs::read_to_string(list).unwrap();
    let paths: Vec<&str> = paths.lines().collect();
    let settings = HttpSettings {
        endpoint: "http://127.0.0.1:9/api/v1".parse().unwrap(),
        token: TokenSource::none(),
        ca_cert: None,
        proxy: ProxySettings {
            https_proxy: None,
            all_proxy: None,
            no_proxy: None,
        },
        connections: threads,
        timeout: Duration::from_secs(60),
        tps_limit: None,
        bandwidth: None,
        retry: RetryPolicy::default(),
        agent_comment: "benchmark".to_owned(),
        now_ms,
    };
    let writer = Writer::new(Reader::new(Arc::new(Http::new(settings).unwrap())));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::with_capacity(paths.len()));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(index) else { break };
            let md5 = put(&writer, &format!("{url}/{index}"), path);
            found.lock().unwrap().push((index, md5));
        }
    };
    pool.scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|_| work());
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_unstable_by_key(|(index, _)| *index);
    let mut out = std::io::BufWriter::new(File::create(sums).unwrap());
    for (index, md5) in found {
        writeln!(out, "{md5}  {}", paths[index]).unwrap();
    }
    out.flush().unwrap();
}

fn put(writer: &Writer, url: &str, path: &str) -> Md5Digest {
    let mut file = File::open(path).unwrap();
    let before = Fingerprint::of(&file.metadata().unwrap());
    let unchanged =
        || std::fs::metadata(path).is_ok_and(|metadata| Fingerprint::of(&metadata) == before);
    let mut source = TransferSource {
        file: &mut file,
        size: before.size,
        unchanged: &unchanged,
    };
    let cancel = CancelToken::new();
    let url = SignedUrl::new(url);
    let sent = put_plain(writer, &Call::quiet(&cancel), &url, &mut source);
    sent.unwrap().md5
}
