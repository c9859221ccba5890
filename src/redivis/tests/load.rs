//! What a server bears at once, and where the time goes.

use std::time::Duration;

use super::script::{Script, Step, json, says};
use super::{quietly, settings, table, writer_with};
use crate::base::{Activity, Version};

const TABLE: &str = r#"{"uri":"/tables/me.survey:next.scans","name":"scans"}"#;

/// Four workers, each with so many calls, against these answers.
fn narrowest(steps: impl IntoIterator<Item = Step>, calls: usize) -> Option<usize> {
    let server = Script::new(steps);
    let writer = writer_with(settings(&server));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..calls {
                    quietly(|call| writer.reader().table(call, &table(), &Version::Next)).unwrap();
                }
            });
        }
    });
    assert_eq!(server.left(), 0);
    writer.reader().http().stats().narrowest
}

#[test]
fn an_overloaded_service_is_sent_fewer_requests_at_once_and_loses_none() {
    let refused = std::iter::repeat_n(says(503, &[], ""), 4);
    let well = std::iter::repeat_n(json(TABLE), 40);
    let width = narrowest(refused.chain(well), 10);

    // Halved once if the four came together, else again.
    assert!(matches!(width, Some(1 | 2)), "{width:?}");
}

#[test]
fn a_service_that_is_well_is_sent_as_many_as_there_are_workers() {
    let lost = std::iter::once(says(404, &[], ""));
    let well = std::iter::repeat_n(json(TABLE), 40);
    assert_eq!(narrowest(well, 10), None);

    let server = Script::new(lost);
    let writer = writer_with(settings(&server));
    let found = quietly(|call| writer.reader().table(call, &table(), &Version::Next));
    assert!(found.unwrap().is_none());
    assert_eq!(writer.reader().http().stats().narrowest, None);
}

#[test]
fn time_is_told_by_what_it_went_into() {
    let server = Script::new([says(429, &[("Retry-After", "1")], ""), json(TABLE)]);
    let mut settings = settings(&server);
    settings.retry.scale = 0.02;
    let writer = writer_with(settings);

    quietly(|call| writer.reader().table(call, &table(), &Version::Next)).unwrap();

    let effort = writer.reader().http().effort();
    let told: Vec<Activity> = effort
        .spent()
        .shares()
        .into_iter()
        .map(|(activity, _)| activity)
        .collect();
    assert!(told.contains(&Activity::RateLimit), "{told:?}");
    assert!(!told.contains(&Activity::Repeats), "{told:?}");

    effort.add(Activity::Encoding, Duration::from_secs(3600));
    assert_eq!(effort.spent().shares()[0].0, Activity::Encoding);
}
