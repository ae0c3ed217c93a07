"""The limits of this machine, measured: arithmetic that no kernel passes, and how fast memory is read."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

CHAINS = 12  # independent chains of fma: more than latency (4 cycles) times units (2)
UNROLL = 4
STREAMS = 4


def best_of(call: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of several calls: the others were disturbed."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def fma_peak(dtype: np.dtype, register_bits: int = 512, repeats: int = 12) -> float:
    """GFLOP/s of one thread that does nothing but fma on vectors of that width: no kernel can be faster."""
    lanes = register_bits // (8 * dtype.itemsize)
    chains = _fma_chains(lanes, dtype)
    flops_each = 2 * lanes * CHAINS * UNROLL
    n, x = int(2e8 / flops_each), dtype.type(1e-3)
    chains(1, x)
    return n * flops_each / best_of(lambda: chains(n, x), repeats) / 1e9


@functools.cache
def _fma_chains(lanes: int, dtype: np.dtype) -> Callable[[int, Any], Any]:
    """A compiled loop over CHAINS vectors v ← fma(x, x, v), UNROLL times an iteration."""
    real = numba.from_dtype(dtype)
    scalar: Any = ir.FloatType() if dtype.itemsize == 4 else ir.DoubleType()
    vector, index = ir.VectorType(scalar, lanes), ir.IntType(64)

    @intrinsic
    def loop(typingctx: Any, n: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            name = f"llvm.fma.v{lanes}f{8 * dtype.itemsize}"
            fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
            x = ir.Constant(vector, ir.Undefined)
            for lane in range(lanes):
                x = builder.insert_element(x, args[1], ir.Constant(ir.IntType(32), lane))
            start, body, end = builder.block, builder.append_basic_block(), builder.append_basic_block()
            builder.branch(body)
            builder.position_at_end(body)
            done, sums = builder.phi(index), [builder.phi(vector) for _ in range(CHAINS)]
            results: list[Any] = list(sums)
            for _ in range(UNROLL):
                results = [builder.call(fma, [x, x, v]) for v in results]
            following = builder.add(done, ir.Constant(index, 1))
            for phi, first, then in zip(
                [done, *sums], [ir.Constant(index, 0), *[x] * CHAINS], [following, *results], strict=True
            ):
                phi.add_incoming(first, start)
                phi.add_incoming(then, body)
            builder.cbranch(builder.icmp_signed("<", following, args[0]), body, end)
            builder.position_at_end(end)
            total = results[0]
            for v in results[1:]:
                total = builder.fadd(total, v)
            return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

        return real(types.intp, real), codegen

    return numba.njit(lambda n, x: loop(n, x))


def bandwidth(nbytes: int, repeats: int = 12) -> float:
    """Bytes a second at which one thread reads an array of that size again and again: from a cache, if it fits there."""
    words = np.ones((STREAMS, max(1, nbytes // 8 // STREAMS)), np.int64)
    n = max(1, (1 << 26) // words.nbytes)
    _read(words, 1)
    return n * words.nbytes / best_of(lambda: _read(words, n), repeats)


@numba.njit
def _read(words: np.ndarray, n: int) -> int:
    a, b, c, d = words[0], words[1], words[2], words[3]  # STREAMS rows at a time, as products read W: faster than one
    total = 0  # of integers: their sum is vectorised without leave to reorder
    for i in range(n):  # which keeps the compiler from doing one for all
        for k in range(words.shape[1]):
            total += (a[k] ^ i) + (b[k] ^ i) + (c[k] ^ i) + (d[k] ^ i)
    return total
