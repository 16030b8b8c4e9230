//! Valid HTTP/1, the ways in which connections end, and sizes.

use super::Step::{Got, GotEnd, HalfClose, Heard, Reset, Seen, Send};
use super::{Case, case, exchange};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// HTTP/1 of which `cat` must show every byte.
pub(crate) fn plain() -> Vec<Case> {
    let mut cases = vec![
        exchange("get", "GET /plain-get HTTP/1.1\r\nHost: h\r\n\r\n", OK),
        exchange(
            "order, case and duplicates of fields",
            "GET /plain-fields?a=%20&&b HTTP/1.1\r\nhOsT: h\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\nX-B: 1\r\n\r\n",
            "HTTP/1.1 299 Odd  Words\r\nB: 1\r\na: 2\r\nB: 2\r\nCONTENT-length: 3\r\n\r\nabc",
        ),
        exchange(
            "post",
            "POST /plain-post HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nhello=world",
            "HTTP/1.1 201 Created\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        ),
        exchange("options", "OPTIONS * HTTP/1.1\r\nHost: h\r\nX-Case: plain-options\r\n\r\n", OK),
        exchange("absolute form", "GET http://other/plain-absolute HTTP/1.1\r\nHost: h\r\n\r\n", OK),
        exchange(
            "invented method",
            "BREW /plain-brew HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n",
        ),
        exchange(
            "until the end",
            "GET /plain-until HTTP/1.0\r\nHost: h\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nuntil the end",
        ),
        exchange(
            "no reason",
            "GET /plain-reason HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx",
        ),
        exchange(
            "not modified",
            "GET /plain-304 HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"a\"\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
        ),
        exchange(
            "head",
            "HEAD /plain-head HTTP/1.1\r\nHost: h\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n",
        ),
    ];
    cases.iter_mut().for_each(|case| case.is_plain = true);
    cases.extend([
        exchange("HTTP/0.9", "GET /\r\n", "<html>"),
        exchange("chunked both ways", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n"),
        exchange("two in one", "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", [OK, OK].concat()),
        case(
            "kept alive",
            vec![Send(b"GET /1 HTTP/1.1\r\n\r\n".to_vec()), Heard(1), Send(b"GET /2 HTTP/1.1\r\n\r\n".to_vec()), GotEnd, HalfClose],
            vec![Heard(1), Send(OK.to_vec()), Heard(2), Send(OK.to_vec()), HalfClose],
        ),
        case(
            "100-continue",
            vec![Send(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n".to_vec()), Heard(1), Send(b"body".to_vec()), GotEnd, HalfClose],
            vec![Heard(1), Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()), Heard(2), Send(OK.to_vec()), HalfClose],
        ),
        case(
            "early hints, in pieces",
            vec![Send(b"GET / HTTP/1.1\r\n\r\n".to_vec()), GotEnd, HalfClose],
            vec![Heard(1), Send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec()), Seen, Send(OK.to_vec()), HalfClose],
        ),
        case(
            "an answer before the request's end",
            vec![Send(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1234".to_vec()), Heard(1), Send(b"56789".to_vec()), GotEnd, HalfClose],
            vec![Heard(1), Send(OK.to_vec()), Heard(2), HalfClose],
        ),
        case(
            "an answer before any request",
            vec![Heard(1), Send(b"GET / HTTP/1.1\r\n\r\n".to_vec()), GotEnd, HalfClose],
            vec![Send(OK.to_vec()), Heard(1), HalfClose],
        ),
        case(
            "WebSocket",
            vec![Send(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec()), Heard(1), Send(b"\x81\x85\x01\x02\x03\x04igohn\xff\xff\xff".to_vec()), GotEnd, HalfClose],
            vec![Heard(1), Send(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi".to_vec()), Heard(2), Send(b"\x88\x00garbage".to_vec()), HalfClose],
        ),
        case(
            "CONNECT, then no HTTP",
            vec![Send(b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n".to_vec()), Heard(1), Send(b"\x16\x03\x01\x00\x05hello".to_vec()), GotEnd, HalfClose],
            vec![Heard(1), Send(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()), Heard(2), Send(b"\x15\x03\x03\x00\x02\x02\x28".to_vec()), HalfClose],
        ),
        case(
            "server-sent events",
            vec![Send(b"GET / HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n".to_vec()), GotEnd, HalfClose],
            vec![Heard(1), Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec()), Seen, Send(b"data: 1\n\n".to_vec()), Seen, Send(b"data: 2\n\n".to_vec()), Seen, HalfClose],
        ),
    ]);
    cases
}

/// Ends and resets, at every place.
pub(crate) fn ends() -> Vec<Case> {
    let get = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec();
    let part = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\npart".to_vec();
    vec![
        case("nothing, the client ends", vec![HalfClose], vec![GotEnd, HalfClose]),
        case("nothing, the server ends", vec![GotEnd, HalfClose], vec![HalfClose]),
        case("nothing, both end", vec![HalfClose], vec![HalfClose]),
        case("half-closed client", vec![Send(get.clone()), HalfClose], vec![GotEnd, Send(OK.to_vec()), HalfClose]),
        case("half-closed server", vec![GotEnd, Send(get.clone()), HalfClose], vec![Send(OK.to_vec()), HalfClose]),
        case("end in a head", vec![Send(get[..9].to_vec()), HalfClose], vec![GotEnd, HalfClose]),
        case(
            "end in an answer",
            vec![Send(get.clone()), GotEnd, HalfClose],
            vec![Got(get.len()), Send(part.clone()), HalfClose],
        ),
        case(
            "end in a chunk",
            vec![Send(get.clone()), GotEnd, HalfClose],
            vec![
                Got(get.len()),
                Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc".to_vec()),
                HalfClose,
            ],
        ),
        case("the server resets after a request", vec![Send(get.clone())], vec![Got(get.len()), Reset]),
        case(
            "the server resets in an answer",
            vec![Send(get.clone())],
            vec![Got(get.len()), Send(part.clone()), Seen, Reset],
        ),
        case("the server resets before a byte", vec![], vec![Reset]),
        case(
            "the server resets a client that ended",
            vec![Send(get.clone()), HalfClose],
            vec![GotEnd, Send(part.clone()), Seen, Reset],
        ),
        case("the client resets after its request", vec![Send(get.clone()), Seen, Reset], vec![]),
        case(
            "the client resets in an answer",
            vec![Send(get.clone()), Got(part.len()), Reset],
            vec![Got(get.len()), Send(part)],
        ),
        case("the client resets before a byte", vec![Reset], vec![]),
        case(
            "the client resets a server that ended",
            vec![Send(get), GotEnd, Reset],
            vec![Send(OK.to_vec()), HalfClose],
        ),
    ]
}

/// Long ones, and both sides at once.
pub(crate) fn sizes() -> Vec<Case> {
    let noise = |seed: u32, len: usize| {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(len).collect::<Vec<u8>>()
    };
    let mut head = b"GET / HTTP/1.1\r\nX: ".to_vec();
    head.resize(8 << 20, b'x');
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(100_000));
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 4 << 20).into_bytes();
    answer.extend(noise(3, 4 << 20));
    let piped = b"GET / HTTP/1.1\r\n\r\n".repeat(5_000);
    let both = |len: usize| {
        let side = |seed| vec![Send(noise(seed, len)), HalfClose];
        case(&format!("both write {len} bytes at once"), side(1), side(2))
    };
    vec![
        exchange("a head of 8 MiB that goes on", head, OK),
        exchange(
            "a field of 8 MiB in an answer",
            "GET / HTTP/1.1\r\n\r\n",
            [&b"HTTP/1.1 200 OK\r\nX: "[..], &[b'y'; 8 << 20]].concat(),
        ),
        exchange("100,000 fields", many, OK),
        exchange("an answer of 4 MiB", "GET / HTTP/1.1\r\n\r\n", answer),
        exchange("5,000 requests at once", &piped, OK.repeat(5_000)),
        case(
            "two ways, in turns",
            (1..9).flat_map(|i| [Send(noise(i, 70_000)), Got(70_001 * i as usize)]).chain([HalfClose]).collect(),
            (1..9)
                .flat_map(|i| [Got(70_000 * i as usize), Send(noise(i, 70_001))])
                .chain([GotEnd, HalfClose])
                .collect(),
        ),
        both(1),
        both(65_536),
        both(65_537),
        both(3 << 20),
    ]
}
