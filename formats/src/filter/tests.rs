//! The language: what it describes, what it refuses and where, and that it prints what it read.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::endpoint::Template;
use crate::jsonl::{self, Line};
use crate::model::{Body, Dropped, Message};

mod random;

const REFERENCE: &str = include_str!("../../../docs/filter.md");
const STARTED: u64 = 1_784_021_400_000_000_000;

fn context(templates: &Templates) -> Context<'_> {
    Context { session_started_unix_ns: STARTED, recording_started_unix_ns: STARTED, templates }
}

fn describes(filter: &str, exchange: &Exchange) -> bool {
    let parsed = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}\n{error}"));
    parsed.matches(exchange, &context(&Templates::default()))
}

#[test]
fn the_examples_of_the_reference_describe_what_they_say() {
    let lines = REFERENCE.split("```jsonl\n").nth(1).unwrap().split("```").next().unwrap();
    let exchange = |line: &str| match jsonl::from_line(line.as_bytes()) {
        Ok(Line::Exchange(exchange)) => exchange,
        other => panic!("{line}: {other:?}"),
    };
    let exchanges: Vec<Exchange> = lines.lines().map(exchange).collect();
    let rows = REFERENCE.split("## Examples").nth(1).unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    let mut count = 0;
    for row in rows {
        let (filter, expected) = row.rsplit_once("` | ").unwrap();
        // In a table's cell a bar has a backslash.
        let filter = filter.replace("\\|", "|");
        let found = exchanges.iter().filter(|exchange| describes(&filter, exchange));
        let found: Vec<String> = found.map(|exchange| exchange.seq.to_string()).collect();
        assert_eq!(found.join(", "), expected.trim_end_matches([' ', '|']), "{filter}");
        count += 1;
    }
    assert_eq!(count, 48);
}

#[test]
fn every_field_of_the_reference_is_a_field() {
    let table = REFERENCE.split("## Fields").nth(1).unwrap().split("## ").next().unwrap();
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names: Vec<String> = cells.flat_map(|cell| cell.split(", ")).map(|name| name.replace('`', "")).collect();
    for name in &names {
        assert!(Filter::parse(&name.replace("NAME", "x")).is_ok(), "{name}");
    }
    let mut listed: Vec<String> = field::names().split(", ").map(str::to_owned).collect();
    let mut documented = names;
    listed.sort();
    documented.sort();
    assert_eq!(documented, listed);
}

#[test]
fn what_is_wrong_is_said_with_its_column() {
    let check = |text: &str, column: usize, expected: &str| {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!(error.column, column, "{text}\n{error}");
        assert!(error.expected.contains(expected), "{text}\n{error}");
    };
    check("", 1, "expected a field: method, host");
    check("colour = red", 1, "expected a field");
    check("status =", 9, "expected a value");
    check("status = teapot", 10, "a status from 100 to 999");
    check("status = 99", 10, "a status");
    check("status = 1000", 10, "a status");
    check("status = +200", 10, "a status");
    check("status = 5x", 10, "a status");
    check("status = 0xx", 10, "a status");
    check("status > 4xx", 10, "one value");
    check("status = 500..400", 10, "first end");
    check("status ~ 5..", 10, "`~` is for text");
    check("status like 5*", 13, "`like` is for text");
    check("path < /b", 8, "`<` is for numbers");
    check("duration > 300", 12, "a duration");
    check("duration > 99999999999h", 12, "a duration");
    check("request.size > 1.5KiB", 16, "a size");
    check("request.size > 99999999999999999999", 16, "a size");
    check("request.size = 18446744073709551615GiB", 16, "a size");
    check("time > noon", 8, "a time");
    check("time > 2026-07-14T09:30", 8, "a time");
    check("time = 1s..2026-07-14T09:30:00Z", 8, "two times or two durations");
    check("protocol = HTTP/9", 12, "HTTP/1.0, HTTP/1.1");
    check("end in (complete, aborted)", 19, "client_gone");
    check("client = peer-1", 10, "as `cat` prints it");
    check("method = GET path = /", 14, "expected `and`, `or` or the end");
    check("method = GET && path = /", 14, "`&&` is written `and`");
    check("method = GET || path = /", 14, "`||` is written `or`");
    check("path = /a&&method = GET", 10, "`&&` is written `and`");
    check("!status", 1, "`!` is written `not`");
    check("status ! 200", 8, "expected `!=` or `!~`");
    check("(method = GET", 1, "no `)` after it");
    check("method = GET)", 13, "no `(` before it");
    check("(method = GET, x)", 14, "expected `and`, `or` or `)`");
    check("method in GET", 11, "expected `(`");
    check("method in ()", 12, "expected a value");
    check("method in (GET POST)", 16, "expected `,` or `)`");
    check("method not = GET", 12, "expected `like` or `in`");
    check("path = \"/a", 8, "not closed");
    check("path ~ \"(a\"", 8, "unclosed group");
    check("path ~ \\w{9999}", 8, "more than");
    check("request.header. = x", 1, "expected a field");
    check("request.header.\"a b\" = x", 1, "expected a field");
    check("grün = 1 or\npath >", 1, "expected a field");
    check("method = \"grün\" or\n  seq >", 8, "expected a value");
    assert_eq!(Filter::parse("method = GET or\npath >").unwrap_err().line, 2);
}

#[test]
fn an_error_shows_the_place_below_the_line() {
    let error = Filter::parse("method = GET and\n\tstatus = teapot or x").unwrap_err().to_string();
    assert_eq!(
        error,
        "the filter, line 2, column 11: expected a status from 100 to 999, or a class as in 5xx\n   status = teapot or x\n            ^"
    );
    let long = format!("path = /{} and x = 1 and {}", "a".repeat(1000), "b".repeat(1000));
    let error = Filter::parse(&long).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().skip(1).collect();
    assert!(lines.iter().all(|line| line.chars().count() < 100), "{error}");
    let mark = lines[1].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[0].chars().nth(mark), Some('x'), "{error}");
    // What is shown comes from a shell or a file: it moves no cursor.
    assert!(!Filter::parse("\u{1b}[2J\u{7}").unwrap_err().to_string().contains('\u{1b}'));
}

#[test]
fn bounds_hold_at_the_limit_and_one_past_it() {
    let check = |text: &str, expected: Option<&str>| match (Filter::parse(text), expected) {
        (Ok(_), None) => {}
        (Err(error), Some(expected)) => assert!(error.expected.contains(expected), "{error}"),
        (result, expected) => panic!("{result:?}, not {expected:?}"),
    };
    let padded = |len: usize| format!("path = {}", "a".repeat(len - 7));
    check(&padded(FILTER_BYTES_MAX), None);
    check(&padded(FILTER_BYTES_MAX + 1), Some("at most 16384 bytes"));
    let deep = |depth: usize| format!("{}status{}", "(".repeat(depth), ")".repeat(depth));
    check(&deep(DEPTH_MAX - 1), None);
    check(&deep(DEPTH_MAX), Some("64 deep"));
    check(&format!("{}status", "not ".repeat(DEPTH_MAX)), Some("64 deep"));
    let many = |count: usize| vec!["path ~ a"; count].join(" or ");
    check(&many(REGEXES_MAX), None);
    check(&many(REGEXES_MAX + 1), Some("at most 32 regular expressions"));
    // Breadth is not depth.
    check(&vec!["status"; 1400].join(" and "), None);
}

#[test]
fn a_filter_prints_in_one_way() {
    let check = |text: &str, printed: &str| assert_eq!(Filter::parse(text).unwrap().to_string(), printed);
    check(" status==200", "status = 200");
    check("path=~^/a", "path ~ \"^/a\"");
    check("path='/a b'", "path = \"/a b\"");
    check("path = '\"\\'", r#"path = "\"\\""#);
    check("status in (200)", "status = 200");
    check("status not in(2xx,404 , 500..503)", "status not in (2xx, 404, 500..503)");
    check("request.size>=1048576", "request.size >= 1MiB");
    check("request.size = 0..1000", "request.size = 0B..1kB");
    check("duration < 90s", "duration < 1m30s");
    check("time < 2026-07-14T11:30:00.5+02:00", "time < 2026-07-14T09:30:00.500000000Z");
    check("(a.b = 1)".replace("a.b", "seq").as_str(), "seq = 1");
    check("not (status and (path or query))", "not (status and (path or query))");
    check("status and (path and query) or (method or host)", "status and (path and query) or (method or host)");
    check("request.header.\"X-A*\" and query.'a[b]' = 1", "request.header.\"x-a*\" and query.\"a[b]\" = 1");
}

fn with_response(body: Body, head: &str) -> Exchange {
    let head = Bytes::copy_from_slice(format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes());
    Exchange { response: Some(Message { head, body, ..Message::default() }), ..Exchange::default() }
}

#[test]
fn bodies_that_are_not_whole() {
    let body = |text: &str, total_len: u64| Body {
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        total_len,
        ..Body::default()
    };
    let check = |exchange: &Exchange, filter: &str, expected: bool| {
        assert_eq!(describes(filter, exchange), expected, "{filter}");
    };
    let whole = with_response(body("lamp", 4), "");
    let part = with_response(body("lamp", 9), "");
    for (filter, of_whole, of_part) in [
        ("response.body", true, true),
        ("response.body ~ am", true, true),
        ("response.body = lamp", true, false),
        ("response.body != lamp", false, true),
        ("response.body like l*", true, false),
        ("response.body in (lamp, table)", true, false),
        ("response.size = 9", false, true),
    ] {
        check(&whole, filter, of_whole);
        check(&part, filter, of_part);
    }
    let dropped = with_response(Body { total_len: 9, dropped: Some(Dropped::Rule), ..Body::default() }, "");
    let nothing_kept = with_response(body("", 9), "");
    let unknown_coding = with_response(body("lamp", 4), "Content-Encoding: odd\r\n");
    let no_gzip = with_response(body("lamp", 4), "Content-Encoding: gzip\r\n");
    let unanswered = Exchange::default();
    for exchange in [&dropped, &nothing_kept, &unknown_coding, &no_gzip, &unanswered] {
        check(exchange, "response.body", false);
        check(exchange, "response.body ~ .*", false);
        check(exchange, "response.body !~ .*", true);
    }
    let redacted = Body { redacted: Some(vec!["gzip".to_owned()]), ..body("lamp", 900) };
    check(&with_response(redacted, "Content-Encoding: gzip\r\n"), "response.body = lamp", true);
}

#[test]
fn a_bomb_is_not_decoded_beyond_the_bound() {
    let zeros = |len: usize| {
        let bytes = crate::coding::encode(&vec![0; len], &[crate::coding::Coding::Gzip]).unwrap();
        let body = Body { total_len: bytes.len() as u64, bytes: bytes.into(), ..Body::default() };
        with_response(body, "Content-Encoding: gzip\r\n")
    };
    assert!(describes("response.body", &zeros(DECODED_BYTES_MAX)));
    assert!(!describes("response.body", &zeros(DECODED_BYTES_MAX + 1)));
}

#[test]
fn hosts_with_and_without_ports() {
    let exchange = |head: &str| Exchange {
        request: Message { head: Bytes::copy_from_slice(head.as_bytes()), ..Message::default() },
        ..Exchange::default()
    };
    let check = |head: &str, filter: &str, expected: bool| {
        assert_eq!(describes(filter, &exchange(head)), expected, "{head} {filter}");
    };
    check("GET http://A.example:81/x HTTP/1.1\r\nHost: b\r\n\r\n", "host = a.example", true);
    check("GET http://A.example:81/x HTTP/1.1\r\nHost: b\r\n\r\n", "host = b", false);
    check("GET /go?to=http://a.example/ HTTP/1.1\r\nHost: b\r\n\r\n", "host = b", true);
    check("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", "host = [::1]", true);
    check("GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", "host = \"[:\"", false);
    check("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "host = [::1]", true);
    check("GET / HTTP/1.1\r\n\r\n", "host", false);
    check("nonsense\r\n\r\n", "method or path or query or endpoint", false);
}

#[test]
fn endpoints_are_named_by_the_templates_of_the_context() {
    let head = Bytes::from_static(b"GET /users/ann HTTP/1.1\r\n\r\n");
    let exchange = Exchange { request: Message { head, ..Message::default() }, ..Exchange::default() };
    let template: Template = "/users/{name}".parse().unwrap();
    let templates = Templates::new([&template]).unwrap();
    let filter = Filter::parse("endpoint = /users/{name}").unwrap();
    assert!(filter.matches(&exchange, &context(&templates)));
    assert!(!filter.matches(&exchange, &context(&Templates::default())));
}

#[test]
fn time_counts_from_the_earliest_session() {
    let exchange = Exchange::default();
    let context = |recording: u64| Context { recording_started_unix_ns: recording, ..context(&NONE) };
    static NONE: std::sync::LazyLock<Templates> = std::sync::LazyLock::new(Templates::default);
    let filter = Filter::parse("time = 5s").unwrap();
    assert!(filter.matches(&exchange, &context(STARTED - 5_000_000_000)));
    assert!(!filter.matches(&exchange, &context(STARTED)));
}
