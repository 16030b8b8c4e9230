//! A request as a command that sends it again, for a person to paste: nothing in it can end the quotes around it.

use formats::head;
use formats::trace::is_trace_header;

/// Fields that the client that sends it writes itself.
const OWN_FIELDS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "expect", "accept-encoding"];

/// `curl -X POST 'http://new:9000/cart' -H 'Accept: */*' --data-binary '…'`
#[must_use]
pub fn curl(target: &str, request_head: &[u8], body: Option<&[u8]>) -> String {
    let Some(line) = head::request_line(request_head) else { return String::new() };
    let mut out = "curl".to_owned();
    if line.method != b"GET" {
        out += &format!(" -X {}", quoted(line.method));
    }
    let base = target.trim_end_matches('/').as_bytes();
    let path = if line.target.starts_with(b"/") { line.target } else { b"/" };
    out += &format!(" {}", quoted(&[base, path].concat()));
    for field in head::fields(request_head) {
        let is_own = OWN_FIELDS.iter().any(|name| field.is(name));
        if !is_own && !is_trace_header(field.name) {
            out += &format!(" -H {}", quoted(&[field.name, b": ", field.value].concat()));
        }
    }
    match body {
        Some(b"") => {}
        Some(body) => out += &format!(" --data-binary {}", quoted(body)),
        None => out += " # its body is too long for a line",
    }
    out
}

/// As a shell reads it: in single quotes, or in `$'…'` where it has control characters or is no UTF-8.
fn quoted(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(formats::visible::is_steering));
    if let Some(text) = text {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut out = "$'".to_owned();
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => out.push(char::from(*byte)),
            byte => out += &format!("\\x{byte:02x}"),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, body: Option<&[u8]>, expected: &str) {
        assert_eq!(curl("http://new:9000/", head.as_bytes(), body), expected);
    }

    #[test]
    fn a_shell_reads_what_was_sent() {
        check(
            "GET /a?b=it's HTTP/1.1\r\nHost: old\r\nAccept: */*\r\ntraceparent: 00-1\r\n\r\n",
            Some(b""),
            r"curl 'http://new:9000/a?b=it'\''s' -H 'Accept: */*'",
        );
        check(
            "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
            Some(b"a\n'\xff"),
            r"curl -X 'POST' 'http://new:9000/a' --data-binary $'a\x0a\'\xff'",
        );
        check("POST /a HTTP/1.1\r\n\r\n", None, "curl -X 'POST' 'http://new:9000/a' # its body is too long for a line");
        check("", None, "");
    }
}
