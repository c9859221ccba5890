//! The guards of `expect`: what a job amounts to, held against what it may. Pure:
//! the same before sending, with what the sources say, and before a release, with
//! what the platform counts.

use super::model::{JobPlan, Reason, Wanted};
use crate::base::ByteCount;
use crate::manifest::{Expect, Manifest, Release};

/// The first guard that fails, in words with its figures. Rows that only the
/// platform can count pass until they are known.
pub fn judge(expect: &Expect, amount: &Wanted) -> Option<String> {
    let count = |key: &'static str, is: u64, bound: Option<u64>, what: &str| Guard {
        key,
        is,
        bound,
        shown: Box::new({
            let what = what.to_owned();
            move |value| format!("{value} {what}{}", if value == 1 { "" } else { "s" })
        }),
    };
    let bytes = |key: &'static str, bound: Option<ByteCount>| Guard {
        key,
        is: amount.bytes,
        bound: bound.map(|bound| bound.0),
        shown: Box::new(|value| format!("{value} bytes ({})", ByteCount(value))),
    };
    let rows = amount.rows;
    let guards = [
        count("min_files", amount.files, expect.min_files, "file"),
        count("max_files", amount.files, expect.max_files, "file"),
        bytes("min_bytes", expect.min_bytes),
        bytes("max_bytes", expect.max_bytes),
        count(
            "min_rows",
            rows.unwrap_or(0),
            expect.min_rows.filter(|_| rows.is_some()),
            "row",
        ),
        count(
            "max_rows",
            rows.unwrap_or(0),
            expect.max_rows.filter(|_| rows.is_some()),
            "row",
        ),
    ];
    guards.iter().find_map(Guard::failure)
}

/// One bound.
struct Guard {
    key: &'static str,
    is: u64,
    bound: Option<u64>,
    shown: Box<dyn Fn(u64) -> String>,
}

impl Guard {
    fn failure(&self) -> Option<String> {
        let bound = self.bound?;
        let (fails, side) = if self.key.starts_with("min") {
            (self.is < bound, "at least")
        } else {
            (self.is > bound, "at most")
        };
        fails.then(|| {
            format!(
                "`{}` wants {side} {}, and there are {}",
                self.key,
                (self.shown)(bound),
                (self.shown)(self.is)
            )
        })
    }
}

/// Whether a table of `released` rows that becomes one of `rows` shrinks more than
/// it may, in words.
#[expect(
    clippy::cast_precision_loss,
    reason = "a share of rows; the last digit does not matter"
)]
pub fn judge_shrink(expect: &Expect, rows: u64, released: Option<u64>) -> Option<String> {
    let (released, bound) = (released.filter(|rows| *rows > 0)?, expect.max_shrink?);
    let share = 1.0 - rows as f64 / released as f64;
    (share > bound).then(|| {
        format!(
            "`max_shrink` is {:.0} %, and the table would go from {released} to {rows} rows, {:.1} % fewer",
            bound * 100.0,
            share * 100.0
        )
    })
}

/// `max_shrink` is about the table: what all its jobs send together replaces what
/// the last release holds.
pub(super) fn guard_shrink(manifest: &Manifest, release: &Release, jobs: &mut [JobPlan]) {
    let failures: Vec<Option<String>> = jobs
        .iter()
        .map(|plan| {
            let job = manifest.jobs.get(plan.index)?;
            // What is delivered already shrinks the table with the release.
            let pending = plan
                .history
                .released_rows
                .filter(|_| plan.replaces && !plan.held && *release != Release::No);
            let released = plan.replaced_rows.or(pending)?;
            let same = jobs.iter().filter(|one| one.table.matches(&plan.table));
            let rows = same.map(|one| one.wanted().rows).sum::<Option<u64>>()?;
            judge_shrink(&job.expect, rows, Some(released))
        })
        .collect();
    for (plan, failure) in jobs.iter_mut().zip(failures) {
        if let Some(note) = failure {
            plan.hold(Reason::ExpectFailed, note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMOUNT: Wanted = Wanted {
        files: 3,
        bytes: 2_000,
        rows: Some(10),
    };

    #[test]
    fn each_guard_fails_beyond_its_bound_and_tells_both_figures() {
        let none = Expect::default;
        for (expect, wanted) in [
            (
                Expect {
                    min_files: Some(4),
                    ..none()
                },
                "`min_files` wants at least 4 files, and there are 3 files",
            ),
            (
                Expect {
                    max_files: Some(1),
                    ..none()
                },
                "`max_files` wants at most 1 file, and there are 3 files",
            ),
            (
                Expect {
                    min_bytes: Some(ByteCount(2_001)),
                    ..none()
                },
                "`min_bytes` wants at least 2001 bytes (1.9 KiB), and there are 2000 bytes (1.9 KiB)",
            ),
            (
                Expect {
                    max_bytes: Some(ByteCount(1)),
                    ..none()
                },
                "`max_bytes` wants at most 1 bytes (1 B), and there are 2000 bytes (1.9 KiB)",
            ),
            (
                Expect {
                    min_rows: Some(11),
                    ..none()
                },
                "`min_rows` wants at least 11 rows, and there are 10 rows",
            ),
            (
                Expect {
                    max_rows: Some(9),
                    ..none()
                },
                "`max_rows` wants at most 9 rows, and there are 10 rows",
            ),
        ] {
            assert_eq!(judge(&expect, &AMOUNT).as_deref(), Some(wanted));
        }
    }

    #[test]
    fn a_bound_that_is_met_exactly_passes() {
        let expect = Expect {
            min_files: Some(3),
            max_files: Some(3),
            min_rows: Some(10),
            max_rows: Some(10),
            min_bytes: Some(ByteCount(2_000)),
            max_bytes: Some(ByteCount(2_000)),
            max_shrink: Some(0.5),
        };

        assert_eq!(judge(&expect, &AMOUNT), None);
        assert_eq!(judge_shrink(&expect, 10, Some(20)), None);
        assert_eq!(
            judge_shrink(&expect, 9, Some(20)).as_deref(),
            Some("`max_shrink` is 50 %, and the table would go from 20 to 9 rows, 55.0 % fewer")
        );
    }

    #[test]
    fn rows_that_nobody_counted_yet_pass() {
        let expect = Expect {
            min_rows: Some(1),
            ..Expect::default()
        };
        let amount = Wanted {
            rows: None,
            ..AMOUNT
        };

        assert_eq!(judge(&expect, &amount), None);
        assert_eq!(judge_shrink(&expect, 0, None), None);
    }
}
