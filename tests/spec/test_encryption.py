"""Encrypted sessions (docs/SPEC.md, section 11) and the age files that hold their keys."""

import json
import unittest

import age
import chacha
import page
import samples
import segment
import session
import vectors
from encryption import Chain, opener_of
from test_session import Directory
from vectors import IDENTITY, KEY_FILE, SEGMENT_KEY
from write import Options, record, save, write

OTHER_IDENTITY = "AGE-SECRET-KEY-165Q4RM35X54WY3HSA6MWEXHXY6GE6PQLF557NZF997N4YJV2HRMQH4HSJ4"
RECORD = "0200000000000000c3be520fecc6c6a47c6140d217d24da5192f204fc90c1a"


class Encrypted(Directory):
    def setUp(self):
        super().setUp()
        self.made = write(samples.segments(), Options(
            references=True, unknown=True, exchanges_per_block=1, segment_key=SEGMENT_KEY, key_file=KEY_FILE))
        self.opener = opener_of(age.identities_of(IDENTITY))

    def decode(self, *segments):
        return session.decode([(f"segment {place}", data) for place, data in enumerate(segments)], self.opener)

    def test_with_an_identity_it_reads_like_any_other(self):
        self.assertEqual(self.made.events, self.decode(*self.made.segments))

    def test_on_the_command_line(self):
        save(self.made.segments, self.directory / "session")
        for name, text in (("right", f"# a comment\n\n{OTHER_IDENTITY}\n{IDENTITY}\n"), ("nobody", ""),
                           ("wrong", IDENTITY[:-1] + "QP"[IDENTITY[-1] == "Q"])):
            (self.directory / name).write_text(text)
        ran = self.run_decoder("--identity", self.directory / "right", self.directory / "session")
        self.assertEqual((0, self.made.events), (ran.returncode, json.loads(ran.stdout)))
        for arguments, named in (([], "'encrypted'"), (["--identity", self.directory / "nobody"], "'encrypted'"),
                                 (["--identity", self.directory / "wrong"], "checksum")):
            ran = self.run_decoder(*arguments, self.directory / "session")
            self.assertEqual((2, ""), (ran.returncode, ran.stdout))
            self.assertIn(named, ran.stderr)

    def test_an_identity_that_is_no_recipient_is_refused(self):
        self.opener = opener_of([bytes(31) + b"\1"])
        with self.assertRaisesRegex(segment.Refused, "none of the identities"):
            self.decode(*self.made.segments)

    def test_an_encryption_of_tomorrow_is_refused(self):
        first, second = self.made.records[0][:2]
        data = self.made.segments[0]
        header = json.loads(data[first[0] + page.RECORD_HEAD_BYTES:second[0]])
        for changes, named in (({"version": 2}, "version 2"), ({"version": 1, "key": "?"}, "key"),
                               ({"version": 1, "key": 5}, "key"), ({}, "version None")):
            changed = record(page.HEADER, json.dumps({**header, "encryption": changes}).encode())
            with self.assertRaisesRegex(segment.Refused, named):
                self.decode(data[:first[0]] + changed + data[second[0]:])

    def test_a_segment_key_of_another_length_is_refused(self):
        secret = bytes(range(1, 33))
        self.opener = opener_of([secret])
        short = age.encrypt(bytes(31), [secret], bytes(16), bytes(16), bytes(range(2, 34)))
        made = write([], Options(segment_key=bytes(31), key_file=short))
        with self.assertRaisesRegex(segment.Refused, "31 bytes"):
            self.decode(*made.segments)

    def records(self):
        """The first segment's records behind the header: (where it begins, where it ends, kind)."""
        places = [*self.made.records[0], (len(self.made.segments[0]), None)]
        return [(at, end, kind) for (at, kind), (end, _) in zip(places, places[1:])][1:]

    def test_a_changed_moved_or_plain_record_is_damage(self):
        data = self.made.segments[0]
        (at, end, _), (other_at, other_end, _) = [place for place in self.records() if place[2] == page.BLOCK]
        payload = data[at + page.RECORD_HEAD_BYTES:end]
        other = data[other_at + page.RECORD_HEAD_BYTES:other_end]
        for kind, changed, flags in (
                (page.BLOCK, payload[:-1] + bytes([payload[-1] ^ 1]), 1), (page.BLOCK, other, 1),
                (200, payload, 1), (page.BLOCK, payload, 0), (page.BLOCK, b"short", 1),
                (page.BLOCK, b"\xff" * 8 + payload[8:], 1)):
            read = self.decode(data[:at] + record(kind, changed, flags) + data[end:])
            self.assertEqual(at, read[0]["damage"]["at"])
            self.assertNotIn(self.made.events[0], read)
        moved = data[:at] + data[other_at:other_end] + data[at:]
        damages = [event["damage"] for event in self.decode(moved) if "damage" in event]
        # What stands behind it has lower numbers; where a record begins is not bound.
        self.assertEqual([(at, 0), (at + other_end - other_at, other_end - at)],
                         [(damage["at"], damage["len"]) for damage in damages])

    def test_a_segment_in_place_of_another_does_not_open(self):
        header = self.made.segments[0][:self.records()[0][0]]
        own = self.made.segments[1]
        swapped = header + own[self.made.records[1][1][0]:]
        self.assertEqual([], [event for event in self.decode(swapped) if "exchange" in event])

    def test_records_that_were_taken_away_are_missed(self):
        made = write([samples.exchange(seq, samples.get("/"), None) for seq in range(3)], Options(
            exchanges_per_block=1, segment_key=SEGMENT_KEY, key_file=KEY_FILE))
        data, end = made.segments[0], made.records[0][-1][0]
        chain = Chain(SEGMENT_KEY, "00c0ffee00c0ffee", 1)
        last = record(page.END, chain.seal(6, page.END, b"\0" * 24), page.ENCRYPTED)
        read = self.decode(data[:end] + last)
        self.assertEqual([*made.events, vectors.damage(end, 0, None)], read)

    def test_a_record_made_by_other_code(self):
        """Made once with PyPI's cryptography and hmac: record 2 of segment 3, a block."""
        sealed = bytes.fromhex(RECORD)
        chain = Chain(SEGMENT_KEY, "00c0ffee00c0ffee", 3)
        self.assertEqual(b"a block", chain.open(2, page.BLOCK, sealed[8:]))
        self.assertEqual(sealed, chain.seal(2, page.BLOCK, b"a block"))



class Age(unittest.TestCase):
    def test_a_file_of_another_program_opens_for_each_recipient(self):
        for identity in (IDENTITY, OTHER_IDENTITY):
            self.assertEqual(SEGMENT_KEY, age.decrypt(KEY_FILE, age.identities_of(identity)))

    def test_any_changed_byte_is_noticed(self):
        keys = age.identities_of(IDENTITY)
        for at in range(0, len(KEY_FILE), 7):
            with self.assertRaises(age.Unopened, msg=at):
                age.decrypt(vectors.flipped(KEY_FILE, at), keys)
        for cut in (0, 20, 200, KEY_FILE.index(b"---") + 30, len(KEY_FILE) - 48, len(KEY_FILE) - 1):
            with self.assertRaises(age.Unopened, msg=cut):
                age.decrypt(KEY_FILE[:cut], keys)

    def test_content_of_several_chunks(self):
        secret = bytes(range(1, 33))
        for size in (0, 1, age.CHUNK_BYTES, age.CHUNK_BYTES + 1):
            file = age.encrypt(b"x" * size, [secret], bytes(16), bytes(16), bytes(range(2, 34)))
            self.assertEqual(size, len(age.decrypt(file, [secret])))
            with self.assertRaises(age.Unopened):
                age.decrypt(file[:-1], [secret])

    def test_identities_that_are_none(self):
        swapped = IDENTITY[:20] + IDENTITY[21] + IDENTITY[20] + IDENTITY[22:]
        for text in ("hello", IDENTITY.lower(), IDENTITY[:-2], swapped, IDENTITY + "Q"):
            with self.assertRaises(age.Unopened):
                age.identities_of(text)


class Ciphers(unittest.TestCase):
    def test_chacha20_poly1305_of_rfc_8439_2_8_2(self):
        key = bytes(range(0x80, 0xA0))
        nonce = bytes.fromhex("070000004041424344454647")
        associated = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
        text = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                b"sunscreen would be it.")
        sealed = chacha.seal(key, nonce, text, associated)
        self.assertEqual("d31a8d34648e60db7b86afbc53ef7ec2", sealed[:16].hex())
        self.assertEqual("1ae10b594f09e26a7e902ecbd0600691", sealed[-16:].hex())
        self.assertEqual(text, chacha.open_sealed(key, nonce, sealed, associated))
        self.assertIsNone(chacha.open_sealed(key, nonce, sealed, b""))
        self.assertIsNone(chacha.open_sealed(key, nonce, sealed[:15], associated))

    def test_x25519_of_rfc_7748_5_2(self):
        found = chacha.x25519(
            bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
            bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))
        self.assertEqual("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552", found.hex())


if __name__ == "__main__":
    unittest.main()
