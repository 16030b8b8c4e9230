//! A share of the clients, and whole clients into parts: the same choice wherever it is made, by the bits of their keys.
//!
//! A recorder and an editor choose alike, and smaller shares are inside larger ones. Deliberately not here: seeds. Who
//! draws at random draws in a plan.

use std::fmt;
use std::str::FromStr;

use crate::model::ClientKey;

/// All clients, in millionths.
const WHOLE: u32 = 1_000_000;

/// A share of the clients, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample(u32);

/// Why a share cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no share of the clients: write it as in 10% or 0.5%, above 0% and up to 100%")]
pub struct SampleError(String);

impl Sample {
    /// Millionths.
    #[must_use]
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// Whether the client is in it.
    #[must_use]
    pub fn contains(self, client: ClientKey) -> bool {
        mixed(client.id) % u64::from(WHOLE) < u64::from(self.0)
    }
}

/// Which of `parts` (0 counts as 1) the client belongs to, from 0. It does not depend on what decides about samples, so
/// that a sample is spread over all parts.
#[must_use]
pub fn part(client: ClientKey, parts: u64) -> u64 {
    (mixed(client.id) / u64::from(WHOLE)) % parts.max(1)
}

/// The finaliser of SplitMix64 (Steele et al., OOPSLA 2014): client ids are hashes already, but a replay that thins clients
/// looks at the same bits.
fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

impl FromStr for Sample {
    type Err = SampleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || SampleError(text.to_owned());
        let (whole, fraction) = {
            let number = text.strip_suffix('%').ok_or_else(bad)?;
            number.split_once('.').unwrap_or((number, ""))
        };
        if fraction.len() > 4 || !(whole.to_owned() + fraction).bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        let millionths: u32 = format!("{whole}{fraction:0<4}").parse().map_err(|_| bad())?;
        if (1..=WHOLE).contains(&millionths) { Ok(Self(millionths)) } else { Err(bad()) }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:04}", self.0 % 10_000);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}%", self.0 / 10_000),
            fraction => write!(f, "{}.{fraction}%", self.0 / 10_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::KeySource;

    fn clients() -> impl Iterator<Item = ClientKey> {
        // Ids as they are: hashes.
        (0..100_000u64).map(|n| ClientKey { source: KeySource::Peer, id: n.wrapping_mul(0x9e37_79b9_7f4a_7c15) })
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "%", "10", "0%", "101%", "100.0001%", "0.00001%", "-1%", "+1%", "1e1%", "99999999999%"] {
            assert!(text.parse::<Sample>().is_err(), "{text}");
        }
        for (text, printed) in [("10%", "10%"), ("0.5%", "0.5%"), ("100%", "100%"), ("0.0001%", "0.0001%")] {
            assert_eq!(text.parse::<Sample>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn samples_nest_and_have_their_size() {
        let of = |share: &str| {
            let share: Sample = share.parse().unwrap();
            clients().filter(|client| share.contains(*client)).collect::<HashSet<_>>()
        };
        let (tenth, half, all) = (of("10%"), of("50%"), of("100%"));
        assert!(tenth.is_subset(&half));
        assert_eq!(all.len(), 100_000);
        // Four standard deviations of a binomial.
        assert!(tenth.len().abs_diff(10_000) < 380, "{}", tenth.len());
        assert!(half.len().abs_diff(50_000) < 640, "{}", half.len());
    }

    #[test]
    fn parts_are_even_also_inside_a_sample() {
        let share: Sample = "10%".parse().unwrap();
        let mut counts = [0u64; 4];
        for client in clients().filter(|client| share.contains(*client)) {
            counts[usize::try_from(part(client, 4)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| count.abs_diff(2_500) < 200), "{counts:?}");
        assert_eq!(part(ClientKey::default(), 0), 0);
    }
}
