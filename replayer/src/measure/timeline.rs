//! The rows of a run over time, at most [`ROWS_MAX`] of them: neighbours merge when there would be more.

use crate::result::{Quantiles, Second};

/// Rows that are kept; beyond an hour each stands for 2 s, then for 4 s, and so on.
pub const ROWS_MAX: u64 = 3_600;
/// Length of a run up to which rows have places of their own: over a century. What is later counts into the last row.
const SECOND_MAX: u64 = 1 << 32;

/// Rows of equal width. Counts add up; of quantiles each row has the largest of its seconds, since they cannot be
/// averaged.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    width_s: u64,
    rows: Vec<Second>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width_s: 1, rows: Vec::new() }
    }
}

impl Timeline {
    /// Takes over rows that were written to `run.json`; `None` if they are not at multiples of their width.
    #[must_use]
    pub fn of(width_s: u64, rows: &[Second]) -> Option<Self> {
        if !width_s.is_power_of_two() || rows.len() as u64 > ROWS_MAX {
            return None;
        }
        let in_place =
            (0..).zip(rows).all(|(number, row): (u64, &Second)| Some(row.t_s) == number.checked_mul(width_s));
        in_place.then(|| Self { width_s, rows: rows.to_vec() })
    }

    /// Seconds that a row stands for.
    #[must_use]
    pub fn width_s(&self) -> u64 {
        self.width_s
    }

    /// The rows from due instant 0 on, without a hole.
    #[must_use]
    pub fn rows(&self) -> &[Second] {
        &self.rows
    }

    /// The row of a second, if there is one yet.
    #[must_use]
    pub fn get(&self, second: u64) -> Option<&Second> {
        self.rows.get(usize::try_from(second / self.width_s).ok()?)
    }

    /// The row that a second counts into.
    pub fn row(&mut self, second: u64) -> &mut Second {
        let second = second.min(SECOND_MAX);
        while second / self.width_s >= ROWS_MAX {
            self.widen();
        }
        let at = usize::try_from(second / self.width_s).unwrap_or(usize::MAX);
        while self.rows.len() <= at {
            let t_s = self.rows.len() as u64 * self.width_s;
            self.rows.push(Second { t_s, ..Second::default() });
        }
        #[expect(clippy::indexing_slicing, reason = "the loop above made the row")]
        &mut self.rows[at]
    }

    /// Adds the rows of another part of the same run.
    pub fn add(&mut self, other: &Self) {
        while self.width_s < other.width_s {
            self.widen();
        }
        for row in &other.rows {
            let own = self.row(row.t_s);
            *own = merged(own, row);
        }
    }

    /// Plans all rows anew, up to the one of `until_s`; `before` says how many requests are due before the start of a second.
    pub fn plan(&mut self, until_s: u64, before: impl Fn(u64) -> u64) {
        self.row(until_s);
        for row in &mut self.rows {
            row.planned = before(row.t_s.saturating_add(self.width_s)).saturating_sub(before(row.t_s));
        }
    }

    /// Forgets the quantiles, to take them anew.
    pub fn clear_quantiles(&mut self) {
        for row in &mut self.rows {
            (row.response_us, row.lag_us) = (Quantiles::default(), Quantiles::default());
        }
    }

    fn widen(&mut self) {
        self.width_s *= 2;
        self.rows = self.rows.chunks(2).filter_map(|pair| pair.iter().copied().reduce(|a, b| merged(&a, &b))).collect();
    }
}

fn merged(a: &Second, b: &Second) -> Second {
    Second {
        t_s: a.t_s,
        planned: a.planned.saturating_add(b.planned),
        sent: a.sent.saturating_add(b.sent),
        completed: a.completed.saturating_add(b.completed),
        errors: a.errors.saturating_add(b.errors),
        response_us: a.response_us.largest(&b.response_us),
        lag_us: a.lag_us.largest(&b.lag_us),
    }
}
