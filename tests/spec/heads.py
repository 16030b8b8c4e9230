"""Section 6 of docs/SPEC.md, "Heads" and "Bodies": templates, their holes, and the value columns that fill them."""

import page
from encoding import Cursor, Damaged


class ValueColumn:
    """One header's values, or whatever the writer put into this hole."""

    def __init__(self, data):
        parts = Cursor(data)
        self._asked = Cursor(parts.take(parts.u64()))
        lengths = Cursor(parts.take(parts.u64()))
        self.values = []
        while lengths.left():
            self.values.append(parts.take(lengths.u64()))
        self._new = 0
        self._latest = {}

    def ask(self):
        """What stands for the next value."""
        return self._asked.u64()

    def value(self, number, client):
        if number == 0:
            if client not in self._latest:
                raise Damaged("a client's latest value is asked where it has none")
            return self._latest[client]
        if number == 1:
            if self._new == len(self.values):
                raise Damaged(f"a new value is asked where there are {self._new}")
            self._new += 1
            number = self._new + 1
        if number - 2 >= self._new:
            raise Damaged(f"value {number - 2} is asked where {self._new} were new")
        self._latest[client] = self.values[number - 2]
        return self._latest[client]

    def finish(self, what):
        self._asked.finish(what)


class Heads:
    def __init__(self, templates, values):
        self._values, count = {}, 0
        for number, data in values.items():
            self._values[number] = ValueColumn(data)
            count += len(self._values[number].values) + page.VALUES_OF_A_COLUMN
            if count > page.VALUES_MAX:
                raise Damaged(f"value columns hold more than {page.VALUES_MAX} values")
        self._references = 0
        self._latest = {}
        self._templates, parts = [], 0
        cursor = Cursor(templates)
        while cursor.left():
            template, hole = [], None
            while hole != page.HOLE_END:
                parts += 1
                if parts > page.TABLE_ENTRIES_MAX:
                    raise Damaged(f"templates have more than {page.TABLE_ENTRIES_MAX} parts")
                literal = cursor.take(cursor.u64())
                hole = cursor.u64()
                template.append((literal, hole))
            self._templates.append(template)

    def latest_of(self, client, column, number):
        """The template that a head column's number stands for: 0 is that of this client's latest there."""
        if number:
            self._latest[client, column] = number - 1
        elif (client, column) not in self._latest:
            raise Damaged("a client's latest template is asked where it has none")
        return self._latest[client, column]

    def body(self, number, numbers, length):
        """The next body, made of the template `number` says, and of those that follow, until it has its length.

        Bodies have no client, and ask before any exchange does."""
        body = self._body_part(number, length)
        while len(body) < length:
            body += self._body_part(numbers.u64(), length - len(body))
        return body

    def _body_part(self, number, bytes_max):
        if number == 0:
            raise Damaged("a body ends before it has its length")
        return self.text(number - 1, None, None, bytes_max)

    def text(self, number, client, length, bytes_max=page.SECTION_BYTES_MAX):
        """A template with its holes filled; `length` is what hole 1 stands for, None where it may not be."""
        if number >= len(self._templates):
            raise Damaged(f"template {number} is asked where there are {len(self._templates)}")
        text = bytearray()
        for literal, hole in self._templates[number]:
            text += literal
            if hole == page.HOLE_LENGTH:
                if length is None:
                    raise Damaged("a trailer section, an informational head or a body has a hole for a length")
                text += length
            elif hole >= page.HOLE_VALUE:
                column = self._values.get(hole - page.HOLE_VALUE)
                if column is None:
                    raise Damaged(f"value column {hole - page.HOLE_VALUE} is asked and not there")
                text += self._value(column, client)
            if len(text) > bytes_max:
                raise Damaged(f"a template makes more than {bytes_max} bytes")
        return bytes(text)

    def _value(self, column, client):
        number = column.ask()
        self._references += number != 0
        if self._references > page.REFERENCES_MAX:
            raise Damaged(f"value columns have more than {page.REFERENCES_MAX} references")
        return column.value(number, client)

    def finish(self):
        for number, column in self._values.items():
            column.finish(f"value column {number}")
