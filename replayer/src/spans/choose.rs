//! Which outcomes get a span that is exported, and the exact count of those that do not.
//!
//! Sampled ones do. Of those that the span budget left out at the head, its held-back part is kept at their end. A request
//! whose trace is not sampled by `--trace-sample` has none, whatever becomes of it.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use foldhash::HashSet;

use super::budget::{Fate, Kept, SpanBudget, TailBudget};
use crate::job::{Budgeted, Job};

/// First requests of recorded traces that are known to have no span.
const ABSENT_MAX: usize = 65_536;

/// Chooses outcomes.
pub(super) struct Chooser {
    tail: TailBudget<Box<Job>>,
    absent: Absent,
    counts: Counts,
}

/// What was chosen otherwise than by the flag on the wire, and what was left out.
#[derive(Default)]
struct Counts {
    not_sampled: u64,
    over_budget: u64,
    kept_errors: u64,
    kept_slow: u64,
}

impl Chooser {
    pub(super) fn new(budget: Option<SpanBudget>) -> Self {
        let tail = TailBudget::new(budget.map_or(0, SpanBudget::held_back));
        Self { tail, absent: Absent::default(), counts: Counts::default() }
    }

    /// Looks at a request that was sent; those whose span is exported go to `out`, perhaps later.
    pub(super) fn take(&mut self, mut job: Box<Job>, out: &mut impl FnMut(Box<Job>)) {
        if job.fresh.is_sampled {
            self.absent.adopt(&mut job);
            out(job);
            return;
        }
        if job.budgeted != Budgeted::LeftOut {
            self.counts.not_sampled += 1;
            return;
        }
        let end = &job.progress;
        let (ended_ns, duration_ns) = (end.done_ns, end.done_ns.saturating_sub(end.released_ns));
        let is_error = end.error.is_some() || end.status.is_some_and(|status| status >= 400);
        // It may wait for the end of its second: nothing of a body is in a span.
        job.body = Bytes::new();
        let Self { tail, absent, counts } = self;
        tail.offer(ended_ns, duration_ns, is_error, job, &mut |fate| settle(fate, absent, counts, out));
    }

    /// Looks at a request that was not sent: it has no span, and cannot be the parent of one.
    pub(super) fn shed(&mut self, job: &Job) {
        self.absent.note(job);
    }

    /// No more will come.
    pub(super) fn end(&mut self, out: &mut impl FnMut(Box<Job>)) {
        let Self { tail, absent, counts } = self;
        tail.close(&mut |fate| settle(fate, absent, counts, out));
    }

    /// What was left out, by reason.
    pub(super) fn sampled_out(&self) -> BTreeMap<String, u64> {
        named([("head", self.counts.not_sampled), ("budget", self.counts.over_budget)])
    }

    /// What was handed on although its flag on the wire said that it is not sampled, by reason.
    pub(super) fn kept_at_end(&self) -> BTreeMap<String, u64> {
        named([("error", self.counts.kept_errors), ("slow", self.counts.kept_slow)])
    }
}

fn settle(fate: Fate<Box<Job>>, absent: &mut Absent, counts: &mut Counts, out: &mut impl FnMut(Box<Job>)) {
    match fate {
        Fate::Kept(why, mut job) => {
            let (count, budgeted) = match why {
                Kept::AsError => (&mut counts.kept_errors, Budgeted::KeptAsError),
                Kept::AsSlow => (&mut counts.kept_slow, Budgeted::KeptAsSlow),
            };
            *count += 1;
            job.budgeted = budgeted;
            absent.adopt(&mut job);
            out(job);
        }
        Fate::LeftOut(job) => {
            counts.over_budget += 1;
            absent.note(&job);
        }
    }
}

fn named<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
}

/// First requests of recorded traces of which no span will ever be there. Their followers become roots: a parent that no
/// backend can find would hide them.
#[derive(Default)]
struct Absent {
    known: HashSet<[u8; 8]>,
    oldest: VecDeque<[u8; 8]>,
}

impl Absent {
    fn note(&mut self, job: &Job) {
        if job.facts.trace.is_none() || job.fresh.parent_span_id.is_some() {
            return;
        }
        if self.oldest.len() >= ABSENT_MAX
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.known.remove(&oldest);
        }
        if self.known.insert(job.fresh.span_id) {
            self.oldest.push_back(job.fresh.span_id);
        }
    }

    fn adopt(&self, job: &mut Job) {
        if job.fresh.parent_span_id.is_some_and(|parent| self.known.contains(&parent)) {
            job.fresh.parent_span_id = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use formats::trace::TraceContext;

    use super::*;
    use crate::job::tests::job;
    use crate::job::{ErrorKind, Shed};

    /// A request of a recorded trace with this span id, the first of it or one that follows the first.
    fn one(id: u8, parent: Option<u8>, sampled: bool) -> Box<Job> {
        let mut job = job(0, 0, b"GET / HTTP/1.1\r\n\r\n");
        job.facts.trace = Some(TraceContext { trace_id: [1; 16], parent_id: [1; 8], flags: 1 });
        (job.fresh.span_id, job.fresh.parent_span_id) = ([id; 8], parent.map(|parent| [parent; 8]));
        job.fresh.is_sampled = sampled;
        job
    }

    fn left_out(id: u8, parent: Option<u8>, done_ns: u64, error: Option<ErrorKind>) -> Box<Job> {
        let mut job = one(id, parent, false);
        job.budgeted = Budgeted::LeftOut;
        (job.progress.done_ns, job.progress.error) = (done_ns, error);
        job
    }

    /// What comes out, by span id, with its parent.
    fn chosen(chooser: &mut Chooser, jobs: impl IntoIterator<Item = Box<Job>>) -> Vec<(u8, Option<u8>)> {
        let mut out = Vec::new();
        let mut note =
            |job: Box<Job>| out.push((job.fresh.span_id[0], job.fresh.parent_span_id.map(|parent| parent[0])));
        jobs.into_iter().for_each(|job| chooser.take(job, &mut note));
        chooser.end(&mut note);
        out
    }

    fn counts(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn followers_keep_their_parent_in_any_order_while_it_has_a_span() {
        let mut chooser = Chooser::new(None);
        let failed = |id| {
            let mut job = one(id, None, true);
            job.progress.error = Some(ErrorKind::Reset);
            job
        };
        let jobs = [one(2, Some(1), true), failed(1), one(3, Some(1), true)];
        assert_eq!(chosen(&mut chooser, jobs), [(2, Some(1)), (1, None), (3, Some(1))]);
    }

    #[test]
    fn followers_of_what_was_shed_become_roots() {
        let mut chooser = Chooser::new(None);
        let mut shed = one(1, None, true);
        shed.progress.shed = Some(Shed::MaxInFlight);
        chooser.shed(&shed);
        // A follower that was shed is nobody's parent.
        let mut other = one(9, Some(5), true);
        other.progress.shed = Some(Shed::MaxInFlight);
        chooser.shed(&other);
        let jobs = [one(2, Some(1), true), one(6, Some(5), true), one(7, Some(9), true)];
        assert_eq!(chosen(&mut chooser, jobs), [(2, None), (6, Some(5)), (7, Some(9))]);
    }

    #[test]
    fn followers_of_what_the_budget_left_out_become_roots() {
        let mut chooser = Chooser::new(Some("5/s".parse().unwrap()));
        // One a second is kept: the error, and with it its root is known to be left out.
        let jobs = [left_out(1, None, 1, None), left_out(2, Some(1), 2, Some(ErrorKind::Timeout))];
        assert_eq!(chosen(&mut chooser, jobs).len(), 1);
        let later = [left_out(3, Some(1), 2_000_000_000, Some(ErrorKind::Timeout))];
        assert_eq!(chosen(&mut chooser, later), [(3, None)]);
    }

    #[test]
    fn every_request_is_counted_once() {
        let mut chooser = Chooser::new(Some("10/s".parse().unwrap()));
        let mut jobs = vec![one(1, None, true), one(2, None, false)];
        // Two are held back: the first error, and the slowest of the others.
        jobs.extend((3..=9).map(|id| left_out(id, None, u64::from(id), (id < 6).then_some(ErrorKind::Reset))));
        let out = chosen(&mut chooser, jobs);
        assert_eq!(out, [(1, None), (3, None), (9, None)]);
        assert_eq!(chooser.sampled_out(), counts(&[("head", 1), ("budget", 5)]));
        assert_eq!(chooser.kept_at_end(), counts(&[("error", 1), ("slow", 1)]));
    }

    #[test]
    fn the_oldest_of_too_many_absent_spans_is_forgotten() {
        let mut absent = Absent::default();
        let numbered = |number: u64| {
            let mut job = one(0, None, true);
            job.fresh.span_id = number.to_be_bytes();
            job
        };
        (0..=ABSENT_MAX as u64).for_each(|number| absent.note(&numbered(number)));
        assert_eq!((absent.known.len(), absent.oldest.len()), (ABSENT_MAX, ABSENT_MAX));
        assert!(!absent.known.contains(&0_u64.to_be_bytes()) && absent.known.contains(&1_u64.to_be_bytes()));
    }
}
