"""A product on several threads: equal parts of Y, each a product on one thread. Which part is whose changes no bit."""

from __future__ import annotations

from numba import prange
from numba.types import intp

from .._numba import array_in, inner, kernel
from .epilogue import Epilogue
from .packing import packs_x, sums_by_gemv, vectors_of, workspace_for
from .product import ANY_SIZE, EPILOGUE, MEAN, ROW_SUMS, UNFIT, WITH_BIAS, address, operands, product_types
from .target import BEFORE_THREADS, PACKING_ROWS, READING
from .vector import call_pointer, lanes_in


@inner
def _columns(X, Y, with_sums, T, vectors, threads):
    """How many parts lie side by side where the largest part is smallest; each part packs what it reads."""
    columns, best = 1, -1
    for candidate in range(1, min(threads, vectors) + 1):
        rows, width = -(-T // (threads // candidate)), -(-vectors // candidate)
        cost = width * (rows + (PACKING_ROWS if packs_x(X, Y, with_sums, rows, width) else 0)) + READING * rows
        if best < 0 or cost < best:
            columns, best = candidate, cost
    return columns


@inner
def part_of(size, part, parts):
    """From where to where part `part` of so many equal ones goes."""
    return part * size // parts, (part + 1) * size // parts


_product = call_pointer(product_types)


@kernel(lambda real: (*product_types(real), array_in(intp, 1)))
def _on_threads(P, Q, b, R, sums, workspace, flags, threads, pointers):
    """As on_one_thread, split into as many equal parts as there are threads. pointers: the address of that function.

    It calls on_one_thread by address, for compiling it once more into this kernel would take seconds.
    """
    A, X, Y = operands(flags, P, Q, R)
    epilogue = flags >> EPILOGUE
    if epilogue > Epilogue.BIAS:
        return UNFIT  # the engine, which wants them, gives each thread rows of its own (nn/layer_steps.py)
    biased = int(epilogue == Epilogue.BIAS)
    (T, S), lanes, with_sums = Y.shape, lanes_in(Y), int(flags & ROW_SUMS > 0)
    in_tiles = with_sums - sums_by_gemv(A, X, Y, with_sums, T, S)
    vectors = vectors_of(Y, in_tiles, S)
    columns = _columns(X, Y, in_tiles, T, vectors, threads)
    bands = threads // columns
    needed = 0
    for part in range(columns * bands):
        v0, v1 = part_of(vectors, part % columns, columns)
        t0, t1 = part_of(T, part // columns, bands)
        s0, s1 = v0 * lanes, min(v1 * lanes, S)
        needed = max(needed, workspace_for(A, X, Y, with_sums if v1 == vectors else 0, t1 - t0, s1 - s0))
    if needed * columns * bands > workspace.size:
        return needed * columns * bands
    refusals = 0
    for part in prange(columns * bands):
        v0, v1 = part_of(vectors, part % columns, columns)
        t0, t1 = part_of(T, part // columns, bands)
        s0, s1, kept = v0 * lanes, min(v1 * lanes, S), WITH_BIAS | MEAN | (ROW_SUMS if v1 == vectors else 0)
        own = workspace[part * needed : (part + 1) * needed]
        own_b, own_sums = b[t0 * biased : t1 * biased], sums[t0 * with_sums : t1 * with_sums]
        arrays = A[t0:t1], X[:, s0:s1], own_b, Y[t0:t1, s0:s1], own_sums, own
        refusals += int(_product(pointers, 0, (*arrays, flags & kept | ANY_SIZE, 0)) != 0)
    return UNFIT if refusals > 0 else 0


_waiting: dict[int, int] = {}  # by itemsize: multiply-adds on one thread while this kernel was in no cache


def is_worth(dtype, work):
    """Whether several threads are worth this kernel, which takes seconds to compile where it is in no cache.

    work: the multiply-adds of a product, at most. Until there were BEFORE_THREADS of them, one thread does them sooner.
    """
    done = _waiting.get(dtype.itemsize, 0)
    if done < BEFORE_THREADS and (done > 0 or not _on_threads.is_there(dtype)):
        _waiting[dtype.itemsize] = done + work
        return False
    _waiting[dtype.itemsize] = BEFORE_THREADS
    return True


def on_threads(P, Q, b, R, sums, workspace, flags, threads):
    """As on_one_thread, with so many threads, and without epilogues beyond BIAS."""
    return _on_threads.unchecked(P, Q, b, R, sums, workspace, flags, threads, address(R.dtype))
