//! Several sessions as one, in the order in which things were over.
//!
//! The format asks for no order, but recorders write exchanges as they are completed, and what reads sessions counts the
//! pauses of clients in the order of the file. So the session whose next item was over first is read on: every session's
//! own order stays, nothing is sorted, and one block of each is in memory. A session that is out of order itself makes the
//! result as much out of order, and no more than that.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use formats::model::{Gap, GapReason};
use formats::session::Session;

use super::input::{Input, Item};
use crate::outcome::Failure;
use crate::read::Problems;

/// Different gaps that are remembered, so that parts of one session do not declare them twice. What comes after so many
/// may be declared twice: too much loss is said then, never too little.
const GAPS_MAX: usize = 65_536;

/// The items of all sessions.
pub(super) struct Merge {
    inputs: Vec<One>,
    /// The inputs by the instant of their next item; of equal ones the first given comes first.
    order: BinaryHeap<Reverse<(u64, usize)>>,
    same: SameGaps,
}

struct One {
    input: Input,
    next: Option<Item>,
    /// Which number space its connections have.
    space: u64,
}

/// An item, and the number space of its connections.
pub(super) struct Merged {
    pub(super) item: Item,
    pub(super) space: u64,
}

impl Merge {
    /// `sessions` with what their instants are moved by, and the number space of their connections.
    pub(super) fn new<'a>(
        sessions: impl Iterator<Item = (&'a Session, u64, u64)>,
        problems: &mut Problems,
    ) -> Result<Self, Failure> {
        let (mut inputs, mut order) = (Vec::new(), BinaryHeap::new());
        for (number, (session, move_ns, space)) in sessions.enumerate() {
            let mut input = Input::new(session, move_ns);
            let next = input.next(problems)?;
            order.extend(next.as_ref().map(|item| Reverse((item.last_ns(), number))));
            inputs.push(One { input, next, space });
        }
        let spaces: Vec<u64> = inputs.iter().map(|one| one.space).collect();
        Ok(Self { inputs, order, same: SameGaps::new(&spaces) })
    }

    pub(super) fn next(&mut self, problems: &mut Problems) -> Result<Option<Merged>, Failure> {
        while let Some(Reverse((_, number))) = self.order.pop() {
            let Some(one) = self.inputs.get_mut(number) else { continue };
            let item = std::mem::replace(&mut one.next, one.input.next(problems)?);
            self.order.extend(one.next.as_ref().map(|item| Reverse((item.last_ns(), number))));
            let space = one.space;
            match item {
                Some(Item::Gap(gap)) if self.same.was_declared(number, space, &gap) => {}
                Some(item) => return Ok(Some(Merged { item, space })),
                None => {}
            }
        }
        Ok(None)
    }
}

/// Gaps that several parts of one session declare: as often as the part that declares them most.
struct SameGaps {
    /// Whether there are parts of one session at all.
    is_needed: bool,
    seen: HashMap<Key, Seen>,
}

type Key = (u64, GapReason, [u64; 5]);

#[derive(Default)]
struct Seen {
    /// How often each input declared it.
    by_input: HashMap<usize, u64>,
    given: u64,
}

impl SameGaps {
    fn new(spaces: &[u64]) -> Self {
        let mut sorted = spaces.to_vec();
        sorted.sort_unstable();
        Self { is_needed: sorted.windows(2).any(|pair| matches!(pair, [a, b] if a == b)), seen: HashMap::new() }
    }

    fn was_declared(&mut self, input: usize, space: u64, gap: &Gap) -> bool {
        if !self.is_needed {
            return false;
        }
        let Gap { reason, from_ns, to_ns, connections, exchanges, bytes } = *gap;
        let key = (space, reason, [from_ns, to_ns, connections, exchanges, bytes]);
        if self.seen.len() >= GAPS_MAX && !self.seen.contains_key(&key) {
            return false;
        }
        let seen = self.seen.entry(key).or_default();
        let count = seen.by_input.entry(input).or_default();
        *count += 1;
        let is_known = *count <= seen.given;
        seen.given = seen.given.max(*count);
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_session_declare_a_gap_as_often_as_one_of_them_does() {
        let gap = Gap { reason: GapReason::QueueFull, from_ns: 1, to_ns: 2, connections: 0, exchanges: 0, bytes: 9 };
        let count = |spaces: &[u64], declared: &[usize]| {
            let mut same = SameGaps::new(spaces);
            declared.iter().filter(|input| !same.was_declared(**input, spaces[**input], &gap)).count()
        };
        assert_eq!(count(&[0, 0], &[0, 1]), 1);
        assert_eq!(count(&[0, 0], &[0, 1, 1, 1, 0]), 3);
        assert_eq!(count(&[0, 1], &[0, 1]), 2);
        assert_eq!(count(&[0], &[0, 0]), 2);
        assert_eq!(count(&[0, 1, 0], &[0, 1, 2]), 2);
    }
}
