"""A product of two to four columns over rows of A that each lie side by side: gemv for several columns at once.

Tiles would broadcast each number of A for a vector that is mostly empty. Here pieces of A are transposed in registers,
as gemv has it, and each vector of neighbouring outputs t serves all columns. Two groups of rows go side by side, so that
there are chains enough; the last two begin earlier, and some rows are computed twice: the bits are the same.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from llvmlite import ir

from ..epilogue import FORMS, Epilogue
from ..target import Tiles
from .expression import Expression
from .function import I32, I64, POINTER, i64
from .gemv import GemvFunction
from .pointers import Strided

GROUPS = 2


class ColumnsTask(NamedTuple):
    """The arguments: all rows of A and the numbers of X; Y, whose rows lie one behind the other; b; how it ends.

    Steps in bytes. column: from column to column of X. epilogue: NONE, BIAS or BIAS_RELU. rows: at least two groups.
    """

    A: Any
    X: Any
    column: Any
    Y: Any
    b: Any
    K: Any
    epilogue: Any
    rows: Any


class ColumnsFunction(GemvFunction):
    """Y = A X for so many columns."""

    def __init__(self, module: Any, sizes: Tiles, bits: int, columns: int) -> None:
        super().__init__(module, sizes, bits, GROUPS)
        self.count, self.round = columns, self.piece
        self.registers = 32 if sizes.lanes * self.size == 64 else 16
        self.places, self.sums = columns + GROUPS, columns * GROUPS

    def build(self) -> Any:
        """The function."""
        return self.define(f"columns_{self.count}", [POINTER, I64, POINTER, I64, I64, POINTER, POINTER, I64, I64, I64])

    def body(self, *numbers: Any) -> None:
        build, task, lanes = (
            self.builder,
            ColumnsTask(Strided(*numbers[:2]), Strided(*numbers[2:4]), *numbers[4:]),
            self.sizes.lanes,
        )
        self.K, self.x, self.ahead = task.K, task.X, i64(0)
        self.zero, nothing = (ir.Constant(self.vector, [sign * 0.0] * lanes) for sign in (1.0, -1.0))
        self.offsets, self.x_offsets = self.multiples(task.A.step, lanes), self.multiples(task.X.step, self.piece)
        columns = [self.at(task.X.start, build.mul(task.column, i64(c))) for c in range(self.count)]
        whole, last = i64(GROUPS * lanes), build.sub(task.rows, i64(GROUPS * lanes))
        rounds = build.sdiv(build.add(task.rows, build.sub(whole, i64(1))), whole)
        blocks = self.blocks()
        none = build.icmp_signed("==", self.K, i64(0))

        def rows(n: Any, _: list[Any]) -> list[Any]:
            first = self.smaller(build.mul(n, whole), last)
            start = self.at(task.A.start, build.mul(task.A.step, first))
            starts = [self.at(start, build.mul(task.A.step, i64(g * lanes))) for g in range(GROUPS)]
            carried = self.loop(blocks, [*columns, *starts, *[nothing] * self.sums], self.block)
            totals = [build.select(none, self.zero, total) for total in self.split(carried)[1]]
            self._store_rows(totals, first, task)
            return []

        self.loop(rounds, [], rows)

    def summands(self, count: int, asks: bool, _: Any, carried: list[Any]) -> list[Any]:
        """A piece of summands of all groups and columns."""
        places, sums = self.split(carried)
        places = [self.unrelated(place) for place in places]
        columns, starts = places[: self.count], places[self.count :]
        together = [range(GROUPS)] if self.registers == 32 else [[g] for g in range(GROUPS)]
        for groups in together:
            if len(groups) == 1:
                self._barrier()
            rows = [[self.at(starts[g], offset) for offset in self.offsets] for g in groups]
            pieces = [self.columns(pointers, numbers=count) for pointers in rows]
            for k, c in itertools.product(range(count), range(self.count)):
                factor = self.splat(self.number(self.at(columns[c], self.x_offsets[k])))
                for g, piece in zip(groups, pieces, strict=True):
                    sums[g * self.count + c] = self.fma(piece[k], factor, sums[g * self.count + c])
        return [*self._following(columns, starts, count), *sums]

    def _barrier(self) -> None:
        """Nothing is read sooner: with 16 registers, one group after the other, or the next is kept on the stack."""
        kind = ir.FunctionType(ir.VoidType(), [])
        self.builder.call(ir.InlineAsm(kind, "", "~{memory}", side_effect=True), [])

    def single(self, _: Any, carried: list[Any]) -> list[Any]:
        """One summand of all groups and columns."""
        places, sums = self.split(carried)
        columns, starts = places[: self.count], places[self.count :]
        for g, start in enumerate(starts):
            vector: Any = ir.Constant(self.vector, ir.Undefined)
            for t, offset in enumerate(self.offsets):
                number = self.number(self.at(start, offset))
                vector = self.builder.insert_element(vector, number, ir.Constant(I32, t))
            for c, column in enumerate(columns):
                at = g * self.count + c
                sums[at] = self.fma(vector, self.splat(self.number(column)), sums[at])
        return [*self._following(columns, starts, 1), *sums]

    def _following(self, columns: list[Any], starts: list[Any], count: int) -> list[Any]:
        """The places so many summands later."""
        x_step = self.builder.mul(self.x.step, i64(count))
        return [
            *(self.at(column, x_step) for column in columns),
            *(self.at(start, i64(count * self.size)) for start in starts),
        ]

    def _store_rows(self, totals: list[Any], first: Any, task: ColumnsTask) -> None:
        """Y = epilogue(totals), rows of `columns` numbers one behind the other."""
        build, lanes = self.builder, self.sizes.lanes
        biased = build.icmp_signed("!=", task.epilogue, i64(Epilogue.NONE))
        relu = build.icmp_signed("==", task.epilogue, i64(Epilogue.BIAS_RELU))
        formulas: list[Any] = [FORMS[form].formula for form in (Epilogue.BIAS, Epilogue.BIAS_RELU)]
        nothing = self.splat(ir.Constant(self.scalar, -0.0))  # x + −0 is x
        for g in range(GROUPS):
            t = build.add(first, i64(g * lanes))
            some_b = build.select(biased, self.at(task.b, build.mul(t, i64(self.size))), task.Y)  # there may be no b
            beside = Expression(build, build.select(biased, self.load(some_b), nothing))
            ends = []
            for total in totals[g * self.count : (g + 1) * self.count]:
                both = [formula(Expression(build, total), beside).value for formula in formulas]
                ends.append(build.select(relu, both[1], both[0]))
            place = self.at(task.Y, build.mul(t, i64(self.count * self.size)))
            for n, vector in enumerate(self._interleaved(ends)):
                self.store(vector, self.at(place, i64(n * lanes * self.size)))

    def _interleaved(self, vectors: list[Any]) -> list[Any]:
        """Number t of vector c is number t·columns + c of the results, one behind the other."""
        lanes, count, build = self.sizes.lanes, len(vectors), self.builder
        results = []
        for n in range(count):
            wanted = [divmod(n * lanes + at, count) for at in range(lanes)]  # (t, c)
            result = vectors[0]
            order = [t for t, _ in wanted]
            result = self.shuffled(result, result, order)
            for c in range(1, count):
                moved = self.shuffled(vectors[c], vectors[c], order)
                chosen = ir.Constant(ir.VectorType(ir.IntType(1), lanes), [int(one == c) for _, one in wanted])
                result = build.select(chosen, moved, result)
            results.append(result)
        return results
