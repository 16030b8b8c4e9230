"""Decodes a session of reenact, from docs/SPEC.md alone, and prints its conformance JSON (section 15).

    session.py [--identity FILE] SESSION

SESSION is a directory of segments or one segment; FILE holds the age identities that open an encrypted one. Exit code
2: no session, a version of the format or a required feature that this does not know.
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
    if all(begin is None for begin in begins):
        raise Refused(f"{files[0][0]}: no session: neither a segment's head nor a record within "
                      f"{page.FIRST_RECORD_WITHIN_BYTES} bytes")
    losses = Losses()
    session_ids = {}
    for number, ((file, data), begin) in enumerate(zip(files, begins)):
        segment = Segment(number, losses)
        segment.read(file, data, len(data) if begin is None else begin, opener)
        if segment.header.get("session_id"):
            session_ids.setdefault(segment.header["session_id"], file)
    if len(session_ids) > 1:
        raise Refused("no session, but segments of several: " + ", ".join(
            f"{identifier} ({file})" for identifier, file in session_ids.items()))
    return losses.events


class Segment:
    """Reads one segment's records into `losses`."""

    def __init__(self, number, losses):
        self.header = {}
        self._number = number
        self._losses = losses
        self._opener = None
        self._is_encrypted = False
        self._has_end = False
        self._kept = {}

    def read(self, file, data, begin, opener):
        for part in parts(data, begin):
            if isinstance(part, Unreadable):
                self._losses.unreadable(self._number, part.at, part.end)
                continue
            try:
                if part.kind == page.HEADER and not part.is_encrypted and not self.header:
                    self._read_header(file, part.payload, opener)
                else:
                    self._read_record(part)
            except Damaged:
                self._losses.unreadable(self._number, part.at, part.end)
        if not self._has_end:
            self._losses.other({"unfinished": self._number})

    def _read_header(self, file, payload, opener):
        try:
            header = json.loads(payload)
        except ValueError as error:
            raise Damaged(f"the header is no JSON: {error}") from error
        if not isinstance(header, dict):
            raise Damaged("the header is no JSON object")
        features = header.get("features_required") or []
        if not isinstance(features, list):
            raise Damaged("the header's features_required is no array")
        for feature in features:
            if feature not in page.FEATURES:
                raise Refused(f"{file}: the feature {feature!r} is required, and unknown here")
        self.header = header
        if "encrypted" in features:
            if opener is None:
                raise Refused(f"{file}: the feature 'encrypted' is required: give --identity FILE to open it")
            self._opener = opener(file, header)
            self._is_encrypted = True

    def _read_record(self, record):
        payload = record.payload
        if record.is_encrypted != self._is_encrypted:
            raise Damaged("a record is encrypted where it may not be, or is not where it must be")
        if record.is_encrypted:
            missed, payload = self._opener.open(record.kind, record.at, payload)
            if missed:
                self._losses.missed(self._number, record.at)
        if record.kind == page.BLOCK:
            self._read_block(record, payload)
        elif record.kind == page.GAP:
            self._losses.gap(gap(payload))
        elif record.kind == page.INDEX:
            self._losses.other({"index": index(payload)})
        elif record.kind == page.END:
            if len(payload) != 24:
                raise Damaged("the end is not three u64")
            self._has_end = True

    def _read_block(self, record: Record, payload):
        block = Block(payload, self._kept)
        self._losses.block(self._number, record.at, block.first)
        told = 0
        try:
            for exchange in block.exchanges():
                self._losses.exchange(exchange)
                told += 1
        except Damaged:
            self._losses.block_content(self._number, record.at, record.end, block.count - told)
        if block.kept is not None:
            self._kept[record.at] = block.kept


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
    clients, blocks = [], []
    for tag, value in protobuf(unpacked(payload, page.PAYLOAD_BYTES_MAX)):
        if tag in (1, 2) and not isinstance(value, bytes):
            raise Damaged(f"field {tag} of the index is no message")
        if tag == 1:
            client = protobuf_message(value, source=1, identifier=2, first=3, last=4, exchanges=5)
            clients.append([named(page.SOURCES, client["source"], "source"), f"{client['identifier']:016x}",
                            client["first"], client["last"], client["exchanges"]])
        elif tag == 2:
            block = protobuf_message(value, offset=1, first=2, exchanges=3, earliest=4, latest=5)
            blocks.append(list(block.values()))
    return {"clients": clients, "blocks": blocks}


def main(arguments=None):
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--identity", metavar="FILE", help="age identities that open an encrypted session")
    usage.add_argument("session", metavar="SESSION")
    asked = usage.parse_args(arguments)
    try:
        keys = identities_of(pathlib.Path(asked.identity).read_text()) if asked.identity else None
        events = read(asked.session, opener_of(keys) if keys else None)
    except (Refused, Unopened, UnicodeDecodeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("[" + ",".join("\n" + json.dumps(event, sort_keys=True) for event in events) + "\n]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
