//! Blocks against an unpruned optimum and in traffic whose rate is known.

use super::super::blocks::{Block, Blocks, Cells};
use super::super::draw::{Draw, Purpose};
use super::super::trend::trend;
use super::*;

const SECOND: u64 = 1_000_000_000;

fn edges(times_ns: impl Iterator<Item = u64>, duration_ns: u64) -> Vec<u64> {
    blocks(times_ns, duration_ns).edges_ns
}

fn blocks(times_ns: impl Iterator<Item = u64>, duration_ns: u64) -> Blocks {
    let mut cells = Cells::new(duration_ns);
    times_ns.for_each(|time_ns| cells.add(time_ns));
    cells.blocks()
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

fn around(edges: &[u64], at: u64) -> (u64, u64) {
    let block = Blocks::level(edges.to_vec()).around(at);
    (block.first_ns, block.last_ns)
}

#[test]
fn a_rate_that_rises_inside_a_block_rises_in_its_copies() {
    for seed in 0..10 {
        let (flat, other) = (uniform(5_000, 0, 60, seed), uniform(1_000, 0, 60, seed + 1_000));
        // The density of the larger of two uniform instants is 2x; a fifth of it and four fifths of 1 have t = 0.2.
        let rising = flat.iter().zip(&other).map(|(one, other)| *one.max(other));
        let mut counts = vec![0; 100];
        for at in rising.chain(flat[1_000..].iter().copied()) {
            counts[usize::try_from(at * 100 / (60 * SECOND)).unwrap()] += 1;
        }
        let told = trend(&counts);
        assert!((f64::from(told) / 1e6 - 0.2).abs() < 0.08, "{told}");
        counts.reverse();
        assert!((told + trend(&counts)).abs() <= 1);
        for trend in [told, 1_000_000, -1_000_000, 1, 0] {
            let block = Block { last_ns: 60 * SECOND, trend, ..Block::only(0) };
            let copies = uniform(20_000, 0, 60, seed).into_iter();
            let copies = copies.map(|word| Blocks::default().instant(block, Draw::new(word, Purpose::ClientStart)));
            let mean = copies.map(|at| at as f64 / block.last_ns as f64).sum::<f64>() / 20_000.0;
            assert!((mean - 0.5 - f64::from(trend) / 6e6).abs() < 0.008, "{trend}: {mean}");
        }
    }
}

#[test]
fn chance_has_no_trend() {
    let flat =
        (0..400).filter(|seed| blocks(uniform(500, 0, 60, *seed).into_iter(), 60 * SECOND).trends != [0]).count();
    assert!(flat < 40, "{flat} of 400");
    assert_eq!(
        (trend(&[]), trend(&[0, 0]), trend(&[9]), trend(&[0, 100]), trend(&[100, 0])),
        (0, 0, 0, 1_000_000, -1_000_000)
    );
    let edge = |trend, word| {
        Blocks::default().instant(Block { trend, ..Block::only(5) }, Draw::new(word, Purpose::ClientStart))
    };
    assert!((0..100).all(|word| [-1_000_000, -3, 0, 7, 1_000_000].into_iter().all(|trend| edge(trend, word) == 5)));
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
