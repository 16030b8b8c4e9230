//! From the fields of a line to heads, bodies and messages.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::LineError;
use super::fields::{FieldLines, Wrong};
use super::head::{Declared, is_one_head, is_section, is_status, is_target, is_token, is_value, is_version};
use super::line::{BodyLine, FlowLine, PieceLine, RequestLine, ResponseLine, StatusLine, Text, TunnelLine};
use super::read::refused;
use crate::model::{Body, Dropped, Flow, Frame, Framing, Message, Piece, Protocol, Tunnel};

/// How much of a request is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it: its body is as long as its head says.
    Whole,
    /// Not all of it.
    Part,
    /// Its head and body need not agree, since they could be read in more than one way; it is never sent.
    Ambiguous,
}

/// A request.
pub(super) fn request(line: RequestLine<'_>, protocol: Protocol, extent: Extent) -> Result<Message, LineError> {
    let body = body(line.body, "request")?;
    let mut framing = framing(line.framing, "request")?;
    let trailers = trailers(line.trailers, line.trailers_base64, "request")?;
    let pieces = pieces(&line.pieces);
    let head = match line.head_base64 {
        Some(text) => exact_head(&text, "request")?,
        None => {
            check_has_lines(protocol, "request")?;
            let missing = |name| refused(format!("request.{name}"), "it is missing");
            let method = line.method.ok_or_else(|| missing("method"))?;
            let target = line.target.ok_or_else(|| missing("target"))?;
            let version = version(line.version.as_ref(), protocol, "request")?;
            check(is_token(&method.0), || "request.method".into(), "it is no method, as GET is")?;
            check(
                is_target(&target.0),
                || "request.target".into(),
                "it is empty, or has white space or control characters",
            )?;
            let mut head = joined([&method.0, " ", &target.0, " ", version], line.headers, &"request.headers")?;
            // Written by hand, a body comes without the field that would set it apart from a next request.
            if framing.is_none()
                && extent != Extent::Ambiguous
                && body.total_len > 0
                && declared(&head, "request")? == Declared::Nothing
            {
                head.extend_from_slice(format!("content-length: {}\r\n", body.total_len).as_bytes());
            }
            head.extend_from_slice(b"\r\n");
            head.into()
        }
    };
    // Where frames say how long a body is, its head need not; such a request is not sent again as it is here.
    if extent == Extent::Ambiguous || is_framed(protocol) {
        return Ok(Message { head, framing: framing.unwrap_or_default(), body, trailers, pieces });
    }
    let declared = declared(&head, "request")?;
    let framing = *framing.get_or_insert(match declared {
        Declared::Nothing => Framing::None,
        Declared::Length(_) => Framing::Length,
        Declared::Chunked => Framing::Chunked,
    });
    let why = match (framing, declared) {
        (Framing::None, Declared::Nothing) if body.total_len > 0 => Some("a request without a length has no body"),
        (Framing::None, Declared::Nothing) | (Framing::Chunked, Declared::Chunked) => None,
        (Framing::Length, Declared::Length(length)) if body.total_len > length => {
            Some("the body is longer than content-length")
        }
        (Framing::Length, Declared::Length(length)) if extent == Extent::Whole && body.total_len < length => {
            Some("the body is shorter than content-length, and request_end says that it was whole")
        }
        (Framing::Length, Declared::Length(_)) => None,
        _ => Some("it is not what the head's content-length or transfer-encoding says"),
    };
    match why {
        Some(why) if body.total_len > 0 => Err(refused("request.body".into(), why)),
        Some(why) => Err(refused("request.framing".into(), why)),
        None => Ok(Message { head, framing, body, trailers, pieces }),
    }
}

/// A response. Nobody sends it again, so its head and body may disagree, as with the answer to a HEAD.
pub(super) fn response(line: ResponseLine<'_>, protocol: Protocol) -> Result<Message, LineError> {
    let body = body(line.body, "response")?;
    let framing = framing(line.framing, "response")?;
    let trailers = trailers(line.trailers, line.trailers_base64, "response")?;
    let pieces = pieces(&line.pieces);
    let ResponseLine { version, status, reason, headers, head_base64, .. } = line;
    let head = status_head(StatusLine { version, status, reason, headers, head_base64 }, protocol, "response")?;
    let framing = match framing {
        Some(framing) => framing,
        None => match declared(&head, "response")? {
            Declared::Chunked => Framing::Chunked,
            Declared::Length(_) => Framing::Length,
            Declared::Nothing if body.total_len > 0 => Framing::Length,
            Declared::Nothing => Framing::None,
        },
    };
    Ok(Message { head, framing, body, trailers, pieces })
}

/// What left HTTP.
pub(super) fn tunnel(line: TunnelLine<'_>) -> Result<Tunnel, LineError> {
    let flow = |line: FlowLine<'_>, at: &str| {
        let FlowLine { bytes, first_ns, last_ns, pieces: lines, frames, content_base64 } = line;
        let content =
            content_base64.map(|text| decoded(&text, || format!("tunnel.{at}.content_base64"))).transpose()?;
        let frames = frames.into_iter().map(|(at_ns, kind, len)| Frame { at_ns, kind, len }).collect();
        let content = content.unwrap_or_default();
        Ok(Flow { bytes, first_ns, last_ns, pieces: pieces(&lines), frames, content })
    };
    let (to_upstream, to_client) = (flow(line.to_upstream, "to_upstream")?, flow(line.to_client, "to_client")?);
    Ok(Tunnel { to_upstream, to_client })
}

fn pieces(lines: &[PieceLine]) -> Vec<Piece> {
    lines.iter().map(|(at_ns, len)| Piece { at_ns: *at_ns, len: *len }).collect()
}

/// The head of a response; `at` is where the line stands.
pub(super) fn status_head(line: StatusLine<'_>, protocol: Protocol, at: &str) -> Result<Bytes, LineError> {
    if let Some(text) = line.head_base64 {
        return exact_head(&text, at);
    }
    check_has_lines(protocol, at)?;
    let status = line.status.ok_or_else(|| refused(format!("{at}.status"), "it is missing"))?;
    let reason = line.reason.as_ref().map_or("", |text| &text.0);
    let version = version(line.version.as_ref(), protocol, at)?;
    check(is_status(status), || format!("{at}.status"), "it is not in 100 to 999")?;
    check(is_value(reason), || format!("{at}.reason"), "it has a line end or a control character")?;
    let mut number = itoa::Buffer::new();
    let parts = [version, " ", number.format(status), " ", reason];
    let mut head = joined(parts, line.headers, &format_args!("{at}.headers"))?;
    head.extend_from_slice(b"\r\n");
    Ok(head.into())
}

fn is_framed(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Http2 | Protocol::Http3)
}

/// HTTP/2 and HTTP/3 have no start line that could be made of fields by their names.
fn check_has_lines(protocol: Protocol, at: &str) -> Result<(), LineError> {
    let why = "it is missing: a head of HTTP/2 or HTTP/3 has no start line, and is read from its exact bytes only";
    check(!is_framed(protocol), || format!("{at}.head_base64"), why)
}

fn exact_head(text: &Text<'_>, at: &str) -> Result<Bytes, LineError> {
    let head = decoded(text, || format!("{at}.head_base64"))?;
    check(
        is_one_head(&head),
        || format!("{at}.head_base64"),
        "it is not one head: an empty line must end it, and none come before",
    )?;
    Ok(head)
}

fn version<'a>(given: Option<&'a Text<'_>>, protocol: Protocol, at: &str) -> Result<&'a str, LineError> {
    let version = given.map_or(protocol.name(), |text| &text.0);
    check(is_version(version), || format!("{at}.version"), "it is no version, as HTTP/1.1 is")?;
    Ok(version)
}

/// The start line and the field lines, with room for the empty line after them and no more: what is as long as its
/// allocation is shared as it is.
fn joined(start_line: [&str; 5], fields: FieldLines, at: &dyn Display) -> Result<Vec<u8>, LineError> {
    let lines = field_lines(fields, at)?;
    let start = start_line.iter().map(|part| part.len()).sum::<usize>();
    let mut head = Vec::with_capacity(start + lines.len() + 4);
    for part in start_line {
        head.extend_from_slice(part.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(&lines);
    Ok(head)
}

fn field_lines(fields: FieldLines, at: &dyn Display) -> Result<Vec<u8>, LineError> {
    fields.lines().map_err(|Wrong { index, why }| refused(format!("{at}[{index}]"), why))
}

fn trailers(fields: FieldLines, exact: Option<Text<'_>>, at: &str) -> Result<Bytes, LineError> {
    if let Some(text) = exact {
        let section = decoded(&text, || format!("{at}.trailers_base64"))?;
        check(
            is_section(&section),
            || format!("{at}.trailers_base64"),
            "it has an empty line, or its last line has no end",
        )?;
        return Ok(section);
    }
    field_lines(fields, &format_args!("{at}.trailers")).map(Bytes::from)
}

fn body(line: Option<BodyLine<'_>>, at: &str) -> Result<Body, LineError> {
    let Some(line) = line else { return Ok(Body::default()) };
    let bytes = match (line.text, line.base64) {
        (Some(_), Some(_)) => return Err(refused(format!("{at}.body"), "it has both text and base64")),
        (Some(text), None) => Bytes::from(text.0.into_owned()),
        (None, Some(text)) => decoded(&text, || format!("{at}.body.base64"))?,
        (None, None) => Bytes::new(),
    };
    let length = bytes.len() as u64;
    let total_len = line.total_len.unwrap_or(length);
    let is_redacted = line.redacted.is_some();
    check(total_len >= length || is_redacted, || format!("{at}.body.total_len"), "the body has more bytes than that")?;
    let sha256 = line.sha256.map(|text| digest(&text.0, at)).transpose()?;
    let dropped = line.dropped.map(|text| Dropped::from_name(&text.0).ok_or(()));
    let dropped = dropped.transpose().map_err(|()| {
        refused(format!("{at}.body.dropped"), "it is none of behind, undecodable, truncated, rule and damaged")
    })?;
    check(
        dropped.is_none() || (bytes.is_empty() && !is_redacted),
        || format!("{at}.body.dropped"),
        "a body that was dropped has no text, no base64 and no redacted",
    )?;
    Ok(Body { bytes, total_len, chunks: line.chunks, sha256, redacted: line.redacted, dropped })
}

/// 64 hex digits.
fn digest(text: &str, at: &str) -> Result<[u8; 32], LineError> {
    let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    let is_hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    check(is_hex, || format!("{at}.body.sha256"), "it is not 64 hex digits")?;
    Ok(std::array::from_fn(|at| byte(at).unwrap_or_default()))
}

fn framing(text: Option<Text<'_>>, at: &str) -> Result<Option<Framing>, LineError> {
    let Some(text) = text else { return Ok(None) };
    let framing = Framing::from_name(&text.0);
    check(framing.is_some(), || format!("{at}.framing"), "it is none of none, length, chunked and until_close")?;
    Ok(framing)
}

fn declared(head: &[u8], at: &str) -> Result<Declared, LineError> {
    Declared::of(head).map_err(|why| refused(format!("{at}.headers"), why))
}

fn decoded(text: &Text<'_>, at: impl FnOnce() -> String) -> Result<Bytes, LineError> {
    STANDARD
        .decode(text.0.as_bytes())
        .map(Bytes::from)
        .map_err(|error| refused(at(), &format!("it is no base64: {error}")))
}

fn check(is_fine: bool, at: impl FnOnce() -> String, why: &str) -> Result<(), LineError> {
    if is_fine { Ok(()) } else { Err(refused(at(), why)) }
}
