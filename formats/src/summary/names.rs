//! The names under which an exchange counts: printable, and of a bounded length, whatever the traffic said.

use crate::endpoint::Templates;
use crate::head::{self, RequestLine};
use crate::model::Exchange;

/// Longest name of a host or protocol, in characters; DNS has no longer ones.
pub(super) const NAME_CHARS_MAX: usize = 255;

/// Methods that are told apart: those of RFC 9110, 5789, WebDAV and the QUERY method.
#[rustfmt::skip]
pub(super) const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "PROPFIND", "PROPPATCH",
    "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE",
];

/// The method that is none of the registered ones.
pub(super) const OTHER_METHOD: &str = "other";

pub(super) fn endpoint(line: Option<RequestLine<'_>>, name: &mut String) {
    match line {
        Some(line) => Templates::default().write_endpoint(line.method, line.target, name),
        None => "(unreadable)".clone_into(name),
    }
}

pub(super) fn method(line: Option<RequestLine<'_>>) -> &'static str {
    let method = line.map(|line| line.method).unwrap_or_default();
    METHODS.iter().find(|known| known.as_bytes() == method).copied().unwrap_or(OTHER_METHOD)
}

/// Whom the request was for: the authority of a target that has one (RFC 9112 §3.2), else of Host. Whether there was one.
pub(super) fn host(line: Option<RequestLine<'_>>, request: &[u8], name: &mut String) -> bool {
    let authority = line.and_then(|line| authority(line, request)).filter(|host| !host.is_empty());
    authority.is_some_and(|authority| {
        printable(authority, name);
        true
    })
}

fn authority<'a>(line: RequestLine<'a>, request: &'a [u8]) -> Option<&'a [u8]> {
    let absolute = || {
        let has_authority = !line.target.starts_with(b"/");
        let at = has_authority.then(|| line.target.windows(3).position(|window| window == b"://"))??;
        let rest = line.target.get(at + 3..)?;
        rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()
    };
    let authority = if line.method == b"CONNECT" { Some(line.target) } else { absolute() };
    // What stands before an @ is a name and a password.
    let authority = authority.and_then(|authority| authority.rsplit(|byte| *byte == b'@').next());
    authority.or_else(|| head::value(request, "host"))
}

/// What a connection became that left HTTP.
pub(super) fn tunnel(exchange: &Exchange) -> Option<String> {
    exchange.tunnel.as_ref()?;
    let mut name = String::new();
    printable(exchange.tunnel_protocol().unwrap_or(b"other"), &mut name);
    Some(name)
}

fn printable(bytes: &[u8], name: &mut String) {
    name.clear();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'_' | b'[' | b']');
    match std::str::from_utf8(bytes) {
        // Nearly every name is one of these.
        Ok(text) if bytes.iter().all(is_plain) => name.push_str(text),
        _ => name.extend(bytes.iter().take(NAME_CHARS_MAX + 1).flat_map(|byte| byte.escape_ascii()).map(char::from)),
    }
    name.make_ascii_lowercase();
    // It is ASCII: a byte is a character.
    if name.len() > NAME_CHARS_MAX {
        name.truncate(NAME_CHARS_MAX);
        name.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_and_bounded() {
        let check = |head: &str, expected: (&str, &str, Option<&str>)| {
            let head = head.as_bytes();
            let line = head::request_line(head);
            let (mut name, mut authority) = (String::new(), "before".to_owned());
            endpoint(line, &mut name);
            let host = host(line, head, &mut authority).then_some(authority.as_str());
            assert_eq!((name.as_str(), method(line), host), expected);
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
        let cut = |bytes: &[u8]| {
            let mut name = "before".to_owned();
            printable(bytes, &mut name);
            name
        };
        assert_eq!(cut(&[b'a'; 255]).chars().count(), 255);
        assert!(cut(&[b'a'; 256]).ends_with("a…") && cut(&[b' '; 256]).ends_with(" …"));
    }
}
