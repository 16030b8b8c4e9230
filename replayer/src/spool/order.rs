//! Exchanges put into the order of their starts.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::choose::Chosen;

/// Exchanges stand in a session in the order in which they ended; so many of them are put into the order of their starts.
const EXCHANGES_MAX: usize = 4_096;
/// … or so many bytes.
const BYTES_MAX: usize = 32 << 20;

/// Exchanges that wait for those that started before them.
#[derive(Default)]
pub(super) struct Starts {
    waiting: BinaryHeap<Reverse<Waiting>>,
    bytes: usize,
}

/// The order stands here, too: what is compared is not looked for elsewhere.
struct Waiting {
    at_ns: u64,
    number: u64,
    chosen: Box<Chosen>,
}

impl Starts {
    pub(super) fn push(&mut self, chosen: Box<Chosen>) {
        self.bytes += chosen.bytes();
        self.waiting.push(Reverse(Waiting { at_ns: chosen.at_ns, number: chosen.number, chosen }));
    }

    /// The earliest one, if there are as many as may wait.
    pub(super) fn pop_if_full(&mut self) -> Option<Box<Chosen>> {
        let is_full = self.waiting.len() > EXCHANGES_MAX || self.bytes > BYTES_MAX;
        if is_full { self.pop() } else { None }
    }

    /// The earliest one.
    pub(super) fn pop(&mut self) -> Option<Box<Chosen>> {
        let Reverse(Waiting { chosen, .. }) = self.waiting.pop()?;
        self.bytes = self.bytes.saturating_sub(chosen.bytes());
        Some(chosen)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ns, self.number).cmp(&(other.at_ns, other.number))
    }
}
