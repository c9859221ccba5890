//! Passes over row sources, kept by fingerprint. A kept pass is used only where
//! a new one could not come out otherwise; without it a plan is slower, never
//! other.

use serde::{Deserialize, Serialize};

use super::pass::OnePass;
use crate::base::digest::Sha256Hasher;
use crate::base::{Activity, PartIdentity, PartName};
use crate::manifest::{RowsSource, Variable};
use crate::plan::context::PlanContext;
use crate::source::rows::{
    Candidate, Cut, CutSettings, Pass, Reading, Rounded, RowStart, cut_source,
};
use crate::source::{RowInput, SourceError};
use crate::state::CutKey;

/// A pass as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct StoredPass {
    rows: u64,
    /// Line, row, column and value.
    rounded: Vec<(u64, u64, String, i64)>,
    cuts: Vec<StoredCut>,
}

/// A cut as it is stored: the name of its identity (with a meaningless
/// attempt), its bytes, and where it starts.
#[derive(Debug, Serialize, Deserialize)]
struct StoredCut {
    name: String,
    /// The listed part that it was, likewise.
    #[serde(default)]
    kept: Option<String>,
    bytes: u64,
    start: (u64, u64, u64),
}

/// The pass over one source, from the cache where it is safe.
pub(super) fn pass(
    one: &OnePass<'_>,
    input: &RowInput,
    candidates: &[&PartIdentity],
    settings: &CutSettings,
) -> Result<Pass, SourceError> {
    let OnePass {
        context,
        job,
        source,
        schema,
        owner: _,
        locked: _,
        is_repeat,
    } = *one;
    let key = CutKey {
        source: input.shown.clone(),
        fingerprint: input.fingerprint,
        settings: settings_digest(source, schema, input, settings),
    };
    let stored = context
        .store
        .and_then(|store| store.cuts(&key).ok().flatten());
    let known = stored.and_then(|text| serde_json::from_str::<StoredPass>(&text).ok());
    if let Some(pass) = known.and_then(|stored| reuse(one, &stored, input, candidates)) {
        return Ok(pass);
    }
    let mut on_reject = |reject| {
        if !is_repeat {
            (context.on_reject)(&job.name, reject);
        }
    };
    let reading = Reading::new(source, input, schema);
    let listed: Vec<Candidate<'_>> = candidates
        .iter()
        .map(|identity| one.candidate(identity))
        .collect();
    let cancel = context.call.cancel;
    let cut = || cut_source(reading, &listed, settings, &mut on_reject, cancel);
    let effort = context.reader.http().effort();
    let pass = effort.during(Activity::Encoding, cut)?;
    remember(context, &key, &pass);
    Ok(pass)
}

/// A stored pass with today's candidates, unless they could cut otherwise: one
/// starts where a stored cut starts and is not that cut, or the part that a cut
/// followed is no longer listed.
fn reuse(
    one: &OnePass<'_>,
    stored: &StoredPass,
    input: &RowInput,
    candidates: &[&PartIdentity],
) -> Option<Pass> {
    let mut cuts = Vec::with_capacity(stored.cuts.len());
    for cut in &stored.cuts {
        let identity = PartName::parse(&cut.name)?.identity;
        let followed = match &cut.kept {
            Some(name) => Some(PartName::parse(name)?.identity),
            None => None,
        };
        let mut kept: Option<&PartIdentity> = None;
        let mut is_followed = followed.is_none();
        for candidate in candidates
            .iter()
            .copied()
            .filter(|one| one.first_row == identity.first_row)
        {
            let follows = followed.as_ref().is_some_and(|one| one == candidate);
            if !follows && !candidate.same_rows(&identity) {
                return None;
            }
            is_followed |= follows;
            let rank = |part| (one.candidate(part).rank(&identity.source), part.refused);
            if kept.is_none_or(|best| rank(candidate) < rank(best)) {
                kept = Some(candidate);
            }
        }
        if !is_followed {
            return None;
        }
        let kept = kept.cloned();
        let (byte, line, record) = cut.start;
        cuts.push(Cut {
            identity,
            bytes: cut.bytes,
            kept,
            start: RowStart { byte, line, record },
        });
    }
    let rounded = stored.rounded.iter().cloned();
    let rounded = rounded.map(|(line, row, column, value)| Rounded {
        file: input.shown.clone(),
        line,
        row,
        column,
        value,
    });
    Some(Pass {
        cuts,
        rows: stored.rows,
        rejects: 0,
        rounded: rounded.collect(),
        fingerprint: input.fingerprint,
    })
}

/// Only passes without rejects are kept, since rejects must be told again.
fn remember(context: &PlanContext<'_>, key: &CutKey, pass: &Pass) {
    let Some(store) = context.store.filter(|_| pass.rejects == 0) else {
        return;
    };
    let cuts = pass
        .cuts
        .iter()
        .map(|cut| StoredCut {
            name: cut.identity.attempt(0).to_string(),
            kept: cut.kept.as_ref().map(|kept| kept.attempt(0).to_string()),
            bytes: cut.bytes,
            start: (cut.start.byte, cut.start.line, cut.start.record),
        })
        .collect();
    let rounded = pass.rounded.iter().cloned();
    let stored = StoredPass {
        rows: pass.rows,
        rounded: rounded
            .map(|one| (one.line, one.row, one.column, one.value))
            .collect(),
        cuts,
    };
    if let Ok(text) = serde_json::to_string(&stored)
        && let Err(error) = store.remember_cuts(key, &text, context.options.now_ns)
    {
        tracing::warn!(error = %error, "the cache of row cuts cannot be written");
    }
}

/// Everything but the content that a pass depends on.
fn settings_digest(
    source: &RowsSource,
    schema: &[Variable],
    input: &RowInput,
    settings: &CutSettings,
) -> crate::base::Sha256Digest {
    let mut hasher = Sha256Hasher::new();
    hasher.update_field(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update_field(settings.owner.as_str().as_bytes());
    hasher.update_field(settings.slug.as_bytes());
    hasher.update_field(&settings.payload.to_be_bytes());
    hasher.update_field(format!("{schema:?}").as_bytes());
    hasher.update_field(format!("{:?}", source.entries[input.entry]).as_bytes());
    let columns = (source.extra_columns, source.missing_columns);
    hasher.update_field(format!("{columns:?}").as_bytes());
    hasher.finish()
}
