//! How far ahead of their leaving requests are made ready: by due instants where these say when that is, by number and bytes
//! where they do not.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::job::{Ahead, Job};

/// How far ahead of their due instants requests are made ready.
pub(super) const AHEAD_NS: u64 = 1_000_000_000;
/// Bytes of requests that are made ready and not yet due, or may not leave yet.
const AHEAD_BYTES_MAX: u64 = 128 << 20;
/// Requests that are made ready in closed loop and may not leave yet: fewer than an engine keeps waiting, so that they alone
/// never fill it.
pub(crate) const AHEAD_REQUESTS_MAX: u64 = 32_768;

/// What due instants say about when requests leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// Not before them.
    WhenDue,
    /// Not before them only for requests that wait for no answer: one that comes early frees others before they are due.
    AfterAnswers,
    /// Nothing but their order.
    AtOnce,
}

/// What is made ready and has not left.
#[derive(Default)]
pub(super) struct LookAhead {
    /// Where requests leave when they are due: when that is, and how many bytes.
    near: VecDeque<(u64, u64)>,
    near_bytes: u64,
    /// Where they do not: counted until they may leave.
    ahead: Arc<Ahead>,
}

impl LookAhead {
    /// Whether a request that is due then may be handed over, `horizon_ns` being the latest that is.
    pub(super) fn has_room(&mut self, leaving: Leaving, due_ns: u64, now_ns: u64, horizon_ns: u64) -> bool {
        match leaving {
            Leaving::WhenDue => {
                while let Some((_, bytes)) = self.near.front().copied().filter(|(due, _)| *due < now_ns) {
                    self.near.pop_front();
                    self.near_bytes = self.near_bytes.saturating_sub(bytes);
                }
                due_ns <= horizon_ns && self.near_bytes <= AHEAD_BYTES_MAX
            }
            Leaving::AfterAnswers => self.ahead.has_room(AHEAD_REQUESTS_MAX, AHEAD_BYTES_MAX),
            // Requests are bounded by the queues.
            Leaving::AtOnce => self.ahead.has_room(u64::MAX, AHEAD_BYTES_MAX),
        }
    }

    /// Counts a request that is handed over.
    pub(super) fn take(&mut self, leaving: Leaving, job: &mut Job) {
        let bytes = (job.head.len() + job.body.len()) as u64;
        if leaving == Leaving::WhenDue {
            self.near.push_back((job.due_ns, bytes));
            self.near_bytes += bytes;
        } else {
            job.room = Some(Ahead::take(&self.ahead, bytes));
        }
    }

    /// Nothing is waited for any more.
    pub(super) fn forget(&mut self) {
        self.near.clear();
        self.near_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::tests::job;

    const S: u64 = 1_000_000_000;

    /// Takes requests of so many bytes until there is no room.
    #[expect(clippy::vec_box, reason = "requests are boxed wherever they are")]
    fn fill(ahead: &mut LookAhead, leaving: Leaving, bytes: usize, most: usize) -> Vec<Box<Job>> {
        let mut taken = Vec::new();
        while taken.len() < most && ahead.has_room(leaving, 3_600 * S, 0, S) {
            let mut one = job(3_600 * S, 1, &vec![b'x'; bytes]);
            ahead.take(leaving, &mut one);
            taken.push(one);
        }
        taken
    }

    #[test]
    fn in_closed_loop_requests_and_bytes_are_bounded_and_due_instants_are_not() {
        let mut ahead = LookAhead::default();
        let mut taken = fill(&mut ahead, Leaving::AfterAnswers, 10, 100_000);
        assert_eq!(taken.len() as u64, AHEAD_REQUESTS_MAX);
        taken.pop();
        assert_eq!(fill(&mut ahead, Leaving::AfterAnswers, 10, 100).len(), 1, "one that may leave makes room for one");
        drop(taken);
        let megabytes = fill(&mut ahead, Leaving::AfterAnswers, 1 << 20, 100_000);
        assert_eq!(megabytes.len() as u64, (AHEAD_BYTES_MAX >> 20) + 1);
    }

    #[test]
    fn at_the_highest_pace_bytes_are_bounded_and_the_queues_bound_requests() {
        let mut ahead = LookAhead::default();
        assert_eq!(fill(&mut ahead, Leaving::AtOnce, 0, 40_000).len(), 40_000);
        assert_eq!(fill(&mut ahead, Leaving::AtOnce, 64 << 20, 100).len(), 3);
    }

    #[test]
    fn where_requests_leave_when_they_are_due_nothing_is_taken_that_is_due_late() {
        let (mut ahead, leaving) = (LookAhead::default(), Leaving::WhenDue);
        assert!(ahead.has_room(leaving, S, 0, S) && !ahead.has_room(leaving, S + 1, 0, S));
        for _ in 0..2 {
            ahead.take(leaving, &mut job(S, 1, &vec![b'x'; 100 << 20]));
        }
        assert!(!ahead.has_room(leaving, S, S, 2 * S), "what is due now has not left");
        assert!(ahead.has_room(leaving, S, S + 1, 2 * S));
        ahead.take(leaving, &mut job(2 * S, 1, &vec![b'x'; 200 << 20]));
        assert!(!ahead.has_room(leaving, S, S + 1, 2 * S));
        ahead.forget();
        assert!(ahead.has_room(leaving, S, S + 1, 2 * S));
    }
}
