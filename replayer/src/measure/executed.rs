//! How far what left differs from what was due: moves between buckets of time, and the gaps between requests.
//!
//! Only requests that were dispatched count, on both sides: what was shed has its own counters. Both are streams with a
//! bounded memory, whatever the length of the run. Comparing the plan with the recording is the planner's, not here.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;
use crate::result::add_to;

/// Width of the finest bucket between which moves are counted.
const BUCKET_NS: u64 = 10_000_000;
/// Finest buckets in a second.
const BUCKETS_PER_S: usize = 100;
/// Seconds that stay open: a request later than this counts as moved once more than it may be (400 bytes each).
const OPEN_S_MAX: usize = 4_096;
/// Slots in which instants wait to be ordered, on each side (2 bytes each).
const SLOTS: usize = 1 << 22;
/// Finest resolution of gaps.
const SLOT_NS_MIN: u64 = 10_000;

/// A second in which requests left in another bucket of 10 ms than they were due in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// Which one, from due instant 0.
    pub t_s: u64,
    /// Bucket of 10 ms in it, and how many more were due than dispatched.
    pub moves: Vec<(u8, i64)>,
}

/// Sums of `|due − dispatched|` over all buckets of one width; divided by the requests it is the L1 distance, from 0
/// (the same) to 2 (disjoint).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Over buckets of 10 ms.
    pub by_10ms: u64,
    /// Over buckets of 100 ms.
    pub by_100ms: u64,
    /// Over buckets of 1 s.
    pub by_1s: u64,
}

impl Moved {
    /// Adds a whole second, given by its buckets of 10 ms.
    pub fn add(&mut self, buckets: &[i64]) {
        // Files may count anything: sums stay at the largest number.
        let sum = |some: &[i64]| some.iter().fold(0_i64, |sum, more| sum.saturating_add(*more)).unsigned_abs();
        let sums = |width: usize| buckets.chunks(width).map(sum).fold(0_u64, u64::saturating_add);
        add_to(&mut self.by_10ms, sums(1));
        add_to(&mut self.by_100ms, sums(10));
        add_to(&mut self.by_1s, sums(BUCKETS_PER_S));
    }

    /// Adds a whole second, given by its moves.
    pub fn add_moves<'a>(&mut self, moves: impl IntoIterator<Item = &'a (u8, i64)>) {
        let mut buckets = [0; BUCKETS_PER_S];
        for (bucket, more) in moves {
            if let Some(bucket) = buckets.get_mut(usize::from(*bucket)) {
                *bucket = more.saturating_add(*bucket);
            }
        }
        self.add(&buckets);
    }
}

/// Counts moves between buckets while the run goes on.
#[derive(Debug, Default)]
pub(super) struct MoveCount {
    pub(super) moved: Moved,
    /// First open second.
    first_s: u64,
    open: VecDeque<[i32; BUCKETS_PER_S]>,
    closed: Vec<Moves>,
}

impl MoveCount {
    /// Counts a request; those that left in their own bucket, as nearly all do, cost one comparison.
    pub(super) fn take(&mut self, due_ns: u64, dispatched_ns: u64) {
        let (due, dispatched) = (due_ns / BUCKET_NS, dispatched_ns / BUCKET_NS);
        if due != dispatched {
            self.put(due, 1);
            self.put(dispatched, -1);
        }
    }

    fn put(&mut self, bucket: u64, more: i32) {
        let (t_s, at) = (bucket / BUCKETS_PER_S as u64, bucket % BUCKETS_PER_S as u64);
        let at = u8::try_from(at).unwrap_or(u8::MAX);
        if t_s < self.first_s {
            let once = |sum: &mut u64| *sum += 1;
            [&mut self.moved.by_10ms, &mut self.moved.by_100ms, &mut self.moved.by_1s].into_iter().for_each(once);
            self.closed.push(Moves { t_s, moves: vec![(at, more.into())] });
            return;
        }
        while t_s - self.first_s >= OPEN_S_MAX as u64 {
            if self.open.is_empty() {
                self.first_s = t_s - (OPEN_S_MAX as u64 - 1);
            } else {
                self.close_first();
            }
        }
        let place = usize::try_from(t_s - self.first_s).unwrap_or(OPEN_S_MAX);
        while self.open.len() <= place {
            self.open.push_back([0; BUCKETS_PER_S]);
        }
        if let Some(count) = self.open.get_mut(place).and_then(|second| second.get_mut(usize::from(at))) {
            *count += more;
        }
    }

    fn close_first(&mut self) {
        let Some(second) = self.open.pop_front() else { return };
        let moves: Vec<(u8, i64)> =
            (0..).zip(second).filter(|(_, more)| *more != 0).map(|(at, more)| (at, more.into())).collect();
        if !moves.is_empty() {
            self.moved.add_moves(&moves);
            self.closed.push(Moves { t_s: self.first_s, moves });
        }
        self.first_s += 1;
    }

    /// What is final since the last call.
    pub(super) fn closed(&mut self) -> Vec<Moves> {
        std::mem::take(&mut self.closed)
    }

    /// Closes everything.
    pub(super) fn close_all(&mut self) {
        while !self.open.is_empty() {
            self.close_first();
        }
    }
}

/// Gaps between neighbouring due instants and between neighbouring dispatches, put into order over a bounded time.
#[derive(Debug)]
pub(super) struct Gaps {
    due: Line,
    dispatched: Line,
    slot_ns: u64,
    /// Requests that came too late to be put into order.
    pub(super) left_out: u64,
}

impl Gaps {
    /// For a run in which an outcome is known at most `horizon_ns` after its due instant, if all goes well.
    pub(super) fn new(horizon_ns: u64) -> Self {
        let slot_ns = horizon_ns.div_ceil(SLOTS as u64).max(SLOT_NS_MIN);
        Self { due: Line::new(), dispatched: Line::new(), slot_ns, left_out: 0 }
    }

    pub(super) fn take(&mut self, due_ns: u64, dispatched_ns: u64) {
        let (due, dispatched) = (due_ns / self.slot_ns, dispatched_ns / self.slot_ns);
        if self.due.is_open(due) && self.dispatched.is_open(dispatched) {
            self.due.put(due, self.slot_ns);
            self.dispatched.put(dispatched, self.slot_ns);
        } else {
            self.left_out += 1;
        }
    }

    /// Counts the gaps before `limit_ns`.
    pub(super) fn close(&mut self, limit_ns: u64) {
        let limit = limit_ns / self.slot_ns;
        self.due.close(limit, self.slot_ns);
        self.dispatched.close(limit, self.slot_ns);
    }

    /// Kolmogorov–Smirnov distance of the two kinds of gaps.
    pub(super) fn distance(&self) -> Option<f64> {
        self.due.gaps.distance(&self.dispatched.gaps)
    }

    /// Gaps that differ by less are the same.
    pub(super) fn resolution_ns(&self) -> u64 {
        self.slot_ns
    }
}

/// Instants on one side, counted by slot in a ring.
#[derive(Debug)]
struct Line {
    slots: Vec<u16>,
    /// First open slot.
    first: u64,
    /// The last slot that is not empty.
    end: u64,
    /// The last closed slot that was not empty.
    last: Option<u64>,
    gaps: Distribution,
}

impl Line {
    fn new() -> Self {
        Self { slots: vec![0; SLOTS], first: 0, end: 0, last: None, gaps: Distribution::new() }
    }

    fn is_open(&self, slot: u64) -> bool {
        slot >= self.first
    }

    fn at(&mut self, slot: u64) -> Option<&mut u16> {
        self.slots.get_mut(usize::try_from(slot % SLOTS as u64).unwrap_or(0))
    }

    fn put(&mut self, slot: u64, slot_ns: u64) {
        if slot - self.first >= SLOTS as u64 {
            self.close(slot - (SLOTS as u64 - 1), slot_ns);
        }
        self.end = self.end.max(slot);
        if let Some(count) = self.at(slot) {
            *count = count.saturating_add(1);
        }
    }

    fn close(&mut self, limit: u64, slot_ns: u64) {
        // Beyond the last instant all slots are empty.
        for slot in self.first..limit.min(self.end.saturating_add(1)) {
            let count = self.at(slot).map_or(0, std::mem::take);
            if count == 0 {
                continue;
            }
            if let Some(last) = self.last {
                self.gaps.record((slot - last) * slot_ns);
            }
            self.gaps.record_n(0, u32::from(count) - 1);
            self.last = Some(slot);
        }
        self.first = self.first.max(limit);
    }
}
