//! Finding the rows that the platform refuses, with few probes.

use std::ops::Range;

use super::error::StepError;
use super::payload::Rows;

/// Rows that every probe refuses, ascending. Stops looking once more than
/// `limit` are found. `None`: no probe ever succeeded, so the refusal is not
/// about rows.
///
/// `probe` answers whether the platform takes these rows. The whole payload was
/// refused before.
pub(super) fn find_refused(
    rows: &Rows<'_>,
    limit: u64,
    probe: &mut dyn FnMut(Range<usize>) -> Result<bool, StepError>,
) -> Result<Option<Vec<usize>>, StepError> {
    let mut refused = Vec::new();
    let mut succeeded = false;
    let mut open: Vec<Range<usize>> = std::iter::once(0..rows.len()).collect();
    while let Some(range) = open.pop() {
        if refused.len() as u64 > limit && succeeded {
            break;
        }
        if range.len() == 1 {
            refused.push(range.start);
            continue;
        }
        let middle = range.start + range.len() / 2;
        // The first half is looked at first: what is pushed last.
        for half in [middle..range.end, range.start..middle] {
            if probe(half.clone())? {
                succeeded = true;
            } else {
                open.push(half);
            }
        }
    }
    refused.sort_unstable();
    Ok(succeeded.then_some(refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(rows: usize) -> Vec<u8> {
        let rows: Vec<String> = (0..rows).map(|row| format!("{{\"x\":{row}}}")).collect();
        format!("{{\"rows\":[{}]}}", rows.join(",")).into_bytes()
    }

    fn search(count: usize, bad: &[usize], limit: u64) -> (Option<Vec<usize>>, usize) {
        let payload = payload(count);
        let rows = Rows::of(&payload).unwrap();
        let mut probes = 0;
        let found = find_refused(&rows, limit, &mut |range| {
            probes += 1;
            Ok(!bad.iter().any(|row| range.contains(row)))
        })
        .unwrap();
        (found, probes)
    }

    #[test]
    fn the_bad_rows_are_named_with_few_probes() {
        assert_eq!(search(1000, &[0], 9).0, Some(vec![0]));
        assert_eq!(search(1000, &[17, 999], 9).0, Some(vec![17, 999]));
        assert!(search(1000, &[500], 9).1 <= 20);
    }

    #[test]
    fn a_refusal_that_every_probe_meets_is_not_about_rows() {
        let all: Vec<usize> = (0..8).collect();

        assert_eq!(search(8, &all, 3).0, None);
    }

    #[test]
    fn looking_ends_when_too_many_are_found() {
        let odd: Vec<usize> = (0..512).filter(|row| row % 2 == 1).collect();
        let (found, probes) = search(512, &odd, 2);

        assert_eq!(found.map(|rows| rows.len()), Some(3));
        assert!(probes < 60, "{probes}");
    }
}
