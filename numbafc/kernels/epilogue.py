"""How a tile ends: what becomes of its sums before they leave the registers.

Each epilogue is a function of one element. The microkernel runs it once on vectors of LLVM's IR, while it is built; the
compiled loops of nn/ run the same functions on numbers, and plain Python does. So each formula stands once, and a new one
is a member of Epilogue and a line of FORMS.

Letters: acc is the finished sum of an element, y what is stored, θ a parameter and g its gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

from .._numba import inner
from .element import constant, select


class Epilogue(IntEnum):
    """What a product does with its sums; FORMS says it in formulas.

    Those behind BIAS are the microkernel's own: code compares with `> BIAS`.
    """

    NONE = 0
    BIAS = 1
    BIAS_RELU = 2
    RELU_BACKWARD = 3
    SGD = 4
    MOMENTUM = 5


class StepSettings(NamedTuple):
    """The settings of a step of SGD; of an array of settings, these are the first."""

    rate: Any
    decay: Any
    momentum: Any
    nesterov: Any  # 1, or 0
    smallest: Any  # normal number


# ---- formulas of one element ----------------------------------------------------------------------------------------


@inner
def relu(y):
    """max(y, 0); NaN stays."""
    return select((y > 0) | (y != y), y, constant(y, 0))


@inner
def relu_slope(h):
    """1 for h > 0, else 0 (at 0 too, as PyTorch and scikit-learn have it)."""
    return select(h > 0, constant(h, 1), constant(h, 0))


@inner
def flushed(x, before, smallest):
    """x, or 0 where it is below the smallest normal number and no longer grows (see nn/optimizers.py)."""
    return select((abs(x) < smallest) & (abs(x) <= abs(before)), constant(x, 0), x)


@inner
def with_decay(theta, g, s):
    """g + decay·θ; g itself where there is no decay."""
    return select(s.decay != 0, g + s.decay * theta, g)


@inner
def sgd(theta, g, s):
    """θ − rate·g."""
    return theta - s.rate * with_decay(theta, g, s)


@inner
def momentum(theta, g, velocity, s):
    """v = momentum·v + g and θ − rate·v, or θ − rate·(g + momentum·v) as Nesterov has it."""
    g = with_decay(theta, g, s)
    v = flushed(velocity * s.momentum + g, velocity, s.smallest)
    return theta - s.rate * select(s.nesterov != 0, g + s.momentum * v, v), v


def _add(acc, b):
    return acc + b


def _add_relu(acc, b):
    return relu(acc + b)


def _relu_backward(acc, h):
    return acc * relu_slope(h)


# ---- what each needs ------------------------------------------------------------------------------------------------

# What b holds: nothing, a number for each row of Y, one for each element of it, or the settings of a step.
NOTHING, OF_ROWS, OF_ELEMENTS, OF_STEP = range(4)


class Form(NamedTuple):
    """An epilogue: the formula, what b holds, and whether the step has a state besides θ = Y.

    Without a state a step is told its rate alone: decay, momentum and nesterov are 0.
    """

    formula: Callable[..., Any] | None
    b: int
    state: bool = False


FORMS = {
    Epilogue.NONE: Form(None, NOTHING),  # y = acc
    Epilogue.BIAS: Form(_add, OF_ROWS),  # y = acc + b[t]
    Epilogue.BIAS_RELU: Form(_add_relu, OF_ROWS),  # y = max(acc + b[t], 0)
    Epilogue.RELU_BACKWARD: Form(_relu_backward, OF_ELEMENTS),  # y = acc where b[t,s] > 0, the output of a relu, else 0·acc
    Epilogue.SGD: Form(sgd, OF_STEP),  # θ = Y, g = acc: a step without decay
    Epilogue.MOMENTUM: Form(momentum, OF_STEP, state=True),  # likewise with a velocity and decay
}
LENGTH_OF_SETTINGS = (
    16  # numbers of an array of settings: those of a step, and as many as an optimizer of nn/ needs besides
)


def _those(holds: int) -> int:
    """The epilogues whose b holds that, as bits: compiled code looks them up in no time."""
    return sum(1 << epilogue for epilogue, form in FORMS.items() if form.b == holds)


_OF_ROWS, _OF_ELEMENTS, _OF_STEP, ALL = _those(OF_ROWS), _those(OF_ELEMENTS), _those(OF_STEP), len(Epilogue)


@inner
def is_of_elements(epilogue):
    """Whether b has a number for each element of Y."""
    return _OF_ELEMENTS >> epilogue & 1 == 1


@inner
def is_step(epilogue):
    """Whether Y is θ, which the epilogue changes: then the sums must be one block."""
    return _OF_STEP >> epilogue & 1 == 1


@inner
def fits(epilogue, numbers, rows, columns):
    """Whether b has as many numbers as the epilogue needs for a Y of so many rows and columns."""
    if _OF_ROWS >> epilogue & 1 == 1:
        return numbers == rows
    if is_of_elements(epilogue):
        return numbers == rows * columns
    return numbers == LENGTH_OF_SETTINGS if is_step(epilogue) else True
