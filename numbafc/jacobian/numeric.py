"""The Jacobian by finite differences: the check that needs to know nothing of the formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import checks
from .limits import zeros


def numeric_jacobian(f: Callable[[np.ndarray], Any], a: np.ndarray, step: float | None = None) -> np.ndarray:
    """J[p,q] = (f_p(a + h·e_q) − f_p(a − h·e_q)) / 2h, the central difference in each input.

    f: from an array of a's shape to an array or a scalar; it is called twice per element of a, with a copy. a: float32 or
    float64, any rank; f and J keep its dtype. step: h; the default eps^(1/3)·max(1, |a_q|) balances truncation (h²)
    against rounding (eps/h). A function that is linear in a, as the layer is, has no truncation error: step=1 is best.
    Returns (m, n). Raises MemoryError over jacobian.MAX_BYTES, ValueError for a step that the dtype loses.
    """
    a = checks.real_array("a", a)
    if step is not None:
        step = checks.number("step", step, 0.0, exclusive=True)
    point = np.array(a, order="C")
    flat, original = point.reshape(-1), a.reshape(-1)
    first = _value(f, point)
    J = zeros((first.size, a.size), a.dtype, "an operator: its products can be checked in single directions")
    for q in range(a.size):
        h = step or np.finfo(a.dtype).eps ** (1 / 3) * max(1.0, abs(float(original[q])))
        flat[q] = original[q] + h
        above, value = flat[q], _value(f, point)
        flat[q] = original[q] - h
        if not above > original[q] > flat[q]:
            raise ValueError(f"step {h:g} is lost beside element {q}, {original[q]}, in {a.dtype}; choose a larger one")
        J[:, q] = (value - _value(f, point)) / (above - flat[q])  # the step as the dtype holds it
        flat[q] = original[q]
    return J


def _value(f: Callable[[np.ndarray], Any], point: np.ndarray) -> np.ndarray:
    """f at a copy of the point, flat, in memory of its own: f may change its argument or use one output again."""
    value = np.array(f(point.copy())).reshape(-1)
    if value.dtype.kind not in "fiub":
        raise TypeError(f"f must return real numbers, got dtype {value.dtype}")
    return value
