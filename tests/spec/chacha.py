"""ChaCha20-Poly1305 (RFC 8439) and X25519 (RFC 7748), plain and slow.

Not for secrets that matter to anybody: nothing here runs in constant time.
"""

import hmac
import struct

WORD = 0xFFFFFFFF
CLAMP = 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
POLY1305_PRIME = (1 << 130) - 5
CURVE_PRIME = (1 << 255) - 19
ROUND = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]


def _block(key, counter, nonce):
    begin = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), counter,
             *struct.unpack("<3I", nonce)]
    state = begin[:]
    for a, b, c, d in ROUND * 10:
        for left, right, other, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[left] = (state[left] + state[right]) & WORD
            mixed = state[other] ^ state[left]
            state[other] = (mixed << bits | mixed >> (32 - bits)) & WORD
    return struct.pack("<16I", *((word + first) & WORD for word, first in zip(state, begin)))


def _stream(key, nonce, data):
    blocks = b"".join(_block(key, counter, nonce) for counter in range(1, 1 + -(-len(data) // 64)))[:len(data)]
    return (int.from_bytes(data, "little") ^ int.from_bytes(blocks, "little")).to_bytes(len(data), "little")


def _tag(key, nonce, ciphertext, associated):
    one_time = _block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & CLAMP
    total = 0
    for data in (associated, ciphertext, struct.pack("<QQ", len(associated), len(ciphertext))):
        padded = data + bytes(-len(data) % 16)
        for at in range(0, len(padded), 16):
            total = (total + int.from_bytes(padded[at:at + 16] + b"\1", "little")) * r % POLY1305_PRIME
    total += int.from_bytes(one_time[16:32], "little")
    return (total % (1 << 128)).to_bytes(16, "little")


def seal(key, nonce, data, associated=b""):
    ciphertext = _stream(key, nonce, data)
    return ciphertext + _tag(key, nonce, ciphertext, associated)


def open_sealed(key, nonce, sealed, associated=b""):
    """What was sealed, or None where it was not sealed so."""
    ciphertext, tag = sealed[:-16], sealed[-16:]
    if len(tag) < 16 or not hmac.compare_digest(tag, _tag(key, nonce, ciphertext, associated)):
        return None
    return _stream(key, nonce, ciphertext)


def x25519(scalar, point):
    """The Montgomery ladder of RFC 7748, section 5."""
    k = int.from_bytes(scalar, "little") & ~7 & ((1 << 255) - 1) | 1 << 254
    x1 = int.from_bytes(point, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for place in reversed(range(255)):
        bit = k >> place & 1
        if swapped != bit:
            x2, z2, x3, z3 = x3, z3, x2, z2
        swapped = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % CURVE_PRIME, c * b % CURVE_PRIME
        x3, z3 = (da + cb) ** 2 % CURVE_PRIME, x1 * (da - cb) ** 2 % CURVE_PRIME
        aa, bb = a * a % CURVE_PRIME, b * b % CURVE_PRIME
        e = aa - bb
        x2, z2 = aa * bb % CURVE_PRIME, e * (aa + 121665 * e) % CURVE_PRIME
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, CURVE_PRIME - 2, CURVE_PRIME) % CURVE_PRIME).to_bytes(32, "little")
