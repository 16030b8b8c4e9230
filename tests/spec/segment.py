"""Sections 2, 3 and 12 of docs/SPEC.md: a segment's bytes to its records and the places that cannot be read."""

import dataclasses
import zlib

import page


class Refused(Exception):
    """What this decoder does not read at all: no session, another version, a feature that it does not know."""


@dataclasses.dataclass
class Record:
    at: int
    end: int
    kind: int
    is_encrypted: bool
    payload: bytes


@dataclasses.dataclass
class Unreadable:
    at: int
    end: int


def u32(data, at):
    return int.from_bytes(data[at:at + 4], "little")


def record_head(data, at):
    """(kind, flags, length, checksum of the payload) where a record's head fits at `at`, else None."""
    head = data[at:at + page.RECORD_HEAD_BYTES]
    if len(head) < page.RECORD_HEAD_BYTES or head[:4] != page.MARKER or zlib.crc32(head[:16]) != u32(head, 16):
        return None
    kind, flags, length = head[4], head[5], u32(head, 8)
    # A flag without a meaning yet may change what the payload is.
    if flags & ~page.ENCRYPTED or head[6:8] != b"\0\0" or length > page.PAYLOAD_BYTES_MAX:
        return None
    return kind, flags, length, u32(head, 12)


def next_record_head(data, at):
    """The first place from `at` on where a record's head fits; the end of the data if there is none."""
    while True:
        at = data.find(page.MARKER, at)
        if at < 0:
            return len(data)
        if record_head(data, at):
            return at
        at += 1


@dataclasses.dataclass
class Begin:
    """Where a file's records begin."""
    at: int
    is_damaged: bool = False
    # So far a segment, and shorter than its head.
    is_begun_only: bool = False


def first_record(data, name):
    head = data[:page.FILE_HEAD_BYTES]
    if len(head) == page.FILE_HEAD_BYTES and zlib.crc32(head[:12]) == u32(head, 12) and head[:8] == page.FILE_MAGIC:
        version = u32(head, 8)
        if version != page.VERSION:
            raise Refused(f"{name}: version {version} of the format is unknown, this reads version {page.VERSION}")
        return Begin(page.FILE_HEAD_BYTES)
    right = page.FILE_MAGIC + page.VERSION.to_bytes(4, "little")
    right += zlib.crc32(right).to_bytes(4, "little")
    if len(head) < page.FILE_HEAD_BYTES and right.startswith(head):
        return Begin(len(head), is_begun_only=True)
    at = next_record_head(data, 0)
    if at == len(data) or at > page.FIRST_RECORD_WITHIN_BYTES:
        raise Refused(f"{name}: no session: neither a segment's head nor a record within "
                      f"{page.FIRST_RECORD_WITHIN_BYTES} bytes")
    return Begin(at, is_damaged=True)


def parts(data, begin):
    """Yields the records and unreadable places from `begin` on."""
    at, bad_from = begin, None
    while at < len(data):
        head = record_head(data, at)
        if head:
            kind, flags, length, checksum = head
            end = at + page.RECORD_HEAD_BYTES + length
            payload = data[at + page.RECORD_HEAD_BYTES:end]
            if len(payload) == length and zlib.crc32(payload) == checksum:
                if bad_from is not None:
                    yield Unreadable(bad_from, at)
                    bad_from = None
                yield Record(at, end, kind, bool(flags & page.ENCRYPTED), payload)
                at = end
                continue
        bad_from = at if bad_from is None else bad_from
        # The length of a record whose payload does not fit may be right and its bytes lost: search behind its head.
        at = next_record_head(data, at + 1)
    if bad_from is not None:
        yield Unreadable(bad_from, len(data))
