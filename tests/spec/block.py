"""Sections 5 and 6 of docs/SPEC.md: a block's payload to its exchanges, as conformance JSON (section 15)."""

import base64

import page
from encoding import Column, Cursor, Damaged, signed, unpacked, wrapped
from heads import Heads

PREFIX_BYTES = 32
# What a piece or frame is counted with where section 13 speaks of the bytes of an exchange; the page does not say.
ENTRY_BYTES = 16


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
    """One block. `lent` are the kept bodies of the segment's earlier blocks, by where the block's record begins."""

    def __init__(self, payload, lent):
        if len(payload) < PREFIX_BYTES:
            raise Damaged("a block is shorter than what stands in front of its content")
        prefix = Cursor(payload)
        self._content_bytes, self.count, self.first, self.earliest, self.latest = (
            int.from_bytes(prefix.take(size), "little") for size in (4, 4, 8, 8, 8))
        self._frame = payload[PREFIX_BYTES:]
        self._lent = lent
        # None as long as the tables have not been read, and where they do not decode.
        self.kept = None

    def exchanges(self):
        """Yields the block's exchanges one by one, and raises `Damaged` at the first that does not decode."""
        self._read_columns()
        self._read_tables()
        for offset in range(self.count):
            yield self._exchange(wrapped(self.first + offset))
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
            number = cursor.number()
            if number <= before:
                raise Damaged(f"column {number} stands behind column {before}")
            found[number] = cursor.take(cursor.number())
            before = number
        known = [*range(page.CONNECTION, page.TUNNEL + 1), *range(page.FLOW_BYTES, page.FLOW_CONTENT + 1)]
        known += [base + number for base in (page.REQUEST, page.RESPONSE) for number in range(page.DROPPED + 1)]
        self._columns = {number: Column(found.get(number)) for number in known}
        self._tables = {number: found.get(number, b"") for number in range(page.CLIENTS, page.BORROWED + 1)}
        values = {number - page.VALUES: data for number, data in found.items() if number >= page.VALUES}
        self._heads = Heads(self._tables[page.TEMPLATES], values)

    def _read_tables(self):
        clients = Cursor(self._tables[page.CLIENTS])
        self._clients = []
        while clients.left():
            source = named(page.SOURCES, clients.take(1)[0], "source")
            identifier = int.from_bytes(clients.take(8), "little")
            self._clients.append({"source": source, "id": f"{identifier:016x}"})
        connections, latest = Column(self._tables[page.CONNECTIONS]), 0
        self._connections = []
        while connections.left():
            latest = wrapped(latest + connections.signed())
            self._connections.append(latest)
        strings = Cursor(self._tables[page.STRINGS])
        self._strings = []
        while strings.left():
            try:
                self._strings.append(strings.take(strings.number()).decode())
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
        self._bodies, kept = [], []
        while lengths.left():
            number = lengths.number()
            self._bodies.append(bodies.take(number // 2))
            if number % 2:
                kept.append(self._bodies[-1])
        bodies.finish("the bodies")
        self.kept = kept
        self._named_bodies = set()
        self._first_unnamed = 0
        borrowed = Cursor(self._tables[page.BORROWED])
        self._borrowed = []
        while borrowed.left():
            self._borrowed.append((borrowed.number(), borrowed.number()))

    def _exchange(self, seq):
        column = self._columns
        self._left = page.EXCHANGE_BYTES_MAX
        connection = column[page.CONNECTION].number()
        connection_id = entry(self._connections, connection, "connections")
        client = self._client(connection)
        instants = self._instants(connection)
        start = instants["request_start"]
        marks = column[page.MARKS].number()
        request, request_length = self._body_of_message(page.REQUEST)
        request = self._message(page.REQUEST, client, start, request, request_length)
        informational = self._informational(client)
        response = None
        if self._flag(page.ANSWERED):
            body, length = self._body_of_message(page.RESPONSE)
            response = self._message(page.RESPONSE, client, start, body, length)
        facts = column[page.FACTS].number()
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
        number = self._columns[page.CLIENT].number()
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
            self._latest_connected[connection] = wrapped(start - signed(connected - 2))
        instants["connected"] = self._latest_connected.get(connection)
        return instants

    def _after(self, instant, number):
        difference = self._columns[number].optional_signed()
        return None if difference is None else wrapped(instant + difference)

    def _informational(self, client):
        count = self._columns[page.INFORMATIONAL].count(self._columns[page.INFORMATIONAL_HEADS])
        heads = []
        for _ in range(count):
            head = self._heads.text(self._columns[page.INFORMATIONAL_HEADS].number(), client, None)
            self._spend(ENTRY_BYTES + len(head))
            heads.append(text_of_bytes(head))
        return heads

    def _replay_of(self):
        session = self._columns[page.REPLAYED].number()
        if not session:
            return None
        self._replayed_seq = wrapped(self._replayed_seq + self._columns[page.REPLAYED_NUMBER].signed())
        return {"session": session - 1, "seq": self._replayed_seq,
                "copy": self._columns[page.REPLAYED_COPY].number()}

    def _tunnel(self, start):
        return {"to_upstream": self._flow(start), "to_client": self._flow(start)}

    def _flow(self, start):
        column = self._columns
        first = self._after(start, page.FLOW_FIRST)
        content = self._body(column[page.FLOW_CONTENT])
        return {
            "bytes": column[page.FLOW_BYTES].number(),
            "first": first,
            "last": self._after(start if first is None else first, page.FLOW_LAST),
            "pieces": self._rows(page.FLOW_PIECES, start, page.FLOW_PIECE_INSTANTS, page.FLOW_PIECE_LENGTHS),
            "frames": self._rows(page.FRAMES, start, page.FRAME_INSTANTS, page.FRAME_KINDS, page.FRAME_LENGTHS),
            # A flow has no place to say that its content was lost.
            "content": text_of_bytes(content or b""),
        }

    def _rows(self, count, start, instants, *others):
        """Pieces and frames: rows of an instant, counted from the row before, and of other numbers."""
        rows, instant = [], start
        for _ in range(self._columns[count].count(self._columns[instants])):
            self._spend(ENTRY_BYTES)
            instant = wrapped(instant + self._columns[instants].signed())
            rows.append([instant, *(self._columns[number].number() for number in others)])
        return rows

    def _body_of_message(self, base):
        """The body, None where the block it was borrowed from is lost, and the message's length as sent."""
        body = self._body(self._columns[base + page.BODY])
        difference = self._columns[base + page.TOTAL_LENGTH].signed()
        # The length of a lost body stands nowhere in this block, so that the difference says nothing.
        return body, None if body is None else wrapped(len(body) + difference)

    def _message(self, base, client, start, body, length):
        column = self._columns
        head = self._heads.latest_of(client, base, column[base + page.HEAD].number())
        head = self._heads.text(head, client, b"" if length is None else b"%d" % length)
        trailers = column[base + page.TRAILERS].number()
        trailers = self._heads.text(trailers - 1, client, None) if trailers else b""
        self._spend(len(head) + len(trailers))
        dropped = named(page.DROPPED_BECAUSE, column[base + page.DROPPED].number(), "reason of a dropped body")
        sizes = column[base + page.CHUNK_SIZES]
        chunks = []
        for _ in range(column[base + page.CHUNKS].count(sizes)):
            self._spend(ENTRY_BYTES)
            chunks.append(sizes.number())
        digest = self._flag(base + page.DIGEST)
        return {
            "head": text_of_bytes(head),
            "framing": named(page.FRAMINGS, column[base + page.FRAMING].number(), "framing"),
            "body": text_of_bytes(body or b""),
            "total_len": length,
            "chunks": chunks,
            "trailers": text_of_bytes(trailers),
            "pieces": self._rows(base + page.PIECES, start, base + page.PIECE_INSTANTS, base + page.PIECE_LENGTHS),
            "sha256": column[base + page.DIGEST_BYTES].take(32).hex() if digest else None,
            "redacted": self._redacted(base),
            "dropped": "damaged" if body is None else dropped,
        }

    def _redacted(self, base):
        number = self._columns[base + page.REDACTED].number()
        if not number:
            return None
        names = self._columns[base + page.REDACTED_NAMES]
        codings = []
        for _ in range(number - 1):
            self._spend(ENTRY_BYTES)
            codings.append(entry(self._strings, names.number(), "strings"))
        return codings

    def _body(self, column):
        number = column.number()
        if number == 0:
            return b""
        if number == 1:
            while self._first_unnamed in self._named_bodies:
                self._first_unnamed += 1
            number = 2 + 2 * self._first_unnamed
        index = number // 2 - 1
        if number % 2:
            at, which = entry(self._borrowed, index, "borrowed bodies")
            if at not in self._lent:
                return None
            body = entry(self._lent[at], which, "kept bodies")
        else:
            body = entry(self._bodies, index, "bodies")
            self._named_bodies.add(index)
        self._spend(len(body))
        return body

    def _spend(self, size):
        self._left -= size
        if self._left < 0:
            raise Damaged(f"an exchange is above {page.EXCHANGE_BYTES_MAX} bytes")
