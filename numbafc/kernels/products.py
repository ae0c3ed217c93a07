"""kernel="tiled": the products in register tiles, blocked for the caches, split over threads.

All are one product Y = A X + b over strides, as in loops.py:

    forward  A = W   X = X     grad_w  A = dY  X = Xᵀ     grad_x  A = Wᵀ  X = dY     grad_b  A = 1  X = dYᵀ

X is read in place where one tile is as wide as Y, A has few rows or X is small, else packed into panels as wide as a tile,
[k][lanes], which stay in the L2 cache while the rows of A pass over them. A is read in place. Where its rows lie side by
side in memory (Wᵀ), tiles ask for the next rows' numbers on their way, and SUM_BLOCK summands pass at a time, so that a
line waits in the L2 cache for the next tile; only where a power of two from k to k leaves too few places there, rows are
packed. What is where in memory, and who computes it, changes no bit: the chain of fma of an element is the same in every
tile.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numba import prange
from numba.core import config
from numba.extending import register_jitable
from numba.types import intp

from .._jit import DTYPES, array_in, array_out, get_num_threads, kernel
from ..formulas import SUM_BLOCK
from . import loops
from .loops import per_sample_grad_norms
from .tile import ALL_ROWS
from .vector import (
    address,
    call_stored,
    column,
    copy_rows,
    half_vectors,
    lanes_in,
    masked_loads,
    most_rows,
    most_vectors,
    stream_1,
    stream_2,
    stream_4,
    stream_8,
    tile,
    tile_table,
    transpose,
    turn,
    vector_bytes,
)

__all__ = ["TURN_A", "TURN_X", "TURN_Y", "forward", "grad_b", "grad_w", "grad_w_and_b", "grad_x", "product"]
__all__ += ["per_sample_grad_norms"]

CHUNK = 4 * SUM_BLOCK  # summands in a panel: 64 float32 lanes of so many are 256 KiB
GROUP = 16  # vectors packed at a time: with CHUNK at most 1 MiB, half of the L2 cache of an AVX-512 machine
BAND = 96  # rows of A packed at a time: six cache lines of float32, and whole tiles of 6, 8 and 12 rows
FEW_ROWS = 4  # so few rows of A read X once: packing would cost as much
FEW_SUMMANDS = 2  # so few write Y as fast as memory takes it, if it is written in its order
PASSES = 8  # so often X is read in place, in tiles of two vectors, which have the most rows, before packing pays
SMALL = 384  # vectors of X that stay in the L1 cache where they are, half of it
PACKING_ROWS = 8  # packing a vector of X costs about what this many rows of A do
READING = 1  # vectors whose fma take as long as reading a number of A, which each part does for all its rows
PARALLEL = 1_500_000  # multiply-adds from which a second thread is worth its start (1.5 µs, and a cold cache)
FROM_MEMORY = 6  # what a multiply-add counts for where each takes a number of its own from memory


# ---- packing --------------------------------------------------------------------------------------------------------


@register_jitable
def _pack(X, j0, width, lanes, real, k0, size, itemsize, extra, out, at):
    """Panel [k][width·lanes] of X[k0 : k0+size, j0 : j0+real], from byte `at` of out; extra = 1: a 1 behind the last lane.

    Lanes of the panel that are no part of X are numbers of X or 0: what becomes of them is stored nowhere, but numbers
    below the normal ones, which any memory may hold, take a tile ten times as long.
    """
    step, first = width * lanes * itemsize, at // itemsize
    done = min((real + lanes - 1) // lanes, width) * lanes  # the first two ways write whole vectors
    if X.strides[1] == itemsize:
        copy_rows(X, k0 * X.strides[0] + j0 * itemsize, X.strides[0], real, size, out, at, step)
    elif X.strides[0] == itemsize and masked_loads(out) == 1:
        for v in range(width):
            columns = min(lanes, real - v * lanes)
            for k in range(0, size if columns > 0 else 0, lanes):
                x_at = (k0 + k) * itemsize + (j0 + v * lanes) * X.strides[1]
                out_at = at + k * step + v * lanes * itemsize
                transpose(X, x_at, X.strides[1], columns, min(lanes, size - k), out, out_at, step)
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


@register_jitable
def _is_small(X, vectors):
    """Whether so many vectors of all rows of X stay in the L1 cache as they are."""
    return X.shape[0] * vectors <= SMALL


@register_jitable
def _packs_x(X, Y, extra, rows, vectors):
    """Whether a part of Y of so many rows and vectors packs X."""
    once = vectors <= most_vectors(Y) or rows <= PASSES * most_rows(Y, 2)
    return not ((once or _is_small(X, vectors)) and X.strides[1] == Y.itemsize and masked_loads(Y) == 1 and extra == 0)


@register_jitable
def _side_by_side(A):
    """Whether the rows of A lie side by side (Wᵀ): each summand of a tile then has a cache line of its own."""
    return A.strides[0] == A.itemsize and A.strides[1] != A.itemsize


@register_jitable
def _chunk(A):
    """Summands that pass over all rows before the next do. Lines of A with several tiles in them wait for those in L2."""
    return SUM_BLOCK if _side_by_side(A) else CHUNK


@register_jitable
def _packs_a(A, rows, vectors):
    """Whether so many rows of A are packed: from k to k it is so far that the L2 cache has too few places for them.

    Of 16 places in each set and 128 KiB from set to the same set, 256 summands 8 KiB apart need all, until a second
    group of vectors comes by.
    """
    crowded = abs(A.strides[1]) % (8192 if vectors > GROUP else 16384) == 0
    return _side_by_side(A) and crowded and rows > FEW_ROWS and vectors > 1


@register_jitable
def _lines(elements):
    """So many elements as whole cache lines."""
    return (elements + 15) // 16 * 16


@register_jitable
def _is_column(A, X, Y, extra):
    """Whether the product is one column over rows of A, which is then read by squares."""
    return X.shape[1] == 1 and extra == 0 and A.strides[1] == Y.itemsize and masked_loads(Y) == 1


@register_jitable
def _is_row(A, X, Y, extra):
    """Whether the product is one row over columns of X that each lie side by side: a column, turned."""
    return (
        A.shape[0] == 1
        and extra == 0
        and X.strides[0] == Y.itemsize
        and X.strides[1] != Y.itemsize
        and masked_loads(Y) == 1
    )


@register_jitable
def _streams(A, X, Y, extra, rows, vectors):
    """Whether each row of such a part of Y is a few passes over rows of X: few rows or few summands, and Y is wide."""
    few = rows <= FEW_ROWS or A.shape[1] <= FEW_SUMMANDS
    wide = vectors > most_vectors(Y)
    return few and wide and A.shape[1] > 0 and X.strides[1] == Y.itemsize and masked_loads(Y) == 1 and extra == 0


@register_jitable
def _room(A, X, Y, extra, rows, vectors):
    """Elements of work for a part of so many rows and vectors: X's panels, then A's band; whole cache lines."""
    size, lanes = min(X.shape[0], _chunk(A)), lanes_in(Y)
    if _streams(A, X, Y, extra, rows, vectors):
        return 16 + rows * _lines(vectors * lanes) if X.shape[0] > SUM_BLOCK else 0
    panels = size * min(GROUP, vectors) * lanes if _packs_x(X, Y, extra, rows, vectors) else 0
    band = size * (BAND + lanes) if _packs_a(A, rows, vectors) else 0
    return _lines(panels + band)


# ---- one thread -----------------------------------------------------------------------------------------------------
#
# Only the kernel has the code of the tiles in it: Numba compiles a function once more for each caller up to the kernel.
# An operand of tiles is (address, bytes from row to row or panel to panel, from k to k), `out` is what _out returns: arrays
# in tuples would cost an atomic count of references each time.


@register_jitable
def _out(Y, b, biased, E, extra):
    """What tiles write and add: dtype, columns, (address, bytes from row to row) of Y, b and E, and the two choices."""
    y, e = (address(Y, 0), Y.strides[0]), (address(E, 0), E.strides[0])
    bias = address(b, 0), b.strides[0] if biased == 1 else 0  # one rate is for all rows
    return Y.dtype, Y.shape[1], y, bias, e, biased, extra


@register_jitable
def _panel(first, last, panels, p):
    """Where panel p of `panels` over the vectors first…last begins, and its width: as even as can be, the wider first."""
    width, wider = (last - first) // panels, (last - first) % panels
    return first + p * width + min(p, wider), width + int(p < wider)


@register_jitable
def _heights(most, left):
    """(rows, tiles): the next tiles are so many of so many rows, where `left` are left and a tile has at most `most`.

    All alike if that is possible, else the highest until two are left: ten rows are six and four, not eight and two.
    """
    tiles = (left + most - 1) // most
    rows = (left + tiles - 1) // tiles
    if tiles == 1 and rows > ALL_ROWS and rows % 2 == 1:  # no such tile: two of half the rows, or the next
        rows = (rows + 1) // 2
    if rows > ALL_ROWS and rows % 2 == 1:
        rows += 1
    if rows * tiles == left:
        return rows, tiles
    if left > 2 * most:
        return most, (left - most - 1) // most
    return rows, 1


@register_jitable
def _tiles(table, a, x, out, t0, t1, v, width, panels, size, add):
    """Rows t0…t1 of `panels` panels of one width, from vector v, over `size` summands. add: Y holds those before."""
    dtype, S, y, b, e, biased, extra = out
    most, columns = most_rows(dtype, width), S - v * lanes_in(dtype)
    if a[1] % 4096 == 0:  # a number of each row is in the same set of the L1 cache, which has room for eight
        most = min(most, 8)
    if half_vectors(dtype) == 1 and width == 1 and columns + extra <= lanes_in(dtype) // 2:
        width = 0
    t = t0
    while t < t1:
        rows, tiles = _heights(most, t1 - t)
        tile(
            table, rows, width, address(a[0], (t - t0) * a[1]), a[1], a[2], x[0], x[1], x[2], x[3], size,
            address(y[0], t * y[1] + v * vector_bytes(dtype)), y[1], columns, add,
            address(b[0], t * b[1]), b[1], biased, address(e[0], t * e[1]), e[1], extra, tiles, panels,
        )  # fmt: skip
        t += rows * tiles


@register_jitable
def _pass(summands, Y, a, a_step, x, x_step, y, begin, b, biased):
    """The row at y of Y, over 8, 4, 2 or 1 summands."""
    if summands == 8:
        stream_8(Y, a, a_step, x, x_step, y, Y.shape[1], begin, b, biased)
    elif summands == 4:
        stream_4(Y, a, a_step, x, x_step, y, Y.shape[1], begin, b, biased)
    elif summands == 2:
        stream_2(Y, a, a_step, x, x_step, y, Y.shape[1], begin, b, biased)
    else:
        stream_1(Y, a, a_step, x, x_step, y, Y.shape[1], begin, b, biased)


@register_jitable
def _stream(A, X, b, biased, Y, work):
    """All of Y: a few rows of X at a time pass in the order of memory, however large it is.

    The sums of the first block are in Y from the start; those of a later one are in work until it ends.
    """
    (T, K), row = A.shape, _lines(Y.shape[1]) * Y.itemsize
    if K > SUM_BLOCK:
        work[0] = 1
    for k0 in range(0, K, SUM_BLOCK):
        k, k1 = k0, min(k0 + SUM_BLOCK, K)
        while k < k1:
            left = k1 - k
            now = 8 if left >= 8 else 4 if left >= 4 else 2 if left >= 2 else 1
            ends = int(biased == 1 and k0 == 0 and k + now == K)
            for t in range(T):
                a, bias = address(A, t * A.strides[0] + k * A.strides[1]), address(b, t * b.strides[0])
                y = address(Y, t * Y.strides[0]) if k0 == 0 else address(work, 64 + t * row)
                _pass(now, Y, a, A.strides[1], address(X, k * X.strides[0]), X.strides[0], y, int(k == k0), bias, ends)
            k += now
        for t in range(T if k0 > 0 else 0):  # Y + 1·sums, rounded once
            y, bias = address(Y, t * Y.strides[0]), address(b, t * b.strides[0])
            _pass(1, Y, address(work, 0), 0, address(work, 64 + t * row), 0, y, 0, bias, int(biased == 1 and k1 == K))


@register_jitable
def _column(A, X, b, b_step, biased, Y):
    """The only column of Y, for A with its summands side by side. b_step: bytes from row to row of b."""
    for t in range(0, A.shape[0], lanes_in(Y)):
        a_at, y_at, b_at = t * A.strides[0], t * Y.strides[0], t * b_step
        rows, K = min(lanes_in(Y), A.shape[0] - t), A.shape[1]
        column(A, a_at, A.strides[0], X, 0, X.strides[0], K, Y, y_at, Y.strides[0], b, b_at, b_step, biased, rows)


@register_jitable
def _pack_panels(X, g0, g1, panels, k0, size, extra, work):
    """The panels of the vectors g0…g1, one behind the other, from the start of work."""
    lanes, at = lanes_in(work), 0
    for p in range(panels):
        first, width = _panel(g0, g1, panels, p)
        real = min(X.shape[1] - first * lanes, width * lanes)
        _pack(X, first * lanes, width, lanes, real, k0, size, work.itemsize, extra, work, at)
        at += size * width * lanes * work.itemsize


@register_jitable
def _band(table, a, x, out, t0, t1, g0, g1, panels, size, add):
    """Rows t0…t1 of the vectors g0…g1. x: where g0 starts in X, X's step in k, whether it is in panels instead."""
    vector, wider = vector_bytes(out[0]), (g1 - g0) % panels
    for narrow in range(2):  # panels of one width share the split of the rows; there are two widths at most
        p, same = (wider, panels - wider) if narrow == 1 else (0, wider)
        if same > 0:
            first, width = _panel(g0, g1, panels, p)
            summands, x_step = (size, width * vector) if x[2] else (1, x[1])
            panel = address(x[0], (first - g0) * vector * summands), width * vector * summands, x_step, int(x[2])
            _tiles(table, a, panel, out, t0, t1, first, width, same, size, add)


@register_jitable
def _blocks(table, A, X, b, biased, Y, E, extra, vectors, work):
    """All of Y: GROUP vectors and CHUNK summands at a time; all rows, or a band of them where A is packed."""
    (T, K), itemsize, vector = A.shape, Y.itemsize, vector_bytes(Y)
    packs_x, packs_a = _packs_x(X, Y, extra, T, vectors), _packs_a(A, T, vectors)
    chunk = _chunk(A)
    band_at = min(K, chunk) * min(GROUP, vectors) * vector if packs_x else 0
    for g0 in range(0, vectors, GROUP):
        g1 = min(g0 + GROUP, vectors)
        widest = most_vectors(Y) if packs_x or vectors <= most_vectors(Y) or _is_small(X, vectors) else 2
        panels = (g1 - g0 + widest - 1) // widest
        for k0 in range(0, max(K, 1), chunk):
            size = min(chunk, K - k0)
            out = _out(Y, b, biased if k0 + size == K else 0, E, extra)
            x = address(X, k0 * X.strides[0] + g0 * vector), X.strides[0], packs_x
            if packs_x:
                _pack_panels(X, g0, g1, panels, k0, size, extra, work)
                x = address(work, 0), 0, packs_x
            rows = BAND if packs_a else max(T, 1)
            for t0 in range(0, T, rows):
                t1, start = min(t0 + rows, T), t0 * A.strides[0] + k0 * A.strides[1]
                a = address(A, start), A.strides[0], A.strides[1]
                if packs_a:
                    copy_rows(A, start, A.strides[1], t1 - t0, size, work, band_at, BAND * itemsize)
                    a = address(work, band_at), itemsize, BAND * itemsize
                _band(table, a, x, out, t0, t1, g0, g1, panels, size, k0)


# What a call says besides its arrays: which of them are transposed, and what the other two are good for.
TURN_A, TURN_X, TURN_Y, BIASED, EXTRA, STEP = 1, 2, 4, 8, 16, 32
# What a call answers: 0, or how many elements of work it needs, or one of these.
UNFIT, SCATTERED, LARGE = -1, -2, -3  # shapes do not fit; rows of Y are not contiguous; there is work for several threads
ANY_SIZE = 2**62


def product_types(real):
    inputs = array_in(real, 2), array_in(real, 2), array_in(real, 1)
    return *inputs, array_out(real, 2), array_out(real, 1), array_out(real, 1), intp, intp


@register_jitable
def _operands(flags, A, X, Y):
    """A, X and Y as the product has them; 1 for a bias or 2 for a step, and whether there is E."""
    turned = turn(A, flags & TURN_A), turn(X, flags & TURN_X), turn(Y, flags & TURN_Y)
    return *turned, int(flags & BIASED > 0) + 2 * int(flags & STEP > 0), int(flags & EXTRA > 0)


@register_jitable
def _refusal(A, X, b, biased, Y, E, extra):
    """0, or why this product cannot be."""
    (T, K), S = A.shape, X.shape[1]
    if X.shape[0] != K or Y.shape != (T, S) or (biased == 1 and b.shape[0] != T) or (extra == 1 and E.shape[0] != T):
        return UNFIT
    return SCATTERED if S > 1 and T > 0 and Y.strides[1] != Y.itemsize else 0  # vectors are stored side by side


@kernel(product_types, parallel=False)
def on_one_thread(P, Q, b, R, E, work, flags, most):
    """R = P Q + b, each turned as the flags say; with EXTRA also E[t] = Σ_k P[t,k]. Nothing is done for an answer but 0.

    most: from so many multiply-adds on, the answer is LARGE. With STEP, R = R − b[0]·(P Q), where the sums are those of one
    block of the tiles, else UNFIT.
    """
    table = tile_table(R)
    A, X, Y, biased, extra = _operands(flags, P, Q, R)
    refusal = _refusal(A, X, b, biased, Y, E, extra)
    if refusal != 0:
        return refusal
    (T, S), K = Y.shape, X.shape[0]
    if T * S * K * (FROM_MEMORY if min(T, S, K) == 1 else 1) >= most:
        return LARGE
    vectors = (X.shape[1] + extra + lanes_in(Y) - 1) // lanes_in(Y)
    room = _room(A, X, Y, extra, A.shape[0], vectors)
    if room > work.size:
        return room
    if flags & STEP and (K == 0 or K > SUM_BLOCK):
        return UNFIT
    if flags & STEP:
        _blocks(table, A, X, b, biased, Y, E, extra, vectors, work)
        return 0
    if _is_column(A, X, Y, extra):
        _column(A, X, b, b.strides[0], biased, Y)
        return 0
    if _is_row(A, X, Y, extra):
        _column(X.T, A.T, b, 0, biased, Y.T)
        return 0
    if _streams(A, X, Y, extra, A.shape[0], vectors):
        _stream(A, X, b, biased, Y, work)
        return 0
    _blocks(table, A, X, b, biased, Y, E, extra, vectors, work)
    return 0


# ---- several threads ------------------------------------------------------------------------------------------------


@register_jitable
def _columns(X, Y, extra, T, vectors, threads):
    """How many parts lie side by side where the largest part is smallest; each part packs what it reads."""
    columns, best = 1, -1
    for candidate in range(1, min(threads, vectors) + 1):
        rows, width = -(-T // (threads // candidate)), -(-vectors // candidate)
        cost = width * (rows + (PACKING_ROWS if _packs_x(X, Y, extra, rows, width) else 0)) + READING * rows
        if best < 0 or cost < best:
            columns, best = candidate, cost
    return columns


@register_jitable
def _share(size, parts, part):
    """From where to where part `part` of so many equal ones goes."""
    return part * size // parts, (part + 1) * size // parts


_compute = call_stored(product_types)


@kernel(lambda real: (*product_types(real), array_in(real, 1)))
def _on_threads(P, Q, b, R, E, work, flags, threads, stored):
    """As on_one_thread, split into as many equal parts as there are threads. stored: where that function is.

    It calls on_one_thread by address, for compiling the tiles once more into this kernel would take seconds.
    """
    A, X, Y, biased, extra = _operands(flags, P, Q, R)
    (T, S), lanes = Y.shape, lanes_in(Y)
    vectors = (S + extra + lanes - 1) // lanes
    columns = _columns(X, Y, extra, T, vectors, threads)
    bands = threads // columns
    room = 0
    for part in range(columns * bands):
        v0, v1 = _share(vectors, columns, part % columns)
        t0, t1 = _share(T, bands, part // columns)
        room = max(room, _room(A, X, Y, extra if v1 == vectors else 0, t1 - t0, v1 - v0))
    if room * columns * bands > work.size:
        return room * columns * bands
    refusals = 0
    for part in prange(columns * bands):
        v0, v1 = _share(vectors, columns, part % columns)
        t0, t1 = _share(T, bands, part // columns)
        s0, s1, choices = v0 * lanes, min(v1 * lanes, S), flags & (BIASED | EXTRA if v1 == vectors else BIASED)
        own = work[part * room : (part + 1) * room]
        own_b, own_e = b[t0 * biased : t1 * biased], E[t0 * extra : t1 * extra]
        arrays = A[t0:t1], X[:, s0:s1], own_b, Y[t0:t1, s0:s1], own_e, own
        refusals += int(_compute(stored, (*arrays, choices, ANY_SIZE)) != 0)
    return UNFIT if refusals > 0 else 0


class _Own(threading.local):
    """What a Python thread's calls need, by itemsize: the compiled function, room for packed panels, which is kept from
    call to call, and what stands for no bias and no sums. One look-up for all: small products take no longer than that.
    """

    def __init__(self) -> None:
        self.by_itemsize: dict[int, tuple[Any, np.ndarray, np.ndarray, np.ndarray]] = {}

    def add(self, dtype: np.dtype, work: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """With this room from now on."""
        no_bias = np.broadcast_to(dtype.type(0), (2,))  # may be read for any row
        self.by_itemsize[dtype.itemsize] = on_one_thread.compile(dtype), work, no_bias, np.empty(0, dtype)
        return self.by_itemsize[dtype.itemsize]


_own = _Own()


def product(flags: int, P: Any, Q: Any, b: Any, R: Any, E: Any = None) -> bool:
    """R = P Q + b, each turned as the flags say; with E also E[t] = Σ_k P[t,k].

    Returns whether this was done: it is not where shapes do not fit or an array is no aligned one of R's dtype.
    """
    own = _own.by_itemsize.get(R.itemsize)
    if own is None:
        return _first_product(flags, P, Q, b, R, E)
    entry, work, no_bias, no_sums = own
    if b is None:
        b = no_bias
    else:
        flags |= BIASED
    if E is None:
        E = no_sums
    else:
        flags |= EXTRA
    try:
        answer = entry(P, Q, b, R, E, work, flags, PARALLEL)
    except TypeError:
        return False
    return answer == 0 or _second_try(answer, flags, P, Q, b, R, E)


def _second_try(answer: int, flags: int, P: Any, Q: Any, b: Any, R: Any, E: Any) -> bool:
    """The product again, with what the answer asks for."""
    if answer == UNFIT:
        return False
    if answer == SCATTERED:
        result = np.empty_like(R, order="F" if flags & TURN_Y else "C")
        _with_room(on_one_thread, flags, P, Q, b, result, E, ANY_SIZE)
        R[...] = result
        return True
    threads = get_num_threads() if answer == LARGE else 1
    if threads > 1:
        return _with_room(_on_threads, flags, P, Q, b, R, E, threads, on_one_thread.address(R.dtype))
    return _with_room(on_one_thread, flags, P, Q, b, R, E, ANY_SIZE)


def _with_room(call: Any, flags: int, P: Any, Q: Any, b: Any, R: Any, E: Any, *last: Any) -> bool:
    """Whether the call was done, with as much room as it asks for."""
    work = _own.by_itemsize[R.itemsize][1]
    while (answer := call(P, Q, b, R, E, work, flags, *last)) > 0:
        work = _own.add(R.dtype, aligned(answer, R.dtype))[1]
    return answer == 0


def _first_product(flags: int, P: Any, Q: Any, b: Any, R: Any, E: Any) -> bool:
    """The first product of a dtype in a thread: with a kernel, if there is one for it."""
    if R.dtype not in DTYPES:
        return False
    if not config.DISABLE_JIT:
        _own.add(R.dtype, np.empty(0, R.dtype))
        return product(flags, P, Q, b, R, E)
    P, Q, R = (M if M.ndim == 2 else M[:, np.newaxis] for M in (P, Q, R))
    A, X, Y = (M.T if flags & turned else M for M, turned in ((P, TURN_A), (Q, TURN_X), (R, TURN_Y)))
    loops._product(A, X, b, Y)  # intrinsics are nothing without the compiler
    if E is not None:
        loops.grad_b(A, E)
    return True


def aligned(elements, dtype):
    """An empty array that begins at a cache line."""
    raw = np.empty(elements + 64 // dtype.itemsize, dtype)
    skip = -raw.ctypes.data % 64 // dtype.itemsize
    return raw[skip : skip + elements]


def forward(W, X, b, Y):
    """Y = W X + b."""
    return product(0, W, X, b, Y)


def grad_w(dY, X, dW):
    """dW = dY Xᵀ: lanes run over inputs."""
    return product(TURN_X, dY, X, None, dW)


def grad_b(dY, db):
    """db[t] = Σ_s 1·dY[t,s]: lanes run over outputs."""
    ones = np.broadcast_to(dY.dtype.type(1), (1, dY.shape[1]))
    return product(TURN_X | TURN_Y, ones, dY, None, db)


def grad_w_and_b(dY, X, dW, db):
    """Both gradients in one pass over dY: the bias is the weight of a constant input 1."""
    return product(TURN_X, dY, X, None, dW, db)


def grad_x(dY, W, dX):
    """dX = Wᵀ dY; for one sample dxᵀ = dyᵀ W, whose lanes run along the rows of W."""
    if dY.ndim == 1 or dY.shape[1] == 1:
        return product(TURN_A | TURN_Y, dY, W, None, dX)
    return product(TURN_A, W, dY, None, dX)
