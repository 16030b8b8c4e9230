//! Who was there, and when: the clients of the chosen part of a recording, as far as a plan needs them.
//!
//! Where whole sessions are chosen and every segment has its index, the indexes are read and nothing else; otherwise the
//! exchanges are, by the same rules, so that both ways give the same clients. All recorded exchanges count here, also
//! those that cannot be sent: what is left out is told later, and moves nobody else's copies.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use formats::endpoint::Templates;
use formats::filter::{Context, Filter};
use formats::model::{ClientKey, Exchange, KeySource};
use formats::session::{ClientEntry, Event, Index, Session, SessionHeader, Wanted};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::error::ReplayError;
use crate::plan::Client;

/// Which part of the recording is replayed: instants from its start, which is that of the earliest session.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Requests that began at or after this instant; `None`: from the first on.
    pub from_ns: Option<u64>,
    /// Requests that began before this instant; `None`: to the last one.
    pub to_ns: Option<u64>,
    /// Only what it describes.
    pub filter: Option<Filter>,
    /// How endpoints are named, for the filter and for everybody who is told an endpoint.
    pub templates: Arc<Templates>,
}

impl Selection {
    /// Whether an exchange is chosen, of a session that began so long after the recording's start.
    #[must_use]
    pub fn has(&self, session: &SessionHeader, shift_ns: u64, exchange: &Exchange) -> bool {
        let at_ns = shift_ns.saturating_add(exchange.instants.request_start);
        let context = || Context {
            session_started_unix_ns: session.started_unix_ns,
            recording_started_unix_ns: session.started_unix_ns.saturating_sub(shift_ns),
            templates: &self.templates,
        };
        self.from_ns.is_none_or(|from| from <= at_ns)
            && self.to_ns.is_none_or(|to| at_ns < to)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(exchange, &context()))
    }

    /// What is read of a session that began so long after the recording's start: everything that may be chosen by its time.
    /// What else lies in the same blocks is there, too.
    #[must_use]
    pub fn wanted(&self, shift_ns: u64) -> Wanted {
        let own = |at_ns: u64| at_ns.saturating_sub(shift_ns);
        Wanted { from_ns: self.from_ns.map(own), to_ns: self.to_ns.map(own), ..Wanted::default() }
    }

    fn is_whole(&self) -> bool {
        self.from_ns.is_none() && self.to_ns.is_none() && self.filter.is_none()
    }
}

/// Where a chosen part goes beyond the recording, which is all that there is of it then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beyond {
    /// The first recorded request, if the part was to begin before it.
    pub first_ns: Option<u64>,
    /// The last recorded request, if the part was to end after it.
    pub last_ns: Option<u64>,
}

/// A client's key; made from a connection it says nothing outside of its session.
type Scoped = (ClientKey, Option<u32>);

/// Whether an exchange of the session with this number can be sent.
pub type CanBeSent<'a> = dyn FnMut(u32, &Exchange) -> bool + 'a;

/// The clients of a recording.
pub struct Survey {
    /// By number, in the order of their keys. Instants count from [`Self::origin_ns`].
    pub clients: Vec<Client>,
    /// For each client, the session that its key belongs to, if it says nothing outside of it.
    scopes: Vec<Option<u32>>,
    /// For each session, what its instants are moved by to count from the earliest session's start.
    pub shifts_ns: Vec<u64>,
    /// Recording time 0.
    pub origin_ns: u64,
    /// From there to the end of what was chosen.
    pub recording_ns: u64,
    /// It ends there with a cut, before the last recorded request.
    pub cut: bool,
    /// The first and the last recorded request beyond which a part was chosen, from the recording's start.
    pub beyond: Beyond,
    /// Somebody was still recording: there may be more by now.
    pub is_growing: bool,
    /// Everything recorded.
    pub exchanges: u64,
    /// Of these, those that `can_be_sent` said yes to; `None` where nobody asked.
    pub sendable: Option<u64>,
}

impl Survey {
    /// Surveys `sessions`, as merged by their wall clocks. With `can_be_sent` the exchanges are read and counted by it.
    ///
    /// # Errors
    /// When a session cannot be read.
    pub fn of(
        sessions: &[Session],
        selection: &Selection,
        can_be_sent: Option<&mut CanBeSent<'_>>,
    ) -> Result<Self, ReplayError> {
        let start = sessions.iter().map(|session| session.header().started_unix_ns).min().unwrap_or(0);
        let shifts_ns: Vec<u64> =
            sessions.iter().map(|session| session.header().started_unix_ns.saturating_sub(start)).collect();
        // By time, so that pauses between sessions are seen, whatever order they were given in.
        let mut order: Vec<(u64, u32)> = shifts_ns.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let by_index = selection.is_whole() && can_be_sent.is_none();
        let (places, state) = Default::default();
        let mut gather = Gather {
            selection,
            can_be_sent,
            places,
            state,
            clients: Vec::new(),
            sendable: 0,
            is_growing: false,
            recorded: None,
        };
        for (shift_ns, number) in order {
            let Some(session) = sessions.get(number as usize) else { continue };
            let clients = if by_index { indexed_clients(session)? } else { None };
            let Some(clients) = clients else {
                gather.scan(session, number, shift_ns)?;
                continue;
            };
            gather.clients.reserve_exact(clients);
            for index in session.indexes() {
                index?.iter().for_each(|index| gather.merge(index, number, shift_ns));
            }
        }
        Ok(gather.finish(shifts_ns))
    }

    /// The number of the client to whom an exchange of a session belongs.
    #[must_use]
    pub fn number(&self, session: u32, key: ClientKey) -> Option<u32> {
        let (key, scope) = scoped(session, key);
        let wanted = (key, scope);
        let of = |at: usize| Some((self.clients.get(at)?.key, *self.scopes.get(at)?));
        // Identifiers are hashes, so a client stands near where its identifier says. Each probe halves what is left at
        // least every other time.
        let (mut from, mut to, mut halve) = (0, self.clients.len(), false);
        while from < to {
            let at = if halve { from + (to - from) / 2 } else { self.guess(key, from, to) };
            halve = !halve;
            match of(at)?.cmp(&wanted) {
                std::cmp::Ordering::Equal => return u32::try_from(at).ok(),
                std::cmp::Ordering::Less => from = at + 1,
                std::cmp::Ordering::Greater => to = at,
            }
        }
        None
    }

    /// Where a key would stand between two places if the identifiers between them were evenly spread.
    fn guess(&self, key: ClientKey, from: usize, to: usize) -> usize {
        let id = |at: usize| self.clients.get(at).map_or(0, |client| client.key.id);
        let (first, last) = (id(from), id(to - 1));
        let span = u128::from(last.saturating_sub(first)).max(1);
        let ahead = u128::from(key.id.saturating_sub(first)).min(span);
        let step = (ahead * (to - 1 - from) as u128).checked_div(span).unwrap_or(0);
        from + usize::try_from(step).unwrap_or(0).min(to - 1 - from)
    }
}

/// Clients that the indexes of a session's segments hold together, if every segment has one.
fn indexed_clients(session: &Session) -> Result<Option<usize>, ReplayError> {
    let mut clients = 0;
    for index in session.indexes() {
        let Some(index) = index? else { return Ok(None) };
        clients += index.clients.len();
    }
    Ok(Some(clients))
}

fn scoped(session: u32, key: ClientKey) -> Scoped {
    (key, (key.source == KeySource::Connection).then_some(session))
}

struct Gather<'a, 'b> {
    selection: &'a Selection,
    can_be_sent: Option<&'a mut CanBeSent<'b>>,
    /// Where the clients stand, by their keys, which stand there, too.
    places: HashTable<u32>,
    state: RandomState,
    clients: Vec<(Scoped, ClientEntry)>,
    sendable: u64,
    is_growing: bool,
    /// First and last request of what is chosen from, as far as anybody has to know.
    recorded: Option<(u64, u64)>,
}

impl Gather<'_, '_> {
    fn scan(&mut self, session: &Session, number: u32, shift_ns: u64) -> Result<(), ReplayError> {
        // Segment by segment, as their own indexes would have counted.
        let mut segment = Index::default();
        let mut events = session.wanted(self.selection.wanted(shift_ns));
        while let Some(event) = events.next() {
            match event? {
                Event::Exchange(exchange) => {
                    let at_ns = shift_ns.saturating_add(exchange.instants.request_start);
                    self.saw(at_ns, at_ns);
                    if self.selection.has(session.header(), shift_ns, &exchange) {
                        segment.count(&exchange);
                        if let Some(can_be_sent) = &mut self.can_be_sent {
                            self.sendable += u64::from(can_be_sent(number, &exchange));
                        }
                    }
                }
                Event::Index(index) => {
                    // Also of what was not read.
                    for entry in index.clients.values() {
                        let at = |own_ns: u64| shift_ns.saturating_add(own_ns);
                        self.saw(at(entry.first_ns), at(entry.last_ns));
                    }
                    self.merge(&std::mem::take(&mut segment), number, shift_ns);
                }
                Event::Unfinished { writing, .. } => {
                    self.is_growing |= writing;
                    // Without an index only the latest instant of all is known of what was not read.
                    let last_ns = shift_ns.saturating_add(events.last_ns());
                    self.saw(self.selection.from_ns.map_or(last_ns, |from| from.min(last_ns)), last_ns);
                    self.merge(&std::mem::take(&mut segment), number, shift_ns);
                }
                Event::Gap(_) | Event::Damage(_) | Event::Ended { .. } => {}
            }
        }
        self.merge(&segment, number, shift_ns);
        Ok(())
    }

    fn saw(&mut self, from_ns: u64, to_ns: u64) {
        let (first_ns, last_ns) = self.recorded.unwrap_or((from_ns, to_ns));
        self.recorded = Some((first_ns.min(from_ns), last_ns.max(to_ns)));
    }

    fn merge(&mut self, segment: &Index, number: u32, shift_ns: u64) {
        for (key, entry) in &segment.clients {
            let entry = ClientEntry {
                first_ns: shift_ns.saturating_add(entry.first_ns),
                last_ns: shift_ns.saturating_add(entry.last_ns),
                ..*entry
            };
            let scoped = scoped(number, *key);
            let Self { places, state, clients, .. } = self;
            let of = |at: u32| clients.get(at as usize).map(|client| client.0);
            let hash_of = |at: &u32| state.hash_one(of(*at));
            match places.entry(state.hash_one(Some(scoped)), |at| of(*at) == Some(scoped), hash_of) {
                Entry::Occupied(at) => {
                    let at = *at.get() as usize;
                    clients.get_mut(at).into_iter().for_each(|(_, known)| known.merge(&entry));
                }
                Entry::Vacant(place) => {
                    // Numbers of clients have 32 bits everywhere.
                    place.insert(u32::try_from(clients.len()).unwrap_or(u32::MAX));
                    clients.push((scoped, entry));
                }
            }
        }
    }

    fn finish(self, shifts_ns: Vec<u64>) -> Survey {
        let Self { selection, can_be_sent, places, clients: mut entries, sendable, is_growing, recorded, .. } = self;
        drop(places);
        let first_ns = entries.iter().map(|(_, entry)| entry.first_ns).min().unwrap_or(0);
        let last_ns = entries.iter().map(|(_, entry)| entry.last_ns).max().unwrap_or(0);
        let recorded = recorded.unwrap_or((first_ns, last_ns));
        // What was not recorded is no part of it: a rate is that of the recording.
        let origin_ns = selection.from_ns.map_or(first_ns, |from| from.max(recorded.0));
        let end_ns = selection.to_ns.map_or(last_ns, |to| to.saturating_sub(1).min(recorded.1)).max(last_ns);
        let beyond = Beyond {
            first_ns: selection.from_ns.filter(|from| *from < recorded.0).map(|_| recorded.0),
            last_ns: selection.to_ns.filter(|to| to.saturating_sub(1) > recorded.1).map(|_| recorded.1),
        };
        entries.sort_unstable_by_key(|(scoped, _)| *scoped);
        let scopes = entries.iter().map(|(scoped, _)| scoped.1).collect();
        let client = |(scoped, entry): (Scoped, ClientEntry)| Client {
            key: scoped.0,
            first_ns: entry.first_ns.saturating_sub(origin_ns),
            last_ns: entry.last_ns.saturating_sub(origin_ns),
            pause_ns: entry.pause_ns,
            exchanges: entry.exchanges,
            user_agents: entry.user_agents.count,
            forwarded: entry.forwarded.count,
        };
        // In place: the entries' memory becomes the clients'.
        let clients: Vec<Client> = entries.into_iter().map(client).collect();
        let exchanges = clients.iter().map(|client| client.exchanges).sum();
        Survey {
            clients,
            scopes,
            shifts_ns,
            origin_ns,
            recording_ns: end_ns.saturating_sub(origin_ns),
            cut: selection.to_ns.is_some_and(|to| to.saturating_sub(1) < recorded.1),
            beyond,
            is_growing,
            exchanges,
            sendable: can_be_sent.is_some().then_some(sendable),
        }
    }
}

#[cfg(test)]
mod tests {
    use formats::session::{SessionWriter, WriterOptions};

    use super::*;

    #[test]
    fn what_is_still_recorded_is_known_to_grow() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session");
        let options = WriterOptions { sync: false, ..WriterOptions::default() };
        let mut writer = SessionWriter::create(&path, SessionHeader::default(), options).unwrap();
        writer.append(&mut Exchange::default()).unwrap();
        writer.flush().unwrap();
        let survey = || Survey::of(&[Session::open(&path).unwrap()], &Selection::default(), None).unwrap();
        let before = survey();
        writer.finish().unwrap();
        assert_eq!((before.is_growing, before.exchanges), (true, 1));
        assert!(!survey().is_growing);
    }
}
