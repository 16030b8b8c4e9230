//! Sessions read into what the planner and the sender need.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use formats::model::{ClientKey, Exchange, Gap, KeySource};
use formats::session::{Damage, Event, Session};
use formats::trace::TraceContext;
use formats::{endpoint, head, trace};

use crate::error::ReplayError;
use crate::plan::{Arrival, Client};
use crate::rewrite::{self, LeftOut, Rewrite, Template};

/// Memory that the requests of a replay may take.
pub const REQUESTS_BYTES_MAX: usize = 8 << 30;
/// Endpoints that are told apart; each has histograms of its own. What comes later is one row.
const ENDPOINTS_MAX: usize = 500;
const OTHER_ENDPOINTS: &str = "(other endpoints)";
/// Recorded authorities that are remembered for the origin check.
const AUTHORITIES_MAX: usize = 1_000;

/// What was recorded, as far as a replay needs it.
#[derive(Debug, Default)]
pub struct Recording {
    /// Clients by index.
    pub clients: Vec<Client>,
    /// When each request came, in order of time.
    pub arrivals: Vec<Arrival>,
    /// The requests, in the same order.
    pub requests: Vec<Recorded>,
    /// Endpoints by index.
    pub endpoints: Vec<String>,
    /// Where the sessions came from: upstreams, listeners, authorities.
    pub origins: BTreeSet<String>,
    /// Exchanges that cannot or shall not be sent, by reason.
    pub left_out: BTreeMap<LeftOut, u64>,
    /// Requests with a method that may change state, by method.
    pub unsafe_methods: BTreeMap<String, u64>,
    /// Gaps that the sessions declare.
    pub gaps: Vec<Gap>,
    /// Damage that was found.
    pub damage: Vec<Damage>,
    /// Segments without an end whose writer is gone.
    pub unfinished: u64,
    /// Connections that the requests came on.
    pub connections: u32,
    /// Bytes that the requests take.
    pub bytes: usize,
}

/// One request that can be sent.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Its bytes without trace headers.
    pub template: Template,
    /// Index into [`Recording::endpoints`].
    pub endpoint: u32,
    /// Number of the session in the order given.
    pub session: u32,
    /// Sequence number in it.
    pub seq: u64,
    /// What the recorded answer was.
    pub status: Option<u16>,
    /// First byte of the request to last byte of the response.
    pub response_ns: Option<u64>,
    /// The recorded trace context.
    pub trace: Option<TraceContext>,
    /// Whether no earlier request has the same recorded trace.
    pub first_in_trace: bool,
    /// Whether its answer has no body by its method.
    pub to: formats::wire::ResponseTo,
}

/// Reads `sessions`; requests with unsafe methods are left out when `skip_unsafe`.
///
/// # Errors
/// When a session cannot be read at all or the requests do not fit into memory.
pub fn load(sessions: &[Session], rewrite: &Rewrite, skip_unsafe: bool) -> Result<Recording, ReplayError> {
    let mut loader = Loader { rewrite, skip_unsafe, ..Loader::new(rewrite) };
    let origin = sessions.iter().map(|session| session.header().started_unix_ns).min().unwrap_or(0);
    for (number, session) in (0..).zip(sessions) {
        let header = session.header();
        loader.recording.origins.extend(header.upstream.iter().chain(&header.listen).cloned());
        let shift = header.started_unix_ns - origin;
        for event in session.events() {
            match event? {
                Event::Exchange(exchange) => loader.exchange(number, shift, &exchange)?,
                Event::Gap(gap) => loader.recording.gaps.push(gap),
                Event::Damage(damage) => loader.recording.damage.push(damage),
                Event::Unfinished { writing, .. } => loader.recording.unfinished += u64::from(!writing),
                Event::Index(_) => {}
            }
        }
    }
    Ok(loader.finish())
}

struct Loader<'a> {
    rewrite: &'a Rewrite,
    skip_unsafe: bool,
    recording: Recording,
    clients: HashMap<(ClientKey, Option<u32>), u32>,
    seen: Vec<Seen>,
    connections: HashMap<(u32, u64), u32>,
    endpoints: HashMap<String, u32>,
}

/// Hashes of what a client showed, to count what differs up to two.
#[derive(Default, Clone, Copy)]
struct Seen {
    user_agent: Option<u64>,
    forwarded: Option<u64>,
}

impl<'a> Loader<'a> {
    fn new(rewrite: &'a Rewrite) -> Self {
        Self {
            rewrite,
            skip_unsafe: false,
            recording: Recording::default(),
            clients: HashMap::new(),
            seen: Vec::new(),
            connections: HashMap::new(),
            endpoints: HashMap::new(),
        }
    }

    fn exchange(&mut self, session: u32, shift: u64, exchange: &Exchange) -> Result<(), ReplayError> {
        let request_head = &exchange.request.head;
        if self.recording.origins.len() < AUTHORITIES_MAX
            && let Some(host) = head::value(request_head, "host").and_then(|host| std::str::from_utf8(host).ok())
            && !self.recording.origins.contains(host)
        {
            self.recording.origins.insert(host.to_owned());
        }
        let template = match rewrite::template(exchange, self.rewrite) {
            Ok(template) => template,
            Err(reason) => return self.leave_out(reason),
        };
        let Some(line) = head::request_line(request_head) else { return self.leave_out(LeftOut::IncompleteRequest) };
        if !is_safe(line.method) {
            if self.skip_unsafe {
                return self.leave_out(LeftOut::UnsafeMethod);
            }
            let method = String::from_utf8_lossy(line.method).into_owned();
            *self.recording.unsafe_methods.entry(method).or_default() += 1;
        }
        self.recording.bytes +=
            template.head.len() + template.body.len() + size_of::<Recorded>() + size_of::<Arrival>();
        if self.recording.bytes > REQUESTS_BYTES_MAX {
            return Err(ReplayError::TooLarge { limit_bytes: REQUESTS_BYTES_MAX });
        }
        let at = &exchange.instants;
        let arrival = Arrival {
            at_ns: shift.saturating_add(at.request_start),
            client: self.client(session, exchange),
            connection: next_index(&mut self.connections, (session, exchange.connection)),
        };
        let status = exchange.response.as_ref().and_then(|response| head::status_line(&response.head));
        self.recording.arrivals.push(arrival);
        let endpoint = self.endpoint(endpoint::endpoint(line.method, line.target));
        self.recording.requests.push(Recorded {
            template,
            endpoint,
            session,
            seq: exchange.seq,
            status: status.map(|line| line.status),
            response_ns: at.response_end.map(|end| end.saturating_sub(at.request_start)),
            trace: trace::recorded(request_head),
            first_in_trace: false,
            to: formats::wire::ResponseTo::method(line.method),
        });
        Ok(())
    }

    fn leave_out(&mut self, reason: LeftOut) -> Result<(), ReplayError> {
        *self.recording.left_out.entry(reason).or_default() += 1;
        Ok(())
    }

    fn endpoint(&mut self, name: String) -> u32 {
        let known = self.endpoints.len() < ENDPOINTS_MAX || self.endpoints.contains_key(&name);
        next_index(&mut self.endpoints, if known { name } else { OTHER_ENDPOINTS.to_owned() })
    }

    fn client(&mut self, session: u32, exchange: &Exchange) -> u32 {
        // A key made from a connection says nothing outside its session.
        let scope = (exchange.client.source == KeySource::Connection).then_some(session);
        let index = next_index(&mut self.clients, (exchange.client, scope));
        let at = index as usize;
        if at == self.recording.clients.len() {
            self.recording.clients.push(Client { key: exchange.client, user_agents: 0, forwarded: 0 });
            self.seen.push(Seen::default());
        }
        if let (Some(client), Some(seen)) = (self.recording.clients.get_mut(at), self.seen.get_mut(at)) {
            let head = &exchange.request.head;
            count_distinct(&mut client.user_agents, &mut seen.user_agent, head::value(head, "user-agent"));
            let forwarded = head::value(head, "forwarded").or_else(|| head::value(head, "x-forwarded-for"));
            count_distinct(&mut client.forwarded, &mut seen.forwarded, forwarded);
        }
        index
    }

    fn finish(self) -> Recording {
        let mut recording = self.recording;
        recording.connections = u32::try_from(self.connections.len()).unwrap_or(u32::MAX);
        let mut endpoints: Vec<_> = self.endpoints.into_iter().collect();
        endpoints.sort_by_key(|(_, index)| *index);
        recording.endpoints = endpoints.into_iter().map(|(name, _)| name).collect();
        // The order of time, and for equal instants that of the recording.
        let mut both: Vec<(Arrival, Recorded)> =
            recording.arrivals.drain(..).zip(recording.requests.drain(..)).collect();
        both.sort_by_key(|(arrival, request)| (arrival.at_ns, request.session, request.seq));
        let mut traces = std::collections::HashSet::new();
        for (arrival, mut request) in both {
            request.first_in_trace = request.trace.is_some_and(|trace| traces.insert(trace.trace_id));
            recording.arrivals.push(arrival);
            recording.requests.push(request);
        }
        recording
    }
}

/// Methods that are safe by RFC 9110 §9.2.1.
fn is_safe(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
}

fn next_index<K: Hash + Eq>(map: &mut HashMap<K, u32>, key: K) -> u32 {
    let next = u32::try_from(map.len()).unwrap_or(u32::MAX);
    match map.entry(key) {
        Entry::Occupied(known) => *known.get(),
        Entry::Vacant(new) => *new.insert(next),
    }
}

/// Counts up to two different values; more are as good as two.
fn count_distinct(count: &mut u8, last: &mut Option<u64>, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    let hash = hasher.finish();
    if *count == 0 || (*count == 1 && *last != Some(hash)) {
        *count += 1;
        *last = Some(hash);
    }
}
