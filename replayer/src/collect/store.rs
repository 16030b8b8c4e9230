//! Which traces are kept within how much memory, and how many each kept one stands for.
//!
//! Kept are a sample of all traces by a hash of their id, the failed requests' and the slowest of each endpoint. The sample
//! begins with everything; whenever memory is full, whichever of the three takes most is halved. So at the end each of them
//! is known exactly: a request is there if it is among the slowest (it then stands for itself), or if its hash is below a
//! share (it then stands for 1 / share of them: Horvitz and Thompson 1952). No choice hangs on the order of arrival.
//!
//! Spans may come before the request has ended, when nobody can say yet whose they are: these wait, in memory of their own,
//! and the oldest give way.

mod slowest;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

use super::members::{Members, mixed};
use super::span::{ClientSpan, ServiceSpan};
use slowest::Slowest;

/// Spans of one trace that are kept.
pub(super) const SPANS_PER_TRACE_MAX: usize = 1_000;
/// Requests of one trace that are kept.
pub(super) const REQUESTS_PER_TRACE_MAX: usize = 1_000;
/// What a trace takes besides its spans: its place in a table that is at times half empty, and in the queue of those that
/// wait.
const TRACE_BYTES: u64 = 256;
/// Of the memory that is given, for the waiting spans, for telling the run's trace ids, and for all traces.
const WAITING_PART: u64 = 4;
const MEMBERS_PART: u64 = 8;
const TRACES_PARTS: (u64, u64) = (5, 8);
/// Which bits of a trace's hash decide.
const SAMPLE_SEED: u64 = 0;

/// What a span says about its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// It carries the mark of this run.
    Ours,
    /// It carries that of another one.
    Others,
    /// It carries none.
    None,
}

/// What became of the spans that were received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) received: u64,
    /// Of this run, in traces that are not kept.
    pub(super) not_kept: u64,
    /// Of other runs, or of no run.
    pub(super) of_others: u64,
    /// The replayer's own.
    pub(super) own: u64,
    /// Came again, as retries make them.
    pub(super) repeated: u64,
    /// Of kept traces that had too many.
    pub(super) cut: u64,
    /// Of this run, gave way before their request had ended.
    pub(super) gave_way: u64,
    /// Without valid identifiers.
    pub(super) rejected: u64,
    /// Requests that were sampled, and that were not.
    pub(super) sampled: u64,
    pub(super) unsampled: u64,
    /// Requests of kept traces that had too many.
    pub(super) requests_cut: u64,
}

/// One trace.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Our requests in it; none yet while it waits.
    pub(super) clients: Vec<ClientSpan>,
    pub(super) spans: Vec<ServiceSpan>,
    /// How many of its requests are among the slowest.
    slow: u32,
    /// Its spans carry the mark of this run.
    is_marked: bool,
}

impl Trace {
    fn bytes(&self) -> u64 {
        let clients = self.clients.capacity() * size_of::<ClientSpan>();
        TRACE_BYTES + (clients + self.spans.capacity() * size_of::<ServiceSpan>()) as u64
    }

    fn has_failed(&self) -> bool {
        self.clients.iter().any(|client| client.failed)
    }
}

/// Kept traces and the counts of what is not kept.
pub(super) struct Store {
    traces: HashMap<[u8; 16], Trace>,
    /// Those that wait, the oldest first; those that do not any more may still be listed.
    waiting: VecDeque<[u8; 16]>,
    waiting_traces: usize,
    waiting_bytes: u64,
    bytes: u64,
    bytes_max: u64,
    waiting_bytes_max: u64,
    /// The most that was ever taken.
    pub(super) bytes_peak: u64,
    /// Traces with a hash below these are kept: any, and failed ones.
    share: u64,
    failed_share: u64,
    slowest: Slowest,
    members: Members,
    pub(super) counts: Counts,
}

impl Store {
    /// A store within so much memory.
    pub(super) fn new(memory_bytes: u64) -> Self {
        let bytes_max = memory_bytes / TRACES_PARTS.1 * TRACES_PARTS.0;
        Self {
            traces: HashMap::new(),
            waiting: VecDeque::new(),
            waiting_traces: 0,
            waiting_bytes: 0,
            bytes: 0,
            bytes_max,
            waiting_bytes_max: memory_bytes / WAITING_PART,
            bytes_peak: 0,
            share: u64::MAX,
            failed_share: u64::MAX,
            slowest: Slowest::default(),
            members: Members::new(memory_bytes / MEMBERS_PART),
            counts: Counts::default(),
        }
    }

    /// A request has ended.
    pub(super) fn request(&mut self, client: ClientSpan) {
        let id = client.trace_id;
        self.members.insert(&id);
        if !client.sampled {
            self.counts.unsampled += 1;
            // Of a service that exports all the same, before the request had ended. Those that come later find no trace.
            if self.is_waiting(&id)
                && let Some(trace) = self.take(&id)
            {
                self.counts.not_kept += trace.spans.len() as u64;
            }
            return;
        }
        self.counts.sampled += 1;
        let mut trace = self.take(&id).unwrap_or_default();
        if trace.clients.len() < REQUESTS_PER_TRACE_MAX {
            // Nearly every trace has one.
            if trace.clients.is_empty() {
                trace.clients.reserve_exact(1);
            }
            trace.clients.push(client);
        } else {
            self.counts.requests_cut += 1;
            self.put(id, trace);
            return;
        }
        let (is_slow, no_more) = self.slowest.take(client.endpoint, client.response_ns(), id, client.span_id);
        trace.slow += u32::from(is_slow);
        self.put_or_forget(id, trace);
        if let Some(no_more) = no_more {
            self.not_slow(&no_more);
        }
        self.shrink();
    }

    /// A span was received.
    pub(super) fn span(&mut self, trace_id: [u8; 16], span: ServiceSpan, mark: Mark) {
        if mark == Mark::Others {
            self.counts.of_others += 1;
            return;
        }
        let is_known = self.traces.contains_key(&trace_id);
        if !is_known && self.members.has(&trace_id) {
            self.counts.not_kept += 1;
            return;
        }
        let mut trace = self.take(&trace_id).unwrap_or_default();
        trace.is_marked |= mark == Mark::Ours;
        if trace.spans.iter().any(|known| known.span_id == span.span_id) {
            self.counts.repeated += 1;
        } else if trace.spans.len() >= SPANS_PER_TRACE_MAX {
            self.counts.cut += 1;
        } else {
            trace.spans.push(span);
        }
        self.put(trace_id, trace);
        if !is_known {
            self.waiting.push_back(trace_id);
        }
        self.give_way();
        self.shrink();
    }

    /// Nothing more comes: those that still wait belong to nobody.
    pub(super) fn finish(&mut self) {
        while let Some(id) = self.waiting.pop_front() {
            if self.is_waiting(&id)
                && let Some(trace) = self.take(&id)
            {
                self.forget(&trace);
            }
        }
    }

    /// The kept traces.
    pub(super) fn traces(&self) -> impl Iterator<Item = &Trace> {
        self.traces.values().filter(|trace| !trace.clients.is_empty())
    }

    /// How many requests a kept one stands for; `None` for one that is only there because another one of its trace is.
    pub(super) fn weight(&self, client: &ClientSpan) -> Option<f64> {
        if self.slowest.has(client.endpoint, client.response_ns(), client.trace_id, client.span_id) {
            return Some(1.0);
        }
        let below = if client.failed { self.share.max(self.failed_share) } else { self.share };
        is_below(&client.trace_id, below).then(|| 1.0 / part(below))
    }

    /// Which share of all traces, and of failed ones, is kept; and how many of the slowest of each endpoint.
    pub(super) fn kept(&self) -> (f64, f64, usize) {
        (part(self.share), part(self.share.max(self.failed_share)), self.slowest.each_max())
    }

    /// Takes a trace out, with what it takes.
    fn take(&mut self, id: &[u8; 16]) -> Option<Trace> {
        let trace = self.traces.remove(id)?;
        self.bytes -= trace.bytes();
        if trace.clients.is_empty() {
            self.waiting_bytes -= trace.bytes();
            self.waiting_traces -= 1;
        }
        Some(trace)
    }

    fn put(&mut self, id: [u8; 16], trace: Trace) {
        self.bytes += trace.bytes();
        if trace.clients.is_empty() {
            self.waiting_bytes += trace.bytes();
            self.waiting_traces += 1;
        }
        self.bytes_peak = self.bytes_peak.max(self.bytes);
        self.traces.insert(id, trace);
    }

    fn put_or_forget(&mut self, id: [u8; 16], trace: Trace) {
        if self.is_chosen(&id, &trace) {
            self.put(id, trace);
        } else {
            self.forget(&trace);
        }
    }

    fn is_chosen(&self, id: &[u8; 16], trace: &Trace) -> bool {
        trace.slow > 0 || is_below(id, self.share) || (trace.has_failed() && is_below(id, self.failed_share))
    }

    fn is_waiting(&self, id: &[u8; 16]) -> bool {
        self.traces.get(id).is_some_and(|trace| trace.clients.is_empty())
    }

    /// Counts what is not kept of a trace.
    fn forget(&mut self, trace: &Trace) {
        let spans = trace.spans.len() as u64;
        match (trace.clients.is_empty(), trace.is_marked) {
            (false, _) => self.counts.not_kept += spans,
            (true, true) => self.counts.gave_way += spans,
            (true, false) => self.counts.of_others += spans,
        }
    }

    /// A request of this trace is not among the slowest any more.
    fn not_slow(&mut self, id: &[u8; 16]) {
        if let Some(mut trace) = self.take(id) {
            trace.slow = trace.slow.saturating_sub(1);
            self.put_or_forget(*id, trace);
        }
    }

    /// The oldest of those that wait give way to the newest.
    fn give_way(&mut self) {
        while self.waiting_bytes > self.waiting_bytes_max
            && let Some(id) = self.waiting.pop_front()
        {
            if self.is_waiting(&id)
                && let Some(trace) = self.take(&id)
            {
                self.forget(&trace);
            }
        }
        if self.waiting.len() > 2 * self.waiting_traces + 1_024 {
            let traces = &self.traces;
            self.waiting.retain(|id| traces.get(id).is_some_and(|trace| trace.clients.is_empty()));
        }
    }

    /// Keeps less, until it fits.
    fn shrink(&mut self) {
        while self.bytes > self.bytes_max && self.bytes > self.waiting_bytes {
            let [mut any, mut failed, mut slow] = [0; 3];
            for trace in self.traces() {
                let of = match trace {
                    trace if trace.slow > 0 => &mut slow,
                    trace if trace.has_failed() => &mut failed,
                    _ => &mut any,
                };
                *of += trace.bytes();
            }
            if slow >= any && slow >= failed {
                for id in self.slowest.halve() {
                    self.not_slow(&id);
                }
            } else if any >= failed {
                self.share /= 2;
            } else {
                // Failed ones are in the sample of all as well.
                self.failed_share /= 2;
                self.share = self.share.min(self.failed_share);
            }
            let not_chosen = |(id, trace): (&[u8; 16], &Trace)| {
                let is_out = !trace.clients.is_empty() && !self.is_chosen(id, trace);
                is_out.then_some(*id)
            };
            let out: Vec<[u8; 16]> = self.traces.iter().filter_map(not_chosen).collect();
            for id in out {
                if let Some(trace) = self.take(&id) {
                    self.forget(&trace);
                }
            }
        }
    }
}

fn is_below(id: &[u8; 16], share: u64) -> bool {
    // Everything is kept at the beginning, also the highest hash.
    share == u64::MAX || mixed(id, SAMPLE_SEED) < share
}

fn part(share: u64) -> f64 {
    share as f64 / u64::MAX as f64
}
