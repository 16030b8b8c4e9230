//! What is known of an exchange besides its messages.

use std::collections::VecDeque;

use formats::model::{End, Exchange, Flow, Gap};
use formats::session::Session;
use formats::trace::{self, Format};
use formats::{head, visible};

use super::Look;
use crate::read::{missing_text, missing_when};
use crate::terminal::{self, Role};
use crate::units;

/// Columns that the names of lines take, with what is around them.
const NAME: usize = 14;
/// Gaps that are told of one exchange.
const GAPS_SHOWN: usize = 5;
/// A gap so near the exchange is told with it.
const NEAR_NS: u64 = 1_000_000_000;

pub(super) fn text(exchange: &Exchange, session: &Session, gaps: &VecDeque<Gap>, look: Look) -> String {
    let paint = look.paint;
    let path = session.path().display().to_string();
    let title = format!("exchange {} of {}", exchange.seq, visible::line(&path));
    let start_line = visible::line_of_bytes(head::start_line(&exchange.request.head));
    let mut out = format!("{}\n{start_line}\n", paint.text(Role::Heading, &title));
    let mut line = |name: &str, role: Option<Role>, value: &str| {
        let value = visible::line(value);
        let mut name = name;
        for part in terminal::wrapped(&value, terminal::wraps_at(look.columns).saturating_sub(NAME)) {
            let part = role.map_or_else(|| part.to_owned(), |role| paint.text(role, part));
            out += &format!("  {} {part}\n", paint.text(Role::Name, &format!("{name:<11}")));
            name = "";
        }
    };
    line("when", None, &when(exchange, session.header().started_unix_ns));
    line("client", None, &format!("{}, connection {}", exchange.client, exchange.connection));
    let (role, ended) = ended(exchange.end);
    line("ended", Some(role), ended);
    let recorded = trace::recorded(&exchange.request.head);
    if let Some((context, format)) = recorded.context.zip(recorded.format) {
        let trace_id = u128::from_be_bytes(context.trace_id);
        let parent = context
            .parent()
            .map_or_else(|| "no parent".to_owned(), |parent| format!("parent {:016x}", u64::from_be_bytes(parent)));
        let by = match format {
            Format::TraceContext => String::new(),
            other => format!(", by {}", other.name()),
        };
        line("trace", None, &format!("{trace_id:032x}, {parent}, flags {:02x}{by}", context.flags));
    }
    if recorded.differs {
        let taken = recorded.format.map_or("none", Format::name);
        line("doubtful", Some(Role::Doubtful), &format!("it carries two different trace contexts; taken: {taken}"));
    }
    if let Some(facts) = &exchange.facts {
        line("facts", None, facts);
    }
    if let Some(of) = exchange.replay_of {
        line("replay of", None, &format!("exchange {} of session {}, copy {}", of.seq, of.session, of.copy));
    }
    if let Some(kind) = exchange.ambiguous {
        let said =
            format!("{}: implementations differ in how they read it; nothing after that place was read", kind.name());
        line("ambiguous", Some(Role::Doubtful), &said);
    }
    if exchange.resynchronised {
        let said = "read after bytes of its connection were lost: it may be some other message's content";
        line("doubtful", Some(Role::Doubtful), said);
    }
    if let Some(tunnel) = &exchange.tunnel {
        let protocol = String::from_utf8_lossy(exchange.tunnel_protocol().unwrap_or(b"unknown")).into_owned();
        line("tunnel", None, &protocol);
        let start_ns = exchange.instants.request_start;
        line("  up", None, &flow(&tunnel.to_upstream, start_ns));
        line("  down", None, &flow(&tunnel.to_client, start_ns));
    }
    let near = near(exchange, gaps);
    for gap in near.iter().take(GAPS_SHOWN) {
        line("gap", Some(Role::Bad), &gap_text(gap, exchange.instants.request_start));
    }
    if near.len() > GAPS_SHOWN {
        line("", None, &format!("and {} more", near.len() - GAPS_SHOWN));
    }
    out
}

fn when(exchange: &Exchange, started_unix_ns: u64) -> String {
    let at_ns = exchange.instants.request_start;
    let after = format!("{} after the session's start", units::nanos_text(at_ns));
    match started_unix_ns.checked_add(at_ns).filter(|_| started_unix_ns > 0) {
        Some(unix_ns) => format!("{}, {after}", units::rfc3339_micros(unix_ns)),
        None => after,
    }
}

fn ended(end: End) -> (Role, &'static str) {
    match end {
        End::Complete => (Role::Good, "complete"),
        End::ClientGone => (Role::Doubtful, "client_gone: the client closed before the answer was whole"),
        End::UpstreamGone => (Role::Bad, "upstream_gone: the upstream closed before the answer was whole"),
        End::RecordingStopped => (Role::Doubtful, "recording_stopped: the recorder was stopped meanwhile"),
        End::Timeout => (Role::Bad, "timeout: who recorded it waited no longer"),
        End::CaptureLost => (Role::Bad, "capture_lost: the rest passed, and was not captured"),
    }
}

fn flow(flow: &Flow, start_ns: u64) -> String {
    let times = match (flow.first_ns, flow.last_ns) {
        (Some(first), Some(last)) => format!(", {} to {}", since(first, start_ns), since(last, start_ns)),
        _ => String::new(),
    };
    let pieces = match flow.pieces.len() {
        0 => String::new(),
        some => format!(", in {} pieces", units::count(some as u64)),
    };
    format!("{}{times}{pieces}", units::bytes(flow.bytes))
}

/// The gaps that reach into the exchange, or to within a second of it.
fn near<'a>(exchange: &Exchange, gaps: &'a VecDeque<Gap>) -> Vec<&'a Gap> {
    let from_ns = exchange.instants.request_start.saturating_sub(NEAR_NS);
    let to_ns = exchange.last_ns().saturating_add(NEAR_NS);
    gaps.iter().filter(|gap| gap.from_ns <= to_ns && gap.to_ns >= from_ns).collect()
}

fn gap_text(gap: &Gap, start_ns: u64) -> String {
    let when = missing_when(gap.reason, gap.from_ns, gap.to_ns, |at_ns| since(at_ns, start_ns));
    let missing = missing_text(gap.reason, gap.connections, gap.exchanges, gap.bytes);
    format!("{} {when}: {missing}", gap.reason.name())
}

/// An instant as time from another: `+12 µs`, `−3.4 ms`.
pub(super) fn since(at_ns: u64, start_ns: u64) -> String {
    let sign = if at_ns < start_ns { '−' } else { '+' };
    format!("{sign}{}", units::nanos_text(at_ns.abs_diff(start_ns)))
}

#[cfg(test)]
mod tests {
    use formats::model::{GapReason, Tunnel};

    use super::*;

    #[test]
    fn what_was_missing_while_a_tunnel_was_open_is_told_with_it() {
        let at =
            |ns| Gap { reason: GapReason::QueueFull, from_ns: ns, to_ns: ns, connections: 1, exchanges: 0, bytes: 9 };
        let gaps = VecDeque::from([at(30 * NEAR_NS), at(61 * NEAR_NS), at(61 * NEAR_NS + 1)]);
        let to_client = Flow { bytes: 1, last_ns: Some(60 * NEAR_NS), ..Flow::default() };
        let plain = Exchange::default();
        assert!(near(&plain, &gaps).is_empty());
        let tunnel = Exchange { tunnel: Some(Tunnel { to_client, ..Tunnel::default() }), ..plain };
        assert_eq!(near(&tunnel, &gaps), [&gaps[0], &gaps[1]]);
    }
}
