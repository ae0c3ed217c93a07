"""axpyf: a row of Y through a few rows of X, for products of few rows or few summands.

Nothing is kept in registers, and memory is read in its order. (The name is BLIS': several axpy, fused.)
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from llvmlite import ir

from ..._numba import cgutils
from ..target import AXPYF_NEAR, Tiles
from .function import I64, POINTER, Function, i64
from .pointers import Strided, caller


class AxpyfTask(NamedTuple):
    """The arguments of axpyf: a, a number for each of some rows X, y and b, addresses. Steps in bytes; unit stride in j.

    width: how many j. begin: 1, start from +0 instead of y. biased: 1, add b after that.
    """

    a: Any
    X: Any
    y: Any
    width: Any
    begin: Any
    b: Any
    biased: Any


class AxpyfFunction(Function):
    """One row of Y through a few rows of X: y[j] = fma(a[k], X[k,j], y[j]) for k = 0 … summands − 1."""

    def __init__(self, module: Any, sizes: Tiles, bits: int, summands: int) -> None:
        super().__init__(module, sizes, bits)
        self.summands = summands

    def build(self) -> Any:
        """The function."""
        return self.define(f"axpyf_{self.summands}", [POINTER, I64, POINTER, I64, POINTER, I64, I64, POINTER, I64])

    def body(self, *arguments: Any) -> None:
        build, lanes = self.builder, self.sizes.lanes
        (a, a_step), (x, x_step) = Strided(*arguments[:2]), Strided(*arguments[2:4])
        y, width, begin, b, biased = arguments[4:]
        numbers = [self.splat(self.number(self.at(a, build.mul(a_step, i64(k))))) for k in range(self.summands)]
        rows = [self.at(x, build.mul(x_step, i64(k))) for k in range(self.summands)]
        nothing = ir.Constant(self.scalar, -0.0)  # x + −0 is x
        adds = build.icmp_signed("!=", biased, i64(0))
        bias = self.splat(build.select(adds, self.number(build.select(adds, b, a)), nothing))  # there may be no b
        # the next rows come into the L1 cache meanwhile, where there is room; longer rows come by themselves, and what is
        # asked for is there
        rows_bytes = build.mul(width, i64(self.summands * self.size))
        near = build.icmp_signed("<=", rows_bytes, i64(AXPYF_NEAR))
        ahead = build.select(near, build.mul(x_step, i64(self.summands)), i64(0))
        begins = self.splat(build.icmp_signed("!=", begin, i64(0)))

        def vector(first: Any, mask: Any) -> None:
            offset = build.mul(first, i64(self.size))
            place = self.at(y, offset)
            total = build.select(begins, ir.Constant(self.vector, None), self.load(place, mask))
            if mask is None:
                for row in rows:
                    self.prefetch(self.at(self.at(row, offset), ahead))
            for a_k, row in zip(numbers, rows, strict=True):
                total = self.call(f"llvm.fma.{self.kind}", self.vector, a_k, self.load(self.at(row, offset), mask), total)
            self.store(build.fadd(total, bias), place, mask)

        whole, rest = build.sdiv(width, i64(lanes)), build.srem(width, i64(lanes))
        with cgutils.for_range(build, whole) as round_:
            vector(build.mul(round_.index, i64(lanes)), None)
        with build.if_then(build.icmp_signed(">", rest, i64(0))):
            vector(build.mul(whole, i64(lanes)), self.first(rest))


def _axpyf(summands: int) -> Any:
    """axpyf(like, AxpyfTask(…)) for so many summands at a time."""
    return caller(f"axpyf_{summands}", functools.partial(AxpyfFunction, summands=summands), level2=True)


axpyf_1, axpyf_2, axpyf_4, axpyf_8 = (_axpyf(summands) for summands in (1, 2, 4, 8))
