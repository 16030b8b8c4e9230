//! Requests while the plan's time stands still or goes faster: they leave when the changed plan says, and all that is
//! measured is against that.

use super::loops::{depends, life};
use super::*;
use crate::tempo::Asked;

/// Runs jobs of the plan through changes at instants of the run, in milliseconds.
fn run(options: SendOptions, changes: &[(u64, Asked)], jobs: Vec<Box<Job>>) -> Vec<Box<Job>> {
    let (rig, mut ring, mut news) = rig(options, target(|_, socket| ok(socket)));
    for (at_ms, asked) in changes {
        rig.tempo.change(*asked, at_ms * MS, "test").unwrap();
    }
    feed(jobs, &mut ring, Some(&mut news));
    drop((ring, news));
    let (outcomes, _) = rig.run();
    assert!(errors(&outcomes).iter().all(Option::is_none), "{outcomes:?}");
    outcomes
}

fn due_ms(outcomes: &[Box<Job>]) -> Vec<u64> {
    outcomes.iter().map(|outcome| outcome.due_ns / MS).collect()
}

#[test]
fn a_pause_holds_what_is_due_after_it_and_no_wait_is_lag() {
    let jobs = requests(&[(50, 0, "/a"), (100, 1, "/b"), (101, 0, "/c"), (200, 2, "/d")]);
    let outcomes = run(options(), &[(100, Asked::Pause), (400, Asked::Resume)], jobs);
    assert_eq!(due_ms(&outcomes), [50, 100, 401, 500]);
    for outcome in &outcomes {
        assert_eq!(outcome.progress.released_ns, outcome.due_ns);
        assert!(dispatched(outcome) >= outcome.due_ns, "{outcome:?}");
        // Nobody is late by a pause: this machine may be busy, but not for so long.
        assert!(dispatched(outcome) - outcome.due_ns < 250 * MS, "{outcome:?}");
    }
}

#[test]
fn scaled_time_goes_on_at_another_rate_from_its_instant_on() {
    let jobs = requests(&[(50, 0, "/a"), (150, 1, "/b"), (300, 0, "/c"), (500, 2, "/d")]);
    let outcomes = run(options(), &[(100, Asked::Scale(2.0)), (200, Asked::Scale(0.5))], jobs);
    // Plan 100 at run 100, plan 300 at run 200, and then twice as long.
    assert_eq!(due_ms(&outcomes), [50, 125, 200, 600]);
    assert!(outcomes.iter().all(|outcome| dispatched(outcome) >= outcome.due_ns), "{outcomes:?}");
}

#[test]
fn think_time_stands_still_with_the_plan() {
    for model in [LoopModel::Causal { think_min_ns: 100 * MS }, LoopModel::Closed] {
        let mut jobs = life(&[(0, "/a"), (100, "/b")]);
        depends(&mut jobs, 1, 0, 100);
        let options = SendOptions { loop_model: model, ..options() };
        let outcomes = run(options, &[(50, Asked::Pause), (400, Asked::Resume)], jobs);
        let held = &outcomes[1];
        assert_eq!(held.progress.held_by_seq, Some(100), "{held:?}");
        // About 50 of the 100 ms were over when time stood still.
        let released_ms = held.progress.released_ns / MS;
        assert!((440..600).contains(&released_ms), "{model:?}: {held:?}");
        assert!(dispatched(held) >= held.progress.released_ns, "{held:?}");
    }
}

#[test]
fn at_the_highest_pace_a_pause_lets_nothing_go() {
    let options = SendOptions { pace: Pace::Max, in_flight_max: 1, ..options() };
    let outcomes = run(options, &[(0, Asked::Pause), (300, Asked::Resume)], requests(&[(0, 0, "/a"), (1, 1, "/b")]));
    assert!(outcomes.iter().all(|outcome| dispatched(outcome) >= 300 * MS), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.progress.released_ns >= 300 * MS), "{outcomes:?}");
}

#[test]
fn a_run_that_is_stopped_in_a_pause_sheds_what_is_left() {
    let (rig, mut ring, mut news) = rig(options(), target(|_, socket| ok(socket)));
    rig.tempo.change(Asked::Pause, 20 * MS, "test").unwrap();
    feed(requests(&[(0, 0, "/a"), (100, 0, "/b"), (200, 1, "/c")]), &mut ring, Some(&mut news));
    drop((ring, news));
    let stop = Arc::clone(&rig.stop);
    let stopper = std::thread::spawn(move || {
        Clock::start().sleep_until(250 * MS);
        stop.drain();
    });
    let (outcomes, _) = rig.run();
    stopper.join().unwrap();
    assert_eq!(sheds(&outcomes), [None, Some(Shed::Stopped), Some(Shed::Stopped)]);
}
