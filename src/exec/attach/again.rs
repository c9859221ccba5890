//! Files that were not attached with the others: looked for, staged again, and
//! attached in groups that grow while they are taken.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Again, Attaching, Ready, attach_error};
use crate::exec::error::StepError;
use crate::exec::staging::{forget_staged, stage};
use crate::exec::temps::STRIKES;

/// A file is sent again once when the platform holds other bytes than sent.
const MAX_ATTEMPTS: u32 = 2;

impl<'a> Attaching<'a, '_> {
    /// Files that were refused: some are attached all the same (contract Q4),
    /// some were spent by a call that another one spoiled. Those are staged again.
    pub(super) fn refused_ones(&mut self) {
        if self.refused.is_empty() {
            return;
        }
        let mut reasons = BTreeMap::new();
        let mut group = Vec::new();
        for (one, error) in self.refused.drain(..) {
            reasons.insert(one.file.name.to_string(), error);
            group.push(one);
        }
        let missing = match self.settle_listed(group, 1) {
            Ok(missing) => missing,
            Err((group, error)) => return self.fail_all(&group, &error),
        };
        let mut queue: VecDeque<Again<'a>> = missing
            .into_iter()
            .filter_map(|one| {
                let error = reasons.remove(one.file.name.as_str())?;
                Some((one, error))
            })
            .collect();
        self.strikes = 0;
        let mut size = 1;
        while !queue.is_empty() {
            if self.strikes >= STRIKES && !self.is_any_taken {
                for (one, error) in queue {
                    self.fail(&one, &error);
                }
                return;
            }
            if self.shared.context.cancel.is_cancelled() {
                let group: Vec<Ready<'a>> = queue.into_iter().map(|(one, _)| one).collect();
                return self.fail_all(&group, &StepError::Cancelled);
            }
            let count = size.min(queue.len()).min(self.shared.call_size.most());
            let group: Vec<Ready<'a>> = queue
                .drain(..count)
                .filter_map(|again| self.send_again(again))
                .collect();
            if group.is_empty() {
                continue;
            }
            let Some(refusal) = self.call(group, 0) else {
                size *= 2;
                continue;
            };
            size = 1;
            let error = Arc::new(attach_error(self.job)(refusal.error));
            if let [one] = refusal.group.as_slice() {
                self.strikes += 1;
                self.fail(one, &error);
                continue;
            }
            for one in refusal.group.into_iter().rev() {
                queue.push_front((one, Arc::clone(&error)));
            }
        }
    }

    /// Files under whose name the platform has something else: sent again once.
    pub(super) fn wrong_ones(&mut self) {
        while !self.wrong.is_empty() {
            let mut ready = Vec::new();
            for (one, error) in std::mem::take(&mut self.wrong) {
                if one.attempts >= MAX_ATTEMPTS {
                    self.fail(&one, &error);
                } else {
                    ready.extend(self.send_again((one, error)));
                }
            }
            self.all(ready);
            for (one, error) in std::mem::take(&mut self.refused) {
                self.fail(&one, &error);
            }
        }
    }

    /// Stages a file again; when that fails, the file does.
    fn send_again(&self, (mut one, error): Again<'a>) -> Option<Ready<'a>> {
        let place = self.job.to_stage(one.file);
        if self.shared.context.cancel.is_cancelled() {
            self.fail(&one, &error);
            return None;
        }
        let staged =
            forget_staged(self.shared, &[place]).and_then(|()| stage(self.shared, place, None));
        one.attempts += 1;
        match staged {
            Ok(mut staged) => {
                staged.bytes_sent += one.staged.bytes_sent;
                one.staged = staged;
                Some(one)
            }
            Err(error) => {
                self.fail(&one, &error);
                None
            }
        }
    }
}
