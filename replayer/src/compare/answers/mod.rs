//! What the answers of two sides say: every answer of a run after is held against the answer to the same request before,
//! and differences are counted by cause, over the noise that runs of one side have among themselves.
//!
//! ```text
//! source  sessions, a thread each ─▶ pairing  the same request in all runs ─▶ causes  what differs, which rules silence it
//!                                      spill  what is far apart, on disk        ─▶ findings  what holds ─▶ learn  rules for it
//! ```
//! Memory is bounded by [`MEMORY_BYTES_MAX`] and the numbers of causes, not by the length of the runs.

mod causes;
mod chance;
pub mod error;
pub mod findings;
mod learn;
mod pairing;
pub mod samples;
mod shared;
mod source;
mod spill;
mod traits;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;

use formats::endpoint::Templates;
use formats::head;

use super::recording;
use super::rules::{RuleUse, Rules};
use super::side::Run;
use crate::answers::DIRECTORY;
use causes::{Causes, Pair};
use error::AnswersError;
use findings::Finding;
use pairing::Group;
use source::{Source, What};

pub use learn::Learned;
pub use source::Key;
pub(super) use wire::json;

/// Bytes of answers that wait in memory for their partners.
pub const MEMORY_BYTES_MAX: usize = 128 << 20;

/// What is asked for besides the runs.
pub struct Asked {
    /// What differences mean nothing.
    pub rules: Rules,
    /// Where answers go that do not fit into memory.
    pub spool: PathBuf,
}

/// What the answers say.
#[derive(Debug)]
pub struct Answers {
    /// Directories or sessions, by the numbers that samples have.
    pub runs: Vec<PathBuf>,
    /// Where the runs were sent to, by the same numbers.
    pub targets: Vec<String>,
    /// Pairs of answers across sides, and within a side.
    pub pairs: u64,
    /// Within sides.
    pub within_pairs: u64,
    /// Pairs across sides of which both bodies were there.
    pub with_bodies: u64,
    /// Pairs across sides that differ in something that no rule silenced.
    pub different: u64,
    /// Requests that were answered on one side only, in words of counts: before, after.
    pub unpaired: (u64, u64),
    /// Copies of recorded clients, which a recording has no answers for.
    pub copies: u64,
    /// Pairs with something that cannot be compared, by reason.
    pub incomparable: BTreeMap<&'static str, u64>,
    /// Causes, the most surprising first.
    pub findings: Vec<Finding>,
    /// What came of the rules.
    pub rules: Vec<RuleUse>,
    /// Rules for everything that is noise, as a file.
    pub learned: Learned,
    /// What a reader must know first.
    pub notices: Vec<String>,
}

/// Compares the answers of runs; `None` when one side has none, which a notice then says.
///
/// # Errors
/// When answers cannot be read, or do not fit into memory and cannot be put on disk.
pub fn compare(before: &[Run], after: &[Run], asked: Asked) -> Result<Result<Answers, String>, AnswersError> {
    let is_recording = before.iter().any(|run| run.recording.is_some());
    let mut sources = Vec::new();
    for run in before.iter().chain(after) {
        let source = match &run.recording {
            Some(recording) => Source::recording(recording)?,
            None => {
                let path = run.path.join(DIRECTORY);
                if !path.exists() {
                    let path = run.path.display();
                    return Ok(Err(format!("{path} kept no answers (--answers none): what they say is not compared")));
                }
                Source::open(&path, if is_recording { What::Originals } else { What::Run })?
            }
        };
        sources.push(source);
    }
    let keys: Vec<Option<String>> = sources.iter().map(|source| source.key_id.clone()).collect();
    let pairs = pairs(before.len(), after.len(), &keys);
    let templates = recording::templates(before.iter().chain(after));
    let mut causes = Causes::new(asked.rules);
    let mut unpaired = (0, 0);
    let sides = before.len();
    let paired = pairing::pair(sources, &asked.spool, MEMORY_BYTES_MAX, |key, group| {
        take(&mut causes, key, group, &pairs, &templates);
        let has = |is: fn(usize, usize) -> bool| group.iter().any(|(run, _)| is(usize::from(*run), sides));
        match (has(|run, sides| run < sides), has(|run, sides| run >= sides)) {
            (true, false) => unpaired.0 += 1,
            (false, true) => unpaired.1 += 1,
            _ => {}
        }
    })?;
    let mut notices: Vec<String> = paired.read.iter().flat_map(|read| read.notices.clone()).collect();
    if paired.twice > 0 {
        notices.push(format!("{} answers are the second ones to their requests, and are left out", paired.twice));
    }
    notices.extend(causes.rules.notices());
    let sum = |of: fn(&causes::Endpoint) -> u64| causes.endpoints.iter().map(of).sum::<u64>();
    let (across, within) = (sum(|endpoint| endpoint.across), sum(|endpoint| endpoint.within));
    let learned = learn::learn(&causes);
    let findings = findings::findings(&mut causes);
    let runs = || before.iter().chain(after);
    Ok(Ok(Answers {
        runs: runs().map(|run| run.path.clone()).collect(),
        targets: runs().map(|run| run.result.target.clone()).collect(),
        pairs: across,
        within_pairs: within,
        with_bodies: causes.with_bodies,
        different: causes.different,
        unpaired,
        copies: paired.read.iter().map(|read| read.copies).sum(),
        incomparable: causes.incomparable.iter().map(|(why, count)| (why.name(), *count)).collect(),
        findings,
        rules: causes.rules.uses(),
        learned,
        notices,
    }))
}

/// Compares all pairs of runs that have an answer to this request.
fn take(causes: &mut Causes, key: Key, group: &Group, pairs: &[Pair], templates: &Templates) {
    let Some((_, first)) = group.first() else { return };
    let name = head::request_line(first.request_head())
        .map_or_else(|| "(unknown)".to_owned(), |line| templates.endpoint(line.method, line.target));
    let endpoint = causes.endpoint(&name);
    let of = |run: u16| group.iter().find(|(number, _)| *number == run).map(|(_, answer)| answer);
    for pair in pairs {
        if let (Some(before), Some(after)) = (of(pair.runs.0), of(pair.runs.1)) {
            causes.compare(key, endpoint, *pair, before, after);
        }
    }
}

/// Each run before with one after; and within a side the first with the second, the third with the fourth, so that no run
/// is a witness more often than another.
fn pairs(before: usize, after: usize, keys: &[Option<String>]) -> Vec<Pair> {
    let across = (0..before.min(after)).map(|index| (index, before + index, true));
    let within =
        |from: usize, count: usize| (0..count / 2).map(move |index| (from + 2 * index, from + 2 * index + 1, false));
    let all = across.chain(within(0, before)).chain(within(before, after));
    all.zip(0..)
        .map(|((one, other, across), number)| {
            let key = |run: usize| keys.get(run).and_then(Option::as_ref);
            let number_of = |run: usize| u16::try_from(run).unwrap_or(u16::MAX);
            let same_key = key(one) == key(other);
            Pair { runs: (number_of(one), number_of(other)), number, across, same_key }
        })
        .collect()
}

#[cfg(test)]
mod tests;
