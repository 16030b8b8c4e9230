"""Sections 5 and 6 of docs/SPEC.md, written: exchanges to the columns of a block.

Nothing is shared with the decoder but the names and numbers in page.py.
"""

import base64
import re

import page

U64 = 1 << 64
ONE_HOLE = ((b"", page.HOLE_VALUE), (b"", page.HOLE_END))


def varint(number):
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(encoded) + bytes([number])


def zigzag(to, since=0):
    """The number for a difference of 64-bit values, taken modulo 2^64 and read as two's complement."""
    difference = (to - since) % U64
    return 2 * difference if difference < U64 // 2 else 2 * (U64 - difference) - 1


def optional_zigzag(to, since):
    return 0 if to is None else zigzag(to, since) + 1


def reversed_names(names):
    return {name: number for number, name in names.items()}


def number_of(numbers, name):
    if name not in numbers:
        raise ValueError(f"the name {name!r} has no number")
    return numbers[name]


def bytes_of(text):
    return base64.b64decode(text, validate=True)


def flows_of(exchange):
    return list((exchange["tunnel"] or {}).values())


def latest_instant(exchange):
    rows = [*exchange["request"]["pieces"], *(exchange["response"] or {"pieces": []})["pieces"]]
    instants = [instant for name, instant in exchange["instants"].items() if name != "connected"]
    for flow in flows_of(exchange):
        rows += flow["pieces"] + flow["frames"]
        instants += [flow["first"], flow["last"]]
    return max(instant for instant in [*instants, *(row[0] for row in rows)] if instant is not None)


class Table:
    """Entries, each once, and their places."""

    def __init__(self):
        self.entries = {}

    def place(self, key):
        return self.entries.setdefault(key, len(self.entries))


class BlockWriter:
    def __init__(self, earliest, lent, options):
        self._options = options
        self._columns = {}
        self._digests = {}
        self._clients, self._connections, self._strings, self._templates, self._borrowed = (Table() for _ in range(5))
        self._values = {}
        self._start = earliest
        self._replayed_seq = 0
        # What a reference 0 would stand for, by connection or client.
        self._latest_client, self._latest_connected, self._latest_template = {}, {}, {}
        # Kept bodies of the segment's earlier blocks: (where the block is, its first number, which of its kept bodies,
        # its length).
        self._lent = lent
        self._body_uses = []
        self.kept = []
        self.columns_used = set()
        # Which forms of reference were written: ("body", "borrowed") and the like.
        self.forms = set()

    def put(self, column, number):
        self._columns.setdefault(column, []).append(number)

    def exchange(self, exchange):
        put, instants = self.put, exchange["instants"]
        start = instants["request_start"]
        connection = self._connections.place(exchange["connection"])
        put(page.CONNECTION, connection)
        client = self._clients.place((exchange["client"]["source"], exchange["client"]["id"]))
        is_known = self._options.references and self._latest_client.get(connection) == client
        put(page.CLIENT, 0 if is_known else client + 1)
        self._latest_client[connection] = client
        put(page.PROTOCOL, number_of(reversed_names(page.PROTOCOLS), exchange["protocol"]))
        put(page.EXCHANGE_END, number_of(reversed_names(page.ENDS), exchange["end"]))
        put(page.ANSWERED, int(exchange["response"] is not None))
        put(page.AMBIGUITY, number_of(reversed_names(page.AMBIGUITIES), exchange["ambiguity"]))
        put(page.MARKS, exchange["resynchronised"] + 2 * exchange["rebuilt"])
        self._put_instants(instants, connection)
        facts = exchange["facts"]
        put(page.FACTS, 0 if facts is None else self._strings.place(facts) + 1)
        replay = exchange["replay_of"]
        put(page.REPLAYED, replay["session"] + 1 if replay else 0)
        if replay:
            put(page.REPLAYED_NUMBER, zigzag(replay["seq"], self._replayed_seq))
            put(page.REPLAYED_COPY, replay["copy"])
            self._replayed_seq = replay["seq"]
        put(page.TUNNEL, int(exchange["tunnel"] is not None))
        self._put_heads(exchange, client)
        for base, message in ((page.REQUEST, exchange["request"]), (page.RESPONSE, exchange["response"])):
            if message:
                self._put_message(base, message)
        for flow in flows_of(exchange):
            self._put_flow(flow, start)

    def _put_instants(self, instants, connection):
        start = instants["request_start"]
        self.put(page.REQUEST_START, zigzag(start, self._start))
        self._start = start
        before = instants["request_head"]
        self.put(page.REQUEST_HEAD, zigzag(before, start))
        for name, column in (("request_end", page.REQUEST_END), ("response_start", page.RESPONSE_START),
                             ("response_head", page.RESPONSE_HEAD), ("response_end", page.RESPONSE_END)):
            self.put(column, optional_zigzag(instants[name], before))
            before = before if instants[name] is None else instants[name]
        connected = instants["connected"]
        if self._options.references and self._latest_connected.get(connection) == connected:
            self.put(page.CONNECTED, 0)
        else:
            self.put(page.CONNECTED, 1 if connected is None else zigzag(start, connected) + 2)
        self._latest_connected[connection] = connected

    def _put_heads(self, exchange, client):
        """In the order in which value columns are asked."""
        self._put_head(page.REQUEST, exchange["request"], client)
        self.put(page.INFORMATIONAL, len(exchange["informational"]))
        for head in exchange["informational"]:
            self.put(page.INFORMATIONAL_HEADS, self._template(bytes_of(head), client, None) + 1)
        if exchange["response"]:
            self._put_head(page.RESPONSE, exchange["response"], client)

    def _put_head(self, base, message, client):
        template = self._template(bytes_of(message["head"]), client, message["total_len"])
        is_known = self._options.references and self._latest_template.get((client, base)) == template
        self.put(base + page.HEAD, 0 if is_known else template + 1)
        self._latest_template[client, base] = template
        trailers = bytes_of(message["trailers"])
        self.put(base + page.TRAILERS, self._template(trailers, client, None) + 1 if trailers else 0)

    def _template(self, head, client, length):
        """The place of a template for this head, whose holes' values are given to their columns."""
        if not self._options.references:
            self._put_value(0, head, client)
            return self._templates.place(ONE_HOLE)
        pieces, literal = [], b""
        for line in head.splitlines(keepends=True):
            name = re.match(rb"([!-9;-~]+: ?)([^\r\n]*)", line)
            if name is None:
                # A first line, an empty one or no HTTP at all: its end is literal, what stands before is a value.
                text = line.rstrip(b"\r\n")
                column = "line"
            else:
                literal, text, column = literal + name[1], name[2], name[1].lower()
            if length is not None and name and column.startswith(b"content-length") and text == b"%d" % length:
                pieces.append((literal, page.HOLE_LENGTH))
            elif text:
                column = self._values.setdefault(column, ValuesWriter(len(self._values)))
                pieces.append((literal, page.HOLE_VALUE + column.place))
                column.put(text, client, True)
            else:
                pieces.append((literal, None))
            literal = line[len(name[1]) if name else 0:][len(text):]
            if pieces[-1][1] is None:
                literal = pieces.pop()[0] + literal
        return self._templates.place((*pieces, (literal, page.HOLE_END)))

    def _put_value(self, place, value, client):
        self._values.setdefault(place, ValuesWriter(place)).put(value, client, False)

    def _put_message(self, base, message):
        body = bytes_of(message["body"])
        self._body_uses.append((base + page.BODY, body))
        self.put(base + page.FRAMING, number_of(reversed_names(page.FRAMINGS), message["framing"]))
        self.put(base + page.TOTAL_LENGTH, zigzag(message["total_len"], len(body)))
        self.put(base + page.CHUNKS, len(message["chunks"]))
        for size in message["chunks"]:
            self.put(base + page.CHUNK_SIZES, size)
        self._put_rows(message["pieces"], 0, base + page.PIECES, base + page.PIECE_INSTANTS,
                       base + page.PIECE_LENGTHS)
        digest = message["sha256"]
        self.put(base + page.DIGEST, int(digest is not None))
        if digest is not None:
            self._digests[base + page.DIGEST_BYTES] = self._digests.get(base + page.DIGEST_BYTES, b"") \
                + bytes.fromhex(digest)
        redacted = message["redacted"]
        self.put(base + page.REDACTED, 0 if redacted is None else len(redacted) + 1)
        for name in redacted or []:
            self.put(base + page.REDACTED_NAMES, self._strings.place(name))
        self.put(base + page.DROPPED, number_of(reversed_names(page.DROPPED_BECAUSE), message["dropped"]))

    def _put_flow(self, flow, start):
        first = flow["first"]
        self.put(page.FLOW_BYTES, flow["bytes"])
        self.put(page.FLOW_FIRST, optional_zigzag(first, start))
        self.put(page.FLOW_LAST, optional_zigzag(flow["last"], start if first is None else first))
        self._put_rows(flow["pieces"], start, page.FLOW_PIECES, page.FLOW_PIECE_INSTANTS, page.FLOW_PIECE_LENGTHS)
        self._put_rows(flow["frames"], start, page.FRAMES, page.FRAME_INSTANTS, page.FRAME_KINDS, page.FRAME_LENGTHS)
        self._body_uses.append((page.FLOW_CONTENT, bytes_of(flow["content"])))

    def _put_rows(self, rows, before, count, instants, *others):
        self.put(count, len(rows))
        for instant, *numbers in rows:
            self.put(instants, zigzag(instant, before))
            before = instant
            for column, number in zip(others, numbers, strict=True):
                self.put(column, number)

    def _put_bodies(self):
        if not self._options.references:
            bodies = [body for _, body in self._body_uses if body]
            for column, body in self._body_uses:
                self.put(column, 1 if body else 0)
            return bodies
        own = list(dict.fromkeys(body for _, body in self._body_uses if body and body not in self._lent))
        # The first two change places, so that the first is named by its place and 1 has one to skip.
        own[:2] = own[1::-1]
        named = set()
        for column, body in self._body_uses:
            unnamed = [place for place in range(len(own)) if place not in named]
            if not body:
                self.put(column, 0)
            elif body in self._lent:
                self.put(column, 3 + 2 * self._borrowed.place(self._lent[body]))
            else:
                place = own.index(body)
                self.put(column, 1 if unnamed and unnamed[0] == place else 2 + 2 * place)
                named.add(place)
        return own

    def _body_templates(self, body):
        """The numbers that say how a body is stored: parts of it end behind a comma, and what stands between digits becomes a template."""
        if not self._options.body_templates or not re.search(rb"[0-9]", body):
            return [0]
        return [self._body_part(part) + 1 for part in re.findall(rb"[^,]*,|[^,]+", body)]

    def _body_part(self, part):
        literals, holes = re.split(rb"[0-9]+", part), []
        for literal, digits in zip(literals, re.findall(rb"[0-9]+", part)):
            # Apart from those of heads, in whose table they stand.
            column = self._values.setdefault(("body", literal), ValuesWriter(len(self._values)))
            column.put(digits, None, self._options.references)
            holes.append(page.HOLE_VALUE + column.place)
        return self._templates.place((*zip(literals, holes), (literals[-1], page.HOLE_END)))

    def _is_kept(self, body):
        # Short ones are not, so that the place among the kept differs from the place among all.
        return self._options.references and len(body) >= 8

    def content(self):
        bodies = self._put_bodies()
        templates = [self._body_templates(body) for body in bodies]
        self.kept = [body for body in bodies if self._is_kept(body)]
        tables = {
            page.CLIENTS: b"".join(
                bytes([number_of(reversed_names(page.SOURCES), source)]) + int(identifier, 16).to_bytes(8, "little")
                for source, identifier in self._clients.entries),
            page.CONNECTIONS: self._connection_table(),
            page.STRINGS: b"".join(varint(len(text.encode())) + text.encode() for text in self._strings.entries),
            page.TEMPLATES: b"".join(varint(len(literal)) + literal + varint(hole)
                                     for template in self._templates.entries for literal, hole in template),
            page.BODY_LENGTHS: b"".join(varint(2 * len(body) + self._is_kept(body)) for body in bodies),
            page.BODIES: b"".join(body for body, numbers in zip(bodies, templates) if numbers == [0]),
            page.BODY_TEMPLATES: b"".join(varint(number) for numbers in templates for number in numbers)
                                 if any(map(any, templates)) else b"",
            page.BORROWED: b"".join(varint(number) for entry in self._borrowed.entries for number in entry),
            **self._digests,
        }
        columns = {number: data for number, data in tables.items() if data}
        for number, numbers in self._columns.items():
            # One of zeros only is left out: it reads as zeros all the same.
            if any(numbers):
                columns[number] = b"".join(map(varint, numbers))
        for values in self._values.values():
            columns[page.VALUES + values.place] = values.column()
        self.columns_used = set(columns)
        self._note_forms()
        if self._options.unknown:
            columns |= {0: b"", 10: b"unknown", 60: b"\xff" * 20, 127: b"unknown"}
        return b"".join(varint(number) + varint(len(data)) + data for number, data in sorted(columns.items()))

    def _note_forms(self):
        for column, name in ((page.CLIENT, "client"), (page.CONNECTED, "connected"), (page.REQUEST + page.HEAD, "head"),
                             (page.RESPONSE + page.HEAD, "head")):
            self.forms |= {(name, min(number, 2)) for number in self._columns.get(column, [])}
        for values in self._values.values():
            self.forms |= {("value", min(number, 2)) for number in values.numbers}
        for column, _ in self._body_uses:
            self.forms |= {("body", number if number < 2 else 2 + number % 2) for number in self._columns[column]}
        if any(hole == page.HOLE_LENGTH for template in self._templates.entries for _, hole in template):
            self.forms.add(("hole", 1))

    def _connection_table(self):
        table, before = b"", 0
        for identifier in self._connections.entries:
            table += varint(zigzag(identifier, before))
            before = identifier
        return table


class ValuesWriter:
    def __init__(self, place):
        self.place = place
        self.numbers, self._lengths, self._bytes = [], b"", b""
        self._new, self._latest = {}, {}

    def put(self, value, client, may_refer):
        if may_refer and self._latest.get(client) == value:
            number = 0
        elif may_refer and value in self._new:
            number = self._new[value] + 2
        else:
            number = 1
            self._new[value] = len(self._new)
            self._lengths += varint(len(value))
            self._bytes += value
        self.numbers.append(number)
        self._latest[client] = value

    def column(self):
        asked = b"".join(map(varint, self.numbers))
        return varint(len(asked)) + asked + varint(len(self._lengths)) + self._lengths + self._bytes
