//! What every plan must be, whatever the recording. By topic: `tests/rules.rs` (parsing, pools, bounds), `tests/blocks.rs`,
//! `tests/worlds.rs` (the shape in worlds whose truth is known).

mod blocks;
mod rules;
mod worlds;

use std::collections::{BTreeMap, HashSet};

use formats::model::{ClientKey, KeySource};
use proptest::prelude::*;

use super::*;

pub(super) fn options(factor: &str, method: Method, seed: u64) -> Options {
    Options { factor: factor.parse().unwrap(), seed, method }
}

pub(super) fn named(id: u64) -> Client {
    Client { key: ClientKey { source: KeySource::Named, id }, user_agents: 1, forwarded: 0 }
}

/// A recording of (instant, client) in any order; every fifth client a pool.
pub(super) fn recording(mut events: Vec<(u64, u32)>) -> (Vec<Client>, Vec<Arrival>) {
    events.sort_unstable();
    let clients = events.iter().map(|(_, client)| client + 1).max().unwrap_or(0);
    let client = |index: u32| Client { user_agents: 1 + u8::from(index % 5 == 4), ..named(u64::from(index) * 7) };
    let arrival = |(at_ns, client): (u64, u32)| Arrival { at_ns, client, connection: client };
    ((0..clients).map(client).collect(), events.into_iter().map(arrival).collect())
}

fn methods() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::Auto, Method::Clone, Method::Warp])
}

/// Up to 20 s, so that there are several cells, starting anywhere.
fn recordings() -> impl Strategy<Value = (Vec<Client>, Vec<Arrival>)> {
    let events = prop::collection::vec((0..20_000_000_000_u64, 0..40_u32), 0..200);
    (events, 0..1_u64 << 62)
        .prop_map(|(events, from)| recording(events.iter().map(|(at, client)| (at + from, *client)).collect()))
}

/// The items of each copy of each client.
fn copies(plan: &Plan, arrivals: &[Arrival]) -> BTreeMap<(u32, u32), Vec<Item>> {
    let mut copies: BTreeMap<_, Vec<Item>> = BTreeMap::new();
    for item in &plan.items {
        copies.entry((arrivals[item.arrival as usize].client, item.copy)).or_default().push(*item);
    }
    copies
}

proptest! {
    #[test]
    fn plans_of_smaller_factors_are_contained((clients, arrivals) in recordings(), seed: u64, method in methods()) {
        let mut before: HashSet<Item> = HashSet::new();
        for factor in ["0.25x", "0.5x", "1x", "2x", "2.5x", "3x"] {
            let plan = plan(&clients, &arrivals, &options(factor, method, seed)).unwrap();
            let items: HashSet<Item> = plan.items.iter().copied().collect();
            prop_assert_eq!(items.len(), plan.items.len());
            prop_assert!(before.is_subset(&items), "{} lacks some", factor);
            before = items;
        }
        prop_assert_eq!(before.len(), 3 * arrivals.len());
    }

    #[test]
    fn the_same_input_makes_the_same_plan((clients, arrivals) in recordings(), seed: u64, method in methods()) {
        let options = options("3x", method, seed);
        prop_assert_eq!(plan(&clients, &arrivals, &options).unwrap(), plan(&clients, &arrivals, &options).unwrap());
    }

    #[test]
    fn once_the_rate_is_the_recording((clients, arrivals) in recordings(), seed: u64, method in methods()) {
        let plan = plan(&clients, &arrivals, &options("1x", method, seed)).unwrap();
        let recorded: Vec<Item> = (0..).zip(&arrivals)
            .map(|(arrival, at)| Item { due_ns: at.at_ns - arrivals[0].at_ns, arrival, copy: 0 })
            .collect();
        prop_assert_eq!(plan.items, recorded);
    }

    #[test]
    fn copies_are_whole_lives_within_block_and_recording((clients, arrivals) in recordings(), seed: u64) {
        let plan = plan(&clients, &arrivals, &options("4x", Method::Clone, seed)).unwrap();
        let copies = copies(&plan, &arrivals);
        for ((client, copy), items) in &copies {
            let original = &copies[&(*client, 0)];
            prop_assert_eq!(items.len(), original.len());
            for (item, recorded) in items.iter().zip(original) {
                prop_assert_eq!(item.arrival, recorded.arrival);
                prop_assert_eq!(item.due_ns - items[0].due_ns, recorded.due_ns - original[0].due_ns, "copy {}", copy);
                prop_assert!(item.due_ns <= plan.duration_ns);
            }
            let block = |at: u64| plan.block_edges_ns[1..plan.block_edges_ns.len() - 1].partition_point(|edge| *edge <= at);
            prop_assert_eq!(block(items[0].due_ns), block(original[0].due_ns));
        }
    }

    #[test]
    fn warped_copies_stay_in_their_block((clients, arrivals) in recordings(), seed: u64) {
        let plan = plan(&clients, &arrivals, &options("4x", Method::Warp, seed)).unwrap();
        let edges = &plan.pool_block_edges_ns;
        for item in &plan.items {
            let block = |at: u64| edges[1..edges.len() - 1].partition_point(|edge| *edge <= at);
            prop_assert_eq!(block(item.due_ns), block(arrivals[item.arrival as usize].at_ns - arrivals[0].at_ns));
            prop_assert!(item.due_ns <= plan.duration_ns);
        }
    }

    #[test]
    fn items_are_in_order_and_hashed_and_the_split_adds_up((clients, arrivals) in recordings(), seed: u64, method in methods()) {
        let plan = plan(&clients, &arrivals, &options("2.5x", method, seed)).unwrap();
        prop_assert!(plan.items.is_sorted());
        let mut changed = plan.items.clone();
        if let Some(item) = changed.last_mut() {
            item.due_ns += 1;
            prop_assert_ne!(hash(&changed), plan.hash);
        }
        let split = plan.clients;
        prop_assert_eq!(split.cloned.exchanges + split.warped.exchanges, arrivals.len() as u64);
        prop_assert_eq!(split.cloned.clients + split.warped.clients, split.recorded.clients);
        if method == Method::Auto {
            prop_assert_eq!(split.warped, split.pools);
        }
    }

    #[test]
    fn dispersion_is_that_of_a_naive_count(mut times in prop::collection::vec(0..10_000_u64, 0..100), tau in 1..4000_u64) {
        times.sort_unstable();
        let windows = 10_000 / tau;
        let counts: Vec<f64> = (0..windows)
            .map(|window| times.iter().filter(|at| **at / tau == window).count() as f64)
            .collect();
        let mean = counts.iter().sum::<f64>() / windows as f64;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / windows as f64;
        match dispersion(times, 10_000, tau) {
            Some(got) => prop_assert!((got - variance / mean).abs() < 1e-9 * (1.0 + got), "{} is not {}", got, variance / mean),
            None => prop_assert!(windows < 4 || mean == 0.0),
        }
    }
}

proptest! {
    // Recordings of centuries have all 10,000 cells: fewer of them.
    #![proptest_config(ProptestConfig::with_cases(2))]

    #[test]
    fn no_instants_panic(events in prop::collection::vec((any::<u64>(), 0..9_u32), 0..50), seed: u64, method in methods()) {
        for ends in [vec![], vec![(0, 0), (u64::MAX, 0), (u64::MAX, 1)]] {
            let (clients, arrivals) = recording(events.iter().copied().chain(ends).collect());
            let plan = plan(&clients, &arrivals, &options("2.5x", method, seed)).unwrap();
            prop_assert!(plan.items.len() >= 2 * arrivals.len());
            prop_assert!(plan.items.iter().all(|item| item.due_ns <= plan.duration_ns));
            prop_assert_eq!(shape(&arrivals, &plan).len(), SHAPE_TAUS_NS.len());
        }
    }
}

/// Changes here change everybody's plans: raise the version in `HASH_TAG` with them, and say so.
#[test]
fn the_plan_of_a_known_recording_is_known() {
    let (clients, arrivals) =
        recording((0..500).map(|i| (i * i * 1_000_003 % 40_000_000_000, (i % 60) as u32)).collect());
    let plan = plan(&clients, &arrivals, &options("2.5x", Method::Auto, 42)).unwrap();
    let hex: String = plan.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (plan.items.len(), hex.as_str()),
        (1236, "1ec49c1abe3dcd2d439ab28537f0d6fcfecae629dbb7e4a18ada28713351d9a7")
    );
}

#[test]
fn a_seed_makes_a_plan_of_its_own() {
    let (clients, arrivals) = recording((0..100).map(|i| (i * 1_000_000_000, i as u32)).collect());
    let of = |seed| plan(&clients, &arrivals, &options("2x", Method::Auto, seed)).unwrap().hash;
    assert_ne!(of(1), of(2));
}

#[test]
fn nothing_recorded_is_nothing_planned() {
    let plan = plan(&[], &[], &options("3x", Method::Auto, 1)).unwrap();
    assert_eq!((plan.items.len(), plan.duration_ns, plan.block_edges_ns.len()), (0, 0, 0));
}
