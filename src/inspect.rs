//! `reenact inspect`: what is in a session, for a person or as JSON.

use std::collections::{BTreeMap, HashSet};

use formats::head;
use formats::model::{Exchange, Gap, GapReason};
use formats::session::{Event, Session};
use serde_json::json;

mod clients;
mod endpoints;
mod health;

use clients::Clients;
use endpoints::Endpoints;
use health::HealthChecks;

use crate::cli::InspectArgs;
use crate::names;
use crate::outcome::{self, Failure, Outcome};
use crate::read::{self, Problems};
use crate::units;

/// Columns of the rate's picture.
const SPARK_COLUMNS: usize = 60;
/// Protocols of tunnels that are told apart; the rest is one row.
const TUNNELS_MAX: usize = 20;

pub(crate) fn run(args: &InspectArgs) -> Result<Outcome, Failure> {
    let templates = names::given(&args.template)?;
    let sessions = read::open(&args.sessions)?;
    let mut problems = Problems::default();
    let mut reports = Vec::new();
    for session in &sessions {
        let mut contents = Contents { endpoints: Endpoints::new(templates.clone()), ..Contents::default() };
        for event in session.events() {
            match problems.note(event)? {
                Some(Event::Exchange(exchange)) => contents.exchange(&exchange),
                Some(Event::Gap(gap)) => contents.gap(&gap),
                _ => {}
            }
        }
        contents.endpoints.learn(session, contents.exchanges)?;
        if args.json {
            reports.push(contents.json(session));
        } else {
            outcome::print(&contents.text(session));
        }
    }
    if args.json {
        outcome::print(&format!("{}\n", serde_json::Value::from(reports)));
    }
    Ok(problems.outcome())
}

#[derive(Default)]
struct Contents {
    exchanges: u64,
    first_ns: Option<u64>,
    last_ns: u64,
    /// Requests by second.
    seconds: BTreeMap<u64, u64>,
    clients: Clients,
    health: HealthChecks,
    connections: HashSet<u64>,
    endpoints: Endpoints,
    status: BTreeMap<u16, u64>,
    ends: BTreeMap<&'static str, u64>,
    request_bytes: u64,
    response_bytes: u64,
    truncated: u64,
    /// Messages whose content came in pieces.
    streams: u64,
    /// By protocol; what the peers called it, so that only so many are told apart.
    tunnels: BTreeMap<String, u64>,
    ambiguous: BTreeMap<&'static str, u64>,
    resynchronised: u64,
    gaps: BTreeMap<GapReason, Gap>,
}

impl Contents {
    fn exchange(&mut self, exchange: &Exchange) {
        self.exchanges += 1;
        let at = exchange.instants.request_start;
        self.first_ns = Some(self.first_ns.map_or(at, |first| first.min(at)));
        self.last_ns = self.last_ns.max(at);
        *self.seconds.entry(at / 1_000_000_000).or_default() += 1;
        self.clients.exchange(exchange);
        self.health.exchange(exchange);
        self.connections.insert(exchange.connection);
        *self.ends.entry(exchange.end.name()).or_default() += 1;
        self.request_bytes += exchange.request.body.total_len;
        self.truncated += u64::from(exchange.request.body.is_truncated());
        if let Some(response) = &exchange.response {
            self.response_bytes += response.body.total_len;
            self.truncated += u64::from(response.body.is_truncated());
            if let Some(line) = head::status_line(&response.head) {
                *self.status.entry(line.status).or_default() += 1;
            }
        }
        self.left_plain_http(exchange);
        self.endpoints.exchange(exchange);
    }

    /// Counts what is more than a request and its answer, or less sure.
    fn left_plain_http(&mut self, exchange: &Exchange) {
        let messages = std::iter::once(&exchange.request).chain(&exchange.response);
        self.streams += messages.map(|message| u64::from(!message.pieces.is_empty())).sum::<u64>();
        self.resynchronised += u64::from(exchange.resynchronised);
        if let Some(kind) = exchange.ambiguous {
            *self.ambiguous.entry(kind.name()).or_default() += 1;
        }
        if exchange.tunnel.is_some() {
            let name = exchange.tunnel_protocol().map(|name| name.escape_ascii().to_string().to_ascii_lowercase());
            let name = name.filter(|name| self.tunnels.len() < TUNNELS_MAX || self.tunnels.contains_key(name));
            *self.tunnels.entry(name.unwrap_or_else(|| "other".to_owned())).or_default() += 1;
        }
    }

    fn gap(&mut self, gap: &Gap) {
        let sum = self.gaps.entry(gap.reason).or_insert_with(|| Gap {
            connections: 0,
            exchanges: 0,
            bytes: 0,
            ..gap.clone()
        });
        // What a file says is added up with care: it may say anything.
        sum.connections = sum.connections.saturating_add(gap.connections);
        sum.exchanges = sum.exchanges.saturating_add(gap.exchanges);
        sum.bytes = sum.bytes.saturating_add(gap.bytes);
        sum.to_ns = sum.to_ns.max(gap.to_ns);
    }

    fn duration_ns(&self) -> u64 {
        self.last_ns.saturating_sub(self.first_ns.unwrap_or(0))
    }

    fn duration_s(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
        let nanos = self.duration_ns() as f64;
        nanos / 1e9
    }

    /// Requests by second from the first to the last.
    fn rate(&self) -> Vec<u64> {
        let (Some(first), Some(last)) = (self.seconds.keys().next(), self.seconds.keys().next_back()) else {
            return vec![];
        };
        // A session with a clock that jumped could span years: then its seconds are drawn by columns of more than one.
        let columns = u64::try_from(SPARK_COLUMNS).unwrap_or(60);
        let width = ((last - first) / columns + 1).max(1);
        let mut out = vec![0; usize::try_from((last - first) / width + 1).unwrap_or(1)];
        for (second, count) in &self.seconds {
            if let Some(column) = out.get_mut(usize::try_from((second - first) / width).unwrap_or(0)) {
                *column += count;
            }
        }
        out
    }

    fn text(&self, session: &Session) -> String {
        let header = session.header();
        let mut out = format!("session  {}\n", session.path().display());
        let mut line = |name: &str, value: String| out += &format!("  {name:<16}{value}\n");
        if let (Some(listen), Some(upstream)) = (&header.listen, &header.upstream) {
            line("recorded", format!("{} at {listen} before {upstream}", time(header.started_unix_ns)));
        }
        line("by", header.created_by.clone());
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = self.exchanges as f64 / self.duration_s().max(1e-9);
        let rate = if self.exchanges > 1 { format!(", {rate:.1} requests/s") } else { String::new() };
        line("exchanges", format!("{} in {}{rate}", units::count(self.exchanges), units::seconds(self.duration_s())));
        line(
            "clients",
            format!(
                "{} on {} connections",
                units::count(self.clients.count() as u64),
                units::count(self.connections.len() as u64)
            ),
        );
        line(
            "bodies",
            format!(
                "{} of requests, {} of responses{}",
                units::bytes(self.request_bytes),
                units::bytes(self.response_bytes),
                match self.truncated {
                    0 => String::new(),
                    some => format!("; {some} truncated"),
                }
            ),
        );
        line("status", join(self.status.iter().map(|(status, count)| format!("{status}: {}", units::count(*count)))));
        line("ended", join(self.ends.iter().map(|(end, count)| format!("{end}: {}", units::count(*count)))));
        let counts = |(name, count): (&dyn std::fmt::Display, &u64)| format!("{name}: {}", units::count(*count));
        if self.streams > 0 {
            line("in pieces", format!("{} bodies", units::count(self.streams)));
        }
        if !self.tunnels.is_empty() {
            line("tunnels", join(self.tunnels.iter().map(|(name, count)| counts((name, count)))));
        }
        if !self.ambiguous.is_empty() {
            line("ambiguous", join(self.ambiguous.iter().map(|(name, count)| counts((name, count)))));
        }
        if self.resynchronised > 0 {
            line("resynchronised", format!("{} exchanges", units::count(self.resynchronised)));
        }
        if let Some(pools) = self.clients.pools_text(self.duration_ns()) {
            line("pools", pools);
        }
        if let Some(checks) = self.health.text() {
            line("health checks", checks);
        }
        if let Some(millionths) = header.sample_millionths {
            line("sample", format!("{}.{:04} % of the clients", millionths / 10_000, millionths % 10_000));
        }
        line("rate", format!("▕{}▏", units::sparkline(&self.rate())));
        if self.gaps.is_empty() {
            line("gaps", "none".to_owned());
        }
        for gap in self.gaps.values() {
            line(
                "gap",
                format!(
                    "{}: {} connections, {} exchanges, {} not captured",
                    gap.reason.name(),
                    units::count(gap.connections),
                    units::count(gap.exchanges),
                    units::bytes(gap.bytes)
                ),
            );
        }
        if let Some(redaction) = &header.redaction {
            line("redacted", format!("{} headers, key {}", redaction.headers.len(), redaction.key_id));
        }
        out += &self.endpoints.text();
        out
    }

    fn json(&self, session: &Session) -> serde_json::Value {
        let gap = |gap: &Gap| json!({"reason": gap.reason.name(), "connections": gap.connections, "exchanges": gap.exchanges, "bytes": gap.bytes});
        json!({
            "session": session.path(),
            "header": session.header(),
            "exchanges": self.exchanges,
            "clients": self.clients.count(),
            "pools": self.clients.pools(self.duration_ns()).into_iter().map(|pool| pool.json()).collect::<Vec<_>>(),
            "health_checks": self.health.json(),
            "connections": self.connections.len(),
            "duration_s": self.duration_s(),
            "request_bytes": self.request_bytes,
            "response_bytes": self.response_bytes,
            "truncated_bodies": self.truncated,
            "bodies_in_pieces": self.streams,
            "tunnels": self.tunnels,
            "ambiguous": self.ambiguous,
            "resynchronised": self.resynchronised,
            "status": self.status.iter().map(|(status, count)| (status.to_string(), *count)).collect::<BTreeMap<_, _>>(),
            "ended": self.ends,
            "gaps": self.gaps.values().map(gap).collect::<Vec<_>>(),
            "endpoints": self.endpoints.json(),
            "templates": self.endpoints.templates_json(),
        })
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() { "–".to_owned() } else { parts.join("  ") }
}

fn time(unix_ns: u64) -> String {
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(unix_ns)).to_string()
}
