//! The bounds that all engines of a run share, reckoned with atomics: exact over all engines, and no engine waits for
//! another. What happens at a bound is decided elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Counters, Pace, SendOptions};
use crate::job::Shed;

/// So much of the rate may be used at once.
const RATE_BURST_NS: u64 = 100_000_000;

/// What is used up so far.
#[derive(Debug, Default)]
pub(super) struct Spent {
    /// The instant that the rate has been used up to.
    rate_until_ns: AtomicU64,
    requests: AtomicU64,
    bytes: AtomicU64,
    /// Connections open or in the making.
    connections: AtomicU64,
}

/// One engine's view.
pub(super) struct Bounds {
    options: SendOptions,
    counters: Arc<Counters>,
    start_ns: u64,
    /// Between two requests at the highest rate; 0 without one.
    interval_ns: u64,
    /// Requests under way in this engine.
    in_flight: usize,
    /// How many may be at [`Pace::Max`].
    share: usize,
    /// Connections of this engine, open or in the making.
    connections: u64,
    /// How many may be at [`Pace::Max`]; `None`: any number, or the bound is that of all engines together.
    connections_share: Option<u64>,
    /// The rate was asked for the next request already, and let it go.
    has_rate: bool,
}

impl Bounds {
    /// For the engine `index` of a run whose due instant 0 is at `start_ns`.
    pub(super) fn new(options: SendOptions, counters: Arc<Counters>, start_ns: u64, index: usize) -> Self {
        let (threads, number) = (options.threads.get() as u64, index as u64);
        let share_of = |most: u64| (most / threads + u64::from(number < most % threads)).max(1);
        let share = usize::try_from(share_of(options.in_flight_max as u64)).unwrap_or(usize::MAX);
        let connections_share = options.connections_max.filter(|_| options.pace == Pace::Max).map(share_of);
        // Rounded up, so that the rate is never above the bound.
        let interval_ns = options.rate_max.map_or(0, |rate| 1_000_000_000_u64.div_ceil(u64::from(rate.get())));
        Self {
            options,
            counters,
            start_ns,
            interval_ns,
            in_flight: 0,
            share,
            connections: 0,
            connections_share,
            has_rate: false,
        }
    }

    /// Requests under way in this engine.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether another request may be under way at [`Pace::Max`].
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.share
    }

    /// Whether fewer requests are under way than may be at [`Pace::Recorded`].
    pub(super) fn is_below_max(&self) -> bool {
        self.counters.in_flight.load(Relaxed) < self.options.in_flight_max as u64
    }

    /// The engine's share of what may be under way.
    pub(super) fn share(&self) -> usize {
        self.share
    }

    /// Lets a request go, or says why it may not.
    pub(super) fn enter(&mut self, now: u64) -> Result<(), Shed> {
        let under_way = self.counters.in_flight.fetch_add(1, Relaxed);
        let most = self.options.in_flight_max as u64;
        let refused = if self.options.pace == Pace::Recorded && under_way >= most {
            Some(Shed::MaxInFlight)
        } else if !std::mem::take(&mut self.has_rate) && !self.take_rate(now) {
            Some(Shed::MaxRate)
        } else if !self.take_request() {
            Some(Shed::Budget)
        } else {
            None
        };
        if let Some(shed) = refused {
            self.counters.in_flight.fetch_sub(1, Relaxed);
            return Err(shed);
        }
        self.in_flight += 1;
        Ok(())
    }

    /// A request that went has ended, with so many bytes in both directions.
    pub(super) fn leave(&mut self, bytes: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.counters.in_flight.fetch_sub(1, Relaxed);
        if self.options.budget.bytes.is_some() {
            self.counters.spent.bytes.fetch_add(bytes, Relaxed);
        }
    }

    /// When the rate lets the next request go; `now` or earlier: at once.
    pub(super) fn rate_at(&self, now: u64) -> u64 {
        if self.interval_ns == 0 || self.has_rate {
            return now;
        }
        let until = self.counters.spent.rate_until_ns.load(Relaxed);
        self.after_next(until, now).saturating_sub(self.burst_ns())
    }

    /// Whether the rate lets this engine's next request go now; then it is kept for that one. At the highest pace a request that
    /// found the rate taken by another engine would be shed, although nothing is due.
    pub(super) fn reserve_rate(&mut self, now: u64) -> bool {
        self.has_rate = self.has_rate || self.take_rate(now);
        self.has_rate
    }

    fn take_rate(&self, now: u64) -> bool {
        if self.interval_ns == 0 {
            return true;
        }
        let step = |until| Some(self.after_next(until, now)).filter(|next| *next <= now + self.burst_ns());
        self.counters.spent.rate_until_ns.fetch_update(Relaxed, Relaxed, step).is_ok()
    }

    /// The instant that the rate would be used up to by one more request (the generic cell rate algorithm): it never
    /// lies in the past, and a request goes while it is no further ahead than the burst.
    fn after_next(&self, until: u64, now: u64) -> u64 {
        until.max(now).saturating_add(self.interval_ns)
    }

    fn burst_ns(&self) -> u64 {
        RATE_BURST_NS.max(self.interval_ns)
    }

    fn take_request(&self) -> bool {
        let Some(most) = self.options.budget.requests else { return true };
        let fits = self.counters.spent.requests.fetch_add(1, Relaxed) < most;
        if !fits {
            self.counters.spent.requests.fetch_sub(1, Relaxed);
        }
        fits
    }

    /// Whether something of the budget is used up, so that nothing more may go.
    pub(super) fn is_used_up(&self, now: u64) -> bool {
        let (budget, spent) = (&self.options.budget, &self.counters.spent);
        budget.time_ns.is_some_and(|most| now >= self.start_ns.saturating_add(most))
            || budget.requests.is_some_and(|most| spent.requests.load(Relaxed) >= most)
            || budget.bytes.is_some_and(|most| spent.bytes.load(Relaxed) >= most)
    }

    /// Whether one more connection may be made; it counts until [`Self::connection_gone`].
    pub(super) fn take_connection(&mut self) -> bool {
        if !self.has_connection_left() {
            return false;
        }
        let connections = &self.counters.spent.connections;
        let before = connections.fetch_add(1, Relaxed);
        // Shares add up to the bound.
        let fits = self.connections_share.is_some() || self.options.connections_max.is_none_or(|most| before < most);
        if fits {
            self.connections += 1;
        } else {
            connections.fetch_sub(1, Relaxed);
        }
        fits
    }

    /// Whether the engine's share of connections at [`Pace::Max`] has one left.
    pub(super) fn has_connection_left(&self) -> bool {
        self.connections_share.is_none_or(|most| self.connections < most)
    }

    /// A connection was closed, or could not be made.
    pub(super) fn connection_gone(&mut self) {
        self.connections = self.connections.saturating_sub(1);
        self.counters.spent.connections.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use super::*;
    use crate::send::Budget;

    const MS: u64 = 1_000_000;

    fn bounds(options: SendOptions) -> (Bounds, Bounds) {
        let counters = Arc::new(Counters::default());
        let options = SendOptions { threads: NonZeroUsize::new(2).unwrap(), ..options };
        (Bounds::new(options, Arc::clone(&counters), 0, 0), Bounds::new(options, counters, 0, 1))
    }

    #[test]
    fn requests_under_way_are_bounded_over_all_engines() {
        let (mut one, mut other) = bounds(SendOptions { in_flight_max: 2, ..SendOptions::new() });
        assert_eq!((one.enter(0), other.enter(0), one.enter(0)), (Ok(()), Ok(()), Err(Shed::MaxInFlight)));
        other.leave(0);
        assert_eq!((one.enter(0), other.enter(0)), (Ok(()), Err(Shed::MaxInFlight)));
        assert_eq!((one.in_flight(), other.in_flight()), (2, 0));
    }

    #[test]
    fn at_the_highest_pace_each_engine_has_its_share() {
        let share = |most| {
            let (one, other) = bounds(SendOptions { in_flight_max: most, pace: Pace::Max, ..SendOptions::new() });
            (one.share(), other.share())
        };
        assert_eq!((share(65), share(2), share(1)), ((33, 32), (1, 1), (1, 1)));
    }

    #[test]
    fn the_rate_is_kept_over_all_engines_and_a_tenth_of_a_second_may_come_at_once() {
        let (mut one, mut other) = bounds(SendOptions { rate_max: NonZeroU32::new(100), ..SendOptions::new() });
        let start = 1_000 * MS;
        let went = (0..30).filter(|turn| if turn % 2 == 0 { one.enter(start) } else { other.enter(start) }.is_ok());
        assert_eq!(went.count(), 10);
        assert_eq!((one.enter(start + 9 * MS), one.rate_at(start + 9 * MS)), (Err(Shed::MaxRate), start + 10 * MS));
        assert_eq!((one.enter(start + 10 * MS), other.enter(start + 10 * MS)), (Ok(()), Err(Shed::MaxRate)));
    }

    #[test]
    fn at_the_highest_pace_what_the_rate_lets_go_is_kept_for_an_engine() {
        let options = SendOptions { rate_max: NonZeroU32::new(100), pace: Pace::Max, ..SendOptions::new() };
        let (mut one, mut other) = bounds(options);
        let start = 1_000 * MS;
        let went = (0..30).filter(|_| one.reserve_rate(start) && one.enter(start).is_ok());
        assert_eq!(went.count(), 10);
        let next = start + 10 * MS;
        assert!(!one.reserve_rate(next - 1) && one.reserve_rate(next) && !other.reserve_rate(next));
        // Whoever has it may come later, and nobody takes it in between.
        assert_eq!((one.rate_at(next), other.rate_at(next)), (next, next + 10 * MS));
        assert_eq!((one.enter(next + MS), one.reserve_rate(next + MS)), (Ok(()), false));
    }

    #[test]
    fn budgets_end_what_comes_after_them() {
        let with = |budget| bounds(SendOptions { budget, ..SendOptions::new() });
        let (mut one, mut other) = with(Budget { requests: Some(2), ..Budget::default() });
        assert_eq!((one.enter(0), one.is_used_up(0)), (Ok(()), false));
        assert_eq!((other.enter(0), one.is_used_up(0), one.enter(0)), (Ok(()), true, Err(Shed::Budget)));
        let (mut one, other) = with(Budget { bytes: Some(100), ..Budget::default() });
        assert_eq!(one.enter(0), Ok(()));
        one.leave(99);
        assert!(!other.is_used_up(0));
        assert_eq!(one.enter(0), Ok(()));
        one.leave(1);
        assert!(other.is_used_up(0));
        let (one, _) = with(Budget { time_ns: Some(5), ..Budget::default() });
        assert_eq!((one.is_used_up(4), one.is_used_up(5)), (false, true));
    }

    #[test]
    fn connections_are_bounded_over_all_engines() {
        let (mut one, mut other) = bounds(SendOptions { connections_max: Some(1), ..SendOptions::new() });
        assert_eq!((one.take_connection(), other.take_connection()), (true, false));
        one.connection_gone();
        assert!(other.take_connection());
    }

    #[test]
    fn at_the_highest_pace_each_engine_has_its_share_of_connections() {
        let max = SendOptions { connections_max: Some(3), pace: Pace::Max, ..SendOptions::new() };
        let (mut one, mut other) = bounds(max);
        assert_eq!([(); 3].map(|()| one.take_connection()), [true, true, false]);
        assert_eq!([(); 2].map(|()| other.take_connection()), [true, false]);
        other.connection_gone();
        assert_eq!((one.take_connection(), other.take_connection()), (false, true));
    }
}
