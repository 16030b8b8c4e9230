"""Section 11 of docs/SPEC.md: a segment's key, the chain that begins with it, and encrypted records."""

import base64
import hashlib
import hmac

import page
from age import Unopened, decrypt
from chacha import open_sealed, seal
from encoding import Damaged
from segment import Refused

NUMBER_BYTES, TAG_BYTES = 8, 16
ZERO_NONCE = bytes(12)


class Chain:
    """chain(i) for rising i, and what is bound to a record."""

    def __init__(self, segment_key, session_id, segment):
        self._segment = session_id.encode() + segment.to_bytes(8, "little")
        self._links = [hmac.digest(segment_key, b"reenact segment chain v1", hashlib.sha256)]

    def _key(self, number):
        while len(self._links) <= number:
            self._links.append(hmac.digest(self._links[-1], b"next", hashlib.sha256))
        return hmac.digest(self._links[number], b"key", hashlib.sha256)

    def _associated(self, number, kind):
        return b"reenact record v1" + self._segment + number.to_bytes(8, "little") + bytes([kind])

    def seal(self, number, kind, payload):
        return number.to_bytes(8, "little") + seal(self._key(number), ZERO_NONCE, payload,
                                                   self._associated(number, kind))

    def open(self, number, kind, sealed):
        return open_sealed(self._key(number), ZERO_NONCE, sealed, self._associated(number, kind))


class Opener:
    """Opens the encrypted records of one segment, in the order of the file."""

    def __init__(self, chain):
        self._chain = chain
        self._next = 0

    def open(self, kind, at, payload):
        """How many records were missed in front of this one, and what it holds."""
        number = int.from_bytes(payload[:NUMBER_BYTES], "little")
        # The number is not known to be right before the record opens.
        ahead = at // page.RECORD_HEAD_BYTES + page.NUMBERS_AHEAD_MAX
        if len(payload) < NUMBER_BYTES + TAG_BYTES or not self._next <= number <= ahead:
            raise Damaged(f"an encrypted record has the number {number} where {self._next} is next")
        opened = self._chain.open(number, kind, payload[NUMBER_BYTES:])
        if opened is None:
            raise Damaged("an encrypted record does not open")
        missed, self._next = number - self._next, number + 1
        return missed, opened


def opener_of(identities):
    """For `session.read`: makes the opener of a segment from its header, with these secret keys."""
    def make(file, header):
        encryption = header.get("encryption") or {}
        if encryption.get("version") != 1:
            raise Refused(f"{file}: version {encryption.get('version')} of its encryption is unknown, this reads 1")
        try:
            key = decrypt(base64.b64decode(encryption.get("key", ""), validate=True), identities)
            chain = Chain(key, header.get("session_id", ""), header.get("segment", 0))
        except (Unopened, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise Refused(f"{file}: its key cannot be opened: {error}") from error
        if len(key) != 32:
            raise Refused(f"{file}: its key is {len(key)} bytes and should be 32")
        return Opener(chain)
    return make
