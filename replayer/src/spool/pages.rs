//! Clients' requests gathered in pages: one client's, close together in time, so that a page is short-lived in memory
//! once it is read, however long its client lives.

use std::collections::VecDeque;
use std::io;

use foldhash::HashMap;

use super::connections::{ConnectionKey, Connections};
use super::limit::SpillError;
use super::record::Record;
use super::store::Store;

/// A page is closed when it is longer …
const PAGE_BYTES: usize = 16 * 1024;
/// … or when this much time of the recording has passed since its first request.
const PAGE_SPAN_NS: u64 = 2_000_000_000;

/// A page that was put into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) client: u32,
    pub(super) at: u64,
    pub(super) len: u32,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a page that is open: its number, and where in it.
    Open(u64, usize),
    /// In the store.
    Stored(u64),
    /// In no page: no life sends it.
    Nowhere,
}

/// Gathers pages and closes them.
pub(super) struct Pages {
    store: Store,
    open: HashMap<u32, Open>,
    /// Open pages by age: first instant, client, number.
    ages: VecDeque<(u64, u32, u64)>,
    next: u64,
}

struct Open {
    number: u64,
    bytes: Vec<u8>,
    first_ns: u64,
    last_ns: u64,
    /// The connection of each record, and where the record is.
    connections: Vec<(ConnectionKey, usize)>,
}

/// What happens when a page is closed.
pub(super) struct Closed<'a> {
    /// Pages that were closed.
    pub(super) pages: &'a mut Vec<Page>,
    /// Learns where their records are now.
    pub(super) connections: &'a mut Connections,
}

impl Pages {
    pub(super) fn new(store: Store) -> Self {
        Self { store, open: HashMap::default(), ages: VecDeque::new(), next: 0 }
    }

    /// Adds a request to its client's page, which stays open unless the request is to be `alone`.
    pub(super) fn add(
        &mut self,
        client: u32,
        record: &Record,
        alone: bool,
        closed: &mut Closed<'_>,
    ) -> Result<Place, SpillError> {
        while let Some((first_ns, old, number)) = self.ages.front().copied()
            && first_ns.saturating_add(PAGE_SPAN_NS) < record.at_ns
        {
            self.ages.pop_front();
            if self.open.get(&old).is_some_and(|open| open.number == number) {
                self.close(old, closed)?;
            }
        }
        let open = self.open.entry(client).or_insert_with(|| {
            self.next += 1;
            self.ages.push_back((record.at_ns, client, self.next));
            Open {
                number: self.next,
                bytes: Vec::with_capacity(1_024),
                first_ns: record.at_ns,
                last_ns: record.at_ns,
                connections: Vec::new(),
            }
        });
        let offset = open.bytes.len();
        let place = Place::Open(open.number, offset);
        record.write(&mut open.bytes);
        let (session, connection, target) = (record.session, record.connection, record.template.target);
        open.connections.push((ConnectionKey { client, session, connection, target }, offset));
        open.first_ns = open.first_ns.min(record.at_ns);
        open.last_ns = open.last_ns.max(record.at_ns);
        if alone || open.bytes.len() >= PAGE_BYTES {
            let at = self.close(client, closed)?;
            return Ok(at.map_or(place, |at| Place::Stored(at + offset as u64)));
        }
        Ok(place)
    }

    /// Writes over bytes of a record, `at` from its start.
    pub(super) fn patch(&mut self, client: u32, place: Place, at: usize, bytes: &[u8]) -> io::Result<()> {
        match place {
            Place::Open(number, offset) => {
                if let Some(open) = self.open.get_mut(&client).filter(|open| open.number == number) {
                    open.bytes.iter_mut().skip(offset + at).zip(bytes).for_each(|(to, from)| *to = *from);
                }
                Ok(())
            }
            Place::Stored(stored) => self.store.patch(stored + at as u64, bytes),
            Place::Nowhere => Ok(()),
        }
    }

    /// Closes all pages.
    pub(super) fn finish(mut self, closed: &mut Closed<'_>) -> Result<Store, SpillError> {
        let mut clients: Vec<(u64, u32)> = self.open.iter().map(|(client, open)| (open.number, *client)).collect();
        clients.sort_unstable();
        for (_, client) in clients {
            self.close(client, closed)?;
        }
        self.store.complete()?;
        Ok(self.store)
    }

    /// Says where the page is now.
    fn close(&mut self, client: u32, closed: &mut Closed<'_>) -> Result<Option<u64>, SpillError> {
        let Some(open) = self.open.remove(&client) else { return Ok(None) };
        let at = self.store.append(&open.bytes)?;
        let len = u32::try_from(open.bytes.len()).map_err(|_| io::Error::other("a page of 4 GiB"))?;
        for (key, offset) in open.connections {
            closed.connections.stored(key, Place::Open(open.number, offset), at + offset as u64);
        }
        closed.pages.push(Page { client, at, len, first_ns: open.first_ns, last_ns: open.last_ns });
        Ok(Some(at))
    }
}
