//! A trace as a tree: which spans hang below which, and which came without their parents.

use std::collections::HashMap;

use super::span::{ClientSpan, ServiceSpan};

/// The children of every span of one trace, by index.
pub(super) struct Tree<'a> {
    pub(super) clients: &'a [ClientSpan],
    pub(super) spans: &'a [ServiceSpan],
    of_clients: Vec<Vec<usize>>,
    of_spans: Vec<Vec<usize>>,
    /// Spans whose parent never came.
    pub(super) orphans: u64,
    /// Our own client spans that came back through a collector.
    pub(super) own: u64,
}

impl<'a> Tree<'a> {
    /// Hangs every span below its parent. Where the trace is that of one request of ours and nothing says to be its child,
    /// the orphans are hung below it: what stood between may export nothing.
    pub(super) fn of(clients: &'a [ClientSpan], spans: &'a [ServiceSpan]) -> Self {
        let mut tree = Self {
            clients,
            spans,
            of_clients: vec![Vec::new(); clients.len()],
            of_spans: vec![Vec::new(); spans.len()],
            orphans: 0,
            own: 0,
        };
        let at_client: HashMap<[u8; 8], usize> = clients.iter().zip(0..).map(|(one, at)| (one.span_id, at)).collect();
        let at_span: HashMap<[u8; 8], usize> = spans.iter().zip(0..).map(|(one, at)| (one.span_id, at)).collect();
        let mut orphans = Vec::new();
        for (at, span) in spans.iter().enumerate() {
            if at_client.contains_key(&span.span_id) {
                tree.own += 1;
                continue;
            }
            let client = at_client.get(&span.parent_id).and_then(|at| tree.of_clients.get_mut(*at));
            // A span that says to be its own parent is nobody's child, so that there is no circle that begins with a client.
            let parent = at_span.get(&span.parent_id).filter(|parent| **parent != at);
            match client.or_else(|| parent.and_then(|at| tree.of_spans.get_mut(*at))) {
                Some(siblings) => siblings.push(at),
                None => orphans.push(at),
            }
        }
        tree.orphans = orphans.len() as u64;
        if let [only] = tree.of_clients.as_mut_slice()
            && only.is_empty()
        {
            *only = orphans;
        }
        tree
    }

    /// The spans below a client span.
    pub(super) fn of_client(&self, client: usize) -> &[usize] {
        self.of_clients.get(client).map_or(&[], Vec::as_slice)
    }

    /// The spans below a service's span.
    pub(super) fn of_span(&self, span: usize) -> &[usize] {
        self.of_spans.get(span).map_or(&[], Vec::as_slice)
    }
}
