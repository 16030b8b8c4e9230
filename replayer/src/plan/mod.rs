//! The pure planner: which exchange is sent when, and as which copy of its client.
//!
//! A plan is a function of the recording, the options and the seed, and of nothing else: no clock, socket, file or
//! thread is here, and no float but in the likelihood that cuts blocks and in Poisson counts, whose logarithms and
//! exponentials come from the `libm` crate, so that every machine makes the same plan. It is a function that is asked,
//! not a list that is held: draws are hashes (`draw.rs`), so that what a client's exchanges become is computed wherever
//! it is needed, in the memory of one small entry a client. Neither is here: reading sessions, files, sending.
//!
//! **Time.** Recording time 0 is the start of what was chosen, and T its end. Copy 0 of everything is the original, at
//! its own instant. The run repeats the recording in rounds and may run time faster ([`Timing`]); due instants are
//! absolute nanoseconds from the start of the run.
//!
//! **Users are cloned** (`users.rs`): a copy is the client's whole life, moved so that it starts at an instant drawn
//! from the block of nearly constant client rate (`blocks.rs`, `trend.rs`) that the original started in, or from others of the
//! same level (`levels.rs`). **Pools are warped** (`pools.rs`): each exchange by itself, its copies drawn likewise from the
//! pooled exchanges' own rate.
//!
//! **How many.** At rate factor k, copy c exists where c < ⌊k⌋, and copy ⌊k⌋ exists for those clients (or exchanges of
//! pools) whose hash, as a fraction of 2⁶⁴, is below k − ⌊k⌋. Draws know nothing of k, so the plan of a smaller factor is
//! contained in that of a larger one, wherever the blocks are the same. Where the factor changes over the run
//! ([`Profile`]), k is that of the instant at which the copy starts: copies whose starts are drawn from the recorded rate
//! L(t) and kept where the factor admits them come at rate k(t)·L(t).
//!
//! **Lives.** In round r, copy c of a client is its life number c·R + r, with R rounds: what files and spans call `copy`.
//! Life 0 is the original, and the number does not depend on the factor, but for `overlay`: what goes around the end of the
//! recording is numbered after all copies there.
//!
//! **What keeps the rate right at the edges.** A copy may pass the end of the recording, which is taken for a circle: the
//! rest of it comes in at the beginning, where nobody else stands for the clients that were there already. Such a rest, and
//! the copies of clients that were there when the recording began, were seen to start by nobody: a changing factor admits
//! them request by request.

mod blocks;
mod draw;
mod error;
mod factor;
mod hash;
mod levels;
mod method;
mod pools;
mod profile;
mod shard;
mod starts;
#[cfg(test)]
mod tests;
mod timing;
mod trend;
mod users;

use formats::model::ClientKey;

pub use error::PlanError;
pub use factor::{Factor, Rate};
pub use method::Method;
pub use profile::{Profile, ProfileSpec, Step};
pub(crate) use shard::SHARDS_MAX;
pub use shard::Shard;
pub use timing::{Length, Timing};
pub use users::Life;

use draw::{Draw, Purpose};

/// Clients that can be told apart by an index of 32 bits.
const CLIENTS_MAX: usize = u32::MAX as usize;
/// Lives that one client may have: their numbers are 32 bits, twice as many with `overlay`.
const LIVES_MAX: u64 = (u32::MAX / 2) as u64;

/// One recorded client. Instants are recording time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its pseudonym. Two clients may share one (connections of two sessions): they still get draws of their own.
    pub key: ClientKey,
    /// First byte of its first request.
    pub first_ns: u64,
    /// First byte of its last request.
    pub last_ns: u64,
    /// Longest time between two of its requests that follow each other; 0 with fewer than two.
    pub pause_ns: u64,
    /// Its exchanges.
    pub exchanges: u64,
    /// Different User-Agents that it showed; counting may stop at 2.
    pub user_agents: u8,
    /// Different forwarded addresses that it showed; counting may stop at 2.
    pub forwarded: u8,
}

/// What the user decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many times the recorded rate, over the run.
    pub profile: Profile,
    /// What all draws depend on.
    pub seed: u64,
    /// How the rate is multiplied.
    pub method: Method,
    /// How long, how often, how fast.
    pub length: Length,
}

/// What a run will send and when, for whoever asks.
pub struct Plan {
    options: Options,
    timing: Timing,
    users: users::Users,
    pools: pools::Pools,
    /// How the clients were taken.
    pub clients: Split,
    shard: Draw,
}

/// How the clients of the recording were taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// Everything recorded.
    pub recorded: Part,
    /// Moved as users: cloned, overlaid or compressed.
    pub cloned: Part,
    /// Taken apart, each exchange by itself.
    pub warped: Part,
    /// Detected as pools, whatever the method then did with them: with `clone`, their shape is unknown.
    pub pools: Part,
}

/// Some of the clients and their exchanges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Clients with at least one exchange.
    pub clients: u64,
    /// Their exchanges.
    pub exchanges: u64,
}

impl Part {
    /// Its share of the exchanges of `whole`, 0 to 1; 0 of nothing.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    pub fn share_of(&self, whole: &Self) -> f64 {
        if whole.exchanges == 0 { 0.0 } else { self.exchanges as f64 / whole.exchanges as f64 }
    }

    fn add(&mut self, client: &Client) {
        self.clients += 1;
        self.exchanges += client.exchanges;
    }
}

impl Plan {
    /// Plans for `clients` of a recording that is `recording_ns` long.
    ///
    /// Cost: a few words a client, and for the blocks at most the square of 10,000. Exchanges of pools must be shown to
    /// [`Self::pooled`], and [`Self::pools_are_complete`] called, before copies of exchanges can be asked for.
    ///
    /// # Errors
    /// When the options contradict each other, or numbers do not suffice for all lives.
    pub fn new(clients: &[Client], recording_ns: u64, mut options: Options) -> Result<Self, PlanError> {
        if clients.len() > CLIENTS_MAX {
            return Err(PlanError::TooManyClients { got: clients.len(), clients_max: CLIENTS_MAX });
        }
        if options.method == Method::Compress {
            let Some(factor) = options.profile.as_constant() else {
                let why = "compressed time has one speed";
                return Err(PlanError::Together { what: "--method compress and a changing rate", why });
            };
            options.length.speed = options.length.speed.times(factor)?;
            options.profile = Profile::constant(Factor::ONE);
        }
        let mut split = Split::default();
        let mut is_warped = Vec::with_capacity(clients.len());
        let recorded = clients.iter().map(|client| client.exchanges).sum();
        for client in clients {
            let is_pool = pools::is_pool(client, recording_ns, recorded);
            let warp = match options.method {
                Method::Auto => is_pool,
                Method::Clone | Method::Overlay | Method::Compress => false,
                Method::Warp | Method::Poisson => true,
            };
            is_warped.push(warp);
            if client.exchanges > 0 {
                split.recorded.add(client);
                if warp { &mut split.warped } else { &mut split.cloned }.add(client);
                if is_pool {
                    split.pools.add(client);
                }
            }
        }
        let timing = Timing::new(recording_ns, recorded, &options.length, options.profile.length_ns())?;
        let lives = u64::from(factor::copies(options.profile.largest(), 0)).saturating_mul(u64::from(timing.rounds));
        if lives > LIVES_MAX {
            return Err(PlanError::TooManyLives { lives, lives_max: LIVES_MAX });
        }
        let identities = draw::identities(clients);
        let users = users::Users::new(clients, &is_warped, &identities, recording_ns, &options);
        let pools = pools::Pools::new(is_warped, identities, recording_ns, &options);
        let shard = Draw::new(options.seed, Purpose::Shard);
        Ok(Self { options, timing, users, pools, clients: split, shard })
    }

    /// Whether the exchanges of `client` are taken one by one.
    #[must_use]
    pub fn is_warped(&self, client: u32) -> bool {
        self.pools.is_warped(client)
    }

    /// Notes an exchange of a client that is warped.
    pub fn pooled(&mut self, at_ns: u64) {
        self.pools.add(at_ns);
    }

    /// All exchanges of pools have been shown.
    pub fn pools_are_complete(&mut self) {
        self.pools.complete();
    }

    /// The lives of a client that is not warped, as far as the factor admits them.
    pub fn lives(&self, client: u32) -> impl Iterator<Item = Life> {
        self.users.lives(client, &self.timing, &self.options.profile)
    }

    /// When a life of a client sends what the client sent at `at_ns`; `None` where it is cut off by the end of the run,
    /// by the wrap of an overlay, or not admitted.
    #[must_use]
    pub fn due_ns(&self, client: u32, life: Life, at_ns: u64) -> Option<u64> {
        self.users.due_ns(client, life, at_ns, &self.timing, &self.options.profile)
    }

    /// Whether a life is what of a copy passed the end of the recording and came in at its beginning. It shares its number
    /// with the rest of the copy.
    #[must_use]
    pub fn is_wrapped(&self, client: u32, life: Life) -> bool {
        self.users.is_wrapped(client, life, &self.timing)
    }

    /// The instant of the run after which a life sends nothing more, given when the last request of its client was recorded.
    #[must_use]
    pub fn life_ends_ns(&self, life: Life, last_ns: u64) -> u64 {
        users::Users::ends_ns(life, last_ns, &self.timing)
    }

    /// The copies of one exchange of a client that is warped: which life, and when it is due. `ordinal` is its number
    /// among the exchanges of its client.
    pub fn copies(&self, client: u32, ordinal: u64, at_ns: u64) -> impl Iterator<Item = (u32, u64)> {
        self.pools.copies(client, ordinal, at_ns, &self.timing, &self.options.profile)
    }

    /// Whether a copy of an exchange that was recorded at `at_ns` is the original of its round, at its own instant. Those of
    /// a client that is warped stand to each other as in the recording, whatever becomes of the other copies.
    #[must_use]
    pub fn is_in_place(&self, copy: u32, at_ns: u64, due_ns: u64) -> bool {
        let Timing { rounds, .. } = self.timing;
        copy < rounds && self.timing.run_ns(self.timing.round_ns(copy).saturating_add(at_ns)) == Some(due_ns)
    }

    /// Whether `shard` sends this life of `client`; of a client that is warped each exchange goes its own way.
    #[must_use]
    pub fn is_in(&self, shard: Shard, client: u32, copy: u32, ordinal: u64) -> bool {
        if shard == Shard::WHOLE {
            return true;
        }
        let Some(identity) = self.pools.identity(client) else { return false };
        let ordinal = if self.is_warped(client) { ordinal } else { 0 };
        shard.has(self.shard.of(identity).with(u64::from(copy)).with(ordinal).bits())
    }

    /// SHA-256 of everything that decides what is sent and when: a version tag, `recording` (which tells the recording's
    /// content), seed, method, timing and profile, the edges of the blocks, and of each client its identity, its life and
    /// the starts of its copies.
    #[must_use]
    pub fn hash(&self, clients: &[Client], recording: &[u8]) -> [u8; 32] {
        hash::hash(self, clients, recording)
    }

    /// The arithmetic of its time.
    #[must_use]
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// How the factor goes.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.options.profile
    }

    /// Edges of the blocks of nearly constant rate of client starts, from 0 to the recording's end; empty when nothing was
    /// cloned. A block goes from its edge to before the next one; the last one includes its end.
    #[must_use]
    pub fn block_edges_ns(&self) -> &[u64] {
        &self.users.blocks().edges_ns
    }

    /// How much the rate rises or falls inside each of these blocks, in millionths: at the share x of a block's length it
    /// is 1 + t·(2x − 1) of the block's mean.
    #[must_use]
    pub fn block_trends(&self) -> &[i32] {
        &self.users.blocks().trends
    }

    /// Which of these blocks are one level, interrupted: the level's number, `None` for a block by itself. Copies of what
    /// is in one block of a level are placed in all of them.
    pub fn block_levels(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        self.users.blocks().levels()
    }

    /// As [`Self::block_edges_ns`], of the exchanges that were warped.
    #[must_use]
    pub fn pool_block_edges_ns(&self) -> &[u64] {
        &self.pools.blocks().edges_ns
    }

    /// As [`Self::block_trends`], of the exchanges that were warped.
    #[must_use]
    pub fn pool_block_trends(&self) -> &[i32] {
        &self.pools.blocks().trends
    }

    /// As [`Self::block_levels`], of the exchanges that were warped.
    pub fn pool_block_levels(&self) -> impl Iterator<Item = Option<u32>> + '_ {
        self.pools.blocks().levels()
    }
}
