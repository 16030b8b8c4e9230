//! Puts a nearly sorted stream in order, as far as a bounded look-ahead can. What is later than that is the caller's to
//! count.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Exchanges that are held back, so that one that comes so many places too late still finds its place: 1 MiB.
pub(super) const HELD_MAX: usize = 65_536;

/// Exchanges (instant, client) on their way into order.
#[derive(Debug, Default)]
pub(super) struct Order {
    held: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Order {
    /// Takes one exchange and gives back the earliest of those held, once there are [`HELD_MAX`].
    pub(super) fn push(&mut self, exchange: (u64, u32)) -> Option<(u64, u32)> {
        if self.held.len() < HELD_MAX {
            self.held.push(Reverse(exchange));
            return None;
        }
        match self.held.peek_mut() {
            Some(mut earliest) if earliest.0 < exchange => {
                let out = earliest.0;
                *earliest = Reverse(exchange);
                Some(out)
            }
            _ => Some(exchange),
        }
    }

    /// The earliest of what is left.
    pub(super) fn pop(&mut self) -> Option<(u64, u32)> {
        self.held.pop().map(|Reverse(exchange)| exchange)
    }
}
