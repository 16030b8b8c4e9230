"""Sections 5 and 6 of docs/SPEC.md: a block's payload to its exchanges, as conformance JSON (section 15)."""

import base64

import page
from encoding import Column, Cursor, Damaged, listed, signed, unpacked, whole, within_limit, wrapped
from heads import Heads

PREFIX_BYTES = 32


def text_of_bytes(data):
    return base64.b64encode(data).decode()


def named(names, number, what):
    if number not in names:
        raise Damaged(f"{what} {number} is unknown")
    return names[number]


def entry(table, number, what):
    if not 0 <= number < len(table):
        raise Damaged(f"there is no entry {number} among {len(table)} {what}")
    return table[number]


class Block:
    """One block. `lent` are the kept bodies of the segment's earlier blocks, by their first sequence number."""

    def __init__(self, payload, lent):
        if len(payload) < PREFIX_BYTES:
            raise Damaged("a block is shorter than what stands in front of its content")
        prefix = Cursor(payload)
        self._content_bytes, self.count, self.first, self.earliest, self.latest = (
            int.from_bytes(prefix.take(size), "little") for size in (4, 4, 8, 8, 8))
        self._frame = payload[PREFIX_BYTES:]
        if self.first + self.count > page.U64_MAX:
            raise Damaged("a block's sequence numbers are more than 64 bits hold")
        self._lent = lent
        self._read_columns()
        self._read_tables()

    def exchanges(self):
        """Yields the block's exchanges one by one, and raises `Damaged` at the first that does not decode."""
        for offset in range(self.count):
            yield self._exchange(self.first + offset)
        for number, column in self._columns.items():
            column.finish(f"column {number}")
        self._heads.finish()

    def _read_columns(self):
        if self._content_bytes > page.PAYLOAD_BYTES_MAX:
            raise Damaged(f"a block's content of {self._content_bytes} bytes is above the limit")
        content = unpacked(self._frame, self._content_bytes)
        if len(content) != self._content_bytes:
            raise Damaged(f"a block's content is {len(content)} bytes, and should be {self._content_bytes}")
        found = {}
        cursor, before = Cursor(content), -1
        while cursor.left():
            number = cursor.u64()
            if number <= before:
                raise Damaged(f"column {number} stands behind column {before}")
            found[number] = cursor.take(cursor.u64())
            before = number
        known = [*range(page.CONNECTION, page.TUNNEL + 1), *range(page.FLOW_BYTES, page.FLOW_CONTENT + 1)]
        known += [base + number for base in (page.REQUEST, page.RESPONSE) for number in range(page.DROPPED + 1)]
        self._columns = {number: Column(found.get(number)) for number in known}
        self._tables = {number: found.get(number, b"") for number in range(page.CLIENTS, page.BORROWED + 1)}
        self._body_templates = Column(found.get(page.BODY_TEMPLATES))
        values = {number - page.VALUES: data for number, data in found.items() if number >= page.VALUES}
        self._heads = Heads(self._tables[page.TEMPLATES], values)

    def _read_tables(self):
        clients = Cursor(self._tables[page.CLIENTS])
        self._clients = []
        while clients.left():
            source = named(page.SOURCES, clients.take(1)[0], "source")
            identifier = int.from_bytes(clients.take(8), "little")
            within_limit(self._clients).append({"source": source, "id": f"{identifier:016x}"})
        connections, latest = Column(self._tables[page.CONNECTIONS]), 0
        self._connections = []
        while connections.left():
            latest = wrapped(latest + connections.signed())
            within_limit(self._connections).append(latest)
        strings = Cursor(self._tables[page.STRINGS])
        self._strings = []
        while strings.left():
            try:
                within_limit(self._strings).append(strings.take(strings.u64()).decode())
            except UnicodeDecodeError as error:
                raise Damaged(f"a string is no UTF-8: {error}") from error
        self._read_bodies()
        # By entry: what an exchange of the same connection or client said last.
        self._latest_client = {}
        self._latest_connected = {}
        self._request_start = self.earliest
        self._replayed_seq = 0

    def _read_bodies(self):
        lengths, bodies = Cursor(self._tables[page.BODY_LENGTHS]), Cursor(self._tables[page.BODIES])
        self._bodies, kept, together = [], [], 0
        while lengths.left():
            number = lengths.number()
            length = number // 2
            together += length
            if together > page.BODIES_BYTES_MAX:
                raise Damaged(f"the bodies of a block have more than {page.BODIES_BYTES_MAX} bytes")
            template = self._body_templates.u64()
            body = self._heads.body(template, self._body_templates, length) if template else bodies.take(length)
            within_limit(self._bodies).append(body)
            if number % 2:
                kept.append(self._bodies[-1])
        self.kept = kept
        self._named_bodies = set()
        self._first_unnamed = 0
        borrowed = Cursor(self._tables[page.BORROWED])
        self._borrowed = []
        while borrowed.left():
            # Where it was written helps only who does not remember all of a segment.
            _at, first, which, length = (borrowed.u64() for _ in range(4))
            kept = self._lent.get(first, []) if first < self.first else []
            body = kept[which] if which < len(kept) else None
            within_limit(self._borrowed).append((body if body is not None and len(body) == length else None, length))

    def _exchange(self, seq):
        column = self._columns
        connection = column[page.CONNECTION].u64()
        connection_id = entry(self._connections, connection, "connections")
        client = self._client(connection)
        instants = self._instants(connection)
        start = instants["request_start"]
        marks = column[page.MARKS].u64()
        request = self._message(page.REQUEST, client)
        informational = self._informational(client)
        response = None
        if self._flag(page.ANSWERED):
            response = self._message(page.RESPONSE, client)
        facts = column[page.FACTS].u64()
        return {
            "seq": seq,
            "client": self._clients[client],
            "connection": connection_id,
            "protocol": named(page.PROTOCOLS, column[page.PROTOCOL].number(), "protocol"),
            "end": named(page.ENDS, column[page.EXCHANGE_END].number(), "end"),
            "ambiguity": named(page.AMBIGUITIES, column[page.AMBIGUITY].number(), "ambiguity"),
            "resynchronised": bool(marks & 1),
            "rebuilt": bool(marks & 2),
            "instants": instants,
            "informational": informational,
            "facts": entry(self._strings, facts - 1, "strings") if facts else None,
            "replay_of": self._replay_of(),
            "tunnel": self._tunnel(start) if self._flag(page.TUNNEL) else None,
            "request": request,
            "response": response,
        }

    def _flag(self, number):
        return named({0: False, 1: True}, self._columns[number].number(), f"value of column {number}:")

    def _client(self, connection):
        number = self._columns[page.CLIENT].u64()
        if number:
            self._latest_client[connection] = number - 1
        elif connection not in self._latest_client:
            raise Damaged("the first exchange of a connection in a block has no client")
        client = self._latest_client[connection]
        entry(self._clients, client, "clients")
        return client

    def _instants(self, connection):
        column = self._columns
        start = wrapped(self._request_start + column[page.REQUEST_START].signed())
        self._request_start = start
        head = wrapped(start + column[page.REQUEST_HEAD].signed())
        instants = {"request_start": start, "request_head": head}
        before = head
        for name, number in (("request_end", page.REQUEST_END), ("response_start", page.RESPONSE_START),
                             ("response_head", page.RESPONSE_HEAD), ("response_end", page.RESPONSE_END)):
            # Each is counted from the nearest before it that is there.
            instants[name] = self._after(before, number)
            before = before if instants[name] is None else instants[name]
        connected = column[page.CONNECTED].number()
        if connected == 1:
            self._latest_connected[connection] = None
        elif connected > 1:
            self._latest_connected[connection] = wrapped(start - signed(whole(connected - 2)))
        instants["connected"] = self._latest_connected.get(connection)
        return instants

    def _after(self, instant, number):
        difference = self._columns[number].optional_signed()
        return None if difference is None else wrapped(instant + difference)

    def _informational(self, client):
        heads = []
        for _ in range(self._columns[page.INFORMATIONAL].count()):
            template = self._columns[page.INFORMATIONAL_HEADS].u64()
            if not template:
                raise Damaged("an informational response has no template")
            heads.append(text_of_bytes(self._heads.text(template - 1, client, None)))
        return heads

    def _replay_of(self):
        session = self._columns[page.REPLAYED].optional()
        if session is None:
            return None
        self._replayed_seq = wrapped(self._replayed_seq + self._columns[page.REPLAYED_NUMBER].signed())
        copy = self._columns[page.REPLAYED_COPY].u64()
        if max(session, copy) > page.U32_MAX:
            raise Damaged(f"the session {session} or the copy {copy} is more than 32 bits hold")
        return {"session": session, "seq": self._replayed_seq, "copy": copy}

    def _tunnel(self, start):
        return {"to_upstream": self._flow(start), "to_client": self._flow(start)}

    def _flow(self, start):
        column = self._columns
        first = self._after(start, page.FLOW_FIRST)
        content, _ = self._body(column[page.FLOW_CONTENT])
        frames = self._rows(page.FRAMES, start, page.FRAME_INSTANTS, page.FRAME_KINDS, page.FRAME_LENGTHS)
        for _, kind, _ in frames:
            if kind > 255:
                raise Damaged(f"a frame has the kind {kind}")
        return {
            "bytes": column[page.FLOW_BYTES].u64(),
            "first": first,
            "last": self._after(start if first is None else first, page.FLOW_LAST),
            "pieces": self._rows(page.FLOW_PIECES, start, page.FLOW_PIECE_INSTANTS, page.FLOW_PIECE_LENGTHS),
            "frames": frames,
            # A flow has no place to say that its content was lost.
            "content": text_of_bytes(content or b""),
        }

    def _rows(self, count, start, instants, *others):
        """Pieces and frames: rows of an instant, counted from the row before, and of other numbers."""
        rows, instant = [], start
        for _ in range(self._columns[count].count()):
            instant = wrapped(instant + self._columns[instants].signed())
            rows.append([instant, *(self._columns[number].u64() for number in others)])
        return rows

    def _message(self, base, client):
        column = self._columns
        body, kept_length = self._body(column[base + page.BODY])
        length = wrapped(kept_length + column[base + page.TOTAL_LENGTH].signed())
        head = self._heads.latest_of(client, base, column[base + page.HEAD].u64())
        head = self._heads.text(head, client, b"%d" % length)
        trailers = column[base + page.TRAILERS].u64()
        trailers = self._heads.text(trailers - 1, client, None) if trailers else b""
        dropped = named(page.DROPPED_BECAUSE, column[base + page.DROPPED].number(), "reason of a dropped body")
        sizes = column[base + page.CHUNK_SIZES]
        chunks = [sizes.u64() for _ in range(column[base + page.CHUNKS].count())]
        digest = self._flag(base + page.DIGEST)
        return {
            "head": text_of_bytes(head),
            "framing": named(page.FRAMINGS, column[base + page.FRAMING].number(), "framing"),
            "body": text_of_bytes(body or b""),
            "total_len": length,
            "chunks": chunks,
            "trailers": text_of_bytes(trailers),
            "pieces": self._rows(base + page.PIECES, 0, base + page.PIECE_INSTANTS, base + page.PIECE_LENGTHS),
            "sha256": column[base + page.DIGEST_BYTES].take(32).hex() if digest else None,
            "redacted": self._redacted(base),
            "dropped": "damaged" if body is None else dropped,
        }

    def _redacted(self, base):
        count = self._columns[base + page.REDACTED].optional()
        if count is None:
            return None
        names = self._columns[base + page.REDACTED_NAMES]
        return [entry(self._strings, names.u64(), "strings") for _ in range(listed(count))]

    def _body(self, column):
        """The body, None where it was borrowed and is lost, and its length."""
        number = column.u64()
        if number == 0:
            return b"", 0
        if number == 1:
            while self._first_unnamed in self._named_bodies:
                self._first_unnamed += 1
            number = 2 + 2 * self._first_unnamed
        index = number // 2 - 1
        if number % 2:
            return entry(self._borrowed, index, "borrowed bodies")
        body = entry(self._bodies, index, "bodies")
        self._named_bodies.add(index)
        return body, len(body)
