"""A step of an optimizer with a state, on what a tile has just summed up: a gradient that never was in memory.

The formula is that of the epilogue (kernels/epilogue.py), run on vectors.
"""

from __future__ import annotations

from typing import Any

from ..._numba import cgutils
from ..epilogue import FORMS, Epilogue, StepSettings
from .expression import Expression
from .function import I64, POINTER, Function, i64


class StepFunction(Function):
    """A step for `columns` parameters in each of `rows` rows, g_row and theta_row bytes apart.

    state: bytes from a parameter to its state. settings: where StepSettings are.
    """

    def build(self, epilogue: Epilogue) -> Any:
        """The function for an epilogue."""
        self.formula: Any = FORMS[epilogue].formula
        return self.define(f"step_{epilogue.name.lower()}", [POINTER, I64, I64, I64, POINTER, I64, I64, POINTER])

    def settings(self, start: Any) -> StepSettings:
        """The settings that are in memory from `start` on, each in all lanes."""
        places = (self.at(start, i64(n * self.size)) for n in range(len(StepSettings._fields)))
        return StepSettings(*(Expression(self.builder, self.splat(self.number(place))) for place in places))

    def body(self, g, g_row, rows, columns, theta, theta_row, state, settings) -> None:
        build, lanes, told = self.builder, self.sizes.lanes, self.settings(settings)
        whole, rest = build.sdiv(columns, i64(lanes)), build.srem(columns, i64(lanes))
        inside = self.first(rest)

        def step(gradients: Any, parameters: Any, vector: Any, mask: Any) -> None:
            offset = build.mul(vector, i64(lanes * self.size))
            place = self.at(parameters, offset)
            places = self.at(gradients, offset), self.at(place, state), place
            gradient, before, old = (Expression(build, self.load(at, mask)) for at in places)
            new, after = self.formula(old, gradient, before, told)
            self.store(after.value, places[1], mask)
            self.store(new.value, place, mask)

        with cgutils.for_range(build, rows) as row:
            gradients, parameters = self.at(g, build.mul(row.index, g_row)), self.at(theta, build.mul(row.index, theta_row))
            with cgutils.for_range(build, whole) as vector:
                step(gradients, parameters, vector.index, None)
            with build.if_then(build.icmp_signed(">", rest, i64(0))):
                step(gradients, parameters, whole, inside)
