//! What the values of a cause look like, in all of its differences so far: what a rule for it would be.

use crate::compare::rules::looks::{self, Instant};
use crate::differ::{Difference, Kind};

/// A relative distance beyond which two numbers are not called near.
const NEAR: f64 = 0.25;

/// Facts that hold for all values so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Traits {
    pub(super) differences: u64,
    instant: Option<Option<Instant>>,
    is_uuid: bool,
    hex: Option<Option<usize>>,
    is_number: bool,
    /// Whole numbers that grow from before to after.
    is_counter: bool,
    /// The largest distance, as a share of the larger of the two.
    apart: f64,
    type_name: Option<Option<&'static str>>,
    shape: Option<Option<String>>,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            differences: 0,
            instant: None,
            is_uuid: true,
            hex: None,
            is_number: true,
            is_counter: true,
            apart: 0.0,
            type_name: None,
            shape: None,
        }
    }
}

/// What a rule would say.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Proposal {
    Timestamp,
    Uuid,
    Hex(usize),
    /// Numbers within this many percent.
    Near(u32),
    Counter,
    Set,
    /// Text in which only ids and numbers differ: the pattern that both fit.
    Shape(String),
    Optional,
    Type(&'static str),
    Ignore,
}

impl Traits {
    pub(super) fn note(&mut self, of: &Difference<'_>) {
        self.differences += 1;
        if of.kind != Kind::Value {
            return;
        }
        let (before, after) = (of.before, of.after);
        fold(&mut self.instant, both(looks::instant(before), looks::instant(after)));
        fold(&mut self.hex, both(looks::hex_digits(before), looks::hex_digits(after)));
        let (one, other) = (looks::type_name(before), looks::type_name(after));
        fold(&mut self.type_name, both(Some(one), Some(other)));
        // Once there are two shapes there is none, and no more need be made.
        if self.shape != Some(None) {
            fold(&mut self.shape, both(looks::shape(before), looks::shape(after)));
        }
        self.is_uuid &= looks::is_uuid(before) && looks::is_uuid(after);
        match looks::number(before).zip(looks::number(after)) {
            Some((a, b)) => {
                self.apart = self.apart.max((a - b).abs() / a.abs().max(b.abs()).max(f64::MIN_POSITIVE));
                self.is_counter &= a.fract() == 0.0 && b.fract() == 0.0 && a >= 0.0 && b >= 0.0;
            }
            None => self.is_number = false,
        }
    }

    /// The narrowest rule that all of them fit.
    pub(super) fn proposal(&self, kind: Kind) -> Proposal {
        match kind {
            Kind::Order => return Proposal::Set,
            Kind::Missing | Kind::Added => return Proposal::Optional,
            Kind::Value => {}
            _ => return Proposal::Ignore,
        }
        if self.instant.flatten().is_some() {
            Proposal::Timestamp
        } else if self.is_uuid {
            Proposal::Uuid
        } else if let Some(digits) = self.hex.flatten() {
            Proposal::Hex(digits)
        } else if self.is_number && self.apart <= NEAR && !self.is_counter {
            // Twice what was seen, since the next pair may lie further apart.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 50")]
            Proposal::Near((self.apart * 200.0).ceil().clamp(1.0, 50.0) as u32)
        } else if self.is_number && self.is_counter {
            Proposal::Counter
        } else if let Some(pattern) = self.shape.clone().flatten() {
            Proposal::Shape(pattern)
        } else if let Some(name) = self.type_name.flatten() {
            Proposal::Type(name)
        } else {
            Proposal::Ignore
        }
    }
}

fn both<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<T> {
    if one == other { one } else { None }
}

/// Keeps a value while all are the same.
fn fold<T: PartialEq>(all: &mut Option<Option<T>>, next: Option<T>) {
    match all {
        None => *all = Some(next),
        Some(known) if *known != next => *all = Some(None),
        Some(_) => {}
    }
}
