//! The shape of plans in worlds whose truth is known: the worlds of `shape_of_clones.py`, and sessions that are long
//! against the recording. 'truth' is the same world with three times the clients.

use super::*;

const SECOND: f64 = 1e9;
const LENGTH_S: f64 = 1800.0;
const CELL_S: f64 = 0.05;

/// A generator with a seed, for worlds only.
struct Random(u64);

impl Random {
    /// From 0 to below 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// Knuth's: for small means.
    fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

/// Clients a second in each cell.
fn rate(world: &str) -> Vec<f64> {
    let cells = (LENGTH_S / CELL_S) as usize;
    let at = |cell: usize| cell as f64 * CELL_S;
    match world {
        "flat" => vec![10.0; cells],
        "flash" => (0..cells).map(|cell| if at(cell) > 900.0 && at(cell) < 930.0 { 80.0 } else { 8.0 }).collect(),
        // Everyone at once for 2 s, every 40 s or so, at the same instants in recording and truth.
        "bursts" => {
            let mut rate = vec![6.0; cells];
            let (mut random, mut burst) = (Random(99), 0.0);
            while burst < LENGTH_S {
                burst += random.exponential(40.0);
                rate.iter_mut().skip((burst / CELL_S) as usize).take(40).for_each(|rate| *rate = 90.0);
            }
            rate
        }
        _ => unreachable!("no world {world}"),
    }
}

/// What a recorder sees of a world in `LENGTH_S`: about five requests a client, a second apart.
fn world(name: &str, seed: u64, scale: f64) -> (Vec<Client>, Vec<Arrival>) {
    let mut random = Random(seed.wrapping_mul(0x1234_5678_9abc_def1));
    let mut events = Vec::new();
    let mut client = 0;
    for (cell, rate) in rate(name).into_iter().enumerate() {
        for _ in 0..random.poisson(rate * scale * CELL_S) {
            let mut at = (cell as f64 + random.uniform()) * CELL_S;
            while at < LENGTH_S {
                events.push(((at * SECOND) as u64, client));
                if random.uniform() < 0.2 {
                    break;
                }
                at += random.exponential(1.0);
            }
            client += 1;
        }
    }
    let (mut clients, arrivals) = recording(events);
    clients.iter_mut().for_each(|client| client.user_agents = 1);
    (clients, arrivals)
}

fn dispersions(arrivals: &[Arrival]) -> Vec<f64> {
    let times = || arrivals.iter().map(|arrival| arrival.at_ns);
    SHAPE_TAUS_NS.iter().filter_map(|tau_ns| dispersion(times(), (LENGTH_S * SECOND) as u64, *tau_ns)).collect()
}

#[test]
#[cfg_attr(debug_assertions, ignore = "15 plans of 10,000 cells: 3 s with --release, 40 s without")]
fn clone_plans_have_the_shape_of_three_times_the_clients() {
    // As many plans as bring the standard error of their mean, with that of the truth, well below the bound.
    for (name, seeds) in [("flat", 8), ("bursts", 3), ("flash", 4)] {
        let truths: Vec<_> = (100..124).map(|seed| dispersions(&world(name, seed, 3.0).1)).collect();
        let plans: Vec<_> = (0..seeds)
            .map(|seed| {
                let (clients, arrivals) = world(name, seed, 1.0);
                let plan = plan(&clients, &arrivals, &options("3x", Method::Auto, seed)).unwrap();
                assert_eq!(plan.items.len(), 3 * arrivals.len());
                let due = || plan.items.iter().map(|item| item.due_ns);
                SHAPE_TAUS_NS.map(|tau_ns| dispersion(due(), plan.duration_ns, tau_ns))
            })
            .collect();
        for (row, tau_ns) in SHAPE_TAUS_NS.into_iter().enumerate().take(4) {
            let truth = truths.iter().map(|rows| rows[row]).sum::<f64>() / truths.len() as f64;
            let off = plans.iter().map(|rows| (rows[row].unwrap() / truth).log2()).sum::<f64>() / plans.len() as f64;
            println!("{name:7} {:>6} ms: truth {truth:7.2}, plans off by 2^{off:+.3}", tau_ns / 1_000_000);
            assert!(off.abs() < 1.15_f64.log2(), "{name} at {tau_ns} ns: off by 2^{off}");
        }
    }
}

/// Sessions of five minutes in a recording of ten, begun long before it, and monitors that are always there.
#[test]
fn the_mean_rate_is_right_up_to_the_edges() {
    let mut random = Random(7);
    let mut events = Vec::new();
    let mut client = 0;
    let mut session = |from_s: f64, to_s: f64, pause_s: f64| {
        let mut at = from_s;
        while at < to_s.min(600.0) {
            if at >= 0.0 {
                events.push(((at * SECOND) as u64, client));
            }
            at += random.exponential(pause_s);
        }
        client += 1;
    };
    (0..3200).for_each(|i| session(f64::from(i) * 0.5 - 1000.0, f64::from(i) * 0.5 - 700.0, 10.0));
    (0..50).for_each(|_| session(-1000.0, 1000.0, 5.0));
    let (mut clients, arrivals) = recording(events);
    clients.iter_mut().for_each(|client| client.user_agents = 1);
    let plan = plan(&clients, &arrivals, &options("3x", Method::Auto, 1)).unwrap();

    assert_eq!(plan.items.len(), 3 * arrivals.len());
    assert!(plan.items.iter().all(|item| item.due_ns <= plan.duration_ns));
    let tenth = plan.duration_ns / 10;
    for part in 0..10 {
        let recorded = arrivals.iter().filter(|arrival| (arrival.at_ns - arrivals[0].at_ns) / tenth == part).count();
        let planned = plan.items.iter().filter(|item| item.due_ns / tenth == part).count();
        let ratio = planned as f64 / recorded as f64 / 3.0;
        println!("tenth {part}: {recorded} recorded, {ratio:.3} of three times that");
        assert!((ratio - 1.0).abs() < 0.12, "tenth {part}: {ratio}");
    }
}
