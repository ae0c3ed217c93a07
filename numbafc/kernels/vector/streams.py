"""A product of few rows or few summands: nothing is kept in registers, and memory is read in its order."""

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..._numba import cgutils
from ..tile import Tile
from .function import I64, POINTER, Function, i64
from .sizes import tile_of


class StreamFunction(Function):
    """One row of Y through a few rows of X, each a stream: y[j] = fma(a[k], X[k,j], y[j]) for k = 0 … summands − 1.

    width: how many j. begin: start from +0 instead of y. After that b is added, if biased. Steps in bytes; y and X have
    unit stride in j.
    """

    def __init__(self, module: Any, sizes: Tile, bits: int, summands: int) -> None:
        super().__init__(module, sizes, bits)
        self.summands = summands

    def build(self) -> Any:
        """The function."""
        return self.define(f"stream_{self.summands}", [POINTER, I64, POINTER, I64, POINTER, I64, I64, POINTER, I64])

    def body(self, a, a_step, x, x_step, y, width, begin, b, biased) -> None:
        build, lanes = self.builder, self.sizes.lanes
        number = functools.partial(build.load, align=self.size, typ=self.scalar)
        numbers = [self.splat(number(self.at(a, build.mul(a_step, i64(k))))) for k in range(self.summands)]
        rows = [self.at(x, build.mul(x_step, i64(k))) for k in range(self.summands)]
        nothing = ir.Constant(self.scalar, -0.0)  # x + −0 is x
        bias = self.splat(build.select(build.icmp_signed("!=", biased, i64(0)), number(b), nothing))
        begins = self.splat(build.icmp_signed("!=", begin, i64(0)))

        def vector(first: Any, mask: Any) -> None:
            offset = build.mul(first, i64(self.size))
            place = self.at(y, offset)
            total = build.select(begins, ir.Constant(self.vector, None), self.load(place, mask))
            for a_k, row in zip(numbers, rows, strict=True):
                total = self.call(f"llvm.fma.{self.kind}", self.vector, a_k, self.load(self.at(row, offset), mask), total)
            self.store(build.fadd(total, bias), place, mask)

        whole, rest = build.sdiv(width, i64(lanes)), build.srem(width, i64(lanes))
        with cgutils.for_range(build, whole) as turn:
            vector(build.mul(turn.index, i64(lanes)), None)
        with build.if_then(build.icmp_signed(">", rest, i64(0))):
            vector(build.mul(whole, i64(lanes)), build.icmp_signed("<", self.lane, self.splat(rest)))


def _streamer(summands: int) -> Any:
    """An intrinsic for so many summands at a time; a, x, y, b: addresses, the rest as in StreamFunction.

    A: any array of the dtype.
    """

    @intrinsic
    def stream(typingctx: Any, A, a, a_step, x, x_step, y, width, begin, b, biased):
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.call(StreamFunction(builder.module, *tile_of(signature.args[0]), summands).build(), args[1:])
            return context.get_dummy_value()

        n, to = types.intp, types.voidptr
        return types.void(A, to, n, to, n, to, n, n, to, n), codegen

    return stream


stream_1, stream_2, stream_4, stream_8 = (_streamer(summands) for summands in (1, 2, 4, 8))
