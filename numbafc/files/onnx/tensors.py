"""Tensors of a model as arrays, no larger than the bytes that are there for them, in the file or in one beside it."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from ..opening import regular, require_memory, size_of
from . import wire
from .messages import MOST_WORDS, Tensor
from .wire import signed, text, view

FLOAT, INT32, INT64, STRING, BOOL, DOUBLE = 1, 6, 7, 8, 9, 11
DTYPES = {FLOAT: "<f4", INT32: "<i4", INT64: "<i8", BOOL: "?", DOUBLE: "<f8"}  # that are read
NAMES = {2: "uint8", 3: "int8", 10: "float16", 14: "complex64", 15: "complex128", 16: "bfloat16"}
DIMS, TYPE, FLOATS, INT32S, STRINGS, INT64S, RAW, DOUBLES, EXTERNAL, LOCATION = 1, 2, 4, 5, 6, 7, 9, 10, 13, 14
MOST_AXES = 8


class Tensors:
    """The tensors of a model's file, and of files beside it. taken: the bytes of all that was read."""

    def __init__(self, path: Path, size: int, fields: wire.Fields) -> None:
        self.path, self.taken, self.fields = path, size, fields
        self._beside: dict[str, memoryview] = {}

    def array(self, tensor: Tensor) -> np.ndarray:
        """A tensor as an array; one of words as an array of objects. Raises ValueError, OSError or MemoryError."""
        found: dict[int, list[tuple[int, Any]]] = defaultdict(list)
        for number, how, value in self.fields(tensor.data):
            found[number].append((how, value))
        kind = signed(found[TYPE][-1][1]) if found.get(TYPE) else 0
        shape = wire.integers(found.get(DIMS, []), MOST_AXES)
        name = f"the tensor {tensor.name!r:.60}"
        if kind == STRING:
            return self._words(name, found.get(STRINGS, []), shape)
        if kind not in DTYPES:
            raise ValueError(f"{name} is of {NAMES.get(kind, f'type {kind}')}; expected float32 or float64")
        if any(size < 0 for size in shape):
            raise ValueError(f"{name} has the shape {shape}")
        values = self._values(name, found, kind)
        if math.prod(shape) != len(values):
            raise ValueError(f"{name} has shape {tuple(shape)!s:.60}, and {len(values)} numbers")
        return values.reshape(shape)

    def _values(self, name: str, found: dict[int, list[tuple[int, Any]]], kind: int) -> np.ndarray:
        dtype = np.dtype(DTYPES[kind])
        if found.get(LOCATION) and signed(found[LOCATION][-1][1]) == 1:
            data = self._external(name, found.get(EXTERNAL, []))
        elif found.get(RAW):
            data = view(found[RAW][-1][1])
        elif kind in (FLOAT, DOUBLE):
            return wire.reals(found.get(FLOATS if kind == FLOAT else DOUBLES, []), DTYPES[kind])
        else:
            return np.array(wire.integers(found.get(INT64S if kind == INT64 else INT32S, []), MOST_WORDS)).astype(dtype)
        if len(data) % dtype.itemsize:
            raise ValueError(f"{name} has {len(data)} bytes, of numbers of {dtype.itemsize}")
        return np.frombuffer(data, dtype)

    def _words(self, name: str, pieces: list[tuple[int, Any]], shape: list[int]) -> np.ndarray:
        if len(pieces) > MOST_WORDS or math.prod(shape) != len(pieces):
            raise ValueError(f"{name} has shape {tuple(shape)!s:.60}, and {len(pieces)} words")
        return np.array([text(value) for _, value in pieces], object).reshape(shape)

    def _external(self, name: str, entries: list[tuple[int, Any]]) -> memoryview:
        """The bytes of a tensor in a file beside the model's. Raises ValueError for any other place."""
        said = {}
        for _, value in entries[:MOST_AXES]:
            pair = {number: text(one) for number, _, one in self.fields(value) if number in (1, 2)}
            said[pair.get(1, "")] = pair.get(2, "")
        data = self._file(name, said.get("location", ""))
        offset, length = (_count(name, said.get(key, usual)) for key, usual in (("offset", "0"), ("length", "")))
        offset, length = offset or 0, len(data) - (offset or 0) if length is None else length
        if offset > len(data) or length > len(data) - offset:
            raise ValueError(f"{name} is {length} bytes from {offset} on in a file of {len(data)}")
        return data[offset : offset + length]

    def _file(self, name: str, location: str) -> memoryview:
        if location in ("", ".", "..") or set(location) & set("/\\:\0"):
            raise ValueError(f"{name} is in {location!r:.60}, which is no name of a file beside the model; copy it there")
        if location not in self._beside:
            path = self.path.parent / location
            if path.is_symlink():
                raise ValueError(f"{name} is in {location!r:.60}, which is a link; copy the file beside the model")
            with regular(path) as file:
                require_memory(path, 3 * size_of(file), "reading this model")
                data = file.read(size_of(file))
            self.taken += len(data)
            self._beside[location] = memoryview(data)
        return self._beside[location]


def _count(name: str, said: str) -> int | None:
    """A number of bytes, None where there is none."""
    if not said:
        return None
    if not (said.isascii() and said.isdigit() and len(said) < 19):
        raise ValueError(f"{name} has an offset or a length of {said!r:.40} bytes")
    return int(said)
