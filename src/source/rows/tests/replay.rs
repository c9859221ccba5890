//! Sources that are encoded a second time, to be sent.

use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;

use crate::base::{CancelToken, SourceKey, VariableType};
use crate::source::SourceError;
use crate::source::rows::{
    Candidate, CutSettings, Pass, Replayed, Sending, cut_source, halve, replay, replay_rows,
};

use super::support::{Fixture, lines};

fn sources() -> Vec<Fixture> {
    let csv = lines(200, |n| format!("{n},\"{}\n\"\n", "é".repeat(n % 17)));
    let json: Vec<String> = (0..200)
        .map(|n| format!("{{\"n\":{n},\"s\":\"{}\"}}", "é".repeat(n % 17)))
        .collect();
    let gz = {
        use std::io::Write as _;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(json.join("\n").as_bytes()).unwrap();
        gz.finish().unwrap()
    };
    [
        Fixture::csv(format!("n,s\n{csv}")),
        Fixture::ndjson(json.join("\n")),
        Fixture::json(format!("[{}]", json.join(",\n"))),
        Fixture::new("a.ndjson.gz", gz, crate::manifest::RowFormat::Ndjson),
    ]
    .into_iter()
    .map(|one| {
        one.variable("n", VariableType::Integer)
            .variable("s", VariableType::String)
    })
    .collect()
}

fn settings(payload: u64) -> CutSettings {
    CutSettings {
        payload,
        owner: SourceKey::owner("m", "j"),
        slug: "a".to_owned(),
    }
}

fn pass(fixture: &Fixture, candidates: &[Candidate<'_>], payload: u64) -> Pass {
    let mut rejects = |one| panic!("{one:?}");
    cut_source(
        fixture.reading(),
        candidates,
        &settings(payload),
        &mut rejects,
        &CancelToken::new(),
    )
    .unwrap()
}

fn sending<'a>(fixture: &'a Fixture, pass: &'a Pass) -> Sending<'a> {
    Sending {
        reading: fixture.reading(),
        cuts: &pass.cuts,
        fingerprint: pass.fingerprint,
    }
}

fn payloads(
    fixture: &Fixture,
    pass: &Pass,
    wanted: &dyn Fn(usize) -> bool,
) -> Result<Vec<(usize, String)>, SourceError> {
    let mut found = Vec::new();
    let pool = RefCell::new(Vec::new());
    let mut buffer = |bytes: u64| {
        let mut one: Vec<u8> = pool.borrow_mut().pop().unwrap_or_default();
        one.reserve(usize::try_from(bytes).unwrap());
        one
    };
    let mut each = |index, payload: Vec<u8>| {
        found.push((index, String::from_utf8(payload.clone()).unwrap()));
        pool.borrow_mut().push(payload);
        ControlFlow::Continue(())
    };
    let end = replay(
        sending(fixture, pass),
        wanted,
        &mut buffer,
        &mut each,
        &CancelToken::new(),
    )?;
    assert_eq!(end, Replayed::Whole);
    Ok(found)
}

#[test]
fn the_payloads_are_what_the_cuts_say() {
    for fixture in sources() {
        let pass = pass(&fixture, &[], 900);
        let found = payloads(&fixture, &pass, &|_| true).unwrap();
        let rows = fixture.rows();

        assert_eq!(pass.rows, 200);
        assert_eq!(found.len(), pass.cuts.len());
        let mut at = 0;
        for ((_, payload), cut) in found.iter().zip(&pass.cuts) {
            let end = at + usize::try_from(cut.identity.rows).unwrap();
            let wanted = format!("{{\"rows\":[{}]}}", rows[at..end].join(","));
            assert_eq!(*payload, wanted);
            assert_eq!(cut.bytes, wanted.len() as u64);
            at = end;
        }
    }
}

#[test]
fn no_payload_needs_more_room_than_was_asked_for() {
    for fixture in sources() {
        let pass = pass(&fixture, &[], 900);
        let places = RefCell::new(Vec::new());
        let mut buffer = |bytes: u64| {
            let one = Vec::with_capacity(usize::try_from(bytes).unwrap());
            places.borrow_mut().push(one.as_ptr());
            one
        };
        let mut each = |index: usize, payload: Vec<u8>| {
            assert_eq!(payload.as_ptr(), places.borrow()[index]);
            ControlFlow::Continue(())
        };
        let sending = sending(&fixture, &pass);
        replay(
            sending,
            &|_| true,
            &mut buffer,
            &mut each,
            &CancelToken::new(),
        )
        .unwrap();

        assert_eq!(places.borrow().len(), pass.cuts.len());
    }
}

#[test]
fn parts_that_are_not_wanted_are_passed_over() {
    for fixture in sources() {
        let pass = pass(&fixture, &[], 900);
        let all = payloads(&fixture, &pass, &|_| true).unwrap();
        let some = payloads(&fixture, &pass, &|index| index % 3 == 1).unwrap();
        let wanted: Vec<_> = all
            .into_iter()
            .filter(|(index, _)| index % 3 == 1)
            .collect();

        assert_eq!(some, wanted);
    }
}

#[test]
fn every_kind_of_source_gives_the_same_digests() {
    let digests: Vec<Vec<String>> = sources()[1..]
        .iter_mut()
        .map(|fixture| {
            fixture.input.key = SourceKey::source("same");
            let cuts = pass(fixture, &[], 900).cuts;
            cuts.into_iter().map(|cut| cut.identity.digest).collect()
        })
        .collect();

    assert!(digests.iter().all(|one| *one == digests[0]));
}

#[test]
fn a_source_that_changed_is_not_sent() {
    for fixture in sources() {
        let pass = pass(&fixture, &[], 900);
        let text = fs::read(fixture.path()).unwrap();
        fs::write(fixture.path(), &text[..text.len() - 3]).unwrap();

        let error = payloads(&fixture, &pass, &|_| true).unwrap_err();
        assert!(matches!(error, SourceError::Changed { .. }), "{error:?}");
    }
}

#[test]
fn a_part_whose_rows_are_not_those_planned_is_not_handed_over() {
    let fixture = Fixture::csv("n\n1\n2\n3\n").variable("n", VariableType::Integer);
    let mut pass = pass(&fixture, &[], 20);
    pass.cuts[1].identity.digest = pass.cuts[0].identity.digest.clone();
    let mut seen = Vec::new();
    let error = replay(
        sending(&fixture, &pass),
        &|_| true,
        &mut |_| Vec::new(),
        &mut |index, _| {
            seen.push(index);
            ControlFlow::Continue(())
        },
        &CancelToken::new(),
    )
    .unwrap_err();

    assert!(matches!(error, SourceError::Changed { .. }));
    assert_eq!(seen, [0]);
}

#[test]
fn the_caller_can_stop() {
    let fixture = &sources()[0];
    let pass = pass(fixture, &[], 900);
    let mut seen = 0;
    let end = replay(
        sending(fixture, &pass),
        &|_| true,
        &mut |_| Vec::new(),
        &mut |_, _| {
            seen += 1;
            ControlFlow::Break(())
        },
        &CancelToken::new(),
    );

    assert_eq!((end.unwrap(), seen), (Replayed::Stopped, 1));
}

#[test]
fn single_rows_of_a_part_come_with_their_place() {
    for fixture in sources() {
        let pass = pass(&fixture, &[], 900);
        let rows = fixture.rows();
        let first = usize::try_from(pass.cuts[2].identity.first_row).unwrap();
        let mut found = Vec::new();
        let mut each = |index: u64, row: &[u8], start: crate::source::rows::RowStart| {
            assert_eq!(index, found.len() as u64);
            assert_eq!(start.record, first as u64 + index);
            found.push(String::from_utf8(row.to_vec()).unwrap());
            ControlFlow::Continue(())
        };
        replay_rows(sending(&fixture, &pass), 2, &mut each, &CancelToken::new()).unwrap();

        assert_eq!(found, rows[first..first + found.len()]);
        assert_eq!(found.len() as u64, pass.cuts[2].identity.rows);
    }
}

#[test]
fn halves_are_ordinary_parts_that_the_next_pass_keeps() {
    for fixture in sources() {
        let mut first = pass(&fixture, &[], 900);
        let halves = halve(sending(&fixture, &first), 1, &CancelToken::new())
            .unwrap()
            .unwrap();
        first.cuts.splice(1..2, halves);
        let identities: Vec<_> = first.cuts.iter().map(|cut| &cut.identity).collect();
        let candidates: Vec<Candidate<'_>> = identities
            .iter()
            .map(|identity| Candidate {
                identity,
                is_locked: false,
            })
            .collect();
        let again = pass(&fixture, &candidates, 900);

        assert!(again.cuts.iter().all(|cut| cut.kept.is_some()));
        let bytes = |cuts: &Pass| cuts.cuts.iter().map(|cut| cut.bytes).collect::<Vec<_>>();
        assert_eq!(bytes(&again), bytes(&first));
        assert!(payloads(&fixture, &first, &|_| true).is_ok());
    }
}

#[test]
fn rejects_have_no_row_index_and_are_counted() {
    let fixture = Fixture::csv("n\n1\nx\n2\ny\n3\n").variable("n", VariableType::Integer);
    let mut lines = Vec::new();
    let pass = cut_source(
        fixture.reading(),
        &[],
        &settings(26),
        &mut |one| lines.push(one.line),
        &CancelToken::new(),
    )
    .unwrap();

    assert_eq!((pass.rows, pass.rejects, lines), (3, 2, vec![3, 5]));
    assert_eq!(pass.cuts.len(), 2);
    assert_eq!(pass.cuts[1].identity.first_row, 2);
    assert_eq!(pass.cuts[1].start.record, 4);
    assert!(payloads(&fixture, &pass, &|index| index == 1).is_ok());
}

#[test]
fn a_file_that_changes_during_a_pass_is_told() {
    let fixture = Fixture::csv("n\nx\n1\n").variable("n", VariableType::Integer);
    let path = fixture.path().to_owned();
    let mut change = |_| fs::write(&path, "n\n1\n2\n3\n").unwrap();
    let error = cut_source(
        fixture.reading(),
        &[],
        &settings(100),
        &mut change,
        &CancelToken::new(),
    )
    .unwrap_err();

    assert!(matches!(error, SourceError::Changed { .. }));
}
