//! The connections that a life will have, while the sessions are read: which request came last on each, so that it learns
//! when the next one comes.

use foldhash::{HashMap, HashSet};

use super::pages::Place;

/// Connections that are remembered: 180 MB at most.
const CONNECTIONS_MAX: usize = 1_000_000;
/// Recorded connections that are remembered, to count each once: of more, those that are over count again if they come again.
const RECORDED_MAX: usize = 1_750_000;
/// When there are more, those without a request for so long are forgotten first.
const IDLE_NS: u64 = 600_000_000_000;

/// What a life has one connection for. A recorded connection is several of these when it carried several clients (a load
/// balancer's does) or hosts that go to several targets: no two of them may meet on one connection of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionKey {
    pub(super) client: u32,
    pub(super) session: u32,
    /// As recorded.
    pub(super) connection: u64,
    pub(super) target: u16,
}

/// The last request of a connection so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) place: Place,
    pub(super) at_ns: u64,
    /// When its answer ended, or its request began if it never did.
    pub(super) end_ns: u64,
    /// Whether it is the only one so far.
    pub(super) is_first: bool,
}

/// What is remembered of connections.
#[derive(Default)]
pub(super) struct Connections {
    last: HashMap<ConnectionKey, Last>,
    /// Recorded connections, to count them once.
    recorded: HashSet<(u32, u64)>,
    /// Different recorded connections so far.
    pub(super) seen: u64,
    /// Connections that were forgotten: what comes later on them is taken for the beginning of another.
    pub(super) forgotten: u64,
}

impl Connections {
    pub(super) fn get(&self, key: ConnectionKey) -> Option<&Last> {
        self.last.get(&key)
    }

    /// A request came on a connection.
    pub(super) fn set(&mut self, key: ConnectionKey, last: Last) {
        if self.last.insert(key, last).is_none() {
            self.seen += u64::from(self.recorded.insert((key.session, key.connection)));
            if self.last.len() > CONNECTIONS_MAX {
                self.forget(last.at_ns);
            } else if self.recorded.len() > RECORDED_MAX {
                self.forget_recorded();
            }
        }
    }

    /// Nothing more will come on a connection of this client.
    pub(super) fn end(&mut self, key: ConnectionKey) {
        self.last.remove(&key);
    }

    /// A record was moved into the store.
    pub(super) fn stored(&mut self, key: ConnectionKey, from: Place, to: u64) {
        if let Some(last) = self.last.get_mut(&key).filter(|last| last.place == from) {
            last.place = Place::Stored(to);
        }
    }

    fn forget(&mut self, now_ns: u64) {
        let before = self.last.len();
        self.last.retain(|_, last| last.at_ns.saturating_add(IDLE_NS) > now_ns);
        if self.last.len() > CONNECTIONS_MAX / 2 {
            self.last.clear();
        }
        self.forgotten += (before - self.last.len()) as u64;
        self.forget_recorded();
    }

    fn forget_recorded(&mut self) {
        self.recorded = self.last.keys().map(|key| (key.session, key.connection)).collect();
    }
}
