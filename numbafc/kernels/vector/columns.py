"""A product with a single column: neighbouring outputs t lie one row of A apart there.

So squares of A are transposed in registers on their way. (The total starts at −0.0, for −0.0 + x is x for every x: the
first block needs no code of its own.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..._numba import cgutils
from ...formulas import SUM_BLOCK
from .function import I32, I64, POINTER, i64
from .sizes import tile_of
from .squares import SquareFunction
from .views import start_of

COLUMN_AHEAD = 1024  # bytes of a row that a column's kernel asks for before it needs them, for as many rows as lanes


class ColumnFunction(SquareFunction):
    """`lanes` rows of y = A x + b at a time, for A whose rows lie along k: squares of A are transposed in registers.

    rows: how many rows there are. Steps in bytes; A has unit stride in k.
    """

    def build(self) -> Any:
        """The function."""
        return self.define("column", [POINTER, I64, POINTER, I64, I64, POINTER, I64, POINTER, I64, I64, I64])

    def body(self, a, a_row, x, x_step, K, y, y_step, b, b_step, biased, rows) -> None:
        build, lanes = self.builder, self.sizes.lanes
        zero, nothing = (ir.Constant(self.vector, [sign * 0.0] * lanes) for sign in (1.0, -1.0))
        # a row that is not there is read where the first one is, and its lane is not stored
        offsets = [
            build.select(build.icmp_signed("<", i64(t), rows), build.mul(a_row, i64(t)), i64(0)) for t in range(lanes)
        ]
        total, acc = cgutils.alloca_once_value(build, nothing), cgutils.alloca_once_value(build, zero)
        squares = build.sdiv(build.add(K, i64(lanes - 1)), i64(lanes))
        with cgutils.for_range(build, squares) as square:
            k0 = build.mul(square.index, i64(lanes))
            left = build.sub(K, k0)
            whole = build.icmp_signed(">=", left, i64(lanes))
            with build.if_else(whole) as (then, otherwise):
                with then:
                    self._square(a, offsets, x, x_step, k0, acc, None)
                with otherwise:
                    self._square(a, offsets, x, x_step, k0, acc, left)
            ends = build.icmp_signed("==", build.srem(build.add(k0, i64(lanes)), i64(SUM_BLOCK)), i64(0))
            with build.if_then(build.or_(ends, build.icmp_signed("<=", left, i64(lanes)))):
                build.store(build.fadd(build.load(total), build.load(acc)), total)
                build.store(zero, acc)
        result = build.select(build.icmp_signed("==", K, i64(0)), zero, build.load(total))
        for t in range(lanes):
            with build.if_then(build.icmp_signed("<", i64(t), rows)):
                number = build.extract_element(result, ir.Constant(I32, t))
                bias = build.load(self.at(b, build.mul(b_step, i64(t))), align=self.size, typ=self.scalar)
                bias = build.select(build.icmp_signed("!=", biased, i64(0)), bias, ir.Constant(self.scalar, -0.0))
                build.store(build.fadd(number, bias), self.at(y, build.mul(y_step, i64(t))), align=self.size)

    def _square(self, a: Any, offsets: list[Any], x: Any, x_step: Any, k0: Any, acc: Any, left: Any) -> None:
        """acc[t] = fma(A[t,k], x[k], acc[t]) for one square of lanes × lanes, or for the `left` columns there are."""
        build, lanes = self.builder, self.sizes.lanes
        start = self.at(a, build.mul(k0, i64(self.size)))
        rows = [self.at(start, offset) for offset in offsets]
        if left is None:
            for row in rows:  # whole squares: further on is no end of A's rows in sight, and a prefetch never faults
                self.prefetch(self.at(row, i64(COLUMN_AHEAD)), keep=2)
        columns = self.columns(rows, None if left is None else self.below(left))
        sums = build.load(acc)
        for n in range(lanes):
            there = None if left is None else build.icmp_signed("<", i64(n), left)
            k = build.add(k0, i64(n)) if there is None else build.select(there, build.add(k0, i64(n)), k0)
            number = build.load(self.at(x, build.mul(k, x_step)), align=self.size, typ=self.scalar)
            new = self.call(f"llvm.fma.{self.kind}", self.vector, columns[n], self.splat(number), sums)
            sums = new if there is None else build.select(there, new, sums)
        build.store(sums, acc)


@intrinsic
def column(typingctx: Any, A, a_at, a_row, X, x_at, x_step, K, Y, y_at, y_step, b, b_at, b_step, biased, rows):
    """`rows` ≤ lanes rows of y = A x + b, for A with unit stride in k. Offsets and steps in bytes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, x, y, bias = (start_of(context, builder, signature, args, n, n + 1) for n in (0, 3, 7, 10))
        function = ColumnFunction(builder.module, *tile_of(signature.args[0])).build()
        builder.call(function, [a, args[2], x, *args[5:7], y, args[9], bias, *args[12:15]])
        return context.get_dummy_value()

    n = types.intp
    return types.void(A, n, n, X, n, n, n, Y, n, n, b, n, n, n, n), codegen
