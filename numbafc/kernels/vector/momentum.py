"""A step of gradient descent with momentum on what a tile has just summed up, a gradient g that never was in memory.

    g ← g + decay·θ where there is decay        v ← µ·v + g        θ ← θ − rate·v, or θ − rate·(g + µ·v) as Nesterov has it

The operations are those of nn/updates.py one by one, none of them fused, so the bits are the same.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ..._numba import cgutils
from .function import I64, POINTER, Function, i64

# What a step is told, in an array of SETTINGS reals. Where DISTANCE is, a whole number of 64 bits begins: how many bytes
# behind θ its velocity is.
RATE, DECAY, MOMENTUM, SMALLEST, NESTEROV = range(5)
DISTANCE, SETTINGS = 12, 16


class MomentumFunction(Function):
    """A step for `columns` parameters in each of `rows` rows, g_row and theta_row bytes apart."""

    def build(self) -> Any:
        """The function."""
        return self.define("momentum", [POINTER, I64, I64, I64, POINTER, I64, POINTER])

    def body(self, g, g_row, rows, columns, theta, theta_row, settings) -> None:
        build, lanes, zero = self.builder, self.sizes.lanes, ir.Constant(self.vector, None)

        def setting(which: int) -> Any:
            place = self.at(settings, i64(which * self.size))
            return self.splat(build.load(place, align=self.size, typ=self.scalar))

        rate, decay, momentum, smallest, nesterov = (setting(which) for which in range(5))
        distance = build.load(self.at(settings, i64(DISTANCE * self.size)), align=8, typ=I64)
        decays, ahead = build.fcmp_unordered("!=", decay, zero), build.fcmp_unordered("!=", nesterov, zero)
        vectors = build.sdiv(build.add(columns, i64(lanes - 1)), i64(lanes))
        with cgutils.for_range(build, rows) as row, cgutils.for_range(build, vectors) as vector:
            first = build.mul(vector.index, i64(lanes))
            there = self.below(build.sub(columns, first))(self.lane)
            offset = build.mul(first, i64(self.size))
            place = self.at(self.at(theta, build.mul(row.index, theta_row)), offset)
            old, before = self.load(place, there), self.load(self.at(place, distance), there)
            gradient = self.load(self.at(self.at(g, build.mul(row.index, g_row)), offset), there)
            gradient = build.select(decays, build.fadd(gradient, build.fmul(decay, old)), gradient)
            v = self._settled(build.fadd(build.fmul(before, momentum), gradient), before, smallest)
            self.store(v, self.at(place, distance), there)
            further = build.select(ahead, build.fadd(gradient, build.fmul(momentum, v)), v)
            self.store(build.fsub(old, build.fmul(rate, further)), place, there)

    def _settled(self, x: Any, before: Any, smallest: Any) -> Any:
        """x, or 0 where it is below the smallest normal number and no longer grows."""
        size, size_before = (self.call(f"llvm.fabs.{self.kind}", self.vector, number) for number in (x, before))
        small = self.builder.fcmp_ordered("<", size, smallest)
        gone = self.builder.and_(small, self.builder.fcmp_ordered("<=", size, size_before))
        return self.builder.select(gone, ir.Constant(self.vector, None), x)
