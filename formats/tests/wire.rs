//! The HTTP/1 parser against itself and against hyper, on streams that are valid, odd and hostile.

#![expect(clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod oracle;

use formats::wire::Direction;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn text(choices: Vec<&'static str>) -> impl Strategy<Value = String> {
    select(choices).prop_map(str::to_owned)
}

/// Field lines that say nothing of the body.
fn plain_line() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => text(vec![
            "Host: x\r\n", "X-A: 1\r\n", "x-a:2 \t\r\n", "X-Empty:\r\n", "Cookie: a=b; c=\u{e9}\r\n", "Expect: 100-continue\r\n",
            "Connection: keep-alive\r\n", "Upgrade-Insecure-Requests: 1\r\n", "Upgrade: h2c\r\n", "Trailer: X-Sum\r\n",
            "Content-Type: text/event-stream\r\n",
        ]),
        1 => text(vec![
            "X: a\x01b\r\n", "X: \x7f\r\n", "X: lf\n", "Y: a\r\n folded\r\n", "\tZ: first\r\n", "no colon\r\n", ": none\r\n",
            "X : space\r\n", "X: nul\0\r\n", "X: cr\rY: z\r\n", "Connection: close\r\n", "X\u{e9}: y\r\n", "X\x0b: y\r\n", "(x): y\r\n",
        ]),
    ]
}

/// Field lines about the body, and the body.
fn body() -> impl Strategy<Value = (String, Vec<u8>)> {
    let bytes = || vec(any::<u8>(), 0..40);
    let length = bytes().prop_map(|bytes| (format!("Content-Length: {}\r\n", bytes.len()), bytes));
    let coded = (chunk_coding(), chunks()).prop_map(|(line, bytes)| (line, bytes));
    let odd = (
        text(vec![
            "Content-Length: 3\r\nContent-Length: 3\r\n",
            "Content-Length: 3\r\nContent-Length: 003\r\n",
            "content-length:\t3\t\r\n",
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +3\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length:  \r\n",
            "Content-Length: 3, 3\r\n",
            "Content-Length: 0x3\r\n",
            "Content-Length:\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: \x0c3\r\n",
            "Content-Length : 3\r\n",
            "Content_Length: 3\r\n",
            "Content-Length: 3 3\r\n",
            "Content-Length:\r\n 3\r\n",
            "Transfer-Encoding:\r\n chunked\r\n",
        ]),
        prop_oneof![Just(b"abc".to_vec()), chunks()],
    );
    prop_oneof![4 => Just((String::new(), Vec::new())), 4 => length, 5 => coded, 1 => odd]
}

fn chunk_coding() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => text(vec!["Transfer-Encoding: chunked\r\n", "transfer-encoding:CHUNKED\t\r\n", "Transfer-Encoding: gzip, chunked\r\n"]),
        1 => text(vec![
            "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: , chunked\r\n",
            "Transfer-Encoding: x, chunked\r\n", "Transfer-Encoding: chunked;q=1\r\n", "Transfer-Encoding:\r\n", "Transfer-Encoding: \"chunked\"\r\n",
            "Transfer-Encoding: chunked\n", "Transfer-Encoding: \x0bchunked\r\n", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        ]),
    ]
}

fn chunks() -> impl Strategy<Value = Vec<u8>> {
    let extension = || prop_oneof![6 => Just(String::new()), 1 => text(vec![";x", ";a=b", " ;a=\"\r\"", "\t", " ", ";x\n", "\x0c", ";\0"])];
    let end = || prop_oneof![20 => Just("\r\n"), 1 => select(vec!["\n", "\r", "", "x\r\n", "\r\r\n"])];
    let before = || prop_oneof![20 => Just(""), 1 => select(vec!["0x", "+", "-", " ", "0", "00000000000000", "0000000000000000"])];
    let chunk = (vec(any::<u8>(), 1..20), before(), extension(), end(), end()).prop_map(
        |(data, before, extension, line_end, end)| {
            let line = format!("{before}{:x}{extension}{line_end}", data.len());
            [line.as_bytes(), &data, end.as_bytes()].concat()
        },
    );
    let trailers = prop_oneof![
        6 => Just(""),
        2 => select(vec!["X-Sum: 1\r\n", "A: b\r\nA: c\r\n"]),
        1 => select(vec!["A: b\n", "A: b\n\r\n", " f\r\n", "A: b\r\n c\r\n", "x\r\n", "A : b\r\n", "A: \0\r\n", "A: \x01\r\n"]),
    ];
    let last = prop_oneof![20 => Just("0\r\n"), 1 => select(vec!["00\r\n", "0;x\r\n", "0\n", "", "ffffffffffffffff\r\n", "10000000000000000\r\n"])];
    (vec(chunk, 0..4), last, trailers, end()).prop_map(|(chunks, last, trailers, end)| {
        [&chunks.concat()[..], last.as_bytes(), trailers.as_bytes(), end.as_bytes()].concat()
    })
}

fn message(start: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![20 => Just("\r\n"), 1 => Just("\n")];
    (start, vec(plain_line(), 0..4), body(), vec(plain_line(), 0..2), end).prop_map(
        |(start, before, (lines, body), after, end)| {
            let head = [start, before.concat(), lines, after.concat(), end.to_owned()].concat();
            [head.as_bytes(), &body].concat()
        },
    )
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![12 => select(vec!["GET", "POST", "PUT", "HEAD", "x-Custom!"]), 1 => select(vec!["CONNECT", "", "G(T", "PRI"])];
    let target = prop_oneof![
        12 => select(vec!["/", "/a?b=c", "*", "http://x/y", "/\u{e9}", "/|{}", "a:443"]),
        1 => select(vec!["", "/a b", "/\t", "/\x7f", " /", "/#f", "/\0"]),
    ];
    let version = prop_oneof![
        12 => select(vec!["HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]),
        1 => select(vec!["HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/1.11", "", "HTTP/1.1\r"]),
    ];
    let before = prop_oneof![20 => Just(""), 1 => select(vec!["\r\n", "\n", "\r", " ", "\r\n\n\r\n"])];
    let end = prop_oneof![20 => Just("\r\n"), 1 => Just("\n")];
    let start = (before, method, target, version, end)
        .prop_map(|(before, method, target, version, end)| format!("{before}{method} {target} {version}{end}"));
    message(start)
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        12 => text(vec!["HTTP/1.1 200 OK\r\n", "HTTP/1.0 404 Not Found\r\n", "HTTP/1.1 204 \r\n", "HTTP/1.1 304\r\n", "HTTP/1.1 999 \u{e9}\r\n"]),
        3 => text(vec!["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", "HTTP/1.1 103 E\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n"]),
        2 => text(vec![
            "HTTP/1.1 101 S\r\nUpgrade: h2c\r\n", "\r\nHTTP/1.1 200 OK\r\n", "HTTP/1.1 200 a\0b\r\n", "HTTP/1.1 200 a\rb\r\n", "HTTP/1.1  200 OK\r\n",
            "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1 099 x\r\n", "ICY 200 OK\r\n", "HTTP/1.1 200 OK\n", "HTTP/1.1 200 \x01\r\n", "HTTP/1.2 200 OK\r\n",
        ]),
    ];
    message(start)
}

/// Streams, most of them as generated and some with bytes changed, put in or taken out.
fn stream(message: impl Strategy<Value = Vec<u8>>, most: usize) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..3_u8, select(b"\r\n :,;0aA\0\t\x0b\xff".to_vec()));
    let changes = prop_oneof![3 => Just(Vec::new()), 1 => vec(change, 1..4)];
    (vec(message, 1..=most), changes).prop_map(|(messages, changes)| {
        let mut bytes = messages.concat();
        for (at, how, byte) in changes {
            let at = at.index(bytes.len().max(1));
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at.min(bytes.len()), byte),
            }
        }
        bytes
    })
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(3_000))]

    #[test]
    fn cuts_do_not_matter(
        requests in stream(request(), 4),
        responses in stream(response(), 4),
        turns in vec(1..400_usize, 1..8),
        cuts in vec(any::<u8>().prop_map(|size| size % 24), 1..6),
    ) {
        // The directions take turns, each turn whole or cut.
        let (mut left, mut feeds) = ([&requests[..], &responses[..]], Vec::new());
        for (turn, size) in turns.iter().chain(&[usize::MAX, usize::MAX]).enumerate() {
            let (from, side) = [(Direction::Request, 0), (Direction::Response, 1)][(turn + turns.len()) % 2];
            let (now, later) = left[side].split_at(left[side].len().min(*size));
            left[side] = later;
            feeds.push((from, now));
        }
        let checked = oracle::cuts_do_not_matter(&feeds, &cuts);
        prop_assert!(checked.is_ok(), "{}", checked.unwrap_err());
    }

    #[test]
    fn requests_are_read_as_hyper_does(bytes in stream(request(), 4)) {
        let checked = oracle::requests_are_hypers(&bytes);
        prop_assert!(checked.is_ok(), "{:?}: {}", String::from_utf8_lossy(&bytes), checked.unwrap_err());
    }

    #[test]
    fn responses_are_read_as_hyper_does(bytes in stream(response(), 2), method in select(vec!["GET", "HEAD", "POST"])) {
        let checked = oracle::a_response_is_hypers(method, &bytes);
        prop_assert!(checked.is_ok(), "{:?}: {}", String::from_utf8_lossy(&bytes), checked.unwrap_err());
    }
}
