"""The register tile as code: rows × vectors of accumulators that stay in registers while k runs over a block.

    for each block of SUM_BLOCK indices k:    acc[t,j] = +0;  acc[t,j] = fma(A[t,k], X[k,j], acc[t,j]) for k in order
                                              Y[t,j] = acc[t,j] for the first block, else Y[t,j] + acc[t,j]
    after the last one                        Y[t,j] = Y[t,j] + b[t], or another of the endings below

which is formulas.sum_of_products for every element of the tile: a vector holds neighbouring j, never products of one sum.
A is read in place through two strides and broadcast. X has unit stride in j. The last vector may be partly outside: its
lanes are masked, and the others run the same chains. One lane beyond the last may go elsewhere (`extra`): with a 1 in
that lane of X it is the sum of A[t,:], which is how a gradient of weights brings that of the bias along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ..._numba import cgutils
from ...formulas import SUM_BLOCK
from ..tile import Tile
from .function import I64, POINTER, Function, i64
from .momentum import MomentumFunction

# Rows of A that share a pointer: their offsets, 0, 1 and 2 rows, are addressing modes. One pointer for all is a chain of
# additions, one for each runs out of registers.
ROWS_AT_A_POINTER = 3
A_AHEAD = 6  # summands of A that a tile asks for before it needs them
SHORT = 48  # so few summands end before Y's lines would come by themselves
A_FAR = 64  # bytes: where rows of A lie side by side, a tile brings the next ones' line into the L2 cache
X_AHEAD = 16  # summands of X likewise
# Endings of a tile. STEPS, of sums of one block: Y − b[0]·acc, a step of gradient descent on Y; MOVES likewise, a step with
# momentum, for which momentum.py says what b is. RELU: max(acc + b, 0). SLOPES: acc·(b > 0), where b has a number for each
# of Y's: what is left of a gradient behind that maximum, b.
NOTHING, ADDS_B, STEPS, RELU, SLOPES, MOVES = range(6)
UNROLL = 2  # steps of k per turn: one leaves loop overhead, four make LLVM run out of registers


class TileFunction(Function):
    """Tiles of rows × vectors: `tiles` of them one below the other, `panels` side by side; all steps are in bytes.

    a, x, y, b, E: where the first tile starts. x_panel: from panel to panel of X. packed: a panel of X has all its lanes.
    K: how many k. columns: lanes from the first vector on that belong to Y. accumulate: add the first block to Y too.
    ending: what happens after the last block, one of those above. extra: 1, the lane behind Y's last goes to E[t], if a
    tile has it.
    """

    def __init__(self, module: Any, sizes: Tile, bits: int, rows: int, vectors: int) -> None:
        super().__init__(module, sizes, bits)
        self.rows, self.vectors = rows, vectors

    def build(self) -> Any:
        """The function."""
        inputs, output = [POINTER, I64, I64, POINTER, I64, I64, I64, I64], [POINTER, I64, I64, I64]
        return self.define(f"tile_{self.rows}x{self.vectors}", inputs + output + [POINTER, I64, I64] * 2 + [I64, I64])

    def body(
        self, a, a_row, a_step, x, x_panel, x_step, packed, K, y, y_row, columns, accumulate, b, b_step, ending, e, e_step,
        extra, tiles, panels,
    ) -> None:  # fmt: skip
        build, self.a_step, self.x_step = self.builder, a_step, x_step
        self.ends = [build.icmp_signed("==", ending, i64(n)) for n in range(6)]
        self.move = MomentumFunction(self.module, self.sizes, self.bits).build()
        self.block = build.alloca(self.vector, self.rows * self.vectors)
        self.a_offsets = [build.mul(a_row, i64(t)) for t in range(ROWS_AT_A_POINTER)]
        self.a_ahead = build.mul(a_step, i64(A_AHEAD))
        side_by_side = build.icmp_signed("==", a_row, i64(self.size))
        self.a_far = build.select(side_by_side, i64(A_FAR), self.a_ahead)
        self.x_ahead = build.mul(x_step, i64(X_AHEAD))
        group, lanes = build.mul(a_row, i64(ROWS_AT_A_POINTER)), self.sizes.lanes
        added_to = build.or_(build.icmp_signed("!=", accumulate, i64(0)), build.icmp_signed(">", K, i64(SUM_BLOCK)))
        changed = build.or_(self.ends[STEPS], self.ends[MOVES])
        wanted = build.or_(build.or_(added_to, changed), build.icmp_signed("<", K, i64(SHORT)))
        with cgutils.for_range(build, tiles) as tile:
            t = build.mul(tile.index, i64(self.rows))
            a_t, y_t = self.at(a, build.mul(t, a_row)), self.at(y, build.mul(t, y_row))
            self.b, self.e = (self.at(b, build.mul(t, b_step)), b_step), (self.at(e, build.mul(t, e_step)), e_step)
            starts = [self.at(a_t, build.mul(group, i64(n))) for n in range(-(-self.rows // ROWS_AT_A_POINTER))]
            with cgutils.for_range(build, panels) as panel:
                self.last = build.sub(columns, build.mul(panel.index, i64(self.vectors * lanes)))
                self.last = build.sub(self.last, i64((self.vectors - 1) * lanes))  # lanes of the last vector that are Y's
                beyond = build.icmp_signed("<", self.last, i64(lanes))
                self.has_extra = build.and_(build.icmp_signed("!=", extra, i64(0)), beyond)
                self.reaches = build.or_(build.icmp_signed("!=", packed, i64(0)), build.not_(beyond))
                self.inside = self.below(self.last)(self.lane)
                self.panel_at = build.mul(panel.index, i64(self.vectors * lanes * self.size))
                self.y, self.now = (self.at(y_t, self.panel_at), y_row), panel.index
                with build.if_then(wanted):
                    self._prefetch_y()
                self._blocks(starts, self.at(x, build.mul(panel.index, x_panel)), K, accumulate)

    def _opaque(self, pointer: Any) -> Any:
        """The same pointer, of which LLVM knows nothing: it would otherwise give each row a register, and spill them."""
        kind = ir.FunctionType(POINTER, [POINTER])
        return self.builder.call(ir.InlineAsm(kind, "", "=r,0", side_effect=False), [pointer])

    def _rows(self, first: Any, step: Any, offset: Any = None) -> list[Any]:
        """Pointers to the rows of a tile, `step` bytes apart, computed where they are needed and not before.

        LLVM would compute all of them ahead of the loops over tiles and panels, and keep them on the stack: a hundred
        instructions for each tile. It does not see that these are the same after `now`, which is another number each time.
        """
        kind = ir.FunctionType(POINTER, [POINTER, self.now.type])
        pointers = [self.builder.call(ir.InlineAsm(kind, "", "=r,0,r", side_effect=False), [first, self.now])]
        if offset is not None:
            pointers = [self.at(pointers[0], offset)]
        for _ in range(1, self.rows):
            pointers.append(self.at(pointers[-1], step))
        return pointers

    def _places(self) -> Any:
        """(t, j, byte offset of vector j, whether it is the last of its row) for each accumulator."""
        for t in range(self.rows):
            for j in range(self.vectors):
                yield t, j, i64(j * self.sizes.lanes * self.size), j == self.vectors - 1

    def _prefetch_y(self) -> None:
        """Y's lines are asked for before the sums, so that they are there after them. Only stored, they can come later."""
        y = self._rows(*self.y)
        for t, _, offset, _ in self._places():
            self.prefetch(self.at(y[t], offset), 1)

    def _blocks(self, starts: list[Any], x: Any, K: Any, accumulate: Any) -> None:
        """The loop over blocks of k. starts: where each group of rows of A begins. K = 0 has one block, of no elements."""
        build = self.builder
        before, body, after = build.block, *(self.function.append_basic_block(name) for name in ("block", "done"))
        build.branch(body)
        build.position_at_end(body)
        initial = (K, accumulate, *starts, x)
        left, add, *pointers = phis = [build.phi(value.type) for value in initial]
        for phi, value in zip(phis, initial, strict=True):
            phi.add_incoming(value, before)
        whole = build.icmp_signed("<", i64(SUM_BLOCK), left)
        count = build.select(whole, i64(SUM_BLOCK), left)
        sums: list[Any] = [ir.Constant(self.vector, None)] * (self.rows * self.vectors)
        # whole vectors of X, two steps at a time, if all are there; the other steps load what there is of the last one
        pairs = build.sdiv(count, i64(UNROLL))
        if self.sizes.masked_loads:
            pairs = build.select(self.reaches, pairs, i64(0))
        pointers, sums = self._steps("many", UNROLL, pairs, pointers, sums)
        there = build.or_(self.inside, self.splat(self.reaches)) if self.sizes.masked_loads else None
        pointers, sums = self._steps("rest", 1, build.sub(count, build.mul(pairs, i64(UNROLL))), pointers, sums, there)
        self.now = pointers[-1]
        self._finish(sums, build.icmp_signed("!=", add, i64(0)), build.not_(whole))
        for phi, value in zip(phis, (build.sub(left, count), i64(1), *pointers), strict=True):
            phi.add_incoming(value, build.block)
        build.cbranch(whole, body, after)
        build.position_at_end(after)

    def _steps(
        self, name: str, unroll: int, turns: Any, pointers: list[Any], sums: list[Any], mask: Any = None
    ) -> tuple[list[Any], list[Any]]:
        """A loop of `turns` turns, each `unroll` steps of k; the pointers and sums after it. mask: of X's last vector."""
        build, initial = self.builder, [*pointers, *sums]
        before, body, after = build.block, *(self.function.append_basic_block(name + part) for part in ("", "_done"))
        build.cbranch(build.icmp_signed(">", turns, i64(0)), body, after)
        build.position_at_end(body)
        left, *phis = [build.phi(value.type) for value in (turns, *initial)]
        for phi, value in zip((left, *phis), (turns, *initial), strict=True):
            phi.add_incoming(value, before)
        (*a_k, x_k), new = phis[: len(pointers)], phis[len(pointers) :]
        for _ in range(unroll):
            a_k = [self._opaque(pointer) for pointer in a_k]
            new = self._step(a_k, x_k, new, mask)
            a_k, x_k = [self.at(pointer, self.a_step) for pointer in a_k], self.at(x_k, self.x_step)
        fewer = build.sub(left, i64(1))
        for phi, value in zip((left, *phis), (fewer, *a_k, x_k, *new), strict=True):
            phi.add_incoming(value, build.block)
        build.cbranch(build.icmp_signed(">", fewer, i64(0)), body, after)
        last = build.block
        build.position_at_end(after)
        results = []
        for start, value in zip(initial, (*a_k, x_k, *new), strict=True):
            results.append(build.phi(value.type))
            results[-1].add_incoming(start, before)
            results[-1].add_incoming(value, last)
        return results[: len(pointers)], results[len(pointers) :]

    def _step(self, a_k: list[Any], x_k: Any, sums: list[Any], mask: Any) -> list[Any]:
        """One k: acc[t,j] = fma(A[t,k], X[k,j], acc[t,j]) for the whole tile."""
        # where rows of A lie side by side, the next k is far, and no prefetcher follows
        self.prefetch(self.at(a_k[0], self.a_ahead))
        self.prefetch(self.at(a_k[0], self.a_far), keep=2)
        if self.vectors == 2:  # the width of tiles that read X in place, where the next row may be far away, too
            for j in range(self.vectors):
                self.prefetch(self.at(self.at(x_k, self.x_ahead), i64(j * self.sizes.lanes * self.size)))
        xs = []
        for j in range(self.vectors):
            place = self.at(x_k, i64(j * self.sizes.lanes * self.size))
            xs.append(self.load(place, mask if j == self.vectors - 1 else None))
        new = []
        for t in range(self.rows):
            place = self.at(a_k[t // ROWS_AT_A_POINTER], self.a_offsets[t % ROWS_AT_A_POINTER])
            a = self.splat(self.builder.load(place, align=self.size, typ=self.scalar))
            name = f"llvm.fma.{self.kind}"
            new += [self.call(name, self.vector, a, x, sums[t * self.vectors + j]) for j, x in enumerate(xs)]
        return new

    def _finish(self, sums: list[Any], add: Any, last_block: Any) -> None:
        """Join the block's sums with Y; after the last block, the ending. STEPS and MOVES have one block only."""
        build = self.builder
        with build.if_then(self.has_extra, likely=False):
            self._finish_extra(sums[self.vectors - 1 :: self.vectors], add)
        with build.if_else(self.ends[MOVES], likely=False) as (then, otherwise):
            with then:
                self._move(sums)
            with otherwise:
                self._change_y(sums, add, last_block)

    def _move(self, sums: list[Any]) -> None:
        """A step with momentum on Y. The sums are a block of their own meanwhile, in the L1 cache."""
        build, lanes = self.builder, self.sizes.lanes
        for n, total in enumerate(sums):
            build.store(total, build.gep(self.block, [i64(n)]))
        beyond = build.icmp_signed("<", self.last, i64(lanes))
        columns = build.add(build.select(beyond, self.last, i64(lanes)), i64((self.vectors - 1) * lanes))
        row = i64(self.vectors * lanes * self.size)
        build.call(self.move, [self.block, row, i64(self.rows), columns, *self.y, self.b[0]])

    def _change_y(self, sums: list[Any], add: Any, last_block: Any) -> None:
        """All other endings."""
        build = self.builder
        sums = self._when(self.ends[STEPS], "step", self._times_rate, sums)
        sums = self._when(build.or_(add, self.ends[STEPS]), "add", self._plus_old, sums)
        biased = build.or_(self.ends[ADDS_B], self.ends[RELU])
        for ends, change in (
            (biased, self._plus_bias), (self.ends[RELU], self._maximum), (self.ends[SLOPES], self._through_maximum)
        ):  # fmt: skip
            sums = self._when(build.and_(last_block, ends), change.__name__, change, sums)
        y = self._rows(*self.y)
        for t, j, offset, last in self._places():
            self.store(sums[t * self.vectors + j], self.at(y[t], offset), self.inside if last else None)

    def _finish_extra(self, sums: list[Any], add: Any) -> None:
        """Join lane `last` of these vectors with E: through a pointer whose lane `last` is E[t]."""
        build = self.builder
        outside = build.icmp_signed("==", self.lane, self.splat(self.last))
        places = self._rows(*self.e, build.sub(i64(0), build.mul(self.last, i64(self.size))))

        def plus_old(sums: list[Any]) -> list[Any]:
            return [build.fadd(self.load(place, outside), total) for place, total in zip(places, sums, strict=True)]

        for total, place in zip(self._when(add, "add_extra", plus_old, sums), places, strict=True):
            self.store(total, place, outside)

    def _when(self, condition: Any, name: str, change: Callable[[list[Any]], list[Any]], sums: list[Any]) -> list[Any]:
        """change(sums) where the condition holds, else sums."""
        build = self.builder
        before, then, after = build.block, *(self.function.append_basic_block(name + part) for part in ("", "_done"))
        build.cbranch(condition, then, after)
        build.position_at_end(then)
        changed = change(sums)
        build.branch(after)
        build.position_at_end(after)
        results = []
        for old, new in zip(sums, changed, strict=True):
            results.append(build.phi(self.vector))
            results[-1].add_incoming(old, before)
            results[-1].add_incoming(new, then)
        return results

    def _plus_old(self, sums: list[Any]) -> list[Any]:
        """Y[t,j] + acc[t,j]."""
        y = self._rows(*self.y)
        return [
            self.builder.fadd(self.load(self.at(y[t], offset), self.inside if last else None), total)
            for (t, _, offset, last), total in zip(self._places(), sums, strict=True)
        ]

    def _times_rate(self, sums: list[Any]) -> list[Any]:
        """acc[t,j]·(−rate), the rate where b begins: Y plus that is Y − rate·acc, a step of gradient descent on Y."""
        rate = self.splat(self.builder.fneg(self.builder.load(self.b[0], align=self.size, typ=self.scalar)))
        return [self.builder.fmul(rate, total) for total in sums]

    def _plus_bias(self, sums: list[Any]) -> list[Any]:
        """acc[t,j] + b[t]."""
        b = [self.splat(self.builder.load(place, align=self.size, typ=self.scalar)) for place in self._rows(*self.b)]
        return [self.builder.fadd(total, b[t]) for (t, *_), total in zip(self._places(), sums, strict=True)]

    def _maximum(self, sums: list[Any]) -> list[Any]:
        """max(y, 0); NaN stays."""
        zero = ir.Constant(self.vector, None)
        return [self.builder.select(self.builder.fcmp_unordered(">", total, zero), total, zero) for total in sums]

    def _through_maximum(self, sums: list[Any]) -> list[Any]:
        """acc[t,j]·1 where b[t,j] > 0, else acc[t,j]·0."""
        build, zero = self.builder, ir.Constant(self.vector, None)
        one = ir.Constant(self.vector, [1.0] * self.sizes.lanes)
        results, b = [], self._rows(*self.b, self.panel_at)
        for (t, _, offset, last), total in zip(self._places(), sums, strict=True):
            h = self.load(self.at(b[t], offset), self.inside if last else None)
            results.append(build.fmul(total, build.select(build.fcmp_ordered(">", h, zero), one, zero)))
        return results
