//! Reading a block: exchanges are put together from columns, one at a time.
//!
//! Every number comes from a file: it is looked up or compared with what is there, never taken at its word.

use std::sync::Arc;

use bytes::Bytes;

use super::bodies::{BodyReader, Found, Lent};
use super::heads::HeadReader;
use super::values::{ValueColumns, ValueReader};
use super::{LIST_MAX, TABLE_ENTRIES_MAX, add, id};
use super::{number_ambiguity, number_dropped, number_end, number_framing, number_protocol, number_source};
use crate::model::{Body, ClientKey, Dropped, Exchange, Flow, Frame, Instants, Message, Piece, ReplayOf, Tunnel};
use crate::session::EXCHANGE_BYTES_MAX;
use crate::session::number::{take, take_bytes, take_wide, unzigzag};

/// Why a block cannot be read on.
type Reason = String;

/// The numbers of a column, from the front; 0 for ever where there is no such column.
#[derive(Clone, Default)]
struct Numbers {
    column: Option<Bytes>,
    at: usize,
}

impl Numbers {
    fn step<T>(&mut self, absent: T, read: impl FnOnce(&mut &[u8]) -> Option<T>) -> Option<T> {
        let Some(column) = &self.column else { return Some(absent) };
        let mut rest = column.get(self.at..)?;
        let found = read(&mut rest)?;
        self.at = column.len() - rest.len();
        Some(found)
    }
}

struct Connection {
    id: u64,
    latest: Option<(usize, Option<u64>)>,
}

/// A block's content, exchange by exchange.
pub(in super::super) struct BlockReader {
    numbers: Vec<Numbers>,
    heads: HeadReader,
    values: ValueColumns,
    bodies: BodyReader,
    lent: Vec<Lent>,
    clients: Vec<ClientKey>,
    connections: Vec<Connection>,
    strings: Vec<Arc<str>>,
    last_start: u64,
    last_replayed: u64,
    /// How many bytes the exchange being read may still have: a few bytes of a file can name the same long text often.
    room: usize,
}

impl BlockReader {
    /// Takes the columns apart; `earliest` is the earliest start of a request in the block.
    pub(in super::super) fn new(content: &Bytes, earliest: u64) -> Result<Self, Reason> {
        let mut tables: [Option<Bytes>; 9] = Default::default();
        let mut numbers = vec![Numbers::default(); id::NUMBERS];
        let mut values = ValueColumns::default();
        let mut rest = &content[..];
        let mut last = None;
        while !rest.is_empty() {
            let cut = || "a column is cut off".to_owned();
            let column = take(&mut rest).ok_or_else(cut)?;
            let len = take(&mut rest).ok_or_else(cut)?;
            let bytes = content.slice_ref(take_bytes(&mut rest, len).ok_or_else(cut)?);
            if last.is_some_and(|last| column <= last) {
                return Err(format!("column {column} is out of order"));
            }
            last = Some(column);
            let Ok(place) = usize::try_from(column) else { continue };
            if let Some(table) = tables.get_mut(place) {
                *table = Some(bytes);
            } else if let Some(numbers) = numbers.get_mut(place) {
                numbers.column = Some(bytes);
            } else if let Some(place) = place.checked_sub(id::VALUES) {
                let reader = ValueReader::new(bytes).ok_or_else(|| format!("value column {place} is damaged"))?;
                values.push(place, reader)?;
            }
        }
        let [_, tables @ .., body_templates] = tables;
        let [clients, connections, strings, templates, body_lens, bodies, borrowed] =
            tables.map(Option::unwrap_or_default);
        let bad = |what: &'static str| move || format!("the {what} of a block are damaged");
        let heads = HeadReader::new(&templates).ok_or_else(bad("templates"))?;
        let bodies = BodyReader::new(&body_lens, &bodies, body_templates.as_ref(), &heads, &mut values);
        Ok(Self {
            numbers,
            heads,
            values,
            bodies: bodies.ok_or_else(bad("bodies"))?,
            lent: BodyReader::lent(&borrowed).ok_or_else(bad("borrowed bodies"))?,
            clients: clients_of(&clients)?,
            connections: connections_of(&connections).ok_or_else(bad("connections"))?,
            strings: strings_of(&strings).ok_or_else(bad("strings"))?,
            last_start: earliest,
            last_replayed: 0,
            room: 0,
        })
    }

    /// What this block borrows from earlier ones.
    pub(in super::super) fn lent(&self) -> &[Lent] {
        &self.lent
    }

    /// Gives it what it borrows, in the order of [`Self::lent`]; `None` for what is lost.
    pub(in super::super) fn set_borrowed(&mut self, borrowed: impl Iterator<Item = Option<Bytes>>) {
        let lens = self.lent.iter().map(|lent| lent.len);
        self.bodies.set_borrowed(borrowed.zip(lens).map(|(body, len)| body.ok_or(len)).collect());
    }

    /// The bodies that later blocks may borrow, in order.
    pub(in super::super) fn kept(&self) -> impl Iterator<Item = Bytes> {
        self.bodies.kept()
    }

    /// The next exchange, with the sequence number `seq`.
    pub(in super::super) fn take(&mut self, seq: u64) -> Result<Exchange, Reason> {
        self.room = EXCHANGE_BYTES_MAX;
        let connection = self.index(id::CONNECTION)?;
        let client = self.client(connection)?;
        let key = *self.clients.get(client).ok_or("a client that is not there")?;
        let protocol = number_protocol(self.number(id::PROTOCOL)?)?;
        let end = number_end(self.number(id::END)?)?;
        let is_answered = self.flag(id::ANSWERED)?;
        let ambiguous = match self.number(id::AMBIGUITY)? {
            0 => None,
            number => Some(number_ambiguity(number)?),
        };
        let marks = self.number(id::MARKS)?;
        let instants = self.instants(connection, client)?;
        let facts = self.facts()?;
        let replay_of = self.replay_of()?;
        let is_tunnel = self.flag(id::TUNNEL)?;
        let request = self.message(id::REQUEST, client)?;
        let informational = self.informational(client)?;
        let response = if is_answered { Some(self.message(id::RESPONSE, client)?) } else { None };
        let tunnel = match is_tunnel {
            true => Some(Tunnel {
                to_upstream: self.flow(instants.request_start)?,
                to_client: self.flow(instants.request_start)?,
            }),
            false => None,
        };
        Ok(Exchange {
            seq,
            client: key,
            connection: self.connections.get(connection).map_or(0, |connection| connection.id),
            protocol,
            request,
            informational,
            response,
            instants,
            end,
            replay_of,
            ambiguous,
            resynchronised: marks & 1 != 0,
            rebuilt: marks & 2 != 0,
            tunnel,
            facts,
        })
    }

    /// Whether the exchanges that were taken used up the columns of numbers and the references of the value columns. What is left
    /// in tables, or is a value that nothing refers to, is nobody's, and not looked at.
    pub(in super::super) fn check_rest(&self) -> Result<(), Reason> {
        let is_left = |(column, numbers): (usize, &Numbers)| {
            id::is_known(column) && numbers.column.as_ref().is_some_and(|bytes| numbers.at < bytes.len())
        };
        if let Some(column) = self.numbers.iter().enumerate().position(is_left) {
            return Err(format!("column {column} of a block is longer than its exchanges need"));
        }
        match self.values.left() {
            Some(column) => Err(format!("value column {column} of a block is longer than what asks it needs")),
            None => Ok(()),
        }
    }

    /// Counts bytes of an exchange.
    fn spend(&mut self, bytes: usize) -> Result<(), Reason> {
        let left = self.room.checked_sub(bytes);
        self.room = left.ok_or_else(|| format!("an exchange is longer than {EXCHANGE_BYTES_MAX} bytes"))?;
        Ok(())
    }

    fn flag(&mut self, column: usize) -> Result<bool, Reason> {
        match self.number(column)? {
            0 => Ok(false),
            1 => Ok(true),
            n => Err(format!("column {column} has {n} where 0 or 1 may be")),
        }
    }

    fn step<T>(&mut self, column: usize, absent: T, read: impl FnOnce(&mut &[u8]) -> Option<T>) -> Result<T, Reason> {
        let found = self.numbers.get_mut(column).and_then(|numbers| numbers.step(absent, read));
        found.ok_or_else(|| format!("column {column} of a block ends too early"))
    }

    fn number(&mut self, column: usize) -> Result<u64, Reason> {
        self.step(column, 0, take)
    }

    fn signed(&mut self, column: usize) -> Result<u64, Reason> {
        Ok(unzigzag(self.number(column)?))
    }

    fn index(&mut self, column: usize) -> Result<usize, Reason> {
        usize::try_from(self.number(column)?).map_err(|_| format!("column {column} has an absurd number"))
    }

    /// A value that may be missing.
    fn optional(&mut self, column: usize) -> Result<Option<u64>, Reason> {
        match self.step(column, 0, take_wide)? {
            0 => Ok(None),
            n => narrow(n - 1, column).map(Some),
        }
    }

    fn client(&mut self, connection: usize) -> Result<usize, Reason> {
        let latest = self.connections.get(connection).ok_or("a connection that is not there")?.latest;
        match self.index(id::CLIENT)? {
            0 => Ok(latest.ok_or("a client that no exchange before told")?.0),
            n => Ok(n - 1),
        }
    }

    fn instants(&mut self, connection: usize, client: usize) -> Result<Instants, Reason> {
        let start = self.last_start.wrapping_add(self.signed(id::REQUEST_START)?);
        self.last_start = start;
        let request_head = start.wrapping_add(self.signed(id::REQUEST_HEAD)?);
        let mut before = request_head;
        let mut next = |column| -> Result<Option<u64>, Reason> {
            let at = self.optional(column)?.map(|since| before.wrapping_add(unzigzag(since)));
            before = at.unwrap_or(before);
            Ok(at)
        };
        let request_end = next(id::REQUEST_END)?;
        let response_start = next(id::RESPONSE_START)?;
        let response_head = next(id::RESPONSE_HEAD)?;
        let response_end = next(id::RESPONSE_END)?;
        let told = self.step(id::CONNECTED, 0, take_wide)?;
        let slot = self.connections.get_mut(connection).ok_or("a connection that is not there")?;
        let connected = match told {
            0 => slot.latest.and_then(|(_, connected)| connected),
            1 => None,
            n => Some(start.wrapping_sub(unzigzag(narrow(n - 2, id::CONNECTED)?))),
        };
        slot.latest = Some((client, connected));
        Ok(Instants {
            request_start: start,
            request_head,
            request_end,
            connected,
            response_start,
            response_head,
            response_end,
        })
    }

    fn facts(&mut self) -> Result<Option<Arc<str>>, Reason> {
        match self.index(id::FACTS)? {
            0 => Ok(None),
            n => {
                let facts = self.strings.get(n - 1).ok_or("facts that are not there")?.clone();
                self.spend(facts.len())?;
                Ok(Some(facts))
            }
        }
    }

    fn replay_of(&mut self) -> Result<Option<ReplayOf>, Reason> {
        let Some(session) = self.optional(id::REPLAYED)? else { return Ok(None) };
        let seq = self.last_replayed.wrapping_add(self.signed(id::REPLAYED_SEQ)?);
        let copy = self.number(id::REPLAYED_COPY)?;
        self.last_replayed = seq;
        let small = |n: u64| u32::try_from(n).map_err(|_| format!("a replay's number {n} is absurd"));
        Ok(Some(ReplayOf { session: small(session)?, seq, copy: small(copy)? }))
    }

    fn informational(&mut self, client: usize) -> Result<Vec<Bytes>, Reason> {
        let count = self.number(id::INFORMATIONAL)?;
        self.list(count, |reader| {
            let template = reader.index(id::INFORMATIONAL_HEADS)?.checked_sub(1).ok_or("a head without a template")?;
            let head = reader.heads.take(template, client, None, &mut reader.values)?;
            reader.spend(head.len())?;
            Ok(head)
        })
    }

    fn message(&mut self, base: usize, client: usize) -> Result<Message, Reason> {
        let template = self.index(base + id::HEAD)?;
        let framing = number_framing(self.number(base + id::FRAMING)?)?;
        let body = self.number(base + id::BODY)?;
        let (bytes, len, is_lost) = match self.bodies.take(body).ok_or("a body that is not there")? {
            Found::Bytes(bytes) => {
                let len = bytes.len() as u64;
                (bytes, len, false)
            }
            Found::Lost(len) => (Bytes::new(), len, true),
        };
        let total_len = len.wrapping_add(self.signed(base + id::TOTAL_LEN)?);
        let slot = usize::from(base == id::RESPONSE);
        let head = self.heads.take_latest(slot, template, client, total_len, &mut self.values)?;
        let trailers = match self.index(base + id::TRAILERS)? {
            0 => Bytes::new(),
            n => self.heads.take(n - 1, client, None, &mut self.values)?,
        };
        self.spend(head.len() + trailers.len() + bytes.len())?;
        let chunks = self.number(base + id::CHUNKS)?;
        let chunks = self.list(chunks, |reader| reader.number(base + id::CHUNK_SIZES))?;
        let pieces = self.pieces(base + id::PIECES, 0)?;
        let has_digest = self.flag(base + id::DIGEST)?;
        let digest = |bytes: &mut &[u8]| Some(take_bytes(bytes, 32)?.try_into().ok());
        let sha256 = if has_digest { self.step(base + id::DIGESTS, Some([0; 32]), digest)? } else { None };
        let redacted = match self.optional(base + id::REDACTED)? {
            None => None,
            Some(count) => Some(self.list(count, |reader| {
                let string = reader.index(base + id::CODINGS)?;
                let coding = reader.strings.get(string).ok_or("a coding that is not there")?.clone();
                reader.spend(coding.len())?;
                Ok(coding.to_string())
            })?),
        };
        let dropped = match self.number(base + id::DROPPED)? {
            _ if is_lost => Some(Dropped::Damaged),
            0 => None,
            number => Some(number_dropped(number)?),
        };
        let body = Body { bytes, total_len, chunks, sha256, redacted, dropped };
        Ok(Message { head, framing, body, trailers, pieces })
    }

    /// A list whose length the file tells, which need not have a byte for each entry.
    fn list<T>(&mut self, count: u64, mut next: impl FnMut(&mut Self) -> Result<T, Reason>) -> Result<Vec<T>, Reason> {
        if count > LIST_MAX as u64 {
            return Err(format!("a list of {count} entries, where {LIST_MAX} may be"));
        }
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(next(self)?);
        }
        Ok(list)
    }

    fn pieces(&mut self, base: usize, start: u64) -> Result<Vec<Piece>, Reason> {
        let count = self.number(base)?;
        let mut at_ns = start;
        self.list(count, |reader| {
            at_ns = at_ns.wrapping_add(reader.signed(base + 1)?);
            Ok(Piece { at_ns, len: reader.number(base + 2)? })
        })
    }

    fn flow(&mut self, start: u64) -> Result<Flow, Reason> {
        let bytes = self.number(id::FLOW_BYTES)?;
        let first_ns = self.optional(id::FLOW_FIRST)?.map(|since| start.wrapping_add(unzigzag(since)));
        let first = first_ns.unwrap_or(start);
        let last_ns = self.optional(id::FLOW_LAST)?.map(|since| first.wrapping_add(unzigzag(since)));
        let pieces = self.pieces(id::FLOW_PIECES, start)?;
        let count = self.number(id::FRAMES)?;
        let mut at_ns = start;
        let frames = self.list(count, |reader| {
            at_ns = at_ns.wrapping_add(reader.signed(id::FRAME_INSTANTS)?);
            let kind = u8::try_from(reader.number(id::FRAME_KINDS)?).map_err(|_| "an absurd kind of frame")?;
            Ok(Frame { at_ns, kind, len: reader.number(id::FRAME_LENGTHS)? })
        })?;
        let content = self.number(id::FLOW_CONTENT)?;
        let content = match self.bodies.take(content).ok_or("a body that is not there")? {
            Found::Bytes(bytes) => bytes,
            Found::Lost(_) => Bytes::new(),
        };
        self.spend(content.len())?;
        Ok(Flow { bytes, first_ns, last_ns, pieces, frames, content })
    }
}

fn narrow(n: u128, column: usize) -> Result<u64, Reason> {
    u64::try_from(n).map_err(|_| format!("column {column} has an absurd number"))
}

fn clients_of(bytes: &[u8]) -> Result<Vec<ClientKey>, Reason> {
    if bytes.len() / 9 > TABLE_ENTRIES_MAX {
        return Err("a block has too many clients".to_owned());
    }
    let entries = bytes.chunks(9).map(|entry| {
        let (source, id) = entry.split_first().ok_or("a client is cut off")?;
        let id = id.try_into().map_err(|_| "a client is cut off")?;
        Ok(ClientKey { source: number_source(u64::from(*source))?, id: u64::from_le_bytes(id) })
    });
    entries.collect()
}

fn connections_of(mut bytes: &[u8]) -> Option<Vec<Connection>> {
    let mut connections = Vec::new();
    let mut id = 0_u64;
    while !bytes.is_empty() {
        id = id.wrapping_add(unzigzag(take(&mut bytes)?));
        add(&mut connections, Connection { id, latest: None })?;
    }
    Some(connections)
}

fn strings_of(mut bytes: &[u8]) -> Option<Vec<Arc<str>>> {
    let mut strings = Vec::new();
    while !bytes.is_empty() {
        let len = take(&mut bytes)?;
        add(&mut strings, std::str::from_utf8(take_bytes(&mut bytes, len)?).ok()?.into())?;
    }
    Some(strings)
}
