//! The parts by themselves: hashing, conversion of rows, packing, comparison.
//! `cargo bench --bench micro`; with `-- --test` each runs once.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark: what fails ends it"
)]

mod rows;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use redivis_ingest::base::{Md5Digest, Sha256Digest};
use redivis_ingest::plan::probes;

fn main() {
    divan::main();
}

const SIZES: [usize; 3] = [1 << 10, 64 << 10, 1 << 20];

#[divan::bench(args = SIZES)]
fn md5(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = vec![7_u8; size];
    bencher
        .counter(BytesCount::new(size))
        .bench(|| Md5Digest::of(black_box(&bytes)));
}

#[divan::bench(args = SIZES)]
fn sha256(bencher: Bencher<'_, '_>, size: usize) {
    let bytes = vec![7_u8; size];
    bencher
        .counter(BytesCount::new(size))
        .bench(|| Sha256Digest::of(black_box(&bytes)));
}

/// Two sorted lists of names, of which nine in ten are in both.
#[divan::bench(args = [1_000, 100_000])]
fn align(bencher: Bencher<'_, '_>, count: usize) {
    let name = |n: usize| format!("folder-{:04}/file-{n:07}.bin", n / 1000);
    let local: Vec<String> = (0..count).map(name).collect();
    let remote: Vec<String> = (count / 10..count + count / 10).map(name).collect();
    bencher
        .counter(ItemsCount::new(count))
        .bench(|| probes::align(black_box(&local), black_box(&remote)));
}
