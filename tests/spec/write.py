"""Writes a session from conformance JSON, from docs/SPEC.md alone: the simplest, or with every form of reference.

    write.py [--references] [--body-templates] [--unknown] [--summary] [--exchanges-per-block N] EVENTS.json DIRECTORY

An `index` event closes a segment, and its content is what the segment's exchanges make it; `unfinished` leaves it open. What
a reader tells behind the last segment (section 7, "What no record says") is not written.
What is written depends on the arguments only: zstd frames are made by hand, of blocks that are not compressed.
"""

import argparse
import base64
import dataclasses
import json
import pathlib
import sys
import zlib

import page
from encryption import Chain
from write_block import BlockWriter, latest_instant, number_of, reversed_names, varint

ORIGIN_UNIX_NS = 1_800_000_000_000_000_000
BLOCK_OF_ZSTD_BYTES = 128 << 10


def raw_frame(content):
    """A zstd frame of blocks that are not compressed (RFC 8878, 3.1.1): the same for every version of zstd."""
    frame = bytearray(b"\x28\xb5\x2f\xfd\xa0" + len(content).to_bytes(4, "little"))
    for at in range(0, max(len(content), 1), BLOCK_OF_ZSTD_BYTES):
        block = content[at:at + BLOCK_OF_ZSTD_BYTES]
        is_last = at + BLOCK_OF_ZSTD_BYTES >= len(content)
        frame += (len(block) << 3 | is_last).to_bytes(3, "little") + block
    return bytes(frame)


@dataclasses.dataclass
class Options:
    # Refer to what stands in the block or segment already, in every form that there is, instead of telling it anew.
    references: bool = False
    # Add records, columns and fields that no reader knows.
    unknown: bool = False
    # Add a summary record; it is empty, since the page does not tell its fields.
    summary: bool = False
    # Store bodies with digits in them by templates.
    body_templates: bool = False
    exchanges_per_block: int = 1 << 32
    frame: object = raw_frame
    header: dict = dataclasses.field(default_factory=dict)
    # Encrypts: the segment key (the same for all segments here), and the age file that holds it.
    segment_key: bytes = None
    key_file: bytes = None


def record(kind, payload, flags=0):
    head = page.MARKER + bytes([kind, flags, 0, 0]) + len(payload).to_bytes(4, "little")
    head += zlib.crc32(payload).to_bytes(4, "little")
    return head + zlib.crc32(head).to_bytes(4, "little") + payload


def json_of(header):
    return json.dumps(header, sort_keys=True).encode()


def file_head(version=page.VERSION):
    head = page.FILE_MAGIC + version.to_bytes(4, "little")
    return head + zlib.crc32(head).to_bytes(4, "little")


def field(tag, value, fixed=0):
    """A protobuf field: bytes, a varint, or a fixed integer of so many bytes; a default is left out."""
    if not value:
        return b""
    if isinstance(value, bytes):
        return varint(tag << 3 | 2) + varint(len(value)) + value
    if fixed:
        return varint(tag << 3 | {8: 1, 4: 5}[fixed]) + value.to_bytes(fixed, "little")
    return varint(tag << 3) + varint(value)


class SegmentWriter:
    def __init__(self, number, options):
        self._options = options
        self._data = bytearray(file_head())
        self._exchanges = []
        self._clients = {}
        self._blocks = []
        self._kept = {}
        self.columns, self.forms = set(), set()
        # Where each record begins, with its kind: what tests damage.
        self.records = []
        header = {"session_id": "00c0ffee00c0ffee", "created_by": "tests/spec/write.py", "segment": number,
                  "started_unix_ns": ORIGIN_UNIX_NS, **options.header}
        features = ["body_templates"] if options.body_templates else []
        if features:
            header["features_required"] = features
        if options.unknown:
            header["of_tomorrow"] = {"deep": [1]}
        self._chain, self._sealed = None, 0
        if options.segment_key is None:
            self._record(page.HEADER, json_of(header))
        else:
            public = {name: header[name] for name in ("session_id", "created_by", "segment")}
            public |= {"features_required": ["encrypted", *features],
                       "encryption": {"version": 1, "key": base64.b64encode(options.key_file).decode()}}
            self._record(page.HEADER, json_of(public))
            self._chain = Chain(options.segment_key, header["session_id"], number)
            self._record(page.PRIVATE_HEADER, json_of({**header, **public}))

    def exchange(self, exchange):
        is_next = not self._exchanges or exchange["seq"] == self._exchanges[-1]["seq"] + 1
        if not is_next or len(self._exchanges) == self._options.exchanges_per_block:
            self._write_block()
        self._exchanges.append(exchange)

    def gap(self, gap):
        self._write_block()
        reason = gap["reason"]
        if reason not in page.GAP_REASONS:
            reason = "reason_of_tomorrow"
        payload = field(1, reason.encode())
        for tag, name in enumerate(["from_ns", "to_ns", "connections", "exchanges", "bytes"], 2):
            payload += field(tag, gap[name])
        self._record(page.GAP, payload + (field(15, 7) + field(16, b"new") if self._options.unknown else b""))

    def unfinished(self):
        self._write_block()
        return bytes(self._data)

    def close(self, is_last):
        """The segment's bytes, and its index as the conformance JSON has it."""
        self._write_block()
        index_at, summary_at = self._record(page.INDEX, self._options.frame(self._index())), 0
        if self._options.summary:
            summary_at = self._record(page.SUMMARY, self._options.frame(b""))
        self._record(page.END, b"".join(value.to_bytes(8, "little") for value in (index_at, summary_at, is_last)))
        numbers = reversed_names(page.SOURCES)
        clients = [[*client, row["first"], row["last"], row["exchanges"]] for client, row in sorted(
            self._clients.items(), key=lambda item: (numbers[item[0][0]], item[0][1]))]
        return bytes(self._data), {"clients": clients, "blocks": self._blocks}

    def _record(self, kind, payload):
        """Where the record begins."""
        if self._options.unknown and self.records:
            self._append(200, b"a record of tomorrow")
        return self._append(kind, payload)

    def _append(self, kind, payload):
        at, flags = len(self._data), 0
        if self._chain:
            payload, flags = self._chain.seal(self._sealed, kind, payload), page.ENCRYPTED
            self._sealed += 1
        self.records.append((at, kind))
        self._data += record(kind, payload, flags)
        return at

    def _write_block(self):
        if not self._exchanges:
            return
        earliest = min(exchange["instants"]["request_start"] for exchange in self._exchanges)
        latest = max(latest_instant(exchange) for exchange in self._exchanges)
        block = BlockWriter(earliest, self._kept, self._options)
        for exchange in self._exchanges:
            block.exchange(exchange)
            self._count(exchange)
        content = block.content()
        self.columns |= block.columns_used
        self.forms |= block.forms
        first, count = self._exchanges[0]["seq"], len(self._exchanges)
        prefix = b"".join(value.to_bytes(size, "little") for value, size in (
            (len(content), 4), (count, 4), (first, 8), (earliest, 8), (latest, 8)))
        at = self._record(page.BLOCK, prefix + self._options.frame(content))
        for which, body in enumerate(block.kept):
            self._kept.setdefault(body, (at, first, which, len(body)))
        self._blocks.append([at, first, count, earliest, latest])
        self._exchanges = []

    def _count(self, exchange):
        start, block = exchange["instants"]["request_start"], len(self._blocks)
        row = self._clients.setdefault((exchange["client"]["source"], exchange["client"]["id"]), {
            "first": start, "last": start, "exchanges": 0, "pause": 0, "first_block": block, "last_block": block})
        row["pause"] = max(row["pause"], start - row["last"])
        row["first"], row["last"] = min(row["first"], start), max(row["last"], start)
        row["exchanges"] += 1
        row["last_block"] = block

    def _index(self):
        index = b""
        for (source, identifier), row in self._clients.items():
            client = field(1, number_of(reversed_names(page.SOURCES), source)) + field(2, int(identifier, 16), 8)
            client += b"".join(field(tag, row[name]) for tag, name in (
                (3, "first"), (4, "last"), (5, "exchanges"), (6, "pause"), (11, "first_block"), (12, "last_block")))
            # User-Agents and forwarded addresses are not counted: nobody looks at them here.
            index += field(1, client + (field(31, 1) if self._options.unknown else b""))
        for block in self._blocks:
            index += field(2, b"".join(field(tag, value) for tag, value in enumerate(block, 1)))
        return index + (field(31, b"new") if self._options.unknown else b"")


@dataclasses.dataclass
class Written:
    # Each segment's bytes, and where its records begin with their kinds.
    segments: list
    records: list
    # What a decoder makes of it.
    events: list
    # The columns and the forms of reference in it.
    columns: set
    forms: set


def missing(events, bytes=0):
    """What a reader tells where the last segment of these has no end."""
    known = [latest_instant(event["exchange"]) for event in events if "exchange" in event]
    known += [event["gap"]["to_ns"] for event in events if "gap" in event]
    latest = max(known, default=0)
    return {"gap": {"reason": page.UNFINISHED, "from_ns": latest, "to_ns": latest, "connections": 0, "exchanges": 0,
                    "bytes": bytes}}


def write(events, options=Options()):
    written = Written([], [], [], set(), set())
    if len(events) > 1 and "unfinished" in events[-2]:
        events = events[:-1]
    ends = [place for place, event in enumerate(events) if {"index", "unfinished"} & set(event)]
    if not ends or ends[-1] != len(events) - 1:
        events = [*events, {"index": None}]
        ends.append(len(events) - 1)
    segment, before = None, segments_before(events)
    for place, event in enumerate(events):
        if segment is None:
            segment = SegmentWriter(before + len(written.segments) + 1, options)
        kind, value = next(iter(event.items()))
        if kind == "exchange":
            segment.exchange(value)
        elif kind == "gap":
            segment.gap(value)
        elif kind == "index":
            data, index = segment.close(is_last=place == ends[-1])
            event = {"index": index}
        elif kind == "unfinished":
            data = segment.unfinished()
            event = {"unfinished": len(written.segments)}
        else:
            raise ValueError(f"a {kind} cannot be written")
        written.events.append(event)
        if place in ends:
            written.segments.append(data)
            written.records.append(segment.records)
            written.columns |= segment.columns
            written.forms |= segment.forms
            segment = None
    if "unfinished" in written.events[-1]:
        written.events.append(missing(written.events))
    return written


def segments_before(events):
    """How many segments stood before the first: one where numbers do not begin with 0, which was deleted since."""
    seqs = [event["exchange"]["seq"] for event in events if "exchange" in event]
    return int(bool(seqs and seqs[0]))


def save(segments, directory):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(segments, 1):
        (directory / f"{number:08}.reenact").write_bytes(data)


def main():
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--references", "--body-templates", "--unknown", "--summary"):
        usage.add_argument(name, action="store_true")
    usage.add_argument("--exchanges-per-block", type=int, default=1 << 32, metavar="N")
    usage.add_argument("events", metavar="EVENTS.json")
    usage.add_argument("directory", metavar="DIRECTORY")
    asked = usage.parse_args()
    try:
        events = json.loads(pathlib.Path(asked.events).read_text())
        options = Options(references=asked.references, unknown=asked.unknown, summary=asked.summary,
                          body_templates=asked.body_templates, exchanges_per_block=asked.exchanges_per_block)
        save(write(events, options).segments, asked.directory)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"error: {asked.events}: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
