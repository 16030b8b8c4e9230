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
from write import Options, record, save, write

# Made once with rage (PyPI's pyrage 1.4.0): 32 bytes from 0 to 31 for two recipients, the second of which is IDENTITY.
IDENTITY = "AGE-SECRET-KEY-1PQ4FCU20H7RGZ37TTEMMWLZ0JWX3Z24RTUHJVQGNR6YR7RGKMMCST32MM9"
OTHER_IDENTITY = "AGE-SECRET-KEY-165Q4RM35X54WY3HSA6MWEXHXY6GE6PQLF557NZF997N4YJV2HRMQH4HSJ4"
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
RECORD = "0200000000000000c3be520fecc6c60d621fc4bb01d7049bdd815546e39d48"


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
        # Where it begins is bound to each record, so that nothing behind bytes that came or went opens.
        self.assertEqual(len(moved) - at, self.decode(moved)[0]["damage"]["len"])

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
        last = record(page.END, chain.seal(6, page.END, end, b"\0" * 24), page.ENCRYPTED)
        read = self.decode(data[:end] + last)
        self.assertEqual([*made.events, vectors.damage(end, 0, None)], read)

    def test_a_record_made_by_other_code(self):
        """Made once with PyPI's cryptography and hmac: record 2 of segment 3, a block at byte 1234."""
        sealed = bytes.fromhex(RECORD)
        chain = Chain(SEGMENT_KEY, "00c0ffee00c0ffee", 3)
        self.assertEqual(b"a block", chain.open(2, page.BLOCK, 1234, sealed[8:]))
        self.assertEqual(sealed, chain.seal(2, page.BLOCK, 1234, b"a block"))



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
