//! What requests of a life wait for before they may look for a connection: earlier answers, pauses, and, at the highest
//! pace, the requests before them. No clock, no socket: instants come in as arguments.
//!
//! In open loop at the recorded pace nothing of this is touched.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use foldhash::{HashMap, HashMapExt};

use super::{LoopModel, Pace};
use crate::job::{After, Job};

/// When a request may leave is not known: it waits for an answer.
const UNKNOWN: u64 = u64::MAX;

/// The lives of which something is under way or waits.
pub(super) struct Lives {
    model: LoopModel,
    in_order: bool,
    start_ns: u64,
    lives: HashMap<u64, Life>,
    /// Lives by the instant of the run after which no request of them comes.
    ends: BinaryHeap<Reverse<(u64, u64)>>,
    /// Lives by the instant at which one of their requests may leave.
    timers: BinaryHeap<Reverse<(u64, u64)>>,
    /// Lives whose first waiting request may leave now (at the highest pace).
    ready: VecDeque<u64>,
    parked: usize,
    /// In closed loop: slots of requests whose release became known, and when that is.
    releases: Vec<(u64, u64)>,
}

#[derive(Default)]
struct Life {
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
    /// Numbers of requests that came and whose answers may be waited for.
    unended: VecDeque<u32>,
    /// Answers that ended and may still be waited for.
    ends: Vec<End>,
    /// Answers that ended earlier than this in the recording are waited for by nobody any more.
    floor_ns: u64,
    /// No request of it comes any more.
    over: bool,
    is_ready: bool,
    /// At the highest pace: this request was given out and waits for a connection; later ones must not overtake it.
    blocked_by: Option<u32>,
}

struct Waiting {
    job: Box<Job>,
    /// On the clock; [`UNKNOWN`] while its answer is missing.
    release_ns: u64,
}

#[derive(Clone, Copy)]
struct End {
    number: u32,
    recorded_ns: u64,
    at_ns: u64,
}

impl Lives {
    /// For a run whose due instant 0 is at `start_ns`.
    pub(super) fn new(model: LoopModel, pace: Pace, start_ns: u64) -> Self {
        Self {
            model,
            in_order: pace == Pace::Max,
            start_ns,
            lives: HashMap::new(),
            ends: BinaryHeap::new(),
            timers: BinaryHeap::new(),
            ready: VecDeque::new(),
            parked: 0,
            releases: Vec::new(),
        }
    }

    /// Requests that wait here.
    pub(super) fn parked(&self) -> usize {
        self.parked
    }

    /// Takes a request up; gives it back when it may leave now.
    pub(super) fn arrive(&mut self, mut job: Box<Job>, now: u64) -> Option<Box<Job>> {
        if self.model == LoopModel::Open {
            job.progress.released_ns = job.due_ns;
            if !self.in_order {
                return Some(job);
            }
            let Some(life) = self.lives.get_mut(&job.life) else { return Some(job) };
            life.waiting.push_back(Waiting { job, release_ns: 0 });
            self.parked += 1;
            return None;
        }
        let (model, base) = (self.model, self.base(&job));
        let id = job.life;
        let ends_ns = job.life_ends_ns;
        let life = self.lives.entry(id).or_insert_with(|| {
            self.ends.push(Reverse((ends_ns, id)));
            Life::default()
        });
        let release_ns = life.take_up(&mut job, model, base);
        if release_ns <= now && (!self.in_order || life.waiting.is_empty() && life.blocked_by.is_none()) {
            job.progress.released_ns = release_ns.saturating_sub(self.start_ns);
            self.forget(id);
            return Some(job);
        }
        let slot = job.slot;
        life.waiting.push_back(Waiting { job, release_ns });
        self.parked += 1;
        if release_ns != UNKNOWN && (!self.in_order || life.waiting.len() == 1) {
            self.timers.push(Reverse((release_ns, id)));
            self.note_release(slot, release_ns);
        }
        None
    }

    fn note_release(&mut self, slot: u64, release_ns: u64) {
        if self.model == LoopModel::Closed && !self.in_order {
            self.releases.push((slot, release_ns));
        }
    }

    /// A slot one of whose requests will leave at an instant that became known since this was asked last. Only in closed loop
    /// due instants do not say so before.
    #[inline]
    pub(super) fn next_release(&mut self) -> Option<(u64, u64)> {
        self.releases.pop()
    }

    /// Requests come in the order of due instants, and none that is due before `due_ns` (of the run) comes any more:
    /// lives that have ended by then need not be remembered.
    pub(super) fn pass(&mut self, due_ns: u64) {
        while let Some(Reverse((ends_ns, id))) = self.ends.peek().copied()
            && ends_ns < due_ns
        {
            self.ends.pop();
            if let Some(life) = self.lives.get_mut(&id) {
                life.over = true;
            }
            self.forget(id);
        }
    }

    /// The earliest instant at which the loop model lets a request go by its due instant alone.
    fn base(&self, job: &Job) -> u64 {
        if self.in_order { 0 } else { self.start_ns.saturating_add(job.due_ns) }
    }

    /// Takes back a request that was given out but whose slot is not free; it is the first of its life.
    pub(super) fn put_back(&mut self, job: Box<Job>) {
        let id = job.life;
        self.lives.entry(id).or_insert_with(Life::ended).waiting.push_front(Waiting { job, release_ns: 0 });
        self.parked += 1;
    }

    /// A request has ended, in whichever way: what waits for its answer, or for its slot, may go on.
    #[inline]
    pub(super) fn ended(&mut self, job: &Job, now: u64) {
        if self.in_order || self.model != LoopModel::Open {
            self.end(job, now);
        }
    }

    fn end(&mut self, job: &Job, now: u64) {
        let id = job.life;
        let Some(life) = self.lives.get_mut(&id) else { return };
        if let Some(at) = life.unended.iter().position(|number| *number == job.number) {
            life.unended.remove(at);
            if job.recorded_end_ns >= life.floor_ns {
                life.ends.push(End { number: job.number, recorded_ns: job.recorded_end_ns, at_ns: now });
            }
            let waits_for_later =
                |after: Option<After>| after.is_some_and(|after| after.recorded_end_ns > job.recorded_end_ns);
            // Thousands may wait, and those behind wait for answers that ended later.
            let here = life.waiting.iter_mut().take_while(|waiting| !waits_for_later(waiting.job.after));
            for waiting in here.filter(|waiting| waiting.release_ns == UNKNOWN) {
                let Some(after) = waiting.job.after.filter(|after| after.number == job.number) else { continue };
                let base = if self.in_order { 0 } else { self.start_ns.saturating_add(waiting.job.due_ns) };
                waiting.release_ns = released(&mut waiting.job, self.model, after, base, now);
                if !self.in_order {
                    self.timers.push(Reverse((waiting.release_ns, id)));
                    if self.model == LoopModel::Closed {
                        // Not by `note_release`: the life is borrowed.
                        self.releases.push((waiting.job.slot, waiting.release_ns));
                    }
                }
            }
        }
        if life.blocked_by == Some(job.number) {
            life.blocked_by = None;
        }
        if self.in_order {
            self.poke(id, now);
        }
        self.forget(id);
    }

    /// At the highest pace: a request that was given out waits for a connection.
    pub(super) fn block(&mut self, life: u64, number: u32) {
        if self.in_order {
            self.lives.entry(life).or_insert_with(Life::ended).blocked_by = Some(number);
        }
    }

    /// It has its connection.
    pub(super) fn unblock(&mut self, job: &Job, now: u64) {
        if self.in_order
            && let Some(life) = self.lives.get_mut(&job.life)
        {
            life.blocked_by = None;
            self.poke(job.life, now);
            self.forget(job.life);
        }
    }

    /// At the highest pace: the first waiting request of a life is to be looked at, now or when it is released.
    pub(super) fn poke(&mut self, id: u64, now: u64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let Some(first) = life.waiting.front().filter(|_| life.blocked_by.is_none()) else { return };
        if first.release_ns > now {
            if first.release_ns != UNKNOWN {
                self.timers.push(Reverse((first.release_ns, id)));
            }
        } else if !life.is_ready {
            life.is_ready = true;
            self.ready.push_back(id);
        }
    }

    /// When [`Self::next`] has something.
    #[inline]
    pub(super) fn next_ns(&self) -> Option<u64> {
        if self.ready.is_empty() { self.timers.peek().map(|timer| timer.0.0) } else { Some(0) }
    }

    /// A request that may leave now.
    pub(super) fn next(&mut self, now: u64) -> Option<Box<Job>> {
        loop {
            let id = match self.ready.pop_front() {
                Some(id) => id,
                None if self.timers.peek()?.0.0 <= now => self.timers.pop()?.0.1,
                None => return None,
            };
            let Some(life) = self.lives.get_mut(&id) else { continue };
            life.is_ready = false;
            let at = match life.waiting.iter().position(|waiting| waiting.release_ns <= now) {
                Some(0) if life.blocked_by.is_none() => 0,
                Some(at) if !self.in_order => at,
                _ => continue,
            };
            let Some(Waiting { mut job, release_ns }) = life.waiting.remove(at) else { continue };
            self.parked -= 1;
            job.progress.released_ns = release_ns.saturating_sub(self.start_ns);
            self.forget(id);
            return Some(job);
        }
    }

    /// Takes out everything that waits.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Box<Job>> + use<> {
        self.parked = 0;
        self.timers.clear();
        self.ready.clear();
        self.releases.clear();
        self.ends.clear();
        let lives = std::mem::take(&mut self.lives);
        lives.into_values().flat_map(|life| life.waiting.into_iter().map(|waiting| waiting.job))
    }

    /// Drops a life of which nothing is under way or waits, once no later request of it comes.
    fn forget(&mut self, id: u64) {
        let model = self.model;
        let done = |life: &Life| {
            let idle = life.waiting.is_empty() && life.unended.is_empty() && life.blocked_by.is_none();
            idle && (model == LoopModel::Open || life.over)
        };
        if self.lives.get(&id).is_some_and(done) {
            self.lives.remove(&id);
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.lives.len(), self.lives.values().map(|life| life.ends.len()).sum())
    }
}

impl Life {
    /// One that was forgotten and of which a request is back: in the models that wait no other comes.
    fn ended() -> Self {
        Self { over: true, ..Self::default() }
    }

    /// Notes a request down, forgets what nobody waits for any more, and says when it may leave.
    fn take_up(&mut self, job: &mut Job, model: LoopModel, base: u64) -> u64 {
        let mut release_ns = base;
        if let Some(after) = job.after {
            if after.recorded_end_ns > self.floor_ns {
                self.floor_ns = after.recorded_end_ns;
                self.ends.retain(|end| end.recorded_ns >= after.recorded_end_ns);
            }
            // One that never came (it was left out of the plan) is waited for by nobody.
            if let Some(end) = self.ends.iter().find(|end| end.number == after.number) {
                release_ns = released(job, model, after, base, end.at_ns);
            } else if self.unended.iter().rev().any(|number| *number == after.number) {
                release_ns = UNKNOWN;
            }
        }
        if job.recorded_end_ns != u64::MAX {
            self.unended.push_back(job.number);
        }
        release_ns
    }
}

/// When a request may leave whose answer ended at `end_ns`; notes down if that answer is what it was held for.
fn released(job: &mut Job, model: LoopModel, after: After, base: u64, end_ns: u64) -> u64 {
    let at = match model {
        LoopModel::Open => return base,
        LoopModel::Causal { think_min_ns } => end_ns.saturating_add(after.pause_ns.min(think_min_ns)),
        LoopModel::Closed => end_ns.saturating_add(after.pause_ns),
    }
    // The last instant of all means unknown.
    .min(UNKNOWN - 1);
    if model == LoopModel::Closed || at > base {
        job.progress.held_by_seq = Some(after.seq);
        at
    } else {
        base
    }
}

#[cfg(test)]
pub(crate) mod tests;
