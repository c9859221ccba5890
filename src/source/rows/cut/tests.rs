//! Where parts are cut: by size, by the remote, and always the same.

use proptest::prelude::*;

use super::*;
use crate::base::VariableType;

const SCHEMA: [(&str, VariableType); 1] = [("x", VariableType::String)];

fn settings(payload: u64) -> CutSettings {
    CutSettings {
        payload,
        owner: SourceKey::owner("m", "j"),
        slug: "a".to_owned(),
    }
}

fn source() -> SourceKey {
    SourceKey::source("a.csv")
}

fn start(record: u64) -> RowStart {
    RowStart {
        byte: record * 7,
        line: record + 1,
        record,
    }
}

/// Cuts rows that lie in memory.
fn cut_of(rows: &[Vec<u8>], source: &SourceKey, listed: &[PartIdentity], payload: u64) -> Vec<Cut> {
    let cuts = cut_under(CAP, rows, source, (listed, &[]), payload);
    check(rows, source, &cuts, payload);
    cuts
}

fn cut_under(
    cap: u64,
    rows: &[Vec<u8>],
    source: &SourceKey,
    (listed, locked): (&[PartIdentity], &[PartIdentity]),
    payload: u64,
) -> Vec<Cut> {
    let settings = settings(payload);
    let cutting = Cutting {
        settings: &settings,
        source,
        hasher: PartHasher::for_rows(&settings.owner, SCHEMA),
        cap,
    };
    let candidates: Vec<Candidate<'_>> = listed
        .iter()
        .map(|identity| Candidate {
            identity,
            is_locked: locked.contains(identity),
        })
        .collect();
    let mut left = rows.iter().enumerate();
    let mut next = |out: &mut Vec<u8>| {
        Ok(left.next().map(|(index, row)| {
            out.extend_from_slice(row);
            start(index as u64)
        }))
    };
    let (cuts, count) = cut_rows(&mut next, &cutting, &candidates).unwrap();
    assert_eq!(count, rows.len() as u64);
    cuts
}

/// What holds for all cuts.
fn check(rows: &[Vec<u8>], source: &SourceKey, cuts: &[Cut], payload: u64) {
    let mut at = 0;
    for cut in cuts {
        let identity = &cut.identity;
        assert_eq!(identity.first_row, at as u64);
        assert_eq!(cut.start, start(at as u64));
        assert!(identity.rows > 0);
        let end = at + usize::try_from(identity.rows).unwrap();
        let mut hasher = PartHasher::for_rows(&identity.owner, SCHEMA);
        let mut size = PayloadSize::EMPTY;
        hasher.rows(&rows[at..end].join(&b','));
        for row in &rows[at..end] {
            size = size.with(row.len() as u64);
        }
        assert_eq!(identity.digest, hasher.digest(source));
        assert_eq!(cut.bytes, size.bytes());
        match &cut.kept {
            Some(kept) => {
                assert_eq!(
                    (kept.first_row, kept.rows),
                    (identity.first_row, identity.rows)
                );
                assert_eq!(kept.digest, hasher.digest(&kept.source));
            }
            None => assert!(cut.bytes <= payload || identity.rows == 1),
        }
        at = end;
    }
    assert_eq!(at, rows.len());
}

fn rows_of(lengths: &[usize]) -> Vec<Vec<u8>> {
    lengths
        .iter()
        .enumerate()
        .map(|(index, length)| {
            let mut row = index.to_string().into_bytes();
            row.resize(row.len().max(*length), b'x');
            row
        })
        .collect()
}

fn identities(cuts: &[Cut]) -> Vec<PartIdentity> {
    cuts.iter().map(|cut| cut.identity.clone()).collect()
}

fn kept(cuts: &[Cut]) -> Vec<Option<PartIdentity>> {
    cuts.iter().map(|cut| cut.kept.clone()).collect()
}

fn sizes(cuts: &[Cut]) -> Vec<u64> {
    cuts.iter().map(|cut| cut.identity.rows).collect()
}

#[test]
fn the_payload_cuts_where_nothing_is_listed() {
    // The envelope has 11 bytes: 11 + 4 + 1 + 4 = 20.
    let rows = rows_of(&[4, 4, 4, 5, 30, 4]);

    assert_eq!(sizes(&cut_of(&rows, &source(), &[], 20)), [2, 1, 1, 1, 1]);
    assert_eq!(sizes(&cut_of(&rows, &source(), &[], 1)), [1; 6]);
    assert_eq!(cut_of(&[], &source(), &[], 20), []);
}

#[test]
fn a_log_that_grew_sends_only_its_tail() {
    let rows = rows_of(&[4; 25]);
    let before = cut_of(&rows[..15], &source(), &[], 50);
    let after = cut_of(&rows, &source(), &identities(&before), 50);

    assert_eq!(sizes(&before), [8, 7]);
    assert_eq!(sizes(&after), [8, 7, 8, 2]);
    assert_eq!(kept(&after)[..2], identities(&before).map_some()[..]);
    assert_eq!(kept(&after)[2..], [None, None]);
}

#[test]
fn a_changed_row_leaves_the_parts_before_it() {
    let mut rows = rows_of(&[4; 40]);
    let before = cut_of(&rows, &source(), &[], 50);
    rows[20][0] = b'?';
    let after = cut_of(&rows, &source(), &identities(&before), 50);

    let is_kept: Vec<bool> = after.iter().map(|cut| cut.kept.is_some()).collect();
    assert_eq!(is_kept, [true, true, false, true, true]);
}

#[test]
fn a_longer_part_that_fails_gives_the_local_cut_back() {
    let mut rows = rows_of(&[4; 40]);
    let before = cut_of(&rows, &source(), &[], 10_000);
    rows[39][0] = b'?';
    let after = cut_of(&rows, &source(), &identities(&before), 50);

    assert_eq!(sizes(&before), [40]);
    assert_eq!(after, cut_of(&rows, &source(), &[], 50));
}

#[test]
fn of_several_listed_parts_the_longest_is_kept() {
    let rows = rows_of(&[4; 30]);
    let mut listed = identities(&cut_of(&rows[..20], &source(), &[], 60));
    listed.extend(identities(&cut_of(&rows[..20], &source(), &[], 10_000)));
    let after = cut_of(&rows, &source(), &listed, 30);

    assert_eq!(sizes(&after)[0], 20);
}

#[test]
fn a_locked_part_comes_before_a_longer_one_that_can_be_deleted() {
    let rows = rows_of(&[4; 30]);
    let mut listed = identities(&cut_of(&rows[..20], &source(), &[], 10_000));
    let locked = identities(&cut_of(&rows[..20], &source(), &[], 60));
    listed.extend(locked.clone());
    let after = cut_under(CAP, &rows, &source(), (&listed, &locked), 30);

    let kept: Vec<PartIdentity> = after.iter().filter_map(|cut| cut.kept.clone()).collect();
    assert_eq!(kept, locked);
}

#[test]
fn a_listed_part_that_is_longer_than_the_source_is_not_waited_for_in_vain() {
    let rows = rows_of(&[4; 30]);
    let listed = identities(&cut_of(&rows, &source(), &[], 10_000));
    let shrunk = cut_of(&rows[..20], &source(), &listed, 50);

    assert_eq!(shrunk, cut_of(&rows[..20], &source(), &[], 50));
}

#[test]
fn a_renamed_source_is_recognised() {
    let rows = rows_of(&[4; 30]);
    let old = SourceKey::source("old.csv");
    let listed = identities(&cut_of(&rows, &old, &[], 70));
    let after = cut_of(&rows, &source(), &listed, 50);

    assert_eq!(kept(&after), listed.map_some());
    assert!(after.iter().all(|cut| cut.identity.source == source()));
}

#[test]
fn a_part_of_the_own_source_comes_before_a_longer_one_of_another() {
    let rows = rows_of(&[4; 30]);
    let old = SourceKey::source("old.csv");
    let own = identities(&cut_of(&rows, &source(), &[], 50));
    let foreign = identities(&cut_of(&rows, &old, &[], 90));
    let listed = [foreign, own.clone()].concat();

    assert_eq!(kept(&cut_of(&rows, &source(), &listed, 30)), own.map_some());
}

#[test]
fn a_part_with_refused_rows_is_the_same_part() {
    let rows = rows_of(&[4; 8]);
    let mut listed = identities(&cut_of(&rows, &source(), &[], 60));
    listed[0].refused = 2;

    assert_eq!(
        kept(&cut_of(&rows, &source(), &listed, 60)),
        listed.map_some()
    );
}

#[test]
fn parts_of_another_owner_and_bulk_uploads_are_no_candidates() {
    let rows = rows_of(&[4; 8]);
    let mut listed = identities(&cut_of(&rows, &source(), &[], 60));
    listed.push(PartIdentity {
        rows: 0,
        ..listed[0].clone()
    });
    listed[0].owner = SourceKey::owner("m", "other");

    assert_eq!(
        cut_of(&rows, &source(), &listed, 60),
        cut_of(&rows, &source(), &[], 60)
    );
}

#[test]
fn a_listed_part_over_the_cap_is_given_up() {
    let rows = rows_of(&[4; 40]);
    let listed = identities(&cut_of(&rows, &source(), &[], 10_000));
    let after = cut_under(100, &rows, &source(), (&listed, &[]), 50);

    assert_eq!(listed[0].rows, 40);
    assert_eq!(after, cut_of(&rows, &source(), &[], 50));
}

#[test]
fn a_payload_over_the_cap_is_cut_at_the_cap() {
    let rows = rows_of(&[4; 40]);

    assert_eq!(
        cut_under(50, &rows, &source(), (&[], &[]), 1_000),
        cut_of(&rows, &source(), &[], 50)
    );
}

trait MapSome {
    fn map_some(&self) -> Vec<Option<PartIdentity>>;
}

impl MapSome for Vec<PartIdentity> {
    fn map_some(&self) -> Vec<Option<PartIdentity>> {
        self.iter().cloned().map(Some).collect()
    }
}

proptest! {
    #[test]
    fn another_payload_keeps_everything(
        lengths in prop::collection::vec(1_usize..40, 1..80),
        first in 1_u64..400,
        second in 1_u64..400,
    ) {
        let rows = rows_of(&lengths);
        let before = cut_of(&rows, &source(), &[], first);
        let after = cut_of(&rows, &source(), &identities(&before), second);

        prop_assert_eq!(kept(&after), identities(&before).map_some());
    }

    #[test]
    fn appended_rows_keep_all_cuts_before(
        lengths in prop::collection::vec(1_usize..40, 1..80),
        steps in prop::collection::vec((0_usize..30, 1_u64..400), 1..6),
    ) {
        let rows = rows_of(&lengths);
        let mut listed: Vec<PartIdentity> = Vec::new();
        let mut end = 0;
        for (grown, payload) in steps {
            end = (end + grown).min(rows.len());
            let cuts = cut_of(&rows[..end], &source(), &listed, payload);
            let found = identities(&cuts);
            prop_assert_eq!(&found[..listed.len()], &listed[..]);
            prop_assert!(cuts[..listed.len()].iter().all(|cut| cut.kept.is_some()));
            listed = found;
        }
    }

    /// Whatever is listed, in whatever order, the cuts are good ones, and they
    /// are the same each time.
    #[test]
    fn any_mix_of_listed_parts_gives_good_cuts(
        lengths in prop::collection::vec(1_usize..40, 1..80),
        listings in prop::collection::vec(
            (0_usize..80, 1_u64..600, any::<bool>(), any::<bool>()), 0..6),
        payload in 1_u64..400,
    ) {
        let rows = rows_of(&lengths);
        let mut listed = Vec::new();
        for (changed, payload, own, whole) in listings {
            let mut old = rows.clone();
            if !whole && let Some(row) = old.get_mut(changed) {
                row[0] = b'?';
            }
            let key = if own { source() } else { SourceKey::source("old.csv") };
            listed.extend(identities(&cut_of(&old, &key, &[], payload)));
        }
        let cuts = cut_of(&rows, &source(), &listed, payload);
        listed.reverse();
        prop_assert_eq!(sizes(&cuts), sizes(&cut_of(&rows, &source(), &listed, payload)));
        for cut in &cuts {
            if let Some(kept) = &cut.kept {
                prop_assert!(listed.contains(kept));
            }
        }
    }
}
