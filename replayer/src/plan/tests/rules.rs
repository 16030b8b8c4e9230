//! Parsing, pools, bounds, draws and where copies may start.

use super::super::draw::{Draw, Purpose};
use super::super::{factor, pools};
use super::*;

#[test]
fn factors_are_exact_and_print_as_written() {
    for (text, value) in
        [("3x", 3.0), ("0.25x", 0.25), ("2.5x", 2.5), ("10000x", 10_000.0), ("0.000001x", 1e-6), ("1x", 1.0)]
    {
        let factor: Factor = text.parse().unwrap();
        assert_eq!((factor.to_string().as_str(), factor.as_f64()), (text, value));
    }
    assert_eq!("02.500x".parse::<Factor>().unwrap().to_string(), "2.5x");
    assert_eq!("1.0x".parse::<Factor>().unwrap(), Factor::ONE);
    assert_eq!("10000.000000x".parse::<Factor>().unwrap().to_string(), "10000x");
}

#[test]
fn what_is_no_factor_says_why() {
    for (text, part) in [
        ("0x", "is zero"),
        ("0.000x", "is zero"),
        ("-1x", "is negative"),
        ("abc", "does not end in x"),
        ("", "does not end in x"),
        ("3", "does not end in x"),
        ("x", "no decimal number"),
        (".5x", "no decimal number"),
        ("5.x", "no decimal number"),
        ("1.2.3x", "no decimal number"),
        ("+3x", "no decimal number"),
        ("1e3x", "no decimal number"),
        ("infx", "no decimal number"),
        ("0.0000001x", "more than 6 decimals"),
        ("10000.000001x", "above 10000x"),
        ("99999999999999999999999x", "above 10000x"),
        ("18446744073709551615.5x", "above 10000x"),
        ("max", "no decimal number"),
    ] {
        let error = text.parse::<Factor>().unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("as in 3x"), "{text}: {error}");
    }
}

#[test]
fn methods_have_names() {
    for name in ["auto", "clone", "overlay", "compress", "warp", "poisson"] {
        assert_eq!(name.parse::<Method>().unwrap().to_string(), name);
    }
    let error = "Auto".parse::<Method>().unwrap_err().to_string();
    assert!(error.contains("write auto, clone, overlay, compress, warp or poisson"), "{error}");
}

#[test]
fn rates_are_factors_requests_a_second_or_all_that_goes() {
    for text in ["3x", "0.25x", "1200/s", "0.5/s", "max"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
    for (text, part) in [
        ("0/s", "is zero"),
        ("-1/s", "is negative"),
        ("x/s", "no decimal number before the /s"),
        ("1e3/s", "no decimal number"),
        ("100000001/s", "above 100000000/s"),
        ("3", "does not end in x"),
    ] {
        let error = text.parse::<Rate>().unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    // 600 requests in a minute are 10 a second.
    let of = |text: &str| text.parse::<Rate>().unwrap().factor(600, 60_000_000_000);
    assert_eq!((of("25/s").unwrap().to_string(), of("2x").unwrap().to_string()), ("2.5x".into(), "2x".into()));
    assert!(matches!(of("100001/s"), Err(PlanError::RateOutOfReach { .. })));
    assert!("1/s".parse::<Rate>().unwrap().factor(0, 1_000_000_000).is_err(), "nothing to multiply");
}

proptest! {
    #[test]
    fn factors_print_as_what_they_are(millionths in 1..=10_000_000_000_u64) {
        let factor: Factor = format!("{}.{:06}x", millionths / 1_000_000, millionths % 1_000_000).parse().unwrap();
        prop_assert_eq!(factor.to_string().parse::<Factor>().unwrap(), factor);
        prop_assert_eq!(factor.as_f64(), millionths as f64 / 1e6);
        prop_assert_eq!(u64::from(factor::copies(factor.millionths(), u64::MAX)), millionths / 1_000_000);
        prop_assert_eq!(u64::from(factor::copies(factor.millionths(), 0)), millionths.div_ceil(1_000_000));
    }
}

#[test]
fn half_a_copy_is_for_hashes_below_one_half() {
    assert_eq!((factor::copies(2_500_000, (1 << 63) - 1), factor::copies(2_500_000, 1 << 63)), (3, 2));
}

#[test]
fn pools_are_what_is_past_the_limits() {
    let life = |length: u64, exchanges| (length, exchanges);
    let client = |source, user_agents, forwarded| Client {
        key: ClientKey { source, id: 1 },
        user_agents,
        forwarded,
        first_ns: 7,
        ..named(1)
    };
    let (at, past) = (life(100, 50), life(101, 51));
    for (client, life, expected) in [
        (client(KeySource::Peer, 1, 1), at, false),
        (client(KeySource::Peer, 1, 1), life(101, 50), false),
        (client(KeySource::Peer, 1, 1), life(100, 51), false),
        (client(KeySource::Peer, 1, 1), past, true),
        (client(KeySource::Connection, 0, 0), at, false),
        (client(KeySource::Connection, 0, 0), past, true),
        (client(KeySource::Named, 1, 1), life(1000, 1000), false),
        (client(KeySource::Forwarded, 1, 1), life(1000, 1000), false),
        (client(KeySource::Named, 2, 1), life(0, 1), true),
        (client(KeySource::Named, 1, 2), life(0, 1), true),
        (client(KeySource::Forwarded, 0, 2), life(0, 1), true),
        (client(KeySource::Connection, 255, 0), life(0, 1), true),
    ] {
        let client = Client { last_ns: 7 + life.0, exchanges: life.1, ..client };
        assert_eq!(pools::is_pool(&client, 1000, 1000), expected, "{client:?} {life:?}");
    }
}

#[test]
fn auto_warps_pools_and_clones_users() {
    let (mut clients, arrivals) = recording((0..1000).map(|i| (i * 10_000_000, (i % 50) as u32)).collect());
    clients.iter_mut().for_each(|client| client.user_agents = 1);
    clients[3].user_agents = 2;
    let of = |method| plan(&clients, &arrivals, &options("2x", method, 1)).unwrap();
    let (auto, clone, warp) = (of(Method::Auto), of(Method::Clone), of(Method::Warp));
    let pool = Part { clients: 1, exchanges: 20 };
    assert_eq!((auto.clients.warped, auto.clients.pools, auto.clients.cloned.clients), (pool, pool, 49));
    assert_eq!(pool.share_of(&auto.clients.recorded), 0.02);
    assert_eq!((clone.clients.warped.clients, clone.clients.pools, clone.pool_block_edges_ns.len()), (0, pool, 0));
    assert_eq!((warp.clients.warped.clients, warp.clients.pools, warp.block_edges_ns.len()), (50, pool, 0));
    assert!(auto.block_edges_ns.len() >= 2 && auto.pool_block_edges_ns.len() >= 2);
    // The copies of a pool's exchanges go their own ways; a user's keep its order, around the end of the recording.
    let in_order = |plan: &Listed, client| {
        let mut arrived: Vec<u32> = copies(plan, &arrivals)[&(client, 1)].iter().map(|item| item.arrival).collect();
        let first = arrived.iter().position(|arrival| Some(arrival) == arrived.iter().min()).unwrap();
        arrived.rotate_left(first);
        arrived.is_sorted()
    };
    assert!(!in_order(&auto, 3) && in_order(&auto, 4) && in_order(&clone, 3) && !in_order(&warp, 4));
}

#[test]
fn a_client_alone_without_a_name_is_a_pool() {
    let (mut clients, arrivals) = recording((0..100).map(|i| (i * 1_000_000_000, 0)).collect());
    clients[0].key.source = KeySource::Peer;
    assert_eq!(plan(&clients, &arrivals, &options("3x", Method::Auto, 1)).unwrap().clients.warped.exchanges, 100);
}

#[test]
fn what_passes_the_end_of_the_recording_comes_in_at_its_beginning() {
    // One client lives for half of the recording, others start all the time.
    let arrivals = (0..100_u64).map(|i| (i * 10_000_000, if i < 50 && i % 5 == 0 { 0 } else { 1 + i as u32 }));
    let (clients, arrivals) = recording(arrivals.collect());
    let (length, end) = (clients[0].last_ns, 990_000_000);
    for seed in 0..20 {
        let plan = plan(&clients, &arrivals, &options("4x", Method::Clone, seed)).unwrap();
        for (of, items) in copies(&plan, &arrivals).iter().filter(|(of, _)| of.0 == 0 && of.1 > 0) {
            let mut due: Vec<u64> = items.iter().map(|item| item.due_ns).collect();
            due.sort_unstable();
            assert_eq!(due.len(), 10, "no request is lost: {of:?}");
            assert!(*due.last().unwrap() <= end);
            // Unwrapped, the copy is the client's life.
            let first = due.windows(2).map(|pair| pair[1] - pair[0]).position(|gap| gap > 50_000_000);
            let split = first.map_or(0, |at| at + 1);
            let start = due[split];
            let around: Vec<u64> = due[split..]
                .iter()
                .map(|at| at - start)
                .chain(due[..split].iter().map(|at| at + end + 1 - start))
                .collect();
            assert_eq!(around, (0..10).map(|i| i * 50_000_000).collect::<Vec<_>>(), "{due:?} of {length}");
        }
    }
}

#[test]
fn clients_that_were_there_before_make_no_block_of_their_own() {
    // Twenty clients that ask every second were there; others start all the time and ask once.
    let there = (0..20_u64).flat_map(|i| (0..100_u64).map(move |n| (i * 50_000_000 + n * 1_000_000_000, i as u32)));
    let others = (0..2_000_u64).map(|i| (i * 50_000_000, 100 + i as u32));
    let mut arrivals: Vec<(u64, u32)> = there.chain(others).collect();
    arrivals.sort_unstable();
    let (clients, arrivals) = recording(arrivals);
    let plan = plan(&clients, &arrivals, &options("2x", Method::Clone, 1)).unwrap();
    assert_eq!(plan.block_edges_ns.len(), 2, "{:?}", plan.block_edges_ns);
    assert_eq!(plan.block_edges_ns[0], 0);
}

#[test]
fn clients_with_one_key_get_draws_of_their_own() {
    let (mut clients, arrivals) = recording((0..40).map(|i| (i * 1_000_000, (i % 4) as u32)).collect());
    clients.iter_mut().for_each(|client| client.key.id = 9);
    let plan = plan(&clients, &arrivals, &options("2x", Method::Clone, 1)).unwrap();
    let starts: HashSet<u64> =
        copies(&plan, &arrivals).iter().filter(|(of, _)| of.1 == 1).map(|(_, items)| items[0].due_ns).collect();
    assert_eq!(starts.len(), 4);
}

#[test]
fn copies_of_one_client_get_draws_of_their_own() {
    let (clients, arrivals) = recording((0..100).map(|i| (i * 1_000_000, i as u32)).collect());
    for method in [Method::Clone, Method::Warp] {
        let plan = plan(&clients, &arrivals, &options("10x", method, 1)).unwrap();
        let instants: HashSet<u64> = plan.items.iter().map(|item| item.due_ns).collect();
        assert_eq!(instants.len(), 1000, "{method}");
    }
}

#[test]
fn fractions_take_their_share() {
    let (clients, arrivals) = recording((0..20_000).map(|i| (i * 1_000_000, i as u32)).collect());
    for method in [Method::Clone, Method::Warp] {
        for (factor, share) in [("0.25x", 0.25), ("0.5x", 0.5), ("2.5x", 0.5), ("99.9x", 0.9), ("0.001x", 0.001)] {
            let (clients, arrivals) =
                if factor == "99.9x" { (&clients, &arrivals[..2000]) } else { (&clients, &arrivals[..]) };
            for seed in 0..3 {
                let n = arrivals.len() as f64;
                let whole = factor.trim_end_matches('x').parse::<f64>().unwrap().floor() as usize;
                let got = plan(clients, arrivals, &options(factor, method, seed)).unwrap().items.len()
                    - whole * arrivals.len();
                // Six standard deviations of a binomial.
                let bound = 6.0 * (n * share * (1.0 - share)).sqrt();
                assert!((got as f64 - n * share).abs() < bound, "{factor} {method} {seed}: {got}");
            }
        }
    }
}

/// Chi-squared of neighbouring seeds, ids and copies: 64 cells, 63 degrees of freedom, mean 63, deviation 11.2.
#[test]
fn draws_are_uniform_however_alike_their_words() {
    let chi_squared = |draws: &dyn Fn(u64) -> Draw| {
        let mut cells = [0_f64; 64];
        (0..64_000).for_each(|i| cells[draws(i).within(1000, 1063) as usize - 1000] += 1.0);
        cells.iter().map(|count| (count - 1000.0).powi(2) / 1000.0).sum::<f64>()
    };
    for (name, got) in [
        ("seed", chi_squared(&|i| Draw::new(i, Purpose::ClientStart).with(1).with(0))),
        ("id", chi_squared(&|i| Draw::new(1, Purpose::ClientStart).with(i).with(1))),
        ("last word", chi_squared(&|i| Draw::new(1, Purpose::ExchangeInstant).with(2).with(i))),
        ("high bits", chi_squared(&|i| Draw::new(1, Purpose::ExchangeInstant).with(2).with(i << 48))),
        ("both", chi_squared(&|i| Draw::new(i, Purpose::ClientShare).with(i))),
    ] {
        assert!((63.0 - 5.0 * 11.2..63.0 + 5.0 * 11.2).contains(&got), "{name}: {got}");
    }
    assert_eq!(Draw::new(1, Purpose::ClientStart).within(5, 5), 5);
    (0..1000).for_each(|seed| {
        Draw::new(seed, Purpose::ClientStart).within(0, u64::MAX);
    });
}
