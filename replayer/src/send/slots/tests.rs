use super::*;
use crate::job::tests::job;

const MS: u64 = 1_000_000;

fn slots(when_busy: WhenBusy) -> Slots {
    Slots::new(Policy { when_busy, in_order: false, timed: true })
}

fn route(slots: &mut Slots, next_ms: Option<u64>) -> Route {
    slots.route(&job(0, 5, b""), true, next_ms.map(|at| at * MS), false)
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
