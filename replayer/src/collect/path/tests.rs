//! Traces whose path is known, and any traces at all.

use proptest::prelude::*;

use super::*;
use crate::collect::span::{ClientSpan, ServiceSpan};

const MS: u64 = 1_000_000;
/// When the request of these tests was sent.
const ORIGIN: u64 = 1_900_000_000_000_000_000;

fn client(len_ns: u64) -> ClientSpan {
    ClientSpan {
        trace_id: [1; 16],
        span_id: id(0),
        endpoint: 0,
        begin_ns: 0,
        dispatched_ns: 0,
        done_ns: len_ns,
        failed: false,
        sampled: true,
    }
}

fn id(number: u64) -> [u8; 8] {
    (number + 1).to_be_bytes()
}

/// A span of the process of the same number, by milliseconds since the request was sent.
fn span(number: u32, parent: u32, ms: (i64, i64), kind: Kind) -> ServiceSpan {
    let at = |ms: i64| ORIGIN.saturating_add_signed(ms * MS.cast_signed());
    ServiceSpan {
        span_id: id(number.into()),
        parent_id: id(parent.into()),
        process: number,
        operation: number,
        start_unix_ns: at(ms.0),
        end_unix_ns: at(ms.1),
        kind,
    }
}

/// Milliseconds of each place, by span number.
fn path(spans: &[ServiceSpan], len_ms: u64, clocks: &Clocks) -> (Vec<(Place, u64)>, Oddities) {
    let clients = [client(len_ms * MS)];
    let tree = Tree::of(&clients, spans);
    let mut out = Vec::new();
    let odd = steps(&tree, 0, ORIGIN, len_ms * MS, clocks, &mut out);
    let mut sums = std::collections::BTreeMap::new();
    out.iter().for_each(|(place, ns)| *sums.entry(*place).or_insert(0) += ns / MS);
    (sums.into_iter().collect(), odd)
}

#[track_caller]
fn check(spans: &[ServiceSpan], len_ms: u64, expected: &[(Place, u64)]) -> Oddities {
    let (found, odd) = path(spans, len_ms, &Clocks::default());
    assert_eq!(found, expected);
    odd
}

use Kind::{Client, Consumer, Internal, Server};
use Place::{Between, FromLast, Span, ToFirst};

#[test]
fn a_chain_of_calls_is_taken_apart_into_self_times() {
    let spans = [
        span(1, 0, (5, 95), Server),
        span(2, 1, (10, 90), Client),
        span(3, 2, (20, 80), Server),
        span(4, 3, (30, 70), Client),
    ];
    let odd =
        check(&spans, 100, &[(ToFirst, 5), (FromLast, 5), (Span(0), 10), (Span(1), 20), (Span(2), 20), (Span(3), 40)]);
    assert_eq!(odd, Oddities::default());
}

#[test]
fn of_parallel_children_the_last_to_end_counts_and_of_serial_ones_each() {
    // 2 and 3 side by side, then 4 after them.
    let spans = [
        span(1, 0, (0, 100), Server),
        span(2, 1, (10, 30), Client),
        span(3, 1, (10, 50), Client),
        span(4, 1, (60, 90), Client),
    ];
    check(&spans, 100, &[(Span(0), 30), (Span(2), 40), (Span(3), 30)]);
}

#[test]
fn an_overlap_counts_once_for_the_later_one() {
    let spans = [span(1, 0, (0, 100), Server), span(2, 1, (0, 60), Client), span(3, 1, (40, 100), Client)];
    check(&spans, 100, &[(Span(1), 40), (Span(2), 60)]);
}

#[test]
fn two_services_one_after_the_other_have_network_between_them() {
    let spans = [span(1, 0, (10, 40), Server), span(2, 0, (50, 80), Server)];
    check(&spans, 100, &[(ToFirst, 10), (Between, 10), (FromLast, 20), (Span(0), 30), (Span(1), 30)]);
}

#[test]
fn nobody_waited_for_what_went_on_after_its_parent_unless_it_is_the_other_side_of_a_call() {
    let spans = [span(1, 0, (0, 50), Server), span(2, 1, (10, 90), Consumer), span(3, 1, (20, 45), Internal)];
    let odd = check(&spans, 50, &[(Span(0), 25), (Span(2), 25)]);
    assert_eq!(odd.not_waited_for, 1);
    // The client gave up at 50; the server went on.
    let odd = check(&[span(1, 0, (10, 500), Server)], 50, &[(ToFirst, 10), (Span(0), 40)]);
    assert_eq!(odd, Oddities { skewed: 1, not_waited_for: 0 });
}

#[test]
fn a_corrected_clock_holds_for_everything_below() {
    let hour = 3_600_000;
    // The second service is an hour ahead, and so are its own spans.
    let spans = [
        span(1, 0, (10, 90), Server),
        span(2, 1, (20 + hour, 80 + hour), Server),
        ServiceSpan { process: 2, ..span(3, 2, (30 + hour, 60 + hour), Internal) },
    ];
    let mut clocks = Clocks::default();
    let at = |ms: (i64, i64)| Stretch { start: ms.0 * 1_000_000, end: ms.1 * 1_000_000 };
    clocks.see(1, 2, at((10, 90)), at((20 + hour, 80 + hour)));
    let (found, odd) = path(&spans, 100, &clocks);
    assert_eq!(found, [(ToFirst, 10), (FromLast, 10), (Span(0), 20), (Span(1), 30), (Span(2), 30)]);
    assert_eq!(odd, Oddities::default());
    // Without it the whole of the second service lies outside, and its time is the first one's.
    let (found, odd) = path(&spans, 100, &Clocks::default());
    assert_eq!((found, odd.skewed), (vec![(ToFirst, 10), (FromLast, 10), (Span(0), 80)], 1));
}

#[test]
fn orphans_are_counted_and_stand_in_only_where_nothing_else_came() {
    let clients = [client(100 * MS)];
    let lost = [span(3, 2, (20, 80), Server)];
    let tree = Tree::of(&clients, &lost);
    assert_eq!((tree.orphans, tree.of_client(0)), (1, &[0][..]));
    let both = [span(1, 0, (10, 90), Server), span(3, 2, (20, 80), Server)];
    let tree = Tree::of(&clients, &both);
    assert_eq!((tree.orphans, tree.of_client(0), tree.of_span(0)), (1, &[0][..], &[][..]));
    // Our own span, come back through a collector, is no child of itself.
    let own = [span(0, 9, (0, 100), Client)];
    let tree = Tree::of(&clients, &own);
    assert_eq!((tree.own, tree.orphans, tree.of_client(0).len()), (1, 0, 0));
}

fn any_kind() -> impl Strategy<Value = Kind> {
    (0_u64..6).prop_map(Kind::of)
}

/// Instants near the request, hours away, and at the ends of time.
fn any_instant() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => ORIGIN - 50 * MS..ORIGIN + 250 * MS,
        1 => ORIGIN - 20_000_000 * MS..ORIGIN + 20_000_000 * MS,
        1 => prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
    ]
}

prop_compose! {
    fn any_span()(number in 0_u64..24, parent in 0_u64..24, process in 0_u32..4, start in any_instant(), end in any_instant(),
        kind in any_kind()) -> ServiceSpan
    {
        ServiceSpan { span_id: id(number), parent_id: id(parent), process, operation: 0, start_unix_ns: start, end_unix_ns: end, kind }
    }
}

proptest! {
    /// Any parents (circles, spans that are their own parents, ids that are there twice), any overlaps, any clocks.
    #[test]
    fn the_steps_of_any_trace_add_up_to_the_clients_time(
        spans in prop::collection::vec(any_span(), 0..40),
        len_ns in prop_oneof![0..300 * MS, Just(u64::MAX)],
        correct in any::<bool>(),
    ) {
        let clients = [client(len_ns)];
        let tree = Tree::of(&clients, &spans);
        let mut clocks = Clocks::default();
        if correct {
            crate::collect::view::see_calls(&tree, 0, ORIGIN, &mut clocks);
        }
        let mut out = Vec::new();
        let odd = steps(&tree, 0, ORIGIN, len_ns, &clocks, &mut out);
        let sum: u64 = out.iter().map(|(_, ns)| *ns).sum();
        prop_assert_eq!(sum, len_ns.min(1 << 60));
        prop_assert!(out.iter().all(|(_, ns)| *ns > 0));
        prop_assert!(odd.skewed + odd.not_waited_for <= spans.len() as u64);
        prop_assert!(out.len() <= 2 * spans.len() + 1);
    }
}
