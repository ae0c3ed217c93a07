"""The ways past the microkernel, for a single column, sums of rows, and few rows or summands: gemv and axpyf.

(In the BLAS, products with a vector are level 2.) No number is read twice there, so nothing is worth a place in registers.
They are a kernel of their own, which is compiled when a product first needs it, or who calls products by address asks for
one: on_one_thread is there sooner without.
"""

from __future__ import annotations

from numba.types import intp

from .._numba import array_in, array_out, compiling, flat, inner, kernel
from ..formulas import SUM_BLOCK
from .epilogue import Epilogue
from .packing import whole_lines
from .target import GEMV_AHEAD, GEMV_FAR, L1_PERIOD, LINE
from .vector import (
    LEVEL2,
    AxpyfTask,
    GemvTask,
    Strided,
    address,
    axpyf_1,
    axpyf_2,
    axpyf_4,
    axpyf_8,
    bring,
    gemv_1,
    gemv_2,
    gemv_3,
    gemv_lanes,
    is_there,
    level2_functions,
)

# What is asked of the kernel: row sums, Y where it is a column, or a row, or some of either.
SUMS, COLUMN, ROW, ROWS = 1, 2, 4, 8


@inner
def _groups(left, lanes, crowded):
    """How many groups of rows of so many that are left go side by side. One is the last way: each sum waits for itself."""
    if crowded and left > 3 * lanes:
        return 2
    if left > 4 * lanes or 2 * lanes < left <= 3 * lanes:
        return 3
    return 2 if left > lanes else 1


@inner
def _single_column(dtype, T, K, A, x, b, epilogue, y):
    """The only column of Y, T numbers, for an A with its K summands side by side; A, x, b, y: where they are.

    Of the arrays the addresses alone: so whatever they are, this is compiled once.
    """
    lanes, t = gemv_lanes(dtype), 0
    ahead = GEMV_AHEAD if T * abs(A.step) >= GEMV_FAR else 0
    crowded = A.step % L1_PERIOD == 0  # three groups of rows in one set of the L1 cache are too many for any
    while t < T:
        groups = _groups(T - t, lanes, crowded)
        rows, a = min(groups * lanes, T - t), Strided(address(A.start, t * A.step), A.step)
        bias, to = Strided(address(b.start, t * b.step), b.step), Strided(address(y.start, t * y.step), y.step)
        task = GemvTask(a, x, to, bias, K, epilogue, rows, ahead)
        if groups == 3:
            gemv_3(dtype, task)
        elif groups == 2:
            gemv_2(dtype, task)
        else:
            gemv_1(dtype, task)
        t += rows


@inner
def _by_gemv(ways, A, X, b, epilogue, Y, sums, workspace):
    """The row sums of A, sums[t] = Σ_k 1·A[t,k]; and Y, where it is a column, or a row."""
    (T, K), S = A.shape, X.shape[1]
    a, x = Strided(address(A, 0), A.strides[0]), Strided(address(X, 0), X.strides[0])
    bias, y = Strided(address(b, 0), b.strides[0]), Strided(address(Y, 0), Y.strides[0])
    if ways & SUMS > 0:
        workspace[0] = 1
        one, to = Strided(address(workspace, 0), 0), Strided(address(sums, 0), sums.strides[0])
        _single_column(Y.dtype, T, K, a, one, one, Epilogue.NONE.value, to)  # no b: anything may stand for it
    if ways & COLUMN > 0:
        _single_column(Y.dtype, T, K, a, x, bias, epilogue, y)
    elif ways & ROW > 0:
        columns, row_ = Strided(x.start, X.strides[1]), Strided(a.start, A.strides[1])
        _single_column(Y.dtype, S, K, columns, row_, Strided(bias.start, 0), epilogue, Strided(y.start, Y.strides[1]))


@inner
def _pass(summands, Y, task):
    """A row of Y over 8, 4, 2 or 1 summands."""
    if summands == 8:
        axpyf_8(Y, task)
    elif summands == 4:
        axpyf_4(Y, task)
    elif summands == 2:
        axpyf_2(Y, task)
    else:
        axpyf_1(Y, task)


@inner
def _axpyf_rows(A, X, b, biased, Y, workspace):
    """All of Y: a few rows of X at a time pass in the order of memory, however large it is.

    The sums of the first block are in Y from the start; those of a later one are in workspace until it adds_b.
    """
    (T, K), S, row = A.shape, Y.shape[1], whole_lines(Y.shape[1]) * Y.itemsize
    if K > SUM_BLOCK:
        workspace[0] = 1
    for k0 in range(0, K, SUM_BLOCK):
        k, k1 = k0, min(k0 + SUM_BLOCK, K)
        while k < k1:
            left = k1 - k
            now = 8 if left >= 8 else 4 if left >= 4 else 2 if left >= 2 else 1
            adds_b, x = int(biased == 1 and k0 == 0 and k + now == K), Strided(address(X, k * X.strides[0]), X.strides[0])
            for t in range(T):
                a, bias = address(A, t * A.strides[0] + k * A.strides[1]), address(b, t * b.strides[0])
                y = address(Y, t * Y.strides[0]) if k0 == 0 else address(workspace, LINE + t * row)
                _pass(now, Y, AxpyfTask(Strided(a, A.strides[1]), x, y, S, int(k == k0), bias, adds_b))
            k += now
        for t in range(T if k0 > 0 else 0):  # Y + 1·sums, rounded once
            one, sums = Strided(address(workspace, 0), 0), Strided(address(workspace, LINE + t * row), 0)
            y, bias = address(Y, t * Y.strides[0]), address(b, t * b.strides[0])
            _pass(1, Y, AxpyfTask(one, sums, y, S, 0, bias, int(biased == 1 and k1 == K)))


def level2_types(real):
    """The types of the kernel's arguments: A, X, b, Y, sums, workspace, ways and the epilogue."""
    inputs = array_in(real, 2), array_in(real, 2), array_in(real, 1)
    return *inputs, array_out(real, 2), array_out(real, 1), flat(real), intp, intp


@kernel(level2_types, parallel=False, before=level2_functions)
def _level2(A, X, b, Y, sums, workspace, ways, epilogue):
    """What `ways` says of Y = epilogue(A X) and of the row sums of A. workspace: as packing.workspace_for has it.

    on_one_thread calls it by address, and has seen to all that it relies on.
    """
    if ways & (SUMS | COLUMN | ROW) > 0:
        _by_gemv(ways, A, X, b, epilogue, Y, sums, workspace)
    if ways & ROWS > 0:
        _axpyf_rows(A, X, b, int(epilogue == Epilogue.BIAS), Y, workspace)
    return 0


def level2_kernel():
    """The kernel, for who compiles it ahead."""
    return _level2


def bring_level2(dtype):
    """Compile the kernel, or load it: on_one_thread has it from now on."""
    if not is_there(dtype, LEVEL2):  # or each call would wait for what others compile
        with compiling:
            bring(dtype, LEVEL2, int(_level2.address(dtype)[0]))
