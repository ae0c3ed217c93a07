"""Arrays of any rank as the rows and columns of a Jacobian: row-major order, and back. Both ways are exact permutations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import checks, formulas


def linear_index(index: int | Sequence[int], shape: int | Sequence[int]) -> int:
    """The row-major position of an element: for (d0, d1) it is i0·d1 + i1. Raises ValueError for an index outside."""
    position, lengths = checks.shape_of("index", index), checks.shape_of("shape", shape)
    if len(position) != len(lengths) or any(at >= length for at, length in zip(position, lengths, strict=True)):
        raise ValueError(f"index {position} is not in an array of shape {lengths}; give one index per axis, from 0")
    return int(formulas.linear_index(position, lengths))


def linearize(A: np.ndarray) -> np.ndarray:
    """The elements of an array of any rank in row-major order, (n,): a view where the memory has that order."""
    return np.ravel(np.asarray(A), order="C")


def reroll(row: np.ndarray, shape: int | Sequence[int]) -> np.ndarray:
    """A row, (n,) or (1, n), back in its array's shape: the inverse of linearize. Raises ValueError for another n."""
    row, lengths = np.asarray(row), checks.shape_of("shape", shape)
    if row.ndim not in (1, 2) or (row.ndim == 2 and row.shape[0] != 1) or row.size != math.prod(lengths):
        raise ValueError(
            f"a row for shape {lengths} has {math.prod(lengths)} elements, (n,) or (1, n), got shape {row.shape}"
        )
    return row.reshape(lengths)
