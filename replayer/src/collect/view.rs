//! From kept traces to who the time went to, at the median and in the slow tail of each endpoint.
//!
//! A band of response times is made of the requests whose place in the order of all, by weight, touches it: the middle fifth
//! for the median, the slowest 1 % for the tail, or 5 % or 10 % where that is under ten kept requests. A step's share is
//! Σ w·(its time) / Σ w·(response time) over the band's joined requests, where w is how many requests a kept one stands for:
//! a share of time, not a mean of shares.

use std::collections::HashMap;

use super::names::{Names, Processes};
use super::path::{self, Place};
use super::skew::{Clocks, Stretch, US, bounded};
use super::span::{ClientSpan, Kind};
use super::store::{Store, Trace};
use super::tree::Tree;
use crate::result::services::{Band, ClockOffset, EndpointServices, JoinedRequests, Services, Step};

/// Shares of requests that a tail may be, the first that is large enough.
const TAILS: [f64; 3] = [0.01, 0.05, 0.1];
/// Kept requests that make a tail large enough.
const TAIL_REQUESTS_MIN: usize = 10;
/// Where the median's band begins and ends.
const MEDIAN: (f64, f64) = (0.4, 0.6);
/// Endpoints in the result.
const ENDPOINTS_MAX: usize = 500;
/// Steps of an endpoint in the result; the rest is summed up.
const STEPS_MAX: usize = 20;
/// Clocks in the result.
const CLOCKS_MAX: usize = 100;

/// What the view is made from.
pub(super) struct Kept<'a> {
    pub(super) store: &'a Store,
    pub(super) processes: &'a Processes,
    pub(super) operations: &'a Names,
    /// Names of endpoints.
    pub(super) endpoints: &'a [String],
    /// The start of the run, nanoseconds since 1970.
    pub(super) start_unix_ns: u64,
}

/// One kept request that stands for some.
struct Request<'a> {
    /// Index of its trace.
    trace: usize,
    /// Index of its client span in it.
    client: usize,
    span: &'a ClientSpan,
    weight: f64,
}

/// A step of the path, by what it is told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Waiting,
    ToFirst,
    Between,
    FromLast,
    Span { service: u32, operation: u32 },
}

/// Weighted sums over one band.
#[derive(Default)]
struct Sums {
    /// Of joined requests: weight, and weight times nanoseconds.
    weight: f64,
    response_ns: f64,
    steps: HashMap<Key, f64>,
    band: Band,
}

/// Fills in requests, clocks and endpoints.
pub(super) fn fill(kept: &Kept<'_>, services: &mut Services) {
    let traces: Vec<&Trace> = kept.store.traces().collect();
    let (mut clocks, mut joined) = (Clocks::default(), JoinedRequests::default());
    let mut of: HashMap<u32, Vec<Request<'_>>> = HashMap::new();
    for (number, trace) in traces.iter().enumerate() {
        let tree = Tree::of(&trace.clients, &trace.spans);
        services.spans.kept += tree.spans.len() as u64 - tree.own;
        services.spans.own += tree.own;
        joined.orphans += tree.orphans;
        for (client, span) in tree.clients.iter().enumerate() {
            joined.kept += 1;
            let is_joined = !tree.of_client(client).is_empty();
            *if is_joined { &mut joined.joined } else { &mut joined.missing } += 1;
            see_calls(&tree, client, kept.origin(span), &mut clocks);
            if let Some(weight) = kept.store.weight(span) {
                of.entry(span.endpoint).or_default().push(Request { trace: number, client, span, weight });
            }
        }
    }
    let mut endpoints: Vec<EndpointServices> = of
        .into_iter()
        .filter_map(|(endpoint, requests)| {
            let name = kept.endpoints.get(endpoint as usize)?;
            Some(EndpointServices { endpoint: name.clone(), ..kept.endpoint(&traces, requests, &clocks, &mut joined) })
        })
        .collect();
    endpoints
        .sort_by(|a, b| b.tail.response_us.total_cmp(&a.tail.response_us).then_with(|| a.endpoint.cmp(&b.endpoint)));
    services.endpoints_left_out = endpoints.len().saturating_sub(ENDPOINTS_MAX) as u64;
    endpoints.truncate(ENDPOINTS_MAX);
    services.endpoints = endpoints;
    services.clocks = kept.clocks(&clocks);
    let counts = &kept.store.counts;
    services.requests = JoinedRequests {
        sampled: counts.sampled,
        unsampled: counts.unsampled,
        cut: counts.requests_cut,
        lost: services.requests.lost,
        ..joined
    };
}

/// Shows all calls between processes below a client span to the clocks.
pub(super) fn see_calls(tree: &Tree<'_>, client: usize, origin_unix_ns: u64, clocks: &mut Clocks) {
    let Some(ours) = tree.clients.get(client) else { return };
    let len = bounded(ours.done_ns.saturating_sub(ours.dispatched_ns).into());
    let whole = Stretch { start: 0, end: len };
    let mut parents = vec![(US, Kind::Client, whole, tree.of_client(client))];
    while let Some((process, kind, parent, children)) = parents.pop() {
        for (at, child) in children.iter().filter_map(|at| Some((*at, tree.spans.get(*at)?))) {
            let span = Stretch::since(origin_unix_ns, child.start_unix_ns, child.end_unix_ns);
            if child.process != process && (kind == Kind::Client || child.kind == Kind::Server) {
                clocks.see(process, child.process, parent, span);
            }
            parents.push((child.process, child.kind, span, tree.of_span(at)));
        }
    }
}

impl Kept<'_> {
    /// When a request was sent, nanoseconds since 1970.
    fn origin(&self, span: &ClientSpan) -> u64 {
        self.start_unix_ns.saturating_add(span.dispatched_ns)
    }

    fn endpoint(
        &self,
        traces: &[&Trace],
        mut requests: Vec<Request<'_>>,
        clocks: &Clocks,
        joined: &mut JoinedRequests,
    ) -> EndpointServices {
        // As the slowest are chosen, so that those which stand for themselves are behind those of their time that stand for more.
        requests.sort_by_key(|request| (request.span.response_ns(), request.span.trace_id, request.span.span_id));
        let all: f64 = requests.iter().map(|request| request.weight).sum();
        let mut before = 0.0;
        // The part of all requests that each stands for.
        let places: Vec<(f64, f64)> = requests
            .iter()
            .map(|request| {
                let from = before / all;
                before += request.weight;
                (from, before / all)
            })
            .collect();
        let touching = |from: f64, to: f64| {
            let is_in = move |place: &(f64, f64)| place.0 < to && place.1 > from;
            requests.iter().zip(&places).filter(move |(_, place)| is_in(place)).map(|(request, _)| request)
        };
        let is_enough = |share: &&f64| touching(1.0 - **share, 2.0).count() >= TAIL_REQUESTS_MIN;
        let [.., most] = TAILS;
        let tail_share = *TAILS.iter().find(is_enough).unwrap_or(&most);
        let median = self.band(traces, touching(MEDIAN.0, MEDIAN.1), clocks, &mut JoinedRequests::default());
        let tail = self.band(traces, touching(1.0 - tail_share, 2.0), clocks, joined);
        let steps = self.steps(&median, &tail);
        EndpointServices { endpoint: String::new(), median: median.band, tail: tail.band, tail_share, steps }
    }

    fn band<'r>(
        &self,
        traces: &[&Trace],
        requests: impl Iterator<Item = &'r Request<'r>>,
        clocks: &Clocks,
        odd: &mut JoinedRequests,
    ) -> Sums {
        let mut sums = Sums { band: Band { from_us: f64::MAX, ..Band::default() }, ..Sums::default() };
        let mut path = Vec::new();
        // Requests of one trace one after the other, so that each tree is made once and only one is there at a time.
        let mut requests: Vec<&Request<'_>> = requests.collect();
        requests.sort_by_key(|request| (request.trace, request.client));
        let mut last: Option<(usize, Tree<'_>)> = None;
        for request in requests {
            let (span, band) = (request.span, &mut sums.band);
            let response_ns = span.response_ns() as f64;
            band.requests += request.weight;
            band.from_us = band.from_us.min(response_ns / 1e3);
            band.to_us = band.to_us.max(response_ns / 1e3);
            if last.as_ref().is_none_or(|(of, _)| *of != request.trace) {
                let trace = traces.get(request.trace);
                last = trace.map(|trace| (request.trace, Tree::of(&trace.clients, &trace.spans)));
            }
            let tree = last.as_ref().map(|(_, tree)| tree);
            let Some(tree) = tree.filter(|tree| !tree.of_client(request.client).is_empty()) else {
                band.missing += 1;
                continue;
            };
            band.joined += 1;
            sums.weight += request.weight;
            sums.response_ns += request.weight * response_ns;
            let mut add = |key: Key, ns: u64| *sums.steps.entry(key).or_default() += request.weight * ns as f64;
            add(Key::Waiting, span.dispatched_ns.saturating_sub(span.begin_ns));
            path.clear();
            let len_ns = span.done_ns.saturating_sub(span.dispatched_ns.max(span.begin_ns));
            let found = path::steps(tree, request.client, self.origin(span), len_ns, clocks, &mut path);
            odd.skewed += found.skewed;
            odd.not_waited_for += found.not_waited_for;
            for (place, ns) in &path {
                add(self.key(tree, *place), *ns);
            }
        }
        if sums.band.requests == 0.0 {
            sums.band.from_us = 0.0;
        }
        if sums.weight > 0.0 {
            sums.band.response_us = sums.response_ns / sums.weight / 1e3;
        }
        sums
    }

    fn key(&self, tree: &Tree<'_>, place: Place) -> Key {
        match place {
            Place::ToFirst => Key::ToFirst,
            Place::Between => Key::Between,
            Place::FromLast => Key::FromLast,
            Place::Span(at) => {
                let span = tree.spans.get(at);
                let service = span.map_or(super::names::OTHER, |span| self.processes.service(span.process));
                Key::Span { service, operation: span.map_or(super::names::OTHER, |span| span.operation) }
            }
        }
    }

    fn steps(&self, median: &Sums, tail: &Sums) -> Vec<Step> {
        let mut keys: Vec<Key> = median.steps.keys().chain(tail.steps.keys()).copied().collect();
        keys.sort();
        keys.dedup();
        let share = |sums: &Sums, ns: f64| if sums.response_ns > 0.0 { ns / sums.response_ns } else { 0.0 };
        let mean_us = |sums: &Sums, ns: f64| if sums.weight > 0.0 { ns / sums.weight / 1e3 } else { 0.0 };
        let mut steps: Vec<Step> = keys
            .into_iter()
            .map(|key| {
                let [median_ns, tail_ns] = [median, tail].map(|sums| sums.steps.get(&key).copied().unwrap_or(0.0));
                let (kind, service, operation) = self.words(key);
                Step {
                    kind: kind.to_owned(),
                    service: service.to_owned(),
                    operation: operation.to_owned(),
                    median_share: share(median, median_ns),
                    median_us: mean_us(median, median_ns),
                    tail_share: share(tail, tail_ns),
                    tail_us: mean_us(tail, tail_ns),
                }
            })
            .filter(|step| step.median_us > 0.0 || step.tail_us > 0.0)
            .collect();
        steps.sort_by(|a, b| b.tail_us.total_cmp(&a.tail_us).then_with(|| b.median_us.total_cmp(&a.median_us)));
        let rest = steps.split_off(steps.len().min(STEPS_MAX));
        if !rest.is_empty() {
            let sum = |of: fn(&Step) -> f64| rest.iter().map(of).sum();
            steps.push(Step {
                kind: "other".to_owned(),
                service: String::new(),
                operation: format!("{} more", rest.len()),
                median_share: sum(|step| step.median_share),
                median_us: sum(|step| step.median_us),
                tail_share: sum(|step| step.tail_share),
                tail_us: sum(|step| step.tail_us),
            });
        }
        steps
    }

    fn words(&self, key: Key) -> (&str, &str, &str) {
        match key {
            Key::Waiting => ("waiting", "", "before it was sent"),
            Key::ToFirst => ("network", "", "to the first service"),
            Key::Between => ("network", "", "between services"),
            Key::FromLast => ("network", "", "from the last service"),
            Key::Span { service, operation } => ("span", self.processes.name(service), self.operations.name(operation)),
        }
    }

    fn clocks(&self, clocks: &Clocks) -> Vec<ClockOffset> {
        let name = |process: u32| match process {
            US => "reenact".to_owned(),
            process => self.processes.name(self.processes.service(process)).to_owned(),
        };
        let mut all: Vec<ClockOffset> = clocks
            .corrected()
            .map(|(from, to, offset, calls)| ClockOffset {
                from: name(from),
                to: name(to),
                offset_us: offset as f64 / 1e3,
                calls,
            })
            .collect();
        all.sort_by(|a, b| b.offset_us.abs().total_cmp(&a.offset_us.abs()).then_with(|| a.to.cmp(&b.to)));
        all.truncate(CLOCKS_MAX);
        all
    }
}

#[cfg(test)]
mod tests;
