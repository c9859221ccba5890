//! Rows: each source is encoded once more, and each wanted part is handed over to
//! be sent (`part`) as soon as its payload is there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rayon::Scope;

use super::budget::Reserved;
use super::context::Shared;
use super::error::StepError;
use super::part::send_part;
use crate::base::{Activity, ManifestName, PartIdentity, TableRef, VariableType};
use crate::event::{ItemEnd, What};
use crate::manifest::RowsSource;
use crate::plan::{Action, JobPlan, PartSubject, RowsContent, RowsInputPlan, Subject};
use crate::redivis::ResourceUri;
use crate::source::SourceError;
use crate::source::rows::{Reading, Replayed, Sending, replay};

/// One job's parts to send.
#[derive(Debug)]
pub(super) struct RowsJob<'a> {
    pub(super) job: &'a ManifestName,
    pub(super) table: &'a TableRef,
    pub(super) source: &'a RowsSource,
    pub(super) content: &'a RowsContent,
    pub(super) schema: Vec<(String, VariableType)>,
    /// Parts to send, by input and cut.
    wanted: BTreeMap<(usize, usize), &'a PartSubject>,
    /// Parts that arrived, not confirmed yet.
    pub(super) sent: Mutex<Vec<SentPart>>,
    /// Rows that were left out so far, here and by the platform.
    pub(super) left_out: Mutex<u64>,
}

/// A planned part whose rows the platform says it added.
#[derive(Debug, Clone)]
pub(super) struct SentPart {
    /// What was wanted: the identity in the plan.
    pub(super) planned: PartIdentity,
    /// The uploads that hold it; several when it was halved.
    pub(super) pieces: Vec<Piece>,
    /// Bytes that went out, repeats included.
    pub(super) bytes_sent: u64,
    pub(super) attempts: u32,
    pub(super) millis: u64,
}

/// One upload that holds a planned part or a piece of it.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// What the upload holds; differs from what was planned when rows were
    /// refused or the part was halved.
    pub(super) identity: PartIdentity,
    /// Its address.
    pub(super) uri: ResourceUri,
    /// Bytes of its payload.
    pub(super) bytes: u64,
}

impl<'a> RowsJob<'a> {
    /// What the plan says to send.
    pub(super) fn of(plan: &'a JobPlan, source: &'a RowsSource, content: &'a RowsContent) -> Self {
        let wanted = plan
            .items
            .iter()
            .filter(|item| item.action == Action::Send)
            .filter_map(|item| match &item.subject {
                Subject::Part(part) => Some(((part.input, part.cut), part)),
                Subject::Version(_)
                | Subject::Table(_)
                | Subject::Variable(_)
                | Subject::File(_)
                | Subject::RemoteFile(_)
                | Subject::Upload(_)
                | Subject::Listed(_)
                | Subject::Source { .. } => None,
            })
            .collect();
        let kept = content
            .inputs
            .iter()
            .flat_map(|input| &input.cuts)
            .filter_map(|cut| cut.kept.as_ref());
        let left_out = plan.rejects + kept.map(|kept| kept.refused).sum::<u64>();
        Self {
            job: &plan.job,
            table: &plan.table,
            source,
            content,
            schema: content.variables(),
            wanted,
            sent: Mutex::default(),
            left_out: Mutex::new(left_out),
        }
    }

    /// An end of one of its parts, nothing known yet.
    pub(super) fn end_of(&self, identity: &PartIdentity, bytes: u64) -> ItemEnd {
        let name = identity.to_string();
        let mut end = ItemEnd::new(What::Part, Some(self.job), &name, "send");
        end.bytes = bytes;
        end.rows = identity.rows;
        end
    }

    fn inputs(&self) -> impl Iterator<Item = (usize, &'a RowsInputPlan)> + '_ {
        self.content
            .inputs
            .iter()
            .enumerate()
            .filter(|(index, _)| self.wanted.keys().any(|(input, _)| input == index))
    }

    fn reading(&self, input: &'a RowsInputPlan) -> Reading<'a> {
        Reading::new(self.source, &input.input, &self.content.schema)
    }

    /// A source that can only be read from its start is one stretch.
    fn stretches(&self, index: usize, input: &'a RowsInputPlan) -> Vec<Range<usize>> {
        if self.reading(input).can_start_anywhere() {
            stretches(self.wanted_of(index).map(|(cut, part)| (cut, part.bytes)))
        } else {
            std::iter::once(0..input.cuts.len()).collect()
        }
    }

    fn wanted_of(&self, input: usize) -> impl Iterator<Item = (usize, &'a PartSubject)> + '_ {
        self.wanted
            .range((input, 0)..=(input, usize::MAX))
            .map(|((_, cut), part)| (*cut, *part))
    }
}

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
        for cuts in job.stretches(index, input) {
            let stretch = Stretch { index, input, cuts };
            cpu.spawn(move |_| feed(shared, job, &stretch, net));
        }
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
        let part = job.wanted.get(&(*index, cut)).copied();
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
