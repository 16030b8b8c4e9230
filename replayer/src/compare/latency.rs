//! Latencies of one run, endpoint by endpoint, as logarithms: what a comparison is made of.
//!
//! A run's requests become two numbers of two bytes each, so that ten million of them take 40 MB. Nothing is averaged
//! here, and a request that failed counts with its full age.

/// Step of a logarithm: a twentieth of a per cent, far below what anybody looks for.
const STEP: f64 = 0.000_5;

/// Windows in which the requests of a run are told apart.
pub const WINDOWS_MAX: u64 = 1 << 16;

/// What was measured of an endpoint, request by request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    codes: Vec<u16>,
    windows: Vec<u16>,
}

impl Series {
    /// Adds a request of this age that was due in this window; windows beyond [`WINDOWS_MAX`] count as the last.
    pub fn push(&mut self, latency_ns: u64, window: u64) {
        self.codes.push(code(latency_ns));
        self.windows.push(u16::try_from(window.min(WINDOWS_MAX - 1)).unwrap_or(u16::MAX));
    }

    /// Requests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The requests of each of so many places, which `place` gives to windows.
    #[must_use]
    pub fn split(&self, places: usize, place: impl Fn(usize) -> usize) -> Vec<Self> {
        let mut parts = vec![Self::default(); places];
        for (code, window) in self.codes.iter().zip(&self.windows) {
            if let Some(part) = parts.get_mut(place(usize::from(*window))) {
                part.codes.push(*code);
                part.windows.push(*window);
            }
        }
        parts
    }

    /// Natural logarithm of the latency in nanoseconds, with the window, of each request.
    pub fn iter(&self) -> impl Iterator<Item = (f64, usize)> {
        self.codes.iter().zip(&self.windows).map(|(code, window)| (f64::from(*code) * STEP, usize::from(*window)))
    }
}

/// All endpoints of one run, in the same order in all runs that are compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunLatencies {
    /// By endpoint.
    pub endpoints: Vec<Series>,
}

impl RunLatencies {
    /// Windows up to the last in which something was due.
    #[must_use]
    pub fn windows(&self) -> usize {
        let last = self.endpoints.iter().flat_map(|series| series.windows.iter().copied()).max();
        last.map_or(0, |last| usize::from(last) + 1)
    }
}

fn code(latency_ns: u64) -> u16 {
    // The largest number there is becomes 88,722, so that an age of five hours and more would not fit: it counts as that.
    let code = (libm::log(latency_ns.max(1) as f64) / STEP).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 0, and limited")]
    let code = code.min(f64::from(u16::MAX)) as u16;
    code
}

/// The p-th quantile of what is there, between neighbours in proportion (Hyndman and Fan 1996, type 7). Reorders `values`.
///
/// `None` where there is nothing.
pub fn quantile(values: &mut [f64], p: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let place = p.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of values")]
    let below = (place.floor() as usize).min(last);
    let (_, at, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let at = *at;
    let next = above.iter().copied().min_by(f64::total_cmp).unwrap_or(at);
    Some(at + (next - at) * (place - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_comes_back_within_a_step() {
        for latency_ns in [1, 2, 999, 1_000_000, 123_456_789, 30_000_000_000] {
            let mut series = Series::default();
            series.push(latency_ns, 3);
            let (logarithm, window) = series.iter().next().unwrap();
            assert!((logarithm.exp() / latency_ns as f64 - 1.0).abs() < STEP, "{latency_ns}: {}", logarithm.exp());
            assert_eq!(window, 3);
        }
        let mut longest = Series::default();
        longest.push(u64::MAX, u64::MAX);
        longest.push(0, 0);
        assert_eq!(longest.codes, [u16::MAX, 0]);
        assert_eq!(RunLatencies { endpoints: vec![longest] }.windows(), 65_536);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let check = |values: &[f64], p: f64, expected: Option<f64>| {
            let mut shuffled: Vec<f64> = values.iter().rev().copied().collect();
            assert_eq!(quantile(&mut shuffled, p), expected, "{values:?} {p}");
        };
        check(&[], 0.5, None);
        check(&[7.0], 0.99, Some(7.0));
        check(&[1.0, 2.0], 0.5, Some(1.5));
        check(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5, Some(3.0));
        check(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.9, Some(4.6));
        check(&[1.0, 2.0, 3.0], 1.0, Some(3.0));
        check(&[1.0, 2.0, 3.0], 0.0, Some(1.0));
    }
}
