//! A request made one to a proxy that is asked in clear text: its target in absolute form, and who asks.
//!
//! Where a request leads is decided by whom it was checked for, and by nothing that was recorded: a proxy follows the
//! request's target wherever that names.

use std::ops::Range;

use formats::head::{fields, request_line};

use crate::rewrite::{Opened, any_authority_at};
use crate::target::{Proxy, Target};

/// Names the target in the request (RFC 9112 §3.2.2), and shows the proxy our credentials, if there are any: then nobody
/// else's.
pub(super) fn ask(target: &Target, head: &mut Vec<u8>, opened: &mut Opened) {
    if let Some((at, origin)) = origin(head, &target.authority) {
        opened.replaced(at.clone(), origin.len());
        head.splice(at, origin);
    }
    if let Some(authorization) = target.proxy().and_then(Proxy::authorization) {
        let others = fields(head).filter(|field| field.is("proxy-authorization")).map(|field| field.line);
        for line in others.collect::<Vec<_>>().into_iter().rev() {
            opened.replaced(line.clone(), 0);
            head.drain(line);
        }
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(authorization.reveal());
        head.extend_from_slice(b"\r\n");
    }
}

/// What goes into the request's target, and what it replaces there.
fn origin(head: &[u8], authority: &str) -> Option<(Range<usize>, Vec<u8>)> {
    let line = request_line(head)?;
    let (recorded, at) = (line.target, line.method.len() + 1);
    let (replaced, slash) = match any_authority_at(recorded) {
        Some(authority) => (authority.end, ""),
        // `OPTIONS *`: the last proxy makes it that again (RFC 9112 §3.2.4).
        None if recorded == b"*" => (1, ""),
        None if recorded.starts_with(b"/") => (0, ""),
        // No form that there is: it becomes the path.
        None => (0, "/"),
    };
    Some((at..at + replaced, format!("http://{authority}{slash}").into_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::secret::Secret;

    fn asked(head: &str, credentials: Option<&str>, opened: &mut Opened) -> String {
        let credentials = credentials.map(|text| Secret::new(text.as_bytes()));
        let proxy = Arc::new(Proxy::new("http://127.0.0.1:3128", credentials.as_ref()).unwrap());
        let target = Target::parse("http://new:81").unwrap().through(proxy).unwrap();
        let mut head = head.as_bytes().to_vec();
        ask(&target, &mut head, opened);
        String::from_utf8(head).unwrap()
    }

    #[test]
    fn whatever_was_recorded_the_target_is_who_was_allowed() {
        let check = |line: &str, expected: &str| {
            let head = asked(&format!("{line} HTTP/1.1\r\nHost: old\r\n"), None, &mut Opened::default());
            assert_eq!(head, format!("{expected} HTTP/1.1\r\nHost: old\r\n"));
        };
        check("GET /a?b", "GET http://new:81/a?b");
        check("GET //old/a", "GET http://new:81//old/a");
        check("GET http://old:9/a?b=http://c/", "GET http://new:81/a?b=http://c/");
        check("GET HTTPS://user:word@old?b", "GET http://new:81?b");
        check("GET ftp://old/a", "GET http://new:81/a");
        check("GET http://", "GET http://new:81");
        check("GET http:///a", "GET http://new:81/a");
        check("OPTIONS *", "OPTIONS http://new:81");
        check("OPTIONS http://old", "OPTIONS http://new:81");
        check("GET old:80/a", "GET http://new:81/old:80/a");
        check("GET /a://b", "GET http://new:81/a://b");
        check("GET a b", "GET http://new:81/a b");
    }

    #[test]
    fn the_proxy_sees_our_credentials_alone_and_what_was_opened_is_found_again() {
        let head = "GET http://s3cret@old/s3cret HTTP/1.1\r\nproxy-authorization: s3cret\r\nX: s3cret\r\nPROXY-Authorization: b\r\n";
        let places = head.match_indices("s3cret").map(|(at, found)| at..at + found.len());
        let mut opened = Opened { head: places.collect(), in_body: false, ..Opened::default() };
        let head = asked(head, Some("u:p"), &mut opened);
        let expected =
            |x: &str| format!("GET http://new:81/{x} HTTP/1.1\r\nX: {x}\r\nProxy-Authorization: Basic dTpw\r\n");
        assert_eq!(head, expected("s3cret"));
        assert_eq!(String::from_utf8(opened.mask(head.as_bytes())).unwrap(), expected("***"));
        // Without any of ours they are the user's own: recorded ones are taken out before.
        let head = "GET / HTTP/1.1\r\nProxy-Authorization: b\r\n";
        assert_eq!(asked(head, None, &mut Opened::default()), head.replace(" /", " http://new:81/"));
    }
}
