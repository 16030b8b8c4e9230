//! Draws without a generator: a draw is a hash of the seed and of what is drawn for, so it depends on nothing else.
//!
//! The hash is a chain of the finaliser of `splitmix64` (Steele, Lea and Flood, OOPSLA'14; variant 13 of Stafford), in
//! 64-bit integers only. It is a mixer, not a cipher: client keys are already pseudonyms under a secret key, and whoever
//! chooses the seed may choose the plan.

use formats::model::KeySource;

use super::Client;

/// What a draw is for, so that two draws of one client have nothing to do with each other.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    ClientShare = 1,
    ClientStart = 2,
    ExchangeShare = 3,
    ExchangeInstant = 4,
    StreamShift = 5,
    ExchangeCount = 6,
    Shard = 7,
}

/// A hash under way.
#[derive(Clone, Copy)]
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        Self(mix(seed)).with(purpose as u64)
    }

    /// The hash with one more word.
    pub(super) fn with(self, word: u64) -> Self {
        Self(mix(self.0.wrapping_add(GAMMA) ^ mix(word.wrapping_add(GAMMA))))
    }

    pub(super) fn of(self, identity: &Identity) -> Self {
        self.with(identity.key).with(identity.twin)
    }

    /// A fraction from 0 to below 1, for statistics: the upper 53 bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are what a float holds")]
    pub(super) fn fraction(self) -> f64 {
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// 64 bits, each fair.
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// An integer from `first` to `last`, both included: first + ⌊h·w/2⁶⁴⌋ with w = last − first + 1. The bias of one
    /// value against another is below w/2⁶⁴: for an hour in nanoseconds 2·10⁻⁷.
    pub(super) fn within(self, first: u64, last: u64) -> u64 {
        let width = u128::from(last.saturating_sub(first)) + 1;
        let offset = (u128::from(self.0) * width) >> 64;
        first.saturating_add(u64::try_from(offset).unwrap_or(0))
    }
}

/// What tells a client from all others, on any machine and in any order of the recording's other clients.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    key: u64,
    /// How many clients before this one have the same key. Connections of two sessions may share one; if their copies
    /// shared their draws too, they would come in pairs.
    twin: u64,
}

impl Identity {
    /// What goes into a plan's hash.
    pub(super) fn words(&self) -> [u64; 2] {
        [self.key, self.twin]
    }
}

/// The identity of each client.
pub(super) fn identities(clients: &[Client]) -> Vec<Identity> {
    let mut identities: Vec<Identity> = clients
        .iter()
        .map(|client| {
            let source = match client.key.source {
                KeySource::Named => 1,
                KeySource::Forwarded => 2,
                KeySource::Peer => 3,
                KeySource::Connection => 4,
            };
            Identity { key: Draw(mix(source)).with(client.key.id).bits(), twin: 0 }
        })
        .collect();
    let mut by_key: Vec<(u64, u32)> = identities.iter().map(|identity| identity.key).zip(0..).collect();
    by_key.sort_unstable();
    let mut twin = 0;
    let mut before = None;
    for (key, index) in by_key {
        twin = if before == Some(key) { twin + 1 } else { 0 };
        before = Some(key);
        if twin > 0
            && let Some(identity) = identities.get_mut(index as usize)
        {
            identity.twin = twin;
        }
    }
    identities
}

/// 2⁶⁴ over the golden ratio, odd.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A bijection in which every bit of the input flips every bit of the output half of the time.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
