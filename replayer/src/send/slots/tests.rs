use super::*;
use crate::job::tests::job;

const MS: u64 = 1_000_000;

fn slots(when_busy: WhenBusy) -> Slots {
    Slots::new(Policy { when_busy, in_order: false, timed: true })
}

fn route(slots: &mut Slots, next_ms: Option<u64>) -> Route {
    slots.route(&job(0, 5, b""), Visit::Fresh, next_ms.map(|at| at * MS), false, Moment { due_ns: 0, now_ns: 0 })
}

/// A connection that was asked for ahead and is there.
fn open(slots: &mut Slots, at: u32) {
    assert!(slots.expect_first(5, 0));
    slots.dialing(5);
    assert!(matches!(slots.opened(5, at), Freed::Kept));
}

#[test]
fn a_connection_on_its_way_is_used_before_another_is_opened() {
    let mut slots = slots(WhenBusy::Extra);
    assert!(slots.expect_first(5, 0) && !slots.expect_first(5, 0));
    slots.dialing(5);
    assert_eq!(route(&mut slots, Some(9)), Route::Await);
    slots.wait(job(0, 5, b""), Route::Await);
    assert_eq!(route(&mut slots, Some(9)), Route::Dial { extra: true }, "busy: another one is needed");
    slots.wait(job(0, 5, b""), Route::Dial { extra: true });
    slots.dialing(5);
    assert!(matches!(slots.opened(5, 7), Freed::For(waiting) if waiting.len() == 1));
    // The first is free again before the second is there.
    assert!(matches!(slots.freed(5, 7), Freed::For(waiting) if waiting.len() == 1));
    assert!(matches!(slots.opened(5, 8), Freed::Kept));
    assert!(matches!(slots.freed(5, 7), Freed::Kept));
    assert_eq!([route(&mut slots, Some(9)), route(&mut slots, Some(9))], [Route::Idle(7), Route::Idle(8)]);
}

#[test]
fn a_slot_without_a_connection_gets_one_ahead_of_its_next_request_and_none_after_its_last() {
    let mut slots = slots(WhenBusy::Extra);
    open(&mut slots, 1);
    assert_eq!(route(&mut slots, Some(3_000)), Route::Idle(1));
    slots.closed(5, 1);
    assert!(matches!(slots.settle(5, true), Settled::Fine));
    assert_eq!((slots.next_reopen_ns(), slots.next_reopen(2_499 * MS)), (Some(2_500 * MS), None));
    assert_eq!(slots.next_reopen(2_500 * MS), Some((5, 0)));
    slots.dialing(5);
    assert!(matches!(slots.opened(5, 2), Freed::Kept));
    assert_eq!(route(&mut slots, None), Route::Idle(2));
    assert!(matches!(slots.freed(5, 2), Freed::Useless), "nothing more to come");
    slots.closed(5, 2);
    assert!(matches!(slots.settle(5, true), Settled::Fine));
    assert_eq!((slots.next_reopen_ns(), slots.remembered()), (None, 0));
}

#[test]
fn a_connection_that_served_nothing_is_not_opened_again_ahead_of_need() {
    let mut slots = slots(WhenBusy::Extra);
    open(&mut slots, 1);
    slots.closed(5, 1);
    assert!(matches!(slots.settle(5, false), Settled::Fine));
    assert_eq!((slots.next_reopen_ns(), slots.remembered()), (None, 1));
    assert_eq!(route(&mut slots, Some(9)), Route::Dial { extra: false });
}

#[test]
fn the_last_request_takes_idle_connections_of_its_slot_with_it() {
    let mut slots = slots(WhenBusy::Extra);
    open(&mut slots, 1);
    route(&mut slots, Some(9));
    assert_eq!(route(&mut slots, Some(9)), Route::Dial { extra: true });
    slots.wait(job(0, 5, b""), Route::Dial { extra: true });
    slots.dialing(5);
    assert!(matches!(slots.opened(5, 2), Freed::For(_)));
    assert!(matches!((slots.freed(5, 1), slots.freed(5, 2)), (Freed::Kept, Freed::Kept)));
    assert_eq!(route(&mut slots, None), Route::Idle(2));
    assert!(matches!(slots.freed(5, 2), Freed::Useless));
    slots.closed(5, 2);
    assert!(matches!(slots.settle(5, true), Settled::Close(1)));
    slots.closed(5, 1);
    assert!(matches!(slots.settle(5, true), Settled::Fine));
    assert_eq!(slots.remembered(), 0);
}

#[test]
fn a_queue_keeps_its_order_over_the_loss_of_its_connection() {
    let mut slots = slots(WhenBusy::Queue);
    open(&mut slots, 1);
    assert_eq!(route(&mut slots, Some(9)), Route::Idle(1));
    for number in 0..3 {
        assert_eq!(route(&mut slots, None), Route::Queue);
        let mut job = job(0, 5, b"");
        job.number = number;
        slots.wait(job, Route::Queue);
    }
    assert_eq!(slots.queued(), 3);
    slots.closed(5, 1);
    let Settled::Promote(first) = slots.settle(5, true) else { panic!("the first in the queue needs a connection") };
    assert_eq!(slots.queued(), 2);
    slots.wait_first(5, 0, first.into_iter().map(|waiting| waiting.job));
    slots.dialing(5);
    let number = |freed| match freed {
        Freed::For(waiting) => waiting.first().map(|first| first.job.number),
        _ => None,
    };
    assert_eq!(number(slots.opened(5, 2)), Some(0));
    assert_eq!((number(slots.freed(5, 2)), number(slots.freed(5, 2)), slots.queued()), (Some(1), Some(2), 0));
    assert!(matches!(slots.freed(5, 2), Freed::Useless));
}

#[test]
fn a_failed_connection_fails_one_request_and_leaves_the_others_theirs() {
    let mut slots = slots(WhenBusy::Extra);
    for extra in [false, true] {
        assert_eq!(route(&mut slots, None), Route::Dial { extra });
        slots.wait(job(0, 5, b""), Route::Dial { extra });
        slots.dialing(5);
    }
    assert_eq!(slots.not_opened(5).len(), 1);
    assert!(matches!(slots.opened(5, 1), Freed::For(waiting) if waiting.len() == 1));
    assert!(matches!(slots.freed(5, 1), Freed::Useless));
}

fn due_at(due_ms: u64) -> Box<Job> {
    let mut job = job(due_ms * MS, 5, b"");
    job.progress.released_ns = due_ms * MS;
    job
}

fn moment(due_ms: u64, now_ms: u64) -> Moment {
    Moment { due_ns: due_ms * MS, now_ns: now_ms * MS }
}

/// A request that is to leave at `due_ms`, routed at `now_ms`; it waits if it has to.
fn route_at(slots: &mut Slots, due_ms: u64, now_ms: u64) -> Route {
    let job = due_at(due_ms);
    let route = slots.route(&job, Visit::Fresh, Some(u64::MAX), false, moment(due_ms, now_ms));
    match route {
        Route::Idle(_) | Route::Shed => {}
        Route::Patient => slots.wait_patiently(job, moment(due_ms, now_ms)),
        _ => slots.wait(job, route),
    }
    route
}

/// Routes one again that was patient.
fn again(slots: &mut Slots, job: &Job, now_ms: u64) -> (u64, Route) {
    let due_ms = job.progress.released_ns / MS;
    let route = slots.route(job, Visit::Patient, None, false, moment(due_ms, now_ms));
    slots.watch_patience(5, now_ms * MS);
    (due_ms, route)
}

#[test]
fn who_is_behind_one_that_left_late_waits_for_as_long_as_the_plan_has_between_them() {
    for (when_busy, busy) in [(WhenBusy::Extra, Route::Dial { extra: true }), (WhenBusy::Shed, Route::Shed)] {
        let mut slots = slots(when_busy);
        open(&mut slots, 1);
        assert_eq!(route_at(&mut slots, 10, 30), Route::Idle(1));
        let waits = [(15, 31), (17, 31), (18, 31)].map(|(due, now)| route_at(&mut slots, due, now));
        assert_eq!(waits, [Route::Patient; 3]);
        assert_eq!((slots.queued(), slots.waiting(), slots.next_impatient_ns()), (3, 0, Some(35 * MS)));
        assert!(slots.next_impatient(34 * MS).is_none() && slots.next_patient(5).is_none());
        // It is answered in time, and the next one has as long as the plan has behind that.
        assert!(matches!(slots.freed(5, 1), Freed::Kept));
        let first = slots.next_patient(5).unwrap();
        assert_eq!(again(&mut slots, &first, 33), (15, Route::Idle(1)));
        assert!(slots.next_impatient(34 * MS).is_none() && slots.next_patient(5).is_none());
        let second = slots.next_impatient(35 * MS).unwrap();
        assert_eq!(again(&mut slots, &second, 35), (17, busy), "the connection is busy");
        // Lateness is not handed on.
        let third = slots.next_impatient(35 * MS).unwrap();
        assert_eq!(again(&mut slots, &third, 35), (18, busy));
        assert!(slots.next_impatient(u64::MAX).is_none() && slots.next_impatient_ns().is_none());
        assert_eq!((slots.queued(), route_at(&mut slots, 40, 40)), (0, busy));
    }
}

#[test]
fn nobody_is_patient_with_one_that_left_in_time_nor_where_requests_have_no_instants() {
    let check = |when_busy, timed, now_ms: [u64; 2], expected| {
        let mut slots = Slots::new(Policy { when_busy, in_order: false, timed });
        open(&mut slots, 1);
        assert_eq!(route_at(&mut slots, 10, now_ms[0]), Route::Idle(1));
        assert_eq!(route_at(&mut slots, 15, now_ms[1]), expected);
    };
    check(WhenBusy::Extra, true, [10, 15], Route::Dial { extra: true });
    check(WhenBusy::Extra, false, [30, 31], Route::Dial { extra: true });
    // A queue waits in any case, and its wait is the target's.
    check(WhenBusy::Queue, true, [30, 31], Route::Queue);
}

#[test]
fn the_patient_are_taken_up_when_their_connection_is_gone_and_when_another_cannot_be_made() {
    let mut slots = slots(WhenBusy::Extra);
    open(&mut slots, 1);
    assert_eq!(route_at(&mut slots, 10, 30), Route::Idle(1));
    assert_eq!([route_at(&mut slots, 15, 31), route_at(&mut slots, 29, 31)], [Route::Patient; 2]);
    slots.closed(5, 1);
    assert!(matches!(slots.settle(5, true), Settled::Fine));
    let first = slots.next_impatient(31 * MS).unwrap();
    assert_eq!(again(&mut slots, &first, 31), (15, Route::Dial { extra: false }));
    slots.wait(first, Route::Dial { extra: false });
    slots.dialing(5);
    assert_eq!(slots.not_opened(5).len(), 1);
    assert!(matches!(slots.settle(5, false), Settled::Fine));
    let second = slots.next_impatient(31 * MS).unwrap();
    assert_eq!(again(&mut slots, &second, 31), (29, Route::Dial { extra: false }));
    assert_eq!((slots.queued(), slots.next_impatient(u64::MAX).is_none()), (0, true));
}

#[test]
fn who_is_patient_keeps_its_slot_and_is_drained() {
    let mut slots = slots(WhenBusy::Extra);
    open(&mut slots, 1);
    assert_eq!(route_at(&mut slots, 10, 30), Route::Idle(1));
    assert_eq!([route_at(&mut slots, 15, 31), route_at(&mut slots, 16, 32)], [Route::Patient; 2]);
    slots.end(5);
    assert!(matches!(slots.freed(5, 1), Freed::Kept));
    assert_eq!((slots.drain_patient().count(), slots.queued(), slots.next_impatient_ns()), (2, 0, None));
    assert!(matches!(slots.settle(5, false), Settled::Close(1)));
}

#[test]
fn nobody_waits_much_longer_for_the_lateness_of_another() {
    for (due_ms, now_ms, until_ms) in
        [(1_030, 1_030, 1_035), (1_030, 1_032, 1_037), (1_030, 1_040, 1_050), (30, 1_001, 1_020)]
    {
        let mut slots = slots(WhenBusy::Extra);
        open(&mut slots, 1);
        assert_eq!(route_at(&mut slots, 10, 1_000), Route::Idle(1));
        assert_eq!(route_at(&mut slots, due_ms, now_ms), Route::Patient);
        assert_eq!(slots.next_impatient_ns(), Some(until_ms * MS), "{due_ms} {now_ms}");
    }
}
