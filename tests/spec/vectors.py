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
from write import Options, file_head, missing, raw_frame, record, save, write
from write_block import varint

HERE = pathlib.Path(__file__).parent / "vectors"
# Opens the encrypted vectors. KEY_FILE was made once with rage (PyPI's pyrage 1.4.0): 32 bytes from 0 to 31 for two
# recipients, the second of which is IDENTITY.
IDENTITY = "AGE-SECRET-KEY-1PQ4FCU20H7RGZ37TTEMMWLZ0JWX3Z24RTUHJVQGNR6YR7RGKMMCST32MM9"
KEY_FILE = bytes.fromhex(
    "6167652d656e6372797074696f6e2e6f72672f76310a2d3e2058323535313920323563416437654431356350746243313845636b38615748"
    "6d59594a35585452744549766a386c68617a670a664166434573465a49323537482b696f7473435666384b5a77646c79544c31636b745a6d"
    "504358772b68380a2d3e2058323535313920442b4a423869556464436d616775414a52546f5a6f3747616e436c484b31647458635057514e"
    "36744f48770a44552f4a2f7447485979376e694f454e554f6f4a70616a44582b52596347734a336f656e76655958346f490a2d3e20574225"
    "53492d67726561736520315c207964515020765f202c0a2f4c4c736c58424e374a48455337535874415a72542b7a4d6874527a3655725245"
    "69624447676a716b67713262505a766c637a3666526369566e62323673436e0a616476635a53723532694d4a4a6b6a487a437034354c6535"
    "67744859796c3857647a57445a466d6e6a5a624d786d5569456732676e4531726453556e43435a770a6c4156350a2d2d2d2036794731726a"
    "4e5572474c34692b7852506955765736516f4473796b3234527a694638566f394f377679340a75e6ff9cf4d32cef779e77081dde33322f6f"
    "e1d3eab5d781acc35f284d736e8a49a46e9ed9fd43e18f3c4de21d758c7e236d4c30a4da25926471f6fc7719895e")
SEGMENT_KEY = bytes(range(32))
ENCRYPTED = {"segment_key": SEGMENT_KEY, "key_file": KEY_FILE}
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
            "sealing": {"version": 1, "key": "k"}, "only": ["/"], "exclude": [],
            "history": [{"session_id": "1", "by": "edit", "sources": []}], "connections_of": None,
            "features_required": []}),
        written("everything", samples.everything()),
        written("everything-references", samples.everything(), references=True, unknown=True, exchanges_per_block=2),
        written("extremes", samples.extremes()),
        written("references", samples.browsing(), references=True, exchanges_per_block=5),
        written("references-in-one-block", samples.browsing(), references=True, unknown=True),
        written("body-templates", samples.numbered(), body_templates=True),
        written("body-templates-references", samples.numbered(), body_templates=True, references=True, unknown=True,
                exchanges_per_block=3),
        written("ambiguities", samples.ambiguities(named)),
        written("gaps", [samples.gap(reason, from_ns=1) for reason in sorted(page.GAP_REASONS)]),
        written("segments", samples.segments(), references=True, unknown=True),
        written("encrypted", samples.segments(), references=True, unknown=True, exchanges_per_block=1, **ENCRYPTED),
        written("encrypted-from-0", samples.from_0(), references=True, summary=True, **ENCRYPTED),
        written("from-0", samples.from_0()),
        written("empty", []),
        written("empty-unfinished", [{"unfinished": 0}]),
    ]


def encrypted_damage():
    """Records of an encrypted segment that are gone, repeated, or changed with checksums that fit."""
    events = [samples.exchange(turn, samples.get("/"), samples.answer(b"body %d" % turn)) for turn in range(6)]
    made = write(events, Options(exchanges_per_block=1, **ENCRYPTED))
    data, events = made.segments[0], made.events
    begins = [at for at, _ in made.records[0]]
    blocks = [(at, end) for (at, kind), end in zip(made.records[0], begins[1:]) if kind == page.BLOCK]
    (second, third), (_, fourth) = blocks[1], blocks[2]
    yield Vector("damage-encrypted-gone", [data[:second] + data[third:]],
                 [events[0], damage(second, 0, 1), *events[2:]])
    yield Vector("damage-encrypted-repeated", [data[:third] + data[second:]],
                 [*events[:2], damage(third, third - second, 0), *events[2:]])
    yield Vector("damage-encrypted-byte-gone", [data[:second + 30] + data[second + 31:]],
                 [events[0], damage(second, third - second - 1, 1), *events[2:]])
    payload = data[second + page.RECORD_HEAD_BYTES:third]
    changed = record(page.BLOCK, flipped(payload, 20), page.ENCRYPTED)
    yield Vector("damage-encrypted-forged", [data[:second] + changed + data[third:]],
                 [events[0], damage(second, third - second, 1), *events[2:]])
    stripped = record(page.BLOCK, payload)
    yield Vector("damage-encrypted-plain", [data[:second] + stripped + record(page.HEADER, b"{}") + data[third:]],
                 [events[0], damage(second, third - second, 1), *events[2:]])
    yield Vector("damage-encrypted-private-header-gone", [data[:begins[1]] + data[begins[2]:]],
                 [damage(begins[1], 0, 0), *events])


def index_tells():
    """What stands behind the last block that is there is told by the index."""
    data, events, blocks = one_each(0)
    (at, end), (before, _) = blocks[-1], blocks[-2]
    yield Vector("damage-index-tells", [flipped(data, at + 30)], [*events[:5], damage(at, end - at, 1), *events[6:]])
    yield Vector("damage-index-misses", [data[:before] + data[end:]], [*events[:4], damage(before, 0, 2), *events[6:]])


def several():
    """Damages that stand apart with nothing but a gap between them, and what a gap hides."""
    events = [samples.exchange(turn, samples.get("/"), samples.answer(b"body %d" % turn)) for turn in range(4)]
    gap = samples.gap("breaker")
    made = write([*events[:2], gap, *events[2:]], Options(exchanges_per_block=1))
    data, events = made.segments[0], made.events
    begins = [at for at, _ in made.records[0]]
    assert [kind for _, kind in made.records[0]][1:6] == [2, 2, 3, 2, 2]
    both = flipped(flipped(data, begins[3] - 2), begins[5] - 2)
    yield Vector("damage-several-and-missing", [both], [
        events[0], events[2], damage(begins[2], begins[3] - begins[2], None),
        damage(begins[4], begins[5] - begins[4], None), *events[4:]])
    apart = data[:begins[3]] + GARBAGE + data[begins[3]:begins[4]] + GARBAGE + data[begins[4]:]
    yield Vector("damage-several-and-nothing-missing", [apart], [
        *events[:2], events[2], damage(begins[3], len(GARBAGE), 0),
        damage(begins[4] + len(GARBAGE), len(GARBAGE), 0), *events[3:]])


def one_each(first=40):
    """Six exchanges in blocks of one, and where these blocks' records begin and end."""
    events = [samples.exchange(first + turn, samples.get("/"), samples.answer(b"body %d" % turn)) for turn in range(6)]
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
                 [*events[:5], damage(last, 40, None), {"unfinished": 0}, missing(events[:5], bytes=40)])
    yield Vector("cut-between-records", [data[:last]], [*events[:5], {"unfinished": 0}, missing(events[:5])])
    yield from unfinished()
    yield Vector("damage-file-head", [flipped(data, 0)], [damage(0, 16, 0), *events])
    yield Vector("damage-version", [flipped(data, 8)], [damage(0, 16, 0), *events])
    yield Vector("damage-header", [flipped(data, 50)], [damage(16, blocks[0][0] - 16, None), *events])
    yield Vector("damage-garbage-between", [data[:second] + GARBAGE + data[second:]],
                 [events[0], damage(second, len(GARBAGE), 0), *events[1:]])
    yield Vector("damage-block-taken-away", [data[:second] + data[third:]],
                 [events[0], damage(second, 0, 1), *events[2:]])
    yield Vector("damage-behind-the-end", [data + GARBAGE], [*events, damage(size, len(GARBAGE), None)])
    yield Vector("damage-index", [flipped(data, end_at + 25)], [
        *events[:6], damage(end_at, data.index(page.MARKER, end_at + 4) - end_at, None)])
    yield from encrypted_damage()
    yield from index_tells()
    yield from several()
    yield from lost_lenders()
    yield from body_templates()
    yield rest_of_a_block()
    yield bytes_left_in_a_column()
    yield over_segments()


def unfinished():
    """Segments without an end: what nobody wrote down is told behind the last one only, and once."""
    first, second = samples.segments()[:2], samples.segments()[3:5]
    failed = write([*first, {"unfinished": 0}, *second])
    yield Vector("unfinished-and-gone-on", failed.segments, failed.events)
    # A segment that had just begun when its writer was killed: the latest instant is that of the one before.
    begun = write([*first, {"index": None}, {"unfinished": 1}])
    yield Vector("unfinished-begun", [begun.segments[0], begun.segments[1][:50]],
                 [*begun.events[:3], damage(16, 34, None, segment=1), {"unfinished": 1},
                  missing(begun.events, bytes=34)])
    # A block in front of the cut is damaged, too, and touches it not: it is told by itself, with nothing known.
    events = [samples.exchange(turn, samples.get("/"), None, at=100 * turn) for turn in range(4)]
    made = write([*events[:3], samples.gap("breaker", from_ns=5, to_ns=5000), events[3], {"unfinished": 0}],
                 Options(exchanges_per_block=1))
    blocks = [(at, end) for (at, kind), (end, _) in zip(made.records[0], made.records[0][1:]) if kind == page.BLOCK]
    (at, end), last = blocks[2], made.records[0][-1][0]
    yield Vector("unfinished-after-damage", [flipped(made.segments[0], end - 1)[:last + 30]],
                 [*made.events[:2], made.events[3], damage(at, end - at, None), damage(last, 30, None), {"unfinished": 0},
                  missing(made.events[:4], bytes=30)])


def index_as_written(events):
    """The index tells places in the file as it was written, whatever became of the file since."""
    return next(event for event in events if "index" in event)


def lost_lenders():
    """A block is lost whose body a later one borrowed, to damage of the file or of its content behind the checksum."""
    events = [samples.exchange(turn, samples.get("/"), samples.answer(body, status=b"200 OK"), at=1000 * turn)
              for turn, body in enumerate([samples.PAGE, samples.LOGO, samples.LOGO], 1)]
    made = write(events, Options(references=True, exchanges_per_block=1))
    data = made.segments[0]
    at, end = made.records[0][2][0], made.records[0][3][0]
    without = json.loads(json.dumps(made.events[2]))
    without["exchange"]["response"] |= {"body": "", "dropped": "damaged"}
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


def body_templates():
    """Blocks whose bodies cannot be put together: none of their exchanges is told."""
    events = [samples.exchange(turn, samples.get("/"), samples.answer(b'{"n":%d}' % (10 + turn))) for turn in range(4)]
    made = write(events, Options(body_templates=True))
    (at, _), (end, _) = made.records[0][1:3]
    payload = made.segments[0][at + page.RECORD_HEAD_BYTES:end]
    content = payload[44:]
    lengths, templates = bytes([page.BODY_LENGTHS, 4]), bytes([page.BODY_TEMPLATES, 4])
    values = varint(page.VALUES + 1) + b"\x12\4\1\1\1\1\4\2\2\2\2"
    body = b"\5" + b'{"n":' + b"\3\1}\0"
    assert all(content.count(part) == 1 for part in (lengths + b"\x10" * 4, templates + b"\2" * 4, values, body))

    def vector(name, old, new, frame=raw_frame):
        changed = content.replace(old, new)
        changed = record(page.BLOCK, len(changed).to_bytes(4, "little") + payload[4:32] + frame(changed))
        return Vector(f"damage-body-template-{name}", [made.segments[0][:at] + changed + made.segments[0][end:]],
                      [damage(at, len(changed), 4), *made.events[4:]])

    yield vector("unknown", templates + b"\2\2\2\2", templates + b"\2\2\2\3")
    yield vector("missing", templates + b"\2\2\2\2", bytes([page.BODY_TEMPLATES, 3]) + b"\2\2\2")
    yield vector("longer", lengths + b"\x10" * 4, lengths + b"\x10\x10\x10\x0e")
    yield vector("shorter", lengths + b"\x10" * 4, lengths + b"\x10\x10\x10\x12")
    yield vector("ended", lengths + b"\x10" * 4 + templates + b"\2\2\2\2",
                 lengths + b"\x10\x10\x10\x12" + bytes([page.BODY_TEMPLATES, 5]) + b"\2\2\2\2\0")
    yield vector("without-value", values, varint(page.VALUES + 1) + b"\x11\3\1\1\1\4\2\2\2\2")
    yield vector("before-none", values, varint(page.VALUES + 1) + b"\x12\4\0\1\1\1\4\2\2\2\2")
    yield vector("length-hole", body, b"\5" + b'{"n":' + b"\1\1}\0")
    yield too_long_together()


def too_long_together():
    """Bodies of 1 MiB each by one template, which is stored once: one more than a block may have."""
    made = write([samples.exchange(0, samples.get("/"), None)], Options(body_templates=True))
    (at, _), (end, _) = made.records[0][1:3]
    payload = made.segments[0][at + page.RECORD_HEAD_BYTES:end]
    content, count, size = payload[44:], (page.BODIES_BYTES_MAX >> 20) + 1, 1 << 20
    begin = content.index(bytes([page.TEMPLATES]), content.index(bytes([page.CONNECTIONS, 1])))
    length = content[begin + 1]
    assert content[begin + 2:begin + 2 + length] == b"\0\2\0\0", "one template of one hole"
    behind = content[begin + 2 + length:]
    lengths = varint(2 * size) * count
    before = content[:begin] + bytes([page.TEMPLATES]) + varint(4 + 3 + size + 1) + b"\0\2\0\0" + varint(size)
    behind = b"\0" + bytes([page.BODY_LENGTHS]) + varint(len(lengths)) + lengths + bytes([page.BODY_TEMPLATES]) \
        + varint(count) + b"\2" * count + behind
    # A frame of three parts: blocks of type 1 are one byte, so many times (RFC 8878, 3.1.1.2).
    frame = b"\x28\xb5\x2f\xfd\xa0" + (len(before) + size + len(behind)).to_bytes(4, "little")
    frame += (len(before) << 3).to_bytes(3, "little") + before
    frame += ((128 << 10) << 3 | 1 << 1).to_bytes(3, "little").join([b"", *[b"a"] * (size >> 17)])
    frame += (len(behind) << 3 | 1).to_bytes(3, "little") + behind
    changed = record(page.BLOCK, (len(before) + size + len(behind)).to_bytes(4, "little") + payload[4:32] + frame)
    return Vector("damage-body-template-too-long-together",
                  [made.segments[0][:at] + changed + made.segments[0][end:]],
                  [damage(at, len(changed), 1), *made.events[1:]])


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
    (HERE / "identity.txt").write_text(f"{IDENTITY}\n")
