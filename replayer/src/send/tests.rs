//! Engines against real loopback sockets. Order and relations are tested, not durations.

mod answers;
mod busy;
mod hostile;
mod loops;
mod rests;
mod room;
mod stops;
mod tempo;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};

use rtrb::{Producer, RingBuffer};

use super::*;
use crate::clock::Clock;
use crate::dial::{DialOptions, Dialer, TlsOptions};
use crate::job::tests::job;
use crate::job::{ErrorKind, Job, Shed};
use crate::target::Target;
use crate::tempo::Tempo;

const MS: u64 = 1_000_000;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

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
        if socket.write_all(OK).is_err() {
            break;
        }
    }
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or("")
}

fn options() -> SendOptions {
    SendOptions { timeout_ns: 2_000 * MS, in_flight_max: 1_000, ..SendOptions::new() }
}

/// GETs: each (due in ms, slot, path), one life for each slot.
fn requests(all: &[(u64, u64, &str)]) -> Vec<Box<Job>> {
    let jobs = all.iter().map(|(due_ms, slot, path)| {
        job(due_ms * MS, *slot, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
    });
    jobs.collect()
}

type Secured = rustls::StreamOwned<rustls::ServerConnection, TcpStream>;

/// A target that speaks TLS with a certificate of its own making.
fn secured(serve: impl Fn(Secured) + Send + Sync + 'static) -> SocketAddr {
    let own = rcgen::generate_simple_self_signed(vec!["shop.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    let config = Arc::new(config);
    target(move |_, socket| {
        let server = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        serve(rustls::StreamOwned::new(server, socket));
    })
}

fn read_secured_head(stream: &mut Secured) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A target that is known by the name in that certificate.
fn https(address: SocketAddr) -> Target {
    let there = format!("shop.test:{}:{}", address.port(), address.ip()).parse().unwrap();
    Target::parse(&format!("https://shop.test:{}", address.port())).unwrap().look_up(&[there]).unwrap()
}

fn insecure(dial: &mut DialOptions) {
    dial.tls = TlsOptions { insecure: true, ..TlsOptions::default() };
}

/// An engine with a feed that the test holds.
struct Rig {
    engine: Engine,
    outcomes: rtrb::Consumer<Box<Job>>,
    counters: Arc<Counters>,
    stop: Arc<Stop>,
    tempo: Arc<Tempo>,
}

fn rig(options: SendOptions, address: SocketAddr) -> (Rig, Producer<Box<Job>>, Producer<SlotNews>) {
    rigs(options, vec![Target::resolve(&format!("http://{address}")).unwrap()], |_| {}).remove(0)
}

/// As many engines as the options say.
fn rigs(
    options: SendOptions,
    targets: Vec<Target>,
    change: impl FnOnce(&mut DialOptions),
) -> Vec<(Rig, Producer<Box<Job>>, Producer<SlotNews>)> {
    let clock = Clock::start();
    let mut dial = DialOptions::new(clock);
    change(&mut dial);
    let (counters, stop, tempo) = (Arc::new(Counters::default()), Arc::new(Stop::default()), Arc::<Tempo>::default());
    let handles = Dialer::start(targets, dial, options.threads.get()).unwrap();
    let one = |(index, dial)| {
        let (jobs_in, jobs) = RingBuffer::new(10_000);
        let (news_in, news) = RingBuffer::new(10_000);
        let (outcomes_in, outcomes) = RingBuffer::new(10_000);
        let (counters, stop, tempo) = (Arc::clone(&counters), Arc::clone(&stop), Arc::clone(&tempo));
        let parts = EngineParts {
            index,
            clock,
            start_ns: 50 * MS,
            options,
            jobs,
            news,
            outcomes: outcomes_in,
            dial,
            counters: Arc::clone(&counters),
            stop: Arc::clone(&stop),
            tempo: Arc::clone(&tempo),
            authorization: None,
        };
        (Rig { engine: Engine::new(parts).unwrap(), outcomes, counters, stop, tempo }, jobs_in, news_in)
    };
    handles.into_iter().enumerate().map(one).collect()
}

/// Requests as a feed has them: with their positions and the slots' next requests.
fn placed(mut jobs: Vec<Box<Job>>) -> Vec<Box<Job>> {
    let due: Vec<(u64, u64, u64)> = jobs.iter().map(|job| (job.slot, job.due_ns, job.life)).collect();
    for (position, job) in jobs.iter_mut().enumerate() {
        job.facts.position = position as u64;
        job.facts.seq = 100 + position as u64;
        job.next_in_slot_ns = due[position + 1..].iter().find(|later| later.0 == job.slot).map(|later| later.1);
        job.life_ends_ns = due.iter().filter(|one| one.2 == job.life).map(|one| one.1).max().unwrap();
    }
    jobs
}

/// Hands requests over as a feed does, and, `ahead`, their news.
fn feed(jobs: Vec<Box<Job>>, ring: &mut Producer<Box<Job>>, news: Option<&mut Producer<SlotNews>>) {
    let jobs = placed(jobs);
    if let Some(news) = news {
        for (position, job) in jobs.iter().enumerate() {
            if jobs[..position].iter().all(|earlier| earlier.slot != job.slot) {
                news.push(SlotNews::Begins { slot: job.slot, target: job.target, due_ns: job.due_ns }).unwrap();
            }
        }
    }
    jobs.into_iter().for_each(|job| ring.push(job).unwrap());
}

impl Rig {
    /// Runs to the end; outcomes in the order in which they were fed.
    fn run(self) -> (Vec<Box<Job>>, Arc<Counters>) {
        let Self { engine, mut outcomes, counters, .. } = self;
        engine.run().unwrap();
        let mut out: Vec<Box<Job>> = std::iter::from_fn(|| outcomes.pop().ok()).collect();
        out.sort_by_key(|outcome| outcome.facts.position);
        let now =
            [&counters.in_flight, &counters.parked, &counters.outcomes_lost].map(|one| one.load(Ordering::Relaxed));
        assert_eq!(now, [0; 3], "in flight, parked, lost after the end");
        (out, counters)
    }
}

fn send_all(options: SendOptions, address: SocketAddr, jobs: Vec<Box<Job>>) -> (Vec<Box<Job>>, Arc<Counters>) {
    let count = jobs.len();
    let (rig, mut ring, mut news) = rig(options, address);
    feed(jobs, &mut ring, Some(&mut news));
    drop((ring, news));
    let (outcomes, counters) = rig.run();
    assert_eq!(outcomes.len(), count, "each request has one outcome");
    (outcomes, counters)
}

fn send(options: SendOptions, address: SocketAddr, all: &[(u64, u64, &str)]) -> (Vec<Box<Job>>, Arc<Counters>) {
    send_all(options, address, requests(all))
}

fn errors(outcomes: &[Box<Job>]) -> Vec<Option<ErrorKind>> {
    outcomes.iter().map(|outcome| outcome.progress.error).collect()
}

fn sheds(outcomes: &[Box<Job>]) -> Vec<Option<Shed>> {
    outcomes.iter().map(|outcome| outcome.progress.shed).collect()
}

fn opened(counters: &Counters) -> (u64, u64, u64) {
    let [opened, extra, not_ahead] =
        [&counters.opened, &counters.extra, &counters.not_ahead].map(|one| one.load(Ordering::Relaxed));
    (opened, extra, not_ahead)
}

fn dispatched(job: &Job) -> u64 {
    job.progress.dispatched_ns.unwrap()
}

#[test]
fn one_slot_keeps_one_connection_and_sends_no_request_early() {
    let address = target(|_, socket| ok(socket));
    let (outcomes, counters) = send(options(), address, &[(0, 0, "/a"), (20, 0, "/b"), (40, 0, "/c")]);
    assert_eq!(opened(&counters), (1, 0, 0));
    for outcome in &outcomes {
        let (due_ns, outcome) = (outcome.due_ns, &outcome.progress);
        assert_eq!((outcome.status, outcome.error, outcome.was_busy), (Some(200), None, false));
        assert_eq!((outcome.released_ns, outcome.held_by_seq, outcome.busy_ns), (due_ns, None, 0));
        let dispatched = outcome.dispatched_ns.unwrap();
        assert!(due_ns <= dispatched && dispatched <= outcome.written_ns.unwrap(), "{outcome:?}");
        assert!(outcome.written_ns.unwrap() <= outcome.first_byte_ns.unwrap(), "{outcome:?}");
        assert!(outcome.first_byte_ns.unwrap() <= outcome.done_ns, "{outcome:?}");
        assert_eq!((outcome.bytes_out, outcome.bytes_in), (28, 40));
    }
}

#[test]
fn no_request_is_early_however_close_it_is_to_others() {
    let address = target(|_, socket| ok(socket));
    let all: Vec<_> = (0..100).map(|number| (number, number % 10, "/")).collect();
    let (outcomes, _) = send(options(), address, &all);
    assert_eq!(errors(&outcomes), vec![None; 100]);
    assert!(outcomes.iter().all(|outcome| outcome.due_ns <= dispatched(outcome)), "{outcomes:?}");
}

#[test]
fn spinning_sends_no_request_early_either() {
    let address = target(|_, socket| ok(socket));
    let (outcomes, _) = send(SendOptions { spin_ns: 5 * MS, ..options() }, address, &[(0, 0, "/"), (20, 0, "/")]);
    assert_eq!(errors(&outcomes), [None; 2]);
    assert!(outcomes.iter().all(|outcome| outcome.due_ns <= dispatched(outcome)), "{outcomes:?}");
}

#[test]
fn an_endless_answer_and_many_readable_sockets_delay_nobody() {
    // The endless answer ends only when all others were answered, and so much later that whoever looks at all of its sockets
    // has read them: no buffers of a connection hold so much.
    const MORE: usize = 32 << 20;
    let answered = AtomicUsize::new(0);
    let address = target(move |_, mut socket| {
        let head = read_head(&mut socket);
        if path(&head) == "/endless" {
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let piece = vec![b'x'; 1 << 20];
            while answered.load(Relaxed) < 100 {
                socket.write_all(&piece).unwrap();
            }
            (0..MORE / piece.len()).for_each(|_| socket.write_all(&piece).unwrap());
        } else {
            socket.write_all(OK).unwrap();
            answered.fetch_add(1, Relaxed);
            ok(socket);
        }
    });
    let mut all = vec![(0, 0, "/endless")];
    all.extend((1..=100).map(|number| (20 + number / 10, number, "/")));
    let (outcomes, _) = send(SendOptions { timeout_ns: 20_000 * MS, ..options() }, address, &all);
    assert_eq!(errors(&outcomes), vec![None; 101]);
    assert!(outcomes[0].progress.bytes_in > 1 << 20);
    assert!(outcomes[1..].iter().all(|outcome| outcome.progress.done_ns < outcomes[0].progress.done_ns));
}

#[test]
fn a_refusing_target_is_an_error_of_each_request() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (outcomes, counters) = send(options(), address, &[(0, 0, "/"), (10, 0, "/")]);
    assert_eq!(errors(&outcomes), [Some(ErrorKind::Refused); 2]);
    assert!(outcomes.iter().all(|outcome| outcome.progress.dispatched_ns.is_none() && outcome.progress.bytes_out == 0));
    assert_eq!(opened(&counters).0, 0);
}

#[test]
fn a_connection_is_there_before_its_request_is_due_and_a_request_that_finds_none_says_so() {
    let (came, comes): (_, Receiver<()>) = sync_channel(1);
    let address = target(move |_, socket| {
        came.send(()).unwrap();
        ok(socket);
    });
    let (one, mut ring, mut news) = rig(options(), address);
    let fed = std::thread::spawn(move || {
        // The request is handed over only when the connection is there.
        news.push(SlotNews::Begins { slot: 0, target: 0, due_ns: 450 * MS }).unwrap();
        comes.recv().unwrap();
        feed(requests(&[(450, 0, "/")]), &mut ring, None);
    });
    let (outcomes, counters) = one.run();
    fed.join().unwrap();
    assert_eq!((errors(&outcomes), opened(&counters)), (vec![None], (1, 0, 0)));

    let (rig, mut ring, news) = rig(options(), target(|_, socket| ok(socket)));
    feed(requests(&[(0, 0, "/"), (30, 0, "/")]), &mut ring, None);
    drop((ring, news));
    let (outcomes, counters) = rig.run();
    assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 2], (1, 0, 1)));
    let first = &outcomes[0];
    assert!(first.progress.released_ns == first.due_ns && first.due_ns < dispatched(first), "its wait is lag");
}

#[test]
fn a_slot_that_is_over_although_it_promised_more_is_closed_at_once() {
    let (ended, ends) = sync_channel(4);
    let address = target(move |_, socket| {
        ok(socket);
        ended.send(()).unwrap();
    });
    let (one, mut ring, mut news) = rig(options(), address);
    let fed = std::thread::spawn(move || {
        let mut jobs = requests(&[(0, 0, "/"), (20, 1, "/"), (40, 1, "/")]);
        let last = jobs.split_off(2);
        // Both promise another request, as a feed does that does not know.
        for mut job in jobs {
            job.next_in_slot_ns = Some(1_000_000 * MS);
            ring.push(job).unwrap();
        }
        news.push(SlotNews::Ends { slot: 0, last_due_ns: 0 }).unwrap();
        ends.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        feed(last, &mut ring, None);
    });
    let (outcomes, counters) = one.run();
    fed.join().unwrap();
    assert_eq!((errors(&outcomes), opened(&counters).0), (vec![None; 3], 2));
}

#[test]
fn a_target_that_closes_after_each_answer_gets_a_new_connection_ahead_of_the_next_request() {
    for said in ["Connection: close", "Connection: keep-alive\r\nX: y\r\nconnection: x , Close"] {
        let address = target(move |_, mut socket| {
            read_head(&mut socket);
            socket.write_all(format!("HTTP/1.1 200 OK\r\n{said}\r\nContent-Length: 0\r\n\r\n").as_bytes()).unwrap();
            // It takes what still comes, and answers no more.
            read_head(&mut socket);
        });
        let (outcomes, counters) = send(options(), address, &[(0, 0, "/"), (100, 0, "/"), (200, 0, "/")]);
        assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 3], (3, 0, 0)), "{said}");
        assert_eq!(counters.closed_by_target.load(Ordering::Relaxed), 3);
    }
}

#[test]
fn a_connection_that_breaks_under_a_request_is_made_again_ahead_of_the_next_one() {
    for (answer, error) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"[..], ErrorKind::Truncated),
        (b"no HTTP at all\r\n\r\n", ErrorKind::Protocol),
        (b"", ErrorKind::Closed),
    ] {
        let address = target(move |_, mut socket| {
            read_head(&mut socket);
            socket.write_all(answer).unwrap();
        });
        let (outcomes, counters) = send(options(), address, &[(0, 0, "/"), (100, 0, "/"), (200, 0, "/")]);
        assert_eq!((errors(&outcomes), opened(&counters)), (vec![Some(error); 3], (3, 0, 0)));
    }
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
    let (outcomes, counters) = send(options(), address, &[(0, 0, "/a"), (80, 0, "/b")]);
    is_closed.recv().unwrap();
    assert_eq!((errors(&outcomes), opened(&counters).0), (vec![None; 2], 2));
    assert_eq!(counters.closed_by_target.load(Ordering::Relaxed), 1);
}

#[test]
fn a_target_that_hangs_up_on_everybody_is_not_called_in_a_circle() {
    for resets in [false, true] {
        let address = target(move |_, socket| {
            if resets {
                rustix::net::sockopt::set_socket_linger(&socket, Some(std::time::Duration::ZERO)).unwrap();
            }
        });
        let (outcomes, counters) = send(options(), address, &[(0, 0, "/"), (300, 0, "/")]);
        assert_eq!(errors(&outcomes).iter().filter(|error| error.is_some()).count(), 2);
        assert!(opened(&counters).0 <= 6, "{counters:?}");
    }
}

#[test]
fn several_engines_send_apart_and_count_together() {
    let address = target(|_, socket| ok(socket));
    let options = SendOptions { threads: NonZeroUsize::new(2).unwrap(), ..options() };
    let all = rigs(options, vec![Target::resolve(&format!("http://{address}")).unwrap()], |_| {});
    let counters = Arc::clone(&all[0].0.counters);
    let threads: Vec<_> = (0..)
        .zip(all)
        .map(|(number, (rig, mut ring, mut news))| {
            feed(requests(&[(0, number, "/"), (20, number, "/")]), &mut ring, Some(&mut news));
            drop((ring, news));
            std::thread::spawn(move || {
                let Rig { engine, mut outcomes, .. } = rig;
                engine.run().unwrap();
                std::iter::from_fn(|| outcomes.pop().ok()).collect::<Vec<_>>()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(errors(&thread.join().unwrap()), [None; 2]);
    }
    assert_eq!((opened(&counters), counters.in_flight.load(Ordering::Relaxed)), ((2, 0, 0), 0));
}
