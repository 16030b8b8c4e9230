//! Clients between their first request and their last one, while the sessions are read.

use foldhash::HashMap;

use super::connections::{ConnectionKey, Connections};

/// Connections of a client, and of all, that are forgotten when it is over: 24 MB at most. Others wait until too many are remembered.
const CONNECTIONS_MAX: usize = 64;
const ALL_CONNECTIONS_MAX: usize = 1_000_000;

/// An answer that a request may have to wait for: number and sequence number of its request, and its end.
pub(super) type After = (u32, u64, u64);

/// All clients that are there.
#[derive(Default)]
pub(super) struct Clients {
    alive: HashMap<u32, Alive>,
    /// Of all of them.
    connections: usize,
}

#[derive(Default)]
struct Alive {
    requests: u32,
    left_out: u64,
    /// The latest-ended of the answers that had ended before the latest request.
    best: Option<After>,
    /// Answers that had not: end, number, sequence number.
    under_way: Vec<(u64, u32, u64)>,
    connections: Vec<ConnectionKey>,
}

impl Clients {
    /// A client's request: its number among them, and the answer that it may have to wait for.
    pub(super) fn request(&mut self, client: u32, at_ns: u64, end_ns: Option<u64>, seq: u64) -> (u32, Option<After>) {
        let alive = self.alive.entry(client).or_default();
        let number = alive.requests;
        alive.requests = alive.requests.saturating_add(1);
        let after = alive.answer_before(at_ns);
        if let Some(end_ns) = end_ns {
            alive.under_way.push((end_ns, number, seq));
        }
        (number, after)
    }

    /// A client has a connection that it had not before.
    pub(super) fn connected(&mut self, key: ConnectionKey) {
        if let Some(Alive { connections, .. }) = self.alive.get_mut(&key.client)
            && connections.len() < CONNECTIONS_MAX
            && self.connections < ALL_CONNECTIONS_MAX
        {
            if connections.len() == connections.capacity() {
                // Most clients have one or a few.
                connections.reserve_exact(connections.len().max(1));
            }
            connections.push(key);
            self.connections += 1;
        }
    }

    /// A client's exchange is not sent.
    pub(super) fn left_out(&mut self, client: u32) {
        self.alive.entry(client).or_default().left_out += 1;
    }

    /// Forgets a client when it has had all of its `exchanges`.
    pub(super) fn end_after(&mut self, client: u32, exchanges: u64, connections: &mut Connections) {
        let is_over = |alive: &Alive| exchanges <= u64::from(alive.requests) + alive.left_out;
        if self.alive.get(&client).is_some_and(is_over)
            && let Some(alive) = self.alive.remove(&client)
        {
            self.connections -= alive.connections.len();
            alive.connections.into_iter().for_each(|key| connections.end(key));
        }
    }
}

impl Alive {
    /// The latest-ended answer that had ended by `at_ns`.
    fn answer_before(&mut self, at_ns: u64) -> Option<After> {
        let mut at = 0;
        while let Some((end_ns, number, seq)) = self.under_way.get(at).copied() {
            if end_ns > at_ns {
                at += 1;
                continue;
            }
            self.under_way.swap_remove(at);
            if self.best.is_none_or(|best| (best.2, best.0) < (end_ns, number)) {
                self.best = Some((number, seq, end_ns));
            }
        }
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::super::connections::Last;
    use super::super::pages::Place;
    use super::*;

    fn key(client: u32, connection: u64) -> ConnectionKey {
        ConnectionKey { client, session: 0, connection, target: 0 }
    }

    #[test]
    fn what_a_client_has_is_forgotten_with_its_last_exchange_sent_or_not() {
        let (mut clients, mut connections) = (Clients::default(), Connections::default());
        let request = |clients: &mut Clients, connections: &mut Connections, key: ConnectionKey| {
            let (number, _) = clients.request(key.client, 0, None, 0);
            connections.set(key, Last { place: Place::Stored(0), at_ns: 0, end_ns: 0, is_first: true });
            clients.connected(key);
            clients.end_after(key.client, 3, connections);
            number
        };
        let has =
            |connections: &Connections| [(1, 1), (1, 2), (2, 2)].map(|(a, b)| connections.get(key(a, b)).is_some());
        assert_eq!(request(&mut clients, &mut connections, key(1, 1)), 0);
        assert_eq!(request(&mut clients, &mut connections, key(1, 2)), 1);
        assert_eq!(request(&mut clients, &mut connections, key(2, 2)), 0);
        assert_eq!(has(&connections), [true; 3]);
        clients.left_out(1);
        clients.end_after(1, 3, &mut connections);
        assert_eq!((has(&connections), clients.alive.len()), ([false, false, true], 1));
        // Connections are counted once, whoever had them.
        assert_eq!((connections.seen, connections.forgotten), (2, 0));
        assert_eq!(request(&mut clients, &mut connections, key(2, 2)), 1);
        assert_eq!(request(&mut clients, &mut connections, key(2, 2)), 2);
        assert_eq!((has(&connections), clients.alive.len(), connections.seen), ([false; 3], 0, 2));
    }

    #[test]
    fn a_client_with_a_connection_for_each_request_takes_no_more_room_for_that() {
        let (mut clients, mut connections) = (Clients::default(), Connections::default());
        for connection in 0..1_000 {
            clients.request(7, 0, None, 0);
            clients.connected(key(7, connection));
        }
        assert_eq!((clients.alive[&7].connections.len(), clients.connections), (CONNECTIONS_MAX, CONNECTIONS_MAX));
        clients.end_after(7, 1_001, &mut connections);
        assert_eq!(clients.alive.len(), 1);
        clients.end_after(7, 1_000, &mut connections);
        assert_eq!((clients.alive.len(), clients.connections), (0, 0));
    }
}
