//! The slowest requests of each endpoint, so far.

use std::collections::{BTreeSet, HashMap};

/// Of one endpoint, to begin with.
const EACH_MAX: usize = 64;
/// Endpoints that have slowest ones of their own; of the others only the samples are kept.
const ENDPOINTS_MAX: usize = 1_024;

/// Response time, trace and span: distinct for each request, so that no order of arrival decides between equals.
type Slow = (u64, [u8; 16], [u8; 8]);

pub(super) struct Slowest {
    of: HashMap<u32, BTreeSet<Slow>>,
    each_max: usize,
}

impl Default for Slowest {
    fn default() -> Self {
        Self { of: HashMap::new(), each_max: EACH_MAX }
    }
}

impl Slowest {
    pub(super) fn each_max(&self) -> usize {
        self.each_max
    }

    /// Whether a request is among the slowest now, and the trace of the one that is not any more.
    pub(super) fn take(
        &mut self,
        endpoint: u32,
        response_ns: u64,
        trace_id: [u8; 16],
        span_id: [u8; 8],
    ) -> (bool, Option<[u8; 16]>) {
        if self.each_max == 0 || (self.of.len() >= ENDPOINTS_MAX && !self.of.contains_key(&endpoint)) {
            return (false, None);
        }
        let slowest = self.of.entry(endpoint).or_default();
        let new = (response_ns, trace_id, span_id);
        if slowest.len() >= self.each_max && slowest.first().is_some_and(|least| *least >= new) {
            return (false, None);
        }
        let is_new = slowest.insert(new);
        let out = if slowest.len() > self.each_max { slowest.pop_first() } else { None };
        (is_new, out.map(|(_, trace_id, _)| trace_id))
    }

    pub(super) fn has(&self, endpoint: u32, response_ns: u64, trace_id: [u8; 16], span_id: [u8; 8]) -> bool {
        self.of.get(&endpoint).is_some_and(|slowest| slowest.contains(&(response_ns, trace_id, span_id)))
    }

    /// Half as many of each endpoint from now on; the traces of those that are out, once for each of their requests.
    pub(super) fn halve(&mut self) -> Vec<[u8; 16]> {
        self.each_max /= 2;
        let each_max = self.each_max;
        let mut out = Vec::new();
        for slowest in self.of.values_mut() {
            while slowest.len() > each_max
                && let Some((_, trace_id, _)) = slowest.pop_first()
            {
                out.push(trace_id);
            }
        }
        out
    }
}
