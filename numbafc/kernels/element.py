"""Two operations that formulas of one element are written with: on numbers, in compiled code, and on vectors of IR.

Such a formula has no branches. The microkernel runs it as it is built, on vector/expression.py's vectors, which know
`select` and `constant`; in compiled code these are an if and a conversion.
"""

from __future__ import annotations

from typing import Any

from numba.extending import overload

from .._numba import INNER


def select(condition: Any, one: Any, other: Any) -> Any:
    """`one` where the condition holds, else `other`."""
    if hasattr(condition, "select"):
        return condition.select(one, other)
    return one if condition else other


def constant(like: Any, value: float) -> Any:
    """The value as a number of the same kind as `like`."""
    return like.constant(value) if hasattr(like, "constant") else type(like)(value)


@overload(select, jit_options=INNER)
def _compiled_select(condition, one, other):
    return lambda condition, one, other: one if condition else other


@overload(constant, jit_options=INNER)
def _compiled_constant(like, value):
    return lambda like, value: type(like)(value)
