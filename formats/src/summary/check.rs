//! Whether a summary that was read from a file is one that counting could have made.

use super::histogram::RESOLUTION_BITS_MIN;
use super::{
    BUCKETS_MAX, DISTINCT_MAX, Histogram, RATE_BUCKETS_MAX, RATE_WIDTH_NS_MIN, RESOLUTION_BITS, Ranking, SAMPLE_MAX,
    Summary, WINDOWS_MAX, health, names,
};
use crate::endpoint;

/// What about a summary breaks its own rules. Nothing of it can then be believed; working with it does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a summary's {what} cannot be so")]
pub struct OutOfBounds {
    /// Which part.
    pub what: &'static str,
}

/// What [`crate::head::status_line`] gives.
const STATUSES: std::ops::RangeInclusive<u16> = 100..=999;

impl Summary {
    /// Checks the bounds and the order of everything.
    ///
    /// # Errors
    /// With the first part that breaks a rule.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        let rate = &self.rate;
        let doublings = rate.width_ns / RATE_WIDTH_NS_MIN;
        let histograms = [&self.response_ns, &self.request_size, &self.response_size].into_iter();
        let of_rows = self.endpoints.rows.values().chain([&self.endpoints.other]).map(|row| &row.response_ns);
        let rules = [
            (self.first_ns.is_some() == (self.exchanges > 0) && self.first_ns <= self.last_ns, "instants"),
            (self.clients.lowest.len().max(self.connections.lowest.len()) <= DISTINCT_MAX, "distinct numbers"),
            (doublings.is_power_of_two() && rate.width_ns == doublings * RATE_WIDTH_NS_MIN, "rate's width"),
            (rate.counts.len() <= RATE_BUCKETS_MAX, "rate"),
            (self.windows.iter().all(|some| some.level <= u64::BITS && some.counts.len() <= WINDOWS_MAX), "windows"),
            (histograms.chain(of_rows).all(Histogram::is_in_order), "histogram"),
            (self.endpoints.is_in_order(), "endpoints"),
            (self.sample.drawn.len() <= SAMPLE_MAX, "sample"),
            (self.has_bounded_names(), "names"),
            (self.methods.keys().all(|method| is_method(method)), "methods"),
            (self.hosts.is_in_order() && self.tunnels.is_in_order() && self.health_checks.is_in_order(), "names"),
            (self.status.keys().all(|status| STATUSES.contains(status)), "statuses"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, what)) => Err(OutOfBounds { what }),
            None => Ok(()),
        }
    }
}

impl Summary {
    /// Whether no name is longer than those that are given, with the mark of those that were cut.
    fn has_bounded_names(&self) -> bool {
        let mut endpoints = self.endpoints.names().chain(self.sample.drawn.values().map(String::as_str));
        let mut hosts = self.hosts.names().chain(self.tunnels.names());
        endpoints.all(|name| is_within(name, endpoint::NAME_CHARS_MAX + 1))
            && hosts.all(|name| is_within(name, names::NAME_CHARS_MAX + 1))
            && self.health_checks.names().all(|name| is_within(name, health::CHECK_LEN_MAX))
    }
}

fn is_within(name: &str, chars_max: usize) -> bool {
    name.chars().nth(chars_max).is_none()
}

fn is_method(method: &str) -> bool {
    method == names::OTHER_METHOD || names::METHODS.contains(&method)
}

impl Histogram {
    fn is_in_order(&self) -> bool {
        (RESOLUTION_BITS_MIN..=RESOLUTION_BITS).contains(&self.bits)
            && self.buckets.len() <= BUCKETS_MAX
            && self.buckets.is_sorted_by(|a, b| a.0 < b.0)
            && self.buckets.iter().all(|(_, count)| *count > 0)
    }
}

impl<V, const MAX: usize> Ranking<V, MAX> {
    fn is_in_order(&self) -> bool {
        self.rows.len() <= MAX
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(super::Ranked::name)
    }
}
