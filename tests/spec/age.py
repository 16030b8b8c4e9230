"""age files (age-encryption.org/v1, binary) for X25519 identities: opened, and written for tests.

Other kinds of recipients are skipped, as that specification asks; armor, passphrases and plugins are not read.
"""

import base64
import hashlib
import hmac

from chacha import open_sealed, seal, x25519

VERSION_LINE = b"age-encryption.org/v1"
X25519_LABEL = b"age-encryption.org/v1/X25519"
CHUNK_BYTES = 64 << 10
BASE_POINT = (9).to_bytes(32, "little")
ZERO_NONCE = bytes(12)
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


class Unopened(Exception):
    """An age file or identity that cannot be used, and why."""


def identities_of(text):
    """The secret keys of an identity file: one a line, comments behind #."""
    lines = [line.strip() for line in text.splitlines()]
    return [_secret_key(line) for line in lines if line and not line.startswith("#")]


def _secret_key(line):
    prefix, mark, _ = line.upper().rpartition("1")
    if not mark or prefix != "AGE-SECRET-KEY-" or line != line.upper():
        raise Unopened("an identity begins with AGE-SECRET-KEY-1")
    digits = [BECH32.find(letter) for letter in line[len(prefix) + 1:].lower()]
    human = prefix.lower().encode()
    checked = [*(byte >> 5 for byte in human), 0, *(byte & 31 for byte in human), *digits]
    if -1 in digits or len(digits) != 58 or _bech32_checksum(checked) != 1:
        raise Unopened("an identity's checksum does not fit")
    bits = 0
    for digit in digits[:-6]:
        bits = bits << 5 | digit
    if bits & 15:
        raise Unopened("an identity's padding is not zero")
    return (bits >> 4).to_bytes(32, "big")


def _bech32_checksum(digits):
    checksum = 1
    for digit in digits:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ digit
        for place, generator in enumerate(BECH32_GENERATOR):
            if top >> place & 1:
                checksum ^= generator
    return checksum


def hkdf(secret, salt, info):
    """HKDF-SHA-256 (RFC 5869) of 32 bytes, which is one block."""
    extracted = hmac.digest(salt or bytes(32), secret, hashlib.sha256)
    return hmac.digest(extracted, info + b"\1", hashlib.sha256)


def _base64(text):
    """Without padding and in its one canonical form."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise Unopened(f"base64 in an age file does not decode: {error}") from error
    if _unpadded(data) != text:
        raise Unopened("base64 in an age file is padded or not canonical")
    return data


def _unpadded(data):
    return base64.b64encode(data).rstrip(b"=")


def _stanzas(file):
    """The recipients as (arguments, body), what the header's MAC covers, the MAC, and where the header ends."""
    at, lines = 0, []
    while True:
        end = file.find(b"\n", at)
        if end < 0:
            raise Unopened("the age file's header does not end")
        lines.append(file[at:end])
        if lines[0] != VERSION_LINE:
            raise Unopened("this is no age file of version 1")
        if lines[-1].startswith(b"---"):
            break
        at = end + 1
    covered, mac = file[:at + 3], lines.pop()
    if not mac.startswith(b"--- "):
        raise Unopened("the age file's header has no MAC")
    stanzas, body = [], None
    for line in lines[1:]:
        if body is None:
            if not line.startswith(b"-> "):
                raise Unopened("a recipient of the age file does not begin with an arrow")
            stanzas.append((line[3:].split(b" "), b""))
            body = b""
        else:
            data = _base64(line)
            if len(data) > 48:
                raise Unopened("a line of the age file's header is longer than 64 columns")
            stanzas[-1] = (stanzas[-1][0], stanzas[-1][1] + data)
            # A body ends with a line that is not full, be it empty.
            body = body if len(data) == 48 else None
    if body is not None or not stanzas:
        raise Unopened("the age file's header ends within a recipient")
    return stanzas, covered, _base64(mac[4:]), end + 1


def _file_key(stanzas, identities):
    for (kind, *arguments), body in stanzas:
        if kind != b"X25519":
            continue
        share = _base64(arguments[0]) if len(arguments) == 1 else b""
        if len(share) != 32 or len(body) != 32:
            raise Unopened("an X25519 recipient of the age file is not whole")
        for secret in identities:
            shared = x25519(secret, share)
            if shared == bytes(32):
                raise Unopened("an X25519 recipient of the age file has a share of low order")
            wrap = hkdf(shared, share + x25519(secret, BASE_POINT), X25519_LABEL)
            key = open_sealed(wrap, ZERO_NONCE, body)
            if key is not None:
                return key
    raise Unopened("none of the identities opens it")


def decrypt(file, identities):
    stanzas, covered, mac, begin = _stanzas(file)
    key = _file_key(stanzas, identities)
    if not hmac.compare_digest(mac, hmac.digest(hkdf(key, b"", b"header"), covered, hashlib.sha256)):
        raise Unopened("the age file's header was changed")
    payload_key = hkdf(key, file[begin:begin + 16], b"payload")
    sealed, opened = file[begin + 16:], b""
    chunks = [sealed[at:at + CHUNK_BYTES + 16] for at in range(0, len(sealed), CHUNK_BYTES + 16)]
    for number, chunk in enumerate(chunks, 1):
        plain = open_sealed(payload_key, _chunk_nonce(number - 1, number == len(chunks)), chunk)
        if plain is None or (not plain and number > 1):
            raise Unopened("the age file's content was changed or cut")
        opened += plain
    if not chunks:
        raise Unopened("the age file has no content")
    return opened


def _chunk_nonce(number, is_last):
    return number.to_bytes(11, "big") + bytes([is_last])


def encrypt(content, secrets, file_key, nonce, ephemeral):
    """An age file for the holders of `secrets`; all that should be random is an argument, so that tests repeat."""
    header = VERSION_LINE + b"\n"
    share = x25519(ephemeral, BASE_POINT)
    for secret in secrets:
        recipient = x25519(secret, BASE_POINT)
        wrap = hkdf(x25519(ephemeral, recipient), share + recipient, X25519_LABEL)
        header += b"-> X25519 " + _unpadded(share) + b"\n" + _unpadded(seal(wrap, ZERO_NONCE, file_key)) + b"\n"
    header += b"---"
    mac = hmac.digest(hkdf(file_key, b"", b"header"), header, hashlib.sha256)
    file = header + b" " + _unpadded(mac) + b"\n" + nonce
    payload_key = hkdf(file_key, nonce, b"payload")
    count = max(1, -(-len(content) // CHUNK_BYTES))
    for number in range(count):
        chunk = content[number * CHUNK_BYTES:(number + 1) * CHUNK_BYTES]
        file += seal(payload_key, _chunk_nonce(number, number == count - 1), chunk)
    return file
