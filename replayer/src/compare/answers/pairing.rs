//! Answers to the same request, put together from all runs.
//!
//! All sessions are read in step, each in the order in which its requests ended. So partners come near each other, and what
//! waits for its own is little; what is more than memory is meant for goes to disk in parts, and is put together at the end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use super::error::AnswersError;
use super::source::{Batch, Key, Read, Reader, Source};
use super::spill::Spill;
use crate::differ::Answer;

/// The answers of the runs to one request, each with the number of its run.
pub(super) type Group = Vec<(u16, Answer)>;

/// What became of pairing.
#[derive(Debug, Default)]
pub(super) struct Paired {
    /// By run, in the order of the sources.
    pub(super) read: Vec<Read>,
    /// Answers that went to disk.
    pub(super) spilled: u64,
    /// Answers to a request that this run had answered before.
    pub(super) twice: u64,
}

/// What waits for its partners.
struct Waiting {
    runs: usize,
    groups: HashMap<Key, Group, foldhash::fast::FixedState>,
    bytes: usize,
    /// Memory of groups that are done.
    spare: Vec<Group>,
    twice: u64,
}

impl Waiting {
    /// Adds an answer; when it was the last of its request, gives them all.
    fn add(&mut self, key: Key, run: u16, answer: Answer) -> Option<Group> {
        let (runs, spare) = (self.runs, &mut self.spare);
        let group = self.groups.entry(key).or_insert_with(|| spare.pop().unwrap_or_else(|| Vec::with_capacity(runs)));
        if group.iter().any(|(known, _)| *known == run) {
            self.twice += 1;
            return None;
        }
        self.bytes += answer.size();
        group.push((run, answer));
        if group.len() < self.runs { None } else { self.remove(key) }
    }

    fn remove(&mut self, key: Key) -> Option<Group> {
        let group = self.groups.remove(&key)?;
        self.bytes -= group.iter().map(|(_, answer)| answer.size()).sum::<usize>();
        Some(group)
    }

    fn reuse(&mut self, mut group: Group) {
        group.clear();
        if self.spare.len() < 1_024 {
            self.spare.push(group);
        }
    }

    fn take_all(&mut self) -> impl Iterator<Item = (Key, Group)> {
        self.bytes = 0;
        std::mem::take(&mut self.groups).into_iter()
    }
}

/// Reads all sources and hands each request's answers to `take`, in any order; of some runs there may be none.
pub(super) fn pair(
    sources: Vec<Source>,
    spool: &Path,
    memory_bytes_max: usize,
    mut take: impl FnMut(Key, &Group),
) -> Result<Paired, AnswersError> {
    let io = |source| AnswersError::Io { doing: "put answers aside on disk", source };
    let totals: Vec<Option<u64>> = sources.iter().map(|source| source.total).collect();
    let most = totals.iter().flatten().max().copied().unwrap_or(1);
    let mut inputs = sources
        .into_iter()
        .zip(totals)
        .map(|(source, total)| {
            Ok(Input { reader: source.start()?, read: 0, total: total.unwrap_or(most), is_over: false })
        })
        .collect::<Result<Vec<_>, AnswersError>>()?;
    let mut waiting = Waiting { runs: inputs.len(), groups: HashMap::default(), bytes: 0, spare: Vec::new(), twice: 0 };
    let mut spill: Option<Spill> = None;
    while let Some((run, batch)) = next(&mut inputs) {
        for (key, answer) in batch {
            if let Some(group) = waiting.add(key, run, answer) {
                take(key, &group);
                waiting.reuse(group);
            }
        }
        if waiting.bytes > memory_bytes_max {
            let spill = match &mut spill {
                Some(spill) => spill,
                None => spill.insert(Spill::create(spool).map_err(io)?),
            };
            put_aside(&mut waiting, spill).map_err(io)?;
        }
    }
    let read = inputs.into_iter().map(|input| input.reader.finish()).collect::<Result<_, _>>()?;
    let mut paired = Paired { read, ..Paired::default() };
    match spill {
        None => waiting.take_all().for_each(|(key, group)| take(key, &group)),
        Some(mut spill) => {
            // A partner of what waits may be there already.
            put_aside(&mut waiting, &mut spill).map_err(io)?;
            paired.spilled = spill.answers;
            let shared = RefCell::new((&mut waiting, &mut take));
            let give = |key, run, answer| {
                let (waiting, take) = &mut *shared.borrow_mut();
                if let Some(group) = waiting.add(key, run, answer) {
                    take(key, &group);
                    waiting.reuse(group);
                }
                Ok::<(), std::io::Error>(())
            };
            let end_of_go = || {
                let (waiting, take) = &mut *shared.borrow_mut();
                waiting.take_all().for_each(|(key, group)| take(key, &group));
                Ok(())
            };
            spill.drain(memory_bytes_max as u64, give, end_of_go).map_err(io)?;
        }
    }
    paired.twice = waiting.twice;
    Ok(paired)
}

fn put_aside(waiting: &mut Waiting, spill: &mut Spill) -> std::io::Result<()> {
    for (key, group) in waiting.take_all() {
        for (run, answer) in &group {
            spill.put(key, *run, answer)?;
        }
    }
    Ok(())
}

struct Input {
    reader: Reader,
    read: u64,
    total: u64,
    is_over: bool,
}

/// The next batch of the run that is furthest behind, as a part of all that it has.
fn next(inputs: &mut [Input]) -> Option<(u16, Batch)> {
    loop {
        let behind = |(_, input): &(usize, &mut Input)| {
            u128::from(input.read).saturating_mul(1 << 32) / u128::from(input.total.max(1))
        };
        let (run, input) = inputs.iter_mut().enumerate().filter(|(_, input)| !input.is_over).min_by_key(behind)?;
        match input.reader.batches.recv() {
            Ok(batch) => {
                input.read += batch.len() as u64;
                return Some((u16::try_from(run).unwrap_or(u16::MAX), batch));
            }
            Err(_) => input.is_over = true,
        }
    }
}
