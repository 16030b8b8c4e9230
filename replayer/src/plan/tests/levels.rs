//! Levels: what is one, and where copies of it are placed.

use super::super::blocks::{Blocks, Cells};
use super::super::draw::{Draw, Purpose};

const SECOND: u64 = 1_000_000_000;

/// Blocks of what is given as (instants, from second, to second), uniform in each.
fn blocks(parts: &[(u64, u64, u64)], seed: u64) -> Blocks {
    let end_s = parts.iter().map(|(.., to)| *to).max().unwrap();
    let mut cells = Cells::new(end_s * SECOND);
    for (count, from_s, to_s) in parts {
        for i in 0..*count {
            let draw = Draw::new(seed, Purpose::ClientStart).with(*from_s).with(i);
            cells.add(draw.within(from_s * SECOND, to_s * SECOND - 1));
        }
    }
    cells.blocks()
}

/// How many of 10,000 copies of what started at `at_s` come into each of these stretches of seconds.
fn copies<const N: usize>(blocks: &Blocks, at_s: u64, stretches: [(u64, u64); N]) -> [u64; N] {
    let mut counts = [0; N];
    for word in 0..10_000 {
        let at = blocks.instant(blocks.around(at_s * SECOND), Draw::new(word, Purpose::ClientStart));
        for (count, (from_s, to_s)) in counts.iter_mut().zip(stretches) {
            *count += u64::from((from_s * SECOND..to_s * SECOND).contains(&at));
        }
    }
    counts
}

#[test]
fn quiet_that_a_burst_interrupts_is_one_level_and_bursts_stay_apart() {
    // 10/s for 50 and 100 seconds, and a burst of two seconds after each.
    let stretches = [(0, 50), (50, 52), (52, 152), (152, 154)];
    let blocks = blocks(&[(500, 0, 50), (400, 50, 52), (1_000, 52, 152), (400, 152, 154)], 3);
    assert_eq!(blocks.edges_ns, [0, 50, 52, 152, 154].map(|edge| edge * SECOND));
    for at_s in [10, 60, 120] {
        let [first, burst, second, last] = copies(&blocks, at_s, stretches);
        assert_eq!((burst, last, first + second), (0, 0, 10_000), "of {at_s} s");
        assert!(first.abs_diff(3_333) < 200, "a third of the level is in the first block, not {first} in 10,000");
    }
    assert_eq!(copies(&blocks, 51, stretches), [0, 10_000, 0, 0]);
    assert_eq!(copies(&blocks, 153, stretches), [0, 0, 0, 10_000]);
}

#[test]
fn what_is_not_as_frequent_is_another_level() {
    let stretches = [(0, 50), (50, 52), (52, 102)];
    let blocks = blocks(&[(500, 0, 50), (400, 50, 52), (800, 52, 102)], 4);
    assert_eq!(copies(&blocks, 10, stretches), [10_000, 0, 0]);
    assert_eq!(copies(&blocks, 60, stretches), [0, 0, 10_000]);
}

#[test]
fn what_is_interrupted_for_longer_than_it_lasted_is_not_one() {
    let stretches = [(0, 50), (50, 150), (150, 200)];
    let blocks = blocks(&[(500, 0, 50), (4_000, 50, 150), (500, 150, 200)], 5);
    // The edge that was found may be a cell off.
    let (first, last) = (copies(&blocks, 10, stretches), copies(&blocks, 160, stretches));
    assert!(first[0] > 9_950 && first[2] == 0, "{first:?}");
    assert!(last[2] > 9_950 && last[0] == 0, "{last:?}");
}

/// Where the beginning of a recording was not seen, its first block takes it in, and so does the level.
#[test]
fn a_level_begins_with_what_was_not_seen() {
    let blocks = blocks(&[(500, 0, 50), (400, 50, 52), (500, 52, 102)], 6).after(10 * SECOND);
    assert_eq!(blocks.edges_ns, [0, 60, 62, 112].map(|edge| edge * SECOND));
    let [unseen, first, burst, second] = copies(&blocks, 100, [(0, 10), (10, 60), (60, 62), (62, 112)]);
    assert_eq!((burst, unseen + first + second), (0, 10_000));
    assert!(unseen.abs_diff(909) < 150 && first.abs_diff(4_545) < 250, "{unseen} {first} {second}");
}
