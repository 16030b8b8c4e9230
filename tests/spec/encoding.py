"""Section 1 of docs/SPEC.md, read: numbers, the columns that they stand in, protobuf, and zstd frames with a bound."""

import zstandard

import page

U64 = 1 << 64


class Damaged(Exception):
    """Bytes that do not decode as what they should be."""


class Cursor:
    """Reads numbers and bytes from the front of `data` on."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def number(self):
        value = 0
        for place in range(10):
            if self.at == len(self.data):
                raise Damaged("a number is wanted where the bytes have ended")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if value > U64 + 1:
                    raise Damaged(f"a number of {value} is above 2^64 + 1")
                return value
        raise Damaged("a number is longer than 10 bytes")

    def u64(self):
        """A number that stands for itself."""
        return whole(self.number())

    def take(self, length):
        if length > self.left():
            raise Damaged(f"{length} bytes are wanted where {self.left()} are left")
        taken = self.data[self.at:self.at + length]
        self.at += length
        return taken

    def finish(self, what):
        if self.left():
            raise Damaged(f"{self.left()} bytes are left in {what}")


class Column(Cursor):
    """A column of a block; one that is not there (None) is zeros without an end."""

    def __init__(self, data):
        super().__init__(b"" if data is None else data)
        self.is_there = data is not None

    def number(self):
        return super().number() if self.is_there else 0

    def take(self, length):
        return super().take(length) if self.is_there else bytes(length)

    def signed(self):
        return signed(self.u64())

    def optional(self):
        number = self.number()
        return None if number == 0 else whole(number - 1)

    def optional_signed(self):
        number = self.number()
        return None if number == 0 else signed(whole(number - 1))

    def count(self):
        """How many entries a list of an exchange has."""
        return listed(self.u64())


def listed(count):
    if count > page.LIST_MAX:
        raise Damaged(f"a list of {count} entries, where {page.LIST_MAX} may be")
    return count


def within_limit(table):
    """A table that may have one more entry."""
    if len(table) == page.TABLE_ENTRIES_MAX:
        raise Damaged(f"a table of a block has more than {page.TABLE_ENTRIES_MAX} entries")
    return table


def whole(number):
    if number >= U64:
        raise Damaged(f"{number} is more than 64 bits hold")
    return number


def signed(number):
    return number // 2 if number % 2 == 0 else -(number + 1) // 2


def wrapped(instant):
    """Section 1: differences are taken modulo 2^64."""
    return instant % U64


def unpacked(frame, bytes_max):
    """The content of one zstd frame."""
    content = bytearray()
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    # Small steps bound what one of them can grow to before it is measured.
    for at in range(0, len(frame), 1024):
        if reader.eof:
            break
        try:
            content += reader.decompress(frame[at:at + 1024])
        except zstandard.ZstdError as error:
            raise Damaged(f"the zstd frame does not decode: {error}") from error
        if len(content) > bytes_max:
            raise Damaged(f"the zstd frame holds more than {bytes_max} bytes")
    if not reader.eof:
        raise Damaged("the zstd frame ends early")
    return bytes(content)


def protobuf(data):
    """The fields of a protobuf message: (tag, value), where value is an integer or bytes."""
    cursor = Cursor(data)
    while cursor.left():
        key = cursor.u64()
        tag, kind = key >> 3, key & 7
        if not 0 < tag < 1 << 29:
            raise Damaged(f"protobuf has no field {tag}")
        if kind == 0:
            yield tag, cursor.u64()
        elif kind == 1:
            yield tag, int.from_bytes(cursor.take(8), "little")
        elif kind == 2:
            yield tag, cursor.take(cursor.u64())
        elif kind == 5:
            yield tag, int.from_bytes(cursor.take(4), "little")
        else:
            raise Damaged(f"protobuf wire type {kind} of field {tag} is none of proto3")


def protobuf_message(data, **tags):
    """The fields that `tags` names, as integers; missing ones are 0, unknown ones are skipped."""
    names = {tag: name for name, tag in tags.items()}
    message = dict.fromkeys(tags, 0)
    for tag, value in protobuf(data):
        if tag in names:
            if not isinstance(value, int):
                raise Damaged(f"protobuf field {tag} is bytes where a number is wanted")
            message[names[tag]] = value
    return message
