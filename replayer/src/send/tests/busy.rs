//! What happens to a request whose connection is busy.

use super::*;

/// Answers each request only after another one came on another connection or, on this one, after `/free` was asked.
fn slow_first(go: Receiver<()>) -> SocketAddr {
    let go = Mutex::new(go);
    target(move |_, mut socket| {
        loop {
            let head = read_head(&mut socket);
            if head.is_empty() {
                return;
            }
            if path(&head).starts_with("/slow") {
                go.lock().unwrap().recv().unwrap();
            }
            socket.write_all(OK).unwrap();
        }
    })
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
    let slow = SendOptions { timeout_ns: 300 * MS, ..options() };
    let address = target(move |_, socket| hangs_once(socket));
    let (outcomes, counters) = send(slow, address, &[(0, 0, "/hang"), (20, 0, "/b"), (40, 0, "/c"), (60, 1, "/d")]);
    assert_eq!(errors(&outcomes), [Some(ErrorKind::Timeout), None, None, None]);
    assert_eq!(opened(&counters), (3, 1, 0));
    assert!(outcomes[1].progress.was_busy && !outcomes[2].progress.was_busy);
    // The one that hung ends at its timeout, with its full age; the others long before.
    assert!(outcomes[0].progress.done_ns >= 300 * MS, "{:?}", outcomes[0]);
    assert!(outcomes[1..].iter().all(|outcome| outcome.progress.done_ns < 300 * MS), "{outcomes:?}");
}

#[test]
fn a_queued_request_waits_for_its_connection_in_order_and_its_wait_is_no_lag() {
    let (go, when) = sync_channel(9);
    let address = slow_first(when);
    let release = std::thread::spawn(move || {
        Clock::start().sleep_until(150 * MS);
        go.send(()).unwrap();
    });
    let queue = SendOptions { when_busy: WhenBusy::Queue, ..options() };
    let (outcomes, counters) = send(queue, address, &[(0, 0, "/slow"), (10, 0, "/b"), (20, 0, "/c"), (30, 1, "/d")]);
    release.join().unwrap();
    assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 4], (2, 0, 0)));
    for (earlier, later) in [(0, 1), (1, 2)] {
        let (earlier, later) = (&outcomes[earlier].progress, &outcomes[later]);
        assert_eq!(later.progress.released_ns, later.due_ns + later.progress.busy_ns);
        assert!(later.progress.busy_ns > 0 && later.progress.was_busy);
        assert!(later.progress.released_ns >= earlier.done_ns && dispatched(later) >= later.progress.released_ns);
    }
    assert!(outcomes[3].progress.done_ns < outcomes[0].progress.done_ns, "another slot is not delayed");
}

#[test]
fn a_queue_goes_on_when_its_connection_fails() {
    let address = target(|_, mut socket| {
        let head = read_head(&mut socket);
        if path(&head) == "/hang" {
            read_head(&mut socket); // until the sender gives up
        } else {
            socket.write_all(OK).unwrap();
            ok(socket);
        }
    });
    let queue = SendOptions { when_busy: WhenBusy::Queue, timeout_ns: 100 * MS, ..options() };
    let (outcomes, counters) = send(queue, address, &[(0, 0, "/hang"), (10, 0, "/b"), (20, 0, "/c")]);
    assert_eq!(errors(&outcomes), [Some(ErrorKind::Timeout), None, None]);
    assert!(outcomes[1].progress.released_ns >= outcomes[0].progress.done_ns);
    assert_eq!(opened(&counters), (2, 0, 1));
}

#[test]
fn a_request_whose_connection_is_busy_can_be_shed() {
    let (go, when) = sync_channel(9);
    let address = slow_first(when);
    let shed = SendOptions { when_busy: WhenBusy::Shed, ..options() };
    let release = std::thread::spawn(move || {
        Clock::start().sleep_until(150 * MS);
        go.send(()).unwrap();
    });
    let (outcomes, counters) = send(shed, address, &[(0, 0, "/slow"), (10, 0, "/b"), (20, 1, "/c"), (300, 0, "/d")]);
    release.join().unwrap();
    assert_eq!(sheds(&outcomes), [None, Some(Shed::Busy), None, None]);
    assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 4], (2, 0, 0)));
    assert_eq!((outcomes[1].progress.dispatched_ns, outcomes[1].progress.bytes_out), (None, 0));
}

fn pipelined(all: &[(u64, u64, &str)]) -> Vec<Box<Job>> {
    let mut jobs = requests(all);
    jobs.iter_mut().skip(1).for_each(|job| job.pipelined = true);
    jobs
}

#[test]
fn pipelined_requests_are_written_behind_each_other_and_answered_in_order() {
    for when_busy in [WhenBusy::Extra, WhenBusy::Queue] {
        // Answers only when all three are there.
        let address = target(|_, mut socket| {
            let heads: Vec<String> = (0..3).map(|_| read_head(&mut socket)).collect();
            let answers = heads
                .iter()
                .map(|head| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", path(head).len(), path(head)));
            socket.write_all(answers.collect::<String>().as_bytes()).unwrap();
            read_head(&mut socket);
        });
        let jobs = pipelined(&[(0, 0, "/a"), (10, 0, "/bb"), (20, 0, "/ccc")]);
        let kept = SendOptions { when_busy, keep_answers: KeepAnswers::All(100), ..options() };
        let (outcomes, counters) = send_all(kept, address, jobs);
        assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 3], (1, 0, 0)));
        let bodies: Vec<_> = outcomes.iter().map(|one| one.progress.answer.as_ref().unwrap().body.clone()).collect();
        assert_eq!(bodies, ["/a", "/bb", "/ccc"]);
        assert_eq!(outcomes.iter().map(|one| one.progress.busy_ns).sum::<u64>(), 0);
        assert!(dispatched(&outcomes[2]) < outcomes[0].progress.first_byte_ns.unwrap());
    }
}

#[test]
fn what_is_behind_an_answer_that_ends_the_connection_fails_and_is_not_sent_again() {
    let (seen, sees) = sync_channel(9);
    let address = target(move |_, mut socket| {
        for _ in 0..3 {
            seen.send(path(&read_head(&mut socket)).to_owned()).unwrap();
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        read_head(&mut socket);
    });
    let (outcomes, counters) = send_all(options(), address, pipelined(&[(0, 0, "/a"), (10, 0, "/b"), (20, 0, "/c")]));
    assert_eq!(errors(&outcomes), [None, Some(ErrorKind::Closed), Some(ErrorKind::Closed)]);
    assert_eq!(
        (opened(&counters), sees.try_iter().collect::<Vec<_>>()),
        ((1, 0, 0), vec!["/a", "/b", "/c"].into_iter().map(str::to_owned).collect())
    );
}

#[test]
fn pipelined_requests_wait_together_for_a_connection_that_is_not_there_yet() {
    let (rig, mut ring, news) = rig(options(), target(|_, socket| ok(socket)));
    feed(pipelined(&[(0, 0, "/a"), (0, 0, "/b"), (0, 0, "/c")]), &mut ring, None);
    drop((ring, news));
    let (outcomes, counters) = rig.run();
    assert_eq!((errors(&outcomes), opened(&counters)), (vec![None; 3], (1, 0, 1)));
}

/// Sends the first request on time, and hands over the others when all of them have been due for long.
fn send_late(options: SendOptions, address: SocketAddr, all: &[(u64, u64, &str)]) -> (Vec<Box<Job>>, Arc<Counters>) {
    let (Rig { engine, mut outcomes, counters, .. }, mut ring, _news) = rig(options, address);
    let mut jobs = placed(requests(all)).into_iter();
    let clock = engine.clock;
    let running = std::thread::spawn(move || engine.run());
    ring.push(jobs.next().unwrap()).unwrap();
    while outcomes.is_empty() {
        std::thread::yield_now();
    }
    clock.sleep_until(clock.now_ns().max(50 * MS + all.last().unwrap().0 * MS) + 50 * MS);
    jobs.for_each(|job| ring.push(job).unwrap());
    drop(ring);
    running.join().unwrap().unwrap();
    let mut out: Vec<Box<Job>> = std::iter::from_fn(|| outcomes.pop().ok()).collect();
    out.sort_by_key(|outcome| outcome.facts.position);
    (out, counters)
}

#[test]
fn a_connection_that_is_busy_since_the_sender_was_late_gets_no_company() {
    for when_busy in [WhenBusy::Extra, WhenBusy::Shed] {
        let address = target(|_, socket| ok(socket));
        // Each answer has a quarter of a second.
        let all: Vec<(u64, u64, &str)> = (0..6).map(|number| (number * 250, 0, "/x")).collect();
        let (outcomes, counters) = send_late(SendOptions { when_busy, ..options() }, address, &all);
        assert_eq!((errors(&outcomes), sheds(&outcomes)), (vec![None; 6], vec![None; 6]));
        assert_eq!(opened(&counters), (1, 0, 1));
        assert!(outcomes.windows(2).all(|two| dispatched(&two[1]) >= two[0].progress.done_ns), "one after the other");
        for outcome in &outcomes {
            let progress = &outcome.progress;
            assert!(!progress.was_busy && progress.busy_ns == 0, "{outcome:?}");
            // All of it is lag, but for the connection.
            let late = dispatched(outcome) - outcome.due_ns - progress.connect_ns;
            assert_eq!(progress.lag_ns(), Some(late));
        }
    }
}

#[test]
fn a_connection_that_hangs_gets_company_also_when_the_sender_was_late() {
    let hangs = |mut socket: TcpStream| {
        loop {
            match path(&read_head(&mut socket)) {
                "" => return,
                "/hang" => drop(read_head(&mut socket)), // until the sender gives up
                _ => socket.write_all(OK).unwrap(),
            }
        }
    };
    let slow = SendOptions { timeout_ns: 600 * MS, ..options() };
    let all = [(0, 0, "/a"), (5, 0, "/hang"), (10, 0, "/b"), (15, 0, "/c")];
    let address = target(move |_, socket| hangs(socket));
    let (outcomes, counters) = send_late(slow, address, &all);
    assert_eq!(errors(&outcomes), [None, Some(ErrorKind::Timeout), None, None]);
    assert!(counters.extra.load(Relaxed) >= 1);
    let (hanging, behind) = (&outcomes[1], &outcomes[2]);
    assert!(behind.progress.was_busy && behind.progress.done_ns < hanging.progress.done_ns, "{outcomes:?}");
    assert!(dispatched(behind) >= dispatched(hanging) + 5 * MS, "as long as the plan has between the two");
}
