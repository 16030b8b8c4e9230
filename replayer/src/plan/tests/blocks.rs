//! Blocks against an unpruned optimum and in traffic whose rate is known.

use super::super::blocks::around;
use super::super::draw::{Draw, Purpose};
use super::*;

const SECOND: u64 = 1_000_000_000;

fn edges(times_ns: impl Iterator<Item = u64>, duration_ns: u64) -> Vec<u64> {
    let mut cells = Cells::new(duration_ns);
    times_ns.for_each(|time_ns| cells.add(time_ns));
    cells.edges()
}

/// `count` instants, uniform from `from_s` to before `to_s`.
fn uniform(count: u64, from_s: u64, to_s: u64, seed: u64) -> Vec<u64> {
    (0..count)
        .map(|i| Draw::new(seed, Purpose::ClientStart).with(i).within(from_s * SECOND, to_s * SECOND - 1))
        .collect()
}

#[test]
fn flat_traffic_is_one_block() {
    for (seed, count) in (0..10).zip([1, 1, 2, 10, 100, 1000, 3000, 10_000, 30_000, 100_000]) {
        assert_eq!(edges(uniform(count, 0, 60, seed).into_iter(), 60 * SECOND), [0, 60 * SECOND], "{count} instants");
    }
}

#[test]
fn a_step_gives_an_edge_at_the_step() {
    for seed in 0..10 {
        let times = uniform(400, 0, 40, seed).into_iter().chain(uniform(600, 40, 60, seed + 100));
        let edges = edges(times, 60 * SECOND);
        assert_eq!((edges.len(), edges[0], edges[2]), (3, 0, 60 * SECOND), "seed {seed}: {edges:?}");
        assert!(edges[1].abs_diff(40 * SECOND) < SECOND, "seed {seed}: {edges:?}");
    }
}

#[test]
fn the_last_instant_is_in_the_last_cell() {
    let times = uniform(600, 0, 60, 1).into_iter().chain(std::iter::repeat_n(60 * SECOND, 100));
    assert_eq!(edges(times, 60 * SECOND), [0, 60 * SECOND - 50_000_000, 60 * SECOND]);
}

#[test]
fn recordings_too_short_for_cells_are_one_block() {
    for duration in [0, 1, 49_999_999, 50_000_000, 99_999_999] {
        assert_eq!(edges([0, 0, 0, duration].into_iter(), duration), [0, duration]);
    }
    assert_eq!(edges([0, u64::MAX].into_iter(), u64::MAX), [0, u64::MAX]);
}

#[test]
fn every_instant_has_a_block_and_the_last_one_includes_its_end() {
    for (at, expected) in [(0, (0, 9)), (9, (0, 9)), (10, (10, 29)), (30, (30, 40)), (39, (30, 40)), (40, (30, 40))] {
        assert_eq!(around(&[0, 10, 30, 40], at), expected, "{at}");
    }
    assert_eq!((around(&[0, 0], 0), around(&[0, 40], 40), around(&[], 3)), ((0, 0), (0, 40), (3, 3)));
}

/// The cost of one block as the module's documentation states it.
fn cost(counts: &[f64], start: usize, end: usize) -> f64 {
    let (count, width) = (counts[start..end].iter().sum::<f64>(), (end - start) as f64);
    2.0 * (counts.len() as f64).ln() - if count > 0.0 { count * (count / width).ln() } else { 0.0 }
}

proptest! {
    #[test]
    fn no_other_cuts_are_better(counts in prop::collection::vec(prop_oneof![0..4_u32, 0..40_u32], 2..40)) {
        let cell_ns = 50_000_000;
        let times = (0..).zip(&counts).flat_map(|(cell, count)| std::iter::repeat_n(cell * cell_ns + 7, *count as usize));
        let edges = edges(times, counts.len() as u64 * cell_ns);
        if counts.iter().all(|count| *count == 0) {
            prop_assert_eq!(edges, Vec::<u64>::new());
            return Ok(());
        }
        let cells: Vec<usize> = edges.iter().map(|edge| usize::try_from(edge / cell_ns).unwrap()).collect();
        prop_assert!(edges.iter().all(|edge| edge % cell_ns == 0));
        let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
        let mut best = vec![(0.0, 0); counts.len() + 1];
        for end in 1..=counts.len() {
            let from = |start: usize| (best[start].0 + cost(&counts, start, end), start);
            best[end] = (0..end).map(from).min_by(|a: &(f64, usize), b| a.0.total_cmp(&b.0)).unwrap();
        }
        let got: f64 = cells.windows(2).map(|of| cost(&counts, of[0], of[1])).sum();
        prop_assert!((got - best[counts.len()].0).abs() < 1e-6, "{:?} is not the best", cells);
    }
}
