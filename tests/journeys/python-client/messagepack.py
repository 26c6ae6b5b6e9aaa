"""MessagePack, as much as docs/protocol.md section 4 asks for. Standard library only."""

import struct


def pack(value):
    """The bytes of a payload: dict with string keys, list, str, int, bool, None."""
    if value is None:
        return b"\xc0"
    if value is True:
        return b"\xc3"
    if value is False:
        return b"\xc2"
    if isinstance(value, int):
        return _pack_integer(value)
    if isinstance(value, str):
        data = value.encode("utf-8")
        return _header(len(data), 0xA0, 31, ((0xD9, ">B", 0xFF), (0xDA, ">H", 0xFFFF), (0xDB, ">I", 0xFFFFFFFF))) + data
    if isinstance(value, (list, tuple)):
        head = _header(len(value), 0x90, 15, ((0xDC, ">H", 0xFFFF), (0xDD, ">I", 0xFFFFFFFF)))
        return head + b"".join(pack(item) for item in value)
    if isinstance(value, dict):
        head = _header(len(value), 0x80, 15, ((0xDE, ">H", 0xFFFF), (0xDF, ">I", 0xFFFFFFFF)))
        return head + b"".join(pack(key) + pack(item) for key, item in value.items())
    raise TypeError(f"{type(value).__name__} has no place in a payload")


def _pack_integer(value):
    if value < 0:
        raise ValueError("the protocol has no negative numbers")
    if value < 0x80:
        return bytes([value])
    for first, form, most in ((0xCC, ">B", 0xFF), (0xCD, ">H", 0xFFFF), (0xCE, ">I", 0xFFFFFFFF)):
        if value <= most:
            return bytes([first]) + struct.pack(form, value)
    return b"\xcf" + struct.pack(">Q", value)


def _header(length, fixed, most_fixed, forms):
    if length <= most_fixed:
        return bytes([fixed | length])
    for first, form, most in forms:
        if length <= most:
            return bytes([first]) + struct.pack(form, length)
    raise ValueError("too long")


def unpack(data):
    """The value of a payload; no bytes are the empty map. ValueError for anything else than one value."""
    if len(data) == 0:
        return {}
    value, end = _read(data, 0)
    if end != len(data):
        raise ValueError("bytes after the value")
    return value


_LENGTHS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I", 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
_NUMBERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}


def _read(data, at):
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    if first >= 0xE0:
        return first - 0x100, at
    if first < 0x90:
        return _read_map(data, at, first & 0x0F)
    if first < 0xA0:
        return _read_list(data, at, first & 0x0F)
    if first < 0xC0:
        return _read_text(data, at, first & 0x1F)
    if first in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at
    if first in _NUMBERS:
        form = _NUMBERS[first]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if first not in _LENGTHS:
        raise ValueError(f"byte {first:#x} has no place in a payload")
    form = _LENGTHS[first]
    (length,) = struct.unpack_from(form, data, at)
    at += struct.calcsize(form)
    if first <= 0xDB:
        return _read_text(data, at, length)
    return _read_list(data, at, length) if first <= 0xDD else _read_map(data, at, length)


def _read_text(data, at, length):
    if at + length > len(data):
        raise ValueError("a string ends too early")
    return bytes(data[at : at + length]).decode("utf-8"), at + length


def _read_list(data, at, length):
    items = []
    for _ in range(length):
        item, at = _read(data, at)
        items.append(item)
    return items, at


def _read_map(data, at, length):
    pairs = {}
    for _ in range(length):
        key, at = _read(data, at)
        pairs[key], at = _read(data, at)
    return pairs, at
