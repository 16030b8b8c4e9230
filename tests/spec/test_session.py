"""The decoder against the encoder, both written from docs/SPEC.md alone, and against damage.

    python3 -m unittest discover -s tests/spec
"""

import contextlib
import io
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import zstandard

import example
import page
import samples
import segment
import session
import vectors
from encoding import Column, Cursor, Damaged, U64, signed, unpacked
from write import Options, missing, raw_frame, record, save, write
from write_block import varint, zigzag

HERE = pathlib.Path(__file__).parent


class Directory(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def read(self, *segments):
        return session.decode([(f"segment {place}", data) for place, data in enumerate(segments)])

    def run_decoder(self, *arguments):
        return subprocess.run([sys.executable, "-B", HERE / "session.py", *arguments], capture_output=True, text=True,
                              check=False)


class Vectors(Directory):
    def test_files_are_what_the_encoder_writes(self):
        expected = {"identity.txt": f"{vectors.IDENTITY}\n".encode()}
        for vector in vectors.vectors():
            expected[f"{vector.name}.json"] = vectors.text(vector.events).encode()
            for number, data in enumerate(vector.segments, 1):
                expected[f"{vector.name}/{number:08}.reenact"] = data
        found = {str(file.relative_to(vectors.HERE)): file.read_bytes()
                 for file in vectors.HERE.rglob("*") if file.is_file()}
        self.assertEqual(sorted(expected), sorted(found))
        changed = [name for name, data in expected.items() if found[name] != data]
        self.assertEqual([], changed, "run tests/spec/vectors.py where that is meant")

    def test_each_reads_as_its_json_says(self):
        for expected in sorted(vectors.HERE.glob("*.json")):
            with self.subTest(expected.stem):
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    code = session.main(["--identity", str(vectors.HERE / "identity.txt"),
                                         str(expected.with_suffix(""))])
                self.assertEqual((0, expected.read_text()), (code, printed.getvalue()))

    def test_every_column_and_every_form_of_reference_is_there(self):
        columns, forms = set(), set()
        for vector in vectors.whole():
            columns |= vector.columns
            forms |= vector.forms
        named = {*range(page.CLIENTS, page.BODY_TEMPLATES + 1), *range(page.CONNECTION, page.TUNNEL + 1),
                 *range(page.FLOW_BYTES, page.FLOW_CONTENT + 1), page.VALUES}
        named |= {base + place for base in (page.REQUEST, page.RESPONSE) for place in range(page.DROPPED + 1)}
        self.assertEqual(set(), named - columns)
        expected = {(name, number) for name in ("client", "connected", "value") for number in range(3)}
        expected |= {("body", number) for number in range(4)} | {("head", 0), ("head", 1), ("head", 2), ("hole", 1)}
        self.assertEqual(set(), expected - forms)

    def test_other_ways_to_write_the_same_read_the_same(self):
        for events in (samples.plain(), samples.browsing(), samples.everything(), samples.extremes()):
            for frame in (raw_frame, zstandard.ZstdCompressor(write_checksum=True).compress,
                          zstandard.ZstdCompressor(write_content_size=False).compress):
                for size in (1, 3, 100):
                    made = write(events, Options(references=size != 3, unknown=size == 1, frame=frame,
                                                 body_templates=size != 1, exchanges_per_block=size))
                    self.assertEqual(made.events, self.read(*made.segments))


class Page(Directory):
    """Section 16 of the page."""

    def test_it_has_what_the_example_prints_and_that_reads_as_it_says(self):
        text = (HERE.parents[1] / "docs/SPEC.md").read_text()
        shown = text[text.index(example.BEGIN):]
        self.assertEqual(example.section(), shown, "print it again with tests/spec/example.py")
        code, events = (shown.split(f"```{kind}\n")[1].split("```")[0] for kind in ("hex", "json"))
        data = bytes.fromhex("".join(line.split("#")[0] for line in code.splitlines()))
        self.assertEqual(json.loads(events), self.read(data))


class CommandLine(Directory):
    def test_refusals_are_exit_code_2_and_name_what_is_wrong(self):
        for name, data, named in vectors.refused():
            with self.subTest(name):
                file = self.directory / f"{name}.reenact"
                file.write_bytes(data)
                ran = self.run_decoder(file)
                self.assertEqual((2, ""), (ran.returncode, ran.stdout))
                self.assertIn(named, ran.stderr)
                self.assertIn(file.name, ran.stderr)

    def test_a_directory_without_segments_and_a_missing_one_are_refused(self):
        (self.directory / "notes.txt").write_text("no segment")
        for path in (self.directory, self.directory / "missing"):
            ran = self.run_decoder(path)
            self.assertEqual((2, ""), (ran.returncode, ran.stdout))
            self.assertIn(str(path), ran.stderr)

    def test_segments_of_two_sessions_are_refused(self):
        other = write([], Options(header={"session_id": "00000000000000ff"})).segments
        with self.assertRaisesRegex(segment.Refused, "00c0ffee00c0ffee.*00000000000000ff"):
            self.read(*write([]).segments, *other)

    def test_a_segment_alone_is_read_and_other_files_are_not(self):
        made = write(samples.segments())
        save(made.segments, self.directory)
        (self.directory / "00000000.txt").write_bytes(b"no segment")
        self.assertEqual(made.events, session.read(self.directory))
        alone = session.read(self.directory / "00000001.reenact")
        self.assertEqual(made.events[:3], alone)

    def test_the_encoder_writes_from_json_what_the_decoder_printed(self):
        events = self.directory / "events.json"
        events.write_text((vectors.HERE / "references.json").read_text())
        ran = subprocess.run([sys.executable, "-B", HERE / "write.py", "--references", "--exchanges-per-block", "5",
                              events, self.directory / "again"], capture_output=True, text=True, check=False)
        self.assertEqual((0, ""), (ran.returncode, ran.stderr))
        ran = self.run_decoder(self.directory / "again")
        self.assertEqual(events.read_text(), ran.stdout)


class Damage(Directory):
    def setUp(self):
        super().setUp()
        self.made = write(samples.browsing()[:6], Options(references=True, exchanges_per_block=2))
        self.data = self.made.segments[0]

    def is_told(self, event):
        """Whether this was written, or is what remains of it without a body that was lost."""
        if event in self.made.events:
            return True
        if "exchange" not in event:
            return False
        found = event["exchange"]
        [written] = [other["exchange"] for other in self.made.events
                     if other.get("exchange", {}).get("seq") == found["seq"]]
        return (found["response"] or {}).get("dropped") == "damaged" and found["request"] == written["request"]

    def test_a_flipped_bit_anywhere_costs_what_it_hit_and_no_more(self):
        sizes = [end - at for (at, _), (end, _) in zip(self.made.records[0], self.made.records[0][1:])]
        for at in range(len(self.data)):
            events = self.read(vectors.flipped(self.data, at, 1 << at % 8))
            [damage] = [event["damage"] for event in events if "damage" in event]
            self.assertTrue(damage["at"] <= at < damage["at"] + damage["len"] <= damage["at"] + max(*sizes, 44), at)
            exchanges = sum("exchange" in event for event in events)
            self.assertGreaterEqual(exchanges, 4, at)
            if damage["exchanges"] is not None:
                self.assertEqual(6, exchanges + damage["exchanges"])
            told = [event for event in events if "damage" not in event and "unfinished" not in event
                    and event.get("gap", {}).get("reason") != page.UNFINISHED]
            self.assertTrue(all(map(self.is_told, told)), at)

    def test_a_cut_anywhere_leaves_what_stands_before(self):
        ends = [at for at, _ in self.made.records[0]] + [len(self.data)]
        for cut in range(page.FILE_HEAD_BYTES, len(self.data)):
            events = self.read(self.data[:cut])
            self.assertEqual({"unfinished": 0}, events[-2])
            whole = max(end for end in ends if end <= cut) if cut >= ends[0] else ends[0]
            damages = [event["damage"] for event in events if "damage" in event]
            expected = [] if cut == whole else [{"segment": 0, "at": whole, "len": cut - whole, "exchanges": None}]
            self.assertEqual(expected, damages)
            told = events[:-2 - len(damages)]
            self.assertEqual(self.made.events[:len(told)], told)
            self.assertEqual(missing(told, sum(damage["len"] for damage in damages)), events[-1])

    def test_content_that_is_not_what_it_should_be_is_damage_and_no_crash(self):
        """Checksums fit here, so that every byte of a block's content is believed until it does not decode."""
        chance = random.Random(7)
        for events in (samples.everything(), samples.browsing(), samples.extremes()):
            made = write(events, Options(references=True))
            data = made.segments[0]
            (at, _), (end, _) = made.records[0][1:3]
            begin = at + page.RECORD_HEAD_BYTES
            for _ in range(300):
                payload = bytearray(data[begin:end])
                for _ in range(chance.randint(1, 3)):
                    payload[chance.randrange(32 + 9, len(payload))] = chance.choice([0, 1, 2, 0x7F, 0x80, 0xFF])
                read = self.read(data[:at] + record(page.BLOCK, bytes(payload)) + data[end:])
                self.assertIn("index", read[-1])

    def test_what_numbers_are_missing_without_damage_is_told(self):
        events = [samples.exchange(seq, samples.get("/"), None) for seq in (3, 4, 9)]
        made = write(events)
        at = made.records[0][2][0]
        self.assertEqual([*made.events[:2], vectors.damage(at, 0, 4), *made.events[2:]], self.read(*made.segments))

    def test_a_gap_accounts_for_numbers(self):
        for reason, count, expected in (("panicked", 4, []), ("panicked", 0, []), ("breaker", 4, [4]),
                                        ("write_failed", 1, [])):
            events = [samples.exchange(3, samples.get("/"), None), samples.gap(reason, exchanges=count),
                      samples.exchange(8, samples.get("/"), None)]
            read = self.read(*write(events).segments)
            self.assertEqual(expected, [event["damage"]["exchanges"] for event in read if "damage" in event], reason)

    def test_two_damages_whose_cost_cannot_be_told_apart_have_none(self):
        events = [samples.exchange(seq, samples.get("/"), None) for seq in range(3)]
        made = write([*events, samples.gap("breaker"), samples.exchange(3, samples.get("/"), None),
                      samples.exchange(4, samples.get("/"), None)], Options(exchanges_per_block=1))
        data = made.segments[0]
        for hit in (2, 5):
            data = vectors.flipped(data, made.records[0][hit + 1][0] - 2)
        kinds = [kind for _, kind in made.records[0]]
        self.assertEqual([1, 2, 2, 2, 3, 2, 2, 4, 5], kinds)
        costs = [event["damage"]["exchanges"] for event in self.read(data) if "damage" in event]
        self.assertEqual([1, 1], costs)
        # Nothing but a gap between them.
        data = vectors.flipped(data, made.records[0][4][0] - 2)
        costs = [event["damage"]["exchanges"] for event in self.read(data) if "damage" in event]
        self.assertEqual([None, None], costs)

    def test_neighbours_of_all_sorts_are_one_damage(self):
        made = write([samples.exchange(seq, samples.get("/"), None) for seq in range(6)], Options(
            exchanges_per_block=1))
        places = [(at, end) for (at, kind), (end, _) in zip(made.records[0], made.records[0][1:])
                  if kind == page.BLOCK]

        def broken(*hits):
            """Blocks by their number, with the record broken (`torn`) or only its content."""
            data = made.segments[0]
            for number, how in hits:
                at, end = places[number]
                payload = data[at + page.RECORD_HEAD_BYTES:end]
                data = data[:at] + (vectors.flipped(data[at:end], 25) if how == "torn" else record(
                    page.BLOCK, payload[:32] + bytes(len(payload) - 32))) + data[end:]
            return [(damage["at"], damage["len"], damage["exchanges"])
                    for damage in (event["damage"] for event in self.read(data) if "damage" in event)]

        for first in ("torn", "content"):
            for second in ("torn", "content"):
                for number in (0, 1, 4):
                    size = places[number + 1][1] - places[number][0]
                    self.assertEqual([(places[number][0], size, 2)],
                                     broken((number, first), (number + 1, second)), (first, second, number))
        self.assertEqual([(places[1][0], places[3][1] - places[1][0], 3)],
                         broken((1, "content"), (2, "torn"), (3, "content")))

    def test_a_record_of_another_kind_that_does_not_decode_is_damage(self):
        made = write([samples.exchange(1, samples.get("/"), None), samples.gap("breaker"),
                      samples.exchange(2, samples.get("/"), None)])
        data = made.segments[0]
        (gap_at, _), (gap_end, _) = made.records[0][2:4]
        for bad in (b"\x0f", b"\x08\x01", b"\x0a\x02\xff\xff", b"\x0a\x09"):
            read = self.read(data[:gap_at] + record(page.GAP, bad) + data[gap_end:])
            self.assertEqual({"segment": 0, "at": gap_at, "len": 20 + len(bad), "exchanges": 0}, read[1]["damage"])
        end_at = made.records[0][-1][0]
        for read in (self.read(data[:end_at] + record(page.END, b"short")),
                     self.read(data[:end_at] + record(page.END, b"\0" * 24, flags=page.ENCRYPTED))):
            self.assertEqual([{"unfinished": 0}, missing(read[:-1], read[-3]["damage"]["len"])], read[-2:])
            self.assertEqual(end_at, read[-3]["damage"]["at"])

    def test_a_header_that_does_not_decode_is_damage(self):
        (at, _), (end, _) = self.made.records[0][:2]
        for bad in (b"no JSON", b"[]", b'{"features_required": "encrypted"}', b"\xff"):
            read = self.read(self.data[:at] + record(page.HEADER, bad) + self.data[end:])
            self.assertEqual({"segment": 0, "at": at, "len": 20 + len(bad), "exchanges": None}, read[0]["damage"])
            self.assertEqual(6, sum("exchange" in event for event in read))

    def test_bodies_have_their_templates_whatever_the_header_says(self):
        made = write(samples.numbered(), Options(body_templates=True))
        self.assertIn(b'"features_required": ["body_templates"]', made.segments[0])
        read = self.read(vectors.flipped(made.segments[0], 50))
        self.assertEqual(made.events, [event for event in read if "damage" not in event])

    def test_an_index_that_does_not_decode_is_damage(self):
        at, end = self.made.records[0][-2][0], self.made.records[0][-1][0]
        for bad in (b"\x08\x01", b"\x10\x01", b"\x12\x04\x0a\x02no", b"\x0a\x02\x08\x09", b"\x0b"):
            framed = record(page.INDEX, raw_frame(bad))
            read = self.read(self.data[:at] + framed + self.data[end:])
            self.assertEqual([vectors.damage(at, len(framed), None)], read[6:], bad)

    def test_an_unknown_record_in_front_of_the_header_is_skipped(self):
        asks = write([], Options(header={"features_required": ["new"]})).segments[0]
        head, rest = asks[:page.FILE_HEAD_BYTES], asks[page.FILE_HEAD_BYTES:]
        with self.assertRaisesRegex(segment.Refused, "'new'"):
            self.read(head + record(77, b"tomorrow") + rest)

    def test_a_segment_of_nothing_beside_a_whole_one(self):
        begun = [*self.made.events, {"unfinished": 1}, missing(self.made.events)]
        self.assertEqual(begun, self.read(self.data, b""))
        self.assertEqual(begun, self.read(self.data, b"\x89REN\r\n\x1a\n\2"))
        with self.assertRaisesRegex(segment.Refused, "segment 1: no session"):
            self.read(self.data, b"\x89REN\r\n\x1a\n\3")

    def test_segments_in_another_order_than_that_of_their_numbers_are_refused(self):
        first, second, third = write(samples.segments()).segments
        self.assertIn({"unfinished": 1}, self.read(first, third))
        for wrong in ((second, first), (first, first), (first, third, second)):
            with self.assertRaisesRegex(segment.Refused, "has the number"):
                self.read(*wrong)

    def test_a_count_without_a_column_to_count_in_is_bounded(self):
        """A column that is not there is zeros without an end, and takes no bytes for them."""
        events = [samples.exchange(turn, samples.get("/"), None) for turn in range(2)]
        made = write(events)
        (at, _), (end, _) = made.records[0][1:3]
        payload = made.segments[0][at + page.RECORD_HEAD_BYTES:end]
        content = unpacked(payload[32:], 1 << 20)
        # The first value column is the first behind those of messages.
        begin = content.index(varint(page.VALUES))
        pieces = varint(page.REQUEST + page.PIECES) + b"\x06" + varint(0) + varint(1 << 33)
        content = content[:begin] + pieces + content[begin:]
        changed = record(page.BLOCK, len(content).to_bytes(4, "little") + payload[4:32] + raw_frame(content))
        read = self.read(made.segments[0][:at] + changed + made.segments[0][end:])
        self.assertEqual([made.events[0], vectors.damage(at, len(changed), 1)], read[:2])

    def test_a_block_has_so_many_references_at_most(self):
        """All value columns together, those of bodies among them; what a client had the latest time does not count."""
        heads = [b"GET / HTTP/1.1\r\nhost: shop %d\r\n\r\n" % client for client in range(2)]
        events = [samples.exchange(turn, samples.message(heads[turn % 2], b'{"n":1}'), None, client=turn % 2,
                                   connection=turn % 2) for turn in range(6)]
        made = write(events, Options(references=True, body_templates=True))
        (at, _), (end, _) = made.records[0][1:3]
        # One of the body that all share, and of each client's first head one for its line and one for its host.
        for most, lost in ((5, 0), (4, 5), (3, 5), (2, 6), (1, 6), (0, 6)):
            with unittest.mock.patch.object(page, "REFERENCES_MAX", most):
                read = self.read(*made.segments)
            expected = [*made.events[:6 - lost], *([vectors.damage(at, end - at, lost)] if lost else []), *made.events[6:]]
            self.assertEqual(expected, read, most)

    def test_columns_whose_ids_do_not_rise_are_damage(self):
        made = write(samples.plain(), Options(unknown=True))
        [at] = [place for place, kind in made.records[0] if kind == page.BLOCK]
        end = min(place for place, _ in made.records[0] if place > at)
        payload = made.segments[0][at + page.RECORD_HEAD_BYTES:end]
        unknown = bytes([10, 7]) + b"unknown"
        self.assertEqual(1, payload.count(unknown))
        # It stands between the bodies, 6, and the first column of exchanges, 16.
        for number, costs in ((9, []), (11, []), (6, [None]), (page.CONNECTION, [None]), (40, [None])):
            changed = payload.replace(unknown, bytes([number]) + unknown[1:])
            read = self.read(made.segments[0][:at] + record(page.BLOCK, changed) + made.segments[0][end:])
            self.assertEqual(costs, [event["damage"]["exchanges"] for event in read if "damage" in event], number)


class Numbers(unittest.TestCase):
    def test_numbers(self):
        for number in (0, 1, 127, 128, 300, U64 - 1, U64, U64 + 1):
            self.assertEqual(number, Cursor(varint(number)).number())
        self.assertEqual(1, Cursor(b"\x81\x80\x00").number(), "longer than it needs to be")
        for bad in (b"", b"\x80", varint(U64 + 2), b"\x80" * 10 + b"\x00"):
            with self.assertRaises(Damaged):
                Cursor(bad).number()

    def test_signed(self):
        self.assertEqual([0, -1, 1, -2, 2], [signed(number) for number in range(5)])
        for value in (0, 1, -1, (1 << 63) - 1, -(1 << 63)):
            self.assertEqual(value, signed(zigzag(value % U64)))

    def test_a_column_that_is_not_there_is_zeros_and_one_that_ended_is_damage(self):
        self.assertEqual((0, 0, None, None), (Column(None).number(), Column(None).signed(), Column(None).optional(),
                                              Column(None).optional_signed()))
        with self.assertRaises(Damaged):
            Column(b"").number()

    def test_a_frame_is_unpacked_to_its_bound_only(self):
        bomb = zstandard.compress(b"\0" * (1 << 24))
        self.assertEqual(1 << 24, len(unpacked(bomb, 1 << 24)))
        for frame, size in ((bomb, (1 << 24) - 1), (bomb[:-1], 1 << 24), (b"no frame", 9)):
            with self.assertRaises(Damaged):
                unpacked(frame, size)


if __name__ == "__main__":
    unittest.main()
