//! What could be read in two ways, what is no HTTP/1, and what is odd and still has one reading.

use super::*;
use crate::model::Ambiguity::*;

const GET: &str = "GET / HTTP/1.1\r\n\r\n";

/// What the parser says of these directions, in pieces of every size.
fn outcome(requests: &str, responses: &str) -> (Vec<Exchange>, Option<Blind>) {
    let whole = read(requests.as_bytes(), responses.as_bytes(), 1 << 20);
    for piece in [1, 2, 3, 7] {
        let pieces = read(requests.as_bytes(), responses.as_bytes(), piece);
        assert_eq!((shape(&pieces.0), pieces.1), (shape(&whole.0), whole.1), "{requests:?} {responses:?}");
    }
    whole
}

#[test]
fn what_can_be_read_in_two_ways_is_kept_up_to_there_and_says_so() {
    let post = |lines: &str| format!("POST /p HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\nGET /planted HTTP/1.1\r\n\r\n");
    let chunked = |body: &str| format!("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    for (request, expected, kept) in [
        (post("Content-Length: 1\r\nTransfer-Encoding: chunked"), BothLengths, ""),
        (post("Transfer-Encoding: chunked\r\nContent-Length: 0"), BothLengths, ""),
        (post("Content-Length: 1\r\nContent-Length: 2"), LengthsDiffer, ""),
        (post("Content-Length: +1"), BadLength, ""),
        (post("Content-Length: 0x1"), BadLength, ""),
        (post("Content-Length: -1"), BadLength, ""),
        (post("Content-Length: 1 1"), BadLength, ""),
        (post("Content-Length: 1, 1"), BadLength, ""),
        (post("Content-Length:"), BadLength, ""),
        (post("Content-Length: \x0c1"), BadLength, ""),
        (post("Content-Length: 18446744073709551616"), BadLength, ""),
        (post("Transfer-Encoding: xchunked"), OddTransferCoding, ""),
        (post("Transfer-Encoding: chunked, identity"), OddTransferCoding, ""),
        (post("Transfer-Encoding: chunked, chunked"), OddTransferCoding, ""),
        (post("Transfer-Encoding: chunked;x=y"), OddTransferCoding, ""),
        (post("Transfer-Encoding: identity"), OddTransferCoding, ""),
        (post("Transfer-Encoding: gzip"), OddTransferCoding, ""),
        (post("Transfer-Encoding:"), OddTransferCoding, ""),
        (post("Transfer-Encoding: , chunked"), OddTransferCoding, ""),
        (post("Transfer-Encoding: \x0bchunked"), OddTransferCoding, ""),
        (post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), OddTransferCoding, ""),
        (post("Transfer-Encoding: chunked").replace("/p HTTP/1.1", "/p HTTP/1.0"), OddTransferCoding, ""),
        (post("Content-Length : 1"), SpaceBeforeColon, ""),
        (post("Transfer-Encoding\t: chunked"), SpaceBeforeColon, ""),
        (post("A: b\r\n folded"), ObsFold, ""),
        (post("A: b\r\n\tC: d"), ObsFold, ""),
        ("GET / HTTP/1.1\r\n A: b\r\n\r\n".to_owned(), ObsFold, ""),
        (post("no colon"), BadFieldLine, ""),
        (post(": no name"), BadFieldLine, ""),
        (post("a b: c"), BadFieldLine, ""),
        (post("a\u{e9}: c"), BadFieldLine, ""),
        (post("A: b\rContent-Length: 5"), BareCr, ""),
        (post("A\r: b"), BareCr, ""),
        (post("A: b\r\r\nC: d"), BareCr, ""),
        (post("A: b\0c"), Nul, ""),
        (post("A\0: b"), Nul, ""),
        ("GET /a b HTTP/1.1\r\n\r\n".to_owned(), BadStartLine, ""),
        ("GET /a\x0b HTTP/1.1\r\n\r\n".to_owned(), BadStartLine, ""),
        ("GET  / HTTP/1.1\r\n\r\n".to_owned(), BadStartLine, ""),
        (chunked("3\r\nabc\r\nx\r\n"), BadChunk, "abc"),
        (chunked("3\r\nabcd\r\n0\r\n\r\n"), BadChunk, "abc"),
        (chunked("3\r\nabc\r0\r\n\r\n"), BadChunk, "abc"),
        (chunked("0x3\r\nabc\r\n"), BadChunk, ""),
        (chunked("+3\r\nabc\r\n"), BadChunk, ""),
        (chunked("-3\r\nabc\r\n"), BadChunk, ""),
        (chunked(" 3\r\nabc\r\n"), BadChunk, ""),
        (chunked("3 3\r\nabc\r\n"), BadChunk, ""),
        (chunked("3\x0c\r\nabc\r\n"), BadChunk, ""),
        (chunked(";x\r\nabc\r\n"), BadChunk, ""),
        (chunked("\r\nabc\r\n"), BadChunk, ""),
        (chunked("10000000000000000\r\n"), BadChunk, ""),
        (chunked("00000000000000003\r\nabc\r\n"), BadChunk, ""),
        (chunked("3;x\ry\r\nabc\r\n"), BadChunk, ""),
        (chunked("3\nabc\r\n"), BareLf, ""),
        (chunked("3;x\nabc\r\n"), BareLf, ""),
        (chunked("3\r\nabc\n0\r\n\r\n"), BareLf, "abc"),
        (chunked("3\r\nabc\r\n0\r\n\n"), BareLf, "abc"),
        (chunked("3\r\nabc\r\n0\r\nT: x\n\r\n"), BareLf, "abc"),
        (chunked("3\r\nabc\r\n0\r\nT: x\r\n folded\r\n\r\n"), ObsFold, "abc"),
        (chunked("3\r\nabc\r\n0\r\nT: x\0\r\n\r\n"), Nul, "abc"),
    ] {
        let (out, blind) = outcome(&request, "");
        assert_eq!(blind, Some(Blind::NotUnderstood(WireError::Ambiguous(expected))), "{request:?}");
        let [only] = &out[..] else { panic!("{request:?}: {out:?}") };
        assert_eq!((only.ambiguous, only.end), (Some(expected), End::CaptureLost), "{request:?}");
        assert_eq!((only.instants.request_end, &only.request.trailers[..]), (None, &b""[..]));
        assert_eq!(only.request.body.bytes, kept, "{request:?}");
        assert!(request.as_bytes().starts_with(&only.request.head) && only.request.head.ends_with(b"\r\n\r\n"));
    }
}

#[test]
fn an_ambiguous_response_leaves_its_request_whole() {
    for (response, expected, kept) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", BothLengths, ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 3\r\n\r\n", LengthsDiffer, ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n", OddTransferCoding, ""),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", ObsFold, ""),
        ("HTTP/1.1 200 O\0K\r\n\r\n", Nul, ""),
        ("HTTP/1.1 200 O\rK\r\n\r\n", BareCr, ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nz", BadChunk, "hi"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\n", BareLf, "hi"),
    ] {
        // A line end, so that a chunk's size line has one to end in.
        let (out, blind) = outcome(GET, &format!("{response}\r\n"));
        assert_eq!(blind, Some(Blind::NotUnderstood(WireError::Ambiguous(expected))), "{response:?}");
        let [only] = &out[..] else { panic!("{response:?}: {out:?}") };
        assert_eq!((only.ambiguous, only.end), (Some(expected), End::CaptureLost), "{response:?}");
        assert!(only.instants.request_end.is_some() && only.instants.response_end.is_none());
        let kept_response = only.response.as_ref().unwrap();
        assert!(response.as_bytes().starts_with(&kept_response.head) && kept_response.head.ends_with(b"\r\n\r\n"));
        assert_eq!(kept_response.body.bytes, kept);
    }
}

#[test]
fn an_answer_without_a_body_cannot_be_ambiguous_about_its_end() {
    for (request, response) in [
        ("HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (GET, "HTTP/1.1 204 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
        (GET, "HTTP/1.1 304 Not\r\nTransfer-Encoding: odd\r\n\r\n"),
    ] {
        let (out, blind) = outcome(request, response);
        assert_eq!((blind, out.len(), out[0].end, out[0].ambiguous), (None, 1, End::Complete, None), "{response:?}");
    }
}

#[test]
fn what_is_odd_and_has_one_reading_is_read() {
    for (request, framing, body) in [
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 03\r\n\r\nabc", Framing::Length, "abc"),
        ("POST / HTTP/1.1\r\nContent-Length:\t3 \t\r\n\r\nabc", Framing::Length, "abc"),
        ("POST / HTTP/1.1\nContent-Length: 3\n\nabc", Framing::Length, "abc"),
        ("\r\n\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", Framing::Length, "abc"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", Framing::Chunked, "abc"),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding:chunked \r\n\r\n3 \t;x=\"y;z\"\r\nabc\r\n00\r\n\r\n",
            Framing::Chunked,
            "abc",
        ),
        ("POST / HTTP/1.1\r\nX: a\x01b\r\nX-\u{21}: \u{e9}\r\nContent-Length: 0\r\n\r\n", Framing::Length, ""),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0000000000000003\r\nabc\r\n0\r\n\r\n",
            Framing::Chunked,
            "abc",
        ),
    ] {
        let (out, blind) = outcome(request, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!((blind, out.len(), out[0].end), (None, 1, End::Complete), "{request:?}");
        let message = &out[0].request;
        assert_eq!((message.framing, &message.body.bytes[..]), (framing, body.as_bytes()), "{request:?}");
    }
    // A response with a coding that is not chunked at the end lasts until the connection ends (RFC 9112 §6.3).
    let (out, blind) = outcome(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n\x1fzip");
    assert_eq!((blind, out[0].end), (None, End::Complete));
    let response = out[0].response.as_ref().unwrap();
    assert_eq!((response.framing, &response.body.bytes[..]), (Framing::UntilClose, &b"\x1fzip"[..]));
}

#[test]
fn what_is_no_http_1_is_not_understood() {
    let huge = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(4095));
    let not = |error| Some(Blind::NotUnderstood(error));
    for (requests, responses, expected, exchanges) in [
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", Some(Blind::Http2), 0),
        ("", "\0\0\x12\x04\0\0\0\0\0", Some(Blind::Http2), 0),
        ("GET / HTTP/2.0\r\n\r\n", "", not(WireError::StartLine), 0),
        ("GET / HTTP/1.2\r\n\r\n", "", not(WireError::StartLine), 0),
        ("GET / http/1.1\r\n\r\n", "", not(WireError::StartLine), 0),
        ("G\u{e9}T / HTTP/1.1\r\n\r\n", "", not(WireError::StartLine), 0),
        ("GET / HTTP/1.1 \r\n\r\n", "", not(WireError::StartLine), 0),
        ("GET /\r\n\r\n", "", not(WireError::StartLine), 0),
        ("\rGET / HTTP/1.1\r\n\r\n", "", not(WireError::StartLine), 0),
        ("\x16\x03\x01 hello\n\n", "", not(WireError::StartLine), 0),
        (&huge, "", not(WireError::ChunkLineTooLong(4096)), 1),
        (GET, "ICY 200 OK\r\n\r\n", not(WireError::StartLine), 1),
        (GET, "\r\nHTTP/1.1 200 OK\r\n\r\n", not(WireError::StartLine), 1),
        (GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 408 Slow\r\n\r\n", not(WireError::Unsolicited), 1),
        (
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
            "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
            not(WireError::Unsolicited),
            1,
        ),
    ] {
        let (out, blind) = outcome(requests, responses);
        assert_eq!((blind, out.len()), (expected, exchanges), "{requests:?} {responses:?}");
        assert!(out.iter().all(|exchange| exchange.ambiguous.is_none()));
    }
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, GET.as_bytes(), &mut out);
    let early = b"HTTP/1.1 103 Early Hints\r\n\r\n";
    connection.feed(Direction::Response, 1, &early.repeat(http1::INFORMATIONAL_MAX), &mut out);
    assert_eq!(connection.blind(), None);
    connection.feed(Direction::Response, 1, early, &mut out);
    assert_eq!(connection.blind(), not(WireError::TooManyInformational(http1::INFORMATIONAL_MAX)));
}
