"""What stands before a kernel's loops: lengths that belong together, outputs that nobody else reads, arrays in order.

Compiled code asks for dtypes, axes and memory (see _numba); whether an index is inside is asked here, once a call.
Everything raises TypeError or ValueError before anything is written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import checks
from .._numba import DTYPES


def same_length(first: str, one: np.ndarray, second: str, other: np.ndarray) -> None:
    """Two vectors have one length. Raises ValueError."""
    checks.same_size(
        (f"{first} has {{}} elements", len(one)), (f"{second} has {{}} elements", len(other)), "give both one length"
    )


def at_least(name: str, array: np.ndarray, length: int, what: str) -> None:
    """The vector is long enough. what: what has to fit in. Raises ValueError."""
    if len(array) < length:
        raise ValueError(f"{name} has {len(array)} elements but needs at least {length}, {what}")


def indices(name: str, array: np.ndarray, end: int, what: str) -> None:
    """All numbers of a contiguous int64 vector are from 0 to below `end`. what: what they count. Raises ValueError."""
    if len(array) and array.view(np.uint64).max() >= max(end, 0):  # what is negative is large so
        place = int(np.flatnonzero((array < 0) | (array >= end))[0])
        raise ValueError(f"{name} must be from 0 to {end - 1}, for there are {end} {what}, got {array[place]} at {place}")


def no_shared_memory(written: dict[str, np.ndarray], read: dict[str, np.ndarray]) -> None:
    """No array that is written has memory in common with another one. Raises ValueError."""
    others = {**written, **read}
    for name, array in written.items():
        for other, shared in others.items():
            if other != name and checks.shares_memory(array, shared):
                raise ValueError(f"{name} shares memory with {other}, and is written; pass arrays of their own")


def no_overlap(name: str, array: np.ndarray) -> None:
    """No two elements of an array that is written are one. Raises ValueError."""
    if checks.overlaps_itself(array):
        raise ValueError(f"{name} has strides {array.strides}, so its elements overlap one another; pass {name}.copy()")


def in_order(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """The array, or a copy where it is not contiguous, not aligned or not of the dtype."""
    array = np.ascontiguousarray(array, dtype)
    return array if array.flags.aligned else array.copy()


def in_place(name: str, A: Any) -> np.ndarray:
    """The numbers of A, which is to be written, as a vector that a kernel takes: A's own memory, or a copy for put_back.

    Raises TypeError for other arrays than of float32 and float64, ValueError for one that nobody may write.
    """
    if type(A) is not np.ndarray or A.dtype not in DTYPES or not A.flags.carray:
        real = checks.real_array(name, A)
        if not A.flags.writeable:
            raise ValueError(f"{name} is read-only, but is written in place; pass {name}.copy()")
        no_overlap(name, A)
        A = np.ascontiguousarray(real)
    return A.reshape(-1)


def put_back(numbers: np.ndarray, A: np.ndarray) -> None:
    """What a kernel has written, into A, unless it is there."""
    if not (A.flags.carray and A.dtype.isnative):
        A[...] = numbers.reshape(A.shape)


def to_read(name: str, A: Any, like: np.ndarray) -> np.ndarray:
    """The numbers of A, in order, of the dtype and shape of an array that is written. Raises TypeError or ValueError."""
    real = checks.real_array(name, A)
    if real.dtype != like.dtype.newbyteorder("="):
        raise TypeError(f"{name} is {real.dtype} but goes with an array of {like.dtype}; convert one of them with astype")
    if real.shape != like.shape:
        raise ValueError(f"{name} has shape {real.shape} but goes with an array of shape {like.shape}; give both one shape")
    return np.ascontiguousarray(real).reshape(-1)
