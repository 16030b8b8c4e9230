//! Writing lines, straight into the output.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::head::{Plain, plain_fields, plain_request_line, plain_status_line};
use super::text::{hex, lossy_string, string};
use super::time;
use crate::head::{self, Field};
use crate::model::{Body, ClientKey, Exchange, Flow, Framing, Gap, Message, Piece};
use crate::trace;

/// Appends the line of a session's header, which is an object, with its line end.
pub fn session_to_line(header: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"session","header":"#);
    // `Display` writes compact JSON, and a line of it.
    out.extend_from_slice(header.to_string().as_bytes());
    out.extend_from_slice(b"}\n");
}

/// Appends the line of a gap, with its line end.
pub fn gap_to_line(gap: &Gap, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"gap","reason":"#);
    string(gap.reason.name(), out);
    key("from_ns", out, |out| number(gap.from_ns, out));
    key("to_ns", out, |out| number(gap.to_ns, out));
    key("connections", out, |out| number(gap.connections, out));
    key("exchanges", out, |out| number(gap.exchanges, out));
    key("bytes", out, |out| number(gap.bytes, out));
    out.extend_from_slice(b"}\n");
}

/// Appends the line of an exchange of a session that began at `started_unix_ns`, with its line end.
///
/// `time` and `trace` are for people and tools; they are left out when there is none to tell.
pub fn to_line(exchange: &Exchange, started_unix_ns: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"type":"exchange","seq":"#);
    number(exchange.seq, out);
    if let Some(unix_ns) = started_unix_ns.checked_add(exchange.instants.request_start) {
        out.extend_from_slice(br#","time":""#);
        time::write(unix_ns, out);
        out.push(b'"');
    }
    key("client", out, |out| client(exchange.client, out));
    key("connection", out, |out| number(exchange.connection, out));
    key("protocol", out, |out| string(exchange.protocol.name(), out));
    key("end", out, |out| string(exchange.end.name(), out));
    if let Some(of) = exchange.replay_of {
        key("replay_of", out, |out| {
            out.extend_from_slice(br#"{"session":"#);
            number(of.session.into(), out);
            key("seq", out, |out| number(of.seq, out));
            key("copy", out, |out| number(of.copy.into(), out));
            out.push(b'}');
        });
    }
    if let Some(kind) = exchange.ambiguous {
        key("ambiguous", out, |out| string(kind.name(), out));
    }
    if exchange.resynchronised {
        key("resynchronised", out, |out| out.extend_from_slice(b"true"));
    }
    if exchange.rebuilt {
        key("rebuilt", out, |out| out.extend_from_slice(b"true"));
    }
    if let Some(facts) = &exchange.facts {
        // A string, since what it holds must come back to the byte.
        key("facts", out, |out| string(facts, out));
    }
    if let Some(tunnel) = &exchange.tunnel {
        key("tunnel", out, |out| {
            out.extend_from_slice(br#"{"protocol":"#);
            lossy_string(exchange.tunnel_protocol().unwrap_or_default(), out);
            key("to_upstream", out, |out| flow(&tunnel.to_upstream, out));
            key("to_client", out, |out| flow(&tunnel.to_client, out));
            out.push(b'}');
        });
    }
    instants(exchange, out);
    recorded_trace(&exchange.request.head, out);
    key("request", out, |out| {
        head_fields(&exchange.request.head, out, plain_request, lossy_request);
        content(&exchange.request, out);
    });
    if !exchange.informational.is_empty() {
        key("informational", out, |out| {
            list(exchange.informational.iter(), out, |head, out| {
                head_fields(head, out, plain_response, lossy_response);
                out.push(b'}');
            });
        });
    }
    key("response", out, |out| match &exchange.response {
        None => out.extend_from_slice(b"null"),
        Some(response) => {
            head_fields(&response.head, out, plain_response, lossy_response);
            content(response, out);
        }
    });
    out.extend_from_slice(b"}\n");
}

/// As its `Display` writes it.
fn client(key: ClientKey, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(key.source.name().as_bytes());
    out.push(b'-');
    hex(&key.id.to_be_bytes(), out);
    out.push(b'"');
}

fn instants(exchange: &Exchange, out: &mut Vec<u8>) {
    let instants = &exchange.instants;
    out.extend_from_slice(br#","instants_ns":{"request_start":"#);
    number(instants.request_start, out);
    key("request_head", out, |out| number(instants.request_head, out));
    for (name, at_ns) in [
        ("request_end", instants.request_end),
        ("connected", instants.connected),
        ("response_start", instants.response_start),
        ("response_head", instants.response_head),
        ("response_end", instants.response_end),
    ] {
        key(name, out, |out| instant(at_ns, out));
    }
    out.push(b'}');
}

fn instant(at_ns: Option<u64>, out: &mut Vec<u8>) {
    match at_ns {
        Some(at_ns) => number(at_ns, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn flow(flow: &Flow, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"bytes":"#);
    number(flow.bytes, out);
    key("first_ns", out, |out| instant(flow.first_ns, out));
    key("last_ns", out, |out| instant(flow.last_ns, out));
    pieces(&flow.pieces, out);
    if !flow.frames.is_empty() {
        key("frames", out, |out| {
            list(flow.frames.iter(), out, |frame, out| {
                out.push(b'[');
                number(frame.at_ns, out);
                out.push(b',');
                number(frame.kind.into(), out);
                out.push(b',');
                number(frame.len, out);
                out.push(b']');
            });
        });
    }
    if !flow.content.is_empty() {
        key("content_base64", out, |out| base64(&flow.content, out));
    }
    out.push(b'}');
}

/// Each as `[instant, length]`.
fn pieces(pieces: &[Piece], out: &mut Vec<u8>) {
    if pieces.is_empty() {
        return;
    }
    key("pieces", out, |out| {
        list(pieces.iter(), out, |piece, out| {
            out.push(b'[');
            number(piece.at_ns, out);
            out.push(b',');
            number(piece.len, out);
            out.push(b']');
        });
    });
}

fn recorded_trace(head: &[u8], out: &mut Vec<u8>) {
    if let Some(context) = trace::recorded(head).context {
        out.extend_from_slice(br#","trace":{"trace_id":""#);
        hex(&context.trace_id, out);
        out.extend_from_slice(br#"","parent_id":"#);
        match context.parent() {
            Some(parent) => {
                out.push(b'"');
                hex(&parent, out);
                out.push(b'"');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(br#","flags":"#);
        number(context.flags.into(), out);
        out.push(b'}');
    }
}

/// Opens a message's object with its head: as readable fields if they say all, else with the exact bytes besides.
fn head_fields(
    head: &[u8],
    out: &mut Vec<u8>,
    plain: fn(&Plain<'_>, &mut Vec<u8>) -> Option<()>,
    lossy: fn(&[u8], &mut Vec<u8>),
) {
    let mark = out.len();
    let is_plain =
        Plain::of(head).is_some_and(|head| plain(&head, out).is_some() && plain_headers(head.fields, out).is_some());
    if is_plain {
        return;
    }
    out.truncate(mark);
    lossy(head, out);
    key("headers", out, |out| list(head::fields(head), out, lossy_field));
    key("head_base64", out, |out| base64(head, out));
}

fn plain_request(head: &Plain<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (method, target, version) = plain_request_line(head.start_line)?;
    out.extend_from_slice(br#"{"method":"#);
    string(method, out);
    key("target", out, |out| string(target, out));
    key("version", out, |out| string(version, out));
    Some(())
}

fn lossy_request(head: &[u8], out: &mut Vec<u8>) {
    let line = head::request_line(head);
    out.extend_from_slice(br#"{"method":"#);
    lossy_string(line.map_or(head::start_line(head), |line| line.method), out);
    key("target", out, |out| lossy_string(line.map(|line| line.target).unwrap_or_default(), out));
    key("version", out, |out| lossy_string(line.map(|line| line.version).unwrap_or_default(), out));
}

fn plain_response(head: &Plain<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (version, status, reason) = plain_status_line(head.start_line)?;
    out.extend_from_slice(br#"{"version":"#);
    string(version, out);
    key("status", out, |out| number(status.into(), out));
    key("reason", out, |out| string(reason, out));
    Some(())
}

fn lossy_response(head: &[u8], out: &mut Vec<u8>) {
    let line = head::status_line(head);
    out.extend_from_slice(br#"{"version":"#);
    lossy_string(line.map_or(head::start_line(head), |line| line.version), out);
    key("status", out, |out| number(line.map(|line| line.status.into()).unwrap_or_default(), out));
    key("reason", out, |out| lossy_string(line.map(|line| line.reason).unwrap_or_default(), out));
}

fn plain_headers(lines: &str, out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(br#","headers":"#);
    plain_pairs(lines, out)
}

fn plain_pairs(lines: &str, out: &mut Vec<u8>) -> Option<()> {
    out.push(b'[');
    for (index, field) in plain_fields(lines).enumerate() {
        let (name, value) = field?;
        // A name is a token, and nothing in a token is escaped.
        out.extend_from_slice(if index == 0 { b"[\"" } else { b",[\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",");
        string(value, out);
        out.push(b']');
    }
    out.push(b']');
    Some(())
}

fn lossy_field(field: Field<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    lossy_string(field.name, out);
    out.push(b',');
    lossy_string(field.value, out);
    out.push(b']');
}

/// The rest of a message's object: everything but its head.
fn content(message: &Message, out: &mut Vec<u8>) {
    key("framing", out, |out| string(message.framing.name(), out));
    if message.body != Body::default() || message.framing != Framing::None {
        key("body", out, |out| body(&message.body, out));
    }
    if !message.trailers.is_empty() {
        trailers(&message.trailers, out);
    }
    pieces(&message.pieces, out);
    out.push(b'}');
}

fn body(body: &Body, out: &mut Vec<u8>) {
    match std::str::from_utf8(&body.bytes) {
        Ok(text) => {
            out.extend_from_slice(br#"{"text":"#);
            string(text, out);
        }
        Err(_) => {
            out.extend_from_slice(br#"{"base64":"#);
            base64(&body.bytes, out);
        }
    }
    if body.total_len != body.bytes.len() as u64 {
        key("total_len", out, |out| number(body.total_len, out));
    }
    if let Some(digest) = body.sha256 {
        out.extend_from_slice(br#","sha256":""#);
        hex(&digest, out);
        out.push(b'"');
    }
    if !body.chunks.is_empty() {
        key("chunks", out, |out| list(body.chunks.iter(), out, |size, out| number(*size, out)));
    }
    if let Some(codings) = &body.redacted {
        key("redacted", out, |out| list(codings.iter(), out, |coding, out| string(coding, out)));
    }
    if let Some(why) = body.dropped {
        key("dropped", out, |out| string(why.name(), out));
    }
    out.push(b'}');
}

fn trailers(section: &[u8], out: &mut Vec<u8>) {
    let mark = out.len();
    out.extend_from_slice(br#","trailers":"#);
    if std::str::from_utf8(section).ok().and_then(|lines| plain_pairs(lines, out)).is_some() {
        return;
    }
    out.truncate(mark);
    key("trailers", out, |out| list(head::trailer_fields(section), out, lossy_field));
    key("trailers_base64", out, |out| base64(section, out));
}

fn list<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, item_to: impl Fn(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        item_to(item, out);
    }
    out.push(b']');
}

/// A key after the first, and its value.
fn key(name: &str, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    value(out);
}

fn number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let at = out.len();
    out.resize(at + bytes.len().div_ceil(3) * 4, b'=');
    // The room is exactly what padded base64 takes.
    let _ = STANDARD.encode_slice(bytes, out.get_mut(at..).unwrap_or_default());
    out.push(b'"');
}
