"""Whether an output may overlap: asked by compiled code, in nanoseconds, of the first and the last byte of each array.

What lies plainly apart is; of all else `checks` finds out exactly, in Python, and says which input it is.
"""

from __future__ import annotations

from .._numba import inner
from .vector import first_byte


@inner
def _ends(first, rows, down, columns, along, itemsize):
    """The first and the last byte of a matrix, as addresses. first: where its first element is."""
    down, along = (rows - 1) * down, (columns - 1) * along
    return first + min(down, 0) + min(along, 0), first + max(down, 0) + max(along, 0) + itemsize - 1


@inner
def _matrix_ends(A):
    return _ends(first_byte(A), A.shape[0], A.strides[0], A.shape[1], A.strides[1], A.itemsize)


@inner
def _one_by_one(Y):
    """Whether no two elements of Y overlap: the longer step leaves all of the shorter ones behind. No, if in doubt."""
    (rows, columns), down, along = Y.shape, abs(Y.strides[0]), abs(Y.strides[1])
    if down < along:
        rows, columns, down, along = columns, rows, along, down
    reach = Y.itemsize + (along * (columns - 1) if columns > 1 else 0)
    return (columns < 2 or along >= Y.itemsize) and (rows < 2 or down >= reach)


@inner
def overlaps(A, X, b, biased, Y):
    """Whether Y may overlap itself or an input, as far as the first and last bytes tell."""
    if Y.size == 0:
        return False
    begin, end = _matrix_ends(Y)
    (a0, a1), (x0, x1) = _matrix_ends(A), _matrix_ends(X)
    b0, b1 = _ends(first_byte(b), 1, 0, b.shape[0], b.strides[0], b.itemsize)
    apart = A.size == 0 or a1 < begin or end < a0
    apart &= X.size == 0 or x1 < begin or end < x0
    apart &= not biased or b1 < begin or end < b0
    return not (apart and _one_by_one(Y))
