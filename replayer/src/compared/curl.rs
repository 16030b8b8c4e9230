//! A request as a command that sends it again, for a person to paste: nothing in it can end the quotes around it.

use formats::head;
use formats::trace::is_trace_header;

/// Fields that the client that sends it writes itself.
const OWN_FIELDS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "expect", "accept-encoding"];

/// What no line of a terminal has room for.
const HEAD_TOO_LONG: &str = "its head is too long for a line";
const BODY_TOO_LONG: &str = "its body is too long for a line";

/// `curl -X 'POST' 'http://new:9000/cart' -H 'Accept: */*' --data-raw '…'`
///
/// A head without the empty line that ends it is one that was cut. What the command leaves out stands behind it, as a comment.
#[must_use]
pub fn curl(target: &str, request_head: &[u8], body: Option<&[u8]>) -> String {
    let Some(line) = head::request_line(request_head) else {
        // Where the first line has no room, nothing of the head is there.
        return if request_head.is_empty() { format!("# {HEAD_TOO_LONG}") } else { String::new() };
    };
    let (data, mut left_out) = data(line.method, body);
    let path = if line.target.starts_with(b"/") { line.target } else { b"/" };
    let mut out = "curl".to_owned();
    match line.method {
        // With -X alone curl waits for a body.
        b"HEAD" => out += " --head",
        // With data curl sends POST.
        b"GET" if data.is_none() => {}
        method => out += &format!(" -X {}", quoted(method)),
    }
    if path.iter().any(|byte| b"[]{}".contains(byte)) {
        out += " -g";
    }
    if has_dots(path) {
        out += " --path-as-is";
    }
    let base = target.trim_end_matches('/').as_bytes();
    out += &format!(" {}", quoted(&[base, path].concat()));
    for field in head::fields(request_head) {
        let is_own = OWN_FIELDS.iter().any(|name| field.is(name));
        // A name with @ is that of a file, to curl.
        if is_own || is_trace_header(field.name) || field.name.starts_with(b"@") {
            continue;
        }
        let of_field = match field.value {
            b"" => [field.name, b";"].concat(),
            value => [field.name, b": ", value].concat(),
        };
        out += &format!(" -H {}", quoted(&of_field));
    }
    if let Some(data) = data {
        // Else curl says that it is a form.
        if head::value(request_head, "content-type").is_none() {
            out += " -H 'Content-Type:'";
        }
        // Nothing in it is the name of a file, which --data-binary reads.
        out += &format!(" --data-raw {}", quoted(data));
    }
    if !is_whole(request_head) {
        left_out.push(HEAD_TOO_LONG);
    }
    if !left_out.is_empty() {
        out += &format!(" # {}", left_out.join("; "));
    }
    out
}

/// What is sent as the body, and what is not.
fn data<'b>(method: &[u8], body: Option<&'b [u8]>) -> (Option<&'b [u8]>, Vec<&'static str>) {
    match body {
        None => (None, vec![BODY_TOO_LONG]),
        Some(b"") => (None, Vec::new()),
        Some(_) if method == b"HEAD" => (None, vec!["its body is left out: curl sends none with HEAD"]),
        Some(body) if body.contains(&0) => (None, vec!["its body has zero bytes, which no argument has"]),
        Some(body) => (Some(body), Vec::new()),
    }
}

/// Whether curl would take a segment of the path out: `.` and `..`, also as newer ones read them.
fn has_dots(target: &[u8]) -> bool {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = String::from_utf8_lossy(path).to_ascii_lowercase().replace("%2e", ".");
    path.split('/').any(|segment| matches!(segment, "." | ".."))
}

fn is_whole(head: &[u8]) -> bool {
    head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n")
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
            r"curl -X 'POST' 'http://new:9000/a' -H 'Content-Type:' --data-raw $'a\x0a\'\xff'",
        );
        check("no request\r\n\r\n", None, "");
    }

    #[test]
    fn curl_takes_nothing_for_an_option_a_pattern_or_a_file() {
        check(
            "GET /a HTTP/1.1\r\nContent-Type: text/plain\r\nX-Empty:\r\n@/etc/passwd: x\r\n\r\n",
            Some(b"@/etc/passwd"),
            "curl -X 'GET' 'http://new:9000/a' -H 'Content-Type: text/plain' -H 'X-Empty;' --data-raw '@/etc/passwd'",
        );
        check("HEAD /a HTTP/1.1\r\n\r\n", Some(b""), "curl --head 'http://new:9000/a'");
        for (path, options) in [
            ("/a?b[]=1", " -g"),
            ("/{a,b}", " -g"),
            ("/a/../b", " --path-as-is"),
            ("/a/.", " --path-as-is"),
            ("/%2E%2e/[1-9]", " -g --path-as-is"),
            ("/.well-known/a..b?/../", ""),
        ] {
            let head = format!("GET {path} HTTP/1.1\r\n\r\n");
            check(&head, Some(b""), &format!("curl{options} 'http://new:9000{path}'"));
        }
    }

    #[test]
    fn what_is_left_out_is_said() {
        let body = "its body is too long for a line";
        check("POST /a HTTP/1.1\r\n\r\n", None, &format!("curl -X 'POST' 'http://new:9000/a' # {body}"));
        let cut = "GET /a HTTP/1.1\r\nA: b\r\n";
        let head = "its head is too long for a line";
        check(cut, Some(b""), &format!("curl 'http://new:9000/a' -H 'A: b' # {head}"));
        check(cut, None, &format!("curl 'http://new:9000/a' -H 'A: b' # {body}; {head}"));
        check("", Some(b""), &format!("# {head}"));
        check(
            "POST /a HTTP/1.1\n\n",
            Some(b"a\0b"),
            "curl -X 'POST' 'http://new:9000/a' # its body has zero bytes, which no argument has",
        );
        check(
            "HEAD /a HTTP/1.1\r\n\r\n",
            Some(b"a"),
            "curl --head 'http://new:9000/a' # its body is left out: curl sends none with HEAD",
        );
    }
}
