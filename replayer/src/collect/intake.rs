//! Takes spans as they are read: checks identifiers, knows whose they are, gives names numbers, and stores them.

use formats::trace::REPLAY_TRACESTATE_KEY;

use super::names::{NAMES_MAX, Names, Processes};
use super::otlp::{Resource, Sent, Visitor};
use super::span::{Kind, ServiceSpan};
use super::store::{Mark, Store};

/// The replayer's own service, whose spans come back through a collector's fan-out.
const OWN_SERVICE: &str = "reenact";

/// The store with the names of what is in it.
pub(super) struct Intake {
    pub(super) store: Store,
    pub(super) processes: Processes,
    pub(super) operations: Names,
    run_id: String,
    /// The process of the spans that come; `None`: ours.
    process: Option<u32>,
}

impl Intake {
    pub(super) fn new(store: Store, run_id: &str) -> Self {
        let (processes, operations) = (Processes::new(), Names::new(NAMES_MAX));
        Self { store, processes, operations, run_id: run_id.to_owned(), process: None }
    }

    pub(super) fn rejected(&self) -> u64 {
        self.store.counts.rejected
    }

    fn mark(&self, trace_state: &str) -> Mark {
        let mut members = trace_state.split(',').filter_map(|member| member.split_once('='));
        match members.find(|(key, _)| key.trim() == REPLAY_TRACESTATE_KEY) {
            None => Mark::None,
            Some((_, value)) if value.contains(&self.run_id) => Mark::Ours,
            Some(_) => Mark::Others,
        }
    }
}

impl Visitor for Intake {
    fn resource(&mut self, resource: &Resource<'_>) {
        let is_own = resource.service == OWN_SERVICE;
        self.process = (!is_own).then(|| self.processes.number(&resource.service, &resource.instance));
    }

    fn span(&mut self, span: &Sent<'_>) {
        let counts = &mut self.store.counts;
        counts.received += 1;
        let id: Option<[u8; 16]> = (*span.trace_id).try_into().ok().filter(|id| *id != [0; 16]);
        let span_id: Option<[u8; 8]> = (*span.span_id).try_into().ok().filter(|id| *id != [0; 8]);
        let parent_id: Option<[u8; 8]> =
            if span.parent_id.is_empty() { Some([0; 8]) } else { (*span.parent_id).try_into().ok() };
        let (Some(trace_id), Some(span_id), Some(parent_id)) = (id, span_id, parent_id) else {
            counts.rejected += 1;
            return;
        };
        let Some(process) = self.process else {
            counts.own += 1;
            return;
        };
        let mark = self.mark(&span.trace_state);
        if mark == Mark::Others {
            self.store.counts.of_others += 1;
            return;
        }
        let span = ServiceSpan {
            span_id,
            parent_id,
            process,
            operation: self.operations.number(&span.name),
            start_unix_ns: span.start_unix_ns,
            end_unix_ns: span.end_unix_ns,
            kind: Kind::of(span.kind),
        };
        self.store.span(trace_id, span, mark);
    }
}
