//! Connections that are open in each second of a run, as far as the recording tells: those of users surely, those of pools
//! by an estimate.

use super::WARPED_IDLE_NS;
use super::summary::SECONDS_MAX;

/// Counts connections while a plan is made.
#[derive(Default)]
pub(super) struct Open {
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
    /// A request of a user; `before_ns`: when the answer before it on its connection ended.
    pub(super) fn user(&mut self, before_ns: Option<u64>, due_ns: u64, end_ns: u64) {
        self.users.request(before_ns, due_ns, end_ns);
    }

    /// A recorded connection of a pool has more than one request.
    pub(super) fn shared_connection(&mut self) {
        self.shared_connections += 1;
    }

    /// A request of a pool at its own instant, so long after the answer before it on its connection.
    pub(super) fn pooled(&mut self, since_ns: Option<u64>, due_ns: u64, response_ns: Option<u64>) {
        let end_ns = due_ns.saturating_add(response_ns.unwrap_or(0));
        let before_ns = since_ns.map(|since_ns| due_ns.saturating_sub(since_ns));
        match (before_ns, since_ns) {
            // It was kept for a while, and then given up.
            (Some(before_ns), Some(WARPED_IDLE_NS..)) => {
                self.pools.extend(before_ns, before_ns.saturating_add(WARPED_IDLE_NS));
                self.pools.add(due_ns, end_ns);
            }
            _ => self.pools.request(before_ns, due_ns, end_ns),
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

    /// Most that are surely open in one second: those of users, and those of pools at their own instants where none of them
    /// is left out.
    pub(super) fn surely(&self, with_pools: bool) -> u64 {
        let (users, pools) = (self.users.open(0), if with_pools { self.pools.open(0) } else { Vec::new() });
        (0..users.len().max(pools.len())).map(|second| at(&users, second) + at(&pools, second)).max().unwrap_or(0)
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

fn at(list: &[u64], second: usize) -> u64 {
    list.get(second).copied().unwrap_or(0)
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
        let mut now = 0_i64;
        let changes = self.changes.iter().chain(std::iter::repeat(&0)).take(seconds.max(self.changes.len()));
        let each = changes.map(|change| {
            now += change;
            u64::try_from(now).unwrap_or(0)
        });
        each.collect()
    }
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
        assert_eq!((open.surely(false), open.surely(true), estimate.len()), (0, 300, 603));
    }

    #[test]
    fn connections_that_are_used_all_the_time_are_counted_once_and_what_is_drawn_no_more_often_than_there_are_copies() {
        let mut open = Open::default();
        (0..4).for_each(|_| open.shared_connection());
        for second in 0..100 {
            for _ in 0..4 {
                open.pooled((second > 0).then_some(S), second * S, None);
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
        open.pooled(Some(100 * S), 100 * S, None);
        let estimate = open.estimate(0);
        assert_eq!([0, 10, 60, 100].map(|second| estimate[second]), [1, 1, 0, 1]);
    }

    #[test]
    fn connections_of_users_are_sure() {
        let mut open = Open::default();
        open.user(None, 0, S);
        open.user(Some(S), 50 * S, 51 * S);
        open.user(None, 20 * S, 21 * S);
        open.pooled(None, 20 * S, None);
        let estimate = open.estimate(0);
        assert_eq!((open.surely(false), open.surely(true), estimate[20], estimate[52]), (2, 3, 3, 0));
    }
}
