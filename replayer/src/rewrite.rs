//! A recorded request made ready to be sent again: its own bytes, but for what belongs to the target and to the trace.
//!
//! Kept: order, case, duplicates and spelling of all fields, framing, chunk sizes, trailers. Changed: Host (and the
//! authority of an absolute target) becomes the target's, every trace header is taken out, the User-Agent says who sends.
//! The fresh trace headers come later, per copy ([`crate::contexts`]); therefore the head here lacks its final empty line.

use bytes::Bytes;
use formats::head;
use formats::model::{Exchange, Framing, Message};
use formats::trace;

/// Appended to every recorded User-Agent, so that nobody takes a replay for production.
pub const USER_AGENT_SUFFIX: &str = concat!(" reenact/", env!("CARGO_PKG_VERSION"));

/// What of a request depends on where it goes.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// The target's authority; `None` keeps the recorded Host.
    pub authority: Option<String>,
}

/// A request without its trace headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Start line and field lines, without the empty line that ends them.
    pub head: Bytes,
    /// The body with its framing.
    pub body: Bytes,
}

/// Why an exchange cannot be sent as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// The recorder kept only a part of the body.
    TruncatedBody,
    /// The client went away before its request was whole.
    IncompleteRequest,
    /// A tunnel.
    Connect,
    /// The connection became something else than HTTP.
    Upgrade,
    /// The user decided so (`--unsafe-methods skip`).
    UnsafeMethod,
    /// Its segment's index does not know its client, so it is not in the plan.
    NotInIndex,
}

impl LeftOut {
    /// The word used for it in files and on screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TruncatedBody => "truncated_body",
            Self::IncompleteRequest => "incomplete_request",
            Self::Connect => "connect",
            Self::Upgrade => "upgrade",
            Self::UnsafeMethod => "unsafe_method",
            Self::NotInIndex => "not_in_index",
        }
    }
}

/// Makes the request of `exchange` ready for the target.
///
/// # Errors
/// When it cannot be sent as it was.
pub fn template(exchange: &Exchange, rewrite: &Rewrite) -> Result<Template, LeftOut> {
    let request = &exchange.request;
    if request.body.is_truncated() {
        return Err(LeftOut::TruncatedBody);
    }
    if exchange.instants.request_end.is_none() {
        return Err(LeftOut::IncompleteRequest);
    }
    let line = head::request_line(&request.head).ok_or(LeftOut::IncompleteRequest)?;
    if line.method == b"CONNECT" {
        return Err(LeftOut::Connect);
    }
    let response = exchange.response.as_ref().and_then(|response| head::status_line(&response.head));
    if response.is_some_and(|line| line.status == 101) {
        return Err(LeftOut::Upgrade);
    }
    Ok(Template { head: rewrite_head(&request.head, line, rewrite), body: framed_body(request) })
}

fn rewrite_head(recorded: &[u8], line: head::RequestLine<'_>, rewrite: &Rewrite) -> Bytes {
    let mut out = Vec::with_capacity(recorded.len() + 64);
    let authority = rewrite.authority.as_deref().map(str::as_bytes);
    let start = recorded.len().min(recorded.iter().position(|byte| *byte == b'\n').map_or(recorded.len(), |at| at + 1));
    match authority.and_then(|authority| absolute_target(line.target, authority)) {
        Some(target) => {
            [line.method, b" ", &target, b" ", line.version, b"\r\n"]
                .iter()
                .for_each(|part| out.extend_from_slice(part));
        }
        None => out.extend_from_slice(recorded.get(..start).unwrap_or_default()),
    }
    for field in head::fields(recorded) {
        if trace::is_trace_header(field.name) {
            continue;
        }
        let bytes = |range: std::ops::Range<usize>| recorded.get(range).unwrap_or_default();
        let (before, after) = (field.line.start..field.value_at.start, field.value_at.end..field.line.end);
        out.extend_from_slice(bytes(before));
        match authority {
            Some(authority) if field.is("host") => out.extend_from_slice(authority),
            _ => out.extend_from_slice(field.value),
        }
        if field.is("user-agent") {
            out.extend_from_slice(USER_AGENT_SUFFIX.as_bytes());
        }
        out.extend_from_slice(bytes(after));
    }
    Bytes::from(out)
}

/// `http://recorded/path` with the target's authority; `None` for the other forms of a target (RFC 9112 §3.2).
fn absolute_target(target: &[u8], authority: &[u8]) -> Option<Vec<u8>> {
    let rest = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://"))?;
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    Some([b"http://", authority, rest.get(path..).unwrap_or_default()].concat())
}

fn framed_body(request: &Message) -> Bytes {
    let body = &request.body;
    if request.framing != Framing::Chunked {
        // A copy: what was read is a slice of its whole block, responses included, and would keep that in memory.
        return Bytes::copy_from_slice(&body.bytes);
    }
    let mut out = Vec::with_capacity(body.bytes.len() + body.chunks.len() * 12 + request.trailers.len() + 8);
    let mut left = &body.bytes[..];
    let whole = [body.bytes.len() as u64];
    // A body of too many chunks was kept without their sizes: it goes out as one.
    let sizes = if body.chunks.is_empty() { &whole[..] } else { &body.chunks };
    for size in sizes.iter().filter(|size| **size > 0) {
        let (chunk, rest) = left.split_at(left.len().min(usize::try_from(*size).unwrap_or(usize::MAX)));
        left = rest;
        out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(&request.trailers);
    out.extend_from_slice(b"\r\n");
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::wire::{Direction, Http1, Limits};

    fn recorded(request: &[u8], response: &[u8]) -> Exchange {
        let mut connection = Http1::new(1, Limits { body_bytes_max: 20, pending_max: 9 });
        let mut out = Vec::new();
        connection.feed(Direction::Request, 1, request, &mut out);
        connection.feed(Direction::Response, 2, response, &mut out);
        connection.closed(&mut out);
        out.remove(0)
    }

    #[track_caller]
    fn check(request: &str, authority: Option<&str>, expected_head: &str, expected_body: &str) {
        let exchange = recorded(request.as_bytes(), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let got = template(&exchange, &Rewrite { authority: authority.map(str::to_owned) }).unwrap();
        assert_eq!(String::from_utf8_lossy(&got.head), expected_head);
        assert_eq!(String::from_utf8_lossy(&got.body), expected_body);
    }

    #[test]
    fn only_host_traces_and_user_agent_change() {
        check(
            "GET /a?b HTTP/1.1\r\nhOsT:   old:1  \r\nX: 1\r\ntraceparent: 00-1\r\nuser-agent: curl\r\nX: 2\r\nTraceState: a=b\r\nB3: 0\r\n\r\n",
            Some("new:2"),
            &format!("GET /a?b HTTP/1.1\r\nhOsT:   new:2  \r\nX: 1\r\nuser-agent: curl{USER_AGENT_SUFFIX}\r\nX: 2\r\n"),
            "",
        );
        check("GET / HTTP/1.0\r\nHost: old\r\n\r\n", None, "GET / HTTP/1.0\r\nHost: old\r\n", "");
        check("GET http://old/x?y HTTP/1.1\r\n\r\n", Some("new"), "GET http://new/x?y HTTP/1.1\r\n", "");
    }

    #[test]
    fn bodies_keep_their_framing() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
        check(
            &format!("{head}\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"),
            None,
            head,
            "3\r\nabc\r\na\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
        );
        check(&format!("{head}\r\n0\r\n\r\n"), None, head, "0\r\n\r\n");
        check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", None, "POST / HTTP/1.1\r\nContent-Length: 2\r\n", "ab");
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        for (request, response, expected) in [
            ("POST / HTTP/1.1\r\nContent-Length: 21\r\n\r\n012345678901234567890", ok, LeftOut::TruncatedBody),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n01", "", LeftOut::IncompleteRequest),
            ("CONNECT a:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", LeftOut::Connect),
            ("GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 101 OK\r\n\r\n", LeftOut::Upgrade),
        ] {
            let exchange = recorded(request.as_bytes(), response.as_bytes());
            assert_eq!(template(&exchange, &Rewrite::default()), Err(expected), "{request}");
        }
    }
}
