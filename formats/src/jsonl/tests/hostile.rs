//! Lines that were made to do harm.

use super::*;

/// Reads a line on a stack on which little recursion has room.
fn on_a_small_stack(line: Vec<u8>) -> Result<Line, LineError> {
    let reader = std::thread::Builder::new().stack_size(256 << 10);
    reader.spawn(move || Reader::new().line(&line)).unwrap().join().unwrap()
}

fn nested(before: &str, open: &str, depth: usize, after: &str) -> Vec<u8> {
    let mut line = before.as_bytes().to_vec();
    line.extend(open.bytes().cycle().take(open.len() * depth));
    line.extend(after.bytes());
    line
}

#[test]
fn depth_is_refused_wherever_it_is() {
    let check = |before: &str, depth: usize, expected: &str| {
        for open in ["[", r#"{"a":"#] {
            let error = on_a_small_stack(nested(before, open, depth, "")).unwrap_err().to_string();
            assert!(error.contains(expected), "{before}{open}: {error}");
        }
    };
    let million = 1_000_000;
    check("", million, "");
    check(r#"{"type":"#, million, "field `type`: invalid type");
    check(r#"{"type":"exchange","more":"#, million, "field `more`: unknown field");
    check(r#"{"type":"exchange","seq":"#, million, "field `seq`: invalid type");
    check(r#"{"type":"exchange","request":"#, million, "field `request");
    check(r#"{"type":"exchange","request":{"headers":["#, million, "field `request.headers");
    check(r#"{"type":"exchange","request":{"body":{"chunks":["#, million, "field `request.body.chunks");
    check(r#"{"type":"session","header":{"a":"#, million, "EOF");
    // What nobody reads is passed over without recursion, and may not end before its end either.
    check(r#"{"type":"exchange","trace":"#, 10 * million, "EOF");
}

#[test]
fn depth_that_ends_is_passed_over_where_nobody_reads_it() {
    let mut line = nested(r#"{"type":"exchange","trace":"#, "[", 10_000_000, "");
    line.extend(std::iter::repeat_n(b']', 10_000_000));
    line.extend(br#","instants_ns":{"request_start":1},"request":{"method":"GET","target":"/"}}"#);
    assert!(matches!(on_a_small_stack(line), Ok(Line::Exchange(_))));
    let mut line = nested(r#"{"type":"session","header":{"a":"#, "[", 10_000_000, "");
    line.extend(std::iter::repeat_n(b']', 10_000_000));
    line.extend(b"}}");
    let error = on_a_small_stack(line).unwrap_err().to_string();
    assert!(error.contains("recursion limit exceeded"), "{error}");
}

#[test]
fn bytes_that_are_no_text_are_refused_by_place() {
    let check = |line: &[u8], expected: &str| {
        let error = from_line(line).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{}: {error}", String::from_utf8_lossy(line));
    };
    check(b"\0\0\0\0", "not JSON at column 1: expected value");
    check(b"{\"type\":\"exchange\"}\0", "not JSON at column 20: trailing characters");
    check(b"{\"type\":\"exchange\",\"client\":\"a\0b\"", "not JSON at column 31: control character");
    check(b"{\"type\":\"exchange\",\"client\":\"a\x1fb\"", "not JSON at column 31: control character");
    check(b"{\"type\":\"exchange\",\"client\":\"a\xffb\"", "not JSON at column 31: invalid unicode");
    check(b"{\"type\":\"exchange\",\"client\":\"\xed\xa0\x80\"", "not JSON at column 30: invalid unicode");
    check(b"{\"type\":\"exchange\",\"client\":\"\\ud800\"", "not JSON at column 36: ");
    check(b"\xef\xbb\xbf{}", "not JSON at column 1: expected value");
    let header = b"{\"type\":\"exchange\",\"instants_ns\":{\"request_start\":1},\"request\":{\"method\":\"GET\",\"target\":\"/\",\"headers\":[[\"A\",\"\xff\"]]}}";
    check(header, "not JSON at column 110: invalid unicode");
}
