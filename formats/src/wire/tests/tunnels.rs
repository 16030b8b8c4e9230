//! Upgrades and CONNECT.

use super::*;
use crate::model::{Ambiguity, Flow, Piece};

const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCHES: &[u8] = b"HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n";
const CONNECT: &[u8] = b"CONNECT a:443 HTTP/1.1\r\n\r\n";
const MS: u64 = 1_000_000;

fn flow(bytes: u64, span_ns: (u64, u64), pieces: &[(u64, u64)]) -> Flow {
    let pieces = pieces.iter().map(|(at_ns, len)| Piece { at_ns: *at_ns, len: *len }).collect();
    Flow { bytes, first_ns: Some(span_ns.0), last_ns: Some(span_ns.1), pieces, ..Flow::default() }
}

#[test]
fn what_passes_after_an_upgrade_is_counted_both_ways() {
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, UPGRADE, &mut out);
    assert!(!connection.is_tunnel());
    connection.feed(Direction::Response, 2, &[SWITCHES, b"\x01\x05hello"].concat(), &mut out);
    assert!(connection.is_tunnel() && connection.blind().is_none() && out.is_empty());
    connection.feed(Direction::Request, 3, b"GET / HTTP/1.1\r\n\r\n", &mut out);
    connection.passed(Direction::Request, 3 + 20 * MS, 7);
    connection.passed(Direction::Response, 3 + 20 * MS, 0);
    connection.feed(Direction::Request, 4 + 20 * MS, b"", &mut out);
    connection.ended(Direction::Request, Ending::Eof, 9, &mut out);
    connection.feed(Direction::Response, 5 + 2 * MS, b"bye", &mut out);
    connection.ended(Direction::Response, Ending::Eof, 9, &mut out);
    assert!(out.is_empty());
    connection.closed(&mut out);
    let [only] = &out[..] else { panic!("{out:?}") };
    let tunnel = only.tunnel.as_ref().unwrap();
    assert_eq!(tunnel.to_upstream, flow(25, (3, 3 + 20 * MS), &[(3, 18), (3 + 20 * MS, 7)]));
    assert_eq!(tunnel.to_client, flow(10, (2, 5 + 2 * MS), &[]));
    assert_eq!((only.end, only.tunnel_protocol()), (End::Complete, Some(&b"WebSocket"[..])));
    assert_eq!((only.instants.request_end, only.instants.response_end), (Some(1), Some(2)));
    assert_eq!((connection.held_bytes(), connection.unread_bytes(), connection.is_tunnel()), (0, 0, false));
}

#[test]
fn a_tunnel_ends_as_its_connection_does() {
    let tunnel = |finish: fn(&mut Http1, &mut Vec<Exchange>)| {
        let mut connection = Http1::new(1, Limits::default());
        let mut out = Vec::new();
        connection.feed(Direction::Request, 1, CONNECT, &mut out);
        connection.feed(Direction::Response, 2, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x16\x03", &mut out);
        finish(&mut connection, &mut out);
        let [only] = &out[..] else { panic!("{out:?}") };
        assert_eq!((only.tunnel_protocol(), only.tunnel.as_ref().unwrap().to_client.bytes), (Some(&b"CONNECT"[..]), 2));
        only.end
    };
    assert_eq!(tunnel(|connection, out| connection.closed(out)), End::Complete);
    assert_eq!(tunnel(|connection, out| connection.give_up(9, End::RecordingStopped, out)), End::RecordingStopped);
    for (from, expected) in [(Direction::Request, End::ClientGone), (Direction::Response, End::UpstreamGone)] {
        let mut connection = Http1::new(1, Limits::default());
        let mut out = Vec::new();
        connection.feed(Direction::Request, 1, UPGRADE, &mut out);
        connection.feed(Direction::Response, 2, SWITCHES, &mut out);
        connection.ended(from, Ending::Reset, 3, &mut out);
        connection.closed(&mut out);
        assert_eq!(out[0].end, expected);
    }
    let lost = |connection: &mut Http1, out: &mut Vec<Exchange>| {
        connection.lost(5, out);
        connection.closed(out);
    };
    assert_eq!(tunnel(lost), End::CaptureLost);
}

#[test]
fn what_is_sent_before_the_answer_waits_to_be_told_what_it_is() {
    // As a tunnel's.
    for (request, response) in [(CONNECT, &b"HTTP/1.1 200 OK\r\n\r\n"[..]), (UPGRADE, SWITCHES)] {
        let mut connection = Http1::new(1, Limits::default());
        let mut out = Vec::new();
        connection.feed(Direction::Request, 1, &[request, b"GET /pl"].concat(), &mut out);
        connection.feed(Direction::Request, 2, b"anted HTTP/1.1\r\n\r\n", &mut out);
        assert_eq!(connection.pending(), 1);
        connection.feed(Direction::Response, 3, response, &mut out);
        connection.closed(&mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(out[0].tunnel.as_ref().unwrap().to_upstream, flow(25, (1, 2), &[]));
        assert_eq!(connection.held_bytes(), 0);
    }
    // As the next requests, each with its own instant.
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, b"GET /first HTTP/1.1\r\n\r\n", &mut out);
    connection.feed(Direction::Request, 2, &[UPGRADE, b"GET /b HTTP/1.1\r\n\r\n"].concat(), &mut out);
    connection.feed(Direction::Request, 3, &[UPGRADE, b"GET /d HTTP/1.1\r\n\r\n"].concat(), &mut out);
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    connection.feed(Direction::Response, 9, &ok.repeat(5), &mut out);
    let starts: Vec<u64> = out.iter().map(|exchange| exchange.instants.request_start).collect();
    assert_eq!((starts, connection.blind(), connection.held_bytes()), (vec![1, 2, 2, 3, 3], None, 0));
    assert!(out.iter().all(|exchange| exchange.end == End::Complete && exchange.tunnel.is_none()));
}

#[test]
fn what_waits_is_bounded() {
    let early = |bytes: &[u8], arrivals: usize| {
        let mut connection = Http1::new(1, Limits::default());
        let mut out = Vec::new();
        connection.feed(Direction::Request, 1, CONNECT, &mut out);
        for at_ns in 0..arrivals {
            connection.feed(Direction::Request, 2 + at_ns as u64, bytes, &mut out);
        }
        let blind = connection.blind();
        assert!(blind.is_some() || connection.held_bytes() >= bytes.len() * arrivals);
        blind
    };
    let too_much = Some(Blind::NotUnderstood(WireError::TooMuchEarly(tunnel::EARLY_BYTES_MAX)));
    assert_eq!(early(&[b'x'; tunnel::EARLY_BYTES_MAX], 1), None);
    assert_eq!(early(&[b'x'; tunnel::EARLY_BYTES_MAX + 1], 1), too_much);
    assert_eq!(early(b"x", tunnel::EARLY_ARRIVALS_MAX), None);
    assert_eq!(early(b"x", tunnel::EARLY_ARRIVALS_MAX + 1), too_much);
}

#[test]
fn an_upgrade_that_nobody_asked_for_makes_what_follows_doubtful() {
    let requests = b"GET / HTTP/1.1\r\n\r\nGET /planted HTTP/1.1\r\n\r\n";
    let (out, blind) = read(requests, SWITCHES, 1 << 20);
    let kinds: Vec<_> = out.iter().map(|exchange| exchange.ambiguous).collect();
    assert_eq!(kinds, [Some(Ambiguity::UnaskedUpgrade); 2]);
    assert_eq!(blind, Some(Blind::NotUnderstood(WireError::Ambiguous(Ambiguity::UnaskedUpgrade))));
}
