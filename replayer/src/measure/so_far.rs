//! What can be said while a run goes on. Asked once a second, away from what counts a request.

use std::collections::BTreeMap;

use super::counted::{Tally, Word, add_counts};
use super::{Distribution, Measure};
use crate::result::{Bytes, Quantiles};

/// What became of requests so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Totals {
    /// Requests whose end was counted.
    pub settled: u64,
    /// Handed to a socket.
    pub dispatched: u64,
    /// The kernel took a byte of them.
    pub sent: u64,
    /// Whole answers.
    pub completed: u64,
    /// Failures, by kind.
    pub errors: BTreeMap<Word, u64>,
    /// Deliberately not sent, by reason.
    pub shed: BTreeMap<Word, u64>,
    /// Answers, by code.
    pub status: BTreeMap<u16, u64>,
    /// On the wire.
    pub bytes: Bytes,
}

impl Totals {
    /// Failures of every kind.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Deliberately not sent, for whatever reason.
    #[must_use]
    pub fn all_shed(&self) -> u64 {
        self.shed.values().sum()
    }

    fn add(&mut self, tally: &Tally) {
        self.settled += tally.settled;
        self.dispatched += tally.dispatched;
        self.sent += tally.sent;
        self.completed += tally.completed;
        add_counts(&mut self.errors, &tally.errors);
        add_counts(&mut self.shed, &tally.shed);
        add_counts(&mut self.status, &tally.status);
        self.bytes.add(&tally.bytes);
    }
}

/// What can be said by now of everything together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SoFar {
    /// Counts.
    pub totals: Totals,
    /// Over everything.
    pub response_us: Quantiles,
    /// Over everything.
    pub lag_us: Quantiles,
}

/// One second of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SecondSoFar {
    /// Which one, from due instant 0.
    pub t_s: u64,
    /// Requests due in it.
    pub planned: u64,
    /// Requests dispatched in it that have ended.
    pub dispatched: u64,
    /// Answers that ended in it.
    pub completed: u64,
    /// Requests that failed in it.
    pub errors: u64,
    /// Of what ended in it.
    pub response_us: Quantiles,
    /// Of what was dispatched in it.
    pub lag_us: Quantiles,
}

/// What can be said by now of one endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EndpointSoFar {
    /// Whole answers.
    pub completed: u64,
    /// Failures.
    pub errors: u64,
    /// Over everything.
    pub response_us: Quantiles,
}

impl Measure {
    /// What can be said by now.
    #[must_use]
    pub fn so_far(&self) -> SoFar {
        let mut totals = Totals::default();
        [&self.steady, &self.outside].into_iter().for_each(|tally| totals.add(tally));
        let both = |pick: fn(&Tally) -> &Distribution| sum(pick(&self.steady), pick(&self.outside)).quantiles();
        SoFar { totals, response_us: both(|tally| &tally.times.response), lag_us: both(|tally| &tally.waited.lag) }
    }

    /// A second that is over, unless it was so long ago that its distributions are closed; its times are nothing then.
    #[must_use]
    pub fn second(&self, second: u64) -> SecondSoFar {
        let row = self.timeline.get(second).copied().unwrap_or_default();
        let times = self.open.get(&second);
        let width = self.timeline.width_s();
        SecondSoFar {
            t_s: second,
            planned: row.planned / width,
            dispatched: row.sent / width,
            completed: row.completed / width,
            errors: row.errors / width,
            response_us: times.map(|times| times.response.quantiles()).unwrap_or_default(),
            lag_us: times.map(|times| times.lag.quantiles()).unwrap_or_default(),
        }
    }

    /// The endpoints of which most requests have ended, by index.
    #[must_use]
    pub fn top_endpoints(&self, most: usize) -> Vec<(usize, EndpointSoFar)> {
        let ended =
            |tally: &Tally, at: usize| tally.endpoints.get(at).map_or((0, 0), |row| (row.completed, row.errors));
        let mut rows: Vec<_> = (0..self.planned.len())
            .map(|at| {
                let (steady, outside) = (ended(&self.steady, at), ended(&self.outside, at));
                (at, steady.0 + outside.0, steady.1 + outside.1)
            })
            .filter(|(_, completed, errors)| completed + errors > 0)
            .collect();
        rows.sort_unstable_by_key(|(at, completed, errors)| (std::cmp::Reverse(completed + errors), *at));
        rows.truncate(most);
        let nothing = Distribution::new();
        let response = |tally: &Tally, at: usize| {
            tally.endpoints.get(at).map_or_else(|| nothing.clone(), |row| row.times.response.clone())
        };
        rows.into_iter()
            .map(|(at, completed, errors)| {
                let response_us = sum(&response(&self.steady, at), &response(&self.outside, at)).quantiles();
                (at, EndpointSoFar { completed, errors, response_us })
            })
            .collect()
    }
}

fn sum(one: &Distribution, other: &Distribution) -> Distribution {
    let mut all = one.clone();
    all.add(other);
    all
}
