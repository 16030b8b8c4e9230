//! What came last at some place: likely to come again, and cheaper to try than to look for.

/// The last `N` different ones, the latest first.
#[derive(Clone, Copy)]
pub(super) struct Recent<T, const N: usize>([Option<T>; N]);

impl<T: Copy, const N: usize> Default for Recent<T, N> {
    fn default() -> Self {
        Self([None; N])
    }
}

impl<T: Copy + PartialEq, const N: usize> Recent<T, N> {
    pub(super) fn iter(self) -> impl Iterator<Item = T> {
        self.0.into_iter().flatten()
    }

    /// Puts it in front. If it was not there, the one that came longest ago is forgotten.
    pub(super) fn remember(&mut self, latest: T) {
        let at = self.0.iter().position(|known| *known == Some(latest)).unwrap_or(N.saturating_sub(1));
        if let Some(used) = self.0.get_mut(..=at) {
            used.rotate_right(1);
            used.iter_mut().take(1).for_each(|first| *first = Some(latest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_different_ones_are_there_the_latest_first() {
        let mut recent = Recent::<u32, 3>::default();
        let mut check = |latest, expected: &[u32]| {
            recent.remember(latest);
            assert_eq!(recent.iter().collect::<Vec<_>>(), expected, "behind {latest}");
        };
        check(1, &[1]);
        check(1, &[1]);
        check(2, &[2, 1]);
        check(3, &[3, 2, 1]);
        check(2, &[2, 3, 1]);
        check(4, &[4, 2, 3]);
        check(1, &[1, 4, 2]);
    }
}
