use proptest::prelude::*;

mod odd;
mod resync;
mod streams;
mod tunnels;

use super::*;
use crate::model::{End, Exchange, Framing, Protocol};

/// Feeds whole directions in pieces of `piece` bytes, requests first, and closes both.
fn read(requests: &[u8], responses: &[u8], piece: usize) -> (Vec<Exchange>, Option<Blind>) {
    let mut connection = Http1::new(7, Limits::default());
    let mut out = Vec::new();
    let mut at = 0;
    for (from, bytes) in [(Direction::Request, requests), (Direction::Response, responses)] {
        for chunk in bytes.chunks(piece) {
            at += 1;
            connection.feed(from, at, chunk, &mut out);
        }
    }
    connection.ended(Direction::Response, Ending::Eof, at + 1, &mut out);
    connection.ended(Direction::Request, Ending::Eof, at + 1, &mut out);
    connection.closed(&mut out);
    (out, connection.blind())
}

/// What matters of each exchange, without its instants.
fn shape(exchanges: &[Exchange]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let message = |message: &crate::model::Message| {
        format!(
            "{:?} {:?}{:?} {:?}",
            text(head::start_line(&message.head)),
            text(&message.body.bytes),
            message.body.chunks,
            text(&message.trailers)
        )
    };
    exchanges
        .iter()
        .map(|x| {
            format!(
                "{} -> {} {}",
                message(&x.request),
                x.response.as_ref().map_or("none".into(), message),
                x.end.name()
            )
        })
        .collect()
}

use crate::head;

fn check(requests: &str, responses: &str, expected: &[&str]) {
    for piece in [1, 2, 3, 7, 1 << 20] {
        let (out, blind) = read(requests.as_bytes(), responses.as_bytes(), piece);
        assert_eq!(shape(&out), expected, "in pieces of {piece}");
        assert_eq!(blind, None, "in pieces of {piece}");
    }
}

#[test]
fn keep_alive_and_pipelining() {
    check(
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\n\r\nPOST /b HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /c HTTP/1.0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end",
        &[
            r#""GET /a HTTP/1.1" ""[] "" -> "HTTP/1.1 200 OK" "hi"[] "" complete"#,
            r#""POST /b HTTP/1.1" "abc"[] "" -> "HTTP/1.1 204 No" ""[] "" complete"#,
            r#""GET /c HTTP/1.0" ""[] "" -> "HTTP/1.1 200 OK" "to the end"[] "" complete"#,
        ],
    );
}

#[test]
fn chunks_trailers_and_informational() {
    check(
        "PUT / HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nT: 1\r\nU: 2\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n",
        &[r#""PUT / HTTP/1.1" "abc0123456789"[3, 10] "T: 1\r\nU: 2\r\n" -> "HTTP/1.1 200 OK" "z"[1] "" complete"#],
    );
    let (out, _) = read(
        b"GET / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 103 E\r\nL: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        5,
    );
    assert_eq!(out[0].informational, [&b"HTTP/1.1 103 E\r\nL: a\r\n\r\n"[..]]);
}

#[test]
fn answers_without_a_body() {
    check(
        "HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /z HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nHTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 0\n\n",
        &[
            r#""HEAD / HTTP/1.1" ""[] "" -> "HTTP/1.1 200 OK" ""[] "" complete"#,
            r#""GET / HTTP/1.1" ""[] "" -> "HTTP/1.1 304 Not" ""[] "" complete"#,
            r#""GET /z HTTP/1.1" ""[] "" -> "HTTP/1.1 200 OK" ""[] "" complete"#,
        ],
    );
}

#[test]
fn endings() {
    check(
        "GET / HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        &[r#""GET / HTTP/1.1" ""[] "" -> "HTTP/1.1 200 OK" "abc"[] "" upstream_gone"#],
    );
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab", &mut out);
    connection.ended(Direction::Request, Ending::Reset, 2, &mut out);
    assert_eq!((out[0].end, out[0].instants.request_end), (End::ClientGone, None));
}

#[test]
fn an_answer_before_the_request_is_whole_waits_for_it() {
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, b"POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nab", &mut out);
    connection.feed(Direction::Response, 2, b"HTTP/1.1 413 Too\r\nContent-Length: 0\r\n\r\n", &mut out);
    assert_eq!(out.len(), 0);
    connection.feed(Direction::Request, 3, b"cd", &mut out);
    let instants = out[0].instants;
    assert_eq!((instants.request_end, instants.response_end, out[0].end), (Some(3), Some(2), End::Complete));
    assert_eq!(out[0].protocol, Protocol::Http10);
    assert_eq!(&out[0].request.body.bytes[..], b"abcd");
}

#[test]
fn instants_are_those_of_first_and_last_byte() {
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.connected(5);
    let pieces: [(Direction, u64, &[u8]); 6] = [
        (Direction::Request, 10, b"GET / HT"),
        (Direction::Request, 11, b"TP/1.1\r\n\r\n"),
        (Direction::Response, 20, b"H"),
        (Direction::Response, 21, b"TTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        (Direction::Response, 22, b"a"),
        (Direction::Response, 23, b"b"),
    ];
    pieces.into_iter().for_each(|(from, at, bytes)| connection.feed(from, at, bytes, &mut out));
    let at = out[0].instants;
    assert_eq!((at.request_start, at.request_head, at.request_end, at.connected), (10, 11, Some(11), Some(5)));
    assert_eq!((at.response_start, at.response_head, at.response_end), (Some(20), Some(21), Some(23)));
}

#[test]
fn bodies_and_heads_are_bounded() {
    let limits = Limits { body_bytes_max: 4, pending_max: 2 };
    let mut connection = Http1::new(1, limits);
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde", &mut out);
    connection.feed(Direction::Response, 1, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", &mut out);
    let body = &out[0].request.body;
    assert_eq!((&body.bytes[..], body.total_len, body.is_truncated()), (&b"abcd"[..], 5, true));
    assert!(!out[0].response.as_ref().unwrap().body.is_truncated());

    let get = b"GET / HTTP/1.1\r\n\r\n";
    connection.feed(Direction::Request, 2, &get.repeat(2), &mut out);
    assert_eq!(connection.blind(), None);
    connection.feed(Direction::Request, 2, get, &mut out);
    assert_eq!(connection.blind(), Some(Blind::NotUnderstood(WireError::TooManyPending(2))));

    let mut endless = Http1::new(1, limits);
    let line = [b"GET / HTTP/1.1\r\n".to_vec(), b"X: y\r\n".repeat(1 << 16)].concat();
    endless.feed(Direction::Request, 1, &line, &mut out);
    assert!(matches!(endless.blind(), Some(Blind::NotUnderstood(WireError::HeadTooLong(_)))));
}

#[test]
fn held_bytes_return_to_nothing() {
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\nabcde", &mut out);
    assert!(connection.held_bytes() > 40);
    connection.ended(Direction::Request, Ending::Reset, 2, &mut out);
    assert_eq!(connection.held_bytes(), 0);
    // Also when chunk sizes, which were held, are thrown away.
    let mut connection = Http1::new(1, Limits::default());
    let post = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.feed(Direction::Request, 1, post, &mut out);
    connection.feed(Direction::Request, 1, &b"1\r\na\r\n".repeat(part::CHUNKS_MAX), &mut out);
    let with_sizes = connection.held_bytes();
    connection.feed(Direction::Request, 1, b"1\r\na\r\n", &mut out);
    assert_eq!(with_sizes - connection.held_bytes(), part::CHUNKS_MAX * 8 - 1);
    connection.feed(Direction::Request, 1, b"0\r\n\r\n", &mut out);
    connection.feed(Direction::Response, 1, b"HTTP/1.1 204 No\r\n\r\n", &mut out);
    assert_eq!(connection.held_bytes(), 0);
}

fn message(start: &'static str) -> impl Strategy<Value = (Vec<u8>, usize)> {
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    let chunks = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..100), 0..5);
    prop_oneof![
        body.prop_map(move |body| {
            let head = format!("{start}Content-Length: {}\r\n\r\n", body.len());
            ([head.as_bytes(), &body].concat(), body.len())
        }),
        chunks.prop_map(move |chunks| {
            let mut bytes = format!("{start}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
            for chunk in &chunks {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            (bytes, chunks.iter().map(Vec::len).sum())
        }),
    ]
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        pairs in proptest::collection::vec((message("POST /x HTTP/1.1\r\n"), message("HTTP/1.1 200 OK\r\n")), 1..6),
        piece in 1usize..64,
    ) {
        let requests: Vec<u8> = pairs.iter().flat_map(|pair| pair.0.0.clone()).collect();
        let responses: Vec<u8> = pairs.iter().flat_map(|pair| pair.1.0.clone()).collect();
        let (whole, blind) = read(&requests, &responses, usize::MAX);
        prop_assert_eq!(blind, None);
        prop_assert_eq!(whole.len(), pairs.len());
        for (exchange, pair) in whole.iter().zip(&pairs) {
            prop_assert_eq!(exchange.request.body.bytes.len(), pair.0.1);
            prop_assert_eq!(exchange.response.as_ref().unwrap().body.bytes.len(), pair.1.1);
            prop_assert!(exchange.request.framing != Framing::None);
        }
        let (pieces, _) = read(&requests, &responses, piece);
        prop_assert_eq!(shape(&pieces), shape(&whole));
    }

    #[test]
    fn any_bytes_are_survived(
        feeds in proptest::collection::vec((any::<bool>(), prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "(GET|HEAD|POST) /[a-z]{0,3} HTTP/1.1\r\n(Content-Length: [0-9]{0,2}\r\n)?(Transfer-Encoding: chunked\r\n)?\r\n".prop_map(String::into_bytes),
            "HTTP/1.1 (100|101|200|204|304) \r\n(Content-Length: [0-9]\r\n)?\r\n".prop_map(String::into_bytes),
        ]), 0..30),
    ) {
        let mut connection = Http1::new(1, Limits { body_bytes_max: 8, pending_max: 3 });
        let mut out = Vec::new();
        for (at, (request, bytes)) in feeds.iter().enumerate() {
            let from = if *request { Direction::Request } else { Direction::Response };
            connection.feed(from, at as u64, bytes, &mut out);
        }
        connection.closed(&mut out);
        prop_assert_eq!(connection.pending(), 0);
        prop_assert_eq!(connection.is_tunnel(), false);
    }
}
