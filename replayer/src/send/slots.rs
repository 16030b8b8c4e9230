//! Who may use which connection, and when one is opened ahead of need.
//!
//! A slot is one (client, copy, recorded connection): its requests share connections with nobody else.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foldhash::HashMap;
use rtrb::Consumer;

use super::Open;

/// How long before its first request a connection is opened.
const OPEN_AHEAD_NS: u64 = 500_000_000;
/// A connection that should have been opened this long ago is opened even when there is no room.
const OPEN_OVERDUE_NS: u64 = 100_000_000;

/// All slots that are in use.
pub(super) struct Slots {
    slots: HashMap<u64, Slot>,
    /// First requests of slots, in the order of their due instants.
    opens: Consumer<Open>,
    start_ns: u64,
    /// When slots that were left without a connection need one.
    reopens: BinaryHeap<Reverse<(u64, u64)>>,
}

#[derive(Default, Clone)]
struct Slot {
    idle: Vec<u32>,
    /// Opened ahead of need and not connected yet.
    ahead: Option<u32>,
    /// All connections, whatever they do.
    open: u32,
    /// When the next request is due; `None` when there are no more.
    next_due_ns: Option<u64>,
}

impl Slots {
    /// From the announcements of first requests, which are due after `start_ns`.
    pub(super) fn new(opens: Consumer<Open>, start_ns: u64) -> Self {
        Self { slots: HashMap::default(), opens, start_ns, reopens: BinaryHeap::new() }
    }

    /// One of the slot's requests has come; the next one will at `next_due_ns`.
    pub(super) fn request(&mut self, slot: u64, next_due_ns: Option<u64>) {
        self.slots.entry(slot).or_default().next_due_ns = next_due_ns;
    }

    /// A connection that is free, connected or not; without one, whether that is because all are busy.
    pub(super) fn take(&mut self, slot: u64) -> (Option<u32>, bool) {
        let Some(state) = self.get(slot) else { return (None, false) };
        let free = state.idle.pop().or_else(|| state.ahead.take());
        (free, free.is_none() && state.open > 0)
    }

    /// A connection of the slot was opened, perhaps ahead of need.
    pub(super) fn opened(&mut self, slot: u64, connection: u32, ahead: bool) {
        let state = self.slots.entry(slot).or_default();
        state.open += 1;
        if ahead {
            state.ahead = Some(connection);
        }
    }

    /// A connection that was opened ahead of need is there.
    pub(super) fn connected(&mut self, slot: u64, connection: u32) {
        if let Some(state) = self.get(slot) {
            state.ahead = None;
            state.idle.push(connection);
        }
    }

    /// A connection is free again; false when the slot has no more requests for it.
    pub(super) fn release(&mut self, slot: u64, connection: u32) -> bool {
        let Some(state) = self.get(slot).filter(|state| state.next_due_ns.is_some()) else { return false };
        state.idle.push(connection);
        true
    }

    /// A connection is gone; a slot that is left without one gets another ahead of its next request.
    pub(super) fn closed(&mut self, slot: u64, connection: u32) {
        let Some(state) = self.get(slot) else { return };
        state.open = state.open.saturating_sub(1);
        state.idle.retain(|idle| *idle != connection);
        if state.ahead == Some(connection) {
            state.ahead = None;
        }
        if state.open > 0 {
            return;
        }
        match state.next_due_ns {
            Some(due) => self.reopens.push(Reverse((due.saturating_sub(OPEN_AHEAD_NS), slot))),
            None => {
                self.slots.remove(&slot);
            }
        }
    }

    /// An idle connection of a slot that has no more requests.
    pub(super) fn useless(&mut self, slot: u64) -> Option<u32> {
        self.get(slot).filter(|state| state.next_due_ns.is_none()).and_then(|state| state.idle.pop())
    }

    /// When the next connection is to be opened ahead of need.
    pub(super) fn next_open_ns(&self) -> Option<u64> {
        let first = self.opens.peek().ok().map(|open| self.open_at(open));
        [first, self.reopens.peek().map(|open| open.0.0)].into_iter().flatten().min()
    }

    /// A slot that needs a connection now, if there is room for it or it is overdue.
    pub(super) fn next_to_open(&mut self, now: u64, room: bool) -> Option<u64> {
        let due = |at: u64| at <= now && (room || at + OPEN_OVERDUE_NS <= now);
        loop {
            if self.opens.peek().is_ok_and(|open| due(self.open_at(open))) {
                let open = self.opens.pop().ok()?;
                // Where the request itself came first it has opened one.
                if !self.slots.contains_key(&open.slot) {
                    self.slots
                        .insert(open.slot, Slot { next_due_ns: Some(self.start_ns + open.due_ns), ..Slot::default() });
                    return Some(open.slot);
                }
            } else if self.reopens.peek().is_some_and(|open| due(open.0.0)) {
                let slot = self.reopens.pop().map(|open| open.0.1)?;
                if self.get(slot).is_some_and(|state| state.open == 0 && state.next_due_ns.is_some()) {
                    return Some(slot);
                }
            } else {
                return None;
            }
        }
    }

    fn open_at(&self, open: &Open) -> u64 {
        (self.start_ns + open.due_ns).saturating_sub(OPEN_AHEAD_NS)
    }

    fn get(&mut self, slot: u64) -> Option<&mut Slot> {
        self.slots.get_mut(&slot)
    }
}
