"""Decodes a session of reenact, from docs/SPEC.md alone, and prints its conformance JSON (section 15).

    session.py [--identity FILE] SESSION
    session.py [--identity FILE] --each DIRECTORY

SESSION is a directory of segments or one segment; FILE holds the age identities that open an encrypted one. Exit code
2: no session, a version of the format or a required feature that this does not know. With --each, every entry of
DIRECTORY is a session: an object is printed with the events of each by its name, or null where it is refused.
"""

import argparse
import json
import pathlib
import sys

import page
from age import Unopened, identities_of
from block import Block, named
from encoding import Damaged, protobuf, protobuf_message, unpacked
from encryption import opener_of
from losses import Losses
from segment import Record, Refused, Unreadable, first_record, parts


def files_of(session):
    path = pathlib.Path(session)
    if not path.is_dir():
        return [path]
    files = sorted((file for file in path.iterdir() if file.name.endswith(".reenact")),
                   key=lambda file: file.name.encode("utf-8", "surrogateescape"))
    if not files:
        raise Refused(f"{session}: no session: it has no file whose name ends in .reenact")
    return files


def read(session, opener=None):
    """The events of the session at a path. `opener(file, header)` makes what opens an encrypted segment."""
    return decode([(file, file.read_bytes()) for file in files_of(session)], opener)


def decode(files, opener=None):
    """The events of a session: (name, bytes) of each segment."""
    begins = [first_record(data, file) for file, data in files]
    if all(begin.is_begun_only for begin in begins):
        raise Refused(f"{files[0][0]}: no session: its segment is empty or was only begun")
    losses = Losses()
    latest = None
    for number, ((file, data), begin) in enumerate(zip(files, begins)):
        segment = Segment(number, losses, number == len(files) - 1)
        segment.read(file, data, begin, opener)
        if segment.header is None:
            continue
        session_id, place = segment.header.get("session_id", ""), segment.header.get("segment", 0)
        if latest and latest[0] != session_id:
            raise Refused(f"no session, but segments of several: {latest[0]} and {session_id} ({file})")
        if latest and place <= latest[1]:
            raise Refused(f"{file}: its segment has the number {place}, and one before it {latest[1]}")
        latest = session_id, place
    return losses.events


class Segment:
    """Reads one segment's records into `losses`."""

    def __init__(self, number, losses, is_last):
        # None where it is damaged or missing.
        self.header = None
        self._number = number
        self._losses = losses
        self._is_last = is_last
        self._opener = None
        self._has_end = False
        self._kept = {}

    def read(self, file, data, begin, opener):
        if begin.is_damaged:
            self._losses.head_of_file(self._number)
        is_first = True
        for part in parts(data, begin.at):
            if isinstance(part, Unreadable):
                self._losses.bad(self._number, part.at, part.end)
                continue
            try:
                if is_first and part.kind == page.HEADER and not part.is_encrypted:
                    is_first = False
                    self._read_header(file, part.payload, opener)
                else:
                    is_first &= part.kind not in page.KNOWN_KINDS and not part.is_encrypted
                    self._read_record(part)
            except Damaged:
                self._losses.bad(self._number, part.at, part.end)
        self._losses.end_of_segment(self._number, len(data), self._has_end, self._is_last)

    def _read_header(self, file, payload, opener):
        header = header_of(payload)
        for feature in header.get("features_required", []):
            if feature not in page.FEATURES:
                raise Refused(f"{file}: the feature {feature!r} is required, and unknown here")
        self.header = header
        if header.get("segment", 0) == 1:
            self._losses.first_segment()
        if "encrypted" in header.get("features_required", []):
            if opener is None:
                raise Refused(f"{file}: the feature 'encrypted' is required: give --identity FILE to open it")
            self._opener = opener(file, header)

    def _read_record(self, record):
        payload = record.payload
        if self._opener is None and record.is_encrypted:
            raise Damaged("a record is encrypted where none may be")
        if self._opener and not record.is_encrypted:
            if record.kind in page.KNOWN_KINDS and record.kind != page.HEADER:
                raise Damaged("a record is not encrypted where it must be")
            return
        if record.is_encrypted:
            missed, payload = self._opener.open(record.kind, record.at, payload)
            if missed:
                self._losses.missed(self._number, record.at)
        if record.kind == page.BLOCK:
            self._read_block(record, payload)
        elif record.kind == page.GAP:
            self._losses.gap(gap(payload))
        elif record.kind == page.INDEX:
            self._losses.index(self._number, record.at, index(payload))
        elif record.kind == page.END:
            if len(payload) != 24:
                raise Damaged("the end is not three u64")
            self._has_end = True
        elif record.kind in (page.HEADER, page.PRIVATE_HEADER):
            header_of(payload)

    def _read_block(self, record: Record, payload):
        block = Block(payload, self._kept)
        self._losses.block(self._number, record.at, block.first, block.count, block.latest)
        if block.kept:
            self._kept[block.first] = block.kept
        told = 0
        try:
            for exchange in block.exchanges():
                self._losses.exchange(exchange)
                told += 1
        except Damaged:
            self._losses.bad(self._number, record.at, record.end, block.count - told)


def header_of(payload):
    """A header whose fields are of the types that section 4 gives them."""
    try:
        header = json.loads(payload)
    except ValueError as error:
        raise Damaged(f"a header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise Damaged("a header is no JSON object")
    for name, is_right in HEADER_TYPES.items():
        if name in header and not is_right(header[name]):
            raise Damaged(f"the header's {name} is {header[name]!r}")
    return header


def is_text(value):
    return isinstance(value, str)


def is_number(value, most=page.U64_MAX):
    return type(value) is int and 0 <= value <= most


def is_list(of):
    return lambda value: isinstance(value, list) and all(map(of, value))


def or_null(of):
    return lambda value: value is None or of(value)


def is_object(value):
    return isinstance(value, dict)


HEADER_TYPES = {
    "session_id": is_text, "segment": is_number, "created_by": is_text, "started_unix_ns": is_number,
    "listen": or_null(is_text), "upstream": or_null(is_text), "redaction": or_null(is_object),
    "sealing": or_null(is_object), "client_keys": is_list(is_text),
    "sample_millionths": or_null(lambda value: is_number(value, page.U32_MAX)), "only": is_list(is_text),
    "exclude": is_list(is_text), "history": is_list(is_object), "connections_of": or_null(is_text),
    "encryption": or_null(is_object), "features_required": is_list(is_text)}


def gap(payload):
    values = protobuf_message(payload, from_ns=2, to_ns=3, connections=4, exchanges=5, bytes=6)
    reasons = [value for tag, value in protobuf(payload) if tag == 1]
    reason = reasons[-1] if reasons else b""
    if not isinstance(reason, bytes):
        raise Damaged("a gap's reason is no string")
    try:
        reason = reason.decode()
    except UnicodeDecodeError as error:
        raise Damaged(f"a gap's reason is no UTF-8: {error}") from error
    return {"reason": reason if reason in page.GAP_REASONS else "other", **values}


def index(payload):
    clients, blocks = {}, []
    for tag, value in protobuf(unpacked(payload, page.PAYLOAD_BYTES_MAX)):
        if tag in (1, 2) and not isinstance(value, bytes):
            raise Damaged(f"field {tag} of the index is no message")
        if tag == 1:
            client = protobuf_message(value, source=1, identifier=2, first=3, last=4, exchanges=5)
            source = client["source"] & page.U32_MAX
            clients[source, client["identifier"]] = [
                named(page.SOURCES, source, "source"), f"{client['identifier']:016x}", client["first"], client["last"],
                client["exchanges"]]
        elif tag == 2:
            block = protobuf_message(value, offset=1, first=2, exchanges=3, earliest=4, latest=5)
            blocks.append(list(block.values()))
    return {"clients": [clients[key] for key in sorted(clients)], "blocks": blocks}


def events_or_none(session, opener):
    try:
        return read(session, opener)
    except (Refused, Unopened):
        return None


def main(arguments=None):
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--identity", metavar="FILE", help="age identities that open an encrypted session")
    usage.add_argument("--each", action="store_true", help="read every session of a directory")
    usage.add_argument("session", metavar="SESSION")
    asked = usage.parse_args(arguments)
    try:
        keys = identities_of(pathlib.Path(asked.identity).read_text()) if asked.identity else None
        opener = opener_of(keys) if keys else None
        if asked.each:
            print(json.dumps({path.name: events_or_none(path, opener) for path in pathlib.Path(asked.session).iterdir()}))
            return 0
        events = read(asked.session, opener)
    except (Refused, Unopened, UnicodeDecodeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("[" + ",".join("\n" + json.dumps(event, sort_keys=True) for event in events) + "\n]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
