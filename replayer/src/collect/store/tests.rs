//! Which traces stay, what they stand for, and that memory holds.

use super::*;
use crate::collect::span::Kind;

const MIB: u64 = 1 << 20;

fn id(number: u64) -> [u8; 16] {
    // Spread as random ids are.
    let half = |seed| mixed(&u128::from(number).to_be_bytes(), seed);
    (u128::from(half(7)) << 64 | u128::from(half(8))).to_be_bytes()
}

fn request(number: u64, response_ns: u64) -> ClientSpan {
    ClientSpan {
        trace_id: id(number),
        span_id: number.to_be_bytes(),
        endpoint: 0,
        begin_ns: 0,
        dispatched_ns: 0,
        done_ns: response_ns,
        failed: false,
        sampled: true,
    }
}

fn span(number: u64) -> ServiceSpan {
    ServiceSpan {
        span_id: number.to_be_bytes(),
        parent_id: [0; 8],
        process: 1,
        operation: 1,
        start_unix_ns: 0,
        end_unix_ns: 1,
        kind: Kind::Server,
    }
}

fn kept(store: &Store) -> Vec<&ClientSpan> {
    store.traces().flat_map(|trace| &trace.clients).collect()
}

#[test]
fn everything_is_kept_while_there_is_room_and_stands_for_itself() {
    let mut store = Store::new(16 * MIB);
    for number in 0..100 {
        store.request(request(number, number));
        store.span(id(number), span(1), Mark::None);
        store.span(id(number), span(1), Mark::None);
        store.span(id(number + 1_000), span(1), Mark::None);
        store.span(id(number), span(2), Mark::Others);
    }
    store.finish();
    assert_eq!((kept(&store).len(), store.kept()), (100, (1.0, 1.0, 64)));
    assert!(kept(&store).iter().all(|client| store.weight(client) == Some(1.0)));
    let expected = Counts { received: 0, sampled: 100, repeated: 100, of_others: 200, ..Counts::default() };
    assert_eq!(store.counts, expected);
}

#[test]
fn spans_that_come_before_their_request_has_ended_wait_for_it() {
    let mut store = Store::new(16 * MIB);
    store.span(id(1), span(1), Mark::None);
    store.span(id(2), span(1), Mark::Ours);
    store.span(id(3), span(1), Mark::None);
    assert_eq!(store.traces().count(), 0);
    store.request(request(1, 5));
    store.finish();
    assert_eq!(store.traces().map(|trace| trace.spans.len()).collect::<Vec<_>>(), [1]);
    assert_eq!((store.counts.gave_way, store.counts.of_others, store.waiting_bytes), (1, 1, 0));
}

#[test]
fn spans_of_a_request_that_was_not_sampled_are_not_kept_whenever_they_come() {
    let mut store = Store::new(16 * MIB);
    store.span(id(1), span(1), Mark::Ours);
    store.request(ClientSpan { sampled: false, ..request(1, 5) });
    store.span(id(1), span(2), Mark::Ours);
    store.finish();
    assert_eq!((store.traces().count(), store.waiting_bytes, store.bytes), (0, 0, 0));
    assert_eq!(store.counts, Counts { unsampled: 1, not_kept: 2, ..Counts::default() });
}

/// A run that is many times larger than memory: the bound holds all the time, the slowest and the failed are there, and the
/// weights of what is kept add up to what there was, for any part of it.
#[test]
fn past_the_limit_less_is_kept_and_what_is_kept_stands_for_the_rest() {
    let memory = MIB;
    let mut store = Store::new(memory);
    let (all, every) = (50_000_u64, 500);
    let mut at_limit = false;
    for number in 0..all {
        // Neither the slow nor the failed come at a special time.
        let response = (number * 7_919) % all;
        store.request(ClientSpan { failed: number % every == 0, ..request(number, response) });
        (0..3).for_each(|at| store.span(id(number), span(at), Mark::None));
        assert!(store.bytes <= store.bytes_max, "{} of {}", store.bytes, store.bytes_max);
        at_limit |= store.bytes > store.bytes_max * 9 / 10;
    }
    store.finish();
    assert!(at_limit);
    let (share, failed_share, slowest) = store.kept();
    assert!(share < 0.1 && failed_share == 1.0 && slowest == 64, "{:?}", store.kept());
    let kept = kept(&store);
    let weigh = |which: &dyn Fn(&ClientSpan) -> bool| -> f64 {
        kept.iter().filter(|client| which(client)).filter_map(|client| store.weight(client)).sum()
    };
    // Within four standard errors of a sample of this size.
    assert!((weigh(&|_| true) / 50_000.0 - 1.0).abs() < 0.15, "{}", weigh(&|_| true));
    assert!((weigh(&|client| client.done_ns < all / 2) / 25_000.0 - 1.0).abs() < 0.2);
    assert_eq!(weigh(&|client| client.failed), (all / every) as f64);
    assert_eq!(kept.iter().filter(|client| client.done_ns >= all - 64).count(), 64);
    assert!(kept.iter().filter(|client| client.done_ns >= all - 64).all(|client| store.weight(client) == Some(1.0)));
    assert_eq!(store.counts.not_kept + store.traces().map(|trace| trace.spans.len() as u64).sum::<u64>(), 3 * all);
}

#[test]
fn where_everything_fails_or_is_alike_memory_holds_all_the_same() {
    for failed in [true, false] {
        let mut store = Store::new(MIB);
        for number in 0..20_000 {
            // Endpoints enough that their slowest alone would not fit.
            let endpoint = u32::try_from(number % 1_000).unwrap();
            store.request(ClientSpan { failed, endpoint, ..request(number, 1) });
            store.span(id(number), span(1), Mark::Ours);
            assert!(store.bytes <= store.bytes_max);
        }
        let sum: f64 = kept(&store).iter().filter_map(|client| store.weight(client)).sum();
        assert!((sum / 20_000.0 - 1.0).abs() < 0.2, "{sum}");
    }
}

#[test]
fn a_flood_of_strangers_takes_nothing_from_what_is_kept() {
    let mut store = Store::new(MIB);
    store.request(request(1, 5));
    for number in 2..50_000 {
        store.span(id(number), span(1), Mark::None);
        assert!(store.waiting_bytes <= store.waiting_bytes_max);
        assert!(store.waiting.len() <= 2 * store.waiting_traces + 1_024);
    }
    store.span(id(1), span(1), Mark::None);
    store.finish();
    assert_eq!((store.traces().count(), store.kept().0, store.counts.of_others), (1, 1.0, 49_998));
}

#[test]
fn one_trace_has_at_most_so_many_spans_and_requests() {
    let mut store = Store::new(16 * MIB);
    for number in 0..=SPANS_PER_TRACE_MAX as u64 {
        store.request(ClientSpan { trace_id: id(1), ..request(number, number) });
        store.span(id(1), span(number), Mark::None);
    }
    let trace = store.traces().next().unwrap();
    assert_eq!((trace.spans.len(), trace.clients.len()), (SPANS_PER_TRACE_MAX, REQUESTS_PER_TRACE_MAX));
    assert_eq!((store.counts.cut, store.counts.requests_cut), (1, 1));
}

#[test]
fn unsampled_requests_are_counted_and_their_spans_known_as_ours() {
    let mut store = Store::new(16 * MIB);
    store.request(ClientSpan { sampled: false, ..request(1, 5) });
    store.span(id(1), span(1), Mark::None);
    assert_eq!((store.traces().count(), store.counts.unsampled, store.counts.not_kept), (0, 1, 1));
}
