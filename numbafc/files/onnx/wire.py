"""Protocol buffers on the wire, read field by field: nothing is made of what nobody asks for.

The library would make an object of 73 times its size of a file of empty nodes (2 MB became 146 MiB) before anyone could
look at it. Here a message is a view of the file's own bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # the kinds of fields; 3 and 4, groups, ONNX has none of
LONGEST = 10  # bytes of a number
MOST = 200_000  # fields of a file, of which each becomes some 200 bytes of objects; 3 000 layers have 100 000


class Fields:
    """The fields of a file's messages, counted, so that there is an end to what is made of them."""

    def __init__(self) -> None:
        self.left = MOST

    def __call__(self, message: Any) -> Iterator[tuple[int, int, Any]]:
        """Each field of a message: its number, its kind, and its value, a number from 0 or a view of bytes.

        Raises ValueError for what is no message.
        """
        for field in _read(view(message)):
            self.left -= 1
            if self.left < 0:
                raise ValueError(f"expected at most {MOST} nodes, names and attributes in all, got more")
            yield field


def _read(message: memoryview) -> Iterator[tuple[int, int, Any]]:
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, place = _varint(message, place)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"no protobuf: a field of kind {kind} at byte {place}")
        if number == 0 or length > end - place:
            raise ValueError(f"cut short: a field of {length} bytes where {end - place} are left")
        yield number, kind, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number of up to 64 bits, seven in a byte, and the place behind it."""
    value, shift = 0, 0
    for byte in message[place : place + LONGEST]:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value & (2**64 - 1), place + shift // 7
    raise ValueError(f"no protobuf: a number without an end at byte {place}")


def signed(value: Any) -> int:
    """A number as an integer with a sign."""
    number = _number(value)
    return number - 2**64 if number >= 2**63 else number


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError("no ONNX model: bytes where a number belongs")
    return value


def view(value: Any) -> memoryview:
    """The bytes of a field."""
    if not isinstance(value, memoryview):
        raise ValueError("no ONNX model: a number where bytes belong")
    return value


def text(value: Any) -> str:
    """A field that is text. Raises ValueError for what is none."""
    return bytes(view(value)).decode()


def real(value: Any) -> float:
    """A field that is a float of 32 bits."""
    if len(view(value)) != 4:
        raise ValueError("no ONNX model: a float that has not 4 bytes")
    return float(struct.unpack("<f", value)[0])


def reals(pieces: list[tuple[int, Any]], dtype: str) -> np.ndarray:
    """A repeated field of floats of that dtype: all in one, or one by one."""
    data = b"".join(view(value) for _, value in pieces) if len(pieces) != 1 else view(pieces[0][1])
    if len(data) % np.dtype(dtype).itemsize:
        raise ValueError(f"no ONNX model: {len(data)} bytes of numbers of {np.dtype(dtype).itemsize} bytes")
    return np.frombuffer(data, dtype)


def integers(pieces: list[tuple[int, Any]], most: int) -> list[int]:
    """A repeated field of integers: all in one, or one by one. Raises ValueError where there are more than most."""
    found: list[int] = []
    for kind, value in pieces:
        if kind == VARINT:
            found.append(signed(value))
            continue
        place, data = 0, view(value)
        while place < len(data) and len(found) <= most:
            number, place = _varint(data, place)
            found.append(signed(number))
    if len(found) > most:
        raise ValueError(f"expected at most {most} integers in a list, got more")
    return found
