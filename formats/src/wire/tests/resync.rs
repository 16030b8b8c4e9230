//! Taking a connection up again.

use super::*;

const GET: &[u8] = b"GET /a HTTP/1.1\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// A connection that lost bytes at instant 10 in the middle of an exchange.
fn lost() -> (Http1, Vec<Exchange>) {
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, b"POST /up HTTP/1.1\r\nContent-Length: 1000\r\n\r\nabc", &mut out);
    connection.lost(10, &mut out);
    assert_eq!((out.len(), out[0].end, out[0].resynchronised), (1, End::CaptureLost, false));
    assert_eq!(connection.held_bytes(), 0);
    out.clear();
    (connection, out)
}

#[test]
fn a_request_after_quiet_that_is_answered_takes_the_connection_up() {
    let (mut connection, mut out) = lost();
    let at = 10 + RESYNC_QUIET_NS;
    connection.feed(Direction::Request, at, GET, &mut out);
    connection.feed(Direction::Response, at + 1, OK, &mut out);
    connection.feed(Direction::Request, at + 2, GET, &mut out);
    connection.feed(Direction::Response, at + 3, OK, &mut out);
    let marks: Vec<_> = out.iter().map(|x| (x.resynchronised, x.end)).collect();
    assert_eq!(marks, [(true, End::Complete), (false, End::Complete)]);
    assert_eq!((connection.unread_bytes(), connection.blind()), (0, None));
    // From here on it is read as any other, until it loses bytes again.
    connection.lost(at + 4, &mut out);
    connection.feed(Direction::Request, at + 5, GET, &mut out);
    assert_eq!((connection.pending(), connection.unread_bytes()), (0, GET.len() as u64));
}

#[test]
fn without_quiet_of_both_directions_nothing_is_read() {
    for (from, at, quiet_from) in [(Direction::Request, 10 + RESYNC_QUIET_NS - 1, 10), (Direction::Request, 500, 500)] {
        let (mut connection, mut out) = lost();
        if at == 500 {
            connection.feed(from, at, b"x", &mut out);
        }
        let early = quiet_from + RESYNC_QUIET_NS - 1;
        connection.feed(Direction::Request, early, GET, &mut out);
        connection.feed(Direction::Response, early, OK, &mut out);
        connection.closed(&mut out);
        assert_eq!(out.len(), 0, "{from:?} {at}");
    }
}

#[test]
fn a_request_that_follows_an_answer_need_not_wait() {
    let (mut connection, mut out) = lost();
    connection.feed(Direction::Response, 11, b"the rest of an answer", &mut out);
    connection.feed(Direction::Request, 12, GET, &mut out);
    connection.feed(Direction::Response, 13, OK, &mut out);
    assert_eq!(out.iter().map(|x| x.resynchronised).collect::<Vec<_>>(), [true]);
    assert_eq!(connection.unread_bytes(), 21);
}

#[test]
fn what_an_upload_plants_is_marked_to_the_last() {
    let (mut connection, mut out) = lost();
    let at = 10 + RESYNC_QUIET_NS;
    // The rest of a body holds three requests, and the upload has one answer.
    connection.feed(Direction::Request, at, &GET.repeat(3), &mut out);
    connection.feed(Direction::Response, at + 1, OK, &mut out);
    // Two real exchanges, each answered: as far as can be told, those are the other two's answers.
    for later in 1..=2 {
        connection.feed(Direction::Request, at + 10 * later, GET, &mut out);
        connection.feed(Direction::Response, at + 10 * later + 1, OK, &mut out);
    }
    assert_eq!(out.iter().map(|x| x.resynchronised).collect::<Vec<_>>(), [true; 3]);
    assert_eq!(connection.pending(), 2);
}

#[test]
fn what_fails_after_a_request_was_answered_is_searched_for_again() {
    let (mut connection, mut out) = lost();
    let at = 10 + RESYNC_QUIET_NS;
    connection.feed(Direction::Request, at, &[GET, b"rest of a body\n\n"].concat(), &mut out);
    connection.feed(Direction::Response, at + 1, OK, &mut out);
    assert_eq!((out.len(), connection.blind()), (0, None));
    connection.feed(Direction::Request, at + 2, GET, &mut out);
    connection.feed(Direction::Response, at + 3, OK, &mut out);
    assert_eq!(out.iter().map(|x| x.resynchronised).collect::<Vec<_>>(), [true]);
}

#[test]
fn what_nobody_answers_was_no_request() {
    let at = 10 + RESYNC_QUIET_NS;
    let finish: [fn(&mut Http1, u64, &mut Vec<Exchange>); 6] = [
        |connection, _, out| connection.closed(out),
        |connection, at, out| connection.give_up(at, End::RecordingStopped, out),
        |connection, at, out| connection.lost(at, out),
        |connection, at, out| connection.ended(Direction::Response, Ending::Eof, at, out),
        // The rest of an upload, and the rest of an answer.
        |connection, at, out| connection.feed(Direction::Request, at, b"more of the body\n\n", out),
        |connection, at, out| connection.feed(Direction::Response, at, b"more of the answer\n\n", out),
    ];
    for (number, finish) in finish.iter().enumerate() {
        let (mut connection, mut out) = lost();
        connection.feed(Direction::Request, at, GET, &mut out);
        assert_eq!(connection.pending(), 1);
        finish(&mut connection, at + 1, &mut out);
        assert_eq!((out.len(), connection.pending(), connection.held_bytes()), (0, 0, 0), "{number}");
        assert!(connection.unread_bytes() >= GET.len() as u64, "{number}");
        // And the search goes on.
        if number >= 4 {
            let later = at + 1 + RESYNC_QUIET_NS;
            connection.feed(Direction::Request, later, GET, &mut out);
            connection.feed(Direction::Response, later, OK, &mut out);
            assert_eq!(out.len(), 1);
        }
    }
    // A response that begins before the request's head is whole answers something else.
    let (mut connection, mut out) = lost();
    connection.feed(Direction::Request, at, b"GET /a HTT", &mut out);
    connection.feed(Direction::Response, at, OK, &mut out);
    connection.feed(Direction::Request, at, b"P/1.1\r\n\r\n", &mut out);
    connection.closed(&mut out);
    assert_eq!(out.len(), 0);
}

#[test]
fn a_blind_connection_stays_so() {
    let mut connection = Http1::new(1, Limits::default());
    let mut out = Vec::new();
    connection.feed(Direction::Request, 1, b"\0\0\n\n", &mut out);
    connection.lost(2, &mut out);
    connection.feed(Direction::Request, 3 * RESYNC_QUIET_NS, GET, &mut out);
    assert_eq!(connection.blind(), Some(Blind::NotUnderstood(WireError::StartLine)));
    assert_eq!((connection.pending(), connection.unread_bytes()), (0, GET.len() as u64));
}
