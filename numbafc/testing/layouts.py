"""One array, the same values, many ways to lie in memory: what a layer that takes arrays must cope with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np


def _in_buffer(A: np.ndarray, window: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
    """A's values in a window of a larger buffer of NaN, which spoils every result that reads outside."""
    view = np.full(shape, np.nan, A.dtype)[window]
    view[...] = A
    return view


def _row_stride(A: np.ndarray) -> np.ndarray:
    return _in_buffer(A, tuple(slice(1, n + 1) for n in A.shape), tuple(n + 3 for n in A.shape))


def _steps(A: np.ndarray) -> np.ndarray:
    return _in_buffer(A, tuple(slice(1, 2 * n + 1, 2) for n in A.shape), tuple(2 * n + 2 for n in A.shape))


def _backwards(A: np.ndarray) -> np.ndarray:
    flip = tuple(slice(None, None, -1) for _ in A.shape)
    return np.array(A[flip], order="C")[flip]


def _read_only(A: np.ndarray) -> np.ndarray:
    view = np.array(A, order="C")
    view.flags.writeable = False
    return view


def _memory_map(A: np.ndarray) -> np.ndarray:
    if A.size == 0:
        return np.array(A, order="C")  # the operating system maps no empty file
    with tempfile.TemporaryFile() as file:
        view = np.memmap(file, A.dtype, "w+", shape=A.shape)
        view[...] = A
    return view


def _unaligned(A: np.ndarray) -> np.ndarray:
    view = np.empty(A.nbytes + 1, np.uint8)[1:].view(A.dtype).reshape(A.shape)
    view[...] = A
    return view


def _byte_swapped(A: np.ndarray) -> np.ndarray:
    return A.astype(A.dtype.newbyteorder())


def _odd_strides_of_length_1(A: np.ndarray) -> np.ndarray:
    """NumPy leaves the stride of an axis of length 1 undefined; a kernel must not use it."""
    base = np.array(A, order="C")
    strides = tuple(step if n > 1 else 12345 for n, step in zip(base.shape, base.strides, strict=True))
    return np.lib.stride_tricks.as_strided(base, base.shape, strides)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": lambda A: np.array(A, order="C"),
    "Fortran": lambda A: np.array(A, order="F"),
    "row stride": _row_stride,
    "steps of 2": _steps,
    "backwards": _backwards,
    "read-only": _read_only,
    "memory map": _memory_map,
    "unaligned": _unaligned,
    "byte-swapped": _byte_swapped,
    "odd strides of length 1": _odd_strides_of_length_1,
}
