//! Shards as they stand in their directories: whether they fit together, and what each counted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{MergeError, read, read_histograms};
use crate::measure::{Counted, EndpointCount, Heat, Late, Moved, PlannedEndpoint, Samples, Tally, Timeline, Word};
use crate::plan::SHARDS_MAX;
use crate::result::{Endpoint, RunResult, ShardOf, Steady};
use crate::run_directory::{HISTOGRAMS, LATENCY, MOVES};

/// Endpoints that are read at most: a planner makes [`crate::endpoints::ROWS_MAX`].
pub(super) const ENDPOINTS_MAX: u32 = 100_000;

/// A shard.
pub(super) struct Shard {
    pub(super) directory: PathBuf,
    pub(super) of: ShardOf,
    pub(super) result: RunResult,
}

impl Shard {
    pub(super) fn open(directory: &Path) -> Result<Self, MergeError> {
        let result = read(directory)?;
        let of = result.shard.ok_or_else(|| MergeError::NotShard { path: directory.to_owned() })?;
        [LATENCY, MOVES].into_iter().try_for_each(|file| is_whole(&result, directory, file))?;
        // Those that are missing are named, each of them.
        if of.of > SHARDS_MAX {
            return Err(MergeError::TooManyShards { path: directory.to_owned(), of: of.of, limit: SHARDS_MAX });
        }
        Ok(Self { directory: directory.to_owned(), of, result })
    }

    /// Everything that it counted, for a plan with so many endpoints.
    pub(super) fn counted(&self, endpoints: usize) -> Result<Counted, MergeError> {
        counted(&self.result, &self.directory, endpoints)
    }
}

/// Everything that a run counted, for a plan with so many endpoints.
pub(super) fn counted(result: &RunResult, path: &Path, endpoints: usize) -> Result<Counted, MergeError> {
    let differs = |what: &str| MergeError::Differs { what: what.to_owned(), path: path.to_owned() };
    let mut planned = vec![PlannedEndpoint::default(); endpoints];
    for row in &result.endpoints {
        if let Some(place) = planned.get_mut(row.index as usize) {
            place.planned = row.planned;
        }
    }
    let whole = whole(result, endpoints).ok_or_else(|| differs("a status"))?;
    let steady = steady(&result.steady, &result.endpoints, endpoints).ok_or_else(|| differs("a status"))?;
    let mut counted = Counted {
        whole,
        steady,
        steady_ns: (result.steady.from_ns, result.steady.to_ns),
        planned,
        recorded_2xx: result.recorded_2xx,
        turned_away: result.turned_away,
        last: result.last_ns,
        timeline: Timeline::of(result.timeline_s, &result.timeline).ok_or_else(|| differs("the timeline"))?,
        heat: Heat::of(&result.heat_map).ok_or_else(|| differs("the heat map"))?,
        samples: Samples::of(result, endpoints).ok_or_else(|| differs("a named request"))?,
        late: Late {
            by_1ms: result.fidelity.late_1ms,
            by_10ms: result.fidelity.late_10ms,
            strained: result.verdict.late_strained,
            invalid: result.verdict.late_invalid,
        },
        limits: result.verdict.limits,
        moved: Moved::default(),
        gap: (None, nanos(result.fidelity.gap_resolution_us), result.fidelity.gap_left_out),
    };
    is_whole(result, path, HISTOGRAMS)?;
    read_histograms(path, &mut counted)?;
    Ok(counted)
}

/// A file that breaks off at a line reads as a whole one: what the run says of it counts.
fn is_whole(result: &RunResult, directory: &Path, file: &str) -> Result<(), MergeError> {
    match result.unwritten.get(file) {
        Some(why) => Err(MergeError::Unwritten { path: directory.join(file), why: why.clone() }),
        None => Ok(()),
    }
}

/// Whether the shards fit together, and which are missing. They are in the order of their numbers.
pub(super) fn check(shards: &[Shard]) -> Result<Vec<u32>, MergeError> {
    let first = shards.first().ok_or(MergeError::Nothing)?;
    for (before, shard) in shards.iter().zip(shards.iter().skip(1)) {
        let (one, other) = (before.directory.clone(), shard.directory.clone());
        if shard.result.plan_hash != first.result.plan_hash {
            return Err(MergeError::DifferentPlans { one: first.directory.clone(), other });
        }
        if shard.of.number == before.of.number {
            return Err(MergeError::Twice { number: shard.of.number, one, other });
        }
    }
    for shard in shards {
        let differs = |what: &str| Err(MergeError::Differs { what: what.to_owned(), path: shard.directory.clone() });
        if shard.of.of != first.of.of {
            return differs("the number of shards");
        }
        if shard.of.number == 0 || shard.of.number > shard.of.of {
            return differs("the number of the shard");
        }
        if shard.result.verdict.limits != first.result.verdict.limits {
            return differs("the lag limit");
        }
        if shard.result.loop_model != first.result.loop_model {
            return differs("the loop model");
        }
    }
    let mut there = shards.iter().map(|shard| shard.of.number).peekable();
    Ok((1..=first.of.of).filter(|number| there.next_if_eq(number).is_none()).collect())
}

/// The endpoints of all shards by index; an index that no shard has a row of has an empty name.
pub(super) fn names(shards: &[Shard]) -> Result<Vec<String>, MergeError> {
    let mut names: BTreeMap<u32, &str> = BTreeMap::new();
    for shard in shards {
        for row in &shard.result.endpoints {
            if row.index >= ENDPOINTS_MAX {
                return Err(too_many(&shard.directory, row.index));
            }
            let known = *names.entry(row.index).or_insert(&row.endpoint);
            if known != row.endpoint {
                let what = format!("endpoint {}", row.index);
                return Err(MergeError::Differs { what, path: shard.directory.clone() });
            }
        }
    }
    let many = names.last_key_value().map_or(0, |(last, _)| last + 1);
    Ok((0..many).map(|index| names.get(&index).copied().unwrap_or_default().to_owned()).collect())
}

/// That a result has an endpoint with a number beyond those that are read.
pub(super) fn too_many(directory: &Path, index: u32) -> MergeError {
    MergeError::TooManyEndpoints { path: directory.to_owned(), index, limit: ENDPOINTS_MAX }
}

/// What a result counted of one window: [`RunResult`] and [`Steady`] name it alike.
macro_rules! tally {
    ($of:expr, $rows:expr) => {
        Some(Tally {
            settled: $of.settled,
            dispatched: $of.dispatched,
            sent: $of.sent,
            completed: $of.completed,
            errors: words(&$of.errors),
            shed: words(&$of.shed),
            status: codes(&$of.status)?,
            bytes: $of.bytes,
            endpoints: $rows,
            ..Tally::default()
        })
    };
}

fn whole(of: &RunResult, many: usize) -> Option<Tally> {
    let counted = of.endpoints.iter().map(|row| (row.index, row.completed, row.errors, &row.status));
    tally!(of, rows(counted, many)?)
}

fn steady(of: &Steady, endpoints: &[Endpoint], many: usize) -> Option<Tally> {
    let counted = endpoints.iter().map(|row| (row.index, &row.steady));
    let counted = counted.map(|(index, row)| (index, row.completed, row.errors, &row.status));
    tally!(of, rows(counted, many)?)
}

/// Whole answers, failures and codes by the index of the endpoint.
fn rows<'a>(
    counted: impl Iterator<Item = (u32, u64, u64, &'a BTreeMap<String, u64>)>,
    many: usize,
) -> Option<Vec<EndpointCount>> {
    let mut rows = vec![EndpointCount::default(); many];
    for (index, completed, errors, status) in counted {
        let place = rows.get_mut(index as usize)?;
        (place.completed, place.errors, place.status) = (completed, errors, codes(status)?);
    }
    Some(rows)
}

fn words(counts: &BTreeMap<String, u64>) -> BTreeMap<Word, u64> {
    counts.iter().map(|(name, count)| (name.clone().into(), *count)).collect()
}

fn codes(counts: &BTreeMap<String, u64>) -> Option<BTreeMap<u16, u64>> {
    counts.iter().map(|(code, count)| Some((code.parse().ok()?, *count))).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a resolution of a few microseconds, saturating"
)]
fn nanos(us: f64) -> u64 {
    (us * 1_000.0).round() as u64
}
