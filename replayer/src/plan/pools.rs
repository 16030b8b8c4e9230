//! Pools: what looks like a client but carries many users. Which they are, and their exchanges taken one by one.
//!
//! Order and pauses within a pool say nothing about any user, so each exchange is multiplied by itself. **Warp**: its
//! copies are drawn from its block of the rate of all such exchanges together. **Poisson**: the number of its
//! copies is drawn from a Poisson distribution with the mean k, and all of them, the first included, are drawn from the
//! block: together a Poisson process whose rate is k times that of the blocks.

use formats::clients::Conduct;

use super::blocks::{Blocks, Cells};
use super::draw::{Draw, Identity, Purpose};
use super::factor::copies;
use super::users::number;
use super::{Client, Method, Options, Profile, Timing};

/// Mean up to which a Poisson count is drawn at once: e⁻ᵏ is a normal float far beyond it.
const POISSON_MEAN_MAX: f64 = 16.0;

/// Whether `client` is a pool.
pub(super) fn is_pool(client: &Client, duration_ns: u64, recorded: u64) -> bool {
    let conduct = Conduct {
        source: client.key.source,
        life_ns: client.last_ns.saturating_sub(client.first_ns),
        exchanges: client.exchanges,
        user_agents: client.user_agents,
        forwarded: client.forwarded,
    };
    conduct.is_pool(duration_ns, recorded)
}

/// How the exchanges of pools are multiplied.
pub(super) struct Pools {
    is_warped: Vec<bool>,
    identities: Vec<Identity>,
    cells: Option<Cells>,
    blocks: Blocks,
    is_poisson: bool,
    share: Draw,
    instant: Draw,
    count: Draw,
}

impl Pools {
    pub(super) fn new(is_warped: Vec<bool>, identities: Vec<Identity>, duration_ns: u64, options: &Options) -> Self {
        let any = is_warped.iter().any(|is_warped| *is_warped);
        Self {
            cells: any.then(|| Cells::new(duration_ns)),
            is_warped,
            identities,
            blocks: Blocks::default(),
            is_poisson: options.method == Method::Poisson,
            share: Draw::new(options.seed, Purpose::ExchangeShare),
            instant: Draw::new(options.seed, Purpose::ExchangeInstant),
            count: Draw::new(options.seed, Purpose::ExchangeCount),
        }
    }

    pub(super) fn is_warped(&self, client: u32) -> bool {
        self.is_warped.get(client as usize) == Some(&true)
    }

    pub(super) fn identity(&self, client: u32) -> Option<&Identity> {
        self.identities.get(client as usize)
    }

    pub(super) fn add(&mut self, at_ns: u64) {
        if let Some(cells) = &mut self.cells {
            cells.add(at_ns);
        }
    }

    pub(super) fn complete(&mut self) {
        if let Some(cells) = self.cells.take() {
            self.blocks = cells.blocks();
        }
    }

    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    pub(super) fn copies<'a>(
        &'a self,
        client: u32,
        ordinal: u64,
        at_ns: u64,
        timing: &'a Timing,
        profile: &'a Profile,
    ) -> impl Iterator<Item = (u32, u64)> + use<'a> {
        let block = self.blocks.around(at_ns);
        let identity = self.identities.get(client as usize).filter(|_| self.is_warped(client));
        let share = identity.map(|identity| self.share.of(identity).with(ordinal).bits());
        let draw = identity.map(|identity| self.instant.of(identity).with(ordinal).with(block.first_ns));
        let count = identity.map(|identity| self.count.of(identity).with(ordinal));
        (0..timing.rounds).flat_map(move |round| {
            let most = match (share, count) {
                (Some(_), Some(count)) if self.is_poisson => poisson(profile.largest(), count.with(u64::from(round))),
                (Some(share), _) => copies(profile.largest(), share),
                _ => 0,
            };
            (0..most).filter_map(move |copy| {
                let draw = draw?.with(u64::from(copy));
                let draw = if round == 0 { draw } else { draw.with(u64::from(round)) };
                let is_original = copy == 0 && !self.is_poisson;
                let at_ns = if is_original { at_ns } else { self.blocks.instant(block, draw) };
                let due_ns = timing.run_ns(timing.round_ns(round).saturating_add(at_ns))?;
                let now = profile.at(due_ns);
                let admitted = if self.is_poisson {
                    // Thinning: each is kept with probability k(t) over the largest k.
                    u128::from(draw.with(u64::MAX).bits()) * u128::from(profile.largest()) < u128::from(now) << 64
                } else {
                    copies(now, share?) > copy
                };
                admitted.then(|| (number(copy, round, timing), due_ns))
            })
        })
    }
}

/// A Poisson count with so many millionths as its mean, by inversion; larger means are sums of smaller ones.
fn poisson(millionths: u64, draw: Draw) -> u32 {
    #[expect(clippy::cast_precision_loss, reason = "at most ten thousand million")]
    let mut left = millionths as f64 / 1e6;
    let (mut total, mut part) = (0_u32, 0_u64);
    while left > 0.0 {
        let mean = left.min(POISSON_MEAN_MAX);
        let (mut term, mut count) = (libm::exp(-mean), 0_u32);
        let mut rest = draw.with(part).fraction() - term;
        // The terms fall off faster than geometrically; 1,000 are never reached before they are 0.
        while rest >= 0.0 && count < 1_000 {
            count += 1;
            term *= mean / f64::from(count);
            rest -= term;
        }
        total = total.saturating_add(count);
        left -= mean;
        part += 1;
    }
    total
}
