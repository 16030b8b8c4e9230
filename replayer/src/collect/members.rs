//! Which trace ids are of this run, in memory that does not grow with it: a Bloom filter (Bloom 1970).
//!
//! Only the counters of what is not kept hang on it: what it takes for ours although it is not is counted as `not_kept`
//! instead of as `of_others`.

/// Bits that an id sets. With b bits for each id the filter is wrong about (1 − e^(−4/b))^4 of the strangers: 1 % at 10.
const HASHES: u64 = 4;

pub(super) struct Members {
    words: Vec<u64>,
}

impl Members {
    /// A filter of so many bytes, or a little less.
    pub(super) fn new(bytes: u64) -> Self {
        let words = usize::try_from(bytes / 8).unwrap_or(usize::MAX).max(1);
        Self { words: vec![0; words] }
    }

    pub(super) fn insert(&mut self, trace_id: &[u8; 16]) {
        for number in 0..HASHES {
            let (word, bit) = self.place(trace_id, number);
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
    }

    /// Whether it was inserted; sometimes also when it was not.
    pub(super) fn has(&self, trace_id: &[u8; 16]) -> bool {
        (0..HASHES).all(|number| {
            let (word, bit) = self.place(trace_id, number);
            self.words.get(word).is_some_and(|word| word & bit != 0)
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "below the number of words")]
    fn place(&self, trace_id: &[u8; 16], number: u64) -> (usize, u64) {
        let hash = mixed(trace_id, number + 1);
        (((u128::from(hash) * self.words.len() as u128) >> 64) as usize, 1 << (hash & 63))
    }
}

/// 64 bits that hang on all of an id, also on one with only 64 bits; different for each `seed`. Sampling decides by the bits
/// of an id themselves, so whoever chooses among what was sampled must not.
pub(super) fn mixed(trace_id: &[u8; 16], seed: u64) -> u64 {
    let id = u128::from_be_bytes(*trace_id);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let (high, low) = ((id >> 64) as u64, id as u64);
    finish(finish(high ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(low))
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the input changes each of the output.
const fn finish(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_known_and_strangers_seldom_taken_for_them() {
        let ids = |from: u64| (from..from + 10_000).map(|at| u128::from(at).to_be_bytes());
        let mut members = Members::new(10_000 * 10 / 8);
        ids(0).for_each(|id| members.insert(&id));
        assert!(ids(0).all(|id| members.has(&id)));
        let wrong = ids(1 << 40).filter(|id| members.has(id)).count();
        assert!(wrong < 300, "{wrong} of 10,000");
    }

    #[test]
    fn the_choice_does_not_hang_on_the_bits_by_which_traces_are_sampled() {
        // Ids whose low 56 bits are small: those that a sampler of 1 % lets through.
        let below = (0..10_000_u64).filter(|at| {
            let id = (u128::from(finish(*at)) << 64) | u128::from(finish(*at) >> 16);
            mixed(&id.to_be_bytes(), 0) < u64::MAX / 4
        });
        let share = below.count();
        assert!((2_300..2_700).contains(&share), "{share}");
    }
}
