"""Rows of a matrix in a file that is mapped into memory: larger than memory, and copied in parts, when they are needed.

They go where an array of rows goes: a part of them, rows[places] or rows[first:last], is an array. np.asarray(rows) is all
of them, in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

PART = 1 << 24  # bytes that are copied in one go


class MappedRows:
    """Some columns of some rows of a mapped matrix, in a dtype of their own.

    places: of the rows, or None for all of them, in order.
    """

    ndim = 2

    def __init__(self, matrix: np.ndarray, picked: Any, dtype: Any, places: np.ndarray | None = None) -> None:
        self._matrix, self._picked, self._places, self.dtype = matrix, picked, places, np.dtype(dtype)
        width = matrix[:0, picked].shape[1]
        self.shape = len(matrix) if places is None else len(places), width
        self.part = max(1, PART // max(1, width * self.dtype.itemsize))  # rows

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, if they were in memory."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def __getitem__(self, places: Any) -> np.ndarray:
        if self._places is not None:
            places = self._places[places]
        with np.errstate(over="ignore"):  # who reads the file looks at what its dtype cannot hold
            return np.array(self._matrix[places][:, self._picked], self.dtype, order="C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def take(self, places: np.ndarray) -> MappedRows:
        """These rows, still in the file."""
        own = places if self._places is None else self._places[places]
        return MappedRows(self._matrix, self._picked, self.dtype, own)

    def astype(self, dtype: Any) -> MappedRows:
        """The same rows in another dtype, still in the file."""
        return MappedRows(self._matrix, self._picked, dtype, self._places)

    def parts(self) -> Iterator[np.ndarray]:
        """All rows in order, part by part."""
        for first in range(0, len(self), self.part):
            yield self[first : first + self.part]

    def max(self, axis: int) -> np.ndarray:
        """The largest number of each column."""
        return np.max([part.max(axis=axis) for part in self.parts()], axis=axis)

    def min(self, axis: int) -> np.ndarray:
        """The smallest number of each column."""
        return np.min([part.min(axis=axis) for part in self.parts()], axis=axis)


def taken(rows: Any, places: np.ndarray) -> Any:
    """The rows at these places: of a file still in it, else an array."""
    return rows.take(places) if isinstance(rows, MappedRows) else rows[places]


def parts_of(rows: Any) -> Iterator[np.ndarray]:
    """The rows in parts: those of a file, or an array as it is."""
    return rows.parts() if isinstance(rows, MappedRows) else iter((rows,))
