use formats::model::End;
use formats::redact::RedactionKey;
use formats::wire::Direction;

use super::*;
use crate::clock::Clock;
use crate::tap::{ConnectionTap, TapLimits};

/// A reader of a tap that has room for so many events, and where its exchanges go.
fn reader(queue_events_max: usize) -> (Reader, Arc<Tap>, Arc<Backlog>) {
    let tap = Tap::new(TapLimits { queue_events_max, ..TapLimits::default() }, Clock::start());
    tap.start();
    let backlog = Arc::new(Backlog::new(1 << 20));
    let options = Options {
        clients: ClientKeys::new(Vec::new(), &RedactionKey::from_secret(&[b'1'; 64]).unwrap()),
        selection: Selection::default(),
        limits: Limits::default(),
        parser_bytes_max: 1 << 20,
        breaker: BreakerOptions::default(),
    };
    (Reader::new(Arc::clone(&tap), Arc::clone(&backlog), Arc::default(), options), tap, backlog)
}

fn exchange(connection: &ConnectionTap) {
    connection.bytes(Direction::Request, b"GET / HTTP/1.1\r\n\r\n");
    connection.bytes(Direction::Response, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

fn ends(backlog: &Backlog) -> Vec<End> {
    let mut taken = Vec::new();
    backlog.take(&mut taken);
    taken.iter().map(|exchange| exchange.end).collect()
}

/// Takes so many events, then looks twice for connections to let go.
fn take_and_sweep(reader: &mut Reader, tap: &Tap, events: u64) {
    for _ in 0..events {
        reader.take(tap.pop().unwrap());
        reader.taken += 1;
    }
    (0..2).for_each(|_| reader.sweep(tap.clock().now_ns()));
}

#[test]
fn a_closed_connection_keeps_what_waits_in_the_queue() {
    let (mut reader, tap, backlog) = reader(10);
    let connection = tap.open(1, None, None);
    exchange(&connection);
    drop(connection);
    take_and_sweep(&mut reader, &tap, 2);
    reader.turn();
    assert_eq!(ends(&backlog), [End::Complete]);
}

#[test]
fn a_connection_that_lost_something_keeps_what_came_before_it() {
    let (mut reader, tap, backlog) = reader(3);
    let connection = tap.open(1, None, None);
    exchange(&connection);
    connection.bytes(Direction::Request, b"GET /lost HTTP/1.1\r\n\r\n");
    take_and_sweep(&mut reader, &tap, 2);
    reader.turn();
    assert_eq!(ends(&backlog), [End::Complete]);
}

#[test]
fn connections_whose_end_found_no_room_are_let_go_once_all_before_it_was_taken() {
    let (mut reader, tap, backlog) = reader(2);
    let connection = tap.open(1, None, None);
    connection.bytes(Direction::Request, b"GET / HTTP/1.1\r\n\r\n");
    drop(connection);
    take_and_sweep(&mut reader, &tap, 2);
    assert!(reader.connections.is_empty());
    reader.turn();
    assert_eq!(ends(&backlog), [End::ClientGone]);
}

#[test]
fn a_connection_that_is_announced_twice_gives_its_room_back_and_is_counted() {
    let (mut reader, tap, _) = reader(10);
    let connection = tap.open(1, None, None);
    connection.bytes(Direction::Request, b"GET / HTTP/1.1\r\n\r\nGET");
    tap.restart();
    connection.bytes(Direction::Request, b" /second");
    reader.turn();
    assert_eq!(reader.connections.len(), 1);
    let held: usize = reader.connections.values().map(|one| one.parser.held_bytes()).sum();
    assert_eq!(reader.held_bytes, held);
    assert_eq!(tap.losses().of(GapReason::Panicked).exchanges, 1);
}

#[test]
fn what_a_full_parser_lets_go_is_what_it_gives_back() {
    let (mut reader, tap, _) = reader(100);
    reader.options.parser_bytes_max = 100;
    let (tunnel, large) = (tap.open(1, None, None), tap.open(2, None, None));
    tunnel.bytes(Direction::Request, b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    tunnel.bytes(Direction::Response, answer);
    large.bytes(Direction::Request, b"GET / HTTP/1.1\r\n\r\n");
    reader.turn();
    tunnel.bytes(Direction::Response, b"abc");
    reader.turn();
    let held: usize = reader.connections.values().map(|one| one.parser.held_bytes()).sum();
    assert_eq!(reader.held_bytes, held);
}
