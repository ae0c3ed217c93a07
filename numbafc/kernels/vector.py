"""The register tile as LLVM vector code: the only file with IR.

A tile is rows × vectors of accumulators that stay in registers while k runs over a block:

    for each block of SUM_BLOCK indices k:    acc[t,j] = +0;  acc[t,j] = fma(A[t,k], X[k,j], acc[t,j]) for k in order
                                              Y[t,j] = acc[t,j] for the first block, else Y[t,j] + acc[t,j]
    after the last one                        Y[t,j] = Y[t,j] + b[t]

which is formulas.sum_of_products for every element of the tile: a vector holds neighbouring j, never products of one sum.
A is read in place through two strides and broadcast. X has unit stride in j. The last vector may be partly outside: its
lanes are masked, and the others run the same chains. One lane beyond the last may go elsewhere (`extra`): with a 1 in
that lane of X it is the sum of A[t,:], which is how a gradient of weights brings that of the bias along.

Besides the tile there are two functions that move X into panels; one for few rows or few summands, which keeps nothing in
registers and reads memory in its order; and one for a single column: there neighbouring outputs t lie one row of A apart,
so squares of A are transposed in registers on their way. (Its total starts at −0.0, for −0.0 + x is x for every x: the
first block needs no code of its own.)
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic, overload

from ..formulas import SUM_BLOCK
from .tile import Tile, target_features, tile_for

I8, I32, I64 = (ir.IntType(bits) for bits in (8, 32, 64))
POINTER = ir.PointerType()
# Rows of A that share a pointer: their offsets, 0, 1 and 2 rows, are addressing modes. One pointer for all is a chain of
# additions, one for each runs out of registers.
ROWS_AT_A_POINTER = 3
AHEAD = 8  # rows that a copy asks for before it needs them: no prefetcher follows steps across pages
COLUMN_AHEAD = 1024  # bytes of a row that a column's kernel asks for before it needs them, for as many rows as lanes
A_AHEAD = 6  # summands of A that a tile asks for before it needs them
SHORT = 48  # so few summands end before Y's lines would come by themselves
A_FAR = 64  # bytes: where rows of A lie side by side, a tile brings the next ones' line into the L2 cache
X_AHEAD = 16  # summands of X likewise
TABLE_ROW = 32  # entries for one width in the table of tiles: more than any tile has rows
UNROLL = 2  # steps of k per turn: one leaves loop overhead, four make LLVM run out of registers


def i64(n: int) -> ir.Constant:
    return ir.Constant(I64, n)


class _Function(abc.ABC):
    """An LLVM function on vectors, made once in a module. Subclasses give its name, its arguments and its body."""

    def __init__(self, module: Any, sizes: Tile, bits: int) -> None:
        self.module, self.sizes, self.bits, self.size = module, sizes, bits, bits // 8
        self.scalar: Any = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.vector = ir.VectorType(self.scalar, sizes.lanes)
        self.kind = f"v{sizes.lanes}f{bits}"
        self.lane = ir.Constant(ir.VectorType(I64, sizes.lanes), list(range(sizes.lanes)))

    def define(self, name: str, arguments: list[Any]) -> Any:
        """The function `name`: what the module has of it, or the body that `body` builds."""
        name = f"numbafc_{name}_{self.kind}"
        if name not in self.module.globals:
            self.function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), arguments), name)
            self.function.linkage = "internal"
            for attribute in ("noinline", "nounwind", "optsize"):  # optsize: loops are unrolled here, not by LLVM
                self.function.attributes.add(attribute)
            for argument in self.function.args:
                if argument.type is POINTER:
                    argument.add_attribute("noalias")
            self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
            self.body(*self.function.args)
            self.builder.ret_void()
        return self.module.globals[name]

    @abc.abstractmethod
    def body(self, *arguments: Any) -> None:
        """Build the function's code."""

    def _at(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset], source_etype=I8)

    def _prefetch(self, pointer: Any, write: int = 0, keep: int = 3) -> None:
        """Ask for data. keep: 3 brings it into the L1 cache, 2 into the L2 cache."""
        hints = ir.Constant(I32, write), ir.Constant(I32, keep), ir.Constant(I32, 1)
        self._call("llvm.prefetch.p0", ir.VoidType(), pointer, *hints)

    def _below(self, limit: Any) -> Callable[[Any], Any]:
        """From a vector of places to a mask: which are below the limit."""

        def below(places: Any) -> Any:
            return self.builder.icmp_signed("<", places, self._splat(limit, places.type.count))

        return below

    def _splat(self, value: Any, lanes: int | None = None) -> Any:
        lanes = lanes or self.sizes.lanes
        kind = ir.VectorType(value.type, lanes)
        first = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(I32, 0))
        zeros = ir.Constant(ir.VectorType(I32, lanes), None)
        return self.builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)

    def _call(self, name: str, returns: Any, *arguments: Any) -> Any:
        kind = ir.FunctionType(returns, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.module, kind, name), arguments)

    def _load(self, pointer: Any, mask: Any = None) -> Any:
        """A vector; lanes outside the mask are 0, and not touched in memory."""
        if mask is None:
            return self.builder.load(pointer, align=self.size, typ=self.vector)
        name = f"llvm.masked.load.{self.kind}.p0"
        nothing = ir.Constant(self.vector, None)
        return self._call(name, self.vector, pointer, ir.Constant(I32, self.size), mask, nothing)

    def _store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        if mask is None:
            self.builder.store(value, pointer, align=self.size)
        else:
            name = f"llvm.masked.store.{self.kind}.p0"
            self._call(name, ir.VoidType(), value, pointer, ir.Constant(I32, self.size), mask)

    def _columns(self, rows: list[Any], there: Callable[[Any], Any] | None = None) -> list[Any]:
        """The columns of a square in memory, where each of its rows begins at one of `lanes` pointers.

        It is read in pieces of 128 bits, which go into any part of a register on their way from memory, so that only
        squares within the pieces are left to exchange: half the shuffles that whole rows would need. there: which of a
        vector of places in a row there are; the others are 0 and not touched in memory.
        """
        lanes, piece = self.sizes.lanes, 16 // self.size
        columns: list[Any] = []
        for k in range(0, lanes, piece):
            mask = None if there is None else there(ir.Constant(ir.VectorType(I64, piece), list(range(k, k + piece))))
            vectors = []
            for j in range(piece):  # rows j, j + piece, …, one piece of each
                parts = [self._piece(rows[t], k, mask) for t in range(j, lanes, piece)]
                while len(parts) > 1:
                    parts = [self._joined(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
                vectors += parts
            columns += self._exchanged(vectors)
        return columns

    def _piece(self, row: Any, k: int, mask: Any) -> Any:
        """128 bits of a row, from its number k on."""
        numbers = 16 // self.size
        kind, place = ir.VectorType(self.scalar, numbers), self._at(row, i64(k * self.size))
        if mask is None:
            return self.builder.load(place, align=self.size, typ=kind)
        name = f"llvm.masked.load.v{numbers}f{self.bits}.p0"
        return self._call(name, kind, place, ir.Constant(I32, self.size), mask, ir.Constant(kind, None))

    def _joined(self, low: Any, high: Any) -> Any:
        """Two vectors as one of twice the length."""
        count = 2 * low.type.count
        return self.builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(I32, count), list(range(count))))

    def _exchanged(self, vectors: list[Any]) -> list[Any]:
        """Within each 128 bits, n vectors of n numbers as the columns of that square: rounds of blocks twice as large."""
        lanes, count, half = self.sizes.lanes, len(vectors), 1
        while half < count:
            low = [i - half + lanes if i & half else i for i in range(lanes)]
            high = [i + lanes if i & half else i + half for i in range(lanes)]
            for n in (n for n in range(count) if not n & half):
                pair = vectors[n], vectors[n + half]
                for target, order in ((n, low), (n + half, high)):
                    pattern = ir.Constant(ir.VectorType(I32, lanes), order)
                    vectors[target] = self.builder.shuffle_vector(*pair, pattern)
            half *= 2
        return vectors


class _TileFunction(_Function):
    """Tiles of rows × vectors: `tiles` of them one below the other, `panels` side by side; all steps are in bytes.

    a, x, y, b, E: where the first tile starts. x_panel: from panel to panel of X. packed: a panel of X has all its lanes.
    K: how many k. columns: lanes from the first vector on that belong to Y. accumulate: add the first block to Y too.
    biased: 1, add b after the last block; 2, of no more than one block, subtract b[0]·acc from Y. extra: 1, the lane behind
    Y's last goes to E[t], if a tile has it.
    """

    def __init__(self, module: Any, sizes: Tile, bits: int, rows: int, vectors: int) -> None:
        super().__init__(module, sizes, bits)
        self.rows, self.vectors = rows, vectors

    def build(self) -> Any:
        """The function."""
        inputs, output = [POINTER, I64, I64, POINTER, I64, I64, I64, I64], [POINTER, I64, I64, I64]
        return self.define(f"tile_{self.rows}x{self.vectors}", inputs + output + [POINTER, I64, I64] * 2 + [I64, I64])

    def body(
        self, a, a_row, a_step, x, x_panel, x_step, packed, K, y, y_row, columns, accumulate, b, b_step, biased, e, e_step,
        extra, tiles, panels,
    ) -> None:  # fmt: skip
        build, self.a_step, self.x_step = self.builder, a_step, x_step
        self.biased, self.steps = (build.icmp_signed("==", biased, i64(n)) for n in (1, 2))
        self.a_offsets = [build.mul(a_row, i64(t)) for t in range(ROWS_AT_A_POINTER)]
        self.a_ahead = build.mul(a_step, i64(A_AHEAD))
        side_by_side = build.icmp_signed("==", a_row, i64(self.size))
        self.a_far = build.select(side_by_side, i64(A_FAR), self.a_ahead)
        self.x_ahead = build.mul(x_step, i64(X_AHEAD))
        group, lanes = build.mul(a_row, i64(ROWS_AT_A_POINTER)), self.sizes.lanes
        added_to = build.or_(build.icmp_signed("!=", accumulate, i64(0)), build.icmp_signed(">", K, i64(SUM_BLOCK)))
        wanted = build.or_(build.or_(added_to, self.steps), build.icmp_signed("<", K, i64(SHORT)))
        with cgutils.for_range(build, tiles) as tile:
            t = build.mul(tile.index, i64(self.rows))
            a_t, y_t = self._at(a, build.mul(t, a_row)), self._at(y, build.mul(t, y_row))
            self.b, self.e = (self._at(b, build.mul(t, b_step)), b_step), (self._at(e, build.mul(t, e_step)), e_step)
            starts = [self._at(a_t, build.mul(group, i64(n))) for n in range(-(-self.rows // ROWS_AT_A_POINTER))]
            with cgutils.for_range(build, panels) as panel:
                self.last = build.sub(columns, build.mul(panel.index, i64(self.vectors * lanes)))
                self.last = build.sub(self.last, i64((self.vectors - 1) * lanes))  # lanes of the last vector that are Y's
                beyond = build.icmp_signed("<", self.last, i64(lanes))
                self.has_extra = build.and_(build.icmp_signed("!=", extra, i64(0)), beyond)
                self.reaches = build.or_(build.icmp_signed("!=", packed, i64(0)), build.not_(beyond))
                self.inside = self._below(self.last)(self.lane)
                y_p = self._at(y_t, build.mul(panel.index, i64(self.vectors * lanes * self.size)))
                self.y = [self._at(y_p, build.mul(y_row, i64(t))) for t in range(self.rows)]
                with build.if_then(wanted):
                    self._prefetch_y()
                self._blocks(starts, self._at(x, build.mul(panel.index, x_panel)), K, accumulate)

    def _opaque(self, pointer: Any) -> Any:
        """The same pointer, of which LLVM knows nothing: it would otherwise give each row a register, and spill them."""
        kind = ir.FunctionType(POINTER, [POINTER])
        return self.builder.call(ir.InlineAsm(kind, "", "=r,0", side_effect=False), [pointer])

    def _places(self) -> Any:
        """(t, j, byte offset of vector j, whether it is the last of its row) for each accumulator."""
        for t in range(self.rows):
            for j in range(self.vectors):
                yield t, j, i64(j * self.sizes.lanes * self.size), j == self.vectors - 1

    def _prefetch_y(self) -> None:
        """Y's lines are asked for before the sums, so that they are there after them. Only stored, they can come later."""
        for t, _, offset, _ in self._places():
            self._prefetch(self._at(self.y[t], offset), 1)

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
        # the steps before the masked ones read whole vectors of X, if there are any
        whole_x = build.select(self.reaches, count, i64(0)) if self.sizes.masked_loads else count
        pointers, sums = self._steps("many", UNROLL, build.sdiv(whole_x, i64(UNROLL)), pointers, sums)
        pointers, sums = self._steps("rest", 1, build.srem(whole_x, i64(UNROLL)), pointers, sums)
        if self.sizes.masked_loads:
            pointers, sums = self._steps("masked", 1, build.sub(count, whole_x), pointers, sums, self.inside)
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
            a_k, x_k = [self._at(pointer, self.a_step) for pointer in a_k], self._at(x_k, self.x_step)
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
        self._prefetch(self._at(a_k[0], self.a_ahead))
        self._prefetch(self._at(a_k[0], self.a_far), keep=2)
        if self.vectors == 2:  # the width of tiles that read X in place, where the next row may be far away, too
            for j in range(self.vectors):
                self._prefetch(self._at(self._at(x_k, self.x_ahead), i64(j * self.sizes.lanes * self.size)))
        xs = []
        for j in range(self.vectors):
            place = self._at(x_k, i64(j * self.sizes.lanes * self.size))
            xs.append(self._load(place, mask if j == self.vectors - 1 else None))
        new = []
        for t in range(self.rows):
            place = self._at(a_k[t // ROWS_AT_A_POINTER], self.a_offsets[t % ROWS_AT_A_POINTER])
            a = self._splat(self.builder.load(place, align=self.size, typ=self.scalar))
            name = f"llvm.fma.{self.kind}"
            new += [self._call(name, self.vector, a, x, sums[t * self.vectors + j]) for j, x in enumerate(xs)]
        return new

    def _finish(self, sums: list[Any], add: Any, last_block: Any) -> None:
        """Join the block's sums with Y, and with b after the last block."""
        sums = self._when(add, "add", self._plus_old, sums)
        with self.builder.if_then(self.has_extra, likely=False):
            self._finish_extra(sums[self.vectors - 1 :: self.vectors], add)
        sums = self._when(self.builder.and_(last_block, self.biased), "bias", self._plus_bias, sums)
        sums = self._when(self.steps, "step", self._step_from_old, sums)
        for t, j, offset, last in self._places():
            self._store(sums[t * self.vectors + j], self._at(self.y[t], offset), self.inside if last else None)

    def _finish_extra(self, sums: list[Any], add: Any) -> None:
        """Join lane `last` of these vectors with E: through a pointer whose lane `last` is E[t]."""
        build, (e, e_step) = self.builder, self.e
        outside = build.icmp_signed("==", self.lane, self._splat(self.last))
        shift = build.sub(i64(0), build.mul(self.last, i64(self.size)))
        places = [self._at(e, build.add(build.mul(e_step, i64(t)), shift)) for t in range(self.rows)]

        def plus_old(sums: list[Any]) -> list[Any]:
            return [build.fadd(self._load(place, outside), total) for place, total in zip(places, sums, strict=True)]

        for total, place in zip(self._when(add, "add_extra", plus_old, sums), places, strict=True):
            self._store(total, place, outside)

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
        return [
            self.builder.fadd(self._load(self._at(self.y[t], offset), self.inside if last else None), total)
            for (t, _, offset, last), total in zip(self._places(), sums, strict=True)
        ]

    def _step_from_old(self, sums: list[Any]) -> list[Any]:
        """Y[t,j] − rate·acc[t,j], the rate where b begins: a step of gradient descent on Y, rounded as it is written."""
        build, rate = self.builder, self._splat(self.builder.load(self.b[0], align=self.size, typ=self.scalar))
        return [
            build.fsub(self._load(self._at(self.y[t], offset), self.inside if last else None), build.fmul(rate, total))
            for (t, _, offset, last), total in zip(self._places(), sums, strict=True)
        ]

    def _plus_bias(self, sums: list[Any]) -> list[Any]:
        """acc[t,j] + b[t]."""
        places = [self._at(self.b[0], self.builder.mul(self.b[1], i64(t))) for t in range(self.rows)]
        b = [self._splat(self.builder.load(place, align=self.size, typ=self.scalar)) for place in places]
        return [self.builder.fadd(total, b[t]) for (t, *_), total in zip(self._places(), sums, strict=True)]


class _TransposeFunction(_Function):
    """out[k, j] = X[j, k] for one square of lanes × lanes, through registers.

    `columns` vectors along k are loaded from X, of `rows` numbers each, and `rows` vectors along j are stored.
    """

    def build(self) -> Any:
        """The function."""
        return self.define("transpose", [POINTER, I64, I64, I64, POINTER, I64])

    def body(self, x, x_step, columns, rows, out, out_step) -> None:
        build, lanes = self.builder, self.sizes.lanes
        # a column that is not there is read where the first one is, which always is, and its lane is never used
        offsets = [
            build.select(build.icmp_signed("<", i64(j), columns), build.mul(x_step, i64(j)), i64(0)) for j in range(lanes)
        ]
        vectors = self._columns([self._at(x, offset) for offset in offsets], self._below(rows))
        for k, vector in enumerate(vectors):
            with build.if_then(build.icmp_signed("<", i64(k), rows)):
                self._store(vector, self._at(out, build.mul(out_step, i64(k))))


class _CopyFunction(_Function):
    """`rows` rows of `width` numbers, x_step and out_step bytes apart; whole vectors are written to out."""

    def build(self) -> Any:
        """The function."""
        return self.define("copy", [POINTER, I64, I64, I64, POINTER, I64])

    def body(self, x, x_step, width, rows, out, out_step) -> None:
        build, lanes = self.builder, self.sizes.lanes
        with cgutils.for_range(build, rows) as row:
            source = self._at(x, build.mul(row.index, x_step))
            target = self._at(out, build.mul(row.index, out_step))
            whole = build.sdiv(width, i64(lanes))
            ahead = self._at(source, build.mul(x_step, i64(AHEAD)))
            with cgutils.for_range(build, whole) as vector:
                offset = build.mul(vector.index, i64(lanes * self.size))
                self._prefetch(self._at(ahead, offset))
                self._store(self._load(self._at(source, offset)), self._at(target, offset))
            rest = build.srem(width, i64(lanes))
            with build.if_then(build.icmp_signed(">", rest, i64(0))):
                offset = build.mul(whole, i64(lanes * self.size))
                inside = build.icmp_signed("<", self.lane, self._splat(rest))
                self._store(self._load(self._at(source, offset), inside), self._at(target, offset))


class _ColumnFunction(_Function):
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
                bias = build.load(self._at(b, build.mul(b_step, i64(t))), align=self.size, typ=self.scalar)
                bias = build.select(build.icmp_signed("!=", biased, i64(0)), bias, ir.Constant(self.scalar, -0.0))
                build.store(build.fadd(number, bias), self._at(y, build.mul(y_step, i64(t))), align=self.size)

    def _square(self, a: Any, offsets: list[Any], x: Any, x_step: Any, k0: Any, acc: Any, left: Any) -> None:
        """acc[t] = fma(A[t,k], x[k], acc[t]) for one square of lanes × lanes, or for the `left` columns there are."""
        build, lanes = self.builder, self.sizes.lanes
        start = self._at(a, build.mul(k0, i64(self.size)))
        rows = [self._at(start, offset) for offset in offsets]
        if left is None:
            for row in rows:  # whole squares: further on is no end of A's rows in sight, and a prefetch never faults
                self._prefetch(self._at(row, i64(COLUMN_AHEAD)), keep=2)
        columns = self._columns(rows, None if left is None else self._below(left))
        sums = build.load(acc)
        for n in range(lanes):
            there = None if left is None else build.icmp_signed("<", i64(n), left)
            k = build.add(k0, i64(n)) if there is None else build.select(there, build.add(k0, i64(n)), k0)
            number = build.load(self._at(x, build.mul(k, x_step)), align=self.size, typ=self.scalar)
            new = self._call(f"llvm.fma.{self.kind}", self.vector, columns[n], self._splat(number), sums)
            sums = new if there is None else build.select(there, new, sums)
        build.store(sums, acc)


class _StreamFunction(_Function):
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
        numbers = [self._splat(number(self._at(a, build.mul(a_step, i64(k))))) for k in range(self.summands)]
        rows = [self._at(x, build.mul(x_step, i64(k))) for k in range(self.summands)]
        nothing = ir.Constant(self.scalar, -0.0)  # x + −0 is x
        bias = self._splat(build.select(build.icmp_signed("!=", biased, i64(0)), number(b), nothing))
        begins = self._splat(build.icmp_signed("!=", begin, i64(0)))

        def vector(first: Any, mask: Any) -> None:
            offset = build.mul(first, i64(self.size))
            place = self._at(y, offset)
            total = build.select(begins, ir.Constant(self.vector, None), self._load(place, mask))
            for a_k, row in zip(numbers, rows, strict=True):
                total = self._call(
                    f"llvm.fma.{self.kind}", self.vector, a_k, self._load(self._at(row, offset), mask), total
                )
            self._store(build.fadd(total, bias), place, mask)

        whole, rest = build.sdiv(width, i64(lanes)), build.srem(width, i64(lanes))
        with cgutils.for_range(build, whole) as turn:
            vector(build.mul(turn.index, i64(lanes)), None)
        with build.if_then(build.icmp_signed(">", rest, i64(0))):
            vector(build.mul(whole, i64(lanes)), build.icmp_signed("<", self.lane, self._splat(rest)))


# ---- intrinsics: what compiled code calls. The dtype of the first array and the processor decide what they become. ----


def _tile_of(array: Any) -> tuple[Tile, int]:
    """The tiles for a Numba type with a dtype, and the bits of one number."""
    bits = array.dtype.bitwidth
    return tile_for(np.dtype(f"f{bits // 8}"), target_features()), bits


def _constant(value: Callable[[Tile, int], int]) -> Any:
    """An intrinsic f(A) that is a number of the tile for A's dtype, or for A where it is a dtype itself."""

    @intrinsic
    def constant(typingctx: Any, A: Any) -> Any:
        return types.intp(A), lambda context, builder, signature, args: i64(value(*_tile_of(signature.args[0])))

    return constant


lanes_in = _constant(lambda tile, bits: tile.lanes)
vector_bytes = _constant(lambda tile, bits: tile.lanes * bits // 8)
most_vectors = _constant(lambda tile, bits: tile.most_vectors)
half_vectors = _constant(lambda tile, bits: int(tile.half_vectors))
masked_loads = _constant(lambda tile, bits: int(tile.masked_loads))


@intrinsic
def most_rows(typingctx: Any, A: Any, vectors: Any) -> Any:
    """The most rows a tile of so many vectors may have."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows: Any = i64(1)
        for width, heights in _tile_of(signature.args[0])[0].tiles().items():
            rows = builder.select(builder.icmp_signed("==", args[1], i64(width)), i64(max(heights)), rows)
        return rows

    return types.intp(A, types.intp), codegen


def _start(context: Any, builder: Any, signature: Any, args: Any, array: int, offset: int) -> Any:
    """The address `offset` bytes into an array, both given as positions of arguments."""
    data = context.make_array(signature.args[array])(context, builder, args[array]).data
    return builder.gep(builder.bitcast(data, POINTER), [args[offset]], source_etype=I8)


@intrinsic
def address(typingctx: Any, base: Any, offset: Any) -> Any:
    """The address `offset` bytes into an array, or behind another address: one type for whatever a tile reads."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, start = signature.args[0], args[0]
        if isinstance(kind, types.Array):
            start = context.make_array(kind)(context, builder, start).data
        there = builder.gep(builder.bitcast(start, POINTER), [args[1]], source_etype=I8)
        return builder.bitcast(there, context.get_value_type(types.voidptr))

    return types.voidptr(base, types.intp), codegen


@intrinsic
def turn(typingctx: Any, A: Any, turned: Any) -> Any:
    """The matrix, or its transpose where turned is not 0: one type for both."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        given = context.make_array(kind)(context, builder, args[0])
        result = context.make_array(signature.return_type)(context, builder)
        for field in ("data", "itemsize", "nitems", "meminfo", "parent"):
            setattr(result, field, getattr(given, field))
        swaps = builder.icmp_signed("!=", args[1], i64(0))
        for field in ("shape", "strides"):
            one, other = cgutils.unpack_tuple(builder, getattr(given, field), 2)
            both = builder.select(swaps, other, one), builder.select(swaps, one, other)
            setattr(result, field, cgutils.pack_array(builder, both))
        return impl_ret_borrowed(context, builder, signature.return_type, result._getvalue())

    return types.Array(A.dtype, 2, "A", readonly=not A.mutable)(A, types.intp), codegen


def span(A: Any, first: Any, last: Any) -> Any:
    """A[first:last] of a contiguous array, 0 ≤ first ≤ last ≤ len(A): in compiled code a slice without the questions."""
    return A[first:last]


@overload(span)
def _compiled_span(A, first, last):
    return lambda A, first, last: _span(A, first, last)


@intrinsic
def _span(typingctx: Any, A: Any, first: Any, last: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = context.make_array(signature.args[0])(context, builder, args[0])
        result = context.make_array(signature.return_type)(context, builder)
        result.data = builder.gep(given.data, [args[1]], source_etype=context.get_value_type(A.dtype))
        result.nitems = builder.sub(args[2], args[1])
        result.shape = cgutils.pack_array(builder, [result.nitems])
        result.strides = cgutils.pack_array(builder, [given.itemsize])
        result.itemsize, result.meminfo, result.parent = given.itemsize, given.meminfo, given.parent
        return impl_ret_borrowed(context, builder, signature.return_type, result._getvalue())

    return types.Array(A.dtype, 1, "C", readonly=not A.mutable)(A, types.intp, types.intp), codegen


@intrinsic
def matrix(typingctx: Any, A: Any, at: Any, rows: Any, columns: Any, row: Any) -> Any:
    """A matrix inside a contiguous array: its first element is A[at], and its rows begin `row` elements apart."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        given = context.make_array(signature.args[0])(context, builder, args[0])
        result = context.make_array(signature.return_type)(context, builder)
        result.data = builder.gep(given.data, [args[1]], source_etype=context.get_value_type(A.dtype))
        result.shape = cgutils.pack_array(builder, args[2:4])
        result.strides = cgutils.pack_array(builder, (builder.mul(args[4], given.itemsize), given.itemsize))
        result.itemsize, result.nitems = given.itemsize, builder.mul(args[2], args[3])
        result.meminfo, result.parent = given.meminfo, given.parent
        return impl_ret_borrowed(context, builder, signature.return_type, result._getvalue())

    n = types.intp
    return types.Array(A.dtype, 2, "A", readonly=not A.mutable)(A, n, n, n, n), codegen


@intrinsic
def tile_table(typingctx: Any, A: Any) -> Any:
    """The tiles for A's dtype. Call it in one place of a kernel: what calls it has the code of all tiles in it, and so has,
    compiled anew, what calls that. The functions between the kernel and `tile` hand the table on.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        sizes, bits = _tile_of(signature.args[0])
        functions = [ir.Constant(POINTER, None)] * (TABLE_ROW * (1 + max(sizes.tiles())))
        half = replace(sizes, lanes=sizes.lanes // 2)
        for width, heights in sizes.tiles().items():
            for height in heights:
                functions[width * TABLE_ROW + height] = _TileFunction(builder.module, sizes, bits, height, width).build()
                if width == 1 and sizes.half_vectors:
                    functions[height] = _TileFunction(builder.module, half, bits, height, width).build()
        entries = ", ".join(f"ptr {f.get_reference()}" for f in functions)
        kind = ir.ArrayType(POINTER, len(functions))
        table = cgutils.add_global_variable(builder.module, kind, f"numbafc_tiles_f{bits}")
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.FormattedConstant(kind, f"[{entries}]")
        return builder.bitcast(table, context.get_value_type(types.voidptr))

    return types.voidptr(A), codegen


@intrinsic
def tile(
    typingctx, table, rows, vectors, a, a_row, a_step, x, x_panel, x_step, packed, K, y, y_row, columns, add, b, b_step,
    biased, e, e_step, extra, tiles, panels,
):  # fmt: skip
    """Tiles of Y = A X + b, from the table; a, x, y, b, e: addresses where they start; the rest as in _TileFunction.

    rows and vectors must be in the processor's table; vectors = 0 is one vector of half as many lanes.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.add(builder.mul(args[2], i64(TABLE_ROW)), args[1])
        entry = builder.gep(builder.bitcast(args[0], POINTER), [place], source_etype=POINTER)
        kind = ir.FunctionType(ir.VoidType(), [arg.type for arg in args[3:]])
        builder.call(builder.load(entry, typ=kind.as_pointer()), args[3:])
        return context.get_dummy_value()

    n, to = types.intp, types.voidptr
    return types.void(to, n, n, to, n, n, to, n, n, n, n, to, n, n, n, to, n, n, to, n, n, n, n), codegen


def call_stored(argument_types: Callable[[Any], tuple[Any, ...]]) -> Any:
    """An intrinsic f(stored, …) that calls the Kernel whose address is `stored`: a function of these arguments, to intp.

    argument_types: from Numba's scalar type to the types of the arguments. So two kernels share compiled code.
    """

    @intrinsic
    def call(typingctx: Any, stored: Any, arguments: Any) -> Any:
        kinds = argument_types(stored.dtype)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = context.make_array(stored)(context, builder, args[0]).data
            kind = context.call_conv.get_function_type(types.intp, kinds).as_pointer()
            function = builder.load(builder.bitcast(data, POINTER), align=stored.dtype.bitwidth // 8, typ=kind)
            values = cgutils.unpack_tuple(builder, args[1])
            return context.call_conv.call_function(builder, function, types.intp, kinds, values)[1]

        return types.intp(stored, types.Tuple(kinds)), codegen

    return call


def _mover(function: type[_TransposeFunction] | type[_CopyFunction]) -> Any:
    """An intrinsic f(X, x_at, x_step, count, rows, out, out_at, out_step) that calls a function from X to out.

    Offsets and steps in bytes. out has room for whole vectors.
    """

    @intrinsic
    def move(typingctx: Any, X, x_at, x_step, count, rows, out, out_at, out_step):
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, to = (_start(context, builder, signature, args, n, n + 1) for n in (0, 5))
            builder.call(function(builder.module, *_tile_of(signature.args[0])).build(), [x, *args[2:5], to, args[7]])
            return context.get_dummy_value()

        n = types.intp
        return types.void(X, n, n, n, n, out, n, n), codegen

    return move


transpose = _mover(_TransposeFunction)  # out[k, j] = X[j, k]: `count` vectors along k, of `rows` numbers each
copy_rows = _mover(_CopyFunction)  # out[k, j] = X[k, j]: `rows` rows of `count` numbers


@intrinsic
def column(typingctx: Any, A, a_at, a_row, X, x_at, x_step, K, Y, y_at, y_step, b, b_at, b_step, biased, rows):
    """`rows` ≤ lanes rows of y = A x + b, for A with unit stride in k. Offsets and steps in bytes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, x, y, bias = (_start(context, builder, signature, args, n, n + 1) for n in (0, 3, 7, 10))
        function = _ColumnFunction(builder.module, *_tile_of(signature.args[0])).build()
        builder.call(function, [a, args[2], x, *args[5:7], y, args[9], bias, *args[12:15]])
        return context.get_dummy_value()

    n = types.intp
    return types.void(A, n, n, X, n, n, n, Y, n, n, b, n, n, n, n), codegen


def _streamer(summands: int) -> Any:
    """An intrinsic for so many summands at a time; a, x, y, b: addresses, the rest as in _StreamFunction.

    A: any array of the dtype.
    """

    @intrinsic
    def stream(typingctx: Any, A, a, a_step, x, x_step, y, width, begin, b, biased):
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            builder.call(_StreamFunction(builder.module, *_tile_of(signature.args[0]), summands).build(), args[1:])
            return context.get_dummy_value()

        n, to = types.intp, types.voidptr
        return types.void(A, to, n, to, n, to, n, n, to, n), codegen

    return stream


stream_1, stream_2, stream_4, stream_8 = (_streamer(summands) for summands in (1, 2, 4, 8))
