use super::*;
use crate::losses::Missing;

fn tap(queue_events_max: usize, queue_bytes_max: usize) -> Arc<Tap> {
    let tap = Tap::new(TapLimits { queue_events_max, queue_bytes_max }, Clock::start());
    tap.start();
    tap
}

fn names(tap: &Tap) -> Vec<&'static str> {
    std::iter::from_fn(|| tap.pop())
        .map(|event| match event.what {
            What::Opened { from_start: true, .. } => "opened",
            What::Opened { from_start: false, .. } => "found open",
            What::Connected => "connected",
            What::Bytes(..) => "bytes",
            What::Passed(..) => "passed",
            What::Missed => "missed",
            What::Ended(..) => "ended",
            What::Closed => "closed",
        })
        .collect()
}

fn full(connections: u64, bytes: u64) -> Missing {
    Missing { connections, exchanges: 0, bytes }
}

fn lost(tap: &Tap) -> Missing {
    tap.losses().of(GapReason::QueueFull)
}

#[test]
fn the_life_of_a_connection_arrives_in_order() {
    let tap = tap(10, 10);
    let connection = tap.open(1, None, None);
    connection.connected();
    connection.bytes(Direction::Request, b"abc");
    connection.ended(Direction::Request, Ending::Eof);
    drop(connection);
    assert_eq!(names(&tap), ["opened", "connected", "bytes", "ended", "closed"]);
    assert_eq!(tap.losses().all().count(), 0);
}

#[test]
fn what_does_not_fit_is_counted_until_half_the_room_is_free() {
    let tap = tap(20, 4);
    let (one, two) = (tap.open(1, None, None), tap.open(2, None, None));
    one.bytes(Direction::Request, b"abcd"); // exactly the room that there is
    two.bytes(Direction::Request, b"e");
    assert_eq!(lost(&tap), full(1, 1));
    two.ended(Direction::Request, Ending::Eof); // nobody could make anything of it
    assert_eq!(names(&tap), ["opened", "opened", "bytes"]);
    one.bytes(Direction::Request, b"fgh");
    two.bytes(Direction::Request, b"i"); // there would be room, but not half of it
    assert_eq!(lost(&tap), full(1, 2));
    assert_eq!(names(&tap), ["bytes"]);
    two.bytes(Direction::Request, b"jk");
    assert_eq!(names(&tap), ["missed", "bytes"]);
    two.bytes(Direction::Request, b"lmnop"); // one more than there is room at all
    assert_eq!(lost(&tap), full(2, 7));
    let state = Arc::clone(&two.state);
    drop((one, two));
    assert!(state.is_closed() && state.is_lost());
    assert_eq!(names(&tap), ["closed", "closed"]);
}

#[test]
fn a_full_queue_loses_and_gives_the_bytes_back() {
    let tap = tap(2, 100);
    let connection = tap.open(1, None, None);
    connection.bytes(Direction::Request, b"a");
    connection.bytes(Direction::Request, b"b");
    assert_eq!(lost(&tap), full(1, 1));
    assert_eq!(tap.queued_bytes(), 1);
    assert_eq!(names(&tap), ["opened", "bytes"]);
    assert_eq!(tap.queued_bytes(), 0);
    connection.bytes(Direction::Request, b"c");
    assert_eq!(names(&tap), ["missed", "bytes"]);
}

#[test]
fn a_connection_that_could_not_be_announced_is_announced_later() {
    let tap = tap(1, 100);
    let (_one, two) = (tap.open(1, None, None), tap.open(2, None, None));
    two.bytes(Direction::Request, b"a");
    assert_eq!(lost(&tap), full(1, 1));
    assert_eq!(names(&tap), ["opened"]);
    two.bytes(Direction::Request, b"b"); // takes the only place to announce itself
    assert_eq!(names(&tap), ["found open"]);
}

#[test]
fn what_is_not_wanted_is_not_copied() {
    let tap = tap(10, 10);
    let connection = tap.open(1, None, None);
    connection.state.want(Wanted::Lengths);
    connection.bytes(Direction::Response, b"longer than the room");
    connection.state.want(Wanted::Nothing);
    connection.bytes(Direction::Response, b"abc");
    assert_eq!(connection.state.uncaptured_bytes(), 3);
    drop(connection);
    assert_eq!(names(&tap), ["opened", "passed", "closed"]);
    assert_eq!(tap.losses().all().count(), 0);
}

#[test]
fn between_sessions_nothing_is_missing_and_a_new_one_finds_connections_open() {
    let tap = tap(10, 10);
    let connection = tap.open(1, None, None);
    tap.stop();
    connection.bytes(Direction::Request, b"x");
    let later = tap.open(2, None, None);
    later.bytes(Direction::Request, b"y");
    tap.start();
    connection.bytes(Direction::Request, b"z");
    drop((connection, later));
    assert_eq!(names(&tap), ["opened", "found open", "bytes", "closed"]);
    assert_eq!(tap.losses().all().count(), 0);
}

#[test]
fn an_open_breaker_counts_what_passes() {
    let tap = tap(10, 10);
    let (one, _idle) = (tap.open(1, None, None), tap.open(2, None, None));
    tap.pause(true);
    one.bytes(Direction::Request, b"abc");
    tap.pause(false);
    one.bytes(Direction::Request, b"d");
    assert_eq!(names(&tap), ["opened", "opened", "missed", "bytes"]);
    assert_eq!(tap.losses().of(GapReason::Breaker), full(1, 3));
}

#[test]
fn an_end_while_the_breaker_is_open_is_missing() {
    let tap = tap(10, 10);
    let (one, unknown) = (tap.open(1, None, None), tap.open(2, None, None));
    unknown.announced.store(0, Ordering::Relaxed);
    tap.pause(true);
    one.ended(Direction::Response, Ending::Eof);
    unknown.ended(Direction::Response, Ending::Eof);
    assert!(one.state.is_lost() && !unknown.state.is_lost());
    assert_eq!(tap.losses().of(GapReason::Breaker), full(1, 0));
}

#[test]
fn lengths_that_find_no_room_are_counted() {
    let tap = tap(1, 10);
    let connection = tap.open(1, None, None);
    connection.state.want(Wanted::Lengths);
    connection.bytes(Direction::Response, b"abc");
    assert_eq!(lost(&tap), full(1, 3));
}
