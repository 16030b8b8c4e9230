//! The span budget (`--span-budget N/s`): which traces are sampled at the head, and which spans are kept at their end.
//!
//! Four fifths go to whole traces that are drawn before they are sent, so that the flag on the wire is honest. One fifth
//! is held back for what is known only at the end: errors and the slowest, of the requests that the budget left out at
//! the head. Pure: instants are arguments, nothing here exports.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::str::FromStr;

use foldhash::{HashMap, HashMapExt};

#[cfg(test)]
mod tests;

const SECOND_NS: u64 = 1_000_000_000;
/// What one span costs in units of credit: each nanosecond brings as many units as the budget has spans a second.
const SPAN_UNITS: i64 = 1_000_000_000;
/// The largest budget: a tenth of it is the credit that can be saved, in units that must fit into 63 bits.
const PER_SECOND_MAX: u64 = 1_000_000;
/// The longest time for which credit is saved.
const SAVED_NS: u64 = 100_000_000;
/// More than the budget is drawn, five for four, and what is too much is cut by the credit: bursts would else leave a
/// part of the budget unused.
const DRAWN: (u64, u64) = (5, 4);
/// All shares are of this: a trace is drawn by the 56 random bits at the end of its id.
const WHOLE: u64 = 1 << 56;
/// Traces of several requests whose decision is remembered, so that they are sampled whole or not at all.
const TRACES_MAX: usize = 65_536;
/// Requests of one second that wait for its end, as its slowest so far.
const SLOWEST_MAX: u64 = 1_024;

/// Client spans a second, as in `200/s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanBudget {
    per_second: u64,
}

impl std::fmt::Display for SpanBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/s", self.per_second)
    }
}

impl SpanBudget {
    /// The part that is held back for errors and the slowest: a fifth, at least one span unless there is only one.
    #[must_use]
    pub fn held_back(self) -> u64 {
        if self.per_second < 2 { 0 } else { (self.per_second / 5).max(1) }
    }

    /// The part that is decided at the head.
    #[must_use]
    pub fn at_the_head(self) -> u64 {
        self.per_second - self.held_back()
    }
}

impl FromStr for SpanBudget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/s").and_then(|number| number.parse::<u64>().ok());
        match number {
            Some(0) => Err(format!("`{text}` leaves no span at all; for none, say --trace-sample 0")),
            Some(per_second) if per_second <= PER_SECOND_MAX => Ok(Self { per_second }),
            Some(_) => Err(format!("`{text}` is more than {PER_SECOND_MAX} spans a second; leave --span-budget out")),
            None => Err(format!("`{text}` is no number of spans a second; write it as in 200/s")),
        }
    }
}

/// Decides which traces are sampled, in the order of due instants.
///
/// In each second a trace is drawn with probability `min(1, 5/4 · budget / requests of the second before)`, by the random
/// bits of its id, and a bucket of credit cuts what would go over the budget.
pub struct HeadBudget {
    per_second: u64,
    credit: i64,
    at_ns: u64,
    second: u64,
    /// Requests seen in that second.
    seen: u64,
    /// Of [`WHOLE`].
    share: u64,
    remembered: HashMap<[u8; 16], bool>,
    oldest: VecDeque<[u8; 16]>,
    traces_max: usize,
}

impl HeadBudget {
    /// Nothing was spent yet.
    #[must_use]
    pub fn new(budget: SpanBudget) -> Self {
        let mut head = Self {
            per_second: budget.at_the_head(),
            credit: 0,
            at_ns: 0,
            second: 0,
            seen: 0,
            share: WHOLE,
            remembered: HashMap::new(),
            oldest: VecDeque::new(),
            traces_max: TRACES_MAX,
        };
        head.credit = head.saved_max();
        head
    }

    /// Whether the request that is due at `at_ns` is sampled. `is_shared`: other requests may have the same trace; then
    /// the first of them decides for all, and those after it may overdraw the budget of one second.
    pub fn admits(&mut self, at_ns: u64, trace_id: &[u8; 16], is_shared: bool) -> bool {
        self.pass(at_ns);
        self.seen += 1;
        let known = if is_shared { self.remembered.get(trace_id).copied() } else { None };
        let admits = match known {
            Some(first) => first && self.credit > -signed(self.per_second).saturating_mul(SPAN_UNITS),
            None => random_bits(trace_id) < self.share && self.credit >= SPAN_UNITS,
        };
        if admits {
            self.credit -= SPAN_UNITS;
        }
        if is_shared && known.is_none() {
            self.remember(*trace_id, admits);
        }
        admits
    }

    fn pass(&mut self, at_ns: u64) {
        let passed = at_ns.saturating_sub(self.at_ns);
        self.at_ns = self.at_ns.max(at_ns);
        let earned = signed(passed.min(SECOND_NS).saturating_mul(self.per_second));
        // Longer than a second brings no more: a second pays back every debt.
        self.credit = self.credit.saturating_add(earned).min(self.saved_max());
        let second = self.at_ns / SECOND_NS;
        if second > self.second {
            // A second without requests says nothing about the rate of the next one but that it is low.
            let seen = if second == self.second + 1 { self.seen } else { 0 };
            self.share = share(self.per_second, seen);
            (self.second, self.seen) = (second, 0);
        }
    }

    /// A tenth of a second, and at least one span.
    fn saved_max(&self) -> i64 {
        signed(self.per_second.saturating_mul(SAVED_NS)).max(SPAN_UNITS)
    }

    fn remember(&mut self, trace_id: [u8; 16], admits: bool) {
        if self.oldest.len() >= self.traces_max
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.remembered.remove(&oldest);
        }
        self.oldest.push_back(trace_id);
        self.remembered.insert(trace_id, admits);
    }
}

/// `5/4 · per_second / seen` of [`WHOLE`], at most all of it.
fn share(per_second: u64, seen: u64) -> u64 {
    let (numerator, denominator) = DRAWN;
    let drawn = u128::from(WHOLE) * u128::from(per_second) * u128::from(numerator);
    let share = drawn.checked_div(u128::from(seen) * u128::from(denominator));
    share.and_then(|share| u64::try_from(share).ok()).unwrap_or(WHOLE).min(WHOLE)
}

fn random_bits(trace_id: &[u8; 16]) -> u64 {
    let [.., a, b, c, d, e, f, g] = *trace_id;
    u64::from_be_bytes([0, a, b, c, d, e, f, g])
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Why something was kept at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    AsError,
    AsSlow,
}

/// Decides what is kept of what was left out at the head.
///
/// Of each second, by the instants at which requests ended, errors are kept at once, up to half of what is held back
/// (rounded up); the rest of it goes to the slowest, which are known when the second is over. Errors beyond their half
/// take part in that.
pub(super) struct TailBudget<T> {
    held_back: u64,
    second: u64,
    errors_kept: u64,
    /// The fastest of the slowest on top.
    slowest: BinaryHeap<Reverse<Slow<T>>>,
    offered: u64,
}

/// One that is among the slowest so far.
struct Slow<T> {
    duration_ns: u64,
    /// In the order in which they came; of equals the first stays.
    number: Reverse<u64>,
    item: T,
}

/// What is done with each: kept, or left out for good.
pub(super) enum Fate<T> {
    Kept(Kept, T),
    LeftOut(T),
}

impl<T> TailBudget<T> {
    pub(super) fn new(held_back: u64) -> Self {
        Self { held_back, second: 0, errors_kept: 0, slowest: BinaryHeap::new(), offered: 0 }
    }

    /// Takes one that ended at `ended_ns` and tells the fate of it or of earlier ones.
    pub(super) fn offer(
        &mut self,
        ended_ns: u64,
        duration_ns: u64,
        is_error: bool,
        item: T,
        fate: &mut impl FnMut(Fate<T>),
    ) {
        let second = ended_ns / SECOND_NS;
        if second > self.second {
            self.close(fate);
            self.second = second;
        }
        if is_error && self.errors_kept < self.held_back.div_ceil(2) {
            self.errors_kept += 1;
            fate(Fate::Kept(Kept::AsError, item));
        } else {
            self.offered += 1;
            self.slowest.push(Reverse(Slow { duration_ns, number: Reverse(self.offered), item }));
        }
        self.shrink(fate);
    }

    /// Ends the second: the slowest of it are kept.
    pub(super) fn close(&mut self, fate: &mut impl FnMut(Fate<T>)) {
        self.shrink(fate);
        for Reverse(slow) in self.slowest.drain() {
            fate(Fate::Kept(Kept::AsSlow, slow.item));
        }
        self.errors_kept = 0;
    }

    fn shrink(&mut self, fate: &mut impl FnMut(Fate<T>)) {
        let most = self.held_back.saturating_sub(self.errors_kept).min(SLOWEST_MAX);
        while self.slowest.len() as u64 > most
            && let Some(Reverse(fastest)) = self.slowest.pop()
        {
            fate(Fate::LeftOut(fastest.item));
        }
    }
}

impl<T> Slow<T> {
    const fn key(&self) -> (u64, Reverse<u64>) {
        (self.duration_ns, self.number)
    }
}

impl<T> Ord for Slow<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> PartialOrd for Slow<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Slow<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Slow<T> {}
