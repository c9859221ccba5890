//! Two proofs of "nothing twice, nothing lost": each fault at each call of a
//! run, and a kill at each request of a run. What is tried lies in `cells` and
//! `kills`, what must hold afterwards in `work` and `truth`.

mod cells;
mod expected;
mod faults;
mod kills;
mod truth;
mod work;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::setting;

/// Tries many cases on a few threads, each in a world of its own. Answers what
/// came of each, in their order; a failed assertion is an error, and told.
fn try_all<C: Sync + Display, T: Send>(
    cases: &[C],
    attempt: impl Fn(&C) -> T + Sync,
) -> Vec<Result<T, String>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(index) else {
                return;
            };
            let result = catch_unwind(AssertUnwindSafe(|| attempt(case))).map_err(words);
            if let Err(why) = &result {
                println!("failed: {case}: {why}");
            }
            results.lock().unwrap().push((index, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..setting("THREADS", 2) {
            scope.spawn(work);
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn words(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(
            |_| "a panic without words".to_owned(),
            |text| (*text).to_owned(),
        ),
    }
}

/// Each `step`-th of `all`, beginning with the `start`-th; of those only the ones
/// whose words have the text that `REDIVIS_INGEST_TEST_CASE` says.
fn share<T: Display>(all: Vec<T>, start: usize, step: usize) -> Vec<T> {
    let text = setting("CASE", String::new());
    all.into_iter()
        .skip(start)
        .step_by(step.max(1))
        .filter(|case| case.to_string().contains(&text))
        .collect()
}

/// A number with separators, as in 12,345.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The beginning of a matrix's last line: how many cells were run of all.
fn share_of(cells: usize, all: usize) -> String {
    let permille = cells * 1000 / all.max(1);
    format!(
        "{} of {} cells ({}.{} %)",
        grouped(cells),
        grouped(all),
        permille / 10,
        permille % 10
    )
}

#[test]
fn a_matrix_tells_its_share_in_one_form() {
    assert_eq!(share_of(1_234, 12_345), "1,234 of 12,345 cells (9.9 %)");
    assert_eq!(share_of(0, 0), "0 of 0 cells (0.0 %)");
    assert_eq!(share_of(100, 1_000_000), "100 of 1,000,000 cells (0.0 %)");
}
