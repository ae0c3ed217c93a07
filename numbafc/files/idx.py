"""IDX files, in which MNIST comes, plain or in gzip, read without trusting them.

All is big-endian: the bytes 0, 0, type, number of axes, then a size of four bytes per axis, then the numbers.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .arrays import MOST_COMPRESSION
from .invalid import InvalidFile
from .opening import regular, require_memory, size_of

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 64  # of a NumPy array
Stream = BinaryIO | gzip.GzipFile
PIECE = 1 << 20  # bytes read at a time: a header may lie, so memory grows with what has come
NAME = re.compile(r".*([-.]idx\d*(-\w+)?|-ubyte)(\.gz)?", re.IGNORECASE | re.DOTALL)


def is_idx(path: Path) -> bool:
    """Tell whether a file's name, or else its first bytes, are those of an IDX file."""
    if NAME.fullmatch(path.name):
        return True
    if not path.is_file():
        return False
    try:
        with _unpacked(path) as (stream, _):
            return _is_start(stream.read(4))
    except InvalidFile:
        return False


def read(path: Path) -> np.ndarray:
    """The array in an IDX file. Raises InvalidFile, or OSError where the file cannot be read."""
    with _unpacked(path) as (stream, most):
        shape, dtype = _header(path, stream)
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes > most:
            raise InvalidFile(path, f"its header claims shape {shape}, {nbytes} bytes, but the file holds at most {most}")
        require_memory(path, nbytes, f"an array of shape {shape}")
        data = bytearray()
        while len(data) < nbytes and (piece := stream.read(min(PIECE, nbytes - len(data)))):
            data += piece
        if len(data) < nbytes:
            raise InvalidFile(path, f"expected {nbytes} bytes for shape {shape}, got {len(data)}")
        if stream.read(1):  # at the end of gzip this also compares the checksum
            raise InvalidFile(path, f"expected {nbytes} bytes for shape {shape}, got more")
    return np.frombuffer(data, dtype).reshape(shape)


def names_of_labels(images: str) -> list[str]:
    """The names that the labels of a file of images may have, if it is named as MNIST's are; the likeliest name first."""
    parts = re.fullmatch(r"(.*)images([-.])idx3-ubyte(\.gz)?", images, re.DOTALL)
    if parts is None:
        return []
    start, mark, packed = parts.groups("")
    marks, endings = dict.fromkeys((mark, "-", ".")), dict.fromkeys((packed, "", ".gz"))
    return [f"{start}labels{mark}idx1-ubyte{ending}" for mark in marks for ending in endings]


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[Stream, int]]:
    """The file's bytes, out of gzip if they are in it, and how many there can be at most."""
    with regular(path) as file:
        size = size_of(file)
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            yield file, size
            return
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                yield stream, MOST_COMPRESSION * size
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise InvalidFile(path, f"damaged gzip data ({error}); copy or download the file again") from None


def _header(path: Path, stream: Stream) -> tuple[tuple[int, ...], np.dtype]:
    """The shape and the type of the numbers."""
    start = stream.read(4)
    if not _is_start(start):
        types = ", ".join(f"{code:02x}" for code in TYPES)
        got = start.hex(" ") or "nothing"
        raise InvalidFile(
            path, f"expected an IDX file, whose bytes begin 00 00, a type ({types}), 1 to {MOST_AXES:02x} axes, got {got}"
        )
    sizes = stream.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise InvalidFile(path, f"expected {start[3]} sizes of 4 bytes in its header, got {len(sizes)} bytes")
    shape = struct.unpack(f">{start[3]}I", sizes)
    if 0 in shape:
        raise InvalidFile(path, f"expected sizes of at least 1, got shape {shape}")
    return shape, np.dtype(TYPES[start[2]])


def _is_start(start: bytes) -> bool:
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in TYPES and 1 <= start[3] <= MOST_AXES
