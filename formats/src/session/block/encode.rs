//! Writing a block: exchanges are taken apart into columns.

use bytes::Bytes;
use foldhash::HashMap;

use super::bodies::BodyWriter;
use super::heads::{HeadWriter, Kind};
use super::id;
use super::{ambiguity_number, dropped_number, end_number, framing_number, protocol_number, source_number};
use crate::model::{ClientKey, Exchange, Flow, Frame, Instants, Message, Piece};
use crate::session::compress::PART_BYTES_MIN;
use crate::session::number::{put, put_sum, zigzag};

/// Column of numbers; not written where all are 0.
#[derive(Default)]
struct Numbers {
    bytes: Vec<u8>,
    is_needed: bool,
}

impl Numbers {
    fn put(&mut self, n: u64) {
        self.is_needed |= n != 0;
        put(&mut self.bytes, n);
    }

    fn put_sum(&mut self, n: u64, more: u64) {
        self.is_needed = true;
        put_sum(&mut self.bytes, n, more);
    }
}

#[derive(Default)]
struct Connection {
    /// Number of its latest client, and when it was connected.
    latest: Option<(usize, Option<u64>)>,
}

/// Takes exchanges, gives the content of a block.
pub(in super::super) struct BlockWriter {
    numbers: Vec<Numbers>,
    heads: HeadWriter,
    bodies: BodyWriter,
    clients: Vec<u8>,
    client_numbers: HashMap<ClientKey, usize>,
    connection_ids: Vec<u8>,
    connection_numbers: HashMap<u64, usize>,
    connections: Vec<Connection>,
    last_connection: u64,
    strings: Vec<u8>,
    string_numbers: HashMap<String, u64>,
    /// The start of the first exchange is told from 0, since the block's earliest is not known before its end.
    first_start: u64,
    last_start: u64,
    last_replayed: u64,
    exchanges: u64,
    /// About how many bytes the content has so far.
    size: usize,
}

impl BlockWriter {
    /// # Errors
    /// When the system has no random bytes.
    pub(in super::super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            numbers: (0..id::NUMBERS).map(|_| Numbers::default()).collect(),
            heads: HeadWriter::default(),
            bodies: BodyWriter::new()?,
            clients: Vec::new(),
            client_numbers: HashMap::default(),
            connection_ids: Vec::new(),
            connection_numbers: HashMap::default(),
            connections: Vec::new(),
            last_connection: 0,
            strings: Vec::new(),
            string_numbers: HashMap::default(),
            first_start: 0,
            last_start: 0,
            last_replayed: 0,
            exchanges: 0,
            size: 0,
        })
    }

    /// Adds an exchange.
    pub(in super::super) fn append(&mut self, exchange: &Exchange) {
        if self.exchanges == 0 {
            self.bodies.begin(exchange.seq);
        }
        let connection = self.connection(exchange.connection);
        let client = self.client(exchange, connection);
        self.put(id::PROTOCOL, protocol_number(exchange.protocol).into());
        self.put(id::END, end_number(exchange.end).into());
        self.put(id::ANSWERED, u64::from(exchange.response.is_some()));
        self.put(id::AMBIGUITY, exchange.ambiguous.map_or(0, ambiguity_number).into());
        self.put(id::MARKS, u64::from(exchange.resynchronised) + 2 * u64::from(exchange.rebuilt));
        self.instants(&exchange.instants, connection, client);
        self.facts(exchange);
        self.message(id::REQUEST, [Kind::Request, Kind::RequestTrailers], client, &exchange.request);
        self.informational(client, &exchange.informational);
        if let Some(response) = &exchange.response {
            self.message(id::RESPONSE, [Kind::Response, Kind::ResponseTrailers], client, response);
        }
        let start = exchange.instants.request_start;
        for flow in exchange.tunnel.iter().flat_map(|tunnel| [&tunnel.to_upstream, &tunnel.to_client]) {
            self.flow(start, flow);
        }
        self.exchanges += 1;
        self.size += 24;
    }

    /// About how many bytes the content has so far.
    pub(in super::super) fn size(&self) -> usize {
        self.size
    }

    /// The content. `earliest` is the earliest start of a request in it, and `offset` where a block of this segment begins.
    pub(in super::super) fn finish(&mut self, earliest: u64, offset: impl Fn(usize) -> Option<u64>) -> Content {
        let mut out = Content { bytes: Vec::with_capacity(self.size + 1_024), cuts: Vec::new() };
        let mut templates = Vec::new();
        self.heads.templates(&mut templates);
        let (head_templates, head_columns) = self.heads.counts();
        let [lens, bodies, body_templates] = self.bodies.columns(head_templates, head_columns, &mut templates);
        let borrowed = self.bodies.borrowed(offset);
        let tables: [(u64, &[u8]); 8] = [
            (id::CLIENTS, &self.clients),
            (id::CONNECTIONS, &self.connection_ids),
            (id::STRINGS, &self.strings),
            (id::TEMPLATES, &templates),
            (id::BODY_LENGTHS, &lens),
            (id::BODIES, &bodies),
            (id::BORROWED, &borrowed),
            (id::BODY_TEMPLATES, &body_templates),
        ];
        for (id, bytes) in tables.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            out.column(id, bytes, bytes.len());
        }
        let mut starts = Vec::new();
        put(&mut starts, zigzag(self.first_start.wrapping_sub(earliest)));
        for (id, numbers) in self.numbers.iter().enumerate() {
            if id == id::REQUEST_START {
                starts.extend_from_slice(&numbers.bytes);
                out.column(id as u64, &starts, starts.len());
            } else if numbers.is_needed {
                out.column(id as u64, &numbers.bytes, numbers.bytes.len());
            }
        }
        let mut part = Vec::new();
        let of_bodies = self.bodies.values().map(|(number, values)| (head_columns + number, values));
        for (number, values) in self.heads.values().chain(of_bodies) {
            part.clear();
            let values_len = values.finish(&mut part);
            out.column((id::VALUES + number) as u64, &part, values_len);
        }
        out
    }

    /// Begins the next block of the segment. Room beyond `keep` bytes is given back.
    pub(in super::super) fn next_block(&mut self, keep: usize) {
        for numbers in &mut self.numbers {
            numbers.bytes.clear();
            numbers.is_needed = false;
        }
        self.heads.clear();
        self.bodies.next_block(keep);
        self.clients.clear();
        self.client_numbers.clear();
        self.connection_ids.clear();
        self.connection_numbers.clear();
        self.connections.clear();
        self.strings.clear();
        self.string_numbers.clear();
        (self.last_connection, self.last_replayed, self.exchanges, self.size) = (0, 0, 0, 0);
    }

    /// Begins the first block of another segment.
    pub(in super::super) fn next_segment(&mut self) {
        self.next_block(0);
        self.bodies.next_segment();
    }

    fn put(&mut self, column: usize, n: u64) {
        if let Some(numbers) = self.numbers.get_mut(column) {
            numbers.put(n);
        }
    }

    fn put_sum(&mut self, column: usize, n: u64, more: u64) {
        if let Some(numbers) = self.numbers.get_mut(column) {
            numbers.put_sum(n, more);
        }
    }

    fn put_optional(&mut self, column: usize, value: Option<u64>) {
        match value {
            None => self.put(column, 0),
            Some(value) => self.put_sum(column, value, 1),
        }
    }

    fn connection(&mut self, id: u64) -> usize {
        let next = self.connections.len();
        let number = *self.connection_numbers.entry(id).or_insert(next);
        if number == next {
            put(&mut self.connection_ids, zigzag(id.wrapping_sub(self.last_connection)));
            self.last_connection = id;
            self.connections.push(Connection::default());
        }
        self.put(id::CONNECTION, number as u64);
        number
    }

    fn client(&mut self, exchange: &Exchange, connection: usize) -> usize {
        let key = exchange.client;
        let next = self.client_numbers.len();
        let number = *self.client_numbers.entry(key).or_insert(next);
        if number == next {
            self.clients.push(source_number(key.source).to_le_bytes()[0]);
            self.clients.extend_from_slice(&key.id.to_le_bytes());
        }
        let latest = self.connections.get(connection).and_then(|connection| connection.latest);
        let is_latest = latest.is_some_and(|(client, _)| client == number);
        self.put(id::CLIENT, if is_latest { 0 } else { number as u64 + 1 });
        number
    }

    fn instants(&mut self, instants: &Instants, connection: usize, client: usize) {
        let start = instants.request_start;
        if self.exchanges == 0 {
            self.first_start = start;
        } else {
            self.put(id::REQUEST_START, zigzag(start.wrapping_sub(self.last_start)));
        }
        self.last_start = start;
        let mut before = instants.request_head;
        self.put(id::REQUEST_HEAD, zigzag(before.wrapping_sub(start)));
        let rest = [
            (id::REQUEST_END, instants.request_end),
            (id::RESPONSE_START, instants.response_start),
            (id::RESPONSE_HEAD, instants.response_head),
            (id::RESPONSE_END, instants.response_end),
        ];
        for (column, at) in rest {
            self.put_optional(column, at.map(|at| zigzag(at.wrapping_sub(before))));
            before = at.unwrap_or(before);
        }
        let latest = self.connections.get(connection).and_then(|connection| connection.latest);
        match instants.connected {
            connected if connected == latest.and_then(|(_, connected)| connected) => self.put(id::CONNECTED, 0),
            None => self.put(id::CONNECTED, 1),
            Some(connected) => self.put_sum(id::CONNECTED, zigzag(start.wrapping_sub(connected)), 2),
        }
        if let Some(connection) = self.connections.get_mut(connection) {
            connection.latest = Some((client, instants.connected));
        }
    }

    fn facts(&mut self, exchange: &Exchange) {
        let facts = exchange.facts.as_deref().map_or(0, |facts| self.string(facts) + 1);
        self.put(id::FACTS, facts);
        self.put_optional(id::REPLAYED, exchange.replay_of.map(|replay| u64::from(replay.session)));
        if let Some(replay) = exchange.replay_of {
            self.put(id::REPLAYED_SEQ, zigzag(replay.seq.wrapping_sub(self.last_replayed)));
            self.put(id::REPLAYED_COPY, u64::from(replay.copy));
            self.last_replayed = replay.seq;
        }
        self.put(id::TUNNEL, u64::from(exchange.tunnel.is_some()));
    }

    fn string(&mut self, text: &str) -> u64 {
        if let Some(number) = self.string_numbers.get(text) {
            return *number;
        }
        let number = self.string_numbers.len() as u64;
        put(&mut self.strings, text.len() as u64);
        self.strings.extend_from_slice(text.as_bytes());
        self.string_numbers.insert(text.to_owned(), number);
        self.size += text.len() + 1;
        number
    }

    fn informational(&mut self, client: usize, heads: &[Bytes]) {
        self.put(id::INFORMATIONAL, heads.len() as u64);
        for head in heads {
            let (template, grown) = self.heads.put(Kind::Informational, client, head, 0);
            self.put(id::INFORMATIONAL_HEADS, template);
            self.size += grown;
        }
    }

    fn message(&mut self, base: usize, [head, trailers]: [Kind; 2], client: usize, message: &Message) {
        let body = &message.body;
        let (template, grown) = self.heads.put(head, client, &message.head, body.total_len);
        self.put(base + id::HEAD, template);
        self.size += grown;
        self.put(base + id::FRAMING, framing_number(message.framing).into());
        let (number, grown) = self.bodies.put(&body.bytes);
        self.put(base + id::BODY, number);
        self.size += grown;
        self.put(base + id::TOTAL_LEN, zigzag(body.total_len.wrapping_sub(body.bytes.len() as u64)));
        let mut template = 0;
        if !message.trailers.is_empty() {
            let grown;
            (template, grown) = self.heads.put(trailers, client, &message.trailers, 0);
            self.size += grown;
        }
        self.put(base + id::TRAILERS, template);
        self.put(base + id::CHUNKS, body.chunks.len() as u64);
        body.chunks.iter().for_each(|size| self.put(base + id::CHUNK_SIZES, *size));
        self.pieces(base + id::PIECES, 0, &message.pieces);
        self.size += body.chunks.len() * 2;
        self.put(base + id::DIGEST, u64::from(body.sha256.is_some()));
        if let (Some(digest), Some(digests)) = (body.sha256, self.numbers.get_mut(base + id::DIGESTS)) {
            digests.bytes.extend_from_slice(&digest);
            digests.is_needed = true;
            self.size += digest.len();
        }
        self.put_optional(base + id::REDACTED, body.redacted.as_ref().map(|codings| codings.len() as u64));
        for coding in body.redacted.iter().flatten() {
            let coding = self.string(coding);
            self.put(base + id::CODINGS, coding);
        }
        self.put(base + id::DROPPED, body.dropped.map_or(0, dropped_number).into());
    }

    fn pieces(&mut self, base: usize, start: u64, pieces: &[Piece]) {
        self.put(base, pieces.len() as u64);
        let mut before = start;
        for piece in pieces {
            self.put(base + 1, zigzag(piece.at_ns.wrapping_sub(before)));
            self.put(base + 2, piece.len);
            before = piece.at_ns;
        }
        self.size += pieces.len() * 5;
    }

    fn flow(&mut self, start: u64, flow: &Flow) {
        self.put(id::FLOW_BYTES, flow.bytes);
        self.put_optional(id::FLOW_FIRST, flow.first_ns.map(|at| zigzag(at.wrapping_sub(start))));
        let first = flow.first_ns.unwrap_or(start);
        self.put_optional(id::FLOW_LAST, flow.last_ns.map(|at| zigzag(at.wrapping_sub(first))));
        self.pieces(id::FLOW_PIECES, start, &flow.pieces);
        self.put(id::FRAMES, flow.frames.len() as u64);
        let mut before = start;
        for Frame { at_ns, kind, len } in &flow.frames {
            self.put(id::FRAME_INSTANTS, zigzag(at_ns.wrapping_sub(before)));
            self.put(id::FRAME_KINDS, u64::from(*kind));
            self.put(id::FRAME_LENGTHS, *len);
            before = *at_ns;
        }
        let (number, grown) = self.bodies.put(&flow.content);
        self.put(id::FLOW_CONTENT, number);
        self.size += grown + 8 + flow.frames.len() * 6;
    }
}

/// What a block holds.
pub(in super::super) struct Content {
    pub(in super::super) bytes: Vec<u8>,
    /// Where something begins that is not like what stands before it.
    pub(in super::super) cuts: Vec<usize>,
}

impl Content {
    /// Adds a column, whose last `alike` bytes are of one kind.
    fn column(&mut self, id: u64, bytes: &[u8], alike: usize) {
        put(&mut self.bytes, id);
        put(&mut self.bytes, bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        if alike >= PART_BYTES_MIN {
            let end = self.bytes.len();
            self.cuts.extend([end - alike, end]);
        }
    }
}
