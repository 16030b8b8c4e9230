//! Shards of one plan, merged into the result that one run of the whole plan would have had.
//!
//! Counts add up; quantiles are read from histograms that were added at full resolution, never from quantiles; the
//! verdict is that of the merged counts. The one figure that is lost is `fidelity.gap_ks`: gaps between requests of
//! different shards are in no shard. Nothing is sent or measured here.

mod error;
mod reading;
mod shards;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::iter::Peekable;
use std::path::{Path, PathBuf};

pub use error::MergeError;
pub use reading::{RESULT_BYTES_MAX, read};
use shards::Shard;

use crate::measure::{Counted, LogReader, Moved, Moves, Timeline, add_counts};
use crate::result::thresholds::Threshold;
use crate::result::{Answers, Connections, Part, Quantiles, RunResult, ShardOf, add_to};
use crate::run_directory::{HISTOGRAMS, LATENCY, MOVES};
use crate::verdict::{self, Trust};

/// Longest line of `moves.jsonl` that is read: a second has 100 buckets.
const MOVES_LINE_BYTES_MAX: u64 = 1 << 16;

/// Merges the runs of the shards of one plan; `partial` allows that some are missing, which the result then says.
///
/// # Errors
/// When a directory cannot be read, is no shard, belongs to another plan, is there twice, was measured by other rules,
/// or, without `partial`, when one is missing.
pub fn merge(directories: &[PathBuf], partial: bool) -> Result<RunResult, MergeError> {
    merge_counted(directories, partial).map(|(result, _)| result)
}

/// The same, with everything that was counted.
///
/// # Errors
/// As [`merge`].
pub fn merge_counted(directories: &[PathBuf], partial: bool) -> Result<(RunResult, Counted), MergeError> {
    let mut shards =
        directories.iter().map(|directory| Shard::open(directory)).collect::<Result<Vec<_>, MergeError>>()?;
    shards.sort_by_key(|shard| shard.of.number);
    let missing = shards::check(&shards)?;
    if !missing.is_empty() && !partial {
        let of = shards.first().map_or(0, |shard| shard.of.of);
        return Err(MergeError::Missing { missing, of });
    }
    let names = shards::names(&shards)?;
    let mut counted: Option<Counted> = None;
    for shard in &shards {
        let one = shard.counted(names.len())?;
        match &mut counted {
            None => counted = Some(one),
            Some(all) => add(all, &one),
        }
    }
    let (Some(mut counted), Some(first)) = (counted, shards.first()) else { return Err(MergeError::Nothing) };
    let paths: Vec<&Path> = shards.iter().map(|shard| shard.directory.as_path()).collect();
    counted.moved = moved(&paths)?;
    quantiles_over_time(&paths, &mut counted.timeline)?;
    let mut result = first.result.clone();
    counted.fill(&names, &mut result);
    complete(&mut result, &shards, &missing);
    Ok((result, counted))
}

/// Everything that one run counted.
///
/// # Errors
/// When its histograms cannot be read, or do not fit to its result.
pub fn counted(directory: &Path, result: &RunResult) -> Result<Counted, MergeError> {
    let many = result.endpoints.iter().map(|row| row.index).max().map_or(0, |last| last.saturating_add(1));
    if many > shards::ENDPOINTS_MAX {
        return Err(shards::too_many(directory, many - 1));
    }
    shards::counted(result, directory, many as usize)
}

fn add(all: &mut Counted, one: &Counted) {
    all.whole.add(&one.whole);
    all.steady.add(&one.steady);
    all.steady_ns = (all.steady_ns.0.min(one.steady_ns.0), all.steady_ns.1.max(one.steady_ns.1));
    for (own, other) in all.planned.iter_mut().zip(&one.planned) {
        add_to(&mut own.planned, other.planned);
        own.recorded.add(&other.recorded);
    }
    add_to(&mut all.recorded_2xx, one.recorded_2xx);
    add_to(&mut all.turned_away, one.turned_away);
    all.last.due = all.last.due.max(one.last.due);
    all.last.placed = all.last.placed.max(one.last.placed_ns());
    all.last.dispatched = all.last.dispatched.max(one.last.dispatched);
    all.last.done = all.last.done.max(one.last.done);
    all.timeline.add(&one.timeline);
    all.heat.add(&one.heat);
    all.samples.add(&one.samples);
    add_to(&mut all.late.by_1ms, one.late.by_1ms);
    add_to(&mut all.late.by_10ms, one.late.by_10ms);
    add_to(&mut all.late.strained, one.late.strained);
    add_to(&mut all.late.invalid, one.late.invalid);
    // Which gaps there were between requests of different shards, nobody saw.
    all.gap = (None, all.gap.1.max(one.gap.1), all.gap.2.saturating_add(one.gap.2));
}

fn add_answers(all: &mut Option<Answers>, one: Option<&Answers>) {
    let Some(one) = one else { return };
    match all {
        None => *all = Some(one.clone()),
        Some(all) => {
            add_to(&mut all.exchanges, one.exchanges);
            add_to(&mut all.file_bytes, one.file_bytes);
            add_to(&mut all.lost, one.lost);
            all.failure = all.failure.take().or_else(|| one.failure.clone());
        }
    }
}

fn add_connections(all: &mut Connections, one: &Connections) {
    add_to(&mut all.opened, one.opened);
    add_to(&mut all.extra, one.extra);
    add_to(&mut all.not_ahead, one.not_ahead);
    add_to(&mut all.closed_by_target, one.closed_by_target);
    add_to(&mut all.resumed, one.resumed);
    add_to(&mut all.peak, one.peak);
}

/// What no histogram says: names, spans, connections, generators, and the verdict.
fn complete(result: &mut RunResult, shards: &[Shard], missing: &[u32]) {
    let rest = shards.iter().skip(1).map(|shard| &shard.result);
    result.shard = None;
    result.shards = shards.iter().map(part).collect();
    result.watched = shards.iter().flat_map(|shard| shard.result.watched.iter().cloned()).collect();
    // The rules of all shards; what came of them is judged anew, by whoever has what all shards counted.
    for threshold in rest.clone().flat_map(|other| &other.thresholds) {
        let is_known = |known: &Threshold| {
            (&known.rule, &known.name, &known.endpoint) == (&threshold.rule, &threshold.name, &threshold.endpoint)
        };
        if !result.thresholds.iter().any(is_known) {
            result.thresholds.push(threshold.clone());
        }
    }
    // Each shard was changed by itself, and its notices say how.
    result.changes.clear();
    // What a shard could not write is missing in its own directory; its notices say so.
    result.unwritten.clear();
    // Each shard kept a choice of traces of its own; shares of time of different choices do not add up.
    if shards.len() > 1 {
        result.services = None;
    }
    for other in rest {
        if other.run_id != result.run_id {
            "merged".clone_into(&mut result.run_id);
        }
        if !result.target.split(", ").any(|target| target == other.target) {
            result.target = format!("{}, {}", result.target, other.target);
        }
        // What all shards were asked alike.
        result.asked.retain(|name, value| other.asked.get(name) == Some(value));
        // RFC 3339 in UTC with equal digits sorts as text.
        result.started_at = result.started_at.clone().min(other.started_at.clone());
        result.interrupted |= other.interrupted;
        result.aborted = result.aborted.take().or_else(|| other.aborted.clone());
        add_connections(&mut result.connections, &other.connections);
        add_to(&mut result.spans.exported, other.spans.exported);
        add_counts(&mut result.spans.rejected, &other.spans.rejected);
        add_counts(&mut result.spans.sampled_out, &other.spans.sampled_out);
        add_counts(&mut result.spans.kept_at_end, &other.spans.kept_at_end);
        add_counts(&mut result.spans.dropped, &other.spans.dropped);
        add_counts(&mut result.spans.messages, &other.spans.messages);
        // Each shard's answers stay where they are.
        add_answers(&mut result.answers, other.answers.as_ref());
        result.generator = result.generator.beside(&other.generator);
    }
    result.notices =
        missing.iter().map(|number| format!("shard {number} is missing: this is not the whole plan")).collect();
    let viewed = shards.iter().filter(|shard| shards.len() > 1 && shard.result.services.is_some());
    let viewed: Vec<String> = viewed.map(|shard| shard.directory.display().to_string()).collect();
    if !viewed.is_empty() {
        let where_it_is = viewed.join(", ");
        result
            .notices
            .push(format!("whose time it was is in the report of each shard that collected spans: {where_it_is}"));
    }
    for shard in shards {
        let ShardOf { number, of } = shard.of;
        result.notices.extend(shard.result.notices.iter().map(|notice| format!("shard {number}/{of}: {notice}")));
    }
    result.verdict = verdict::judge(result);
    for part in result.shards.iter().filter(|part| part.verdict.outcome != Trust::Valid) {
        let (ShardOf { number, of }, verdict) = (part.shard, &part.verdict);
        let reasons = verdict.reasons.join("; ");
        result.verdict.reasons.push(format!("shard {number}/{of} by itself is {}: {reasons}", verdict.outcome.name()));
    }
}

fn part(shard: &Shard) -> Part {
    Part {
        run_id: shard.result.run_id.clone(),
        shard: shard.of,
        verdict: shard.result.verdict.clone(),
        services: shard.result.services.is_some(),
    }
}

/// Adds the moves of all shards bucket by bucket: what moved in one may be filled by another.
fn moved(directories: &[&Path]) -> Result<Moved, MergeError> {
    let mut seconds: BTreeMap<u64, BTreeMap<u8, i64>> = BTreeMap::new();
    for directory in directories {
        let path = directory.join(MOVES);
        let mut lines = open(&path)?;
        let mut line = String::new();
        loop {
            line.clear();
            let read = std::io::Read::take(&mut lines, MOVES_LINE_BYTES_MAX).read_line(&mut line);
            if read.map_err(|source| MergeError::Read { path: path.clone(), source })? == 0 {
                break;
            }
            let moves: Moves =
                serde_json::from_str(&line).map_err(|source| MergeError::Json { path: path.clone(), source })?;
            let second = seconds.entry(moves.t_s).or_default();
            for (bucket, more) in moves.moves {
                let sum = second.entry(bucket).or_default();
                *sum = sum.saturating_add(more);
            }
        }
    }
    let mut moved = Moved::default();
    for second in seconds.values() {
        let moves: Vec<(u8, i64)> = second.iter().map(|(bucket, more)| (*bucket, *more)).collect();
        moved.add_moves(&moves);
    }
    Ok(moved)
}

type Lines = Peekable<LogReader<BufReader<File>>>;

/// Takes the quantiles of every row anew, from the histograms of all shards second by second; of each log only the
/// lines of one second are in memory.
fn quantiles_over_time(directories: &[&Path], timeline: &mut Timeline) -> Result<(), MergeError> {
    timeline.clear_quantiles();
    let mut logs = Vec::new();
    for directory in directories {
        let path = directory.join(LATENCY);
        logs.push((LogReader::new(open(&path)?).peekable(), path));
    }
    loop {
        let next = |(lines, _): &mut (Lines, PathBuf)| match lines.peek() {
            Some(Ok(line)) => Some(line.start_s),
            // The error is returned below, by the first second that is read.
            Some(Err(_)) => Some(0),
            None => None,
        };
        let Some(second) = logs.iter_mut().filter_map(next).min() else { return Ok(()) };
        let (mut response, mut lag) = (crate::measure::Distribution::new(), crate::measure::Distribution::new());
        for (lines, path) in &mut logs {
            while let Some(line) = lines.next_if(|line| line.as_ref().map_or(true, |line| line.start_s == second)) {
                let line = line.map_err(|source| MergeError::Read { path: path.clone(), source })?;
                match line.tag.as_str() {
                    "response" => response.add(&line.distribution),
                    "lag" => lag.add(&line.distribution),
                    _ => {}
                }
            }
        }
        let row = timeline.row(second);
        let wider = |now: &Quantiles, more: &crate::measure::Distribution| now.largest(&more.quantiles());
        (row.response_us, row.lag_us) = (wider(&row.response_us, &response), wider(&row.lag_us, &lag));
    }
}

fn open(path: &Path) -> Result<BufReader<File>, MergeError> {
    let file = File::open(path).map_err(|source| MergeError::Read { path: path.to_owned(), source })?;
    Ok(BufReader::new(file))
}

/// Fills in the histograms of a run.
fn read_histograms(directory: &Path, into: &mut Counted) -> Result<(), MergeError> {
    let path = directory.join(HISTOGRAMS);
    for line in LogReader::new(open(&path)?) {
        let line = line.map_err(|source| MergeError::Read { path: path.clone(), source })?;
        let Some(place) = into.histogram(&line.tag) else {
            return Err(MergeError::Differs { what: format!("the histogram `{}`", line.tag), path });
        };
        place.add(&line.distribution);
    }
    Ok(())
}
