"""Section 16 of docs/SPEC.md: a small segment, its bytes with what each says, and its conformance JSON.

    example.py     prints the section

The bytes come from write.py; what stands beside them is found by a walk over the bytes, which knows no more than where
things begin and end. A test asserts that the page has exactly this.
"""

import json

import page
import samples
from encoding import Cursor
from segment import u32
from write import Options, write

HEX_A_LINE = 16
BEGIN = "## 16 A whole segment, byte by byte"

KINDS = {1: "header", 2: "block", 3: "gap", 4: "index", 5: "end"}
COLUMNS = {
    page.CLIENTS: "clients: source 3 (`peer`), identifier 1", page.CONNECTIONS: "connections: signed 14 is 7",
    page.TEMPLATES: "templates", page.BODY_LENGTHS: "body lengths: 2 · 8, plus 1: kept; twice",
    page.BODY_TEMPLATES: "body templates: template 3 − 1, twice",
    page.CONNECTION: "connection: both entry 0", page.CLIENT: "client: entry 1 − 1; then that of this connection",
    page.PROTOCOL: "protocol: HTTP/1.1, twice", page.ANSWERED: "answered: both",
    page.REQUEST_START: "request start: the block's earliest; then 1,000,000 ns (signed 2,000,000) after it",
    page.REQUEST_HEAD: "request head: each 100 (signed 200) after request start",
    page.REQUEST_END: "request end: optional signed, 100 after request head",
    page.RESPONSE_START: "response start: 100 after request end", page.RESPONSE_HEAD: "response head",
    page.RESPONSE_END: "response end", page.CONNECTED: "connected: request start minus 1000; then that of this connection",
    page.REQUEST + page.HEAD: "request's head: template 1 − 1; then this client's latest",
    page.RESPONSE + page.HEAD: "response's head: template 2 − 1; then this client's latest",
    page.RESPONSE + page.FRAMING: "response's framing: `length`",
    page.RESPONSE + page.BODY: "response's body: body 1; then the first that none named, body 0",
    page.VALUES: "value column 0: start lines", page.VALUES + 1: "value column 1: hosts",
    page.VALUES + 2: "value column 2: of bodies"}


def events():
    request = samples.message(b"GET /a HTTP/1.1\r\nhost: shop\r\n\r\n")
    other = samples.message(b"GET /b HTTP/1.1\r\nhost: shop\r\n\r\n")
    return [samples.exchange(0, request, samples.answer(b'{"n":10}')),
            samples.exchange(1, other, samples.answer(b'{"n":11}'), at=2_000_000, instants={"connected": 999_000}),
            samples.gap("queue_full", from_ns=2_000_000, to_ns=3_000_000, connections=1)]


def made():
    return write(events(), Options(references=True, body_templates=True, header={"created_by": "by hand", "started_unix_ns": 1_800_000_000}))


class Walk:
    """Hands out the bytes of a segment, each once, as lines with what they say."""

    def __init__(self, data):
        self._data = data
        self._at = 0
        self.lines = []

    def say(self, length, what):
        data = self._data[self._at:self._at + length]
        assert len(data) == length
        for at in range(0, len(data), HEX_A_LINE):
            text = data[at:at + HEX_A_LINE].hex(" ")
            self.lines.append(f"{text:{HEX_A_LINE * 3}} # {what}" if at == 0 else text)
        self._at += length
        return data

    def title(self, what):
        self.lines.append(f"# {what}, at byte {self._at}")

    def records(self):
        while self._at < len(self._data):
            kind, length = self._data[self._at + 4], u32(self._data, self._at + 8)
            self.title(f"{KINDS[kind]} record")
            self.say(4, "marker")
            self.say(4, f"kind {kind}, no flags, 0")
            self.say(4, f"{length} bytes of payload")
            self.say(4, "CRC-32 of the payload")
            self.say(4, "CRC-32 of the 16 bytes before")
            {1: self._header, 2: self._block, 3: self._gap, 4: self._index, 5: self._end}[kind](length)

    def _header(self, length):
        self.say(length, "JSON: " + self._data[self._at:self._at + length].decode())

    def _frame(self):
        self.say(4, "magic of zstd")
        self.say(1, "a single segment, whose content's length takes four bytes")
        size = int.from_bytes(self.say(4, "that length"), "little")
        self.say(3, "the last block of the frame, raw: 8 times its length, plus 1")
        return size

    def _block(self, _length):
        self.say(4, "length of the content")
        self.say(4, "2 exchanges")
        self.say(8, "first sequence number: 0")
        self.say(8, "earliest request_start: 1,000,000")
        self.say(8, "latest instant: 2,000,500")
        end = self._at + 12
        end += self._frame()
        while self._at < end:
            cursor = Cursor(self._data[self._at:end])
            number = cursor.number()
            length = cursor.number()
            self.say(cursor.at, f"column {number}, {length} bytes")
            if number == page.TEMPLATES:
                self._templates(length)
            elif number >= page.VALUES:
                self._values(number, length)
            else:
                self.say(length, COLUMNS[number])

    def _templates(self, length):
        end = self._at + length
        while self._at < end:
            size = self.say(1, f"a literal of {self._data[self._at]} bytes")[0]
            if size:
                self.say(size, f"{bytes(self._data[self._at:self._at + size])!r}")
            hole = self._data[self._at]
            self.say(1, {0: "hole 0: the template ends", 1: "hole 1: the message's length"}.get(
                hole, f"hole {hole}: value column {hole - 2}"))

    def _values(self, number, length):
        end = self._at + length
        size = self.say(1, f"{COLUMNS[number]}; {self._data[self._at]} bytes of numbers")[0]
        whose = "of a body" if number == page.VALUES + 2 else "of this client"
        self.say(size, f"0: the latest {whose}; 1: the next new one; n: the new one n − 2, from 0")
        size = self.say(1, f"{self._data[self._at]} bytes of lengths")[0]
        self.say(size, "lengths of the new values")
        self.say(end - self._at, f"{bytes(self._data[self._at:end])!r}")

    def _field(self, names, end):
        cursor = Cursor(self._data[self._at:end])
        key = cursor.number()
        kind = key & 7
        value = cursor.number() if kind == 0 else cursor.take(8 if kind == 1 else cursor.number())
        name = names[key >> 3]
        if kind == 0:
            name += f": {value}"
        elif isinstance(name, str) and kind == 2:
            name += f": {bytes(value)!r}"
        self.say(cursor.at, name)

    def _gap(self, length):
        end = self._at + length
        while self._at < end:
            self._field({1: "1 reason", 2: "2 from", 3: "3 until", 4: "4 connections"}, end)

    def _index(self, _length):
        end = self._at + 12
        end += self._frame()
        while self._at < end:
            tag, size = self._data[self._at] >> 3, self._data[self._at + 1]
            self.say(2, f"{tag} {'a client' if tag == 1 else 'a block'}, {size} bytes")
            inner = self._at + size
            names = {1: "1 source", 2: "2 identifier (fixed64)", 3: "3 earliest start", 4: "4 latest start",
                     5: "5 exchanges", 6: "6 longest pause"}
            if tag == 2:
                names = {1: "1 where its record begins", 2: "2 first sequence number", 3: "3 exchanges",
                         4: "4 earliest instant", 5: "5 latest instant"}
            while self._at < inner:
                self._field(names, inner)

    def _end(self, _length):
        self.say(8, "where the index record begins")
        self.say(8, "no summary")
        self.say(8, "flags: the session ends here")


def section():
    written = made()
    walk = Walk(written.segments[0])
    walk.title("file head")
    walk.say(8, "magic")
    walk.say(4, "version 2")
    walk.say(4, "CRC-32 of the 12 bytes before")
    walk.records()
    text = [BEGIN, "", "Two exchanges of one client and a gap. Frames hold raw blocks, so that they can be read by eye; what stands behind `#` is",
            "no part of it. Columns and fields that would say 0 are left out. `tests/spec/example.py` prints this section, and both",
            "decoders read it.", "",
            "```hex", *walk.lines, "```", "", "It reads as:", "", "```json",
            "[" + ",\n".join(json.dumps(event, sort_keys=True) for event in written.events) + "]", "```", ""]
    return "\n".join(text)


if __name__ == "__main__":
    print(section(), end="")
