"""One thread's product: tiles side by side and one below the other, blocked for the caches, and the ways without tiles.

Only the kernel has the code of the tiles in it: Numba compiles a function once more for each caller up to the kernel. An
operand of tiles is (address, bytes from row to row or panel to panel, from k to k), `out` is what _out returns: arrays
in tuples would cost an atomic count of references each time.
"""

from __future__ import annotations

from .._numba import inner
from ..formulas import SUM_BLOCK
from .packing import BAND, GROUP, chunk_of, is_small, pack, packs_a, packs_x, whole_lines
from .vector import (
    MOVES,
    SLOPES,
    STEPS,
    address,
    column,
    copy_rows,
    half_vectors,
    lanes_in,
    most_rows,
    most_vectors,
    next_height,
    row_of,
    stream_1,
    stream_2,
    stream_4,
    stream_8,
    tile,
    vector_bytes,
)


@inner
def _out(Y, b, ending, E, extra):
    """What tiles write and add: dtype, columns, (address, bytes from row to row) of Y, b and E, and the two choices."""
    y, e = (address(Y, 0), Y.strides[0]), (address(E, 0), E.strides[0])
    b_step = Y.strides[0] if ending == SLOPES else b.strides[0]
    if ending in (STEPS, MOVES):  # the same numbers for all rows
        b_step = 0
    bias = address(b, 0), b_step
    return Y.dtype, Y.shape[1], y, bias, e, ending, extra


@inner
def _panel(first, last, panels, p):
    """Where panel p of `panels` over the vectors first…last begins, and its width: as even as can be, the wider first."""
    width, wider = (last - first) // panels, (last - first) % panels
    return first + p * width + min(p, wider), width + int(p < wider)


@inner
def _heights(dtype, width, most, left):
    """(rows, tiles): the next tiles are so many of so many rows, where `left` are left and a tile has at most `most`.

    All alike if that is possible, else the highest until two are left: fourteen rows are eight and six, not twelve and two.
    """
    tiles = (left + most - 1) // most
    rows = (left + tiles - 1) // tiles
    height = next_height(dtype, width, rows)
    if height * tiles == left:
        return height, tiles
    if left > 2 * most:
        return most, (left - most - 1) // most
    if tiles == 1:  # there is no such tile: two of about half the rows
        height = next_height(dtype, width, (rows + 1) // 2)
    return height, 1


@inner
def _tiles(table, a, x, out, t0, t1, v, width, panels, size, add):
    """Rows t0…t1 of `panels` panels of one width, from vector v, over `size` summands. add: Y holds those before."""
    dtype, S, y, b, e, ending, extra = out
    most, columns = most_rows(dtype, width), S - v * lanes_in(dtype)
    if a[1] % 4096 == 0:  # a number of each row is in the same set of the L1 cache, which has room for eight
        most = min(most, 8)
    if half_vectors(dtype) == 1 and width == 1 and columns + extra <= lanes_in(dtype) // 2:
        width = 0
    b_at = v * vector_bytes(dtype) if ending == SLOPES else 0
    t = t0
    while t < t1:
        rows, tiles = _heights(dtype, width, most, t1 - t)
        tile(
            table, rows, width, address(a[0], (t - t0) * a[1]), a[1], a[2], x[0], x[1], x[2], x[3], size,
            address(y[0], t * y[1] + v * vector_bytes(dtype)), y[1], columns, add,
            address(b[0], t * b[1] + b_at), b[1], ending, address(e[0], t * e[1]), e[1], extra, tiles, panels,
        )  # fmt: skip
        t += rows * tiles


@inner
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


@inner
def in_streams(A, X, b, biased, Y, work):
    """All of Y: a few rows of X at a time pass in the order of memory, however large it is.

    The sums of the first block are in Y from the start; those of a later one are in work until it ends.
    """
    (T, K), row = A.shape, whole_lines(Y.shape[1]) * Y.itemsize
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


@inner
def in_squares(A, X, x_step, b, b_step, biased, Y):
    """The only column of Y, for A with its summands side by side. x_step, b_step: bytes from number to number."""
    for t in range(0, A.shape[0], lanes_in(Y)):
        a_at, y_at, b_at = t * A.strides[0], t * Y.strides[0], t * b_step
        rows, K = min(lanes_in(Y), A.shape[0] - t), A.shape[1]
        column(A, a_at, A.strides[0], X, 0, x_step, K, Y, y_at, Y.strides[0], b, b_at, b_step, biased, rows)


@inner
def sums_in_squares(A, E, work):
    """E[t] = Σ_k 1·A[t,k]."""
    work[0] = 1
    in_squares(A, work, 0, work, 0, 0, E)  # no b: any array may stand for it, but not Y itself


@inner
def _pack_panels(X, g0, g1, panels, k0, size, extra, work):
    """The panels of the vectors g0…g1, one behind the other, from the start of work."""
    lanes, at = lanes_in(work), 0
    for p in range(panels):
        first, width = _panel(g0, g1, panels, p)
        real = min(X.shape[1] - first * lanes, width * lanes)
        pack(X, first * lanes, width, lanes, real, k0, size, work.itemsize, extra, work, at)
        at += size * width * lanes * work.itemsize


@inner
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


@inner
def in_blocks(table, A, X, b, ending, Y, E, extra, vectors, work):
    """All of Y: GROUP vectors and CHUNK summands at a time; all rows, or a band of them where A is packed."""
    (T, K), itemsize, vector = A.shape, Y.itemsize, vector_bytes(Y)
    x_packed, a_packed = packs_x(X, Y, extra, T, vectors), packs_a(A, T, vectors)
    chunk = chunk_of(A)
    band_at = min(K, chunk) * min(GROUP, vectors) * vector if x_packed else 0
    for g0 in range(0, vectors, GROUP):
        g1 = min(g0 + GROUP, vectors)
        widest = most_vectors(Y) if x_packed or vectors <= most_vectors(Y) or is_small(X, vectors) else 2
        panels = (g1 - g0 + widest - 1) // widest
        for k0 in range(0, max(K, 1), chunk):
            size = min(chunk, K - k0)
            out = _out(Y, b, ending if k0 + size == K else 0, E, extra)
            x = address(X, k0 * X.strides[0] + g0 * vector), X.strides[0], x_packed
            if x_packed:
                _pack_panels(X, g0, g1, panels, k0, size, extra, work)
                x = address(work, 0), 0, x_packed
            rows = BAND if a_packed else max(T, 1)
            for t0 in range(0, T, rows):
                t1, start = min(t0 + rows, T), t0 * A.strides[0] + k0 * A.strides[1]
                a = address(A, start), A.strides[0], A.strides[1]
                if a_packed:
                    copy_rows(A, start, A.strides[1], t1 - t0, size, work, band_at, BAND * itemsize)
                    a = address(work, band_at), itemsize, BAND * itemsize
                _band(table, a, x, out, t0, t1, g0, g1, panels, size, k0)


@inner
def divide(Y, E, extra, K):
    """Y and E divided by K. Each row of Y is in one piece."""
    count = Y.dtype.type(K)
    for t in range(Y.shape[0]):
        row = row_of(Y, t)
        for s in range(Y.shape[1]):
            row[s] /= count
    for t in range(Y.shape[0] * extra):
        E[t] /= count
