//! Two sequences of rows, held against each other. Equal ones are passed over
//! once. Of others the rows are counted by their digests, a share of them in each
//! pass, so that memory stays flat however many there are.

use std::collections::BTreeMap;

use super::error::ProofError;
use super::model::Differences;
use crate::base::Md5Digest;

/// Rows whose digests are held at once.
const AT_ONCE: u64 = 1_000_000;
/// Characters of a row that is shown.
const SHOWN: usize = 120;

/// Rows, one after the other.
pub(super) trait Rows {
    /// Puts the next row into `row`; `false`: there are no more.
    fn next(&mut self, row: &mut Vec<u8>) -> Result<bool, ProofError>;
}

/// Begins a sequence, each time from its start.
pub(super) type Begin<'a> = &'a dyn Fn() -> Result<Box<dyn Rows + 'a>, ProofError>;

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) wanted: u64,
    pub(super) stored: u64,
    /// Bytes of the wanted rows.
    pub(super) bytes: u64,
    pub(super) differences: Differences,
    /// Where the sequences part, in words.
    pub(super) first: Option<String>,
}

/// Compares two sequences.
pub(super) fn compare(wanted: Begin<'_>, stored: Begin<'_>) -> Result<Compared, ProofError> {
    compare_in(wanted, stored, AT_ONCE)
}

fn compare_in(wanted: Begin<'_>, stored: Begin<'_>, at_once: u64) -> Result<Compared, ProofError> {
    let mut compared = side_by_side(&mut *wanted()?, &mut *stored()?)?;
    if compared.first.is_none() {
        return Ok(compared);
    }
    let passes = compared.wanted.max(compared.stored) / at_once + 1;
    for pass in 0..passes {
        let mut counts: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
        count(&mut *wanted()?, (pass, passes), |digest| {
            counts.entry(digest).or_default().0 += 1;
        })?;
        count(&mut *stored()?, (pass, passes), |digest| {
            counts.entry(digest).or_default().1 += 1;
        })?;
        let differences = &mut compared.differences;
        for (wanted, stored) in counts.into_values() {
            differences.missing += wanted.saturating_sub(stored);
            let more = stored.saturating_sub(wanted);
            if wanted == 0 {
                differences.foreign += more;
            } else {
                differences.doubled += more;
            }
        }
    }
    let differences = &mut compared.differences;
    // A row that no source has, in the place of one that is not there.
    let changed = differences.missing.min(differences.foreign);
    differences.different = changed;
    differences.missing -= changed;
    differences.foreign -= changed;
    if differences.is_none() {
        differences.out_of_order = 1;
    }
    Ok(compared)
}

/// Counts both, and finds the first place where they part.
fn side_by_side(wanted: &mut dyn Rows, stored: &mut dyn Rows) -> Result<Compared, ProofError> {
    let mut compared = Compared::default();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    loop {
        let has_ours = wanted.next(&mut ours)?;
        let has_theirs = stored.next(&mut theirs)?;
        if !has_ours && !has_theirs {
            return Ok(compared);
        }
        let differs = has_ours != has_theirs || ours != theirs;
        if differs && compared.first.is_none() {
            let row = compared.wanted.max(compared.stored) + 1;
            compared.first = Some(match (has_ours, has_theirs) {
                (true, true) => format!(
                    "row {row} is `{}` and is stored as `{}`",
                    shown(&ours),
                    shown(&theirs)
                ),
                (true, false) => format!("row {row} is not stored: `{}`", shown(&ours)),
                (false, _) => format!("one row too many is stored: `{}`", shown(&theirs)),
            });
        }
        if has_ours {
            compared.wanted += 1;
            compared.bytes += ours.len() as u64;
        }
        compared.stored += u64::from(has_theirs);
    }
}

/// Gives the digests of the rows that are due in this pass.
fn count(
    rows: &mut dyn Rows,
    (pass, passes): (u64, u64),
    mut each: impl FnMut(Vec<u8>),
) -> Result<(), ProofError> {
    let mut row = Vec::new();
    while rows.next(&mut row)? {
        let digest = Md5Digest::of(&row).to_base64().into_bytes();
        let share = digest
            .iter()
            .take(8)
            .fold(0_u64, |sum, byte| sum * 131 + u64::from(*byte));
        if share % passes == pass {
            each(digest);
        }
    }
    Ok(())
}

fn shown(row: &[u8]) -> String {
    let text = String::from_utf8_lossy(row);
    let mut cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Listed<'a>(std::slice::Iter<'a, &'a str>);

    impl Rows for Listed<'_> {
        fn next(&mut self, row: &mut Vec<u8>) -> Result<bool, ProofError> {
            row.clear();
            let next = self.0.next();
            row.extend_from_slice(next.copied().unwrap_or_default().as_bytes());
            Ok(next.is_some())
        }
    }

    fn compared(wanted: &[&str], stored: &[&str], at_once: u64) -> Compared {
        let begin = |rows: &'_ [&'_ str]| -> Vec<String> {
            rows.iter().map(|row| (*row).to_owned()).collect()
        };
        let (wanted, stored) = (begin(wanted), begin(stored));
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let stored: Vec<&str> = stored.iter().map(String::as_str).collect();
        compare_in(
            &|| Ok(Box::new(Listed(wanted.iter()))),
            &|| Ok(Box::new(Listed(stored.iter()))),
            at_once,
        )
        .unwrap()
    }

    fn differences(wanted: &[&str], stored: &[&str]) -> Differences {
        let all = compared(wanted, stored, 1000).differences;
        // In however many passes: the same.
        assert_eq!(compared(wanted, stored, 1).differences, all);
        all
    }

    #[test]
    fn equal_rows_are_equal_also_when_a_source_has_one_twice() {
        let rows = ["a", "b", "a", "c"];

        let found = compared(&rows, &rows, 1000);

        assert_eq!(found.differences, Differences::default());
        assert_eq!((found.wanted, found.stored, found.bytes), (4, 4, 4));
        assert_eq!(found.first, None);
        assert!(differences(&[], &[]).is_none());
    }

    #[test]
    fn a_missing_row_is_missing_and_the_rows_behind_it_are_not() {
        let found = compared(&["a", "b", "c", "d"], &["a", "c", "d"], 1000);

        assert_eq!(found.differences.missing, 1);
        assert_eq!(found.differences, differences(&["a", "b"], &["a"]));
        assert_eq!(
            found.first.as_deref(),
            Some("row 2 is `b` and is stored as `c`")
        );
    }

    #[test]
    fn a_doubled_row_is_doubled_and_not_foreign() {
        let found = differences(&["a", "b", "b"], &["a", "b", "b", "b", "a"]);

        assert_eq!(
            found,
            Differences {
                doubled: 2,
                ..Differences::default()
            }
        );
    }

    #[test]
    fn a_whole_part_that_came_twice_is_doubled() {
        let rows = ["a", "b", "c"];

        assert_eq!(
            differences(&rows, &["a", "b", "c", "a", "b", "c"]).doubled,
            3
        );
    }

    #[test]
    fn a_changed_row_is_different_and_another_one_too_many_is_foreign() {
        let found = differences(&["a", "b", "c"], &["a", "x", "c", "y"]);

        assert_eq!((found.different, found.foreign), (1, 1));
        assert_eq!((found.missing, found.doubled), (0, 0));
    }

    #[test]
    fn all_rows_in_another_order_are_out_of_order() {
        let found = differences(&["a", "b"], &["b", "a"]);

        assert_eq!(
            found,
            Differences {
                out_of_order: 1,
                ..Differences::default()
            }
        );
    }

    #[test]
    fn the_first_place_is_told_on_either_side() {
        let first = |wanted: &[&str], stored: &[&str]| compared(wanted, stored, 9).first.unwrap();

        assert_eq!(first(&["a"], &[]), "row 1 is not stored: `a`");
        assert_eq!(
            first(&["a"], &["a", "z"]),
            "one row too many is stored: `z`"
        );
        let long = "é".repeat(SHOWN + 1);
        assert!(first(&[long.as_str()], &[]).contains('…'));
    }
}
