use super::*;
use crate::job::tests::job;

const MS: u64 = 1_000_000;

fn slots(when_busy: WhenBusy) -> Slots {
    Slots::new(Policy { when_busy, in_order: false, timed: true })
}

fn route(slots: &mut Slots, next_ms: Option<u64>) -> Route {
    slots.route(&job(0, 5, b""), true, next_ms.map(|at| at * MS), false, Moment { due_ns: 0, now_ns: 0 })
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

/// A request that is to leave at `due_ms`, routed at `now_ms`; it waits if it has to.
fn route_at(slots: &mut Slots, due_ms: u64, now_ms: u64) -> Route {
    let mut job = job(due_ms * MS, 5, b"");
    job.progress.released_ns = due_ms * MS;
    let route = slots.route(&job, true, Some(u64::MAX), false, Moment { due_ns: due_ms * MS, now_ns: now_ms * MS });
    match route {
        Route::Idle(_) | Route::Shed => {}
        Route::Patient => slots.wait_patiently(job, now_ms * MS),
        _ => slots.wait(job, route),
    }
    route
}

fn due_ms(waiting: &[Waiting]) -> Vec<u64> {
    waiting.iter().map(|one| one.job.progress.released_ns / MS).collect()
}

#[test]
fn who_is_behind_one_that_left_late_waits_for_as_long_as_the_plan_has_between_them() {
    for when_busy in [WhenBusy::Extra, WhenBusy::Shed] {
        let mut slots = slots(when_busy);
        open(&mut slots, 1);
        assert_eq!(route_at(&mut slots, 10, 30), Route::Idle(1));
        assert_eq!([route_at(&mut slots, 15, 31), route_at(&mut slots, 17, 31)], [Route::Patient; 2]);
        assert_eq!((slots.queued(), slots.next_impatient_ns()), (2, Some(35 * MS)));
        assert!(slots.next_impatient(34 * MS).is_none());
        // It is answered in time, and the next one has as long as the plan has behind that.
        let Freed::For(taken) = slots.freed(5, 1) else { panic!("somebody waits") };
        assert!(due_ms(&taken) == [15] && taken[0].patient && taken[0].queued);
        slots.left_after_waiting(5, true, Moment { due_ns: 15 * MS, now_ns: 33 * MS });
        assert!(slots.next_impatient(34 * MS).is_none());
        assert_eq!(due_ms(&slots.next_impatient(35 * MS).unwrap()), [17], "the connection is busy");
        assert!(slots.next_impatient(40 * MS).is_none() && slots.next_impatient_ns().is_none());
        assert_eq!((slots.queued(), slots.waiting()), (0, 0));
        // Lateness is not handed on.
        let busy = if when_busy == WhenBusy::Shed { Route::Shed } else { Route::Dial { extra: true } };
        assert_eq!(route_at(&mut slots, 40, 40), busy);
    }
}

#[test]
fn nobody_is_patient_with_one_that_left_in_time_nor_where_requests_have_no_instants() {
    let mut slots = slots(WhenBusy::Extra);
    open(&mut slots, 1);
    assert_eq!(
        [route_at(&mut slots, 10, 10), route_at(&mut slots, 15, 15)],
        [Route::Idle(1), Route::Dial { extra: true }]
    );
    let mut slots = Slots::new(Policy { when_busy: WhenBusy::Extra, in_order: false, timed: false });
    open(&mut slots, 1);
    assert_eq!(
        [route_at(&mut slots, 10, 30), route_at(&mut slots, 15, 31)],
        [Route::Idle(1), Route::Dial { extra: true }]
    );
    // A queue waits in any case, and its wait is the target's.
    let mut slots = Slots::new(Policy { when_busy: WhenBusy::Queue, in_order: false, timed: true });
    open(&mut slots, 1);
    assert_eq!([route_at(&mut slots, 10, 30), route_at(&mut slots, 15, 31)], [Route::Idle(1), Route::Queue]);
}

#[test]
fn the_patient_are_taken_up_when_their_connection_is_gone() {
    let mut slots = slots(WhenBusy::Extra);
    open(&mut slots, 1);
    assert_eq!(route_at(&mut slots, 10, 30), Route::Idle(1));
    assert_eq!([route_at(&mut slots, 15, 31), route_at(&mut slots, 29, 31)], [Route::Patient; 2]);
    slots.closed(5, 1);
    let Settled::Promote(first) = slots.settle(5, true) else { panic!("it needs another connection") };
    assert_eq!(due_ms(&first), [15]);
    slots.wait_first(5, 0, first.into_iter().map(|one| one.job));
    slots.dialing(5);
    let Freed::For(taken) = slots.opened(5, 2) else { panic!("it is for who waits") };
    assert!(due_ms(&taken) == [15] && !taken[0].patient);
    slots.left_after_waiting(5, false, Moment { due_ns: 15 * MS, now_ns: 40 * MS });
    // The wait for a connection is nobody's lateness.
    assert_eq!(due_ms(&slots.next_impatient(40 * MS).unwrap()), [29]);
    assert!(matches!(route_at(&mut slots, 60, 60), Route::Dial { extra: true }));
    assert_eq!(slots.drain(true).len(), 1);
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
