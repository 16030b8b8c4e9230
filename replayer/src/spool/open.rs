//! Connections that are open in each second of a run, as far as the recording tells: those of users as if answers took as long
//! as recorded, those of pools by an estimate. And those that are surely open at once, however fast the target is: between
//! the first and the last request that each of them has in the plan.

use super::WARPED_IDLE_NS;
use super::summary::SECONDS_MAX;

/// Most instants at which the connections that are surely open are counted: 2 MiB.
const INSTANTS_MAX: usize = 1 << 18;
/// Between two of these, as long as they are enough for the run: about a millisecond, as a power of two.
const DISTANCE_BITS: u32 = 20;

/// The request before another one on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    /// When it is due, or how long before the other one.
    pub(super) due_ns: u64,
    /// The same of the end of its answer.
    pub(super) end_ns: u64,
}

/// Counts connections while a plan is made.
#[derive(Default)]
pub(super) struct Open {
    sure_users: Instants,
    sure_pools: Instants,
    users: Spans,
    /// Of pools, at their own instants.
    pools: Spans,
    /// Of copies that were drawn one by one: for as long as their answers take …
    drawn: Spans,
    /// … and for as long as a connection is kept for another request, if it has more than one. Nobody knows which of them
    /// meet on one: each counts as if it had its own, but there are no more than each such connection has copies.
    drawn_kept: Spans,
    shared_connections: u64,
    drawn_most: u64,
}

impl Open {
    /// A request of a user, and when the one before it on its connection was due and answered.
    pub(super) fn user(&mut self, before: Option<Before>, due_ns: u64, end_ns: u64) {
        self.users.request(before.map(|before| before.end_ns), due_ns, end_ns);
        self.sure_users.request(before.map(|before| before.due_ns), due_ns);
    }

    /// A recorded connection of a pool has more than one request.
    pub(super) fn shared_connection(&mut self) {
        self.shared_connections += 1;
    }

    /// A request of a pool at its own instant, and how long before it the one before it on its connection was due and
    /// answered.
    pub(super) fn pooled(&mut self, before: Option<Before>, due_ns: u64, response_ns: Option<u64>) {
        let end_ns = due_ns.saturating_add(response_ns.unwrap_or(0));
        match before.map(|before| (before, due_ns.saturating_sub(before.end_ns))) {
            // It was kept for a while, and then given up.
            Some((Before { end_ns: WARPED_IDLE_NS.., .. }, before_ns)) => {
                self.pools.extend(before_ns, before_ns.saturating_add(WARPED_IDLE_NS));
                self.pools.add(due_ns, end_ns);
                self.sure_pools.request(None, due_ns);
            }
            other => {
                self.pools.request(other.map(|(_, before_ns)| before_ns), due_ns, end_ns);
                self.sure_pools.request(other.map(|(before, _)| due_ns.saturating_sub(before.due_ns)), due_ns);
            }
        }
    }

    /// A request of a pool that was drawn; `is_first`: of its recorded connection.
    pub(super) fn drawn(&mut self, is_first: bool, due_ns: u64, response_ns: Option<u64>) {
        if is_first {
            self.drawn.add(due_ns, due_ns.saturating_add(response_ns.unwrap_or(0)));
        }
        self.drawn_kept.add(due_ns, due_ns.saturating_add(WARPED_IDLE_NS));
    }

    /// An exchange has so many of these in one round.
    pub(super) fn drawn_at_once(&mut self, copies: u64) {
        self.drawn_most = self.drawn_most.max(copies);
    }

    /// Most that are surely open at once: those of users, and those of pools at their own instants where none of them is left
    /// out.
    pub(super) fn surely(&mut self, with_pools: bool) -> u64 {
        let (users, pools) = (&mut self.sure_users, &mut self.sure_pools);
        let bits = users.distance_bits.max(pools.distance_bits);
        let [users, pools] = [users, pools].map(|instants| instants.open(bits));
        let pools = if with_pools { pools } else { Vec::new() };
        (0..users.len().max(pools.len())).map(|instant| at(&users, instant) + at(&pools, instant)).max().unwrap_or(0)
    }

    /// What is open in each of so many seconds, with the estimate of what was drawn.
    pub(super) fn estimate(&self, seconds: usize) -> Vec<u64> {
        let most = self.shared_connections.saturating_mul(self.drawn_most);
        let all = [&self.users, &self.pools, &self.drawn].map(|spans| spans.open(seconds));
        let kept: Vec<u64> = self.drawn_kept.open(seconds).into_iter().map(|open| open.min(most)).collect();
        let length = all.iter().map(Vec::len).max().unwrap_or(0).max(if most > 0 { kept.len() } else { 0 });
        let each = (0..length).map(|second| all.iter().map(|open| at(open, second)).sum::<u64>() + at(&kept, second));
        each.collect()
    }
}

fn at(list: &[u64], place: usize) -> u64 {
    list.get(place).copied().unwrap_or(0)
}

/// Counts of what begins and ends, from which what is open in each second follows.
#[derive(Default)]
struct Spans {
    changes: Vec<i64>,
}

impl Spans {
    /// A request of a connection that is there from its first request to the end of its last answer.
    fn request(&mut self, before_ns: Option<u64>, due_ns: u64, end_ns: u64) {
        match before_ns {
            Some(before_ns) => self.extend(before_ns, end_ns.max(before_ns)),
            None => self.add(due_ns, end_ns),
        }
    }

    /// Something is there from one instant to another.
    fn add(&mut self, from_ns: u64, to_ns: u64) {
        self.change(from_ns / 1_000_000_000, 1);
        self.change(to_ns / 1_000_000_000 + 1, -1);
    }

    /// Something that ended at one instant ends at a later one.
    fn extend(&mut self, from_ns: u64, to_ns: u64) {
        self.change(from_ns / 1_000_000_000 + 1, 1);
        self.change(to_ns / 1_000_000_000 + 1, -1);
    }

    fn change(&mut self, second: u64, by: i64) {
        let at = usize::try_from(second).unwrap_or(usize::MAX).min(SECONDS_MAX);
        if self.changes.len() <= at {
            self.changes.resize(at + 1, 0);
        }
        if let Some(change) = self.changes.get_mut(at) {
            *change += by;
        }
    }

    /// What is there in each of so many seconds, and for as long as there is something.
    fn open(&self, seconds: usize) -> Vec<u64> {
        sums(self.changes.iter().chain(std::iter::repeat(&0)).take(seconds.max(self.changes.len())))
    }
}

/// Counts of what begins and ends, from which follows what is there at instants of equal distance. What is there only between
/// two of them is not counted, so that no count is above what is there. The longer the run, the fewer they are in a second.
struct Instants {
    distance_bits: u32,
    changes: Vec<i64>,
}

impl Default for Instants {
    fn default() -> Self {
        Self { distance_bits: DISTANCE_BITS, changes: Vec::new() }
    }
}

impl Instants {
    /// A connection is there from its first request to its last.
    fn request(&mut self, before_ns: Option<u64>, due_ns: u64) {
        let due_at = self.place(due_ns);
        match before_ns {
            Some(before_ns) => {
                let before_at = self.place(before_ns);
                self.change(before_at.saturating_add(1), due_at.saturating_add(1));
            }
            // For no time so far, which is there if that is one of the instants.
            None if due_ns.trailing_zeros() >= self.distance_bits => self.change(due_at, due_at.saturating_add(1)),
            None => {}
        }
    }

    /// The last instant that is no later.
    fn place(&mut self, at_ns: u64) -> usize {
        loop {
            match usize::try_from(at_ns >> self.distance_bits) {
                // There is one more, at which it is over.
                Ok(at) if at < INSTANTS_MAX - 1 => return at,
                _ => self.halve(),
            }
        }
    }

    /// Something is there from one instant on, and no longer at another.
    fn change(&mut self, from: usize, to: usize) {
        if from >= to {
            return;
        }
        if self.changes.len() <= to {
            self.changes.resize(to + 1, 0);
        }
        for (at, by) in [(from, 1), (to, -1)] {
            if let Some(change) = self.changes.get_mut(at) {
                *change += by;
            }
        }
    }

    /// Leaves every other instant: what begins or ends at one that is left out does so at the one behind it.
    fn halve(&mut self) {
        self.distance_bits += 1;
        let rest = self.changes.get(1..).unwrap_or_default().chunks(2).map(|pair| pair.iter().sum());
        self.changes = self.changes.first().copied().into_iter().chain(rest).collect();
    }

    /// What is there at each instant, at this distance or a larger one that they have.
    fn open(&mut self, distance_bits: u32) -> Vec<u64> {
        while self.distance_bits < distance_bits {
            self.halve();
        }
        sums(self.changes.iter())
    }
}

fn sums<'a>(changes: impl Iterator<Item = &'a i64>) -> Vec<u64> {
    let mut now = 0_i64;
    let each = changes.map(|change| {
        now += change;
        u64::try_from(now).unwrap_or(0)
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn a_pool_with_a_connection_for_each_request_has_few_open() {
        let mut open = Open::default();
        for second in 0..600 {
            for _ in 0..100 {
                open.pooled(None, second * S, Some(2 * S));
                open.drawn(true, second * S, Some(1_000));
                open.drawn_at_once(1);
            }
        }
        let estimate = open.estimate(600);
        assert_eq!((estimate[0], estimate[1], estimate[2], estimate[599]), (200, 300, 400, 400));
        // An answer may take no time at all: only those of one instant surely meet.
        assert_eq!((open.surely(false), open.surely(true), estimate.len()), (0, 100, 603));
    }

    #[test]
    fn connections_that_are_used_all_the_time_are_counted_once_and_what_is_drawn_no_more_often_than_there_are_copies() {
        let mut open = Open::default();
        (0..4).for_each(|_| open.shared_connection());
        for second in 0..100 {
            for _ in 0..4 {
                open.pooled((second > 0).then_some(Before { due_ns: S, end_ns: S }), second * S, None);
                (0..2).for_each(|_| open.drawn(false, second * S, None));
                open.drawn_at_once(2);
            }
        }
        let estimate = open.estimate(100);
        assert_eq!((estimate[0], estimate[50], estimate[99], estimate[129]), (12, 12, 12, 8));
        assert_eq!((estimate.len(), open.surely(true)), (131, 4));
        // One that rested for longer than that is another one.
        let mut open = Open::default();
        open.pooled(None, 0, None);
        open.pooled(Some(Before { due_ns: 100 * S, end_ns: 100 * S }), 100 * S, None);
        let estimate = open.estimate(0);
        assert_eq!([0, 10, 60, 100].map(|second| estimate[second]), [1, 1, 0, 1]);
    }

    #[test]
    fn connections_of_users_are_sure_from_the_first_request_to_the_last() {
        let mut open = Open::default();
        open.user(None, 0, S);
        open.user(Some(Before { due_ns: 0, end_ns: S }), 50 * S, 51 * S);
        // One of the instants that are looked at.
        let at_ns = 20 << 30;
        open.user(None, at_ns, at_ns + S);
        open.pooled(None, at_ns, None);
        let estimate = open.estimate(0);
        assert_eq!((open.surely(false), open.surely(true), estimate[21], estimate[52]), (2, 3, 3, 0));
    }

    #[test]
    fn what_is_over_within_a_second_is_not_there_at_once() {
        let mut open = Open::default();
        for number in 0..4_100 {
            let due_ns = number * S / 4_100;
            open.user(None, due_ns, due_ns + 5_000_000);
        }
        assert_eq!((open.estimate(0)[0], open.surely(true)), (4_100, 1));
        // Ten of them, each for 5 ms and one after the other every 2 ms: two or three at a time.
        let mut open = Open::default();
        for number in 0..10 {
            let due_ns = 300_000 + number * 2_000_000;
            open.user(None, due_ns, due_ns);
            open.user(Some(Before { due_ns, end_ns: due_ns }), due_ns + 5_000_000, due_ns + 5_000_000);
        }
        assert_eq!(open.surely(true), 3);
    }

    #[test]
    fn instants_are_bounded_and_never_count_too_many() {
        let (mut open, day) = (Open::default(), 86_400 * S);
        // Half an hour each, one after the other and two at a time; and a moment of many.
        for number in 0..31 * 48 {
            let due_ns = number * 1_800 * S;
            open.user(None, due_ns, due_ns);
            open.user(Some(Before { due_ns, end_ns: due_ns }), due_ns + 3_000 * S, due_ns + 3_000 * S);
        }
        (0..9).for_each(|_| open.user(None, 7 * day + 1, 7 * day + 1));
        open.user(None, 60 * day, 60 * day);
        open.pooled(None, 4, None);
        open.pooled(Some(Before { due_ns: 6 * S, end_ns: 6 * S }), 6 * S + 4, None);
        assert_eq!((open.surely(false), open.surely(true)), (2, 2));
        assert!(open.sure_users.changes.len() <= INSTANTS_MAX && 1 << open.sure_users.distance_bits < 40 * S);
        open.user(None, u64::MAX, u64::MAX);
        assert!(open.surely(true) <= 2 && open.sure_users.changes.len() <= INSTANTS_MAX);
    }
}
