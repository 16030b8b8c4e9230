//! Requests that are due so soon after each other that answers wake nobody in between.

use std::sync::OnceLock;

use super::*;

const REQUESTS: usize = 2_000;

/// What a target knows of one answer: instants of the engine's clock before and after it was written.
type Written = Arc<Mutex<Vec<(u64, u64)>>>;

/// Requests at equal distances, in turn on so many connections, in the order in which they were due.
fn run(options: SendOptions, gap_ns: u64, connections: usize) -> (Vec<Box<Job>>, Vec<(u64, u64)>) {
    let clock = Arc::new(OnceLock::<Clock>::new());
    let written = Written::new(Mutex::new(vec![(0, 0); REQUESTS]));
    let (of_target, notes) = (Arc::clone(&clock), Arc::clone(&written));
    let address = target(move |_, mut socket| {
        let mut heads = std::io::BufReader::new(socket.try_clone().unwrap());
        let mut line = String::new();
        let mut number = 0;
        while std::io::BufRead::read_line(&mut heads, &mut line).is_ok_and(|count| count > 0) {
            if line.starts_with("GET") {
                number = path(&line)[1..].parse::<usize>().unwrap();
            }
            if line == "\r\n" {
                let before = of_target.get().unwrap().now_ns();
                if socket.write_all(OK).is_err() {
                    return;
                }
                notes.lock().unwrap()[number] = (before, of_target.get().unwrap().now_ns());
            }
            line.clear();
        }
    });
    let (rig, mut ring, mut news) = rig(options, address);
    clock.set(rig.engine.clock).unwrap();
    let start_ns = rig.engine.start_ns;
    let jobs = (0..REQUESTS).map(|number| {
        let head = format!("GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n");
        job(number as u64 * gap_ns, (number % connections) as u64 + 1, head.as_bytes())
    });
    feed(jobs.collect(), &mut ring, Some(&mut news));
    drop((ring, news));
    let (mut jobs, _) = rig.run();
    jobs.sort_by_key(|job| job.due_ns);
    let of_run = |(from, to): &(u64, u64)| (from.saturating_sub(start_ns), to.saturating_sub(start_ns));
    let written = written.lock().unwrap().iter().map(of_run).collect();
    (jobs, written)
}

#[test]
fn an_answer_has_the_instant_at_which_it_arrived_and_not_at_which_it_was_read() {
    // The second time several leave before sockets are looked at.
    for (gap_ns, connections) in [(200_000, 1), (40_000, 10)] {
        let (jobs, written) = run(options(), gap_ns, connections);
        let mut before_the_next = 0;
        for (some, (from, to)) in jobs.windows(connections + 1).zip(written) {
            let [job, .., next] = some else { unreachable!() };
            let (done, first) = (job.progress.done_ns, job.progress.first_byte_ns.unwrap());
            assert!(
                from <= done && first <= done && job.progress.written_ns.unwrap() <= first,
                "{:?} {from}",
                job.progress
            );
            let next_left = next.progress.dispatched_ns.unwrap();
            // The last of the answers may be read before the target notes that it was written.
            if to > 0 && to < next_left {
                assert!(done <= next_left, "written until {to}, done at {done}, the next one left at {next_left}");
                before_the_next += 1;
            }
        }
        assert!(before_the_next > REQUESTS / 2, "a target that is too slow to say anything: {before_the_next}");
    }
}

/// As where a packet was lost and came after those behind it: the kernel tells of the last one.
#[test]
fn nothing_arrived_before_it_was_looked_for_and_was_not_there() {
    let (mut rig, ..) = rig(options(), target(|_, socket| ok(socket)));
    let engine = &mut rig.engine;
    // The run begins after some time: instants before that are all the same.
    let start_ns = engine.start_ns;
    let at = |ms: u64| start_ns + ms * MS;
    (engine.now, engine.not_before_ns) = (at(300), at(200));
    let clock = engine.clock;
    let stamp = |at_ns: u64| Some(clock.wall(at_ns));
    clock.sleep_until(at(300));
    let near = |found: u64, expected: u64| assert!(found.abs_diff(expected) < 20 * MS, "{found} {expected}");
    near(engine.arrived_ns(stamp(at(1)), true), 200 * MS);
    near(engine.arrived_ns(stamp(at(250)), true), 250 * MS);
    // What it had left was there already.
    near(engine.arrived_ns(stamp(at(1)), false), MS);
    assert_eq!(engine.stamped, 3);
    assert_eq!(engine.arrived_ns(None, true), 300 * MS);
    assert_eq!(engine.stamped, 0);
}

#[test]
fn an_answer_that_nobody_read_yet_keeps_no_connection_busy() {
    // The second time each connection is needed again before sockets would be looked at.
    for (gap_ns, connections) in [(200_000, 1), (30_000, 2)] {
        let (jobs, written) = run(SendOptions { when_busy: WhenBusy::Shed, ..options() }, gap_ns, connections);
        let mut shed_for_nothing = 0;
        for (some, (_, to)) in jobs.windows(connections + 1).zip(written) {
            let [before, .., job] = some else { unreachable!() };
            let is_shed = job.progress.shed.is_some() && before.progress.shed.is_none();
            shed_for_nothing += usize::from(is_shed && to + 20_000 < job.progress.done_ns);
        }
        let few = REQUESTS / 100;
        assert!(shed_for_nothing < few, "{shed_for_nothing} requests were shed although the answer was there");
    }
}
