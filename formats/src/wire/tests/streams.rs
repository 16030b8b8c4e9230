//! Bodies that come over time, and bodies longer than what is kept.

use sha2::{Digest, Sha256};

use super::*;

const GET: &[u8] = b"GET /events HTTP/1.1\r\n\r\n";

/// The pieces of a response whose content arrives like this.
fn pieces(head: &str, arrivals: &[(u64, &str)]) -> Vec<(u64, u64)> {
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 0, GET, &mut out);
    connection.feed(Direction::Response, 1, format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n").as_bytes(), &mut out);
    for (at_ns, bytes) in arrivals {
        connection.feed(Direction::Response, *at_ns, bytes.as_bytes(), &mut out);
    }
    connection.ended(Direction::Response, Ending::Eof, 1 << 40, &mut out);
    let response = out[0].response.as_ref().unwrap();
    let pieces: Vec<_> = response.pieces.iter().map(|piece| (piece.at_ns, piece.len)).collect();
    if !pieces.is_empty() {
        assert_eq!(pieces.iter().map(|piece| piece.1).sum::<u64>(), response.body.total_len);
    }
    pieces
}

#[test]
fn every_arrival_of_an_event_stream_is_a_piece() {
    let sse = "Content-Type: Text/Event-Stream; charset=utf-8";
    let chunked = format!("{sse}\r\nTransfer-Encoding: chunked");
    let events = [(5, "data: a\n\n"), (6, "data: b\n\ndata: c\n\n")];
    assert_eq!(pieces(sse, &events), [(5, 9), (6, 18)]);
    assert_eq!(pieces(sse, &events[..1]), [(5, 9)]);
    // Chunks that arrive at once are one piece; its length is the content's.
    assert_eq!(
        pieces(&chunked, &[(5, "1\r\na\r\n2\r\nbc\r\n"), (6, "1\r\nd\r\n"), (7, "0\r\n\r\n")]),
        [(5, 3), (6, 1)]
    );
    // With a length it is no stream.
    assert_eq!(pieces(&format!("{sse}\r\nContent-Length: 27"), &events), []);
}

#[test]
fn other_bodies_have_pieces_where_they_paused() {
    let json = "Content-Type: application/json\r\nContent-Length: 6";
    let later = 5 + PIECE_PAUSE_NS;
    assert_eq!(pieces(json, &[(5, "abc"), (later - 1, "def")]), []);
    assert_eq!(pieces(json, &[(5, "abc"), (later, "def")]), [(5, 3), (later, 3)]);
    // Uploads as well.
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 5, b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab", &mut out);
    connection.feed(Direction::Request, later, b"cd", &mut out);
    connection.closed(&mut out);
    assert_eq!(out[0].request.pieces.len(), 2);
}

#[test]
fn a_body_beyond_the_bound_has_the_digest_of_all_of_it() {
    let body: Vec<u8> = (0..200_u8).collect();
    for (kept, piece) in [(0, 200), (0, 7), (1, 1), (64, 13), (199, 50), (199, 200), (200, 3), (201, 200)] {
        let mut connection = Http1::new(1, Limits { body_bytes_max: kept, pending_max: 1 });
        let mut out = Vec::new();
        connection.feed(Direction::Request, 1, b"POST / HTTP/1.1\r\nContent-Length: 200\r\n\r\n", &mut out);
        body.chunks(piece).for_each(|bytes| connection.feed(Direction::Request, 2, bytes, &mut out));
        connection.feed(Direction::Response, 3, b"HTTP/1.1 204 No\r\n\r\n", &mut out);
        let request = &out[0].request.body;
        let expected = (kept < 200).then(|| <[u8; 32]>::from(Sha256::digest(&body)));
        assert_eq!((request.sha256, request.total_len), (expected, 200), "{kept} {piece}");
        assert_eq!(request.bytes, body[..kept.min(200)]);
    }
    // What did not come to its end has none: it would be the digest of something else.
    let mut connection = Http1::new(1, Limits { body_bytes_max: 1, pending_max: 1 });
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, b"POST / HTTP/1.1\r\nContent-Length: 200\r\n\r\nabc", &mut out);
    connection.closed(&mut out);
    assert_eq!((out[0].request.body.sha256, out[0].request.body.is_truncated()), (None, true));
}
