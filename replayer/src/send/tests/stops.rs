//! Stops, caps and budgets.

use std::num::NonZeroU32;

use super::*;

fn silent() -> SocketAddr {
    target(|_, mut socket| while !read_head(&mut socket).is_empty() {})
}

#[test]
fn the_bound_on_requests_in_flight_sheds_and_says_so() {
    let bounded = SendOptions { in_flight_max: 2, timeout_ns: 200 * MS, ..options() };
    let (outcomes, _) = send(bounded, silent(), &[(0, 0, "/"), (1, 1, "/"), (2, 2, "/")]);
    assert_eq!(sheds(&outcomes), [None, None, Some(Shed::MaxInFlight)]);
    assert_eq!(outcomes[2].progress.error, None);
}

#[test]
fn the_bound_on_connections_sheds_what_needs_one_more() {
    let bounded = SendOptions { connections_max: Some(2), ..options() };
    let (rig, mut ring, opens) = rig(bounded, target(|_, socket| ok(socket)));
    feed(requests(&[(0, 0, "/"), (10, 1, "/"), (20, 2, "/"), (200, 0, "/")]), &mut ring, None);
    drop((ring, opens));
    let (outcomes, counters) = rig.run();
    assert_eq!(sheds(&outcomes)[..2], [None, None]);
    // The second slot's connection is gone after its only request, so that the third may have one.
    assert_eq!((sheds(&outcomes)[3], counters.peak.load(Ordering::Relaxed) <= 2), (None, true));

    let bounded = SendOptions { connections_max: Some(2), timeout_ns: 200 * MS, ..options() };
    let (outcomes, counters) = send(bounded, silent(), &[(0, 0, "/"), (1, 1, "/"), (2, 2, "/")]);
    assert_eq!(sheds(&outcomes), [None, None, Some(Shed::MaxConnections)]);
    assert_eq!((opened(&counters).0, counters.open.load(Ordering::Relaxed)), (2, 0));
}

#[test]
fn the_highest_rate_sheds_what_is_beyond_it_and_slows_the_highest_pace_down() {
    let all: Vec<_> = (0..30).map(|slot| (10, slot, "/")).collect();
    let address = target(|_, socket| ok(socket));
    let limited = SendOptions { rate_max: NonZeroU32::new(100), ..options() };
    let (outcomes, _) = send(limited, address, &all);
    let shed = sheds(&outcomes).iter().filter(|shed| **shed == Some(Shed::MaxRate)).count();
    assert!((1..=21).contains(&shed), "{shed}");

    let (outcomes, _) = send(SendOptions { pace: Pace::Max, ..limited }, address, &all);
    assert_eq!((sheds(&outcomes), errors(&outcomes)), (vec![None; 30], vec![None; 30]));
    let mut left: Vec<u64> = outcomes.iter().map(|outcome| dispatched(outcome)).collect();
    left.sort_unstable();
    assert!(left[29] - left[10] >= 180 * MS, "19 intervals of 10 ms: {left:?}");
}

#[test]
fn budgets_of_requests_bytes_and_time_shed_the_rest() {
    let address = target(|_, socket| ok(socket));
    let budgets = [
        Budget { requests: Some(2), ..Budget::default() },
        // 28 bytes out and 40 in for each request.
        Budget { bytes: Some(136), ..Budget::default() },
        Budget { time_ns: Some(150 * MS), ..Budget::default() },
    ];
    for budget in budgets {
        let all = [(0, 0, "/a"), (100, 0, "/b"), (200, 0, "/c"), (60_000, 0, "/d")];
        let (outcomes, _) = send(SendOptions { budget, ..options() }, address, &all);
        assert_eq!(sheds(&outcomes), [None, None, Some(Shed::Budget), Some(Shed::Budget)], "{budget:?}");
        assert_eq!(errors(&outcomes), [None; 4]);
    }
}

#[test]
fn what_a_budget_was_spent_on_is_sent_although_its_connection_is_not_there_yet() {
    let budget = Budget { requests: Some(2), ..Budget::default() };
    let (rig, mut ring, opens) = rig(SendOptions { budget, ..options() }, target(|_, socket| ok(socket)));
    feed(requests(&[(0, 0, "/"), (0, 1, "/"), (0, 2, "/")]), &mut ring, None);
    drop((ring, opens));
    let (outcomes, _) = rig.run();
    assert_eq!((sheds(&outcomes), errors(&outcomes)), (vec![None, None, Some(Shed::Budget)], vec![None; 3]));
}

/// Runs an engine whose target tells when it has the request, and does `then` at that moment.
fn stopped(loop_model: LoopModel, then: impl FnOnce(&Stop) + Send + 'static) -> Vec<Box<Job>> {
    let (came, comes) = sync_channel(1);
    let (go, when) = sync_channel::<()>(1);
    let when = Mutex::new(when);
    let address = target(move |_, mut socket| {
        if !read_head(&mut socket).is_empty() {
            came.send(()).unwrap();
            let _ = when.lock().unwrap().recv();
            socket.write_all(OK).unwrap();
        }
    });
    let queue = SendOptions { when_busy: WhenBusy::Queue, loop_model, ..options() };
    let (rig, mut ring, mut opens) = rig(queue, address);
    // Under way, queued, and two that are not due for a long time.
    feed(requests(&[(0, 0, "/"), (1, 0, "/"), (60_000, 1, "/"), (60_001, 0, "/")]), &mut ring, Some(&mut opens));
    let stop = Arc::clone(&rig.stop);
    let feeder = std::thread::spawn(move || {
        comes.recv().unwrap();
        then(&stop);
        // The answer comes only after the engine has seen the stop and taken all that was in the ring.
        while ring.slots() < 10_000 {
            std::thread::yield_now();
        }
        drop(opens);
        let _ = go.send(());
        drop(ring);
    });
    let (outcomes, _) = rig.run();
    feeder.join().unwrap();
    outcomes
}

#[test]
fn a_drain_sends_nothing_more_and_waits_for_answers() {
    for model in [LoopModel::Open, LoopModel::Closed] {
        let outcomes = stopped(model, Stop::drain);
        assert_eq!(sheds(&outcomes), [None, Some(Shed::Stopped), Some(Shed::Stopped), Some(Shed::Stopped)]);
        assert_eq!((outcomes[0].progress.error, outcomes[0].progress.status), (None, Some(200)));
    }
}

#[test]
fn an_abort_gives_up_what_is_under_way() {
    let outcomes = stopped(LoopModel::Open, Stop::abort);
    assert_eq!(errors(&outcomes), [Some(ErrorKind::Stopped), None, None, None]);
    assert_eq!(sheds(&outcomes)[1..], [Some(Shed::Stopped); 3]);
}

#[test]
fn an_abort_also_ends_what_a_budget_left_under_way() {
    // The handshake never comes.
    let hangs = target(|_, mut socket| while socket.read(&mut [0; 999]).is_ok_and(|count| count > 0) {});
    let budget = Budget { requests: Some(1), ..Budget::default() };
    let (rig, mut ring, opens) = rigs(SendOptions { budget, ..options() }, vec![https(hangs)], insecure).remove(0);
    feed(requests(&[(0, 0, "/"), (0, 1, "/")]), &mut ring, None);
    let stop = Arc::clone(&rig.stop);
    let feeder = std::thread::spawn(move || {
        while ring.slots() < 10_000 {
            std::thread::yield_now();
        }
        stop.abort();
        drop((ring, opens));
    });
    let (outcomes, _) = rig.run();
    feeder.join().unwrap();
    assert_eq!((sheds(&outcomes), errors(&outcomes)), (vec![Some(Shed::Stopped), Some(Shed::Budget)], vec![None; 2]));
}

#[test]
fn an_abort_does_not_wait_for_a_feed_that_hangs() {
    let (rig, ring, opens) = rig(options(), silent());
    rig.stop.abort();
    let (outcomes, _) = rig.run();
    assert_eq!(outcomes.len(), 0);
    drop((ring, opens));
}
