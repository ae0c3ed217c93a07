"""What of a product is packed, and where: decisions from shapes and strides alone, and the packing itself.

X is read in place where one tile is as wide as Y, A has few rows or X is small, else packed into panels as wide as a tile,
[k][lanes], which stay in the L2 cache while the rows of A pass over them. A is read in place. Where its rows lie side by
side in memory (Wᵀ), tiles ask for the next rows' numbers on their way, and SUM_BLOCK summands pass at a time, so that a
line waits in the L2 cache for the next tile. With AVX2, a tile over several panels keeps its rows in the first of them
(kept_rows.py), for there is little time to fetch them; elsewhere rows are packed, where a power of two from k to k leaves
too few places for them.
"""

from __future__ import annotations

import numpy as np

from .._numba import inner
from ..formulas import SUM_BLOCK
from .target import (
    FEW_ROWS,
    FEW_SUMMANDS,
    KC,
    L1_CROWDED,
    L2_PERIOD,
    L2_PERIOD_OF_GROUPS,
    LINE,
    MC,
    MOST_COLUMNS,
    PASSES,
    SMALL,
    SMALL_GROUP,
)
from .vector import (
    CopyTask,
    Strided,
    address,
    cache_bytes,
    copy,
    gemv_lanes,
    group_vectors,
    keeps_a,
    lanes_in,
    masked_loads,
    most_rows,
    most_vectors,
    transpose,
    vector_bytes,
)


@inner
def pack(X, j0, width, lanes, real, k0, size, itemsize, with_sums, out, at):
    """Panel [k][width·lanes] of X[k0 : k0+size, j0 : j0+real], from byte `at` of out; with_sums = 1: and ones behind it.

    The ones are in the lane behind X's last, and make row sums. Lanes of the panel that are no part of X are numbers of X
    or 0: what becomes of them is stored nowhere, but numbers below the normal ones, which any memory may hold, take a tile
    several times as long.
    """
    step, first = width * lanes * itemsize, at // itemsize
    done = min((real + lanes - 1) // lanes, width) * lanes  # the first two ways write whole vectors
    if X.strides[1] == itemsize:
        start = address(X, k0 * X.strides[0] + j0 * itemsize)
        copy(out, CopyTask(Strided(start, X.strides[0]), real, size, Strided(address(out, at), step)))
    elif X.strides[0] == itemsize and masked_loads(out) == 1:
        for v in range(width):
            columns = min(lanes, real - v * lanes)
            start, to = address(X, k0 * itemsize + (j0 + v * lanes) * X.strides[1]), address(out, at + v * lanes * itemsize)
            task = CopyTask(Strided(start, X.strides[1]), columns, size if columns > 0 else 0, Strided(to, step))
            transpose(out, task)
    else:
        done = real
        for k in range(size):
            for j in range(real):
                out[first + k * width * lanes + j] = X[k0 + k, j0 + j]
    for k in range(size if done < width * lanes else 0):
        for j in range(done, width * lanes):
            out[first + k * width * lanes + j] = 0
    if with_sums == 1 and real < width * lanes:
        for k in range(size):
            out[first + k * width * lanes + real] = 1


@inner
def is_small(X, vectors):
    """Whether so many vectors of all rows of X stay in the L1 cache as they are, or a group of them does."""
    group = X.shape[0] * min(vectors, group_vectors(X)) * vector_bytes(X)
    return X.shape[0] * vectors <= SMALL or (group <= SMALL_GROUP and X.strides[0] % L1_CROWDED != 0)


@inner
def packs_x(X, Y, with_sums, rows, vectors):
    """Whether a part of Y of so many rows and vectors packs X.

    From the L2 cache rows are read in place PASSES times before packing pays. Half as often where there is no room in it
    for much else, and a quarter as often where they come from further away; rows far apart are in few of its sets.
    """
    passes, reach, l2 = PASSES, X.shape[0] * abs(X.strides[0]), cache_bytes(Y)
    if 2 * reach > l2:
        passes = PASSES // 2 if reach <= l2 else PASSES // 4
    once = vectors <= most_vectors(Y) or rows <= passes * most_rows(Y, 2)
    return not ((once or is_small(X, vectors)) and X.strides[1] == Y.itemsize and masked_loads(Y) == 1 and with_sums == 0)


@inner
def _side_by_side(A):
    """Whether the rows of A lie side by side (Wᵀ): each summand of a tile then has a cache line of its own."""
    return A.strides[0] == A.itemsize and A.strides[1] != A.itemsize


@inner
def kc_of(A):
    """Summands that pass over all rows before the next do. Lines of A with several tiles in them wait for those in L2."""
    return SUM_BLOCK if _side_by_side(A) else KC


@inner
def group_of(A):
    """Vectors of X that are packed at a time, and pass by together: more where fewer summands do."""
    return group_vectors(A) * (KC // kc_of(A))


@inner
def packs_a(A, rows, vectors):
    """Whether so many rows of A are packed: from k to k it is so far that the L2 cache has too few places for them.

    Tiles that keep their rows of A come by each only once.
    """
    if keeps_a(A) == 1 and vectors > most_vectors(A):
        return False
    crowded = abs(A.strides[1]) % (L2_PERIOD_OF_GROUPS if vectors > group_of(A) else L2_PERIOD) == 0
    return _side_by_side(A) and crowded and rows > FEW_ROWS and vectors > 1


@inner
def whole_lines(elements):
    """So many elements as whole cache lines."""
    return (elements + 15) // 16 * 16  # of float32; of float64 they are two each


def aligned(elements, dtype):
    """An empty array that begins at a cache line."""
    raw = np.empty(elements + LINE // dtype.itemsize, dtype)
    skip = -raw.ctypes.data % LINE // dtype.itemsize
    return raw[skip : skip + elements]


@inner
def is_gemv(A, X, Y, with_sums):
    """Whether the product is one column over rows of A: gemv."""
    return X.shape[1] == 1 and with_sums == 0 and A.strides[1] == Y.itemsize and masked_loads(Y) == 1


@inner
def is_gemv_transposed(A, X, Y, with_sums):
    """Whether the product is one row over columns of X that each lie side by side: gemv of its transpose."""
    return (
        A.shape[0] == 1
        and with_sums == 0
        and X.strides[0] == Y.itemsize
        and X.strides[1] != Y.itemsize
        and masked_loads(Y) == 1
    )


@inner
def is_axpyf(A, X, Y, with_sums, rows, vectors):
    """Whether each row of such a part of Y is a few passes over rows of X, axpyf: few rows or summands, and Y is wide."""
    few = rows <= FEW_ROWS or A.shape[1] <= FEW_SUMMANDS
    wide = vectors > most_vectors(Y)
    return few and wide and A.shape[1] > 0 and X.strides[1] == Y.itemsize and masked_loads(Y) == 1 and with_sums == 0


@inner
def is_few_columns(A, Y, b, biased, with_sums):
    """Whether the product is a few columns over rows of A that are in one piece, and Y and b are, too."""
    (T, S), itemsize = Y.shape, Y.itemsize
    few = 1 < S <= MOST_COLUMNS and 2 * gemv_lanes(Y) <= T and A.shape[1] > FEW_SUMMANDS
    dense = A.strides[1] == itemsize and Y.strides[0] == S * itemsize and not (biased and b.strides[0] != itemsize)
    return few and dense and with_sums == 0 and masked_loads(Y) == 1


@inner
def is_turned(A, Y, with_sums, rows, columns):
    """Whether lanes run along the rows of A: side by side in memory they fill vectors that so few columns would not."""
    few = columns < lanes_in(Y) and rows > lanes_in(Y)
    return few and _side_by_side(A) and A.shape[1] > FEW_SUMMANDS and with_sums == 0 and masked_loads(Y) == 1


@inner
def turned_row(rows):
    """Elements from row to row of Yᵀ in the workspace."""
    return whole_lines(rows)


@inner
def sums_by_gemv(A, X, Y, with_sums, rows, columns):
    """1 where gemv costs less than the row sums of A in tiles: they would be a vector of their own, or have X packed.

    A single column stays beside its sums in one tile: without them it would be gemv's, which has no epilogue of a step.
    """
    few = rows <= FEW_ROWS or A.shape[1] <= FEW_SUMMANDS or columns == 1
    if with_sums == 0 or few or A.strides[1] != Y.itemsize or masked_loads(Y) == 0:
        return 0
    return int(columns % lanes_in(Y) == 0 or not packs_x(X, Y, 0, rows, vectors_of(Y, 0, columns)))


@inner
def vectors_of(Y, with_sums, columns):
    """Vectors of so many columns of Y, with the row sums in a lane behind them or not."""
    return (columns + with_sums + lanes_in(Y) - 1) // lanes_in(Y)


@inner
def workspace_for(A, X, Y, with_sums, rows, columns):
    """Elements of workspace for a part of so many rows and columns: X's panels, then A's band; whole cache lines."""
    size, lanes, by_gemv = min(X.shape[0], kc_of(A)), lanes_in(Y), sums_by_gemv(A, X, Y, with_sums, rows, columns)
    with_sums -= by_gemv
    vectors = vectors_of(Y, with_sums, columns)
    if is_turned(A, Y, with_sums, rows, columns):
        return columns * turned_row(rows)
    if is_axpyf(A, X, Y, with_sums, rows, vectors):
        return 16 + rows * whole_lines(vectors * lanes) if X.shape[0] > SUM_BLOCK else 0
    panels = size * min(group_of(A), vectors) * lanes if packs_x(X, Y, with_sums, rows, vectors) else 0
    band = size * (MC + lanes) if packs_a(A, rows, vectors) else 0
    return max(whole_lines(panels + band), 16 * by_gemv)  # a 1 to multiply by, at least
