//! Users: every client's copies live its whole life, started at an instant of their own.
//!
//! The start of a copy is drawn from the block of its original's start (`trend.rs`), or from that and others of the same level
//! (`levels.rs`). The recording is taken for a circle: what of a copy passes its end comes in at its beginning, as a life of
//! its own, so that no request is lost, none comes after the end, and traffic that is flat stays flat up to its edges.
//!
//! Clients that were there when the recording began (their first request came within their own longest pause) started
//! before it: their first requests are no starts, and blocks are cut without them (`starts.rs`).
//!
//! **Overlay** moves all clients by one amount a copy instead, drawn uniformly from the recording, and what is moved past
//! the end comes in at the beginning.

use super::blocks::{Block, Blocks};
use super::draw::{Draw, Identity, Purpose};
use super::factor::copies;
use super::{Client, Method, Options, Profile, Timing, starts};

/// How the users of a recording are moved.
pub(super) struct Users {
    blocks: Blocks,
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
    block: Block,
    first_ns: u64,
    length_ns: u64,
    draw: Draw,
    is_user: bool,
    /// It was there when the recording began: nobody saw it start.
    is_cut: bool,
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
        let users = || clients.iter().zip(is_warped).filter(is_user).map(|(client, _)| client);
        let blocks = starts::blocks(users(), duration_ns);
        let share = Draw::new(options.seed, Purpose::ClientShare);
        let start = Draw::new(options.seed, Purpose::ClientStart);
        let user = |(both, identity): ((&Client, &bool), &Identity)| {
            let client = both.0;
            // A clock that stepped may make a recording of centuries, around which nothing can be shifted.
            let is_endless = i64::try_from(duration_ns).is_err();
            let block = match is_endless {
                true => Block::only(client.first_ns),
                false => blocks.around(client.first_ns),
            };
            User {
                share: share.of(identity).bits(),
                block,
                first_ns: client.first_ns,
                length_ns: client.last_ns.saturating_sub(client.first_ns),
                draw: start.of(identity).with(block.first_ns),
                is_user: is_user(&both),
                is_cut: starts::was_there(client),
            }
        };
        let users = clients.iter().zip(is_warped).zip(identities).map(user).collect();
        let overlay = (options.method == Method::Overlay).then(|| Overlay {
            shift: Draw::new(options.seed, Purpose::StreamShift),
            copies: copies(options.profile.largest(), 0),
        });
        Self { blocks, users, overlay }
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
                    (None, Some(user)) => user.lives(&self.blocks, round, copy, timing, profile),
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
        let base_ns = timing.round_ns(life.copy.checked_rem(timing.rounds)?);
        if unrolled.checked_sub(base_ns)? > timing.recording_ns {
            return None;
        }
        let by_request = self.overlay.is_some() || user.is_cut || self.is_wrapped(client, life, timing);
        if by_request && profile.as_constant().is_none() {
            let mut copy = life.copy.checked_div(timing.rounds)?;
            if let Some(overlay) = &self.overlay {
                copy = copy.checked_rem(overlay.copies)?;
            }
            return (copies(profile.at(due_ns), user.share) > copy).then_some(due_ns);
        }
        Some(due_ns)
    }

    /// Whether a life is what of a copy passed the end of the recording.
    pub(super) fn is_wrapped(&self, client: u32, life: Life, timing: &Timing) -> bool {
        let base_ns = life.copy.checked_rem(timing.rounds).map_or(0, |round| timing.round_ns(round));
        let start_ns = self.users.get(client as usize).and_then(|user| user.first_ns.checked_add_signed(life.shift_ns));
        start_ns.is_none_or(|start_ns| start_ns < base_ns)
    }

    /// After this instant of the run a life sends nothing more: the client's last request, or the end of the recording
    /// for what is cut there, whatever of the client's requests is sent at all.
    pub(super) fn ends_ns(life: Life, last_ns: u64, timing: &Timing) -> u64 {
        let base_ns = life.copy.checked_rem(timing.rounds).map_or(0, |round| timing.round_ns(round));
        let last_ns = last_ns.saturating_add_signed(life.shift_ns);
        timing.speed.shrink(last_ns.min(base_ns.saturating_add(timing.recording_ns))).min(timing.end_ns)
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }
}

impl User {
    /// Copy `copy` in `round`, if it starts before the end of the run and the factor admits it then; and what of it passes
    /// the end of the recording, which the factor admits request by request.
    fn lives(self, blocks: &Blocks, round: u32, copy: u32, timing: &Timing, profile: &Profile) -> [Option<Life>; 2] {
        let (start_ns, base_ns) = (self.start_ns(blocks, round, copy), timing.round_ns(round));
        let life = |from_ns| {
            let shift_ns = shift(base_ns, start_ns, from_ns)?;
            Some(Life { copy: number(copy, round, timing), shift_ns })
        };
        let admitted = timing
            .run_ns(base_ns.saturating_add(start_ns))
            .is_some_and(|run_ns| self.is_cut || copies(profile.at(run_ns), self.share) > copy);
        let passes = copy > 0 && start_ns.saturating_add(self.length_ns) > timing.recording_ns;
        let around_ns = timing.recording_ns.saturating_add(1);
        [life(self.first_ns).filter(|_| admitted), life(self.first_ns.saturating_add(around_ns)).filter(|_| passes)]
    }

    fn start_ns(&self, blocks: &Blocks, round: u32, copy: u32) -> u64 {
        if copy == 0 {
            return self.first_ns;
        }
        let draw = self.draw.with(u64::from(copy));
        let draw = if round == 0 { draw } else { draw.with(u64::from(round)) };
        blocks.instant(self.block, draw)
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
