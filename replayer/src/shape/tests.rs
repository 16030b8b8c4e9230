//! The counts against naive ones, the closed form against thinning, the bounds, and the words. What the check says of plans
//! in worlds whose truth is known is in `plan/tests/worlds/shape.rs`.

use proptest::prelude::*;

use super::dispersion::{Tenths, jackknife};
use super::order::HELD_MAX;
use super::*;

const SECOND: u64 = 1_000_000_000;

fn facts(factor: f64) -> ShapeFacts {
    let endpoints = Vec::new;
    let (endpoints_recorded, endpoints_planned) = (endpoints(), endpoints());
    ShapeFacts { factor, obstacle: None, endpoints_recorded, endpoints_planned }
}

/// A counter of named clients that has seen `exchanges` (client, instant) and, as the plan, their instants.
fn counter(duration_ns: u64, clients: u32, exchanges: &[(u32, u64)]) -> ShapeCounter {
    let mut counter = ShapeCounter::new(duration_ns, clients as usize);
    (0..clients).for_each(|client| counter.is_user(client));
    exchanges.iter().for_each(|(client, at_ns)| counter.recorded(*client, *at_ns));
    exchanges.iter().for_each(|(_, at_ns)| counter.planned(*at_ns));
    counter
}

/// Uniform numbers from 0 to below 1, splitmix64.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// 2,000 clients in 200 s, three times as many in every fourth 5 s, each with about five requests in its own burst.
fn bursty(random: &mut Random) -> Vec<(u32, u64)> {
    let mut exchanges = Vec::new();
    for client in 0..2_000 {
        let mut at = loop {
            let at = random.uniform() * 200.0;
            if ((at / 5.0) as u64).is_multiple_of(4) || random.uniform() < 1.0 / 3.0 {
                break at;
            }
        };
        while at < 200.0 {
            exchanges.push((client, (at * 1e9) as u64));
            at += -0.3 * (1.0 - random.uniform()).ln();
            if random.uniform() < 0.2 {
                break;
            }
        }
    }
    exchanges.sort_unstable_by_key(|(_, at_ns)| *at_ns);
    exchanges
}

/// n_{c,w} of the whole windows, counted anew.
fn matrix(exchanges: &[(u32, u64)], clients: usize, windows: usize, tau_ns: u64) -> Vec<Vec<f64>> {
    let mut counts = vec![vec![0.0; windows]; clients];
    for (client, at_ns) in exchanges {
        if let Some(count) = counts[*client as usize].get_mut(usize::try_from(at_ns / tau_ns).unwrap()) {
            *count += 1.0;
        }
    }
    counts
}

/// I and D of some of the windows, by their definitions.
fn naive(counts: &[Vec<f64>], is_in: impl Fn(usize) -> bool) -> (f64, f64) {
    let windows: Vec<usize> = (0..counts[0].len()).filter(|window| is_in(*window)).collect();
    let m = windows.len() as f64;
    let sums: Vec<f64> = windows.iter().map(|window| counts.iter().map(|of| of[*window]).sum()).collect();
    let mean = sums.iter().sum::<f64>() / m;
    let dispersion = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / m / mean;
    let of_client = |of: &Vec<f64>| {
        let (squares, sum) =
            windows.iter().fold((0.0, 0.0), |(q, s), window| (q + of[*window].powi(2), s + of[*window]));
        squares - sum * sum / m
    };
    (dispersion, counts.iter().map(of_client).sum::<f64>() / (mean * m))
}

#[test]
fn the_closed_form_is_the_mean_of_thinnings() {
    let mut random = Random(3);
    let exchanges = bursty(&mut random);
    let check = counter(200 * SECOND, 2_000, &exchanges).finish(&facts(0.5));
    for (scale, tau_ns) in TAUS_NS.into_iter().enumerate().skip(1).take(3) {
        let windows = usize::try_from(200 * SECOND / tau_ns).unwrap();
        let mean = (0..400)
            .map(|_| {
                let kept: Vec<bool> = (0..2_000).map(|_| random.uniform() < 0.5).collect();
                let mut counts = vec![0.0; windows];
                for (client, at_ns) in exchanges.iter().filter(|(client, _)| kept[*client as usize]) {
                    counts[usize::try_from(at_ns / tau_ns).unwrap()] += f64::from(*client < 2_000);
                }
                naive(&[counts], |_| true).0 / 400.0
            })
            .sum::<f64>();
        // At k = ½ the target is I(½) itself: I − ½·(I − D).
        let target = check.rows[scale].target.unwrap();
        let whole = check.rows[scale].recording.unwrap();
        println!("{tau_ns}: I {whole:.3}, thinned {mean:.3}, closed form {target:.3}");
        assert!((target / mean - 1.0).abs() < 0.01 && whole / mean > 1.05, "{target} is not {mean}");
    }
}

proptest! {
    #[test]
    fn figures_are_those_of_naive_counts(
        exchanges in prop::collection::vec((0..9_u32, 0..20 * SECOND), 60..200),
        shift in 0..40_usize,
    ) {
        let mut sorted = exchanges;
        sorted.sort_unstable_by_key(|(_, at_ns)| *at_ns);
        // Nearly sorted, for what comes late must count all the same.
        let mut late = sorted.clone();
        let last = late.len() - 1;
        late[last - shift..].reverse();
        let row = counter(20 * SECOND, 9, &late).finish(&facts(3.0)).rows[2];
        let counts = matrix(&sorted, 9, 20, SECOND);
        let target = |without: Option<usize>| {
            let (all, alone) = naive(&counts, |window| Some(window / 2) != without);
            3.0 * all - 2.0 * alone
        };
        let (all, alone) = naive(&counts, |_| true);
        let close = |got: Option<f64>, expected: f64| (got.unwrap() - expected).abs() < 1e-9 * (1.0 + expected.abs());
        prop_assert!(close(row.recording, all) && close(row.plan, all) && close(row.clients_alone, alone));
        prop_assert!(close(row.target, target(None)));
        let thetas: Vec<f64> = (0..10).map(|tenth| target(Some(tenth))).collect();
        let mean = thetas.iter().sum::<f64>() / 10.0;
        let error = (0.9 * thetas.iter().map(|theta| (theta - mean).powi(2)).sum::<f64>()).sqrt();
        prop_assert!(close(row.target_error, error), "{:?} is not {}", row.target_error, error);
    }
}

proptest! {
    // The longest recordings have all bins: fewer of them.
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 1 } else { 50 }))]

    #[test]
    fn nothing_panics(
        duration_ns: u64, clients in 0..5_usize, factor in 0.000_001..10_000.0_f64,
        exchanges in prop::collection::vec((0..9_u32, any::<u64>()), 0..50), share in 0.0..2.0_f64,
    ) {
        for duration_ns in [duration_ns, 0, duration_ns % 1_000_000, duration_ns % (5_000 * SECOND)] {
            let mut counter = ShapeCounter::new(duration_ns, clients);
            for (client, at_ns) in &exchanges {
                counter.is_user(*client);
                counter.recorded(*client, *at_ns);
                counter.planned(at_ns % duration_ns.max(1));
            }
            let obstacle = (share >= 1.0).then_some(Obstacle::PooledClients { share });
            let check = counter.finish(&ShapeFacts { obstacle, ..facts(factor) });
            prop_assert!(check.rows.iter().all(|row| !row.words().is_empty()) && !check.words().is_empty());
        }
    }
}

#[test]
fn the_jackknife_of_a_mean_is_its_standard_error() {
    let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0];
    let mean = |without: Option<usize>| {
        let kept: Vec<f64> = (0..10).filter(|at| Some(*at) != without).map(|at| values[at]).collect();
        Some(kept.iter().sum::<f64>() / kept.len() as f64)
    };
    let of = mean(None).unwrap();
    let expected = (values.iter().map(|value| (value - of).powi(2)).sum::<f64>() / 9.0 / 10.0).sqrt();
    assert!((jackknife(mean).unwrap() - expected).abs() < 1e-12);
    assert_eq!(jackknife(|_| Some(f64::NAN)), None);
}

/// 200 windows of Poisson counts, flat and with every second one busier, drawn 1,000 times.
#[test]
fn the_error_at_a_rate_is_the_spread_of_draws() {
    let mut random = Random(9);
    for (quiet, busy) in [(40.0, 40.0), (20.0, 60.0)] {
        let mut poisson = |mean: f64| {
            let (mut left, mut count) = (mean, 0);
            while left > 0.0 {
                left += (1.0 - random.uniform()).ln();
                count += u64::from(left > 0.0);
            }
            count
        };
        let draws: Vec<(f64, f64)> = (0..1_000)
            .map(|_| {
                let counts: Vec<u64> =
                    (0..200).map(|window| poisson(if window % 2 == 0 { quiet } else { busy })).collect();
                let sums = Tenths::of(counts.into_iter(), 200).without(None);
                (sums.dispersion().unwrap(), sums.error_at_this_rate(1.0).unwrap())
            })
            .collect();
        let mean = draws.iter().map(|draw| draw.0).sum::<f64>() / 1_000.0;
        let spread = (draws.iter().map(|draw| (draw.0 - mean).powi(2)).sum::<f64>() / 1_000.0).sqrt();
        let error = draws.iter().map(|draw| draw.1).sum::<f64>() / 1_000.0;
        println!("{quiet} and {busy}: I {mean:.3}, spread {spread:.4}, error {error:.4}");
        assert!((error / spread - 1.0).abs() < 0.1, "{error} is not {spread}");
    }
}

/// The recording of a minute, and what is done to it, as the verdicts at 10 ms and 60 s.
#[test]
fn every_row_says_what_it_is_in_words() {
    let mut random = Random(11);
    let mut flat: Vec<(u32, u64)> = (0..60_000).map(|at| (at % 600, (random.uniform() * 599e9) as u64)).collect();
    flat.sort_unstable_by_key(|(_, at_ns)| *at_ns);
    let check = |duration_s: u64, facts: &ShapeFacts, change: fn(&mut ShapeCounter)| {
        let mut counter = counter(duration_s * SECOND, 600, &flat);
        change(&mut counter);
        counter.finish(facts).rows.map(|row| row.words())
    };
    let once = facts(1.0);
    let same = |_: &mut ShapeCounter| {};
    assert_eq!(
        check(599, &once, same)[3..],
        ["cannot tell: 59 windows of 10 s say too little", "cannot tell: 9 windows of 60 s say too little"]
    );
    assert_eq!(check(61, &once, same)[4], "cannot tell: 1 window of 60 s says too little");
    assert_eq!(check(59, &once, same)[4], "cannot tell: the recording is shorter than 60 s");
    assert_eq!(
        ShapeCounter::new(SECOND, 1).finish(&once).rows[0].words(),
        "cannot tell: nothing recorded or nothing planned"
    );
    for (obstacle, words) in [
        (Obstacle::PooledClients { share: 0.38 }, "unknown: pooled clients (38 % of the exchanges)"),
        (Obstacle::Ramped, "unknown: the rate is not constant"),
        (Obstacle::TakenApart, "unknown: the method takes every request by itself, whoever sent it"),
        (Obstacle::OnlyOrder, "unknown: at --rate max due instants are only an order"),
    ] {
        assert_eq!(check(60, &ShapeFacts { obstacle: Some(obstacle), ..facts(1.0) }, same)[0], words);
    }
    let strangers = |counter: &mut ShapeCounter| (0..1_000).for_each(|_| counter.recorded(600, 7));
    assert_eq!(check(60, &once, strangers)[0], "cannot tell: 2 % of the exchanges were read too far out of order");
    let doubled =
        |counter: &mut ShapeCounter| (0..60).for_each(|at| (0..300).for_each(|_| counter.planned(at * SECOND)));
    assert!(check(60, &once, doubled)[0].starts_with("not kept: "), "{:?}", check(60, &once, doubled));
    let check = counter(60 * SECOND, 600, &flat).finish(&once);
    assert_eq!(check.words(), "kept at 2 of 5 scales, cannot tell at 3 of 5 scales");
}

#[test]
fn verdicts_hold_at_their_limits() {
    let verdict = |ratio: f64, error: f64| row::judge(ratio, error).name();
    let told = 1.3_f64.ln() / 2.0;
    assert_eq!((verdict(1.149, 0.0), verdict(1.151, 0.0)), ("kept", "not_kept"));
    assert_eq!((verdict(1.0 / 1.149, 0.0), verdict(1.0 / 1.151, 0.0)), ("kept", "not_kept"));
    assert_eq!((verdict(1.0, told - 0.001), verdict(1.0, told + 0.001)), ("kept", "cannot_tell"));
    // Off by 0.3, which is 0.16 beyond what is kept.
    assert_eq!((verdict(0.3_f64.exp(), 0.079), verdict(0.3_f64.exp(), 0.081)), ("not_kept", "cannot_tell"));
}

/// Requests that leave in pairs are not kept at 10 ms, and so nothing is at 60 s, where pairs do not show.
#[test]
fn nothing_is_kept_above_a_scale_that_is_not() {
    let mut random = Random(5);
    let mut counter = ShapeCounter::new(600 * SECOND, 600);
    for exchange in 0..60_000 {
        let at_ns = (random.uniform() * 600e9) as u64;
        counter.is_user(exchange % 600);
        counter.recorded(exchange % 600, at_ns);
        counter.planned(at_ns / 20_000_000 * 20_000_000);
    }
    let check = counter.finish(&facts(1.0));
    let words = check.rows.map(|row| row.words());
    assert!(words[0].starts_with("not kept"), "{words:?}");
    assert_eq!(words[4], "cannot tell: not kept at 10 ms, so that clients may not be users", "{words:?}");
    assert!(!check.verdict().passes());
    assert_eq!(check.words(), "not kept at 1 of 5 scales, cannot tell at 4 of 5 scales");
}

/// Clients without a name that are there for more than a tenth: at 5 % still users, above that a pool.
#[test]
fn nameless_clients_that_live_long_and_carry_much_are_pools() {
    let check = |long: u64, life_s: u64| {
        let mut counter = ShapeCounter::new(100 * SECOND, 1_001);
        for at in 0..1_000_u64 {
            let (client, at_ns) = if at < long {
                (1_000, 30 * SECOND + at * life_s * SECOND / (long - 1))
            } else {
                (at, at * SECOND / 10)
            };
            counter.recorded(u32::try_from(client).unwrap(), at_ns);
            counter.planned(at_ns);
        }
        counter
    };
    let unknown = |counter: ShapeCounter| matches!(counter.finish(&facts(1.0)).verdict(), Verdict::Unknown(_));
    assert!(!unknown(check(50, 11)) && unknown(check(51, 11)) && !unknown(check(51, 10)));
    let mut named = check(51, 11);
    named.is_user(1_000);
    assert!(!unknown(named));
    let words = check(51, 11).finish(&facts(1.0)).words();
    assert_eq!(words, "unknown: long-lived clients without a name, such as pools have (5 % of the exchanges)");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "16 million bins: a second when optimised, 15 s without")]
fn long_recordings_have_wider_bins_and_say_so() {
    let longest_s = counts::BINS_MAX / 100;
    let words = |duration_s: u64| {
        let mut counter = ShapeCounter::new(duration_s * SECOND, 1);
        counter.is_user(0);
        (0..duration_s / 10).for_each(|at| counter.recorded(0, at * 10 * SECOND));
        (0..duration_s / 10).for_each(|at| counter.planned(at * 10 * SECOND));
        counter.finish(&facts(1.0)).rows.map(|row| row.words())
    };
    assert!(words(longest_s)[0].starts_with("kept"), "{:?}", words(longest_s));
    let beyond = words(longest_s + 1);
    assert_eq!(beyond[0], "cannot tell: a recording this long is counted in bins of 100 ms");
    assert!(beyond[1].starts_with("kept"), "{beyond:?}");
    let limit_ns = counts::BINS_MAX * TAUS_NS[0];
    assert_eq!((counts::bin_ns(limit_ns - 1), counts::bin_ns(limit_ns)), (TAUS_NS[0], TAUS_NS[1]));
    assert_eq!((counts::bin_ns(0), counts::bin_ns(3_600 * SECOND)), (TAUS_NS[0], TAUS_NS[0]));
    assert!(u64::MAX / counts::bin_ns(u64::MAX) <= counts::BINS_MAX);
}

/// An exchange that belongs into the first window, read after its client was seen a second later.
#[test]
fn late_exchanges_count_as_far_as_the_look_ahead_reaches() {
    let counted = |places: usize| {
        let mut counter = ShapeCounter::new(1_000 * SECOND, 2);
        counter.recorded(0, 5_000_000);
        counter.recorded(0, SECOND);
        (0..places as u64).for_each(|at| counter.recorded(1, 2 * SECOND + at));
        counter.recorded(0, 5_000_001);
        while let Some(earliest) = counter.order.pop() {
            counter.in_order(earliest);
        }
        let owned = counter.owners.finish();
        let others = (places as u128) * (places as u128);
        (owned.forgotten, [0, 1, 2].map(|scale| owned.squares(scale, None) - others))
    };
    // Two in one window make 4, and 2 where they are taken for strangers. From 1 s on the window is the last but one of
    // its client, which is remembered.
    assert_eq!(counted(HELD_MAX - 1), ([0; 5], [5, 5, 5]));
    assert_eq!(counted(HELD_MAX), ([1, 1, 0, 0, 0], [3, 3, 5]));
}

#[test]
fn gaps_are_compared_in_whatever_order_instants_come() {
    let gaps = |planned: &[u64]| {
        let mut counter = ShapeCounter::new(100 * SECOND, 1);
        [3, 0, 1, 2].into_iter().for_each(|at| counter.recorded(0, at * SECOND));
        planned.iter().for_each(|due_ns| counter.planned(*due_ns));
        counter.finish(&facts(1.0)).gap_distance
    };
    assert_eq!(gaps(&[0, SECOND, 2 * SECOND]), Ok(0.0));
    assert_eq!(gaps(&[0, SECOND / 2, SECOND, 2 * SECOND, 3 * SECOND]), Ok(0.5));
    assert_eq!(gaps(&[0, 1, 2]), Ok(1.0));
    assert_eq!(gaps(&[2 * SECOND, 0, SECOND]), Ok(0.0));
    assert_eq!(gaps(&[0]), Err(NoGaps::None));
}

#[test]
fn mixes_and_rates_are_compared() {
    let bits = |recorded: &[u64], planned: &[u64]| compare::divergence_bits(recorded, planned);
    assert_eq!((bits(&[1, 3], &[2, 6]), bits(&[1, 0], &[0, 1]), bits(&[], &[1])), (Some(0.0), Some(1.0), None));
    // ½·[¾·log₂(¾/⅝) + ¼·log₂(¼/⅜)] + ½·[½·log₂(½/⅝) + ½·log₂(½/⅜)].
    assert!((bits(&[3, 1], &[1, 1]).unwrap() - 0.048_795).abs() < 1e-6, "{:?}", bits(&[3, 1], &[1, 1]));
    let correlation = |pairs: &[(u64, u64)]| compare::correlation(pairs.iter().copied());
    assert!((correlation(&[(1, 2), (2, 4), (4, 8)]).unwrap() - 1.0).abs() < 1e-12);
    assert!((correlation(&[(1, 3), (2, 2), (3, 1)]).unwrap() + 1.0).abs() < 1e-12);
    assert_eq!(correlation(&[(1, 3), (1, 2)]), None);
    let mut counter = ShapeCounter::new(100 * SECOND, 1);
    (0..100).for_each(|at| counter.recorded(0, at * SECOND));
    (0..150).for_each(|at| counter.planned(at * SECOND / 2));
    assert_eq!(counter.finish(&facts(3.0)).mean_rate, Some(0.5));
}
