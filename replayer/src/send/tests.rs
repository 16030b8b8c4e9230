use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use rtrb::RingBuffer;

use super::*;
use crate::clock::Clock;
use crate::job::tests::job;
use crate::job::{ErrorKind, Job, Shed};

const MS: u64 = 1_000_000;

/// A target whose every connection is served by `serve` on a thread of its own, with its number.
fn target(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for (number, socket) in listener.incoming().enumerate() {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(number, socket.unwrap()));
        }
    });
    address
}

/// Reads one head; empty at the end of the stream.
fn read_head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(head).unwrap()
}

fn ok(mut socket: TcpStream) {
    while !read_head(&mut socket).is_empty() {
        if socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").is_err() {
            break;
        }
    }
}

fn options(address: SocketAddr) -> SendOptions {
    SendOptions { address, timeout_ns: 2_000 * MS, connect_timeout_ns: 2_000 * MS, in_flight_max: 1_000 }
}

/// Sends GETs: each (due in ms, slot, path).
fn send(options: SendOptions, requests: &[(u64, u32, &str)]) -> (Vec<Job>, Arc<Counters>) {
    let (mut opens_in, opens) = RingBuffer::new(1_000);
    let (mut jobs_in, jobs) = RingBuffer::new(1_000);
    let (outcomes_in, mut outcomes) = RingBuffer::new(1_000);
    for (position, (due_ms, slot, path)) in requests.iter().enumerate() {
        if !requests[..position].iter().any(|earlier| earlier.1 == *slot) {
            opens_in.push(Open { slot: u64::from(*slot), target: 0, due_ns: due_ms * MS }).unwrap();
        }
        let next = requests[position + 1..].iter().find(|later| later.1 == *slot).map(|later| later.0 * MS);
        let mut job = job(due_ms * MS, u64::from(*slot), format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        job.facts.position = position as u64;
        job.next_in_slot_ns = next;
        jobs_in.push(job).unwrap();
    }
    drop(jobs_in);
    let counters = Arc::new(Counters::default());
    let (clock, stop) = (Clock::start(), Arc::new(Stop::default()));
    Engine::new(clock, 50 * MS, options, opens, jobs, outcomes_in, Arc::clone(&counters), stop).unwrap().run().unwrap();
    let mut out: Vec<Job> = std::iter::from_fn(|| outcomes.pop().ok().map(|job| *job)).collect();
    out.sort_by_key(|outcome| outcome.facts.position);
    (out, counters)
}

fn errors(outcomes: &[Job]) -> Vec<Option<ErrorKind>> {
    outcomes.iter().map(|outcome| outcome.progress.error).collect()
}

fn opened(counters: &Counters) -> (u64, u64) {
    (counters.opened.load(Ordering::Relaxed), counters.extra.load(Ordering::Relaxed))
}

#[test]
fn one_slot_keeps_one_connection_and_sends_no_request_early() {
    let (outcomes, counters) =
        send(options(target(|_, socket| ok(socket))), &[(0, 0, "/a"), (20, 0, "/b"), (40, 0, "/c")]);
    assert_eq!(opened(&counters), (1, 0));
    for outcome in &outcomes {
        assert_eq!(
            (outcome.progress.status, outcome.progress.error, outcome.progress.was_busy),
            (Some(200), None, false)
        );
        let (due_ns, outcome) = (outcome.due_ns, outcome.progress);
        let dispatched = outcome.dispatched_ns.unwrap();
        assert!(due_ns <= dispatched && dispatched <= outcome.written_ns.unwrap(), "{outcome:?}");
        assert!(outcome.written_ns.unwrap() <= outcome.first_byte_ns.unwrap(), "{outcome:?}");
        assert!(outcome.first_byte_ns.unwrap() <= outcome.done_ns, "{outcome:?}");
        assert_eq!((outcome.bytes_out, outcome.bytes_in), (28, 40));
    }
}

#[test]
fn a_busy_connection_gets_company_and_a_hanging_one_delays_nobody() {
    let hangs_once = |mut socket: TcpStream| {
        if read_head(&mut socket).contains("/hang") {
            read_head(&mut socket); // until the sender gives up
        } else {
            socket.write_all(b"HTTP/1.1 204 No\r\n\r\n").unwrap();
            ok(socket);
        }
    };
    let slow = SendOptions { timeout_ns: 300 * MS, ..options(target(move |_, socket| hangs_once(socket))) };
    let (outcomes, counters) = send(slow, &[(0, 0, "/hang"), (20, 0, "/b"), (40, 0, "/c"), (60, 1, "/d")]);
    assert_eq!(errors(&outcomes), [Some(ErrorKind::Timeout), None, None, None]);
    assert_eq!(opened(&counters), (3, 1));
    assert!(outcomes[1].progress.was_busy && !outcomes[2].progress.was_busy);
    // The one that hung ends at its timeout, with its full age; the others long before.
    assert!(outcomes[0].progress.done_ns >= 300 * MS, "{:?}", outcomes[0]);
    assert!(outcomes[1..].iter().all(|outcome| outcome.progress.done_ns < 300 * MS), "{outcomes:?}");
}

#[test]
fn every_way_to_fail_has_its_name() {
    let address = target(|_, mut socket| {
        let head = read_head(&mut socket);
        let answer: &[u8] = match head.split(' ').nth(1).unwrap_or("") {
            "/closed" => b"",
            "/truncated" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            "/protocol" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
            "/until-close" => b"HTTP/1.1 200 OK\r\n\r\nall of it",
            _ => b"HTTP/1.1 302 Found\r\nLocation: /Login?x\r\nContent-Length: 0\r\n\r\n",
        };
        socket.write_all(answer).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        while !read_head(&mut socket).is_empty() {}
    });
    let paths = ["/closed", "/truncated", "/protocol", "/until-close", "/login"];
    let requests: Vec<_> = (0..).zip(paths).map(|(slot, path)| (5, slot, path)).collect();
    let (outcomes, _) = send(options(address), &requests);
    let expected = [Some(ErrorKind::Closed), Some(ErrorKind::Truncated), Some(ErrorKind::Protocol), None, None];
    assert_eq!(errors(&outcomes), expected);
    assert_eq!(
        outcomes.iter().map(|outcome| outcome.progress.login).collect::<Vec<_>>(),
        [false, false, false, false, true]
    );
}

#[test]
fn a_refusing_target_is_an_error_of_each_request() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (outcomes, _) = send(options(address), &[(0, 0, "/"), (10, 0, "/")]);
    assert_eq!(errors(&outcomes), [Some(ErrorKind::Refused); 2]);
    assert!(outcomes.iter().all(|outcome| outcome.progress.dispatched_ns.is_none() && outcome.progress.bytes_out == 0));
}

#[test]
fn a_target_that_closes_after_each_answer_gets_a_new_connection_ahead_of_the_next_request() {
    let address = target(|_, mut socket| {
        read_head(&mut socket);
        socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let (outcomes, counters) = send(options(address), &[(0, 0, "/"), (30, 0, "/"), (60, 0, "/")]);
    assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 3], (3, 0)));
}

#[test]
fn an_idle_connection_that_the_target_closed_is_replaced() {
    let (closed, is_closed): (_, Receiver<()>) = sync_channel(1);
    let address = target(move |number, mut socket| {
        if number == 0 {
            read_head(&mut socket);
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            drop(socket);
            closed.send(()).unwrap();
        } else {
            ok(socket);
        }
    });
    let (outcomes, counters) = send(options(address), &[(0, 0, "/a"), (80, 0, "/b")]);
    is_closed.recv().unwrap();
    assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 2], (2, 0)));
}

#[test]
fn the_bound_on_requests_in_flight_sheds_and_says_so() {
    let address = target(|_, mut socket| while !read_head(&mut socket).is_empty() {});
    let bounded = SendOptions { in_flight_max: 2, timeout_ns: 200 * MS, ..options(address) };
    let (outcomes, _) = send(bounded, &[(0, 0, "/"), (1, 1, "/"), (2, 2, "/")]);
    assert_eq!(
        outcomes.iter().map(|outcome| outcome.progress.shed).collect::<Vec<_>>(),
        [None, None, Some(Shed::MaxInFlight)]
    );
    assert_eq!(outcomes[2].progress.error, None);
}
