//! Random numbers that are the same for a seed on every machine: splitmix64, and integers only, since logarithms are not.

/// Splitmix64 (Steele, Lea, Flood 2014): small, and good enough for who looks at which page.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The stream of one visitor of a seed; streams do not overlap in any length that matters here.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut seeds = Self { state: seed };
        Self { state: seeds.draw() ^ mix(stream) }
    }

    /// 64 uniform bits.
    pub(crate) fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// Uniform in `0..bound`; 0 when there is nothing to choose from. The multiply-shift's bias is below 2^-32 here.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let product = u128::from(self.draw()) * u128::from(bound);
        u32::try_from(product >> 64).unwrap_or(0)
    }

    /// True `percent` times in a hundred.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of some.
    pub(crate) fn choice<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(u32::try_from(of.len()).unwrap_or(u32::MAX));
        of.get(at as usize).copied()
    }

    /// Exponential with a mean, by von Neumann's method (1951), which only compares: the first number of a falling run of
    /// odd length, plus one for each run of even length before it, is exponential with mean 1.
    pub(crate) fn exponential(&mut self, mean: u64) -> u64 {
        let mut whole: u64 = 0;
        loop {
            let first = self.draw();
            let (mut last, mut length) = (first, 1_u32);
            loop {
                let next = self.draw();
                if next >= last {
                    break;
                }
                last = next;
                length += 1;
            }
            if !length.is_multiple_of(2) {
                let fraction = (u128::from(first) * u128::from(mean)) >> 64;
                return whole.saturating_mul(mean).saturating_add(u64::try_from(fraction).unwrap_or(0));
            }
            whole += 1;
        }
    }
}

/// Splitmix64's output function, a bijection.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
