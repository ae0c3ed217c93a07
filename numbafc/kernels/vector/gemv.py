"""gemv: a product with a single column, y = A x + b, where neighbouring outputs t lie one row of A apart.

So blocks of A are transposed in registers on their way. (The total starts at −0.0, for −0.0 + x is x for every x: the
first 256 summands need no code of their own.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from ..._numba import cgutils
from ...formulas import SUM_BLOCK
from ..target import GEMV_AHEAD
from .function import I32, I64, POINTER, i64
from .pointers import Strided, caller
from .transpose import BlockFunction


class GemvTask(NamedTuple):
    """The arguments of gemv: `rows` ≤ lanes rows of A, whose K numbers lie side by side; x, y and b; whether b is added.

    Steps in bytes.
    """

    A: Any
    x: Any
    y: Any
    b: Any
    K: Any
    biased: Any
    rows: Any


class GemvFunction(BlockFunction):
    """`lanes` rows of y = A x + b at a time: blocks of A are transposed in registers."""

    def build(self) -> Any:
        """The function."""
        return self.define("gemv", [POINTER, I64] * 4 + [I64] * 3)

    def body(self, *numbers: Any) -> None:
        build, lanes = self.builder, self.sizes.lanes
        (a, a_row), (x, x_step), (y, y_step), (b, b_step) = (Strided(*numbers[n : n + 2]) for n in range(0, 8, 2))
        K, biased, rows = numbers[8:]
        zero, nothing = (ir.Constant(self.vector, [sign * 0.0] * lanes) for sign in (1.0, -1.0))
        # a row that is not there is read where the first one is, and its lane is not stored
        offsets = [
            build.select(build.icmp_signed("<", i64(t), rows), build.mul(a_row, i64(t)), i64(0)) for t in range(lanes)
        ]
        total, acc = cgutils.alloca_once_value(build, nothing), cgutils.alloca_once_value(build, zero)
        blocks = build.sdiv(build.add(K, i64(lanes - 1)), i64(lanes))
        with cgutils.for_range(build, blocks) as block:
            k0 = build.mul(block.index, i64(lanes))
            left = build.sub(K, k0)
            whole = build.icmp_signed(">=", left, i64(lanes))
            with build.if_else(whole) as (then, otherwise):
                with then:
                    self._block(a, offsets, x, x_step, k0, acc, None)
                with otherwise:
                    self._block(a, offsets, x, x_step, k0, acc, left)
            ends = build.icmp_signed("==", build.srem(build.add(k0, i64(lanes)), i64(SUM_BLOCK)), i64(0))
            with build.if_then(build.or_(ends, build.icmp_signed("<=", left, i64(lanes)))):
                build.store(build.fadd(build.load(total), build.load(acc)), total)
                build.store(zero, acc)
        result = build.select(build.icmp_signed("==", K, i64(0)), zero, build.load(total))
        for t in range(lanes):
            with build.if_then(build.icmp_signed("<", i64(t), rows)):
                number = build.extract_element(result, ir.Constant(I32, t))
                adds, to = build.icmp_signed("!=", biased, i64(0)), self.at(y, build.mul(y_step, i64(t)))
                bias = self.number(build.select(adds, self.at(b, build.mul(b_step, i64(t))), to))  # there may be no b
                bias = build.select(adds, bias, ir.Constant(self.scalar, -0.0))
                build.store(build.fadd(number, bias), to, align=self.size)

    def _block(self, a: Any, offsets: list[Any], x: Any, x_step: Any, k0: Any, acc: Any, left: Any) -> None:
        """acc[t] = fma(A[t,k], x[k], acc[t]) for one block of lanes × lanes, or for the `left` columns there are."""
        build, lanes = self.builder, self.sizes.lanes
        start = self.at(a, build.mul(k0, i64(self.size)))
        rows = [self.at(start, offset) for offset in offsets]
        if left is None:
            for row in rows:  # whole blocks: further on is no end of A's rows in sight, and a prefetch never faults
                self.prefetch(self.at(row, i64(GEMV_AHEAD)), keep=2)
        columns = self.columns(rows, None if left is None else self.below(left))
        sums = build.load(acc)
        for n in range(lanes):
            there = None if left is None else build.icmp_signed("<", i64(n), left)
            k = build.add(k0, i64(n)) if there is None else build.select(there, build.add(k0, i64(n)), k0)
            number = self.number(self.at(x, build.mul(k, x_step)))
            new = self.call(f"llvm.fma.{self.kind}", self.vector, columns[n], self.splat(number), sums)
            sums = new if there is None else build.select(there, new, sums)
        build.store(sums, acc)


gemv = caller("gemv", GemvFunction)  # gemv(like, GemvTask(…))
