//! The capture path without a relay: what is put into the tap, and what is in the session then.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use formats::model::{Exchange, Gap};
use formats::redact::RedactionKey;
use formats::session::{Event, Session, SessionHeader, WriterOptions};
use formats::wire::{Direction, Ending};

use super::*;
use crate::clock::Clock;
use crate::tap::{ConnectionTap, TapLimits};

/// Panics where a test asks for it, by the request's target: no other way leads into a defect that is not there.
pub(super) fn fault(place: &str, exchange: &Exchange) {
    let target = format!("GET /panic-in-{place} ");
    assert!(!exchange.request.head.starts_with(target.as_bytes()), "asked for");
}

#[expect(clippy::disallowed_methods, reason = "looks again until the deadline")]
#[track_caller]
fn wait_for(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}

struct Bench {
    tap: Arc<Tap>,
    _folder: tempfile::TempDir,
    session: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let session = folder.path().join("session");
        Self { tap: Tap::new(TapLimits::default(), Clock::start()), _folder: folder, session }
    }

    fn start(&self, more: impl FnOnce(&mut CaptureOptions)) -> Capture {
        let key = RedactionKey::from_secret(&[b'1'; 64]).unwrap();
        let mut options = CaptureOptions {
            redactor: Redactor::new(&key),
            clients: ClientKeys::new(vec!["header:user".parse().unwrap()], &key),
            selection: Selection::default(),
            limits: Limits::default(),
            parser_bytes_max: 1 << 20,
            backlog_bytes_max: 1 << 20,
            breaker: BreakerOptions::default(),
            store: StoreOptions { flush_interval_ns: 10_000_000, ..StoreOptions::default() },
        };
        more(&mut options);
        let writer = SessionWriter::create(&self.session, SessionHeader::default(), WriterOptions::default()).unwrap();
        Capture::start(Arc::clone(&self.tap), writer, options).unwrap()
    }
}

/// One request and its answer of 100 bytes.
fn exchange(connection: &ConnectionTap, request: &str) {
    connection.bytes(Direction::Request, format!("{request}\r\n\r\n").as_bytes());
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "x".repeat(100));
    connection.bytes(Direction::Response, answer.as_bytes());
}

fn read(session: &Path) -> (Vec<Exchange>, Vec<Gap>) {
    let (mut exchanges, mut gaps) = (Vec::new(), Vec::new());
    for event in Session::open(session).unwrap().events() {
        match event.unwrap() {
            Event::Exchange(exchange) => exchanges.push(*exchange),
            Event::Gap(gap) => gaps.push(gap),
            Event::Damage(damage) => panic!("{damage:?}"),
            Event::Unfinished { .. } | Event::Index(_) | Event::Ended { .. } => {}
        }
    }
    (exchanges, gaps)
}

fn targets(exchanges: &[Exchange]) -> Vec<String> {
    let target = |head: &Bytes| String::from_utf8_lossy(head).split(' ').nth(1).unwrap_or_default().to_owned();
    exchanges.iter().map(|exchange| target(&exchange.request.head)).collect()
}

#[test]
fn a_defect_in_reading_costs_what_was_under_way() {
    let bench = Bench::new();
    let capture = bench.start(|_| {});
    let (one, two) = (bench.tap.open(1, None, None), bench.tap.open(2, None, None));
    exchange(&one, "GET /before HTTP/1.1");
    wait_for(|| capture.status().written.exchanges == 1);
    // It has no answer yet.
    two.bytes(Direction::Request, b"GET /under-way HTTP/1.1\r\n\r\n");
    wait_for(|| capture.status().parser_bytes > 0);
    exchange(&one, "GET /panic-in-reader HTTP/1.1");
    wait_for(|| bench.tap.losses().of(GapReason::Panicked).connections > 0);
    assert_eq!(bench.tap.losses().of(GapReason::Panicked).exchanges, 2, "that, and the one under way");
    exchange(&two, "GET /taken-up HTTP/1.1");
    let three = bench.tap.open(3, None, None);
    exchange(&three, "GET /after HTTP/1.1");
    wait_for(|| capture.status().written.exchanges >= 2);
    let captured = capture.stop();
    assert_eq!(captured.gaps.get(&GapReason::Panicked).unwrap().connections, 2, "{captured:?}");
    let (exchanges, gaps) = read(&bench.session);
    assert!(targets(&exchanges).contains(&"/before".to_owned()) && targets(&exchanges).contains(&"/after".to_owned()));
    assert!(gaps.iter().any(|gap| gap.reason == GapReason::Panicked));
}

#[test]
fn a_defect_in_storing_costs_a_batch_and_the_session_goes_on() {
    let bench = Bench::new();
    let capture = bench.start(|_| {});
    let one = bench.tap.open(1, None, None);
    exchange(&one, "GET /before HTTP/1.1");
    wait_for(|| capture.status().written.exchanges == 1);
    // It may be written and not flushed yet; the next flush has it.
    let flushed_ns = capture.status().flushed_ns;
    wait_for(|| capture.status().flushed_ns > flushed_ns);
    exchange(&one, "GET /panic-in-store HTTP/1.1");
    wait_for(|| capture.status().failures == 1);
    exchange(&one, "GET /down HTTP/1.1");
    wait_for(|| capture.status().written.segments == 2);
    exchange(&one, "GET /after HTTP/1.1");
    wait_for(|| capture.status().written.exchanges >= 2);
    let captured = capture.stop();
    assert_eq!((captured.failures, captured.written.segments), (1, 2));
    let (exchanges, gaps) = read(&bench.session);
    // A reader that is kept off until the store is back finds it there: then what came meanwhile is no loss.
    let kept = targets(&exchanges);
    let expected: &[&str] = if kept.len() == 3 { &["/before", "/down", "/after"] } else { &["/before", "/after"] };
    assert_eq!(kept, expected);
    let missing: u64 = gaps.iter().map(|gap| gap.exchanges).sum();
    let counted = captured.gaps.get(&GapReason::Panicked).unwrap().exchanges;
    assert_eq!((missing, counted), (4 - kept.len() as u64, 4 - kept.len() as u64), "{gaps:?}");
    assert_eq!(capture_bytes_left(&bench), 0);
}

/// Whatever happens, no room is lost.
fn capture_bytes_left(bench: &Bench) -> usize {
    bench.tap.queued_bytes()
}

#[test]
fn when_the_store_is_behind_bodies_go_first_and_then_exchanges() {
    let bench = Bench::new();
    // All of it waits before anybody looks: one batch, which no store can take any of.
    bench.tap.start();
    let connection = bench.tap.open(1, None, None);
    (0..30).for_each(|_| exchange(&connection, "GET / HTTP/1.1"));
    let capture = bench.start(|options| options.backlog_bytes_max = 10_000);
    wait_for(|| capture.status().connections == 0 || capture.status().written.exchanges > 0);
    let captured = capture.stop();
    let gap = |reason| captured.gaps.get(&reason).copied().unwrap_or_default();
    let (bodiless, lost) = (gap(GapReason::BodiesDropped), gap(GapReason::BacklogFull));
    assert!(bodiless.exchanges > 0 && lost.exchanges > 0, "{captured:?}");
    assert_eq!(captured.written.exchanges + lost.exchanges, 30);
    assert_eq!(bodiless.bytes, bodiless.exchanges * 100);
    let (exchanges, _) = read(&bench.session);
    let without = |exchange: &&Exchange| exchange.response.as_ref().unwrap().body.is_truncated();
    assert_eq!(exchanges.iter().filter(without).count() as u64, bodiless.exchanges);
}

#[test]
fn a_budget_of_exchanges_is_kept_to_the_letter() {
    let bench = Bench::new();
    let capture = bench.start(|options| options.store.budget.exchanges = Some(3));
    let connection = bench.tap.open(1, None, None);
    (0..5).for_each(|_| exchange(&connection, "GET / HTTP/1.1"));
    wait_for(|| capture.status().budget_is_used && capture.status().skipped.past_budget == 2);
    let captured = capture.stop();
    assert_eq!((captured.written.exchanges, captured.skipped.past_budget), (3, 2));
    assert!(captured.gaps.is_empty(), "{captured:?}");
}

#[test]
fn what_is_not_chosen_is_counted_and_whole_clients_are_sampled() {
    let bench = Bench::new();
    let capture = bench.start(|options| {
        options.selection.exclude = vec!["/health*".parse().unwrap()];
        options.selection.sample = Some("50%".parse().unwrap());
    });
    let connection = bench.tap.open(1, None, None);
    for user in 0..100 {
        for _ in 0..3 {
            exchange(&connection, &format!("GET /{user} HTTP/1.1\r\nUser: {user}"));
        }
    }
    exchange(&connection, "GET /health HTTP/1.1");
    wait_for(|| capture.status().skipped.filtered == 1);
    let captured = capture.stop();
    let kept = captured.written.exchanges;
    assert_eq!((kept + captured.skipped.sampled_out, kept % 3), (300, 0));
    assert!((90..210).contains(&kept), "{kept}");
    let mut users = targets(&read(&bench.session).0);
    users.dedup();
    assert_eq!(users.len() as u64, kept / 3, "whole users");
}

#[test]
fn a_disk_with_too_little_room_stops_capturing_cleanly() {
    let bench = Bench::new();
    let capture = bench.start(|options| options.store.disk.free_bytes_min = u64::MAX);
    let connection = bench.tap.open(1, None, None);
    exchange(&connection, "GET /first HTTP/1.1");
    wait_for(|| capture.status().is_down);
    exchange(&connection, "GET /second HTTP/1.1");
    let lost = || bench.tap.losses().of(GapReason::DiskFloor).exchanges;
    wait_for(|| capture.status().written.exchanges + lost() == 2);
    let captured = capture.stop();
    assert!(captured.failure.as_ref().unwrap().contains("free"), "{captured:?}");
    assert!(captured.gaps.get(&GapReason::DiskFloor).unwrap().exchanges > 0);
    // The segment was closed as it should be: nothing is unfinished.
    let events: Vec<Event> = Session::open(&bench.session).unwrap().events().map(Result::unwrap).collect();
    assert!(!events.iter().any(|event| matches!(event, Event::Unfinished { .. })), "{events:?}");
    assert_eq!(read(&bench.session).0.len() as u64, captured.written.exchanges);
}

#[test]
fn segments_rotate_when_asked_and_old_ones_are_deleted() {
    let bench = Bench::new();
    let capture = bench.start(|options| options.store.disk.keep_bytes_max = Some(1));
    let connection = bench.tap.open(1, None, None);
    for number in 1..=3 {
        exchange(&connection, "GET / HTTP/1.1");
        wait_for(|| capture.status().written.exchanges == number);
        capture.rotate();
        wait_for(|| capture.status().segments_deleted == number);
    }
    connection.ended(Direction::Request, Ending::Eof);
    let captured = capture.stop();
    assert_eq!((captured.written.exchanges, captured.written.segments, captured.segments_deleted), (3, 4, 3));
    assert_eq!(Session::open(&bench.session).unwrap().segments().len(), 1);
}

#[test]
fn segments_rotate_by_time() {
    let bench = Bench::new();
    let capture = bench.start(|options| options.store.disk.rotate_interval_ns = Some(20_000_000));
    wait_for(|| capture.status().written.segments >= 4);
    assert!(capture.stop().failure.is_none());
    assert!(read(&bench.session).1.is_empty());
}

#[test]
fn a_second_session_takes_up_open_connections() {
    let bench = Bench::new();
    let connection = bench.tap.open(1, None, None);
    exchange(&connection, "GET /nobody-looks HTTP/1.1");
    let capture = bench.start(|_| {});
    let later = bench.tap.open(2, None, None);
    exchange(&later, "GET /seen HTTP/1.1");
    wait_for(|| capture.status().written.exchanges == 1);
    let captured = capture.stop();
    assert!(captured.gaps.is_empty(), "{captured:?}");
    assert_eq!(targets(&read(&bench.session).0), ["/seen"]);
}

#[test]
fn what_passes_unread_until_the_end_is_counted_in_its_own_session() {
    let bench = Bench::new();
    let capture = bench.start(|_| {});
    let connection = bench.tap.open(1, None, None);
    connection.bytes(Direction::Request, b"\0 no HTTP\n\n");
    wait_for(|| bench.tap.losses().of(GapReason::NotUnderstood).connections == 1);
    connection.bytes(Direction::Request, &[0; 1_000]);
    let counted = |captured: &Captured| captured.gaps.get(&GapReason::NotUnderstood).unwrap().bytes;
    assert!((1_000..1_100).contains(&counted(&capture.stop())), "the connection is still open");
    let again = Bench { tap: Arc::clone(&bench.tap), ..Bench::new() };
    let capture = again.start(|_| {});
    connection.bytes(Direction::Request, b"x");
    wait_for(|| capture.status().connections == 1);
    let gaps = capture.stop().gaps;
    assert!(gaps.get(&GapReason::NotUnderstood).is_none_or(|missing| missing.bytes < 100), "{gaps:?}");
}

#[test]
fn a_defect_counts_everything_that_was_let_go() {
    let bench = Bench::new();
    // All of it waits before anybody looks: one batch.
    bench.tap.start();
    let connection = bench.tap.open(1, None, None);
    for target in ["/first", "/panic-in-store", "/third", "/fourth"] {
        exchange(&connection, &format!("GET {target} HTTP/1.1"));
    }
    let capture = bench.start(|options| options.store.flush_interval_ns = 20_000_000_000);
    wait_for(|| capture.status().is_down);
    let captured = capture.stop();
    // The first was in the block that was let go with the batch.
    assert_eq!(captured.gaps.get(&GapReason::Panicked).unwrap().exchanges, 4, "{captured:?}");
    assert_eq!(captured.written.exchanges, 0);
    let gaps: u64 = read(&bench.session).1.iter().map(|gap| gap.exchanges).sum();
    assert_eq!(gaps, 4);
}

#[test]
fn a_defect_in_reading_counts_the_exchanges_that_were_ready() {
    let bench = Bench::new();
    bench.tap.start();
    let connection = bench.tap.open(1, None, None);
    connection.bytes(Direction::Request, b"GET /panic-in-reader HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    connection.bytes(Direction::Response, answer.repeat(2).as_bytes());
    let capture = bench.start(|_| {});
    wait_for(|| bench.tap.losses().of(GapReason::Panicked).connections > 0);
    assert_eq!(capture.stop().gaps.get(&GapReason::Panicked).unwrap().exchanges, 2);
}

#[test]
fn a_gap_that_waits_for_the_disk_begins_when_it_began() {
    let bench = Bench::new();
    let capture = bench.start(|_| {});
    let one = bench.tap.open(1, None, None);
    exchange(&one, "GET /panic-in-store HTTP/1.1");
    wait_for(|| capture.status().failures == 1);
    bench.tap.losses().add_bytes(GapReason::QueueFull, 5);
    let lost_ns = bench.tap.clock().now_ns();
    wait_for(|| capture.status().written.segments == 2);
    let _ = capture.stop();
    let gaps = read(&bench.session).1;
    let gap = gaps.iter().find(|gap| gap.reason == GapReason::QueueFull).unwrap();
    assert!(gap.from_ns <= lost_ns && lost_ns <= gap.to_ns, "{gap:?} {lost_ns}");
}
