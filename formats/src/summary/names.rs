//! The names under which an exchange counts: printable, and of a bounded length, whatever the traffic said.

use std::borrow::Cow;

use crate::model::Exchange;
use crate::{endpoint, head};

/// Longest name of a host or protocol, in characters; DNS has no longer ones.
const NAME_CHARS_MAX: usize = 255;

/// Methods that are told apart: those of RFC 9110, 5789, WebDAV and the QUERY method.
#[rustfmt::skip]
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "PROPFIND", "PROPPATCH",
    "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE",
];

pub(super) fn endpoint(request: &[u8]) -> String {
    let line = head::request_line(request);
    line.map_or_else(|| "(unreadable)".to_owned(), |line| endpoint::endpoint(line.method, line.target))
}

pub(super) fn method(request: &[u8]) -> &'static str {
    let method = head::request_line(request).map(|line| line.method).unwrap_or_default();
    METHODS.iter().find(|known| known.as_bytes() == method).copied().unwrap_or("other")
}

/// Whom the request was for: the authority of a target that has one (RFC 9112 §3.2), else of Host.
pub(super) fn host(request: &[u8]) -> Option<String> {
    let line = head::request_line(request)?;
    let absolute = || {
        let at =
            line.target.windows(3).position(|window| window == b"://").filter(|_| !line.target.starts_with(b"/"))?;
        let rest = line.target.get(at + 3..)?;
        rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()
    };
    let authority = if line.method == b"CONNECT" { Some(line.target) } else { absolute() };
    // What stands before an @ is a name and a password.
    let authority = authority.and_then(|authority| authority.rsplit(|byte| *byte == b'@').next());
    let host = authority.or_else(|| head::value(request, "host")).filter(|host| !host.is_empty())?;
    Some(printable(host))
}

/// What a connection became that left HTTP.
pub(super) fn tunnel(exchange: &Exchange) -> Option<String> {
    exchange.tunnel.as_ref()?;
    Some(exchange.tunnel_protocol().map_or_else(|| "other".to_owned(), printable))
}

fn printable(bytes: &[u8]) -> String {
    let text: Cow<'_, str> = bytes.escape_ascii().to_string().to_ascii_lowercase().into();
    match text.char_indices().nth(NAME_CHARS_MAX) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_and_bounded() {
        let check = |head: &str, expected: (&str, &str, Option<&str>)| {
            let head = head.as_bytes();
            let host = host(head);
            assert_eq!((endpoint(head).as_str(), method(head), host.as_deref()), expected);
        };
        check("GET /a/1?b HTTP/1.1\r\nHost: A.example:80\r\n\r\n", ("GET /a/{id}", "GET", Some("a.example:80")));
        check("get / HTTP/1.1\r\n\r\n", ("get /", "other", None));
        check("PUT http://u:p@B/a HTTP/1.1\r\nHost: a\r\n\r\n", ("PUT /a", "PUT", Some("b")));
        check("GET /a?u=http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", ("GET /a", "GET", Some("a")));
        check("CONNECT c:443 HTTP/1.1\r\nHost: a\r\n\r\n", ("CONNECT c:443", "CONNECT", Some("c:443")));
        check("nothing", ("(unreadable)", "other", None));
        check(
            "GET / HTTP/1.1\r\nHost: a\u{1b}[2Jb\u{202e}\r\n\r\n",
            ("GET /", "GET", Some("a\\x1b[2jb\\xe2\\x80\\xae")),
        );
        assert_eq!(printable(&[b'a'; 255]).chars().count(), 255);
        assert!(printable(&[b'a'; 256]).ends_with("a…"));
    }
}
