//! The pure planner: which exchange is sent when, and as which copy of its client.
//!
//! A plan is a function of the recording, the options and the seed, and of nothing else: no clock, socket, file or
//! thread is here, and no float but in the likelihood that cuts blocks, whose logarithms come from the `libm` crate, so
//! that every machine makes the same plan. Neither is here: reading sessions, sharding, sending, think times.
//!
//! **Time.** Recording time 0 is the instant of the first arrival, and the recording ends at that of the last. Copy 0 of
//! everything is the original, at its own instant; due times are absolute nanoseconds from 0.
//!
//! **Users are cloned** (`users.rs`): a copy is the client's whole life, moved so that it starts at an instant drawn
//! uniformly from the block of constant client rate (`blocks.rs`) that the original started in. **Pools are warped**
//! (`pools.rs`): each exchange by itself, its copies drawn uniformly from its block of the pooled exchanges' own rate.
//!
//! **How many.** At rate factor k, copy c exists where c < ⌊k⌋, and copy ⌊k⌋ exists for those clients (or exchanges of
//! pools) whose hash, as a fraction of 2⁶⁴, is below k − ⌊k⌋. Draws know nothing of k, so the plan of a smaller factor is
//! contained in that of a larger one, wherever the blocks are the same.
//!
//! **What keeps the mean rate right at the edges.** A copy is placed only where its whole life fits into the recording:
//! a life of length L that was seen whole may have started anywhere in [0, T − L], which is the law that the copy is drawn
//! from. So no request is cut off and none comes after the end. A client that was there at an edge of the recording, as
//! far as its own longest pause tells, was cut by it, and its copies stay at that edge, within that pause. With copies
//! drawn regardless of the end, a client that was there all the time (a monitor, an open tab) would be sent for up to
//! twice the recording's time at half its rate.

mod blocks;
mod draw;
mod error;
mod factor;
mod lives;
mod method;
mod pools;
mod shape;
#[cfg(test)]
mod tests;
mod users;

use formats::model::ClientKey;
use sha2::{Digest, Sha256};

pub use error::PlanError;
pub use factor::Factor;
pub use method::Method;
pub use shape::{SHAPE_TAUS_NS, ShapeRow, dispersion, shape};

use lives::Life;

/// Items that a plan may have: 16 bytes each in memory. More is refused before anything is allocated for them.
pub const PLAN_ITEMS_MAX: u64 = 50_000_000;

/// What goes into the hash first, so that a plan made by other rules never has the same one.
const HASH_TAG: &[u8] = b"reenact plan 1\n";

/// One recorded exchange, as far as the planner needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// First byte of the request, on any monotonic scale.
    pub at_ns: u64,
    /// Index into the clients.
    pub client: u32,
    /// The connection that it came on, unique in the recording.
    pub connection: u32,
}

/// One recorded client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its pseudonym. Two clients may share one (connections of two sessions): they still get draws of their own.
    pub key: ClientKey,
    /// Different User-Agents that it showed; counting may stop at 2.
    pub user_agents: u8,
    /// Different forwarded addresses that it showed; counting may stop at 2.
    pub forwarded: u8,
}

/// What the user decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many times the recorded rate.
    pub factor: Factor,
    /// What all draws depend on.
    pub seed: u64,
    /// How the rate is multiplied.
    pub method: Method,
}

/// One request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// When, from the start of the recording (and so of the run).
    pub due_ns: u64,
    /// Which: index into the arrivals.
    pub arrival: u32,
    /// Which of its copies; 0 is the original.
    pub copy: u32,
}

/// The exact list of what a run will send and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// By due time, then arrival, then copy.
    pub items: Vec<Item>,
    /// SHA-256 over a version tag and, of all items in order, due (8 bytes), arrival and copy (4 each), little-endian.
    pub hash: [u8; 32],
    /// How the clients were taken.
    pub clients: Split,
    /// Edges of the blocks of constant rate of client starts, from 0 to `duration_ns`; empty when nothing was cloned.
    /// A block goes from its edge to before the next one; the last one includes its end.
    pub block_edges_ns: Vec<u64>,
    /// The same of the exchanges that were warped; empty when none were.
    pub pool_block_edges_ns: Vec<u64>,
    /// From the first arrival to the last. No item is due later.
    pub duration_ns: u64,
}

/// How the clients of the recording were taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// Everything recorded.
    pub recorded: Part,
    /// Cloned as users.
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
    pub fn share_of(&self, whole: &Self) -> f64 {
        if whole.exchanges == 0 { 0.0 } else { self.exchanges as f64 / whole.exchanges as f64 }
    }

    fn add(&mut self, life: &Life) {
        self.clients += 1;
        self.exchanges += life.exchanges;
    }
}

/// Plans what a run sends of `arrivals`, which are in order of their instants.
///
/// An empty recording, or a factor below 1 that keeps nobody, gives an empty plan. Time grows with the number of items (a
/// sort) and, for blocks, at most with the square of 10,000; memory with the clients, and with the items once their number
/// is known to be within [`PLAN_ITEMS_MAX`].
///
/// # Errors
/// When the arrivals are out of order or name no client, and when the plan would have too many items.
pub fn plan(clients: &[Client], arrivals: &[Arrival], options: &Options) -> Result<Plan, PlanError> {
    let (lives, duration_ns) = lives::lives(clients, arrivals)?;
    let mut split = Split::default();
    let mut is_warped = Vec::with_capacity(clients.len());
    let recorded = arrivals.len() as u64;
    for (client, life) in clients.iter().zip(&lives) {
        let is_pool = pools::is_pool(client, life, duration_ns, recorded);
        let warp = match options.method {
            Method::Auto => is_pool,
            Method::Clone => false,
            Method::Warp => true,
        };
        is_warped.push(warp);
        if life.exchanges > 0 {
            split.recorded.add(life);
            if warp { &mut split.warped } else { &mut split.cloned }.add(life);
            if is_pool {
                split.pools.add(life);
            }
        }
    }

    let identities = draw::identities(clients);
    let users = users::Users::new(&lives, &is_warped, &identities, duration_ns, options);
    let pools = pools::Pools::new(arrivals, &is_warped, &identities, duration_ns, options);
    let needed = users.items(&lives).saturating_add(pools.items(arrivals));
    let mut items = Vec::with_capacity(within_bound(needed, options.factor)?);
    users.plan(arrivals, &lives, &mut items);
    pools.plan(arrivals, &mut items);
    items.sort_unstable_by_key(|item| {
        u128::from(item.due_ns) << 64 | u128::from(item.arrival) << 32 | u128::from(item.copy)
    });
    Ok(Plan {
        hash: hash(&items),
        items,
        clients: split,
        block_edges_ns: users.into_edges(),
        pool_block_edges_ns: pools.into_edges(),
        duration_ns,
    })
}

/// `needed`, unless that is more than [`PLAN_ITEMS_MAX`].
fn within_bound(needed: u64, factor: Factor) -> Result<usize, PlanError> {
    let fits = usize::try_from(needed).ok().filter(|_| needed <= PLAN_ITEMS_MAX);
    fits.ok_or(PlanError::TooManyItems { needed, items_max: PLAN_ITEMS_MAX, factor })
}

fn hash(items: &[Item]) -> [u8; 32] {
    let mut hasher = Sha256::new_with_prefix(HASH_TAG);
    let mut buffer = Vec::with_capacity(64 * 1024);
    for some in items.chunks(4096) {
        buffer.clear();
        for item in some {
            buffer.extend_from_slice(&item.due_ns.to_le_bytes());
            buffer.extend_from_slice(&item.arrival.to_le_bytes());
            buffer.extend_from_slice(&item.copy.to_le_bytes());
        }
        hasher.update(&buffer);
    }
    hasher.finalize().into()
}

/// The instant of `arrival` in recording time.
fn since_start(arrivals: &[Arrival], arrival: &Arrival) -> u64 {
    arrival.at_ns.saturating_sub(arrivals.first().map_or(0, |first| first.at_ns))
}
