"""kernel="tiled": the products in register tiles, blocked for the caches, split over threads.

All are one product Y = A X + b over strides, as in loops.py:

    forward  A = W   X = X     grad_w  A = dY  X = Xᵀ     grad_x  A = Wᵀ  X = dY     grad_b  A = 1  X = dYᵀ

blocks.py computes a part of Y on one thread, packing.py says what is packed for it. What is where in memory, and who
computes it, changes no bit: the chain of fma of an element is the same in every tile.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np
from numba import prange
from numba.types import intp

from .._numba import DTYPES, array_in, array_out, flat, get_num_threads, inner, interpreted, kernel
from ..formulas import SUM_BLOCK
from . import loops
from .blocks import divide, in_blocks, in_squares, in_streams, sums_in_squares
from .loops import per_sample_grad_norms
from .overlaps import overlaps
from .packing import aligned, is_column, is_row, packs_x, room_for, streams, sums_apart, vectors_of
from .vector import ADDS_B, MOVES, NOTHING, RELU, SLOPES, STEPS, call_pointer, lanes_in, tile_table, turn
from .vector.momentum import SETTINGS

__all__ = ["GIVEN", "MEAN", "TURN_A", "TURN_X", "TURN_Y", "forward", "grad_b", "grad_w", "grad_w_and_b", "grad_x"]
__all__ += ["ones", "per_sample_grad_norms", "product", "result"]

PACKING_ROWS = 8  # packing a vector of X costs about what this many rows of A do
READING = 1  # vectors whose fma take as long as reading a number of A, which each part does for all its rows
PARALLEL = 1_500_000  # multiply-adds from which a second thread is worth its start (1.5 µs, and a cold cache)
FROM_MEMORY = 6  # what a multiply-add counts for where each takes a number of its own from memory

# What a call says besides its arrays: which of them are transposed, and what the other two are good for.
TURN_A, TURN_X, TURN_Y, BIASED, EXTRA, STEP, MAXIMUM, THROUGH, MOVE = 1, 2, 4, 8, 16, 32, 64, 128, 256
GIVEN = 512  # R may be a caller's own array: nothing is done where it may overlap itself or an input
MEAN = 1024  # the sums, those of E too, divided by how many products they are of
# What a call answers: 0, or how many elements of work it needs, or one of these.
UNFIT, SCATTERED, LARGE = -1, -2, -3  # shapes do not fit; rows of Y are not contiguous; there is work for several threads
DOUBTFUL = -4  # R may overlap
ANY_SIZE = 2**62
KEPT = BIASED | MEAN  # what each part of a product is told


def product_types(real):
    inputs = array_in(real, 2), array_in(real, 2), array_in(real, 1)
    return *inputs, array_out(real, 2), array_out(real, 1), flat(real), intp, intp


@inner
def _operands(flags, A, X, Y):
    """A, X and Y as the product has them, how it ends, and whether there is E."""
    turned = turn(A, flags & TURN_A), turn(X, flags & TURN_X), turn(Y, flags & TURN_Y)
    ending, special = ADDS_B if flags & BIASED else NOTHING, flags & (STEP | MAXIMUM | THROUGH | MOVE)
    if special == STEP:
        ending = STEPS
    elif special == MAXIMUM:
        ending = RELU
    elif special == THROUGH:
        ending = SLOPES
    elif special == MOVE:
        ending = MOVES
    return *turned, ending, int(flags & EXTRA > 0)


@inner
def _refusal(A, X, b, ending, Y, E, extra):
    """0, or why this product cannot be."""
    (T, K), S = A.shape, X.shape[1]
    if X.shape[0] != K or Y.shape != (T, S) or (extra == 1 and E.shape[0] != T):
        return UNFIT
    numbers = T * S if ending == SLOPES else 1 if ending == STEPS else SETTINGS if ending == MOVES else T
    if ending != NOTHING and b.shape[0] != numbers:
        return UNFIT
    if ending == SLOPES and (Y.strides[0] != S * Y.itemsize or b.strides[0] != Y.itemsize):  # b's rows are read as Y's are
        return UNFIT
    return SCATTERED if S > 1 and T > 0 and Y.strides[1] != Y.itemsize else 0  # vectors are stored side by side


def _check(P, Q, b, R, E, work, flags, most):
    if flags & MOVE:
        raise ValueError(
            "flags hold MOVE, with which b says where memory is that nobody can check; that is for the engine alone"
        )


@kernel(product_types, parallel=False, check=_check)
def on_one_thread(P, Q, b, R, E, work, flags, most):
    """R = P Q + b, each turned as the flags say; with EXTRA also E[t] = Σ_k P[t,k]. Nothing is done for an answer but 0.

    most: from so many multiply-adds on, the answer is LARGE. What tiles can do as they end, else the answer is UNFIT: with
    STEP, R − b[0]·(P Q), for sums of one block; with MOVE, likewise, a step as in vector/momentum.py, which says what b is;
    with MAXIMUM, max(P Q + b, 0); with THROUGH, P Q where b is above 0, which has a number for each of R's, in one piece as
    b is. One of these at a time, and not on several threads.
    """
    table = tile_table(R)
    A, X, Y, ending, extra = _operands(flags, P, Q, R)
    refusal = _refusal(A, X, b, ending, Y, E, extra)
    if flags & GIVEN and refusal != UNFIT and overlaps(A, X, b, flags & BIASED, Y):
        return DOUBTFUL
    if refusal != 0:
        return refusal
    (T, S), K = Y.shape, X.shape[0]
    if T == 0 or (S == 0 and extra == 0):
        return 0  # whatever there is to pack
    if T * S * K * (FROM_MEMORY if min(T, S, K) == 1 else 1) >= most:
        return LARGE
    room, apart = room_for(A, X, Y, extra, T, S), sums_apart(A, Y, extra, T, S)
    if room > work.size:
        return room
    extra -= apart
    vectors = vectors_of(Y, extra, S)
    column, row, few = is_column(A, X, Y, extra), is_row(A, X, Y, extra), streams(A, X, Y, extra, T, vectors)
    if ending > ADDS_B and (column or row or few or K == 0 or (ending in (STEPS, MOVES) and K > SUM_BLOCK)):
        return UNFIT
    if apart == 1:
        sums_in_squares(A, E, work)
    if column:
        in_squares(A, X, X.strides[0], b, b.strides[0], ending, Y)
    elif row:
        in_squares(X.T, A.T, A.T.strides[0], b, 0, ending, Y.T)
    elif few:
        in_streams(A, X, b, ending, Y, work)
    else:
        in_blocks(table, A, X, b, ending, Y, E, extra, vectors, work)
    if flags & MEAN and K != 1:
        divide(Y, E, extra + apart, K)
    return 0


# ---- several threads ------------------------------------------------------------------------------------------------


@inner
def _columns(X, Y, extra, T, vectors, threads):
    """How many parts lie side by side where the largest part is smallest; each part packs what it reads."""
    columns, best = 1, -1
    for candidate in range(1, min(threads, vectors) + 1):
        rows, width = -(-T // (threads // candidate)), -(-vectors // candidate)
        cost = width * (rows + (PACKING_ROWS if packs_x(X, Y, extra, rows, width) else 0)) + READING * rows
        if best < 0 or cost < best:
            columns, best = candidate, cost
    return columns


@inner
def _share(size, parts, part):
    """From where to where part `part` of so many equal ones goes."""
    return part * size // parts, (part + 1) * size // parts


_compute = call_pointer(product_types)


@kernel(lambda real: (*product_types(real), array_in(real, 1)))
def _on_threads(P, Q, b, R, E, work, flags, threads, stored):
    """As on_one_thread, split into as many equal parts as there are threads. stored: where that function is.

    It calls on_one_thread by address, for compiling the tiles once more into this kernel would take seconds.
    """
    A, X, Y, ending, extra = _operands(flags, P, Q, R)
    if ending > ADDS_B:
        return UNFIT
    (T, S), lanes = Y.shape, lanes_in(Y)
    beside = extra - sums_apart(A, Y, extra, T, S)
    vectors = vectors_of(Y, beside, S)
    columns = _columns(X, Y, beside, T, vectors, threads)
    bands = threads // columns
    room = 0
    for part in range(columns * bands):
        v0, v1 = _share(vectors, columns, part % columns)
        t0, t1 = _share(T, bands, part // columns)
        s0, s1 = v0 * lanes, min(v1 * lanes, S)
        room = max(room, room_for(A, X, Y, extra if v1 == vectors else 0, t1 - t0, s1 - s0))
    if room * columns * bands > work.size:
        return room * columns * bands
    refusals = 0
    for part in prange(columns * bands):
        v0, v1 = _share(vectors, columns, part % columns)
        t0, t1 = _share(T, bands, part // columns)
        s0, s1, choices = v0 * lanes, min(v1 * lanes, S), flags & (KEPT | EXTRA if v1 == vectors else KEPT)
        own = work[part * room : (part + 1) * room]
        own_b, own_e = b[t0 * ending : t1 * ending], E[t0 * extra : t1 * extra]
        arrays = A[t0:t1], X[:, s0:s1], own_b, Y[t0:t1, s0:s1], own_e, own
        refusals += int(_compute(stored, 0, (*arrays, choices, ANY_SIZE)) != 0)
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
empty, ndarray = np.empty, np.ndarray


def product(flags: int, P: Any, Q: Any, b: Any, R: Any, E: Any = None) -> bool:
    """R = P Q + b, each turned as the flags say; with E also E[t] = Σ_k P[t,k].

    Returns whether this was done: it is not where shapes do not fit, an array is no aligned one of R's dtype, or R, with
    GIVEN, may overlap. Then nothing was written.
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


def result(flags: int, P: Any, Q: Any, b: Any, out: Any, shape: Any) -> Any:
    """P Q + b as product has it, in `out`, or in a new array of the shape where that is None; None where it was not done.

    P, Q and b are plain arrays; out may be anything. The few lines of product stand here again, for small products take
    no longer than the call of a function.
    """
    if out is None:
        try:
            out = empty(shape, P.dtype)
        except (MemoryError, ValueError):  # because the shapes do not fit, perhaps
            return None
    elif type(out) is not ndarray or out.ndim != len(shape) or not out.flags.writeable:
        return None
    own = _own.by_itemsize.get(out.itemsize)
    if own is None:
        return out if _first_product(flags, P, Q, b, out, None) else None
    entry, work, no_bias, no_sums = own
    if b is None:
        b = no_bias
    else:
        flags |= BIASED
    try:
        answer = entry(P, Q, b, out, no_sums, work, flags, PARALLEL)
    except TypeError:
        return None
    if answer == 0 or _second_try(answer, flags, P, Q, b, out, no_sums):
        return out
    return None


def _second_try(answer: int, flags: int, P: Any, Q: Any, b: Any, R: Any, E: Any) -> bool:
    """The product again, with what the answer asks for."""
    if answer in (UNFIT, DOUBTFUL):
        return False
    if answer == SCATTERED:
        dense = np.empty_like(R, order="F" if flags & TURN_Y else "C")
        entry, work, _, _ = _own.by_itemsize[R.itemsize]
        answer = entry(P, Q, b, dense, E, work, flags, PARALLEL)
        done = answer == 0 or _second_try(answer, flags, P, Q, b, dense, E)
        if done:
            R[...] = dense
        return done
    threads = get_num_threads() if answer == LARGE else 1
    if threads > 1:
        return _with_room(_on_threads, flags, P, Q, b, R, E, threads, on_one_thread.address(R.dtype))
    return _with_room(on_one_thread, flags, P, Q, b, R, E, ANY_SIZE)


def _with_room(call: Any, flags: int, P: Any, Q: Any, b: Any, R: Any, E: Any, *last: Any) -> bool:
    """Whether the call was done, with as much room as it asks for."""
    work = _own.by_itemsize[R.itemsize][1]
    while (answer := call.unchecked(P, Q, b, R, E, work, flags, *last)) > 0:
        work = _own.add(R.dtype, aligned(answer, R.dtype))[1]
    return answer == 0


def _first_product(flags: int, P: Any, Q: Any, b: Any, R: Any, E: Any) -> bool:
    """The first product of a dtype in a thread: with a kernel, if there is one for it."""
    if R.dtype not in DTYPES:
        return False
    if not interpreted():
        _own.add(R.dtype, np.empty(0, R.dtype))
        return product(flags, P, Q, b, R, E)
    if flags & GIVEN:
        return False  # only compiled code compares what is given
    P, Q, R = (M if M.ndim == 2 else M[:, np.newaxis] for M in (P, Q, R))
    A, X, Y = (M.T if flags & turned else M for M, turned in ((P, TURN_A), (Q, TURN_X), (R, TURN_Y)))
    loops._product(A, X, b, Y)  # intrinsics are nothing without the compiler
    if E is not None:
        loops.grad_b(A, E)
    return True


def forward(W, X, b, Y):
    """Y = W X + b."""
    return product(0, W, X, b, Y)


def grad_w(dY, X, dW):
    """dW = dY Xᵀ: lanes run over inputs."""
    return product(TURN_X, dY, X, None, dW)


@functools.lru_cache(maxsize=256)
def ones(dtype: np.dtype, B: int) -> np.ndarray:
    """(1, B) ones, which take the memory of one."""
    return np.broadcast_to(np.ones((), dtype if dtype in DTYPES else None), (1, B))


def grad_b(dY, db):
    """db[t] = Σ_s 1·dY[t,s]: lanes run over outputs."""
    return product(TURN_X | TURN_Y, ones(dY.dtype, dY.shape[1]), dY, None, db)


def grad_w_and_b(dY, X, dW, db, flags=0):
    """Both gradients in one pass over dY: the bias is the weight of a constant input 1."""
    return product(flags | TURN_X, dY, X, None, dW, db)


def grad_x(dY, W, dX):
    """dX = Wᵀ dY; for one sample dxᵀ = dyᵀ W, whose lanes run along the rows of W."""
    if dY.ndim == 1 or dY.shape[1] == 1:
        return product(TURN_A | TURN_Y, dY, W, None, dX)
    return product(TURN_A, W, dY, None, dX)
