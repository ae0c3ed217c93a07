"""What follows the sums of a tile: they are joined with Y, and the epilogue's formula is run on them.

The formulas are those of kernels/epilogue.py: each is run once here, on vectors, and becomes code of every microkernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ..epilogue import FORMS, OF_ELEMENTS, OF_ROWS, OF_STEP, Epilogue, Form, StepSettings
from .expression import Expression
from .function import POINTER, Function, i64
from .step import StepFunction


class TileEpilogue(Function):
    """A function with a tile of sums: `rows` × `vectors` of them, and the task that says what becomes of them.

    What the loops over tiles and panels set: y, b, row_sums, where this tile's are; last, the lanes of the last vector
    that are Y's; panel_at, bytes from the first panel; has_sums, whether the lane behind goes to the row sums; now, a
    number that changes from tile to tile.
    """

    rows: int
    vectors: int
    task: Any
    y: Any
    b: Any
    row_sums: Any
    last: Any
    panel_at: Any
    has_sums: Any
    now: Any

    def begin(self, task: Any) -> None:
        """What is the same for all tiles of a task."""
        self.task = task
        self.chosen = {
            epilogue: self.builder.icmp_signed("==", task.epilogue, i64(epilogue))
            for epilogue, form in FORMS.items()
            if form.b == OF_STEP
        }
        self.steps = {
            epilogue: StepFunction(self.module, self.sizes, self.bits).build(epilogue)
            for epilogue, form in FORMS.items()
            if form.state
        }
        self.block = self.builder.alloca(self.vector, self.rows * self.vectors)

    def inside(self) -> Any:
        """A mask of the last vector's lanes that are Y's, made where it is needed: most vectors are whole."""
        return self.first(self.last)

    def rows_at(self, first: Any, step: Any, offset: Any = None) -> list[Any]:
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

    def places(self) -> Any:
        """(t, j, byte offset of vector j, whether it is the last of its row) for each accumulator."""
        for t in range(self.rows):
            for j in range(self.vectors):
                yield t, j, i64(j * self.sizes.lanes * self.size), j == self.vectors - 1

    def finish(self, sums: list[Any], add: Any, last_block: Any) -> None:
        """Join the block's sums with Y; after the last block, the epilogue. A step has one block only."""
        build, called = self.builder, ir.Constant(ir.IntType(1), 0)
        with build.if_then(self.has_sums, likely=False):
            self._finish_sums(sums[self.vectors - 1 :: self.vectors], add)
        for epilogue, step in self.steps.items():
            called = build.or_(called, self.chosen[epilogue])
            with build.if_then(self.chosen[epilogue], likely=False):
                self._call_step(step, sums)
        with build.if_then(build.not_(called), likely=True):
            self._change_y(sums, add, last_block)

    def _call_step(self, step: Any, sums: list[Any]) -> None:
        """A step with a state. The sums are a block of their own meanwhile, in the L1 cache."""
        build, lanes = self.builder, self.sizes.lanes
        for n, total in enumerate(sums):
            build.store(total, build.gep(self.block, [i64(n)]))
        beyond = build.icmp_signed("<", self.last, i64(lanes))
        columns = build.add(build.select(beyond, self.last, i64(lanes)), i64((self.vectors - 1) * lanes))
        row = i64(self.vectors * lanes * self.size)
        build.call(step, [self.block, row, i64(self.rows), columns, self.y, self.task.Y.step, self.task.state, self.b])

    def _change_y(self, sums: list[Any], add: Any, last_block: Any) -> None:
        """All other epilogues."""
        sums = self._ended(self._when(add, "add", self._plus_old, sums), last_block)
        y = self.rows_at(self.y, self.task.Y.step)
        whole = self.builder.icmp_signed(">=", self.last, i64(self.sizes.lanes))
        placed = [
            (total, self.at(y[t], offset), last) for (t, _, offset, last), total in zip(self.places(), sums, strict=True)
        ]
        for total, place, last in placed:
            if not last:
                self.store(total, place)
        with self.builder.if_else(whole) as (then, otherwise):  # masked stores of AVX2 are microcode on AMD's processors
            for branch, masked in ((then, False), (otherwise, True)):
                with branch:
                    mask = self.inside() if masked else None
                    for total, place, last in placed:
                        if last:
                            self.store(total, place, mask)

    def _ended(self, sums: list[Any], last_block: Any) -> list[Any]:
        """The formula of the task's epilogue, run on the sums; after other blocks than the last none is."""
        build, before, after = self.builder, self.builder.block, self.function.append_basic_block("ended")
        epilogue = build.select(last_block, self.task.epilogue, i64(Epilogue.NONE))
        choice, ends = build.switch(epilogue, after), [(before, sums)]
        for which, form in FORMS.items():
            if form.formula is not None and not form.state:
                block = self.function.append_basic_block(which.name.lower())
                choice.add_case(i64(which), block)
                build.position_at_end(block)
                ends.append((block, self._formula(form)(sums)))
                build.branch(after)
        build.position_at_end(after)
        return self._joined(ends)

    def _joined(self, ends: list[tuple[Any, list[Any]]]) -> list[Any]:
        """The sums that come here, from one of several blocks."""
        results = [self.builder.phi(self.vector) for _ in ends[0][1]]
        for block, sums in ends:
            for result, value in zip(results, sums, strict=True):
                result.add_incoming(value, block)
        return results

    def _formula(self, form: Form) -> Callable[[list[Any]], list[Any]]:
        """The formula of an epilogue, for all sums, with what b holds for each."""
        formula: Any = form.formula

        def of_rows(sums: list[Any]) -> list[Any]:
            b = [self.splat(self.number(place)) for place in self.rows_at(self.b, self.task.b.step)]
            return [formula(total, self._expression(b[t])) for (t, *_), total in self._with_places(sums)]

        def of_elements(sums: list[Any]) -> list[Any]:
            return [formula(total, value) for total, value in self._beside(self._rows_of_panel(), sums)]

        def of_step(sums: list[Any]) -> list[Any]:
            rate = self._expression(self.splat(self.number(self.b)))
            told = StepSettings(rate, 0.0, 0.0, 0.0, 0.0)  # without decay: the rest is no part of the code
            return [formula(old, total, told) for total, old in self._beside(self.rows_at(self.y, self.task.Y.step), sums)]

        change = {OF_ROWS: of_rows, OF_ELEMENTS: of_elements, OF_STEP: of_step}[form.b]
        return lambda sums: [result.value for result in change(sums)]

    def _expression(self, value: Any) -> Expression:
        return Expression(self.builder, value)

    def _with_places(self, sums: list[Any]) -> Any:
        """(place, the sum there) for each accumulator."""
        return ((place, self._expression(total)) for place, total in zip(self.places(), sums, strict=True))

    def _rows_of_panel(self) -> list[Any]:
        """Pointers to the rows of b where it has a number for each element of Y."""
        return self.rows_at(self.b, self.task.b.step, self.panel_at)

    def _beside(self, rows: list[Any], sums: list[Any]) -> Any:
        """(the sum, what is in memory in its place) for each accumulator."""
        inside = self.inside()
        for (t, _, offset, last), total in self._with_places(sums):
            yield total, self._expression(self.load(self.at(rows[t], offset), inside if last else None))

    def _plus_old(self, sums: list[Any]) -> list[Any]:
        """Y[t,j] + acc[t,j]."""
        return [(old + total).value for total, old in self._beside(self.rows_at(self.y, self.task.Y.step), sums)]

    def _finish_sums(self, sums: list[Any], add: Any) -> None:
        """Join lane `last` of these vectors with the row sums: through a pointer whose lane `last` is that of row t."""
        build = self.builder
        outside = build.icmp_signed("==", self.lane, self.splat(self.last))
        back = build.sub(i64(0), build.mul(self.last, i64(self.size)))
        places = self.rows_at(self.row_sums, self.task.sums.step, back)

        def plus_old(sums: list[Any]) -> list[Any]:
            return [build.fadd(self.load(place, outside), total) for place, total in zip(places, sums, strict=True)]

        for total, place in zip(self._when(add, "add_sums", plus_old, sums), places, strict=True):
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
        return self._joined([(before, sums), (then, changed)])
