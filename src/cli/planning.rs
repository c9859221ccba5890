//! Making a plan for a command: the same for all that need one.

use super::args::{Compare, PlanArgs, RunArgs, SelectArgs};
use super::context::{Context, tell_wait};
use super::failure::Failure;
use super::workplace::Workplace;
use crate::base::ManifestName;
use crate::event::EventSink;
use crate::manifest::Release;
use crate::plan::{
    self, Plan, PlanContext, PlanError, PlanOptions, ReadBack, Selection, Unchanged, make_plan,
    settle,
};
use crate::redivis::{Call, Wait};
use crate::source::rows::Reject;

/// Which digests a plan makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digests {
    /// Those that decide something.
    WhereNeeded,
    /// Those of new items too.
    AlsoOfNew,
    /// All of them, without the state: every byte is read.
    AllAgain,
}

/// What a command asks of planning.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    selection: Selection,
    digests: Digests,
    include_unchanged: bool,
    /// Sizes alone are no proof, whatever `--compare` says.
    wants_md5: bool,
    read_back: ReadBack,
    /// Instead of the manifest's.
    release: Option<Release>,
}

impl PlanRequest {
    fn of(selection: Selection) -> Self {
        Self {
            selection,
            digests: Digests::WhereNeeded,
            include_unchanged: false,
            wants_md5: false,
            read_back: ReadBack::Never,
            release: None,
        }
    }

    /// What `plan` asks.
    pub fn of_plan(args: &PlanArgs) -> Self {
        Self {
            digests: if args.hash {
                Digests::AlsoOfNew
            } else {
                Digests::WhereNeeded
            },
            include_unchanged: args.all,
            ..Self::of(selection(&args.select))
        }
    }

    /// What `explain` asks.
    pub fn of_explanation() -> Self {
        Self {
            digests: Digests::AlsoOfNew,
            include_unchanged: true,
            ..Self::of(Selection::default())
        }
    }

    /// What `run` asks.
    pub fn of_run(args: &RunArgs, is_saved: bool) -> Self {
        Self {
            // A saved plan is held against what is done already.
            include_unchanged: is_saved,
            ..Self::of(selection(&args.select))
        }
    }

    /// A second look after a run, for its receipts.
    pub fn of_receipts(args: &RunArgs) -> Self {
        Self {
            wants_md5: true,
            ..Self::of(selection(&args.select))
        }
    }

    /// What verification asks.
    pub fn of_verification(
        select: Option<&SelectArgs>,
        read_back: ReadBack,
        release: Release,
    ) -> Self {
        Self {
            digests: Digests::AllAgain,
            wants_md5: true,
            read_back,
            release: Some(release),
            ..Self::of(select.map(selection).unwrap_or_default())
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

/// What planning needs of a command.
#[derive(Clone, Copy)]
pub struct Planning<'a> {
    /// The manifest, the state and the remote.
    pub workplace: &'a Workplace,
    /// The process.
    pub context: &'a Context<'a>,
    /// Where waits are told.
    pub events: &'a EventSink,
    /// Told of each row that cannot be encoded.
    pub on_reject: &'a (dyn Fn(&ManifestName, Reject) + Sync),
    /// Told of each item that is equal on both sides.
    pub on_unchanged: Option<&'a (dyn Fn(Unchanged<'_>) + Sync)>,
}

impl Planning<'_> {
    /// Reads the sources and the remote and makes the plan.
    pub fn make(&self, request: &PlanRequest) -> Result<Plan, Failure> {
        let endpoint = &self.workplace.endpoint_shown;
        self.with(request, |planning| make_plan(planning, endpoint))
            .map_err(Failure::from)
    }

    /// Waits until the platform has counted and imported what is there.
    pub fn settle(&self, request: &PlanRequest) -> Result<(), Failure> {
        let scale = self.workplace.time_scale;
        self.with(request, |planning| settle(planning, scale))
            .map_err(Failure::from)
    }

    /// Does something that reads the sources or the remote.
    pub fn with<T, E: From<PlanError>>(
        &self,
        request: &PlanRequest,
        work: impl FnOnce(&PlanContext<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let workplace = self.workplace;
        let on_wait = |wait: &Wait| tell_wait(self.events, wait);
        let call = Call {
            cancel: &self.context.cancel,
            on_wait: &on_wait,
            on_bytes: &|_| {},
        };
        let manifest = &workplace.manifest;
        let compare = match workplace.transfer.compare {
            Compare::Size if !request.wants_md5 => plan::Compare::Size,
            Compare::Size | Compare::Md5 => plan::Compare::Md5,
        };
        work(&PlanContext {
            manifest,
            reader: &workplace.reader,
            call,
            store: (request.digests != Digests::AllAgain).then_some(&workplace.store),
            cpu_pool: &workplace.cpu_pool,
            net_pool: &workplace.net_pool,
            selection: &request.selection,
            options: PlanOptions {
                compare,
                hash_new: request.digests != Digests::WhereNeeded,
                include_unchanged: request.include_unchanged,
                read_back: request.read_back,
                now_ns: (self.context.environment.clock())(),
                largest_payload: workplace.transfer.max_memory.0,
            },
            on_reject: self.on_reject,
            on_unchanged: self.on_unchanged,
            release: request.release.as_ref().unwrap_or(&manifest.release),
        })
    }
}

impl std::fmt::Debug for Planning<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planning").finish_non_exhaustive()
    }
}
