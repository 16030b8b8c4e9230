//! Who waits for a connection at the highest pace.

use super::*;

#[test]
fn at_the_highest_pace_requests_wait_for_room_and_idle_connections_give_way() {
    // Seven users of twenty requests each, one after the other: whoever has a connection needs it until the end, and with
    // three that may wait its next request is in the ring behind those that wait for it.
    let all: Vec<_> = (0..140).map(|number| (number, number % 7, "/")).collect();
    for (connections_max, parked_max) in [(1, 3), (2, 3), (2, 1_000), (100, 3)] {
        let mut jobs = requests(&all);
        for (number, job) in (0..).zip(&mut jobs) {
            job.number = number;
        }
        let options = SendOptions {
            pace: Pace::Max,
            in_flight_max: 64,
            connections_max: Some(connections_max),
            parked_max,
            ..options()
        };
        let (outcomes, counters) = send_all(options, target(|_, socket| ok(socket)), jobs);
        assert_eq!(sheds(&outcomes), vec![None; 140]);
        assert_eq!(errors(&outcomes), vec![None; 140]);
        assert!(counters.peak.load(Ordering::Relaxed) <= connections_max, "{connections_max}: {counters:?}");
        for slot in 0..7 {
            let left: Vec<u64> = outcomes.iter().filter(|one| one.slot == slot).map(|one| dispatched(one)).collect();
            assert!(left.is_sorted(), "{left:?}");
        }
        assert!(connections_max < 7 || opened(&counters).0 == 7, "{counters:?}");
    }
}

#[test]
fn who_waits_for_room_is_shed_when_the_run_is_stopped() {
    let hangs = target(|_, mut socket| while !read_head(&mut socket).is_empty() {});
    let options = SendOptions {
        pace: Pace::Max,
        connections_max: Some(1),
        budget: Budget { time_ns: Some(100 * MS), ..Budget::default() },
        timeout_ns: 300 * MS,
        ..options()
    };
    let (outcomes, _) = send(options, hangs, &[(0, 0, "/a"), (1, 1, "/b"), (2, 2, "/c")]);
    assert_eq!(errors(&outcomes), [Some(ErrorKind::Timeout), None, None]);
    assert_eq!(sheds(&outcomes), [None, Some(Shed::Budget), Some(Shed::Budget)]);
}

#[test]
fn at_the_highest_pace_sending_waits_for_those_who_write_answers() {
    let (rig, mut ring, mut news) = rig(SendOptions { pace: Pace::Max, ..options() }, target(|_, socket| ok(socket)));
    feed(requests(&[(0, 0, "/a"), (1, 1, "/b"), (2, 0, "/c")]), &mut ring, Some(&mut news));
    drop((ring, news));
    let (clock, counters) = (rig.engine.clock, Arc::clone(&rig.counters));
    counters.answers_permille.store(500, Ordering::Relaxed);
    let running = std::thread::spawn(move || rig.run());
    // Connections are made meanwhile, and then there is nothing else to wait for.
    while counters.open.load(Ordering::Relaxed) < 2 {
        clock.sleep_until(clock.now_ns() + MS);
    }
    let caught_up_ns = clock.now_ns();
    counters.answers_permille.store(499, Ordering::Relaxed);
    let (outcomes, _) = running.join().unwrap();
    assert_eq!(sheds(&outcomes), [None; 3]);
    assert!(outcomes.iter().all(|one| dispatched(one) >= caught_up_ns.saturating_sub(50 * MS)), "{outcomes:?}");
}
