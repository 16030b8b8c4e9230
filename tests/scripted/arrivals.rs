//! When numbered requests arrive at a target, and whether that is when they were due.
#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Half of the requests are nearer to the plan than this; generous, since tests share their machine.
const HALF_WITHIN: Duration = Duration::from_millis(20);
/// Nearly all are nearer than this, which is far less than any target here hangs or is slow.
const MOST_WITHIN: Duration = Duration::from_millis(400);
const MOST_PERCENT: usize = 90;

/// Requests that came, in this order.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<Vec<Arrival>>>);

struct Arrival {
    number: u64,
    at: Instant,
    /// The client's end of its connection.
    peer: SocketAddr,
}

impl Arrivals {
    #[expect(clippy::disallowed_methods, reason = "the instant of arrival, from the target's side")]
    pub(crate) fn note(&self, number: u64, socket: &TcpStream) {
        let Ok(peer) = socket.peer_addr() else { return };
        let mut all = self.0.lock().unwrap();
        all.push(Arrival { number, at: Instant::now(), peer });
    }

    /// How many came.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Their numbers, sorted.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.0.lock().unwrap().iter().map(|one| one.number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Those that `counts` came once at most, each client's (number modulo `clients`) in order, and at instants that have
    /// the distances of the plan: number n at n times `spacing`.
    #[track_caller]
    pub(crate) fn check(&self, clients: u64, spacing: Duration, counts: impl Fn(u64) -> bool) {
        let all = self.0.lock().unwrap();
        let (mut seen, mut overtaken) = (HashSet::new(), 0);
        let (mut of_client, mut of_connection) = (HashMap::new(), HashMap::new());
        let mut offsets: Vec<i128> = Vec::new();
        for Arrival { number, at, peer } in all.iter().filter(|one| counts(one.number)) {
            assert!(seen.insert(number), "{number} came twice");
            let before = of_connection.insert(peer, number);
            assert!(before.is_none_or(|before| before < number), "{number} after {before:?} on one connection");
            let last: &mut u64 = of_client.entry(number % clients).or_default();
            overtaken += usize::from(*number < *last);
            *last = (*last).max(*number);
            let due = spacing.as_nanos() * u128::from(*number);
            offsets.push(signed(at.duration_since(all[0].at).as_nanos()) - signed(due));
        }
        assert!(!offsets.is_empty(), "none of {} arrivals counts", all.len());
        // While this machine stands still, a client's next request comes due and takes a connection of its own.
        assert!(overtaken * 100 <= offsets.len() * (100 - MOST_PERCENT), "{overtaken} of {} overtaken", offsets.len());
        let middle = quantile(&mut offsets, 50);
        let mut deviations: Vec<i128> = offsets.iter().map(|offset| (offset - middle).abs()).collect();
        for (percent, limit) in [(50, HALF_WITHIN), (MOST_PERCENT, MOST_WITHIN)] {
            let found = quantile(&mut deviations, percent);
            assert!(found < signed(limit.as_nanos()), "{percent} % are within {found} ns of the plan, not {limit:?}");
        }
    }
}

fn signed(nanos: u128) -> i128 {
    i128::try_from(nanos).unwrap()
}

fn quantile(values: &mut [i128], percent: usize) -> i128 {
    values.sort_unstable();
    values[(values.len() - 1) * percent / 100]
}
