"""kernel="tiled": the products in register tiles, blocked for the caches, split over threads.

All are one product Y = A X + b over strides, as in loops.py:

    forward  A = W   X = X     grad_w  A = dY  X = Xᵀ     grad_x  A = Wᵀ  X = dY     grad_b  A = 1  X = dYᵀ

X is read in place where one tile is as wide as Y or A has few rows, else packed into panels as wide as a tile, [k][lanes],
which stay in the L2 cache while the rows of A pass over them. A is read in place, but for rows that lie side by side in
memory (Wᵀ): a power of two from k to k would put all of a tile's numbers into one set of the L1 cache. What is where in
memory, and who computes it, changes no bit: the chain of fma of an element is the same in every tile.
"""

from __future__ import annotations

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
from .vector import column, copy_rows, lanes_in, masked_loads, most_rows, most_vectors, row_vectors, tile, transpose

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
    """Panel [k][width·lanes] of X[k0 : k0+size, j0 : j0+real], from byte `at` of out; with extra = 1 a 1 behind the last lane.

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


# ---- one part of Y, on one thread -----------------------------------------------------------------------------------


@register_jitable
def _panel(first, last, panels, p):
    """Where panel p of `panels` over the vectors first…last begins, and its width: as even as can be, the wider first."""
    width, wider = (last - first) // panels, (last - first) % panels
    return first + p * width + min(p, wider), width + int(p < wider)


@register_jitable
def _tiles(
    A, a_at, a_row, a_step, X, x_at, x_panel, x_step, b, biased, Y, E, extra, t0, t1, size, add, first, width, panels, S
):
    """Rows t0…t1 of `panels` panels of one width, from vector `first`, over `size` summands.

    A: from byte a_at, with its steps. X: the panels, x_panel bytes from one to the next, x_step from one k to the next, from
    byte x_at. add: Y holds the sum of the summands before. biased: these are the last ones, and b is to be added.
    """
    lanes, itemsize, most = lanes_in(Y), Y.itemsize, most_rows(Y, width)
    t = t0
    while t < t1:
        tiles = (t1 - t + most - 1) // most
        rows = (t1 - t + tiles - 1) // tiles  # ten rows are five and five, not eight and two
        for p in range(panels):
            j = (first + p * width) * lanes
            beyond = S - (j + (width - 1) * lanes)  # the first lane of the last vector that is not Y's
            e_lane = beyond if extra == 1 and beyond < lanes else -1
            tile(
                rows, width, A, a_at + (t - t0) * a_row, a_row, a_step, X, x_at + p * x_panel, x_step, size,
                Y, t * Y.strides[0] + j * itemsize, Y.strides[0], min(beyond, lanes), add,
                b, t * b.strides[0], b.strides[0], biased, E, t * E.strides[0], E.strides[0], e_lane,
            )  # fmt: skip
        t += rows


@register_jitable
def _row(A, X, b, biased, Y, E, t, v0, v1):
    """Row t of Y, with X in place: tiles of one row, as wide as can be, so that X streams past."""
    itemsize, lanes, S, v = Y.itemsize, lanes_in(Y), X.shape[1], v0
    while v < v1:
        width = row_vectors(Y)
        if v1 - v < width:
            width = width // 2 if v1 - v >= width // 2 else min(v1 - v, most_vectors(Y))
        j = v * lanes
        last = min(lanes, S - (j + (width - 1) * lanes))
        tile(
            1, width, A, t * A.strides[0], A.strides[0], A.strides[1], X, j * itemsize, X.strides[0], A.shape[1],
            Y, t * Y.strides[0] + j * itemsize, Y.strides[0], last, 0,
            b, t * b.strides[0], b.strides[0], biased, E, 0, 0, -1,
        )  # fmt: skip
        v += width


@register_jitable
def _part(A, X, b, biased, Y, E, extra, t0, t1, v0, v1, work, work_at):
    """Rows t0…t1 and vectors v0…v1 of Y = A X + b; with extra = 1 also E[t] = Σ_k A[t,k].

    work: room for packed panels, from element work_at.
    """
    K, S, itemsize, lanes = A.shape[1], X.shape[1], Y.itemsize, lanes_in(Y)
    packs_x, packs_a = _packs_x(X, Y, extra, t1 - t0, v1 - v0), _packs_a(A, t1 - t0)
    if S == 1 and extra == 0 and A.strides[1] == itemsize and masked_loads(Y) == 1:
        for t in range(t0, t1, lanes):
            a_at, y_at, b_at = t * A.strides[0], t * Y.strides[0], t * b.strides[0]
            rows = min(lanes, t1 - t)
            column(A, a_at, A.strides[0], X, 0, X.strides[0], K, Y, y_at, Y.strides[0], b, b_at, b.strides[0], biased, rows)
        return
    if not packs_x and t1 - t0 <= FEW_ROWS and v1 - v0 > most_vectors(Y):
        for t in range(t0, t1):
            _row(A, X, b, biased, Y, E, t, v0, v1)
        return
    panel_at = work_at * itemsize
    band_at = panel_at + (min(K, CHUNK) * min(GROUP, v1 - v0) * lanes * itemsize if packs_x else 0)
    for g0 in range(v0, v1, GROUP):
        g1 = min(g0 + GROUP, v1)
        panels = (g1 - g0 + most_vectors(Y) - 1) // most_vectors(Y)
        wider = (g1 - g0) % panels
        for k0 in range(0, max(K, 1), CHUNK):
            size, last = min(CHUNK, K - k0), int(biased == 1 and k0 + CHUNK >= K)
            if packs_x:
                at = panel_at
                for p in range(panels):
                    first, width = _panel(g0, g1, panels, p)
                    real = min(S - first * lanes, width * lanes)
                    _pack(X, first * lanes, width, lanes, real, k0, size, itemsize, extra, work, at)
                    at += size * width * lanes * itemsize
            for band in range(t0, t1, BAND if packs_a else max(t1 - t0, 1)):
                end = min(band + BAND, t1) if packs_a else t1
                if packs_a:
                    copy_rows(
                        A,
                        band * itemsize + k0 * A.strides[1],
                        A.strides[1],
                        end - band,
                        size,
                        work,
                        band_at,
                        BAND * itemsize,
                    )
                at = panel_at
                for wide in range(2):  # panels of one width share the split of the rows; there are two widths at most
                    p, same = (0, wider) if wide == 0 else (wider, panels - wider)
                    first, width = _panel(g0, g1, panels, p)
                    step = width * lanes * itemsize
                    if same == 0:
                        continue
                    x_at = k0 * X.strides[0] + first * lanes * itemsize
                    a_at = band * A.strides[0] + k0 * A.strides[1]
                    if packs_x and packs_a:
                        _tiles(work, band_at, itemsize, BAND * itemsize, work, at, size * step, step, b, last, Y, E, extra, band, end, size, k0, first, width, same, S)  # fmt: skip
                    elif packs_x:
                        _tiles(A, a_at, A.strides[0], A.strides[1], work, at, size * step, step, b, last, Y, E, extra, band, end, size, k0, first, width, same, S)  # fmt: skip
                    elif packs_a:
                        _tiles(work, band_at, itemsize, BAND * itemsize, X, x_at, step, X.strides[0], b, last, Y, E, extra, band, end, size, k0, first, width, same, S)  # fmt: skip
                    else:
                        _tiles(A, a_at, A.strides[0], A.strides[1], X, x_at, step, X.strides[0], b, last, Y, E, extra, band, end, size, k0, first, width, same, S)  # fmt: skip
                    at += same * size * step


# ---- all of Y -------------------------------------------------------------------------------------------------------


def _types(real):
    inputs = array_in(real, 2), array_in(real, 2), array_in(real, 1), intp
    return *inputs, array_out(real, 2), array_out(real, 1), intp, array_out(real, 1)


@kernel(_types, parallel=False)
def _on_one_thread(A, X, b, biased, Y, E, extra, work):
    """Y = A X + b. Returns 0, or, where work is too small and nothing was done, how many elements it needs."""
    vectors = (X.shape[1] + extra + lanes_in(Y) - 1) // lanes_in(Y)
    room = _room(A, X, Y, extra, A.shape[0], vectors)
    if room > work.size:
        return room
    _part(A, X, b, biased, Y, E, extra, 0, A.shape[0], 0, vectors, work, 0)
    return 0


@kernel(lambda real: (*_types(real), intp))
def _on_threads(A, X, b, biased, Y, E, extra, work, threads):
    """Y = A X + b, split into as many equal parts as there are threads. Returns as _on_one_thread does."""
    T, vectors = A.shape[0], (X.shape[1] + extra + lanes_in(Y) - 1) // lanes_in(Y)
    # The split whose largest part is smallest; each part packs what it reads.
    columns, best = 1, -1
    for candidate in range(1, min(threads, vectors) + 1):
        rows, width = -(-T // (threads // candidate)), -(-vectors // candidate)
        cost = width * (rows + (PACKING_ROWS if _packs_x(X, Y, extra, rows, width) else 0))
        if best < 0 or cost < best:
            columns, best = candidate, cost
    bands = threads // columns
    room = 0
    for part in range(columns * bands):
        c, r = part % columns, part // columns
        width, rows = (c + 1) * vectors // columns - c * vectors // columns, (r + 1) * T // bands - r * T // bands
        room = max(room, _room(A, X, Y, extra, rows, width))
    if room * columns * bands > work.size:
        return room * columns * bands
    for part in prange(columns * bands):
        c, r = part % columns, part // columns
        v0, v1 = c * vectors // columns, (c + 1) * vectors // columns
        _part(A, X, b, biased, Y, E, extra, r * T // bands, (r + 1) * T // bands, v0, v1, work, part * room)
    return 0


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
    threads = get_num_threads() if T * S * A.shape[1] >= PARALLEL else 1
    works = _work.by_itemsize
    while True:
        if threads == 1:
            room = _on_one_thread(A, X, bias, biased, Y, E, extra, works[itemsize])
        else:
            room = _on_threads(A, X, bias, biased, Y, E, extra, works[itemsize], threads)
        if room == 0:
            return
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
