"""Vectors of LLVM's IR that take part in Python's arithmetic: what a formula of one element is run on, to become code.

There are + − · / abs and comparisons, & and | of these, and select and constant (kernels/element.py); an `if` is refused.
Every operation is one instruction, in the order in which Python does them, and none is fused: the bits are those of the
same formula on numbers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ..._numba import cgutils


class Expression:
    """A vector, or a vector of conditions, in the code that a builder builds."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def constant(self, number: float) -> Expression:
        """The number in every lane."""
        kind = self.value.type
        return Expression(self.builder, ir.Constant(kind, [float(number)] * kind.count))

    def select(self, one: Any, other: Any) -> Expression:
        """`one` where this condition holds, else `other`."""
        return Expression(self.builder, self.builder.select(self.value, one.value, other.value))

    def _with(self, instruction: Any, other: Any, *names: str) -> Expression:
        other = other if isinstance(other, Expression) else self.constant(other)
        return Expression(self.builder, instruction(*names, self.value, other.value))

    def __add__(self, other: Any) -> Expression:
        return self._with(self.builder.fadd, other)

    def __sub__(self, other: Any) -> Expression:
        return self._with(self.builder.fsub, other)

    def __mul__(self, other: Any) -> Expression:
        return self._with(self.builder.fmul, other)

    def __truediv__(self, other: Any) -> Expression:
        return self._with(self.builder.fdiv, other)

    def __radd__(self, other: Any) -> Expression:
        return self.constant(other) + self

    def __rsub__(self, other: Any) -> Expression:
        return self.constant(other) - self

    def __rmul__(self, other: Any) -> Expression:
        return self.constant(other) * self

    def __rtruediv__(self, other: Any) -> Expression:
        return self.constant(other) / self

    def __neg__(self) -> Expression:
        return Expression(self.builder, self.builder.fneg(self.value))

    def __abs__(self) -> Expression:
        kind = self.value.type
        name = f"llvm.fabs.v{kind.count}f{32 if kind.element == ir.FloatType() else 64}"
        function = cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(kind, [kind]), name)
        return Expression(self.builder, self.builder.call(function, [self.value]))

    def __gt__(self, other: Any) -> Expression:
        return self._with(self.builder.fcmp_ordered, other, ">")

    def __lt__(self, other: Any) -> Expression:
        return self._with(self.builder.fcmp_ordered, other, "<")

    def __le__(self, other: Any) -> Expression:
        return self._with(self.builder.fcmp_ordered, other, "<=")

    def __ge__(self, other: Any) -> Expression:
        return self._with(self.builder.fcmp_ordered, other, ">=")

    def __eq__(self, other: object) -> Any:
        return self._with(self.builder.fcmp_ordered, other, "==")

    def __ne__(self, other: object) -> Any:
        return self._with(self.builder.fcmp_unordered, other, "!=")

    __hash__ = None  # type: ignore[assignment]  # a comparison is code, and no answer

    def __bool__(self) -> bool:
        raise TypeError(
            "a formula of one element has no `if`, `and` or `or`: it becomes code of vectors; use select, & and |"
        )

    def __and__(self, other: Expression) -> Expression:
        return Expression(self.builder, self.builder.and_(self.value, other.value))

    def __or__(self, other: Expression) -> Expression:
        return Expression(self.builder, self.builder.or_(self.value, other.value))
