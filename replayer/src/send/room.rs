//! Room for connections at the highest pace, where a request that needs one more waits for it and is not shed.
//!
//! Each engine has its share of the bound, and nobody waits for another engine. A connection that nothing is under way on
//! gives way to a request that waits, although its slot has more to send: these later requests may stand behind the one
//! that waits, so that to wait for them could be for ever. Their slot then gets another connection.

use std::collections::VecDeque;

use super::Pace;
use super::engine::Engine;
use crate::job::Job;

/// Who waits for room.
#[derive(Default)]
pub(super) struct Short {
    /// Lives whose first waiting request needs a connection, in the order in which they came; a life may be in it twice.
    lives: VecDeque<u64>,
    /// The place of the table behind which the next connection to give way is looked for.
    turn: u32,
}

impl Short {
    /// Nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }

    /// Nothing more is sent.
    pub(super) fn clear(&mut self) {
        self.lives.clear();
    }
}

impl Engine {
    /// Takes a request whose slot needs a connection, if there is none to be had, until there is one; else gives it back.
    pub(super) fn waits_for_room(&mut self, job: Box<Job>) -> Result<(), Box<Job>> {
        if self.options.pace == Pace::Recorded || self.make_room() {
            return Err(job);
        }
        self.slots.not_now(job.slot);
        self.short.lives.push_back(job.life);
        self.lives.put_back(job);
        Ok(())
    }

    /// Whether somebody who waits for a connection could have one.
    pub(super) fn has_room_for_short(&self) -> bool {
        !self.short.is_empty() && (self.bounds.has_connection_left() || self.idle_place().is_some())
    }

    /// Lets the next one try who waits for a connection, if there is one to be had: it takes the room that there is.
    pub(super) fn serve_short(&mut self, plan_now: u64) {
        if self.has_room_for_short()
            && let Some(life) = self.short.lives.pop_front()
        {
            self.lives.poke(life, plan_now);
        }
    }

    /// Whether one more connection may be made, after an idle one has given way, if need be.
    fn make_room(&mut self) -> bool {
        if self.bounds.has_connection_left() {
            return true;
        }
        let Some(at) = self.idle_place() else { return false };
        self.short.turn = at;
        if let Some((slot, _)) = self.remove(at, false) {
            self.settle(slot, false);
        }
        self.bounds.has_connection_left()
    }

    /// The next connection in turn that only waits for a later request.
    fn idle_place(&self) -> Option<u32> {
        if !self.slots.any_idle() {
            return None;
        }
        self.table.next_place(self.short.turn, |at, connection| {
            connection.exchanges.is_empty() && self.slots.is_idle(connection.slot, at)
        })
    }
}
