"""kernel="tiled": the products in register tiles, blocked for the caches, split over threads.

All are one product Y = A X + b over strides, as in loops.py:

    forward  A = W   X = X     grad_w  A = dY  X = Xᵀ     grad_x  A = Wᵀ  X = dY     grad_b  A = 1  X = dYᵀ

X is read in place where one tile is as wide as Y or A has few rows, else packed into panels as wide as a tile, [k][lanes],
which stay in the L2 cache while the rows of A pass over them. A is read in place, but for rows that lie side by side in
memory (Wᵀ): a power of two from k to k would put all of a tile's numbers into one set of the L1 cache. What is where in
memory, and who computes it, changes no bit: the chain of fma of an element is the same in every tile.
"""

from __future__ import annotations

import functools
import threading

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
    lanes_in,
    masked_loads,
    most_rows,
    most_vectors,
    row_vectors,
    store_caller,
    tile,
    tile_table,
    transpose,
    vector_bytes,
)

__all__ = ["forward", "grad_b", "grad_w", "grad_w_and_b", "grad_x", "per_sample_grad_norms"]

CHUNK = 4 * SUM_BLOCK  # summands in a panel: 64 float32 lanes of so many are 256 KiB
GROUP = 16  # vectors packed at a time: with CHUNK at most 1 MiB, half of the L2 cache of an AVX-512 machine
BAND = 48  # rows of A packed at a time: three cache lines of float32, and whole tiles of 6, 8 and 12 rows
FEW_ROWS = 4  # so few rows of A read X once: packing would cost as much
PACKING_ROWS = 8  # packing a vector of X costs about what this many rows of A do
PARALLEL = 1_500_000  # multiply-adds from which a second thread is worth its start (1.5 µs, and a cold cache)


# ---- packing --------------------------------------------------------------------------------------------------------


@register_jitable
def _pack(X, j0, width, lanes, real, k0, size, itemsize, extra, out, at):
    """Panel [k][width·lanes] of X[k0 : k0+size, j0 : j0+real], from byte `at` of out; extra = 1: a 1 behind the last lane.

    Lanes of the panel that are no part of X hold anything: no tile stores what becomes of them.
    """
    step = width * lanes * itemsize
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
        first = at // itemsize
        for k in range(size):
            for j in range(real):
                out[first + k * width * lanes + j] = X[k0 + k, j0 + j]
    if extra == 1 and real < width * lanes:
        for k in range(size):
            out[at // itemsize + k * width * lanes + real] = 1


@register_jitable
def _packs_x(X, Y, extra, rows, vectors):
    """Whether a part of Y of so many rows and vectors packs X."""
    in_place = X.strides[1] == Y.itemsize and masked_loads(Y) == 1 and extra == 0
    return not (in_place and (vectors <= most_vectors(Y) or rows <= FEW_ROWS))


@register_jitable
def _packs_a(A, rows):
    """Whether so many rows of A are packed: they lie side by side, and from k to k it is far."""
    return A.strides[0] == A.itemsize and abs(A.strides[1]) % 4096 == 0 and rows > FEW_ROWS


@register_jitable
def _room(A, X, Y, extra, rows, vectors):
    """Elements of work for a part of so many rows and vectors: X's panels, then A's band; whole cache lines."""
    size, lanes = min(X.shape[0], CHUNK), lanes_in(Y)
    panels = size * min(GROUP, vectors) * lanes if _packs_x(X, Y, extra, rows, vectors) else 0
    band = size * (BAND + lanes) if _packs_a(A, rows) else 0
    return (panels + band + 15) // 16 * 16


# ---- one thread -----------------------------------------------------------------------------------------------------
#
# Only the kernel has the code of the tiles in it: Numba compiles a function once more for each caller up to the kernel.
# An operand of tiles is (address, bytes from row to row or panel to panel, from k to k), `out` is what _out returns: arrays
# in tuples would cost an atomic count of references each time.


@register_jitable
def _out(Y, b, biased, E, extra):
    """What tiles write and add: dtype, columns, (address, bytes from row to row) of Y, b and E, and the two choices."""
    y, bias, e = (address(Y, 0), Y.strides[0]), (address(b, 0), b.strides[0]), (address(E, 0), E.strides[0])
    return Y.dtype, Y.shape[1], y, bias, e, biased, extra


@register_jitable
def _panel(first, last, panels, p):
    """Where panel p of `panels` over the vectors first…last begins, and its width: as even as can be, the wider first."""
    width, wider = (last - first) // panels, (last - first) % panels
    return first + p * width + min(p, wider), width + int(p < wider)


@register_jitable
def _tile(table, rows, width, a, x, out, t, v, size, add):
    """One tile, from row t and vector v on, over `size` summands of a and x."""
    dtype, S, y, b, e, biased, extra = out
    lanes = lanes_in(dtype)
    beyond = S - (v + width - 1) * lanes  # the first lane of the last vector that is not Y's
    e_lane = beyond if extra == 1 and beyond < lanes else -1
    tile(
        table, rows, width, a[0], a[1], a[2], x[0], x[2], size,
        address(y[0], t * y[1] + v * vector_bytes(dtype)), y[1], min(beyond, lanes), add,
        address(b[0], t * b[1]), b[1], biased, address(e[0], t * e[1]), e[1], e_lane,
    )  # fmt: skip


@register_jitable
def _tiles(table, a, x, out, t0, t1, v, width, panels, size, add):
    """Rows t0…t1 of `panels` panels of one width, from vector v, over `size` summands. add: Y holds those before."""
    most = most_rows(out[0], width)
    t = t0
    while t < t1:
        tiles = (t1 - t + most - 1) // most
        rows = (t1 - t + tiles - 1) // tiles  # ten rows are five and five, not eight and two
        if rows > ALL_ROWS and rows % 2 == 1:  # no such tile: the next, or two halves
            rows = rows + 1 if tiles > 1 else (rows + 1) // 2
        a_t = address(a[0], (t - t0) * a[1]), a[1], a[2]
        for p in range(panels):
            x_p = address(x[0], p * x[1]), x[1], x[2]
            _tile(table, rows, width, a_t, x_p, out, t, v + p * width, size, add)
        t += rows


@register_jitable
def _row(table, A, X, out, t):
    """Row t of Y, with X in place: tiles of one row, as wide as can be, so that X streams past."""
    dtype, a, v = out[0], (address(A, t * A.strides[0]), A.strides[0], A.strides[1]), 0
    vectors, widest = -(-X.shape[1] // lanes_in(dtype)), row_vectors(dtype)
    while v < vectors:
        left = vectors - v
        width = widest if left >= widest else widest // 2 if left >= widest // 2 else min(left, most_vectors(dtype))
        x = address(X, v * vector_bytes(dtype)), 0, X.strides[0]
        _tile(table, 1, width, a, x, out, t, v, A.shape[1], 0)
        v += width


@register_jitable
def _column(A, X, b, biased, Y):
    """The only column of Y, for A with its summands side by side."""
    for t in range(0, A.shape[0], lanes_in(Y)):
        a_at, y_at, b_at = t * A.strides[0], t * Y.strides[0], t * b.strides[0]
        rows, K = min(lanes_in(Y), A.shape[0] - t), A.shape[1]
        column(A, a_at, A.strides[0], X, 0, X.strides[0], K, Y, y_at, Y.strides[0], b, b_at, b.strides[0], biased, rows)


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
            panel = address(x[0], (first - g0) * vector * summands), width * vector * summands, x_step
            _tiles(table, a, panel, out, t0, t1, first, width, same, size, add)


@register_jitable
def _blocks(table, A, X, b, biased, Y, E, extra, vectors, work):
    """All of Y: GROUP vectors and CHUNK summands at a time; all rows, or a band of them where A is packed."""
    (T, K), itemsize, vector = A.shape, Y.itemsize, vector_bytes(Y)
    packs_x, packs_a = _packs_x(X, Y, extra, T, vectors), _packs_a(A, T)
    band_at = min(K, CHUNK) * min(GROUP, vectors) * vector if packs_x else 0
    for g0 in range(0, vectors, GROUP):
        g1 = min(g0 + GROUP, vectors)
        panels = (g1 - g0 + most_vectors(Y) - 1) // most_vectors(Y)
        for k0 in range(0, max(K, 1), CHUNK):
            size = min(CHUNK, K - k0)
            out = _out(Y, b, int(biased == 1 and k0 + size == K), E, extra)
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


def _types(real):
    inputs = array_in(real, 2), array_in(real, 2), array_in(real, 1), intp
    return *inputs, array_out(real, 2), array_out(real, 1), intp, array_out(real, 1)


@kernel(_types, parallel=False)
def _on_one_thread(A, X, b, biased, Y, E, extra, work):
    """Y = A X + b; with extra = 1 also E[t] = Σ_k A[t,k]; extra = -1 only asks for the address of this function, in E.

    Returns 0, or, where work is too small and nothing was done, how many elements it needs.
    """
    if extra < 0:
        store_caller(E)
        return 0
    vectors = (X.shape[1] + extra + lanes_in(Y) - 1) // lanes_in(Y)
    room = _room(A, X, Y, extra, A.shape[0], vectors)
    if room > work.size:
        return room
    if X.shape[1] == 1 and extra == 0 and A.strides[1] == Y.itemsize and masked_loads(Y) == 1:
        _column(A, X, b, biased, Y)
        return 0
    table = tile_table(Y)
    if not _packs_x(X, Y, extra, A.shape[0], vectors) and A.shape[0] <= FEW_ROWS and vectors > most_vectors(Y):
        for t in range(A.shape[0]):
            _row(table, A, X, _out(Y, b, biased, E, extra), t)
    else:
        _blocks(table, A, X, b, biased, Y, E, extra, vectors, work)
    return 0


# ---- several threads ------------------------------------------------------------------------------------------------


@register_jitable
def _columns(X, Y, extra, T, vectors, threads):
    """How many parts lie side by side where the largest part is smallest; each part packs what it reads."""
    columns, best = 1, -1
    for candidate in range(1, min(threads, vectors) + 1):
        rows, width = -(-T // (threads // candidate)), -(-vectors // candidate)
        cost = width * (rows + (PACKING_ROWS if _packs_x(X, Y, extra, rows, width) else 0))
        if best < 0 or cost < best:
            columns, best = candidate, cost
    return columns


@register_jitable
def _share(size, parts, part):
    """From where to where part `part` of so many equal ones goes."""
    return part * size // parts, (part + 1) * size // parts


_compute = call_stored(_types)


@kernel(lambda real: (*_types(real), intp, array_in(real, 1)))
def _on_threads(A, X, b, biased, Y, E, extra, work, threads, stored):
    """As _on_one_thread, split into as many equal parts as there are threads. stored: where that function is.

    It calls _on_one_thread by address, for compiling the tiles once more into this kernel would take seconds.
    """
    (T, S), lanes = Y.shape, lanes_in(Y)
    vectors = (S + extra + lanes - 1) // lanes
    columns = _columns(X, Y, extra, T, vectors, threads)
    bands = threads // columns
    room = 0
    for part in range(columns * bands):
        v0, v1 = _share(vectors, columns, part % columns)
        t0, t1 = _share(T, bands, part // columns)
        room = max(room, _room(A, X, Y, extra, t1 - t0, v1 - v0))
    if room * columns * bands > work.size:
        return room * columns * bands
    for part in prange(columns * bands):
        v0, v1 = _share(vectors, columns, part % columns)
        t0, t1 = _share(T, bands, part // columns)
        s0, s1, last = v0 * lanes, min(v1 * lanes, S), extra if v1 == vectors else 0
        own = work[part * room : (part + 1) * room]
        _compute(stored, (A[t0:t1], X[:, s0:s1], b[t0:t1], biased, Y[t0:t1, s0:s1], E[t0:t1], last, own))
    return 0


@functools.cache
def _stored(dtype):
    """Where _on_one_thread is in this process, as numbers of this dtype."""
    stored, none = np.zeros(8 // dtype.itemsize, dtype), np.empty((0, 0), dtype)
    _on_one_thread(none, none, stored, 0, none, stored, -1, stored)
    return stored


class _Work(threading.local):
    """Room for packed panels, kept from call to call, for each Python thread its own: by itemsize."""

    def __init__(self) -> None:
        self.by_itemsize = {dtype.itemsize: np.empty(0, dtype) for dtype in DTYPES}


_work = _Work()
_NONE = {dtype.itemsize: np.broadcast_to(dtype.type(0), (2,)) for dtype in DTYPES}  # a bias that is not there
_NOWHERE = {dtype.itemsize: np.empty(0, dtype) for dtype in DTYPES}


def _product(A, X, b, Y, E=None):
    """Y = A X + b; with E also E[t] = Σ_k A[t,k]."""
    if config.DISABLE_JIT:  # intrinsics are nothing without the compiler
        loops._product(A, X, b, Y)
        if E is not None:
            loops.grad_b(A, E)
        return
    itemsize, (T, S) = Y.itemsize, Y.shape
    if S > 1 and Y.strides[1] != itemsize and T:  # vectors are stored side by side
        result = np.empty((T, S), Y.dtype)
        _product(A, X, b, result, E)
        Y[...] = result
        return
    bias, biased = (_NONE[itemsize], 0) if b is None else (b, 1)
    extra, E = (0, _NOWHERE[itemsize]) if E is None else (1, E)
    works = _work.by_itemsize
    threads = get_num_threads() if T * S * A.shape[1] >= PARALLEL else 1
    if threads > 1:
        arguments = threads, _stored(Y.dtype)
        while room := _on_threads(A, X, bias, biased, Y, E, extra, works[itemsize], *arguments):
            works[itemsize] = _aligned(room, Y.dtype)
    else:
        while room := _on_one_thread(A, X, bias, biased, Y, E, extra, works[itemsize]):
            works[itemsize] = _aligned(room, Y.dtype)


def _aligned(elements, dtype):
    """An empty array that begins at a cache line."""
    raw = np.empty(elements + 64 // dtype.itemsize, dtype)
    skip = -raw.ctypes.data % 64 // dtype.itemsize
    return raw[skip : skip + elements]


def forward(W, X, b, Y):
    """Y = W X + b."""
    _product(W, X, b, Y)


def grad_w(dY, X, dW):
    """dW = dY Xᵀ: lanes run over inputs."""
    _product(dY, X.T, None, dW)


def grad_b(dY, db):
    """db[t] = Σ_s 1·dY[t,s]: lanes run over outputs."""
    ones = np.broadcast_to(dY.dtype.type(1), (1, dY.shape[1]))
    _product(ones, dY.T, None, db[np.newaxis, :])


def grad_w_and_b(dY, X, dW, db):
    """Both gradients in one pass over dY: the bias is the weight of a constant input 1."""
    _product(dY, X.T, None, dW, db)


def grad_x(dY, W, dX):
    """dX = Wᵀ dY; for one sample dxᵀ = dyᵀ W, whose lanes run along the rows of W."""
    if dY.shape[1] == 1:
        _product(dY.T, W, None, dX.T)
    else:
        _product(W.T, dY, None, dX)
