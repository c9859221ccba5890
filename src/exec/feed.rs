//! The encoding of rows to send: each source is encoded once more, and each wanted part
//! is handed over to be sent (`part`) as soon as its payload is there.

use std::cell::{Cell, RefCell};
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use rayon::Scope;

use super::budget::Reserved;
use super::context::Shared;
use super::error::StepError;
use super::part::send_part;
use super::rows::RowsJob;
use crate::base::Activity;
use crate::plan::RowsInputPlan;
use crate::source::SourceError;
use crate::source::rows::{Replayed, Sending, replay};

/// A feeder has parts of so many bytes, or one: few enough that none works alone for
/// long when the others have nothing left, in one large source too.
const STRETCH: u64 = 8 << 20;

/// Parts of one source that are encoded one after another.
#[derive(Debug)]
struct Stretch<'a> {
    index: usize,
    input: &'a RowsInputPlan,
    cuts: Range<usize>,
}

/// Hands out feeders to `cpu`; each part becomes a task on `net`.
pub(super) fn send_rows<'cpu, 'scope: 'cpu>(
    shared: Shared<'scope>,
    job: &'scope RowsJob<'scope>,
    cpu: &Scope<'cpu>,
    net: &'cpu Scope<'scope>,
) {
    for (index, input) in job.inputs() {
        for cuts in stretches_of(job, index, input) {
            let stretch = Stretch { index, input, cuts };
            cpu.spawn(move |_| feed(shared, job, &stretch, net));
        }
    }
}

/// A source that can only be read from its start is one stretch.
fn stretches_of(job: &RowsJob<'_>, index: usize, input: &RowsInputPlan) -> Vec<Range<usize>> {
    if job.reading(input).can_start_anywhere() {
        let wanted = job.wanted_of(index);
        stretches(wanted.map(|(cut, part)| (cut, part.bytes)))
    } else {
        std::iter::once(0..input.cuts.len()).collect()
    }
}

/// Wanted parts with their bytes to ranges of a stretch each.
fn stretches(parts: impl Iterator<Item = (usize, u64)>) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    let mut left = 0;
    for (part, bytes) in parts {
        match all.last_mut() {
            Some(last) if bytes <= left => last.end = part + 1,
            Some(_) | None => {
                all.push(part..part + 1);
                left = STRETCH;
            }
        }
        left = left.saturating_sub(bytes);
    }
    all
}

/// Hands over the wanted parts of a stretch. What could not be handed over fails with
/// the source.
fn feed<'scope>(
    shared: Shared<'scope>,
    job: &'scope RowsJob<'scope>,
    stretch: &Stretch<'scope>,
    net: &Scope<'scope>,
) {
    let mut handed = Vec::new();
    let error = match hand_over(shared, job, stretch, net, &mut handed) {
        Ok(Replayed::Whole | Replayed::Stopped) => StepError::Cancelled,
        Err(error) => StepError::Source(Box::new(error)),
    };
    for (cut, part) in job.wanted_of(stretch.index) {
        if stretch.cuts.contains(&cut) && !handed.contains(&cut) {
            let end = job.end_of(&part.identity, part.bytes).failed(&error);
            shared.ends.push(shared.context.events, end);
        }
    }
}

/// Encodes the wanted parts again; `handed` are those that went to `net`.
fn hand_over<'scope>(
    shared: Shared<'scope>,
    job: &'scope RowsJob<'scope>,
    stretch: &Stretch<'scope>,
    net: &Scope<'scope>,
    handed: &mut Vec<usize>,
) -> Result<Replayed, SourceError> {
    let context = shared.context;
    let stop = || context.cancel.is_cancelled() || shared.ends.has_fatal(context.options.fail_fast);
    if stop() {
        return Ok(Replayed::Stopped);
    }
    let Stretch { index, input, cuts } = stretch;
    let wanted = |cut| {
        let part = job.wanted(*index, cut);
        part.filter(|_| cuts.contains(&cut))
    };
    let held: RefCell<Option<Reserved<'_>>> = RefCell::new(None);
    let started = Instant::now();
    let waited = Cell::new(Duration::ZERO);
    let sending = Sending {
        reading: job.reading(input),
        cuts: &input.cuts,
        fingerprint: input.fingerprint,
    };
    let outcome = replay(
        sending,
        &|cut| wanted(cut).is_some(),
        &mut |bytes| {
            // Reserve first, hold nothing while waiting.
            let waiting = Instant::now();
            let (reserved, buffer) = shared.budget.reserve(bytes, context.cancel).unzip();
            waited.set(waited.get() + waiting.elapsed());
            *held.borrow_mut() = reserved;
            buffer.unwrap_or_default()
        },
        &mut |cut, payload| {
            let reserved = held.borrow_mut().take();
            let (Some(part), Some(reserved), false) = (wanted(cut), reserved, stop()) else {
                return ControlFlow::Break(());
            };
            handed.push(cut);
            net.spawn(move |_| {
                send_part(shared, job, part, &payload);
                reserved.give_back(payload);
            });
            ControlFlow::Continue(())
        },
        context.cancel,
    );
    let encoding = started.elapsed().saturating_sub(waited.get());
    let effort = context.writer.reader().http().effort();
    effort.add(Activity::Encoding, encoding);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_of_some_bytes_or_one_part() {
        let of = |sizes: &[(usize, u64)]| stretches(sizes.iter().copied());
        let large = 2 * STRETCH;

        assert!(of(&[]).is_empty());
        assert_eq!(of(&[(3, large), (4, large)]), [3..4, 4..5]);
        assert_eq!(of(&[(0, large), (1, large), (4, 1)]), [0..1, 1..2, 4..5]);
        assert_eq!(of(&[(0, 1), (1, STRETCH - 1), (2, 1)]), [0..2, 2..3]);
        // Those between that are not wanted are in it, and are passed over.
        assert_eq!(of(&[(1, 1), (5, 1), (6, STRETCH)]), [1..6, 6..7]);
    }
}
