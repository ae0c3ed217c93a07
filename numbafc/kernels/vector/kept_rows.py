"""How a tile over several panels reads rows of A: those that lie side by side it keeps in the first, for the others.

Of rows side by side each k has a cache line of its own, which would come again for each panel (target.Tiles.keeps_a).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from ...formulas import SUM_BLOCK
from ..target import A_AHEAD, A_AHEAD_KEPT, A_FAR, ROWS_AT_A_POINTER
from .epilogues import TileEpilogue
from .function import i64


class Reading(NamedTuple):
    """How a panel reads rows of A: whether it keeps them; bytes from k to k, and to what it asks for in L1 and in L2."""

    keeping: Any
    k: Any
    ahead: Any
    far: Any


class TileRows(TileEpilogue):
    """A tile that reads rows of A. side_by_side: whether they lie so."""

    side_by_side: Any

    def reading(self) -> Reading:
        """How the first panel reads rows of A. The highest tiles keep those that lie side by side, [k][rows].

        It comes first: kept, where there is place for them, if at all, and keeps, whether they go there, are set here.
        """
        build, task = self.builder, self.task
        highest = self.vectors > 1 and self.rows == self.sizes.most_rows[self.vectors]
        self.kept = build.alloca(self.scalar, self.rows * SUM_BLOCK) if self.sizes.keeps_a and highest else None
        keeps, distance = ir.Constant(ir.IntType(1), 0), i64(A_AHEAD)
        if self.kept is not None:
            several = build.and_(
                build.icmp_signed(">", task.panels, i64(1)), build.icmp_signed("<=", task.K, i64(SUM_BLOCK))
            )
            keeps = build.and_(self.side_by_side, several)
            distance = build.select(keeps, i64(A_AHEAD_KEPT), distance)
        ahead = build.mul(task.A.k, distance)
        self.keeps = keeps
        return Reading(keeps, task.A.k, ahead, build.select(self.side_by_side, i64(A_FAR), ahead))

    def reading_again(self) -> Reading:
        """How the other panels read them: from where they are kept, if they are."""
        build, step = self.builder, self.task.A.k
        if self.kept is not None:
            step = build.select(self.keeps, i64(self.rows * self.size), step)
        ahead = build.mul(step, i64(A_AHEAD))
        far = build.and_(self.side_by_side, build.not_(self.keeps))
        return Reading(ir.Constant(ir.IntType(1), 0), step, ahead, build.select(far, i64(A_FAR), ahead))

    def kept_or(self, starts: list[Any]) -> list[Any]:
        """Where the rows begin for the other panels."""
        if self.kept is None:
            return starts
        kept = (self.at(self.kept, i64(n * ROWS_AT_A_POINTER * self.size)) for n in range(len(starts)))
        return [self.builder.select(self.keeps, *pair) for pair in zip(kept, starts, strict=True)]
