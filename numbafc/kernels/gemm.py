"""A product on one thread: tiles side by side and one below the other, blocked for the caches (see the map, __init__.py).

Arrays in tuples would cost an atomic count of references each time, so tuples hold addresses.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .._numba import inner
from .epilogue import Epilogue, is_of_elements, is_step
from .packing import group_of, is_small, kc_of, pack, packs_a, packs_x
from .target import FEW_ROWS, L1_PERIOD, L1_WAYS, MC
from .vector import (
    CopyTask,
    Operand,
    Strided,
    Task,
    address,
    copy,
    half_vectors,
    lanes_in,
    microkernel,
    most_rows,
    most_vectors,
    next_height,
    row_of,
    vector_bytes,
)


class Output(NamedTuple):
    """What tiles write, and what they add: of the arrays the addresses and steps, and how the product ends."""

    dtype: Any
    columns: int
    Y: Strided
    b: Strided
    sums: Strided
    state: int
    epilogue: int
    with_sums: int


@inner
def _output(Y, b, epilogue, sums, with_sums, state):
    b_step = b.strides[0]
    if is_of_elements(epilogue):
        b_step = Y.strides[0]
    elif is_step(epilogue):  # the same numbers for all rows
        b_step = 0
    y, bias = Strided(address(Y, 0), Y.strides[0]), Strided(address(b, 0), b_step)
    to_sums = Strided(address(sums, 0), sums.strides[0])
    return Output(Y.dtype, Y.shape[1], y, bias, to_sums, state, epilogue, with_sums)


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
def _tiles(dispatch, A, X, packed, out, t0, t1, v, width, panels, size, add):
    """Rows t0…t1 of `panels` panels of one width, from vector v, over `size` summands. add: Y holds those before."""
    dtype = out.dtype
    most, columns, at = most_rows(dtype, width), out.columns - v * lanes_in(dtype), v * vector_bytes(dtype)
    if A.row % L1_PERIOD == 0:  # a number of each row is in the same set of the L1 cache
        most = min(most, L1_WAYS)
    if half_vectors(dtype) == 1 and width == 1 and columns + out.with_sums <= lanes_in(dtype) // 2:
        width = 0
    b_at = at if is_of_elements(out.epilogue) else 0
    t = t0
    while t < t1:
        rows, tiles = _heights(dtype, width, most, t1 - t)
        task = Task(
            Operand(address(A.start, (t - t0) * A.row), A.row, A.k),
            X,
            Strided(address(out.Y.start, t * out.Y.step + at), out.Y.step),
            Strided(address(out.b.start, t * out.b.step + b_at), out.b.step),
            Strided(address(out.sums.start, t * out.sums.step), out.sums.step),
            out.state, size, packed, columns, add, out.epilogue, out.with_sums, tiles, panels,
        )  # fmt: skip
        microkernel(dispatch, rows, width, task)
        t += rows * tiles


@inner
def _band(dispatch, A, X, packed, out, t0, t1, g0, g1, panels, size, add):
    """Rows t0…t1 of the vectors g0…g1. X: where g0 starts in X, or, if packed, in the panels of X."""
    vector, wider = vector_bytes(out.dtype), (g1 - g0) % panels
    for narrow in range(2):  # panels of one width share the split of the rows; there are two widths at most
        p, same = (wider, panels - wider) if narrow == 1 else (0, wider)
        if same > 0:
            first, width = _panel(g0, g1, panels, p)
            summands, step = (size, width * vector) if packed else (1, X.step)
            panel = Operand(address(X.start, (first - g0) * vector * summands), width * vector * summands, step)
            _tiles(dispatch, A, panel, int(packed), out, t0, t1, first, width, same, size, add)


@inner
def _pack_panels(X, g0, g1, panels, k0, size, with_sums, workspace):
    """The panels of the vectors g0…g1, one behind the other, from the start of workspace."""
    lanes, at = lanes_in(workspace), 0
    for p in range(panels):
        first, width = _panel(g0, g1, panels, p)
        real = min(X.shape[1] - first * lanes, width * lanes)
        pack(X, first * lanes, width, lanes, real, k0, size, workspace.itemsize, with_sums, workspace, at)
        at += size * width * lanes * workspace.itemsize


@inner
def gemm(dispatch, A, X, b, epilogue, Y, sums, with_sums, state, vectors, workspace):
    """All of Y: a group of vectors and KC summands at a time; all rows, or a band of MC where A is packed."""
    (T, K), itemsize, vector, group = A.shape, Y.itemsize, vector_bytes(Y), group_of(A)
    x_packed, a_packed, chunk = packs_x(X, Y, with_sums, T, vectors), packs_a(A, T, vectors), kc_of(A)
    band_at = min(K, chunk) * min(group, vectors) * vector if x_packed else 0
    for g0 in range(0, vectors, group):
        g1 = min(g0 + group, vectors)
        wide = x_packed or T <= FEW_ROWS or vectors <= most_vectors(Y) or is_small(X, vectors)
        widest = most_vectors(Y) if wide else 2
        panels = (g1 - g0 + widest - 1) // widest
        for k0 in range(0, max(K, 1), chunk):
            size = min(chunk, K - k0)
            out = _output(Y, b, epilogue if k0 + size == K else Epilogue.NONE.value, sums, with_sums, state)
            x = Strided(address(X, k0 * X.strides[0] + g0 * vector), X.strides[0])
            if x_packed:
                _pack_panels(X, g0, g1, panels, k0, size, with_sums, workspace)
                x = Strided(address(workspace, 0), 0)
            rows = MC if a_packed else max(T, 1)
            for t0 in range(0, T, rows):
                t1, start = min(t0 + rows, T), address(A, t0 * A.strides[0] + k0 * A.strides[1])
                a = Operand(start, A.strides[0], A.strides[1])
                if a_packed:
                    band = address(workspace, band_at)
                    copy(A, CopyTask(Strided(start, A.strides[1]), t1 - t0, size, Strided(band, MC * itemsize)))
                    a = Operand(band, itemsize, MC * itemsize)
                _band(dispatch, a, x, x_packed, out, t0, t1, g0, g1, panels, size, k0)


@inner
def divide(Y, sums, with_sums, K):
    """Y and the row sums divided by K. Each row of Y is in one piece."""
    count = Y.dtype.type(K)
    for t in range(Y.shape[0]):
        row = row_of(Y, t)
        for s in range(Y.shape[1]):
            row[s] /= count
    for t in range(Y.shape[0] * with_sums):
        sums[t] /= count
