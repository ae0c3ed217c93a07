"""gemv: a product with a single column, y = A x + b, where neighbouring outputs t lie one row of A apart.

So pieces of A are transposed in registers on their way (transpose.py). Their vectors have 256 bits on every processor of
x86: those with 512 would exchange them on one port, where there are two for 256.

The next sum of a row waits four cycles for the one before. So up to three groups of rows, a vector each, go side by side;
a last group that is not whole begins earlier, and some rows are computed twice: the bits are the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from llvmlite import ir

from ...formulas import SUM_BLOCK
from ..epilogue import FORMS, Epilogue
from ..target import GEMV_BITS, Tiles
from .expression import Expression
from .function import I32, I64, POINTER, i64
from .pointers import Strided, caller
from .transpose import BlockFunction


class GemvTask(NamedTuple):
    """The arguments of gemv: `rows` rows of A, whose K numbers lie side by side; x, y and b; NONE, BIAS or BIAS_RELU.

    Steps in bytes. rows: of one group 1 to lanes, of n groups more than n − 1 have, and at most n·lanes. ahead: bytes of
    a row to ask for before they are needed, or 0.
    """

    A: Any
    x: Any
    y: Any
    b: Any
    K: Any
    epilogue: Any
    rows: Any
    ahead: Any


class GemvFunction(BlockFunction):
    """`groups` times `lanes` rows of y = A x + b at a time."""

    def __init__(self, module: Any, sizes: Tiles, bits: int, groups: int) -> None:
        super().__init__(module, replace(sizes, lanes=min(sizes.lanes, GEMV_BITS // bits)), bits)
        self.groups, self.piece = groups, 16 // self.size
        self.places, self.sums = 1 + groups, groups  # what the loops carry: where x and the rows are, and vectors
        # Summands per round of the loop: a cache line of each row, so that none has to stay in L1 for the next round. With
        # 16 registers, LLVM would keep vectors of eight on the stack.
        self.round = 4 * self.piece if sizes.lanes * self.size == 64 else 4

    def build(self) -> Any:
        """The function."""
        return self.define(f"gemv_{self.groups}", [POINTER, I64] * 4 + [I64] * 4)

    def body(self, *numbers: Any) -> None:
        build, lanes = self.builder, self.sizes.lanes
        (a, a_row), self.x, y, b = (Strided(*numbers[n : n + 2]) for n in range(0, 8, 2))
        self.K, epilogue, rows, self.ahead = numbers[8:]
        buffers = [self.buffer() for _ in range(self.groups)]
        self.zero, nothing = (ir.Constant(self.vector, [sign * 0.0] * lanes) for sign in (1.0, -1.0))
        firsts = [self.smaller(i64(g * lanes), build.sub(rows, i64(lanes))) if g else i64(0) for g in range(self.groups)]
        self.offsets, self.x_offsets = self._offsets(a_row, rows), self.multiples(self.x.step, 2 * self.piece)
        starts = [self.at(a, build.mul(a_row, first)) for first in firsts]
        # a total starts at −0, for −0 + x is x for every x: the first block needs no code of its own
        carried = self.loop(self.blocks(), [self.x.start, *starts, *[nothing] * self.sums], self.block)
        none = build.icmp_signed("==", self.K, i64(0))
        totals = [build.select(none, self.zero, total) for total in self.split(carried)[1]]
        self._end(totals, firsts, y, b, epilogue, rows, buffers)

    def blocks(self) -> Any:
        """How many blocks of summands there are."""
        return self.builder.sdiv(self.builder.add(self.K, i64(SUM_BLOCK - 1)), i64(SUM_BLOCK))

    def split(self, carried: list[Any]) -> tuple[list[Any], list[Any]]:
        """What loops carry: where the next summand of x, and of each group, is; and a vector for each group."""
        return carried[: self.places], carried[self.places :]

    def block(self, n: Any, carried: list[Any]) -> list[Any]:
        """SUM_BLOCK summands: a total is the sum of the sums of blocks, in order."""
        build, (places, totals) = self.builder, self.split(carried)
        size = self.smaller(i64(SUM_BLOCK), build.sub(self.K, build.mul(n, i64(SUM_BLOCK))))
        carried = [*places, *[self.zero] * self.sums]
        far = build.icmp_signed("!=", self.ahead, i64(0))
        # a loop that asks for what is ahead, or one that does not: a branch inside costs registers
        steps = [(self.round, True), (self.round, False), *([(self.piece, False)] if self.round > self.piece else [])]
        for count, asks in steps:
            rounds = build.sdiv(size, i64(count))
            if asks:
                rounds = build.select(far, rounds, i64(0))
            carried = self.loop(rounds, carried, functools.partial(self.summands, count, asks))
            size = build.sub(size, build.mul(rounds, i64(count)))
        places, sums = self.split(self.loop(size, carried, self.single))
        return [*places, *(build.fadd(total, sum_) for total, sum_ in zip(totals, sums, strict=True))]

    def summands(self, count: int, asks: bool, _: Any, carried: list[Any]) -> list[Any]:
        """So many summands of all groups. asks: for those that are `ahead`, too."""
        build, (places, sums) = self.builder, self.split(carried)
        x, *starts = map(self.unrelated, places)
        for start in starts if asks else []:
            for offset in self.offsets:
                self.prefetch(self.at(self.at(start, self.ahead), offset))
        for first in range(0, count, self.piece):
            here = first % len(self.x_offsets)
            if first and not here:  # x goes on: places of all factors would need more registers than there are
                x = self.unrelated(self.at(x, build.mul(self.x.step, i64(len(self.x_offsets)))))
            factors = [self.splat(self.number(self.at(x, n))) for n in self.x_offsets[here : here + self.piece]]
            for g, start in enumerate(starts):
                at = self.at(start, i64(first * self.size))
                columns = self.columns([self.at(at, offset) for offset in self.offsets], numbers=self.piece)
                for column, factor in zip(columns, factors, strict=True):
                    sums[g] = self.fma(column, factor, sums[g])
        x = self.at(x, build.mul(self.x.step, i64(min(count, len(self.x_offsets)))))
        return [x, *(self.at(start, i64(count * self.size)) for start in starts), *sums]

    def single(self, _: Any, carried: list[Any]) -> list[Any]:
        """One summand of all groups."""
        (x, *starts), sums = self.split(carried)
        factor = self.splat(self.number(x))
        for g, start in enumerate(starts):
            column: Any = ir.Constant(self.vector, ir.Undefined)
            for t, offset in enumerate(self.offsets):
                number = self.number(self.at(start, offset))
                column = self.builder.insert_element(column, number, ir.Constant(I32, t))
            sums[g] = self.fma(column, factor, sums[g])
        return [self.at(x, self.x.step), *(self.at(start, i64(self.size)) for start in starts), *sums]

    def _offsets(self, a_row: Any, rows: Any) -> list[Any]:
        """Bytes from the first row of a group to each. A row that is not there is read where the last one is."""
        lanes, build = self.sizes.lanes, self.builder
        if self.groups > 1:
            return self.multiples(a_row, lanes)
        return [build.mul(a_row, self.smaller(i64(t), build.sub(rows, i64(1)))) for t in range(lanes)]

    def multiples(self, step: Any, count: int) -> list[Any]:
        """0·step, 1·step, … (count − 1)·step: of the odd ones, and their doubles are addressing modes."""
        odd = {n: self.unrelated(self.builder.mul(step, i64(n))) for n in range(1, count, 2)}
        multiples = [i64(0)]
        for n in range(1, count):
            power = n & -n  # the largest that divides n
            multiples.append(odd[n] if power == 1 else self.builder.mul(odd[n // power], i64(power)))
        return multiples

    def unrelated(self, value: Any) -> Any:
        """The value, of which LLVM does not know what it is.

        Of a loop's pointers to rows that it sees to be so far from one another, it keeps two dozen, most on the stack.
        """
        kind = ir.FunctionType(value.type, [value.type])
        return self.builder.call(ir.InlineAsm(kind, "", "=r,0", side_effect=False), [value])

    def _end(
        self, totals: list[Any], firsts: list[Any], y: Any, b: Any, epilogue: Any, rows: Any, buffers: list[Any]
    ) -> None:
        """y = epilogue(totals): vectors where memory has them, else by way of the stack, one number after the other."""
        build, lanes = self.builder, self.sizes.lanes
        whole = build.icmp_signed(">=", rows, i64(lanes))
        biased = build.icmp_signed("!=", epilogue, i64(Epilogue.NONE))
        relu = build.icmp_signed("==", epilogue, i64(Epilogue.BIAS_RELU))
        in_vectors = [build.and_(whole, build.icmp_signed("==", a.step, i64(self.size))) for a in (y, b)]
        to_vectors, of_vectors = in_vectors[0], build.and_(in_vectors[1], biased)
        for buffer in buffers:  # x + −0 is x: without b the same is done
            self.store(ir.Constant(self.vector, [-0.0] * lanes), buffer)
        with build.if_then(build.and_(biased, build.not_(of_vectors))):
            self._each(firsts, rows, b, buffers, lambda place, buffer: build.store(self.number(place), buffer, self.size))
        bias, clamped = Epilogue.BIAS, Epilogue.BIAS_RELU
        for total, first, buffer in zip(totals, firsts, buffers, strict=True):
            offset = build.mul(first, i64(self.size))
            beside = self.load(build.select(of_vectors, self.at(b.start, offset), buffer))
            formulas: list[Any] = [FORMS[form].formula for form in (bias, clamped)]
            sums = [f(Expression(build, total), Expression(build, beside)).value for f in formulas]
            self.store(build.select(relu, sums[1], sums[0]), build.select(to_vectors, self.at(y.start, offset), buffer))
        with build.if_then(build.not_(to_vectors)):
            self._each(firsts, rows, y, buffers, lambda place, buffer: build.store(self.number(buffer), place, self.size))

    def _each(self, firsts: list[Any], rows: Any, there: Any, buffers: list[Any], move: Callable[[Any, Any], Any]) -> None:
        """move(its place, its place in a buffer) for each number of a column of `rows`."""
        build = self.builder

        def one(t: Any, carried: list[Any]) -> list[Any]:
            for first, buffer in zip(firsts, buffers, strict=True):
                place = self.at(there.start, build.mul(build.add(first, t), there.step))
                move(place, self.at(buffer, build.mul(t, i64(self.size))))
            return carried

        self.loop(self.smaller(rows, i64(self.sizes.lanes)), [], one)

    def smaller(self, one: Any, other: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", one, other), one, other)

    def fma(self, a: Any, x: Any, acc: Any) -> Any:
        return self.call(f"llvm.fma.{self.kind}", self.vector, a, x, acc)

    def loop(self, count: Any, carried: list[Any], step: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
        """step(n, carried) for n = 0 … count − 1, each with what the one before gave; what the last one gave."""
        build = self.builder
        before, inside, after = build.block, *(self.function.append_basic_block(name) for name in ("loop", "done"))
        build.cbranch(build.icmp_signed(">", count, i64(0)), inside, after)
        build.position_at_end(inside)
        n = build.phi(I64)
        now = [build.phi(value.type) for value in carried]
        following, last = step(n, now), build.add(n, i64(1))
        for phi, first, next_ in zip([n, *now], [i64(0), *carried], [last, *following], strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(next_, build.block)
        end = build.block
        build.cbranch(build.icmp_signed("<", last, count), inside, after)
        build.position_at_end(after)
        results = [build.phi(value.type) for value in carried]
        for phi, first, next_ in zip(results, carried, following, strict=True):
            phi.add_incoming(first, before)
            phi.add_incoming(next_, end)
        return results


def _gemv(groups: int) -> Any:
    """gemv(like, GemvTask(…)) for so many groups of rows."""
    return caller(f"gemv_{groups}", functools.partial(GemvFunction, groups=groups), level2=True)


gemv_1, gemv_2, gemv_3 = (_gemv(groups) for groups in (1, 2, 3))
