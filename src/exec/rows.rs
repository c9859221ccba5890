//! Rows: each source is encoded once more, and each wanted part is handed over to
//! be sent (`part`) as soon as its payload is there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
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

    fn wanted_of(&self, input: usize) -> impl Iterator<Item = (usize, &'a PartSubject)> + '_ {
        self.wanted
            .range((input, 0)..=(input, usize::MAX))
            .map(|((_, cut), part)| (*cut, *part))
    }
}

/// Hands out one feeder for each source to `cpu`; each part becomes a task on
/// `net`.
pub(super) fn send_rows<'cpu, 'scope: 'cpu>(
    shared: Shared<'scope>,
    job: &'scope RowsJob<'scope>,
    cpu: &Scope<'cpu>,
    net: &'cpu Scope<'scope>,
) {
    for (index, input) in job.inputs() {
        cpu.spawn(move |_| feed(shared, job, index, input, net));
    }
}

/// Encodes a source again and hands over each wanted part. What could not be
/// handed over fails with the source.
fn feed<'scope>(
    shared: Shared<'scope>,
    job: &'scope RowsJob<'scope>,
    index: usize,
    input: &'scope RowsInputPlan,
    net: &Scope<'scope>,
) {
    let context = shared.context;
    let held: RefCell<Option<Reserved<'_>>> = RefCell::new(None);
    let handed = RefCell::new(Vec::new());
    let stop = || context.cancel.is_cancelled() || shared.ends.has_fatal(context.options.fail_fast);
    let started = Instant::now();
    let waited = Cell::new(Duration::ZERO);
    let sending = Sending {
        reading: Reading::new(job.source, &input.input, &job.content.schema),
        cuts: &input.cuts,
        fingerprint: input.fingerprint,
    };
    let outcome = replay(
        sending,
        &|cut| job.wanted.contains_key(&(index, cut)),
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
            let (Some(part), Some(reserved), false) =
                (job.wanted.get(&(index, cut)).copied(), reserved, stop())
            else {
                return ControlFlow::Break(());
            };
            handed.borrow_mut().push(cut);
            net.spawn(move |_| {
                send_part(shared, job, part, &payload);
                reserved.give_back(payload);
            });
            ControlFlow::Continue(())
        },
        context.cancel,
    );
    drop(held);
    let encoding = started.elapsed().saturating_sub(waited.get());
    let effort = context.writer.reader().http().effort();
    effort.add(Activity::Encoding, encoding);
    let error = match outcome {
        Ok(Replayed::Whole | Replayed::Stopped) => StepError::Cancelled,
        Err(error) => StepError::Source(Box::new(error)),
    };
    let handed = handed.into_inner();
    for (_, part) in job
        .wanted_of(index)
        .filter(|(cut, _)| !handed.contains(cut))
    {
        let end = job.end_of(&part.identity, part.bytes).failed(&error);
        shared.ends.push(context.events, end);
    }
}
