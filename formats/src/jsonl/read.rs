//! Reading lines: which kind, where an exchange stands in time, and what a missing field stands for.

use serde::Deserialize;
use serde_json::Value;

use super::line::{ExchangeLine, GapLine, InstantsLine, KindLine, ReplayOfLine, SessionLine, Text};
use super::message::Extent;
use super::{Line, LineError, message, time};
use crate::model::{Ambiguity, ClientKey, End, Exchange, Gap, GapReason, Instants, KeySource, Protocol, ReplayOf};

/// How [`super::to_line`] begins, so that its lines need not be read twice to know their kind.
const EXCHANGE_START: &[u8] = br#"{"type":"exchange","#;

/// Reads a line. `origin` is what [`super::Reader`] knows and learns; without it `time` cannot place an exchange.
pub(super) fn line(line: &[u8], origin: Option<&mut Option<u64>>) -> Result<Line, LineError> {
    if line.starts_with(EXCHANGE_START) {
        return exchange(parsed(line)?, origin).map(Line::Exchange);
    }
    let kind: KindLine<'_> = parsed(line)?;
    match kind.kind.as_ref().map(|kind| &*kind.0) {
        Some("exchange") => exchange(parsed(line)?, origin).map(Line::Exchange),
        Some("gap") => gap(&parsed(line)?).map(Line::Gap),
        Some("session") => session(parsed(line)?, origin).map(Line::Session),
        Some(other) => Err(refused("type".into(), &format!("`{other}` is none of session, exchange and gap"))),
        None => Err(refused("type".into(), "it is missing: session, exchange or gap")),
    }
}

pub(super) fn refused(field: String, why: &str) -> LineError {
    LineError::Field { field, why: why.to_owned() }
}

fn parsed<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, LineError> {
    // Text is checked once here, not string by string. What is none may still be fine where nobody reads it.
    let read = match str::from_utf8(line) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(line),
    };
    read.map_err(|error| explained::<T>(line, &error))
}

/// Reads once more what could not be read, this time noting the way to the field: lines that are fine pay nothing for it.
fn explained<'a, T: Deserialize<'a>>(line: &'a [u8], error: &serde_json::Error) -> LineError {
    // serde_json ends its messages in the place, of which only the column means something in a line.
    let message = error.to_string();
    let why = message.split(" at line ").next().unwrap_or_default().to_owned();
    if !error.is_data() {
        return LineError::Syntax { column: error.column(), why };
    }
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let field = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => ".".to_owned(),
        Err(error) => error.path().to_string(),
    };
    LineError::Field { field, why }
}

fn session(line: SessionLine, origin: Option<&mut Option<u64>>) -> Result<Value, LineError> {
    let started = line.header.get("started_unix_ns").and_then(Value::as_u64);
    let started =
        started.ok_or_else(|| refused("header.started_unix_ns".into(), "it is missing, or no count of nanoseconds"))?;
    if let Some(origin) = origin {
        *origin = Some(started);
    }
    Ok(Value::Object(line.header))
}

fn gap(line: &GapLine<'_>) -> Result<Gap, LineError> {
    let reason = GapReason::from_name(&line.reason.0)
        .ok_or_else(|| refused("reason".into(), &format!("`{}` is no reason of a gap", line.reason.0)))?;
    let GapLine { from_ns, to_ns, connections, exchanges, bytes, .. } = *line;
    Ok(Gap { reason, from_ns, to_ns, connections, exchanges, bytes })
}

fn exchange(line: ExchangeLine<'_>, origin: Option<&mut Option<u64>>) -> Result<Exchange, LineError> {
    let protocol = protocol(&line)?;
    let end = match &line.end {
        Some(name) => {
            End::from_name(&name.0).ok_or_else(|| refused("end".into(), "it is no way for an exchange to end"))?
        }
        None if line.response.is_some() => End::Complete,
        None => End::RecordingStopped,
    };
    let ambiguous = line.ambiguous.as_ref().map(|name| {
        Ambiguity::from_name(&name.0).ok_or_else(|| refused("ambiguous".into(), "it is no kind of ambiguity"))
    });
    let ambiguous = ambiguous.transpose()?;
    let request_start = request_start(&line, origin)?;
    let instants = instants(&line.instants_ns, request_start, end, line.response.is_some());
    let client = match &line.client {
        Some(text) => text.0.parse().map_err(|why: String| refused("client".into(), &why))?,
        None => ClientKey { source: KeySource::Connection, id: line.connection.unwrap_or_default() },
    };
    let extent = match (ambiguous, instants.request_end) {
        (Some(_), _) => Extent::Ambiguous,
        (None, Some(_)) => Extent::Whole,
        (None, None) => Extent::Part,
    };
    let informational = line.informational.into_iter().enumerate();
    let informational =
        informational.map(|(index, head)| message::status_head(head, protocol, &format!("informational[{index}]")));
    Ok(Exchange {
        rebuilt: line.rebuilt,
        facts: line.facts.map(|facts| facts.0.into()),
        seq: line.seq.unwrap_or_default(),
        client,
        // Without connections, every client has one.
        connection: line.connection.unwrap_or(client.id),
        protocol,
        request: message::request(line.request, protocol, extent)?,
        informational: informational.collect::<Result<_, _>>()?,
        response: line.response.map(|response| message::response(response, protocol)).transpose()?,
        instants,
        end,
        replay_of: line.replay_of.map(|ReplayOfLine { session, seq, copy }| ReplayOf { session, seq, copy }),
        ambiguous,
        resynchronised: line.resynchronised,
        tunnel: line.tunnel.map(message::tunnel).transpose()?,
    })
}

fn protocol(line: &ExchangeLine<'_>) -> Result<Protocol, LineError> {
    match (&line.protocol, &line.request.version) {
        (Some(name), _) => Protocol::from_name(&name.0)
            .ok_or_else(|| refused("protocol".into(), "it is none of HTTP/1.0, HTTP/1.1, HTTP/2 and HTTP/3")),
        (None, Some(version)) => Ok(Protocol::from_name(&version.0).unwrap_or_default()),
        (None, None) => Ok(Protocol::default()),
    }
}

/// The instant from which the others count: as given, or by `time` and the origin, and then by both alike.
fn request_start(line: &ExchangeLine<'_>, origin: Option<&mut Option<u64>>) -> Result<u64, LineError> {
    let given = line.instants_ns.request_start;
    let unix_ns = line.time.as_ref().map(|text| unix_ns(text)).transpose()?;
    let (Some(unix_ns), Some(origin)) = (unix_ns, origin) else {
        return given.ok_or_else(|| {
            let why = match unix_ns {
                Some(_) => "it is missing, and there is no origin that `time` could be compared to",
                None => "it is missing, and so is `time`",
            };
            refused("instants_ns.request_start".into(), why)
        });
    };
    let early =
        || refused("time".into(), "it is before the session's start, which a session line before it would give");
    let origin = match *origin {
        Some(origin) => origin,
        None => *origin.insert(unix_ns.checked_sub(given.unwrap_or_default()).ok_or_else(early)?),
    };
    let since = unix_ns.checked_sub(origin).ok_or_else(early)?;
    if given.is_some_and(|given| given != since) {
        let why = format!(
            "it is {since} ns after the session's start, and instants_ns.request_start says otherwise: remove one"
        );
        return Err(refused("time".into(), &why));
    }
    Ok(since)
}

fn unix_ns(text: &Text<'_>) -> Result<u64, LineError> {
    time::parse(&text.0)
        .ok_or_else(|| refused("time".into(), "it is no RFC 3339 time since 1970, as 2026-07-14T09:30:00.125Z is"))
}

/// Instants that are missing are those before them; in what was not whole, the ends are not there.
fn instants(line: &InstantsLine, request_start: u64, end: End, has_response: bool) -> Instants {
    let request_head = line.request_head.unwrap_or(request_start);
    let request_end = line.request_end.unwrap_or(Some(request_head));
    let before = request_end.unwrap_or(request_head);
    let response_start = line.response_start.unwrap_or(has_response.then_some(before));
    let response_head = line.response_head.unwrap_or(response_start);
    let response_end = line.response_end.unwrap_or(response_head.filter(|_| end == End::Complete));
    Instants {
        request_start,
        request_head,
        request_end,
        connected: line.connected.unwrap_or_default(),
        response_start,
        response_head,
        response_end,
    }
}
