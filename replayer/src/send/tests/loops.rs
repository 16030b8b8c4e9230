//! The loop models and the highest pace.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::job::After;

/// Makes `jobs[later]` depend on `jobs[earlier]`, `pause_ms` after its end.
pub(super) fn depends(jobs: &mut [Box<Job>], later: usize, earlier: usize, pause_ms: u64) {
    let recorded_end_ns = jobs[later].due_ns.saturating_sub(pause_ms * MS);
    jobs[earlier].recorded_end_ns = recorded_end_ns;
    let (number, seq) = (jobs[earlier].number, 100 + earlier as u64);
    jobs[later].after = Some(After { number, seq, recorded_end_ns, pause_ns: pause_ms * MS });
}

/// Requests of one life, each on a slot of its own.
pub(super) fn life(all: &[(u64, &str)]) -> Vec<Box<Job>> {
    let mut jobs = requests(&(0..).zip(all).map(|(slot, (due, path))| (*due, slot, *path)).collect::<Vec<_>>());
    for (number, job) in (0..).zip(&mut jobs) {
        (job.life, job.number) = (7, number);
    }
    jobs
}

/// `/slow` is answered after 150 ms, `/hang` never.
fn slow_target() -> SocketAddr {
    target(|_, mut socket| {
        loop {
            let head = read_head(&mut socket);
            match path(&head) {
                "" => return,
                "/hang" => {
                    read_head(&mut socket);
                    return;
                }
                "/slow" => Clock::start().sleep_until(150 * MS),
                _ => {}
            }
            socket.write_all(OK).unwrap();
        }
    })
}

const CAUSAL: LoopModel = LoopModel::Causal { think_min_ns: 20 * MS };

#[test]
fn a_causal_request_is_held_for_the_answer_that_it_depends_on() {
    let mut jobs = life(&[(0, "/slow"), (10, "/free"), (40, "/held"), (400, "/on-time")]);
    depends(&mut jobs, 2, 0, 30);
    depends(&mut jobs, 3, 2, 300);
    let (outcomes, _) = send_all(SendOptions { loop_model: CAUSAL, ..options() }, slow_target(), jobs);
    assert_eq!(errors(&outcomes), [None; 4]);
    let [slow, free, held, on_time] = &outcomes[..] else { panic!() };
    assert_eq!((free.progress.held_by_seq, free.progress.released_ns), (None, free.due_ns));
    assert!(free.progress.done_ns < slow.progress.done_ns);
    // The pause of 30 ms is kept for 20 only.
    assert_eq!(held.progress.released_ns, slow.progress.done_ns + 20 * MS);
    assert_eq!((held.progress.held_by_seq, held.progress.busy_ns), (Some(100), 0));
    assert!(dispatched(held) >= held.progress.released_ns);
    assert_eq!((on_time.progress.held_by_seq, on_time.progress.released_ns), (None, on_time.due_ns));
}

#[test]
fn in_closed_loop_think_time_runs_from_the_answer_whatever_is_due() {
    let mut jobs = life(&[(0, "/slow"), (20, "/late"), (60_000, "/early")]);
    depends(&mut jobs, 1, 0, 10);
    depends(&mut jobs, 2, 1, 30);
    let (outcomes, _) = send_all(SendOptions { loop_model: LoopModel::Closed, ..options() }, slow_target(), jobs);
    assert_eq!(errors(&outcomes), [None; 3]);
    for (earlier, later, pause) in [(0, 1, 10), (1, 2, 30)] {
        let (earlier, later) = (&outcomes[earlier].progress, &outcomes[later].progress);
        assert_eq!(later.released_ns, earlier.done_ns + pause * MS);
        assert!(later.held_by_seq.is_some() && later.dispatched_ns.unwrap() >= later.released_ns);
    }
}

#[test]
fn answers_that_fail_or_are_shed_let_go_as_well() {
    for loop_model in [CAUSAL, LoopModel::Closed] {
        let mut jobs = life(&[(0, "/hang"), (10, "/a"), (20, "/b")]);
        jobs[1].slot = jobs[0].slot;
        depends(&mut jobs, 2, 0, 5);
        let shed = SendOptions { loop_model, timeout_ns: 100 * MS, when_busy: WhenBusy::Shed, ..options() };
        let (outcomes, _) = send_all(shed, slow_target(), jobs);
        assert_eq!(errors(&outcomes), [Some(ErrorKind::Timeout), None, None]);
        assert_eq!(sheds(&outcomes), [None, Some(Shed::Busy), None]);
        assert_eq!(outcomes[2].progress.released_ns, outcomes[0].progress.done_ns + 5 * MS);
    }
}

#[test]
fn what_waits_is_bounded_and_then_the_feed_stands_still_and_that_is_counted() {
    let mut jobs = life(&[(0, "/slow"), (10, "/a"), (11, "/b"), (12, "/c"), (13, "/d")]);
    (1..4).for_each(|later| depends(&mut jobs, later, 0, 0));
    let bounded = |parked_max| SendOptions { loop_model: CAUSAL, parked_max, ..options() };
    let stalled = |counters: &Counters| counters.feed_stalled_ns.load(Ordering::Relaxed);
    let (outcomes, counters) = send_all(bounded(3), slow_target(), jobs);
    assert_eq!(errors(&outcomes), [None; 5]);
    assert!(stalled(&counters) > 0);
    assert!(dispatched(&outcomes[4]) >= outcomes[0].progress.done_ns && outcomes[4].progress.released_ns == 13 * MS);

    let mut jobs = life(&[(0, "/slow"), (10, "/a"), (11, "/b"), (12, "/c"), (13, "/d")]);
    (1..4).for_each(|later| depends(&mut jobs, later, 0, 0));
    let (outcomes, counters) = send_all(bounded(4), slow_target(), jobs);
    assert_eq!(stalled(&counters), 0);
    assert!(dispatched(&outcomes[4]) < outcomes[0].progress.done_ns);
}

#[test]
fn at_the_highest_pace_order_is_kept_and_due_instants_are_not() {
    let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let address = {
        let (most, seen) = (Arc::clone(&most), Arc::clone(&seen));
        target(move |_, mut socket| {
            loop {
                let head = read_head(&mut socket);
                if head.is_empty() {
                    return;
                }
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                seen.lock().unwrap().push(path(&head).to_owned());
                std::thread::yield_now();
                under_way.fetch_sub(1, Ordering::SeqCst);
                socket.write_all(OK).unwrap();
            }
        })
    };
    // Ten lives of two slots each, an hour between requests.
    let paths: Vec<String> = (0..400).map(|number| format!("/{}/{number}", number % 10)).collect();
    let all: Vec<_> =
        (0..).zip(&paths).map(|(number, path)| (number * 3_600_000, number % 20, path.as_str())).collect();
    let mut jobs = requests(&all);
    for (number, job) in (0..).zip(&mut jobs) {
        (job.life, job.number) = (u64::from(number) % 10, number / 10);
    }
    let fast = SendOptions { pace: Pace::Max, in_flight_max: 4, parked_max: 50, ..options() };
    let (outcomes, counters) = send_all(fast, address, jobs);
    assert_eq!(errors(&outcomes), vec![None; 400]);
    assert_eq!(opened(&counters).0, 20, "{counters:?}");
    assert!(most.load(Ordering::SeqCst) <= 4);
    let seen = seen.lock().unwrap();
    for slot in 0..20 {
        let of_slot = |path: &String| path.rsplit('/').next().unwrap().parse::<u32>().unwrap() % 20 == slot;
        let expected: Vec<&String> = paths.iter().filter(|path| of_slot(path)).collect();
        assert_eq!(seen.iter().filter(|path| of_slot(path)).collect::<Vec<_>>(), expected);
    }
    for life in 0..10 {
        let left: Vec<u64> = outcomes.iter().filter(|one| one.life == life).map(|one| dispatched(one)).collect();
        assert!(left.is_sorted(), "{left:?}");
        assert!(outcomes.iter().all(|one| one.progress.released_ns <= dispatched(one)));
    }
}

#[test]
fn at_the_highest_pace_no_request_overtakes_one_of_its_life_that_waits_for_a_connection() {
    for asked_ahead in [false, true] {
        let (came, comes) = sync_channel(9);
        let quick = target(move |_, socket| {
            came.send(()).unwrap();
            ok(socket);
        });
        let slow = secured(|mut stream| {
            // The handshake is made when something is read.
            Clock::start().sleep_until(100 * MS);
            read_secured_head(&mut stream);
            stream.write_all(OK).unwrap();
            read_secured_head(&mut stream);
        });
        let targets = vec![https(slow), Target::resolve(&format!("http://{quick}")).unwrap()];
        let (rig, mut ring, mut news) = rigs(SendOptions { pace: Pace::Max, ..options() }, targets, insecure).remove(0);
        let fed = std::thread::spawn(move || {
            news.push(SlotNews::Begins { slot: 1, target: 1, due_ns: 0 }).unwrap();
            comes.recv().unwrap();
            // The second request's connection is there, the first one's is not.
            if asked_ahead {
                news.push(SlotNews::Begins { slot: 0, target: 0, due_ns: 0 }).unwrap();
                while news.slots() < 10_000 {
                    std::thread::yield_now();
                }
            }
            let mut jobs = life(&[(0, "/a"), (0, "/b")]);
            jobs[1].target = 1;
            feed(jobs, &mut ring, None);
        });
        let (outcomes, counters) = rig.run();
        fed.join().unwrap();
        assert_eq!((errors(&outcomes), opened(&counters).0), (vec![None; 2], 2));
        assert!(dispatched(&outcomes[0]) < dispatched(&outcomes[1]));
    }
}

#[test]
fn the_highest_pace_waits_for_answers_in_the_models_that_do() {
    let mut jobs = life(&[(0, "/slow"), (10_000, "/a"), (20_000, "/b")]);
    depends(&mut jobs, 1, 0, 5_000);
    depends(&mut jobs, 2, 1, 0);
    let fast = SendOptions { pace: Pace::Max, loop_model: CAUSAL, ..options() };
    let (outcomes, _) = send_all(fast, slow_target(), jobs);
    assert_eq!(errors(&outcomes), [None; 3]);
    assert!(dispatched(&outcomes[1]) >= outcomes[0].progress.done_ns + 20 * MS);
    assert!(dispatched(&outcomes[2]) >= outcomes[1].progress.done_ns);
    assert_eq!(outcomes[1].progress.held_by_seq, Some(100));
}

#[test]
fn at_the_highest_pace_connections_are_made_ahead_but_a_full_ring_of_opens_stops_nobody() {
    let address = target(|_, socket| ok(socket));
    let all: Vec<_> = (0..100).map(|number| (number * 1_000, number, "/")).collect();
    let fast = SendOptions { pace: Pace::Max, in_flight_max: 2, ..options() };
    let (rig, mut ring, mut news) = rig(fast, address);
    let jobs = requests(&all);
    let fed = std::thread::spawn(move || {
        let mut jobs = jobs.into_iter();
        for some in all.chunks(10) {
            for (due_ms, slot, _) in some {
                news.push(SlotNews::Begins { slot: *slot, target: 0, due_ns: due_ms * MS }).unwrap();
                // As if there were one place: the feed cannot go on before the engine has taken it.
                while news.slots() < 10_000 {
                    std::thread::yield_now();
                }
            }
            jobs.by_ref().take(10).for_each(|job| ring.push(job).unwrap());
        }
    });
    let (outcomes, _) = rig.run();
    fed.join().unwrap();
    assert_eq!(errors(&outcomes), vec![None; 100]);
}

#[test]
fn at_the_highest_pace_sending_waits_for_counting() {
    let options = SendOptions { pace: Pace::Max, in_flight_max: 4, ..options() };
    let (mut rig, mut jobs, mut news) = rig(options, target(|_, socket| ok(socket)));
    // Room for a tenth of the outcomes.
    let (outcomes_in, mut outcomes) = RingBuffer::new(30);
    rig.engine.outcomes = outcomes_in;
    let all: Vec<_> = (0..300).map(|number| (number, number % 4, "/")).collect();
    feed(requests(&all), &mut jobs, Some(&mut news));
    drop((jobs, news));
    let (engine, counters) = (rig.engine, rig.counters);
    let sending = std::thread::spawn(move || engine.run());
    let mut counted = 0;
    while !sending.is_finished() || !outcomes.is_empty() {
        // Counted only when nothing is under way: the engine waits for it, or has just begun.
        if counters.in_flight.load(Ordering::Relaxed) == 0 && outcomes.pop().is_ok() {
            counted += 1;
        }
        std::thread::yield_now();
    }
    sending.join().unwrap().unwrap();
    assert_eq!((counted, counters.outcomes_lost.load(Ordering::Relaxed)), (300, 0));
}

#[test]
fn a_life_is_forgotten_when_a_later_request_comes_although_its_last_one_never_does() {
    let (mut rig, mut ring, _news) = rig(SendOptions { loop_model: CAUSAL, ..options() }, slow_target());
    let mut jobs = requests(&[(0, 1, "/one"), (10, 2, "/two"), (20, 3, "/three")]);
    // The first two were to go on until 15 ms and 40 ms; nothing of any of them is waited for.
    for (job, ends_ms) in jobs.iter_mut().zip([15, 40, 20]) {
        job.life_ends_ns = ends_ms * MS;
    }
    for (job, remembered) in jobs.into_iter().zip([1, 2, 2]) {
        ring.push(job).unwrap();
        while !rig.engine.jobs.is_empty() {
            rig.engine.tick();
            rig.engine.send_due(1);
        }
        assert_eq!(rig.engine.lives.remembered().0, remembered);
    }
    drop(ring);
    assert_eq!(rig.run().0.len(), 3);
}
