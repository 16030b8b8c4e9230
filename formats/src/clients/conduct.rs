//! What a client key showed over a recording, and whether that is one user or many.

use crate::model::KeySource;

/// A pool lives longer than one part in so many of the recording …
const LIFE_PARTS: u128 = 10;
/// … and carries more than one part in so many of its exchanges.
const EXCHANGES_PARTS: u128 = 20;

/// What a key showed.
#[derive(Debug, Clone, Copy)]
pub struct Conduct {
    /// What the key was made from.
    pub source: KeySource,
    /// From its first request to its last, in nanoseconds.
    pub life_ns: u64,
    /// Its exchanges.
    pub exchanges: u64,
    /// Different User-Agents.
    pub user_agents: u8,
    /// Different forwarded addresses.
    pub forwarded: u8,
}

impl Conduct {
    /// Whether the key is a pool: it shows several User-Agents or forwarded addresses; or, where it was made from a peer's
    /// address or a connection only, it lives longer than a tenth of the recording, of `duration_ns`, and carries over 5 % of
    /// the `recorded` exchanges. (A client that is alone in its recording is then a pool, unless it has a name.)
    #[must_use]
    pub fn is_pool(&self, duration_ns: u64, recorded: u64) -> bool {
        if self.user_agents > 1 || self.forwarded > 1 {
            return true;
        }
        match self.source {
            KeySource::Named | KeySource::Forwarded => false,
            KeySource::Peer | KeySource::Connection => {
                u128::from(self.life_ns) * LIFE_PARTS > u128::from(duration_ns)
                    && u128::from(self.exchanges) * EXCHANGES_PARTS > u128::from(recorded)
            }
        }
    }
}
