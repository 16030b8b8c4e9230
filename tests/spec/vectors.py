"""The vectors under vectors/: for each a session (NAME/00000001.reenact, …) and what it reads as (NAME.json).

    vectors.py     writes them all

What a session reads as is said here, from the events that were written and from what was done to the bytes, and not by
the decoder. Vectors whose name begins with `damage-` hold readings of section 12 of docs/SPEC.md.
"""

import dataclasses
import json
import pathlib
import zlib

import page
import samples
from write import Options, file_head, raw_frame, record, save, write

HERE = pathlib.Path(__file__).parent / "vectors"
GARBAGE = b"garbage " + page.MARKER + b" and more of it"


@dataclasses.dataclass
class Vector:
    name: str
    segments: list
    events: list
    columns: set = dataclasses.field(default_factory=set)
    forms: set = dataclasses.field(default_factory=set)


def written(name, events, **options):
    made = write(events, Options(**options))
    return Vector(name, made.segments, made.events, made.columns, made.forms)


def damage(at, length, exchanges, segment=0):
    return {"damage": {"segment": segment, "at": at, "len": length, "exchanges": exchanges}}


def flipped(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


def whole():
    named = [name for name in page.AMBIGUITIES.values() if name]
    return [
        written("plain", samples.plain(), summary=True, header={
            "listen": "127.0.0.1:80", "upstream": None, "client_keys": ["peer"], "sample_millionths": 1_000_000,
            "redaction": {"key_id": "k", "headers": ["cookie"], "keys": [], "patterns": [], "rules": []},
            "sealing": {}, "only": ["/"], "exclude": [], "history": [{"edit": "x"}], "features_required": []}),
        written("everything", samples.everything()),
        written("everything-references", samples.everything(), references=True, unknown=True, exchanges_per_block=2),
        written("extremes", samples.extremes()),
        written("references", samples.browsing(), references=True, exchanges_per_block=5),
        written("references-in-one-block", samples.browsing(), references=True, unknown=True),
        written("ambiguities", samples.ambiguities(named)),
        written("gaps", [samples.gap(reason, from_ns=1) for reason in sorted(page.GAP_REASONS)]),
        written("segments", samples.segments(), references=True, unknown=True),
        written("empty", []),
        written("empty-unfinished", [{"unfinished": 0}]),
    ]


def one_each():
    """Six exchanges in blocks of one, and where these blocks' records begin and end."""
    events = [samples.exchange(40 + turn, samples.get("/"), samples.answer(b"body %d" % turn)) for turn in range(6)]
    made = write(events, Options(exchanges_per_block=1))
    begins = [at for at, _ in made.records[0]]
    places = [(at, end) for (at, kind), end in zip(made.records[0], begins[1:]) if kind == page.BLOCK]
    return made.segments[0], made.events, places


def damaged():
    data, events, blocks = one_each()
    (second, third), (_, fourth) = blocks[1], blocks[2]
    size, end_at = len(data), blocks[-1][1]
    last = blocks[-1][0]
    yield Vector("damage-bit-in-a-payload", [flipped(data, third - 3)],
                 [events[0], damage(second, third - second, 1), *events[2:]])
    yield Vector("damage-bit-in-a-record-head", [flipped(data, second + 9)],
                 [events[0], damage(second, third - second, 1), *events[2:]])
    yield Vector("damage-two-neighbours", [flipped(flipped(data, second), third + 30)],
                 [events[0], damage(second, fourth - second, 2), *events[3:]])
    yield Vector("damage-bytes-missing", [data[:third - 5] + data[third:]], [
        events[0], damage(second, third - 5 - second, 1), *events[2:6], index_as_written(events)])
    yield Vector("damage-cut-tail", [data[:last + 40]],
                 [*events[:5], damage(last, 40, None), {"unfinished": 0}])
    yield Vector("cut-between-records", [data[:last]], [*events[:5], {"unfinished": 0}])
    yield Vector("damage-file-head", [flipped(data, 0)], [damage(0, 16, None), *events])
    yield Vector("damage-version", [flipped(data, 8)], [damage(0, 16, None), *events])
    yield Vector("damage-header", [flipped(data, 50)], [damage(16, blocks[0][0] - 16, None), *events])
    yield Vector("damage-garbage-between", [data[:second] + GARBAGE + data[second:]],
                 [events[0], damage(second, len(GARBAGE), 0), *events[1:]])
    yield Vector("damage-block-taken-away", [data[:second] + data[third:]],
                 [events[0], damage(second, 0, 1), *events[2:]])
    yield Vector("damage-behind-the-end", [data + GARBAGE], [*events, damage(size, len(GARBAGE), None)])
    yield Vector("damage-index", [flipped(data, end_at + 25)], [
        *events[:6], damage(end_at, data.index(page.MARKER, end_at + 4) - end_at, None)])
    yield from lost_lenders()
    yield rest_of_a_block()
    yield bytes_left_in_a_column()
    yield over_segments()


def index_as_written(events):
    """The index tells places in the file as it was written, whatever became of the file since."""
    return next(event for event in events if "index" in event)


def lost_lenders():
    """A block is lost whose body a later one borrowed, to damage of the file or of its content behind the checksum."""
    events = [samples.exchange(turn, samples.get("/"), samples.answer(body, status=b"200 OK"), at=1000 * turn)
              for turn, body in enumerate([samples.PAGE, samples.LOGO, samples.LOGO], 1)]
    for event in events:
        # A head that does not tell the length, since that of a lost body is nowhere in the block.
        event["exchange"]["response"]["head"] = samples.b64(b"HTTP/1.1 200 OK\r\n\r\n")
    made = write(events, Options(references=True, exchanges_per_block=1))
    data = made.segments[0]
    at, end = made.records[0][2][0], made.records[0][3][0]
    without = json.loads(json.dumps(made.events[2]))
    without["exchange"]["response"] |= {"body": "", "dropped": "damaged", "total_len": None}
    read = [made.events[0], damage(at, end - at, 1), without, *made.events[3:]]
    payload = data[at + page.RECORD_HEAD_BYTES:end]
    # Its only body is said to be longer by one byte than what there is of bodies.
    lengths = bytes([page.BODY_LENGTHS, 1, 2 * len(samples.LOGO) + 1])
    assert payload.count(lengths) == 1
    cut = record(page.BLOCK, payload.replace(lengths, lengths[:2] + bytes([lengths[2] + 2])))
    yield Vector("damage-lost-lender", [flipped(data, at + 60)], read)
    yield Vector("damage-lender-does-not-decode", [data[:at] + cut + data[end:]], read)


def rest_of_a_block():
    """A block whose checksums fit and whose third exchange has a protocol that nobody knows."""
    events = [samples.exchange(9 + turn, samples.get("/"), samples.answer(b"body %d" % turn)) for turn in range(4)]
    made = write(events)
    (at, _), (end, _) = made.records[0][1:3]
    payload = made.segments[0][at + page.RECORD_HEAD_BYTES:end]
    column = bytes([page.PROTOCOL, 4])
    assert payload.count(column + b"\2\2\2\2") == 1
    changed = record(page.BLOCK, payload.replace(column + b"\2\2\2\2", column + b"\2\2\x09\2"))
    return Vector("damage-rest-of-a-block", [made.segments[0][:at] + changed + made.segments[0][end:]],
                  [*made.events[:2], damage(at, end - at, 2), *made.events[4:]])


def bytes_left_in_a_column():
    """A column of numbers has one more than there are exchanges: all are told, and it is damage all the same."""
    made = write([samples.exchange(turn, samples.get("/"), None) for turn in range(4)])
    (at, _), (end, _) = made.records[0][1:3]
    payload = made.segments[0][at + page.RECORD_HEAD_BYTES:end]
    column = bytes([page.PROTOCOL, 4, 2, 2, 2, 2])
    assert payload.count(column) == 1
    # Behind what stands in front of the content, a frame's head of 9 bytes and a block's of 3.
    content = payload[44:].replace(column, bytes([page.PROTOCOL, 5, 2, 2, 2, 2, 2]))
    changed = record(page.BLOCK, len(content).to_bytes(4, "little") + payload[4:32] + raw_frame(content))
    return Vector("damage-bytes-left-in-a-column", [made.segments[0][:at] + changed + made.segments[0][end:]],
                  [*made.events[:4], damage(at, len(changed), 0), *made.events[4:]])


def over_segments():
    """The last block of a segment is lost; the next segment's first number tells how many exchanges it had."""
    events = [samples.exchange(seq, samples.get("/"), samples.answer(b"%d" % seq)) for seq in range(1, 6)]
    made = write([*events[:1], samples.gap("breaker"), *events[1:3], {"index": None}, *events[3:]])
    at, end = made.records[0][3][0], made.records[0][4][0]
    return Vector("damage-over-segments", [flipped(made.segments[0], end - 1), made.segments[1]],
                  [*made.events[:2], damage(at, end - at, 2), *made.events[4:]])


def refused():
    """What is no session to this version: name, bytes of its only segment, and what the message has to name."""
    data = write(samples.plain()).segments[0]
    asks = write(samples.plain(), Options(header={"features_required": ["encrypted_twice"]})).segments[0]
    newer = file_head(version=3) + data[page.FILE_HEAD_BYTES:]
    late = b"\0" * (page.FIRST_RECORD_WITHIN_BYTES + 1) + data[page.FILE_HEAD_BYTES:]
    assert zlib.crc32(newer[:12]) == int.from_bytes(newer[12:16], "little")
    return [("newer", newer, "version 3"), ("feature", asks, "encrypted_twice"), ("nothing", b"", "no session"),
            ("text", b"GET / HTTP/1.1\r\n\r\n" * 9, "no session"), ("late", late, "no session")]


def text(events):
    return "[" + ",".join("\n" + json.dumps(event, sort_keys=True) for event in events) + "\n]\n"


def vectors():
    return [*whole(), *damaged()]


if __name__ == "__main__":
    for vector in vectors():
        save(vector.segments, HERE / vector.name)
        (HERE / f"{vector.name}.json").write_text(text(vector.events))
