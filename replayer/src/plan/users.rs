//! Users: every client's copies live its whole life, started at an instant of their own.
//!
//! The start of a copy is drawn uniformly from the first to the last instant of a [`Range`]: the block of the original's
//! start, less what the edges of the recording take away (see the module above for why):
//!
//! ```text
//! seen whole          [block.first, min(block.last, T − L)]
//! there at the end    T − (s + L) < g:    and not before T − L − g
//! there at the start  s < g:              and not after g
//! ```
//!
//! with T the recording's length, s the original's start, L its life and g its longest pause. s is always within.

use super::blocks;
use super::draw::{Draw, Identity, Purpose};
use super::lives::Life;
use super::{Arrival, Factor, Item, Options, since_start};

/// How the users of a recording are cloned.
pub(super) struct Users {
    edges_ns: Vec<u64>,
    /// By client; of those that are not users, with no copies.
    users: Vec<User>,
}

#[derive(Clone, Copy)]
struct User {
    copies: u32,
    range: Range,
    draw: Draw,
}

/// Where copies may start, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

impl Users {
    pub(super) fn new(
        lives: &[Life],
        is_warped: &[bool],
        identities: &[Identity],
        duration_ns: u64,
        options: &Options,
    ) -> Self {
        let is_user = |(life, is_warped): &(&Life, &bool)| life.exchanges > 0 && !**is_warped;
        let mut starts = lives.iter().zip(is_warped).filter(is_user).map(|(life, _)| life.first_ns).peekable();
        let edges_ns = if starts.peek().is_some() { blocks::edges(starts, duration_ns) } else { Vec::new() };
        let share = Draw::new(options.seed, Purpose::ClientShare);
        let start = Draw::new(options.seed, Purpose::ClientStart);
        let user = |(both, identity): ((&Life, &bool), &Identity)| {
            let (block_first_ns, block_last_ns) = blocks::around(&edges_ns, both.0.first_ns);
            User {
                copies: if is_user(&both) { copies(&options.factor, share, identity) } else { 0 },
                range: range(both.0, block_first_ns, block_last_ns, duration_ns),
                draw: start.of(identity).with(block_first_ns),
            }
        };
        let users = lives.iter().zip(is_warped).zip(identities).map(user).collect();
        Self { edges_ns, users }
    }

    /// Items that [`Self::plan`] adds.
    pub(super) fn items(&self, lives: &[Life]) -> u64 {
        let each =
            self.users.iter().zip(lives).map(|(user, life)| life.exchanges.saturating_mul(u64::from(user.copies)));
        each.fold(0, u64::saturating_add)
    }

    pub(super) fn plan(&self, arrivals: &[Arrival], lives: &[Life], items: &mut Vec<Item>) {
        for (index, arrival) in (0_u32..).zip(arrivals) {
            let client = arrival.client as usize;
            let (Some(user), Some(life)) = (self.users.get(client), lives.get(client)) else { continue };
            let offset_ns = since_start(arrivals, arrival).saturating_sub(life.first_ns);
            items.extend((0..user.copies).map(|copy| Item {
                due_ns: user.start_ns(copy, life).saturating_add(offset_ns),
                arrival: index,
                copy,
            }));
        }
    }

    pub(super) fn into_edges(self) -> Vec<u64> {
        self.edges_ns
    }
}

impl User {
    fn start_ns(&self, copy: u32, life: &Life) -> u64 {
        if copy == 0 {
            return life.first_ns;
        }
        self.draw.with(u64::from(copy)).within(self.range.first_ns, self.range.last_ns)
    }
}

fn copies(factor: &Factor, share: Draw, identity: &Identity) -> u32 {
    factor.copies(share.of(identity).bits())
}

/// Where the copies of a client may start whose original started in the given block.
pub(super) fn range(life: &Life, block_first_ns: u64, block_last_ns: u64, duration_ns: u64) -> Range {
    let latest_ns = duration_ns.saturating_sub(life.length_ns());
    let mut range = Range { first_ns: block_first_ns, last_ns: block_last_ns.min(latest_ns) };
    if duration_ns.saturating_sub(life.last_ns) < life.pause_ns {
        range.first_ns = range.first_ns.max(latest_ns.saturating_sub(life.pause_ns));
    }
    if life.first_ns < life.pause_ns {
        range.last_ns = range.last_ns.min(life.pause_ns);
    }
    range
}
