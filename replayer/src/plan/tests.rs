//! What every plan must be, whatever the recording. By topic: `tests/rules.rs` (parsing, pools, bounds), `tests/blocks.rs`,
//! `tests/methods.rs` (profiles, rounds, overlay, Poisson, shards), `tests/worlds.rs` (the shape in worlds whose truth is known).

mod blocks;
mod levels;
mod methods;
mod rules;
mod worlds;

use std::collections::{BTreeMap, HashSet};

use formats::model::{ClientKey, KeySource};
use proptest::prelude::*;

use super::*;

/// One recorded exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) at_ns: u64,
    pub(super) client: u32,
}

/// One request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Item {
    pub(super) due_ns: u64,
    /// Index into the arrivals.
    pub(super) arrival: u32,
    pub(super) copy: u32,
}

/// A plan asked for everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) items: Vec<Item>,
    pub(super) hash: [u8; 32],
    pub(super) clients: Split,
    pub(super) block_edges_ns: Vec<u64>,
    pub(super) pool_block_edges_ns: Vec<u64>,
    pub(super) block_levels: Vec<Option<u32>>,
    pub(super) pool_block_levels: Vec<Option<u32>>,
    pub(super) duration_ns: u64,
}

pub(super) fn plan(clients: &[Client], arrivals: &[Arrival], options: &Options) -> Result<Listed, PlanError> {
    let start = arrivals.first().map_or(0, |first| first.at_ns);
    let duration_ns = arrivals.last().map_or(0, |last| last.at_ns) - start;
    let mut plan = Plan::new(clients, duration_ns, options.clone())?;
    for arrival in arrivals.iter().filter(|arrival| plan.is_warped(arrival.client)).copied().collect::<Vec<_>>() {
        plan.pooled(arrival.at_ns - start);
    }
    plan.pools_are_complete();
    let mut items = Vec::new();
    let mut ordinals = vec![0_u64; clients.len()];
    for (index, arrival) in (0_u32..).zip(arrivals) {
        let at_ns = arrival.at_ns - start;
        let mut add = |due_ns, copy| items.push(Item { due_ns, arrival: index, copy });
        for life in plan.lives(arrival.client) {
            if let Some(due_ns) = plan.due_ns(arrival.client, life, at_ns) {
                add(due_ns, life.copy);
            }
        }
        let ordinal = &mut ordinals[arrival.client as usize];
        plan.copies(arrival.client, *ordinal, at_ns).for_each(|(copy, due_ns)| add(due_ns, copy));
        *ordinal += 1;
    }
    items.sort_unstable();
    Ok(Listed {
        items,
        hash: plan.hash(clients, b""),
        clients: plan.clients,
        block_edges_ns: plan.block_edges_ns().to_vec(),
        pool_block_edges_ns: plan.pool_block_edges_ns().to_vec(),
        block_levels: plan.block_levels().collect(),
        pool_block_levels: plan.pool_block_levels().collect(),
        duration_ns,
    })
}

pub(super) fn options(factor: &str, method: Method, seed: u64) -> Options {
    Options { profile: Profile::constant(factor.parse().unwrap()), seed, method, length: Length::default() }
}

pub(super) fn named(id: u64) -> Client {
    Client {
        key: ClientKey { source: KeySource::Named, id },
        first_ns: 0,
        last_ns: 0,
        pause_ns: 0,
        exchanges: 0,
        user_agents: 1,
        forwarded: 0,
    }
}

/// A recording of (instant, client) in any order; every fifth client a pool.
pub(super) fn recording(mut events: Vec<(u64, u32)>) -> (Vec<Client>, Vec<Arrival>) {
    events.sort_unstable();
    let count = events.iter().map(|(_, client)| client + 1).max().unwrap_or(0);
    let client = |index: u32| Client { user_agents: 1 + u8::from(index % 5 == 4), ..named(u64::from(index) * 7) };
    let mut clients: Vec<Client> = (0..count).map(client).collect();
    let start = events.first().map_or(0, |first| first.0);
    for (at_ns, client) in &events {
        let (client, at_ns) = (&mut clients[*client as usize], at_ns - start);
        if client.exchanges == 0 {
            client.first_ns = at_ns;
        } else {
            client.pause_ns = client.pause_ns.max(at_ns - client.last_ns);
        }
        (client.last_ns, client.exchanges) = (at_ns, client.exchanges + 1);
    }
    (clients, events.into_iter().map(|(at_ns, client)| Arrival { at_ns, client }).collect())
}

fn methods() -> impl Strategy<Value = Method> {
    use Method::{Auto, Clone, Compress, Overlay, Poisson, Warp};
    prop::sample::select(vec![Auto, Clone, Overlay, Compress, Warp, Poisson])
}

/// Those that leave the recorded requests where they are, and add to them.
fn adding_methods() -> impl Strategy<Value = Method> {
    methods().prop_filter("adds", |method| !matches!(method, Method::Compress | Method::Poisson))
}

/// Once, several times, or until some instant of the first round or of the next ones.
fn lengths() -> impl Strategy<Value = Length> {
    let duration = prop::option::of(1..50_000_000_000_u64);
    (prop::option::of(1..3_u32), duration, prop::sample::select(vec!["1x", "2.5x"])).prop_map(
        |(repeat, duration_ns, speed)| Length { repeat, duration_ns, speed: speed.parse().unwrap(), cut: false },
    )
}

fn with_length(factor: &str, method: Method, seed: u64, length: Length) -> Options {
    Options { length, ..options(factor, method, seed) }
}

/// Up to 20 s, so that there are several cells, starting anywhere.
fn recordings() -> impl Strategy<Value = (Vec<Client>, Vec<Arrival>)> {
    let events = prop::collection::vec((0..20_000_000_000_u64, 0..40_u32), 0..200);
    (events, 0..1_u64 << 62)
        .prop_map(|(events, from)| recording(events.iter().map(|(at, client)| (at + from, *client)).collect()))
}

/// The items of each copy of each client.
fn copies(plan: &Listed, arrivals: &[Arrival]) -> BTreeMap<(u32, u32), Vec<Item>> {
    let mut copies: BTreeMap<_, Vec<Item>> = BTreeMap::new();
    for item in &plan.items {
        copies.entry((arrivals[item.arrival as usize].client, item.copy)).or_default().push(*item);
    }
    copies
}

/// The level in which an instant lies, or the block that shares none.
fn place(edges: &[u64], levels: &[Option<u32>], at_ns: u64) -> Result<u32, usize> {
    let block = edges[1..edges.len() - 1].partition_point(|edge| *edge <= at_ns);
    levels.get(block).copied().flatten().ok_or(block)
}

proptest! {
    #[test]
    fn plans_of_smaller_factors_are_contained(
        (clients, arrivals) in recordings(), seed: u64, method in adding_methods(), length in lengths()
    ) {
        let mut before: HashSet<Item> = HashSet::new();
        let mut count = 0;
        for factor in ["0.25x", "0.5x", "1x", "2x", "2.5x", "3x"] {
            let plan = plan(&clients, &arrivals, &with_length(factor, method, seed, length)).unwrap();
            let mut items: HashSet<Item> = plan.items.iter().copied().collect();
            prop_assert_eq!(items.len(), plan.items.len());
            count = items.len();
            if method == Method::Overlay {
                // What goes around is numbered after all copies that there are.
                items = items.into_iter().map(|item| Item { copy: 0, ..item }).collect();
            }
            prop_assert!(before.is_subset(&items), "{} lacks some", factor);
            before = items;
        }
        if length.duration_ns.is_none() {
            prop_assert_eq!(count, 3 * arrivals.len() * length.repeat.unwrap_or(1) as usize);
        }
    }

    #[test]
    fn the_same_input_makes_the_same_plan(
        (clients, arrivals) in recordings(), seed: u64, method in methods(), length in lengths()
    ) {
        let options = with_length("3x", method, seed, length);
        prop_assert_eq!(plan(&clients, &arrivals, &options).unwrap(), plan(&clients, &arrivals, &options).unwrap());
    }

    #[test]
    fn once_the_rate_is_the_recording(
        (clients, arrivals) in recordings(), seed: u64, method in prop_oneof![adding_methods(), Just(Method::Compress)]
    ) {
        let plan = plan(&clients, &arrivals, &options("1x", method, seed)).unwrap();
        let recorded: Vec<Item> = (0..).zip(&arrivals)
            .map(|(arrival, at)| Item { due_ns: at.at_ns - arrivals[0].at_ns, arrival, copy: 0 })
            .collect();
        prop_assert_eq!(plan.items, recorded);
    }

    #[test]
    fn copies_are_whole_lives_that_start_in_their_block_and_go_around((clients, arrivals) in recordings(), seed: u64) {
        let plan = plan(&clients, &arrivals, &options("4x", Method::Clone, seed)).unwrap();
        let copies = copies(&plan, &arrivals);
        for ((client, copy), items) in &copies {
            let original = &copies[&(*client, 0)];
            prop_assert_eq!(items.len(), original.len());
            let mut items = items.clone();
            items.sort_unstable_by_key(|item| item.arrival);
            for (item, recorded) in items.iter().zip(original) {
                prop_assert_eq!(item.arrival, recorded.arrival);
                prop_assert!(item.due_ns <= plan.duration_ns);
                let around = if item.due_ns < items[0].due_ns { plan.duration_ns + 1 } else { 0 };
                let since = item.due_ns + around - items[0].due_ns;
                prop_assert_eq!(since, recorded.due_ns - original[0].due_ns, "copy {}", copy);
            }
            let place = |at| place(&plan.block_edges_ns, &plan.block_levels, at);
            prop_assert_eq!(place(items[0].due_ns), place(original[0].due_ns));
        }
    }

    #[test]
    fn warped_copies_stay_in_their_block((clients, arrivals) in recordings(), seed: u64) {
        let plan = plan(&clients, &arrivals, &options("4x", Method::Warp, seed)).unwrap();
        let place = |at| place(&plan.pool_block_edges_ns, &plan.pool_block_levels, at);
        for item in &plan.items {
            prop_assert_eq!(place(item.due_ns), place(arrivals[item.arrival as usize].at_ns - arrivals[0].at_ns));
            prop_assert!(item.due_ns <= plan.duration_ns);
        }
    }

    #[test]
    fn the_hash_knows_the_clients_and_the_split_adds_up(
        (clients, arrivals) in recordings(), seed: u64, method in methods(), length in lengths()
    ) {
        let options = with_length("2.5x", method, seed, length);
        let plan = plan(&clients, &arrivals, &options).unwrap();
        let mut changed = clients.clone();
        if let Some(client) = changed.iter_mut().find(|client| client.exchanges > 0) {
            client.exchanges += 1;
            let changed = Plan::new(&changed, plan.duration_ns, options).unwrap().hash(&changed, b"");
            prop_assert_ne!(changed, plan.hash);
        }
        let split = plan.clients;
        prop_assert_eq!(split.cloned.exchanges + split.warped.exchanges, arrivals.len() as u64);
        prop_assert_eq!(split.cloned.clients + split.warped.clients, split.recorded.clients);
        if method == Method::Auto {
            prop_assert_eq!(split.warped, split.pools);
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
            if !matches!(method, Method::Compress | Method::Poisson) {
                prop_assert!(plan.items.len() >= 2 * arrivals.len());
            }
            prop_assert!(plan.items.iter().all(|item| item.due_ns <= plan.duration_ns));
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
        (plan.items.len(), plan.items.iter().map(|item| u128::from(item.due_ns)).sum::<u128>(), hex.as_str()),
        (1236, 22_019_949_506_344, "a85946a71c3e4d30b204392802a2ad57ffd85a1a6de6b2105fdb9cb22f89a48a")
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
