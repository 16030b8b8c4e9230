//! What the clients contribute by themselves: the sums Q and q of the module's documentation, for the whole and for each
//! tenth, and who lives long. 116 bytes a client, whatever the number of its exchanges.

use super::dispersion::{TENTHS, tenth};
use super::{TAUS_NS, windows};

/// A life longer than one part in so many of the recording is a long one.
const LIFE_PARTS: u64 = 10;

/// One client at one scale: its exchanges in the window that it was seen in last, and in the window before that.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    window: u32,
    now: u32,
    before: u32,
}

impl Recent {
    /// Counts one exchange; how many the client had in that window before, or `None` of a window that is forgotten.
    fn count(&mut self, window: u32) -> Option<u32> {
        if window > self.window {
            self.before = if window - self.window == 1 { self.now } else { 0 };
            self.now = 0;
            self.window = window;
        }
        let count = match self.window - window {
            0 => &mut self.now,
            1 => &mut self.before,
            _ => return None,
        };
        let had = *count;
        *count = had.saturating_add(1);
        Some(had)
    }
}

#[derive(Debug, Clone, Default)]
struct Owner {
    recent: [Recent; TAUS_NS.len()],
    /// Its first and last instant, in steps.
    life: Option<(u32, u32)>,
    tenths: [u32; TENTHS],
    is_user: bool,
}

/// The clients of a recording while it is read.
#[derive(Debug)]
pub(super) struct Owners {
    owners: Vec<Owner>,
    duration_ns: u64,
    /// The smallest unit of which 32 bits are enough for the recording.
    step_ns: u64,
    scales: [Scale; TAUS_NS.len()],
    strangers: u64,
}

/// What is added up at one scale.
#[derive(Debug, Clone, Copy, Default)]
struct Scale {
    tau_ns: u64,
    /// Whole windows; 0 where the scale is not counted.
    windows: u64,
    /// Σ_w Σ_c n², by the tenth of w.
    squares: [u128; TENTHS],
    forgotten: u64,
}

impl Owners {
    /// For `clients` clients; scales below `bin_ns` are left out.
    pub(super) fn new(duration_ns: u64, clients: usize, bin_ns: u64) -> Self {
        let scale = |tau_ns| Scale {
            tau_ns,
            windows: if tau_ns < bin_ns { 0 } else { windows(duration_ns, tau_ns) },
            ..Scale::default()
        };
        let step_ns = duration_ns / u64::from(u32::MAX) + 1;
        Self { owners: vec![Owner::default(); clients], duration_ns, step_ns, scales: TAUS_NS.map(scale), strangers: 0 }
    }

    pub(super) fn is_user(&mut self, client: u32) {
        if let Some(owner) = self.owners.get_mut(client as usize) {
            owner.is_user = true;
        }
    }

    pub(super) fn add(&mut self, at_ns: u64, client: u32) {
        let Some(owner) = self.owners.get_mut(client as usize) else {
            self.strangers = self.strangers.saturating_add(1);
            return;
        };
        let at = at_ns.checked_div(self.step_ns).and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX);
        let (first, last) = owner.life.unwrap_or((at, at));
        owner.life = Some((first.min(at), last.max(at)));
        if let Some(count) = owner.tenths.get_mut(tenth(at_ns, self.duration_ns)) {
            *count = count.saturating_add(1);
        }
        for (scale, recent) in self.scales.iter_mut().zip(&mut owner.recent) {
            let window = at_ns.checked_div(scale.tau_ns).unwrap_or(u64::MAX);
            if window >= scale.windows {
                continue;
            }
            let had = u32::try_from(window).ok().and_then(|window| recent.count(window));
            scale.forgotten += u64::from(had.is_none());
            if let Some(squares) = scale.squares.get_mut(tenth(window, scale.windows)) {
                // (n + 1)² − n².
                *squares += 2 * u128::from(had.unwrap_or(0)) + 1;
            }
        }
    }

    /// The sums at the end of the recording.
    pub(super) fn finish(self) -> Owned {
        let mut owned = Owned {
            squares: self.scales.map(|scale| scale.squares),
            forgotten: self.scales.map(|scale| scale.forgotten.saturating_add(self.strangers)),
            ..Owned::default()
        };
        let duration = self.duration_ns.checked_div(self.step_ns).unwrap_or(0);
        for owner in &self.owners {
            for (total, (products, one)) in owned.totals.iter_mut().zip(owned.products.iter_mut().zip(owner.tenths)) {
                *total += f64::from(one);
                if one > 0 {
                    products
                        .iter_mut()
                        .zip(owner.tenths)
                        .for_each(|(sum, two)| *sum += f64::from(one) * f64::from(two));
                }
            }
            let life = owner.life.map_or(0, |(first, last)| u64::from(last - first));
            if !owner.is_user && life.saturating_mul(LIFE_PARTS) > duration {
                owned.long_lived += owner.tenths.iter().map(|count| u64::from(*count)).sum::<u64>();
            }
        }
        owned
    }
}

/// The sums that D is made of.
#[derive(Debug, Default)]
pub(super) struct Owned {
    squares: [[u128; TENTHS]; TAUS_NS.len()],
    /// Exchanges, by scale, that were counted as if they were alone in their window, because they came too late or from an
    /// unknown client.
    pub(super) forgotten: [u64; TAUS_NS.len()],
    /// Exchanges of each tenth.
    totals: [f64; TENTHS],
    /// Σ_c T_{c,g}·T_{c,h}, where T_{c,g} are the exchanges of client c in tenth g.
    products: [[f64; TENTHS]; TENTHS],
    /// Exchanges of clients that are not known to be users and live longer than a tenth of the recording.
    pub(super) long_lived: u64,
}

impl Owned {
    /// Q at a scale, without the windows of one tenth.
    pub(super) fn squares(&self, scale: usize, without: Option<usize>) -> u128 {
        let tenths = self.squares.get(scale).into_iter().flatten().enumerate();
        tenths.filter(|(number, _)| Some(*number) != without).map(|(_, squares)| squares).sum()
    }

    /// q/S over all of the recording but one tenth: exchanges of its own client that an exchange has on average.
    pub(super) fn company(&self, without: Option<usize>) -> f64 {
        let kept = |number: &usize| Some(*number) != without;
        let of =
            |row: &[f64; TENTHS]| row.iter().enumerate().filter(|(h, _)| kept(h)).map(|(_, value)| value).sum::<f64>();
        let products: f64 = self.products.iter().enumerate().filter(|(g, _)| kept(g)).map(|(_, row)| of(row)).sum();
        products / of(&self.totals)
    }
}

#[cfg(test)]
#[test]
fn a_client_takes_what_the_documentation_says() {
    assert_eq!(size_of::<Owner>(), 116);
}
