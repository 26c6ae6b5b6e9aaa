"""ChaCha20-Poly1305 out of RFC 8439, in Python's standard library: to be read, not to be fast."""

import struct

TAG_BYTES = 16
_MASK = 0xFFFFFFFF


def _rotate(value, bits):
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _quarter_round(s, a, b, c, d):
    """Section 2.1."""
    s[a] = (s[a] + s[b]) & _MASK
    s[d] = _rotate(s[d] ^ s[a], 16)
    s[c] = (s[c] + s[d]) & _MASK
    s[b] = _rotate(s[b] ^ s[c], 12)
    s[a] = (s[a] + s[b]) & _MASK
    s[d] = _rotate(s[d] ^ s[a], 8)
    s[c] = (s[c] + s[d]) & _MASK
    s[b] = _rotate(s[b] ^ s[c], 7)


def _block(key, counter, nonce):
    """Section 2.3: 64 bytes of key stream."""
    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    s = list(start)
    for _ in range(10):
        _quarter_round(s, 0, 4, 8, 12)
        _quarter_round(s, 1, 5, 9, 13)
        _quarter_round(s, 2, 6, 10, 14)
        _quarter_round(s, 3, 7, 11, 15)
        _quarter_round(s, 0, 5, 10, 15)
        _quarter_round(s, 1, 6, 11, 12)
        _quarter_round(s, 2, 7, 8, 13)
        _quarter_round(s, 3, 4, 9, 14)
    return struct.pack("<16I", *((a + b) & _MASK for a, b in zip(s, start)))


def _chacha20(key, counter, nonce, data):
    """Section 2.4."""
    out = bytearray()
    for at in range(0, len(data), 64):
        stream = _block(key, counter + at // 64, nonce)
        out += bytes(a ^ b for a, b in zip(data[at : at + 64], stream))
    return bytes(out)


def _poly1305(key, message):
    """Section 2.5."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(key[16:32], "little")
    sum_ = 0
    for at in range(0, len(message), 16):
        sum_ = (sum_ + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % ((1 << 130) - 5)
    return ((sum_ + s) & ((1 << 128) - 1)).to_bytes(16, "little")


def _padded(data):
    return data + bytes(-len(data) % 16)


def _tag(key, nonce, encrypted, header):
    """Section 2.8."""
    lengths = struct.pack("<QQ", len(header), len(encrypted))
    return _poly1305(_block(key, 0, nonce)[:32], _padded(header) + _padded(encrypted) + lengths)


def seal(key, nonce, data, header):
    """The encrypted data, then the tag."""
    encrypted = _chacha20(key, 1, nonce, data)
    return encrypted + _tag(key, nonce, encrypted, header)


def unseal(key, nonce, sealed, header):
    """The data; None when it is not genuine."""
    encrypted, tag = sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]
    if _tag(key, nonce, encrypted, header) != tag:
        return None
    return _chacha20(key, 1, nonce, encrypted)
