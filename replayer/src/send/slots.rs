//! Who may use which connection, and when one is opened ahead of need.
//!
//! A slot is one (client, copy, recorded connection): its requests share connections with nobody else.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// How long before its first request a connection is opened.
const OPEN_AHEAD_NS: u64 = 500_000_000;
/// A connection that should have been opened this long ago is opened even when there is no room.
const OPEN_OVERDUE_NS: u64 = 100_000_000;

/// All slots of a run.
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// Slots by the instant at which their first connection is to be opened.
    opens: VecDeque<(u64, u32)>,
    /// The same for slots that were left without one.
    reopens: BinaryHeap<Reverse<(u64, u32)>>,
}

#[derive(Default, Clone)]
struct Slot {
    idle: Vec<u32>,
    /// Opened ahead of need and not connected yet.
    ahead: Option<u32>,
    /// All connections, whatever they do.
    open: u32,
    /// Requests that are still to come.
    remaining: u32,
    next_due_ns: Option<u64>,
}

impl Slots {
    /// From each slot's first due instant (after `start_ns`) and the number of its requests.
    pub(super) fn new(slots: &[(u64, u32)], start_ns: u64) -> Self {
        let open_at = |first: &u64| (start_ns + first).saturating_sub(OPEN_AHEAD_NS);
        let mut opens: Vec<(u64, u32)> =
            slots.iter().zip(0..).map(|((first, _), slot)| (open_at(first), slot)).collect();
        opens.sort_unstable();
        let slots = slots.iter().map(|(_, count)| Slot { remaining: *count, ..Slot::default() }).collect();
        Self { slots, opens: opens.into(), reopens: BinaryHeap::new() }
    }

    /// One of the slot's requests has come; the next one will at `next_due_ns`.
    pub(super) fn request(&mut self, slot: u32, next_due_ns: Option<u64>) {
        if let Some(state) = self.get(slot) {
            state.remaining = state.remaining.saturating_sub(1);
            state.next_due_ns = next_due_ns;
        }
    }

    /// A connection that is free, connected or not; without one, whether that is because all are busy.
    pub(super) fn take(&mut self, slot: u32) -> (Option<u32>, bool) {
        let Some(state) = self.get(slot) else { return (None, false) };
        let free = state.idle.pop().or_else(|| state.ahead.take());
        (free, free.is_none() && state.open > 0)
    }

    /// A connection of the slot was opened, perhaps ahead of need.
    pub(super) fn opened(&mut self, slot: u32, connection: u32, ahead: bool) {
        if let Some(state) = self.get(slot) {
            state.open += 1;
            if ahead {
                state.ahead = Some(connection);
            }
        }
    }

    /// A connection that was opened ahead of need is there.
    pub(super) fn connected(&mut self, slot: u32, connection: u32) {
        if let Some(state) = self.get(slot) {
            state.ahead = None;
            state.idle.push(connection);
        }
    }

    /// A connection is free again; false when the slot has no more requests for it.
    pub(super) fn release(&mut self, slot: u32, connection: u32) -> bool {
        let Some(state) = self.get(slot).filter(|state| state.remaining > 0) else { return false };
        state.idle.push(connection);
        true
    }

    /// A connection is gone; a slot that is left without one gets another ahead of its next request.
    pub(super) fn closed(&mut self, slot: u32, connection: u32) {
        let Some(state) = self.get(slot) else { return };
        state.open = state.open.saturating_sub(1);
        state.idle.retain(|idle| *idle != connection);
        if state.ahead == Some(connection) {
            state.ahead = None;
        }
        if let Some(due) = state.next_due_ns.filter(|_| state.open == 0 && state.remaining > 0) {
            self.reopens.push(Reverse((due.saturating_sub(OPEN_AHEAD_NS), slot)));
        }
    }

    /// An idle connection of a slot that has no more requests.
    pub(super) fn useless(&mut self, slot: u32) -> Option<u32> {
        self.get(slot).filter(|state| state.remaining == 0).and_then(|state| state.idle.pop())
    }

    /// When the next connection is to be opened ahead of need.
    pub(super) fn next_open_ns(&self) -> Option<u64> {
        [self.opens.front(), self.reopens.peek().map(|open| &open.0)].into_iter().flatten().map(|open| open.0).min()
    }

    /// A slot that needs a connection now, if there is room for it or it is overdue.
    pub(super) fn next_to_open(&mut self, now: u64, room: bool) -> Option<u32> {
        let due = |at: u64| at <= now && (room || at + OPEN_OVERDUE_NS <= now);
        loop {
            let slot = if self.opens.front().is_some_and(|open| due(open.0)) {
                self.opens.pop_front().map(|open| open.1)
            } else if self.reopens.peek().is_some_and(|open| due(open.0.0)) {
                self.reopens.pop().map(|open| open.0.1)
            } else {
                None
            }?;
            if self.get(slot).is_some_and(|state| state.open == 0 && state.remaining > 0) {
                return Some(slot);
            }
        }
    }

    fn get(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_connection_on_its_way_is_used_before_another_is_opened() {
        let mut slots = Slots::new(&[(0, 3)], 0);
        slots.opened(0, 7, true);
        assert_eq!(slots.take(0), (Some(7), false), "opened ahead, not connected yet");
        assert_eq!(slots.take(0), (None, true), "busy: another one is needed");
        slots.opened(0, 8, false);
        assert!(slots.release(0, 7) && slots.release(0, 8));
        assert_eq!((slots.take(0).0, slots.take(0).0, slots.take(0).0), (Some(8), Some(7), None));
    }

    #[test]
    fn connections_are_opened_half_a_second_ahead_and_later_ones_only_when_there_is_room() {
        let mut slots = Slots::new(&[(2_000 * MS, 1), (900 * MS, 1)], 100 * MS);
        assert_eq!(slots.next_open_ns(), Some(500 * MS));
        assert_eq!(slots.next_to_open(499 * MS, true), None);
        assert_eq!(slots.next_to_open(500 * MS, false), None, "no room, and not overdue yet");
        assert_eq!(slots.next_to_open(600 * MS, false), Some(1), "overdue");
        assert_eq!(slots.next_open_ns(), Some(1_600 * MS));
    }

    #[test]
    fn a_slot_without_a_connection_gets_one_ahead_of_its_next_request_and_none_after_its_last() {
        let mut slots = Slots::new(&[(0, 2)], 0);
        assert_eq!(slots.next_to_open(0, true), Some(0));
        slots.opened(0, 1, true);
        slots.request(0, Some(3_000 * MS));
        slots.connected(0, 1);
        slots.closed(0, 1);
        assert_eq!((slots.next_open_ns(), slots.take(0)), (Some(2_500 * MS), (None, false)));
        assert_eq!(slots.next_to_open(2_500 * MS, true), Some(0));
        slots.opened(0, 2, false);
        slots.request(0, None);
        assert!(!slots.release(0, 2), "nothing more to come");
        slots.closed(0, 2);
        assert_eq!((slots.next_open_ns(), slots.useless(0)), (None, None));
    }
}
