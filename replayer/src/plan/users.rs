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
//!
//! **Overlay** moves all clients by one amount a copy instead, drawn uniformly from the recording, and what is moved past
//! the end comes in at the beginning. A client's life that is split so becomes two lives, so that no life is out of order.

use super::draw::{Draw, Identity, Purpose};
use super::factor::copies;
use super::{Client, Method, Options, Profile, Timing, blocks};

/// How the users of a recording are moved.
pub(super) struct Users {
    edges_ns: Vec<u64>,
    users: Vec<User>,
    overlay: Option<Overlay>,
}

#[derive(Clone, Copy)]
struct Overlay {
    shift: Draw,
    /// Copies of any client at most: the second halves of split lives are numbered after them.
    copies: u32,
}

#[derive(Clone, Copy)]
struct User {
    /// Decides with which factor a copy comes in.
    share: u64,
    range: Range,
    first_ns: u64,
    draw: Draw,
    is_user: bool,
    /// It was there when the recording began: nobody saw it start.
    is_cut: bool,
}

/// Where copies may start, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

/// One life of a client: a copy of it in one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Its number among the lives of the client; 0 is the original.
    pub copy: u32,
    /// From recording time to unrolled recording time (over all rounds).
    pub shift_ns: i64,
}

impl Users {
    pub(super) fn new(
        clients: &[Client],
        is_warped: &[bool],
        identities: &[Identity],
        duration_ns: u64,
        options: &Options,
    ) -> Self {
        let is_user = |(client, is_warped): &(&Client, &bool)| client.exchanges > 0 && !**is_warped;
        let starts = clients.iter().zip(is_warped).filter(is_user).map(|(client, _)| client.first_ns);
        let edges_ns = super::edges(starts, duration_ns);
        let share = Draw::new(options.seed, Purpose::ClientShare);
        let start = Draw::new(options.seed, Purpose::ClientStart);
        let user = |(both, identity): ((&Client, &bool), &Identity)| {
            let client = both.0;
            let (block_first_ns, block_last_ns) = blocks::around(&edges_ns, client.first_ns);
            User {
                share: share.of(identity).bits(),
                range: range(client, block_first_ns, block_last_ns, duration_ns),
                first_ns: client.first_ns,
                draw: start.of(identity).with(block_first_ns),
                is_user: is_user(&both),
                is_cut: client.first_ns < client.pause_ns,
            }
        };
        let users = clients.iter().zip(is_warped).zip(identities).map(user).collect();
        let overlay = (options.method == Method::Overlay).then(|| Overlay {
            shift: Draw::new(options.seed, Purpose::StreamShift),
            copies: copies(options.profile.largest(), 0),
        });
        Self { edges_ns, users, overlay }
    }

    pub(super) fn lives<'a>(
        &'a self,
        client: u32,
        timing: &'a Timing,
        profile: &'a Profile,
    ) -> impl Iterator<Item = Life> + use<'a> {
        let user = self.users.get(client as usize).filter(|user| user.is_user);
        let most = user.map_or(0, |user| copies(profile.largest(), user.share));
        (0..timing.rounds).flat_map(move |round| (0..most).map(move |copy| (round, copy))).flat_map(
            move |(round, copy)| {
                let user = user.copied();
                let lives = match (&self.overlay, user) {
                    (_, None) => [None, None],
                    (None, Some(user)) => [user.life(round, copy, timing, profile), None],
                    (Some(overlay), Some(_)) => overlay.lives(round, copy, timing),
                };
                lives.into_iter().flatten()
            },
        )
    }

    pub(super) fn due_ns(
        &self,
        client: u32,
        life: Life,
        at_ns: u64,
        timing: &Timing,
        profile: &Profile,
    ) -> Option<u64> {
        let unrolled = at_ns.checked_add_signed(life.shift_ns)?;
        let due_ns = timing.run_ns(unrolled)?;
        let user = self.users.get(client as usize)?;
        if let Some(overlay) = &self.overlay {
            let round = life.copy.checked_rem(timing.rounds)?;
            if unrolled.checked_sub(timing.round_ns(round))? > timing.recording_ns {
                return None;
            }
            let copy = life.copy.checked_div(timing.rounds)?.checked_rem(overlay.copies)?;
            return (copies(profile.at(due_ns), user.share) > copy).then_some(due_ns);
        }
        if user.is_cut && profile.as_constant().is_none() {
            let copy = life.copy.checked_div(timing.rounds)?;
            return (copies(profile.at(due_ns), user.share) > copy).then_some(due_ns);
        }
        Some(due_ns)
    }

    pub(super) fn edges_ns(&self) -> &[u64] {
        &self.edges_ns
    }
}

impl User {
    /// Copy `copy` in `round`, if it starts before the end of the run and the factor admits it then.
    fn life(self, round: u32, copy: u32, timing: &Timing, profile: &Profile) -> Option<Life> {
        let start_ns = self.start_ns(round, copy);
        let run_ns = timing.run_ns(timing.round_ns(round).saturating_add(start_ns))?;
        let admitted = self.is_cut || copies(profile.at(run_ns), self.share) > copy;
        let shift_ns = shift(timing.round_ns(round), start_ns, self.first_ns)?;
        admitted.then_some(Life { copy: number(copy, round, timing), shift_ns })
    }

    fn start_ns(&self, round: u32, copy: u32) -> u64 {
        if copy == 0 {
            return self.first_ns;
        }
        let draw = self.draw.with(u64::from(copy));
        let draw = if round == 0 { draw } else { draw.with(u64::from(round)) };
        draw.within(self.range.first_ns, self.range.last_ns)
    }
}

impl Overlay {
    /// A copy of the stream, and the part of it that comes in at the beginning.
    fn lives(&self, round: u32, copy: u32, timing: &Timing) -> [Option<Life>; 2] {
        let base_ns = timing.round_ns(round);
        let life =
            |copy, shift_ns: Option<i64>| shift_ns.map(|shift_ns| Life { copy: number(copy, round, timing), shift_ns });
        if copy == 0 {
            return [life(0, shift(base_ns, 0, 0)), None];
        }
        let shift_ns = self.shift.with(u64::from(copy)).with(u64::from(round)).within(1, timing.recording_ns.max(1));
        let around_ns = timing.recording_ns.saturating_add(1);
        [
            life(copy, shift(base_ns, shift_ns, 0)),
            life(copy.saturating_add(self.copies), shift(base_ns, shift_ns, around_ns)),
        ]
    }
}

/// The number of a life.
pub(super) fn number(copy: u32, round: u32, timing: &Timing) -> u32 {
    copy.saturating_mul(timing.rounds).saturating_add(round)
}

/// base + to − from, if that is a shift at all.
fn shift(base_ns: u64, to_ns: u64, from_ns: u64) -> Option<i64> {
    let shift = i128::from(base_ns) + i128::from(to_ns) - i128::from(from_ns);
    i64::try_from(shift).ok()
}

/// Where the copies of a client may start whose original started in the given block.
pub(super) fn range(client: &Client, block_first_ns: u64, block_last_ns: u64, duration_ns: u64) -> Range {
    let length_ns = client.last_ns.saturating_sub(client.first_ns);
    let latest_ns = duration_ns.saturating_sub(length_ns);
    let mut range = Range { first_ns: block_first_ns, last_ns: block_last_ns.min(latest_ns) };
    if duration_ns.saturating_sub(client.last_ns) < client.pause_ns {
        range.first_ns = range.first_ns.max(latest_ns.saturating_sub(client.pause_ns));
    }
    if client.first_ns < client.pause_ns {
        range.last_ns = range.last_ns.min(client.pause_ns);
    }
    range
}
