"""What of a product is packed, and where: decisions from shapes and strides alone, and the packing itself.

X is read in place where one tile is as wide as Y, A has few rows or X is small, else packed into panels as wide as a tile,
[k][lanes], which stay in the L2 cache while the rows of A pass over them. A is read in place. Where its rows lie side by
side in memory (Wᵀ), tiles ask for the next rows' numbers on their way, and SUM_BLOCK summands pass at a time, so that a
line waits in the L2 cache for the next tile; only where a power of two from k to k leaves too few places there, rows are
packed.
"""

from __future__ import annotations

import numpy as np

from .._numba import inner
from ..formulas import SUM_BLOCK
from .vector import copy_rows, lanes_in, masked_loads, most_rows, most_vectors, transpose

CHUNK = 4 * SUM_BLOCK  # summands in a panel: 64 float32 lanes of so many are 256 KiB
GROUP = 16  # vectors packed at a time: with CHUNK at most 1 MiB, half of the L2 cache of an AVX-512 machine
BAND = 96  # rows of A packed at a time: six cache lines of float32, and whole tiles of 6, 8 and 12 rows
FEW_ROWS = 4  # so few rows of A read X once: packing would cost as much
FEW_SUMMANDS = 2  # so few write Y as fast as memory takes it, if it is written in its order
PASSES = 8  # so often X is read in place, in tiles of two vectors, which have the most rows, before packing pays
SMALL = 384  # vectors of X that stay in the L1 cache where they are, half of it


@inner
def pack(X, j0, width, lanes, real, k0, size, itemsize, extra, out, at):
    """Panel [k][width·lanes] of X[k0 : k0+size, j0 : j0+real], from byte `at` of out; extra = 1: a 1 behind the last lane.

    Lanes of the panel that are no part of X are numbers of X or 0: what becomes of them is stored nowhere, but numbers
    below the normal ones, which any memory may hold, take a tile several times as long.
    """
    step, first = width * lanes * itemsize, at // itemsize
    done = min((real + lanes - 1) // lanes, width) * lanes  # the first two ways write whole vectors
    if X.strides[1] == itemsize:
        copy_rows(X, k0 * X.strides[0] + j0 * itemsize, X.strides[0], real, size, out, at, step)
    elif X.strides[0] == itemsize and masked_loads(out) == 1:
        for v in range(width):
            columns = min(lanes, real - v * lanes)
            x_at, out_at = k0 * itemsize + (j0 + v * lanes) * X.strides[1], at + v * lanes * itemsize
            transpose(X, x_at, X.strides[1], columns, size if columns > 0 else 0, out, out_at, step)
    else:
        done = real
        for k in range(size):
            for j in range(real):
                out[first + k * width * lanes + j] = X[k0 + k, j0 + j]
    for k in range(size if done < width * lanes else 0):
        for j in range(done, width * lanes):
            out[first + k * width * lanes + j] = 0
    if extra == 1 and real < width * lanes:
        for k in range(size):
            out[first + k * width * lanes + real] = 1


@inner
def is_small(X, vectors):
    """Whether so many vectors of all rows of X stay in the L1 cache as they are."""
    return X.shape[0] * vectors <= SMALL


@inner
def packs_x(X, Y, extra, rows, vectors):
    """Whether a part of Y of so many rows and vectors packs X."""
    once = vectors <= most_vectors(Y) or rows <= PASSES * most_rows(Y, 2)
    return not ((once or is_small(X, vectors)) and X.strides[1] == Y.itemsize and masked_loads(Y) == 1 and extra == 0)


@inner
def _side_by_side(A):
    """Whether the rows of A lie side by side (Wᵀ): each summand of a tile then has a cache line of its own."""
    return A.strides[0] == A.itemsize and A.strides[1] != A.itemsize


@inner
def chunk_of(A):
    """Summands that pass over all rows before the next do. Lines of A with several tiles in them wait for those in L2."""
    return SUM_BLOCK if _side_by_side(A) else CHUNK


@inner
def packs_a(A, rows, vectors):
    """Whether so many rows of A are packed: from k to k it is so far that the L2 cache has too few places for them.

    Of 16 places in each set and 128 KiB from set to the same set, 256 summands 8 KiB apart need all, until a second
    group of vectors comes by.
    """
    crowded = abs(A.strides[1]) % (8192 if vectors > GROUP else 16384) == 0
    return _side_by_side(A) and crowded and rows > FEW_ROWS and vectors > 1


@inner
def whole_lines(elements):
    """So many elements as whole cache lines."""
    return (elements + 15) // 16 * 16


def aligned(elements, dtype):
    """An empty array that begins at a cache line."""
    raw = np.empty(elements + 64 // dtype.itemsize, dtype)
    skip = -raw.ctypes.data % 64 // dtype.itemsize
    return raw[skip : skip + elements]


@inner
def is_column(A, X, Y, extra):
    """Whether the product is one column over rows of A, which is then read by squares."""
    return X.shape[1] == 1 and extra == 0 and A.strides[1] == Y.itemsize and masked_loads(Y) == 1


@inner
def is_row(A, X, Y, extra):
    """Whether the product is one row over columns of X that each lie side by side: a column, turned."""
    return (
        A.shape[0] == 1
        and extra == 0
        and X.strides[0] == Y.itemsize
        and X.strides[1] != Y.itemsize
        and masked_loads(Y) == 1
    )


@inner
def streams(A, X, Y, extra, rows, vectors):
    """Whether each row of such a part of Y is a few passes over rows of X: few rows or few summands, and Y is wide."""
    few = rows <= FEW_ROWS or A.shape[1] <= FEW_SUMMANDS
    wide = vectors > most_vectors(Y)
    return few and wide and A.shape[1] > 0 and X.strides[1] == Y.itemsize and masked_loads(Y) == 1 and extra == 0


@inner
def sums_apart(A, Y, extra, rows, columns):
    """1 where the sums of A's rows would be a vector of their own in tiles, and squares of A cost half as much."""
    whole = extra == 1 and columns % lanes_in(Y) == 0 and rows > FEW_ROWS and A.shape[1] > FEW_SUMMANDS
    return int(whole and A.strides[1] == Y.itemsize and masked_loads(Y) == 1)


@inner
def vectors_of(Y, extra, columns):
    """Vectors of so many columns of Y, with the sums beside them or not."""
    return (columns + extra + lanes_in(Y) - 1) // lanes_in(Y)


@inner
def room_for(A, X, Y, extra, rows, columns):
    """Elements of work for a part of so many rows and columns: X's panels, then A's band; whole cache lines."""
    size, lanes, apart = min(X.shape[0], chunk_of(A)), lanes_in(Y), sums_apart(A, Y, extra, rows, columns)
    extra -= apart
    vectors = vectors_of(Y, extra, columns)
    if streams(A, X, Y, extra, rows, vectors):
        return 16 + rows * whole_lines(vectors * lanes) if X.shape[0] > SUM_BLOCK else 0
    panels = size * min(GROUP, vectors) * lanes if packs_x(X, Y, extra, rows, vectors) else 0
    band = size * (BAND + lanes) if packs_a(A, rows, vectors) else 0
    return max(whole_lines(panels + band), 16 * apart)  # a 1 to multiply by, at least
