"""Transposition in registers: blocks of lanes × lanes numbers come in as rows and are there as columns.

Panels of a matrix that is stored by columns are made of them, and so is a product with a single column (gemv.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ..._numba import cgutils
from .function import I32, I64, POINTER, Function, i64
from .pointers import caller


class BlockFunction(Function):
    """A function that reads blocks of lanes × lanes."""

    def columns(self, rows: list[Any], there: Callable[[Any], Any] | None = None, numbers: int | None = None) -> list[Any]:
        """The columns of a block in memory, where each of its rows begins at one of `lanes` pointers.

        It is read in pieces of 128 bits, which go into any part of a register on their way from memory, so that only
        blocks within the pieces are left to exchange: half the shuffles that whole rows would need. there: which of a
        vector of places in a row there are; the others are 0 and not touched in memory. That takes longer, for pieces
        with a mask are loaded before they are joined. numbers: of a row, if not as many as lanes.
        """
        lanes, piece = self.sizes.lanes, 16 // self.size
        columns: list[Any] = []
        for k in range(0, numbers or lanes, piece):
            mask = None if there is None else there(ir.Constant(ir.VectorType(I64, piece), list(range(k, k + piece))))
            vectors = []
            for j in range(piece):  # rows j, j + piece, …, one piece of each
                parts = [self._piece(rows[t], k, mask) for t in range(j, lanes, piece)]
                vectors.append(self._joined(parts))
            columns += self._exchanged(vectors)
        return columns

    def _piece(self, row: Any, k: int, mask: Any) -> Any:
        """128 bits of a row, from its number k on."""
        numbers = 16 // self.size
        kind, place = ir.VectorType(self.scalar, numbers), self.at(row, i64(k * self.size))
        if mask is None:
            return self.builder.load(place, align=self.size, typ=kind)
        name = f"llvm.masked.load.v{numbers}f{self.bits}.p0"
        return self.call(name, kind, place, ir.Constant(I32, self.size), mask, ir.Constant(kind, None))

    def _joined(self, parts: list[Any]) -> Any:
        """Vectors as one, one behind the other: each goes to its place as it comes from memory."""
        if len(parts) == 1:
            return parts[0]
        lanes, piece = self.sizes.lanes, parts[0].type.count
        joined: Any = ir.Constant(self.vector, ir.Undefined)
        for n, part in enumerate(parts):
            wide = [at if at < piece else piece for at in range(lanes)]  # what is behind the part may be anything
            widened = self.shuffled(part, ir.Constant(part.type, ir.Undefined), wide)
            inside = range(n * piece, (n + 1) * piece)
            joined = self.shuffled(joined, widened, [lanes + at - n * piece if at in inside else at for at in range(lanes)])
        return joined

    def shuffled(self, one: Any, other: Any, order: list[int]) -> Any:
        return self.builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(I32, len(order)), order))

    def _exchanged(self, vectors: list[Any]) -> list[Any]:
        """Within each 128 bits, n vectors of n numbers as the columns of that block.

        Each round takes the numbers at even places of pairs of vectors, and behind them those at odd places. (Rounds of
        blocks twice as large would do as well, by instructions that go through one port of Intel's processors, not two.)
        """
        lanes, count = self.sizes.lanes, len(vectors)
        for _ in range(count.bit_length() - 1):
            halves = []
            for odd in (0, 1):
                order = [
                    first + at + odd
                    for piece in range(0, lanes, count)
                    for first in (piece, lanes + piece)
                    for at in range(0, count, 2)
                ]
                pattern = ir.Constant(ir.VectorType(I32, lanes), order)
                pairs = zip(vectors[::2], vectors[1::2], strict=True)
                halves += [self.builder.shuffle_vector(*pair, pattern) for pair in pairs]
            vectors = halves
        return vectors


class TransposeFunction(BlockFunction):
    """out[k, j] = X[j, k] for up to `lanes` j, by blocks of lanes × lanes.

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
        starts = [self.at(x, offset) for offset in offsets]
        whole = build.sdiv(rows, i64(lanes))
        with cgutils.for_range(build, whole) as block:
            k0 = build.mul(block.index, i64(lanes))
            at = build.mul(k0, i64(self.size))
            to = self.at(out, build.mul(out_step, k0))
            for k, vector in enumerate(self.columns([self.at(start, at) for start in starts])):
                self.store(vector, self.at(to, build.mul(out_step, i64(k))))
        k0 = build.mul(whole, i64(lanes))
        left, at, to = build.sub(rows, k0), build.mul(k0, i64(self.size)), self.at(out, build.mul(out_step, k0))
        with build.if_then(build.icmp_signed(">", left, i64(0))):
            for k, vector in enumerate(self.columns([self.at(start, at) for start in starts], self.below(left))):
                with build.if_then(build.icmp_signed("<", i64(k), left)):
                    self.store(vector, self.at(to, build.mul(out_step, i64(k))))


# transpose(like, CopyTask(…)): out[k, j] = X[j, k], `count` vectors along k of `rows` numbers each
transpose = caller("transpose", TransposeFunction)
