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

/// Files that were refused: some are attached all the same (contract Q4),
/// some were spent by a call that another one spoiled. Those are staged again.
pub(super) fn attach_refused(this: &mut Attaching<'_, '_>) {
    if this.refused.is_empty() {
        return;
    }
    let mut reasons = BTreeMap::new();
    let mut group = Vec::new();
    for (one, error) in this.refused.drain(..) {
        reasons.insert(one.file.name.to_string(), error);
        group.push(one);
    }
    let missing = match this.settle_listed(group, 1) {
        Ok(missing) => missing,
        Err((group, error)) => return this.fail_all(&group, &error),
    };
    let mut queue: VecDeque<Again<'_>> = missing
        .into_iter()
        .filter_map(|one| {
            let error = reasons.remove(one.file.name.as_str())?;
            Some((one, error))
        })
        .collect();
    this.strikes = 0;
    let mut size = 1;
    while !queue.is_empty() {
        if this.strikes >= STRIKES && !this.is_any_taken {
            for (one, error) in queue {
                this.fail(&one, &error);
            }
            return;
        }
        if this.shared.context.cancel.is_cancelled() {
            let group: Vec<Ready<'_>> = queue.into_iter().map(|(one, _)| one).collect();
            return this.fail_all(&group, &StepError::Cancelled);
        }
        let count = size.min(queue.len()).min(this.shared.call_size.most());
        let group: Vec<Ready<'_>> = queue
            .drain(..count)
            .filter_map(|again| send_again(this, again))
            .collect();
        if group.is_empty() {
            continue;
        }
        let Some(refusal) = this.call(group, 0) else {
            size *= 2;
            continue;
        };
        size = 1;
        let error = Arc::new(attach_error(this.job)(refusal.error));
        if let [one] = refusal.group.as_slice() {
            this.strikes += 1;
            this.fail(one, &error);
            continue;
        }
        for one in refusal.group.into_iter().rev() {
            queue.push_front((one, Arc::clone(&error)));
        }
    }
}

/// Files under whose name the platform has something else: sent again once.
pub(super) fn attach_wrong(this: &mut Attaching<'_, '_>) {
    while !this.wrong.is_empty() {
        let mut ready = Vec::new();
        for (one, error) in std::mem::take(&mut this.wrong) {
            if one.attempts >= MAX_ATTEMPTS {
                this.fail(&one, &error);
            } else {
                ready.extend(send_again(this, (one, error)));
            }
        }
        this.all(ready);
        for (one, error) in std::mem::take(&mut this.refused) {
            this.fail(&one, &error);
        }
    }
}

/// Stages a file again; when that fails, the file does.
fn send_again<'a>(this: &Attaching<'a, '_>, (mut one, error): Again<'a>) -> Option<Ready<'a>> {
    let place = this.job.to_stage(one.file);
    if this.shared.context.cancel.is_cancelled() {
        this.fail(&one, &error);
        return None;
    }
    let staged =
        forget_staged(this.shared, &[place]).and_then(|()| stage(this.shared, place, None));
    one.attempts += 1;
    match staged {
        Ok(mut staged) => {
            staged.bytes_sent += one.staged.bytes_sent;
            one.staged = staged;
            Some(one)
        }
        Err(error) => {
            this.fail(&one, &error);
            None
        }
    }
}
