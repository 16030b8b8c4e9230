//! The shape check, recording → plan: is k times the recording's traffic as bursty as k times its clients would be?
//!
//! Both are counted as streams, in memory that grows with the clients and the windows and never with the exchanges. There
//! is no session, plan, clock or printing here, and nothing is compared with what a run then did.
//!
//! **What is compared.** The index of dispersion of counts I(τ) = Var N / E N (Gusella, IEEE JSAC 9:203, 1991), N being the
//! number of requests in a window of width τ: 1 for a Poisson process at every τ. Bursts of one client and bursts of all
//! clients together make it larger; at k times the clients the first stay as they are and the second grow k-fold. With
//! I_λ the part that comes from the clients' common rate, the plan is to have
//!
//! ```text
//! I_k(τ) = I(τ) + (k − 1)·I_λ(τ)
//! ```
//!
//! **How I_λ is found.** Keep each client with probability p: then I(p) = I − (1 − p)·I_λ. The mean over all ways to thin
//! needs no draws. With n_{c,w} the exchanges of client c in window w, m windows, S = Σ n, Q = Σ_w Σ_c n² and
//! q = Σ_c (Σ_w n)², a kept client adds p·n to the mean of a window and p·(1 − p)·n² to its variance, so that
//!
//! ```text
//! E[m·Var N] = p²·m·Var N + p·(1 − p)·(Q − q/m)      E[ΣN] = p·S
//! I(p) = p·I + (1 − p)·D      D = (Q − q/m)/S      I_λ = (I − I(p))/(1 − p) = I − D
//! ```
//!
//! up to the O(1/clients) of a mean of quotients against a quotient of means. D is the dispersion that the clients have
//! each by itself. (q and its S run over the whole recording, also what follows the last whole window, so that one count
//! serves all τ: q/m is q·τ/duration.) `tests.rs` thins by draws and compares.
//!
//! **How sure.** Ten contiguous tenths of the windows are left out in turn (block jackknife). The verdict rests on the error
//! of ln(plan/target), both without the same tenth, since they share the recording's rate: where one flash crowd makes the
//! whole dispersion, each of them is 97 % unsure by itself, and their ratio 1 %. What they share by chance they then agree
//! on, so the error is at least that of (k − 1)·I_λ, the part of the target that was not recorded, when the rate stays and
//! other clients come (`Sums::error_at_this_rate`).
//!
//! **When nothing can be said.** All of this holds for users. Where clients are pools, I is right and D is not, and a plan
//! that repeats the pools' bursts k-fold meets its wrong target exactly: so pools make the verdict unknown, whether the
//! planner found them or whether clients that nothing names live long and carry much ([`ShapeCounter::is_user`]). Where a
//! user's connections are taken for clients, plan and target part at short scales, and nothing is called kept above those.

mod check;
mod compare;
mod counts;
mod dispersion;
mod gaps;
mod order;
mod owners;
mod row;
mod scattered;
#[cfg(test)]
mod tests;

pub use check::{Doubt, NoGaps, Obstacle, ShapeCheck, Verdict};
pub use row::ShapeRow;

use counts::Counts;
use gaps::Gaps;
use order::Order;
use owners::Owners;
use scattered::Scattered;

/// The scales at which recording and plan are compared: 10 ms, 100 ms, 1 s, 10 s, 60 s. Each is a multiple of those before.
pub const TAUS_NS: [u64; 5] = [10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000];

/// Counts the requests of a recording and of its plan, for a [`ShapeCheck`].
///
/// Memory: 116 bytes a client, 8 bytes for each 10 ms of the recording (from 46 hours on for each 100 ms, and so on: at
/// most 128 MiB), 1 MiB to put exchanges in order, and 2 MiB for gaps of the plan. It does not grow with their number.
#[derive(Debug)]
pub struct ShapeCounter {
    duration_ns: u64,
    bin_ns: u64,
    owners: Owners,
    order: Order,
    recorded: Counts,
    planned: Counts,
    recorded_gaps: Gaps,
    planned_gaps: Scattered,
}

/// What the counts do not tell.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapeFacts {
    /// How many times the recorded rate, above 0.
    pub factor: f64,
    /// Why the dispersion is not to be judged, if the plan is known to be such.
    pub obstacle: Option<Obstacle>,
    /// Recorded exchanges of each endpoint.
    pub endpoints_recorded: Vec<u64>,
    /// Planned requests of each endpoint, in the same order.
    pub endpoints_planned: Vec<u64>,
}

impl ShapeCounter {
    /// A counter for a recording of `clients` clients that lasts `duration_ns` from its first arrival to its last.
    #[must_use]
    pub fn new(duration_ns: u64, clients: usize) -> Self {
        let bin_ns = counts::bin_ns(duration_ns);
        Self {
            duration_ns,
            bin_ns,
            owners: Owners::new(duration_ns, clients, bin_ns),
            order: Order::default(),
            recorded: Counts::new(duration_ns),
            planned: Counts::new(duration_ns),
            recorded_gaps: Gaps::new(),
            planned_gaps: Scattered::new(duration_ns),
        }
    }

    /// Says that `client` has a name: a cookie, header, claim or forwarded address, and not only a peer's address or a
    /// connection. Clients without one that live longer than a tenth of the recording and carry together over 5 % of it are
    /// taken for pools. To be called for each such client, at any time before [`Self::finish`].
    pub fn is_user(&mut self, client: u32) {
        self.owners.is_user(client);
    }

    /// Counts an exchange of the recording, `at_ns` after the recording's first. They come nearly in the order of time: one
    /// that comes more than 65,536 places late may be counted as if its client had sent nothing else in that window, and
    /// where that happens to over 1 % of them the check says that it cannot tell. The same goes for a `client` that is not
    /// below the number of clients.
    pub fn recorded(&mut self, client: u32, at_ns: u64) {
        self.recorded.add(at_ns);
        if let Some(earliest) = self.order.push((at_ns, client)) {
            self.in_order(earliest);
        }
    }

    /// Counts a request of the plan, due `due_ns` after the run's start, in any order.
    pub fn planned(&mut self, due_ns: u64) {
        self.planned.add(due_ns);
        self.planned_gaps.add(due_ns);
    }

    /// Compares what was counted.
    #[must_use]
    pub fn finish(mut self, facts: &ShapeFacts) -> ShapeCheck {
        while let Some(earliest) = self.order.pop() {
            self.in_order(earliest);
        }
        let owned = self.owners.finish();
        let pair = row::Pair {
            duration_ns: self.duration_ns,
            bin_ns: self.bin_ns,
            recorded: &self.recorded,
            planned: &self.planned,
            owned: &owned,
        };
        let [.., ten_seconds_ns, minute_ns] = TAUS_NS;
        ShapeCheck {
            rows: pair.rows(facts),
            recorded: self.recorded.total,
            planned: self.planned.total,
            mean_rate: (self.recorded.total > 0)
                .then(|| self.planned.total as f64 / (facts.factor * self.recorded.total as f64)),
            rate_correlation_10s: pair.correlation(ten_seconds_ns),
            rate_correlation_60s: pair.correlation(minute_ns),
            endpoint_divergence_bits: compare::divergence_bits(&facts.endpoints_recorded, &facts.endpoints_planned),
            gap_distance: compare::gap_distance(&self.recorded_gaps, self.planned_gaps),
        }
    }

    fn in_order(&mut self, (at_ns, client): (u64, u32)) {
        self.recorded_gaps.add(at_ns);
        self.owners.add(at_ns, client);
    }
}

/// Whole windows of `tau_ns` in a recording.
fn windows(duration_ns: u64, tau_ns: u64) -> u64 {
    duration_ns.checked_div(tau_ns).unwrap_or(0)
}
