"""The microkernel: a tile of rows × vectors of accumulators that stay in registers while k runs over a block.

    for each block of SUM_BLOCK indices k:    acc[t,j] = +0;  acc[t,j] = fma(A[t,k], X[k,j], acc[t,j]) for k in order
                                              Y[t,j] = acc[t,j] for the first block, else Y[t,j] + acc[t,j]
    after the last one                        the epilogue (kernels/epilogue.py)

which is formulas.sum_of_products for every element of the tile: a vector holds neighbouring j, never products of one sum.
A is read in place through two strides and broadcast. X has unit stride in j. The last vector may be partly outside: its
lanes are masked, and the others run the same chains. One lane beyond the last may go elsewhere, to the row sums: with a 1
in that lane of X it is the sum of A[t,:], which is how a gradient of weights brings that of the bias along.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from ..._numba import cgutils
from ...formulas import SUM_BLOCK
from ..epilogue import FORMS, OF_STEP
from ..target import LINE, ROWS_AT_A_POINTER, SHORT_SUM, UNROLL, X_AHEAD, Tiles
from .function import I64, POINTER, i64
from .kept_rows import Reading, TileRows
from .pointers import Operand, Strided


class Task(NamedTuple):
    """The arguments of the microkernel: where the first tile is, and how many there are. All steps are in bytes.

    A: (start, from row to row, from k to k). X: (start, from panel to panel, from k to k). Y, b, sums: (start, from row to
    row); b as the epilogue wants it, sums where the row sums go. state: from Y to the state of a step. K: how many k.
    packed: 1, a panel of X has all its lanes. columns: lanes from the first vector on that belong to Y. add: not 0, the
    first block is added to Y too. epilogue: one of Epilogue. with_sums: 1, the lane behind Y's last goes to the row sums,
    if a tile has it. tiles: how many one below the other; panels: side by side.
    """

    A: Any
    X: Any
    Y: Any
    b: Any
    sums: Any
    state: Any
    K: Any
    packed: Any
    columns: Any
    add: Any
    epilogue: Any
    with_sums: Any
    tiles: Any
    panels: Any

    @classmethod
    def of(cls, numbers: Any) -> Task:
        """The task whose numbers are these, one by one."""
        n = list(numbers)
        return cls(Operand(*n[:3]), Operand(*n[3:6]), Strided(*n[6:8]), Strided(*n[8:10]), Strided(*n[10:12]), *n[12:])


NUMBERS = [POINTER, I64, I64] * 2 + [POINTER, I64] * 3 + [I64] * 9  # the types of a task's numbers, one by one


class TileFunction(TileRows):
    """Tiles of rows × vectors; its numbers are those of a Task, in order."""

    def __init__(self, module: Any, sizes: Tiles, bits: int, rows: int, vectors: int) -> None:
        super().__init__(module, sizes, bits)
        self.rows, self.vectors = rows, vectors

    def build(self) -> Any:
        """The function."""
        return self.define(f"tile_{self.rows}x{self.vectors}", NUMBERS)

    def body(self, *numbers: Any) -> None:
        build, task = self.builder, Task.of(numbers)
        self.begin(task)
        self.a_offsets = [build.mul(task.A.row, i64(t)) for t in range(ROWS_AT_A_POINTER)]
        self.side_by_side = build.icmp_signed("==", task.A.row, i64(self.size))
        first, again = self.reading(), self.reading_again()
        self.x_ahead = build.mul(task.X.k, i64(X_AHEAD))
        group, wanted = build.mul(task.A.row, i64(ROWS_AT_A_POINTER)), self._wants_y()
        with cgutils.for_range(build, task.tiles) as tile:
            t = build.mul(tile.index, i64(self.rows))
            a_t, y_t, self.b, self.row_sums = (
                self.at(operand.start, build.mul(t, operand[1])) for operand in (task.A, task.Y, task.b, task.sums)
            )
            starts = [self.at(a_t, build.mul(group, i64(n))) for n in range(-(-self.rows // ROWS_AT_A_POINTER))]
            self._panels((*first, *starts), (*again, *self.kept_or(starts)), wanted, y_t)

    def _panels(self, first: Any, again: Any, wanted: Any, y_t: Any) -> None:
        """The loop over panels, of which there is one at least. first, again: a Reading of A and where its rows begin."""
        build, task, before = self.builder, self.task, self.builder.block
        body, after = (self.function.append_basic_block(name) for name in ("panel", "panels_done"))
        build.branch(body)
        build.position_at_end(body)
        panel, *reading = phis = [build.phi(value.type) for value in (i64(0), *first)]
        for phi, value in zip(phis, (i64(0), *first), strict=True):
            phi.add_incoming(value, before)
        self.a, starts = Reading(*reading[: len(Reading._fields)]), reading[len(Reading._fields) :]
        self._place(panel, y_t)
        with build.if_then(wanted):
            self._prefetch_y()
        self._blocks(starts, self.at(task.X.start, build.mul(panel, task.X.row)))
        following = build.add(panel, i64(1))
        for phi, value in zip(phis, (following, *again), strict=True):
            phi.add_incoming(value, build.block)
        build.cbranch(build.icmp_signed("<", following, task.panels), body, after)
        build.position_at_end(after)

    def _wants_y(self) -> Any:
        """Whether Y's lines are worth asking for: where Y is read, or the sums are short."""
        build, task = self.builder, self.task
        added_to = build.or_(build.icmp_signed("!=", task.add, i64(0)), build.icmp_signed(">", task.K, i64(SUM_BLOCK)))
        wanted = build.or_(added_to, build.icmp_signed("<", task.K, i64(SHORT_SUM)))
        for epilogue, form in FORMS.items():
            if form.b == OF_STEP:
                wanted = build.or_(wanted, self.chosen[epilogue])
        return wanted

    def _place(self, panel: Any, y_t: Any) -> None:
        """What depends on the panel: where Y's part is, and which lanes of the last vector there are."""
        build, task, lanes = self.builder, self.task, self.sizes.lanes
        self.last = build.sub(task.columns, build.mul(panel, i64(self.vectors * lanes)))
        self.last = build.sub(self.last, i64((self.vectors - 1) * lanes))  # lanes of the last vector that are Y's
        beyond = build.icmp_signed("<", self.last, i64(lanes))
        self.has_sums = build.and_(build.icmp_signed("!=", task.with_sums, i64(0)), beyond)
        self.reaches = build.or_(build.icmp_signed("!=", task.packed, i64(0)), build.not_(beyond))
        self.panel_at = build.mul(panel, i64(self.vectors * lanes * self.size))
        self.y, self.now = self.at(y_t, self.panel_at), panel

    def _opaque(self, pointer: Any) -> Any:
        """The same pointer, of which LLVM knows nothing: it would otherwise give each row a register, and spill them."""
        kind = ir.FunctionType(POINTER, [POINTER])
        return self.builder.call(ir.InlineAsm(kind, "", "=r,0", side_effect=False), [pointer])

    def _prefetch_y(self) -> None:
        """Y's lines are asked for before the sums, so that they are there after them. Only stored, they can come later."""
        y = self.rows_at(self.y, self.task.Y.step)
        for t, _, offset, _ in self.places():
            self.prefetch(self.at(y[t], offset), 1)

    def _blocks(self, starts: list[Any], x: Any) -> None:
        """The loop over blocks of k. starts: where each group of rows of A begins. K = 0 has one block, of no elements."""
        build = self.builder
        before, body, after = build.block, *(self.function.append_basic_block(name) for name in ("block", "done"))
        build.branch(body)
        build.position_at_end(body)
        initial = (self.task.K, self.task.add, *starts, x)
        left, add, *pointers = phis = [build.phi(value.type) for value in initial]
        for phi, value in zip(phis, initial, strict=True):
            phi.add_incoming(value, before)
        whole = build.icmp_signed("<", i64(SUM_BLOCK), left)
        count = build.select(whole, i64(SUM_BLOCK), left)
        sums: list[Any] = [ir.Constant(self.vector, None)] * (self.rows * self.vectors)
        # whole vectors of X, two steps at a time, if all are there; the other steps load what there is of the last one
        pairs = build.udiv(count, i64(UNROLL))
        if self.sizes.masked_loads:
            pairs = build.select(self.reaches, pairs, i64(0))
        done, kept = build.mul(pairs, i64(UNROLL)), None
        if self.kept is not None:
            keeping = build.select(self.a.keeping, pairs, i64(0))
            pointers, sums = self._steps("keeping", UNROLL, keeping, pointers, sums, kept=self.kept)
            pairs, kept = build.sub(pairs, keeping), self.at(self.kept, build.mul(done, i64(self.rows * self.size)))
        pointers, sums = self._steps("many", UNROLL, pairs, pointers, sums)
        masked = self.sizes.masked_loads
        pointers, sums = self._steps("rest", 1, build.sub(count, done), pointers, sums, masked=masked, kept=kept)
        self.now = pointers[-1]
        self.finish(sums, build.icmp_signed("!=", add, i64(0)), build.not_(whole))
        for phi, value in zip(phis, (build.sub(left, count), i64(1), *pointers), strict=True):
            phi.add_incoming(value, build.block)
        build.cbranch(whole, body, after)
        build.position_at_end(after)

    def _steps(
        self,
        name: str,
        unroll: int,
        rounds: Any,
        pointers: list[Any],
        sums: list[Any],
        *,
        masked: bool = False,
        kept: Any = None,
    ) -> tuple[list[Any], list[Any]]:
        """A loop of `rounds` rounds, each `unroll` steps of k; the pointers and sums after it.

        masked: X's last vector may not be whole. kept: where numbers of A are stored on their way.
        """
        build, initial = self.builder, [*pointers, *sums]
        skipped = build.block
        before, body, after = (self.function.append_basic_block(name + part) for part in ("_begin", "", "_done"))
        build.cbranch(build.icmp_signed(">", rounds, i64(0)), before, after)
        build.position_at_end(before)
        mask = build.or_(self.inside(), self.splat(self.reaches)) if masked else None
        build.branch(body)
        build.position_at_end(body)
        left, *phis = [build.phi(value.type) for value in (rounds, *initial)]
        for phi, value in zip((left, *phis), (rounds, *initial), strict=True):
            phi.add_incoming(value, before)
        (*a_k, x_k), new = phis[: len(pointers)], phis[len(pointers) :]
        place = None
        if kept is not None:
            place = build.phi(POINTER)
            place.add_incoming(kept, before)
            place.add_incoming(self.at(place, i64(unroll * self.rows * self.size)), body)
        for n in range(unroll):
            a_k = [self._opaque(pointer) for pointer in a_k]
            to = None if place is None else self.at(place, i64(n * self.rows * self.size))
            new = self._step(a_k, x_k, new, mask, to)
            a_k, x_k = [self.at(pointer, self.a.k) for pointer in a_k], self.at(x_k, self.task.X.k)
        fewer = build.sub(left, i64(1))
        for phi, value in zip((left, *phis), (fewer, *a_k, x_k, *new), strict=True):
            phi.add_incoming(value, build.block)
        build.cbranch(build.icmp_signed(">", fewer, i64(0)), body, after)
        last = build.block
        build.position_at_end(after)
        results = []
        for start, value in zip(initial, (*a_k, x_k, *new), strict=True):
            results.append(build.phi(value.type))
            results[-1].add_incoming(start, skipped)
            results[-1].add_incoming(value, last)
        return results[: len(pointers)], results[len(pointers) :]

    def _step(self, a_k: list[Any], x_k: Any, sums: list[Any], mask: Any, kept: Any) -> list[Any]:
        """One k: acc[t,j] = fma(A[t,k], X[k,j], acc[t,j]) for the whole tile. kept: where its A[t,k] are stored, if any."""
        # where rows of A lie side by side, the next k is far, and no prefetcher follows
        self.prefetch(self.at(a_k[0], self.a.ahead))
        self.prefetch(self.at(a_k[0], self.a.far), keep=2)
        if self.vectors == 2:  # the width of tiles that read X in place, where the next row may be far away, too
            for at in range(0, self.vectors * self.sizes.lanes * self.size, LINE):
                self.prefetch(self.at(self.at(x_k, self.x_ahead), i64(at)))
        xs = []
        for j in range(self.vectors):
            place = self.at(x_k, i64(j * self.sizes.lanes * self.size))
            xs.append(self.load(place, mask if j == self.vectors - 1 else None))
        new = []
        for t in range(self.rows):
            place = self.at(a_k[t // ROWS_AT_A_POINTER], self.a_offsets[t % ROWS_AT_A_POINTER])
            number = self.number(place)
            if kept is not None:
                self.builder.store(number, self.at(kept, i64(t * self.size)), align=self.size)
            a = self.splat(number)
            name = f"llvm.fma.{self.kind}"
            new += [self.call(name, self.vector, a, x, sums[t * self.vectors + j]) for j, x in enumerate(xs)]
        return new
