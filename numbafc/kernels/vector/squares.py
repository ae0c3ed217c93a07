"""Squares of numbers, turned on their way from memory into registers: rows come in, columns are there.

Panels of a matrix that is stored by columns are made of them, and so is a product with a single column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from .function import I32, I64, Function, i64


class SquareFunction(Function):
    """A function that reads squares of lanes × lanes."""

    def columns(self, rows: list[Any], there: Callable[[Any], Any] | None = None) -> list[Any]:
        """The columns of a square in memory, where each of its rows begins at one of `lanes` pointers.

        It is read in pieces of 128 bits, which go into any part of a register on their way from memory, so that only
        squares within the pieces are left to exchange: half the shuffles that whole rows would need. there: which of a
        vector of places in a row there are; the others are 0 and not touched in memory. That takes longer, for pieces
        with a mask are loaded before they are joined.
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
        kind, place = ir.VectorType(self.scalar, numbers), self.at(row, i64(k * self.size))
        if mask is None:
            return self.builder.load(place, align=self.size, typ=kind)
        name = f"llvm.masked.load.v{numbers}f{self.bits}.p0"
        return self.call(name, kind, place, ir.Constant(I32, self.size), mask, ir.Constant(kind, None))

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
