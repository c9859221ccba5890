//! Rows: what one job is to send, and what of it arrived. `feed` encodes the parts,
//! `part` sends them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::base::{ManifestName, PartIdentity, TableRef, VariableType};
use crate::event::{ItemEnd, What};
use crate::manifest::RowsSource;
use crate::plan::{Action, JobPlan, PartSubject, RowsContent, RowsInputPlan, Subject};
use crate::redivis::ResourceUri;
use crate::source::rows::Reading;

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

    /// Sources with parts to send.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (usize, &'a RowsInputPlan)> + '_ {
        self.content
            .inputs
            .iter()
            .enumerate()
            .filter(|(index, _)| self.wanted.keys().any(|(input, _)| input == index))
    }

    /// How a source is read.
    pub(super) fn reading(&self, input: &'a RowsInputPlan) -> Reading<'a> {
        Reading::new(self.source, &input.input, &self.content.schema)
    }

    /// One of the parts to send.
    pub(super) fn wanted(&self, input: usize, cut: usize) -> Option<&'a PartSubject> {
        self.wanted.get(&(input, cut)).copied()
    }

    /// The parts of a source to send, in order, by cut.
    pub(super) fn wanted_of(
        &self,
        input: usize,
    ) -> impl Iterator<Item = (usize, &'a PartSubject)> + '_ {
        self.wanted
            .range((input, 0)..=(input, usize::MAX))
            .map(|((_, cut), part)| (*cut, *part))
    }
}
