//! A run as lines, events and bars; the time is told, never waited for.

use std::sync::{Arc, Mutex, mpsc};

use super::*;
use crate::event::{Active, EventSink, Phase, Totals, What};

/// A writer whose text can be read later.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

const TOTALS: Totals = Totals {
    files: 2,
    parts: 1,
    uploads: 0,
    rows: 5000,
    bytes: 100 * 1024 * 1024,
};

fn story() -> Vec<(u64, Event)> {
    let mib = |count: u64| Event::BytesSent(count * 1024 * 1024);
    let finished = |what, bytes, rows| Event::Finished {
        what,
        name: "a".to_owned(),
        bytes,
        rows,
    };
    vec![
        (0, Event::Phase(Phase::Planning)),
        (1, Event::RunStarted(TOTALS)),
        (1, Event::Phase(Phase::Sending)),
        (10, mib(10)),
        (20, mib(20)),
        (29, finished(What::File, 1024, 0)),
        (30, mib(15)),
        (
            31,
            Event::Failed {
                what: What::Part,
                name: "ri1_a".to_owned(),
                error: "cannot insert rows\u{1b}[2J: 400".to_owned(),
            },
        ),
        (
            40,
            Event::Waiting {
                reason: "insertRows".to_owned(),
                delay: Duration::from_millis(2500),
                attempt: 2,
            },
        ),
        (61, Event::Note("the server asked for a pause".to_owned())),
        (70, Event::RunFinished),
    ]
}

fn told(mut lines: impl Lines, out: &Shared) -> String {
    for (second, event) in story() {
        lines.event_at(Duration::from_secs(second), &event);
    }
    lines.finish_at(Duration::from_secs(70));
    out.text()
}

#[test]
fn plain_lines_come_each_thirty_seconds_with_phases_and_failures_between() {
    let out = Shared::default();

    let text = told(PlainLines::all(Box::new(out.clone())), &out);

    insta::assert_snapshot!(text, @r#"
    [00:00:00] planning
    [00:00:01] sending
    [00:00:30] sending: 45.0 MiB of 100.0 MiB (45 %), 1.5 MiB/s, 1 of 2 files, 0 of 1 parts, 0 of 5,000 rows, about 36 s left
    [00:00:31] ! part ri1_a: cannot insert rows\u{1b}[2J: 400
    [00:01:01] the server asked for a pause
    [00:01:01] sending: 45.0 MiB of 100.0 MiB (45 %), 1 of 2 files, 0 of 1 parts, 0 of 5,000 rows, 1 failed, 1 wait, waiting 2.5 s after try 2: insertRows
    "#);
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_plain_status_comes_without_an_event_too() {
    let out = Shared::default();
    let mut lines = PlainLines::all(Box::new(out.clone()));

    lines.event_at(Duration::ZERO, &Event::Phase(Phase::Planning));
    lines.tick_at(Duration::from_secs(29));
    lines.tick_at(Duration::from_secs(30));
    lines.tick_at(Duration::from_secs(59));

    assert_eq!(out.text(), "[00:00:00] planning\n[00:00:30] planning: …\n");
}

#[test]
fn quiet_tells_failures_only() {
    let out = Shared::default();

    let text = told(PlainLines::failures(Box::new(out.clone())), &out);

    assert_eq!(
        text,
        "[00:00:31] ! part ri1_a: cannot insert rows\\u{1b}[2J: 400\n"
    );
}

#[test]
fn event_lines_add_bytes_up_and_lose_none() {
    let out = Shared::default();
    let clock = RunClock {
        run_id: "r1".to_owned(),
        started_ms: 1_767_225_600_000,
    };
    let mut lines = EventLines::new(Box::new(out.clone()), clock);

    for millis in [100, 200, 1200, 1300] {
        lines.event_at(Duration::from_millis(millis), &Event::BytesSent(7));
    }
    lines.event_at(Duration::from_millis(1400), &Event::RunFinished);
    lines.finish_at(Duration::from_millis(1500));

    insta::assert_snapshot!(out.text(), @r#"
    {"type":"bytes_sent","ts":"2026-01-01T00:00:01.200Z","run_id":"r1","format_version":1,"bytes":21}
    {"type":"bytes_sent","ts":"2026-01-01T00:00:01.400Z","run_id":"r1","format_version":1,"bytes":7}
    {"type":"run_finished","ts":"2026-01-01T00:00:01.400Z","run_id":"r1","format_version":1}
    "#);
}

#[test]
fn a_reader_that_has_gone_ends_the_lines_and_not_the_run() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut lines = PlainLines::all(Box::new(Gone));
    lines.event_at(Duration::ZERO, &Event::Phase(Phase::Sending));
    lines.event_at(Duration::ZERO, &Event::Phase(Phase::Checking));
}

#[test]
fn draining_ends_with_the_run_or_with_the_last_sender() {
    let clock = || RunClock {
        run_id: "r1".to_owned(),
        started_ms: 0,
    };
    let screen = log_screen();
    for ends_itself in [true, false] {
        let (sender, receiver) = mpsc::channel();
        let sink = EventSink::new(sender, Active::default());
        sink.send(Event::Phase(Phase::Checking));
        if ends_itself {
            sink.send(Event::RunFinished);
            sink.send(Event::Phase(Phase::Releasing));
        }
        let kept = ends_itself.then_some(sink);
        let out = Shared::default();

        let samples = drain(
            &receiver,
            reporter(ProgressKind::Plain, clock(), Box::new(out.clone()), &screen),
            Recording {
                recorder: Recorder::new(Box::new(|| 2)),
                elapsed_ms: Box::new(|| 30),
            },
            &RunStatus::default(),
        );

        assert_eq!(out.text(), "[00:00:00] checking\n");
        assert_eq!(samples.phases, [(30, Phase::Checking)]);
        assert_eq!(samples.stretches[0].requests, 2);
        drop(kept);
    }
}

#[test]
fn bars_follow_a_run_to_its_end() {
    let screen = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden());
    let mut bars = Box::new(Bars::new(&screen));

    for (_, event) in story() {
        bars.event(&event);
        bars.tick();
    }

    assert_eq!(bars.shown(), (45 * 1024 * 1024, "sending".to_owned(), "1 of 2 files, 0 of 1 parts, 0 of 5,000 rows, 1 failed, 1 wait; waiting 2.5 s after try 2: insertRows".to_owned()));
    bars.finish();
}

#[test]
fn rows_of_a_bulk_upload_are_none_of_the_rows_to_send() {
    let mut tally = tally::Tally::default();
    tally.add(&Event::RunStarted(Totals {
        parts: 1,
        uploads: 1,
        rows: 344,
        ..Totals::default()
    }));
    for what in [What::Part, What::Upload] {
        tally.add(&Event::Finished {
            what,
            name: "a".to_owned(),
            bytes: 10,
            rows: 344,
        });
    }

    assert_eq!(
        tally.things(),
        "1 of 1 parts, 1 of 1 uploads, 344 of 344 rows"
    );
}
