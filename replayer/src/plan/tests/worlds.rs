//! Worlds whose truth is known, and what plans make of them. `worlds/shape.rs` has their shape; here is that the mean rate
//! is right up to the edges, in sessions that are long against the recording.

mod shape;

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
