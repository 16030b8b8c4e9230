//! How many instants lie in each window of time, at every scale, from one array of bins.

use super::TAUS_NS;

/// Bins at most: 64 MiB for each of recording and plan. At 10 ms that is a recording of 46 hours; a longer one gets the
/// next wider bins of [`TAUS_NS`], and what is shorter than a bin is then not judged.
pub(super) const BINS_MAX: u64 = 1 << 24;

/// The width of the bins of a recording.
pub(super) fn bin_ns(duration_ns: u64) -> u64 {
    let fits = |bin_ns: &u64| duration_ns / bin_ns < BINS_MAX;
    // Beyond 31 years no scale fits; the bins are then only for what lies inside and what outside.
    TAUS_NS.into_iter().find(fits).unwrap_or(duration_ns / (BINS_MAX - 1))
}

/// Instants in bins.
#[derive(Debug)]
pub(super) struct Counts {
    bin_ns: u64,
    bins: Vec<u32>,
    /// All instants, those after the end of the bins included.
    pub(super) total: u64,
}

impl Counts {
    /// Room for instants from 0 to `duration_ns`, both included.
    pub(super) fn new(duration_ns: u64) -> Self {
        let bin_ns = bin_ns(duration_ns);
        let bins = duration_ns.checked_div(bin_ns).unwrap_or(0).saturating_add(1);
        Self { bin_ns, bins: vec![0; usize::try_from(bins).unwrap_or(0)], total: 0 }
    }

    pub(super) fn add(&mut self, at_ns: u64) {
        self.total = self.total.saturating_add(1);
        let bin = at_ns.checked_div(self.bin_ns).and_then(|bin| usize::try_from(bin).ok());
        if let Some(count) = bin.and_then(|bin| self.bins.get_mut(bin)) {
            *count = count.saturating_add(1);
        }
    }

    /// The counts of the first `windows` windows of width `tau_ns`, which is a multiple of the bins'.
    pub(super) fn windows(&self, tau_ns: u64, windows: u64) -> impl Iterator<Item = u64> {
        let bins = tau_ns.checked_div(self.bin_ns).and_then(|bins| usize::try_from(bins).ok()).unwrap_or(0);
        let windows = usize::try_from(windows).unwrap_or(usize::MAX);
        self.bins.chunks_exact(bins.max(1)).take(windows).map(|bins| bins.iter().map(|count| u64::from(*count)).sum())
    }
}
