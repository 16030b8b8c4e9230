//! Whom recorded requests were for, so that they are not sent there by mistake.

use foldhash::HashSet;
use formats::head;
use formats::model::{Exchange, Protocol};

use crate::rewrite::any_authority_at;

/// Recorded authorities that are remembered for the origin check.
pub(super) const AUTHORITIES_MAX: usize = 1_000;

/// Recorded authorities, each told once.
#[derive(Default)]
pub(super) struct Authorities {
    known: HashSet<String>,
    new: Vec<String>,
}

impl Authorities {
    /// Whom a request was for: its Host, and whom its target names, be it the whole of it (CONNECT, RFC 9112 §3.2.3) or
    /// a part.
    pub(super) fn note(&mut self, exchange: &Exchange) {
        let request = &exchange.request.head;
        head::values(request, "host").for_each(|host| self.add(host));
        if matches!(exchange.protocol, Protocol::Http2 | Protocol::Http3) {
            head::values(request, ":authority").for_each(|authority| self.add(authority));
        } else if let Some(line) = head::request_line(request) {
            let named =
                if line.method == b"CONNECT" { Some(0..line.target.len()) } else { any_authority_at(line.target) };
            if let Some(authority) = named.and_then(|at| line.target.get(at)) {
                // Credentials before the host are none of it, and are shown nowhere.
                self.add(authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default());
            }
        }
    }

    fn add(&mut self, authority: &[u8]) {
        if self.known.len() < AUTHORITIES_MAX
            && let Ok(authority) = std::str::from_utf8(authority)
            && !authority.is_empty()
            && !self.known.contains(authority)
        {
            self.known.insert(authority.to_owned());
            self.new.push(authority.to_owned());
        }
    }

    /// Those that were not told before.
    pub(super) fn take_new(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_request_was_for_is_noted_without_credentials() {
        let check = |protocol, head: &'static str, expected: &[&str]| {
            let mut exchange = Exchange { protocol, ..Exchange::default() };
            exchange.request.head = head.into();
            let mut found = Authorities::default();
            found.note(&exchange);
            let mut names = found.take_new();
            names.sort();
            assert_eq!(names, expected, "{head}");
            found.note(&exchange);
            assert!(found.take_new().is_empty(), "each is told once: {head}");
        };
        let http1 = |head, expected: &[&str]| check(Protocol::Http11, head, expected);
        http1("GET / HTTP/1.1\r\nHost: a:1\r\nHost: b\r\n\r\n", &["a:1", "b"]);
        http1("GET http://u:p@[::1]:8/x HTTP/1.1\r\nHost: a\r\n\r\n", &["[::1]:8", "a"]);
        http1("GET FTP://b?c HTTP/1.0\r\n\r\n", &["b"]);
        http1("CONNECT b:443 HTTP/1.1\r\nHost:\r\n\r\n", &["b:443"]);
        http1("GET /http://b/ HTTP/1.1\r\n\r\n", &[]);
        check(Protocol::Http2, ":method: GET\r\n:authority: b:8\r\nhost: a\r\n\r\n", &["a", "b:8"]);
    }
}
