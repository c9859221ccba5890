//! Making a plan for a command: the same for `plan` and for `run`.

use super::args::{Compare, PlanArgs, RunArgs, SelectArgs};
use super::context::{Context, tell_wait};
use super::failure::Failure;
use super::workplace::Workplace;
use crate::base::ManifestName;
use crate::event::EventSink;
use crate::plan::{self, Plan, PlanContext, PlanOptions, Selection, make_plan};
use crate::redivis::Call;
use crate::source::rows::Reject;

/// What a command asks of planning.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    selection: Selection,
    hash_new: bool,
    include_unchanged: bool,
}

impl PlanRequest {
    /// What `plan` asks.
    pub fn of_plan(args: &PlanArgs) -> Self {
        Self {
            selection: selection(&args.select),
            hash_new: args.hash,
            include_unchanged: args.all,
        }
    }

    /// What `run` asks.
    pub fn of_run(args: &RunArgs, is_saved: bool) -> Self {
        Self {
            selection: selection(&args.select),
            hash_new: false,
            // A saved plan is held against what is done already.
            include_unchanged: is_saved,
        }
    }
}

fn selection(args: &SelectArgs) -> Selection {
    Selection {
        jobs: args.select.clone(),
        tags: args.tag.clone(),
        shard: args.shard.map(|shard| plan::Shard {
            index: shard.index,
            count: shard.count,
        }),
    }
}

/// Reads the sources and the remote and makes the plan.
pub fn make(
    workplace: &Workplace,
    context: &Context<'_>,
    events: &EventSink,
    request: &PlanRequest,
    on_reject: &(dyn Fn(&ManifestName, Reject) + Sync),
) -> Result<Plan, Failure> {
    let on_wait = |wait: &crate::redivis::Wait| tell_wait(events, wait);
    let call = Call {
        cancel: &context.cancel,
        on_wait: &on_wait,
        on_bytes: &|_| {},
    };
    let transfer = &workplace.transfer;
    let planning = PlanContext {
        manifest: &workplace.manifest,
        reader: &workplace.reader,
        call,
        store: Some(&workplace.store),
        cpu_pool: &workplace.cpu_pool,
        net_pool: &workplace.net_pool,
        selection: &request.selection,
        options: PlanOptions {
            compare: match transfer.compare {
                Compare::Md5 => plan::Compare::Md5,
                Compare::Size => plan::Compare::Size,
            },
            hash_new: request.hash_new,
            include_unchanged: request.include_unchanged,
            read_back: plan::ReadBack::Never,
            now_ns: (context.environment.clock())(),
            largest_payload: transfer.max_memory.0,
        },
        on_reject,
        on_unchanged: None,
        release: &workplace.manifest.release,
    };
    make_plan(&planning, &workplace.endpoint_shown).map_err(Failure::from)
}
