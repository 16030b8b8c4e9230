//! Differences counted by cause: an endpoint, a place, and a kind of difference.
//!
//! Everything is bounded: endpoints, places and causes beyond their numbers are counted under one name. A cause counts once
//! for a pair of answers, however often it stands in them.

use std::collections::HashMap;

use super::samples::{Sample, Samples};
use super::shared::Shared;
use super::source::Key;
use super::traits::Traits;
use crate::compare::rules::Rules;
use crate::differ::{Answer, Differ, Difference, Incomparable, Kind};

/// Causes that are told apart.
const CAUSES_MAX: usize = 10_000;
/// Causes of one endpoint that are told apart, so that one with a thousand random keys leaves room for others.
pub(super) const CAUSES_OF_ENDPOINT_MAX: usize = 1_000;
/// Endpoints that are told apart.
const ENDPOINTS_MAX: usize = 20_000;
/// Places that are told apart.
const PLACES_MAX: usize = 50_000;
const OTHERS: &str = "(others)";

/// Two runs whose answers are held against each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// Numbers of the runs.
    pub(super) runs: (u16, u16),
    /// Of its own among all pairs.
    pub(super) number: u32,
    /// Whether they are of two sides.
    pub(super) across: bool,
    /// Whether both made pseudonyms under the same key.
    pub(super) same_key: bool,
}

/// What is counted of a cause.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) endpoint: u32,
    pub(super) place: u32,
    pub(super) kind: Kind,
    /// Pairs of answers across sides in which it is.
    pub(super) across: u64,
    /// The same within a side.
    pub(super) within: u64,
    pub(super) samples: Samples,
    /// What the values look like.
    pub(super) traits: Traits,
    /// What the requests share.
    pub(super) shared: Shared,
    /// The last pair in which it was counted.
    last: u64,
}

/// What is counted of an endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: String,
    /// Pairs of answers across sides.
    pub(super) across: u64,
    /// The same within a side.
    pub(super) within: u64,
    /// Of these, pairs with two statuses, of which nothing else is compared.
    unlike_across: u64,
    unlike_within: u64,
    /// What all of its requests share.
    pub(super) shared: Shared,
    causes: usize,
}

impl Endpoint {
    /// Pairs across sides and within one that could show a difference of this kind.
    pub(super) fn pairs(&self, kind: Kind) -> (u64, u64) {
        match kind {
            Kind::Status { .. } => (self.across, self.within),
            _ => (self.across - self.unlike_across, self.within - self.unlike_within),
        }
    }
}

/// Names with numbers, up to a bound.
#[derive(Debug, Default)]
struct Names(HashMap<String, u32, foldhash::quality::RandomState>);

impl Names {
    /// The number of a name, and whether it is new.
    fn number(&mut self, name: &str, most: usize) -> (u32, bool) {
        if let Some(number) = self.0.get(name) {
            return (*number, false);
        }
        let name = if self.0.len() >= most { OTHERS } else { name };
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let mut is_new = false;
        let number = *self.0.entry(name.to_owned()).or_insert_with(|| {
            is_new = true;
            next
        });
        (number, is_new)
    }
}

/// The counts of a comparison.
pub(super) struct Causes {
    pub(super) rules: Rules,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) places: Vec<String>,
    pub(super) all: Vec<Cause>,
    /// Pairs of answers with something that could not be compared, across sides.
    pub(super) incomparable: HashMap<Incomparable, u64>,
    /// Pairs with any difference that no rule silenced, and pairs whose bodies were all there; across sides.
    pub(super) different: u64,
    pub(super) with_bodies: u64,
    endpoint_names: Names,
    place_names: Names,
    by_cause: HashMap<(u32, u32, Kind), usize, foldhash::quality::RandomState>,
    differ: Differ,
    pairs: u64,
}

impl Causes {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            endpoints: Vec::new(),
            places: Vec::new(),
            all: Vec::new(),
            incomparable: HashMap::new(),
            different: 0,
            with_bodies: 0,
            endpoint_names: Names::default(),
            place_names: Names::default(),
            by_cause: HashMap::default(),
            differ: Differ::default(),
            pairs: 0,
        }
    }

    /// The number of an endpoint.
    pub(super) fn endpoint(&mut self, name: &str) -> u32 {
        let (number, is_new) = self.endpoint_names.number(name, ENDPOINTS_MAX);
        if is_new {
            let name = if self.endpoints.len() >= ENDPOINTS_MAX { OTHERS } else { name };
            self.endpoints.push(Endpoint {
                name: name.to_owned(),
                across: 0,
                within: 0,
                unlike_across: 0,
                unlike_within: 0,
                shared: Shared::default(),
                causes: 0,
            });
        }
        number
    }

    /// Holds two answers to the same request of an endpoint against each other.
    pub(super) fn compare(&mut self, key: Key, endpoint: u32, pair: Pair, before: &Answer, after: &Answer) {
        self.pairs += 1;
        let Self { rules, endpoints, differ, .. } = self;
        let Some(of) = endpoints.get_mut(endpoint as usize) else { return };
        let is_unlike = u64::from(before.status != after.status);
        if pair.across {
            of.across += 1;
            of.unlike_across += is_unlike;
            of.shared.note(before);
            self.with_bodies += u64::from(before.has_body() && after.has_body());
        } else {
            of.within += 1;
            of.unlike_within += is_unlike;
        }
        let name = &of.name;
        let element_key = |place: &str| rules.element_key(name, place);
        let differences = differ.compare(before, after, pair.same_key, &element_key);
        if pair.across {
            for why in differences.incomparable() {
                *self.incomparable.entry(*why).or_default() += 1;
            }
        }
        if differences.is_empty() {
            return;
        }
        let mut counting = Counting {
            rules: &mut self.rules,
            endpoints: &mut self.endpoints,
            places: &mut self.places,
            all: &mut self.all,
            place_names: &mut self.place_names,
            by_cause: &mut self.by_cause,
            pairs: self.pairs,
        };
        let mut is_different = false;
        for difference in differences.iter() {
            is_different |= counting.count(&difference, key, endpoint, pair, (before, after));
        }
        self.different += u64::from(is_different && pair.across);
    }
}

/// All but the differ, whose differences are being read.
struct Counting<'c> {
    rules: &'c mut Rules,
    endpoints: &'c mut Vec<Endpoint>,
    places: &'c mut Vec<String>,
    all: &'c mut Vec<Cause>,
    place_names: &'c mut Names,
    by_cause: &'c mut HashMap<(u32, u32, Kind), usize, foldhash::quality::RandomState>,
    pairs: u64,
}

impl Counting<'_> {
    /// Whether the difference counts; rules may silence it.
    fn count(
        &mut self,
        of: &Difference<'_>,
        key: Key,
        endpoint: u32,
        pair: Pair,
        (before, after): (&Answer, &Answer),
    ) -> bool {
        let place = self.place(of.place);
        let Some(at) = self.endpoints.get_mut(endpoint as usize) else { return false };
        if self.rules.silence(of, (endpoint, &at.name), place, pair.number) {
            return false;
        }
        let mut cause_key = (endpoint, place, of.kind);
        if !self.by_cause.contains_key(&cause_key)
            && (self.all.len() >= CAUSES_MAX || at.causes >= CAUSES_OF_ENDPOINT_MAX)
        {
            cause_key = (endpoint, self.place(OTHERS), Kind::Value);
        }
        let index = *self.by_cause.entry(cause_key).or_insert_with(|| {
            let (endpoint, place, kind) = cause_key;
            self.all.push(Cause {
                endpoint,
                place,
                kind,
                across: 0,
                within: 0,
                samples: Samples::default(),
                traits: Traits::default(),
                shared: Shared::default(),
                last: 0,
            });
            if let Some(endpoint) = self.endpoints.get_mut(endpoint as usize) {
                endpoint.causes += 1;
            }
            self.all.len() - 1
        });
        let Some(cause) = self.all.get_mut(index) else { return true };
        cause.traits.note(of);
        if cause.last != self.pairs {
            cause.last = self.pairs;
            *(if pair.across { &mut cause.across } else { &mut cause.within }) += 1;
            if pair.across {
                cause.shared.note(before);
            }
            if cause.samples.wants(key, pair) {
                cause.samples.keep(key, pair, Sample::of(of, key, pair, before, after));
            }
        }
        true
    }

    fn place(&mut self, name: &str) -> u32 {
        let (number, is_new) = self.place_names.number(name, PLACES_MAX);
        if is_new {
            let name = if self.places.len() >= PLACES_MAX { OTHERS } else { name };
            self.places.push(name.to_owned());
        }
        number
    }
}
