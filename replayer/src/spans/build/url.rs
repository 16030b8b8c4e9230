//! `url.full`: where a request went, with everything in it redacted that may be a secret.
//!
//! The conventions name a few keys whose values are redacted. A recording may have anything in a query, so here every
//! value of it is, and its keys stay; likewise credentials before a host, and parameters of a path (`;jsessionid=…`).
//! A fragment is cut.

use crate::target::{Place, Target};

/// Longer URLs are cut there, and end in `…`.
pub(super) const URL_BYTES_MAX: usize = 4_096;
const REDACTED: &str = "REDACTED";

/// `https` or `http`.
pub(crate) fn scheme(target: &Target) -> &'static str {
    if target.tls { "https" } else { "http" }
}

/// What comes before a path: `https://shop.example.com`. A Unix socket has no authority of its own; its requests are
/// addressed to `localhost`.
pub(super) fn origin(target: &Target) -> String {
    match target.place {
        Place::Unix(_) => "http://localhost".to_owned(),
        Place::Network(_) => format!("{}://{}", scheme(target), target.authority),
    }
}

/// The URL of a request's target in any of its forms (RFC 9112 §3.2).
pub(super) fn full(origin: &str, target: &[u8]) -> String {
    let mut out = String::with_capacity(origin.len() + target.len().min(URL_BYTES_MAX) + 16);
    let fragment = target.iter().position(|byte| *byte == b'#');
    let target = fragment.and_then(|at| target.get(..at)).unwrap_or(target);
    let (before, query) = split_at_byte(target, b'?');
    let path = match before {
        [b'/', ..] => {
            out.push_str(origin);
            before
        }
        _ => match scheme_end(before) {
            Some(at) => push_authority(before, at, &mut out),
            // `*` and `host:port` name no path.
            None => {
                out.push_str(origin);
                &[]
            }
        },
    };
    push_path(path, &mut out);
    if let Some(query) = query {
        push_query(query, &mut out);
    }
    cut(out, URL_BYTES_MAX)
}

/// At most so many bytes, in whole characters.
pub(super) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    text
}

/// Where the authority of an absolute target begins.
fn scheme_end(target: &[u8]) -> Option<usize> {
    let at = target.iter().position(|byte| *byte == b':')?;
    target.get(at..)?.starts_with(b"://").then_some(at + 3)
}

/// Appends scheme and authority, and returns the path.
fn push_authority<'a>(target: &'a [u8], authority_at: usize, out: &mut String) -> &'a [u8] {
    let (scheme, rest) = target.split_at_checked(authority_at).unwrap_or((target, &[]));
    let path_at = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(path_at).unwrap_or((rest, &[]));
    push(scheme, out);
    match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => {
            out.push_str("REDACTED:REDACTED");
            push(authority.get(at..).unwrap_or_default(), out);
        }
        None => push(authority, out),
    }
    path
}

fn push_path(path: &[u8], out: &mut String) {
    if !path.contains(&b';') {
        push(path, out);
        return;
    }
    for (number, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if number > 0 {
            out.push('/');
        }
        let mut parts = segment.split(|byte| *byte == b';');
        push(parts.next().unwrap_or_default(), out);
        for parameter in parts {
            out.push(';');
            push_pair(parameter, out);
        }
    }
}

fn push_query(query: &[u8], out: &mut String) {
    for (number, pair) in query.split(|byte| *byte == b'&').enumerate() {
        out.push(if number == 0 { '?' } else { '&' });
        push_pair(pair, out);
    }
}

/// The key of a pair, and that it has a value. What has no key is all value.
fn push_pair(pair: &[u8], out: &mut String) {
    if pair.is_empty() {
        return;
    }
    if let (key, Some(_)) = split_at_byte(pair, b'=') {
        push(key, out);
        out.push('=');
    }
    out.push_str(REDACTED);
}

fn split_at_byte(bytes: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    let mut parts = bytes.splitn(2, |byte| *byte == at);
    (parts.next().unwrap_or_default(), parts.next())
}

/// Bytes that are no UTF-8 become U+FFFD.
fn push(bytes: &[u8], out: &mut String) {
    match std::str::from_utf8(bytes) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&String::from_utf8_lossy(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_target_is_a_url_without_secrets() {
        for (target, expected) in [
            ("/", "https://h:1/"),
            ("/a/b?q=secret&page=2", "https://h:1/a/b?q=REDACTED&page=REDACTED"),
            ("/a?token", "https://h:1/a?REDACTED"),
            ("/a?", "https://h:1/a?"),
            ("/a?b=1&&=c&d=e=f", "https://h:1/a?b=REDACTED&&=REDACTED&d=REDACTED"),
            ("/a;jsessionid=secret/b;secret?x=1#top", "https://h:1/a;jsessionid=REDACTED/b;REDACTED?x=REDACTED"),
            ("http://me:secret@other:81/x?y=z", "http://REDACTED:REDACTED@other:81/x?y=REDACTED"),
            ("http://other?y=secret", "http://other?y=REDACTED"),
            ("//not/an/authority", "https://h:1//not/an/authority"),
            ("*", "https://h:1"),
            ("h:443", "https://h:1"),
            ("", "https://h:1"),
        ] {
            assert_eq!(full("https://h:1", target.as_bytes()), expected, "{target}");
            assert!(!full("https://h:1", target.as_bytes()).contains("secret"), "{target}");
        }
        assert_eq!(full("http://h", b"/\xff"), "http://h/\u{fffd}");
    }

    #[test]
    fn a_long_url_is_cut_at_its_bound() {
        let path = |len: usize| format!("/{}", "é".repeat(len));
        let fits = full("http://h", path((URL_BYTES_MAX - 9) / 2).as_bytes());
        assert!(fits.len() <= URL_BYTES_MAX && fits.ends_with('é'));
        let long = full("http://h", path(URL_BYTES_MAX).as_bytes());
        assert!(long.len() <= URL_BYTES_MAX && long.len() > URL_BYTES_MAX - 8 && long.ends_with('…'), "{}", long.len());
    }

    #[test]
    fn scheme_and_origin_are_those_of_the_target() {
        for (given, expected) in [
            ("http://127.0.0.1:8080", ("http", "http://127.0.0.1:8080")),
            ("https://shop.example.com", ("https", "https://shop.example.com")),
            ("https://[::1]:8443", ("https", "https://[::1]:8443")),
            ("unix:/run/shop.sock", ("http", "http://localhost")),
        ] {
            let target = Target::parse(given).unwrap();
            assert_eq!((scheme(&target), origin(&target).as_str()), expected, "{given}");
        }
    }
}
