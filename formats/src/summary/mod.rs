//! What a session amounts to: counts, rates, response times, endpoints and gaps, small enough for a segment's end.
//!
//! A [`Summary`] is plain data with a bound on its size, filled from exchanges one by one or merged from the summaries
//! of segments; both give the same, whatever the order. That is what the parts are made for: where there is more than a
//! bound allows, what is kept depends on what there was alone, never on what came first ([`Ranking`] says how). Counts
//! are exact (a count that would pass [`u64::MAX`] stays there); what is known only about is said to be so by its type
//! ([`Histogram`], [`Distinct`], [`Windows`], [`Sample`]).
//!
//! Deliberately not here: the clients themselves with their pools (a segment's index has them), how any of this is laid
//! out in a file, and words for people.
//!
//! # Size
//! At most [`ENDPOINTS_MAX`] + 1 rows of a name of 201 characters and a histogram of [`BUCKETS_MAX`] buckets, 3
//! histograms more, some 10,000 numbers and 400 names. As numbers of variable length that is at most about 4 MB; with
//! names of 40 characters and a hundred different response times each 300 kB, and for the usual session with 50
//! endpoints under 50 kB.

mod check;
mod distinct;
mod endpoints;
mod health;
mod histogram;
mod names;
mod ranking;
mod rate;
mod sample;
mod windows;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use check::OutOfBounds;
pub use distinct::{DISTINCT_MAX, Distinct};
pub use endpoints::EndpointRow;
pub use histogram::{BUCKETS_MAX, Histogram, RESOLUTION_BITS};
pub use ranking::{Merge, Ranked, Ranking};
pub use rate::{RATE_BUCKETS_MAX, RATE_WIDTH_NS_MIN, Rate};
pub use sample::{SAMPLE_MAX, Sample};
pub use windows::{TAUS_NS, WINDOWS_MAX, Windows};

use crate::head;
use crate::model::{Ambiguity, Dropped, End, Exchange, Gap, GapReason, Message, Protocol};

/// Endpoints that are told apart.
pub const ENDPOINTS_MAX: usize = 1_000;
/// Hosts that are told apart.
pub const HOSTS_MAX: usize = 100;
/// Protocols of tunnels, and kinds of health checks, that are told apart.
pub const KINDS_MAX: usize = 20;

/// What exchanges and gaps amount to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Exchanges.
    pub exchanges: u64,
    /// First byte of the first request, in nanoseconds since the session's origin; `None` without any.
    pub first_ns: Option<u64>,
    /// First byte of the last request.
    pub last_ns: Option<u64>,
    /// The clients.
    pub clients: Distinct,
    /// The clients' connections.
    pub connections: Distinct,
    /// Requests over time.
    pub rate: Rate,
    /// Requests in windows of each of [`TAUS_NS`], from which burstiness is told.
    pub windows: [Windows; TAUS_NS.len()],
    /// First byte of the request to last byte of the answer, in nanoseconds, where both are there.
    pub response_ns: Histogram,
    /// By the names of [`crate::endpoint`].
    pub endpoints: Ranking<EndpointRow, ENDPOINTS_MAX>,
    /// Exchanges drawn by lot, to tell what is in the endpoints' other row.
    pub sample: Sample,
    /// Registered methods; every other one is `other`.
    pub methods: BTreeMap<String, u64>,
    /// By authority as the request named it, in lower case; requests without any are not in it.
    pub hosts: Ranking<u64, HOSTS_MAX>,
    /// By the request's version.
    pub protocols: BTreeMap<Protocol, u64>,
    /// By the final response's status, which is 100 to 999.
    pub status: BTreeMap<u16, u64>,
    /// Exchanges without a final response.
    pub unanswered: u64,
    /// How exchanges ended.
    pub ends: BTreeMap<End, u64>,
    /// Bytes of content of requests, as sent.
    pub request_bytes: u64,
    /// Bytes of content of responses, as sent.
    pub response_bytes: u64,
    /// Bytes of content of both that were kept.
    pub kept_bytes: u64,
    /// Bytes of content by request.
    pub request_size: Histogram,
    /// Bytes of content by response.
    pub response_size: Histogram,
    /// Bodies of which less was kept than was sent.
    pub truncated: u64,
    /// Bodies of which nothing was kept, by why; they are among the truncated ones.
    pub dropped: BTreeMap<Dropped, u64>,
    /// Bodies that redaction changed.
    pub redacted: u64,
    /// Bodies that came in pieces.
    pub in_pieces: u64,
    /// Exchanges after which a connection left HTTP, by what it became.
    pub tunnels: Ranking<u64, KINDS_MAX>,
    /// Exchanges of which a message cannot be read in exactly one way.
    pub ambiguous: BTreeMap<Ambiguity, u64>,
    /// Exchanges that were read after bytes of their connection had been lost.
    pub resynchronised: u64,
    /// Exchanges that are answers to a replay.
    pub replayed: u64,
    /// Health checks, as `GET /path`, which is what a filter would say.
    pub health_checks: Ranking<u64, KINDS_MAX>,
    /// What is missing, by why.
    pub gaps: BTreeMap<GapReason, GapRow>,
}

/// Room for the names of an exchange, kept from one to the next.
#[derive(Debug, Default)]
pub struct Names {
    endpoint: String,
    host: String,
}

/// The gaps of one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GapRow {
    /// How many were declared.
    pub gaps: u64,
    /// Connections that lost something, added up.
    pub connections: u64,
    /// Exchanges that are missing, as far as is known.
    pub exchanges: u64,
    /// Bytes that were not captured.
    pub bytes: u64,
    /// From when the earliest began, in nanoseconds since the session's origin.
    pub from_ns: u64,
    /// Until when the latest lasted.
    pub to_ns: u64,
}

impl GapRow {
    /// All of them as one.
    #[must_use]
    pub fn as_gap(&self, reason: GapReason) -> Gap {
        let Self { gaps: _, connections, exchanges, bytes, from_ns, to_ns } = *self;
        Gap { reason, from_ns, to_ns, connections, exchanges, bytes }
    }
}

impl Summary {
    /// Adds an exchange.
    pub fn count(&mut self, exchange: &Exchange) {
        self.count_with(exchange, &mut Names::default());
    }

    /// As [`Self::count`] for whoever counts many: what it was called with before is counted again without taking memory.
    pub fn count_with(&mut self, exchange: &Exchange, names: &mut Names) {
        let at_ns = exchange.instants.request_start;
        add(&mut self.exchanges, 1);
        self.first_ns = Some(self.first_ns.map_or(at_ns, |first| first.min(at_ns)));
        self.last_ns = self.last_ns.max(Some(at_ns));
        self.clients.saw(exchange.client.id ^ (exchange.client.source as u64).rotate_right(8));
        self.connections.saw(exchange.connection);
        self.rate.count(at_ns);
        self.windows.iter_mut().zip(TAUS_NS).for_each(|(windows, tau_ns)| windows.count(at_ns, tau_ns));
        let took_ns = exchange.instants.response_end.map(|end| end.saturating_sub(at_ns));
        took_ns.into_iter().for_each(|took_ns| self.response_ns.count(took_ns));
        let status = exchange.response.as_ref().and_then(|response| head::status_line(&response.head));
        let status = status.map(|line| line.status);
        self.names(exchange, status, took_ns, names);
        add(self.protocols.entry(exchange.protocol).or_default(), 1);
        add(self.ends.entry(exchange.end).or_default(), 1);
        self.message(&exchange.request);
        add(&mut self.request_bytes, exchange.request.body.total_len);
        self.request_size.count(exchange.request.body.total_len);
        match &exchange.response {
            None => add(&mut self.unanswered, 1),
            Some(response) => {
                self.message(response);
                add(&mut self.response_bytes, response.body.total_len);
                self.response_size.count(response.body.total_len);
                if let Some(status) = status {
                    add(self.status.entry(status).or_default(), 1);
                }
            }
        }
        if let Some(kind) = exchange.ambiguous {
            add(self.ambiguous.entry(kind).or_default(), 1);
        }
        add(&mut self.resynchronised, u64::from(exchange.resynchronised));
        add(&mut self.replayed, u64::from(exchange.replay_of.is_some()));
    }

    /// What is counted by a name that the traffic gave.
    fn names(&mut self, exchange: &Exchange, status: Option<u16>, took_ns: Option<u64>, names: &mut Names) {
        let Names { endpoint, host } = names;
        let request = &exchange.request.head;
        let line = head::request_line(request);
        names::endpoint(line, endpoint);
        self.sample.draw(exchange, endpoint);
        self.endpoints.row(endpoint).count(exchange, status, took_ns);
        let method = names::method(line);
        match self.methods.get_mut(method) {
            Some(known) => add(known, 1),
            None => drop(self.methods.insert(method.to_owned(), 1)),
        }
        if names::host(line, request, host) {
            add(self.hosts.row(host), 1);
        }
        if let Some(protocol) = names::tunnel(exchange) {
            add(self.tunnels.row(&protocol), 1);
        }
        if let Some(check) = health::check(line, request) {
            add(self.health_checks.row(&check), 1);
        }
    }

    fn message(&mut self, message: &Message) {
        add(&mut self.kept_bytes, message.body.bytes.len() as u64);
        add(&mut self.truncated, u64::from(message.body.is_truncated()));
        add(&mut self.redacted, u64::from(message.body.redacted.is_some()));
        add(&mut self.in_pieces, u64::from(!message.pieces.is_empty()));
        if let Some(why) = message.body.dropped {
            add(self.dropped.entry(why).or_default(), 1);
        }
    }

    /// Adds a gap. What a file says is added up with care: it may say anything.
    pub fn count_gap(&mut self, gap: &Gap) {
        let Gap { reason, from_ns, to_ns, connections, exchanges, bytes } = *gap;
        let one = GapRow { gaps: 1, connections, exchanges, bytes, from_ns, to_ns };
        self.gaps.entry(reason).and_modify(|row| row.merge_with(&one)).or_insert(one);
    }

    /// Adds the summary of other exchanges of the same session. Associative and commutative.
    pub fn merge(&mut self, other: &Self) {
        self.merge_with(other);
    }

    /// The time from the first request to the last, in nanoseconds.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.last_ns.unwrap_or(0).saturating_sub(self.first_ns.unwrap_or(0))
    }

    /// The index of dispersion of counts I(τ) = Var N / E N at each of [`TAUS_NS`]: 1 of a Poisson process, more of
    /// bursts.
    /// `None` where fewer than ten windows lie between the first request and the last.
    #[must_use]
    pub fn dispersion(&self) -> [Option<f64>; TAUS_NS.len()] {
        let (first_ns, last_ns) = (self.first_ns.unwrap_or(0), self.last_ns.unwrap_or(0));
        let mut found = TAUS_NS.map(|_| None);
        for ((found, windows), tau_ns) in found.iter_mut().zip(&self.windows).zip(TAUS_NS) {
            *found = windows.dispersion(first_ns, last_ns, tau_ns);
        }
        found
    }
}

impl Merge for Summary {
    fn merge_with(&mut self, other: &Self) {
        self.exchanges.merge_with(&other.exchanges);
        let firsts = self.first_ns.into_iter().chain(other.first_ns);
        self.first_ns = firsts.min();
        self.last_ns = self.last_ns.max(other.last_ns);
        self.clients.merge_with(&other.clients);
        self.connections.merge_with(&other.connections);
        self.rate.merge_with(&other.rate);
        self.windows.iter_mut().zip(&other.windows).for_each(|(windows, other)| windows.merge_with(other));
        self.response_ns.merge_with(&other.response_ns);
        self.endpoints.merge_with(&other.endpoints);
        self.sample.merge_with(&other.sample);
        self.methods.merge_with(&other.methods);
        self.hosts.merge_with(&other.hosts);
        self.protocols.merge_with(&other.protocols);
        self.status.merge_with(&other.status);
        self.unanswered.merge_with(&other.unanswered);
        self.ends.merge_with(&other.ends);
        self.request_bytes.merge_with(&other.request_bytes);
        self.response_bytes.merge_with(&other.response_bytes);
        self.kept_bytes.merge_with(&other.kept_bytes);
        self.request_size.merge_with(&other.request_size);
        self.response_size.merge_with(&other.response_size);
        self.truncated.merge_with(&other.truncated);
        self.dropped.merge_with(&other.dropped);
        self.redacted.merge_with(&other.redacted);
        self.in_pieces.merge_with(&other.in_pieces);
        self.tunnels.merge_with(&other.tunnels);
        self.ambiguous.merge_with(&other.ambiguous);
        self.resynchronised.merge_with(&other.resynchronised);
        self.replayed.merge_with(&other.replayed);
        self.health_checks.merge_with(&other.health_checks);
        self.gaps.merge_with(&other.gaps);
    }
}

impl Merge for GapRow {
    fn merge_with(&mut self, other: &Self) {
        // The row of no gaps has no instants.
        let (from_ns, to_ns) = match (self.gaps, other.gaps) {
            (_, 0) => (self.from_ns, self.to_ns),
            (0, _) => (other.from_ns, other.to_ns),
            _ => (self.from_ns.min(other.from_ns), self.to_ns.max(other.to_ns)),
        };
        (self.from_ns, self.to_ns) = (from_ns, to_ns);
        self.gaps.merge_with(&other.gaps);
        self.connections.merge_with(&other.connections);
        self.exchanges.merge_with(&other.exchanges);
        self.bytes.merge_with(&other.bytes);
    }
}

/// Adds what stays at the end of its range rather than begin again.
fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): every input has an output of its own, and neighbours
/// lie far apart. What was drawn by it is in files: it must stay as it is.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
