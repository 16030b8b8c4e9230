//! How many requests ended when and how slow: counts by stretch of time and logarithm of the response time, bounded.
//!
//! Columns merge as rows of the timeline do, and buckets are cut by integers alone, so that the maps of shards add up to
//! that of the whole. It is filled from histograms of whole seconds: no request passes here.

use super::distribution::Distribution;
use crate::result::drawn::{HeatColumn, HeatMap};

/// Columns that are kept; a longer run has columns of 2 s, then of 4 s, and so on.
const COLUMNS_MAX: u64 = 300;
/// Length of a run up to which columns have places of their own, as in the timeline.
const SECOND_MAX: u64 = 1 << 32;
/// Largest bucket: that of the largest time that is told apart lies below.
const BUCKET_MAX: u64 = 4 * 43;

/// Columns of equal width, each with its counts by bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    width_s: u64,
    columns: Vec<Vec<u64>>,
}

impl Default for Heat {
    fn default() -> Self {
        Self { width_s: 1, columns: Vec::new() }
    }
}

impl Heat {
    /// Takes over a map that was written to `run.json`; `None` if nothing here writes such a one.
    #[must_use]
    pub fn of(map: &HeatMap) -> Option<Self> {
        if map.columns.is_empty() {
            return Some(Self { width_s: map.width_s.max(1), columns: Vec::new() })
                .filter(|heat| heat.width_s.is_power_of_two());
        }
        let mut heat = Self { width_s: map.width_s, columns: Vec::new() };
        for column in &map.columns {
            let in_place = map.width_s.is_power_of_two() && column.t_s.is_multiple_of(map.width_s);
            if !in_place || column.t_s / map.width_s >= COLUMNS_MAX || column.first > BUCKET_MAX {
                return None;
            }
            let counts = heat.column(column.t_s);
            for (bucket, count) in (column.first..=BUCKET_MAX).zip(&column.counts) {
                add(counts, bucket, *count);
            }
        }
        Some(heat)
    }

    /// Adds the response times of what ended in a second.
    pub fn add_second(&mut self, second: u64, response: &Distribution) {
        let counts = self.column(second);
        for (least_ns, times) in response.recorded() {
            add(counts, bucket(least_ns), u64::from(times));
        }
    }

    /// Adds the map of another part of the same run.
    pub fn add(&mut self, other: &Self) {
        while self.width_s < other.width_s {
            self.widen();
        }
        for (number, counts) in (0..).zip(&other.columns) {
            if !counts.is_empty() {
                merge(self.column(number * other.width_s), counts);
            }
        }
    }

    /// As it stands in `run.json`.
    #[must_use]
    pub fn map(&self) -> HeatMap {
        let column = |(number, counts): (u64, &Vec<u64>)| {
            let empty = counts.iter().take_while(|count| **count == 0).count();
            let counts: Vec<u64> = counts.iter().skip(empty).copied().collect();
            (!counts.is_empty()).then_some(HeatColumn { t_s: number * self.width_s, first: empty as u64, counts })
        };
        HeatMap { width_s: self.width_s, columns: (0..).zip(&self.columns).filter_map(column).collect() }
    }

    fn column(&mut self, second: u64) -> &mut Vec<u64> {
        let second = second.min(SECOND_MAX);
        while second / self.width_s >= COLUMNS_MAX {
            self.widen();
        }
        let at = usize::try_from(second / self.width_s).unwrap_or(usize::MAX);
        if self.columns.len() <= at {
            self.columns.resize_with(at + 1, Vec::new);
        }
        #[expect(clippy::indexing_slicing, reason = "it was made above")]
        &mut self.columns[at]
    }

    fn widen(&mut self) {
        self.width_s *= 2;
        let pairs = self.columns.chunks_mut(2).map(|pair| {
            let mut both = pair.first_mut().map(std::mem::take).unwrap_or_default();
            pair.get(1).into_iter().for_each(|second| merge(&mut both, second));
            both
        });
        self.columns = pairs.collect();
    }
}

/// The bucket of a time: four for each doubling.
fn bucket(nanos: u64) -> u64 {
    let doublings = u64::from((nanos | 4).ilog2()) - 2;
    4 * doublings + (nanos.max(4) >> doublings) - 4
}

/// The smallest time of a bucket.
#[must_use]
pub fn bucket_ns(bucket: u64) -> u64 {
    (4 + bucket % 4) << (bucket / 4).min(60)
}

fn add(counts: &mut Vec<u64>, bucket: u64, count: u64) {
    let at = usize::try_from(bucket).unwrap_or(usize::MAX);
    if count > 0 && counts.len() <= at {
        counts.resize(at + 1, 0);
    }
    if let Some(own) = counts.get_mut(at) {
        *own = own.saturating_add(count);
    }
}

fn merge(own: &mut Vec<u64>, other: &[u64]) {
    (0..).zip(other).for_each(|(bucket, count)| add(own, bucket, *count));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_a_quarter_of_a_doubling_and_meet() {
        for (nanos, expected) in [(0, 0), (4, 0), (5, 1), (7, 3), (8, 4), (9, 4), (10, 5), (1_023, 31), (1_024, 32)] {
            assert_eq!(bucket(nanos), expected, "{nanos}");
        }
        for number in 0..=BUCKET_MAX {
            assert_eq!((bucket(bucket_ns(number)), bucket(bucket_ns(number + 1) - 1)), (number, number));
        }
        assert!(bucket(super::super::VALUE_NS_MAX) < BUCKET_MAX);
    }

    #[test]
    fn long_runs_have_wider_columns_and_lose_nothing() {
        let mut heat = Heat::default();
        let mut second = Distribution::new();
        second.record_n(1_000_000, 3);
        for at in [0, 1, COLUMNS_MAX - 1, COLUMNS_MAX, 4 * COLUMNS_MAX, u64::MAX] {
            heat.add_second(at, &second);
        }
        let map = heat.map();
        assert!((map.columns.len() as u64) <= COLUMNS_MAX && map.width_s.is_power_of_two());
        assert_eq!(map.columns.iter().flat_map(|column| &column.counts).sum::<u64>(), 18);
        assert_eq!(Heat::of(&map).unwrap(), heat);
        assert!(Heat::of(&HeatMap { width_s: 3, ..map.clone() }).is_none());
        assert_eq!(Heat::of(&HeatMap::default()).unwrap(), Heat::default(), "of a result without one");
    }

    #[test]
    fn maps_of_different_widths_add_up() {
        let one = |at: u64, ns: u64| {
            let mut second = Distribution::new();
            second.record(ns);
            let mut heat = Heat::default();
            heat.add_second(at, &second);
            heat
        };
        let (early, late) = (one(7, 2_000_000), one(2 * COLUMNS_MAX, 9_000));
        let (mut forth, mut back) = (early.clone(), late.clone());
        forth.add(&late);
        back.add(&early);
        assert_eq!(forth, back);
        assert_eq!(forth.map().columns.len(), 2);
    }
}
