//! The MD5 of a file as this program makes it, and nothing else.

use std::fs::File;
use std::io::Read as _;
use std::time::Instant;

use redivis_ingest::base::digest::Md5Hasher;

/// Prints the bytes and the seconds they took.
pub(crate) fn run(path: &str) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 128 << 10];
    let mut hasher = Md5Hasher::new();
    let mut bytes = 0;
    let started = Instant::now();
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        bytes += read;
    }
    let digest = hasher.finish();
    let seconds = started.elapsed().as_secs_f64();
    println!(r#"{{"bytes":{bytes},"seconds":{seconds},"md5":"{digest}"}}"#);
}
